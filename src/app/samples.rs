//! Several continuations side by side as one batch, of which one goes into the document.

use std::sync::Arc;

use super::App;
use super::effect::Effect;
use super::log::Level;
use super::models::Loaded;
use super::run::{Begin, Phase, Run};
use super::screen::Layer;
use crate::engine::{CancelToken, Command, EngineError, Finish, GenerateRequest, JobId, Step, best, mean_logprob};
use crate::export::Record;

/// A batch that runs or has ended, and the continuation that is selected.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Its job.
    pub job: JobId,
    /// Ends it.
    pub cancel: CancelToken,
    /// The model that runs.
    pub model: Loaded,
    /// What it was asked.
    pub request: GenerateRequest,
    /// What was sampled, for each continuation.
    pub samples: Vec<Vec<Arc<Step>>>,
    /// How far it is.
    pub phase: Phase,
    /// The selected continuation.
    pub selected: usize,
    /// The document's revision when it began.
    began_at: u64,
    /// The continuation to take as soon as the engine has stopped.
    wanted: Option<usize>,
}

impl Batch {
    /// Whether the engine is still at it.
    pub fn is_running(&self) -> bool {
        !matches!(self.phase, Phase::Ended(_) | Phase::Failed)
    }

    /// The facts at the end.
    pub fn finish(&self) -> Option<&Finish> {
        match &self.phase {
            Phase::Ended(finish) => Some(finish),
            _ => None,
        }
    }

    /// The mean log-probability of a continuation under the raw model.
    pub fn mean(&self, sample: usize) -> Option<f64> {
        mean_logprob(self.samples.get(sample)?.iter().map(AsRef::as_ref))
    }

    /// The continuation with the largest mean log-probability.
    pub fn best(&self) -> Option<usize> {
        best((0..self.samples.len()).map(|sample| self.mean(sample)))
    }

    /// All that is known of it, if it has ended.
    pub(super) fn record(&self, picked: Option<usize>) -> Option<Record> {
        Some(Record {
            model: self.model.info.clone(),
            tokenizer: self.model.tokenizer.clone()?,
            request: self.request.clone(),
            finish: self.finish()?.clone(),
            samples: self.samples.clone(),
            picked,
        })
    }
}

impl App {
    /// Starts the batch and shows it.
    pub(super) fn start_batch(&mut self, job: JobId, cancel: CancelToken, model: Loaded, request: GenerateRequest) {
        self.runs.batch = Some(Batch {
            job,
            cancel: cancel.clone(),
            model,
            samples: vec![Vec::new(); request.sequences],
            request: request.clone(),
            phase: Phase::Reading,
            selected: 0,
            began_at: self.document.revision(),
            wanted: None,
        });
        self.screen.layers.clear();
        self.screen.layers.push(Layer::Samples);
        self.outbox.push(Effect::Engine(Command::Generate(job, request, cancel)));
    }

    /// A batch that nobody sees any more ends and is forgotten.
    pub(super) fn drop_hidden_batch(&mut self) {
        if let Some(batch) = self.runs.batch.take_if(|_| !self.screen.layers.contains(&Layer::Samples)) {
            batch.cancel.cancel();
        }
    }

    /// Ends the batch; what was sampled stays to choose from.
    pub(super) fn stop_batch(&mut self) {
        if let Some(batch) = self.runs.batch.as_mut().filter(|batch| batch.is_running()) {
            batch.cancel.cancel();
            batch.phase = Phase::Stopping;
        }
    }

    pub(super) fn batch_step(&mut self, job: JobId, step: Arc<Step>) {
        if let Some(batch) = self.runs.batch.as_mut().filter(|batch| batch.job == job && batch.is_running()) {
            if !matches!(batch.phase, Phase::Stopping) {
                batch.phase = Phase::Streaming;
            }
            if let Some(sample) = batch.samples.get_mut(step.sequence) {
                sample.push(step);
            }
        }
    }

    pub(super) fn batch_finished(&mut self, job: JobId, finish: Box<Finish>) {
        let Some(batch) = self.runs.batch.as_mut().filter(|batch| batch.job == job) else { return };
        batch.phase = Phase::Ended(finish);
        if batch.wanted.is_some() {
            self.batch_take();
        }
    }

    /// Whether the error was the batch's.
    pub(super) fn batch_failed(&mut self, job: JobId, error: &EngineError) -> bool {
        let Some(batch) = self.runs.batch.as_mut().filter(|batch| batch.job == job) else { return false };
        batch.phase = Phase::Failed;
        self.log.say(Level::Error, error.to_string());
        true
    }

    pub(super) fn batch_select(&mut self, rows: isize) {
        if let Some(batch) = &mut self.runs.batch {
            let last = batch.samples.len().saturating_sub(1);
            batch.selected = batch.selected.saturating_add_signed(rows).min(last);
        }
    }

    pub(super) fn batch_select_best(&mut self) {
        if let Some(batch) = &mut self.runs.batch
            && let Some(best) = batch.best()
        {
            batch.selected = best;
        }
    }

    /// Puts the selected continuation into the document, as one step of undo. A batch that still runs is stopped first.
    pub(super) fn batch_take(&mut self) {
        let Some(batch) = &mut self.runs.batch else { return };
        let selected = batch.wanted.unwrap_or(batch.selected);
        if batch.is_running() {
            batch.wanted = Some(selected);
            self.stop_batch();
            return;
        }
        let Some(batch) = self.runs.batch.take() else { return };
        self.screen.layers.retain(|layer| *layer != Layer::Samples);
        let (Some(steps), Phase::Ended(finish)) = (batch.samples.get(selected), &batch.phase) else { return };
        if steps.is_empty() {
            self.log.say(Level::Notice, "that continuation has no token");
            return;
        }
        if self.document.revision() != batch.began_at {
            self.log.say(Level::Warning, "the text was changed since the samples began: none was taken");
            return;
        }
        let mut run = Run::new(Begin {
            job: batch.job,
            cancel: batch.cancel.clone(),
            model: batch.model.clone(),
            max_tokens: batch.request.max_tokens,
            revision: batch.began_at,
            now: self.screen.now,
        });
        self.document.begin_generation();
        for step in steps {
            self.document.append_token(step.id(), &step.bytes, step.shown, Some(step.clone()));
            run.push(step.clone(), self.screen.now);
        }
        self.document.seal();
        run.left_at = self.document.revision();
        run.phase = Phase::Ended(Box::new(Finish {
            reasons: finish.reasons.get(selected).copied().into_iter().collect(),
            stopped_at: vec![finish.stopped_at.get(selected).cloned().flatten()],
            ..finish.as_ref().clone()
        }));
        self.leave_tokens();
        self.runs.current = Some(run);
        self.editing.show_end = true;
        self.runs.taken = Some((batch, selected));
    }
}
