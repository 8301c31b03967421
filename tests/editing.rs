//! Editing, driven by key scripts: selection and clipboard, search, tokens and white space made visible, examples, saved
//! prompts, pastes, and the caret.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "what was measured is said with --nocapture")]

#[path = "support/scripted.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod scripted;

use std::path::Path;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use kshot::app::page::Page;
use kshot::app::sampler::Sampler;
use kshot::app::saved::PromptList;
use kshot::app::{App, Message, keymap};
use kshot::engine::FinishReason;
use kshot::prompt::Library;
use kshot::sampling::Settings;
use kshot::session::PromptFolder;
use kshot::text::TAB_WIDTH;
use kshot::ui::Shell;
use kshot::ui::script::{self, Clock, Driver, ScriptStep};
use kshot::ui::theme::{Palette, Theme};
use kshot::ui::widget::Glyphs;
use ratatui::backend::Backend;
use ratatui::style::Modifier;
use scripted::{Numbers, Player, Scripted, driver, loaded, said, screen, text, themed};

fn selected(driver: &Driver<Scripted>) -> String {
    let range = driver.shell.page.selection().unwrap_or(0..0);
    String::from_utf8_lossy(&driver.shell.app.document.bytes()[range]).into_owned()
}

/// The cells of the first place on the screen where `text` stands.
fn modifiers(driver: &Driver<Scripted>, text: &str) -> Vec<Modifier> {
    let cells = &driver.buffer().content;
    let len = text.chars().count();
    let at = cells.windows(len).position(|w| w.iter().map(|c| c.symbol()).collect::<String>() == text);
    cells[at.unwrap_or_else(|| panic!("{text:?} is not on the screen"))..][..len].iter().map(|c| c.modifier).collect()
}

#[test]
fn shift_selects_and_what_is_typed_takes_its_place() {
    let mut driver = loaded((80, 24));
    for (script, chosen) in [
        ("<Shift+Left 3>", "ree"),
        ("<Shift+Left 3><Shift+Right>", "ee"),
        ("<Shift+Home>", "three"),
        ("<Ctrl+Shift+Left>", "three"),
        ("<Shift+Up>", "wo\nthree"),
        ("<Ctrl+Shift+Home>", "one two\nthree"),
        ("<Alt+A>", "one two\nthree"),
        ("<Ctrl+Home><Shift+End>", "one two"),
        ("<Ctrl+Home><Ctrl+Shift+Right>", "one"),
        ("<Ctrl+Home><Shift+Down>", "one two\n"),
        ("<Ctrl+Space><Ctrl+Left>", "three"),
        ("<Ctrl+Space><Left 2><Ctrl+Space>", ""),
        ("<Shift+Left 3><Left>", ""),
    ] {
        driver.run("<Alt+A><Backspace>one two<Enter>three").unwrap();
        driver.run(script).unwrap();
        assert_eq!(selected(&driver), chosen, "{script}");
    }
    driver.run("<Alt+A><Backspace>one two<Enter>three<Shift+Home>3").unwrap();
    assert_eq!(text(&driver), "one two\n3");
    driver.run("<Ctrl+_>").unwrap();
    assert_eq!(text(&driver), "one two\nthree", "one step of undo brings back what was selected");
    driver.run("<Ctrl+End><Shift+Left 2><Backspace>").unwrap();
    assert_eq!(text(&driver), "one two\nthr");
    driver.run("<Shift+Left 2><Delete><Shift+Home><Enter>").unwrap();
    assert_eq!(text(&driver), "one two\n\n");
    driver.run("<Alt+A>").unwrap();
    driver.send(Message::Paste("new".into())).unwrap();
    assert_eq!(text(&driver), "new");
}

#[test]
fn esc_ends_the_selection_and_leaves_the_caret() {
    let mut driver = loaded((80, 24));
    driver.run("abcdef<Shift+Left 3>").unwrap();
    let caret = driver.shell.page.caret();
    driver.run("<Esc>").unwrap();
    assert_eq!((selected(&driver).as_str(), driver.shell.page.caret()), ("", caret));
    driver.run("<Ctrl+Space><Esc><Left>").unwrap();
    assert_eq!(selected(&driver), "", "a mark is taken off too");
    driver.run("<Shift+Right>").unwrap();
    driver.run("<Left>").unwrap();
    assert_eq!(driver.shell.page.caret(), caret - 1, "Left goes to the start of what was selected");
    driver.run("<Shift+Right 2><Right>").unwrap();
    assert_eq!(driver.shell.page.caret(), caret + 1, "Right goes to its end");
}

#[test]
fn a_selection_shows_with_and_without_colour() {
    for palette in [Palette::Plain, Palette::Ansi16, Palette::Ansi256, Palette::True] {
        let mut driver = themed((80, 24), Theme::new(palette, Glyphs::UNICODE));
        driver.run("water<Shift+Left 2>").unwrap();
        let reversed: Vec<bool> =
            modifiers(&driver, "water").iter().map(|modifier| modifier.contains(Modifier::REVERSED)).collect();
        assert_eq!(reversed, [false, false, false, true, true], "{palette:?}");
    }
}

#[test]
fn the_selection_is_copied_cut_and_pasted() {
    let mut driver = loaded((80, 24));
    driver.run("<Ctrl+X>").unwrap();
    assert!(said(&driver).contains("nothing is selected"), "{}", said(&driver));
    driver.run("<Ctrl+V>").unwrap();
    assert!(said(&driver).contains("nothing was copied"), "{}", said(&driver));
    driver.run("sea river<Shift+Left 5><Ctrl+Y>").unwrap();
    assert_eq!(driver.copied(), Some("river"));
    driver.run("<Esc><Home><Ctrl+V> <Ctrl+V>").unwrap();
    assert_eq!(text(&driver), "river riversea river");
    driver.run("<Shift+Left 5><Ctrl+X>").unwrap();
    assert_eq!((text(&driver).as_str(), driver.copied()), ("river sea river", Some("river")));
    driver.run("<Alt+A><Ctrl+V>").unwrap();
    assert_eq!(text(&driver), "river");
    driver.run("<Ctrl+_ 2>").unwrap();
    assert_eq!(text(&driver), "river riversea river");
    driver.run("<Ctrl+Y>").unwrap();
    assert_eq!(driver.copied(), Some("river riversea river"), "without a selection the document is copied");
}

#[test]
fn the_seed_really_used_is_copied() {
    let mut driver = loaded((80, 24));
    driver.run("a<Alt+Y>").unwrap();
    assert_eq!(driver.copied(), None);
    assert!(said(&driver).contains("there is no seed to copy"), "{}", said(&driver));
    driver.run("<Ctrl+G>").unwrap();
    let mut player = Player::new(&driver);
    player.tokens(&mut driver, &[" b"]);
    player.finish(&mut driver, FinishReason::Length);
    driver.run("<Alt+Y>").unwrap();
    assert_eq!(driver.copied(), Some("42"), "the seed that the engine said it used");
    assert!(said(&driver).starts_with("seed 42 "), "{}", said(&driver));
}

#[test]
fn cut_bytes_that_are_no_text_come_back_as_they_were() {
    let mut driver = loaded((80, 24));
    driver.run("a<Ctrl+G>").unwrap();
    let mut player = Player::new(&driver);
    player.token(b"\xf0\x9f");
    player.finish(&mut driver, FinishReason::Length);
    driver.run("<Ctrl+End><Shift+Left><Ctrl+X><Ctrl+Home><Ctrl+V>").unwrap();
    assert_eq!(driver.shell.app.document.bytes(), b"\xf0\x9fa");
}

#[test]
fn an_edit_or_a_generation_ends_a_selection_that_it_touches() {
    let mut driver = loaded((80, 24));
    driver.run("the river<Shift+Home><Ctrl+G>").unwrap();
    let mut player = Player::new(&driver);
    player.tokens(&mut driver, &[" of"]);
    assert_eq!(selected(&driver), "");
    driver.run("<Ctrl+Home><Shift+Right 3>").unwrap();
    player.tokens(&mut driver, &[" water"]);
    assert_eq!(selected(&driver), "the", "text that comes in behind it leaves it");
    driver.run("x<Ctrl+X>").unwrap();
    assert_eq!(text(&driver), "the river of water", "nothing is replaced while the model writes");
}

#[test]
fn a_search_marks_counts_and_steps_through_the_matches() {
    let mut driver = loaded((120, 36));
    driver.run("Water water river Water<Ctrl+Home><Ctrl+F>wat").unwrap();
    assert!(screen(&driver).contains("find, 1 of 3: wat"), "{}", screen(&driver));
    assert_eq!((selected(&driver).as_str(), driver.shell.page.selection()), ("Wat", Some(0..3)));
    let marked = modifiers(&driver, "Water water river Water");
    let reversed: Vec<usize> = (0..23).filter(|at| marked[*at].contains(Modifier::REVERSED)).collect();
    assert_eq!(reversed, [0, 1, 2, 6, 7, 8, 18, 19, 20]);
    driver.run("<Down>").unwrap();
    assert_eq!(driver.shell.page.selection(), Some(6..9));
    driver.run("<Up 2>").unwrap();
    assert_eq!(driver.shell.page.selection(), Some(18..21), "around the start to the last");
    assert!(screen(&driver).contains("find, 3 of 3"));
    driver.run("<Ctrl+U>Water").unwrap();
    assert!(screen(&driver).contains("find, 1 of 2: Water"), "a capital is taken exactly: {}", screen(&driver));
    driver.run("x").unwrap();
    assert!(screen(&driver).contains("not found"));
    assert_eq!(driver.shell.page.caret(), 0, "back where the search began");
    driver.run("<Esc>").unwrap();
    assert_eq!((selected(&driver).as_str(), driver.shell.page.caret()), ("", 0));
    assert!(driver.shell.app.editing.find.places().is_empty());
    // Enter stays, and the match can be typed over; an empty query takes the last one.
    driver.run("<Ctrl+F>river<Enter>sea").unwrap();
    assert_eq!(text(&driver), "Water water sea Water");
    driver.run("<Ctrl+F><Ctrl+F>").unwrap();
    assert!(screen(&driver).contains("find: river   not found"), "{}", screen(&driver));
}

#[test]
fn a_search_follows_a_text_that_grows() {
    let mut driver = loaded((80, 24));
    driver.run("water<Ctrl+G>").unwrap();
    let mut player = Player::new(&driver);
    driver.run("<Ctrl+Home><Ctrl+F>water").unwrap();
    player.tokens(&mut driver, &[" water", " of", " water"]);
    driver.draw();
    assert!(screen(&driver).contains("find, 1 of 3"), "{}", screen(&driver));
    assert_eq!(driver.shell.page.selection(), Some(0..5));
}

#[test]
fn ten_megabytes_are_searched_once_for_a_query_and_not_for_a_frame() {
    let line = "The river runs to the sea and the sea is wide. 我爱计算机.\n";
    let mut driver = loaded((80, 24));
    *driver.shell.app.models.loaded = None;
    driver.shell.app.open_text(&line.repeat(10_000_000 / line.len()), None);
    driver.run("<Ctrl+Home><Ctrl+F>").unwrap();
    let time = |driver: &mut Driver<Scripted>, script: &str| {
        let start = Instant::now();
        driver.run(script).unwrap();
        start.elapsed()
    };
    let query = time(&mut driver, "sea");
    assert!(screen(&driver).contains(&format!("of {}", kshot::text::figures::grouped(2 * (10_000_000 / line.len())))));
    let steps = time(&mut driver, "<Down 100>") / 100;
    println!("10 MB: three letters of a query {query:?}, a step with its frame {steps:?}");
    assert!(steps < Duration::from_millis(30), "{steps:?}");
    assert!(query < Duration::from_secs(5), "{query:?}");
}

#[test]
fn tokens_alternate_and_the_one_under_the_caret_is_named() {
    for palette in [Palette::Plain, Palette::True] {
        let mut driver = themed((120, 36), Theme::new(palette, Glyphs::UNICODE));
        driver.shell.app.look_up("gpt2").unwrap();
        driver.run("<Ctrl+L><Esc>a<Ctrl+G>").unwrap();
        let mut player = Player::new(&driver);
        player.tokens(&mut driver, &[" water", " de", " mer"]);
        player.finish(&mut driver, FinishReason::Length);
        driver.run("<Ctrl+Home><Right 2><Alt+I>").unwrap();
        let underlined: String = modifiers(&driver, "a water de mer")
            .iter()
            .map(|modifier| if modifier.contains(Modifier::UNDERLINED) { '_' } else { '.' })
            .collect();
        assert_eq!(underlined, ".______...____", "{palette:?}");
        assert!(
            screen(&driver).contains("token 2 of 4: 259 ␣water   6 bytes: 20 77 61 74 65 72"),
            "{}",
            screen(&driver)
        );
        driver.run("<End>").unwrap();
        assert!(screen(&driver).contains("token 4 of 4: 263 ␣mer"), "{}", screen(&driver));
        driver.run("b").unwrap();
        assert!(screen(&driver).contains("token 5 of 5: 98 b   1 byte: 62"), "live while typing: {}", screen(&driver));
        driver.run("<Alt+I>").unwrap();
        assert!(!screen(&driver).contains("token 5"));
    }
}

#[test]
fn bytes_of_a_split_character_are_named_one_by_one() {
    let mut driver = loaded((120, 36));
    driver.run("<Alt+I>é").unwrap();
    assert!(screen(&driver).contains("token 2 of 2: 169 <0xA9>   1 byte: A9"), "{}", screen(&driver));
    driver.run("<Left>").unwrap();
    assert!(screen(&driver).contains("token 1 of 2: 195 <0xC3>"), "{}", screen(&driver));
}

#[test]
fn white_space_is_shown_in_the_columns_it_has() {
    let mut driver = loaded((120, 36));
    driver.send(Message::Paste("a b\tc\n中 d".into())).unwrap();
    driver.run("<Left>").unwrap();
    let caret = driver.backend().clone().get_cursor_position().unwrap();
    driver.run("<Alt+W>").unwrap();
    assert!(screen(&driver).contains("a␣b⇥   c↵"), "{}", screen(&driver));
    assert_eq!(driver.backend().clone().get_cursor_position().unwrap(), caret, "nothing has moved");
    driver.run("<Alt+W>").unwrap();
    assert!(screen(&driver).contains(&format!("a b{}c ", " ".repeat(TAB_WIDTH.into()))));
}

#[test]
fn the_trailing_space_warns_only_where_words_begin_with_it() {
    use kshot::text::{Tokenizer, byte_symbol};
    let mut driver = loaded((120, 36));
    driver.run("water ").unwrap();
    assert!(screen(&driver).contains("ends in a space: Alt+T trims"));
    driver.run("<Alt+T>").unwrap();
    assert!(!screen(&driver).contains("ends in a space"));
    driver.run("<Enter>").unwrap();
    assert!(!screen(&driver).contains("ends in a space"), "a newline is none");
    // A vocabulary of single bytes: a space is always a token of its own.
    let bytes = (0..=255u8).map(|byte| (byte_symbol(byte).to_string(), u32::from(byte)));
    let characters = Tokenizer::from_vocab_and_merges(bytes, []).unwrap();
    assert!(!characters.words_begin_with_space() && scripted::tokenizer().words_begin_with_space());
    driver.run(" ").unwrap();
    driver.shell.app.models.loaded.as_mut().unwrap().tokenizer = Some(characters.into());
    driver.draw();
    assert!(!screen(&driver).contains("ends in a space"));
    *driver.shell.app.models.loaded = None;
    driver.draw();
    assert!(!screen(&driver).contains("ends in a space"), "nobody knows without a model");
}

#[test]
fn an_empty_page_offers_examples_until_something_is_typed() {
    let mut driver = loaded((120, 36));
    assert!(screen(&driver).contains("1  a fact"), "{}", screen(&driver));
    driver.run("3 + 4 =").unwrap();
    assert_eq!(text(&driver), "3 + 4 =", "a digit is text, on an empty page too");
    driver.run("<Alt+C><Down 3><Enter>").unwrap();
    assert!(text(&driver).starts_with("sea otter => loutre"), "{}", text(&driver));
    driver.run("<Alt+C>").unwrap();
    driver.run("<Down 2><Up><Enter>").unwrap();
    assert_eq!(text(&driver), "The capital of France is");
    driver.run("<Alt+C>").unwrap();
    assert!(screen(&driver).contains("1  a fact"), "empty again");
    driver.run("<Enter>").unwrap();
    assert_eq!(text(&driver), "\n", "Enter is a new line where no example is selected");
    driver.run("<Backspace><Esc>").unwrap();
    assert!(!screen(&driver).contains("1  a fact"), "Esc sends the list away");
    driver.run("a<Alt+C>").unwrap();
    assert!(screen(&driver).contains("1  a fact"));
}

#[test]
fn one_key_puts_an_example_in_and_runs_it() {
    let mut driver = loaded((120, 36));
    driver.run("<Alt+9>").unwrap();
    assert_eq!(text(&driver), "");
    assert!(said(&driver).contains("no example 9"), "{}", said(&driver));
    driver.run("<Alt+1>").unwrap();
    assert_eq!(text(&driver), "The capital of France is");
    assert!(driver.shell.app.is_running(), "{}", said(&driver));
}

/// A driver that keeps prompts in a folder of its own.
fn with_prompts() -> (Driver<Scripted>, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let mut driver = loaded((80, 24));
    driver.shell.app.storage.prompts.folder = Some(PromptFolder(place.path().join("prompts")));
    (driver, place)
}

#[test]
fn a_prompt_is_saved_listed_loaded_renamed_and_deleted() {
    let (mut driver, place) = with_prompts();
    let file = |name: &str| std::fs::read_to_string(place.path().join("prompts").join(name)).ok();
    driver.run("<Alt+O>").unwrap();
    assert!(screen(&driver).contains("None yet"), "{}", screen(&driver));
    driver.run("<Esc>sea -><Alt+S>../sea<Enter>").unwrap();
    assert!(screen(&driver).contains("cannot have the character"), "{}", screen(&driver));
    driver.run("<Ctrl+U>sea<Enter>").unwrap();
    assert!(said(&driver).contains("saved as the prompt sea"), "{}", said(&driver));
    assert_eq!(file("sea.txt").as_deref(), Some("sea ->"));
    assert!(!driver.shell.app.unsaved());
    // Its own name may be written again, another one only after a second Enter.
    driver.run(" mer<Alt+S><Enter>").unwrap();
    assert_eq!(file("sea.txt").as_deref(), Some("sea -> mer"));
    driver.run("<Alt+S><Ctrl+U>river<Enter><Alt+A>other<Alt+S><Ctrl+U>sea<Enter>").unwrap();
    assert!(screen(&driver).contains("exists already; Enter again"), "{}", screen(&driver));
    assert_eq!(file("sea.txt").as_deref(), Some("sea -> mer"));
    driver.run("<Esc><Alt+O><Down>").unwrap();
    let shown = screen(&driver);
    assert!(shown.contains("river") && shown.contains("sea -> mer"), "{shown}");
    driver.run("<Enter>").unwrap();
    assert_eq!((text(&driver).as_str(), driver.shell.app.screen.overlays.len()), ("sea -> mer", 0));
    driver.run("<Ctrl+_>").unwrap();
    assert_eq!(text(&driver), "other", "undo brings the old text back");
    driver.run("<Alt+O>r<Ctrl+U>river<Enter>").unwrap();
    assert!(said(&driver).contains("river exists already"), "{}", said(&driver));
    driver.run("<Esc>r<Ctrl+U>ocean<Enter>").unwrap();
    assert_eq!((file("ocean.txt").is_some(), file("sea.txt")), (true, None), "{}", screen(&driver));
    driver.run("dn").unwrap();
    assert!(file("ocean.txt").is_some() && driver.shell.app.is_top::<PromptList>());
    driver.run("d").unwrap();
    assert!(screen(&driver).contains("Delete the prompt?"), "{}", screen(&driver));
    driver.run("y").unwrap();
    assert_eq!(file("ocean.txt"), None);
    assert!(!screen(&driver).contains("ocean  "), "{}", screen(&driver));
}

/// A driver over the tasks of a folder, one of them chosen.
fn with_task(folder: &Path, name: &str) -> Driver<Scripted> {
    let library = Library::load(Some(folder));
    let index = library.tasks.iter().position(|task| task.name == name).unwrap();
    let app = App::new(library, Sampler::new(Settings::default(), Vec::new())).unwrap();
    let shell = Shell::new(app, Theme::new(Palette::True, Glyphs::UNICODE));
    let clock = Clock::Steps(Duration::from_millis(20));
    let mut driver = Driver::new(shell, Scripted::new(), (120, 36), clock).unwrap();
    driver.run(&format!("<F4>t<Home><Down {index}><Enter>").replace("<Down 0>", "")).unwrap();
    let chosen = driver.shell.app.shots.task().map(|task| task.name.clone());
    assert_eq!(chosen.as_deref(), Some(name), "{}", screen(&driver));
    driver
}

/// The questions of a task file.
fn questions(path: &Path) -> Vec<String> {
    Library::read(path).unwrap().examples.into_iter().map(|example| example.text).collect()
}

const MINE: &str = "# two evenings of work\ntask: mine\ndoc_to_text: '{{q}}'\ndoc_to_target: '{{a}}'\nsamples:\n\
    - {q: one, a: 1}\n- {q: two, a: 2}\n- {q: three, a: 3}\n";

#[test]
fn edited_examples_are_a_file_of_their_own_and_undone_leave_none() {
    let place = tempfile::tempdir().unwrap();
    let (mine, edited) = (place.path().join("mine.yaml"), place.path().join("mine-edited.yaml"));
    std::fs::write(&mine, MINE).unwrap();
    let mut driver = with_task(place.path(), "mine");
    driver.run("D").unwrap();
    assert!(edited.exists(), "{} {}", said(&driver), screen(&driver));
    assert_eq!(questions(&edited), ["two", "three"]);
    assert!(
        said(&driver).contains("is now a file of yours") && said(&driver).contains("mine-edited.yaml"),
        "{}",
        said(&driver)
    );
    driver.run("yE2 again<Enter><Enter>").unwrap();
    assert_eq!(questions(&edited), ["two", "three", "2 again"], "the file has them in the order they were made");
    driver.run("aten<Enter>10<Enter>").unwrap();
    assert_eq!(questions(&edited), ["two", "three", "2 again", "ten"]);
    driver.run("uuu").unwrap();
    assert_eq!(questions(&edited), ["two", "three"]);
    driver.run("u").unwrap();
    assert!(!edited.exists() && said(&driver).contains("removed again"), "{}", said(&driver));
    driver.run("u").unwrap();
    assert!(said(&driver).contains("no change"), "{}", said(&driver));
    assert_eq!(std::fs::read_to_string(&mine).unwrap(), MINE);
    driver.run("D").unwrap();
    assert_eq!(questions(&edited), ["one", "three"], "the copy can be made again");
}

#[test]
fn what_another_program_wrote_stays_and_the_examples_go_elsewhere() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str| place.path().join(name);
    std::fs::write(file("copy.yaml"), MINE).unwrap();
    std::fs::write(file("recall.yaml"), MINE.replace("mine", "recall").replace("{q:", "{r:")).unwrap();
    for (task, made) in [("copy", "copy-edited.yaml"), ("recall", "recall-edited.yaml"), ("mine", "mine-edited.yaml")] {
        let mut driver = with_task(place.path(), task);
        let kept = driver.shell.app.shots.task().unwrap().examples.len();
        driver.run("D").unwrap();
        assert_eq!(questions(&file(made)).len(), kept - 1, "{task}");
        // The file changes under the program's hands: it stays, and a copy under another name is made.
        let by_hand = std::fs::read_to_string(file(made)).unwrap() + "# by hand\n";
        std::fs::write(file(made), &by_hand).unwrap();
        driver.run("yy").unwrap();
        assert_eq!(std::fs::read_to_string(file(made)).unwrap(), by_hand, "{task}");
        assert!(said(&driver).contains("kept in") || said(&driver).contains("stays"), "{}", said(&driver));
        let other = file(&made.replace(".yaml", "-edited.yaml"));
        assert_eq!(questions(&other).len(), kept + 1, "{task}");
    }
    assert_eq!(std::fs::read_to_string(file("copy.yaml")).unwrap(), MINE);
    // A file that appears where the copy was to be made.
    let mut driver = with_task(place.path(), "gpt2-qa");
    std::fs::write(file("gpt2-qa.yaml"), MINE).unwrap();
    driver.run("D").unwrap();
    assert_eq!(std::fs::read_to_string(file("gpt2-qa.yaml")).unwrap(), MINE);
    assert!(file("gpt2-qa-edited.yaml").exists() && said(&driver).contains("stays as it is"), "{}", said(&driver));
}

#[test]
fn prompts_without_a_folder_say_so() {
    let mut driver = loaded((80, 24));
    driver.run("a<Alt+S>name<Enter>").unwrap();
    assert!(said(&driver).contains("no folder"), "{}", said(&driver));
}

#[test]
fn a_large_paste_is_asked_about_with_its_size_and_tokens() {
    let mut driver = loaded((80, 24));
    let large = "river\r\n".repeat(10_000);
    driver.send(Message::Paste(large.clone())).unwrap();
    driver.draw();
    let shown = screen(&driver);
    assert!(shown.contains("Paste all of it?") && shown.contains("60 kB") && shown.contains("10,001 lines"), "{shown}");
    assert!(shown.contains("about 60,000 tokens"), "a vocabulary of bytes: {shown}");
    driver.run("n").unwrap();
    assert_eq!(text(&driver), "");
    driver.run("a").unwrap();
    driver.send(Message::Paste(large)).unwrap();
    driver.run("y").unwrap();
    assert_eq!(text(&driver), format!("a{}", "river\n".repeat(10_000)));
    // One step, announced since it is more than a line.
    driver.run("<Ctrl+_ 2>").unwrap();
    assert_eq!(text(&driver), "a", "one step of undo");
}

#[test]
fn ten_megabytes_are_pasted_and_edited() {
    let mut driver = driver((80, 24));
    let line = "The river runs to the sea and the sea is wide. 我爱计算机.\r\n";
    let large = line.repeat(10_000_000 / line.len());
    let start = Instant::now();
    driver.send(Message::Paste(large)).unwrap();
    driver.draw();
    let asked = start.elapsed();
    let start = Instant::now();
    driver.run("y").unwrap();
    let pasted = start.elapsed();
    let start = Instant::now();
    driver.run("<Ctrl+Home>abcde<Down 5><Ctrl+End>abcde<Up 5>").unwrap();
    let key = start.elapsed() / 22;
    println!(
        "a paste of 10 MB: {asked:?} to the question, {pasted:?} to the screen, then {key:?} a key with its frame"
    );
    assert!(driver.shell.app.document.len() > 9_000_000);
    assert!(asked < Duration::from_secs(2) && pasted < Duration::from_secs(15), "{asked:?} {pasted:?}");
    assert!(key < Duration::from_millis(100), "{key:?}");
}

#[test]
fn a_thousand_sizes_while_the_model_writes_lose_no_token() {
    let mut driver = loaded((120, 36));
    driver.run("中 water<Ctrl+G>").unwrap();
    let mut player = Player::new(&driver);
    let mut numbers = Numbers(7);
    for step in 0..1000 {
        let (width, height) = (numbers.next(200), numbers.next(60));
        driver.run(&format!("<size {width}x{height}>")).unwrap();
        if step % 2 == 0 {
            player.tokens(&mut driver, &[" river"]);
        }
    }
    driver.run("<size 120x36>").unwrap();
    assert_eq!(text(&driver), format!("中 water{}", " river".repeat(500)));
    assert!(screen(&driver).contains("river"));
}

/// What stands before the caret on its row, by the terminal's cursor and by the text.
fn columns(driver: &Driver<Scripted>) -> (u16, String) {
    let caret = driver.backend().clone().get_cursor_position().unwrap();
    let document = driver.shell.app.document.text().into_owned();
    let before = document.get(..driver.shell.page.caret()).unwrap();
    (caret.x, before.rsplit('\n').next().unwrap().to_owned())
}

#[test]
fn the_terminals_cursor_stands_at_the_caret_in_every_frame() {
    use unicode_width::UnicodeWidthStr;
    let mut driver = loaded((60, 16));
    driver.send(Message::Paste("a\tb中文 e\u{301}é 👨\u{200d}👩\u{200d}👧 👍🏽 🇫🇷x\nsea".into())).unwrap();
    driver.run("<Ctrl+Home>").unwrap();
    let origin = driver.backend().clone().get_cursor_position().unwrap().x;
    for _ in 0..22 {
        let (x, before) = columns(&driver);
        let width: usize = before.replace('\t', "    ").width();
        assert_eq!(usize::from(x - origin), width, "after {before:?}");
        driver.run("<Right>").unwrap();
    }
    assert_eq!(driver.shell.page.caret(), driver.shell.app.document.len());
    // While a line is typed the cursor is in that line.
    driver.run("<Ctrl+F>se").unwrap();
    let cursor = driver.backend().clone().get_cursor_position().unwrap();
    assert_eq!(cursor.y, 14, "{}", screen(&driver));
    assert!(driver.shell.app.is_searching());
}

#[test]
fn erasing_takes_whole_graphemes() {
    let mut driver = loaded((80, 24));
    for grapheme in ["e\u{301}", "👨\u{200d}👩\u{200d}👧", "🇫🇷", "👍🏽", "中", "\t", "\u{1100}\u{1161}\u{11a8}"]
    {
        driver.send(Message::Paste(format!("a{grapheme}b"))).unwrap();
        driver.run("<Left><Shift+Left>").unwrap();
        assert_eq!(selected(&driver), grapheme);
        driver.run("<Right><Backspace><Right>").unwrap();
        assert_eq!(text(&driver), "ab", "{grapheme:?}");
        driver.run("<Alt+A><Backspace>").unwrap();
    }
}

/// The document by the plainest means: bytes, the register, and every text there was.
#[derive(Default)]
struct Model {
    bytes: Vec<u8>,
    register: Vec<u8>,
    done: Vec<Vec<u8>>,
    undone: Vec<Vec<u8>>,
}

impl Model {
    fn replace(&mut self, range: std::ops::Range<usize>, new: &[u8]) {
        let before = self.bytes.clone();
        self.bytes.splice(range, new.iter().copied());
        if self.bytes != before || !new.is_empty() {
            self.done.push(before);
            self.undone.clear();
        }
    }

    /// Steps of typing are joined, so a step back may skip texts: it has to end at one that there was.
    fn follow(from: &mut Vec<Vec<u8>>, to: &mut Vec<Vec<u8>>, now: &mut Vec<u8>, seen: &[u8]) -> bool {
        if now == seen {
            return true;
        }
        while let Some(text) = from.pop() {
            to.push(std::mem::replace(now, text));
            if now == seen {
                return true;
            }
        }
        false
    }
}

fn key(name: &str) -> KeyEvent {
    let chord = keymap::parse(name).unwrap();
    match chord.codes {
        crokey::OneToThree::One(code) => KeyEvent::new(code, chord.modifiers),
        _ => panic!("{name}"),
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "an arm for each operation")]
fn random_editing_agrees_with_a_plain_model() {
    const MOVES: [&str; 26] = [
        "left",
        "right",
        "up",
        "down",
        "home",
        "end",
        "ctrl-left",
        "ctrl-right",
        "ctrl-home",
        "ctrl-end",
        "pageup",
        "shift-left",
        "shift-right",
        "shift-up",
        "shift-down",
        "shift-home",
        "shift-end",
        "ctrl-shift-left",
        "ctrl-shift-right",
        "ctrl-shift-home",
        "alt-a",
        "ctrl-space",
        "esc",
        "alt-i",
        "alt-w",
        "f12",
    ];
    const TYPED: [char; 10] = ['a', 'b', ' ', 'é', '中', '\n', '\u{301}', '👧', '\u{200d}', 'Z'];
    let started = Instant::now();
    for seed in 0..20 {
        let mut numbers = Numbers(seed);
        let mut driver = loaded(if seed % 2 == 0 { (120, 36) } else { (60, 16) });
        let mut model = Model::default();
        driver.run("<Esc 2>x").unwrap();
        model.replace(0..0, b"x");
        for step in 0..2000 {
            let press = |driver: &mut Driver<Scripted>, key: KeyEvent| driver.send(Message::Key(key)).unwrap();
            let caret = driver.shell.page.caret();
            let selected = driver.shell.page.selection();
            let place = selected.clone().unwrap_or(caret..caret);
            match numbers.next(16) {
                0..=4 => {
                    press(&mut driver, key(MOVES[numbers.next(MOVES.len())]));
                    // Esc may have gone over to the tokens, where letters are commands.
                    if driver.shell.app.token.at.is_some() {
                        press(&mut driver, key("esc"));
                    }
                }
                5..=8 => {
                    let c = TYPED[numbers.next(TYPED.len())];
                    let code = if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) };
                    // On an empty page Enter could take an example that the arrow keys chose.
                    let code = if model.bytes.is_empty() { KeyCode::Char('x') } else { code };
                    let c = if model.bytes.is_empty() { 'x' } else { c };
                    press(&mut driver, KeyEvent::new(code, KeyModifiers::NONE));
                    model.replace(place, c.to_string().as_bytes());
                }
                9 | 10 => {
                    let (name, back) = [("backspace", true), ("delete", false)][numbers.next(2)];
                    let motion = if back { kshot::app::page::Motion::Left } else { kshot::app::page::Motion::Right };
                    let span = driver.shell.page.span(&driver.shell.app.document, motion);
                    press(&mut driver, key(name));
                    model.replace(selected.unwrap_or(span), b"");
                }
                11 => {
                    press(&mut driver, key(["ctrl-x", "ctrl-y"][numbers.next(2)]));
                    let cut = driver.shell.app.document.len() < model.bytes.len();
                    let all = 0..model.bytes.len();
                    let copied = model.bytes[selected.clone().unwrap_or(all)].to_vec();
                    if cut {
                        model.register = copied;
                        model.replace(selected.unwrap(), b"");
                    } else if driver.copied() == Some(String::from_utf8_lossy(&copied).as_ref()) && !copied.is_empty() {
                        model.register = copied;
                    }
                }
                12 => {
                    press(&mut driver, key("ctrl-v"));
                    let register = model.register.clone();
                    if !register.is_empty() {
                        model.replace(place, &register);
                    }
                }
                13 => {
                    let text = ["pasted\r\ntext", "\u{1b}[31m", "中\u{301}", ""][numbers.next(4)];
                    driver.send(Message::Paste(text.into())).unwrap();
                    let clean = text.replace("\r\n", "\n").replace('\u{1b}', "");
                    if !(clean.is_empty() && place.is_empty()) {
                        model.replace(place, clean.as_bytes());
                    }
                }
                14 => {
                    let back = numbers.next(3) > 0;
                    press(&mut driver, key(if back { "ctrl-_" } else { "alt-_" }));
                    let Model { bytes, done, undone, .. } = &mut model;
                    let (from, to) = if back { (done, undone) } else { (undone, done) };
                    let seen = driver.shell.app.document.bytes();
                    assert!(Model::follow(from, to, bytes, seen), "seed {seed}, step {step}: a text that never was");
                }
                // On an empty page Enter could take an example that the arrow keys chose.
                _ if model.bytes.is_empty() => driver.pump().unwrap(),
                _ => {
                    let query = ["a", "é", "中", "zz", "Z"][numbers.next(5)];
                    let steps = ["<Down>", "<Up>", "<Enter>", "<Esc>"][numbers.next(4)];
                    // Without a frame for each key, most of the time is not spent on drawing.
                    for step in script::parse(&format!("<Ctrl+F>{query}{steps}<Enter>")).unwrap() {
                        match step {
                            ScriptStep::Key(key) => press(&mut driver, key),
                            step => panic!("{step:?}"),
                        }
                    }
                    if driver.shell.app.document.bytes() != model.bytes {
                        // Enter after Enter or Esc is a new line, for what is selected.
                        let seen = driver.shell.app.document.bytes();
                        let at = driver.shell.page.caret() - 1;
                        let after = seen.len() - at - 1;
                        let place = at..model.bytes.len() - after;
                        assert!(["<Enter>", "<Esc>"].contains(&steps) && seen[at] == b'\n', "seed {seed}, step {step}");
                        model.replace(place, b"\n");
                    }
                }
            }
            let app = &driver.shell.app;
            assert_eq!(app.document.bytes(), model.bytes, "seed {seed}, step {step}");
            assert!(driver.shell.page.caret() <= app.document.len());
            assert!(driver.shell.page.selection().is_none_or(|range| range.end <= app.document.len()));
            assert!(driver.shell.app.screen.overlays.is_empty() && !driver.shell.app.is_searching());
            if step % 16 == 0 {
                driver.pump().unwrap();
            }
            if model.bytes.len() > 2000 {
                driver.run("<Alt+C>").unwrap();
                let all = 0..model.bytes.len();
                model.replace(all, b"");
            }
        }
    }
    // Three seconds of an idle core; the limit leaves room for a machine that has other work.
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn the_instruction_the_template_and_the_expected_answer_are_edited() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("mine.yaml"), MINE.replace("'{{a}}'", "a") + "query:\n- {q: four}\n").unwrap();
    let mut driver = with_task(place.path(), "mine");
    let page = |driver: &Driver<Scripted>| String::from_utf8(driver.shell.app.document.bytes().to_vec()).unwrap();
    let expected = |driver: &Driver<Scripted>| {
        driver.shell.app.shots.prompt().unwrap().expected.as_ref().map(|answer| answer.label.clone())
    };
    assert!(page(&driver).ends_with("four") && expected(&driver).is_none(), "{}", page(&driver));
    driver.run("iCount.\\n<Enter>").unwrap();
    assert!(page(&driver).starts_with("Count.\n"), "{}", page(&driver));
    driver.run("i").unwrap();
    assert!(!page(&driver).contains("Count."), "there is one now: i hides it");
    driver.run("iT is<Enter>").unwrap();
    assert!(page(&driver).starts_with("Count.\none is") && page(&driver).ends_with("four is"), "{}", page(&driver));
    driver.run("x4<Enter>").unwrap();
    assert_eq!(expected(&driver).as_deref(), Some("4"));
    driver.run("efive<Enter>x5<Enter>").unwrap();
    assert_eq!(expected(&driver).as_deref(), Some("5"));
    let kept = Library::read(&place.path().join("mine-edited.yaml")).unwrap();
    assert_eq!((kept.queries.len(), kept.queries[0]["a"].as_str()), (2, Some("4")));
    driver.run("u").unwrap();
    assert!(page(&driver).ends_with("five is") && expected(&driver).is_none(), "the query that was typed stays");
    driver.run("uuu").unwrap();
    assert!(!place.path().join("mine-edited.yaml").exists() && !page(&driver).contains("Count."), "{}", page(&driver));
}
