//! kshot: a terminal playground for GPT-style language models.

pub mod kernels;
pub mod model;
