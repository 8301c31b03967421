//! Products of a few rows of x with a few panels: the innermost loops.
#![allow(clippy::needless_range_loop, reason = "loops over constant counts that become straight code")]

use super::block::{GROUP, SCALES};
use super::{DEPTH, Dtype, LANES};
#[cfg(target_arch = "x86_64")]
use crate::kernels::lanes::{Avx2Floats, Avx2Integers, Avx512Floats, Avx512Integers};
use crate::kernels::lanes::{Floats, Integers, ScalarFloats, ScalarIntegers, Sums};
use crate::kernels::tier::Tier;

/// Most rows of x in a tile of any kernel.
pub(in crate::kernels) const MAX_ROWS: usize = 12;

/// Most panels in a tile of any kernel.
pub(in crate::kernels) const MAX_PANELS: usize = 4;

/// Prefetch distance within a panel, in bytes: 8 KiB in flight are what saturates one core's share of the memory
/// bandwidth, however many streams they are split into.
const fn ahead(panels: usize) -> usize {
    8192 / panels
}

/// Bytes from the weights of that block of a panel to those that are prefetched meanwhile: beyond the end of the panel,
/// those of the panel of the next tile.
#[inline(always)]
fn far<const P: usize>(tile: &Tile, block: usize, bytes: usize) -> usize {
    let blocks = ahead(P).div_ceil(bytes);
    blocks * bytes + if block + blocks < tile.blocks { 0 } else { (P - 1) * tile.w_stride }
}

/// Bytes of a cache line.
const LINE: usize = 64;

/// What a tile reads.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Tile {
    /// Rows of x, from 1 to as many as the kernel takes.
    pub(in crate::kernels) rows: usize,
    /// Panels, as many as the kernel takes.
    pub(in crate::kernels) panels: usize,
    /// The first value of the first row, of the type that the kernel reads.
    pub(in crate::kernels) x: *const u8,
    /// Bytes from a row to the next; unused where rows are interleaved ([`Kernels::interleaved`]).
    pub(in crate::kernels) x_stride: usize,
    /// Integer kernels: a scale and a sum for each 32 values of the first row.
    pub(in crate::kernels) groups: *const Group,
    /// Groups from a row to the next.
    pub(in crate::kernels) groups_stride: usize,
    /// The first block of the first panel.
    pub(in crate::kernels) w: *const u8,
    /// Bytes from a panel to the next.
    pub(in crate::kernels) w_stride: usize,
    /// Blocks to multiply.
    pub(in crate::kernels) blocks: usize,
    /// Where the product of the first row with the first output goes; those of other outputs follow.
    pub(in crate::kernels) out: *mut f32,
    /// Values from the products of a row to those of the next.
    pub(in crate::kernels) out_stride: usize,
    /// Whether the products are added to what is there.
    pub(in crate::kernels) add: bool,
}

/// What belongs to 32 quantised values of x.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::kernels) struct Group {
    /// x is about `scale` · integer.
    pub(in crate::kernels) scale: f32,
    /// The sum of the integers.
    pub(in crate::kernels) sum: i32,
}

/// Computes the products of a tile.
pub(in crate::kernels) type Kernel = unsafe fn(&Tile);

/// What a kernel wants x to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kernels) enum Form {
    /// f32.
    Floats,
    /// Pairs of bf16.
    Bf16,
    /// 8-bit integers with a [`Group`] for each 32.
    Integers,
}

/// The kernels for a dtype on a tier.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Kernels {
    /// What x has to be.
    pub(in crate::kernels) form: Form,
    /// Most rows of x at a time.
    pub(in crate::kernels) rows: usize,
    /// For weights that come from memory: one panel at a time, which gets the highest memory bandwidth, or several side by
    /// side, so that there are enough independent sums to fill the FMA pipelines.
    pub(in crate::kernels) few: Kernel,
    /// Most rows for which `few` takes 1 panel, most beyond those for which it takes 4, and most beyond those for which it
    /// takes 2 (0: for none); with still more it takes 1. As they were measured to be best.
    pub(in crate::kernels) streams: [usize; 3],
    /// For weights in the cache: several panels at a time, so that a value of x is loaded once for all of them.
    pub(in crate::kernels) wide: Kernel,
    /// How many panels `wide` takes.
    pub(in crate::kernels) panels: usize,
    /// How many rows of x lie interleaved for `wide`: the first value of each, then the second of each. 0 where they lie
    /// one after the other, as they always do for `few`. A dozen rows some power of two apart would evict each other
    /// from the L1 cache.
    pub(in crate::kernels) interleaved: usize,
}

impl Kernels {
    /// How many panels `few` takes with that many rows of x.
    pub(in crate::kernels) fn streams(&self, rows: usize) -> usize {
        let [one, four, two] = self.streams;
        match rows.min(self.rows) {
            rows if rows <= one => 1,
            rows if rows <= four => 4,
            rows if rows <= two => 2,
            _ => 1,
        }
    }
}

/// The kernels that multiply weights of that dtype.
pub(in crate::kernels) fn of(tier: Tier, dtype: Dtype) -> Kernels {
    use Form::{Bf16, Floats, Integers};
    let kernels = |form, rows, streams, few, wide, panels, interleaved| Kernels {
        form,
        rows,
        few,
        streams,
        wide,
        panels,
        interleaved,
    };
    match tier {
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512Bf16 if dtype == Dtype::Bf16 => {
            kernels(Bf16, 12, [1, 4, 12], avx512::bf16_dot_few, avx512::bf16_dot_wide, 2, 0)
        }
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 | Tier::Avx512Bf16 => match dtype {
            Dtype::F32 => kernels(Floats, 12, [6, 0, 12], avx512::f32_few, avx512::f32_wide, 2, 12),
            Dtype::Bf16 => kernels(Floats, 12, [1, 4, 12], avx512::bf16_few, avx512::bf16_wide, 2, 12),
            Dtype::F16 => kernels(Floats, 12, [1, 4, 12], avx512::f16_few, avx512::f16_wide, 2, 12),
            Dtype::Q8_0 => kernels(Integers, 6, [5, 0, 6], avx512::q8_few, avx512::q8_wide, 2, 0),
            Dtype::Q4_0 => kernels(Integers, 6, [5, 0, 6], avx512::q4_few, avx512::q4_wide, 2, 0),
        },
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => match dtype {
            Dtype::F32 => kernels(Floats, 6, [1, 0, 3], avx2::f32_few, avx2::f32_wide, 1, 6),
            Dtype::Bf16 => kernels(Floats, 6, [1, 0, 3], avx2::bf16_few, avx2::bf16_wide, 1, 6),
            Dtype::F16 => kernels(Floats, 6, [1, 0, 3], avx2::f16_few, avx2::f16_wide, 1, 6),
            Dtype::Q8_0 => kernels(Integers, 4, [1, 0, 2], avx2::q8_few, avx2::q8_wide, 1, 0),
            Dtype::Q4_0 => kernels(Integers, 4, [4, 0, 0], avx2::q4_few, avx2::q4_wide, 1, 0),
        },
        _ => match dtype {
            Dtype::F32 => kernels(Floats, 4, [4, 0, 0], scalar::f32_few, scalar::f32_few, 1, 0),
            Dtype::Bf16 => kernels(Floats, 4, [4, 0, 0], scalar::bf16_few, scalar::bf16_few, 1, 0),
            Dtype::F16 => kernels(Floats, 4, [4, 0, 0], scalar::f16_few, scalar::f16_few, 1, 0),
            Dtype::Q8_0 => kernels(Integers, 4, [4, 0, 0], scalar::q8_few, scalar::q8_few, 1, 0),
            Dtype::Q4_0 => kernels(Integers, 4, [4, 0, 0], scalar::q4_few, scalar::q4_few, 1, 0),
        },
    }
}

/// Weights that become f32 on the way into registers: two inputs at a time.
trait FloatWeights<F> {
    const BYTES: usize;
    /// The weights of inputs 2 · `pair` and 2 · `pair` + 1 of a block.
    unsafe fn pair(block: *const u8, pair: usize) -> (F, F);
}

struct AsF32;
struct AsBf16;
struct AsF16;

impl<F: Floats> FloatWeights<F> for AsF32 {
    const BYTES: usize = DEPTH * LANES * 4;
    #[inline(always)]
    unsafe fn pair(block: *const u8, pair: usize) -> (F, F) {
        // SAFETY: the caller has a whole block of this dtype at `block` and `pair` below 32.
        unsafe { (F::load(block.add(pair * 128).cast()), F::load(block.add(pair * 128 + 64).cast())) }
    }
}

impl<F: Floats> FloatWeights<F> for AsBf16 {
    const BYTES: usize = DEPTH * LANES * 2;
    #[inline(always)]
    unsafe fn pair(block: *const u8, pair: usize) -> (F, F) {
        // SAFETY: the caller has a whole block of this dtype at `block` and `pair` below 32.
        unsafe { F::load_bf16_pairs(block.add(pair * 64)) }
    }
}

impl<F: Floats> FloatWeights<F> for AsF16 {
    const BYTES: usize = DEPTH * LANES * 2;
    #[inline(always)]
    unsafe fn pair(block: *const u8, pair: usize) -> (F, F) {
        // SAFETY: the caller has a whole block of this dtype at `block` and `pair` below 32.
        unsafe { (F::load_f16(block.add(pair * 64)), F::load_f16(block.add(pair * 64 + 32))) }
    }
}

/// Makes the pointers those of rows that lie `stride` bytes apart.
#[inline(always)]
unsafe fn spread<T, const N: usize>(pointers: &mut [*const T; N], stride: usize) {
    for (row, pointer) in pointers.iter_mut().enumerate() {
        *pointer = pointer.wrapping_byte_add(row * stride);
    }
}

/// Moves all pointers on by `count` values.
#[inline(always)]
unsafe fn advance<T, const N: usize>(pointers: &mut [*const T; N], count: usize) {
    for pointer in pointers {
        *pointer = pointer.wrapping_add(count);
    }
}

/// Writes the products of a row with a panel.
#[inline(always)]
unsafe fn put<F: Floats>(sums: F, tile: &Tile, row: usize, panel: usize) {
    // SAFETY: the caller describes a tile whose outputs can be read and written, and `row` and `panel` lie inside.
    unsafe {
        let to = tile.out.add(row * tile.out_stride + panel * LANES);
        let sums = if tile.add { F::load(to).add(sums) } else { sums };
        sums.store(to);
    }
}

/// WIDE is 0 for weights that come from memory, else how many rows of x lie interleaved (to the kernels whose rows never
/// do, only that it is not 0 matters).
///
/// # Safety
/// The tile must describe memory that can be read, M its rows.
#[inline(always)]
unsafe fn floats<F: Floats, W: FloatWeights<F>, const M: usize, const P: usize, const WIDE: usize>(tile: &Tile) {
    // SAFETY: all reads are of rows of x, blocks of the panels and the outputs that the caller describes in `tile`; prefetches may lie anywhere.
    unsafe {
        let mut even = [[F::zero(); P]; M];
        let mut odd = [[F::zero(); P]; M];
        // Known when compiled; where there is one chain alone, nothing must touch the other.
        let two = 2 * M * P <= F::SUMS;
        let mut rows = [tile.x.cast::<f32>(); M];
        let mut panels = [tile.w; P];
        spread(&mut rows, tile.x_stride);
        spread(&mut panels, tile.w_stride);
        for block in 0..tile.blocks {
            let far = far::<P>(tile, block, W::BYTES);
            for pair in 0..DEPTH / 2 {
                let mut weights = [(F::zero(), F::zero()); P];
                for panel in 0..P {
                    for line in 0..if WIDE == 0 { W::BYTES / (DEPTH / 2) / LINE } else { 0 } {
                        F::prefetch(panels[panel].wrapping_add(far + pair * W::BYTES / (DEPTH / 2) + line * LINE));
                    }
                    weights[panel] = W::pair(panels[panel], pair);
                }
                for row in 0..M {
                    let [x0, x1] = [2 * pair, 2 * pair + 1].map(|depth| match WIDE {
                        0 => F::splat(rows[row].add(depth)),
                        _ => F::splat(rows[0].add(depth * WIDE + row)),
                    });
                    for panel in 0..P {
                        even[row][panel] = even[row][panel].mul_add(weights[panel].0, x0);
                        // A second chain of sums where there are too few to keep the units busy.
                        let second = if two { &mut odd } else { &mut even };
                        second[row][panel] = second[row][panel].mul_add(weights[panel].1, x1);
                    }
                }
            }
            advance(&mut rows, DEPTH * WIDE.max(1));
            advance(&mut panels, W::BYTES);
        }
        for row in 0..M {
            for panel in 0..P {
                let sums = if two { even[row][panel].add(odd[row][panel]) } else { even[row][panel] };
                put(sums, tile, row, panel);
            }
        }
    }
}

/// Weights that are multiplied as integers.
trait IntegerWeights<I: Integers> {
    const BYTES: usize;
    const OFFSET: i32;
    /// Sums of the products of a half of a block.
    type Sums: Sums<I>;
    /// The weights of inputs 4 · `four` to 4 · `four` + 3 of a half of a block.
    unsafe fn four(half: *const u8, four: usize) -> I::Bytes;
}

struct AsQ8;
struct AsQ4;

impl<I: Integers> IntegerWeights<I> for AsQ8 {
    const BYTES: usize = SCALES + DEPTH * LANES;
    const OFFSET: i32 = I::Q8_OFFSET;
    type Sums = I;

    #[inline(always)]
    unsafe fn four(half: *const u8, four: usize) -> I::Bytes {
        // SAFETY: the caller has half a block of this dtype at `half` and `four` below 8.
        unsafe { I::load_q8(half.add(four * 64)) }
    }
}

impl<I: Integers> IntegerWeights<I> for AsQ4 {
    const BYTES: usize = SCALES + DEPTH * LANES / 2;
    const OFFSET: i32 = 8;
    type Sums = I::Small;

    #[inline(always)]
    unsafe fn four(half: *const u8, four: usize) -> I::Bytes {
        const HALF: usize = GROUP / 8;
        // SAFETY: the caller has half a block of this dtype at `half` and `four` below 8.
        unsafe {
            let (lower, upper) = I::load_q4(half.add(four % HALF * 64));
            if four < HALF { lower } else { upper }
        }
    }
}

/// # Safety
/// As [`floats`].
#[inline(always)]
unsafe fn integers<I: Integers, W: IntegerWeights<I>, const M: usize, const P: usize, const WIDE: usize>(tile: &Tile) {
    // SAFETY: all reads are of rows of x, their groups, blocks of the panels and the outputs that the caller describes in `tile`; prefetches may lie anywhere.
    unsafe {
        let mut total = [[<I::Floats as Floats>::zero(); P]; M];
        let mut rows = [tile.x.cast::<i8>(); M];
        let mut groups = [tile.groups; M];
        let mut panels = [tile.w; P];
        spread(&mut rows, tile.x_stride);
        spread(&mut groups, tile.groups_stride * size_of::<Group>());
        spread(&mut panels, tile.w_stride);
        for block in 0..tile.blocks {
            let far = far::<P>(tile, block, W::BYTES);
            for panel in 0..if WIDE == 0 { P } else { 0 } {
                I::Floats::prefetch(panels[panel].wrapping_add(far));
            }
            for half in 0..2 {
                let mut dots = [[W::Sums::begin(0); P]; M];
                let mut values = [0; M];
                for row in 0..M {
                    values[row] = -W::OFFSET * (*groups[row].add(half)).sum;
                    dots[row] = [W::Sums::begin(values[row]); P];
                }
                for four in 0..GROUP / 4 {
                    for panel in 0..P {
                        // One line now and then: a core has few line fill buffers.
                        let (step, every) = (half * (GROUP / 4) + four, DEPTH / 4 * LINE / (W::BYTES - SCALES));
                        if WIDE == 0 && step % every == 0 {
                            I::Floats::prefetch(panels[panel].wrapping_add(far + SCALES + step / every * LINE));
                        }
                        let at = panels[panel].add(SCALES + half * (W::BYTES - SCALES) / 2);
                        let weights = W::four(at, four);
                        for row in 0..M {
                            let x = rows[row].add(half * GROUP + 4 * four);
                            dots[row][panel] = dots[row][panel].dot(weights, x);
                        }
                    }
                }
                for panel in 0..P {
                    let scales = I::Floats::load_f16(panels[panel].add(half * LANES * 2));
                    for row in 0..M {
                        let scale = scales.mul(I::Floats::splat(&(*groups[row].add(half)).scale));
                        total[row][panel] =
                            total[row][panel].mul_add(dots[row][panel].whole(values[row]).floats(), scale);
                    }
                }
            }
            advance(&mut rows, DEPTH);
            advance(&mut groups, DEPTH / GROUP);
            advance(&mut panels, W::BYTES);
        }
        for row in 0..M {
            for panel in 0..P {
                put(total[row][panel], tile, row, panel);
            }
        }
    }
}

/// A kernel: a function of the tier's features, with code of its own for each number of panels and rows.
macro_rules! kernel {
    ($name:ident, $inner:ident, $lanes:ty, $weights:ty, $wide:literal, $([$panels:literal: $($rows:literal)*])* $(, $features:literal)?) => {
        $(#[target_feature(enable = $features)])?
        pub(in crate::kernels) unsafe fn $name(tile: &Tile) {
            // SAFETY: as the caller has it.
            unsafe {
                match (tile.panels, tile.rows) {
                    $($(($panels, $rows) => $inner::<$lanes, $weights, $rows, $panels, $wide>(tile),)*)*
                    (panels, rows) => unreachable!("a tile of {rows} rows and {panels} panels"),
                }
            }
        }
    };
}

mod scalar {
    use super::*;
    kernel!(f32_few, floats, ScalarFloats, AsF32, 0, [1: 1 2 3 4]);
    kernel!(bf16_few, floats, ScalarFloats, AsBf16, 0, [1: 1 2 3 4]);
    kernel!(f16_few, floats, ScalarFloats, AsF16, 0, [1: 1 2 3 4]);
    kernel!(q8_few, integers, ScalarIntegers, AsQ8, 0, [1: 1 2 3 4]);
    kernel!(q4_few, integers, ScalarIntegers, AsQ4, 0, [1: 1 2 3 4]);
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::*;

    /// A kernel with the features of the tier.
    macro_rules! kernel2 {
        ($($words:tt)*) => { kernel!($($words)*, "avx2,fma,f16c"); };
    }

    kernel2!(f32_few, floats, Avx2Floats, AsF32, 0, [1: 1 2 3 4 5 6] [2: 1 2 3]);
    kernel2!(f32_wide, floats, Avx2Floats, AsF32, 6, [1: 1 2 3 4 5 6]);
    kernel2!(bf16_few, floats, Avx2Floats, AsBf16, 0, [1: 1 2 3 4 5 6] [2: 1 2 3]);
    kernel2!(bf16_wide, floats, Avx2Floats, AsBf16, 6, [1: 1 2 3 4 5 6]);
    kernel2!(f16_few, floats, Avx2Floats, AsF16, 0, [1: 1 2 3 4 5 6] [2: 1 2 3]);
    kernel2!(f16_wide, floats, Avx2Floats, AsF16, 6, [1: 1 2 3 4 5 6]);
    kernel2!(q8_few, integers, Avx2Integers, AsQ8, 0, [1: 1 2 3 4] [2: 1 2]);
    kernel2!(q8_wide, integers, Avx2Integers, AsQ8, 4, [1: 1 2 3 4]);
    kernel2!(q4_few, integers, Avx2Integers, AsQ4, 0, [1: 1 2 3 4]);
    kernel2!(q4_wide, integers, Avx2Integers, AsQ4, 4, [1: 1 2 3 4]);
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::*;
    use std::arch::x86_64::{
        __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512,
    };

    /// Kernels with the features of the tier: with few rows and with many.
    macro_rules! floats512 {
        ($few:ident, $wide:ident, $inner:ident, $weights:ty, [$($four:literal)*], $features:literal) => {
            kernel!($few, $inner, Avx512Floats, $weights, 0,
                [1: 1 2 3 4 5 6 7 8 9 10 11 12] [2: 1 2 3 4 5 6 7 8 9 10 11 12] [4: $($four)*], $features);
            kernel!($wide, $inner, Avx512Floats, $weights, 12,
                [1: 1 2 3 4 5 6 7 8 9 10 11 12] [2: 1 2 3 4 5 6 7 8 9 10 11 12], $features);
        };
    }
    macro_rules! integers512 {
        ($few:ident, $wide:ident, $weights:ty, $features:literal) => {
            kernel!($few, integers, Avx512Integers, $weights, 0, [1: 1 2 3 4 5 6] [2: 1 2 3 4 5 6], $features);
            kernel!($wide, integers, Avx512Integers, $weights, 6, [1: 1 2 3 4 5 6] [2: 1 2 3 4 5 6], $features);
        };
    }

    floats512!(f32_few, f32_wide, floats, AsF32, [], "avx512f,avx512bw,avx512vl,avx512vnni");
    floats512!(bf16_few, bf16_wide, floats, AsBf16, [1 2 3 4], "avx512f,avx512bw,avx512vl,avx512vnni");
    floats512!(f16_few, f16_wide, floats, AsF16, [1 2 3 4], "avx512f,avx512bw,avx512vl,avx512vnni");
    integers512!(q8_few, q8_wide, AsQ8, "avx512f,avx512bw,avx512vl,avx512vnni");
    integers512!(q4_few, q4_wide, AsQ4, "avx512f,avx512bw,avx512vl,avx512vnni");
    // The same with dot products of bf16.
    floats512!(bf16_dot_few, bf16_dot_wide, bf16_dot, AsBf16, [1 2 3 4], "avx512f,avx512bw,avx512vl,avx512vnni,avx512bf16");

    #[inline(always)]
    fn as_bf16(bits: __m512i) -> __m512bh {
        // SAFETY: both are 64 bytes of any value.
        unsafe { std::mem::transmute(bits) }
    }

    /// # Safety
    /// As [`floats`].
    #[inline(always)]
    unsafe fn bf16_dot<F: Floats, W: FloatWeights<F>, const M: usize, const P: usize, const WIDE: usize>(tile: &Tile) {
        // SAFETY: as in `floats`; the processor has AVX512_BF16, which the tier that calls this requires.
        unsafe {
            let mut even = [[<Avx512Floats as Floats>::zero().0; P]; M];
            let mut odd = even;
            let two = 2 * M * P <= Avx512Floats::SUMS;
            let mut rows = [tile.x.cast::<i32>(); M];
            let mut panels = [tile.w; P];
            spread(&mut rows, tile.x_stride);
            spread(&mut panels, tile.w_stride);
            for block in 0..tile.blocks {
                let far = far::<P>(tile, block, W::BYTES);
                for pair in 0..DEPTH / 2 {
                    let mut weights = [as_bf16(_mm512_setzero_si512()); P];
                    for panel in 0..P {
                        if WIDE == 0 {
                            Avx512Floats::prefetch(panels[panel].wrapping_add(far + pair * LINE));
                        }
                        weights[panel] = as_bf16(_mm512_loadu_si512(panels[panel].add(pair * 64).cast()));
                    }
                    let total = if two && pair % 2 == 1 { &mut odd } else { &mut even };
                    for row in 0..M {
                        let x = as_bf16(_mm512_set1_epi32(rows[row].add(pair).read_unaligned()));
                        for panel in 0..P {
                            total[row][panel] = _mm512_dpbf16_ps(total[row][panel], weights[panel], x);
                        }
                    }
                }
                advance(&mut rows, DEPTH / 2);
                advance(&mut panels, W::BYTES);
            }
            for row in 0..M {
                for panel in 0..P {
                    let even = Avx512Floats(even[row][panel]);
                    let sums = if two { even.add(Avx512Floats(odd[row][panel])) } else { even };
                    put(sums, tile, row, panel);
                }
            }
        }
    }
}
