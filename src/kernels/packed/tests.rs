#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use proptest::prelude::*;

use super::*;
use crate::kernels::noise;
use crate::kernels::tier::Tier;

/// Sums in f64 over the weights that the matrix really holds.
fn textbook(x: &[f32], w: &Packed, around: Around<'_>) -> Vec<f64> {
    let [n, k] = w.shape();
    let rows = w.to_rows();
    let mut out = Vec::new();
    for (i, x) in x.chunks_exact(k).enumerate() {
        for (j, row) in rows.chunks_exact(k).enumerate() {
            let mut value: f64 = x.iter().zip(row).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
            value += around.bias.map_or(0.0, |bias| f64::from(bias[j]));
            if around.gelu {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (value + 0.044_715 * value.powi(3));
                value *= 0.5 * (1.0 + inner.tanh());
            }
            out.push(value + around.residual.map_or(0.0, |residual| f64::from(residual[i * n + j])));
        }
    }
    out
}

/// The product on a tier.
fn multiplied(packed: &Packed, tier: Tier, x: &[f32], around: Around<'_>) -> Vec<f32> {
    let [n, k] = packed.shape();
    let mut out = vec![f32::NAN; x.len() / k * n];
    // SAFETY: values that are there are also values that may be.
    packed.multiply_on(tier, x, unsafe { &mut *(out.as_mut_slice() as *mut [f32] as *mut [_]) }, around);
    out
}

/// How far a product may be off: what rounding x to the form of the kernel can do, and sums in f32.
fn tolerance(dtype: Dtype, tier: Tier, k: usize) -> f64 {
    let rounding = match dtype {
        Dtype::Q8_0 | Dtype::Q4_0 => 0.5 / 127.0,
        Dtype::Bf16 if tier == Tier::Avx512Bf16 => 1.0 / 256.0,
        _ => 0.0,
    };
    // Each term is off by at most that share of the largest |x| (1) times |w| (1); errors of random sign add like √k.
    (5.0 * rounding + 1e-5) * (k as f64).sqrt() + 1e-5
}

fn check(m: usize, n: usize, k: usize, dtype: Dtype) {
    let (x, w) = (noise(1, m * k), noise(2, n * k));
    let (bias, residual) = (noise(3, n), noise(4, m * n));
    let packed = Packed::from_rows(dtype, &w, n, k);
    for gelu in [false, true] {
        let around = Around { bias: Some(&bias), gelu, residual: Some(&residual), ..Around::default() };
        let expected = textbook(&x, &packed, around);
        for tier in Tier::runnable() {
            let out = multiplied(&packed, tier, &x, around);
            let allowed = tolerance(dtype, tier, k);
            for (at, (got, expected)) in out.iter().zip(&expected).enumerate() {
                let off = (f64::from(*got) - expected).abs();
                assert!(off <= allowed, "{dtype:?} {tier:?} [{m}, {n}, {k}] at {at}: {got} for {expected}");
            }
        }
    }
}

/// Widths of GPT-2's family and hostile ones; one row, few, a full tile, many.
#[test]
fn every_tier_equals_the_textbook() {
    for dtype in Dtype::ALL {
        for (n, k) in [(1, 1), (16, 64), (17, 63), (33, 65), (40, 768), (7, 1600), (100, 20), (2305, 128)] {
            for m in [1, 2, 5, 6, 7, 12, 13, 16, 17, 40] {
                if m * n * k < 3_000_000 {
                    check(m, n, k, dtype);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_size_equals_the_textbook(m in 1usize..30, n in 1usize..100, k in 1usize..300, dtype in 0usize..5) {
        check(m, n, k, Dtype::ALL[dtype]);
    }

    /// The error of a weight is at most half a step of its dtype.
    #[test]
    fn rows_come_back(n in 1usize..40, k in 1usize..200, seed in 0u32..1000, dtype in 0usize..5) {
        let dtype = Dtype::ALL[dtype];
        let w = noise(seed, n * k);
        let packed = Packed::from_rows(dtype, &w, n, k);
        let allowed = match dtype {
            Dtype::F32 => 0.0,
            Dtype::Bf16 => 1.0 / 256.0,
            Dtype::F16 => 1.0 / 2048.0,
            Dtype::Q8_0 => 0.56 / 127.0,
            // The far end on the other side is cut off by up to one step.
            Dtype::Q4_0 => 1.01 / 8.0,
        };
        for (was, is) in w.iter().zip(packed.to_rows()) {
            prop_assert!((was - is).abs() <= allowed, "{was} became {is}");
        }
    }

    /// A checkpoint's two ways to lay a matrix out give the same packed matrix, written in pieces.
    #[test]
    fn a_matrix_and_its_transpose_pack_alike(n in 1usize..80, k in 1usize..300, dtype in 0usize..5) {
        let w = noise(9, n * k);
        let mut transposed = vec![0f32; n * k];
        for (at, value) in w.iter().enumerate() {
            transposed[at % k * n + at / k] = *value;
        }
        let rows = Packed::from_rows(Dtype::ALL[dtype], &w, n, k);
        let mut inputs = Packed::zeros(Dtype::ALL[dtype], n, k);
        let writer = inputs.writer();
        for first in (0..k).step_by(DEPTH) {
            // SAFETY: one thread, one call at a time.
            unsafe { writer.inputs(first, &transposed[first * n..k.min(first + DEPTH) * n]) };
        }
        prop_assert!(rows == inputs);
    }
}

/// The same numbers whatever else goes through the product: a batch is its sequences.
#[test]
fn a_row_of_a_batch_is_the_row_by_itself() {
    let (n, k) = (300, 192);
    let (x, w) = (noise(5, 9 * k), noise(6, n * k));
    for dtype in Dtype::ALL {
        let packed = Packed::from_rows(dtype, &w, n, k);
        for tier in Tier::runnable() {
            let all = multiplied(&packed, tier, &x, Around::default());
            for (x, all) in x.chunks_exact(k).zip(all.chunks_exact(n)) {
                let one = multiplied(&packed, tier, x, Around::default());
                for (one, all) in one.iter().zip(all) {
                    assert!((one - all).abs() <= 2e-5, "{dtype:?} {tier:?}: {one} alone, {all} in a batch");
                }
            }
        }
    }
}

/// Weights and activations of all sizes: zeros, an outlier in a group, numbers at the ends of f32.
#[test]
fn hostile_values_stay_what_they_are() {
    let k = 96;
    let mut w = vec![0f32; 3 * k];
    (w[k], w[2 * k + 40]) = (1e30, -3.0);
    let mut x = vec![0f32; k];
    (x[0], x[40], x[41]) = (2.0, 0.5, -1e-30);
    for dtype in Dtype::ALL {
        let packed = Packed::from_rows(dtype, &w, 3, k);
        for tier in Tier::runnable() {
            let out = multiplied(&packed, tier, &x, Around::default());
            assert_eq!(out[0], 0.0, "{dtype:?} {tier:?}");
            assert!((out[2] + 1.5).abs() < 0.02, "{dtype:?} {tier:?}: {}", out[2]);
            if matches!(dtype, Dtype::F32 | Dtype::Bf16) {
                assert!((out[1] / 2e30 - 1.0).abs() < 0.01, "{dtype:?} {tier:?}: {}", out[1]);
            }
        }
    }
}

/// What a writer refuses: lengths that are no whole rows wrote past the matrix in release builds.
#[test]
fn a_writer_takes_whole_panels_and_blocks_inside_the_matrix_and_nothing_else() {
    let (n, k) = (LANES + 3, DEPTH + 5);
    type Call = fn(&Writer<'_>, usize, &[f32]);
    // SAFETY: one thread, one call at a time.
    let (rows, inputs): (Call, Call) = (|w, at, x| unsafe { w.rows(at, x) }, |w, at, x| unsafe { w.inputs(at, x) });
    let cases: [(Call, usize, usize, bool); 12] = [
        (rows, 0, LANES * k, true),
        (rows, LANES, 3 * k, true),
        (rows, 0, n * k, true),
        (rows, 0, 0, true),
        (rows, 0, LANES * k + 1, false),
        (rows, LANES, 3 * k + k - 1, false),
        (rows, 1, k, false),
        (rows, LANES, LANES * k, false),
        (inputs, 0, DEPTH * n, true),
        (inputs, DEPTH, 5 * n, true),
        (inputs, DEPTH, 5 * n + 1, false),
        (inputs, 0, 3 * n, false),
    ];
    for (index, (call, first, count, fits)) in cases.into_iter().enumerate() {
        let mut packed = Packed::zeros(Dtype::F32, n, k);
        let writer = packed.writer();
        let values = noise(1, count);
        let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(&writer, first, &values)));
        assert_eq!(written.is_ok(), fits, "case {index}: {count} values at {first}");
    }
}

#[test]
fn weights_that_a_dtype_cannot_hold_are_found_and_all_others_stay_finite() {
    for dtype in Dtype::ALL {
        let largest = dtype.largest();
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, largest.next_up()] {
            for place in [0, 17, 4095, 4096, 9999] {
                let mut values = noise(3, 10_000);
                values[place] = bad;
                assert_eq!(dtype.first_outside(&values), Some(place), "{dtype:?} {bad}");
            }
        }
        let mut values = noise(3, 2 * LANES * DEPTH);
        (values[5], values[DEPTH + 1]) = (largest, -largest);
        assert_eq!(dtype.first_outside(&values), None);
        assert!(
            Packed::from_rows(dtype, &values, 2 * LANES, DEPTH).to_rows().iter().all(|w| w.is_finite()),
            "{dtype:?}"
        );
        if largest < f32::MAX {
            values[5] = largest.next_up();
            let packed = Packed::from_rows(dtype, &values, 2 * LANES, DEPTH).to_rows();
            assert!(!packed.iter().all(|w| w.is_finite()), "{dtype:?} holds more than it says");
        }
    }
}

/// P18: one NaN or infinity anywhere in x leaves no finite sum in its row, whatever the weights are kept as and on
/// every tier; rounding x to 8 bits used to lose it.
#[test]
fn a_value_that_is_not_finite_in_x_reaches_every_sum_of_its_row() {
    let (m, n, k) = (3, 20, 100);
    let mut w = noise(2, n * k);
    w.iter_mut().filter(|w| **w == 0.0).for_each(|w| *w = 0.5);
    for dtype in Dtype::ALL {
        let packed = Packed::from_rows(dtype, &w, n, k);
        for tier in Tier::runnable() {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for (rows, row) in [(1, 0), (m, 1), (13, 12)] {
                    for place in [0, 15, 31, 32, 63, 64, 99] {
                        let mut x = noise(1, rows * k);
                        x[row * k + place] = bad;
                        let out = multiplied(&packed, tier, &x, Around::default());
                        for (at, sums) in out.chunks_exact(n).enumerate() {
                            // A 4-bit weight may be 0, and 0 · ∞ is NaN too.
                            let finite = sums.iter().filter(|sum| sum.is_finite()).count();
                            let expected = if at == row { 0 } else { n };
                            assert_eq!(finite, expected, "{dtype:?} {tier:?} {bad} in row {row}, {place}; row {at}");
                        }
                    }
                }
            }
        }
    }
}
