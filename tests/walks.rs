//! One walk through the playground in a real terminal at three sizes, with every kind of colour, on dark and light ground:
//! what goes over the wire is what the terminal said it can show, and nothing is lost where colours are.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use portable_pty::CommandBuilder;

#[path = "support/tty.rs"]
mod tty;

use tty::Tty;

const SIZES: [(u16, u16); 3] = [(120, 36), (80, 24), (60, 16)];

/// A kind of terminal: what it says of itself, and whether it may be sent a parameter of an SGR sequence.
struct Kind {
    name: &'static str,
    environment: &'static [(&'static str, &'static str)],
    colours: Colours,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Colours {
    None,
    Sixteen,
    Indexed,
    True,
}

const KINDS: [Kind; 4] = [
    Kind { name: "truecolor", environment: &[("COLORTERM", "truecolor")], colours: Colours::True },
    Kind { name: "256", environment: &[("TERM", "xterm-256color")], colours: Colours::Indexed },
    Kind { name: "16", environment: &[("TERM", "xterm")], colours: Colours::Sixteen },
    Kind { name: "NO_COLOR", environment: &[("COLORTERM", "truecolor"), ("NO_COLOR", "1")], colours: Colours::None },
];

/// The richest colours among all SGR sequences, and whether any attribute but colour was used.
fn colours_of(raw: &[u8]) -> (Colours, bool) {
    let (mut most, mut attributes) = (Colours::None, false);
    let text = String::from_utf8_lossy(raw);
    for part in text.split("\x1b[").skip(1) {
        let Some(end) = part.find(|c: char| !(c.is_ascii_digit() || c == ';' || c == ':')) else { continue };
        if !part[end..].starts_with('m') {
            continue;
        }
        let numbers: Vec<u32> = part[..end].split([';', ':']).map(|number| number.parse().unwrap_or(0)).collect();
        let mut at = 0;
        while at < numbers.len() {
            let (used, step) = match numbers[at] {
                // crossterm writes sixteen colours as the first of the indexed ones.
                38 | 48 | 58 if numbers.get(at + 1) == Some(&5) => (
                    if numbers.get(at + 2).is_some_and(|&index| index < 16) {
                        Colours::Sixteen
                    } else {
                        Colours::Indexed
                    },
                    3,
                ),
                38 | 48 | 58 if numbers.get(at + 1) == Some(&2) => (Colours::True, 5),
                30..=37 | 40..=47 | 90..=97 | 100..=107 => (Colours::Sixteen, 1),
                1..=9 => {
                    attributes = true;
                    (Colours::None, 1)
                }
                _ => (Colours::None, 1),
            };
            most = most.max(used);
            at += step;
        }
    }
    (most, attributes)
}

/// Columns of the screen that differ from the text around them by an attribute or by a colour.
fn marked(tty: &Tty, row: u16) -> Vec<u16> {
    let seen = tty.seen.lock().unwrap();
    let screen = seen.screen.screen();
    let (_, columns) = screen.size();
    let differs = |column: u16| {
        let cell = screen.cell(row, column)?;
        Some(cell.inverse() || cell.underline() || cell.bgcolor() != vt100::Color::Default)
    };
    (0..u16::from(columns)).filter(|column| differs(*column) == Some(true)).collect()
}

fn rows(screen: &str) -> Vec<&str> {
    screen.lines().collect()
}

/// The document's own row with a text.
fn row_of(tty: &mut Tty, text: &str) -> u16 {
    let screen = tty.see(text);
    rows(&screen).iter().position(|row| row.contains(text)).unwrap() as u16
}

#[allow(clippy::too_many_lines, reason = "one scenario")]
fn walk(size: (u16, u16), kind: &Kind, theme: &str) {
    let place = format!("{}x{} {} {theme}", size.0, size.1, kind.name);
    let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin!("kshot"));
    command.args(["--theme", theme, "--fresh", "-s", "7", "-n", "12", "--offline"]);
    let mut tty = Tty::start_in(size, command, kind.environment);
    // A frame can be read in the middle, so this waits until the screen is whole: a status line, no blank screen, and
    // hints in the last row that are not cut.
    let check = |tty: &mut Tty, what: &str| {
        tty.wait(&format!("whole screen ({place}, {what})"), |screen| {
            let rows = rows(screen);
            let filled = rows.iter().filter(|row| !row.trim().is_empty()).count();
            let hints = rows.last().map_or("", |row| row.trim());
            rows.iter().take(2).any(|row| row.contains("built-in"))
                && filled + 3 >= usize::from(size.1)
                && !hints.is_empty()
                && !hints.ends_with('…')
        });
    };
    tty.see("sun ->");
    tty.wait("a model", |screen| screen.contains("idle") || screen.contains("is ready"));
    check(&mut tty, "start");
    tty.press("\x07");
    tty.wait("the end of the run", |screen| {
        screen.contains("max 12") || screen.contains("12/12") || screen.contains("seed 7")
    });
    tty.wait("an idle engine", |screen| !screen.contains("generating"));
    check(&mut tty, "generated");

    // Token mode: the token looked at is marked, with colours and without.
    tty.press("\x1b");
    tty.see("TOKENS");
    let row = row_of(&mut tty, "river");
    tty.press("g");
    tty.wait("the first token", |screen| screen.contains("Token 1 of") || size.0 < 80);
    tty.press("l");
    for mode in 0..4 {
        tty.press("l");
        tty.press("c");
        std::thread::sleep(std::time::Duration::from_millis(60));
        check(&mut tty, &format!("colouring {mode}"));
    }
    let any = (0..size.1).any(|row| !marked(&tty, row).is_empty());
    assert!(any, "{place}: the token looked at is not marked (row {row})\n{}", tty.screen());
    // Ctrl+T, not Esc: the next key begins with an Esc, and the two would be read as one.
    tty.press("\x14");

    // The panes and overlays, each opened and closed.
    for (open, sign, close) in [
        ("\x1bOR", "temperature", ""),
        ("\x1bOS", "No task is chosen", ""),
        ("t", "Choose a task", "\x1b"),
        ("\x1bOQ", "on this disk", "\x1b"),
        ("\x1bOP", "more lines", "\x1b"),
        ("\x10", "Commands", "\x1b"),
    ] {
        tty.press(open);
        tty.see(sign);
        check(&mut tty, sign);
        // An Esc has to be read before the next key, which begins with one.
        if !close.is_empty() {
            tty.press(close);
            tty.wait("the overlay closed", |screen| !screen.contains(sign));
        }
    }
    tty.press("\x11");
    let status = tty.ended();
    assert_eq!(status.exit_code(), 0, "{place}");
    tty.assert_restored(&place);

    let (most, attributes) = colours_of(&tty.seen.lock().unwrap().raw);
    assert_eq!(most, kind.colours, "{place}: colours on the wire");
    assert!(attributes, "{place}: nothing but colour tells things apart");
}

#[test]
fn every_size_and_kind_of_colour() {
    // Four programs at a time, each with one thread.
    for size in SIZES {
        for theme in ["dark", "light"] {
            std::thread::scope(|scope| {
                let walks: Vec<_> = KINDS.iter().map(|kind| scope.spawn(move || walk(size, kind, theme))).collect();
                for walk in walks {
                    if let Err(panic) = walk.join() {
                        std::panic::resume_unwind(panic);
                    }
                }
            });
        }
    }
}

#[test]
fn colours_are_recognised() {
    assert_eq!(colours_of(b"\x1b[1mx\x1b[0m"), (Colours::None, true));
    assert_eq!(colours_of(b"\x1b[38;5;12m"), (Colours::Sixteen, false));
    assert_eq!(colours_of(b"\x1b[31mx"), (Colours::Sixteen, false));
    assert_eq!(colours_of(b"\x1b[0;48;5;200m"), (Colours::Indexed, false));
    assert_eq!(colours_of(b"\x1b[38;2;1;5;3m\x1b[2J\x1b[4;10H"), (Colours::True, false));
}
