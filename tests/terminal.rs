//! The real program in a real terminal: a pseudo-terminal, a terminal emulator that reads what it writes, a hub on the
//! loopback. Nothing here waits for a fixed time: each step waits for what the screen shows.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::{Duration, Instant};

use portable_pty::CommandBuilder;

#[path = "support/tty.rs"]
mod tty;

#[path = "terminal/answers.rs"]
mod answers;
#[path = "terminal/hostile.rs"]
mod hostile;
#[path = "terminal/pressure.rs"]
mod pressure;
#[path = "terminal/stopped.rs"]
mod stopped;
#[path = "terminal/ways_out.rs"]
mod ways_out;

#[path = "support/attacks.rs"]
mod attacks;
#[path = "support/bytes_model.rs"]
mod bytes_model;
#[path = "support/hub_server.rs"]
#[allow(dead_code, reason = "shared with the hub's tests")]
mod hub_server;
#[path = "support/scripted.rs"]
#[allow(dead_code, reason = "shared with the tests of the screens")]
mod scripted;

use hub_server::{HubServer, Repo, Served};
use kshot::files::builtin;
use tty::{PATIENCE, Setup, Tty};

const MODEL: &str = "tester/bytes";
const POSITIONS: usize = 4096;

/// A hub with the byte model.
fn hub(model: &Path) -> HubServer {
    let server = HubServer::start(0).unwrap();
    let mut files: Vec<Served> = std::fs::read_dir(model)
        .unwrap()
        .flatten()
        .map(|entry| Served::from_file(&entry.file_name().to_string_lossy(), &entry.path()).unwrap())
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    server.add(MODEL, Repo { commit: "2".repeat(40), files, gated: false });
    server
}

/// No hub is there.
const NO_HUB: &str = "http://127.0.0.1:9";

/// Does `test` for each item, so many at a time.
fn at_once<T: Sync>(threads: usize, items: &[T], test: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let work = || {
            while let Some(item) = items.get(next.fetch_add(1, std::sync::atomic::Ordering::SeqCst)) {
                test(item);
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

/// How often what depends on chance is repeated: `KSHOT_REPEAT`, or a few times.
fn repeats(few: usize) -> usize {
    std::env::var("KSHOT_REPEAT").map_or(few, |value| value.parse().unwrap())
}

const ESC: &str = "\x1b";
const ENTER: &str = "\r";
const RIGHT: &str = "\x1b[C";
const DOWN: &str = "\x1b[B";
const F1: &str = "\x1bOP";
const F2: &str = "\x1bOQ";
const F3: &str = "\x1bOR";
const F4: &str = "\x1bOS";
const F8: &str = "\x1b[19~";
const ALT_C: &str = "\x1bc";
const CTRL_C: &str = "\x03";
const CTRL_G: &str = "\x07";
const CTRL_Q: &str = "\x11";

/// An empty home and no network: the first screen has a model and a text, and one key generates.
fn first_minute(size: (u16, u16)) {
    let mut tty = Tty::playground(size, "http://127.0.0.1:9", &["-s", "1", "-n", "16"]);
    for line in builtin::PAGE.lines() {
        tty.see(line);
    }
    // The bars are there before anything is sampled.
    tty.see("after chain");
    tty.press(CTRL_G);
    let screen = tty.wait("the last token", |screen| screen.contains("idle: ") || screen.contains("max 16"));
    let status = screen.lines().next().unwrap();
    assert!(status.contains("built-in") && !status.contains("failed"), "{screen}");

    tty.press(F2);
    let screen = tty.see("openai-community/gpt2");
    let row = screen.lines().find(|line| line.contains("built-in") && line.contains("loaded"));
    let first = screen.lines().position(|line| Some(line) == row);
    assert!(first < screen.lines().position(|line| line.contains("openai-community/gpt2")), "{screen}");
    tty.press(ESC);
    tty.wait("closed list", |screen| !screen.contains("openai-community/gpt2"));
    tty.press(CTRL_Q);
    // The session is kept, so nothing is asked.
    assert_eq!(tty.ended().exit_code(), 0);
}

#[test]
fn one_key_generates_with_nothing_cached_and_no_network() {
    first_minute((120, 36));
    first_minute((80, 24));
}

#[test]
fn the_page_to_begin_with_is_for_the_built_in_model_alone() {
    let model = bytes_model::long_folder(POSITIONS);
    let mut tty = Tty::playground((80, 24), "http://127.0.0.1:9", &["-m", model.path().to_str().unwrap()]);
    tty.see("ctx 0/4096");
    let file = model.path().join("empty.txt");
    std::fs::write(&file, "").unwrap();
    let mut tty = Tty::playground((80, 24), "http://127.0.0.1:9", &[file.to_str().unwrap()]);
    tty.see("built-in is ready");
    tty.see("ctx 0/");
}

/// A whole session: pull, type, three examples, temperature, 64 tokens, stop, quit.
fn session(size: (u16, u16)) {
    let model = bytes_model::long_folder(POSITIONS);
    let server = hub(model.path());
    let mut tty = Tty::playground(size, &server.endpoint(), &[]);
    tty.see("built-in is ready");
    tty.press(ALT_C);
    tty.see("ctx 0/");
    pull_the_model(&mut tty);
    tty.press("Once upon a time");
    tty.see("Once upon a time");
    tty.see("ctx 16/4096");
    put_in_three_examples(&mut tty);
    set_temperature_and_generate(&mut tty);
    stop_a_long_run(&mut tty);
    tty.press(CTRL_Q);
    // The session is kept, so nothing is asked.
    assert_eq!(tty.ended().exit_code(), 0);
    tty.assert_restored("quit");
}

/// The first frames, a generation, the list of models and a name that is typed open no connection; the look-up that Enter asks
/// for fetches no file; only the answer to "Download?" does.
#[test]
fn nothing_is_fetched_before_the_user_says_so() {
    let model = bytes_model::long_folder(POSITIONS);
    let server = hub(model.path());
    let mut tty = Tty::playground((80, 24), &server.endpoint(), &["-s", "1", "-n", "4"]);
    tty.see("built-in is ready");
    tty.press(CTRL_G);
    tty.wait("the last token", |screen| screen.contains("idle: ") || screen.contains("max 4"));
    tty.press(F2);
    tty.see("openai-community/gpt2");
    tty.press("o");
    tty.press(MODEL);
    tty.see(MODEL);
    assert_eq!(server.connections(), 0, "before anything was asked for");
    tty.press(ENTER);
    tty.see("Download?");
    assert_eq!(server.body_bytes(), 0, "before the user agreed");
    tty.press("n");
    tty.wait("no question", |screen| !screen.contains("Download?"));
    tty.press(CTRL_Q);
    assert_eq!(tty.ended().exit_code(), 0);
    assert_eq!(server.body_bytes(), 0, "the user said no");
}

fn pull_the_model(tty: &mut Tty) {
    tty.press(F2);
    tty.see("openai-community/gpt2");
    tty.press("o");
    tty.press(MODEL);
    tty.see(MODEL);
    tty.press(ENTER);
    tty.see("Download?");
    tty.press("y");
    tty.see("tester/bytes is ready");
    let screen = tty.see("ctx 0/4096");
    assert!(screen.contains("f32 cpu"), "{screen}");
}

/// The pane, the library, its first task; the second, third and fourth example picked by hand.
fn put_in_three_examples(tty: &mut Tty) {
    tty.press(F4);
    tty.see("No task is chosen");
    tty.press("t");
    tty.see("Choose a task");
    tty.press(ENTER);
    tty.see("3 of 10");
    tty.press("0");
    tty.see("0 of 10");
    for picked in ["1 of 10", "2 of 10", "3 of 10"] {
        tty.press(DOWN);
        tty.press(" ");
        tty.see(picked);
    }
    let screen = tty.screen();
    // What was typed is not replaced before Enter says so.
    assert!(screen.contains("Enter puts it in"), "{screen}");
    tty.press(ENTER);
    tty.see("its P");
}

fn set_temperature_and_generate(tty: &mut Tty) {
    tty.press(F3);
    tty.press(&RIGHT.repeat(3));
    let row = |screen: &str| screen.lines().find(|line| line.contains("temperature  ")).map(str::to_owned);
    tty.wait("temperature 0.95", |screen| row(screen).is_some_and(|row| row.contains("0.95")));
    tty.see("Translate it, She drinks tea, 她喝茶");
    tty.press(CTRL_G);
    // The status line says it in full where there is room.
    let screen = tty.wait("end at 64 tokens", |screen| {
        screen.lines().next().is_some_and(|line| line.contains("max tokens (64) reached") || line.contains("max 64"))
    });
    assert!(screen.contains("tok/s"), "{screen}");
    // Whatever was sampled, what the model expects next stands beside it.
    tty.see("entropy ");
}

fn stop_a_long_run(tty: &mut Tty) {
    tty.press(&DOWN.repeat(10));
    tty.press("3000");
    tty.see("max_tokens: 3000");
    tty.press(ENTER);
    tty.wait("max_tokens 3000", |screen| {
        screen.lines().any(|line| line.contains("max_tokens   ") && line.contains("3000"))
    });
    tty.press(CTRL_G);
    tty.see("/3000");
    tty.press(ESC);
    let screen = tty.see("stopped");
    assert!(!screen.contains("max 3000") && !screen.contains("(3000)"), "{screen}");
}

#[test]
fn a_session_at_120x36() {
    session((120, 36));
}

#[test]
fn a_session_at_80x24() {
    session((80, 24));
}

#[test]
fn a_signal_in_the_middle_of_a_generation_ends_it_and_restores_the_terminal() {
    let model = bytes_model::long_folder(POSITIONS);
    let folder = model.path().to_str().unwrap();
    let mut tty = Tty::playground((80, 24), "http://127.0.0.1:9", &["-m", folder, "-n", "4000"]);
    tty.see("ctx 0/4096");
    tty.press("x");
    tty.press(CTRL_G);
    tty.see("/4000");
    tty.signal(libc::SIGTERM);
    assert_eq!(tty.ended().exit_code(), 143);
    tty.assert_restored("SIGTERM while generating");
}

/// A measurement, not a test: how long a key takes to the screen while the engine decodes on all cores.
/// `KSHOT_MEASURE=MODEL cargo test --release --test terminal -- --ignored key_to_screen --nocapture`
#[test]
#[ignore = "measures the machine; needs a model and a quiet machine"]
#[allow(clippy::print_stdout, reason = "its figures are what it is for")]
fn key_to_screen_while_the_engine_runs() {
    let model = std::env::var("KSHOT_MEASURE").expect("KSHOT_MEASURE names a model");
    let threads = std::thread::available_parallelism().unwrap().to_string();
    let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin!("kshot"));
    command.args(["-m", &model, "--threads", &threads, "-n", "1000", "--offline", "--ban", "<|endoftext|>"]);
    let mut tty = Tty::start((120, 36), command);
    tty.see("is ready");
    tty.press("Once upon a time");
    tty.press("\x1bOR");
    let temperature =
        |screen: &str| screen.lines().find(|line| line.contains("temperature")).map(str::to_owned).unwrap_or_default();
    let mut taken = Vec::new();
    let mut runs = 0;
    for key in 0.. {
        if !tty.screen().contains("generating") {
            tty.press(if runs == 0 { "\x07" } else { "\x12" });
            tty.see("generating");
            runs += 1;
        }
        let before = temperature(&tty.screen());
        let begun = Instant::now();
        tty.press(if key % 2 == 0 { "\x1b[C" } else { "\x1b[D" });
        while temperature(&tty.screen()) == before {
            assert!(begun.elapsed() < PATIENCE, "no change after key {key}:\n{}", tty.screen());
            std::thread::sleep(Duration::from_micros(200));
        }
        let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
        // Only keys all of whose time was beside the engine.
        if tty.screen().contains("generating") {
            taken.push(milliseconds);
        }
        if taken.len() == 400 {
            break;
        }
        std::thread::sleep(Duration::from_millis(7));
    }
    taken.sort_by(f64::total_cmp);
    println!("key to screen: median {:.1} ms, 99th percentile {:.1}, worst {:.1}", taken[200], taken[396], taken[399]);
}
