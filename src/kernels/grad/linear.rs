//! x·Wᵀ + b and its gradients: dx = g·W, dW = gᵀ·x, db = Σ g over rows.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::{Product, column_sums, rows, storage, tensor_like, values, with_values};
use crate::kernels::pool;

/// `[N, in]` times the transpose of `[out, in]` plus `[out]`, to `[N, out]`.
///
/// # Errors
/// Fails where the shapes do not fit.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.apply_op3(weight, bias, Linear)
}

struct Linear;

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "kshot-train-linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, inputs) = rows(x_layout.shape())?;
        let (outputs, width) = weight_layout.shape().dims2()?;
        if width != inputs || bias_layout.shape().elem_count() != outputs {
            candle_core::bail!(
                "kshot-train-linear: x is {:?}, W is {:?}, b is {:?}",
                x_layout.shape(),
                weight_layout.shape(),
                bias_layout.shape()
            );
        }
        let (x, weight, bias) = (values(x, x_layout)?, values(weight, weight_layout)?, values(bias, bias_layout)?);
        let mut out = pool::zeros(n * outputs);
        by_rows(&mut out, outputs, |first, stretch| {
            for row in stretch.chunks_exact_mut(outputs) {
                row.copy_from_slice(bias);
            }
            let m = stretch.len() / outputs;
            let product = Product {
                a: &x[first * inputs..],
                a_stride: inputs,
                a_transposed: false,
                b: weight,
                b_stride: inputs,
                b_transposed: true,
                m,
                n: outputs,
                k: inputs,
                alpha: 1.0,
            };
            // SAFETY: `stretch` is m rows of `outputs` values, this thread's own.
            unsafe { product.run(stretch.as_mut_ptr(), outputs, true) };
        });
        Ok(storage(out, &Shape::from((n, outputs))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (n, inputs) = rows(x.shape())?;
        let outputs = weight.dim(0)?;
        with_values(grad, |grad| {
            let dx = with_values(weight, |weight| Ok(input_gradient(grad, weight, n, inputs, outputs)))?;
            let dw = with_values(x, |x| Ok(weight_gradient(grad, x, n, inputs, outputs)))?;
            let db = column_sums(grad, outputs);
            Ok((Some(tensor_like(dx, x)?), Some(tensor_like(dw, weight)?), Some(tensor_like(db, bias)?)))
        })
    }
}

/// g·W: `[N, out]` times `[out, in]`.
fn input_gradient(grad: &[f32], weight: &[f32], n: usize, inputs: usize, outputs: usize) -> Vec<f32> {
    let mut dx = pool::zeros(n * inputs);
    by_rows(&mut dx, inputs, |first, stretch| {
        let product = Product {
            a: &grad[first * outputs..],
            a_stride: outputs,
            a_transposed: false,
            b: weight,
            b_stride: inputs,
            b_transposed: false,
            m: stretch.len() / inputs,
            n: inputs,
            k: outputs,
            alpha: 1.0,
        };
        // SAFETY: `stretch` is m rows of `inputs` values, this thread's own.
        unsafe { product.run(stretch.as_mut_ptr(), inputs, false) };
    });
    dx
}

/// gᵀ·x: the transpose of `[N, out]` times `[N, in]`, each thread a stretch of the rows of dW.
fn weight_gradient(grad: &[f32], x: &[f32], n: usize, inputs: usize, outputs: usize) -> Vec<f32> {
    let mut dw = pool::zeros(outputs * inputs);
    by_rows(&mut dw, inputs, |first, stretch| {
        let product = Product {
            a: &grad[first..],
            a_stride: outputs,
            a_transposed: true,
            b: x,
            b_stride: inputs,
            b_transposed: false,
            m: stretch.len() / inputs,
            n: inputs,
            k: n,
            alpha: 1.0,
        };
        // SAFETY: `stretch` is m rows of `inputs` values, this thread's own.
        unsafe { product.run(stretch.as_mut_ptr(), inputs, false) };
    });
    dw
}

/// Cuts `[rows, width]` into one stretch of rows a thread (a multiple of 16 rows, as the products like them).
fn by_rows(out: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    let rows = out.len() / width;
    let stretch = rows.div_ceil(pool::threads()).next_multiple_of(16);
    pool::chunks(out, stretch * width, |index, part| work(index * stretch, part));
}
