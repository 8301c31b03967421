//! GELU in its tanh form and its gradient.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{storage, tensor_like, values, with_values};
use crate::kernels::softmax::{LOWEST, exp};
use crate::kernels::tier::by_tier;
use crate::kernels::{pool, rowwise};

/// Values a thread takes at a time.
const STRETCH: usize = 1 << 13;

/// 0.5x(1 + tanh u) with u = √(2/π)(x + 0.044715x³).
///
/// # Errors
/// Fails where the tensor is not contiguous f32 on the CPU.
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    x.apply_op1(GeluTanh)
}

struct GeluTanh;

impl CustomOp1 for GeluTanh {
    fn name(&self) -> &'static str {
        "kshot-train-gelu-tanh"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(x, layout)?;
        let mut out = pool::zeros(x.len());
        forward(x, &mut out);
        Ok(storage(out, layout.shape()))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let dx = with_values(x, |x| {
            with_values(grad, |grad| {
                let (mut dx, mut again) = (grad.to_vec(), pool::zeros(x.len()));
                backward(x, &mut dx, &mut again);
                Ok(dx)
            })
        })?;
        Ok(Some(tensor_like(dx, x)?))
    }
}

/// GELU of x to out.
pub(super) fn forward(x: &[f32], out: &mut [f32]) {
    pool::chunks(out, STRETCH, |index, stretch| {
        stretch.copy_from_slice(&x[index * STRETCH..][..stretch.len()]);
        rowwise::gelu_row(stretch);
    });
}

/// The gradient of x in place of the gradient of the result, and the result again to `again`.
pub(super) fn backward(x: &[f32], grad: &mut [f32], again: &mut [f32]) {
    let places = pool::Places::of(again);
    pool::chunks(grad, STRETCH, |index, grad| {
        let at = index * STRETCH;
        // SAFETY: stretches of `again` are written as those of `grad`, by one thread each.
        let again = unsafe { std::slice::from_raw_parts_mut(places.at(at), grad.len()) };
        slope(&x[at..][..grad.len()], grad, again);
    });
}

by_tier! {
    fn slope(x: &[f32], grad: &mut [f32], again: &mut [f32]) = slope_body;
}

/// d/dx xσ(2u) = σ + x·σ(1 − σ)·2u', where 0.5(1 + tanh u) = σ(2u); the exponential of −2|u| cannot overflow.
#[inline(always)]
fn slope_body(x: &[f32], grad: &mut [f32], again: &mut [f32]) {
    const TWO_ROOT_2_OVER_PI: f32 = 1.595_769;
    for ((grad, again), &x) in grad.iter_mut().zip(again).zip(x) {
        let square = x * x;
        let doubled = TWO_ROOT_2_OVER_PI * x * (1.0 + 0.044_715 * square);
        let falling = exp((-doubled.abs()).max(LOWEST));
        let numerator = if doubled < 0.0 { falling } else { 1.0 };
        let sigmoid = numerator / (1.0 + falling);
        let rise = TWO_ROOT_2_OVER_PI * (1.0 + 3.0 * 0.044_715 * square);
        *again = x * sigmoid;
        *grad *= sigmoid + x * sigmoid * (1.0 - sigmoid) * rise;
    }
}
