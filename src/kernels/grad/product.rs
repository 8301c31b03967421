//! Products of f32 matrices: B packed into panels of 16 columns, tiles of C in registers (Goto and van de
//! Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008).
#![allow(clippy::needless_range_loop, reason = "loops over constant counts that become straight code")]

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use crate::kernels::lanes::{Avx2Floats, Avx512Floats};
use crate::kernels::lanes::{Floats, LANES, ScalarFloats, prefetch_l2};
use crate::kernels::pool;
use crate::kernels::tier::{Tier, by_tier};

/// Inputs that are summed in registers before C is written: two panels of that depth stay in the L1 cache.
const DEPTH: usize = 128;

/// Rows of A that stay in the L2 cache while they are multiplied with all panels: a multiple of the rows of every tile.
const ROWS: usize = 480;

/// Values between packed tiles and panels, which would else lie a power of two apart and evict each other from the L1
/// cache (too few sets).
const GAP: usize = LANES;

/// Values in a cache line.
const LINE: usize = 16;

/// Rows by which prefetching runs ahead of packing.
const AHEAD: usize = 8;

/// Columns of B that are packed at a time.
const COLUMNS: usize = 512;

/// Rows of A that are interleaved: a multiple of the rows of every tile.
const TOGETHER: usize = 12;

/// A matrix where it lies: the value in row r and column c is `values[r · row_step + c · column_step]`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    row_step: usize,
    column_step: usize,
}

impl<'a> Matrix<'a> {
    /// Row-major, its rows `stride` values apart.
    pub(super) fn rows(values: &'a [f32], stride: usize) -> Self {
        Self { values, row_step: stride, column_step: 1 }
    }

    /// The transpose.
    pub(super) fn t(self) -> Self {
        Self { row_step: self.column_step, column_step: self.row_step, ..self }
    }

    /// Without the rows and columns before these.
    pub(super) fn from(self, row: usize, column: usize) -> Self {
        Self { values: &self.values[row * self.row_step + column * self.column_step..], ..self }
    }

    fn reaches(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row_step + (columns - 1) * self.column_step < self.values.len()
    }
}

/// `[k, n]` packed: panels of 16 columns, each `[k, 16]`, the last padded with zeros.
pub(super) struct Panels {
    values: Vec<f32>,
    k: usize,
    n: usize,
}

impl Panels {
    /// Packs a matrix, the panels shared among the threads.
    pub(super) fn of(b: Matrix<'_>, k: usize, n: usize) -> Self {
        assert!(b.reaches(k, n), "a matrix of {k} by {n}");
        let mut values = Vec::with_capacity(n.div_ceil(LANES) * k * LANES);
        let spare = &mut values.spare_capacity_mut()[..n.div_ceil(LANES) * k * LANES];
        pool::chunks(spare, (k * LANES).max(1), |panel, packed| {
            pack(b.from(0, panel * LANES), k, LANES.min(n - panel * LANES), packed, 0);
        });
        let length = spare.len();
        // SAFETY: every panel was written.
        unsafe { values.set_len(length) };
        Self { values, k, n }
    }
}

by_tier! {
    /// Packs `[k, n]` as panels `stride` values apart, all values of a panel written.
    fn pack(b: Matrix<'_>, k: usize, n: usize, to: &mut [MaybeUninit<f32>], stride: usize) = pack_body;

    /// Packs `[rows, depths]` of A, a dozen rows at a time: the first value of each, then the second of each.
    fn interleave(a: Matrix<'_>, rows: usize, depths: usize, to: &mut [MaybeUninit<f32>]) = interleave_body;
}

#[inline(always)]
fn pack_body(b: Matrix<'_>, k: usize, n: usize, to: &mut [MaybeUninit<f32>], stride: usize) {
    pack_groups::<LANES>(b.t(), n, k, to, stride);
}

#[inline(always)]
fn interleave_body(a: Matrix<'_>, rows: usize, depths: usize, to: &mut [MaybeUninit<f32>]) {
    pack_groups::<TOGETHER>(a, rows, depths, to, TOGETHER * depths + GAP);
}

/// Groups of G rows, `stride` values apart: the first value of each row, then the second of each, those of rows that are
/// not there 0.
#[inline(always)]
fn pack_groups<const G: usize>(a: Matrix<'_>, rows: usize, depths: usize, to: &mut [MaybeUninit<f32>], stride: usize) {
    // Where the rows of a group lie side by side, depth by depth, as they are read; else group by group.
    let whole = if a.row_step == 1 { rows / G } else { 0 };
    for depth in 0..if whole > 0 { depths } else { 0 } {
        let from = &a.values[depth * a.column_step..];
        // Too few values of each row for the hardware prefetcher.
        for line in (0..whole * G).step_by(LINE) {
            prefetch_l2(from.as_ptr().wrapping_add(AHEAD * a.column_step + line).cast());
        }
        let (from, _) = from.as_chunks::<G>();
        for (group, from) in from[..whole].iter().enumerate() {
            let to: &mut [_; G] =
                (&mut to[group * stride + depth * G..][..G]).try_into().unwrap_or_else(|_| unreachable!());
            *to = from.map(MaybeUninit::new);
        }
    }
    for group in whole..rows.div_ceil(G) {
        let (to, _) = to[group * stride..][..depths * G].as_chunks_mut::<G>();
        let count = G.min(rows - group * G);
        // A few depths at a time, so that what is written stays in the L1 cache.
        for (block, to) in to.chunks_mut(16).enumerate() {
            for row in 0..count {
                let from = a.from(group * G + row, block * 16);
                for (to, value) in to.iter_mut().zip(from.values.iter().step_by(from.column_step)) {
                    to[row] = MaybeUninit::new(*value);
                }
            }
            to.iter_mut().for_each(|to| to[count..].fill(MaybeUninit::new(0.0)));
        }
    }
}

/// The right side of a product.
#[derive(Clone, Copy)]
pub(super) enum Right<'a> {
    /// Packed before, for products that share it.
    Panels(&'a Panels),
    /// `[k, n]` as it lies, packed piece by piece.
    Matrix(Matrix<'a>),
}

/// What a product does with what C holds.
#[derive(Clone, Copy)]
pub(super) enum Onto<'a> {
    /// C need not hold anything.
    Nothing,
    /// The product is added to this row, in every row of C.
    Row(&'a [f32]),
    /// The same, and to a matrix that lies as C does.
    RowAndMatrix(&'a [f32], &'a [f32]),
    /// The product is added to C.
    Values,
}

/// C = α · A · B, or that plus something: A is `[m, k]`, B `[k, n]`.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    pub(super) a: Matrix<'a>,
    pub(super) b: Right<'a>,
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) alpha: f32,
}

thread_local! {
    /// The packing buffer, reused by the next product of the thread.
    static SCRATCH: Cell<Vec<MaybeUninit<f32>>> = const { Cell::new(Vec::new()) };
}

impl Product<'_> {
    /// Runs it on all threads, into rows one after the other. Each value is summed in the same order however many threads
    /// there are.
    pub(super) fn share(self, out: &mut [f32], onto: Onto<'_>) {
        let Self { m, n, k, .. } = self;
        assert!(out.len() == m * n, "C of {m} by {n} in {}", out.len());
        if out.is_empty() {
            return;
        }
        if k == 0 && matches!(onto, Onto::Nothing) {
            return out.fill(0.0);
        }
        // What is not packed yet is packed by each part anew, so the longer side is cut, into no more parts than needed.
        let parts = pool::threads() * if matches!(self.b, Right::Panels(_)) { 4 } else { 1 };
        let cut = |length: usize, unit: usize| length.div_ceil(parts).next_multiple_of(unit);
        let (rows, columns) = if m >= n { (cut(m, TOGETHER), n) } else { (m, cut(n, 2 * LANES)) };
        let place = pool::Places::of(out);
        pool::tasks(m.div_ceil(rows) * n.div_ceil(columns), |task| {
            let (row, column) = if m >= n { (task * rows, 0) } else { (0, task * columns) };
            let part = [row..m.min(row + rows), column..n.min(column + columns)];
            // SAFETY: the parts lie within `out`, which is borrowed until the pool is done, and do not overlap.
            unsafe { self.run_part(Tier::current(), part, place.at(0), n, onto) };
        });
    }

    /// Runs it on this thread, into rows of `stride` values that begin at `out`.
    ///
    /// # Safety
    /// `out` must be valid for `m` rows of `n` values, `stride` apart, initialised where they are added to, and no
    /// other thread may access those.
    pub(super) unsafe fn run(self, out: *mut f32, stride: usize, onto: Onto<'_>) {
        // SAFETY: as the caller has it.
        unsafe { self.run_part(Tier::current(), [0..self.m, 0..self.n], out, stride, onto) };
    }

    /// Some rows and columns of it; the columns begin with a panel.
    ///
    /// # Safety
    /// As for [`Product::run`], but only of that part.
    pub(super) unsafe fn run_part(
        self,
        tier: Tier,
        part: [Range<usize>; 2],
        out: *mut f32,
        stride: usize,
        onto: Onto<'_>,
    ) {
        self.check(onto, stride);
        let Self { a, b, k, .. } = self;
        let [all_rows, all_columns] = part;
        let kernel = kernel(tier);
        let mut scratch = SCRATCH.take();
        let a_length = ROWS / TOGETHER * (TOGETHER * DEPTH + GAP);
        let b_length = COLUMNS / LANES * (LANES * DEPTH + GAP);
        scratch.resize(scratch.len().max(a_length + b_length), MaybeUninit::uninit());
        let (a_scratch, b_scratch) = scratch.split_at_mut(a_length);
        for row in all_rows.clone().step_by(ROWS) {
            let rows = ROWS.min(all_rows.end - row);
            for column in all_columns.clone().step_by(COLUMNS) {
                let columns = COLUMNS.min(all_columns.end - column);
                for depth in (0..k).step_by(DEPTH) {
                    let depths = DEPTH.min(k - depth);
                    let (panels, panel_stride) = match b {
                        Right::Panels(b) => (b.values[(column / LANES * b.k + depth) * LANES..].as_ptr(), b.k * LANES),
                        Right::Matrix(b) => {
                            let panel_stride = depths * LANES + GAP;
                            pack(b.from(depth, column), depths, columns, b_scratch, panel_stride);
                            (b_scratch.as_ptr().cast(), panel_stride)
                        }
                    };
                    let interleaved = a.column_step != 1;
                    if interleaved {
                        interleave(a.from(row, depth), rows, depths, a_scratch);
                    }
                    let onto = if depth > 0 { Onto::Values } else { onto };
                    let packed = interleaved.then_some(&*a_scratch);
                    let block = Block { row, rows, column, columns, depth, depths, packed, panels, panel_stride };
                    // SAFETY: the block lies within A, B and C, and the kernel is one of this processor.
                    unsafe { self.run_block(kernel, &block, out, stride, onto) };
                }
            }
        }
        SCRATCH.set(scratch);
    }

    /// That A, B and what is added are as large as the product needs.
    fn check(&self, onto: Onto<'_>, stride: usize) {
        let Self { a, b, m, n, k, .. } = *self;
        assert!(k > 0 && a.reaches(m, k), "A of {m} by {k}");
        match b {
            Right::Panels(panels) => assert!(panels.k >= k && panels.n >= n, "B of {k} by {n}"),
            Right::Matrix(b) => assert!(b.reaches(k, n), "B of {k} by {n}"),
        }
        if let Onto::Row(row) | Onto::RowAndMatrix(row, _) = onto {
            assert!(row.len() >= n, "a row of {n}");
        }
        if let Onto::RowAndMatrix(_, matrix) = onto {
            assert!(m == 0 || matrix.len() >= (m - 1) * stride + n, "a matrix of {m} by {n}");
        }
    }

    /// The tiles of a block, one column of tiles after the other.
    ///
    /// # Safety
    /// The block lies within A, B and C, which is at `out` as for [`Product::run`], and the processor has the kernel.
    #[inline]
    unsafe fn run_block(
        &self,
        (kernel, beside): (Kernel, usize),
        block: &Block<'_>,
        out: *mut f32,
        stride: usize,
        onto: Onto<'_>,
    ) {
        let Block { row, rows, column, columns, depth, depths, packed, panels, panel_stride } = *block;
        for first in (0..columns).step_by(beside * LANES) {
            let mut at = 0;
            while at < rows {
                let (a, together) = match packed {
                    Some(packed) => {
                        let group = at / TOGETHER * (TOGETHER * depths + GAP);
                        (packed[group + at % TOGETHER..].as_ptr().cast(), TOGETHER - at % TOGETHER)
                    }
                    None => (self.a.from(row + at, depth).values.as_ptr(), rows),
                };
                let place = (row + at) * stride + column + first;
                // SAFETY: the panel and the place in C are there.
                let (b, out) = unsafe { (panels.add(first / LANES * panel_stride), out.add(place)) };
                let tile = Tile {
                    rows: (rows - at).min(together),
                    width: (beside * LANES).min(columns - first),
                    depth: depths,
                    a,
                    a_row: self.a.row_step,
                    interleaved: packed.is_some(),
                    b,
                    b_stride: panel_stride,
                    out,
                    stride,
                    alpha: self.alpha,
                    row: match onto {
                        Onto::Row(row) | Onto::RowAndMatrix(row, _) => row[column + first..].as_ptr(),
                        Onto::Nothing | Onto::Values => std::ptr::null(),
                    },
                    onto: match onto {
                        Onto::RowAndMatrix(_, matrix) => matrix[place..].as_ptr(),
                        Onto::Values => out,
                        Onto::Nothing | Onto::Row(_) => std::ptr::null(),
                    },
                };
                // SAFETY: all of the tile lies within A, B and C, and the kernel is one of this processor.
                at += unsafe { kernel(&tile) };
            }
        }
    }
}

/// Some rows, columns and inputs of a product, with what was packed of them.
#[derive(Clone, Copy)]
struct Block<'a> {
    row: usize,
    rows: usize,
    column: usize,
    columns: usize,
    depth: usize,
    depths: usize,
    /// A as [`interleave`] has packed it; `None` where its rows are read where they lie.
    packed: Option<&'a [MaybeUninit<f32>]>,
    /// The first panel of B.
    panels: *const f32,
    /// Values from a panel to the next.
    panel_stride: usize,
}

/// A tile of C.
struct Tile {
    /// Rows there are; the kernel takes as many as it can.
    rows: usize,
    /// Columns, 32 at most.
    width: usize,
    depth: usize,
    a: *const f32,
    /// From a row of A to the next, where they lie one after the other.
    a_row: usize,
    /// Whether [`interleave`] has put a dozen together.
    interleaved: bool,
    b: *const f32,
    b_stride: usize,
    out: *mut f32,
    stride: usize,
    alpha: f32,
    /// What is added to every row, null for nothing.
    row: *const f32,
    /// What is added to the first row, and so on as `out`; null for nothing.
    onto: *const f32,
}

/// Computes the first rows of a tile and says how many those were.
type Kernel = unsafe fn(&Tile) -> usize;

/// The kernel of a tier and how many panels it takes beside each other: as many sums as there are registers for.
fn kernel(tier: Tier) -> (Kernel, usize) {
    match tier {
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 | Tier::Avx512Bf16 => (avx512, 2),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => (avx2, 1),
        _ => (scalar, 1),
    }
}

/// M rows of a tile with P panels. STEP is from a value of a row of A to the next of the same row.
///
/// # Safety
/// The tile must describe memory that can be read and written.
#[inline(always)]
unsafe fn tile<F: Floats, const M: usize, const P: usize, const STEP: usize>(tile: &Tile) -> usize {
    // SAFETY: all reads and writes are of rows and columns that the caller describes in `tile`.
    unsafe {
        let mut sums = [[F::zero(); P]; M];
        let (mut a, mut b) = (tile.a, tile.b);
        for _ in 0..tile.depth {
            let mut panels = [F::zero(); P];
            for panel in 0..P {
                panels[panel] = F::load(b.add(panel * tile.b_stride));
            }
            for row in 0..M {
                let x = F::splat(a.add(if STEP == 1 { row * tile.a_row } else { row }));
                for panel in 0..P {
                    sums[row][panel] = sums[row][panel].mul_add(panels[panel], x);
                }
            }
            (a, b) = (a.add(STEP), b.add(LANES));
        }
        let alpha = F::splat(&tile.alpha);
        if tile.width == P * LANES {
            for row in 0..M {
                for panel in 0..P {
                    let mut value = sums[row][panel].mul(alpha);
                    if !tile.row.is_null() {
                        value = value.add(F::load(tile.row.add(panel * LANES)));
                    }
                    if !tile.onto.is_null() {
                        value = value.add(F::load(tile.onto.add(row * tile.stride + panel * LANES)));
                    }
                    value.store(tile.out.add(row * tile.stride + panel * LANES));
                }
            }
        } else {
            let mut whole = [[0f32; LANES]; P];
            for row in 0..M {
                for panel in 0..P {
                    sums[row][panel].mul(alpha).store(whole[panel].as_mut_ptr());
                }
                for (column, value) in whole.as_flattened().iter().enumerate().take(tile.width) {
                    let mut value = *value;
                    if !tile.row.is_null() {
                        value += *tile.row.add(column);
                    }
                    if !tile.onto.is_null() {
                        value += *tile.onto.add(row * tile.stride + column);
                    }
                    *tile.out.add(row * tile.stride + column) = value;
                }
            }
        }
        M
    }
}

/// A kernel: a function of the tier's features, with code of its own for each number of rows and panels.
macro_rules! kernel {
    ($name:ident, $lanes:ty, $([$panels:literal: $($rows:literal)*])* $(, $features:literal)?) => {
        $(#[target_feature(enable = $features)])?
        unsafe fn $name(t: &Tile) -> usize {
            // SAFETY: as the caller has it.
            unsafe {
                match (t.width.div_ceil(LANES), t.interleaved) {
                    $($(
                        ($panels, true) if t.rows >= $rows => tile::<$lanes, $rows, $panels, TOGETHER>(t),
                        ($panels, false) if t.rows >= $rows => tile::<$lanes, $rows, $panels, 1>(t),
                    )*)*
                    (panels, _) => unreachable!("a tile of {} rows and {panels} panels", t.rows),
                }
            }
        }
    };
}

kernel!(scalar, ScalarFloats, [1: 2 1]);
#[cfg(target_arch = "x86_64")]
kernel!(avx2, Avx2Floats, [1: 6 3 1], "avx2,fma,f16c");
#[cfg(target_arch = "x86_64")]
kernel!(avx512, Avx512Floats, [1: 12 4 1] [2: 12 4 1], "avx512f,avx512bw,avx512vl,avx512vnni");
