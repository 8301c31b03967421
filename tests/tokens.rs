//! Live next-token bars and token mode, driven by key scripts over a scripted engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

#[path = "support/scripted.rs"]
#[allow(dead_code, reason = "shared with the benchmark")]
mod scripted;

#[path = "support/limited.rs"]
mod limited;

use kshot::app::screen::PaneId;
use kshot::app::token::Colouring;
use kshot::engine::{EngineKind, FinishReason, Start, Worker};
use kshot::ui::script::Driver;
use scripted::{Player, SIZES, Scripted, driver, loaded, said, score, screen, text};

fn snapshots(name: &str, script: &str) {
    for size in SIZES {
        let mut driver = loaded(size);
        driver.run(script).unwrap();
        insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), screen(&driver));
    }
}

/// A driver over an engine of a test.
fn with_engine(kinds: &'static [EngineKind], size: (u16, u16)) -> Driver<Scripted> {
    let mut driver = driver(size);
    driver.executor.worker = Some(Worker::new(kinds));
    driver.shell.app.look_up("gpt2").unwrap();
    driver.run("<Ctrl+L>").unwrap();
    driver.shell.app.log.dismiss();
    driver.draw();
    driver
}

fn reads(driver: &Driver<Scripted>) -> usize {
    driver.executor.asked.borrow().reads.len()
}

#[test]
fn bars_stand_before_anything_is_sampled() {
    snapshots("bars", "The water");
}

#[test]
fn token_mode_shows_what_else_could_stand_there() {
    snapshots("token-mode", "The water of<Esc><Left>c");
}

#[test]
fn figures_of_the_text() {
    snapshots("statistics", "The water of the river<F7>");
}

#[test]
fn a_slider_moves_the_bars_without_the_model() {
    let mut driver = loaded((120, 36));
    driver.run("water").unwrap();
    let before = (reads(&driver), driver.shell.app.reading.preview().unwrap().entropy_sampled_bits);
    driver.run("<F3><Right><Right><Right><Right>").unwrap();
    let after = driver.shell.app.reading.preview().unwrap().entropy_sampled_bits;
    assert!(after > before.1, "hotter is flatter: {after} after {}", before.1);
    assert_eq!(reads(&driver), before.0, "no model run");
    // Greedy leaves one bar.
    driver.run("0<Enter>").unwrap();
    assert_eq!(driver.shell.app.reading.preview().unwrap().entropy_sampled_bits, 0.0);
}

#[test]
fn an_edit_is_read_from_the_change_on() {
    let mut driver = loaded((120, 36));
    driver.run("abcdef").unwrap();
    let last = |driver: &Driver<Scripted>| driver.executor.asked.borrow().reads.last().unwrap().clone();
    assert_eq!((last(&driver).ids.len(), last(&driver).from), (6, 5), "each key reads its own token");
    driver.run("<Left><Left><Backspace>").unwrap();
    let read = last(&driver);
    assert_eq!((read.ids, read.from), (b"abcef".map(u32::from).to_vec(), 3));
    // What stands before the change keeps its scores, what stands after it has those of its new place.
    for at in 0..5 {
        let expected = score(u32::from(b"abcef"[at]), at, Start::FirstToken);
        let found = driver.shell.app.reading.score(at).unwrap();
        assert_eq!((found.id, found.logprob, found.rank), (expected.id, expected.logprob, expected.rank));
    }
}

#[test]
fn walking_and_jumping_through_tokens() {
    let mut driver = loaded((120, 36));
    driver.run("abcdefgh").unwrap();
    let at = |driver: &Driver<Scripted>| *driver.shell.app.token.at;
    assert_eq!(at(&driver), None);
    driver.run("<Esc>").unwrap();
    assert_eq!(at(&driver), Some(7), "the token before the end");
    driver.run("h").unwrap();
    assert_eq!(at(&driver), Some(6));
    assert_eq!(text(&driver), "abcdefgh", "letters are commands here");
    // The scripted scores repeat: 60 %, 30 %, 4 %, 0.4 %.
    driver.run("gn").unwrap();
    assert_eq!(at(&driver), Some(2), "below 10 %");
    driver.run("n").unwrap();
    assert_eq!(at(&driver), Some(3));
    driver.run("nN").unwrap();
    assert_eq!(at(&driver), Some(3));
    driver.run("G").unwrap();
    assert_eq!(at(&driver), None);
    assert_eq!(driver.shell.app.screen.focus, PaneId::DOCUMENT);
    driver.run("!<Esc>h<Esc>?").unwrap();
    assert_eq!((text(&driver).len(), at(&driver)), (10, None), "back in the text, keys are text");
}

#[test]
fn another_token_is_taken_and_gone_on_from() {
    let mut driver = loaded((120, 36));
    driver.run("abcd<Esc>hh<Down><Down><Enter>").unwrap();
    // The third likeliest token of the scripted row is " water"; what came after its place is gone.
    assert_eq!(text(&driver), "a water");
    let (_, request) = driver.executor.asked.borrow().generation.clone().unwrap();
    assert_eq!(request.prompt.ids(), [u32::from(b'a'), 259]);
    assert_eq!(driver.shell.app.token.at, None);
    let mut player = Player::new(&driver);
    player.tokens(&mut driver, &[" mer"]);
    player.finish(&mut driver, FinishReason::Length);
    assert_eq!(text(&driver), "a water mer");
    // What takes a generation back is announced first.
    driver.run("<Ctrl+_ 2>").unwrap();
    assert_eq!(text(&driver), "a water");
    driver.run("<Ctrl+_>").unwrap();
    assert_eq!(text(&driver), "abcd", "the generation, then the token");
}

#[test]
fn you_are_the_sampler() {
    let mut driver = loaded((120, 36));
    driver.run("ab<Tab><Tab>").unwrap();
    assert_eq!(driver.shell.app.screen.focus, PaneId::NEXT);
    driver.run("<Space><Down><Space>").unwrap();
    assert_eq!(text(&driver), "ab eau l");
    assert!(driver.executor.asked.borrow().generation.is_none(), "nothing was sampled");
    let (count, means) = driver.shell.app.picks().map(|picks| (picks.count, picks.means().unwrap())).unwrap();
    assert_eq!(count, 2);
    let (chosen, likeliest) = means;
    let expected = (f64::from(0.31_f32.ln()) + f64::from(0.22_f32.ln())) / 2.0;
    let sum: f64 = scripted::row(257 + scripted::WORDS.len()).iter().map(|logit| f64::from(logit.exp())).sum();
    assert!((chosen - (expected - sum.ln())).abs() < 1e-4, "{chosen}");
    assert!(likeliest > chosen && screen(&driver).contains("your 2 picks"), "{}", screen(&driver));
    driver.run("<Backspace>").unwrap();
    assert_eq!(text(&driver), "ab eau", "a step back");
    assert!(driver.shell.app.picks().is_none());
    // One token from the chain.
    driver.run(".").unwrap();
    assert_eq!(driver.executor.asked.borrow().generation.as_ref().unwrap().1.max_tokens, 1);
}

#[test]
fn any_token_of_the_vocabulary_is_found_with_its_rank() {
    let mut driver = loaded((120, 36));
    driver.run("ab<Tab><Tab>/wat").unwrap();
    assert!(screen(&driver).contains("Tokens that hold \"wat\""), "{}", screen(&driver));
    driver.run("<Enter>").unwrap();
    let listed = driver.shell.app.listed();
    assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [259]);
    assert_eq!(driver.shell.app.figures_of(259).unwrap().0, 3);
    assert!(screen(&driver).contains("rank 3"), "{}", screen(&driver));
    driver.run("<Esc>").unwrap();
    assert!(driver.shell.app.listed().len() > 100, "Esc brings all back");
    driver.run("/nothing like this<Enter>").unwrap();
    assert!(screen(&driver).contains("no token of this vocabulary holds"), "{}", screen(&driver));
}

#[test]
fn sampled_tokens_keep_the_figures_of_their_decode() {
    let mut driver = loaded((120, 36));
    driver.run("ab<Ctrl+G>").unwrap();
    let mut player = Player::new(&driver);
    player.tokens(&mut driver, &[" eau", " de"]);
    let before = reads(&driver);
    player.finish(&mut driver, FinishReason::Length);
    let app = &driver.shell.app;
    assert_eq!(app.reading.score(2).unwrap().logprob, Some(0.31_f32.ln()));
    assert_eq!(app.reading.score(2).unwrap().top.len(), 12, "all that came with it");
    let read = driver.executor.asked.borrow().reads.last().unwrap().clone();
    assert_eq!((reads(&driver), read.from), (before + 1, 4), "only the place after the last token is run");
    driver.run("<Esc>").unwrap();
    assert!(
        driver.shell.app.step_at(3).is_some() && screen(&driver).contains("31.0% raw, drawn at"),
        "{}",
        screen(&driver)
    );
}

#[test]
fn a_position_is_pinned_and_compared() {
    let mut driver = loaded((120, 36));
    driver.run("abcd<Esc>p<Left>").unwrap();
    assert!(screen(&driver).contains("pinned 4"), "{}", screen(&driver));
    driver.run("<Right>p").unwrap();
    assert!(screen(&driver).contains("after chain"), "{}", screen(&driver));
}

#[test]
fn classes_of_a_token() {
    let class = |by: Colouring, at| by.class(&score(1, at, Start::EndOfText));
    for by in [Colouring::Probability, Colouring::Rank, Colouring::Surprisal] {
        assert!(class(by, 0) < class(by, 1) && class(by, 2) < class(by, 3), "{by:?}");
        assert!(by.class(&score(1, 0, Start::FirstToken)).is_none(), "{by:?}: no score, no class");
    }
    assert_eq!(Colouring::Rank.class(&score(1, 3, Start::FirstToken)), Some(3));
    assert_eq!(Colouring::Probability.class(&score(1, 0, Start::EndOfText)), Some(0));
}

#[test]
fn the_start_is_a_switch() {
    let mut driver = loaded((120, 36));
    driver.run("ab<Esc>e").unwrap();
    assert_eq!(driver.executor.asked.borrow().reads.last().unwrap().start, Start::EndOfText);
    assert!(driver.shell.app.reading.score(0).unwrap().logprob.is_some());
    driver.run("<F7>").unwrap();
    assert!(screen(&driver).contains("2 of 2"), "{}", screen(&driver));
    assert!(screen(&driver).contains("behind <|endoftext|>"), "{}", screen(&driver));
}

#[test]
fn the_expected_answer_has_its_probability_at_every_number_of_examples() {
    let mut driver = loaded((120, 36));
    driver.run("<F4>t<Enter>").unwrap();
    let expected = driver.shell.app.reading.answer().unwrap();
    let (logprob, rank) = (expected.logprob, expected.rank);
    assert!(expected.tokens > 0 && rank > 1 && logprob < 0.0);
    assert!(screen(&driver).contains("wrong answer"), "{}", screen(&driver));
    assert!(screen(&driver).contains(&format!("its P   {:.0e}, rank {rank}", logprob.exp())), "{}", screen(&driver));
    driver.run("0").unwrap();
    let zero = driver.shell.app.reading.answer().unwrap();
    let ids = driver.shell.app.document.ids().unwrap().len();
    let expected: f64 =
        (0..zero.tokens).map(|at| f64::from(score(0, ids + at, Start::EndOfText).logprob.unwrap())).sum();
    assert!((zero.logprob - expected).abs() < 1e-9);
}

#[test]
fn a_token_is_banned_and_biased_where_it_is_seen() {
    let mut driver = loaded((120, 36));
    driver.run("ab<Tab><Tab>x").unwrap();
    assert_eq!(driver.shell.app.sampler.settings.bias(), [(257, f32::NEG_INFINITY)]);
    assert_eq!(driver.shell.app.listed()[0].after, kshot::app::token::After::Cut, "the bars say so at once");
    assert!(screen(&driver).contains("␣eau is banned"), "{}", screen(&driver));
    driver.run("x<Down>++-").unwrap();
    assert_eq!(driver.shell.app.sampler.settings.bias(), [(258, 1.0)]);
    driver.run("-").unwrap();
    assert!(driver.shell.app.sampler.settings.bias().is_empty() && driver.shell.app.sampler.bias.is_empty());
}

/// In token mode a click on a column of the chart looks at its token, a drag walks, and a click on a token in the text
/// looks at that one.
#[test]
fn the_chart_and_the_text_are_clicked_in() {
    for size in [(120, 36), (160, 50)] {
        let mut driver = loaded(size);
        driver.run("abcdefgh<Esc>").unwrap();
        // Where the chart begins: other facts above it can take more rows for another token.
        let chart = |driver: &Driver<Scripted>, name: &str| {
            let shown = screen(driver);
            let found = shown.lines().enumerate().find_map(|(y, row)| Some((row.find(name)?, y, row)));
            let (at, y, row) = found.unwrap_or_else(|| panic!("no chart:\n{shown}"));
            (row[..at].chars().count() + 10, y)
        };
        for (token, name) in [(2, "surprisal "), (5, "surprisal "), (1, "entropy   ")] {
            let (x, y) = chart(&driver, name);
            driver.run(&format!("<click {},{y}>", x + token)).unwrap();
            assert_eq!(driver.shell.app.token.at, Some(token), "{size:?}\n{}", screen(&driver));
        }
        let (x, y) = chart(&driver, "surprisal ");
        driver.run(&format!("<drag {},{y} {},{y}>", x + 1, x + 6)).unwrap();
        assert_eq!(driver.shell.app.token.at, Some(6), "{size:?}");
        // Beside the chart nothing moves.
        let (x, y) = chart(&driver, "surprisal ");
        driver.run(&format!("<click {},{y}>", x - 3)).unwrap();
        assert_eq!(driver.shell.app.token.at, Some(6), "{size:?}");
        let shown = screen(&driver);
        let (y, row) = shown.lines().enumerate().find(|(_, row)| row.contains("abcdefgh")).unwrap();
        let x = row[..row.find("abcdefgh").unwrap()].chars().count();
        driver.run(&format!("<click {},{y}>", x + 3)).unwrap();
        assert_eq!(driver.shell.app.token.at, Some(3), "{size:?}");
    }
}

/// Nothing is made up of what an engine does not tell: no rank beyond its candidates, no entropy, no bar after the chain.
#[test]
fn an_engine_of_five_candidates_is_shown_as_one() {
    for size in [(120, 36), (80, 24)] {
        let shot = |name: &str, script: &str| {
            let mut driver = with_engine(limited::FIVE, size);
            driver.run(script).unwrap();
            insta::assert_snapshot!(format!("five-{name}-{}x{}", size.0, size.1), screen(&driver));
            driver
        };
        let driver = shot("bars", "The water eau");
        assert!(driver.shell.app.reading.preview().is_none(), "the chain needs a whole row");
        assert_eq!(driver.shell.app.figures_of(258), Some((2, 0.22_f32.ln())));
        assert_eq!(driver.shell.app.figures_of(113), None, "no rank beyond the candidates");
        let driver = shot("generated", "The water<Ctrl+G><Esc><Left>");
        assert_eq!(text(&driver), "The water eau lq");
        let driver = shot("statistics", "The water<Ctrl+G><F7>");
        let all = driver.shell.app.statistics().unwrap();
        assert_eq!((all.scored, all.ranked, all.mean_entropy()), (11, 2, None));
        assert!(screen(&driver).contains("not known: this engine gives 5 candidates"), "{}", screen(&driver));
        shot("sampling", "The water<F3>");
        shot("colours", "The water<Ctrl+G><Esc>cc");
    }
}

#[test]
fn an_engine_without_a_tokenizer_gets_text_and_shows_no_token() {
    for size in [(120, 36), (80, 24)] {
        let mut driver = with_engine(limited::TEXT, size);
        driver.run("The water").unwrap();
        insta::assert_snapshot!(format!("text-typed-{}x{}", size.0, size.1), screen(&driver));
        driver.run("<Ctrl+G>").unwrap();
        assert_eq!(text(&driver), "The water eau lq");
        assert!(driver.shell.app.document.tokens().is_empty(), "no id is made up");
        insta::assert_snapshot!(format!("text-generated-{}x{}", size.0, size.1), screen(&driver));
        driver.run("<F7>").unwrap();
        assert!(screen(&driver).contains("not known: this engine has no tokenizer here"), "{}", screen(&driver));
    }
}

/// A model that cannot be loaded does not take away the one that works.
#[test]
fn a_bad_model_leaves_the_one_in_use() {
    let mut driver = loaded((120, 36));
    driver.executor.worker = Some(Worker::new(kshot::engine::ENGINES));
    driver.shell.app.look_up("gpt2").unwrap();
    driver.run("<Ctrl+L>").unwrap();
    assert!(said(&driver).contains("/models/gpt2/config.json"), "{}", said(&driver));
    assert!(said(&driver).ends_with("; gpt2 stays in use"), "{}", said(&driver));
    driver.executor.worker = None;
    driver.run("The water<Ctrl+G>").unwrap();
    assert!(driver.executor.asked.borrow().generation.is_some());
}

/// Token mode cannot be missed, and a letter that is no command of it goes into the text.
#[test]
fn a_letter_that_is_no_command_goes_back_to_the_text() {
    let mut driver = loaded((120, 36));
    driver.run("sea<Esc>").unwrap();
    assert!(driver.shell.app.token.at.is_some());
    assert!(screen(&driver).contains("TOKENS"), "{}", screen(&driver));
    driver.run("a").unwrap();
    assert!(driver.shell.app.token.at.is_none());
    assert_eq!(driver.shell.app.document.text(), "seaa");
    assert!(said(&driver).contains("the text again"), "{}", said(&driver));
}

/// What the status line says of a generation goes as soon as the text is another one.
#[test]
fn figures_of_a_generation_do_not_outlive_its_text() {
    let mut driver = loaded((120, 36));
    driver.run("a<Ctrl+G>").unwrap();
    let mut player = Player::new(&driver);
    player.tokens(&mut driver, &[" b"]);
    player.finish(&mut driver, FinishReason::Stop);
    let status = |driver: &Driver<Scripted>| screen(driver).lines().next().unwrap().to_owned();
    assert!(status(&driver).contains("seed 42") && status(&driver).contains("stop string"), "{}", status(&driver));
    driver.run("c").unwrap();
    assert!(!status(&driver).contains("seed") && !status(&driver).contains("stop string"), "{}", status(&driver));
    driver.run("<Ctrl+_>").unwrap();
    assert_eq!(driver.shell.app.document.text(), "a b");
}

#[test]
fn the_task_list_says_what_the_built_in_model_was_measured_to_do() {
    let mut driver = loaded((120, 36));
    let model = driver.shell.app.models.loaded.as_mut().unwrap();
    std::sync::Arc::make_mut(&mut model.info).name = "built-in".to_owned();
    driver.run("<F4>t").unwrap();
    driver.draw();
    let shown = screen(&driver);
    assert!(shown.contains("right answers of built-in, 4 examples, greedy"), "{shown}");
    let place = |words: &str| shown.find(words).unwrap_or_else(|| panic!("{words}\n{shown}"));
    assert!(place("7 of 13 right (54 ± 14 %)") < place("1 of 13 right (8 ± 7 %)"), "the best first\n{shown}");
    driver.run("/translation-zh<Enter><Enter><Ctrl+G>").unwrap();
    assert!(driver.shell.app.shots.task().is_some_and(|task| task.name == "translation-zh"));
    let said = scripted::said(&driver);
    assert!(said.contains("translation-zh is beyond built-in: 1 of 13 right"), "{said}");
    let mut driver = loaded((120, 36));
    driver.run("<F4>t").unwrap();
    driver.draw();
    assert!(screen(&driver).contains("not measured with gpt2"), "{}", screen(&driver));
}
