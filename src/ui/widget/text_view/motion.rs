//! Where the caret goes.

use super::rows::{Rows, columns};
use crate::text::{Cell, CellKind};

/// A movement of the caret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// One grapheme back.
    Left,
    /// One grapheme on.
    Right,
    /// To the start of this or the previous word.
    WordLeft,
    /// To the end of this or the next word.
    WordRight,
    /// One row up, keeping the column.
    Up,
    /// One row down, keeping the column.
    Down,
    /// To the start of the visual row.
    RowStart,
    /// To the end of the visual row.
    RowEnd,
    /// To the start of the line (after the last newline).
    LineStart,
    /// To the end of the line (before the next newline).
    LineEnd,
    /// One screen up, keeping the column.
    PageUp,
    /// One screen down, keeping the column.
    PageDown,
    /// To the first byte.
    Start,
    /// After the last byte.
    End,
}

/// What a cell is to the motions by word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Word,
    Mark,
    /// Scripts without spaces: each character counts as a word.
    Wide,
}

fn class(cell: &Cell<'_>) -> Class {
    match (cell.kind, cell.text.chars().next()) {
        (CellKind::Newline | CellKind::Tab, _) => Class::Space,
        (CellKind::Text, Some(c)) if c.is_whitespace() => Class::Space,
        (CellKind::Text, Some(c)) if c.is_alphanumeric() || c == '_' => {
            if cell.width > 1 {
                Class::Wide
            } else {
                Class::Word
            }
        }
        _ => Class::Mark,
    }
}

/// A text with its rows, to find places in.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) rows: &'a Rows,
}

impl<'a> Places<'a> {
    /// The boundary between cells at or before `at`.
    pub(super) fn snap(self, at: usize) -> usize {
        let at = at.min(self.bytes.len());
        let row = self.rows.row_of(at);
        self.cells(row)
            .map(|cell| cell.range.end)
            .take_while(|&end| end <= at)
            .last()
            .unwrap_or(self.rows.range(row).start)
    }

    /// The column of a boundary in its row.
    pub(super) fn column_of(self, at: usize) -> u16 {
        let cells = self.cells(self.rows.row_of(at)).take_while(|cell| cell.range.end <= at);
        cells.map(|cell| columns(&cell)).fold(0, u16::saturating_add)
    }

    /// The caret's place in a row that is nearest to a column from the left.
    pub(super) fn in_row(self, row: usize, column: u16) -> usize {
        let range = self.rows.range(row);
        let (mut at, mut x) = (range.start, 0u16);
        for cell in self.cells(row) {
            let end = x.saturating_add(columns(&cell));
            // After a row's last cell the caret would stand in the next row.
            let leaves = cell.range.end == range.end && row + 1 < self.rows.count();
            if end > column || leaves {
                return cell.range.start;
            }
            (at, x) = (cell.range.end, end);
        }
        at
    }

    /// Where `motion` leads from the caret `at`; `goal` is the column that up and down aim at, `page` the rows of a page.
    pub(super) fn target(self, at: usize, motion: Motion, goal: u16, page: usize) -> usize {
        let row = self.rows.row_of(at);
        let up = |by: usize| {
            if row == 0 { 0 } else { self.in_row(row.saturating_sub(by), goal) }
        };
        let last = self.rows.count() - 1;
        let down = |by: usize| {
            if row == last { self.bytes.len() } else { self.in_row((row + by).min(last), goal) }
        };
        match motion {
            Motion::Left => self.before(at).map_or(0, |cell| cell.range.start),
            Motion::Right => self.after(at).map_or(self.bytes.len(), |cell| cell.range.end),
            Motion::WordLeft => self.word(at, Self::before, |cell| cell.range.start),
            Motion::WordRight => self.word(at, Self::after, |cell| cell.range.end),
            Motion::Up => up(1),
            Motion::Down => down(1),
            Motion::PageUp => up(page),
            Motion::PageDown => down(page),
            Motion::RowStart => self.rows.range(row).start,
            Motion::RowEnd => self.in_row(row, u16::MAX),
            Motion::LineStart => {
                let before = self.bytes.get(..at).unwrap_or_default();
                before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1)
            }
            Motion::LineEnd => {
                let after = self.bytes.get(at..).unwrap_or_default();
                after.iter().position(|&byte| byte == b'\n').map_or(self.bytes.len(), |newline| at + newline)
            }
            Motion::Start => 0,
            Motion::End => self.bytes.len(),
        }
    }

    fn cells(self, row: usize) -> impl Iterator<Item = Cell<'a>> {
        self.rows.cells(self.bytes, row)
    }

    fn before(self, at: usize) -> Option<Cell<'a>> {
        self.cells(self.rows.row_of(at.checked_sub(1)?)).take_while(|cell| cell.range.start < at).last()
    }

    fn after(self, at: usize) -> Option<Cell<'a>> {
        self.cells(self.rows.row_of(at)).find(|cell| cell.range.start >= at)
    }

    /// Over spaces, and then over cells of one class.
    fn word(self, at: usize, next: fn(Self, usize) -> Option<Cell<'a>>, far_side: fn(&Cell<'a>) -> usize) -> usize {
        let mut at = at;
        let mut word = None;
        while let Some(cell) = next(self, at) {
            let class = class(&cell);
            if word.is_some_and(|word| word != class || word == Class::Wide) {
                break;
            }
            if class != Class::Space {
                word = Some(class);
            }
            at = far_side(&cell);
        }
        at
    }
}
