//! What can go wrong in a job.

use crate::model::ModelError;
use crate::sampling::{ParamError, SamplingError};
use crate::text::TextError;

/// What can go wrong in a job.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The job was stopped.
    #[error("stopped")]
    Cancelled,
    /// What the engine in use cannot do.
    #[error("{what}: {why}")]
    Unable {
        /// What was wanted.
        what: &'static str,
        /// What the engine lacks for it.
        why: &'static str,
    },
    /// A command came before a model was loaded.
    #[error("no model is loaded; load one first")]
    NoModel,
    /// The prompt leaves no room to generate.
    #[error("the prompt has {tokens} tokens and the model has {context} positions; shorten it by {} or more", tokens + 1 - context)]
    PromptTooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// Positions of the model.
        context: usize,
    },
    /// The prompt is empty and the vocabulary has no token to start from.
    #[error("the prompt is empty and this checkpoint names no start token; type something first")]
    NothingToStartFrom,
    /// A comparison needs a token that came after another.
    #[error("the text has fewer than two tokens; give a longer one")]
    NothingToCompare,
    /// A token id that the model has no row for.
    #[error("token id {id} is outside the model's vocabulary of {vocab}")]
    UnknownToken {
        /// The id.
        id: u32,
        /// Rows of the embedding table.
        vocab: usize,
    },
    /// Loading or running the model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Sampling failed.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// A setting of one sequence is none.
    #[error(transparent)]
    Setting(#[from] ParamError),
    /// The tokenizer could not be loaded.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A tensor operation failed.
    #[error("tensor operation failed: {0}")]
    Candle(#[from] candle_core::Error),
    /// The engine thread is gone.
    #[error("the engine has ended unexpectedly: {0}")]
    Engine(String),
}

impl EngineError {
    /// Whether the job ended because it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled | Self::Model(ModelError::Cancelled) | Self::Text(TextError::Cancelled))
    }
}
