//! Dot products of one vector with contiguous rows: a query with the keys of a cache.

use super::lanes::{self, LANES};
use super::tier::Tier;

/// Rows that are read side by side, so that several cache lines are in flight.
const UNROLL: usize = 4;

/// Groups of rows by which prefetching runs ahead: each row is too short for the hardware prefetcher.
const AHEAD: usize = 4;

/// Products of x `[k]` with all rows of w `[n, k]`, on this thread: `[n]`.
///
/// # Panics
/// Where the lengths do not fit.
pub(super) fn rows(x: &[f32], w: &[f32], out: &mut [f32]) {
    assert_eq!(w.len(), x.len() * out.len());
    // SAFETY: the tier in use is one that this processor has.
    unsafe { kernel(Tier::current())(x, w, out) }
}

/// Products of rows of W `[r, k]` with x `[k]`.
type Rows = unsafe fn(x: &[f32], w: &[f32], out: &mut [f32]);

fn kernel(tier: Tier) -> Rows {
    match tier {
        Tier::Scalar => rows_scalar,
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => rows_avx2,
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 | Tier::Avx512Bf16 => rows_avx512,
        #[cfg(not(target_arch = "x86_64"))]
        _ => rows_scalar,
    }
}

fn rows_scalar(x: &[f32], w: &[f32], out: &mut [f32]) {
    groups(x, w, out, |rows, x| rows.map(|row| row.iter().zip(x).map(|(&w, &x)| w * x).sum()));
}

/// # Safety
/// Only on processors with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn rows_avx2(x: &[f32], w: &[f32], out: &mut [f32]) {
    use std::arch::x86_64::*;
    groups(x, w, out, |rows, x| {
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
        // The four sums at once: pairs of rows side by side, then fours, then the halves of the register.
        let [a, b, c, d] = lanes.map(|[a, b]| _mm256_add_ps(a, b));
        let ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
        let (ab, cd) = (_mm256_castps_pd(ab), _mm256_castps_pd(cd));
        let (low, high) = (_mm256_unpacklo_pd(ab, cd), _mm256_unpackhi_pd(ab, cd));
        let eight = _mm256_add_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high));
        let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
        let mut sums = [0f32; UNROLL];
        // SAFETY: four values each.
        unsafe { _mm_storeu_ps(sums.as_mut_ptr(), four) };
        with_rest(sums, rows, x, whole)
    });
}

/// # Safety
/// Only on processors with AVX-512F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn rows_avx512(x: &[f32], w: &[f32], out: &mut [f32]) {
    use std::arch::x86_64::*;
    groups(x, w, out, |rows, x| {
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
        // The four sums at once, as above.
        let [a, b, c, d] = lanes.map(|[a, b]| _mm512_add_ps(a, b));
        let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
        let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
        let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
        let (low, high) = (_mm512_unpacklo_pd(ab, cd), _mm512_unpackhi_pd(ab, cd));
        let sixteen = _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
        let upper = _mm512_castps_pd(sixteen);
        let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(upper));
        let eight = _mm256_add_ps(_mm512_castps512_ps256(sixteen), upper);
        let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
        let mut sums = [0f32; UNROLL];
        // SAFETY: four values each.
        unsafe { _mm_storeu_ps(sums.as_mut_ptr(), four) };
        with_rest(sums, rows, x, whole)
    });
}

/// Walks W in groups of rows: `dots` gives the products of each group with x.
#[inline(always)]
fn groups(x: &[f32], w: &[f32], out: &mut [f32], dots: impl Fn([&[f32]; UNROLL], &[f32]) -> [f32; UNROLL]) {
    let k = x.len();
    for (w, out) in w.chunks(UNROLL * k).zip(out.chunks_mut(UNROLL)) {
        let count = out.len();
        for line in w.chunks(LANES) {
            lanes::prefetch_l2(line.as_ptr().wrapping_add(AHEAD * UNROLL * k).cast());
        }
        // A short group at the end walks its last row more than once; only its own sums are kept.
        let rows: [&[f32]; UNROLL] = std::array::from_fn(|j| &w[j.min(count - 1) * k..][..k]);
        out.copy_from_slice(&dots(rows, x)[..count]);
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
    use super::*;
    use crate::kernels::noise;

    /// Every tier of this machine against sums in f64, over sizes with and without remainders.
    #[test]
    fn every_tier_equals_the_textbook() {
        for (n, k) in [(1, 1), (5, 31), (7, 33), (4, 64), (9, 100), (2, 1600), (13, 20)] {
            let (x, w) = (noise(1, k), noise(2, n * k));
            for tier in Tier::runnable() {
                let mut out = vec![f32::NAN; n];
                // SAFETY: the tier is one that this machine has.
                unsafe { kernel(tier)(&x, &w, &mut out) };
                for (row, &got) in out.iter().enumerate() {
                    let exact: f64 = x.iter().zip(&w[row * k..]).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
                    assert!((f64::from(got) - exact).abs() < 1e-4, "{tier:?} [{n}, {k}] at {row}: {got} for {exact}");
                }
            }
        }
    }
}
