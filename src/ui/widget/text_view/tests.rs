#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]

use std::time::Instant;

use proptest::prelude::*;
use ratatui::style::Color;

use super::*;
use Motion::*;

/// A text with its view, edited the way a program does.
struct Pane {
    text: Vec<u8>,
    view: TextView,
    revision: u64,
    size: Size,
}

impl Pane {
    fn new(text: &str, width: u16, height: u16) -> Self {
        let mut pane = Self { text: text.into(), view: TextView::new(), revision: 0, size: Size::new(width, height) };
        pane.view.sync(&pane.text, 0, None, pane.size);
        pane
    }

    fn splice(&mut self, range: Range<usize>, new: &[u8]) {
        let change = TextChange { start: range.start, old_end: range.end, new_end: range.start + new.len() };
        self.text.splice(range, new.iter().copied());
        self.revision += 1;
        self.view.sync(&self.text, self.revision, Some(change), self.size);
    }

    fn append(&mut self, new: &str) {
        self.splice(self.text.len()..self.text.len(), new.as_bytes());
    }

    fn resize(&mut self, width: u16, height: u16) {
        self.size = Size::new(width, height);
        self.view.sync(&self.text, self.revision, None, self.size);
    }

    fn go(&mut self, motion: Motion) {
        self.view.move_caret(&self.text, motion);
    }

    fn draw(&self) -> (Vec<String>, Option<(u16, u16)>) {
        let area = Rect::new(0, 0, self.size.width, self.size.height);
        let mut buf = Buffer::empty(area);
        let caret = self.view.draw(&self.text, area, &mut buf, Spaces::Blank, |_| Style::default());
        (lines(&buf), caret.map(|at| (at.x, at.y)))
    }
}

fn lines(buf: &Buffer) -> Vec<String> {
    let mut lines = Vec::new();
    for y in buf.area.y..buf.area.bottom() {
        let line: String = (buf.area.x..buf.area.right()).map(|x| buf[(x, y)].symbol()).collect();
        lines.push(line.trim_end().to_owned());
    }
    lines
}

#[test]
fn motions() {
    // `|` is the caret before and after.
    let cases: &[(&str, &[Motion], &str)] = &[
        ("|ab", &[Right], "a|b"),
        ("ab|", &[Right], "ab|"),
        ("|ab", &[Left], "|ab"),
        ("|e\u{301}x", &[Right], "e\u{301}|x"),
        ("a👨‍👩‍👧|b", &[Left], "a|👨‍👩‍👧b"),
        ("中|文", &[Left], "|中文"),
        ("|a\nb", &[Right, Right], "a\n|b"),
        ("a\n|b", &[Left], "a|\nb"),
        ("one two,  three|", &[WordLeft], "one two,  |three"),
        ("one two,  |three", &[WordLeft], "one two|,  three"),
        ("one two|,  three", &[WordLeft], "one |two,  three"),
        ("one\n\n|two", &[WordLeft], "|one\n\ntwo"),
        ("|one two", &[WordRight, WordRight], "one two|"),
        ("one|, two", &[WordRight, WordRight], "one, two|"),
        ("a 中文|", &[WordLeft], "a 中|文"),
        ("one tw|o three four", &[RowStart], "|one two three four"),
        ("one two thr|ee four", &[RowStart], "one two |three four"),
        ("one| two three four", &[RowEnd], "one two| three four"),
        ("one two thr|ee\nfour", &[RowEnd], "one two three|\nfour"),
        ("one two thr|ee\nfour", &[LineStart], "|one two three\nfour"),
        ("one| two three\nfour", &[LineEnd], "one two three|\nfour"),
        ("one tw|o three", &[Down], "one two three|"),
        ("one t|wo three", &[Down], "one two three|"),
        ("on|e two three", &[Down], "one two th|ree"),
        ("one two th|ree", &[Up], "on|e two three"),
        ("abcd|\n\nabcd", &[Down, Down], "abcd\n\nabcd|"),
        ("abcd|\n\nabcd", &[Down, Left], "abcd|\n\nabcd"),
        ("a|b", &[Up], "|ab"),
        ("a|b", &[Down], "ab|"),
        ("a中|b\nabcde", &[Down], "a中b\nabc|de"),
        ("abc\na中|b", &[Up], "abc|\na中b"),
        ("abcde\nab|", &[Start], "|abcde\nab"),
        ("|abcde\nab", &[End], "abcde\nab|"),
        ("|1\n2\n3\n4\n5\n6", &[PageDown], "1\n2\n|3\n4\n5\n6"),
        ("1\n2\n3\n4\n5|\n6", &[PageUp], "1\n2\n3|\n4\n5\n6"),
    ];
    let mut failures = Vec::new();
    for &(before, motions, after) in cases {
        let caret = before.find('|').unwrap();
        let mut pane = Pane::new(&before.replace('|', ""), 9, 3);
        pane.view.set_caret(&pane.text, caret);
        motions.iter().for_each(|&motion| pane.go(motion));
        let mut got = String::from_utf8(pane.text.clone()).unwrap();
        got.insert(pane.view.caret(), '|');
        if got != after {
            failures.push(format!("{before:?} {motions:?}: {got:?}, expected {after:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_a_motion_spans_is_what_deleting_deletes() {
    let mut pane = Pane::new("one two", 20, 3);
    pane.go(End);
    assert_eq!(pane.view.span(&pane.text, WordLeft), 4..7);
    pane.splice(4..7, b"");
    assert_eq!((pane.view.caret(), pane.view.span(&pane.text, Left)), (4, 3..4));
}

#[test]
fn the_caret_moves_along_with_the_text() {
    let cases = [
        ("typed at the caret", 3..3, "xy", 5),
        ("before it", 0..1, "", 2),
        ("after it", 4..5, "xy", 3),
        ("around it", 2..5, "xyz", 5),
        ("deleted up to it", 1..3, "", 1),
    ];
    for (case, range, new, expected) in cases {
        let mut pane = Pane::new("abcdef", 20, 3);
        pane.view.set_caret(&pane.text, 3);
        pane.splice(range, new.as_bytes());
        assert_eq!(pane.view.caret(), expected, "{case}");
    }
}

#[test]
fn hostile_text_is_drawn_as_what_it_is() {
    let mut pane = Pane::new("", 20, 3);
    pane.splice(0..0, b"a\x1b[2J\xff\tb\x00\n\xe4\xb8");
    let (lines, _) = pane.draw();
    assert_eq!(lines, ["a␛[2J\u{FFFD}    b␀", "\u{FFFD}", ""]);
    pane.splice(pane.text.len()..pane.text.len(), b"\xad");
    assert_eq!(pane.draw().0[1], "中 ".trim_end(), "the rest of a character came in");
}

#[test]
fn the_view_follows_the_end_until_the_user_scrolls_up() {
    let mut pane = Pane::new("", 10, 3);
    pane.go(End);
    for i in 0..6 {
        pane.append(&format!("line {i}\n"));
    }
    assert_eq!(pane.draw(), (vec!["line 4".into(), "line 5".into(), String::new()], Some((0, 2))));
    pane.view.scroll_by(-2);
    assert!(!pane.view.follows() && !pane.view.new_text_below());
    pane.append("more\n");
    assert_eq!(pane.draw(), (vec!["line 2".into(), "line 3".into(), "line 4".into()], None));
    assert!(pane.view.new_text_below(), "text came in below");
    pane.splice(0..0, b"first\n");
    assert_eq!(pane.draw().0[0], "line 2", "text that is put in above does not move the view");
    pane.view.scroll_by(100);
    assert!(pane.view.follows() && !pane.view.new_text_below());
    assert_eq!(pane.draw().1, Some((0, 2)));
    pane.view.scroll_by(-100);
    assert_eq!(pane.view.scroll(), (0, 9));
    pane.view.scroll_to_end();
    assert_eq!(pane.view.scroll(), (6, 9));
}

#[test]
fn typing_scrolls_to_the_caret_and_resizing_keeps_it_in_view() {
    let text: String = (0..40).map(|i| format!("word{i} ")).collect();
    let mut pane = Pane::new(&text, 30, 5);
    let caret = text.find("word20").unwrap();
    pane.view.set_caret(&pane.text, caret);
    for (width, height) in [(10, 5), (50, 2), (3, 1), (1, 1), (0, 0), (30, 3)] {
        pane.resize(width, height);
        assert_eq!(pane.draw().1.is_some(), width > 0, "{width}x{height}");
        assert_eq!(pane.view.caret(), caret);
    }
    pane.view.scroll_by(-100);
    assert_eq!(pane.draw().1, None);
    pane.splice(caret..caret, b"x");
    pane.view.reveal_caret();
    assert!(pane.draw().1.is_some());
}

#[test]
fn a_place_on_screen_is_a_place_in_the_text() {
    let mut pane = Pane::new("one two three\n中文", 9, 5);
    let area = Rect::new(2, 1, 9, 5);
    let cases = [
        ((2, 1), Some(0)),
        ((5, 1), Some(3)),
        ((10, 1), Some(7)),
        ((3, 2), Some(9)),
        ((9, 2), Some(13)),
        ((2, 3), Some(14)),
        ((3, 3), Some(14)),
        ((4, 3), Some(17)),
        ((9, 3), Some(20)),
        ((9, 5), Some(20)),
        ((1, 1), None),
        ((2, 0), None),
        ((11, 1), None),
    ];
    for ((x, y), expected) in cases {
        assert_eq!(pane.view.offset_at(&pane.text, area, Position::new(x, y)), expected, "{x},{y}");
    }
    // Every caret is drawn where a click would put it.
    pane.go(Start);
    loop {
        let mut buf = Buffer::empty(Rect::new(0, 0, 20, 10));
        let at = pane.view.draw(&pane.text, area, &mut buf, Spaces::Blank, |_| Style::default()).unwrap();
        assert_eq!(pane.view.offset_at(&pane.text, area, at), Some(pane.view.caret()));
        if pane.view.caret() == pane.text.len() {
            break;
        }
        pane.go(Right);
    }
}

#[test]
fn cells_have_the_style_of_their_bytes() {
    let pane = Pane::new("ab中c", 9, 1);
    let area = Rect::new(0, 0, 9, 1);
    let mut buf = Buffer::empty(area);
    pane.view.draw(&pane.text, area, &mut buf, Spaces::Blank, |bytes| {
        if bytes.start < 2 { Style::new().red() } else { Style::new().blue() }
    });
    let colours: Vec<Color> = (0..6).map(|x| buf[(x, 0)].fg).collect();
    assert_eq!(colours[..3], [Color::Red, Color::Red, Color::Blue]);
    assert_eq!((colours[4], colours[5]), (Color::Blue, Color::Reset));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_any_size_any_motion(
        text in prop::collection::vec(prop_oneof![any::<u8>(), Just(b' '), Just(b'\n')], 0..200),
        size in (0..30u16, 0..8u16),
        motions in prop::collection::vec(prop::sample::select(vec![
            Left, Right, WordLeft, WordRight, Up, Down, RowStart, RowEnd, LineStart, LineEnd, PageUp, PageDown, Start, End,
        ]), 0..40),
        shown in (0..40u16, 0..10u16),
    ) {
        let mut pane = Pane::new("", size.0, size.1);
        pane.splice(0..0, &text);
        let boundaries: Vec<usize> = crate::text::cells(&text).map(|cell| cell.range.end).collect();
        for motion in motions {
            let span = pane.view.span(&pane.text, motion);
            pane.go(motion);
            prop_assert!(span.end <= text.len());
            let caret = pane.view.caret();
            prop_assert!(caret == 0 || boundaries.contains(&caret), "{motion:?} to {caret}");
            prop_assert_eq!(pane.draw().1.is_some(), size.0 > 0 && size.1 > 0, "the caret is in view");
        }
        // An area that is not the one the rows were made for, as in a frame between two sizes.
        let mut buf = Buffer::empty(Rect::new(0, 0, 20, 5));
        pane.view.draw(&pane.text, Rect::new(3, 2, shown.0, shown.1), &mut buf, Spaces::Blank, |_| Style::default());
    }
}

/// Work per key, token and frame does not grow with the text: 10 MB against 10 kB.
#[test]
fn a_frame_costs_the_same_in_a_long_text() {
    let paragraph = "The quick brown fox jumps over the lazy dog, and 中文 too. ".repeat(4) + "\n";
    let mut medians = Vec::new();
    for bytes in [10_000, 10_000_000] {
        let start = Instant::now();
        let mut pane = Pane::new(&paragraph.repeat(bytes / paragraph.len()), 80, 30);
        let layout = start.elapsed();
        pane.go(End);
        let mut costs: Vec<_> = (0..50)
            .map(|_| {
                let start = Instant::now();
                pane.append(" token");
                pane.draw();
                start.elapsed()
            })
            .collect();
        costs.sort();
        pane.view.set_caret(&pane.text, bytes / 2);
        let caret = pane.view.caret();
        let start = Instant::now();
        pane.splice(caret..caret, b"x");
        println!(
            "{bytes} bytes: layout {layout:?}, token and frame {:?}, a key in the middle {:?}",
            costs[25],
            start.elapsed()
        );
        medians.push(costs[25]);
    }
    assert!(medians[1] < medians[0] * 20, "{medians:?}");
}
