//! One line of editable text.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

/// What a key does to a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Insert text (newlines become spaces, control characters are dropped).
    Insert(String),
    /// Delete the grapheme before the caret.
    Backspace,
    /// Delete the grapheme after it.
    Delete,
    /// Delete the word before it.
    BackspaceWord,
    /// Delete everything before it.
    BackspaceLine,
    /// Delete everything after it.
    DeleteLine,
    /// One grapheme left.
    Left,
    /// One grapheme right.
    Right,
    /// One word left.
    WordLeft,
    /// One word right.
    WordRight,
    /// To the start.
    Home,
    /// To the end.
    End,
}

/// Text of one line and a caret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineInput {
    text: String,
    caret: usize,
}

impl LineInput {
    /// A line with the caret at its end.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { caret: text.len(), text }
    }
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The caret as a byte offset.
    pub fn caret(&self) -> usize {
        self.caret
    }
    /// Does what a key asks; says whether the text changed.
    pub fn apply(&mut self, _edit: Edit) -> bool {
        false
    }
    /// Draws the part around the caret; gives the cell of the caret.
    pub fn draw(&self, _area: Rect, _buf: &mut Buffer, _style: Style) -> Option<Position> {
        None
    }
}
