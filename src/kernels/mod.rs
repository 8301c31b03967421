//! CPU kernels over slices.

pub mod softmax;
