//! Typed jobs on a thread of their own: loading, generation as an iterator, scoring.
//!
//! The engine owns the model while it computes. It talks in [`Command`]s and [`Event`]s, each carrying the [`JobId`] it
//! belongs to, so that a late event of a stopped job can be told apart and dropped. It knows nothing of a terminal, a
//! document or a file format: callers turn text into token ids before and token bytes into text after.

mod backend;
mod bias;
mod engines;
mod error;
mod generation;
mod local;
mod message;
mod quality;
mod read;
mod rows;
mod score;
mod step;
mod stop;
mod worker;

/// How and where the weights of a model are wanted.
pub use crate::model::{Device, Dtype, DtypeChoice};
pub use backend::{Backend, Checked, EngineKind, Produced};
pub use bias::{BiasEntry, TokenName};
pub use engines::{ENGINES, load};
pub use error::EngineError;
pub use generation::Generation;
pub use local::{Description, LocalModel};
pub use message::{
    Aside, AsideRequest, CancelToken, Capabilities, Command, Event, Finish, FinishReason, GenerateRequest, JobId,
    LoadRequest, ModelInfo, NextToken, OnEndOfText, Prefilled, Prompt, ReadEnd, ReadRequest, ScoreRequest, Scores,
    Start, Timings, TokenizerKind,
};
pub use quality::{Quality, compare as compare_quality};
pub use step::{Drawn, Reported, Step, TokenScore, best, mean_logprob};
pub use stop::StopStrings;
pub use worker::{Engine, Worker};
