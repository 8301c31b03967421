//! The selection: what lies between an anchor and the caret.

use std::ops::Range;

use super::TextView;

/// The end of a selection that stays where it was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) at: usize,
    pub(super) hold: Hold,
}

/// Which movements of the caret widen a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Those with Shift held; any other ends it.
    Shift,
    /// All of them, until the mark is taken off: for terminals that do not tell Shift.
    Mark,
}

impl TextView {
    /// What is selected; `None` where that is nothing.
    pub fn selection(&self) -> Option<Range<usize>> {
        let at = self.anchor?.at;
        (at != self.caret).then(|| at.min(self.caret)..at.max(self.caret))
    }

    /// What holds the selection, also where nothing lies in it yet.
    pub fn hold(&self) -> Option<Hold> {
        self.anchor.map(|anchor| anchor.hold)
    }

    /// Starts a selection at the caret.
    pub fn anchor(&mut self, hold: Hold) {
        self.anchor = Some(Anchor { at: self.caret, hold });
    }

    /// Selects nothing any more; the caret stays.
    pub fn unselect(&mut self) {
        self.anchor = None;
    }

    /// Selects the cells that hold these bytes, the caret behind them, and shows the caret.
    pub fn select(&mut self, bytes: &[u8], range: Range<usize>) {
        self.set_caret(bytes, range.end);
        if self.caret < range.end {
            self.caret = self.target(bytes, super::Motion::Right);
            self.reveal_caret();
        }
        let at = self.places(bytes).snap(range.start);
        self.anchor = Some(Anchor { at, hold: Hold::Shift });
    }
}
