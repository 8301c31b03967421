//! One walk through the program in 24 terminals: three sizes, four numbers of colours, two grounds. What is promised of
//! colours is read from the bytes, the rest from the screen.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kshot::app::command::COMMANDS;
use kshot::app::keymap::KeyMap;
use kshot::app::token::Colouring;
use kshot::files::builtin;
use kshot::ui::theme::{Palette, THEMES, ThemeSpec};
use portable_pty::CommandBuilder;
use ratatui::style::Color;

#[path = "support/tty.rs"]
#[allow(dead_code, reason = "shared with the tests of the terminal")]
mod tty;
use tty::*;

const SIZES: [(u16, u16); 3] = [(120, 36), (80, 24), (60, 16)];
/// What each number of colours is recognised by.
const PALETTES: [(Palette, &[(&str, &str)]); 4] = [
    (Palette::True, &[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]),
    (Palette::Ansi256, &[("TERM", "xterm-256color")]),
    (Palette::Ansi16, &[("TERM", "xterm")]),
    (Palette::Plain, &[("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("NO_COLOR", "1")]),
];
/// Programs at one time.
const AT_ONCE: usize = 4;
/// Tokens looked at in each colouring, newlines and surprises among them.
const STEPS: usize = 12;

#[test]
fn the_program_keeps_its_promises_in_every_terminal() {
    let grounds = ["dark", "light"].map(|name| THEMES.iter().find(|spec| spec.name == name).unwrap());
    let walks: Vec<Walk> = SIZES
        .into_iter()
        .flat_map(|size| PALETTES.map(|(palette, variables)| (size, palette, variables)))
        .flat_map(|(size, palette, variables)| grounds.map(|theme| Walk { size, palette, variables, theme }))
        .collect();
    let (next, start) = (AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(walk) = walks.get(next.fetch_add(1, Ordering::SeqCst)) {
                    walk.go();
                }
            });
        }
    });
    println!("{} walks in {:.1} s", walks.len(), start.elapsed().as_secs_f64());
}

/// A walk through one terminal.
struct Walk {
    size: (u16, u16),
    palette: Palette,
    variables: &'static [(&'static str, &'static str)],
    theme: &'static ThemeSpec,
}

impl Walk {
    fn name(&self, stop: &str) -> String {
        format!("{stop} at {}x{} in {:?} {}", self.size.0, self.size.1, self.palette, self.theme.name)
    }

    fn go(&self) {
        let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin!("kshot"));
        command.args(["--theme", self.theme.name, "-s", "7", "-n", "24"]);
        let own = [("HF_ENDPOINT", "http://127.0.0.1:9"), ("KSHOT_FRESH", "1")];
        let mut tty = Tty::start(self.size, command, &[&own[..], self.variables].concat());

        let page: Vec<&str> = builtin::PAGE.lines().collect();
        tty.wait(&self.name("the page"), |screen| page.iter().all(|line| screen.contains(line)));
        tty.see("built-in is ready");
        self.check("start", &tty);
        tty.press(CTRL_G);
        tty.wait(&self.name("the end"), |screen| {
            let status = screen.lines().next().unwrap_or_default();
            ["idle: ", "max 24", "end of text"].iter().any(|end| status.contains(end))
        });
        self.check("generated", &tty);

        tty.press(CTRL_T);
        tty.see("Esc: text");
        let places = self.walk_tokens(Colouring::Author, &mut tty, None);
        for colouring in [Colouring::Probability, Colouring::Rank, Colouring::Surprisal, Colouring::Entropy] {
            tty.press("c");
            let legend = colouring.classes().join(" ");
            tty.wait(&self.name(&legend), |screen| screen.contains(&legend) && screen.contains("Esc: text"));
            self.walk_tokens(colouring, &mut tty, Some(&places));
        }

        for (key, text) in
            [(F3, "temperature"), (F4, "No task is chosen"), (F2, "openai-community/gpt2"), (F1, "Everywhere")]
        {
            tty.press(key);
            tty.see(text);
            self.check(text, &tty);
        }
        tty.press(ESC);
        tty.wait("closed help", |screen| !screen.contains("Everywhere"));
        tty.press(ESC);
        tty.wait("closed list", |screen| !screen.contains("openai-community/gpt2"));
        tty.press(CTRL_P);
        tty.see("command: ");
        self.check("palette", &tty);
        tty.press(ESC);
        tty.wait("closed palette", |screen| !screen.contains("command: "));
        self.check("end", &tty);
        tty.press(CTRL_Q);
        assert_eq!(tty.ended().exit_code(), 0, "{}", self.name("quit"));
        tty.assert_restored(&self.name("quit"));
        self.check_colours(&tty.seen.lock().unwrap().raw);
    }

    /// From the first token on, each one looked at stands out by attributes that no other text has, in its place where
    /// that is known. Gives the places.
    fn walk_tokens(&self, by: Colouring, tty: &mut Tty, places: Option<&[Range<usize>]>) -> Vec<Range<usize>> {
        tty.press(HOME);
        let mut found: Vec<Range<usize>> = Vec::new();
        for step in 0..STEPS {
            let before = found.last().map_or(0, |place| place.end);
            found.push(self.wait_mark(by, tty, |place| match places {
                Some(places) => places[step] == *place,
                // The text begins one column inside the frame.
                None if step == 0 => place.start == 1,
                None => place.start >= before,
            }));
            if step == 0 {
                self.check(by.name(), tty);
            }
            tty.press(RIGHT);
        }
        found
    }

    fn wait_mark(&self, colouring: Colouring, tty: &mut Tty, wanted: impl Fn(&Range<usize>) -> bool) -> Range<usize> {
        let end = Instant::now() + PATIENCE;
        loop {
            let shown = Shown::of(tty);
            if let Some(mark) = shown.marks().into_iter().find(&wanted) {
                return mark;
            }
            let what = self.name(&format!("no token stands out by {}", colouring.name()));
            assert!(Instant::now() < end, "{what}:\n{}", shown.text());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// What holds at every stop.
    fn check(&self, stop: &str, tty: &Tty) {
        let shown = Shown::of(tty);
        let (what, text) = (self.name(stop), shown.text());
        let status = shown.row(0);
        assert!(status.contains("built-in") && status.contains("ctx "), "{what}: status line\n{text}");
        let hints = shown.row(shown.cells.len() - 1);
        check_hints(hints.trim(), &what, &text);
        let frames = shown.frames();
        assert!(!frames.is_empty(), "{what}: no pane\n{text}");
        for frame in frames {
            let inside = frame.inside().any(|(row, column)| !shown.cells[row][column].text.trim().is_empty());
            assert!(inside, "{what}: the pane at {frame:?} is blank\n{text}");
            let title = shown.slice(frame.top, frame.left + 1..frame.right);
            let (open, close) = (title.matches('(').count(), title.matches(')').count());
            assert_eq!(open, close, "{what}: a title is cut: {title}\n{text}");
            let below = shown.slice(frame.bottom, frame.left + 1..frame.right);
            let hints = below.trim_matches('─');
            if !hints.is_empty() {
                check_hints(hints, &what, &text);
            }
        }
    }

    fn check_colours(&self, raw: &[u8]) {
        let what = self.name("colours");
        let wanted = match self.palette {
            Palette::Plain => None,
            Palette::Ansi16 => Some(Kind::Named),
            Palette::Ansi256 => Some(Kind::Indexed),
            Palette::True => Some(Kind::Rgb),
        };
        let kinds = colours(raw);
        assert_eq!(kinds.keys().copied().collect::<Vec<_>>(), Vec::from_iter(wanted), "{what}: {kinds:?}");
        let accent = self.theme.accent;
        let accent = match self.palette {
            Palette::Plain => return,
            Palette::True => {
                let [_, r, g, b] = accent.rgb.to_be_bytes();
                format!("38;2;{r};{g};{b}")
            }
            Palette::Ansi256 => format!("38;5;{}", accent.index),
            Palette::Ansi16 if accent.named == Color::Blue => "34".to_owned(),
            Palette::Ansi16 => "94".to_owned(),
        };
        assert!(kinds.values().flatten().any(|colour| *colour == accent), "{what}: the theme's {accent} in {kinds:?}");
    }
}

/// A way to name a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Named,
    Indexed,
    Rgb,
}

/// The colours that a program asked for: all parameters of SGR that are no attribute and no reset.
fn colours(raw: &[u8]) -> BTreeMap<Kind, BTreeSet<String>> {
    let mut found: BTreeMap<Kind, BTreeSet<String>> = BTreeMap::new();
    let starts = raw.windows(2).enumerate().filter(|(_, window)| *window == b"\x1b[").map(|(at, _)| at + 2);
    for start in starts {
        let len = raw[start..].iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')).count();
        if raw.get(start + len) != Some(&b'm') {
            continue;
        }
        let text = std::str::from_utf8(&raw[start..start + len]).unwrap();
        let mut numbers = text.split([';', ':']).map(|number| number.parse::<u16>().unwrap_or(0));
        while let Some(number) = numbers.next() {
            let (kind, rest) = match number {
                30..=37 | 40..=47 | 90..=97 | 100..=107 => (Kind::Named, 0),
                38 | 48 | 58 if numbers.next() == Some(2) => (Kind::Rgb, 3),
                38 | 48 | 58 => (Kind::Indexed, 1),
                _ => continue,
            };
            let rest: Vec<u16> = numbers.by_ref().take(rest).collect();
            let form = match kind {
                Kind::Named => vec![number],
                Kind::Indexed => vec![number, 5],
                Kind::Rgb => vec![number, 2],
            };
            let colour = [form, rest].concat().iter().map(u16::to_string).collect::<Vec<_>>().join(";");
            found.entry(kind).or_default().insert(colour);
        }
    }
    found
}

#[test]
fn colours_are_found_in_what_a_program_writes() {
    let found =
        colours(b"\x1b[1;31mred\x1b[38;5;7mgrey\x1b[48:2:1:2:3mblue\x1b[0;39;49m\x1b[?1049h\x1b[?25l\x1b[7;104m");
    let of = |kind| found.get(&kind).unwrap().iter().cloned().collect::<Vec<_>>();
    assert_eq!(of(Kind::Named), ["104", "31"]);
    assert_eq!(of(Kind::Indexed), ["38;5;7"]);
    assert_eq!(of(Kind::Rgb), ["48;2;1;2;3"]);
}

/// Each hint of a row is whole: one that the table of commands has, in the default keys.
fn check_hints(row: &str, what: &str, screen: &str) {
    let keys = KeyMap::new(COMMANDS).unwrap();
    let known: BTreeSet<String> = COMMANDS
        .iter()
        .filter(|command| !command.hint.is_empty())
        .flat_map(|command| [command.hint.to_owned(), format!("{} {}", keys.hint(command.name), command.hint)])
        .collect();
    for hint in row.split("  ") {
        assert!(known.contains(hint), "{what}: {hint:?} is no whole hint\n{screen}");
    }
}

/// How a cell looks without its colours: bold, dim, italic, underlined, reversed.
type Look = [bool; 5];

struct Cell {
    text: String,
    look: Look,
}

/// A frame whose four sides are in sight.
#[derive(Debug, Clone, Copy)]
struct Frame {
    top: usize,
    bottom: usize,
    left: usize,
    right: usize,
}

impl Frame {
    fn inside(self) -> impl Iterator<Item = (usize, usize)> {
        (self.top + 1..self.bottom).flat_map(move |row| (self.left + 1..self.right).map(move |column| (row, column)))
    }
}

/// A screen at one moment.
struct Shown {
    cells: Vec<Vec<Cell>>,
}

impl Shown {
    fn of(tty: &Tty) -> Self {
        let seen = tty.whole_frame();
        let screen = seen.screen.screen();
        let (rows, columns) = screen.size();
        let (rows, columns) = (rows.get(), columns.get());
        let cell = |row, column| {
            let cell = screen.cell(row, column).unwrap();
            let text = if cell.has_contents() { cell.contents() } else { " " };
            let look = [cell.bold(), cell.dim(), cell.italic(), cell.underline(), cell.inverse()];
            Cell { text: text.to_owned(), look }
        };
        Self { cells: (0..rows).map(|row| (0..columns).map(|column| cell(row, column)).collect()).collect() }
    }

    fn slice(&self, row: usize, columns: Range<usize>) -> String {
        self.cells[row][columns].iter().map(|cell| cell.text.as_str()).collect()
    }

    fn row(&self, row: usize) -> String {
        self.slice(row, 0..self.cells[row].len())
    }

    fn text(&self) -> String {
        (0..self.cells.len()).map(|row| self.row(row) + "\n").collect()
    }

    fn frames(&self) -> Vec<Frame> {
        let is = |row: usize, column: usize, text: &str| self.cells[row][column].text == text;
        let (rows, columns) = (self.cells.len(), self.cells[0].len());
        let corners = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        corners
            .filter(|(top, left)| is(*top, *left, "┌"))
            .filter_map(|(top, left)| {
                let right =
                    (left + 1..columns).find(|column| ["┐", "┌"].iter().any(|corner| is(top, *column, corner)))?;
                let bottom = (top + 1..rows).find(|row| !is(*row, left, "│"))?;
                let sides = (top + 1..bottom).all(|row| ["│", "↑", "↓"].iter().any(|side| is(row, right, side)));
                let covered = [top, bottom]
                    .iter()
                    .any(|row| self.slice(*row, left + 1..right).contains(['│', '┌', '┐', '└', '┘']));
                let whole = !covered && is(top, right, "┐") && is(bottom, left, "└") && is(bottom, right, "┘") && sides;
                whole.then_some(Frame { top, bottom, left, right })
            })
            .collect()
    }

    /// Where the document has one stretch of reversed text, with attributes that no other text has: the place of its
    /// cells in the order of reading.
    fn marks(&self) -> Vec<Range<usize>> {
        let document = self
            .frames()
            .into_iter()
            .find(|frame| self.slice(frame.top, frame.left..frame.right).contains("Esc: text"));
        let Some(document) = document else { return Vec::new() };
        let mut looks: BTreeMap<Look, Vec<usize>> = BTreeMap::new();
        for (at, (row, column)) in document.inside().enumerate() {
            let look = self.cells[row][column].look;
            if look[4] {
                looks.entry(look).or_default().push(at);
            }
        }
        let ranges = looks.into_values().map(|cells| (cells.len(), cells[0]..cells[cells.len() - 1] + 1));
        ranges.filter(|(len, range)| *len == range.len()).map(|(_, range)| range).collect()
    }
}
