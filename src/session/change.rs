//! What changed between two revisions, so that a view lays out again only that.

use std::collections::VecDeque;

/// Changes that are remembered; a view that is further behind lays out everything.
const REMEMBERED: usize = 1024;

/// One replaced stretch: the bytes `start..old_end` of the old text became `start..new_end` of the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// First byte that may differ.
    pub start: usize,
    /// End of the replaced bytes, counted in the old text.
    pub old_end: usize,
    /// End of the bytes that replaced them, counted in the new text.
    pub new_end: usize,
}

impl Change {
    /// This change and then `next`, as one stretch that covers both.
    pub fn then(self, next: Change) -> Change {
        let start = self.start.min(next.start);
        if next.old_end > self.new_end {
            let old_end = self.old_end + (next.old_end - self.new_end);
            Change { start, old_end, new_end: next.new_end }
        } else {
            Change { start, old_end: self.old_end, new_end: next.new_end + (self.new_end - next.old_end) }
        }
    }
}

/// The revision of a text and its latest changes.
#[derive(Debug, Clone, Default)]
pub(super) struct ChangeLog {
    revision: u64,
    recent: VecDeque<Change>,
}

impl ChangeLog {
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn push(&mut self, change: Change) {
        self.revision += 1;
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(change);
    }

    /// All changes after `revision` as one; `len` is the length of the text now.
    pub(super) fn since(&self, revision: u64, len: usize) -> Option<Change> {
        let behind = usize::try_from(self.revision.checked_sub(revision)?).ok()?;
        let first = self.recent.len().checked_sub(behind)?;
        let none = Change { start: len, old_end: len, new_end: len };
        Some(self.recent.iter().skip(first).copied().reduce(Change::then).unwrap_or(none))
    }
}
