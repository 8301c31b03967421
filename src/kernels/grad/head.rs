//! The output head and its cross-entropy in one: logits of a few rows at a time, never `[N, V]` of them.
//!
//! loss = Σ wᵢ·(log Σ exp zᵢ − zᵢ at yᵢ) with z = h·Wᵀ, so dz = w·(softmax(z) − onehot(y)), dh = dz·W and dW = dzᵀ·h. The
//! gradients are taken while the logits are there; the backward pass only multiplies them by the gradient of the loss.

use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::product::{Matrix, Onto, Panels, Product, Right};
use super::{rows, storage, tensor_like, values};
use crate::kernels::{pool, softmax};

/// Rows whose logits are in memory at a time, for each thread.
const ROWS: usize = 128;

/// Parts that dW is summed in.
const PARTS: usize = 4;

/// What each row is to predict, and how much it counts.
#[derive(Debug, Clone)]
pub struct HeadTargets {
    /// y: the token that follows each row.
    pub targets: Vec<u32>,
    /// w: the weight of each row in the sum; rows with 0 are not run at all.
    pub weights: Vec<f32>,
}

/// The loss of `[N, C]` hidden states under a `[V, C]` head, and the unweighted loss of each row that counts (0 for the
/// others).
///
/// # Errors
/// A target outside the vocabulary, shapes that do not fit.
pub fn head_loss(hidden: &Tensor, head: &Tensor, targets: HeadTargets) -> Result<(Tensor, Vec<f32>)> {
    let ((n, _), vocab) = (rows(hidden.shape())?, head.dim(0)?);
    if targets.targets.len() != n || targets.weights.len() != n {
        candle_core::bail!("{n} rows, {} targets, {} weights", targets.targets.len(), targets.weights.len());
    }
    if let Some(id) = targets.targets.iter().find(|id| **id as usize >= vocab) {
        candle_core::bail!("target {id} is not in a vocabulary of {vocab}");
    }
    let kept = Arc::new(Mutex::new(Kept::default()));
    let loss = hidden.apply_op2(head, HeadLoss { targets, kept: kept.clone() })?;
    let each = std::mem::take(&mut lock(&kept).each);
    Ok((loss, each))
}

struct HeadLoss {
    targets: HeadTargets,
    kept: Arc<Mutex<Kept>>,
}

/// What the forward pass leaves for the backward pass.
#[derive(Default)]
struct Kept {
    each: Vec<f32>,
    hidden: Vec<f32>,
    head: Vec<f32>,
}

fn lock(kept: &Mutex<Kept>) -> std::sync::MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl CustomOp2 for HeadLoss {
    fn name(&self) -> &'static str {
        "kshot-train-head-loss"
    }

    fn cpu_fwd(
        &self,
        hidden: &CpuStorage,
        hidden_layout: &Layout,
        head: &CpuStorage,
        head_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, width) = rows(hidden_layout.shape())?;
        let (vocab, columns) = head_layout.shape().dims2()?;
        if columns != width {
            candle_core::bail!(
                "kshot-train-head-loss: h is {:?}, W is {:?}",
                hidden_layout.shape(),
                head_layout.shape()
            );
        }
        let (hidden, head) = (values(hidden, hidden_layout)?, values(head, head_layout)?);
        // For z = h·Wᵀ and for dh = dz·W.
        let (transposed, plain) = (
            Panels::of(Matrix::rows(head, width).t(), width, vocab),
            Panels::of(Matrix::rows(head, width), vocab, width),
        );
        let counted: Vec<usize> = (0..n).filter(|row| self.targets.weights[*row] != 0.0).collect();
        let per_part = counted.len().div_ceil(PARTS).max(1);
        // Each part has rows of its own and a dW of its own: [dW | dh of its rows | loss of its rows].
        let block = vocab * width + per_part * (width + 1);
        let mut out = pool::zeros(counted.len().div_ceil(per_part) * block);
        pool::chunks(&mut out, block, |index, stretch| {
            let mine = &counted[index * per_part..counted.len().min((index + 1) * per_part)];
            let (dw, rest) = stretch.split_at_mut(vocab * width);
            let (dh, losses) = rest.split_at_mut(per_part * width);
            let part = Part { hidden, heads: [&transposed, &plain], targets: &self.targets, width, vocab };
            part.run(mine, dw, dh, losses);
        });

        let mut kept = Kept { each: vec![0f32; n], hidden: vec![0f32; n * width], head: vec![0f32; vocab * width] };
        let mut loss = 0f64;
        for (part, rows) in out.chunks_exact(block).zip(counted.chunks(per_part)) {
            let (dw, rest) = part.split_at(vocab * width);
            let (dh, losses) = rest.split_at(per_part * width);
            kept.head.iter_mut().zip(dw).for_each(|(sum, value)| *sum += value);
            for (at, &row) in rows.iter().enumerate() {
                kept.hidden[row * width..(row + 1) * width].copy_from_slice(&dh[at * width..(at + 1) * width]);
                kept.each[row] = losses[at];
                loss += f64::from(losses[at]) * f64::from(self.targets.weights[row]);
            }
        }
        *lock(&self.kept) = kept;
        Ok(storage(vec![loss as f32], &Shape::from(())))
    }

    fn bwd(
        &self,
        hidden: &Tensor,
        head: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let factor = grad.to_scalar::<f32>()?;
        let mut kept = lock(&self.kept);
        let (mut dh, mut dw) = (std::mem::take(&mut kept.hidden), std::mem::take(&mut kept.head));
        if factor != 1.0 {
            dh.iter_mut().chain(&mut dw).for_each(|value| *value *= factor);
        }
        Ok((Some(tensor_like(dh, hidden)?), Some(tensor_like(dw, head)?)))
    }
}

/// One part's share of the rows.
struct Part<'a> {
    hidden: &'a [f32],
    /// Wᵀ and W.
    heads: [&'a Panels; 2],
    targets: &'a HeadTargets,
    width: usize,
    vocab: usize,
}

impl Part<'_> {
    fn run(&self, rows: &[usize], dw: &mut [f32], dh: &mut [f32], losses: &mut [f32]) {
        let (width, vocab) = (self.width, self.vocab);
        let mut gathered = vec![0f32; ROWS * width];
        let mut logits = vec![0f32; ROWS * vocab];
        for (chunk, some) in rows.chunks(ROWS).enumerate() {
            for (to, &row) in gathered.chunks_exact_mut(width).zip(some) {
                to.copy_from_slice(&self.hidden[row * width..(row + 1) * width]);
            }
            let count = some.len();
            let [transposed, plain] = self.heads;
            let (a, b) = (Matrix::rows(&gathered, width), Right::Panels(transposed));
            let product = Product { a, b, m: count, n: vocab, k: width, alpha: 1.0 };
            // SAFETY: `logits` holds ROWS rows of `vocab` values and count <= ROWS.
            unsafe { product.run(logits.as_mut_ptr(), vocab, Onto::Nothing) };
            for (at, (z, &row)) in logits.chunks_exact_mut(vocab).zip(some).enumerate() {
                let (target, weight) = (self.targets.targets[row] as usize, self.targets.weights[row]);
                let max = softmax::scan(z).max;
                let own = z[target];
                let total = softmax::exp_shifted(z, max).total;
                losses[chunk * ROWS + at] = (total.ln() + f64::from(max - own)) as f32;
                let scale = weight / total as f32;
                z.iter_mut().for_each(|value| *value *= scale);
                z[target] -= weight;
            }
            let dz = Matrix::rows(&logits[..count * vocab], vocab);
            let product = Product { a: dz, b: Right::Panels(plain), m: count, n: width, k: vocab, alpha: 1.0 };
            // SAFETY: `dh` holds the rows of this part, `count` of them from `chunk * ROWS` on.
            unsafe { product.run(dh[chunk * ROWS * width..].as_mut_ptr(), width, Onto::Nothing) };
            let b = Right::Matrix(Matrix::rows(&gathered, width));
            let product = Product { a: dz.t(), b, m: vocab, n: width, k: count, alpha: 1.0 };
            // SAFETY: `dw` is `vocab` rows of `width` values.
            unsafe { product.run(dw.as_mut_ptr(), width, Onto::Values) };
        }
    }
}
