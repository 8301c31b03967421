//! Sweeps over one row of logits: maximum, softmax weights and their sums, counts.
//!
//! Owns the arithmetic of a row; knows no vocabulary, no token and no sampling stage.
//!
//! Every sweep works on 16 fixed lanes without fused multiply-add, so the result is the same bit for bit on every
//! instruction set: wider versions are the portable body compiled again, chosen at run time.
//! Sums are taken in `f32` within one lane of a block and in `f64` from block to block.

use super::tier::by_tier;

/// Values handled side by side.
const LANES: usize = 16;

/// Values whose `f32` partial sums go into one `f64` addition: 16 terms a lane keep the error of a sum below 1e-6.
const BLOCK: usize = 16 * LANES;

/// Below this shift a weight is 0: e^-87 is the last one that is a normal `f32`.
pub(super) const LOWEST: f32 = -87.0;

/// What a first look over a row finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowScan {
    /// The largest value that is not NaN; −inf for a row without any.
    pub max: f32,
    /// Number of −inf values: tokens that are masked out.
    pub masked: usize,
    /// Number of values that no softmax can take: NaN and +inf.
    pub invalid: usize,
}

/// Sums of the softmax weights w = exp(x − max) of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// Σ w, at least 1 where `max` is the maximum.
    pub total: f64,
    /// Σ w·(x − max), at most 0.
    pub weighted_shift: f64,
}

impl Moments {
    /// Shannon entropy of the softmax in nats: ln Σw − Σw·(x − max) / Σw.
    pub fn entropy(&self) -> f64 {
        (self.total.ln() - self.weighted_shift / self.total).max(0.0)
    }
}

by_tier! {
    /// Maximum, masked and invalid values of `row` in one sweep.
    pub fn scan(row: &[f32]) -> RowScan = scan_body;

    /// Sums of the weights of `row` under a given `max`; −inf has weight 0.
    pub fn moments(row: &[f32], max: f32) -> Moments = moments_body;

    /// Replaces every x of `row` by its weight exp(x − max) and returns their sums; meant for x ≤ max, −inf gives 0.
    pub fn exp_shifted(row: &mut [f32], max: f32) -> Moments = exp_shifted_body;

    /// Number of values of `row` that are greater than `value`.
    pub fn count_greater(row: &[f32], value: f32) -> usize = count_greater_body;

    /// Whether any value of `row` is at least `value`.
    pub fn any_at_least(row: &[f32], value: f32) -> bool = any_at_least_body;
}

#[inline(always)]
fn scan_body(row: &[f32]) -> RowScan {
    let mut max = [f32::NEG_INFINITY; LANES];
    let mut masked = [0u32; LANES];
    let mut invalid = [0u32; LANES];
    let mut step = |lane: usize, x: f32| {
        max[lane] = if x > max[lane] { x } else { max[lane] };
        masked[lane] += u32::from(x == f32::NEG_INFINITY);
        invalid[lane] += u32::from(x.is_nan() | (x == f32::INFINITY));
    };
    let mut chunks = row.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, &x) in chunk.iter().enumerate() {
            step(lane, x);
        }
    }
    for (lane, &x) in chunks.remainder().iter().enumerate() {
        step(lane, x);
    }
    RowScan {
        max: max.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        masked: sum_counts(&masked),
        invalid: sum_counts(&invalid),
    }
}

#[inline(always)]
fn moments_body(row: &[f32], max: f32) -> Moments {
    let mut sums = Moments { total: 0.0, weighted_shift: 0.0 };
    let mut buffer = [0f32; BLOCK];
    for block in row.chunks(BLOCK) {
        let weights = &mut buffer[..block.len()];
        weights.copy_from_slice(block);
        add_block(weights, max, &mut sums);
    }
    sums
}

#[inline(always)]
fn exp_shifted_body(row: &mut [f32], max: f32) -> Moments {
    let mut sums = Moments { total: 0.0, weighted_shift: 0.0 };
    for block in row.chunks_mut(BLOCK) {
        add_block(block, max, &mut sums);
    }
    sums
}

/// Turns a block into its weights and adds its sums.
#[inline(always)]
fn add_block(block: &mut [f32], max: f32, sums: &mut Moments) {
    let mut weights = [0f32; LANES];
    let mut products = [0f32; LANES];
    let mut step = |lane: usize, x: &mut f32| {
        let shift = floor_at_lowest(*x - max);
        *x = exp(shift);
        weights[lane] += *x;
        products[lane] += *x * shift;
    };
    let mut chunks = block.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for (lane, x) in chunk.iter_mut().enumerate() {
            step(lane, x);
        }
    }
    for (lane, x) in chunks.into_remainder().iter_mut().enumerate() {
        step(lane, x);
    }
    sums.total += sum_lanes(&weights);
    sums.weighted_shift += sum_lanes(&products);
}

#[inline(always)]
fn count_greater_body(row: &[f32], value: f32) -> usize {
    let mut counts = [0u32; LANES];
    for chunk in row.chunks(LANES) {
        for (count, &x) in counts.iter_mut().zip(chunk) {
            *count += u32::from(x > value);
        }
    }
    sum_counts(&counts)
}

#[inline(always)]
fn any_at_least_body(row: &[f32], value: f32) -> bool {
    row.iter().fold(false, |any, &x| any | (x >= value))
}

fn sum_lanes(lanes: &[f32; LANES]) -> f64 {
    lanes.iter().map(|&lane| f64::from(lane)).sum()
}

fn sum_counts(lanes: &[u32; LANES]) -> usize {
    lanes.iter().map(|&lane| lane as usize).sum()
}

/// Keeps −inf (and NaN) out of the products with a weight of 0.
#[inline(always)]
fn floor_at_lowest(shift: f32) -> f32 {
    if shift > LOWEST { shift } else { LOWEST }
}

/// e^x for −87 ≤ x ≤ 0 with a relative error below 2e-7, and 0 at −87 and below; tested against `f64`.
///
/// Range reduction x = n·ln 2 + r with |r| ≤ ln 2 / 2, and the polynomial of Cephes' `expf` (Moshier, `single/expf.c`) for e^r.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;

    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;

    let mut poly = 1.987_569_2e-4;
    poly = poly * r + 1.398_2e-3;
    poly = poly * r + 8.333_452e-3;
    poly = poly * r + 4.166_579_6e-2;
    poly = poly * r + 1.666_666_5e-1;
    poly = poly * r + 5e-1;
    let mantissa = poly * (r * r) + r + 1.0;

    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    if x > LOWEST { mantissa * scale } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows whose lengths fall on, before and behind the edges of lanes and blocks.
    fn rows() -> Vec<Vec<f32>> {
        [0, 1, 15, 16, 17, 255, 256, 257, 1000, 50_257]
            .into_iter()
            .map(|n| (0..n).map(|i| ((i * 7919 + 13) % 2003) as f32 * 0.03 - 70.0).collect())
            .collect()
    }

    #[test]
    fn exp_is_within_2e7_of_f64_and_zero_below_the_floor() {
        let mut worst = 0f64;
        let mut x = 0f32;
        while x > LOWEST {
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) - exact).abs() / exact);
            x -= 1.3e-4;
        }
        assert!(worst < 2e-7, "worst relative error {worst:e}");
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(LOWEST), 0.0);
        assert_eq!(exp(floor_at_lowest(f32::NEG_INFINITY)), 0.0);
    }

    #[test]
    fn sweeps_agree_with_f64() {
        for row in rows().into_iter().filter(|row| !row.is_empty()) {
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(scan(&row), RowScan { max, masked: 0, invalid: 0 });

            let shifts: Vec<f64> = row.iter().map(|&x| f64::from(x) - f64::from(max)).collect();
            let total: f64 = shifts.iter().map(|d| d.exp()).sum();
            let entropy: f64 = shifts.iter().map(|d| -(d.exp() / total) * (d - total.ln())).sum();
            let found = moments(&row, max);
            assert!((found.total / total - 1.0).abs() < 1e-6, "n {}", row.len());
            assert!((found.entropy() - entropy).abs() < 1e-5, "n {}", row.len());

            let mut weights = row.clone();
            let sum = exp_shifted(&mut weights, max);
            assert_eq!(sum, found, "n {}", row.len());

            let middle = row[row.len() / 2];
            assert_eq!(count_greater(&row, middle), row.iter().filter(|&&x| x > middle).count());
            assert!(any_at_least(&row, max) && !any_at_least(&row, max + 1.0));
        }
    }

    #[test]
    fn masked_and_invalid_values_are_counted_wherever_they_stand() {
        for at in [0, 5, 16, 40] {
            let mut row = vec![-3.0f32; 41];
            row[at] = f32::NEG_INFINITY;
            assert_eq!(scan(&row), RowScan { max: -3.0, masked: 1, invalid: 0 }, "at {at}");
            row[at] = f32::NAN;
            assert_eq!(scan(&row), RowScan { max: -3.0, masked: 0, invalid: 1 }, "at {at}");
            row[at] = f32::INFINITY;
            assert_eq!(scan(&row).invalid, 1, "at {at}");
        }
        assert_eq!(scan(&[]).max, f32::NEG_INFINITY);
    }

    #[test]
    fn the_portable_body_gives_the_same_bits() {
        for row in rows() {
            assert_eq!(scan(&row), scan_body(&row));
            assert_eq!(moments(&row, -1.0), moments_body(&row, -1.0));
            let (mut fast, mut slow) = (row.clone(), row.clone());
            assert_eq!(exp_shifted(&mut fast, -1.0), exp_shifted_body(&mut slow, -1.0));
            assert_eq!(fast, slow);
            assert_eq!(count_greater(&row, -40.0), count_greater_body(&row, -40.0));
        }
    }
}
