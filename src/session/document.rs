//! One buffer for prompt and output.
//!
//! Token ids are the truth and text is a view of them. Tokens cover a prefix of the bytes, the *settled* part; the
//! *pending* rest waits to be encoded. A sampled token keeps its id as long as nothing before its end is edited. The
//! text between sampled tokens is always encoded as one stretch, so that its ids are those of encoding it at once: an
//! edit un-settles everything from the end of the last sampled token before it.

use std::borrow::Cow;
use std::ops::Range;

use super::change::{Change, ChangeLog};
use super::history::{History, Kind, Step};
use super::runs::{Author, Run, Runs};

mod preview;

pub use super::token::{DocToken, Origin};
pub use preview::Preview;

/// A whole text with its authors and the tokens of its settled part.
#[derive(Debug, Clone)]
pub struct Written<T> {
    pub(super) bytes: Vec<u8>,
    pub(super) runs: Runs,
    pub(super) tokens: Vec<DocToken<T>>,
}

impl<T> Default for Written<T> {
    fn default() -> Self {
        Self { bytes: Vec::new(), runs: Runs::default(), tokens: Vec::new() }
    }
}

impl<T> Written<T> {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Keeps the tokens, from the first one on, that stand for the bytes they cover: `bytes_of` is the vocabulary in use.
    pub fn keep_known<'a>(&mut self, bytes_of: impl Fn(u32) -> Option<&'a [u8]>) {
        let mut at = 0;
        let known = self.tokens.iter().take_while(|token| {
            let text = self.bytes.get(at..at + token.len);
            at += token.len;
            text.is_some() && text == bytes_of(token.id)
        });
        let known = known.count();
        self.tokens.truncate(known);
    }

    /// Text after the tokens is encoded as one stretch with the text before it, up to the last sampled token.
    fn trim(&mut self) {
        let covered: usize = self.tokens.iter().map(|token| token.len).sum();
        if covered != self.bytes.len() {
            let sampled = self.tokens.iter().rposition(|token| token.origin == Origin::Sampled);
            self.tokens.truncate(sampled.map_or(0, |at| at + 1));
        }
    }
}

/// Why ids were not taken; the document is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// The text has changed since it was encoded.
    #[error("the text changed while it was encoded (revision {given}, now {now}): encode it again")]
    Stale {
        /// The revision that was encoded.
        given: u64,
        /// The revision of the document.
        now: u64,
    },
    /// The lengths don't add up to the pending bytes.
    #[error("the tokens cover {covered} bytes, but {pending} bytes are to be encoded")]
    Length {
        /// Sum of the lengths given.
        covered: usize,
        /// Bytes pending.
        pending: usize,
    },
}

/// The buffer. `T` is what the caller keeps with a token; cloning it should be cheap (an `Arc`).
#[derive(Debug, Clone)]
pub struct Document<T> {
    bytes: Vec<u8>,
    runs: Runs,
    tokens: Vec<DocToken<T>>,
    /// End of each token in bytes.
    ends: Vec<usize>,
    log: ChangeLog,
    history: History<T>,
    news: News,
}

/// What has changed of a document since its user asked last. All of a new one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// The bytes.
    pub text: bool,
    /// The tokens.
    pub tokens: bool,
}

impl<T> Default for Document<T> {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            runs: Runs::default(),
            tokens: Vec::new(),
            ends: Vec::new(),
            log: ChangeLog::default(),
            history: History::default(),
            news: News { text: true, tokens: true },
        }
    }
}

/// Reading.
impl<T> Document<T> {
    /// An empty document.
    pub fn new() -> Self {
        Self::default()
    }

    /// A document that starts with typed text, with nothing to undo.
    pub fn with_text(text: &str) -> Self {
        let bytes = text.as_bytes().to_vec();
        Self { runs: Runs::whole(bytes.len(), Author::Typed), bytes, ..Self::default() }
    }

    /// A document that starts with a text as it was written before, with nothing to undo.
    pub fn with_written(mut written: Written<T>) -> Self {
        written.trim();
        let mut document = Self { bytes: written.bytes, runs: written.runs, ..Self::default() };
        // A view of the empty document is told what came.
        document.log.push(Change { start: 0, old_end: 0, new_end: document.len() });
        written.tokens.into_iter().for_each(|token| document.push_token(token));
        document
    }

    /// The bytes; a model's need not be UTF-8.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes as text, U+FFFD where they are not UTF-8.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Grows with every change of the bytes; settling does not change it.
    pub fn revision(&self) -> u64 {
        self.log.revision()
    }

    /// What changed since a revision, as one replaced stretch; `None` when that is too long ago.
    pub fn change_since(&self, revision: u64) -> Option<Change> {
        self.log.since(revision, self.len())
    }

    /// Stretches of one author in order; they cover the bytes.
    pub fn runs(&self) -> &[Run] {
        self.runs.as_slice()
    }

    /// Who wrote the byte at `at`; typed after the end.
    pub fn author_at(&self, at: usize) -> Author {
        self.runs.author_at(at).unwrap_or(Author::Typed)
    }

    /// The tokens of the settled part, in order.
    pub fn tokens(&self) -> &[DocToken<T>] {
        &self.tokens
    }

    pub(super) fn authors(&self) -> &Runs {
        &self.runs
    }

    /// Index and bytes of the settled token that holds the byte `at`.
    pub fn token_at(&self, at: usize) -> Option<(usize, Range<usize>)> {
        let index = self.ends.partition_point(|&end| end <= at);
        self.token_range(index).map(|range| (index, range))
    }

    /// The bytes of a token.
    pub fn token_range(&self, index: usize) -> Option<Range<usize>> {
        let end = *self.ends.get(index)?;
        Some(end - self.tokens.get(index)?.len..end)
    }

    /// How many bytes the tokens cover.
    pub fn settled(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The bytes after the settled part, to be encoded.
    pub fn pending(&self) -> &[u8] {
        self.bytes.get(self.settled()..).unwrap_or_default()
    }

    /// The ids of the whole document; `None` while bytes are pending.
    pub fn ids(&self) -> Option<Vec<u32>> {
        self.pending().is_empty().then(|| self.tokens.iter().map(|token| token.id).collect())
    }

    /// What has changed since this was called last.
    pub fn take_news(&mut self) -> News {
        std::mem::replace(&mut self.news, News { text: false, tokens: false })
    }

    /// Whether `undo` has something to do.
    pub fn can_undo(&self) -> bool {
        self.history.can_undo()
    }

    /// Whether `redo` has something to do.
    pub fn can_redo(&self) -> bool {
        self.history.can_redo()
    }
}

/// Tokens.
impl<T> Document<T> {
    /// Gives the pending bytes their tokens: (id, bytes of it) in order, encoded from [`pending`](Self::pending) at
    /// `revision`.
    ///
    /// # Errors
    /// [`SettleError`] when the text has changed meanwhile, or the lengths don't add up.
    pub fn settle(&mut self, revision: u64, tokens: &[(u32, usize)]) -> Result<(), SettleError> {
        if revision != self.revision() {
            return Err(SettleError::Stale { given: revision, now: self.revision() });
        }
        let (covered, pending) =
            (tokens.iter().map(|&(_, len)| len).fold(0, usize::saturating_add), self.pending().len());
        if covered != pending {
            return Err(SettleError::Length { covered, pending });
        }
        for &(id, len) in tokens {
            self.push_token(DocToken { id, len, origin: Origin::Encoded, info: None });
        }
        Ok(())
    }

    /// Replaces what is known about a token; an index out of range does nothing.
    pub fn set_info(&mut self, index: usize, info: Option<T>) {
        if let Some(token) = self.tokens.get_mut(index) {
            token.info = info;
        }
    }

    /// Makes everything pending, sampled tokens too, and keeps text and history: another vocabulary is in use.
    pub fn unsettle_all(&mut self) {
        self.tokens.clear();
        self.ends.clear();
        self.news.tokens = true;
        self.history.forget_tokens();
    }

    /// Takes the tokens of the same text as it was written before, in place of none: sampled ids come back with what is
    /// known about them. Does nothing where tokens are there already or the text is another one.
    pub fn adopt(&mut self, mut written: Written<T>) {
        if self.tokens.is_empty() && self.bytes == written.bytes {
            written.trim();
            written.tokens.into_iter().for_each(|token| self.push_token(token));
        }
    }

    fn push_token(&mut self, token: DocToken<T>) {
        self.ends.push(self.settled() + token.len);
        self.news.tokens = true;
        self.tokens.push(token);
    }

    /// How many tokens an edit at `at` leaves: all up to the last sampled one that ends there or before.
    fn kept(&self, at: usize) -> usize {
        let before = self.ends.partition_point(|&end| end <= at);
        let sampled = self.tokens.iter().take(before).rposition(|token| token.origin == Origin::Sampled);
        sampled.map_or(0, |index| index + 1)
    }
}

/// Editing. Offsets beyond the text count as its end.
impl<T> Document<T> {
    /// Inserts text as one step of undo (a paste).
    pub fn insert(&mut self, at: usize, text: &str) {
        self.edit(Kind::Alone, at..at, text.as_bytes(), Author::Typed);
    }

    /// Inserts what a key typed: steps of undo are joined while they go on from each other within a word.
    pub fn type_text(&mut self, at: usize, text: &str) {
        self.edit(Kind::Typing, at..at, text.as_bytes(), Author::Typed);
    }

    /// Deletes as one step of undo.
    pub fn delete(&mut self, range: Range<usize>) {
        self.edit(Kind::Alone, range, &[], Author::Typed);
    }

    /// Replaces a stretch as one step of undo; the bytes need not be UTF-8 (they may have been cut from a model's text).
    pub fn replace(&mut self, range: Range<usize>, bytes: &[u8]) {
        self.edit(Kind::Alone, range, bytes, Author::Typed);
    }

    /// Deletes what a key erased: steps of undo are joined while they go on from each other within a word.
    pub fn erase(&mut self, range: Range<usize>) {
        self.edit(Kind::Erasing, range, &[], Author::Typed);
    }

    /// Replaces everything as one step of undo. What is equal at both ends keeps its author, and what is equal at the
    /// start its sampled tokens.
    pub fn replace_all(&mut self, text: &str) {
        let new = text.as_bytes();
        let mut prefix = self.bytes.iter().zip(new).take_while(|(a, b)| a == b).count();
        while !text.is_char_boundary(prefix) {
            prefix -= 1;
        }
        let rest = self.len().min(new.len()) - prefix;
        let mut suffix = self.bytes.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
        while !text.is_char_boundary(new.len() - suffix) {
            suffix -= 1;
        }
        let middle = new.get(prefix..new.len() - suffix).unwrap_or_default();
        self.edit(Kind::Alone, prefix..self.len() - suffix, middle, Author::Typed);
    }

    /// Puts a text back as it was written, with its authors and its tokens, as one step of undo. What is equal at the start
    /// stays untouched.
    pub fn restore(&mut self, mut written: Written<T>) {
        let same = self.bytes.iter().zip(&written.bytes).take_while(|(a, b)| a == b).count();
        let start = self.runs.agree(0, &written.runs, 0, same);
        if start == self.len() && start == written.bytes.len() {
            return;
        }
        written.trim();
        let equal = self.tokens.iter().zip(&written.tokens).zip(&self.ends);
        let kept = equal.take_while(|((mine, other), end)| **end <= start && mine.is_like(other)).count();
        let runs = written.runs.part(start..written.bytes.len());
        self.seal();
        let tail = written.bytes.get(start..).unwrap_or_default();
        self.splice(Kind::Alone, start..self.len(), tail, &runs, kept);
        written.tokens.into_iter().skip(kept).for_each(|token| self.push_token(token));
        self.seal();
    }

    /// Puts a text in place of this one as it was written before, with nothing to undo. Revisions go on, so that a view sees
    /// the change.
    pub fn begin_with(&mut self, written: Written<T>) {
        self.restore(written);
        self.history = History::default();
    }

    /// Starts a generation: the tokens appended until the next edit or [`seal`](Self::seal) are one step of undo.
    pub fn begin_generation(&mut self) {
        self.seal();
    }

    /// Appends a sampled token. `shown` of its bytes belong to the text: fewer than all appear as a model's text, but
    /// are pending (a stop string began inside). So are all of them while bytes before them are pending.
    pub fn append_token(&mut self, id: u32, bytes: &[u8], shown: usize, info: Option<T>) {
        let whole = shown >= bytes.len();
        let settles = whole && self.pending().is_empty();
        let text = bytes.get(..shown).unwrap_or(bytes);
        let end = self.len();
        if !settles {
            self.edit(Kind::Generation, end..end, text, Author::Model);
        } else if !text.is_empty() {
            let kept = self.tokens.len();
            self.splice(Kind::Generation, end..end, text, &Runs::whole(text.len(), Author::Model), kept);
            self.push_token(DocToken { id, len: text.len(), origin: Origin::Sampled, info });
        }
    }

    /// Puts a token that was chosen at the place of the token `index`, and nothing after it, as one step of undo.
    /// While bytes are pending it does nothing.
    pub fn take(&mut self, index: usize, id: u32, bytes: &[u8]) {
        if !self.pending().is_empty() {
            return;
        }
        let index = index.min(self.tokens.len());
        let start = self.token_range(index).map_or(self.len(), |range| range.start);
        let end = self.len();
        self.seal();
        self.splice(Kind::Alone, start..end, bytes, &Runs::whole(bytes.len(), Author::Model), index);
        self.push_token(DocToken { id, len: bytes.len(), origin: Origin::Sampled, info: None });
    }

    /// Ends the current step of undo: the next edit starts a new one (the caret moved, a generation is over).
    pub fn seal(&mut self) {
        self.history.seal();
    }

    /// Replaces what is known about the tokens of steps that lie further back than the newest ones, where there is less to
    /// know: memory does not grow with every step that is taken back.
    pub fn thin_history(&mut self, full: usize, thin: impl Fn(&T) -> Option<T>) {
        self.history.thin(full, thin);
    }

    /// Takes the last step back and says what changed; `None` where there is nothing to undo.
    pub fn undo(&mut self) -> Option<Change> {
        let step = self.history.take_undo()?;
        let (redo, change) = self.apply(step);
        self.history.undone(redo);
        Some(change)
    }

    /// Does the step that was taken back last again, with the tokens it had.
    pub fn redo(&mut self) -> Option<Change> {
        let step = self.history.take_redo()?;
        let (undo, change) = self.apply(step);
        self.history.redone(undo);
        Some(change)
    }

    fn edit(&mut self, kind: Kind, range: Range<usize>, text: &[u8], author: Author) {
        let end = range.end.min(self.len());
        let range = range.start.min(end)..end;
        if range.is_empty() && text.is_empty() {
            return;
        }
        let kept = self.kept(range.start);
        self.splice(kind, range, text, &Runs::whole(text.len(), author), kept);
    }

    /// Replaces `range`, keeps `kept` tokens and records how to take it back.
    fn splice(&mut self, kind: Kind, range: Range<usize>, text: &[u8], runs: &Runs, kept: usize) {
        let before = range.start.checked_sub(1).and_then(|at| self.bytes.get(at)).copied();
        let (step, _) = self.change(kind, range, text, runs, kept);
        if self.history.open().is_some_and(|open| match kind {
            Kind::Typing => step.start != open.start + open.new_len || word_starts(before, text.first().copied()),
            Kind::Erasing => {
                let beside = if step.start < open.start { open.old.first() } else { open.old.last() };
                word_starts(beside.copied(), step.old.first().copied())
            }
            Kind::Generation | Kind::Alone => false,
        }) {
            self.history.seal();
        }
        self.history.record(step);
    }

    /// Takes a step back; gives the step that takes this back, and what changed.
    fn apply(&mut self, step: Step<T>) -> (Step<T>, Change) {
        let range = step.start..step.start + step.new_len;
        let (inverse, change) = self.change(step.kind, range, &step.old, &step.old_runs, step.kept);
        for token in step.tokens {
            self.push_token(token);
        }
        (inverse, change)
    }

    /// The one place where bytes change.
    fn change(&mut self, kind: Kind, range: Range<usize>, text: &[u8], runs: &Runs, kept: usize) -> (Step<T>, Change) {
        let change = Change { start: range.start, old_end: range.end, new_end: range.start + text.len() };
        self.log.push(change);
        self.news.text = true;
        let tokens = self.tokens.split_off(kept.min(self.tokens.len()));
        self.ends.truncate(self.tokens.len());
        let old_runs = self.runs.splice(range.clone(), runs);
        let old = self.bytes.splice(range.clone(), text.iter().copied()).collect();
        (Step { kind, start: range.start, old, old_runs, new_len: text.len(), kept, tokens }, change)
    }
}

/// Whether white space goes over into a word between these bytes.
fn word_starts(before: Option<u8>, after: Option<u8>) -> bool {
    let space = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_whitespace());
    space(before) && after.is_some() && !space(after)
}

#[cfg(test)]
mod tests;
