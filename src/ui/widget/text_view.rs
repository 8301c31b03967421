//! The central text pane (API first; bodies follow).
#![allow(unused_variables)]

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect, Size};
use ratatui::style::Style;

/// Where the caret goes.
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
    /// One screen up.
    PageUp,
    /// One screen down.
    PageDown,
    /// To the first byte.
    Start,
    /// After the last byte.
    End,
}

/// The bytes `start..old_end` became `start..new_end` (the same as a document's change).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextChange {
    /// First byte that may differ.
    pub start: usize,
    /// End of the replaced bytes in the old text.
    pub old_end: usize,
    /// End of their replacement in the new text.
    pub new_end: usize,
}

/// Caret, scroll and wrapped rows of one text. The text itself stays with its owner and is passed in.
#[derive(Debug, Clone, Default)]
pub struct TextView {
    caret: usize,
}

impl TextView {
    /// A view at the start of an empty text.
    pub fn new() -> Self {
        Self::default()
    }
    /// The revision of the text that was laid out last (ask the document for `change_since` it).
    pub fn revision(&self) -> Option<u64> {
        None
    }
    /// Brings the rows up to date; call after every change of the text or the size, before moving or drawing. `change` is
    /// what happened since `revision()`; `None` lays everything out anew. The caret moves along with the text.
    pub fn sync(&mut self, bytes: &[u8], revision: u64, change: Option<TextChange>, size: Size) {}
    /// The caret as a byte offset, always at a boundary between cells.
    pub fn caret(&self) -> usize {
        self.caret
    }
    /// Puts the caret at the boundary at or before `at`, and scrolls to it.
    pub fn set_caret(&mut self, bytes: &[u8], at: usize) {}
    /// Moves the caret and scrolls to it.
    pub fn move_caret(&mut self, bytes: &[u8], motion: Motion) {}
    /// Where a motion would put the caret: deleting backward a word is `target(WordLeft)..caret()`.
    pub fn target(&self, bytes: &[u8], motion: Motion) -> usize {
        0
    }
    /// The bytes between caret and target, in order.
    pub fn span(&self, bytes: &[u8], motion: Motion) -> Range<usize> {
        0..0
    }
    /// Scrolls so that the caret is on screen (after an edit by key).
    pub fn reveal_caret(&mut self) {}
    /// Scrolls by rows, down where positive; the caret stays. Scrolling up detaches from the end.
    pub fn scroll_by(&mut self, rows: isize) {}
    /// Goes to the end and follows new text again.
    pub fn scroll_to_end(&mut self) {}
    /// Whether new text at the end scrolls the view.
    pub fn follows(&self) -> bool {
        true
    }
    /// Text came in below the view since it was detached.
    pub fn new_text_below(&self) -> bool {
        false
    }
    /// First row on screen, and number of rows in all (for a scroll bar).
    pub fn scroll(&self) -> (usize, usize) {
        (0, 0)
    }
    /// The byte offset at a cell of the screen (mouse), with the text drawn in `area`.
    pub fn offset_at(&self, bytes: &[u8], area: Rect, at: Position) -> Option<usize> {
        None
    }
    /// Draws the visible rows, each cell in the style of its bytes; gives the caret's cell where it is on screen.
    pub fn draw(
        &self,
        bytes: &[u8],
        area: Rect,
        buf: &mut Buffer,
        style: impl Fn(Range<usize>) -> Style,
    ) -> Option<Position> {
        None
    }
}
