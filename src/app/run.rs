//! One generation as the screen knows it: phase, steps, and where its figures come from.

use std::sync::Arc;
use std::time::Duration;

use super::models::Loaded;
use crate::engine::{CancelToken, Finish, FinishReason, JobId, Step, Timings};

/// How far a run is.
#[derive(Debug, Clone)]
pub enum Phase {
    /// The prompt is being read.
    Reading,
    /// Tokens come.
    Streaming,
    /// It was asked to stop; tokens that still come are dropped.
    Stopping,
    /// It ended.
    Ended(Box<Finish>),
    /// It failed.
    Failed,
}

/// The current generation, or the last one.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its job.
    pub job: JobId,
    /// Ends it.
    pub cancel: CancelToken,
    /// How far it is.
    pub phase: Phase,
    /// The model that runs.
    pub model: Loaded,
    /// The most tokens it was to sample.
    pub max_tokens: usize,
    /// What was sampled.
    pub steps: Vec<Arc<Step>>,
    /// The document's revision before the first token.
    pub began_at: u64,
    /// The document's revision after the newest token.
    pub left_at: u64,
    started: Duration,
    first: Option<Duration>,
    newest: Duration,
}

/// What a run starts with.
#[derive(Debug)]
pub struct Begin {
    /// Its job.
    pub job: JobId,
    /// Ends it.
    pub cancel: CancelToken,
    /// The model.
    pub model: Loaded,
    /// The most tokens to sample.
    pub max_tokens: usize,
    /// The document's revision.
    pub revision: u64,
    /// Time since the start of the program.
    pub now: Duration,
}

impl Run {
    /// A run that starts now.
    pub fn new(begin: Begin) -> Self {
        let Begin { job, cancel, model, max_tokens, revision, now } = begin;
        Self {
            job,
            cancel,
            phase: Phase::Reading,
            model,
            max_tokens,
            steps: Vec::new(),
            began_at: revision,
            left_at: revision,
            started: now,
            first: None,
            newest: now,
        }
    }

    /// Whether the engine is still at it.
    pub fn is_running(&self) -> bool {
        !matches!(self.phase, Phase::Ended(_) | Phase::Failed)
    }

    /// Whether an engine elsewhere drew its tokens, so that not all of their figures are known.
    pub fn is_reported(&self) -> bool {
        self.steps.iter().any(|step| step.sampled().is_none())
    }

    /// Whether tokens of this run belong in the document.
    pub fn takes_steps(&self) -> bool {
        matches!(self.phase, Phase::Reading | Phase::Streaming)
    }

    /// A token came.
    pub fn push(&mut self, step: Arc<Step>, now: Duration) {
        self.phase = Phase::Streaming;
        self.first.get_or_insert(now);
        self.newest = now;
        self.steps.push(step);
    }

    /// The facts at the end.
    pub fn finish(&self) -> Option<&Finish> {
        match &self.phase {
            Phase::Ended(finish) => Some(finish),
            _ => None,
        }
    }

    /// Seconds from the command to the first token.
    pub fn first_token_s(&self) -> Option<f64> {
        self.first.map(|first| first.saturating_sub(self.started).as_secs_f64())
    }

    /// Tokens a second after the first: measured by the engine once the run is over, by the screen until then.
    pub fn tokens_per_second(&self) -> Option<f64> {
        let timings = match self.finish() {
            Some(finish) => return finish.timings.tokens_per_second(finish.reasons.len()),
            None => Timings {
                decode_tokens: self.steps.len(),
                decode_s: self.newest.saturating_sub(self.first?).as_secs_f64(),
                ..Timings::default()
            },
        };
        timings.tokens_per_second(1)
    }

    /// Why it ended, in words.
    pub fn ending(&self) -> Option<String> {
        let finish = match &self.phase {
            Phase::Ended(finish) => finish,
            Phase::Failed => return Some("failed".to_owned()),
            Phase::Stopping => return Some("stopping".to_owned()),
            Phase::Reading | Phase::Streaming => return None,
        };
        Some(match finish.reasons.first().copied() {
            Some(FinishReason::Length) | None => format!("max tokens ({}) reached", self.max_tokens),
            Some(FinishReason::Stop) => match finish.stopped_at.first().and_then(Option::as_deref) {
                Some(stop) => format!("stop string \"{}\"", stop.escape_debug()),
                None => "stop string".to_owned(),
            },
            Some(FinishReason::Eos) => "the model ended the text".to_owned(),
            Some(FinishReason::Context) => "the context is full".to_owned(),
            Some(FinishReason::Cancelled) => "stopped by you".to_owned(),
        })
    }
}
