//! x·Wᵀ + b and its gradients: dx = g·W, dW = gᵀ·x, db = Σ g over rows.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::product::{Matrix, Onto, Panels, Product, Right};
use super::{column_sums, rows, storage, tensor_like, values, with_values};
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
        forward(x, weight, bias, None, &mut out);
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
            let dx = with_values(weight, |weight| {
                let mut dx = pool::zeros(n * inputs);
                input_gradient(grad, weight, outputs, &mut dx);
                Ok(dx)
            })?;
            let dw = with_values(x, |x| Ok(weight_gradient(grad, x, [outputs, inputs])))?;
            let db = column_sums(grad, outputs);
            Ok((Some(tensor_like(dx, x)?), Some(tensor_like(dw, weight)?), Some(tensor_like(db, bias)?)))
        })
    }
}

/// x·Wᵀ + b, and the residual stream where there is one: `[N, in]`, `[out, in]` and `[out]` to `[N, out]`.
pub(super) fn forward(x: &[f32], weight: &[f32], bias: &[f32], residual: Option<&[f32]>, out: &mut [f32]) {
    let onto = residual.map_or(Onto::Row(bias), |residual| Onto::RowAndMatrix(bias, residual));
    let outputs = bias.len();
    let inputs = weight.len() / outputs;
    let panels = Panels::of(Matrix::rows(weight, inputs).t(), inputs, outputs);
    let (a, b) = (Matrix::rows(x, inputs), Right::Panels(&panels));
    Product { a, b, m: x.len() / inputs, n: outputs, k: inputs, alpha: 1.0 }.share(out, onto);
}

/// g·W: `[N, out]` and `[out, in]` to `[N, in]`.
pub(super) fn input_gradient(grad: &[f32], weight: &[f32], outputs: usize, dx: &mut [f32]) {
    let inputs = weight.len() / outputs;
    let panels = Panels::of(Matrix::rows(weight, inputs), outputs, inputs);
    let (a, b) = (Matrix::rows(grad, outputs), Right::Panels(&panels));
    Product { a, b, m: grad.len() / outputs, n: inputs, k: outputs, alpha: 1.0 }.share(dx, Onto::Nothing);
}

/// gᵀ·x: the transpose of `[N, out]`, and `[N, in]`, to `[out, in]`.
pub(super) fn weight_gradient(grad: &[f32], x: &[f32], [outputs, inputs]: [usize; 2]) -> Vec<f32> {
    let mut dw = vec![0f32; outputs * inputs];
    let (a, b) = (Matrix::rows(grad, outputs).t(), Right::Matrix(Matrix::rows(x, inputs)));
    Product { a, b, m: outputs, n: inputs, k: x.len() / inputs, alpha: 1.0 }.share(&mut dw, Onto::Nothing);
    dw
}
