//! What stands in a block of 64 inputs and 16 outputs, for each dtype. All numbers are little-endian.
//!
//! | dtype | bytes |
//! |---|---|
//! | f32 | `[64 inputs][16 outputs]` f32 |
//! | f16 | `[64][16]` f16 |
//! | bf16 | `[32 pairs of inputs][16][2]` bf16: what AVX512_BF16 multiplies at once |
//! | q8_0 | `[2 halves][16]` scales in f16, then `[16 fours of inputs][16][4]` of weight + 128: what VNNI multiplies at once |
//! | q4_0 | `[2 halves][16]` scales in f16, then for each half `[4][16][4]` bytes: below, weight + 8 of a four of inputs, above, that of the four 16 inputs later |

use half::{bf16, f16, slice::HalfFloatSliceExt};

use super::{DEPTH, Dtype, LANES};
use crate::kernels::tier::by_tier;

/// Inputs that share a scale.
pub(super) const GROUP: usize = 32;

/// Where the integers begin, after the scales.
pub(super) const SCALES: usize = DEPTH / GROUP * LANES * 2;

/// Added to an integer weight to make it unsigned.
const fn offset(dtype: Dtype) -> i32 {
    if matches!(dtype, Dtype::Q4_0) { 8 } else { 128 }
}

by_tier! {
    /// Writes a tile `[64 inputs][16 outputs]` as a block of its dtype.
    pub(super) fn encode(dtype: Dtype, tile: &[f32; DEPTH * LANES], out: &mut [u8]) = encode_body;
}

#[inline(always)]
fn encode_body(dtype: Dtype, tile: &[f32; DEPTH * LANES], out: &mut [u8]) {
    match dtype {
        Dtype::F32 => {
            for (to, value) in out.chunks_exact_mut(4).zip(tile) {
                to.copy_from_slice(&value.to_le_bytes());
            }
        }
        Dtype::F16 => {
            let mut halves = [f16::ZERO; DEPTH * LANES];
            halves.convert_from_f32_slice(tile);
            for (to, value) in out.chunks_exact_mut(2).zip(halves) {
                to.copy_from_slice(&value.to_le_bytes());
            }
        }
        Dtype::Bf16 => {
            for (to, pair) in out.chunks_exact_mut(4 * LANES).zip(tile.chunks_exact(2 * LANES)) {
                for (lane, to) in to.chunks_exact_mut(4).enumerate() {
                    let (first, second) = (round_bf16(pair[lane]), round_bf16(pair[LANES + lane]));
                    to.copy_from_slice(&(u32::from(first) | u32::from(second) << 16).to_le_bytes());
                }
            }
        }
        Dtype::Q8_0 => encode_integers::<Q8>(tile, out),
        Dtype::Q4_0 => encode_integers::<Q4>(tile, out),
    }
}

/// The upper 16 bits, rounded to the nearest, ties to even; what is not a number stays none.
#[inline(always)]
pub(super) fn round_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16;
    if bits & 0x7fff_ffff > 0x7f80_0000 { (bits >> 16) as u16 | 0x40 } else { rounded }
}

/// How weights become integers.
trait Integer {
    /// The scale of 32 weights, from the one that is farthest from 0.
    fn scale(far: f32) -> f32;
    /// The integer for a weight divided by its scale, made unsigned.
    fn whole(value: f32) -> u8;
    /// Writes a half of a block, `[32 inputs][16 outputs]`.
    fn write(whole: &[[u8; LANES]; GROUP], half: usize, out: &mut [u8]);
}

struct Q8;
struct Q4;

impl Integer for Q8 {
    #[inline(always)]
    fn scale(far: f32) -> f32 {
        far.abs() / 127.0
    }

    #[inline(always)]
    fn whole(value: f32) -> u8 {
        (value.round_ties_even() as i32 + 128).clamp(1, 255) as u8
    }

    #[inline(always)]
    fn write(whole: &[[u8; LANES]; GROUP], half: usize, out: &mut [u8]) {
        for (fours, out) in whole.chunks_exact(4).zip(out[half * GROUP * LANES..].chunks_exact_mut(4 * LANES)) {
            for (lane, out) in out.chunks_exact_mut(4).enumerate() {
                out.copy_from_slice(&[fours[0][lane], fours[1][lane], fours[2][lane], fours[3][lane]]);
            }
        }
    }
}

impl Integer for Q4 {
    #[inline(always)]
    fn scale(far: f32) -> f32 {
        far / -8.0
    }

    #[inline(always)]
    fn whole(value: f32) -> u8 {
        (value + 8.5).clamp(0.0, 15.0) as u8
    }

    #[inline(always)]
    fn write(whole: &[[u8; LANES]; GROUP], half: usize, out: &mut [u8]) {
        let (lower, upper) = whole.split_at(GROUP / 2);
        let out = out[half * GROUP / 2 * LANES..].chunks_exact_mut(4 * LANES);
        for ((lower, upper), out) in lower.chunks_exact(4).zip(upper.chunks_exact(4)).zip(out) {
            for (lane, out) in out.chunks_exact_mut(4).enumerate() {
                for (input, out) in out.iter_mut().enumerate() {
                    *out = lower[input][lane] | upper[input][lane] << 4;
                }
            }
        }
    }
}

#[inline(always)]
fn encode_integers<I: Integer>(tile: &[f32; DEPTH * LANES], out: &mut [u8]) {
    let (scales, out) = out.split_at_mut(SCALES);
    for (half, tile) in tile.chunks_exact(GROUP * LANES).enumerate() {
        // Lane by lane side by side, so that the compiler can use wide registers.
        let mut far = [0f32; LANES];
        for row in tile.chunks_exact(LANES) {
            for (far, weight) in far.iter_mut().zip(row) {
                *far = if weight.abs() > far.abs() { *weight } else { *far };
            }
        }
        // Weights are divided by the scale as it is kept, so that its rounding is made up for.
        let scale = far.map(|far| f16::from_f32(I::scale(far)));
        let inverse = scale.map(|scale| if scale.to_f32() == 0.0 { 0.0 } else { 1.0 / scale.to_f32() });
        for (to, scale) in scales[half * LANES * 2..].chunks_exact_mut(2).zip(scale) {
            to.copy_from_slice(&scale.to_le_bytes());
        }
        let mut whole = [[0u8; LANES]; GROUP];
        for (whole, row) in whole.iter_mut().zip(tile.chunks_exact(LANES)) {
            for ((whole, weight), inverse) in whole.iter_mut().zip(row).zip(inverse) {
                *whole = I::whole(weight * inverse);
            }
        }
        I::write(&whole, half, out);
    }
}

/// The scale of an output in one half of a block of integers.
fn scale(block: &[u8], half: usize, lane: usize) -> f32 {
    let at = (half * LANES + lane) * 2;
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The weight of one input of one output.
fn weight(dtype: Dtype, block: &[u8], depth: usize, lane: usize) -> f32 {
    let two = |at: usize| [block[at], block[at + 1]];
    match dtype {
        Dtype::F32 => {
            let at = (depth * LANES + lane) * 4;
            f32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
        }
        Dtype::F16 => f16::from_le_bytes(two((depth * LANES + lane) * 2)).to_f32(),
        Dtype::Bf16 => bf16::from_le_bytes(two((depth / 2 * LANES + lane) * 4 + depth % 2 * 2)).to_f32(),
        Dtype::Q8_0 => {
            let whole = block[SCALES + (depth / 4 * LANES + lane) * 4 + depth % 4];
            (i32::from(whole) - offset(dtype)) as f32 * scale(block, depth / GROUP, lane)
        }
        Dtype::Q4_0 => {
            let (half, input) = (depth / GROUP, depth % GROUP);
            let byte = block[SCALES + ((half * 4 + input % 16 / 4) * LANES + lane) * 4 + input % 4];
            let whole = byte >> (input / 16 * 4) & 15;
            (i32::from(whole) - offset(dtype)) as f32 * scale(block, half, lane)
        }
    }
}

/// The weights of one output as f32, at most 64.
pub(super) fn lane(dtype: Dtype, block: &[u8], lane: usize, out: &mut [f32]) {
    out.iter_mut().enumerate().for_each(|(depth, to)| *to = weight(dtype, block, depth, lane));
}
