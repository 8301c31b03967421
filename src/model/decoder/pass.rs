//! What a pass runs over, and how.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Device, Tensor};

use crate::kernels::grad;
use crate::model::cache::KvCache;
use crate::model::layers::Path;
use crate::model::trace::{HookPoint, Trace};
use crate::model::{ModelError, Result};

/// The next tokens of one sequence, and the cache of those before them.
pub struct Span<'a> {
    /// Tokens to run, at least one.
    pub tokens: &'a [u32],
    /// Where their keys and values go.
    pub cache: &'a mut KvCache,
}

/// A span while its pass runs.
pub(super) struct Sequence<'a> {
    /// Its tokens in this pass.
    pub(super) t: usize,
    /// Keys and values of the tokens before them.
    pub(super) cache: &'a KvCache,
    /// Made by the first layer that runs attention without a kernel (kernels mask by themselves) and shared by the others.
    mask: OnceCell<Option<Tensor>>,
}

impl<'a> Sequence<'a> {
    pub(super) fn new(t: usize, cache: &'a KvCache) -> Self {
        Self { t, cache, mask: OnceCell::new() }
    }

    /// The causal mask `[T, S]`; `None` for a single token, which attends to all.
    pub(super) fn mask(&self, device: &Device) -> Result<Option<&Tensor>> {
        if let Some(mask) = self.mask.get() {
            return Ok(mask.as_ref());
        }
        let mask = causal_mask(self.t, self.cache.len(), device)?;
        Ok(self.mask.get_or_init(|| mask).as_ref())
    }
}

/// The causal mask `[T, S]`: 0 where query i may attend, −∞ elsewhere; `None` for a single token, which attends to all.
pub(super) fn causal_mask(t: usize, start: usize, device: &Device) -> Result<Option<Tensor>> {
    if t == 1 {
        return Ok(None);
    }
    let s = start + t;
    let mask: Vec<f32> =
        (0..t).flat_map(|i| (0..s).map(move |j| if j <= start + i { 0.0 } else { f32::NEG_INFINITY })).collect();
    Ok(Some(Tensor::from_vec(mask, (t, s), device)?))
}

/// What the rows of a pass belong to.
pub(super) enum Rows<'a> {
    /// The next tokens of sequences with caches.
    Spans(Vec<Sequence<'a>>),
    /// Whole sequences of this length, from their first token, without a cache.
    Whole { length: usize },
}

/// Whole sequences of one length, run side by side without a cache: what training reads.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// `[B · T]` tokens, sequence after sequence.
    pub tokens: &'a [u32],
    /// T.
    pub length: usize,
}

/// Values set to 0 at random while training (GPT-1 paper, section 4.1): embeddings, attention patterns, and what each
/// sub-layer adds to the residual stream.
pub struct Dropout<'a> {
    /// The probability of each value to be dropped.
    pub rate: f64,
    /// Numbers in [0, 1), from a seed.
    pub uniform: &'a mut (dyn FnMut() -> f32 + Send),
}

/// How a pass is run.
pub struct Pass<'a> {
    cancel: Option<&'a AtomicBool>,
    pub(super) trace: Option<&'a mut (dyn Trace + Send)>,
    pub(super) dropout: Option<Dropout<'a>>,
    pub(super) gradients: Option<&'a grad::Gradients>,
    pub(super) path: Path,
}

impl<'a> Pass<'a> {
    /// The fast path. Every layer checks `cancel`.
    pub fn fused(cancel: &'a AtomicBool) -> Self {
        Self { cancel: Some(cancel), trace: None, dropout: None, gradients: None, path: Path::Fused }
    }

    /// Ordinary tensor operations only.
    pub fn stock() -> Self {
        Self { cancel: None, trace: None, dropout: None, gradients: None, path: Path::Stock }
    }

    /// Kernels that have a gradient where there is one, with dropout where it is given.
    pub fn training(dropout: Option<Dropout<'a>>) -> Self {
        let dropout = dropout.filter(|dropout| dropout.rate > 0.0);
        Self { cancel: None, trace: None, dropout, gradients: None, path: Path::Training }
    }

    /// Ends the pass at the next layer once `cancel` is set.
    #[must_use]
    pub fn until(self, cancel: &'a AtomicBool) -> Self {
        Self { cancel: Some(cancel), ..self }
    }

    /// Whole blocks as one operation where possible: the gradients of their weights wait in `gradients` until they are merged
    /// into those of candle's backward pass. For models whose block weights are variables themselves: a gradient that
    /// is merged does not flow on to what a weight was made of.
    #[must_use]
    pub fn collecting(self, gradients: &'a grad::Gradients) -> Self {
        Self { gradients: Some(gradients), ..self }
    }

    /// The stock path, whose intermediate tensors `trace` gets.
    pub fn traced(trace: &'a mut (dyn Trace + Send)) -> Self {
        Self { cancel: None, trace: Some(trace), dropout: None, gradients: None, path: Path::Stock }
    }

    pub(super) fn check(&self) -> Result<()> {
        match self.cancel {
            Some(flag) if flag.load(Ordering::Relaxed) => Err(ModelError::Cancelled),
            _ => Ok(()),
        }
    }

    pub(super) fn record(&mut self, point: HookPoint, value: &Tensor) -> Result<()> {
        match &mut self.trace {
            Some(trace) => trace.record(point, value),
            None => Ok(()),
        }
    }

    pub(super) fn drop_out(&mut self, x: Tensor) -> Result<Tensor> {
        match &mut self.dropout {
            Some(dropout) => Ok(grad::dropout(&x, dropout.rate, &mut *dropout.uniform)?),
            None => Ok(x),
        }
    }
}
