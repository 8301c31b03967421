//! What an engine computes with: the local model now, a remote server later.

use crate::model::ModelError;
use crate::sampling::{ParamError, SamplingError};
use crate::text::TextError;

use super::{
    Aside, AsideRequest, CancelToken, Finish, GenerateRequest, ModelInfo, Prefilled, ReadEnd, ReadRequest,
    ScoreRequest, Scores, Step, TokenScore,
};

/// Anything that goes on from a prompt and scores a text.
pub trait Backend: Send {
    /// The facts about the model.
    fn info(&self) -> &ModelInfo;

    /// Samples until every sequence has ended. `prefilled` hears once that the prompt was read, `sink` every token.
    ///
    /// # Errors
    /// A prompt that does not fit, logits that are not finite, a failing kernel. Being cancelled is no error: it is a
    /// [`super::FinishReason`].
    fn generate(
        &mut self,
        request: &GenerateRequest,
        cancel: &CancelToken,
        sink: &mut dyn FnMut(Produced),
    ) -> Result<Finish, EngineError>;

    /// Scores a text, in rolling windows where it is longer than the context.
    ///
    /// # Errors
    /// As for [`Backend::generate`], and [`EngineError::Cancelled`].
    fn score(&mut self, request: &ScoreRequest, cancel: &CancelToken) -> Result<Scores, EngineError>;

    /// Reads a document that fits the context: `sink` hears the scores from an index on as they are known.
    ///
    /// # Errors
    /// As for [`Backend::score`], and a text that does not fit.
    fn read(
        &mut self,
        request: &ReadRequest,
        cancel: &CancelToken,
        sink: &mut dyn FnMut(usize, Vec<TokenScore>),
    ) -> Result<ReadEnd, EngineError>;

    /// Scores a continuation and gives the row of logits after it; what the cache holds stays.
    ///
    /// # Errors
    /// As for [`Backend::read`].
    fn aside(&mut self, request: &AsideRequest, cancel: &CancelToken) -> Result<Aside, EngineError>;
}

/// What [`Backend::generate`] tells while it runs.
#[derive(Debug)]
pub enum Produced {
    /// The prompt has been read.
    Prefilled(Prefilled),
    /// A token was sampled.
    Step(Box<Step>),
}

/// What can go wrong in a job.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The job was stopped.
    #[error("stopped")]
    Cancelled,
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
    /// Whether the job only ended because somebody stopped it.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled | Self::Model(ModelError::Cancelled))
    }
}
