//! x·Wᵀ for a few rows of x: the product a decode step is made of.
//!
//! It reads every weight once and is limited by the memory bus, so all threads share the rows of W; candle's own matmul
//! runs a single row of x on one thread (sarah-quinones/gemm issue 20).

use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor};

use super::share;

/// Most rows of x it takes; with more, a matrix product over tiles is faster.
pub const MAX_ROWS: usize = 8;

/// Rows of W that are walked side by side, so that several cache lines are in flight.
const UNROLL: usize = 4;

/// Whether [`apply`] takes these tensors: f32 on the CPU, both contiguous, at most [`MAX_ROWS`] rows of x.
pub fn serves(x: &Tensor, weight: &Tensor) -> bool {
    x.dims2().is_ok_and(|(rows, _)| rows <= MAX_ROWS)
        && x.device().is_cpu()
        && x.dtype() == DType::F32
        && weight.dtype() == DType::F32
        && x.is_contiguous()
        && weight.is_contiguous()
}

/// `[m, k]` times the transpose of `[n, k]`, plus `[n]` where there is a bias, to `[m, n]`. Not differentiable.
///
/// # Errors
/// Fails where the shapes do not fit.
pub fn apply(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    match bias {
        Some(bias) => x.apply_op3_no_bwd(weight, bias, &Gemv),
        None => x.apply_op2_no_bwd(weight, &Gemv),
    }
}

struct Gemv;

impl CustomOp3 for Gemv {
    fn name(&self) -> &'static str {
        "kshot-gemv"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (mut product, shape) = CustomOp2::cpu_fwd(self, x, x_layout, w, w_layout)?;
        let (_, n) = shape.dims2()?;
        let Some((start, end)) = bias_layout.contiguous_offsets().filter(|(start, end)| end - start == n) else {
            candle_core::bail!("kshot-gemv: the bias is {:?} and W has {n} rows", bias_layout.shape());
        };
        let bias = &bias.as_slice::<f32>()?[start..end];
        if let CpuStorage::F32(out) = &mut product {
            for row in out.chunks_exact_mut(n) {
                row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
            }
        }
        Ok((product, shape))
    }
}

impl CustomOp2 for Gemv {
    fn name(&self) -> &'static str {
        "kshot-gemv"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((m, k), (n, wk)) = (x_layout.shape().dims2()?, w_layout.shape().dims2()?);
        if k != wk {
            candle_core::bail!("kshot-gemv: x is [{m}, {k}] and W is [{n}, {wk}]");
        }
        let x = &x.as_slice::<f32>()?[x_layout.start_offset()..][..m * k];
        let w = &w.as_slice::<f32>()?[w_layout.start_offset()..][..n * k];
        let mut out = vec![0f32; m * n];
        multiply(x, w, [m, n, k], &mut out);
        Ok((CpuStorage::F32(out), (m, n).into()))
    }
}

/// Products of one x `[k]` with all rows of w `[n, k]` on this thread: `[n]`.
pub(super) fn rows(x: &[f32], w: &[f32], out: &mut [f32]) {
    debug_assert_eq!(w.len(), x.len() * out.len());
    // SAFETY: the code was picked for this processor.
    unsafe { Isa::best().rows()(x, w, x.len(), out) }
}

/// x `[m, k]`, w `[n, k]`, out `[m, n]`, all row-major. Shared among all threads.
fn multiply(x: &[f32], w: &[f32], [m, n, k]: [usize; 3], out: &mut [f32]) {
    let rows = Isa::best().rows();
    // Few enough pieces that handing them out costs nothing, enough that an idle thread finds one to take.
    let piece = n.div_ceil(8 * share::threads()).next_multiple_of(UNROLL);
    let share = |out_nm: &mut [f32]| {
        share::chunks(out_nm, piece * m, |index, out_nm| {
            let w = &w[index * piece * k..][..out_nm.len() / m * k];
            // SAFETY: `rows` was picked for this processor.
            unsafe { rows(x, w, k, out_nm) }
        });
    };
    if m == 1 {
        share(out);
    } else {
        // Each thread owns whole rows of W, so the products come out transposed.
        let mut out_nm = vec![0f32; m * n];
        share(&mut out_nm);
        for (i, row) in out.chunks_exact_mut(n).enumerate() {
            row.iter_mut().zip(out_nm[i..].iter().step_by(m)).for_each(|(to, from)| *to = *from);
        }
    }
}

/// Products of rows of W `[r, k]` with all rows of x `[m, k]`, as `[r, m]`.
type Rows = unsafe fn(x: &[f32], w: &[f32], k: usize, out: &mut [f32]);

/// The instruction set that the products use on this processor: `avx512`, `avx2` or `scalar`.
pub fn tier() -> &'static str {
    Isa::best().name()
}

/// Instruction sets there is code for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Isa {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        Self::Scalar
    }

    fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
        }
    }

    fn rows(self) -> Rows {
        match self {
            Self::Scalar => rows_scalar,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => rows_avx2,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => rows_avx512,
        }
    }
}

fn rows_scalar(x: &[f32], w: &[f32], k: usize, out: &mut [f32]) {
    groups(x, w, k, out, |rows, x| rows.map(|row| row.iter().zip(x).map(|(&w, &x)| w * x).sum()));
}

/// # Safety
/// Only on processors with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn rows_avx2(x: &[f32], w: &[f32], k: usize, out: &mut [f32]) {
    use std::arch::x86_64::*;
    groups(x, w, k, out, |rows, x| {
        let mut lanes = [[_mm256_setzero_ps(); 2]; UNROLL];
        let whole = x.len() / 16 * 16;
        for at in (0..whole).step_by(16) {
            // SAFETY: `at + 16` is at most the length of x and of each row.
            unsafe {
                let (x0, x1) = (_mm256_loadu_ps(x.as_ptr().add(at)), _mm256_loadu_ps(x.as_ptr().add(at + 8)));
                for (lane, row) in lanes.iter_mut().zip(rows) {
                    lane[0] = _mm256_fmadd_ps(_mm256_loadu_ps(row.as_ptr().add(at)), x0, lane[0]);
                    lane[1] = _mm256_fmadd_ps(_mm256_loadu_ps(row.as_ptr().add(at + 8)), x1, lane[1]);
                }
            }
        }
        let sums = lanes.map(|[a, b]| {
            let eight = _mm256_add_ps(a, b);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        });
        with_rest(sums, rows, x, whole)
    });
}

/// # Safety
/// Only on processors with AVX-512F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn rows_avx512(x: &[f32], w: &[f32], k: usize, out: &mut [f32]) {
    use std::arch::x86_64::*;
    groups(x, w, k, out, |rows, x| {
        let mut lanes = [[_mm512_setzero_ps(); 2]; UNROLL];
        let whole = x.len() / 32 * 32;
        for at in (0..whole).step_by(32) {
            // SAFETY: `at + 32` is at most the length of x and of each row.
            unsafe {
                let (x0, x1) = (_mm512_loadu_ps(x.as_ptr().add(at)), _mm512_loadu_ps(x.as_ptr().add(at + 16)));
                for (lane, row) in lanes.iter_mut().zip(rows) {
                    lane[0] = _mm512_fmadd_ps(_mm512_loadu_ps(row.as_ptr().add(at)), x0, lane[0]);
                    lane[1] = _mm512_fmadd_ps(_mm512_loadu_ps(row.as_ptr().add(at + 16)), x1, lane[1]);
                }
            }
        }
        let sums = lanes.map(|[a, b]| _mm512_reduce_add_ps(_mm512_add_ps(a, b)));
        with_rest(sums, rows, x, whole)
    });
}

/// Walks W in groups of rows: `dots` gives the products of each group with one row of x.
#[inline(always)]
fn groups(x: &[f32], w: &[f32], k: usize, out: &mut [f32], dots: impl Fn([&[f32]; UNROLL], &[f32]) -> [f32; UNROLL]) {
    let m = x.len() / k;
    for (w, out) in w.chunks(UNROLL * k).zip(out.chunks_mut(UNROLL * m)) {
        let count = w.len() / k;
        // A short group at the end walks its last row more than once; only its own sums are kept.
        let rows: [&[f32]; UNROLL] = std::array::from_fn(|j| &w[j.min(count - 1) * k..][..k]);
        for (i, x) in x.chunks_exact(k).enumerate() {
            let sums = dots(rows, x);
            out[i..].iter_mut().step_by(m).zip(sums).for_each(|(to, sum)| *to = sum);
        }
    }
}

/// Adds the products from `whole` on, which fill no register.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn with_rest(mut sums: [f32; UNROLL], rows: [&[f32]; UNROLL], x: &[f32], whole: usize) -> [f32; UNROLL] {
    for (sum, row) in sums.iter_mut().zip(rows) {
        *sum += row[whole..].iter().zip(&x[whole..]).map(|(&w, &x)| w * x).sum::<f32>();
    }
    sums
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// Every instruction set that this machine has, against a sum in f64, over sizes with and without remainders.
    #[test]
    fn every_tier_equals_the_textbook() {
        let tiers = [
            Isa::Scalar,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512,
        ];
        let best = tiers.iter().position(|tier| *tier == Isa::best()).unwrap();
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        for (m, n, k) in [(1, 1, 1), (1, 5, 31), (2, 7, 33), (3, 4, 64), (8, 9, 100), (1, 2, 1600), (4, 13, 20)] {
            let x: Vec<f32> = (0..m * k).map(|_| next()).collect();
            let w: Vec<f32> = (0..n * k).map(|_| next()).collect();
            for tier in &tiers[..=best] {
                let mut out = vec![f32::NAN; m * n];
                // SAFETY: the tier is at most the best one.
                unsafe { tier.rows()(&x, &w, k, &mut out) };
                for (index, &got) in out.iter().enumerate() {
                    let (j, i) = (index / m, index % m);
                    let expected: f64 = (0..k).map(|l| f64::from(x[i * k + l]) * f64::from(w[j * k + l])).sum();
                    assert!(
                        (f64::from(got) - expected).abs() < 1e-4,
                        "{tier:?} [{m}, {n}, {k}] at {i}, {j}: {got} for {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn it_equals_matmul_in_a_view() {
        let device = candle_core::Device::Cpu;
        let x = Tensor::randn(0f32, 1.0, (5, 48), &device).unwrap().narrow(0, 2, 3).unwrap();
        let w = Tensor::randn(0f32, 1.0, (101, 48), &device).unwrap();
        assert!(serves(&x, &w));
        let gap = (apply(&x, &w, None).unwrap() - x.matmul(&w.t().unwrap()).unwrap()).unwrap().abs().unwrap();
        assert!(gap.max_all().unwrap().to_scalar::<f32>().unwrap() < 1e-4);
        let bias = Tensor::randn(0f32, 1.0, 101, &device).unwrap();
        let added = apply(&x, &w, None).unwrap().broadcast_add(&bias).unwrap();
        let gap = (apply(&x, &w, Some(&bias)).unwrap() - added).unwrap().abs().unwrap();
        assert_eq!(gap.max_all().unwrap().to_scalar::<f32>().unwrap(), 0.0);
        assert!(apply(&x, &w, Some(&bias.narrow(0, 0, 7).unwrap())).is_err());
    }
}
