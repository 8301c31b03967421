//! LayerNorm (Ba et al. 2016, eq. 4) and its gradients.
//!
//! With x̂ = (x − μ)/σ and h = g∘w: dx = (h − mean(h) − x̂·mean(h∘x̂))/σ, dw = Σ g∘x̂ and db = Σ g over rows.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::{add_parts, column_sums, parts, rows, storage, tensor_like, values, with_values};
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
        pool::chunks(&mut out, 64 * width, |index, stretch| {
            let x = &x[index * 64 * width..][..stretch.len()];
            for (out, x) in stretch.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                let (mean, scale) = moments(x, self.epsilon);
                for (((out, x), weight), bias) in out.iter_mut().zip(x).zip(weight).zip(bias) {
                    *out = (x - mean) * scale * weight + bias;
                }
            }
        });
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
        let (n, width) = rows(x.shape())?;
        let parts: Vec<_> = parts(n).collect();
        let (dx, dw, db) = with_values(x, |x| {
            with_values(weight, |weight| {
                with_values(grad, |grad| {
                    // Rows of dx and the partial sums of dw lie in one buffer a part, so that a part is one task.
                    let length = parts.first().map_or(0, |(_, count)| *count);
                    let block = (length + 1) * width;
                    let mut out = pool::zeros(parts.len() * block);
                    pool::chunks(&mut out, block, |index, stretch| {
                        let (first, count) = parts[index];
                        let (dw, dx) = stretch.split_at_mut(width);
                        for row in 0..count {
                            let at = (first + row) * width..(first + row + 1) * width;
                            let dx = &mut dx[row * width..(row + 1) * width];
                            row_gradient(&x[at.clone()], weight, &grad[at], self.epsilon, dx, dw);
                        }
                    });
                    let mut dx = pool::zeros(x.len());
                    pool::chunks(&mut dx, length.max(1) * width, |index, rows| {
                        rows.copy_from_slice(&out[index * block + width..][..rows.len()]);
                    });
                    let dw: Vec<f32> = out.chunks_exact(block).flat_map(|part| &part[..width]).copied().collect();
                    Ok((dx, add_parts(&dw, width), column_sums(grad, width)))
                })
            })
        })?;
        Ok((Some(tensor_like(dx, x)?), Some(tensor_like(dw, weight)?), Some(tensor_like(db, bias)?)))
    }
}

by_tier! {
    /// Mean and 1/√(variance + ε) of a row.
    fn moments(x: &[f32], epsilon: f32) -> (f32, f32) = moments_body;

    fn row_gradient(x: &[f32], weight: &[f32], grad: &[f32], epsilon: f32, dx: &mut [f32], dw: &mut [f32]) =
        row_gradient_body;
}

#[inline(always)]
fn moments_body(x: &[f32], epsilon: f32) -> (f32, f32) {
    let width = x.len() as f32;
    let mean = rowwise::sum(x) / width;
    let variance = rowwise::sum_of(x, |value| (value - mean) * (value - mean)) / width;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

#[inline(always)]
fn row_gradient_body(x: &[f32], weight: &[f32], grad: &[f32], epsilon: f32, dx: &mut [f32], dw: &mut [f32]) {
    let width = x.len() as f32;
    let (mean, scale) = moments_body(x, epsilon);
    for ((((dx, x), weight), grad), dw) in dx.iter_mut().zip(x).zip(weight).zip(grad).zip(dw) {
        *dw += grad * (x - mean) * scale;
        *dx = grad * weight;
    }
    let along_one = rowwise::sum(dx) / width;
    let along_x = rowwise::sum_of_pairs(dx, x, |h, x| h * (x - mean)) * scale / width;
    for (dx, x) in dx.iter_mut().zip(x) {
        *dx = (*dx - along_one - (x - mean) * scale * along_x) * scale;
    }
}
