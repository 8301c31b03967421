//! Weight matrices in the one layout that all products read.
//!
//! A matrix `[N, K]` (outputs, inputs) is cut into panels of [`LANES`] outputs, each panel into blocks of [`DEPTH`] inputs.
//! Within a block the 16 outputs lie side by side, input after input, so that a vector register holds one weight of each
//! of 16 outputs: a product needs no sums across lanes, and a panel is one stretch of memory read from its beginning to
//! its end. The same bytes serve a decode step (limited by memory bandwidth) and a prefill (limited by arithmetic).
//! N and K are padded with zeros to whole panels and blocks.

mod block;
mod input;
mod multiply;
#[cfg(test)]
mod tests;
pub(super) mod tiles;

pub use multiply::{Around, Rounding};

use super::pages::Buffer;
use super::pool;

/// Outputs in a panel.
pub use super::lanes::LANES;

/// Inputs in a block.
pub const DEPTH: usize = 64;

/// How weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dtype {
    /// 32 bits, as the checkpoints have them.
    F32,
    /// The upper half of an f32: 8 bits of exponent, 8 of precision.
    Bf16,
    /// IEEE half precision: 5 bits of exponent, 11 of precision.
    F16,
    /// 8-bit integers, one scale for each 32 inputs (llama.cpp's format of that name, ggml-quants.c `quantize_row_q8_0_ref`).
    Q8_0,
    /// 4-bit integers, one scale for each 32 inputs (the same, `quantize_row_q4_0_ref`).
    Q4_0,
}

impl Dtype {
    /// All of them, the most exact first.
    pub const ALL: [Self; 5] = [Self::F32, Self::Bf16, Self::F16, Self::Q8_0, Self::Q4_0];

    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
        }
    }

    /// Bytes of a block of [`DEPTH`] inputs of [`LANES`] outputs.
    pub fn block_bytes(self) -> usize {
        const WEIGHTS: usize = DEPTH * LANES;
        /// Two scales in f16 for each output.
        const SCALES: usize = 2 * 2 * LANES;
        match self {
            Self::F32 => WEIGHTS * 4,
            Self::Bf16 | Self::F16 => WEIGHTS * 2,
            Self::Q8_0 => SCALES + WEIGHTS,
            Self::Q4_0 => SCALES + WEIGHTS / 2,
        }
    }

    /// The largest weight that stays finite: the last f32 that rounds down to the largest f16 or bf16, or for integers
    /// the last whose scale does.
    fn largest(self) -> f32 {
        /// f16 rounds 65,520 and more to infinity.
        const F16: f32 = 65_520f32.next_down();
        match self {
            Self::F32 => f32::MAX,
            Self::Bf16 => f32::from_bits(0x7f7f_7fff),
            Self::F16 => F16,
            Self::Q8_0 => F16 * 127.0,
            Self::Q4_0 => F16 * 8.0,
        }
    }

    /// Index of the first value that is not a number, or too large (infinite too) to be packed.
    pub fn first_outside(self, values: &[f32]) -> Option<usize> {
        let largest = self.largest();
        // A fold without branches, which the compiler vectorises; NaN compares as false.
        let inside = |values: &[f32]| values.iter().fold(true, |all, value| all & (value.abs() <= largest));
        let chunk = values.chunks(4096).position(|values| !inside(values))? * 4096;
        values[chunk..].iter().position(|value| !inside(&[*value])).map(|at| chunk + at)
    }

    /// Bytes that a matrix `[n, k]` takes.
    pub fn matrix_bytes(self, n: usize, k: usize) -> usize {
        n.div_ceil(LANES) * k.div_ceil(DEPTH) * self.block_bytes()
    }
}

/// A weight matrix `[N, K]`.
pub struct Packed {
    dtype: Dtype,
    n: usize,
    k: usize,
    data: Buffer,
}

impl Packed {
    /// A matrix `[n, k]` of zeros, to be filled through [`Packed::writer`].
    pub fn zeros(dtype: Dtype, n: usize, k: usize) -> Self {
        Self { dtype, n, k, data: Buffer::zeroed(dtype.matrix_bytes(n, k)) }
    }

    /// A matrix from `[n, k]` values in row-major order.
    ///
    /// # Panics
    /// Where there are not `n · k` values.
    pub fn from_rows(dtype: Dtype, values: &[f32], n: usize, k: usize) -> Self {
        assert_eq!(values.len(), n * k, "values of a matrix [{n}, {k}]");
        let mut packed = Self::zeros(dtype, n, k);
        let writer = packed.writer();
        pool::tasks(n.div_ceil(LANES), |panel| {
            let first = panel * LANES;
            // SAFETY: each panel is written by one task.
            unsafe { writer.rows(first, &values[first * k..(first + LANES).min(n) * k]) };
        });
        packed
    }

    /// How the weights are kept.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Outputs and inputs: `[N, K]`.
    pub fn shape(&self) -> [usize; 2] {
        [self.n, self.k]
    }

    /// Bytes that a product reads.
    pub fn bytes(&self) -> usize {
        self.dtype.matrix_bytes(self.n, self.k)
    }

    /// Blocks of a panel.
    fn blocks(&self) -> usize {
        self.k.div_ceil(DEPTH)
    }

    /// Panels of the matrix.
    fn panels(&self) -> usize {
        self.n.div_ceil(LANES)
    }

    fn panel_bytes(&self) -> usize {
        self.blocks() * self.dtype.block_bytes()
    }

    fn raw(&self) -> &[u8] {
        self.data.bytes()
    }

    /// One row of the matrix as f32, `[K]`: an embedding.
    ///
    /// # Panics
    /// Where there is no such row or `out` is not as long as a row.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.n && out.len() == self.k, "row {row} of {} in a matrix of {:?}", out.len(), self.shape());
        let panel = &self.raw()[row / LANES * self.panel_bytes()..][..self.panel_bytes()];
        for (block, out) in panel.chunks_exact(self.dtype.block_bytes()).zip(out.chunks_mut(DEPTH)) {
            block::lane(self.dtype, block, row % LANES, out);
        }
    }

    /// All values as f32 in row-major order, `[N · K]`.
    pub fn to_rows(&self) -> Vec<f32> {
        let mut values = vec![0f32; self.n * self.k];
        for (row, out) in values.chunks_exact_mut(self.k.max(1)).enumerate() {
            self.row(row, out);
        }
        values
    }

    /// Where the values are written. Several threads may write at once, each other panels or other blocks.
    pub fn writer(&mut self) -> Writer<'_> {
        Writer {
            dtype: self.dtype,
            n: self.n,
            k: self.k,
            data: self.data.bytes_mut().as_mut_ptr(),
            matrix: std::marker::PhantomData,
        }
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        (self.dtype, self.n, self.k) == (other.dtype, other.n, other.k) && self.raw() == other.raw()
    }
}

/// Fills a [`Packed`] piece by piece.
pub struct Writer<'a> {
    dtype: Dtype,
    n: usize,
    k: usize,
    data: *mut u8,
    matrix: std::marker::PhantomData<&'a mut Packed>,
}

// SAFETY: the methods write only to the blocks of the rows or inputs they are given, and callers promise that no two
// calls at once are given the same.
unsafe impl Sync for Writer<'_> {}

impl Writer<'_> {
    /// Writes whole rows from row `first` on, a multiple of [`LANES`]: `[rows, K]` in row-major order. Rows that end within
    /// a panel must be the last ones.
    ///
    /// # Panics
    /// Where values are not whole rows, or rows are not whole panels or lie outside.
    ///
    /// # Safety
    /// No two calls at the same time may be given the same rows, and none the inputs of a call of [`Writer::inputs`].
    pub unsafe fn rows(&self, first: usize, values: &[f32]) {
        let k = self.k;
        if values.is_empty() {
            return;
        }
        let end = first + values.len() / k;
        assert!(
            values.len().is_multiple_of(k)
                && first.is_multiple_of(LANES)
                && (end.is_multiple_of(LANES) || end == self.n)
                && end <= self.n,
            "{} values as rows {first}..{end} of a matrix [{}, {k}]",
            values.len(),
            self.n
        );
        for (panel, values) in values.chunks(LANES * k).enumerate() {
            let whole = values.len() == LANES * k;
            let mut tile = [0f32; DEPTH * LANES];
            for block in 0..k.div_ceil(DEPTH) {
                let depths = block * DEPTH..k.min((block + 1) * DEPTH);
                if whole && depths.len() == DEPTH {
                    let rows: [&[f32]; LANES] = std::array::from_fn(|lane| &values[lane * k..][depths.clone()]);
                    for (depth, to) in tile.chunks_exact_mut(LANES).enumerate() {
                        to.iter_mut().zip(rows).for_each(|(to, row)| *to = row[depth]);
                    }
                } else {
                    tile.fill(0.0);
                    for (lane, row) in values.chunks_exact(k).enumerate() {
                        for (depth, &value) in row[depths.clone()].iter().enumerate() {
                            tile[depth * LANES + lane] = value;
                        }
                    }
                }
                // SAFETY: a block of the rows that this call alone writes, as the assertion and the caller have it.
                block::encode(self.dtype, &tile, unsafe { self.block(first / LANES + panel, block) });
            }
        }
    }

    /// Writes the weights of inputs `first..` (a multiple of [`DEPTH`]) of all outputs: `[inputs, N]` in row-major order,
    /// which is how GPT-2's checkpoints keep them (transformers `pytorch_utils.py: Conv1D`). Inputs that end within a
    /// block must be the last ones.
    ///
    /// # Panics
    /// Where values are not whole rows of inputs, or inputs are not whole blocks or lie outside.
    ///
    /// # Safety
    /// No two calls at the same time may be given the same inputs, and none the rows of a call of [`Writer::rows`].
    pub unsafe fn inputs(&self, first: usize, values: &[f32]) {
        let n = self.n;
        if values.is_empty() {
            return;
        }
        let end = first + values.len() / n;
        assert!(
            values.len().is_multiple_of(n)
                && first.is_multiple_of(DEPTH)
                && (end.is_multiple_of(DEPTH) || end == self.k)
                && end <= self.k,
            "{} values as inputs {first}..{end} of a matrix [{n}, {}]",
            values.len(),
            self.k
        );
        for (block, values) in values.chunks(DEPTH * n).enumerate() {
            let mut tile = [0f32; DEPTH * LANES];
            for panel in 0..n.div_ceil(LANES) {
                let lanes = panel * LANES..n.min((panel + 1) * LANES);
                if lanes.len() < LANES {
                    tile.fill(0.0);
                }
                for (row, to) in values.chunks_exact(n).zip(tile.chunks_exact_mut(LANES)) {
                    to[..lanes.len()].copy_from_slice(&row[lanes.clone()]);
                }
                // SAFETY: a block of the inputs that this call alone writes, as the assertion and the caller have it.
                block::encode(self.dtype, &tile, unsafe { self.block(panel, first / DEPTH + block) });
            }
        }
    }

    /// # Safety
    /// The block is one of the matrix, and no other reference to it lives.
    #[allow(clippy::mut_from_ref, reason = "blocks are disjoint, and callers write to blocks of their own")]
    unsafe fn block(&self, panel: usize, block: usize) -> &mut [u8] {
        let (blocks, bytes) = (self.k.div_ceil(DEPTH), self.dtype.block_bytes());
        debug_assert!(panel < self.n.div_ceil(LANES) && block < blocks);
        // SAFETY: `data` points to `panels · blocks · bytes` bytes, borrowed mutably as long as the writer lives, and the
        // caller has chosen a block inside that no other reference reaches.
        unsafe { std::slice::from_raw_parts_mut(self.data.add((panel * blocks + block) * bytes), bytes) }
    }
}
