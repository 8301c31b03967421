//! Every overlay of the program, one table: the wheel, paging, Home and End, the filter, a small screen, and `--plain`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]

#[path = "support/scripted.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod scripted;

use crossbeam_channel::unbounded;
use kshot::app::overlay::Rows;
use kshot::engine::FinishReason;
use kshot::session::{PromptFolder, SavedPrompt};
use kshot::ui::plain::{self, Lines};
use kshot::ui::script::Driver;
use scripted::{Player, Scripted, loaded, screen};

/// How an overlay is opened from an empty page, a text that some of its rows hold, and its command in `--plain`, if any.
struct Case {
    name: &'static str,
    open: fn(&mut Driver<Scripted>),
    filter: &'static str,
    plain: Option<&'static str>,
}

const CASES: [Case; 11] = [
    Case { name: "keys", open: |it| it.run("<F1>").unwrap(), filter: "token", plain: None },
    Case { name: "models", open: |it| it.run("<F2>").unwrap(), filter: "medium", plain: Some("/models") },
    Case { name: "tasks", open: |it| it.run("<F4>t").unwrap(), filter: "arith", plain: Some("/shots-task") },
    Case { name: "presets", open: |it| it.run("<F3>p").unwrap(), filter: "gre", plain: Some("/presets") },
    Case { name: "exports", open: |it| it.run("abc<Alt+E>").unwrap(), filter: "html", plain: None },
    Case { name: "commands", open: |it| it.run("<Ctrl+P>").unwrap(), filter: "model", plain: None },
    Case { name: "messages", open: messages, filter: "dtype", plain: None },
    Case { name: "samples", open: samples, filter: "3", plain: None },
    Case { name: "prompts", open: prompts, filter: "lesson-3", plain: None },
    Case { name: "versions", open: versions, filter: "b", plain: None },
    Case { name: "prompt", open: |it| it.run("<F4>t<Enter>p").unwrap(), filter: "e", plain: Some("/shots-preview") },
];

/// More messages than a window holds.
fn messages(driver: &mut Driver<Scripted>) {
    driver.run("<F2>").unwrap();
    driver.run(&"d".repeat(40)).unwrap();
    driver.run("<Esc 2><F9>").unwrap();
}

/// A sample at each of several temperatures, all of them at their end.
fn samples(driver: &mut Driver<Scripted>) {
    driver.run("a<Alt+G>").unwrap();
    Player::new(driver).finish(driver, FinishReason::Length);
}

/// More saved prompts than a window holds.
fn prompts(driver: &mut Driver<Scripted>) {
    driver.shell.app.storage.prompts.folder = Some(PromptFolder("no such folder".into()));
    driver.run("<Alt+O>").unwrap();
    let row = |number| SavedPrompt { name: format!("lesson-{number}"), bytes: 7, preview: "The sea".to_owned() };
    driver.shell.app.storage.prompts.rows = Some((1..=40).map(row).collect());
}

/// More versions than a window holds, half of which begin with " b".
fn versions(driver: &mut Driver<Scripted>) {
    driver.run("a").unwrap();
    for number in 0..40 {
        driver.run(if number == 0 { "<Ctrl+G>" } else { "<Ctrl+R>" }).unwrap();
        let mut player = Player::new(driver);
        player.tokens(driver, &[if number % 2 == 0 { " b" } else { " l" }]);
        player.finish(driver, FinishReason::Length);
    }
    driver.run("<Alt+V>").unwrap();
}

/// Where the overlay on top is: the place among its rows, or the first line of a text; and how many rows there are.
fn at(driver: &Driver<Scripted>) -> (usize, usize) {
    let app = &driver.shell.app;
    let open = app.top().unwrap();
    let shown = open.shown(app);
    match open.overlay.rows(app) {
        Rows::Choice(_) => {
            let selected = open.selected(app, &shown);
            (shown.iter().position(|row| *row == selected).unwrap_or(0), shown.len())
        }
        Rows::Text(_) => (open.cursor.scroll(), open.cursor.last.get() + 1),
    }
}

fn opened(case: &Case, size: (u16, u16)) -> Driver<Scripted> {
    let mut driver = loaded(size);
    (case.open)(&mut driver);
    driver.draw();
    assert!(driver.shell.app.top().is_some(), "{} is open", case.name);
    driver
}

#[test]
fn keys_and_the_wheel_go_through_every_overlay_at_every_size() {
    for case in &CASES {
        for size in [(120, 36), (80, 24), (60, 16)] {
            let mut driver = opened(case, size);
            let hinted = screen(&driver).contains("/ filter");
            assert!(
                hinted || case.name == "commands",
                "{}: the key of the filter is shown\n{}",
                case.name,
                screen(&driver)
            );
            let middle = format!("{},{}", size.0 / 2, size.1 / 2);
            let mut go = |script: &str| {
                driver.run(script).unwrap();
                driver.draw();
                at(&driver)
            };
            let name = format!("{} at {size:?}", case.name);
            let (_, rows) = go("<Home>");
            assert_eq!(go("<Home>").0, 0, "{name}");
            let last = rows - 1;
            assert_eq!(go("<End>").0, last, "{name}");
            assert_eq!(go("<PageDown>").0, last, "{name}: there is nothing beyond the end");
            if last == 0 {
                continue;
            }
            assert!(go("<PageUp>").0 < last, "{name}");
            assert_eq!(go("<Home>").0, 0, "{name}");
            let page = go("<PageDown>").0;
            assert!(page > 0 && (page > 1 || last < 3), "{name}: a page is more than a row");
            go("<Home>");
            let wheel = go(&format!("<wheel-down {middle}>")).0;
            assert!(wheel > 0, "{name}");
            assert_eq!(go(&format!("<wheel-up {middle}>")).0, 0, "{name}");
        }
    }
}

#[test]
fn a_filter_leaves_the_rows_that_hold_what_is_typed_and_goes_again() {
    for case in &CASES {
        let mut driver = opened(case, (80, 24));
        let all = at(&driver).1;
        let typed = if case.name == "commands" { String::new() } else { "/".to_owned() };
        driver.run(&(typed + case.filter)).unwrap();
        driver.draw();
        let shown = screen(&driver);
        assert!(shown.contains(case.filter), "{}: what is typed is on the screen\n{shown}", case.name);
        let (place, some) = at(&driver);
        assert!(some < all || case.name == "prompt" || case.name == "commands", "{}: {some} of {all}", case.name);
        assert!(some > 0 && place == 0, "{}: {some}, {place}", case.name);
        if case.name == "commands" {
            continue;
        }
        driver.run("<Enter>").unwrap();
        driver.draw();
        assert_eq!(at(&driver).1, some, "{}: Enter keeps what is shown", case.name);
        driver.run("/<Esc>").unwrap();
        driver.draw();
        assert_eq!(at(&driver).1, all, "{}: Esc shows all rows again", case.name);
        let before = driver.shell.app.screen.overlays.len();
        driver.run("<Esc>").unwrap();
        assert_eq!(driver.shell.app.screen.overlays.len(), before - 1, "{}: a second Esc closes", case.name);
    }
}

#[test]
fn line_by_line_a_list_is_numbered_and_a_text_is_told() {
    for case in CASES.iter().filter(|case| case.plain.is_some()) {
        let driver = loaded((80, 24));
        let (mut app, mut executor) = (driver.shell.app, driver.executor);
        *app.screen.input = None;
        let (typed, lines) = unbounded();
        let (interrupts, heard) = unbounded();
        for line in [case.plain.unwrap(), "", "/quit"] {
            typed.send(line.to_owned()).unwrap();
        }
        drop(typed);
        let mut out = Vec::new();
        plain::run(app, &Lines { typed: lines, interrupts: heard }, &mut out, &mut executor).unwrap();
        drop(interrupts);
        let out = String::from_utf8(out).unwrap();
        match case.name {
            "prompt" => assert!(out.contains("No task is chosen"), "{out}"),
            _ => assert!(out.contains("\n1. ") && out.contains("Choose by number"), "{}: {out}", case.name),
        }
    }
}
