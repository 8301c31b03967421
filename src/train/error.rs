//! What can go wrong in a run.

use crate::engine::EngineError;
use crate::eval::EvalError;
use crate::model::ModelError;
use crate::text::TextError;

/// A failure of training. Each message says what, where and what to do; the last checkpoint stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A recipe that cannot be run.
    #[error("{key}: {reason}")]
    Recipe {
        /// The setting.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing to learn from.
    #[error("there is no text to train on: {0}")]
    EmptyCorpus(String),
    /// A text that does not fill one window.
    #[error(
        "the text has {tokens} tokens, fewer than a window of {context} and the token after it; give more text or a smaller --context"
    )]
    TooShort {
        /// Tokens there are, for training or for validation.
        tokens: usize,
        /// The window.
        context: usize,
    },
    /// The loss or a gradient is not a number any more.
    #[error(
        "step {step}: the {what} is not finite (learning rate {lr:.2e}); the run is stopped and its last checkpoint stays. A smaller --lr or more --warmup helps"
    )]
    NotFinite {
        /// The step it happened in.
        step: u64,
        /// `loss` or `gradient`.
        what: &'static str,
        /// The learning rate of that step.
        lr: f64,
    },
    /// A run's folder holds another run.
    #[error(
        "{folder} holds a run with another {key} ({there}, not {here}); give the same settings to go on, or another folder"
    )]
    OtherRun {
        /// The folder.
        folder: String,
        /// The setting that differs.
        key: String,
        /// What the run there has.
        there: String,
        /// What was asked for.
        here: String,
    },
    /// Another process trains in the folder.
    #[error("another kshot is training in {folder}; wait for it, stop it, or give another folder")]
    Busy {
        /// The folder.
        folder: String,
    },
    /// A file of a run that is not what it should be.
    #[error("{0}")]
    File(String),
    /// A file that cannot be read, is no regular file, or is too large.
    #[error(transparent)]
    Read(#[from] crate::disk::ReadError),
    /// A file of labelled examples.
    #[error(transparent)]
    Data(#[from] super::finetune::DataError),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The vocabulary.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A tensor operation.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// Generating with the model as it is.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Asking the model as it is.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// It was cancelled.
    #[error("stopped")]
    Cancelled,
}

impl TrainError {
    /// Whether the work ended because it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled | Self::Model(ModelError::Cancelled) | Self::Text(TextError::Cancelled) => true,
            Self::Engine(error) => error.is_cancelled(),
            Self::Eval(error) => error.is_cancelled(),
            _ => false,
        }
    }
}
