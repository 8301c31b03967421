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

/// Keys and values, `[layers, 2, NH, positions, HS]`.
#[derive(Clone, Copy)]
pub struct Cached<'a> {
    /// The keys of a layer, then its values.
    pub tensor: &'a Tensor,
    /// Tokens that it holds.
    pub len: usize,
}

/// One sequence of a pass.
pub struct Sequence<'a> {
    /// Its new tokens.
    pub tokens: usize,
    /// The tokens it begins with, where it shares them with other sequences.
    pub prefix: Option<Cached<'a>>,
    /// The tokens after the prefix, where the new ones go.
    pub own: Cached<'a>,
}

impl Sequence<'_> {
    /// Tokens before the new ones.
    fn start(&self) -> usize {
        self.prefix.map_or(0, |prefix| prefix.len) + self.own.len
    }
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
pub fn apply(qkv: &Tensor, sequences: &[Sequence<'_>], layer: usize, heads: Heads) -> Result<Tensor> {
    let mut row = 0;
    for sequence in sequences {
        let Sequence { tokens, own, .. } = *sequence;
        own.tensor.inplace_op2(qkv, &Append { row, tokens, at: own.len, layer, heads })?;
        row += sequence.tokens;
    }
    qkv.apply_op1_no_bwd(&Attention { sequences, layer, heads })
}

/// Copies new keys and values to their places in a cache.
struct Append {
    /// The first row of qkv that belongs to the sequence.
    row: usize,
    tokens: usize,
    /// The position of the first.
    at: usize,
    layer: usize,
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
        let (layers, two, heads, positions, head_width) = at.shape().dims5()?;
        if (two, heads, head_width, width) != (2, nh, hs, 3 * c)
            || self.row + self.tokens > rows
            || self.at + self.tokens > positions
            || self.layer >= layers
            || !at.is_contiguous()
        {
            candle_core::bail!("kshot-append: qkv is {:?}, the cache {:?}", layout.shape(), at.shape());
        }
        let CpuStorage::F32(cache) = cache else { candle_core::bail!("kshot-append: the cache is not f32") };
        let of_layer = 2 * nh * positions * hs;
        let cache = &mut cache[at.start_offset() + self.layer * of_layer..][..of_layer];
        let qkv = &qkv.as_slice::<f32>()?[layout.start_offset()..][..rows * 3 * c];
        // Keys of all heads, then values of all heads, as they follow the queries in a row of qkv.
        let head = |head: usize, cache: &mut [f32]| {
            let cache = &mut cache[self.at * hs..][..self.tokens * hs];
            for (token, to) in cache.chunks_exact_mut(hs).enumerate() {
                to.copy_from_slice(&qkv[(self.row + token) * 3 * c + c + head * hs..][..hs]);
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
    layer: usize,
    heads: Heads,
}

/// Keys and values of a layer in memory.
#[derive(Clone, Copy, Default)]
struct Part<'a> {
    /// `[2, NH, positions, HS]`.
    values: &'a [f32],
    positions: usize,
    /// Tokens to look at.
    len: usize,
}

impl<'a> Part<'a> {
    fn of(storage: &'a Storage, layout: &Layout, layer: usize, len: usize) -> Result<Self> {
        let Storage::Cpu(storage) = storage else { candle_core::bail!("kshot-attention: the cache is not on the CPU") };
        let (_, two, heads, positions, width) = layout.shape().dims5()?;
        if len > positions || !layout.is_contiguous() {
            candle_core::bail!("kshot-attention: {len} tokens in a cache of {:?}", layout.shape());
        }
        let of_layer = two * heads * positions * width;
        let values = &storage.as_slice::<f32>()?[layout.start_offset() + layer * of_layer..][..of_layer];
        Ok(Self { values, positions, len })
    }

    /// `[len, HS]`: keys of the heads come first, then values.
    fn head(self, head: usize, width: usize) -> &'a [f32] {
        self.values.get(head * self.positions * width..).map_or(&[], |values| &values[..self.len * width])
    }
}

impl<'a> CustomOp1 for Attention<'a> {
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
        let read = |tensor: &'a Tensor| tensor.storage_and_layout().0;
        let of = |sequence: &Sequence<'a>| (sequence.prefix.map(|it| read(it.tensor)), read(sequence.own.tensor));
        let guards: Vec<_> = self.sequences.iter().map(of).collect();
        let (mut caches, mut row, mut work) = (Vec::with_capacity(guards.len()), 0, 0);
        for (sequence, (prefix, own)) in self.sequences.iter().zip(&guards) {
            let prefix = match (sequence.prefix, prefix) {
                (Some(cached), Some(prefix)) => Part::of(prefix, cached.tensor.layout(), self.layer, cached.len)?,
                _ => Part::default(),
            };
            let seen = sequence.own.len + sequence.tokens;
            let own = Part::of(own, sequence.own.tensor.layout(), self.layer, seen)?;
            caches.push((sequence, row, [prefix, own]));
            row += sequence.tokens;
            work += sequence.tokens * (sequence.start() + sequence.tokens) * c;
        }
        // All sequences of a head in turn: what they share stays in the cache of the thread.
        let tasks = self.sequences.len() * nh;
        let job_of = |task: usize| (task / caches.len(), caches[task % caches.len()]);
        let task = |task: usize| {
            let (head, (sequence, row, parts)) = job_of(task);
            let (next, (_, _, [_, next_own])) = job_of((task + 1) % tasks);
            let job = Job {
                queries: &qkv[row * 3 * c + head * hs..],
                query_stride: 3 * c,
                keys: parts.map(|part| part.head(head, hs)),
                values: parts.map(|part| part.head(nh + head, hs)),
                next: next_own.head(next, hs),
                tokens: sequence.tokens,
                start: sequence.start(),
                width: hs,
                scale: self.heads.scale,
                out: places.at(row * c + head * hs),
                out_stride: c,
            };
            if sequence.tokens == 1 { one::attend(&job) } else { many::attend(&job) }
        };
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
    /// `[start + tokens, HS]` in two parts: those shared with others, its own.
    keys: [&'a [f32]; 2],
    /// As the keys.
    values: [&'a [f32]; 2],
    /// Keys that the thread most likely reads soon after this job: the own ones of the next.
    next: &'a [f32],
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
