//! The document as laid out on the screen, for the program state to ask about carets.

use std::ops::Range;

use ratatui::layout::Size;

use super::widget::{self, TextChange, TextView};
use crate::app::page::{Document, Hold, Motion, Page};

/// The wrapped document.
#[derive(Debug, Default)]
pub struct PageView {
    /// Rows, caret and scroll.
    pub view: TextView,
    size: Size,
}

impl PageView {
    /// The pane got a new size; the next `sync` wraps for it.
    pub fn resize(&mut self, size: Size) {
        // An empty area has no rows to put a caret in.
        self.size = Size::new(size.width.max(1), size.height.max(1));
    }
}

impl Page for PageView {
    fn sync(&mut self, document: &Document) {
        let change = self
            .view
            .revision()
            .and_then(|revision| document.change_since(revision))
            .map(|change| TextChange { start: change.start, old_end: change.old_end, new_end: change.new_end });
        self.view.sync(document.bytes(), document.revision(), change, self.size);
    }

    fn caret(&self) -> usize {
        self.view.caret()
    }

    fn set_caret(&mut self, document: &Document, at: usize) {
        self.view.set_caret(document.bytes(), at);
    }

    fn move_caret(&mut self, document: &Document, motion: Motion) {
        self.view.move_caret(document.bytes(), widget_motion(motion));
    }

    fn span(&self, document: &Document, motion: Motion) -> Range<usize> {
        self.view.span(document.bytes(), widget_motion(motion))
    }

    fn scroll(&mut self, _: &Document, rows: isize) {
        self.view.scroll_by(rows);
    }

    fn selection(&self) -> Option<Range<usize>> {
        self.view.selection()
    }

    fn hold(&self) -> Option<Hold> {
        self.view.hold().map(|hold| match hold {
            widget::Hold::Shift => Hold::Shift,
            widget::Hold::Mark => Hold::Mark,
        })
    }

    fn set_hold(&mut self, hold: Option<Hold>) {
        match hold {
            Some(Hold::Shift) => self.view.anchor(widget::Hold::Shift),
            Some(Hold::Mark) => self.view.anchor(widget::Hold::Mark),
            None => self.view.unselect(),
        }
    }

    fn select(&mut self, document: &Document, range: Range<usize>) {
        self.view.select(document.bytes(), range);
    }

    fn follow_end(&mut self, document: &Document) {
        self.view.move_caret(document.bytes(), widget::Motion::End);
        self.view.scroll_to_end();
    }
}

fn widget_motion(motion: Motion) -> widget::Motion {
    match motion {
        Motion::Left => widget::Motion::Left,
        Motion::Right => widget::Motion::Right,
        Motion::WordLeft => widget::Motion::WordLeft,
        Motion::WordRight => widget::Motion::WordRight,
        Motion::Up => widget::Motion::Up,
        Motion::Down => widget::Motion::Down,
        Motion::LineStart => widget::Motion::LineStart,
        Motion::LineEnd => widget::Motion::LineEnd,
        Motion::PageUp => widget::Motion::PageUp,
        Motion::PageDown => widget::Motion::PageDown,
        Motion::Start => widget::Motion::Start,
        Motion::End => widget::Motion::End,
    }
}
