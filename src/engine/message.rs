//! What is said between the engine thread and whoever drives it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::files::Files;
use crate::model::DtypeChoice;
use crate::sampling::{ParamId, Sampled, Settings, Value};
use crate::text::{SpecialIds, TokenId, Tokenizer};

use super::{EngineError, Prefilled};

/// Names one job, so that events of a job that was stopped or replaced can be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// Set once to end a job; every layer of the model and every chunk of a file looks at it. One token serves one job.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that nobody has cancelled yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the job at the next point where it looks.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the job is to end.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
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
    /// Go on from a prompt.
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
    /// The model is ready.
    Loaded(JobId, Arc<ModelInfo>, Arc<Tokenizer>),
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
    /// The device they live on.
    pub device: String,
    /// Bytes of weights in memory.
    pub weight_bytes: u64,
    /// Seconds the load took.
    pub load_s: f64,
    /// The tokens at which a text begins and ends: generation stops at any of the latter.
    pub special: SpecialIds,
    /// What is to be known about its files, e.g. that they contradict each other.
    pub notes: Vec<String>,
}

/// What a sampled token that ends a text means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEndOfText {
    /// The document is over: stop.
    Stop,
    /// Go on (the next document begins).
    Continue,
}

/// A prompt to go on from.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// Token ids of the prompt. Empty: start from the start token.
    pub prompt: Vec<TokenId>,
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

/// One sampled token and all the decode knew when it was drawn.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which sequence of the batch, from 0.
    pub sequence: usize,
    /// How many tokens of this sequence were sampled before it.
    pub index: usize,
    /// The bytes of the token.
    pub bytes: Vec<u8>,
    /// How many of `bytes` belong to the text: fewer where a stop string begins inside, none for a token that ends the text.
    pub shown: usize,
    /// The draw: id, log-probabilities, rank, entropy, candidates, survivors.
    pub sampled: Sampled,
}

/// Mean natural-log probability of the tokens of a sequence under the raw model; `None` without a token.
pub fn mean_logprob<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Option<f64> {
    let (mut total, mut count) = (0.0, 0_u32);
    for step in steps {
        total += f64::from(step.sampled.logprob);
        count += 1;
    }
    (count > 0).then(|| total / f64::from(count))
}

/// Which of several sequences has the largest mean log-probability, the first of equal ones (OpenAI's `best_of`).
pub fn best(means: impl IntoIterator<Item = Option<f64>>) -> Option<usize> {
    let known = means.into_iter().enumerate().filter_map(|(index, mean)| Some((index, mean?)));
    known.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(index, _)| index)
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
    /// Somebody stopped it.
    Cancelled,
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
    /// The ids the run really started from: the prompt, or the start token where it was empty.
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
            prompt: request.prompt.clone(),
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

/// What was asked beside the document.
#[derive(Debug, Clone)]
pub struct Aside {
    /// The scores of the target, without candidates.
    pub scores: Vec<TokenScore>,
    /// The logits of the token after it, over the whole vocabulary.
    pub row: Arc<[f32]>,
}

/// What is known at the end of a document.
#[derive(Debug, Clone)]
pub struct ReadEnd {
    /// The logits of the token after the last one, over the whole vocabulary.
    pub row: Arc<[f32]>,
    /// Tokens that were run: those that the cache did not hold, and those scored.
    pub ran: usize,
}

/// One token of a scored text.
#[derive(Debug, Clone)]
pub struct TokenScore {
    /// The token.
    pub id: TokenId,
    /// Natural-log probability given what is before it; `None` where nothing is.
    pub logprob: Option<f32>,
    /// Rank from 1 among the whole vocabulary.
    pub rank: Option<usize>,
    /// Entropy of the distribution it was scored under, in bits.
    pub entropy: Option<f32>,
    /// The most likely tokens at this position with their log-probabilities, best first.
    pub top: Vec<(TokenId, f32)>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_has_the_largest_mean_and_comes_first_among_equals() {
        assert_eq!(best([Some(-2.0), Some(-1.5), None, Some(-1.5)]), Some(1));
        assert_eq!(best([None, Some(-9.0)]), Some(1));
        assert_eq!(best([None, None]), None);
        assert_eq!(best([]), None);
        assert_eq!(mean_logprob([]), None);
    }
}
