//! x·Wᵀ for a few rows of x: the product a decode step is made of.
//!
//! It reads every weight once and is limited by the memory bus, so all threads share the rows of W; candle's own matmul
//! runs a single row of x on one thread (sarah-quinones/gemm issue 20).

use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor};

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

/// `[m, k]` times the transpose of `[n, k]` to `[m, n]`. Not differentiable.
///
/// # Errors
/// Fails where the shapes do not fit.
pub fn apply(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    x.apply_op2_no_bwd(weight, &Gemv)
}

struct Gemv;

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

/// x `[m, k]`, w `[n, k]`, out `[m, n]`, all row-major.
fn multiply(x: &[f32], w: &[f32], [m, n, k]: [usize; 3], out: &mut [f32]) {
    let rows = Isa::best().rows();
    let shared = SharedOut(out.as_mut_ptr());
    candle_core::utils::barrier_pool().execute_chunked(n.div_ceil(UNROLL), |groups| {
        let range = groups.start * UNROLL..(groups.end * UNROLL).min(n);
        let part = Part { x, w, m, n, k };
        // SAFETY: `rows` was picked for this processor; the pool hands out each group once, so that the elements
        // `[.., range]` that this call writes are written by nobody else, and `out` outlives the call.
        unsafe { rows(&part, range, &shared) }
    });
}

struct Part<'a> {
    x: &'a [f32],
    w: &'a [f32],
    m: usize,
    n: usize,
    k: usize,
}

/// The output, written by several threads at different places.
struct SharedOut(*mut f32);

// SAFETY: every thread writes only the columns it was handed (see `multiply`).
unsafe impl Sync for SharedOut {}

type Rows = unsafe fn(&Part<'_>, std::ops::Range<usize>, &SharedOut);

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

/// # Safety
/// The caller owns the columns `range` of the output, which holds m·n values.
unsafe fn rows_scalar(part: &Part<'_>, range: std::ops::Range<usize>, out: &SharedOut) {
    // SAFETY: handed on.
    unsafe { body::<16, false>(part, range, out) }
}

/// # Safety
/// As for [`rows_scalar`], on a processor with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn rows_avx2(part: &Part<'_>, range: std::ops::Range<usize>, out: &SharedOut) {
    // SAFETY: handed on.
    unsafe { body::<16, true>(part, range, out) }
}

/// # Safety
/// As for [`rows_scalar`], on a processor with AVX-512F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn rows_avx512(part: &Part<'_>, range: std::ops::Range<usize>, out: &SharedOut) {
    // SAFETY: handed on.
    unsafe { body::<32, true>(part, range, out) }
}

#[inline(always)]
unsafe fn body<const LANES: usize, const FMA: bool>(part: &Part<'_>, range: std::ops::Range<usize>, out: &SharedOut) {
    let &Part { x, w, m, n, k } = part;
    let row = |index: usize| &w[index * k..(index + 1) * k];
    let mut first = range.start;
    while first < range.end {
        let count = UNROLL.min(range.end - first);
        // A short group at the end walks its last row more than once; only its own sums are kept.
        let rows: [&[f32]; UNROLL] = std::array::from_fn(|i| row(first + i.min(count - 1)));
        for (i, x_row) in x.chunks_exact(k).enumerate().take(m) {
            let sums = dots::<LANES, FMA>(rows, x_row);
            for (j, sum) in sums.into_iter().enumerate().take(count) {
                // SAFETY: i < m and first + j < n, within the m·n values; the column is the caller's own.
                unsafe { out.0.add(i * n + first + j).write(sum) };
            }
        }
        first += count;
    }
}

#[inline(always)]
fn dots<const LANES: usize, const FMA: bool>(rows: [&[f32]; UNROLL], x: &[f32]) -> [f32; UNROLL] {
    let mut lanes = [[0f32; LANES]; UNROLL];
    let whole = x.len() / LANES * LANES;
    let mut at = 0;
    while at < whole {
        let x_part = &x[at..at + LANES];
        for (lane, row) in lanes.iter_mut().zip(rows) {
            let w_part = &row[at..at + LANES];
            for ((sum, &w), &x) in lane.iter_mut().zip(w_part).zip(x_part) {
                *sum = if FMA { w.mul_add(x, *sum) } else { w * x + *sum };
            }
        }
        at += LANES;
    }
    let mut sums = lanes.map(|lane| lane.iter().sum::<f32>());
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
                // SAFETY: the tier is at most the best one; the whole output is this call's own.
                unsafe { tier.rows()(&Part { x: &x, w: &w, m, n, k }, 0..n, &SharedOut(out.as_mut_ptr())) };
                for (index, &got) in out.iter().enumerate() {
                    let (i, j) = (index / n, index % n);
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
        let gap = (apply(&x, &w).unwrap() - x.matmul(&w.t().unwrap()).unwrap()).unwrap().abs().unwrap();
        assert!(gap.max_all().unwrap().to_scalar::<f32>().unwrap() < 1e-4);
    }
}
