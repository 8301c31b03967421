//! The trait of engines: what continues prompts and scores texts, in this process or elsewhere.

use std::sync::Arc;

use super::{
    Aside, AsideRequest, CancelToken, EngineError, Finish, GenerateRequest, LoadRequest, ModelInfo, Prefilled, ReadEnd,
    ReadRequest, ScoreRequest, Scores, Step, TokenScore,
};
use crate::model::Decoder;
use crate::text::Tokenizer;

/// A way to run models: a row of [`super::ENGINES`].
pub struct EngineKind {
    /// Its name.
    pub name: &'static str,
    /// Whether a request is for it; the first row that says so takes it.
    pub serves: fn(&LoadRequest) -> bool,
    /// Checks all of a model that can be checked before its weights are read: configuration, shapes, tokenizer, device, and
    /// memory against the bytes that are free once the model in use is dropped (`None`: the system does not say).
    pub check: fn(&LoadRequest, room: Option<u64>, &CancelToken) -> Result<Box<dyn Checked>, EngineError>,
}

/// A model that was checked and is ready to be loaded.
pub trait Checked {
    /// Bytes that it takes in this process.
    fn memory(&self) -> u64;

    /// Loads it. `progress` gets bytes read and in all.
    ///
    /// # Errors
    /// A failing read, and [`EngineError::Cancelled`].
    fn load(
        self: Box<Self>,
        cancel: &CancelToken,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Box<dyn Backend>, EngineError>;
}

/// Continues prompts and scores texts.
pub trait Backend: Send {
    /// The facts about the model.
    fn info(&self) -> &Arc<ModelInfo>;

    /// The model's tokenizer, where it is in this process.
    fn tokenizer(&self) -> Option<&Arc<Tokenizer>>;

    /// Bytes that dropping it frees in this process.
    fn memory(&self) -> u64 {
        0
    }

    /// The decoder, where it is in this process: for what runs many sequences in one pass or looks inside it.
    fn decoder(&self) -> Option<&Decoder> {
        None
    }

    /// Samples until every sequence has ended. `sink` gets [`Produced::Prefilled`] once, then every token.
    ///
    /// # Errors
    /// A prompt that does not fit, sequences that do not fit into memory (before anything is run), logits that are not
    /// finite, a failing operation. Being cancelled is no error: it is a [`super::FinishReason`].
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

    /// Reads a document that fits the context: `sink` gets the scores from an index on as they are known.
    ///
    /// # Errors
    /// As for [`Backend::score`], and a text that does not fit.
    fn read(
        &mut self,
        request: &ReadRequest,
        cancel: &CancelToken,
        sink: &mut dyn FnMut(usize, Vec<TokenScore>),
    ) -> Result<ReadEnd, EngineError>;

    /// Scores a continuation and tells of the token after it; what the cache holds stays.
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
