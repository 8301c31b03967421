//! x·Wᵀ over a whole matrix: how it is cut into tiles, for which thread, in which order.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ops::Range;

use super::input::Input;
use super::tiles::{self, Kernels, MAX_PANELS, MAX_ROWS, Tile};
use super::{LANES, Packed};
use crate::kernels::lanes;
use crate::kernels::pool::{self, Places};
use crate::kernels::rowwise::{self, Finish, Norm};
use crate::kernels::tier::Tier;

/// Most rows of x for which the weights are streamed once from memory; with more they are read by blocks that stay in
/// the cache while they are multiplied with all rows.
const FEW: usize = 16;

/// Blocks of two panels that stay in the L2 cache while they are multiplied with many rows: 96 KiB of f32.
const CACHED_BLOCKS: usize = 12;

/// Most rows of x that each thread converts for itself: that takes less time than waiting for one thread to do it.
const OWN: usize = 4;

/// Weights below which one thread does it all.
const WORTH_SHARING: usize = 1 << 14;

/// What is done to x before the products, and to each product before it is written.
#[derive(Clone, Copy, Default)]
pub struct Around<'a> {
    /// LayerNorm of each row of x.
    pub norm: Option<Norm<'a>>,
    /// What may be done to x.
    pub rounding: Rounding,
    /// Added first: `[N]`.
    pub bias: Option<&'a [f32]>,
    /// GELU (the tanh form) after the bias.
    pub gelu: bool,
    /// Added last: `[M, N]`, the residual stream.
    pub residual: Option<&'a [f32]>,
    /// The matrix of the next product, where it is known: threads that are done prefetch its start.
    pub next: Option<&'a Packed>,
}

/// What may be done to x.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rounding {
    /// Rounded to what the processor multiplies fastest with weights of the dtype: bf16 for bf16 where it has such
    /// products, 8-bit integers (a scale for each 32) for q8_0 and q4_0.
    #[default]
    Fast,
    /// As [`Rounding::Fast`], but bf16 weights are multiplied with x as it is. For the queries and keys: softmax makes
    /// of small differences of large scores large ones (on the built-in model this is five sixths of what bf16 costs).
    Careful,
}

impl Packed {
    /// x `[M, K]` times the transpose of the matrix, to out `[M, N]`, row-major both; every value of out is written.
    ///
    /// Sums are taken in an order that does not depend on the number of threads, and x is rounded in the same way for one
    /// row as for many.
    ///
    /// # Panics
    /// Where the lengths do not fit.
    pub fn multiply(&self, x: &[f32], out: &mut [MaybeUninit<f32>], around: Around<'_>) {
        let tier = match (Tier::current(), around.rounding) {
            (Tier::Avx512Bf16, Rounding::Careful) => Tier::Avx512,
            (tier, _) => tier,
        };
        self.multiply_on(tier, x, out, around);
    }

    pub(super) fn multiply_on(&self, tier: Tier, x: &[f32], out: &mut [MaybeUninit<f32>], around: Around<'_>) {
        let [n, k] = self.shape();
        let m = x.len() / k;
        assert!(x.len() == m * k && out.len() == m * n, "x {} and out {} for {n} by {k}", x.len(), out.len());
        assert!(around.bias.is_none_or(|bias| bias.len() == n), "the bias of {n} outputs");
        assert!(around.residual.is_none_or(|residual| residual.len() == m * n), "the residual of {m} by {n}");
        let few = m <= FEW;
        let kernels = tiles::of(tier, self.dtype);
        let product = Product { m, w: self, kernels, out: Places::of(out), around };
        let interleaved = if few { 0 } else { kernels.interleaved };
        let prepare = || Input::new(x, k, kernels.form, interleaved, around.norm);
        let panels = self.panels();
        let width = if few { kernels.streams(m) } else { kernels.panels };
        let groups = panels.div_ceil(width);
        let work = |input: &Input<'_>, range: Range<usize>| {
            for group in range {
                let panels = group * width..panels.min((group + 1) * width);
                if few {
                    product.few(input, panels, width);
                } else {
                    product.many(input, panels);
                }
            }
        };
        if few && let Some(next) = around.next {
            let width = tiles::of(tier, next.dtype).streams(m);
            pool::prefetch_next(next.raw(), next.panels().div_ceil(width), width * next.panel_bytes());
        }
        // Chunks that are small beside a thread's share, so that no thread waits long for another at the end.
        let piece = (groups / (pool::threads() * 16)).max(1);
        if n * k * m.min(8) < WORTH_SHARING {
            work(&prepare(), 0..groups);
        } else if m <= OWN {
            pool::ranges_with(groups, piece, prepare, work);
        } else {
            let input = prepare();
            pool::ranges(groups, piece, |range| work(&input, range));
        }
    }
}

thread_local! {
    /// The sums of [`Product::many`], reused by the next product of the thread.
    static SUMS: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

struct Product<'a> {
    m: usize,
    w: &'a Packed,
    kernels: Kernels,
    out: Places<MaybeUninit<f32>>,
    around: Around<'a>,
}

impl Product<'_> {
    /// All products of some panels with few rows: the weights are read once, `width` panels side by side.
    fn few(&self, input: &Input<'_>, panels: Range<usize>, width: usize) {
        // Bias and residual are prefetched now: a decode step leaves nothing of them in the caches for the next, and the
        // cache misses of a line of bias at each panel took a fiftieth of a step in f32, more in fewer bits.
        let columns = self.columns(&panels);
        let rows = self.around.residual.into_iter().flat_map(|residual| residual.chunks(self.w.n));
        for row in self.around.bias.into_iter().chain(rows) {
            // The ends of each panel's values, which need not begin where a line does.
            for values in row[columns.clone()].chunks(LANES) {
                let ends = values.as_ptr_range();
                lanes::prefetch_l2(ends.start.cast());
                lanes::prefetch_l2(ends.end.wrapping_sub(1).cast());
            }
        }
        // The kernels know whole groups and single panels.
        let width = if panels.len() == width { width } else { 1 };
        for first in panels.clone().step_by(width) {
            for row in (0..self.m).step_by(self.kernels.rows) {
                let (n, panels) = (self.w.n, first..first + width);
                let columns = self.columns(&panels);
                let out = self.out.at(row * n + columns.start).cast();
                let tile = self.tile(input, row, &panels, 0..self.w.blocks(), (out, n));
                if columns.len() == width * LANES {
                    // SAFETY: the tile lies within x, W and out; no other thread has these columns of out, and the
                    // kernel was picked for this processor.
                    unsafe { (self.kernels.few)(&tile) };
                } else {
                    self.cut_tile(tile, row, &columns);
                }
            }
        }
        let Around { bias, gelu, residual, .. } = self.around;
        if bias.is_some() || gelu || residual.is_some() {
            let place = self.out.at(columns.start).cast::<f32>();
            // SAFETY: the products were written there, and no other thread has these columns.
            unsafe { self.finish(0..self.m, &columns, (place, self.w.n)) };
        }
    }

    /// All products of some panels with many rows: some blocks of them stay in the L2 cache while they are multiplied
    /// with all rows, and the sums between two such runs are contiguous.
    fn many(&self, input: &Input<'_>, panels: Range<usize>) {
        let (blocks, width) = (self.w.blocks(), panels.len() * LANES);
        let columns = self.columns(&panels);
        let mut sums = SUMS.take();
        sums.resize(sums.len().max(self.m * width), 0.0);
        for start in (0..blocks).step_by(CACHED_BLOCKS) {
            let end = blocks.min(start + CACHED_BLOCKS);
            for row in (0..self.m).step_by(self.kernels.rows) {
                let out = sums[row * width..].as_mut_ptr();
                let tile = self.tile(input, row, &panels, start..end, (out, width));
                // SAFETY: the tile lies within x, W and the sums, and the kernel was picked for this processor.
                unsafe { (self.kernels.wide)(&tile) };
                if end == blocks {
                    // SAFETY: the kernels have written the sums, and no other thread has these columns of `out`.
                    unsafe { self.finish(row..self.m.min(row + self.kernels.rows), &columns, (out, width)) };
                }
            }
        }
        SUMS.set(sums);
    }

    /// The outputs of some panels.
    fn columns(&self, panels: &Range<usize>) -> Range<usize> {
        panels.start * LANES..self.w.n.min(panels.end * LANES)
    }

    /// The products of some rows with some blocks of some panels, added to those of the blocks before; `out` has
    /// `out_stride` values from a row to the next.
    fn tile(
        &self,
        input: &Input<'_>,
        row: usize,
        panels: &Range<usize>,
        blocks: Range<usize>,
        (out, out_stride): (*mut f32, usize),
    ) -> Tile {
        Tile {
            rows: self.kernels.rows.min(self.m - row),
            panels: panels.len(),
            x: input.at(row, blocks.start),
            x_stride: input.stride(),
            groups: input.groups_at(row, blocks.start),
            groups_stride: input.groups_stride(),
            w: self.w.raw()[panels.start * self.w.panel_bytes() + blocks.start * self.w.dtype.block_bytes()..].as_ptr(),
            w_stride: self.w.panel_bytes(),
            blocks: blocks.len(),
            out,
            out_stride,
            add: blocks.start > 0,
        }
    }

    /// A tile whose last panel has lanes that belong to no output. Kept apart: its buffer would cost every other tile.
    #[cold]
    #[inline(never)]
    fn cut_tile(&self, tile: Tile, row: usize, columns: &Range<usize>) {
        const WIDTH: usize = MAX_PANELS * LANES;
        let mut whole = [0f32; MAX_ROWS * WIDTH];
        // SAFETY: the tile lies within x, W and `whole`, and the kernel was picked for this processor.
        unsafe { (self.kernels.few)(&Tile { out: whole.as_mut_ptr(), out_stride: WIDTH, ..tile }) };
        for (at, whole) in whole.chunks_exact(WIDTH).take(tile.rows).enumerate() {
            let place = self.out.at((row + at) * self.w.n + columns.start);
            // SAFETY: within out, and no other thread has these columns.
            unsafe { whole.as_ptr().copy_to_nonoverlapping(place.cast(), columns.len()) };
        }
    }

    /// What comes after the products, which lie at `from`: to their places in `out`.
    ///
    /// # Safety
    /// The products are there, and no other thread touches those columns of `out`.
    unsafe fn finish(&self, rows: Range<usize>, columns: &Range<usize>, from: (*mut f32, usize)) {
        if rows.is_empty() {
            return;
        }
        let Around { bias, gelu, residual, .. } = self.around;
        let at = rows.start * self.w.n + columns.start;
        let finish = Finish {
            rows: rows.len(),
            columns: columns.len(),
            from: (from.0, from.1),
            to: (self.out.at(at).cast(), self.w.n),
            bias: bias.map(|bias| &bias[columns.clone()]),
            gelu,
            residual: residual.map(|residual| residual[at..].as_ptr()),
        };
        // SAFETY: as the caller has it; bias and residual are as long as the outputs.
        unsafe { rowwise::finish(&finish) };
    }
}
