//! Undo and redo: steps that restore text, authors and token ids exactly, within bounded memory.

use std::collections::VecDeque;
use std::mem::size_of;

use super::runs::Runs;
use super::token::{DocToken, Origin};

/// Bytes that the steps may hold before the oldest are forgotten; the newest is always kept.
const MEMORY: usize = 64 << 20;
/// What a sampled token's payload is counted as: an engine's step with its candidates.
const SAMPLED_INFO: usize = 4096;

/// What made a step; only steps of one kind are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Keys that insert.
    Typing,
    /// Keys that delete.
    Erasing,
    /// Sampled tokens.
    Generation,
    /// Everything else: never joined.
    Alone,
}

/// How to take a change back: `start..start + new_len` becomes `old` again, and the tokens from `kept` on become `tokens`.
#[derive(Debug, Clone)]
pub(super) struct Step<T> {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) old: Vec<u8>,
    pub(super) old_runs: Runs,
    pub(super) new_len: usize,
    pub(super) kept: usize,
    pub(super) tokens: Vec<DocToken<T>>,
}

impl<T> Step<T> {
    fn new_end(&self) -> usize {
        self.start + self.new_len
    }

    /// Whether `next`, which was done after this, begins or ends inside or beside what this step made.
    pub(super) fn touches(&self, next: &Self) -> bool {
        next.start <= self.new_end() && next.start + next.old.len() >= self.start
    }

    /// Makes this the step that takes both back. Precondition: they touch.
    pub(super) fn join(&mut self, next: Self) {
        let next_old_end = next.start + next.old.len();
        let before = self.start.saturating_sub(next.start);
        let after = next_old_end.saturating_sub(self.new_end());
        let new_end = self.new_end().max(next_old_end) - next.old.len() + next.new_len;
        if before > 0 {
            let mut old = next.old.get(..before).unwrap_or_default().to_vec();
            old.append(&mut self.old);
            self.old = old;
            let mut runs = next.old_runs.part(0..before);
            runs.extend(&self.old_runs);
            self.old_runs = runs;
        }
        if after > 0 {
            let tail = next.old.len() - after;
            self.old.extend_from_slice(next.old.get(tail..).unwrap_or_default());
            self.old_runs.extend(&next.old_runs.part(tail..next.old.len()));
        }
        self.start = self.start.min(next.start);
        self.new_len = new_end - self.start;
        if next.kept < self.kept {
            // Tokens below `self.kept` have not changed since this step; those above are its own to forget.
            let mut tokens = next.tokens;
            tokens.truncate(self.kept - next.kept);
            tokens.append(&mut self.tokens);
            self.tokens = tokens;
            self.kept = next.kept;
        }
    }

    fn cost(&self) -> usize {
        let payload = self.tokens.iter().filter(|t| t.origin == Origin::Sampled && t.info.is_some()).count();
        size_of::<Self>() + self.old.len() + self.tokens.len() * size_of::<DocToken<T>>() + payload * SAMPLED_INFO
    }
}

/// Steps done and steps taken back.
#[derive(Debug, Clone)]
pub(super) struct History<T> {
    done: VecDeque<(Step<T>, usize)>,
    undone: Vec<Step<T>>,
    cost: usize,
    /// The next edit starts a step of its own.
    sealed: bool,
    /// How many of the oldest steps know less about their tokens than they did.
    thinned: usize,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self { done: VecDeque::new(), undone: Vec::new(), cost: 0, sealed: true, thinned: 0 }
    }
}

impl<T> History<T> {
    pub(super) fn seal(&mut self) {
        self.sealed = true;
    }

    /// The step that an edit may be joined to.
    pub(super) fn open(&self) -> Option<&Step<T>> {
        self.done.back().filter(|_| !self.sealed).map(|(step, _)| step)
    }

    /// Records an edit: joined to the open step where that is of its kind and touches it, else as a step of its own.
    pub(super) fn record(&mut self, step: Step<T>) {
        self.undone.clear();
        let join =
            self.open().is_some_and(|open| step.kind != Kind::Alone && open.kind == step.kind && open.touches(&step));
        match self.pop() {
            Some(mut open) if join => {
                open.join(step);
                self.push(open);
            }
            Some(before) => {
                self.push(before);
                self.push(step);
            }
            None => self.push(step),
        }
        self.sealed = false;
    }

    pub(super) fn take_undo(&mut self) -> Option<Step<T>> {
        self.seal();
        self.pop()
    }

    pub(super) fn take_redo(&mut self) -> Option<Step<T>> {
        self.seal();
        self.undone.pop()
    }

    pub(super) fn undone(&mut self, redo: Step<T>) {
        self.undone.push(redo);
    }

    pub(super) fn redone(&mut self, undo: Step<T>) {
        self.push(undo);
    }

    /// The step that an undo would take back.
    pub(super) fn next_undo(&self) -> Option<&Step<T>> {
        self.done.back().map(|(step, _)| step)
    }

    /// The step that a redo would do again.
    pub(super) fn next_redo(&self) -> Option<&Step<T>> {
        self.undone.last()
    }

    #[cfg(test)]
    pub(super) fn steps(&self) -> usize {
        self.done.len()
    }

    pub(super) fn can_undo(&self) -> bool {
        !self.done.is_empty()
    }

    pub(super) fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }

    /// Forgets all ids and keeps the text: they belong to another vocabulary.
    pub(super) fn forget_tokens(&mut self) {
        let done = std::mem::take(&mut self.done);
        self.cost = 0;
        for (mut step, _) in done {
            (step.kept, step.tokens) = (0, Vec::new());
            self.push(step);
        }
        for step in &mut self.undone {
            (step.kept, step.tokens) = (0, Vec::new());
        }
        self.seal();
    }

    /// Replaces what is known about the tokens of all steps but the newest ones, once for each step.
    pub(super) fn thin(&mut self, full: usize, thin: impl Fn(&T) -> Option<T>) {
        let end = self.done.len().saturating_sub(full);
        for (step, _) in self.done.iter_mut().take(end).skip(self.thinned) {
            for token in &mut step.tokens {
                if let Some(less) = token.info.as_ref().and_then(&thin) {
                    token.info = Some(less);
                }
            }
        }
        self.thinned = end;
    }

    fn push(&mut self, step: Step<T>) {
        let cost = step.cost();
        self.cost += cost;
        self.done.push_back((step, cost));
        while self.cost > MEMORY && self.done.len() > 1 {
            if let Some((_, cost)) = self.done.pop_front() {
                self.cost -= cost;
                self.thinned = self.thinned.saturating_sub(1);
            }
        }
    }

    fn pop(&mut self) -> Option<Step<T>> {
        let (step, cost) = self.done.pop_back()?;
        self.cost -= cost;
        Some(step)
    }
}
