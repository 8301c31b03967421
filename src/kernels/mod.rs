//! CPU kernels over slices, chosen once for the processor at hand.
//!
//! A kernel knows no model: it takes slices (or candle tensors of the shapes it names) and is held equal to a scalar
//! twin by its tests. What has no kernel here runs through candle's own operations.

pub mod attention;
pub mod gemv;
pub mod grad;
pub mod pages;
pub mod rowwise;
mod share;
pub mod softmax;

/// The instruction set that the kernels use on this processor.
pub use gemv::tier;
/// Threads that a product is shared among.
pub use share::threads;
