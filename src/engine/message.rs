//! Commands to the engine thread, its events, and what they carry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::files::Files;
use crate::model::{Device, DtypeChoice};
use crate::sampling::{ParamId, Settings, Value};
use crate::text::{SpecialIds, TokenId, Tokenizer};

use super::EngineError;
use super::step::{Step, TokenScore};

/// Names one job, so that events of a job that was stopped or replaced can be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// Set once to end a job; every layer of the model and every chunk of a file checks it. One token serves one job.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that is not cancelled yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the job at its next check.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the job is to end.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The flag itself, to keep.
    pub fn shared_flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }

    /// The flag itself, for layers that take a plain one.
    pub fn flag(&self) -> &AtomicBool {
        &self.0
    }
}

/// What the engine thread is asked to do. Each job carries the token that ends it.
#[derive(Debug)]
pub enum Command {
    /// Load a checkpoint in place of the current model.
    Load(JobId, LoadRequest, CancelToken),
    /// Continue a prompt.
    Generate(JobId, GenerateRequest, CancelToken),
    /// Score given tokens.
    Score(JobId, ScoreRequest, CancelToken),
    /// Score the tokens of a document from a place on, and give the row after its last one.
    Read(JobId, ReadRequest, CancelToken),
    /// Score a continuation, or give the row of logits at an older place, beside the document.
    Aside(JobId, AsideRequest, CancelToken),
    /// Drop the model and free its memory.
    Unload,
}

impl Command {
    /// The job it starts.
    pub fn job(&self) -> Option<JobId> {
        match self {
            Self::Load(job, ..)
            | Self::Generate(job, ..)
            | Self::Score(job, ..)
            | Self::Read(job, ..)
            | Self::Aside(job, ..) => Some(*job),
            Self::Unload => None,
        }
    }
}

/// What the engine thread says. After `Finished`, `Scored`, `ReadEnd`, `Aside`, `Loaded` or `Failed` a job says nothing more.
#[derive(Debug)]
pub enum Event {
    /// Bytes of weights read so far, and in all.
    Loading(JobId, u64, u64),
    /// The model in use was dropped: the next one does not fit beside it, or a panic left it in an unknown state.
    Unloaded(JobId),
    /// The model is ready. An engine without a tokenizer here takes and gives text.
    Loaded(JobId, Arc<ModelInfo>, Option<Arc<Tokenizer>>),
    /// The prompt has been read; the first token follows.
    Prefilled(JobId, Prefilled),
    /// One sampled token.
    Step(JobId, Box<Step>),
    /// The generation ended, for the reason given.
    Finished(JobId, Box<Finish>),
    /// The scores of the text that was given.
    Scored(JobId, Box<Scores>),
    /// Scores of the tokens of a document from that index on, as far as they are.
    Read(JobId, usize, Vec<TokenScore>),
    /// The document was read to its end.
    ReadEnd(JobId, ReadEnd),
    /// What was asked beside the document.
    Aside(JobId, Aside),
    /// The job ended with an error (cancelled loads and scores end here too, with [`EngineError::Cancelled`]).
    Failed(JobId, EngineError),
}

/// A checkpoint to load.
#[derive(Debug, Clone)]
pub struct LoadRequest {
    /// The name to show: a hub id, the folder as the user gave it, or `built-in`.
    pub name: String,
    /// config.json, the weights and the tokenizer files.
    pub files: Files,
    /// How the weights are to be kept.
    pub dtype: DtypeChoice,
    /// Where to compute.
    pub device: Device,
}

/// What an engine can do. Views and commands ask before they offer; what an engine cannot tell is said to be unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Capabilities {
    /// Whole rows of logits: ranks, entropies and what the sampling chain makes of a row are exact.
    pub full_logits: bool,
    /// Log-probabilities of a text that is given: scoring and reading.
    pub prompt_logprobs: bool,
    /// The most candidates of a position; `None`: as many as the vocabulary has.
    pub top_n: Option<usize>,
    /// Tensors inside the forward pass.
    pub trace: bool,
    /// Several sequences in one pass.
    pub batch: bool,
    /// Who turns text into token ids.
    pub tokenizer: TokenizerKind,
}

/// Who turns text into token ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenizerKind {
    /// The model's own tokenizer, in this process.
    Exact,
    /// The engine, elsewhere.
    Remote,
    /// Nothing does: text goes in, text comes out.
    None,
}

impl Capabilities {
    /// What a model in this process can do.
    pub const LOCAL: Self = Self {
        full_logits: true,
        prompt_logprobs: true,
        top_n: None,
        trace: true,
        batch: true,
        tokenizer: TokenizerKind::Exact,
    };

    /// Why ranks beyond the candidates, entropies and previews of the chain are unknown; `None` where they are known.
    pub fn limits(&self) -> Option<String> {
        (!self.full_logits).then(|| match self.top_n {
            Some(1) => "this engine gives 1 candidate".to_owned(),
            Some(count) if count > 0 => format!("this engine gives {count} candidates"),
            Some(_) => "this engine gives no candidates".to_owned(),
            None => "this engine gives no whole rows of logits".to_owned(),
        })
    }
}

/// The facts about a loaded model that screens and reports show.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ModelInfo {
    /// The name it was asked for by.
    pub name: String,
    /// Where its files are.
    pub files: Files,
    /// The family of the decoder, e.g. `gpt2`.
    pub family: &'static str,
    /// Number of weights, tied ones counted once.
    pub parameters: u64,
    /// Transformer blocks.
    pub layers: usize,
    /// Attention heads per block.
    pub heads: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Tokens that fit: `n_positions`.
    pub context: usize,
    /// Rows of the output head.
    pub vocab: usize,
    /// How the weights are kept: `f32`, `bf16`, `f16`, `q8_0` or `q4_0`.
    pub dtype: &'static str,
    /// The device they live on: `cpu`, `cuda:0`.
    pub device: String,
    /// What the engine can do.
    pub capabilities: Capabilities,
    /// Bytes of weights in memory.
    pub weight_bytes: u64,
    /// Seconds the load took.
    pub load_s: f64,
    /// The tokens at which a text begins and ends: generation stops at any of the latter.
    pub special: SpecialIds,
    /// What is to be known about its files, e.g. that they contradict each other.
    pub notes: Vec<String>,
}

/// The prompt has been read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prefilled {
    /// Tokens of the prompt.
    pub tokens: usize,
    /// How many of them were still in the cache.
    pub cached: usize,
    /// Seconds the others took.
    pub seconds: f64,
}

/// What a sampled token that ends a text means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEndOfText {
    /// The document is over: stop.
    Stop,
    /// Continue: the next document begins.
    Continue,
}

/// A prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// Token ids. Empty: start from the start token.
    Ids(Vec<TokenId>),
    /// Text, for an engine whose tokenizer is not in this process.
    Text(String),
}

impl Prompt {
    /// The ids, where it has any.
    pub fn ids(&self) -> &[TokenId] {
        match self {
            Self::Ids(ids) => ids,
            Self::Text(_) => &[],
        }
    }
}

impl From<Vec<TokenId>> for Prompt {
    fn from(ids: Vec<TokenId>) -> Self {
        Self::Ids(ids)
    }
}

/// A prompt to continue.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// What to continue.
    pub prompt: Prompt,
    /// How many continuations to sample side by side as one batch, at least 1.
    pub sequences: usize,
    /// Most tokens to sample for each sequence.
    pub max_tokens: usize,
    /// The sampling chain.
    pub settings: Settings,
    /// A temperature for each sequence, in the place of that of the settings; empty where all are alike.
    pub temperatures: Vec<f64>,
    /// Seed of the draw; `None` picks one at random, and [`Finish`] says which.
    pub seed: Option<u64>,
    /// Byte strings that end a sequence when they appear; they are not shown.
    pub stop: Vec<String>,
    /// What a token that ends a text means.
    pub on_end_of_text: OnEndOfText,
    /// How many of the model's top candidates each step carries.
    pub top: usize,
}

impl GenerateRequest {
    /// The sampling chain of one sequence.
    ///
    /// # Errors
    /// A temperature that is none.
    pub fn settings_of(&self, sequence: usize) -> Result<Settings, EngineError> {
        let mut settings = self.settings.clone();
        if let Some(&temperature) = self.temperatures.get(sequence) {
            settings.set(ParamId::Temperature, Value::Float(temperature))?;
        }
        Ok(settings)
    }
}

/// Why a sequence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// `max_tokens` were sampled.
    Length,
    /// A stop string appeared.
    Stop,
    /// A token that ends a text was sampled.
    Eos,
    /// The context is full: learned positions end at `n_positions`.
    Context,
    /// It was cancelled.
    Cancelled,
}

impl std::fmt::Display for FinishReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Length => "length",
            Self::Stop => "stop",
            Self::Eos => "eos",
            Self::Context => "context",
            Self::Cancelled => "cancelled",
        })
    }
}

/// The end of a generation.
#[derive(Debug, Clone)]
pub struct Finish {
    /// One reason for each sequence.
    pub reasons: Vec<FinishReason>,
    /// The stop string that each sequence ended at, where the reason is [`FinishReason::Stop`].
    pub stopped_at: Vec<Option<String>>,
    /// The seed that was really used.
    pub seed: u64,
    /// The ids the run really started from: the prompt, or the start token where it was empty. None of a prompt of text.
    pub prompt: Vec<TokenId>,
    /// Where the time went.
    pub timings: Timings,
}

impl Finish {
    /// The end of a run that was stopped while it still read the prompt.
    pub(super) fn before_the_first_token(request: &GenerateRequest, seed: u64) -> Self {
        let sequences = request.sequences.max(1);
        Self {
            reasons: vec![FinishReason::Cancelled; sequences],
            stopped_at: vec![None; sequences],
            seed,
            prompt: request.prompt.ids().to_vec(),
            timings: Timings::default(),
        }
    }
}

/// Where the time of a run went.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Timings {
    /// Prompt tokens that were run through the model (those found in the cache are not counted).
    pub prefill_tokens: usize,
    /// Seconds they took.
    pub prefill_s: f64,
    /// Prompt tokens whose keys and values were still in the cache.
    pub cached_tokens: usize,
    /// Tokens sampled, over all sequences.
    pub decode_tokens: usize,
    /// Seconds from the first to the last of them.
    pub decode_s: f64,
}

impl Timings {
    /// The one definition of decode speed, in tokens a second over all sequences: the first token of each sequence comes out
    /// of the prefill and does not count. `None` where no token followed.
    pub fn tokens_per_second(&self, sequences: usize) -> Option<f64> {
        let after_first = self.decode_tokens.saturating_sub(sequences);
        (after_first > 0 && self.decode_s > 0.0).then(|| after_first as f64 / self.decode_s)
    }
}

/// Where the scoring of a text starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The first token has nothing before it and gets no score.
    FirstToken,
    /// The start token (`bos`) is put in front, so that the first token is scored too.
    EndOfText,
}

/// A text to score.
#[derive(Debug, Clone)]
pub struct ScoreRequest {
    /// Token ids of the text.
    pub ids: Vec<TokenId>,
    /// Where to start.
    pub start: Start,
    /// How many candidates each position, and the one after the last, carry.
    pub top: usize,
}

/// A document to read.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// Token ids of all of it.
    pub ids: Vec<TokenId>,
    /// Where to start. An empty document is always read from the start token.
    pub start: Start,
    /// The first token that wants a score.
    pub from: usize,
    /// How many candidates each score carries.
    pub keep: usize,
}

/// Something to be known beside the document, which stays in the cache as it is.
#[derive(Debug, Clone)]
pub struct AsideRequest {
    /// Token ids before it. Empty: the start token.
    pub ids: Vec<TokenId>,
    /// The tokens to score; none where the row of logits is wanted only.
    pub target: Vec<TokenId>,
}

/// What an engine says of the token that comes next.
#[derive(Debug, Clone)]
pub enum NextToken {
    /// The logits of the whole vocabulary.
    Full(Arc<[f32]>),
    /// The likeliest tokens with their natural-log probabilities, best first; of all others nothing is known.
    Top(Arc<[(TokenId, f32)]>),
}

impl NextToken {
    /// The whole row, where it is known.
    pub fn full(&self) -> Option<&Arc<[f32]>> {
        match self {
            Self::Full(row) => Some(row),
            Self::Top(_) => None,
        }
    }

    /// Whether both are the same answer of the engine.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Full(a), Self::Full(b)) => Arc::ptr_eq(a, b),
            (Self::Top(a), Self::Top(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// The answer to an [`AsideRequest`].
#[derive(Debug, Clone)]
pub struct Aside {
    /// The scores of the target, without candidates.
    pub scores: Vec<TokenScore>,
    /// The token after it.
    pub next: NextToken,
}

/// What is known at the end of a document.
#[derive(Debug, Clone)]
pub struct ReadEnd {
    /// The token after the last one.
    pub next: NextToken,
    /// Tokens that were run: those that the cache did not hold, and those scored.
    pub ran: usize,
}

/// A scored text.
#[derive(Debug, Clone)]
pub struct Scores {
    /// One entry a token of the request.
    pub tokens: Vec<TokenScore>,
    /// The most likely tokens after the last one, best first; empty where the context is full.
    pub next: Vec<(TokenId, f32)>,
    /// How many windows the text needed: 1 unless it is longer than the context.
    pub windows: usize,
    /// Seconds the model ran.
    pub seconds: f64,
}

impl Scores {
    /// Sum of the natural-log probabilities of all scored tokens.
    pub fn total_logprob(&self) -> f64 {
        self.tokens.iter().filter_map(|t| t.logprob).map(f64::from).sum()
    }

    /// Number of tokens that have a score.
    pub fn scored(&self) -> usize {
        self.tokens.iter().filter(|t| t.logprob.is_some()).count()
    }

    /// exp of the mean negative log-probability per scored token; `None` where nothing was scored.
    pub fn perplexity(&self) -> Option<f64> {
        let n = self.scored();
        (n > 0).then(|| (-self.total_logprob() / n as f64).exp())
    }
}
