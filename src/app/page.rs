//! Where the caret is and where it can go: a question of wrapped lines, so the screen answers it.

use std::ops::Range;
use std::sync::Arc;

use crate::engine::Step;
use crate::session;

/// The document, each sampled token with the step that made it.
pub type Document = session::Document<Arc<Step>>;

/// Where the caret goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it; a row is a visual one, a line ends at a newline")]
pub enum Motion {
    Left,
    Right,
    WordLeft,
    WordRight,
    Up,
    Down,
    LineStart,
    LineEnd,
    PageUp,
    PageDown,
    Start,
    End,
}

/// The document as it is laid out on the screen.
pub trait Page {
    /// Takes in what changed; called after each change of the document, before any other question.
    fn sync(&mut self, document: &Document);
    /// The caret, as a byte offset.
    fn caret(&self) -> usize;
    /// Puts the caret at the boundary at or before a byte offset and shows it.
    fn set_caret(&mut self, document: &Document, at: usize);
    /// Moves the caret and shows it.
    fn move_caret(&mut self, document: &Document, motion: Motion);
    /// The bytes between the caret and where a motion would put it.
    fn span(&self, document: &Document, motion: Motion) -> Range<usize>;
    /// Scrolls by rows, down where positive; the caret stays.
    fn scroll(&mut self, document: &Document, rows: isize);
    /// Shows the end, and follows what is appended.
    fn follow_end(&mut self, document: &Document);
}
