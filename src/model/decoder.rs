//! The one decoder (GPT-2 paper, section 2.3; openai/gpt-2 `src/model.py`; transformers `modeling_gpt2.py`).
//!
//! Letters in names and comments: T tokens of a pass (all sequences together), C `n_embd`, NH heads, HS head width,
//! S keys of one sequence, F `n_inner`, V vocabulary.

mod attention;
mod load;
mod pass;

use candle_core::{DType, Device, Tensor};

use super::cache::KvCache;
use super::config::{Activation, DecoderConfig};
use super::layers::{LayerNorm, Linear, Path, Weight};
use super::trace::HookPoint;
use super::{ModelError, Result};
use crate::kernels::packed::{Packed, Rounding};
use crate::kernels::{grad, linear};

pub(super) use load::{Form, Reader, Source, transpose};
pub use pass::{Batch, Dropout, Pass, Span};
use pass::{Rows, Sequence};

/// A GPT in memory. Running it does not change it: what a sequence adds is in its [`KvCache`].
pub struct Decoder {
    config: DecoderConfig,
    family: &'static str,
    device: Device,
    dtype: DType,
    /// `[V, C]`.
    wte: Weight,
    /// `[n_positions, C]`.
    wpe: Tensor,
    h: Vec<Block>,
    ln_f: LayerNorm,
    /// `[V, C]`, often the same as `wte`.
    lm_head: Linear,
}

struct Block {
    ln_1: LayerNorm,
    /// `[3C, C]`: queries, keys, values.
    c_attn: Linear,
    /// `[C, C]`.
    attn_c_proj: Linear,
    /// None where the configuration has no `n_inner`: attention only.
    mlp: Option<Mlp>,
}

struct Mlp {
    ln_2: LayerNorm,
    /// `[F, C]`.
    c_fc: Linear,
    /// `[C, F]`.
    c_proj: Linear,
}

/// The fused linear layers of a block whose weights are packed.
struct Kernels<'a> {
    c_attn: linear::FusedLinear<'a>,
    attn_c_proj: linear::FusedLinear<'a>,
    mlp: Option<(linear::FusedLinear<'a>, linear::FusedLinear<'a>)>,
}

impl Block {
    /// `None` where a weight is not packed. `next` is the matrix that is read after those of this block, to prefetch it.
    fn kernels<'a>(&'a self, next: Option<&'a Packed>) -> Option<Kernels<'a>> {
        let after_attention = self.mlp.as_ref().map_or(next, |mlp| mlp.c_fc.weight().packed());
        let mlp = match &self.mlp {
            Some(Mlp { ln_2, c_fc, c_proj }) => {
                let c_fc = c_fc.kernel()?.after(ln_2.kernel()).before(c_proj.weight().packed());
                Some((c_fc, c_proj.kernel()?.before(next)))
            }
            None => None,
        };
        let c_attn = self.c_attn.kernel()?.after(self.ln_1.kernel()).before(self.attn_c_proj.weight().packed());
        let c_attn = linear::FusedLinear { rounding: Rounding::Careful, ..c_attn };
        Some(Kernels { c_attn, attn_c_proj: self.attn_c_proj.kernel()?.before(after_attention), mlp })
    }
}

impl Decoder {
    /// The configuration it was built from.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// The family its checkpoint belongs to.
    pub fn family(&self) -> &'static str {
        self.family
    }

    /// Whether it computes in the memory that [`super::free_memory`] tells of.
    pub fn is_on_cpu(&self) -> bool {
        self.device.is_cpu()
    }

    /// An empty cache of the right shape.
    ///
    /// # Errors
    /// Fails where the device cannot allocate it.
    pub fn new_cache(&self) -> Result<KvCache> {
        KvCache::new(&self.config, self.dtype, &self.device)
    }

    /// Runs the next tokens of several sequences at once, each with its own cache and its own length. Gives the hidden
    /// states after the last LayerNorm, `[T, C]`, the rows of the spans one after the other.
    ///
    /// # Errors
    /// [`ModelError::Context`] where a sequence would outgrow its learned positions (nothing is run then),
    /// [`ModelError::Cancelled`] (the caches stay as they were), or a failing operation.
    pub fn forward(&self, spans: &mut [Span<'_>], pass: Pass<'_>) -> Result<Tensor> {
        match pass.path {
            Path::Fused => self.run(spans, pass),
            // One thread pool for candle's products, whose workers do not park during the pass.
            _ => self.device.with_context(|| self.run(spans, pass)),
        }
    }

    fn run(&self, spans: &mut [Span<'_>], mut pass: Pass<'_>) -> Result<Tensor> {
        let context = self.config.n_positions;
        let mut ids = Vec::new();
        let mut positions = Vec::new();
        for span in spans.iter_mut() {
            let (start, end) = (span.cache.len(), span.cache.len() + span.tokens.len());
            if end > context {
                return Err(ModelError::Context { tokens: end, context });
            }
            span.cache.before_writing(span.tokens.len())?;
            ids.extend_from_slice(span.tokens);
            positions.extend(start as u32..end as u32);
        }
        let sequences = spans.iter().map(|span| Sequence::new(span.tokens.len(), &*span.cache)).collect();

        let t = ids.len();
        let tokens = self.wte.rows(&ids)?; // [T, C]
        let places = self.wpe.index_select(&Tensor::from_vec(positions, t, &self.device)?, 0)?; // [T, C]
        pass.record(HookPoint::Embed, &tokens)?;
        pass.record(HookPoint::PosEmbed, &places)?;
        let normed = self.blocks((tokens + places)?, &Rows::Spans(sequences), &mut pass)?; // [T, C]
        for span in spans {
            span.cache.advance(span.tokens);
        }
        Ok(normed)
    }

    /// Runs whole sequences without a cache and gives the hidden states after the last LayerNorm, `[B · T, C]`; the
    /// result is differentiable in the weights.
    ///
    /// # Errors
    /// [`ModelError::Context`] where the sequences are longer than the learned positions, or a failing operation.
    pub fn forward_batch(&self, batch: Batch<'_>, mut pass: Pass<'_>) -> Result<Tensor> {
        let (length, context) = (batch.length, self.config.n_positions);
        if length > context {
            return Err(ModelError::Context { tokens: length, context });
        }
        self.device.with_context(|| {
            let x_tc = match &self.wte {
                Weight::Dense(wte) if pass.path == Path::Training && grad::serves(wte) => {
                    grad::embedding(batch.tokens, length, wte, &self.wpe)? // [T, C]
                }
                wte => {
                    let t = batch.tokens.len();
                    let places: Vec<u32> = (0..t).map(|at| (at % length) as u32).collect();
                    let places = Tensor::from_vec(places, t, &self.device)?;
                    (wte.rows(batch.tokens)? + self.wpe.index_select(&places, 0)?)? // [T, C]
                }
            };
            let x_tc = pass.drop_out(x_tc)?;
            self.blocks(x_tc, &Rows::Whole { length }, &mut pass)
        })
    }

    /// Σ wᵢ·(−log P(yᵢ | …)) over the rows of [`Decoder::forward_batch`]'s result, differentiable, and each row's
    /// negative log-probability by itself (0 where its weight is 0).
    ///
    /// # Errors
    /// A target outside the vocabulary, or a failing operation.
    pub fn loss(&self, hidden: &Tensor, targets: grad::HeadTargets) -> Result<(Tensor, Vec<f32>)> {
        let head = self.lm_head.weight().dense()?;
        Ok(self.device.with_context(|| grad::head_loss(hidden, &head, targets))?)
    }

    fn blocks(&self, mut x_tc: Tensor, rows: &Rows<'_>, pass: &mut Pass<'_>) -> Result<Tensor> {
        for layer in 0..self.h.len() {
            pass.check()?;
            x_tc = self.block(layer, &x_tc, rows, pass)?; // [T, C]
        }
        pass.check()?;
        let normed = self.ln_f.forward(&x_tc, pass.path)?; // [T, C]
        pass.record(HookPoint::LnFinal, &normed)?;
        Ok(normed)
    }

    /// Logits of some rows of what [`Decoder::forward`] gave: `[R, C]` to `[R, V]` in f32.
    ///
    /// # Errors
    /// A failing operation.
    pub fn logits(&self, rows: &Tensor) -> Result<Tensor> {
        // The next token's pass begins with the first block: its weights are prefetched.
        let first = self.h.first().and_then(|block| block.c_attn.weight().packed());
        let logits = match self.lm_head.kernel() {
            Some(kernel) => kernel.before(first).apply(rows)?, // [R, V]
            None => self.lm_head.forward(rows, Path::Fused)?,  // [R, V]
        };
        Ok(logits.to_dtype(DType::F32)?)
    }

    /// One block over all rows of a pass: `[T, C]` to `[T, C]`.
    fn block(&self, layer: usize, x_tc: &Tensor, rows: &Rows<'_>, pass: &mut Pass<'_>) -> Result<Tensor> {
        let block = &self.h[layer];
        let next = self.h.get(layer + 1).map_or(&self.lm_head, |block| &block.c_attn).weight().packed();
        if let (Path::Fused, Rows::Spans(sequences), Some(kernels)) = (pass.path, rows, block.kernels(next)) {
            return self.block_fused(layer, &kernels, x_tc, sequences);
        }
        if let Some(result) = self.block_collecting(layer, x_tc, rows, pass) {
            return result;
        }
        pass.record(HookPoint::ResidPre(layer), x_tc)?;
        let qkv = block.c_attn.forward(&block.ln_1.forward(x_tc, pass.path)?, pass.path)?; // [T, 3C]
        // [T, C]: the heads' mixes of values, side by side.
        let mixed = match rows {
            Rows::Spans(sequences) => self.attention_of_spans(layer, &qkv, sequences, pass)?,
            Rows::Whole { length } => self.attention_of_batch(layer, &qkv, *length, pass)?,
        };
        let attn_out = block.attn_c_proj.forward(&mixed, pass.path)?; // [T, C]
        pass.record(HookPoint::AttnOut(layer), &attn_out)?;
        let x_tc = (x_tc + pass.drop_out(attn_out)?)?; // [T, C]
        pass.record(HookPoint::ResidMid(layer), &x_tc)?;
        let Some(mlp) = &block.mlp else {
            pass.record(HookPoint::ResidPost(layer), &x_tc)?;
            return Ok(x_tc);
        };

        let pre_tf = mlp.c_fc.forward(&mlp.ln_2.forward(&x_tc, pass.path)?, pass.path)?; // [T, F]
        pass.record(HookPoint::MlpPre(layer), &pre_tf)?;
        let post_tf = self.config.activation.forward(&pre_tf, pass.path)?; // [T, F]
        pass.record(HookPoint::MlpPost(layer), &post_tf)?;
        let mlp_out = mlp.c_proj.forward(&post_tf, pass.path)?; // [T, C]
        pass.record(HookPoint::MlpOut(layer), &mlp_out)?;
        let x_tc = (x_tc + pass.drop_out(mlp_out)?)?; // [T, C]
        pass.record(HookPoint::ResidPost(layer), &x_tc)?;
        Ok(x_tc)
    }

    /// The same as one operation with a gradient, where the pass collects gradients and no trace or dropout needs the
    /// tensors inside.
    fn block_collecting(
        &self,
        layer: usize,
        x_tc: &Tensor,
        rows: &Rows<'_>,
        pass: &Pass<'_>,
    ) -> Option<Result<Tensor>> {
        let (Some(gradients), Rows::Whole { length }) = (pass.gradients, rows) else { return None };
        let (block, gelu) = (&self.h[layer], self.config.activation == Activation::GeluTanh);
        let plain = gelu
            && pass.path == Path::Training
            && pass.trace.is_none()
            && pass.dropout.is_none()
            && x_tc.track_op()
            && grad::serves(x_tc);
        let mlp = block.mlp.as_ref().filter(|_| plain)?;
        let ((ln_1, first), (ln_2, second)) = (block.ln_1.pair(), mlp.ln_2.pair());
        let of = grad::BlockOf {
            ln_1,
            c_attn: block.c_attn.pair()?,
            attn_c_proj: block.attn_c_proj.pair()?,
            ln_2,
            c_fc: mlp.c_fc.pair()?,
            mlp_c_proj: mlp.c_proj.pair()?,
            epsilon: [first, second],
            length: *length,
            heads: self.config.n_head,
            scale: self.config.score_scale[layer],
        };
        Some(grad::block(x_tc, of, gradients).map_err(Into::into))
    }

    /// The block with LayerNorm, bias, GELU and residual fused into the products: `[T, C]` to `[T, C]`.
    fn block_fused(
        &self,
        layer: usize,
        block: &Kernels<'_>,
        x_tc: &Tensor,
        sequences: &[Sequence<'_>],
    ) -> Result<Tensor> {
        let qkv = block.c_attn.apply(x_tc)?; // [T, 3C]
        let mixed = self.attention_fused(layer, &qkv, sequences)?; // [T, C]
        let x_tc = linear::FusedLinear { residual: Some(x_tc), ..block.attn_c_proj }.apply(&mixed)?; // [T, C]
        let Some((c_fc, c_proj)) = block.mlp else { return Ok(x_tc) };
        let gelu = self.config.activation == Activation::GeluTanh;
        let mut hidden = linear::FusedLinear { gelu, ..c_fc }.apply(&x_tc)?; // [T, F]
        if !gelu {
            hidden = self.config.activation.forward(&hidden, Path::Fused)?; // [T, F]
        }
        Ok(linear::FusedLinear { residual: Some(&x_tc), ..c_proj }.apply(&hidden)?)
    }
}
