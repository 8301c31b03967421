//! The playground driven by key scripts over ratatui's test backend: the loop's own update and draw code, a scripted
//! engine, no clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

#[path = "support/scripted.rs"]
#[allow(dead_code, reason = "shared with the benchmark")]
mod scripted;

use std::time::Instant;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use kshot::app::command::id;
use kshot::app::models::Progress;
use kshot::app::run::Phase;
use kshot::app::train::TRAIN;
use kshot::app::train::TrainPhase;
use kshot::app::views::PLAYGROUND;
use kshot::app::{COMMANDS, IoEvent, KeyMap, Message, keymap};
use kshot::disk::{Existing, WriteError};
use kshot::engine::{Event, FinishReason, JobId};
use kshot::files::builtin;
use kshot::session::Author;
use kshot::train;
use kshot::train::finetune::{FinetuneStep, Form, Outcome};
use kshot::ui::script::Driver;
use kshot::ui::theme::{Palette, Theme};
use kshot::ui::widget::Glyphs;
use scripted::{Numbers, Player, SIZES, Scripted, driver, loaded, screen, step, text, themed};

const TASK: &str = "<F4>t<Enter>";

/// Runs a script at every size and compares each screen with its snapshot.
fn snapshots(name: &str, start: fn((u16, u16)) -> Driver<Scripted>, script: &str) {
    for size in SIZES {
        let mut driver = start(size);
        driver.run(script).unwrap();
        insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), screen(&driver));
    }
}

/// A driver that has generated four tokens.
fn generated(size: (u16, u16)) -> Driver<Scripted> {
    let mut driver = loaded(size);
    driver.run("The word for water is<Ctrl+G>").unwrap();
    let mut player = Player::new(&driver);
    player.tokens(&mut driver, &[" eau", " de", " la", " mer"]);
    player.finish(&mut driver, FinishReason::Length);
    driver
}

#[test]
fn first_frame_without_a_model() {
    snapshots("first", driver, "");
}

#[test]
fn empty_document_with_a_model() {
    snapshots("empty", loaded, "");
}

#[test]
fn a_generation() {
    snapshots("generated", generated, "");
}

#[test]
fn next_token_pane() {
    snapshots("next", generated, "<Tab 2><Left>");
}

#[test]
fn sampling_pane() {
    snapshots("sampling", loaded, "<F3><Down><Right 3><Down>x");
}

#[test]
fn sampling_value_being_typed() {
    snapshots("sampling-value", loaded, "<F3>1.234.5<Enter>");
}

#[test]
fn presets() {
    snapshots("presets", loaded, "<F3>p<Down>");
}

#[test]
fn task_picker() {
    snapshots("tasks", loaded, "<F4>t<Down 2>");
}

#[test]
fn few_shot_pane() {
    snapshots("shots", loaded, &format!("{TASK}<Down><Space>"));
}

#[test]
fn few_shot_preview() {
    snapshots("preview", loaded, &format!("{TASK}p"));
}

#[test]
fn help() {
    snapshots("help", loaded, "<F1>");
}

#[test]
fn models() {
    snapshots("models", loaded, "<F2><Down>");
}

#[test]
fn download_question() {
    snapshots("download", driver, "<F2><Down><Enter>");
}

#[test]
fn download_running() {
    fn start(size: (u16, u16)) -> Driver<Scripted> {
        let mut driver = driver(size);
        driver.run("<F2><Down><Enter>y").unwrap();
        let job = driver.executor.asked.borrow().pull.unwrap();
        let progress = Progress {
            file: "model.safetensors".to_owned(),
            done: 800_000_000,
            total: 1_522_000_000,
            rate: Some(12_500_000.0),
            note: None,
        };
        driver.executor.io_sender().send(IoEvent::Pulling(job, progress)).unwrap();
        driver.pump().unwrap();
        driver
    }
    snapshots("downloading", start, "");
}

#[test]
fn messages() {
    snapshots("messages", driver, "<Ctrl+G><Esc><F9>");
}

#[test]
fn no_size_below_the_minimum_is_drawn_on() {
    let mut driver = generated((120, 36));
    for size in ["59x16", "60x15", "20x3"] {
        driver.run(&format!("<size {size}>")).unwrap();
        let screen = screen(&driver);
        assert!(screen.starts_with("window too small, 6"), "{size}: {screen}");
        assert_eq!(screen.trim().lines().count(), 1, "{size}: {screen}");
    }
    driver.run("<size 60x16>").unwrap();
    assert!(screen(&driver).contains("The word for water is eau de la mer"));
}

#[test]
fn generation_goes_on_in_a_window_that_is_too_small() {
    let mut driver = loaded((80, 24));
    driver.run("a<Ctrl+G><size 10x2>").unwrap();
    let mut player = Player::new(&driver);
    player.tokens(&mut driver, &[" river", " of"]);
    assert_eq!(text(&driver), "a river of");
}

#[test]
fn every_size_is_survived() {
    let mut driver = generated((120, 36));
    for layer in ["", "<F1>", "<F1><F2>", "<F2><F4>", "<F9>", "<Ctrl+S>"] {
        driver.run(&format!("<Esc 4>{layer}")).unwrap();
        for width in 0..=12 {
            for height in 0..=6 {
                driver.run(&format!("<size {width}x{height}>")).unwrap();
            }
        }
        for size in ["60x16", "79x50", "80x22", "110x16", "400x300", "500x200"] {
            driver.run(&format!("<size {size}>")).unwrap();
        }
    }
}

#[test]
fn typed_and_generated_text_differ_with_and_without_colour() {
    for palette in [Palette::Plain, Palette::Ansi16, Palette::Ansi256, Palette::True] {
        let mut driver = themed((120, 36), Theme::new(palette, Glyphs::UNICODE));
        driver.shell.app.look_up("gpt2").unwrap();
        driver.run("water<Ctrl+G>").unwrap();
        Player::new(&driver).tokens(&mut driver, &[" eau"]);
        let cells = &driver.buffer().content;
        let at =
            cells.windows(9).position(|w| w.iter().map(|c| c.symbol()).collect::<String>() == "water eau").unwrap();
        assert_ne!(cells[at].modifier, cells[at + 6].modifier, "{palette:?}");
        assert_eq!(palette == Palette::Plain, cells[at].fg == cells[at + 6].fg, "{palette:?}");
    }
}

#[test]
fn an_ascii_terminal_gets_ascii() {
    let mut driver = themed((120, 36), Theme::new(Palette::Ansi16, Glyphs::ASCII));
    driver.shell.app.look_up("gpt2").unwrap();
    driver.run("caf\u{e9} 中文<Ctrl+G>").unwrap();
    Player::new(&driver).tokens(&mut driver, &[" eau"]);
    for script in ["", "<F1>", "<Esc><F2>", "<Esc><F3>", "<F4>t<Enter>"] {
        driver.run(script).unwrap();
        assert!(screen(&driver).is_ascii(), "{script}: {}", screen(&driver));
    }
}

#[test]
fn a_stopped_run_takes_no_late_tokens() {
    let mut driver = loaded((80, 24));
    driver.run("a<Ctrl+G>").unwrap();
    let mut first = Player::new(&driver);
    first.tokens(&mut driver, &[" river"]);
    driver.run("<Esc>").unwrap();
    first.tokens(&mut driver, &[" late", " later"]);
    assert_eq!(text(&driver), "a river");
    first.finish(&mut driver, FinishReason::Cancelled);
    let run = driver.shell.app.runs.current.as_ref().unwrap();
    assert_eq!(run.ending().as_deref(), Some("stopped by you"));
    assert_eq!(driver.shell.app.last_seed(), Some(42));

    driver.run("<Ctrl+G>").unwrap();
    let mut second = Player::new(&driver);
    first.tokens(&mut driver, &[" of", " another", " run"]);
    second.tokens(&mut driver, &[" ocean"]);
    assert_eq!(text(&driver), "a river ocean");
    first.finish(&mut driver, FinishReason::Length);
    assert!(matches!(driver.shell.app.runs.current.as_ref().unwrap().phase, Phase::Streaming));
}

#[test]
fn undo_takes_back_a_generation_as_one_step() {
    let mut driver = generated((80, 24));
    assert_eq!(text(&driver), "The word for water is eau de la mer");
    let authors: Vec<Author> = driver.shell.app.document.runs().iter().map(|run| run.author).collect();
    assert_eq!(authors, [Author::Typed, Author::Model]);
    // Announced, then done.
    driver.run("<Ctrl+_ 2>").unwrap();
    assert_eq!(text(&driver), "The word for water is");
    driver.run("<Alt+_ 2>").unwrap();
    assert_eq!(text(&driver), "The word for water is eau de la mer");
}

#[test]
fn regenerating_removes_the_last_generation_and_keeps_or_changes_the_seed() {
    let mut driver = generated((80, 24));
    driver.run("<Alt+R>").unwrap();
    assert_eq!(text(&driver), "The word for water is");
    assert_eq!(driver.executor.asked.borrow().generation.as_ref().unwrap().1.seed, Some(42));
    let mut player = Player::new(&driver);
    player.tokens(&mut driver, &[" eau"]);
    player.finish(&mut driver, FinishReason::Eos);
    driver.run("<Ctrl+R>").unwrap();
    assert_eq!(text(&driver), "The word for water is");
    assert_eq!(driver.executor.asked.borrow().generation.as_ref().unwrap().1.seed, None);
}

#[test]
fn sampled_ids_are_the_prompt_of_the_next_run() {
    let mut driver = generated((80, 24));
    driver.run("<Ctrl+G>").unwrap();
    let prompt = driver.executor.asked.borrow().generation.as_ref().unwrap().1.prompt.ids().to_vec();
    assert_eq!(
        prompt[prompt.len() - 4..],
        [257, 260, 261, 263],
        "the ids that were sampled, not their text encoded again"
    );
}

#[test]
fn a_prompt_longer_than_the_context_is_refused_with_the_numbers() {
    let mut driver = loaded((80, 24));
    driver.run(&format!("<paste {}><Ctrl+G>", "x".repeat(1100))).unwrap();
    assert!(driver.executor.asked.borrow().generation.is_none());
    let said = driver.shell.app.log.current().unwrap().text.clone();
    assert!(said.contains("1100") && said.contains("1024"), "{said}");
    driver.run("<Left><Right>").unwrap();
    assert!(screen(&driver).contains("1100"), "an error stays until it was dismissed");
}

#[test]
fn a_file_is_replaced_only_where_it_is_the_documents_own_or_after_a_second_enter() {
    let mut driver = driver((80, 24));
    driver.shell.app.open_text("text", Some("own.txt".into()));
    driver.run("<Ctrl+End>!<Ctrl+S><Enter>").unwrap();
    assert!(screen(&driver).contains("saved as own.txt"));
    driver.run("<Ctrl+S><Ctrl+U>other.txt<Enter>").unwrap();
    // What the disk says where the name is taken.
    let revision = driver.shell.app.document.revision();
    let taken = Err(WriteError::Exists("other.txt".into()));
    driver.send(Message::Io(IoEvent::Saved { revision, path: "other.txt".into(), result: taken })).unwrap();
    driver.draw();
    assert!(screen(&driver).contains("other.txt   exists already; Enter again replaces it"), "{}", screen(&driver));
    driver.run("<Enter>").unwrap();
    let asked = driver.executor.asked.borrow();
    assert_eq!(asked.existing, [Existing::Replace, Existing::Keep, Existing::Replace]);
    assert_eq!(asked.saved.last(), Some(&("other.txt".into(), b"text!".to_vec())));
}

#[test]
fn the_few_shot_prompt_is_live_until_it_is_edited() {
    let mut driver = loaded((120, 36));
    driver.run(TASK).unwrap();
    let before = text(&driver);
    assert!(!before.is_empty());
    driver.run("0").unwrap();
    let zero = text(&driver);
    assert!(zero.len() < before.len(), "{zero}");
    driver.run("1<Esc>!").unwrap();
    let edited = text(&driver);
    assert!(edited.ends_with('!'));
    driver.run("<F4>2").unwrap();
    assert_eq!(text(&driver), edited, "an edited document is left alone");
    driver.run("<Enter>").unwrap();
    assert_ne!(text(&driver), edited);
    driver.run("<Ctrl+_ 2>").unwrap();
    assert_eq!(text(&driver), edited, "putting the prompt in can be undone");
}

#[test]
fn the_page_it_begins_with_gives_way_to_a_few_shot_prompt_until_it_is_edited() {
    let mut driver = loaded((120, 36));
    driver.shell.app.open_text(builtin::PAGE, None);
    driver.run(TASK).unwrap();
    assert!(driver.shell.app.shots_live(), "{}", text(&driver));

    driver.shell.app.open_text(builtin::PAGE, None);
    driver.run("<Esc><Ctrl+End>!").unwrap();
    assert!(text(&driver).ends_with('!'));
    driver.run("<F4>2").unwrap();
    assert!(text(&driver).ends_with('!'), "what was typed stays");
}

#[test]
fn a_generation_asked_for_while_the_model_loads_begins_when_it_is_there() {
    let generate = || Message::Key(KeyEvent::new(KeyCode::Char('g'), KeyModifiers::CONTROL));
    for prompt in ["water", ""] {
        let mut driver = driver((80, 24));
        driver.shell.app.open_text(prompt, None);
        driver.shell.app.look_up("gpt2").unwrap();
        driver.send(generate()).unwrap();
        assert!(driver.executor.asked.borrow().generation.is_none());
        assert!(driver.shell.app.log.current().unwrap().text.contains("as soon as gpt2 is loaded"));
        driver.pump().unwrap();
        assert_eq!(driver.executor.asked.borrow().generation.as_ref().unwrap().1.prompt.ids().len(), prompt.len());
    }
    // Esc takes it back, and a look-up that ends in a question or an error drops it.
    for (name, key) in [("gpt2", KeyCode::Esc), ("gpt2-medium", KeyCode::Null), ("nobody/nothing", KeyCode::Null)] {
        let mut driver = driver((80, 24));
        driver.shell.app.look_up(name).unwrap();
        driver.send(generate()).unwrap();
        driver.send(Message::Key(KeyEvent::new(key, KeyModifiers::NONE))).unwrap();
        driver.pump().unwrap();
        driver.run("<Esc 3>").unwrap();
        driver.shell.app.look_up("gpt2").ok();
        driver.pump().unwrap();
        assert!(driver.executor.asked.borrow().generation.is_none(), "{name}");
    }
}

#[test]
fn a_paste_is_one_step_of_undo_and_runs_no_keys() {
    let mut driver = loaded((80, 24));
    driver.send(Message::Paste("one\r\ntwo\u{1b}[31m\u{7}three".to_owned())).unwrap();
    assert_eq!(text(&driver), "one\ntwo[31mthree");
    driver.run("<Ctrl+_ 2>").unwrap();
    assert_eq!(text(&driver), "");
}

#[test]
fn the_white_space_warning_goes_with_one_key() {
    let mut driver = loaded((120, 36));
    driver.run("water ").unwrap();
    assert!(screen(&driver).contains("ends in a space"));
    driver.run("<Alt+T>").unwrap();
    assert_eq!(text(&driver), "water");
    assert!(!screen(&driver).contains("ends in a space"));
}

#[test]
fn saving_copying_and_quitting() {
    let mut driver = loaded((80, 24));
    driver.run("text<Ctrl+Y>").unwrap();
    assert_eq!(driver.copied(), Some("text"));
    driver.run("<Ctrl+Q>").unwrap();
    assert!(!driver.ended, "unsaved text is asked about");
    driver.run("<Ctrl+S><Ctrl+U>out.txt<Enter>").unwrap();
    assert_eq!(driver.executor.asked.borrow().saved, [("out.txt".into(), b"text".to_vec())]);
    driver.run("<Ctrl+Q>").unwrap();
    assert!(driver.ended);

    let mut driver = loaded((80, 24));
    driver.run("<Ctrl+C>a<Ctrl+C>").unwrap();
    assert!(!driver.ended, "a key in between disarms");
    driver.run("<Ctrl+C>").unwrap();
    assert!(driver.ended);
}

#[test]
fn a_download_is_asked_about_cancelled_and_taken_up_again() {
    let mut driver = driver((80, 24));
    driver.run("<F2><Down><Enter>n").unwrap();
    assert!(driver.executor.asked.borrow().pull.is_none());
    driver.run("<Enter>y").unwrap();
    let job = driver.executor.asked.borrow().pull.unwrap();
    driver.run("x").unwrap();
    assert_eq!(driver.executor.asked.borrow().cancelled, [job]);
    driver.executor.io_sender().send(IoEvent::Pulled(job, Ok(None))).unwrap();
    driver.run("<Enter>y").unwrap();
    let again = driver.executor.asked.borrow().pull.unwrap();
    assert_ne!(again, job);
    driver.executor.io_sender().send(IoEvent::Pulled(again, Ok(Some("/models/m".into())))).unwrap();
    driver.run("<Ctrl+L>").unwrap();
    assert_eq!(driver.shell.app.models.loaded.as_ref().unwrap().info.name, "gpt2-medium");
}

#[test]
fn every_key_on_the_help_screen_runs_its_command_and_every_command_has_a_doc() {
    let map = KeyMap::new(COMMANDS).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for command in COMMANDS {
        assert!(names.insert(command.id.name()), "{} is there twice", command.id.name());
        assert!(!command.doc.is_empty() && !command.keys.is_empty(), "{}", command.id.name());
        for key in command.keys {
            let found = map.command(keymap::parse(key).unwrap(), &[command.scope], keymap::Typing::Commands).unwrap();
            assert_eq!(found.id.name(), command.id.name(), "{key}");
        }
    }
    let mut driver = loaded((120, 300));
    driver.run("<F1>").unwrap();
    let help = screen(&driver);
    for scope in map.scopes() {
        assert!(help.contains(scope.title), "{scope:?}");
        for command in map.scope(scope) {
            assert!(help.contains(&map.hint(command.id)) || command.keys.len() >= 10, "{}", command.id.name());
        }
    }
}

#[test]
fn hostile_text_reaches_the_screen_without_control_characters() {
    let hostile: [&[u8]; 8] = [
        b"\x1b[2J\x1b]0;title\x07",
        b"\x9b31m\xff\xfe",
        "\u{9b}31m\u{202e}\u{2066}\u{200b}".as_bytes(),
        b"\x1bP$q\x1b\\",
        "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}".as_bytes(),
        "👨\u{200d}👩\u{200d}👧中文\u{feff}".as_bytes(),
        b"\x00\x08\x7f\r",
        b"\xf0\x9f",
    ];
    let mut driver = loaded((120, 36));
    driver.run("a<Ctrl+G>").unwrap();
    let job = driver.executor.asked.borrow().generation.as_ref().unwrap().0;
    for (index, bytes) in hostile.iter().enumerate() {
        let step = step(index, bytes);
        driver.executor.engine_sender().send(Event::Step(job, Box::new(step))).unwrap();
        driver.pump().unwrap();
        for script in ["", "<F9>", "<F9>"] {
            driver.run(script).unwrap();
            for cell in &driver.buffer().content {
                let bad = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
                assert!(!cell.symbol().chars().any(bad), "{index}: {:?}", cell.symbol());
            }
        }
    }
}

#[test]
fn random_keys_at_random_sizes_never_panic() {
    // `KSHOT_RANDOM_KEYS=100000` presses as many, for 20 seeds.
    let long = std::env::var("KSHOT_RANDOM_KEYS").ok().map(|value| value.parse().unwrap());
    let (seeds, presses) = long.map_or((4, 2000), |presses: usize| (20, presses));
    let started = Instant::now();
    let keys: Vec<KeyEvent> = COMMANDS
        .iter()
        .filter(|command| !matches!(command.id, id::QUIT | id::INTERRUPT))
        .flat_map(|command| command.keys)
        .filter_map(|key| match keymap::parse(key)?.codes {
            crokey::OneToThree::One(code) => Some(KeyEvent::new(code, keymap::parse(key)?.modifiers)),
            _ => None,
        })
        .chain("aé中 \n👨‍👩‍👧".chars().map(|c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)))
        .collect();
    for seed in 0..seeds {
        let mut numbers = Numbers(seed);
        let mut driver = if seed % 2 == 0 { loaded((120, 36)) } else { driver((80, 24)) };
        for _ in 0..presses {
            match numbers.next(24) {
                0 => {
                    let (width, height) = (numbers.next(140), numbers.next(50));
                    driver.run(&format!("<size {width}x{height}>")).unwrap();
                }
                1 if driver.executor.asked.borrow().generation.is_some() => {
                    let mut player = Player::new(&driver);
                    player.tokens(&mut driver, &[" eau", "\n", "\u{4e2d}"]);
                    if numbers.next(3) == 0 {
                        player.finish(&mut driver, FinishReason::Stop);
                    }
                }
                _ => {
                    let key = keys[numbers.next(keys.len())];
                    driver.send(Message::Key(key)).unwrap();
                    driver.pump().unwrap();
                }
            }
        }
        let app = &driver.shell.app;
        assert!(app.screen.pane(app.screen.focus).is_some() && app.document.bytes().len() < 10_000_000);
    }
    assert!(long.is_some() || started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

/// A driver in the train view with a run under way.
fn training(size: (u16, u16), preset: &str) -> Driver<Scripted> {
    let mut driver = loaded(size);
    driver.shell.app.open_text(&"the river runs to the sea. ".repeat(20), None);
    let row = train::Preset::ALL.iter().position(|row| row.name == preset).unwrap();
    driver.run(&format!("<F8>{}<Enter>", "j".repeat(row))).unwrap();
    driver
}

/// Says something of the last run that was started.
fn say(driver: &mut Driver<Scripted>, event: impl Fn(JobId) -> train::Event) {
    let job = last_started(driver).0;
    driver.executor.train_sender().send(event(job)).unwrap();
    driver.pump().unwrap();
}

fn last_started(driver: &Driver<Scripted>) -> (JobId, train::Plan) {
    let asked = driver.executor.asked.borrow();
    let started = asked.train.iter().rev().find_map(|command| match command {
        train::Command::Start(job, plan, _) => Some((*job, (**plan).clone())),
        _ => None,
    });
    started.unwrap()
}

fn facts() -> train::Facts {
    train::Facts { folder: "/data/runs/a".into(), parameters: 37_440, vocab: 32, curve: Vec::new() }
}

fn report(step: u64, loss: f64) -> train::StepReport {
    let validation = step.is_multiple_of(50).then_some(loss + 0.05);
    train::StepReport { step, loss, validation, lr: 0.01, gradient_norm: 0.75, tokens: 1024, seconds: 0.05 }
}

/// A pattern whose stripe is as strong as `score`.
fn heads(score: f32) -> train::Induction {
    let n = 16;
    let pattern = (0..2 * n)
        .map(|i: usize| (0..2 * n).map(|j| if i >= n && j == i - n + 1 { score } else { 0.0 }).collect())
        .collect();
    let scores = vec![vec![0.1, 0.05], vec![score, 0.2]];
    train::Induction { scores, best: (1, 0), pattern, copied: f64::from(score) }
}

/// A run of 400 steps with its phase change in the middle.
fn trained(size: (u16, u16), preset: &str) -> Driver<Scripted> {
    let mut driver = training(size, preset);
    say(&mut driver, |job| train::Event::Started(job, Box::new(facts())));
    for step in 1..=400 {
        let known = 1.0 / (1.0 + (-(step as f64 - 200.0) / 20.0).exp());
        say(&mut driver, |job| train::Event::Step(job, report(step, 3.4 - 3.3 * known)));
        if step % 10 == 0 {
            say(&mut driver, |job| train::Event::Induction(job, step, Box::new(heads(known as f32))));
        }
    }
    if preset != "copy" {
        let texts = vec!["the river runs to".to_owned(), "\u{1b}[31mthe sea".to_owned()];
        say(&mut driver, |job| train::Event::Sample(job, 400, texts.clone()));
        for (step, right) in [(250, 3), (400, 12)] {
            let shots = |shots, right| train::Shots { suite: "word-french", shots, right, asked: 16 };
            let all = vec![shots(0, 0), shots(1, right), shots(4, right + 2)];
            say(&mut driver, |job| train::Event::Shots(job, step, all.clone()));
        }
    }
    driver
}

fn commands(driver: &Driver<Scripted>) -> Vec<String> {
    let asked = driver.executor.asked.borrow();
    let name = |command: &train::Command| format!("{command:?}").split('(').next().unwrap_or_default().to_owned();
    asked.train.iter().map(name).collect()
}

#[test]
fn train_view_before_a_run() {
    snapshots("train", loaded, "<F8>");
}

#[test]
fn train_view_of_a_copying_run() {
    snapshots("train-copy", |size| trained(size, "copy"), "");
}

#[test]
fn train_view_of_a_run_on_generated_text() {
    snapshots("train-builtin", |size| trained(size, "builtin"), " ");
}

/// A fine-tuning with both λs half-way through.
fn tuned(size: (u16, u16)) -> Driver<Scripted> {
    let mut driver = loaded(size);
    driver.run("<F8>jjjj<Right><Right><Enter>").unwrap();
    let (_, plan) = last_started(&driver);
    let train::Work::Finetune { model, lambdas, .. } = &plan.work else { panic!("{plan:?}") };
    assert_eq!(
        (model, lambdas.as_slice()),
        (&driver.shell.app.models.loaded.as_ref().unwrap().info.name, [0.0, 0.7].as_slice())
    );
    let outcome = |accuracy| Outcome { l2: 0.6, accuracy, examples: 100 };
    let facts = train::TuneFacts {
        folder: "/data/runs/fine-tune".into(),
        parameters: 1_469_056,
        head_only: false,
        form: Form::Classification,
        labels: vec!["negative".into(), "positive".into()],
        examples: 400,
        steps: 72,
        before: outcome(0.5),
        baseline: Some(outcome(0.49)),
    };
    say(&mut driver, |job| train::Event::Tuning(job, Box::new(facts.clone())));
    for step in 1..=40_u64 {
        for (at, lambda) in lambdas.iter().enumerate() {
            let known = 1.0 / (1.0 + (-(step as f64 - 20.0 - 4.0 * at as f64) / 4.0).exp());
            let (l1, l2) = (2.0 - lambda * known, 0.7 - 0.6 * known);
            let validation = step.is_multiple_of(3).then(|| outcome(0.5 + 0.45 * known));
            let (lr, gradient_norm) = (1e-3 * (1.0 - step as f64 / 72.0), 1.5);
            let l3 = l2 + lambda * l1;
            let report = FinetuneStep { step, l1, l2, l3, lr, gradient_norm, accuracy: 0.9, validation, seconds: 0.1 };
            say(&mut driver, |job| train::Event::Tuned(job, at, report));
        }
    }
    driver
}

#[test]
fn train_view_of_a_fine_tuning() {
    snapshots("train-tune", tuned, "");
}

#[test]
fn charts_belong_to_the_row_of_their_run() {
    for size in SIZES {
        let mut driver = trained(size, "copy");
        let mut shown = |key: &str| {
            driver.run(key).unwrap();
            driver.draw();
            screen(&driver)
        };
        let before = shown("");
        assert!(before.contains("Loss, nats"), "{before}");
        let other = shown("<Down>");
        assert!(!other.contains("Loss, nats") && other.contains("Enter starts it"), "{other}");
        assert!(size.0 < 80 || other.contains("is not run yet"), "{other}");
        assert!(shown("<Up>").contains("Loss, nats"));
    }
}

#[test]
fn a_classifier_is_not_opened_but_named() {
    let mut driver = tuned((120, 36));
    say(&mut driver, |job| train::Event::Saved(job, 72, "/data/runs/fine-tune".into()));
    say(&mut driver, train::Event::Finished);
    assert!(screen(&driver).contains("kshot classify -m /data/runs/fine-tune"), "{}", screen(&driver));
    driver.run("o").unwrap();
    assert!(screen(&driver).contains("a classifier answers"), "{}", screen(&driver));
    // λ = 0 needs no second run beside it.
    driver.run(&format!("{}<Enter>", "h".repeat(9))).unwrap();
    let train::Work::Finetune { lambdas, .. } = last_started(&driver).1.work else { panic!("a fine-tuning") };
    assert_eq!(lambdas, [0.0]);
}

#[test]
fn a_training_run_is_paused_gone_on_with_and_stopped() {
    let mut driver = training((120, 36), "copy");
    assert_eq!(last_started(&driver).1.begin, train::Begin::WhereItWasLeft);
    say(&mut driver, |job| train::Event::Started(job, Box::new(facts())));
    say(&mut driver, |job| train::Event::Step(job, report(1, 3.5)));
    let phase = |driver: &Driver<Scripted>| driver.shell.app.train.run.as_ref().unwrap().phase.clone();
    assert_eq!(phase(&driver), TrainPhase::Running);
    driver.run("<Space>").unwrap();
    assert_eq!(phase(&driver), TrainPhase::Paused);
    let elapsed =
        |driver: &Driver<Scripted>| driver.shell.app.train.run.as_ref().unwrap().elapsed(driver.shell.app.screen.now);
    let before = elapsed(&driver);
    driver.run("<Down><Up>").unwrap();
    assert_eq!(elapsed(&driver), before, "a pause takes no time");
    driver.run("<Enter>").unwrap();
    assert_eq!(phase(&driver), TrainPhase::Running);
    driver.run("<Down><Enter>").unwrap();
    assert!(screen(&driver).contains("the run copy is under way; s stops and saves it"), "{}", screen(&driver));
    driver.run("s").unwrap();
    assert_eq!(phase(&driver), TrainPhase::Stopping);
    say(&mut driver, |job| train::Event::Saved(job, 1, "/data/runs/copy".into()));
    say(&mut driver, train::Event::Stopped);
    assert_eq!(phase(&driver), TrainPhase::Stopped);
    assert!(screen(&driver).contains("saved in /data/runs/copy"), "{}", screen(&driver));
    assert_eq!(commands(&driver), ["Start", "Pause", "Resume", "Stop"]);
    driver.run("<Space>s").unwrap();
    assert_eq!(commands(&driver).len(), 4, "a run that is over is not told anything");
}

#[test]
fn what_a_stopped_training_run_still_says_is_dropped() {
    let mut driver = training((120, 36), "copy");
    let old = last_started(&driver).0;
    say(&mut driver, |job| train::Event::Started(job, Box::new(facts())));
    driver.run("r").unwrap();
    assert_eq!(last_started(&driver).1.begin, train::Begin::Afresh);
    assert_eq!(commands(&driver), ["Start", "Stop", "Start"]);
    for event in [
        train::Event::Step(old, report(7, 1.0)),
        train::Event::Saved(old, 7, "/data/runs/copy".into()),
        train::Event::Failed(old, "too late".into()),
        train::Event::Stopped(old),
    ] {
        say(&mut driver, |_| event.clone());
    }
    let run = driver.shell.app.train.run.as_ref().unwrap();
    assert_eq!((run.step(), &run.saved, &run.phase), (0, &None, &TrainPhase::Preparing));
    assert!(!screen(&driver).contains("too late"));
}

#[test]
fn a_trained_model_is_saved_and_opened_with_one_key() {
    let mut driver = trained((120, 36), "characters");
    assert!(
        matches!(&last_started(&driver).1.work, train::Work::Pretrain { text, .. } if text.starts_with("the river"))
    );
    driver.run("o").unwrap();
    assert_eq!(commands(&driver).last().unwrap(), "Save");
    say(&mut driver, |job| train::Event::Saved(job, 400, "/data/runs/characters".into()));
    assert_eq!(driver.executor.asked.borrow().find.as_ref().unwrap().1, "/data/runs/characters");
    assert_eq!(*driver.shell.app.screen.view, PLAYGROUND);

    let mut driver = trained((120, 36), "copy");
    driver.run("o").unwrap();
    assert!(screen(&driver).contains("nothing to open"), "{}", screen(&driver));
}

#[test]
fn a_text_that_is_too_short_is_refused_with_the_number() {
    let mut driver = loaded((120, 36));
    driver.run("short<F8><Down 2><Enter>").unwrap();
    assert!(screen(&driver).contains("has 5 characters"), "{}", screen(&driver));
    assert!(commands(&driver).is_empty());
    driver.run("<Esc>").unwrap();
    assert_eq!(*driver.shell.app.screen.view, TRAIN, "the first dismisses the message");
    driver.run("<Esc>").unwrap();
    assert_eq!(*driver.shell.app.screen.view, PLAYGROUND);
    driver.run("er").unwrap();
    assert_eq!(text(&driver), "shorter", "nothing of the train view's keys is left");
}

#[test]
fn the_train_view_needs_no_colour_and_no_unicode() {
    for glyphs in [Glyphs::UNICODE, Glyphs::ASCII] {
        let mut driver = trained((120, 36), "copy");
        driver.shell.theme = Theme::new(Palette::Plain, glyphs);
        driver.run("").unwrap();
        let screen = screen(&driver);
        let full = if glyphs == Glyphs::ASCII { "##" } else { "██" };
        assert!(screen.lines().filter(|line| line.contains(full)).count() > 4, "{screen}");
        assert!(glyphs == Glyphs::UNICODE || screen.is_ascii(), "{screen}");
    }
}

#[test]
fn a_training_run_goes_on_while_the_playground_is_used_and_quitting_asks() {
    let mut driver = training((120, 36), "copy");
    say(&mut driver, |job| train::Event::Started(job, Box::new(facts())));
    driver.run("<F8><Ctrl+G>").unwrap();
    say(&mut driver, |job| train::Event::Step(job, report(1, 3.5)));
    Player::new(&driver).tokens(&mut driver, &[" eau"]);
    assert!(screen(&driver).contains("training copy 1/"), "{}", screen(&driver));
    assert!(text(&driver).ends_with(" eau"));
    driver.run("<Esc><Ctrl+S><Enter><Ctrl+Q>").unwrap();
    assert!(!driver.ended && screen(&driver).contains("will be saved"), "{}", screen(&driver));
    driver.run("<Ctrl+Q>").unwrap();
    assert!(driver.ended);
}
