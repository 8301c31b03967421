//! One token: a dot product with every key, a softmax, a weighted sum of the values.

use super::Job;
use crate::kernels::lanes::{self, Floats, LANES, ScalarFloats};
#[cfg(target_arch = "x86_64")]
use crate::kernels::lanes::{Avx2Floats, Avx512Floats};
use crate::kernels::tier::Tier;
use crate::kernels::{dots, softmax};

/// Cache lines that are prefetched before a sum starts: as far ahead as its own prefetching would be.
const FIRST: usize = 64;

pub(super) fn attend(job: &Job<'_>) {
    let out = job.out(0);
    let mut scores = vec![0f32; job.start + 1];
    let shared = job.keys[0].len() / job.width;
    for (keys, weights) in job.keys.into_iter().zip([0..shared, shared..job.start + 1]) {
        dots::rows(job.query(0), keys, &mut scores[weights]);
    }
    // The weighted sums below start with these, right after the softmax.
    prefetch(job.values.into_iter().flat_map(|values| values.chunks(LANES)));
    scores.iter_mut().for_each(|score| *score *= job.scale);
    let max = softmax::scan(&scores).max;
    let total = softmax::exp_shifted(&mut scores, max).total;
    prefetch(job.next.chunks(LANES));
    out.fill(0.0);
    let (first, behind) = scores.split_at(shared);
    weighted_sum(first, job.values[0], out);
    weighted_sum(behind, job.values[1], out);
    let share = (1.0 / total) as f32;
    out.iter_mut().for_each(|value| *value *= share);
}

/// Prefetches what is read next into the L2 cache.
fn prefetch<'a>(lines: impl Iterator<Item = &'a [f32]>) {
    lines.take(FIRST).for_each(|line| lanes::prefetch_l2(line.as_ptr().cast()));
}

/// Adds Σ weight · row to `out`, for rows as long as it.
fn weighted_sum(weights: &[f32], rows: &[f32], out: &mut [f32]) {
    assert_eq!(rows.len(), weights.len() * out.len());
    match Tier::current() {
        // SAFETY: the tier is one that this processor has, and the lengths were just compared.
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 | Tier::Avx512Bf16 => unsafe { avx512(weights, rows, out) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => unsafe { avx2(weights, rows, out) },
        // SAFETY: as above.
        _ => unsafe { body::<ScalarFloats>(weights, rows, out) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2(weights: &[f32], rows: &[f32], out: &mut [f32]) {
    // SAFETY: as the caller has it.
    unsafe { body::<Avx2Floats>(weights, rows, out) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn avx512(weights: &[f32], rows: &[f32], out: &mut [f32]) {
    // SAFETY: as the caller has it.
    unsafe { body::<Avx512Floats>(weights, rows, out) }
}

/// A part of `out` stays in registers while all rows are added to it.
///
/// # Safety
/// `rows` holds a row of the length of `out` for each weight.
#[inline(always)]
unsafe fn body<F: Floats>(weights: &[f32], rows: &[f32], out: &mut [f32]) {
    const PART: usize = 4;
    let width = out.len();
    let mut at = 0;
    while at + PART * LANES <= width {
        // SAFETY: the part lies within every row.
        unsafe {
            let mut sums = [F::zero(); PART];
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum = F::load(out.as_ptr().add(at + lane * LANES));
            }
            for (row, weight) in weights.iter().enumerate() {
                let from = rows.as_ptr().add(row * width + at);
                for (lane, sum) in sums.iter_mut().enumerate() {
                    F::prefetch(from.wrapping_add(16 * width + lane * LANES).cast());
                    *sum = sum.mul_add(F::load(from.add(lane * LANES)), F::splat(weight));
                }
            }
            for (lane, sum) in sums.into_iter().enumerate() {
                sum.store(out.as_mut_ptr().add(at + lane * LANES));
            }
        }
        at += PART * LANES;
    }
    if weights.is_empty() {
        return;
    }
    for (column, out) in out.iter_mut().enumerate().skip(at) {
        *out +=
            weights.iter().zip(rows[column..].iter().step_by(width)).map(|(weight, value)| weight * value).sum::<f32>();
    }
}
