//! Soft-wrapped rows of a text, kept up to date without wrapping what did not change.
//!
//! Wrapping is greedy and a row start is a boundary between cells, so a row depends only on the bytes from its start on.
//! After a change the rows are therefore wrapped from a little before it until a row starts where one started before;
//! the rest of the old rows is moved, not wrapped.

use std::ops::Range;

use super::TextChange;
use crate::text::{Cell, CellKind, cells};

/// Rows before the changed row that are wrapped again: a word that got shorter may move up.
const ROWS_BEFORE: usize = 2;
/// Bytes before a change whose cells may be other ones after it: up to three of a character that it completes, and one
/// of the cell that this character may join.
const BYTES_BEFORE: usize = 4;

/// Where each row starts. There is always a row; after a final newline there is an empty one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows {
    starts: Vec<usize>,
    len: usize,
    width: u16,
}

impl Default for Rows {
    fn default() -> Self {
        Self { starts: vec![0], len: 0, width: 0 }
    }
}

impl Rows {
    /// All rows of a text that is drawn `width` columns wide. The last column is left for a space that ends a row and
    /// for the caret.
    pub(super) fn new(bytes: &[u8], width: u16) -> Self {
        let mut rows = Self { starts: vec![0], len: bytes.len(), width };
        rows.wrap(bytes, 0, |_| false);
        rows
    }

    pub(super) fn width(&self) -> u16 {
        self.width
    }

    pub(super) fn count(&self) -> usize {
        self.starts.len()
    }

    /// The row that holds the byte or caret `at`.
    pub(super) fn row_of(&self, at: usize) -> usize {
        self.starts.partition_point(|&start| start <= at).saturating_sub(1)
    }

    /// The bytes of a row, with the newline that ends it; empty past the last row.
    pub(super) fn range(&self, row: usize) -> Range<usize> {
        let start = self.starts.get(row).copied().unwrap_or(self.len);
        start..self.starts.get(row + 1).copied().unwrap_or(self.len)
    }

    /// The cells of a row, with their ranges counted from the start of the text.
    pub(super) fn cells<'a>(&self, bytes: &'a [u8], row: usize) -> impl Iterator<Item = Cell<'a>> + use<'a> {
        cells_of(bytes, self.range(row))
    }

    /// Brings the rows up to date with a text in which `change` happened.
    pub(super) fn update(&mut self, bytes: &[u8], change: TextChange) {
        let first = self.row_of(change.start.saturating_sub(BYTES_BEFORE)).saturating_sub(ROWS_BEFORE);
        let from = self.starts.get(first).copied().unwrap_or(0);
        let after = self.starts.partition_point(|&start| start <= change.old_end);
        let old_rest = self.starts.split_off(after);
        self.starts.truncate(first + 1);
        self.len = bytes.len();
        let mut rest = old_rest.iter().map(|start| start - change.old_end + change.new_end).peekable();
        let mut met = false;
        self.wrap(bytes, from, |start| {
            while rest.next_if(|&old| old < start).is_some() {}
            met = rest.peek() == Some(&start);
            met
        });
        if met {
            rest.next();
            self.starts.extend(rest);
        }
    }

    /// Wraps the bytes from a row's start on, until the end or until `done` says that a new row's start was known.
    fn wrap(&mut self, bytes: &[u8], from: usize, mut done: impl FnMut(usize) -> bool) {
        let limit = self.width.saturating_sub(1).max(1);
        let mut at = from;
        while at < bytes.len() {
            let line = line_at(bytes, at);
            at = line.end;
            let mut row = Wrap { start: line.start, column: 0, opportunity: None };
            for cell in cells_of(bytes, line) {
                while let Some(start) = row.place(&cell, limit) {
                    self.starts.push(start);
                    if done(start) {
                        return;
                    }
                }
            }
        }
    }
}

/// The columns that a cell takes in a row.
pub(super) fn columns(cell: &Cell<'_>) -> u16 {
    if cell.kind == CellKind::Newline { 0 } else { cell.width.max(1) }
}

/// A row while it is filled.
struct Wrap {
    start: usize,
    column: u16,
    /// Where the row may be broken: the offset and the column of the last cell after a space or beside a wide one.
    opportunity: Option<(usize, u16)>,
}

impl Wrap {
    /// Adds a cell; where it does not fit, gives the start of the next row and is to be asked again.
    fn place(&mut self, cell: &Cell<'_>, limit: u16) -> Option<usize> {
        if cell.kind == CellKind::Newline {
            let start = cell.range.end;
            // The cell is done: what is asked again sees the row after it.
            return (self.start != start).then(|| {
                *self = Self { start, column: 0, opportunity: None };
                start
            });
        }
        let columns = columns(cell);
        let space = cell.kind == CellKind::Text && cell.text == " ";
        if columns > 1 && cell.kind == CellKind::Text {
            self.allow_break(cell.range.start);
        }
        let room = if space { limit.saturating_add(1) } else { limit };
        if self.column > 0 && self.column.saturating_add(columns) > room {
            let (start, column) = self.opportunity.unwrap_or((cell.range.start, self.column));
            *self = Self { start, column: self.column - column, opportunity: None };
            return Some(start);
        }
        self.column = self.column.saturating_add(columns);
        if space || columns > 1 {
            self.allow_break(cell.range.end);
        }
        None
    }

    fn allow_break(&mut self, at: usize) {
        if at > self.start {
            self.opportunity = Some((at, self.column));
        }
    }
}

fn cells_of(bytes: &[u8], range: Range<usize>) -> impl Iterator<Item = Cell<'_>> {
    let start = range.start;
    cells(bytes.get(range).unwrap_or_default()).map(move |cell| {
        let range = cell.range.start + start..cell.range.end + start;
        Cell { range, ..cell }
    })
}

/// The bytes from `at` to the end of its line, with the newline.
fn line_at(bytes: &[u8], at: usize) -> Range<usize> {
    let rest = bytes.get(at..).unwrap_or_default();
    let end = rest.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |newline| at + newline + 1);
    at..end
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_break_at_words_and_beside_wide_characters() {
        let cases: &[(&str, u16, &[&str])] = &[
            ("", 10, &[""]),
            ("one two three", 9, &["one two ", "three"]),
            ("one two three", 8, &["one two ", "three"]),
            ("one two three", 7, &["one ", "two ", "three"]),
            ("one\ntwo\n", 9, &["one\n", "two\n", ""]),
            ("\n\n", 9, &["\n", "\n", ""]),
            ("abcdefghij", 5, &["abcd", "efgh", "ij"]),
            ("ab abcdefgh", 5, &["ab ", "abcd", "efgh"]),
            ("a    b", 3, &["a  ", "  ", "b"]),
            ("中文字 ab", 5, &["中文", "字 ", "ab"]),
            ("ab中文", 6, &["ab中", "文"]),
            ("abc", 1, &["a", "b", "c"]),
            ("中文", 1, &["中", "文"]),
            ("abc", 0, &["a", "b", "c"]),
            ("e\u{301}e\u{301}e\u{301}", 3, &["e\u{301}e\u{301}", "e\u{301}"]),
            ("a\tb", 7, &["a\tb"]),
            ("\r\nx", 7, &["\r\n", "x"]),
        ];
        for &(text, width, expected) in cases {
            let rows = Rows::new(text.as_bytes(), width);
            let got: Vec<&str> = (0..rows.count()).map(|row| text.get(rows.range(row)).unwrap()).collect();
            assert_eq!(got, expected, "{text:?} in {width} columns");
        }
    }

    #[test]
    fn no_row_is_wider_than_the_screen() {
        let text = "The 中文 quick\tbrown👨‍👩‍👧 fox é e\u{301} \u{1b}[31m jumps\u{202e} over".repeat(3).into_bytes();
        for width in 8..60 {
            let rows = Rows::new(&text, width);
            for row in 0..rows.count() {
                let columns: u16 = rows.cells(&text, row).map(|cell| columns(&cell)).sum();
                assert!(columns <= width, "row {row} of {width}: {columns} columns");
            }
        }
    }

    #[test]
    fn a_change_may_alter_the_cell_before_it() {
        // What follows the joiner becomes one cell with the emoji before it, which starts a row or ends one.
        let (before, after) =
            ("     a    aaaaaaa a  a a  aaa \u{1F1E6}\t-a a a aaaa\0\0\u{301}-👧\u{200d}", "\u{1F1E6}aaaa   a a ");
        let text = format!("{before}{after}");
        let at = before.len();
        for inserted in ["👧", "a", " "] {
            let longer = format!("{before}{inserted}{after}");
            let end = at + inserted.len();
            for width in 1..24 {
                let mut rows = Rows::new(text.as_bytes(), width);
                rows.update(longer.as_bytes(), TextChange { start: at, old_end: at, new_end: end });
                assert_eq!(rows, Rows::new(longer.as_bytes(), width), "{inserted:?} inserted, {width} columns");
                rows.update(text.as_bytes(), TextChange { start: at, old_end: end, new_end: at });
                assert_eq!(rows, Rows::new(text.as_bytes(), width), "{inserted:?} deleted, {width} columns");
            }
        }
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            6 => "[ab ]{0,9}".prop_map(String::into_bytes),
            2 => "[\n中é\t\u{301}\u{1F1E6}\u{200d}👧-]{0,3}".prop_map(String::into_bytes),
            1 => prop::collection::vec(any::<u8>(), 0..3),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn updated_rows_are_those_of_a_new_layout(
            text in bytes(),
            edits in prop::collection::vec((0..80usize, 0..20usize, bytes()), 1..8),
            width in 0..24u16,
        ) {
            let mut text = text;
            let mut rows = Rows::new(&text, width);
            for (at, deleted, new) in edits {
                let start = at.min(text.len());
                let change = TextChange { start, old_end: (start + deleted).min(text.len()), new_end: start + new.len() };
                text.splice(change.start..change.old_end, new);
                rows.update(&text, change);
                prop_assert_eq!(&rows, &Rows::new(&text, width), "{:?} {:?}", change, text);
            }
        }
    }
}
