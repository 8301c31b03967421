//! Typed jobs on a thread of their own: loading, generation as an iterator, scoring.
//!
//! The engine owns the model while it computes. It talks in [`Command`]s and [`Event`]s, each carrying the [`JobId`] it
//! belongs to, so that a late event of a stopped job can be told apart and dropped. It knows nothing of a terminal, a
//! document or a file format: callers turn text into token ids before and token bytes into text after.

mod backend;
mod bias;
mod generation;
mod local;
mod message;
mod quality;
mod read;
mod score;
mod stop;
mod worker;

/// How the weights of a model are asked for.
pub use crate::model::{Dtype, DtypeChoice};
pub use backend::{Backend, EngineError, Produced};
pub use bias::{BiasEntry, TokenName};
pub use generation::{Generation, Prefilled};
pub use local::{Description, LocalModel};
pub use message::{
    Aside, AsideRequest, CancelToken, Command, Event, Finish, FinishReason, GenerateRequest, JobId, LoadRequest,
    ModelInfo, OnEndOfText, ReadEnd, ReadRequest, ScoreRequest, Scores, Start, Step, Timings, TokenScore, best,
    mean_logprob,
};
pub use quality::{Quality, compare as compare_quality};
pub use stop::StopStrings;
pub use worker::Engine;
