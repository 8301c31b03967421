//! x·Wᵀ over a whole matrix: who computes what, in which order.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::input::Input;
use super::tiles::{self, Kernels, MAX_PANELS, MAX_ROWS, Tile};
use super::{LANES, Packed};
use crate::kernels::pool::{self, Places};
use crate::kernels::rowwise::{self, Norm};
use crate::kernels::tier::Tier;

/// Most rows of x for which the weights are walked once, from memory; with more they are walked by blocks that stay in
/// the cache while all rows go by.
const FEW: usize = 16;

/// Blocks of a stretch of panels that stays in the first-level cache while many rows go by: 32 KiB of f32 with two panels.
const STRETCH: usize = 4;

/// Most rows of x that each thread prepares for itself: less than it would wait for another to do it.
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
        let prepare = || Input::new(x, k, kernels.form, around.norm);
        let panels = self.panels();
        let width = if few { 1 } else { kernels.panels };
        let groups = panels.div_ceil(width);
        let work = |input: &Input<'_>, range: Range<usize>| {
            if few {
                return product.few(input, range);
            }
            for group in range {
                product.many(input, group * width..panels.min((group + 1) * width));
            }
        };
        // Pieces that are small beside a thread's share, so that none waits long for another at the end.
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

struct Product<'a> {
    m: usize,
    w: &'a Packed,
    kernels: Kernels,
    out: Places<MaybeUninit<f32>>,
    around: Around<'a>,
}

impl Product<'_> {
    /// All products of some panels with few rows: the weights go by once.
    fn few(&self, input: &Input<'_>, panels: Range<usize>) {
        for panel in panels.clone() {
            for row in (0..self.m).step_by(self.kernels.rows) {
                self.tile(input, row, &(panel..panel + 1), 0..self.w.blocks());
            }
        }
        let columns = self.columns(&panels);
        (0..self.m).for_each(|row| self.finish(row, &columns));
    }

    /// All products of some panels with many rows: a stretch of blocks stays in the first-level cache while all rows go
    /// by, and `out` holds the sums between two stretches.
    fn many(&self, input: &Input<'_>, panels: Range<usize>) {
        let blocks = self.w.blocks();
        for start in (0..blocks).step_by(STRETCH) {
            for row in (0..self.m).step_by(self.kernels.rows) {
                self.tile(input, row, &panels, start..blocks.min(start + STRETCH));
                if start + STRETCH >= blocks {
                    let columns = self.columns(&panels);
                    (row..self.m.min(row + self.kernels.rows)).for_each(|row| self.finish(row, &columns));
                }
            }
        }
    }

    /// The outputs of some panels.
    fn columns(&self, panels: &Range<usize>) -> Range<usize> {
        panels.start * LANES..self.w.n.min(panels.end * LANES)
    }

    /// The products of some rows with some blocks of some panels, added to those of the blocks before.
    fn tile(&self, input: &Input<'_>, row: usize, panels: &Range<usize>, blocks: Range<usize>) {
        let (n, rows) = (self.w.n, self.kernels.rows.min(self.m - row));
        let columns = self.columns(panels);
        let tile = Tile {
            rows,
            x: input.at(row, blocks.start),
            x_stride: input.stride(),
            groups: input.groups_at(row, blocks.start),
            groups_stride: input.groups_stride(),
            w: self.w.raw()[panels.start * self.w.panel_bytes() + blocks.start * self.w.dtype.block_bytes()..].as_ptr(),
            w_stride: self.w.panel_bytes(),
            blocks: blocks.len(),
            out: self.out.at(row * n + columns.start).cast(),
            out_stride: n,
            add: blocks.start > 0,
        };
        let many = self.m > FEW && panels.len() == self.kernels.panels;
        let kernel = if many { self.kernels.wide } else { self.kernels.one };
        if columns.len() == panels.len() * LANES {
            // SAFETY: the tile lies within x, W and out; no other thread has these columns of out, and the kernel was
            // picked for this processor.
            unsafe { kernel(&tile) };
        } else {
            self.cut_tile(kernel, tile, row, &columns);
        }
    }

    /// A tile whose last panel has lanes that belong to no output. Kept apart: its buffer would cost every other tile.
    #[cold]
    #[inline(never)]
    fn cut_tile(&self, kernel: tiles::Kernel, mut tile: Tile, row: usize, columns: &Range<usize>) {
        const WIDTH: usize = MAX_PANELS * LANES;
        let mut whole = [0f32; MAX_ROWS * WIDTH];
        let n = self.w.n;
        for (at, whole) in whole.chunks_exact_mut(WIDTH).take(if tile.add { tile.rows } else { 0 }).enumerate() {
            whole[..columns.len()].copy_from_slice(self.place(row + at, columns));
        }
        (tile.out, tile.out_stride) = (whole.as_mut_ptr(), WIDTH);
        // SAFETY: the tile lies within x, W and `whole`, and the kernel was picked for this processor.
        unsafe { kernel(&tile) };
        for (at, whole) in whole.chunks_exact(WIDTH).take(tile.rows).enumerate() {
            let place = self.out.at((row + at) * n + columns.start);
            // SAFETY: within out, and no other thread has these columns.
            unsafe { whole.as_ptr().copy_to_nonoverlapping(place.cast(), columns.len()) };
        }
    }

    fn finish(&self, row: usize, columns: &Range<usize>) {
        let Around { bias, gelu, residual, .. } = self.around;
        let bias = bias.map(|bias| &bias[columns.clone()]);
        let residual = residual.map(|residual| &residual[row * self.w.n..][columns.clone()]);
        rowwise::finish(self.place(row, columns), bias, gelu, residual);
    }

    /// Some columns of a row of out, which a kernel has written.
    #[allow(clippy::mut_from_ref, reason = "threads write to the columns of their own panels")]
    fn place(&self, row: usize, columns: &Range<usize>) -> &mut [f32] {
        // SAFETY: within `out`, written before, and no other thread has these columns.
        unsafe { std::slice::from_raw_parts_mut(self.out.at(row * self.w.n + columns.start).cast(), columns.len()) }
    }
}
