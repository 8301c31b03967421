//! What an undo or a redo would change, before it does.

use std::ops::Range;

use super::{Document, Origin};
use crate::session::history::{Kind, Step};

/// The longest text that goes without being announced: about a line.
const LINE: usize = 80;

/// What a step would take away and what it would bring back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The bytes that vanish.
    pub gone: Range<usize>,
    /// Sampled tokens among them.
    pub gone_tokens: usize,
    /// The text that comes back, U+FFFD where it is not UTF-8.
    pub back: String,
    /// Sampled tokens among it.
    pub back_tokens: usize,
    /// Whether the step concerns a generation or more than a line.
    pub is_large: bool,
}

impl<T> Document<T> {
    /// What [`undo`](Self::undo) would do.
    pub fn undo_preview(&self) -> Option<Preview> {
        self.history.next_undo().map(|step| self.preview(step))
    }

    /// What [`redo`](Self::redo) would do.
    pub fn redo_preview(&self) -> Option<Preview> {
        self.history.next_redo().map(|step| self.preview(step))
    }

    fn preview(&self, step: &Step<T>) -> Preview {
        let gone = step.start..step.start + step.new_len;
        let is_sampled = |origin: Origin| origin == Origin::Sampled;
        let inside = self.tokens.iter().zip(&self.ends).skip(step.kept);
        let gone_tokens =
            inside.filter(|(token, end)| is_sampled(token.origin) && gone.contains(&end.saturating_sub(1))).count();
        let back_end = step.start + step.old.len();
        let mut at = step.kept.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0);
        let back_tokens = step.tokens.iter().filter(|token| {
            at += token.len;
            is_sampled(token.origin) && at > step.start && at <= back_end
        });
        let back_tokens = back_tokens.count();
        let vanishing = self.bytes.get(gone.clone()).unwrap_or_default();
        let is_long = |text: &[u8]| text.len() > LINE || (text.len() > 1 && text.contains(&b'\n'));
        let is_large =
            step.kind == Kind::Generation || gone_tokens + back_tokens > 0 || is_long(vanishing) || is_long(&step.old);
        let back = String::from_utf8_lossy(&step.old).into_owned();
        Preview { gone, gone_tokens, back, back_tokens, is_large }
    }
}
