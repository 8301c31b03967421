//! Several continuations side by side as one batch, of which one goes into the document.

use std::sync::Arc;

use super::App;
use super::command::{Cx, Scope};
use super::effect::Effect;
use super::log::Level;
use super::models::Loaded;
use super::overlay::{Item, Overlay, Picked, Rows};
use super::run::{Begin, Phase, Run};
use crate::engine::{CancelToken, Command, EngineError, Finish, GenerateRequest, JobId, Step, best, mean_logprob};
use crate::export::Record;
use crate::text::sanitise;

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

/// The continuations to choose from.
#[derive(Debug)]
pub struct SampleList;

impl Overlay for SampleList {
    fn scope(&self) -> Scope {
        Scope::SAMPLES
    }

    fn title(&self, app: &App) -> String {
        let Some(batch) = &*app.runs.batch else { return String::new() };
        let state = if batch.is_running() { ", still growing" } else { "" };
        format!("{} samples of up to {} tokens{state}", batch.samples.len(), batch.request.max_tokens)
    }

    fn rows(&self, app: &App) -> Rows {
        let samples = app.runs.batch.iter().flat_map(|batch| batch.samples.iter().enumerate());
        Rows::Choice(samples.map(|(at, steps)| Item::new((at + 1).to_string(), text_of(steps))).collect())
    }

    fn selected(&self, app: &App) -> Option<usize> {
        Some(app.runs.batch.as_ref()?.selected)
    }

    fn select(&mut self, app: &mut App, row: usize) {
        if let Some(batch) = &mut *app.runs.batch {
            batch.selected = row;
        }
    }

    fn pick(&mut self, cx: &mut Cx<'_>, row: usize) -> Picked {
        self.select(cx.app, row);
        cx.app.batch_take();
        if cx.app.runs.batch.is_some() { Picked::Stay } else { Picked::Close }
    }

    /// A batch that is not shown any more ends and is forgotten.
    fn closed(&mut self, app: &mut App) {
        if let Some(batch) = app.runs.batch.take() {
            batch.cancel.cancel();
        }
    }
}

/// The text of a continuation in one line.
pub fn text_of(steps: &[Arc<Step>]) -> String {
    let shown = steps.iter().flat_map(|step| step.bytes.get(..step.shown).unwrap_or_default());
    sanitise::line(&String::from_utf8_lossy(&shown.copied().collect::<Vec<u8>>())).into_owned()
}

impl App {
    /// Starts the batch and shows it.
    pub(super) fn start_batch(&mut self, job: JobId, cancel: CancelToken, model: Loaded, request: GenerateRequest) {
        *self.runs.batch = Some(Batch {
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
        self.close_all();
        self.open(SampleList);
        self.outbox.push(Effect::Engine(Command::Generate(job, request, cancel)));
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

    pub(super) fn batch_select_best(&mut self) {
        if let Some(batch) = &mut *self.runs.batch
            && let Some(best) = batch.best()
        {
            batch.selected = best;
        }
    }

    /// Puts the selected continuation into the document, as one step of undo. A batch that still runs is stopped first.
    pub(super) fn batch_take(&mut self) {
        let Some(batch) = &mut *self.runs.batch else { return };
        let selected = batch.wanted.unwrap_or(batch.selected);
        if batch.is_running() {
            batch.wanted = Some(selected);
            self.stop_batch();
            return;
        }
        let Some(batch) = self.runs.batch.take() else { return };
        self.close::<SampleList>();
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
        *self.runs.current = Some(run);
        self.editing.show_end = true;
        self.runs.taken = Some((batch, selected));
    }
}
