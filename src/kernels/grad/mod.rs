//! Differentiable operations for training: forward and backward in one place, each held equal to ordinary candle
//! operations by its tests.
//!
//! candle's own `layer_norm` and `softmax` cut the gradient, and its elementwise backward passes run on one thread; here
//! every pass shares its rows among the threads of the barrier pool, and products go to the `gemm` crate, one call a
//! thread over rows of its own. Results do not depend on which thread took which rows: sums over rows are taken in
//! `PARTS` fixed parts that are added in order.

mod attention;
mod dropout;
mod embedding;
mod gelu;
mod head;
mod layer_norm;
mod linear;

pub use attention::attention;
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

/// A product C = alpha · A · B + beta · C of row-major matrices with leading dimensions.
#[derive(Clone, Copy)]
struct Product<'a> {
    /// `[m, k]`, or its transpose `[k, m]` where `a_transposed`.
    a: &'a [f32],
    a_stride: usize,
    a_transposed: bool,
    /// `[k, n]`, or its transpose `[n, k]` where `b_transposed`.
    b: &'a [f32],
    b_stride: usize,
    b_transposed: bool,
    m: usize,
    n: usize,
    k: usize,
    alpha: f32,
}

impl Product<'_> {
    /// Runs it on this thread, into rows of `stride` values that begin at `out`; adds to what is there if `add`.
    ///
    /// # Safety
    /// `out` must be valid for `m` rows of `n` values, `stride` apart, and nobody else may touch those.
    unsafe fn run(self, out: *mut f32, stride: usize, add: bool) {
        debug_assert!(self.fits());
        let steps = |stride: usize, transposed: bool| match transposed {
            false => (1, stride as isize),
            true => (stride as isize, 1),
        };
        let (a_cs, a_rs) = steps(self.a_stride, self.a_transposed);
        let (b_cs, b_rs) = steps(self.b_stride, self.b_transposed);
        // SAFETY: `fits` says that both operands hold what their shapes and strides reach; the caller vouches for `out`.
        unsafe {
            gemm::gemm(
                self.m,
                self.n,
                self.k,
                out,
                1,
                stride as isize,
                add,
                self.a.as_ptr(),
                a_cs,
                a_rs,
                self.b.as_ptr(),
                b_cs,
                b_rs,
                // The crate's `alpha` goes with the old values of C and `beta` with the product.
                1.0,
                self.alpha,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }

    fn fits(&self) -> bool {
        let reach = |rows: usize, columns: usize, stride: usize| match rows {
            0 => 0,
            _ => (rows - 1) * stride + columns,
        };
        let (a_rows, a_columns) = if self.a_transposed { (self.k, self.m) } else { (self.m, self.k) };
        let (b_rows, b_columns) = if self.b_transposed { (self.n, self.k) } else { (self.k, self.n) };
        reach(a_rows, a_columns, self.a_stride) <= self.a.len()
            && reach(b_rows, b_columns, self.b_stride) <= self.b.len()
    }
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
