//! x in the form that a kernel reads.

use std::borrow::Cow;

use super::DEPTH;
use super::block::{GROUP, round_bf16};
use super::tiles::{Form, Group};
use crate::kernels::pool::{self, Places};
use crate::kernels::rowwise::{self, Norm};
use crate::kernels::tier::by_tier;

/// Values from which on the threads share the work of changing x.
const WORTH_SHARING: usize = 1 << 15;

/// Rows of x `[M, K]`, K filled up with zeros to whole blocks.
pub(super) struct Input<'a> {
    values: Values<'a>,
    /// For integers: `[M, K / 32]`.
    groups: Vec<Group>,
    /// K filled up.
    width: usize,
}

enum Values<'a> {
    Floats(Cow<'a, [f32]>),
    Bf16(Vec<u16>),
    Integers(Vec<i8>),
}

impl<'a> Input<'a> {
    /// x `[M, K]` of width `k`, normalised where that is asked for, in the form asked for.
    pub(super) fn new(x: &'a [f32], k: usize, form: Form, norm: Option<Norm<'_>>) -> Self {
        let x = match norm {
            None => Cow::Borrowed(x),
            Some(norm) => {
                let mut normed = x.to_vec();
                rowwise::normalise(&mut normed, norm);
                Cow::Owned(normed)
            }
        };
        let width = k.next_multiple_of(DEPTH);
        let rows = x.len() / k;
        let mut groups = Vec::new();
        let values = match form {
            Form::Floats if width == k => Values::Floats(x),
            Form::Floats => {
                let mut padded = vec![0f32; rows * width];
                for (to, row) in padded.chunks_exact_mut(width).zip(x.chunks_exact(k)) {
                    to[..k].copy_from_slice(row);
                }
                Values::Floats(Cow::Owned(padded))
            }
            Form::Bf16 => {
                let mut rounded = vec![0u16; rows * width];
                shared(&mut rounded, width, |first, to| {
                    for (to, row) in to.chunks_exact_mut(width).zip(x[first * k..].chunks_exact(k)) {
                        round(row, to);
                    }
                });
                Values::Bf16(rounded)
            }
            Form::Integers => {
                let mut whole = vec![0i8; rows * width];
                groups = vec![Group::default(); rows * width / GROUP];
                let groups = Places::of(&mut groups);
                shared(&mut whole, width, |first, to| {
                    let per_row = width / GROUP;
                    for (at, (to, row)) in to.chunks_exact_mut(width).zip(x[first * k..].chunks_exact(k)).enumerate() {
                        // SAFETY: the groups of a row are written where its integers are, by one thread.
                        let groups =
                            unsafe { std::slice::from_raw_parts_mut(groups.at((first + at) * per_row), per_row) };
                        quantise(row, to, groups);
                    }
                });
                Values::Integers(whole)
            }
        };
        Self { values, groups, width }
    }

    /// The first value of a block of a row.
    pub(super) fn at(&self, row: usize, block: usize) -> *const u8 {
        let at = row * self.width + block * DEPTH;
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

/// Calls `work` with the first row and the values of stretches of rows, on several threads where that pays.
fn shared<T: Send>(out: &mut [T], width: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    if out.len() < WORTH_SHARING {
        return work(0, out);
    }
    pool::chunks(out, width * 8, |index, stretch| work(index * 8, stretch));
}

by_tier! {
    /// Integers of -127 to 127 with a scale for each 32 (llama.cpp's q8_0, ties to even as its SIMD code rounds).
    fn quantise(row: &[f32], out: &mut [i8], groups: &mut [Group]) = quantise_body;

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
        let mut far: [f32; GROUP] = padded.map(f32::abs);
        let mut width = GROUP / 2;
        while width > 0 {
            let (low, high) = far.split_at_mut(width);
            low.iter_mut().zip(high).for_each(|(low, high)| *low = if *high > *low { *high } else { *low });
            width /= 2;
        }
        let scale = far[0] / 127.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        // Adding 1.5 · 2²³ leaves the nearest integer, ties to even, in the lower bits.
        let whole = padded.map(|value| (value * inverse + 12_582_912.0).to_bits() as i32 - 0x4b40_0000);
        out.iter_mut().zip(whole).for_each(|(to, whole)| *to = whole as i8);
        *group = Group { scale, sum: whole.iter().sum() };
    }
}
