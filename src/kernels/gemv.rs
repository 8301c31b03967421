//! x·Wᵀ for a few rows of x: the product a decode step is made of.
//!
//! It reads every weight once and is limited by the memory bus, so all threads share the rows of W; candle's own matmul
//! runs a single row of x on one thread (sarah-quinones/gemm issue 20).

use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

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

/// x `[m, k]`, w `[n, k]`, out `[m, n]`, all row-major. Runs on the rayon pool of the caller.
fn multiply(x: &[f32], w: &[f32], [m, n, k]: [usize; 3], out: &mut [f32]) {
    let rows = Isa::best().rows();
    // Few enough pieces that handing them out costs nothing, enough that an idle thread finds one to take.
    let piece = n.div_ceil(8 * rayon::current_num_threads()).next_multiple_of(UNROLL);
    let share = |out_nm: &mut [f32]| {
        out_nm.par_chunks_mut(piece * m).zip(w.par_chunks(piece * k)).for_each(|(out_nm, w)| {
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

fn rows_scalar(x: &[f32], w: &[f32], k: usize, out: &mut [f32]) {
    body::<16, false>(x, w, k, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn rows_avx2(x: &[f32], w: &[f32], k: usize, out: &mut [f32]) {
    body::<16, true>(x, w, k, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn rows_avx512(x: &[f32], w: &[f32], k: usize, out: &mut [f32]) {
    body::<32, true>(x, w, k, out);
}

#[inline(always)]
fn body<const LANES: usize, const FMA: bool>(x: &[f32], w: &[f32], k: usize, out: &mut [f32]) {
    let m = x.len() / k;
    for (w, out) in w.chunks(UNROLL * k).zip(out.chunks_mut(UNROLL * m)) {
        let count = w.len() / k;
        // A short group at the end walks its last row more than once; only its own sums are kept.
        let rows: [&[f32]; UNROLL] = std::array::from_fn(|j| &w[j.min(count - 1) * k..][..k]);
        for (i, x) in x.chunks_exact(k).enumerate() {
            let sums = dots::<LANES, FMA>(rows, x);
            out[i..].iter_mut().step_by(m).zip(sums).for_each(|(to, sum)| *to = sum);
        }
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
        let gap = (apply(&x, &w).unwrap() - x.matmul(&w.t().unwrap()).unwrap()).unwrap().abs().unwrap();
        assert!(gap.max_all().unwrap().to_scalar::<f32>().unwrap() < 1e-4);
    }
}
