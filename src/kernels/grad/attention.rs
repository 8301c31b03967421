//! Causal attention of a batch of equally long sequences, and its gradient (Vaswani et al. 2017, eq. 1).
//!
//! One task is one head of one sequence: a block of queries at a time against the keys up to it, so that the scores of a
//! block stay in the cache and nothing after the diagonal is computed but within the block. The backward pass computes
//! the pattern again instead of keeping it.
//!
//! With P = softmax(s·QKᵀ) and O = PV: dV = Pᵀ·dO, dP = dO·Vᵀ, dS = P∘(dP − Σ dP∘P), dQ = s·dS·K, dK = s·dSᵀ·Q.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{Product, rows, storage, tensor_like, values, with_values};
use crate::kernels::{pool, softmax};

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

struct Attention {
    length: usize,
    heads: usize,
    scale: f32,
}

/// Where a task's matrices lie: rows of a sequence, columns of a head.
#[derive(Clone, Copy)]
struct Head<'a> {
    qkv: &'a [f32],
    /// C
    width: usize,
    /// HS
    hs: usize,
    /// Index of the first value of the head's queries in the sequence's first row.
    at: usize,
}

impl<'a> Head<'a> {
    /// Queries (0), keys (1) or values (2) from row `first` on.
    fn part(&self, which: usize, first: usize) -> &'a [f32] {
        &self.qkv[self.at + which * self.width + first * 3 * self.width..]
    }
}

impl Attention {
    fn head<'a>(&self, qkv: &'a [f32], width: usize, task: usize) -> Head<'a> {
        let hs = width / self.heads;
        let (sequence, head) = (task / self.heads, task % self.heads);
        Head { qkv, width, hs, at: sequence * self.length * 3 * width + head * hs }
    }

    /// The pattern of `count` queries from `first` on over the keys before `first + count`, into rows of `length`.
    fn pattern(&self, head: Head<'_>, first: usize, count: usize, out: &mut [f32]) {
        let keys = first + count;
        let product = Product {
            a: head.part(0, first),
            a_stride: 3 * head.width,
            a_transposed: false,
            b: head.part(1, 0),
            b_stride: 3 * head.width,
            b_transposed: true,
            m: count,
            n: keys,
            k: head.hs,
            alpha: self.scale,
        };
        debug_assert!(out.len() >= count * self.length);
        // SAFETY: `out` holds `count` rows of `length` values, and no more than `length` keys exist.
        unsafe { product.run(out.as_mut_ptr(), self.length, false) };
        for (row, scores) in out.chunks_exact_mut(self.length).take(count).enumerate() {
            let (seen, after) = scores[..keys].split_at_mut(first + row + 1);
            after.fill(0.0);
            let max = softmax::scan(seen).max;
            let scale = (1.0 / softmax::exp_shifted(seen, max).total) as f32;
            seen.iter_mut().for_each(|value| *value *= scale);
        }
    }

    /// Stretches of the queries.
    fn blocks(&self) -> impl Iterator<Item = (usize, usize)> {
        let length = self.length;
        (0..length).step_by(BLOCK).map(move |first| (first, BLOCK.min(length - first)))
    }
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "kshot-train-attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, width) = rows(layout.shape())?;
        let (qkv, width) = (values(qkv, layout)?, width / 3);
        let mut out = pool::zeros(n * width);
        let target = pool::Places::of(&mut out);
        pool::tasks(n / self.length * self.heads, |task| {
            let head = self.head(qkv, width, task);
            let (sequence, column) = (task / self.heads, task % self.heads * head.hs);
            let mut pattern = vec![0f32; BLOCK * self.length];
            for (first, count) in self.blocks() {
                self.pattern(head, first, count, &mut pattern);
                let product = Product {
                    a: &pattern,
                    a_stride: self.length,
                    a_transposed: false,
                    b: head.part(2, 0),
                    b_stride: 3 * width,
                    b_transposed: false,
                    m: count,
                    n: head.hs,
                    k: first + count,
                    alpha: 1.0,
                };
                let row = sequence * self.length + first;
                // SAFETY: a task writes the columns of its own head in the rows of its own sequence, all within `out`.
                unsafe { product.run(target.at(row * width + column), width, false) };
            }
        });
        Ok(storage(out, &Shape::from((n, width))))
    }

    fn bwd(&self, qkv: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (n, width) = rows(grad.shape())?;
        let gradient = with_values(qkv, |qkv| {
            with_values(grad, |grad| {
                let mut out = pool::zeros(n * 3 * width);
                let target = pool::Places::of(&mut out);
                pool::tasks(n / self.length * self.heads, |task| self.head_gradient(qkv, grad, width, task, &target));
                Ok(out)
            })
        })?;
        Ok(Some(tensor_like(gradient, qkv)?))
    }
}

impl Attention {
    fn head_gradient(&self, qkv: &[f32], grad: &[f32], width: usize, task: usize, target: &pool::Places<f32>) {
        let head = self.head(qkv, width, task);
        let (sequence, column) = (task / self.heads, task % self.heads * head.hs);
        let (length, stride) = (self.length, 3 * width);
        let mut pattern = vec![0f32; BLOCK * length];
        let mut d_scores = vec![0f32; BLOCK * length];
        for (first, count) in self.blocks() {
            let keys = first + count;
            self.pattern(head, first, count, &mut pattern);
            let grad = &grad[(sequence * length + first) * width + column..];
            // dP = dO·Vᵀ
            let product = Product {
                a: grad,
                a_stride: width,
                a_transposed: false,
                b: head.part(2, 0),
                b_stride: stride,
                b_transposed: true,
                m: count,
                n: keys,
                k: head.hs,
                alpha: 1.0,
            };
            // SAFETY: `d_scores` holds BLOCK rows of `length` values.
            unsafe { product.run(d_scores.as_mut_ptr(), length, false) };
            for (p, d) in pattern.chunks_exact(length).zip(d_scores.chunks_exact_mut(length)).take(count) {
                to_score_gradient(&p[..keys], &mut d[..keys]);
            }
            // SAFETY: a task writes the columns of its own head, in the rows of its own sequence: queries, keys, values.
            unsafe {
                let (q, k, v) = (head.at, head.at + width, head.at + 2 * width);
                let by_keys = Product {
                    a: &d_scores,
                    a_stride: length,
                    b: head.part(1, 0),
                    b_transposed: false,
                    n: head.hs,
                    k: keys,
                    alpha: self.scale,
                    ..product
                };
                by_keys.run(target.at(q + first * stride), stride, false);
                let by_queries = Product { a_transposed: true, b: head.part(0, first), m: keys, k: count, ..by_keys };
                by_queries.run(target.at(k), stride, true);
                let by_grad = Product { a: &pattern, b: grad, b_stride: width, alpha: 1.0, ..by_queries };
                by_grad.run(target.at(v), stride, true);
            }
        }
    }
}

/// dS = P∘(dP − Σ dP∘P), in place of dP.
fn to_score_gradient(p: &[f32], d: &mut [f32]) {
    let mean = crate::kernels::rowwise::sum_of_pairs(p, d, |p, d| p * d);
    for (d, p) in d.iter_mut().zip(p) {
        *d = p * (*d - mean);
    }
}
