//! A token of the document: its id, its bytes, and how it came to be.

/// How a token came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Encoded from text.
    Encoded,
    /// Sampled by a model.
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
    /// What the caller knows about it (an engine's step, a score).
    pub info: Option<T>,
}

impl<T> DocToken<T> {
    /// Whether both are the same token of the same origin.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.id, self.len, self.origin) == (other.id, other.len, other.origin)
    }
}
