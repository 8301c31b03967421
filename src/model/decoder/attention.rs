//! Attention of a block: the kernel where it takes the tensor, candle's operations elsewhere.

use candle_core::{DType, Tensor};

use super::Decoder;
use super::pass::{Pass, Sequence, causal_mask};
use crate::kernels::{attention, grad};
use crate::model::Result;
use crate::model::layers::{Path, softmax};
use crate::model::trace::HookPoint;

impl Decoder {
    /// Attention of spans by the kernel, which masks by itself: `[T, 3C]` to `[T, C]`.
    pub(super) fn attention_fused(&self, layer: usize, qkv: &Tensor, sequences: &[Sequence<'_>]) -> Result<Tensor> {
        let (count, width) = (self.config.n_head, self.config.head_dim());
        let heads = attention::Heads { count, width, scale: self.config.score_scale[layer] as f32 };
        let sequences: Vec<_> = sequences.iter().map(|sequence| sequence.cache.sequence(sequence.t)).collect();
        Ok(attention::apply(qkv, &sequences, layer, heads)?)
    }

    /// Attention of spans, each over its own cache: `[T, 3C]` to `[T, C]`.
    pub(super) fn attention_of_spans(
        &self,
        layer: usize,
        qkv: &Tensor,
        sequences: &[Sequence<'_>],
        pass: &mut Pass<'_>,
    ) -> Result<Tensor> {
        if pass.path == Path::Fused && attention::serves(qkv) {
            return self.attention_fused(layer, qkv, sequences);
        }
        let mut row = 0;
        let mut mixed = Vec::with_capacity(sequences.len());
        for sequence in sequences {
            mixed.push(self.attention(layer, &qkv.narrow(0, row, sequence.t)?, sequence, pass)?); // [t, C]
            row += sequence.t;
        }
        Ok(if let [only] = mixed.as_slice() { only.clone() } else { Tensor::cat(&mixed, 0)? })
    }

    /// Attention of whole sequences side by side, differentiable: `[B · T, 3C]` to `[B · T, C]`.
    pub(super) fn attention_of_batch(
        &self,
        layer: usize,
        qkv: &Tensor,
        t: usize,
        pass: &mut Pass<'_>,
    ) -> Result<Tensor> {
        let (nh, hs, scale) = (self.config.n_head, self.config.head_dim(), self.config.score_scale[layer]);
        if pass.path == Path::Training && pass.dropout.is_none() && grad::serves(qkv) {
            return Ok(grad::attention(qkv, t, nh, scale)?);
        }
        let b = qkv.dim(0)? / t;
        let qkv = qkv.reshape((b, t, 3, nh, hs))?.permute((2, 0, 3, 1, 4))?; // [3, B, NH, T, HS]
        let [query, key, value] = [qkv.get(0)?, qkv.get(1)?, qkv.get(2)?]; // [B, NH, T, HS] each
        let scores = (query.contiguous()? * scale)?.matmul(&key.t()?.contiguous()?)?; // [B, NH, T, T]
        let scores = match causal_mask(t, 0, &self.device)? {
            Some(mask) => scores.broadcast_add(&mask.to_dtype(scores.dtype())?)?,
            None => scores,
        };
        let pattern = pass.drop_out(softmax(&scores, pass.path)?)?; // [B, NH, T, T]
        let mixed = pattern.matmul(&value.contiguous()?)?; // [B, NH, T, HS]
        Ok(mixed.transpose(1, 2)?.reshape((b * t, nh * hs))?) // [B · T, C]
    }

    /// softmax(scale · QKᵀ + mask) · V of one sequence, heads put side by side again: `[T, 3C]` to `[T, C]`.
    fn attention(&self, layer: usize, qkv: &Tensor, sequence: &Sequence<'_>, pass: &mut Pass<'_>) -> Result<Tensor> {
        let (t, nh, hs) = (sequence.t, self.config.n_head, self.config.head_dim());
        let qkv = qkv.reshape((t, 3, nh, hs))?.permute((1, 2, 0, 3))?; // [3, NH, T, HS]
        let (query, key, value) = (qkv.get(0)?.contiguous()?, qkv.get(1)?, qkv.get(2)?); // [NH, T, HS] each
        pass.record(HookPoint::Q(layer), &query)?;
        pass.record(HookPoint::K(layer), &key)?;
        pass.record(HookPoint::V(layer), &value)?;
        let (keys, values) = sequence.cache.extend(layer, &key, &value)?; // [NH, S, HS] both
        let (query, keys) = match self.config.upcast_attention {
            true => (query.to_dtype(DType::F32)?, keys.to_dtype(DType::F32)?),
            false => (query, keys),
        };
        let scores = (query * self.config.score_scale[layer])?.matmul(&keys.t()?)?; // [NH, T, S]
        let scores = match sequence.mask(&self.device)? {
            Some(mask) => scores.broadcast_add(&mask.to_dtype(scores.dtype())?)?,
            None => scores,
        };
        pass.record(HookPoint::AttnScores(layer), &scores)?;
        let pattern = softmax(&scores, pass.path)?; // [NH, T, S]
        pass.record(HookPoint::Pattern(layer), &pattern)?;
        let z = pattern.to_dtype(values.dtype())?.matmul(&values)?; // [NH, T, HS]
        pass.record(HookPoint::Z(layer), &z)?;
        Ok(z.transpose(0, 1)?.reshape((t, nh * hs))?) // [T, C]
    }
}
