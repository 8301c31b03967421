//! Versions, their tree, and undo with a preview, driven by key scripts over the scripted engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "a promise prints its figure")]

#[path = "support/scripted.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod scripted;

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use kshot::app::tree::VersionTree;
use kshot::app::{COMMANDS, Message, keymap};
use kshot::engine::FinishReason;
use kshot::session::record::{self, HEAD};
use kshot::session::{Author, Kept, NodeId, Origin, Place, Store};
use kshot::ui::Keeper;
use kshot::ui::script::Driver;
use kshot::ui::theme::{Palette, Theme};
use kshot::ui::widget::Glyphs;
use scripted::{Numbers, Player, SIZES, Scripted, driver, loaded, said, screen, text};

fn status(driver: &Driver<Scripted>) -> String {
    screen(driver).lines().next().unwrap().to_owned()
}

/// Presses keys that start a generation, and plays the engine.
fn play(driver: &mut Driver<Scripted>, keys: &str, tokens: &[&str]) {
    driver.run(keys).unwrap();
    let mut player = Player::new(driver);
    player.tokens(driver, tokens);
    player.finish(driver, FinishReason::Length);
    driver.draw();
}

/// Three versions of one continuation; the last is on the screen.
fn three(size: (u16, u16)) -> Driver<Scripted> {
    let mut driver = loaded(size);
    play(&mut driver, "The word for water is<Ctrl+G>", &[" eau", " de", " la", " mer"]);
    play(&mut driver, "<Ctrl+R>", &[" water"]);
    play(&mut driver, "<Ctrl+R>", &[" une", " river"]);
    driver
}

#[test]
fn regenerating_keeps_every_version_and_two_keys_go_through_them() {
    let mut driver = three((120, 36));
    assert!(status(&driver).contains(" 3/3 "), "{}", status(&driver));
    let end = |driver: &Driver<Scripted>| text(driver).split_off("The word for water is".len());
    driver.run("<Alt+,>").unwrap();
    assert_eq!(end(&driver), " water");
    assert!(status(&driver).contains(" 2/3 "), "{}", status(&driver));
    assert!(said(&driver).contains("version 2 of 3: 1 token, -1.17 nats a token, seed 42, gpt2"), "{}", said(&driver));
    driver.run("<Alt+,>").unwrap();
    assert_eq!(end(&driver), " eau de la mer");
    let tokens = driver.shell.app.document.tokens();
    let sampled: Vec<u32> =
        tokens.iter().filter(|token| token.origin == Origin::Sampled).map(|token| token.id).collect();
    assert_eq!(sampled, [257, 260, 261, 263], "its own ids");
    assert!(tokens.iter().rev().take(4).all(|token| token.info.is_some()), "and what was known about them");
    assert_eq!(driver.shell.app.runs.current.as_ref().unwrap().steps.len(), 4, "the next-token pane shows its steps");
    driver.run("<Alt+,>").unwrap();
    assert_eq!(end(&driver), " une river", "around the end");
    driver.run("<Alt+.><Alt+.>").unwrap();
    assert_eq!(end(&driver), " water");
    // One step of undo, announced since it concerns a generation.
    driver.run("<Ctrl+_ 2>").unwrap();
    assert_eq!(end(&driver), " eau de la mer");
    assert!(status(&driver).contains(" 1/3 "), "{}", status(&driver));
}

#[test]
fn plain_brackets_turn_versions_where_nothing_is_typed_and_are_text_where_it_is() {
    let mut driver = three((120, 36));
    driver.run("<F3>[").unwrap();
    assert!(text(&driver).ends_with(" water"));
    driver.run("]<Esc><Ctrl+End>[").unwrap();
    assert!(text(&driver).ends_with(" une river["), "{}", text(&driver));
}

#[test]
fn the_caret_chooses_the_branching_point() {
    let mut driver = loaded((120, 36));
    play(&mut driver, "a<Ctrl+G>", &[" river"]);
    play(&mut driver, "<Ctrl+R>", &[" mer"]);
    play(&mut driver, "!<Ctrl+G>", &[" of"]);
    play(&mut driver, "<Ctrl+R>", &[" de"]);
    assert_eq!(text(&driver), "a mer! de");
    driver.run("<Ctrl+End><Alt+,>").unwrap();
    assert_eq!(text(&driver), "a mer! of", "the last point before the caret");
    driver.run("<Ctrl+Home><Right 2><Alt+,>").unwrap();
    assert_eq!(text(&driver), "a river");
    driver.run("<Alt+.>").unwrap();
    assert_eq!(text(&driver), "a mer! of", "with all that went on from it, as it was left");
}

#[test]
fn an_edit_in_the_middle_is_a_branch() {
    let mut driver = loaded((120, 36));
    play(&mut driver, "water<Ctrl+G>", &[" river", " of", " ocean"]);
    driver.run("<Left 9> wide<Alt+V><Esc>").unwrap();
    assert_eq!(text(&driver), "water river wide of ocean");
    assert_eq!(driver.shell.app.versions.tree.len(), 3);
    driver.run("<Alt+,>").unwrap();
    assert_eq!(text(&driver), "water river of ocean", "the old text is still there");
    driver.run("<Alt+.>").unwrap();
    assert_eq!(text(&driver), "water river wide of ocean");
    let authors: Vec<Author> = driver.shell.app.document.runs().iter().map(|run| run.author).collect();
    assert_eq!(authors, [Author::Typed, Author::Model, Author::Typed, Author::Model]);
}

#[test]
fn what_is_typed_is_a_version_before_another_one_takes_its_place() {
    let mut driver = three((120, 36));
    driver.run("<Alt+,><Ctrl+End> and so on<Ctrl+Home><Alt+,>").unwrap();
    assert!(text(&driver).ends_with(" eau de la mer"));
    driver.run("<Alt+.>").unwrap();
    assert!(text(&driver).ends_with(" water and so on"));
}

#[test]
fn a_stopped_run_is_a_version_and_gets_its_seed_when_it_is_told() {
    let mut driver = loaded((120, 36));
    driver.run("a<Ctrl+G>").unwrap();
    let mut first = Player::new(&driver);
    first.tokens(&mut driver, &[" river"]);
    // Regenerated while it runs: the end of the first run comes when the second has begun.
    driver.run("<Ctrl+R>").unwrap();
    let mut second = Player::new(&driver);
    second.tokens(&mut driver, &[" mer"]);
    driver.draw();
    assert!(status(&driver).contains(" 2/2 "), "{}", status(&driver));
    first.finish(&mut driver, FinishReason::Cancelled);
    second.finish(&mut driver, FinishReason::Length);
    driver.run("<Alt+,>").unwrap();
    assert_eq!(text(&driver), "a river");
    assert!(said(&driver).contains("seed 42"), "{}", said(&driver));
    // The version on the screen is the one that is made again, by its own seed.
    driver.run("<Alt+R>").unwrap();
    assert_eq!(driver.executor.asked.borrow().generation.as_ref().unwrap().1.seed, Some(42));
    let mut third = Player::new(&driver);
    third.tokens(&mut driver, &[" river"]);
    third.finish(&mut driver, FinishReason::Length);
    driver.draw();
    assert!(status(&driver).contains(" 3/3 "), "the same text again is a version too: {}", status(&driver));
}

#[test]
fn an_undo_of_a_generation_or_of_more_than_a_line_is_announced() {
    let mut driver = loaded((120, 36));
    play(&mut driver, "The word for water is<Ctrl+G>", &[" eau", " de", " la", " mer"]);
    driver.run("<Ctrl+_>").unwrap();
    assert!(text(&driver).ends_with(" mer"), "nothing has happened yet");
    let asked = "press Ctrl+/ again: it takes back \" eau de la mer\" (4 tokens)";
    assert!(screen(&driver).contains(asked), "{}", screen(&driver));
    // A look elsewhere changes nothing about the question.
    driver.run("<Left><Ctrl+_>").unwrap();
    assert_eq!(text(&driver), "The word for water is");
    assert!(
        said(&driver).starts_with("took back \" eau de la mer\" (4 tokens) (Alt+_ undoes that)"),
        "{}",
        said(&driver)
    );
    driver.run("<Ctrl+_>").unwrap();
    assert_eq!(text(&driver), "The word for water ", "a word is taken back at once");
    driver.run("<Alt+_>").unwrap();
    assert!(said(&driver).contains("brings back \" eau de la mer\" (4 tokens)"), "{}", said(&driver));
    driver.run("<Alt+_>").unwrap();
    assert_eq!(text(&driver), "The word for water is eau de la mer");
    driver.send(Message::Paste("\none\ntwo".to_owned())).unwrap();
    driver.run("<Ctrl+_>").unwrap();
    assert!(said(&driver).contains("takes back \" one two\""), "{}", said(&driver));
}

/// A tree with branches and a bookmark, its view open.
fn tree(size: (u16, u16)) -> Driver<Scripted> {
    let mut driver = three(size);
    play(&mut driver, "!<Ctrl+G>", &[" the", " ocean", "\n", " of"]);
    driver.run("<Alt+V><Left>b").unwrap();
    driver
}

#[test]
fn the_tree() {
    for size in SIZES {
        let driver = tree(size);
        insta::assert_snapshot!(format!("tree-{}x{}", size.0, size.1), screen(&driver));
    }
}

#[test]
fn two_versions_side_by_side() {
    for size in SIZES {
        let mut driver = tree(size);
        driver.run("<Left><Up>=<Up>=").unwrap();
        insta::assert_snapshot!(format!("compare-{}x{}", size.0, size.1), screen(&driver));
    }
}

#[test]
fn the_question_before_pruning() {
    for size in SIZES {
        let mut driver = tree(size);
        driver.run("<Left>D").unwrap();
        insta::assert_snapshot!(format!("prune-{}x{}", size.0, size.1), screen(&driver));
    }
}

#[test]
fn the_tree_is_drawn_at_every_size_without_colour_and_in_ascii() {
    for keys in ["", "<Left>D", "<Left><Up>=<Up>="] {
        let mut driver = tree((120, 36));
        driver.shell.theme = Theme::new(Palette::Plain, Glyphs::ASCII);
        driver.run(keys).unwrap();
        assert!(screen(&driver).is_ascii(), "{}", screen(&driver));
        for size in ["60x16", "79x50", "110x16", "400x300", "3x2", "0x0"] {
            driver.run(&format!("<size {size}>")).unwrap();
        }
    }
}

#[test]
fn an_empty_tree_says_what_to_do() {
    let mut driver = driver((80, 24));
    driver.run("<Alt+V>").unwrap();
    assert!(screen(&driver).contains("Nothing is kept yet"), "{}", screen(&driver));
    driver.run("=Dba<Enter>ujkr<Left><Right><Up><Down>").unwrap();
    assert!(driver.shell.app.is_top::<VersionTree>());
}

#[test]
fn the_tree_is_walked_and_opened() {
    let mut driver = tree((120, 36));
    let selected = |driver: &Driver<Scripted>| {
        let tree = &driver.shell.app.versions.tree;
        let node = tree.node(driver.shell.app.versions.view.selected).unwrap();
        String::from_utf8_lossy(&node.piece.bytes).into_owned()
    };
    assert_eq!(selected(&driver), "!");
    driver.run("<Right>").unwrap();
    assert_eq!(selected(&driver), " the ocean\n of");
    driver.run("<Left 2>").unwrap();
    assert_eq!(selected(&driver), " une river");
    driver.run("<Up>").unwrap();
    assert_eq!(selected(&driver), " water");
    driver.run("<Up 3>").unwrap();
    assert_eq!(selected(&driver), " eau de la mer");
    driver.run("d").unwrap();
    assert_eq!(selected(&driver), "!", "the next bookmark");
    driver.run("r").unwrap();
    assert_eq!(selected(&driver), "The word for water is");
    driver.run("j<Enter>").unwrap();
    assert_eq!(text(&driver), "The word for water is eau de la mer");
    assert!(driver.shell.app.screen.overlays.is_empty());
}

#[test]
fn what_is_pruned_is_out_of_sight_until_it_is_brought_back() {
    let mut driver = tree((120, 36));
    let before = text(&driver);
    driver.run("<Left>Dn").unwrap();
    assert_eq!(driver.shell.app.tree_rows().len(), 6);
    driver.run("Dy").unwrap();
    assert_eq!(driver.shell.app.tree_rows().len(), 3);
    assert_eq!(text(&driver), "The word for water is", "what was on the screen is no longer there");
    driver.run("u").unwrap();
    assert_eq!((driver.shell.app.tree_rows().len(), text(&driver)), (6, before.clone()));
    // Something that is not on the screen goes without a word in the document.
    driver.run("r<Right><Up 2>Dy").unwrap();
    assert_eq!((driver.shell.app.tree_rows().len(), text(&driver)), (5, before));
    driver.run("<Ctrl+_>").unwrap();
    assert_eq!(driver.shell.app.tree_rows().len(), 6);
    // Undo in the document brings it back as well.
    driver.run("Dy<Esc 2>").unwrap();
    driver.run("<Alt+,>").unwrap();
    let tree = &driver.shell.app.versions.tree;
    assert!(tree.in_sight(tree.here().node));
}

#[test]
fn another_model_keeps_the_ids_that_its_vocabulary_has() {
    let mut driver = three((120, 36));
    let ids = driver.shell.app.document.ids().unwrap();
    driver.executor.asked.borrow_mut().generation = None;
    driver.shell.app.look_up("gpt2").unwrap();
    driver.run("<Ctrl+L>").unwrap();
    assert_eq!(driver.shell.app.document.ids().unwrap(), ids);
    assert!(driver.shell.app.document.tokens().iter().any(|token| token.info.is_some()));
}

/// All that was handed over to be kept, as it lies on disk then.
fn kept(driver: &mut Driver<Scripted>) -> Kept {
    let last = driver.shell.app.take_kept();
    let asked = driver.executor.asked.borrow();
    let all: Vec<&Kept> = asked.kept.iter().chain(&last).collect();
    let journal: Vec<u8> = HEAD.iter().copied().chain(all.iter().flat_map(|kept| kept.journal.clone())).collect();
    Kept { journal, ..Kept::clone(all.last().unwrap()) }
}

/// A program that starts with a kept session, and loads its model then.
fn restarted(kept: &Kept) -> Driver<Scripted> {
    let mut driver = driver((120, 36));
    let contents = record::read(&kept.journal, &kept.state);
    assert!(contents.is_whole(), "{}", contents.lost());
    driver.shell.app.restore_session(contents, true);
    driver.shell.app.keep_session();
    driver.shell.app.look_up("gpt2").unwrap();
    driver.run("<Ctrl+L>").unwrap();
    driver
}

fn assert_same(first: &Driver<Scripted>, second: &Driver<Scripted>) {
    let (a, b) = (&first.shell.app, &second.shell.app);
    assert_eq!(text(first), text(second));
    assert_eq!(a.document.runs(), b.document.runs());
    assert_eq!(a.document.ids(), b.document.ids());
    assert_eq!(a.tree_rows(), b.tree_rows());
    for id in a.versions.tree.ids() {
        let (mine, its) = (a.versions.tree.node(id).unwrap(), b.versions.tree.node(id).unwrap());
        assert_eq!((&mine.piece.bytes, mine.bookmarked, mine.pruned), (&its.piece.bytes, its.bookmarked, its.pruned));
        assert_eq!(a.describe(id), b.describe(id));
    }
}

#[test]
fn a_session_comes_back_as_it_was() {
    let mut first = loaded((120, 36));
    first.shell.app.keep_session();
    assert!(!first.shell.app.has_to_keep(), "nothing has changed yet");
    play(&mut first, "<F4>t<Enter>2<Esc><F3><Right 3><Esc><Ctrl+G>", &[" eau", " de", " la"]);
    play(&mut first, "<Ctrl+R>", &[" mer"]);
    first.run("<Alt+V>b<Esc><Alt+,><Ctrl+End> and more").unwrap();
    let kept = kept(&mut first);
    let second = restarted(&kept);
    // What was no version yet has become one when the model came.
    first.run("<Alt+V><Esc>").unwrap();
    assert_same(&first, &second);
    assert_eq!(*first.shell.app.sampler.settings, *second.shell.app.sampler.settings);
    assert_eq!(first.shell.app.sampler.stop, second.shell.app.sampler.stop);
    let shots = |driver: &Driver<Scripted>| driver.shell.app.shots.prompt().unwrap().text.clone();
    assert_eq!(shots(&first), shots(&second));
    let tokens = second.shell.app.document.tokens();
    let sampled = tokens.iter().filter(|token| token.origin == Origin::Sampled);
    assert!(sampled.clone().count() > 0 && sampled.clone().all(|token| token.info.is_some()), "figures come back too");
}

#[test]
fn a_change_is_handed_over_within_a_second_and_a_key_costs_no_more_in_a_long_history() {
    let mut driver = loaded((120, 36));
    driver.shell.app.keep_session();
    driver.run("a").unwrap();
    assert!(driver.shell.app.animates(), "time is told until it is handed over");
    let mut ticks = 0;
    while driver.shell.app.has_to_keep() {
        driver.send(Message::Tick).unwrap();
        ticks += 1;
    }
    // 20 ms each.
    assert!(ticks < 40, "{ticks}");
    assert!(!driver.shell.app.animates());
    let size = |driver: &Driver<Scripted>| {
        driver.executor.asked.borrow().kept.last().map(|kept| kept.journal.len() + kept.state.len()).unwrap()
    };
    let wait = |driver: &mut Driver<Scripted>| {
        for _ in 0..40 {
            driver.send(Message::Tick).unwrap();
        }
    };
    let before = size(&driver);
    for _ in 0..30 {
        play(&mut driver, "<Ctrl+R><Ctrl+G>", &[" river"; 40]);
        wait(&mut driver);
    }
    driver.run("b").unwrap();
    wait(&mut driver);
    assert!(size(&driver) < before + 100, "{} bytes after {before}", size(&driver));
}

#[test]
fn what_can_be_read_of_a_damaged_session_comes_back() {
    let mut first = three((120, 36));
    first.shell.app.keep_session();
    first.run("x").unwrap();
    first.shell.app.keep_all_versions();
    let good = kept(&mut first);
    let line = |number: usize, with: &str| {
        let mut lines: Vec<&[u8]> = good.journal.split(|byte| *byte == b'\n').collect();
        lines[number] = with.as_bytes();
        Kept { journal: lines.join(&b'\n'), ..good.clone() }
    };
    let whole = text(&first);
    let cases = [
        (line(0, "{}"), "the first line", whole.as_str(), 4),
        (line(2, "{\"half"), "line 3 of the versions", &whole, 3),
        (line(1, ""), "what is before byte", " une riverx", 3),
        (Kept { state: b"null".to_vec(), ..good.clone() }, "the record", "The word for water is une river", 4),
        (Kept { journal: HEAD.to_vec(), ..good.clone() }, "what is before byte", "x", 0),
    ];
    for (bad, said, left, versions) in cases {
        let contents = record::read(&bad.journal, &bad.state);
        assert!(contents.lost().contains(said), "{}", contents.lost());
        let mut driver = driver((80, 24));
        driver.shell.app.restore_session(contents, true);
        assert_eq!((text(&driver).as_str(), driver.shell.app.versions.tree.len()), (left, versions), "{said}");
    }
}

/// Candidates that are held of the tokens of all versions and of the steps of undo.
#[test]
fn versions_that_lie_far_back_hold_no_more_than_lies_on_disk() {
    let mut driver = loaded((120, 36));
    let held = |driver: &Driver<Scripted>| -> usize {
        let tree = &driver.shell.app.versions.tree;
        let tokens = tree.ids().filter_map(|id| tree.node(id)).flat_map(|node| node.own_tokens());
        tokens.filter_map(|token| token.info.as_ref()?.sampled()).map(|sampled| sampled.top.len()).sum()
    };
    let round = |driver: &mut Driver<Scripted>| {
        driver.run("<Ctrl+G>").unwrap();
        let mut player = Player::new(driver);
        player.wide_tokens(driver, &[" river", " of"], 512);
        player.finish(driver, FinishReason::Length);
        driver.run("<Ctrl+_ 2>").unwrap();
    };
    driver.run("a").unwrap();
    (0..40).for_each(|_| round(&mut driver));
    let after_40 = held(&driver);
    (0..40).for_each(|_| round(&mut driver));
    let grown = held(&driver) - after_40;
    println!("40 more rounds of two tokens: {grown} candidates more, of 40,960 that were drawn");
    assert_eq!(grown, 40 * 2 * 12);
}

#[test]
fn a_new_session_is_empty_and_undo_still_has_the_text() {
    let mut driver = three((120, 36));
    driver.run("<Ctrl+N>").unwrap();
    assert!(text(&driver).starts_with("The word"), "where nothing is kept nothing is thrown away");
    driver.shell.app.keep_session();
    driver.run("<Ctrl+N>").unwrap();
    assert_eq!((text(&driver).as_str(), driver.shell.app.versions.tree.len()), ("", 0));
    assert_eq!(driver.executor.asked.borrow().sessions, 1);
    driver.run("<Ctrl+_ 2>").unwrap();
    assert!(text(&driver).starts_with("The word"));
}

#[test]
fn random_keys_leave_a_document_that_is_its_history_replayed() {
    let started = Instant::now();
    for seed in 0..20 {
        random_keys(seed);
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// 2,000 keys: typing, generating, stopping, regenerating, versions, undo, redo, the tree.
#[allow(clippy::too_many_lines, reason = "an arm for each key")]
fn random_keys(seed: u64) {
    let names = [
        "generate",
        "stop",
        "regenerate",
        "regenerate-same",
        "next-version",
        "previous-version",
        "undo",
        "undo",
        "redo",
        "tree",
        "tree-open",
        "tree-parent",
        "tree-child",
        "tree-up",
        "tree-down",
        "list-up",
        "list-down",
        "tree-bookmark",
        "tree-compare",
        "tree-prune",
        "tree-undo",
        "yes",
        "left",
        "word-left",
        "text-end",
        "backspace",
        "delete-word",
        "clear",
        "newline",
        "trim",
    ];
    let event = |name: &str| {
        let key = keymap::parse(COMMANDS.iter().find(|command| command.id.name() == name).unwrap().keys[0]).unwrap();
        match key.codes {
            crokey::OneToThree::One(code) => KeyEvent::new(code, key.modifiers),
            _ => panic!("{name}: one key"),
        }
    };
    let mut keys: Vec<KeyEvent> = names.into_iter().map(event).collect();
    keys.extend("ab c\u{e9}\u{4e2d}".chars().map(|c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
    let mut numbers = Numbers(seed);
    // Drawing is most of the time: where the window is too small, only what the keys do is looked at.
    let mut driver = loaded(if seed < 3 { (60, 16) } else { (20, 4) });
    driver.shell.app.keep_session();
    let (mut mirror, mut revision) = (Vec::new(), driver.shell.app.document.revision());
    let mut versions: Vec<Vec<u8>> = vec![Vec::new()];
    for number in 0..2000 {
        if numbers.next(8) == 0 && driver.executor.asked.borrow().generation.is_some() {
            let mut player = Player::new(&driver);
            let words = [" eau", " de", "\n", " mer", " river"];
            player.tokens(&mut driver, &[words[numbers.next(words.len())], words[numbers.next(words.len())]]);
            if numbers.next(2) == 0 {
                player.finish(&mut driver, FinishReason::Length);
            }
        } else {
            driver.send(Message::Key(keys[numbers.next(keys.len())])).unwrap();
            driver.pump().unwrap();
        }
        let app = &driver.shell.app;
        let change = app.document.change_since(revision).unwrap();
        mirror.splice(change.start..change.old_end, app.document.bytes()[change.start..change.new_end].iter().copied());
        revision = app.document.revision();
        assert_eq!(mirror, app.document.bytes(), "seed {seed}, key {number}: every change was told");
        for id in versions.len()..=app.versions.tree.len() {
            versions.push(whole(&driver, id));
        }
        if number % 200 == 0 {
            let mut copy = app.document.clone();
            let undone = std::iter::from_fn(|| copy.undo()).count();
            assert!(copy.is_empty(), "seed {seed}, key {number}");
            for _ in 0..undone {
                copy.redo();
            }
            let state = |document: &kshot::app::page::Document| {
                let ids: Vec<u32> = document.tokens().iter().map(|token| token.id).collect();
                (document.bytes().to_vec(), document.runs().to_vec(), ids)
            };
            assert_eq!(state(&copy), state(&app.document), "seed {seed}, key {number}: replayed");
        }
    }
    for (id, text) in versions.iter().enumerate() {
        assert_eq!(&whole(&driver, id), text, "seed {seed}: version {id} is what it was");
    }
    // Nobody is waited for any more: what is kept is what is there.
    driver.run("<Esc 5>").unwrap();
    if driver.shell.app.is_running() {
        Player::new(&driver).finish(&mut driver, FinishReason::Cancelled);
    }
    driver.run("<Ctrl+End>z<Alt+V><Esc>").unwrap();
    let kept = kept(&mut driver);
    assert_same(&driver, &restarted(&kept));
}

fn whole(driver: &Driver<Scripted>, id: usize) -> Vec<u8> {
    let tree = &driver.shell.app.versions.tree;
    let end = tree.node(NodeId(id)).unwrap().end();
    tree.written(Place { node: NodeId(id), end }).bytes().to_vec()
}

/// A program that keeps its sessions in a folder.
fn keeping(folder: &std::path::Path) -> Driver<Scripted> {
    let mut driver = loaded((120, 36));
    driver.shell.app.keymap = kshot::ui::keymap().unwrap();
    driver.shell.app.keep_session();
    driver.executor.keeper = Some(Keeper::new(Store::new(folder.join("sessions")), None));
    driver
}

/// Waits until what was changed is handed over.
fn wait(driver: &mut Driver<Scripted>) {
    while driver.shell.app.animates() {
        driver.send(Message::Tick).unwrap();
        driver.pump().unwrap();
    }
}

#[test]
fn sessions_are_named_opened_copied_deleted_and_brought_back() {
    let place = tempfile::tempdir().unwrap();
    let mut driver = keeping(place.path());
    play(&mut driver, "The river<Ctrl+G>", &[" of", " water"]);
    driver.run("<Alt+N>first lesson<Enter>").unwrap();
    wait(&mut driver);
    driver.run("<Ctrl+L>").unwrap();
    driver.draw();
    assert!(status(&driver).contains("first lesson"), "{}", status(&driver));
    driver.run("<Ctrl+N>another text").unwrap();
    wait(&mut driver);
    driver.run("<Alt+L>").unwrap();
    driver.draw();
    let rows = |driver: &Driver<Scripted>| driver.shell.app.session_rows().0.len();
    assert_eq!(rows(&driver), 2);
    assert!(
        screen(&driver).contains("first lesson") && screen(&driver).contains("another text"),
        "{}",
        screen(&driver)
    );
    // The one in use is the first.
    driver.run("<Down>").unwrap();
    driver.run("<Enter>").unwrap();
    assert_eq!(text(&driver), "The river of water");
    assert!(driver.shell.app.in_playground() && driver.shell.app.versions.tree.len() == 2);
    assert_eq!(driver.shell.app.storage.sessions.name.as_deref(), Some("first lesson"));
    driver.run("!").unwrap();
    wait(&mut driver);
    driver.run("<Alt+L>d").unwrap();
    assert_eq!(rows(&driver), 3);
    assert!(said(&driver).contains("first lesson copy"), "{}", said(&driver));
    // What was typed last before another session was opened is in the session that it was typed in.
    driver.run("/water!<Enter>").unwrap();
    wait(&mut driver);
    assert_eq!(rows(&driver), 2, "the session and its copy");
    driver.run("<Esc>").unwrap();
    let mut names = |keys: &str| {
        driver.run(keys).unwrap();
        let rows = driver.shell.app.session_rows().0;
        let mut names: Vec<String> = rows.iter().filter_map(|row| row.about.name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names("<Home>"), ["first lesson", "first lesson copy"]);
    let all = names("<Home>D");
    assert_eq!(all.len(), 2, "asked first");
    assert_eq!(names("y").len(), 1);
    assert_eq!(names("u").len(), 2, "and brought back");
}

/// What is written last comes first, so a session moves when it gets a name; the next key is still about it.
#[test]
fn the_selection_follows_its_session() {
    let place = tempfile::tempdir().unwrap();
    let mut driver = keeping(place.path());
    for text in ["one", "two", "three"] {
        driver.run(&format!("<Ctrl+N>{text}")).unwrap();
        wait(&mut driver);
    }
    driver.run("<Alt+L><End>").unwrap();
    let selected = |driver: &Driver<Scripted>| {
        let (rows, at) = driver.shell.app.session_rows();
        (rows[at].id.clone(), rows[at].about.name.clone())
    };
    let (id, name) = selected(&driver);
    assert_eq!(name, None);
    driver.run("nmorning<Enter>").unwrap();
    assert_eq!(selected(&driver), (id, Some("morning".to_owned())));
}

#[test]
fn a_session_in_use_that_is_deleted_leaves_an_empty_page() {
    let place = tempfile::tempdir().unwrap();
    let mut driver = keeping(place.path());
    driver.run("a text").unwrap();
    wait(&mut driver);
    driver.run("<Alt+L>Dy").unwrap();
    assert_eq!((text(&driver).as_str(), driver.shell.app.session_rows().0.len()), ("", 0));
    driver.run("u<Enter>").unwrap();
    assert_eq!(text(&driver), "a text");
}

#[test]
fn the_list_of_sessions() {
    for size in [(60, 16), (80, 24), (120, 36), (200, 50)] {
        let place = tempfile::tempdir().unwrap();
        let mut driver = keeping(place.path());
        driver.run(&format!("<size {}x{}>", size.0, size.1)).unwrap();
        driver.run("one<Alt+N>a name<Enter>").unwrap();
        wait(&mut driver);
        driver.run("<Ctrl+N>two").unwrap();
        wait(&mut driver);
        driver.run("<Alt+L>").unwrap();
        driver.draw();
        let screen = screen(&driver);
        assert!(screen.contains("Sessions (2)") && screen.contains("a name"), "{screen}");
        assert!(screen.contains("one") && screen.contains("two"), "{screen}");
        for keys in ["<PageDown><PageUp><End><Home>jjkkG", "/zzz<Enter>", "<Esc><Esc>"] {
            driver.run(keys).unwrap();
            driver.draw();
        }
    }
}

#[test]
fn a_new_session_shows_nothing_of_the_text_before() {
    let of_the_text = ["seed", "tok/s", "version", "idle:"];
    let mut driver = three((160, 36));
    driver.shell.app.keep_session();
    driver.run("<F4>t<Enter>").unwrap();
    driver.draw();
    assert!(!driver.shell.app.sampler.stop.is_empty(), "the stop string of the task");
    assert!(of_the_text.iter().all(|word| status(&driver).contains(word)), "{}", status(&driver));
    driver.run("<Ctrl+N>").unwrap();
    driver.draw();
    assert!(of_the_text.iter().all(|word| !status(&driver).contains(word)), "{}", status(&driver));
    assert!(driver.shell.app.sampler.stop.is_empty() && driver.shell.app.shots.task().is_none());
    // A run that added nothing has left the page as it is in the new session too.
    play(&mut driver, "<Ctrl+G>", &[]);
    assert!(status(&driver).contains("idle:"), "{}", status(&driver));
    driver.run("<Ctrl+N>").unwrap();
    driver.draw();
    assert!(of_the_text.iter().all(|word| !status(&driver).contains(word)), "{}", status(&driver));
}

#[test]
fn the_tree_marks_only_versions_that_are_on_the_screen_to_their_end() {
    let mut driver = three((120, 36));
    driver.run("<Backspace><Alt+V>").unwrap();
    driver.draw();
    let shown = screen(&driver);
    let is_marked = |words: &str| {
        let line = shown.lines().rfind(|line| line.contains(words) && line.contains(" 42"));
        let line = line.or_else(|| shown.lines().find(|line| line.contains(words) && line.contains('│')));
        line.unwrap_or_else(|| panic!("{words}\n{shown}")).contains(Glyphs::UNICODE.handle)
    };
    assert!(!is_marked("une river"), "{shown}");
    let tree = &driver.shell.app.versions.tree;
    let text = |id: NodeId| String::from_utf8_lossy(&tree.node(id).unwrap().piece.bytes).into_owned();
    let on_screen: Vec<String> = tree.on_screen().into_iter().map(text).collect();
    assert_eq!(on_screen, ["The word for water is"], "the other one was cut");
}

#[test]
fn after_an_edit_the_keys_that_regenerate_are_said_and_work() {
    let mut driver = three((120, 36));
    driver.run("x<Ctrl+R>").unwrap();
    assert!(said(&driver).contains("until it is as it was, then Ctrl+R"), "{}", said(&driver));
    driver.run("<Ctrl+_>").unwrap();
    assert!(text(&driver).ends_with(" une river"), "{}", text(&driver));
    driver.run("<Ctrl+R>").unwrap();
    assert_eq!(text(&driver), "The word for water is");
}

#[test]
fn keys_the_wheel_and_a_search_go_through_the_sessions_at_every_size() {
    let place = tempfile::tempdir().unwrap();
    let mut driver = keeping(place.path());
    for number in 1..=30 {
        driver.run(&format!("<Ctrl+N>text {number}.")).unwrap();
        wait(&mut driver);
    }
    for size in SIZES {
        let middle = format!("{},{}", size.0 / 2, size.1 / 2);
        driver.run(&format!("<size {}x{}><Alt+L>", size.0, size.1)).unwrap();
        let mut go = |keys: &str| {
            driver.run(keys).unwrap();
            driver.draw();
            let (rows, selected) = driver.shell.app.session_rows();
            (selected, rows.len(), screen(&driver))
        };
        assert_eq!((go("<End>").0, go("<PageDown>").0), (29, 29), "{size:?}: there is nothing beyond the end");
        assert!((1..28).contains(&go("<PageUp>").0), "{size:?}: a page is more than a row");
        assert_eq!(go("<Home>").0, 0);
        assert!(go(&format!("<wheel-down {middle}>")).0 > 0, "{size:?}");
        assert_eq!(go(&format!("<wheel-up {middle}>")).0, 0, "{size:?}");
        let (_, found, shown) = go("/text 17.<Enter>");
        assert_eq!(found, 1, "{shown}");
        assert!(shown.contains("/ search"), "{shown}");
        assert_eq!(go("<Esc>").1, 30, "{size:?}: Esc shows all again");
        go("<Esc>");
    }
}
