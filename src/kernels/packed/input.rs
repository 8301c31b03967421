//! x in the form that a kernel reads.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use super::DEPTH;
use super::block::{GROUP, round_bf16};
use super::tiles::{Form, Group};
use crate::kernels::pool::{self, Places};
use crate::kernels::rowwise::{self, Norm};
use crate::kernels::tier::{Tier, by_tier};

/// Values from which on the conversion of x is shared among the threads.
const WORTH_SHARING: usize = 1 << 15;

/// Rows of x `[M, K]`, K padded with zeros to whole blocks.
pub(super) struct Input<'a> {
    values: Values<'a>,
    /// For integers: `[M, K / 32]`.
    groups: Vec<Group>,
    /// K padded to whole blocks.
    width: usize,
    /// How many rows lie interleaved; 1 where they lie one after the other.
    interleaved: usize,
}

enum Values<'a> {
    Floats(Cow<'a, [f32]>),
    Bf16(Vec<u16>),
    Integers(Vec<i8>),
}

impl<'a> Input<'a> {
    /// x `[M, K]` of width `k`, normalised by `norm`, converted to `form`; floats with `interleaved` rows interleaved,
    /// where that is not 0.
    pub(super) fn new(x: &'a [f32], k: usize, form: Form, interleaved: usize, norm: Option<Norm<'_>>) -> Self {
        let width = k.next_multiple_of(DEPTH);
        let rows = x.len() / k;
        if interleaved > 0 && form == Form::Floats {
            let values = Values::Floats(Cow::Owned(interleave(x, k, width, interleaved, norm)));
            return Self { values, groups: Vec::new(), width, interleaved };
        }
        let mut groups = Vec::new();
        let values = match form {
            Form::Floats => {
                let mut x = Cow::Borrowed(x);
                if let Some(norm) = norm {
                    rowwise::normalise(x.to_mut(), norm);
                }
                if width > k {
                    let mut padded = vec![0f32; rows * width];
                    for (to, row) in padded.chunks_exact_mut(width).zip(x.chunks_exact(k)) {
                        to[..k].copy_from_slice(row);
                    }
                    x = Cow::Owned(padded);
                }
                Values::Floats(x)
            }
            Form::Bf16 => {
                let mut rounded = vec![0u16; rows * width];
                shared(&mut rounded, width, |first, to| {
                    each_row(&x[first * k..], k, norm, to.chunks_exact_mut(width), round);
                });
                Values::Bf16(rounded)
            }
            Form::Integers => {
                let mut whole = vec![0i8; rows * width];
                groups = vec![Group::default(); rows * width / GROUP];
                let (places, per_row) = (Places::of(&mut groups), width / GROUP);
                shared(&mut whole, width, |first, to| {
                    each_row(&x[first * k..], k, norm, to.chunks_exact_mut(width).enumerate(), |row, (at, to)| {
                        // SAFETY: the groups of a row are written where its integers are, by one thread.
                        let groups =
                            unsafe { std::slice::from_raw_parts_mut(places.at((first + at) * per_row), per_row) };
                        quantise(row, to, groups);
                    });
                });
                Values::Integers(whole)
            }
        };
        Self { values, groups, width, interleaved: 1 }
    }

    /// The first value of a block of a row, of the first of the rows that lie interleaved.
    pub(super) fn at(&self, row: usize, block: usize) -> *const u8 {
        let at = row * self.width + block * DEPTH * self.interleaved;
        match &self.values {
            Values::Floats(values) => values[at..].as_ptr().cast(),
            Values::Bf16(values) => values[at..].as_ptr().cast(),
            Values::Integers(values) => values[at..].as_ptr().cast(),
        }
    }

    /// Bytes from a row to the next.
    pub(super) fn stride(&self) -> usize {
        self.width
            * match self.values {
                Values::Floats(_) => 4,
                Values::Bf16(_) => 2,
                Values::Integers(_) => 1,
            }
    }

    /// The first group of a block of a row; dangling where there are none.
    pub(super) fn groups_at(&self, row: usize, block: usize) -> *const Group {
        self.groups.as_ptr().wrapping_add(row * self.groups_stride() + block * DEPTH / GROUP)
    }

    /// Groups from a row to the next.
    pub(super) fn groups_stride(&self) -> usize {
        self.width / GROUP
    }
}

/// Rows `[M, K]`, normalised by `norm`, as `[M / count][K padded][count]`, zeros where there are no more rows.
fn interleave(x: &[f32], k: usize, width: usize, count: usize, norm: Option<Norm<'_>>) -> Vec<f32> {
    let length = (x.len() / k).next_multiple_of(count) * width;
    let mut out = Vec::with_capacity(length);
    pool::chunks(&mut out.spare_capacity_mut()[..length], count * width, |index, out| {
        let rows = &x[index * count * k..x.len().min((index + 1) * count * k)];
        match norm {
            Some(norm) => {
                let mut normed = rows.to_vec();
                normed.chunks_exact_mut(k).for_each(|row| rowwise::normalise_row(row, norm));
                columns(&normed, k, count, out);
            }
            None => columns(rows, k, count, out),
        }
    });
    // SAFETY: all of them were just written.
    unsafe { out.set_len(length) };
    out
}

/// The first values of `count` rows, then the second ones, and so on; zeros behind the rows' ends and behind the last row.
fn columns(rows: &[f32], k: usize, count: usize, out: &mut [MaybeUninit<f32>]) {
    let (whole, behind) = out.split_at_mut(count * k);
    match count {
        12 if rows.len() == 12 * k => whole_columns::<12>(rows, k, whole),
        6 if rows.len() == 6 * k => whole_columns::<6>(rows, k, whole),
        _ => {
            whole.fill(MaybeUninit::new(0.0));
            for (at, row) in rows.chunks_exact(k).enumerate() {
                whole[at..].iter_mut().step_by(count).zip(row).for_each(|(to, value)| _ = to.write(*value));
            }
        }
    }
    behind.fill(MaybeUninit::new(0.0));
}

/// The same for a number of rows known at compile time: several times as fast.
fn whole_columns<const COUNT: usize>(rows: &[f32], k: usize, out: &mut [MaybeUninit<f32>]) {
    let rows: [&[f32]; COUNT] = std::array::from_fn(|at| &rows[at * k..][..k]);
    for (depth, out) in out.chunks_exact_mut(COUNT).take(k).enumerate() {
        out.iter_mut().zip(rows).for_each(|(to, row)| _ = to.write(row[depth]));
    }
}

/// Calls `work` with each row of x, normalised by `norm`, and its item of `out`.
fn each_row<T>(x: &[f32], k: usize, norm: Option<Norm<'_>>, out: impl Iterator<Item = T>, work: impl Fn(&[f32], T)) {
    let mut normed = Vec::new();
    for (row, out) in x.chunks_exact(k).zip(out) {
        let Some(norm) = norm else {
            work(row, out);
            continue;
        };
        normed.clear();
        normed.extend_from_slice(row);
        rowwise::normalise_row(&mut normed, norm);
        work(&normed, out);
    }
}

/// Calls `work` with the first row and the values of chunks of eight rows, on several threads where that pays.
fn shared<T: Send>(out: &mut [T], width: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    if out.len() < WORTH_SHARING {
        return work(0, out);
    }
    pool::chunks(out, width * 8, |index, chunk| work(index * 8, chunk));
}

/// Integers of -127 to 127 with a scale for each 32 (llama.cpp's q8_0, ties to even as its SIMD code rounds).
fn quantise(row: &[f32], out: &mut [i8], groups: &mut [Group]) {
    #[cfg(target_arch = "x86_64")]
    if Tier::current() >= Tier::Avx512 {
        let (whole, rest) = row.as_chunks::<GROUP>();
        let (out, last) = out.split_at_mut(whole.len() * GROUP);
        // SAFETY: the tier in use is one that the processor has.
        unsafe { quantise_avx512(whole, out, groups) };
        return quantise_portable(rest, last, &mut groups[whole.len()..]);
    }
    quantise_portable(row, out, groups);
}

/// The compiler makes no good code of the two searches across lanes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn quantise_avx512(row: &[[f32; GROUP]], out: &mut [i8], groups: &mut [Group]) {
    use std::arch::x86_64::*;
    for ((values, out), group) in row.iter().zip(out.as_chunks_mut::<GROUP>().0).zip(groups) {
        // SAFETY: a group is two registers of values, half a register of integers.
        unsafe {
            let halves = [_mm512_loadu_ps(values.as_ptr()), _mm512_loadu_ps(values.as_ptr().add(GROUP / 2))];
            // The bits of |x| as integers are in the order of the values with NaN above all, so that one stays the
            // largest; the maximum of floats would lose it.
            let [a, b] = halves.map(|half| _mm512_castps_si512(_mm512_abs_ps(half)));
            let scale = f32::from_bits(_mm512_reduce_max_epu32(_mm512_max_epu32(a, b))) / 127.0;
            let inverse = _mm512_set1_ps(if scale > 0.0 { 1.0 / scale } else { 0.0 });
            let [a, b] = halves.map(|half| _mm512_cvtps_epi32(_mm512_mul_ps(half, inverse)));
            _mm_storeu_si128(out.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(a));
            _mm_storeu_si128(out.as_mut_ptr().add(GROUP / 2).cast(), _mm512_cvtepi32_epi8(b));
            *group = Group { scale, sum: _mm512_reduce_add_epi32(_mm512_add_epi32(a, b)) };
        }
    }
}

by_tier! {
    fn quantise_portable(row: &[f32], out: &mut [i8], groups: &mut [Group]) = quantise_body;

    /// The upper halves, rounded.
    fn round(row: &[f32], out: &mut [u16]) = round_body;
}

#[inline(always)]
fn round_body(row: &[f32], out: &mut [u16]) {
    out.iter_mut().zip(row).for_each(|(to, &value)| *to = round_bf16(value));
}

#[inline(always)]
fn quantise_body(row: &[f32], out: &mut [i8], groups: &mut [Group]) {
    for ((out, values), group) in out.chunks_exact_mut(GROUP).zip(row.chunks(GROUP)).zip(groups) {
        let mut padded = [0f32; GROUP];
        padded[..values.len()].copy_from_slice(values);
        // Lane by lane, then halves: an order that wide registers can take.
        // Loops rather than `map`, which the compiler may leave outside of what has the tier's registers.
        // The bits of |x| as integers are in the order of the values with NaN above all, so that one stays the largest.
        let mut far = [0u32; GROUP];
        far.iter_mut().zip(padded).for_each(|(to, value)| *to = value.to_bits() & 0x7fff_ffff);
        let mut width = GROUP / 2;
        while width > 0 {
            let (low, high) = far.split_at_mut(width);
            low.iter_mut().zip(high).for_each(|(low, high)| *low = if *high > *low { *high } else { *low });
            width /= 2;
        }
        let scale = f32::from_bits(far[0]) / 127.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        // Adding 1.5 · 2²³ leaves the nearest integer, ties to even, in the lower bits.
        let mut whole = [0i32; GROUP];
        for (to, value) in whole.iter_mut().zip(padded) {
            *to = (value * inverse + 12_582_912.0).to_bits() as i32 - 0x4b40_0000;
        }
        out.iter_mut().zip(whole).for_each(|(to, whole)| *to = whole as i8);
        *group = Group { scale, sum: whole.iter().sum() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::noise;

    /// Every tier rounds x to the same integers: also where all are 0, where ties are, and at a row's end.
    #[test]
    fn every_tier_rounds_alike() {
        for length in [1, 31, 32, 33, 64, 100, 768] {
            for values in [noise(7, length), vec![0.0; length], (0..length).map(|at| at as f32 - 63.5).collect()] {
                let width = length.next_multiple_of(GROUP);
                let run = |quantise: fn(&[f32], &mut [i8], &mut [Group])| {
                    let (mut out, mut groups) = (vec![0i8; width], vec![Group::default(); width / GROUP]);
                    quantise(&values, &mut out, &mut groups);
                    (out, groups.iter().map(|group| (group.scale.to_bits(), group.sum)).collect::<Vec<_>>())
                };
                assert_eq!(run(quantise), run(quantise_body), "{length}");
            }
        }
    }
}
