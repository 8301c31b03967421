//! Many tokens: QKᵀ and PV as products of tiles, the keys and values packed like weights.

use std::cell::Cell;

use super::Job;
use crate::kernels::lanes::LANES;
use crate::kernels::packed::{DEPTH, Dtype, tiles};
use crate::kernels::softmax;
use crate::kernels::tier::Tier;

/// Queries whose scores are held at once: a multiple of the rows of every kernel.
const QUERIES: usize = 48;

thread_local! {
    /// The buffers of a task, reused by the next task of the thread.
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

pub(super) fn attend(job: &Job<'_>) {
    let kernels = tiles::of(Tier::current(), Dtype::F32);
    let hs = job.width;
    let all = job.start + job.tokens;
    // Depths of the two products, and outputs, padded to whole blocks and panels.
    let (depth, positions) = (hs.next_multiple_of(DEPTH), all.next_multiple_of(DEPTH));
    let columns = hs.next_multiple_of(LANES);
    let mut scratch = SCRATCH.take();
    let lengths = [positions * depth, columns * positions, QUERIES * depth, QUERIES * positions, QUERIES * columns];
    scratch.resize(scratch.len().max(lengths.iter().sum()), 0.0);
    let mut rest = scratch.as_mut_slice();
    let [keys, values, queries, scores, mixed] = lengths.map(|length| {
        let (part, behind) = std::mem::take(&mut rest).split_at_mut(length);
        rest = behind;
        part
    });
    pack_keys(job, depth, keys);
    pack_values(job, positions, values);

    for first in (0..job.tokens).step_by(QUERIES) {
        let count = QUERIES.min(job.tokens - first);
        // The last query of these sees this many keys; the products end at the block they end in.
        let seen = job.start + first + count;
        let blocks = seen.div_ceil(DEPTH);
        for (token, row) in queries.chunks_exact_mut(depth).take(count).enumerate() {
            let (row, pad) = row.split_at_mut(hs);
            row.iter_mut().zip(job.query(first + token)).for_each(|(to, value)| *to = value * job.scale);
            pad.fill(0.0);
        }
        let x = Matrix { values: queries, length: depth };
        let w = Matrix { values: keys, length: depth * LANES };
        product(&kernels, count, x, w, depth / DEPTH, Out { values: scores, length: positions, columns: seen });
        let mut shares = [0f32; QUERIES];
        for ((token, row), share) in scores.chunks_exact_mut(positions).take(count).enumerate().zip(&mut shares) {
            let (row, behind) = row[..blocks * DEPTH].split_at_mut(job.start + first + token + 1);
            let max = softmax::scan(row).max;
            *share = (1.0 / softmax::exp_shifted(row, max).total) as f32;
            behind.fill(0.0);
        }
        let x = Matrix { values: scores, length: positions };
        let w = Matrix { values, length: positions * LANES };
        product(&kernels, count, x, w, blocks, Out { values: mixed, length: columns, columns: hs });
        for ((token, row), share) in mixed.chunks_exact(columns).take(count).enumerate().zip(shares) {
            job.out(first + token).iter_mut().zip(row).for_each(|(to, value)| *to = value * share);
        }
    }
    SCRATCH.set(scratch);
}

/// Keys as panels of 16 positions, `[HS padded][16]` each.
fn pack_keys(job: &Job<'_>, depth: usize, packed: &mut [f32]) {
    let keys = job.keys.iter().flat_map(|keys| keys.chunks_exact(job.width));
    for (position, key) in keys.enumerate() {
        let panel = &mut packed[position / LANES * depth * LANES..][..depth * LANES];
        for (to, value) in panel.chunks_exact_mut(LANES).zip(key) {
            to[position % LANES] = *value;
        }
        if position % LANES == 0 {
            panel[job.width * LANES..].fill(0.0);
        }
    }
}

/// Values as panels of 16 columns, `[positions padded][16]` each.
fn pack_values(job: &Job<'_>, positions: usize, packed: &mut [f32]) {
    for (panel, packed) in packed.chunks_exact_mut(positions * LANES).enumerate() {
        let values = job.values.iter().flat_map(|values| values.chunks_exact(job.width));
        for (to, value) in packed.chunks_exact_mut(LANES).zip(values) {
            let value = &value[panel * LANES..job.width.min((panel + 1) * LANES)];
            to[..value.len()].copy_from_slice(value);
        }
        packed[(job.start + job.tokens) * LANES..].fill(0.0);
    }
}

/// A matrix as the tiles read or write it: its values and the length of a row (of a panel, where it is packed).
struct Matrix<'a> {
    values: &'a [f32],
    length: usize,
}

/// Where products go.
struct Out<'a> {
    values: &'a mut [f32],
    length: usize,
    /// How many columns are wanted, at least.
    columns: usize,
}

/// `count` rows of x times the first `blocks` blocks of the first panels of w.
fn product(kernels: &tiles::Kernels, count: usize, x: Matrix<'_>, w: Matrix<'_>, blocks: usize, out: Out<'_>) {
    let panels = out.columns.div_ceil(LANES);
    let mut panel = 0;
    while panel < panels {
        let taken = if panel + kernels.panels <= panels { kernels.panels } else { 1 };
        for row in (0..count).step_by(kernels.rows) {
            let tile = tiles::Tile {
                rows: kernels.rows.min(count - row),
                panels: taken,
                x: x.values[row * x.length..].as_ptr().cast(),
                x_stride: x.length * 4,
                groups: std::ptr::null(),
                groups_stride: 0,
                w: w.values[panel * w.length..].as_ptr().cast(),
                w_stride: w.length * 4,
                blocks,
                out: out.values[row * out.length + panel * LANES..].as_mut_ptr(),
                out_stride: out.length,
                add: false,
            };
            // SAFETY: rows of x are at least `blocks` blocks wide, panels of w at least as deep, and rows of out at
            // least `panels` panels; the kernel was picked for this processor.
            unsafe { (kernels.few)(&tile) };
        }
        panel += taken;
    }
}
