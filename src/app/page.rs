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

/// Which movements of the caret widen a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Those with Shift held; any other ends it.
    Shift,
    /// All of them, until the mark is taken off.
    Mark,
}

/// The document as it is laid out on the screen.
pub trait Page {
    /// Takes in what changed; called after each change of the document, before any other question.
    fn sync(&mut self, document: &Document);
    /// The caret, as a byte offset.
    fn caret(&self) -> usize;
    /// Puts the caret at the boundary at or before a byte offset, shows it and ends the selection.
    fn set_caret(&mut self, document: &Document, at: usize);
    /// Moves the caret and shows it.
    fn move_caret(&mut self, document: &Document, motion: Motion);
    /// The bytes between the caret and where a motion would put it.
    fn span(&self, document: &Document, motion: Motion) -> Range<usize>;
    /// Scrolls by rows, down where positive; the caret stays.
    fn scroll(&mut self, document: &Document, rows: isize);
    /// What is selected; `None` where that is nothing. An edit inside or before it ends it.
    fn selection(&self) -> Option<Range<usize>>;
    /// What holds the selection, also where nothing lies in it yet.
    fn hold(&self) -> Option<Hold>;
    /// Starts a selection at the caret; `None` ends the one there is.
    fn set_hold(&mut self, hold: Option<Hold>);
    /// Selects the characters that hold these bytes, and shows the caret behind them.
    fn select(&mut self, document: &Document, range: Range<usize>);
    /// Shows the end, and follows what is appended.
    fn follow_end(&mut self, document: &Document);
}
