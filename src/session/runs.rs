//! Who wrote which bytes.

use std::ops::Range;

/// Who wrote a byte; decides its style.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Author {
    /// A person.
    Typed,
    /// A model.
    Model,
}

/// A stretch of bytes by one author, from the end of the run before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The byte after its last one.
    pub end: usize,
    /// Who wrote it.
    pub author: Author,
}

/// Runs that cover a text: none is empty, and neighbours differ in author.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    /// `len` bytes by one author.
    pub(super) fn whole(len: usize, author: Author) -> Self {
        let mut runs = Self::default();
        runs.push(len, author);
        runs
    }

    pub(super) fn as_slice(&self) -> &[Run] {
        &self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.last().map_or(0, |run| run.end)
    }

    pub(super) fn author_at(&self, at: usize) -> Option<Author> {
        self.0.get(self.index_of(at)).map(|run| run.author)
    }

    /// Appends bytes of one author.
    pub(super) fn push(&mut self, len: usize, author: Author) {
        if len == 0 {
            return;
        }
        let end = self.len() + len;
        match self.0.last_mut() {
            Some(last) if last.author == author => last.end = end,
            _ => self.0.push(Run { end, author }),
        }
    }

    /// Appends other runs.
    pub(super) fn extend(&mut self, other: &Self) {
        let mut start = 0;
        for run in &other.0 {
            self.push(run.end - start, run.author);
            start = run.end;
        }
    }

    /// The runs of a part of the text, counted from its start.
    pub(super) fn part(&self, range: Range<usize>) -> Self {
        let mut part = Self::default();
        let mut at = range.start;
        for run in self.0.iter().skip(self.index_of(range.start)) {
            let end = run.end.min(range.end);
            part.push(end.saturating_sub(at), run.author);
            at = at.max(end);
            if at >= range.end {
                break;
            }
        }
        part
    }

    /// Replaces a part; gives what was there.
    pub(super) fn splice(&mut self, range: Range<usize>, new: &Self) -> Self {
        let removed = self.part(range.clone());
        if range.end == self.len() && self.author_at(range.start).is_none() {
            self.extend(new); // appending, the common case, touches the last run only
            return removed;
        }
        let mut whole = self.part(0..range.start);
        whole.extend(new);
        whole.extend(&self.part(range.end..self.len()));
        *self = whole;
        removed
    }

    /// How many of the next `len` bytes have the same author in both texts, from one offset in each.
    pub(super) fn agree(&self, from: usize, other: &Self, other_from: usize, len: usize) -> usize {
        let mut done = 0;
        while done < len {
            let (Some(mine), Some(theirs)) =
                (self.0.get(self.index_of(from + done)), other.0.get(other.index_of(other_from + done)))
            else {
                break;
            };
            if mine.author != theirs.author {
                break;
            }
            done = (mine.end - from).min(theirs.end - other_from);
        }
        done.min(len)
    }

    fn index_of(&self, at: usize) -> usize {
        self.0.partition_point(|run| run.end <= at)
    }
}
