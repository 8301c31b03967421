//! Operations on each row of a tensor by itself: LayerNorm, softmax, GELU. Threads share the rows.
//!
//! candle's own versions take several passes on one thread, or subtract nearly equal sums; these keep PyTorch's order
//! of operations (mean first, then the sum of squared differences). None is differentiable.

use candle_core::{CpuStorage, CustomOp1, CustomOp3, DType, Layout, Result, Shape, Tensor};

use super::lanes::LANES;
use super::pool;
use super::softmax::{self, LOWEST, exp};
use super::tier::{Tier, by_tier};

/// Values below which waking other threads costs more than it saves.
const WORTH_SHARING: usize = 1 << 14;

/// Whether the functions here take a tensor: f32 on the CPU, contiguous.
pub fn serves(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32 && x.is_contiguous()
}

/// (x - mean) / √(variance + ε) · weight + bias over the last dimension (Ba et al. 2016, eq. 4).
///
/// # Errors
/// Fails where the shapes do not fit.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    x.apply_op3_no_bwd(weight, bias, &LayerNorm { epsilon: epsilon as f32 })
}

/// exp(x - max) / Σ exp(x - max) over the last dimension; minus infinity becomes exactly 0.
///
/// # Errors
/// Fails where the tensor is not served.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    x.apply_op1_no_bwd(&Softmax)
}

/// 0.5x(1 + tanh(√(2/π)(x + 0.044715x³))) (Hendrycks & Gimpel 2016, section 2; GPT-2's `gelu`).
///
/// # Errors
/// Fails where the tensor is not served.
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    x.apply_op1_no_bwd(&GeluTanh)
}

struct LayerNorm {
    epsilon: f32,
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "kshot-layer-norm"
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
        let (x, width) = rows_of(x, x_layout)?;
        let weight = &weight.as_slice::<f32>()?[weight_layout.start_offset()..][..width];
        let bias = &bias.as_slice::<f32>()?[bias_layout.start_offset()..][..width];
        let mut out = x.to_vec();
        normalise(&mut out, Norm { weight, bias, epsilon: self.epsilon });
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}

/// A LayerNorm.
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a> {
    /// `[K]`.
    pub weight: &'a [f32],
    /// `[K]`.
    pub bias: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

/// LayerNorm of each row of `values` in place.
pub(super) fn normalise(values: &mut [f32], norm: Norm<'_>) {
    for_rows(values, norm.weight.len(), |row| normalise_row(row, norm));
}

by_tier! {
    /// LayerNorm of one row, in place.
    pub(super) fn normalise_row(row: &mut [f32], norm: Norm<'_>) = normalise_body;

    /// GELU in its tanh form, in place.
    pub(super) fn gelu_row(row: &mut [f32]) = gelu_body;
}

/// Some columns of some rows of a product, and what comes after it.
#[derive(Clone, Copy)]
pub(super) struct Finish<'a> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// The products, and values from those of a row to those of the next.
    pub(super) from: (*const f32, usize),
    /// Where the results go, which may be where the products are.
    pub(super) to: (*mut f32, usize),
    /// Added first, to each row.
    pub(super) bias: Option<&'a [f32]>,
    /// GELU in its tanh form after that.
    pub(super) gelu: bool,
    /// Added last: the residual stream, its rows as far apart as those of the results.
    pub(super) residual: Option<*const f32>,
}

/// Finishes a product.
///
/// # Safety
/// The products and the residual stream can be read, the results written.
pub(super) unsafe fn finish(finish: &Finish<'_>) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn avx2(finish: &Finish<'_>) {
            // SAFETY: as the caller has it.
            unsafe { finish_body(finish) }
        }
        #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
        unsafe fn avx512(finish: &Finish<'_>) {
            // SAFETY: as the caller has it.
            unsafe { finish_body(finish) }
        }
        match Tier::current() {
            // SAFETY: the tier in use is one that the processor has; the rest as the caller has it.
            Tier::Avx512 | Tier::Avx512Bf16 => return unsafe { avx512(finish) },
            // SAFETY: as above.
            Tier::Avx2 => return unsafe { avx2(finish) },
            Tier::Scalar => {}
        }
    }
    // SAFETY: as the caller has it.
    unsafe { finish_body(finish) }
}

/// # Safety
/// As for [`finish`].
#[inline(always)]
unsafe fn finish_body(finish: &Finish<'_>) {
    let Finish { rows, columns, from, to, bias, gelu, residual } = *finish;
    let whole = columns / LANES * LANES;
    for row in 0..rows {
        // SAFETY: within the row, as the caller has it.
        unsafe {
            let (from, to, residual) =
                (from.0.add(row * from.1), to.0.add(row * to.1), residual.map(|at| at.add(row * to.1)));
            for at in (0..whole).step_by(LANES) {
                let mut values = from.add(at).cast::<[f32; LANES]>().read_unaligned();
                if let Some(bias) = bias {
                    values.iter_mut().zip(&bias[at..at + LANES]).for_each(|(value, bias)| *value += bias);
                }
                if gelu {
                    values.iter_mut().for_each(|value| *value = gelu_of(*value));
                }
                if let Some(residual) = residual {
                    let onto = residual.add(at).cast::<[f32; LANES]>().read_unaligned();
                    values.iter_mut().zip(onto).for_each(|(value, onto)| *value += onto);
                }
                to.add(at).cast::<[f32; LANES]>().write_unaligned(values);
            }
            for at in whole..columns {
                let mut value = *from.add(at) + bias.map_or(0.0, |bias| bias[at]);
                if gelu {
                    value = gelu_of(value);
                }
                *to.add(at) = value + residual.map_or(0.0, |residual| *residual.add(at));
            }
        }
    }
}

#[inline(always)]
fn normalise_body(row: &mut [f32], norm: Norm<'_>) {
    let width = row.len() as f32;
    let mean = lanes(row, |value| value) / width;
    row.iter_mut().for_each(|value| *value -= mean);
    let variance = lanes(row, |value| value * value) / width;
    let scale = 1.0 / (variance + norm.epsilon).sqrt();
    for ((value, weight), bias) in row.iter_mut().zip(norm.weight).zip(norm.bias) {
        *value = *value * scale * weight + bias;
    }
}

struct Softmax;

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "kshot-softmax"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, width) = rows_of(x, layout)?;
        let mut out = x.to_vec();
        for_rows(&mut out, width, |row| {
            let max = softmax::scan(row).max;
            let scale = (1.0 / softmax::exp_shifted(row, max).total) as f32;
            row.iter_mut().for_each(|value| *value *= scale);
        });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

struct GeluTanh;

impl CustomOp1 for GeluTanh {
    fn name(&self) -> &'static str {
        "kshot-gelu-tanh"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, width) = rows_of(x, layout)?;
        let mut out = x.to_vec();
        for_rows(&mut out, width, gelu_row);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

#[inline(always)]
fn gelu_body(row: &mut [f32]) {
    row.iter_mut().for_each(|value| *value = gelu_of(*value));
}

/// x · σ(2u) is the same as 0.5x(1 + tanh u); the exponential of -2|u| cannot overflow.
#[inline(always)]
fn gelu_of(x: f32) -> f32 {
    const TWO_ROOT_2_OVER_PI: f32 = 1.595_769;
    let doubled = TWO_ROOT_2_OVER_PI * (x + 0.044_715 * x * x * x);
    let falling = exp((-doubled.abs()).max(LOWEST));
    let numerator = if doubled < 0.0 { falling } else { 1.0 };
    x * (numerator / (1.0 + falling))
}

/// Sums over 16 lanes, so that the order of additions is the same on every processor and vectorises.
#[inline(always)]
pub(super) fn sum(row: &[f32]) -> f32 {
    lanes(row, |value| value)
}

/// The same of a function of each value.
#[inline(always)]
pub(super) fn sum_of(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    lanes(row, term)
}

/// The same of a function of two rows.
#[inline(always)]
pub(super) fn sum_of_pairs(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0f32; 16];
    for (a, b) in a.chunks(16).zip(b.chunks(16)) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += term(a, b);
        }
    }
    sums.iter().sum()
}

#[inline(always)]
fn lanes(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0f32; 16];
    for chunk in row.chunks(16) {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += term(value);
        }
    }
    sums.iter().sum()
}

/// The values of a contiguous tensor and the length of its rows.
fn rows_of<'a>(x: &'a CpuStorage, layout: &Layout) -> Result<(&'a [f32], usize)> {
    match (layout.contiguous_offsets(), layout.dims().last()) {
        (Some((start, end)), Some(&width)) => Ok((&x.as_slice::<f32>()?[start..end], width)),
        _ => candle_core::bail!("a row-wise kernel wants a contiguous tensor with rows"),
    }
}

/// Calls `change` with each row of `width` values, on several threads where that pays.
fn for_rows(values: &mut [f32], width: usize, change: impl Fn(&mut [f32]) + Sync + Send) {
    if values.len() < WORTH_SHARING || width == 0 {
        values.chunks_mut(width.max(1)).for_each(change);
        return;
    }
    let rows = (values.len() / width).div_ceil(pool::threads() * 4);
    pool::chunks(values, rows * width, |_, rows| rows.chunks_mut(width).for_each(&change));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use candle_core::{D, Device};

    fn gap(a: &Tensor, b: &Tensor) -> f32 {
        (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
    }

    /// Shapes below and above the sharing limit, with and without remainders; values far from zero.
    fn tensors() -> Vec<Tensor> {
        [(1, 1), (1, 20), (3, 36), (2, 768), (128, 257), (40, 3072)]
            .map(|shape| Tensor::randn(3f32, 5.0, shape, &Device::Cpu).unwrap())
            .to_vec()
    }

    #[test]
    fn layer_norm_equals_the_stock_operation() {
        for x in tensors() {
            let width = x.dim(1).unwrap();
            let weight = Tensor::randn(1f32, 0.5, width, &Device::Cpu).unwrap();
            let bias = Tensor::randn(0f32, 0.5, width, &Device::Cpu).unwrap();
            let stock = candle_nn::ops::layer_norm_slow(&x, &weight, &bias, 1e-5).unwrap();
            assert!(gap(&layer_norm(&x, &weight, &bias, 1e-5).unwrap(), &stock) < 2e-5, "{:?}", x.dims());
        }
    }

    #[test]
    fn softmax_equals_the_stock_operation_and_masks_exactly() {
        for x in tensors() {
            let stock = candle_nn::ops::softmax(&x, D::Minus1).unwrap();
            assert!(gap(&softmax(&x).unwrap(), &stock) < 1e-6, "{:?}", x.dims());
        }
        let masked = Tensor::new(&[[0f32, f32::NEG_INFINITY, 1.0]], &Device::Cpu).unwrap();
        assert_eq!(softmax(&masked).unwrap().to_vec2::<f32>().unwrap()[0][1], 0.0);
    }

    #[test]
    fn gelu_equals_the_formula() {
        for x in tensors() {
            let expected: Vec<f32> = x
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap()
                .into_iter()
                .map(f64::from)
                .map(|x| 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh()))
                .map(|y| y as f32)
                .collect();
            let expected = Tensor::from_vec(expected, x.shape(), &Device::Cpu).unwrap();
            assert!(gap(&gelu_tanh(&x).unwrap(), &expected) < 4e-6, "{:?}", x.dims());
        }
        let hostile = Tensor::new(&[f32::MAX, f32::MIN, 0.0, -0.0, f32::INFINITY], &Device::Cpu).unwrap();
        let got = gelu_tanh(&hostile).unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(&got[..4], &[f32::MAX, 0.0, 0.0, 0.0]);
        assert!(got[4].is_infinite());
        let nan = gelu_tanh(&Tensor::new(&[f32::NAN], &Device::Cpu).unwrap()).unwrap();
        assert!(nan.to_vec1::<f32>().unwrap()[0].is_nan());
    }
}
