//! CPU kernels over slices, chosen once for the processor at hand.
//!
//! A kernel knows no model: it takes slices (or candle tensors of the shapes it names) and is held equal to a scalar
//! twin by its tests. What has no kernel here runs through candle's own operations.

pub mod attention;
mod dots;
pub mod grad;
mod lanes;
pub mod linear;
pub mod packed;
pub mod pages;
mod pool;
pub mod probe;
pub mod rowwise;
pub mod softmax;
mod tier;

pub use pool::{MOST_THREADS, each, map, set_threads, tasks, threads};
pub use tier::Tier;

/// Numbers between -1 and 1 for tests, the same for the same seed.
#[cfg(test)]
pub(crate) fn noise(seed: u32, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
    .take(count)
    .collect()
}
