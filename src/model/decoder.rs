//! The one decoder (GPT-2 paper, section 2.3; openai/gpt-2 `src/model.py`; transformers `modeling_gpt2.py`).
//!
//! Letters in names and comments: T tokens of a pass (all sequences together), C `n_embd`, NH heads, HS head width,
//! S keys of one sequence, F `n_inner`, V vocabulary.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{DType, Device, Tensor};

use super::cache::KvCache;
use super::config::{Activation, DecoderConfig};
use super::family::{self, Affine, Family, Part};
use super::layers::{LayerNorm, Linear, Path, Weight, softmax};
use super::trace::{HookPoint, Trace};
use super::weights::Checkpoint;
use super::{ModelError, Result};
use crate::kernels::packed::{Dtype, Packed, Rounding};
use crate::kernels::{attention, grad, linear, pages};

/// A GPT in memory. It is never changed by running it: what a sequence adds is in its [`KvCache`].
pub struct Decoder {
    config: DecoderConfig,
    family: &'static str,
    device: Device,
    dtype: DType,
    wte: Weight,
    wpe: Tensor,
    h: Vec<Block>,
    ln_f: LayerNorm,
    lm_head: Linear,
}

struct Block {
    ln_1: LayerNorm,
    c_attn: Linear,
    attn_c_proj: Linear,
    /// None where the configuration has no `n_inner`: attention only.
    mlp: Option<Mlp>,
}

struct Mlp {
    ln_2: LayerNorm,
    c_fc: Linear,
    c_proj: Linear,
}

/// The kernels of a block whose weights are packed.
struct Kernels<'a> {
    c_attn: linear::Linear<'a>,
    attn_c_proj: linear::Linear<'a>,
    mlp: Option<(linear::Linear<'a>, linear::Linear<'a>)>,
}

impl Block {
    /// `next` is the matrix that comes after those of this block.
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
        let c_attn = linear::Linear { rounding: Rounding::Careful, ..c_attn };
        Some(Kernels { c_attn, attn_c_proj: self.attn_c_proj.kernel()?.before(after_attention), mlp })
    }
}

/// The next tokens of one sequence, and the cache of those before them.
pub struct Span<'a> {
    /// Tokens to run, at least one.
    pub tokens: &'a [u32],
    /// Where their keys and values go.
    pub cache: &'a mut KvCache,
}

/// A span while its pass runs: how many tokens, the cache before them, what each may look at.
struct Sequence<'a> {
    t: usize,
    cache: &'a KvCache,
    mask: Option<Tensor>,
}

/// What the rows of a pass belong to.
enum Rows<'a> {
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
    trace: Option<&'a mut (dyn Trace + Send)>,
    dropout: Option<Dropout<'a>>,
    gradients: Option<&'a grad::Gradients>,
    path: Path,
}

impl<'a> Pass<'a> {
    /// The fast path, ended by `cancel`, which every layer looks at.
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

    /// Whole blocks at a time where that can be: the gradients of their weights wait in `gradients` until they are merged
    /// into those of candle's backward pass. For models whose block weights are variables themselves: a gradient that
    /// is merged does not flow on to what a weight was made of.
    #[must_use]
    pub fn collecting(self, gradients: &'a grad::Gradients) -> Self {
        Self { gradients: Some(gradients), ..self }
    }

    /// The stock path, looked at by `trace`.
    pub fn traced(trace: &'a mut (dyn Trace + Send)) -> Self {
        Self { cancel: None, trace: Some(trace), dropout: None, gradients: None, path: Path::Stock }
    }

    fn check(&self) -> Result<()> {
        match self.cancel {
            Some(flag) if flag.load(Ordering::Relaxed) => Err(ModelError::Cancelled),
            _ => Ok(()),
        }
    }

    fn record(&mut self, point: HookPoint, value: &Tensor) -> Result<()> {
        match &mut self.trace {
            Some(trace) => trace.record(point, value),
            None => Ok(()),
        }
    }

    fn drop_out(&mut self, x: Tensor) -> Result<Tensor> {
        match &mut self.dropout {
            Some(dropout) => Ok(grad::dropout(&x, dropout.rate, &mut *dropout.uniform)?),
            None => Ok(x),
        }
    }
}

impl Decoder {
    /// The configuration that a checkpoint's `config.json` asks for, and the family that reads it.
    ///
    /// # Errors
    /// Names the switch that is not known or cannot be honoured.
    pub fn config_of(checkpoint: &Checkpoint) -> Result<(DecoderConfig, &'static Family)> {
        let bad = |reason| ModelError::Config { path: checkpoint.files().path("config.json"), reason };
        let family = family::of_config(checkpoint.config()).map_err(bad)?;
        let mut config = (family.config)(checkpoint.config()).map_err(bad)?;
        // A head of its own in the file wins over the switch, as in transformers (`tie_weights` finds it loaded).
        config.tie_word_embeddings &= !checkpoint.has(&(family.tensor)(Part::LmHead, 0));
        Ok((config, family))
    }

    /// Reads a checkpoint's weights, packed as `dtype` for the CPU's kernels. `progress` hears bytes read and bytes in
    /// all and ends the load by answering `false`. Tensors that the decoder has no use for (mask buffers of any dtype)
    /// are never read.
    ///
    /// # Errors
    /// A missing tensor, a wrong shape, a failing read, [`ModelError::Cancelled`].
    pub fn load(checkpoint: &Checkpoint, dtype: Dtype, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<Self> {
        let decoder = Self::read(checkpoint, Form::Packed(dtype), progress);
        pages::keep_activations();
        decoder
    }

    /// Reads a checkpoint's weights as tensors of `dtype` on `device`: for the stock path alone.
    ///
    /// # Errors
    /// As for [`Decoder::load`].
    pub fn load_dense(checkpoint: &Checkpoint, dtype: DType, device: &Device) -> Result<Self> {
        Self::read(checkpoint, Form::Dense(dtype, device.clone()), &mut |_, _| true)
    }

    fn read(checkpoint: &Checkpoint, form: Form, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<Self> {
        let (config, family) = Self::config_of(checkpoint)?;
        let (dtype, device) = match &form {
            Form::Dense(dtype, device) => (*dtype, device.clone()),
            Form::Packed(_) => (DType::F32, Device::Cpu),
        };
        let mut reader = Reader::new(checkpoint, family, form, progress);
        reader.total = reader.stored_bytes(&config);
        let mut decoder = Self::build(&config, family.name, dtype, &device, &mut reader)?;
        // Fine-tunes often carry the tied table a second time; it is kept once.
        if !config.tie_word_embeddings && decoder.wte.same_values(decoder.lm_head.weight())? {
            decoder.lm_head = Linear::new(decoder.wte.clone(), None);
            decoder.config.tie_word_embeddings = true;
        }
        Ok(decoder)
    }

    /// A decoder out of the tensors that `source` gives for each part, block and shape.
    pub(super) fn build(
        config: &DecoderConfig,
        family: &'static str,
        dtype: DType,
        device: &Device,
        source: &mut dyn Source,
    ) -> Result<Self> {
        let mut parts = Parts { source, epsilon: config.layer_norm_epsilon };
        let (c, f, v) = (config.n_embd, config.n_inner, config.vocab);
        let wte = parts.source.matrix(Part::Wte, 0, [v, c])?;
        let wpe = parts.source.tensor(Part::Wpe, 0, &[config.n_positions, c])?;
        let h = (0..config.n_layer)
            .map(|layer| {
                let ln_1 = parts.layer_norm(Part::Ln1, layer, c)?;
                let c_attn = parts.linear(Part::CAttn, layer, [3 * c, c])?;
                let attn_c_proj = parts.linear(Part::AttnCProj, layer, [c, c])?;
                let mlp = match f {
                    0 => None,
                    _ => Some(Mlp {
                        ln_2: parts.layer_norm(Part::Ln2, layer, c)?,
                        c_fc: parts.linear(Part::CFc, layer, [f, c])?,
                        c_proj: parts.linear(Part::MlpCProj, layer, [c, f])?,
                    }),
                };
                Ok(Block { ln_1, c_attn, attn_c_proj, mlp })
            })
            .collect::<Result<Vec<_>>>()?;
        let ln_f = parts.layer_norm(Part::LnF, 0, c)?;
        let head =
            if config.tie_word_embeddings { wte.clone() } else { parts.source.matrix(Part::LmHead, 0, [v, c])? };
        Ok(Self {
            lm_head: Linear::new(head, None),
            family,
            device: device.clone(),
            dtype,
            config: config.clone(),
            wte,
            wpe,
            h,
            ln_f,
        })
    }

    /// The configuration it was built from.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// The family its checkpoint belongs to.
    pub fn family(&self) -> &'static str {
        self.family
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
            // One pool for candle's products, kept awake over the whole pass.
            _ => self.device.with_context(|| self.run(spans, pass)),
        }
    }

    fn run(&self, spans: &mut [Span<'_>], mut pass: Pass<'_>) -> Result<Tensor> {
        let context = self.config.n_positions;
        let mut ids = Vec::new();
        let mut positions = Vec::new();
        for span in spans.iter_mut() {
            span.cache.before_writing()?;
            let (start, end) = (span.cache.len(), span.cache.len() + span.tokens.len());
            if end > context {
                return Err(ModelError::Context { tokens: end, context });
            }
            ids.extend_from_slice(span.tokens);
            positions.extend(start as u32..end as u32);
        }
        let sequences = spans
            .iter()
            .map(|span| {
                let (t, start) = (span.tokens.len(), span.cache.len());
                let mask = if pass.path == Path::Fused { None } else { self.causal_mask(t, start)? };
                Ok(Sequence { t, cache: &*span.cache, mask })
            })
            .collect::<Result<Vec<_>>>()?;

        let t = ids.len();
        let tokens = self.wte.rows(&ids)?;
        let places = self.wpe.index_select(&Tensor::from_vec(positions, t, &self.device)?, 0)?;
        pass.record(HookPoint::Embed, &tokens)?;
        pass.record(HookPoint::PosEmbed, &places)?;
        let normed = self.blocks((tokens + places)?, &Rows::Spans(sequences), &mut pass)?;
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
                    grad::embedding(batch.tokens, length, wte, &self.wpe)?
                }
                wte => {
                    let t = batch.tokens.len();
                    let places: Vec<u32> = (0..t).map(|at| (at % length) as u32).collect();
                    let places = Tensor::from_vec(places, t, &self.device)?;
                    (wte.rows(batch.tokens)? + self.wpe.index_select(&places, 0)?)?
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
            x_tc = self.block(layer, &x_tc, rows, pass)?;
        }
        pass.check()?;
        let normed = self.ln_f.forward(&x_tc, pass.path)?;
        pass.record(HookPoint::LnFinal, &normed)?;
        Ok(normed)
    }

    /// Logits of some rows of what [`Decoder::forward`] gave: `[R, C]` to `[R, V]` in f32.
    ///
    /// # Errors
    /// A failing operation.
    pub fn logits(&self, rows: &Tensor) -> Result<Tensor> {
        // After the head comes the first block, for the next token.
        let first = self.h.first().and_then(|block| block.c_attn.weight().packed());
        let logits = match self.lm_head.kernel() {
            Some(kernel) => kernel.before(first).apply(rows)?,
            None => self.lm_head.forward(rows, Path::Fused)?,
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
        let qkv = block.c_attn.forward(&block.ln_1.forward(x_tc, pass.path)?, pass.path)?;
        let mixed = match rows {
            Rows::Spans(sequences) => self.attention_of_spans(layer, &qkv, sequences, pass)?,
            Rows::Whole { length } => self.attention_of_batch(layer, &qkv, *length, pass)?,
        };
        let attn_out = block.attn_c_proj.forward(&mixed, pass.path)?;
        pass.record(HookPoint::AttnOut(layer), &attn_out)?;
        let x_tc = (x_tc + pass.drop_out(attn_out)?)?;
        pass.record(HookPoint::ResidMid(layer), &x_tc)?;
        let Some(mlp) = &block.mlp else {
            pass.record(HookPoint::ResidPost(layer), &x_tc)?;
            return Ok(x_tc);
        };

        let pre_tf = mlp.c_fc.forward(&mlp.ln_2.forward(&x_tc, pass.path)?, pass.path)?;
        pass.record(HookPoint::MlpPre(layer), &pre_tf)?;
        let post_tf = self.config.activation.forward(&pre_tf, pass.path)?;
        pass.record(HookPoint::MlpPost(layer), &post_tf)?;
        let mlp_out = mlp.c_proj.forward(&post_tf, pass.path)?;
        pass.record(HookPoint::MlpOut(layer), &mlp_out)?;
        let x_tc = (x_tc + pass.drop_out(mlp_out)?)?;
        pass.record(HookPoint::ResidPost(layer), &x_tc)?;
        Ok(x_tc)
    }

    /// The same as one operation with a gradient, where the pass collects and nothing asks for what is inside.
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

    /// The same with LayerNorm, bias, GELU and the residual stream inside the products.
    fn block_fused(
        &self,
        layer: usize,
        block: &Kernels<'_>,
        x_tc: &Tensor,
        sequences: &[Sequence<'_>],
    ) -> Result<Tensor> {
        let qkv = block.c_attn.apply(x_tc)?;
        let mixed = self.attention_fused(layer, &qkv, sequences)?;
        let x_tc = linear::Linear { residual: Some(x_tc), ..block.attn_c_proj }.apply(&mixed)?;
        let Some((c_fc, c_proj)) = block.mlp else { return Ok(x_tc) };
        let gelu = self.config.activation == Activation::GeluTanh;
        let mut hidden = linear::Linear { gelu, ..c_fc }.apply(&x_tc)?;
        if !gelu {
            hidden = self.config.activation.forward(&hidden, Path::Fused)?;
        }
        Ok(linear::Linear { residual: Some(&x_tc), ..c_proj }.apply(&hidden)?)
    }

    fn attention_fused(&self, layer: usize, qkv: &Tensor, sequences: &[Sequence<'_>]) -> Result<Tensor> {
        let (count, width) = (self.config.n_head, self.config.head_dim());
        let heads = attention::Heads { count, width, scale: self.config.score_scale[layer] as f32 };
        let sequences: Vec<_> = sequences.iter().map(|sequence| sequence.cache.sequence(sequence.t)).collect();
        Ok(attention::apply(qkv, &sequences, layer, heads)?)
    }

    fn attention_of_spans(
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
            mixed.push(self.attention(layer, &qkv.narrow(0, row, sequence.t)?, sequence, pass)?);
            row += sequence.t;
        }
        Ok(if let [only] = mixed.as_slice() { only.clone() } else { Tensor::cat(&mixed, 0)? })
    }

    /// Attention of whole sequences side by side, differentiable: `[B · T, 3C]` to `[B · T, C]`.
    fn attention_of_batch(&self, layer: usize, qkv: &Tensor, t: usize, pass: &mut Pass<'_>) -> Result<Tensor> {
        let (nh, hs, scale) = (self.config.n_head, self.config.head_dim(), self.config.score_scale[layer]);
        if pass.path == Path::Training && pass.dropout.is_none() && grad::serves(qkv) {
            return Ok(grad::attention(qkv, t, nh, scale)?);
        }
        let b = qkv.dim(0)? / t;
        let qkv = qkv.reshape((b, t, 3, nh, hs))?.permute((2, 0, 3, 1, 4))?;
        let [query, key, value] = [qkv.get(0)?, qkv.get(1)?, qkv.get(2)?];
        let scores = (query.contiguous()? * scale)?.matmul(&key.t()?.contiguous()?)?;
        let scores = match self.causal_mask(t, 0)? {
            Some(mask) => scores.broadcast_add(&mask.to_dtype(scores.dtype())?)?,
            None => scores,
        };
        let pattern = pass.drop_out(softmax(&scores, pass.path)?)?;
        let mixed = pattern.matmul(&value.contiguous()?)?;
        Ok(mixed.transpose(1, 2)?.reshape((b * t, nh * hs))?)
    }

    /// softmax(scale · QKᵀ + mask) · V of one sequence, heads put side by side again: `[T, 3C]` to `[T, C]`.
    fn attention(&self, layer: usize, qkv: &Tensor, sequence: &Sequence<'_>, pass: &mut Pass<'_>) -> Result<Tensor> {
        let (t, nh, hs) = (sequence.t, self.config.n_head, self.config.head_dim());
        let qkv = qkv.reshape((t, 3, nh, hs))?.permute((1, 2, 0, 3))?;
        let (query, key, value) = (qkv.get(0)?.contiguous()?, qkv.get(1)?, qkv.get(2)?);
        pass.record(HookPoint::Q(layer), &query)?;
        pass.record(HookPoint::K(layer), &key)?;
        pass.record(HookPoint::V(layer), &value)?;
        let (keys, values) = sequence.cache.extend(layer, &key, &value)?;
        let (query, keys) = match self.config.upcast_attention {
            true => (query.to_dtype(DType::F32)?, keys.to_dtype(DType::F32)?),
            false => (query, keys),
        };
        let scores = (query * self.config.score_scale[layer])?.matmul(&keys.t()?)?;
        let scores = match &sequence.mask {
            Some(mask) => scores.broadcast_add(&mask.to_dtype(scores.dtype())?)?,
            None => scores,
        };
        pass.record(HookPoint::AttnScores(layer), &scores)?;
        let pattern = softmax(&scores, pass.path)?;
        pass.record(HookPoint::Pattern(layer), &pattern)?;
        let z = pattern.to_dtype(values.dtype())?.matmul(&values)?;
        pass.record(HookPoint::Z(layer), &z)?;
        Ok(z.transpose(0, 1)?.reshape((t, nh * hs))?)
    }

    /// `[T, S]` with 0 where query i may look and minus infinity after it; none for a single token, which sees all.
    fn causal_mask(&self, t: usize, start: usize) -> Result<Option<Tensor>> {
        if t == 1 {
            return Ok(None);
        }
        let s = start + t;
        let mask: Vec<f32> =
            (0..t).flat_map(|i| (0..s).map(move |j| if j <= start + i { 0.0 } else { f32::NEG_INFINITY })).collect();
        Ok(Some(Tensor::from_vec(mask, (t, s), &self.device)?))
    }
}

/// Where the tensors of a decoder come from.
pub(super) trait Source {
    /// A tensor of that shape.
    fn tensor(&mut self, part: Part, layer: usize, shape: &[usize]) -> Result<Tensor>;

    /// A weight matrix `[out, in]`.
    fn matrix(&mut self, part: Part, layer: usize, shape: [usize; 2]) -> Result<Weight> {
        Ok(Weight::Dense(self.tensor(part, layer, &shape)?))
    }
}

impl<F: FnMut(Part, usize, &[usize]) -> Result<Tensor>> Source for F {
    fn tensor(&mut self, part: Part, layer: usize, shape: &[usize]) -> Result<Tensor> {
        self(part, layer, shape)
    }
}

/// Assembles layers from the tensors of their halves.
struct Parts<'a> {
    source: &'a mut dyn Source,
    epsilon: f64,
}

impl Parts<'_> {
    fn linear(&mut self, part: fn(Affine) -> Part, layer: usize, shape: [usize; 2]) -> Result<Linear> {
        let weight = self.source.matrix(part(Affine::Weight), layer, shape)?;
        let bias = self.source.tensor(part(Affine::Bias), layer, &shape[..1])?;
        Ok(Linear::new(weight, Some(bias)))
    }

    fn layer_norm(&mut self, part: fn(Affine) -> Part, layer: usize, width: usize) -> Result<LayerNorm> {
        let weight = self.source.tensor(part(Affine::Weight), layer, &[width])?;
        let bias = self.source.tensor(part(Affine::Bias), layer, &[width])?;
        Ok(LayerNorm::new(weight, bias, self.epsilon))
    }
}

/// The first prefix under which the checkpoint has a token embedding; none if it has it under no name.
fn prefix_of(checkpoint: &Checkpoint, family: &Family) -> &'static str {
    let wte = (family.tensor)(Part::Wte, 0);
    family.prefixes.iter().find(|prefix| checkpoint.has(&format!("{prefix}{wte}"))).copied().unwrap_or("")
}

/// What the weights become.
pub(super) enum Form {
    Dense(DType, Device),
    Packed(Dtype),
}

/// Reads parts of a decoder out of a checkpoint.
pub(super) struct Reader<'a> {
    checkpoint: &'a Checkpoint,
    family: &'static Family,
    prefix: &'static str,
    form: Form,
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64) -> bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        checkpoint: &'a Checkpoint,
        family: &'static Family,
        form: Form,
        progress: &'a mut dyn FnMut(u64, u64) -> bool,
    ) -> Self {
        let prefix = prefix_of(checkpoint, family);
        Self { checkpoint, family, prefix, form, done: 0, total: 0, progress }
    }

    /// The output head stands beside the prefixed body, as transformers writes it.
    fn name(&self, part: Part, layer: usize) -> String {
        let prefix = if part == Part::LmHead { "" } else { self.prefix };
        format!("{prefix}{}", (self.family.tensor)(part, layer))
    }

    /// Bytes of all parts in their files, for the progress bar.
    fn stored_bytes(&self, config: &DecoderConfig) -> u64 {
        use Affine::{Bias, Weight};
        let affine: [fn(Affine) -> Part; 6] =
            [Part::Ln1, Part::CAttn, Part::AttnCProj, Part::Ln2, Part::CFc, Part::MlpCProj];
        let blocks = (0..config.n_layer)
            .flat_map(|layer| affine.iter().flat_map(move |part| [(part(Weight), layer), (part(Bias), layer)]));
        let head = (!config.tie_word_embeddings).then_some((Part::LmHead, 0));
        [(Part::Wte, 0), (Part::Wpe, 0), (Part::LnF(Weight), 0), (Part::LnF(Bias), 0)]
            .into_iter()
            .chain(blocks)
            .chain(head)
            .map(|(part, layer)| self.checkpoint.stored_bytes(&self.name(part, layer)))
            .sum()
    }
}

impl Source for Reader<'_> {
    fn tensor(&mut self, part: Part, layer: usize, shape: &[usize]) -> Result<Tensor> {
        let name = self.name(part, layer);
        let conv1d = (self.family.conv1d)(part);
        let stored: Vec<usize> = if conv1d { shape.iter().rev().copied().collect() } else { shape.to_vec() };
        let Self { checkpoint, done, total, progress, .. } = self;
        let mut values = checkpoint.read_f32(&name, &stored, &mut |bytes| {
            *done += bytes as u64;
            progress(*done, *total)
        })?;
        if let (true, &[rows, columns]) = (conv1d, stored.as_slice()) {
            values = transpose(&values, rows, columns);
        }
        Ok(match &self.form {
            Form::Dense(dtype, device) => Tensor::from_vec(values, shape, device)?.to_dtype(*dtype)?,
            Form::Packed(_) => Tensor::from_vec(values, shape, &Device::Cpu)?,
        })
    }

    fn matrix(&mut self, part: Part, layer: usize, shape: [usize; 2]) -> Result<Weight> {
        let Form::Packed(dtype) = self.form else { return Ok(Weight::Dense(self.tensor(part, layer, &shape)?)) };
        let (name, conv1d) = (self.name(part, layer), (self.family.conv1d)(part));
        let Self { checkpoint, done, total, progress, .. } = self;
        let packed = checkpoint.read_packed(&name, shape, conv1d, dtype, &mut |bytes| {
            *done += bytes as u64;
            progress(*done, *total)
        })?;
        Ok(Weight::Packed(Arc::new(packed)))
    }
}

/// `[rows, columns]` to `[columns, rows]`, by tiles so that both sides stay in cache lines.
pub(super) fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    const TILE: usize = 32;
    let mut out = pages::zeroed(values.len());
    for row_tile in (0..rows).step_by(TILE) {
        for column_tile in (0..columns).step_by(TILE) {
            for column in column_tile..columns.min(column_tile + TILE) {
                for row in row_tile..rows.min(row_tile + TILE) {
                    out[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
    out
}
