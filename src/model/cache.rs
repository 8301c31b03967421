//! Keys and values of the tokens that were already run, kept outside the model.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::{DecoderConfig, Result};
use crate::kernels::attention::{Cached, Sequence};

/// The key/value cache of one sequence: one tensor `[layers, 2, NH, positions, HS]` (keys, then values), written in place.
///
/// It remembers which tokens it holds, so that the next prompt runs only from the first token that differs. A fork shares
/// the tokens it begins with; they are in memory once, however many forks there are.
pub struct KvCache {
    /// The tokens it begins with, where they belong to the cache it was forked from.
    prefix: Option<Prefix>,
    /// The tokens after the prefix.
    own: Tensor,
    tokens: Vec<u32>,
    capacity: usize,
    /// Held by each fork.
    lent: Arc<()>,
    /// How many of its own tokens the forks began with.
    lent_len: usize,
}

/// The beginning of another cache.
struct Prefix {
    tensor: Tensor,
    len: usize,
    _lent: Arc<()>,
}

impl KvCache {
    /// An empty cache for the whole context. Its pages are only taken as positions are written.
    ///
    /// # Errors
    /// Fails where the device cannot allocate it.
    pub fn new(config: &DecoderConfig, dtype: DType, device: &Device) -> Result<Self> {
        let shape = (config.n_layer, 2, config.n_head, config.n_positions, config.head_dim());
        Ok(Self::of(None, Tensor::zeros(shape, dtype, device)?, Vec::new(), config.n_positions))
    }

    fn of(prefix: Option<Prefix>, own: Tensor, tokens: Vec<u32>, capacity: usize) -> Self {
        Self { prefix, own, tokens, capacity, lent: Arc::new(()), lent_len: 0 }
    }

    /// The tokens whose keys and values it holds, in order.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// How many tokens it holds.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// How many tokens it can hold: `n_positions`.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets all but the first `len` tokens.
    pub fn truncate(&mut self, len: usize) {
        self.tokens.truncate(len);
        if let Some(prefix) = &mut self.prefix {
            prefix.len = prefix.len.min(len);
        }
    }

    /// How many tokens at the start of `tokens` it already holds.
    pub fn common_prefix(&self, tokens: &[u32]) -> usize {
        self.tokens.iter().zip(tokens).take_while(|(held, wanted)| held == wanted).count()
    }

    /// A cache that holds the same tokens and grows on its own. What both hold is shared.
    ///
    /// # Errors
    /// Fails where the device cannot allocate room for more tokens.
    pub fn fork(&mut self) -> Result<Self> {
        self.fork_with_room(self.capacity)
    }

    /// As [`KvCache::fork`], with room for `room` more tokens at first; it grows where that is not enough.
    ///
    /// # Errors
    /// As for [`KvCache::fork`].
    pub fn fork_with_room(&mut self, room: usize) -> Result<Self> {
        // The beginning of a fork is one piece, so a fork of a fork has it copied once.
        if self.prefix.is_some() {
            self.own = self.all()?;
            self.prefix = None;
        }
        let (layers, two, heads, _, width) = self.own.dims5()?;
        let left = room.min(self.capacity - self.len()).max(1);
        let own = Tensor::zeros((layers, two, heads, left, width), self.own.dtype(), self.own.device())?;
        self.lent_len = if self.is_lent() { self.lent_len.max(self.len()) } else { self.len() };
        let prefix = Prefix { tensor: self.own.clone(), len: self.len(), _lent: self.lent.clone() };
        Ok(Self::of(Some(prefix), own, self.tokens.clone(), self.capacity))
    }

    fn is_lent(&self) -> bool {
        Arc::strong_count(&self.lent) > 1
    }

    fn prefix_len(&self) -> usize {
        self.prefix.as_ref().map_or(0, |prefix| prefix.len)
    }

    /// Makes sure that `tokens` more find room, and that writing them changes no fork.
    ///
    /// # Errors
    /// Fails where the device cannot allocate or copy it.
    pub(super) fn before_writing(&mut self, tokens: usize) -> Result<()> {
        let own = self.len() - self.prefix_len();
        let (overwrites, room) = (self.is_lent() && own < self.lent_len, self.own.dim(3)?);
        if overwrites {
            self.own = self.all()?;
            self.prefix = None;
        } else if own + tokens > room {
            // A context that is too long for the sequence is the caller's to refuse.
            let most = (self.capacity - self.prefix_len()).max(own);
            let room = (own + tokens).max(2 * room).min(most);
            let (layers, two, heads, _, width) = self.own.dims5()?;
            let fresh = Tensor::zeros((layers, two, heads, room, width), self.own.dtype(), self.own.device())?;
            if own > 0 {
                fresh.slice_set(&self.own.narrow(3, 0, own)?.contiguous()?, 3, 0)?;
            }
            self.own = fresh;
        } else {
            return Ok(());
        }
        (self.lent, self.lent_len) = (Arc::new(()), 0);
        Ok(())
    }

    /// Its tokens in a tensor of their own, with room for the whole context.
    fn all(&self) -> Result<Tensor> {
        let (layers, two, heads, _, width) = self.own.dims5()?;
        let fresh = Tensor::zeros((layers, two, heads, self.capacity, width), self.own.dtype(), self.own.device())?;
        let (len, shared) = (self.len(), self.prefix_len());
        if let Some(prefix) = self.prefix.as_ref().filter(|_| shared > 0) {
            fresh.slice_set(&prefix.tensor.narrow(3, 0, shared)?.contiguous()?, 3, 0)?;
        }
        if len > shared {
            fresh.slice_set(&self.own.narrow(3, 0, len - shared)?.contiguous()?, 3, shared)?;
        }
        Ok(fresh)
    }

    /// What the attention kernel needs to add `tokens` tokens; they count once [`KvCache::advance`] is called.
    pub(super) fn sequence(&self, tokens: usize) -> Sequence<'_> {
        let prefix = self.prefix.as_ref().map(|prefix| Cached { tensor: &prefix.tensor, len: prefix.len });
        Sequence { tokens, prefix, own: Cached { tensor: &self.own, len: self.len() - self.prefix_len() } }
    }

    /// Writes keys and values `[NH, T, HS]` of the tokens that come next, and gives all up to them: `[NH, len + T, HS]`.
    /// The tokens count only once [`KvCache::advance`] is called, so a pass that ends early leaves the cache as it was.
    pub(super) fn extend(&self, layer: usize, key: &Tensor, value: &Tensor) -> Result<(Tensor, Tensor)> {
        let at = self.len() - self.prefix_len();
        let new = Tensor::stack(&[key, value], 0)?.unsqueeze(0)?.contiguous()?;
        let own = self.own.narrow(0, layer, 1)?;
        own.slice_set(&new, 3, at)?;
        let mut all = own.narrow(3, 0, at + key.dim(1)?)?.squeeze(0)?;
        if let Some(prefix) = self.prefix.as_ref().filter(|prefix| prefix.len > 0) {
            all = Tensor::cat(&[&prefix.tensor.get(layer)?.narrow(2, 0, prefix.len)?, &all], 2)?;
        }
        Ok((all.get(0)?, all.get(1)?))
    }

    /// The pass over `tokens` is complete in every layer.
    pub(super) fn advance(&mut self, tokens: &[u32]) {
        self.tokens.extend_from_slice(tokens);
    }
}
