//! What can be wrong with a checkpoint or a forward pass.

use std::path::PathBuf;

/// A checkpoint that cannot be used, or a pass that failed. Each message says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is missing, no regular file, or too large.
    #[error(transparent)]
    Read(#[from] crate::disk::ReadError),
    /// `config.json` is missing or says something that cannot be honoured.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder has no weights that kshot reads.
    #[error("{} has no model.safetensors{}", folder.display(), match found.as_slice() {
        [] => "; it holds no weights at all: is it a checkpoint folder?".to_owned(),
        found => format!("; it has {}, which kshot does not read. Convert it to safetensors, or use a repository that has them", found.join(", ")),
    })]
    NoSafetensors {
        /// The folder.
        folder: PathBuf,
        /// Weight files in other formats that were found.
        found: Vec<String>,
    },
    /// A weight file that is not what its name says.
    #[error("{} is not a valid safetensors file: {reason}. Fetch it again (kshot models verify tells which files are bad)", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor that the decoder needs is not there.
    #[error("{}: tensor {name} is missing", folder.display())]
    MissingTensor {
        /// The folder.
        folder: PathBuf,
        /// Its name in the checkpoint.
        name: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error("tensor {name} has shape {found:?}, config.json says {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape by the configuration.
        expected: Vec<usize>,
    },
    /// A weight of a dtype that cannot be computed with.
    #[error(
        "tensor {name} has dtype {dtype}, whose values need scales that kshot does not know; use an unquantised checkpoint"
    )]
    Dtype {
        /// Its name.
        name: String,
        /// Its dtype as the file calls it.
        dtype: String,
    },
    /// A weight that is no number, or infinite.
    #[error(
        "tensor {name} holds {value} at {place:?}: the file is damaged, or the training that made it had failed. Fetch it again, or take another checkpoint"
    )]
    WeightNotFinite {
        /// The tensor.
        name: String,
        /// Its index in the tensor as stored.
        place: Vec<usize>,
        /// What it is.
        value: f32,
    },
    /// A weight that the chosen dtype cannot hold.
    #[error("tensor {name} holds {value:e} at {place:?}, more than {dtype} can hold; load it with --dtype f32")]
    WeightTooLarge {
        /// The tensor.
        name: String,
        /// Its index in the tensor as stored.
        place: Vec<usize>,
        /// The weight.
        value: f32,
        /// The dtype.
        dtype: &'static str,
    },
    /// A device that cannot be used.
    #[error("cannot compute on {device}: {reason}")]
    Device {
        /// The device.
        device: String,
        /// Why.
        reason: String,
    },
    /// The model would not fit.
    #[error(
        "the model needs about {need_mb} MB of memory (weights {weights_mb}, cache {cache_mb}, working space {working_mb}) and {free_mb} MB are free; close something or take a smaller model"
    )]
    Memory {
        /// In all.
        need_mb: u64,
        /// Of it for weights.
        weights_mb: u64,
        /// Of it for keys and values at full context.
        cache_mb: u64,
        /// Of it for activations.
        working_mb: u64,
        /// What the system can give.
        free_mb: u64,
    },
    /// Sequences side by side would not fit.
    #[error(
        "{sequences} sequences of up to {tokens} tokens need about {need_mb} MB of memory (keys and values {cache_mb}, logits {logits_mb}, working space {working_mb}) and {free_mb} MB are free; take fewer samples or fewer tokens"
    )]
    BatchMemory {
        /// How many.
        sequences: usize,
        /// Tokens that each adds at most.
        tokens: usize,
        /// In all.
        need_mb: u64,
        /// Of it for keys and values.
        cache_mb: u64,
        /// Of it for logits and sampling.
        logits_mb: u64,
        /// Of it for activations and the sampled tokens.
        working_mb: u64,
        /// What the system can give.
        free_mb: u64,
    },
    /// More tokens than positions.
    #[error("{tokens} tokens do not fit into the {context} positions that the model has learned")]
    Context {
        /// Tokens asked for, those in the cache included.
        tokens: usize,
        /// `n_positions`.
        context: usize,
    },
    /// A number that is not finite appeared.
    #[error("the model computed a value that is not a number, first at {point}; its weights are damaged or overflow")]
    NotFinite {
        /// Where, in TransformerLens's names.
        point: String,
    },
    /// The pass was cancelled.
    #[error("stopped")]
    Cancelled,
    /// A tensor operation failed.
    #[error("tensor operation failed: {0}")]
    Candle(#[from] candle_core::Error),
}
