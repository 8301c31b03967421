//! LayerNorm (Ba et al. 2016, eq. 4) and its gradients.
//!
//! With x̂ = (x − μ)/σ and h = g∘w: dx = (h − mean(h) − x̂·mean(h∘x̂))/σ, dw = Σ g∘x̂ and db = Σ g over rows.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::{add_parts, parts, rows, storage, tensor_like, values, with_values};
use crate::kernels::tier::by_tier;
use crate::kernels::{pool, rowwise};

/// (x − mean)/√(variance + ε) · weight + bias over the last dimension: `[N, C]` to `[N, C]`.
///
/// # Errors
/// Fails where the shapes do not fit.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    x.apply_op3(weight, bias, LayerNorm { epsilon: epsilon as f32 })
}

struct LayerNorm {
    epsilon: f32,
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "kshot-train-layer-norm"
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
        let (_, width) = rows(x_layout.shape())?;
        let (x, weight, bias) = (values(x, x_layout)?, values(weight, weight_layout)?, values(bias, bias_layout)?);
        if weight.len() != width || bias.len() != width {
            candle_core::bail!("kshot-train-layer-norm: rows of {width}, weight {}, bias {}", weight.len(), bias.len());
        }
        let mut out = pool::zeros(x.len());
        forward(x, weight, bias, self.epsilon, &mut out);
        Ok(storage(out, x_layout.shape()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dw, db) = with_values(x, |x| {
            with_values(weight, |weight| {
                with_values(grad, |grad| {
                    let mut dx = pool::zeros(x.len());
                    let [dw, db] = backward(x, weight, grad, None, self.epsilon, &mut dx);
                    Ok((dx, dw, db))
                })
            })
        })?;
        Ok((Some(tensor_like(dx, x)?), Some(tensor_like(dw, weight)?), Some(tensor_like(db, bias)?)))
    }
}

/// x normalised, to out.
pub(super) fn forward(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) {
    let width = weight.len();
    pool::chunks(out, 64 * width, |index, stretch| {
        let x = &x[index * 64 * width..][..stretch.len()];
        for (out, x) in stretch.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            normalise(x, weight, bias, epsilon, out);
        }
    });
}

/// The gradient of x to dx, with `onto` added where x went past the layer too, and those of weight and bias.
pub(super) fn backward(
    x: &[f32],
    weight: &[f32],
    grad: &[f32],
    onto: Option<&[f32]>,
    epsilon: f32,
    dx: &mut [f32],
) -> [Vec<f32>; 2] {
    let width = weight.len();
    let parts: Vec<_> = parts(x.len() / width).collect();
    let places = pool::Places::of(dx);
    let mut partial = vec![0f32; parts.len() * 2 * width];
    pool::chunks(&mut partial, 2 * width, |index, sums| {
        let (first, count) = parts[index];
        for row in first..first + count {
            let at = row * width..(row + 1) * width;
            // SAFETY: each row belongs to one part.
            let dx = unsafe { std::slice::from_raw_parts_mut(places.at(row * width), width) };
            row_gradient(&x[at.clone()], weight, &grad[at.clone()], epsilon, dx, sums);
            if let Some(onto) = onto {
                dx.iter_mut().zip(&onto[at]).for_each(|(dx, onto)| *dx += onto);
            }
        }
    });
    let mut dw = add_parts(&partial, 2 * width);
    let db = dw.split_off(width);
    [dw, db]
}

by_tier! {
    fn normalise(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) = normalise_body;

    /// dx of a row, and its share of dw and db added to `sums`.
    fn row_gradient(x: &[f32], weight: &[f32], grad: &[f32], epsilon: f32, dx: &mut [f32], sums: &mut [f32]) =
        row_gradient_body;
}

#[inline(always)]
fn normalise_body(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) {
    let (mean, scale) = moments(x, epsilon);
    for (((out, x), weight), bias) in out.iter_mut().zip(x).zip(weight).zip(bias) {
        *out = (x - mean) * scale * weight + bias;
    }
}

/// Mean and 1/√(variance + ε) of a row.
#[inline(always)]
fn moments(x: &[f32], epsilon: f32) -> (f32, f32) {
    let width = x.len() as f32;
    let mean = rowwise::sum(x) / width;
    let variance = rowwise::sum_of(x, |value| (value - mean) * (value - mean)) / width;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

#[inline(always)]
fn row_gradient_body(x: &[f32], weight: &[f32], grad: &[f32], epsilon: f32, dx: &mut [f32], sums: &mut [f32]) {
    let width = x.len() as f32;
    let (mean, scale) = moments(x, epsilon);
    let (dw, db) = sums.split_at_mut(x.len());
    for (((((dx, x), weight), grad), dw), db) in dx.iter_mut().zip(x).zip(weight).zip(grad).zip(dw).zip(db) {
        *dw += grad * (x - mean) * scale;
        *db += grad;
        *dx = grad * weight;
    }
    let along_one = rowwise::sum(dx) / width;
    let along_x = rowwise::sum_of_pairs(dx, x, |h, x| h * (x - mean)) * scale / width;
    for (dx, x) in dx.iter_mut().zip(x) {
        *dx = (*dx - along_one - (x - mean) * scale * along_x) * scale;
    }
}
