//! The real program in a real terminal: a pseudo-terminal, a terminal emulator that reads what it writes, a hub on the
//! loopback. Nothing here waits for a fixed time: each step waits for what the screen shows.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use portable_pty::CommandBuilder;

#[path = "support/bytes_model.rs"]
mod bytes_model;
#[path = "support/hub_server.rs"]
#[allow(dead_code, reason = "shared with the hub's tests")]
mod hub_server;
#[path = "support/tty.rs"]
#[allow(dead_code, reason = "shared with the walks")]
mod tty;

use hub_server::{HubServer, Repo, Served};
use kshot::files::builtin;
use tty::*;

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

    tty.press("Once upon a time");
    tty.see("Once upon a time");
    tty.see("ctx 16/4096");

    // The pane, the library, its first task; the second, third and fourth example picked by hand.
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
    // What was typed is not replaced until somebody says so.
    assert!(screen.contains("Enter puts it in"), "{screen}");
    tty.press(ENTER);
    tty.see("its P");

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

    // A run that would take long, stopped.
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

    tty.press(CTRL_Q);
    // The session is kept, so nothing is asked.
    assert_eq!(tty.ended().exit_code(), 0);
    tty.assert_restored("quit");
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
fn every_way_out_restores_the_terminal() {
    let model = bytes_model::long_folder(POSITIONS);
    let folder = model.path().to_str().unwrap();
    type Leave = fn(&mut Tty);
    let routes: [(&str, u32, Leave); 6] = [
        ("quit", 0, |tty| tty.press(CTRL_Q)),
        ("Ctrl+C twice", 0, |tty| {
            tty.press(CTRL_C);
            tty.see("again to quit");
            tty.press(CTRL_C);
        }),
        ("SIGTERM", 143, |tty| tty.signal(libc::SIGTERM)),
        ("SIGHUP", 129, |tty| tty.signal(libc::SIGHUP)),
        ("SIGINT", 130, |tty| tty.signal(libc::SIGINT)),
        ("SIGTERM with help open", 143, |tty| {
            tty.press(F1);
            tty.see("Everywhere");
            tty.signal(libc::SIGTERM);
        }),
    ];
    for (route, code, leave) in routes {
        let mut tty = Tty::playground((80, 24), "http://127.0.0.1:9", &["-m", folder]);
        tty.see("ctx 0/4096");
        leave(&mut tty);
        assert_eq!(tty.ended().exit_code(), code, "{route}");
        tty.assert_restored(route);
    }
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

#[test]
fn a_panic_restores_the_terminal_before_its_message() {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "child_that_panics", "--nocapture", "--test-threads=1"]);
    let mut tty = Tty::start((80, 24), command, &[]);
    assert_ne!(tty.ended().exit_code(), 0);
    tty.assert_restored("panic");
    let screen = tty.screen();
    assert!(screen.contains("this panic is part of a test"), "{screen}");
    assert!(!screen.contains("drawn before the panic"), "{screen}");
}

/// Not a test of its own: the program of the one above.
#[test]
#[ignore = "runs in a terminal, as a child of another test"]
fn child_that_panics() {
    use kshot::ui::terminal::{Terminal, TerminalOptions};
    let mut terminal = Terminal::enter(&TerminalOptions::default()).unwrap();
    terminal.screen().draw(|frame| frame.render_widget("drawn before the panic", frame.area())).unwrap();
    panic!("this panic is part of a test");
}

#[test]
fn hostile_text_reaches_the_terminal_as_symbols() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("hostile.txt");
    std::fs::write(&file, "title \x1b]0;owned\x07 clear \x1b[2J c1 \u{9b}31m end").unwrap();
    let mut tty = Tty::playground((80, 24), "http://127.0.0.1:9", &[file.to_str().unwrap()]);
    tty.see("title ␛]0;owned␇ clear ␛[2J c1");
    tty.press(CTRL_Q);
    tty.ended();
    let seen = tty.seen.lock().unwrap();
    assert_eq!(count(&seen.raw, b"\x1b]0;owned"), 0);
    assert_eq!(count(&seen.raw, "\u{9b}".as_bytes()), 0);
}
