//! Differentiable operations for training: forward and backward in one place, each held equal to ordinary candle
//! operations by its tests.
//!
//! candle's own `layer_norm` and `softmax` cut the gradient, and its elementwise backward passes run on one thread; here
//! every pass shares its rows among the threads of the barrier pool, and so do the products (`product.rs`). Results do not depend on which thread took which rows: sums over rows are taken in
//! `PARTS` fixed parts that are added in order.

mod attention;
mod block;
mod dropout;
mod embedding;
mod gelu;
mod head;
mod layer_norm;
mod linear;
mod product;

pub use attention::attention;
pub use block::{BlockOf, Gradients, Pair, block};
pub use dropout::dropout;
pub use embedding::embedding;
pub use gelu::gelu_tanh;
pub use head::{HeadTargets, head_loss};
pub use layer_norm::layer_norm;
pub use linear::linear;

use candle_core::{CpuStorage, DType, Layout, Result, Shape, Tensor};

use super::pool;

/// Parts that sums over rows are cut into: enough for many threads, few enough that adding them costs nothing.
const PARTS: usize = 16;

/// Whether the operations here take a tensor: f32 on the CPU, contiguous.
pub fn serves(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32 && x.is_contiguous()
}

/// The values of a contiguous f32 argument.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("a training kernel wants contiguous tensors, this one is {layout:?}"),
    }
}

/// Reads a contiguous f32 tensor while `read` runs.
fn with_values<R>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        candle_core::Storage::Cpu(storage) => read(values(storage, layout)?),
        _ => candle_core::bail!("a training kernel wants tensors on the CPU"),
    }
}

/// A tensor like `like` out of values.
fn tensor_like(values: Vec<f32>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, like.shape(), like.device())
}

fn storage(values: Vec<f32>, shape: &Shape) -> (CpuStorage, Shape) {
    (CpuStorage::F32(values), shape.clone())
}

/// Rows and the length of a row.
fn rows(shape: &Shape) -> Result<(usize, usize)> {
    match shape.dims().split_last() {
        Some((&width, before)) if width > 0 => Ok((before.iter().product(), width)),
        _ => candle_core::bail!("a training kernel wants rows, this is {shape:?}"),
    }
}

/// The rows of each part: `(first, count)`, in order.
fn parts(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let length = rows.div_ceil(PARTS).max(1);
    (0..rows).step_by(length).map(move |first| (first, length.min(rows - first)))
}

/// Sums of the columns of `[rows, width]`, in fixed parts.
fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    let rows = values.len() / width;
    let parts: Vec<_> = parts(rows).collect();
    let mut partial = vec![0f32; parts.len() * width];
    pool::chunks(&mut partial, width, |index, sums| {
        let (first, count) = parts[index];
        for row in values[first * width..(first + count) * width].chunks_exact(width) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    });
    add_parts(&partial, width)
}

/// The sum of partial results that stand one after the other.
fn add_parts(partial: &[f32], width: usize) -> Vec<f32> {
    let mut total = vec![0f32; width];
    for part in partial.chunks_exact(width) {
        for (sum, value) in total.iter_mut().zip(part) {
            *sum += value;
        }
    }
    total
}

#[cfg(test)]
mod tests;
