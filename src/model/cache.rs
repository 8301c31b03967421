//! Keys and values of the tokens that were already run, kept outside the model.

use candle_core::{DType, Device, Tensor};

use super::{DecoderConfig, Result};
use crate::kernels::attention::Sequence;

/// The key/value cache of one sequence: for each layer two tensors `[NH, n_positions, HS]`, written in place.
///
/// It remembers which tokens it holds, so that the next prompt runs only from the first token that differs.
pub struct KvCache {
    keys: Vec<Tensor>,
    values: Vec<Tensor>,
    tokens: Vec<u32>,
    capacity: usize,
}

impl KvCache {
    /// An empty cache for the whole context. Its pages are only taken as positions are written.
    ///
    /// # Errors
    /// Fails where the device cannot allocate it.
    pub fn new(config: &DecoderConfig, dtype: DType, device: &Device) -> Result<Self> {
        let shape = (config.n_head, config.n_positions, config.head_dim());
        let zeros = || -> Result<Vec<Tensor>> {
            (0..config.n_layer).map(|_| Ok(Tensor::zeros(shape, dtype, device)?)).collect()
        };
        Ok(Self { keys: zeros()?, values: zeros()?, tokens: Vec::new(), capacity: config.n_positions })
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
    }

    /// How many tokens at the start of `tokens` it already holds.
    pub fn common_prefix(&self, tokens: &[u32]) -> usize {
        self.tokens.iter().zip(tokens).take_while(|(held, wanted)| held == wanted).count()
    }

    /// A cache of its own with the same tokens.
    ///
    /// # Errors
    /// Fails where the device cannot allocate or copy it.
    pub fn fork(&self) -> Result<Self> {
        let len = self.len();
        let copy = |tensors: &[Tensor]| -> Result<Vec<Tensor>> {
            tensors
                .iter()
                .map(|tensor| {
                    let fresh = tensor.zeros_like()?;
                    if len > 0 {
                        fresh.slice_set(&tensor.narrow(1, 0, len)?.contiguous()?, 1, 0)?;
                    }
                    Ok(fresh)
                })
                .collect()
        };
        Ok(Self {
            keys: copy(&self.keys)?,
            values: copy(&self.values)?,
            tokens: self.tokens.clone(),
            capacity: self.capacity,
        })
    }

    /// What the attention kernel needs of a layer to add `tokens` tokens; they too count once [`KvCache::advance`] is
    /// called.
    pub(super) fn of_layer(&self, layer: usize, tokens: usize) -> Sequence<'_> {
        Sequence { tokens, start: self.len(), keys: &self.keys[layer], values: &self.values[layer] }
    }

    /// Writes keys and values `[NH, T, HS]` of the tokens that come next, and gives all up to them: `[NH, len + T, HS]`.
    /// The tokens count only once [`KvCache::advance`] is called, so a pass that ends early leaves the cache as it was.
    pub(super) fn extend(&self, layer: usize, key: &Tensor, value: &Tensor) -> Result<(Tensor, Tensor)> {
        let end = self.len() + key.dim(1)?;
        let (keys, values) = (&self.keys[layer], &self.values[layer]);
        keys.slice_set(&key.contiguous()?, 1, self.len())?;
        values.slice_set(&value.contiguous()?, 1, self.len())?;
        Ok((keys.narrow(1, 0, end)?, values.narrow(1, 0, end)?))
    }

    /// The pass over `tokens` is complete in every layer.
    pub(super) fn advance(&mut self, tokens: &[u32]) {
        self.tokens.extend_from_slice(tokens);
    }
}
