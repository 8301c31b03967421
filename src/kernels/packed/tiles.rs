//! Products of a few rows of x with a few panels: the innermost loops.
#![allow(clippy::needless_range_loop, reason = "loops over constant counts that become straight code")]

use super::block::{GROUP, SCALES};
use super::{DEPTH, Dtype, LANES};
#[cfg(target_arch = "x86_64")]
use crate::kernels::lanes::{Avx2Floats, Avx2Integers, Avx512Floats, Avx512Integers};
use crate::kernels::lanes::{Floats, Integers, ScalarFloats, ScalarIntegers};
use crate::kernels::tier::Tier;

/// Most rows of x in a tile of any kernel.
pub(in crate::kernels) const MAX_ROWS: usize = 12;

/// Most panels in a tile of any kernel.
pub(in crate::kernels) const MAX_PANELS: usize = 2;

/// How far ahead of the weights being multiplied the next are asked for, in bytes.
const AHEAD: usize = 4096;

/// What a tile reads.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Tile {
    /// Rows of x, from 1 to as many as the kernel takes.
    pub(in crate::kernels) rows: usize,
    /// The first value of the first row, of the type that the kernel reads.
    pub(in crate::kernels) x: *const u8,
    /// Bytes from a row to the next.
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
    /// One panel at a time: the weights come from memory.
    pub(in crate::kernels) one: Kernel,
    /// Several panels at a time, so that a value of x is loaded once for all of them.
    pub(in crate::kernels) wide: Kernel,
    /// How many panels `wide` takes.
    pub(in crate::kernels) panels: usize,
}

/// The kernels that multiply weights of that dtype.
pub(in crate::kernels) fn of(tier: Tier, dtype: Dtype) -> Kernels {
    use Form::{Bf16, Floats, Integers};
    match tier {
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512Bf16 if dtype == Dtype::Bf16 => {
            Kernels { form: Bf16, rows: 12, one: avx512::bf16_dot_1, wide: avx512::bf16_dot_2, panels: 2 }
        }
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 | Tier::Avx512Bf16 => match dtype {
            Dtype::F32 => Kernels { form: Floats, rows: 12, one: avx512::f32_1, wide: avx512::f32_2, panels: 2 },
            Dtype::Bf16 => Kernels { form: Floats, rows: 12, one: avx512::bf16_1, wide: avx512::bf16_2, panels: 2 },
            Dtype::F16 => Kernels { form: Floats, rows: 12, one: avx512::f16_1, wide: avx512::f16_2, panels: 2 },
            Dtype::Q8_0 => Kernels { form: Integers, rows: 6, one: avx512::q8_1, wide: avx512::q8_2, panels: 2 },
            Dtype::Q4_0 => Kernels { form: Integers, rows: 6, one: avx512::q4_1, wide: avx512::q4_2, panels: 2 },
        },
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => match dtype {
            Dtype::F32 => Kernels { form: Floats, rows: 6, one: avx2::f32_1, wide: avx2::f32_many, panels: 1 },
            Dtype::Bf16 => Kernels { form: Floats, rows: 6, one: avx2::bf16_1, wide: avx2::bf16_many, panels: 1 },
            Dtype::F16 => Kernels { form: Floats, rows: 6, one: avx2::f16_1, wide: avx2::f16_1, panels: 1 },
            Dtype::Q8_0 => Kernels { form: Integers, rows: 4, one: avx2::q8_1, wide: avx2::q8_1, panels: 1 },
            Dtype::Q4_0 => Kernels { form: Integers, rows: 4, one: avx2::q4_1, wide: avx2::q4_1, panels: 1 },
        },
        _ => match dtype {
            Dtype::F32 => Kernels { form: Floats, rows: 4, one: scalar::f32_1, wide: scalar::f32_1, panels: 1 },
            Dtype::Bf16 => Kernels { form: Floats, rows: 4, one: scalar::bf16_1, wide: scalar::bf16_1, panels: 1 },
            Dtype::F16 => Kernels { form: Floats, rows: 4, one: scalar::f16_1, wide: scalar::f16_1, panels: 1 },
            Dtype::Q8_0 => Kernels { form: Integers, rows: 4, one: scalar::q8_1, wide: scalar::q8_1, panels: 1 },
            Dtype::Q4_0 => Kernels { form: Integers, rows: 4, one: scalar::q4_1, wide: scalar::q4_1, panels: 1 },
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
        unsafe { (F::load(block.add(pair * 128).cast()), F::load(block.add(pair * 128 + 64).cast())) }
    }
}

impl<F: Floats> FloatWeights<F> for AsBf16 {
    const BYTES: usize = DEPTH * LANES * 2;
    #[inline(always)]
    unsafe fn pair(block: *const u8, pair: usize) -> (F, F) {
        unsafe { F::load_bf16_pairs(block.add(pair * 64)) }
    }
}

impl<F: Floats> FloatWeights<F> for AsF16 {
    const BYTES: usize = DEPTH * LANES * 2;
    #[inline(always)]
    unsafe fn pair(block: *const u8, pair: usize) -> (F, F) {
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
    unsafe {
        let to = tile.out.add(row * tile.out_stride + panel * LANES);
        let sums = if tile.add { F::load(to).add(sums) } else { sums };
        sums.store(to);
    }
}

/// # Safety
/// The tile must describe memory that can be read, M its rows.
#[inline(always)]
unsafe fn floats<F: Floats, W: FloatWeights<F>, const M: usize, const P: usize, const FETCH: bool>(tile: &Tile) {
    unsafe {
        let mut even = [[F::zero(); P]; M];
        let mut odd = [[F::zero(); P]; M];
        // Known when compiled; where there is one chain alone, nothing must touch the other.
        let two = 2 * M * P <= F::SUMS;
        let mut rows = [tile.x.cast::<f32>(); M];
        let mut panels = [tile.w; P];
        spread(&mut rows, tile.x_stride);
        spread(&mut panels, tile.w_stride);
        for _ in 0..tile.blocks {
            for pair in 0..DEPTH / 2 {
                if FETCH {
                    for line in 0..W::BYTES / (DEPTH / 2) / 64 {
                        F::prefetch(panels[0].wrapping_add(AHEAD + pair * W::BYTES / (DEPTH / 2) + line * 64));
                    }
                }
                let mut weights = [(F::zero(), F::zero()); P];
                for panel in 0..P {
                    weights[panel] = W::pair(panels[panel], pair);
                }
                for row in 0..M {
                    let (x0, x1) = (F::splat(rows[row].add(2 * pair)), F::splat(rows[row].add(2 * pair + 1)));
                    for panel in 0..P {
                        even[row][panel] = even[row][panel].mul_add(weights[panel].0, x0);
                        // A second chain of sums where there are too few to keep the units busy.
                        let second = if two { &mut odd } else { &mut even };
                        second[row][panel] = second[row][panel].mul_add(weights[panel].1, x1);
                    }
                }
            }
            advance(&mut rows, DEPTH);
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
    /// The weights of inputs 4 · `four` to 4 · `four` + 3 of a half of a block.
    unsafe fn four(half: *const u8, four: usize) -> I::Bytes;
    unsafe fn dot(sum: I, weights: I::Bytes, x: *const i8) -> I;
}

struct AsQ8;
struct AsQ4;

impl<I: Integers> IntegerWeights<I> for AsQ8 {
    const BYTES: usize = SCALES + DEPTH * LANES;
    const OFFSET: i32 = I::Q8_OFFSET;

    #[inline(always)]
    unsafe fn four(half: *const u8, four: usize) -> I::Bytes {
        unsafe { I::load_q8(half.add(four * 64)) }
    }

    #[inline(always)]
    unsafe fn dot(sum: I, weights: I::Bytes, x: *const i8) -> I {
        unsafe { sum.dot_q8(weights, x) }
    }
}

impl<I: Integers> IntegerWeights<I> for AsQ4 {
    const BYTES: usize = SCALES + DEPTH * LANES / 2;
    const OFFSET: i32 = 8;

    #[inline(always)]
    unsafe fn four(half: *const u8, four: usize) -> I::Bytes {
        const HALF: usize = GROUP / 8;
        unsafe {
            let (lower, upper) = I::load_q4(half.add(four % HALF * 64));
            if four < HALF { lower } else { upper }
        }
    }

    #[inline(always)]
    unsafe fn dot(sum: I, weights: I::Bytes, x: *const i8) -> I {
        unsafe { sum.dot_q4(weights, x) }
    }
}

/// # Safety
/// As [`floats`].
#[inline(always)]
unsafe fn integers<I: Integers, W: IntegerWeights<I>, const M: usize, const P: usize, const FETCH: bool>(tile: &Tile) {
    unsafe {
        let mut total = [[<I::Floats as Floats>::zero(); P]; M];
        let mut rows = [tile.x.cast::<i8>(); M];
        let mut groups = [tile.groups; M];
        let mut panels = [tile.w; P];
        spread(&mut rows, tile.x_stride);
        spread(&mut groups, tile.groups_stride * size_of::<Group>());
        spread(&mut panels, tile.w_stride);
        for _ in 0..tile.blocks {
            if FETCH {
                for line in 0..W::BYTES / 64 {
                    I::Floats::prefetch(panels[0].wrapping_add(AHEAD + line * 64));
                }
            }
            for half in 0..2 {
                let mut dots = [[I::splat(0); P]; M];
                for row in 0..M {
                    dots[row] = [I::splat(-W::OFFSET * (*groups[row].add(half)).sum); P];
                }
                for four in 0..GROUP / 4 {
                    for panel in 0..P {
                        let at = panels[panel].add(SCALES + half * (W::BYTES - SCALES) / 2);
                        let weights = W::four(at, four);
                        for row in 0..M {
                            let x = rows[row].add(half * GROUP + 4 * four);
                            dots[row][panel] = W::dot(dots[row][panel], weights, x);
                        }
                    }
                }
                for panel in 0..P {
                    let scales = I::Floats::load_f16(panels[panel].add(half * LANES * 2));
                    for row in 0..M {
                        let scale = scales.mul(I::Floats::splat(&(*groups[row].add(half)).scale));
                        total[row][panel] = total[row][panel].mul_add(dots[row][panel].floats(), scale);
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

/// A kernel: a function of the tier's features, with code of its own for each number of rows.
macro_rules! kernel {
    ($name:ident, $inner:ident, $lanes:ty, $weights:ty, $panels:literal, $fetch:literal, [$($rows:literal)*] $(, $features:literal)?) => {
        $(#[target_feature(enable = $features)])?
        pub(in crate::kernels) unsafe fn $name(tile: &Tile) {
            // SAFETY: as the caller has it.
            unsafe {
                match tile.rows {
                    $($rows => $inner::<$lanes, $weights, $rows, $panels, $fetch>(tile),)*
                    rows => unreachable!("a tile of {rows} rows"),
                }
            }
        }
    };
}

mod scalar {
    use super::*;
    kernel!(f32_1, floats, ScalarFloats, AsF32, 1, true, [1 2 3 4]);
    kernel!(bf16_1, floats, ScalarFloats, AsBf16, 1, true, [1 2 3 4]);
    kernel!(f16_1, floats, ScalarFloats, AsF16, 1, true, [1 2 3 4]);
    kernel!(q8_1, integers, ScalarIntegers, AsQ8, 1, true, [1 2 3 4]);
    kernel!(q4_1, integers, ScalarIntegers, AsQ4, 1, true, [1 2 3 4]);
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::*;
    kernel!(f32_1, floats, Avx2Floats, AsF32, 1, true, [1 2 3 4 5 6], "avx2,fma,f16c");
    kernel!(f32_many, floats, Avx2Floats, AsF32, 1, false, [1 2 3 4 5 6], "avx2,fma,f16c");
    kernel!(bf16_1, floats, Avx2Floats, AsBf16, 1, true, [1 2 3 4 5 6], "avx2,fma,f16c");
    kernel!(bf16_many, floats, Avx2Floats, AsBf16, 1, false, [1 2 3 4 5 6], "avx2,fma,f16c");
    kernel!(f16_1, floats, Avx2Floats, AsF16, 1, true, [1 2 3 4 5 6], "avx2,fma,f16c");
    kernel!(q8_1, integers, Avx2Integers, AsQ8, 1, true, [1 2 3 4], "avx2,fma,f16c");
    kernel!(q4_1, integers, Avx2Integers, AsQ4, 1, true, [1 2 3 4], "avx2,fma,f16c");
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::*;
    use std::arch::x86_64::{
        __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512,
    };

    /// A kernel with the features of the tier.
    macro_rules! kernel512 {
        ($name:ident, $inner:ident, $lanes:ty, $weights:ty, $panels:literal, $fetch:literal, $rows:tt) => {
            kernel!($name, $inner, $lanes, $weights, $panels, $fetch, $rows, "avx512f,avx512bw,avx512vl,avx512vnni");
        };
    }

    kernel512!(f32_1, floats, Avx512Floats, AsF32, 1, true, [1 2 3 4 5 6 7 8 9 10 11 12]);
    kernel512!(f32_2, floats, Avx512Floats, AsF32, 2, false, [1 2 3 4 5 6 7 8 9 10 11 12]);
    kernel512!(bf16_1, floats, Avx512Floats, AsBf16, 1, true, [1 2 3 4 5 6 7 8 9 10 11 12]);
    kernel512!(bf16_2, floats, Avx512Floats, AsBf16, 2, false, [1 2 3 4 5 6 7 8 9 10 11 12]);
    kernel512!(f16_1, floats, Avx512Floats, AsF16, 1, true, [1 2 3 4 5 6 7 8 9 10 11 12]);
    kernel512!(f16_2, floats, Avx512Floats, AsF16, 2, false, [1 2 3 4 5 6 7 8 9 10 11 12]);
    kernel512!(q8_1, integers, Avx512Integers, AsQ8, 1, true, [1 2 3 4 5 6]);
    kernel512!(q8_2, integers, Avx512Integers, AsQ8, 2, false, [1 2 3 4 5 6]);
    kernel512!(q4_1, integers, Avx512Integers, AsQ4, 1, true, [1 2 3 4 5 6]);
    kernel512!(q4_2, integers, Avx512Integers, AsQ4, 2, false, [1 2 3 4 5 6]);

    /// The same with dot products of bf16.
    macro_rules! kernel_bf16 {
        ($name:ident, $panels:literal, $fetch:literal) => {
            kernel!(
                $name,
                bf16_dot,
                Avx512Floats,
                AsBf16,
                $panels,
                $fetch,
                [1 2 3 4 5 6 7 8 9 10 11 12],
                "avx512f,avx512bw,avx512vl,avx512vnni,avx512bf16"
            );
        };
    }

    kernel_bf16!(bf16_dot_1, 1, true);
    kernel_bf16!(bf16_dot_2, 2, false);

    #[inline(always)]
    fn as_bf16(bits: __m512i) -> __m512bh {
        // SAFETY: both are 64 bytes of any value.
        unsafe { std::mem::transmute(bits) }
    }

    /// # Safety
    /// As [`floats`].
    #[inline(always)]
    unsafe fn bf16_dot<F: Floats, W: FloatWeights<F>, const M: usize, const P: usize, const FETCH: bool>(tile: &Tile) {
        unsafe {
            let mut even = [[<Avx512Floats as Floats>::zero().0; P]; M];
            let mut odd = even;
            let two = 2 * M * P <= Avx512Floats::SUMS;
            let mut rows = [tile.x.cast::<i32>(); M];
            let mut panels = [tile.w; P];
            spread(&mut rows, tile.x_stride);
            spread(&mut panels, tile.w_stride);
            for _ in 0..tile.blocks {
                for pair in 0..DEPTH / 2 {
                    if FETCH {
                        Avx512Floats::prefetch(panels[0].wrapping_add(AHEAD + pair * 64));
                    }
                    let mut weights = [as_bf16(_mm512_setzero_si512()); P];
                    for panel in 0..P {
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
