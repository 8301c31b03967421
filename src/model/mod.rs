//! Configurations, weights and the one decoder.
//!
//! Every family of GPT is written once, as data: a [`Family`] row says how its `config.json` is read and what its tensors
//! are called; [`Decoder`] is the only forward pass. The key/value cache is an argument ([`KvCache`]), the model itself is
//! never changed by running it. This layer knows no text: it takes token ids and gives logits.

mod cache;
mod config;
mod decoder;
mod device;
mod dtype;
mod error;
mod family;
mod gpt2;
mod header;
mod layers;
mod memory;
mod parameters;
mod stored;
#[cfg(test)]
mod tests;
mod trace;
mod weights;

/// What each row of a pass is to predict; see [`Decoder::loss`].
pub use crate::kernels::grad::{Gradients, HeadTargets};
/// How the weights of a decoder are kept in memory.
pub use crate::kernels::packed::Dtype;
pub use cache::KvCache;
pub use config::{Activation, DecoderConfig};
pub use decoder::{Batch, Decoder, Dropout, Pass, Span};
pub use device::Device;
pub use dtype::DtypeChoice;
pub use error::ModelError;
pub use family::{Affine, FAMILIES, Family, Part};
pub use layers::Path;
pub use memory::{BatchEstimate, Kept, MemoryEstimate, free_memory};
pub use parameters::{Parameter, Parameters};
pub use trace::{FiniteCheck, HookPoint, Recorder, Trace};
pub use weights::{Checkpoint, weight_files};

/// Any failure of this layer.
pub type Result<T, E = ModelError> = std::result::Result<T, E>;
