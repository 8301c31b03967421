//! Causal attention of a batch of equally long sequences, and its gradient (Vaswani et al. 2017, eq. 1).
//!
//! One task is one head of one sequence: a block of queries at a time against the keys up to it, so that the scores of a
//! block stay in the cache and nothing after the diagonal is computed but within the block. The backward pass computes
//! the pattern again instead of keeping it.
//!
//! With P = softmax(s·QKᵀ) and O = PV: dV = Pᵀ·dO, dP = dO·Vᵀ, dS = P∘(dP − Σ dP∘P), dQ = s·dS·K, dK = s·dSᵀ·Q.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::product::{Matrix, Onto, Panels, Product, Right};
use super::{rows, storage, tensor_like, values, with_values};
use crate::kernels::tier::by_tier;
use crate::kernels::{pool, rowwise, softmax};

/// Queries that are taken at a time.
const BLOCK: usize = 64;

/// `[B · T, 3C]` of queries, keys and values side by side to `[B · T, C]`, heads side by side; each query looks at the
/// keys of its own sequence up to its own place.
///
/// # Errors
/// Fails where the shapes do not fit.
pub fn attention(qkv: &Tensor, length: usize, heads: usize, scale: f64) -> Result<Tensor> {
    let (n, width) = rows(qkv.shape())?;
    if length == 0 || heads == 0 || n % length != 0 || width % (3 * heads) != 0 {
        candle_core::bail!("kshot-train-attention: {n} rows of {width}, sequences of {length}, {heads} heads");
    }
    qkv.apply_op1(Attention { length, heads, scale: scale as f32 })
}

pub(super) struct Attention {
    /// T
    pub(super) length: usize,
    /// NH
    pub(super) heads: usize,
    pub(super) scale: f32,
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "kshot-train-attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, width) = rows(layout.shape())?;
        let mut out = pool::zeros(n * width / 3);
        self.forward(values(qkv, layout)?, width / 3, &mut out);
        Ok(storage(out, &Shape::from((n, width / 3))))
    }

    fn bwd(&self, qkv: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let gradient = with_values(qkv, |qkv_values| {
            with_values(grad, |grad| {
                let mut out = pool::zeros(qkv_values.len());
                self.backward(qkv_values, grad, qkv.dim(1)? / 3, &mut out);
                Ok(out)
            })
        })?;
        Ok(Some(tensor_like(gradient, qkv)?))
    }
}

impl Attention {
    /// `[B · T, 3C]` to `[B · T, C]`.
    pub(super) fn forward(&self, qkv: &[f32], width: usize, out: &mut [f32]) {
        let target = pool::Places::of(out);
        pool::tasks(out.len() / width / self.length * self.heads, |task| {
            let head = self.head(qkv, width, task);
            let keys = Panels::of(head.part(1, 0).t(), head.hs, self.length);
            let values = Panels::of(head.part(2, 0), self.length, head.hs);
            let mut pattern = vec![0f32; BLOCK * self.length];
            for (first, count) in self.blocks() {
                let shares = self.exponentials(head, &keys, first, count, &mut pattern);
                let (a, b) = (Matrix::rows(&pattern, self.length), Right::Panels(&values));
                let product = Product { a, b, m: count, n: head.hs, k: first + count, alpha: 1.0 };
                let out = target.at((head.row + first) * width + head.column);
                // SAFETY: a task writes the columns of its own head in the rows of its own sequence, all within `out`.
                unsafe { product.run(out, width, Onto::Nothing) };
                for (row, share) in shares.iter().enumerate().take(count) {
                    // SAFETY: as above, and the product wrote them.
                    let mixed = unsafe { std::slice::from_raw_parts_mut(out.add(row * width), head.hs) };
                    mixed.iter_mut().for_each(|value| *value *= share);
                }
            }
        });
    }

    /// The gradient of `[B · T, 3C]` from that of the result.
    pub(super) fn backward(&self, qkv: &[f32], grad: &[f32], width: usize, out: &mut [f32]) {
        let target = pool::Places::of(out);
        pool::tasks(grad.len() / width / self.length * self.heads, |task| {
            self.head_gradient(self.head(qkv, width, task), grad, &target);
        });
    }

    fn head_gradient(&self, head: Head<'_>, grad: &[f32], target: &pool::Places<f32>) {
        let Head { width, hs, row, column, .. } = head;
        let (length, stride) = (self.length, 3 * width);
        let keys = Panels::of(head.part(1, 0).t(), hs, length);
        let keys_as_rows = Panels::of(head.part(1, 0), length, hs);
        let values = Panels::of(head.part(2, 0).t(), hs, length);
        let mut pattern = vec![0f32; BLOCK * length];
        let mut d_scores = vec![0f32; BLOCK * length];
        // The last block reaches all keys, so that it writes what the others add to.
        for (first, count) in self.blocks().rev() {
            let seen = first + count;
            let shares = self.exponentials(head, &keys, first, count, &mut pattern);
            let grad = Matrix::rows(grad, width).from(row + first, column);
            // dP = dO·Vᵀ
            let product = Product { a: grad, b: Right::Panels(&values), m: count, n: seen, k: hs, alpha: 1.0 };
            // SAFETY: `d_scores` holds BLOCK rows of `length` values.
            unsafe { product.run(d_scores.as_mut_ptr(), length, Onto::Nothing) };
            let patterns = pattern.chunks_exact_mut(length).zip(d_scores.chunks_exact_mut(length)).take(count);
            for ((p, d), share) in patterns.zip(shares) {
                to_score_gradient(share, &mut p[..seen], &mut d[..seen]);
            }
            let (pattern, d_scores) = (Matrix::rows(&pattern, length), Matrix::rows(&d_scores, length));
            let b = Right::Panels(&keys_as_rows);
            let by_keys = Product { a: d_scores, b, m: count, n: hs, k: seen, alpha: self.scale };
            let b = Right::Matrix(head.part(0, first));
            let by_queries = Product { a: d_scores.t(), b, m: seen, n: hs, k: count, alpha: self.scale };
            let by_grad = Product { a: pattern.t(), b: Right::Matrix(grad), alpha: 1.0, ..by_queries };
            let onto = if seen == length { Onto::Nothing } else { Onto::Values };
            // SAFETY: a task writes the columns of its own head, in the rows of its own sequence: queries, keys, values.
            unsafe {
                let at = |which: usize, first: usize| target.at((row + first) * stride + which * width + column);
                by_keys.run(at(0, first), stride, Onto::Nothing);
                by_queries.run(at(1, 0), stride, onto);
                by_grad.run(at(2, 0), stride, onto);
            }
        }
    }

    fn head<'a>(&self, qkv: &'a [f32], width: usize, task: usize) -> Head<'a> {
        let hs = width / self.heads;
        let (sequence, head) = (task / self.heads, task % self.heads);
        Head { qkv, width, hs, row: sequence * self.length, column: head * hs }
    }

    /// exp(s·q·k − the row's greatest) of `count` queries from `first` on over the keys before `first + count`, into rows
    /// of `length`, 0 after each query's own place; and what makes a row's sum 1.
    fn exponentials(&self, head: Head<'_>, keys: &Panels, first: usize, count: usize, out: &mut [f32]) -> [f32; BLOCK] {
        let seen = first + count;
        let (a, b) = (head.part(0, first), Right::Panels(keys));
        let product = Product { a, b, m: count, n: seen, k: head.hs, alpha: self.scale };
        debug_assert!(out.len() >= count * self.length);
        // SAFETY: `out` holds `count` rows of `length` values, and no more than `length` keys exist.
        unsafe { product.run(out.as_mut_ptr(), self.length, Onto::Nothing) };
        let mut shares = [0f32; BLOCK];
        for (row, (scores, share)) in out.chunks_exact_mut(self.length).zip(&mut shares).take(count).enumerate() {
            let (looked_at, after) = scores[..seen].split_at_mut(first + row + 1);
            after.fill(0.0);
            let max = softmax::scan(looked_at).max;
            *share = (1.0 / softmax::exp_shifted(looked_at, max).total) as f32;
        }
        shares
    }

    /// Stretches of the queries.
    fn blocks(&self) -> impl DoubleEndedIterator<Item = (usize, usize)> {
        let length = self.length;
        (0..length.div_ceil(BLOCK)).map(move |at| (at * BLOCK, BLOCK.min(length - at * BLOCK)))
    }
}

/// Where a task's matrices lie: rows of a sequence, columns of a head.
#[derive(Clone, Copy)]
struct Head<'a> {
    qkv: &'a [f32],
    /// C
    width: usize,
    /// HS
    hs: usize,
    /// The first row of the sequence.
    row: usize,
    /// The first column of the head's queries.
    column: usize,
}

impl<'a> Head<'a> {
    /// Queries (0), keys (1) or values (2) from row `first` on: `[T - first, HS]`.
    fn part(&self, which: usize, first: usize) -> Matrix<'a> {
        Matrix::rows(self.qkv, 3 * self.width).from(self.row + first, which * self.width + self.column)
    }
}

by_tier! {
    /// P = share · exponentials, in their place, and dS = P∘(dP − Σ dP∘P), in place of dP.
    fn to_score_gradient(share: f32, p: &mut [f32], d: &mut [f32]) = to_score_gradient_body;
}

#[inline(always)]
fn to_score_gradient_body(share: f32, p: &mut [f32], d: &mut [f32]) {
    p.iter_mut().for_each(|p| *p *= share);
    let mean = rowwise::sum_of_pairs(p, d, |p, d| p * d);
    for (d, p) in d.iter_mut().zip(p) {
        *d = *p * (*d - mean);
    }
}
