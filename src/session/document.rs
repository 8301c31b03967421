//! One buffer for prompt and output (API first; bodies follow).

use std::marker::PhantomData;
use std::ops::Range;

/// Who wrote a byte; decides its style.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Author {
    /// A person.
    Typed,
    /// A model.
    Model,
}

/// How a token came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Encoded from text.
    Encoded,
    /// Sampled by a model; its id is kept as long as nothing before its end is edited.
    Sampled,
}

/// One token of the settled part.
#[derive(Debug, Clone, PartialEq)]
pub struct DocToken<T> {
    /// The id in the vocabulary.
    pub id: u32,
    /// How many bytes of the document it stands for.
    pub len: usize,
    /// Encoded or sampled.
    pub origin: Origin,
    /// What the caller knows about it (a step, a score).
    pub info: Option<T>,
}

/// A stretch of bytes by one author.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Bytes.
    pub len: usize,
    /// Who wrote them.
    pub author: Author,
}

/// What changed between two revisions: the bytes `start..old_end` became `start..new_end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// First byte that may differ.
    pub start: usize,
    /// End of the replaced bytes, counted in the old text.
    pub old_end: usize,
    /// End of the bytes that replaced them, counted in the new text.
    pub new_end: usize,
}

/// Why ids were not taken.
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

/// The buffer.
#[derive(Debug, Clone)]
pub struct Document<T> {
    bytes: Vec<u8>,
    info: PhantomData<T>,
}

impl<T: Clone> Default for Document<T> {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            info: PhantomData,
        }
    }
}

#[allow(unused_variables, missing_docs)]
impl<T: Clone> Document<T> {
    /// An empty document.
    pub fn new() -> Self {
        Self::default()
    }
    /// A document that starts with typed text; nothing to undo.
    pub fn with_text(text: &str) -> Self {
        Self::default()
    }
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// Bytes, lossily as text.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
    /// Grows with every change of the bytes; settling does not change it.
    pub fn revision(&self) -> u64 {
        0
    }
    /// What changed since a revision, merged into one replaced stretch; `None` when that is too long ago.
    pub fn change_since(&self, revision: u64) -> Option<Change> {
        None
    }
    /// Stretches of one author, in order; they cover the bytes.
    pub fn runs(&self) -> &[Run] {
        &[]
    }
    /// Who wrote the byte at `at`.
    pub fn author_at(&self, at: usize) -> Author {
        Author::Typed
    }
    /// The tokens of the settled prefix, in order.
    pub fn tokens(&self) -> &[DocToken<T>] {
        &[]
    }
    /// Index and byte range of the settled token that holds the byte `at`.
    pub fn token_at(&self, at: usize) -> Option<(usize, Range<usize>)> {
        None
    }
    /// Byte range of the token with this index.
    pub fn token_range(&self, index: usize) -> Option<Range<usize>> {
        None
    }
    /// What the caller knows about a token, to fill in later (scores).
    pub fn set_info(&mut self, index: usize, info: Option<T>) {}
    /// How many bytes the tokens cover.
    pub fn settled(&self) -> usize {
        0
    }
    /// The bytes after the settled prefix, to be encoded.
    pub fn pending(&self) -> &[u8] {
        &self.bytes
    }
    /// Gives the pending bytes their tokens: (id, bytes of it) in order.
    pub fn settle(&mut self, revision: u64, tokens: &[(u32, usize)]) -> Result<(), SettleError> {
        Ok(())
    }
    /// The ids of the whole document; `None` while bytes are pending.
    pub fn ids(&self) -> Option<Vec<u32>> {
        None
    }
    /// Drops all ids (another vocabulary was loaded): everything is pending, sampled tokens too. Undo keeps text only.
    pub fn unsettle_all(&mut self) {}

    /// Inserts text as one step of undo (a paste). `at` is moved down into the text where it is out of range.
    pub fn insert(&mut self, at: usize, text: &str) {}
    /// Inserts what a key typed; steps are joined by word.
    pub fn type_text(&mut self, at: usize, text: &str) {}
    /// Deletes as one step of undo.
    pub fn delete(&mut self, range: Range<usize>) {}
    /// Deletes what a key erased; steps are joined by word.
    pub fn erase(&mut self, range: Range<usize>) {}
    /// Replaces everything as one step; what is equal at both ends keeps authors and (at the start) tokens.
    pub fn replace_all(&mut self, text: &str) {}
    /// Starts a generation: all tokens appended until the next edit or `seal` are one step of undo.
    pub fn begin_generation(&mut self) {}
    /// Appends a sampled token. `shown` of its bytes belong to the text; fewer than all: they appear and stay pending.
    pub fn append_token(&mut self, id: u32, bytes: &[u8], shown: usize, info: Option<T>) {}
    /// Ends the current step of undo: the next edit starts a new one (caret moved, generation over).
    pub fn seal(&mut self) {}
    /// Takes the last step back; says what changed, `None` where there is nothing to undo.
    pub fn undo(&mut self) -> Option<Change> {
        None
    }
    /// Repeats the step taken back last.
    pub fn redo(&mut self) -> Option<Change> {
        None
    }
    /// Whether `undo` has something to do.
    pub fn can_undo(&self) -> bool {
        false
    }
    /// Whether `redo` has something to do.
    pub fn can_redo(&self) -> bool {
        false
    }
}
