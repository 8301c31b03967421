//! Attention over the key/value cache, all sequences and heads of a pass in one operation.
//!
//! A task is one head of one sequence. A single token walks over the cache once, which is limited by memory; many tokens
//! are two matrix products with packed keys and values, which are limited by arithmetic.

mod many;
mod one;

use candle_core::{CpuStorage, CustomOp1, DType, InplaceOp2, Layout, Result, Shape, Storage, Tensor};

use super::pool::{self, Places};

/// Values of the cache below which waking other threads costs more than it saves.
const WORTH_SHARING: usize = 1 << 14;

/// One sequence of a pass.
pub struct Sequence<'a> {
    /// Its new tokens.
    pub tokens: usize,
    /// The tokens before them, which its cache holds.
    pub start: usize,
    /// Keys of the layer, `[NH, n_positions, HS]`.
    pub keys: &'a Tensor,
    /// Values of the layer, as the keys.
    pub values: &'a Tensor,
}

/// How the heads look.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// NH.
    pub count: usize,
    /// HS.
    pub width: usize,
    /// What scores are multiplied by.
    pub scale: f32,
}

/// Whether [`apply`] takes a tensor: f32 on the CPU, contiguous.
pub fn serves(qkv: &Tensor) -> bool {
    qkv.device().is_cpu() && qkv.dtype() == DType::F32 && qkv.is_contiguous()
}

/// softmax(scale · QKᵀ + causal mask)V for each head (Vaswani et al. 2017, eq. 1): queries, keys and values `[T, 3C]` side by
/// side, the rows of the sequences one after the other, to `[T, C]`. The new keys and values are written to the caches
/// first. Not differentiable.
///
/// # Errors
/// Fails where the shapes do not fit.
pub fn apply(qkv: &Tensor, sequences: &[Sequence<'_>], heads: Heads) -> Result<Tensor> {
    let mut row = 0;
    for sequence in sequences {
        for (part, cache) in [(1, sequence.keys), (2, sequence.values)] {
            cache.inplace_op2(qkv, &Append { row, tokens: sequence.tokens, at: sequence.start, part, heads })?;
        }
        row += sequence.tokens;
    }
    qkv.apply_op1_no_bwd(&Attention { sequences, heads })
}

/// Copies new keys or values to their places in a cache.
struct Append {
    /// The first row of qkv that belongs to the sequence.
    row: usize,
    tokens: usize,
    /// The position of the first.
    at: usize,
    /// 1 for keys, 2 for values.
    part: usize,
    heads: Heads,
}

impl InplaceOp2 for Append {
    fn name(&self) -> &'static str {
        "kshot-append"
    }

    fn cpu_fwd(&self, cache: &mut CpuStorage, at: &Layout, qkv: &CpuStorage, layout: &Layout) -> Result<()> {
        let Heads { count: nh, width: hs, .. } = self.heads;
        let c = nh * hs;
        let (rows, width) = layout.shape().dims2()?;
        let (heads, positions, head_width) = at.shape().dims3()?;
        if (heads, head_width, width) != (nh, hs, 3 * c)
            || self.row + self.tokens > rows
            || self.at + self.tokens > positions
            || !at.is_contiguous()
        {
            candle_core::bail!("kshot-append: qkv is {:?}, the cache {:?}", layout.shape(), at.shape());
        }
        let CpuStorage::F32(cache) = cache else { candle_core::bail!("kshot-append: the cache is not f32") };
        let cache = &mut cache[at.start_offset()..][..nh * positions * hs];
        let qkv = &qkv.as_slice::<f32>()?[layout.start_offset()..][..rows * 3 * c];
        let head = |head: usize, cache: &mut [f32]| {
            let cache = &mut cache[self.at * hs..][..self.tokens * hs];
            for (token, to) in cache.chunks_exact_mut(hs).enumerate() {
                to.copy_from_slice(&qkv[(self.row + token) * 3 * c + self.part * c + head * hs..][..hs]);
            }
        };
        if self.tokens * c < WORTH_SHARING {
            cache.chunks_exact_mut(positions * hs).enumerate().for_each(|(at, cache)| head(at, cache));
        } else {
            pool::chunks(cache, positions * hs, head);
        }
        Ok(())
    }
}

struct Attention<'a> {
    sequences: &'a [Sequence<'a>],
    heads: Heads,
}

impl CustomOp1 for Attention<'_> {
    fn name(&self) -> &'static str {
        "kshot-attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Heads { count: nh, width: hs, .. } = self.heads;
        let c = nh * hs;
        let (rows, width) = layout.shape().dims2()?;
        if width != 3 * c || self.sequences.iter().map(|sequence| sequence.tokens).sum::<usize>() != rows {
            candle_core::bail!("kshot-attention: qkv is {:?} for {} sequences", layout.shape(), self.sequences.len());
        }
        let qkv = &qkv.as_slice::<f32>()?[layout.start_offset()..][..rows * width];
        let mut out = vec![0f32; rows * c];
        let places = Places::of(&mut out);
        let mut guards = Vec::with_capacity(self.sequences.len());
        for sequence in self.sequences {
            guards.push((sequence.keys.storage_and_layout(), sequence.values.storage_and_layout()));
        }
        let (mut caches, mut row, mut work) = (Vec::with_capacity(guards.len()), 0, 0);
        for (sequence, ((keys, at), (values, _))) in self.sequences.iter().zip(&guards) {
            let (Storage::Cpu(keys), Storage::Cpu(values)) = (&**keys, &**values) else {
                candle_core::bail!("kshot-attention: the cache is not on the CPU")
            };
            let positions = at.dims()[1];
            caches.push((sequence, row, positions, keys.as_slice::<f32>()?, values.as_slice::<f32>()?));
            row += sequence.tokens;
            work += sequence.tokens * (sequence.start + sequence.tokens) * c;
        }
        let task = |task: usize| {
            let (sequence, row, positions, keys, values) = caches[task / nh];
            let head = task % nh;
            let seen = (sequence.start + sequence.tokens) * hs;
            let job = Job {
                queries: &qkv[row * 3 * c + head * hs..],
                query_stride: 3 * c,
                keys: &keys[head * positions * hs..][..seen],
                values: &values[head * positions * hs..][..seen],
                tokens: sequence.tokens,
                start: sequence.start,
                width: hs,
                scale: self.heads.scale,
                out: places.at(row * c + head * hs),
                out_stride: c,
            };
            if sequence.tokens == 1 { one::attend(&job) } else { many::attend(&job) }
        };
        let tasks = self.sequences.len() * nh;
        if work < WORTH_SHARING {
            (0..tasks).for_each(task)
        } else {
            pool::tasks(tasks, task)
        }
        Ok((CpuStorage::F32(out), (rows, c).into()))
    }
}

/// One head of one sequence.
struct Job<'a> {
    /// The first query; the next is `query_stride` values on.
    queries: &'a [f32],
    query_stride: usize,
    /// `[start + tokens, HS]`.
    keys: &'a [f32],
    /// As the keys.
    values: &'a [f32],
    tokens: usize,
    start: usize,
    /// HS.
    width: usize,
    scale: f32,
    /// Where HS values for the first token go; those of the next are `out_stride` values on. No other job writes there.
    out: *mut f32,
    out_stride: usize,
}

impl Job<'_> {
    fn query(&self, token: usize) -> &[f32] {
        &self.queries[token * self.query_stride..][..self.width]
    }

    #[allow(clippy::mut_from_ref, reason = "a job writes to places of its own, one token after the other")]
    fn out(&self, token: usize) -> &mut [f32] {
        // SAFETY: the places of this head of this token, which lie in the result and belong to this job.
        unsafe { std::slice::from_raw_parts_mut(self.out.add(token * self.out_stride), self.width) }
    }
}

#[cfg(test)]
mod tests;
