//! Selection and scrolling of a list whose rows the caller draws.

use std::ops::Range;

/// Which row is selected and which is the first on screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListView {
    selected: usize,
    offset: usize,
}

impl ListView {
    /// The selected row; 0 in an empty list.
    pub fn selected(&self) -> usize {
        self.selected
    }
    /// Selects a row, clamped to the list.
    pub fn select(&mut self, index: usize, len: usize) {
        self.selected = index.min(len.saturating_sub(1));
    }
    /// Moves by rows, clamped.
    pub fn move_by(&mut self, rows: isize, len: usize) {
        self.select(self.selected.saturating_add_signed(rows), len);
    }
    /// The rows to draw in `height` lines; scrolls only as far as the selection needs.
    pub fn visible(&mut self, _len: usize, _height: u16) -> Range<usize> {
        0..0
    }
}
