//! Starting, stopping and repeating a generation, and taking in what it says.

use std::sync::Arc;

use super::App;
use super::command::{Cx, id};
use super::effect::Effect;
use super::log::{Level, with_causes};
use super::models::{Loaded, NO_TOKENIZER, Stage};
use super::reading::KEEP;
use super::run::{Begin, Phase, Run};
use super::runs::{Extent, Seeding, Wish};
use crate::engine::{
    CancelToken, Command, Drawn, EngineError, Event, Finish, FinishReason, GenerateRequest, JobId, OnEndOfText, Prompt,
    Step, TokenScore,
};

/// The temperatures of a sweep: the likeliest tokens alone, less and less of them, the model itself, and beyond.
const SWEEP: [f64; 6] = [0.0, 0.3, 0.7, 1.0, 1.5, 2.0];

/// How many of the model's candidates each step carries: a full column of the tallest usual screen.
const TOP: usize = 50;

impl Cx<'_> {
    /// Goes on from the end of the document.
    pub fn generate(&mut self) {
        self.begin(Extent::AsSet);
    }

    /// Continues the document at several temperatures side by side.
    pub fn sweep(&mut self) {
        self.begin(Extent::Sweep);
    }

    fn begin(&mut self, extent: Extent) {
        if self.app.is_running() {
            let stop = self.app.keymap.hint(id::STOP);
            self.app.log.say(Level::Notice, format!("already generating ({stop} stops)"));
            return;
        }
        self.page.set_hold(None);
        self.page.follow_end(&self.app.document);
        // What streams in is to be seen.
        self.app.close_all();
        self.app.start(Wish { seeding: Seeding::AsSet, extent });
    }
}

impl App {
    /// Starts a generation as soon as the document's ids are known.
    pub(super) fn generate(&mut self, seeding: Seeding) {
        self.start(Wish { seeding, extent: Extent::AsSet });
    }

    /// Draws one token from the chain.
    pub(super) fn step_once(&mut self) {
        if !self.is_running() {
            self.start(Wish { seeding: Seeding::AsSet, extent: Extent::Token });
        }
    }

    fn start(&mut self, wish: Wish) {
        // While another model is loaded, the one in use is about to go.
        if self.models.loaded.is_none() || self.models.is_loading() {
            match &*self.models.job {
                Some(job) if matches!(job.stage, Stage::Finding | Stage::Loading(..)) => {
                    let name = job.name.clone();
                    *self.runs.queued = Some(wish);
                    self.log.say(Level::Notice, format!("generating as soon as {name} is loaded"));
                }
                Some(job) => {
                    let said = format!("{} is still on its way; generate when it is ready", job.name);
                    self.log.say(Level::Warning, said);
                }
                None => {
                    self.log.say(Level::Error, "no model is loaded; choose one here, or name a folder");
                    self.open_models();
                }
            }
            return;
        }
        *self.runs.queued = Some(wish);
        self.generate_queued();
    }

    /// Starts the generation that waits for ids, if they are there.
    pub(super) fn generate_queued(&mut self) {
        let (Some(wish), Some(model)) = (*self.runs.queued, self.models.loaded.clone()) else { return };
        if self.models.is_loading() {
            return;
        }
        let Some(prompt) = self.prompt_for(&model) else { return };
        *self.runs.queued = None;
        let prompt = match prompt {
            Ok(prompt) => prompt,
            Err(error) => return self.log.say(Level::Error, error),
        };
        if prompt == Prompt::Ids(Vec::new()) {
            let bos = model.bos_label().unwrap_or_default();
            self.log.say(Level::Notice, format!("the document is empty: starting from {bos}"));
        }
        self.warn_of_task();
        let settings = &self.sampler.settings;
        let (max_tokens, sequences, temperatures) = match wish.extent {
            Extent::AsSet => (settings.max_tokens(), settings.samples(), Vec::new()),
            Extent::Token => (1, 1, Vec::new()),
            Extent::Sweep => (settings.max_tokens(), SWEEP.len(), SWEEP.to_vec()),
        };
        let seed = match wish.seeding {
            Seeding::AsSet => self.sampler.settings.seed(),
            Seeding::New => None,
            Seeding::Same => self.versions.again.take().or_else(|| self.last_seed()),
        };
        let (job, cancel) = (self.new_job(), CancelToken::new());
        let run = Run::new(Begin {
            job,
            cancel: cancel.clone(),
            model,
            max_tokens,
            revision: self.document.revision(),
            now: self.screen.now,
        });
        let request = GenerateRequest {
            prompt,
            sequences,
            max_tokens,
            settings: self.sampler.settings.clone(),
            temperatures,
            seed,
            stop: self.sampler.stop.clone(),
            on_end_of_text: OnEndOfText::Stop,
            // As many as are kept of every position of the document; a step itself keeps those that a screen shows.
            top: if sequences > 1 { TOP } else { KEEP },
        };
        if request.sequences > 1 {
            self.start_batch(job, cancel, run.model, request);
            return;
        }
        self.version_begins(seed);
        self.document.begin_generation();
        self.leave_tokens();
        *self.runs.current = Some(run);
        self.runs.request = Some((job, request.clone()));
        self.outbox.push(Effect::Engine(Command::Generate(job, request, cancel)));
    }

    /// The document as a model takes it: as ids, or as text where its tokenizer is not here. `None` while it is encoded.
    fn prompt_for(&self, model: &Loaded) -> Option<Result<Prompt, String>> {
        if model.tokenizer.is_none() {
            let text = String::from_utf8(self.document.bytes().to_vec());
            let refused = |_| format!("{NO_TOKENIZER} and takes text, but the document is not UTF-8 throughout");
            return Some(text.map(Prompt::Text).map_err(refused));
        }
        let (ids, context) = (self.document.ids()?, model.info.context);
        Some(match ids.len() >= context {
            true => Err(EngineError::PromptTooLong { tokens: ids.len(), context }.to_string()),
            false => Ok(Prompt::Ids(ids)),
        })
    }

    /// Makes another version of the generation that the text ends with; the old one is kept.
    pub(super) fn regenerate(&mut self, seeding: Seeding) {
        let unknown = "the seed of this run is not known yet; wait for its end";
        if seeding == Seeding::Same && self.is_running() && self.versions.coming_seed().is_none() {
            self.log.say(Level::Warning, unknown);
            return;
        }
        self.stop();
        // A run that sampled nothing has left no version to make again.
        let nothing = self.runs.current.as_ref().is_some_and(|run| run.left_at == run.began_at);
        let nothing = nothing && self.runs.current.as_ref().is_some_and(|run| run.left_at == self.document.revision());
        let last = self.last_generation().map(|(at, made)| (at, made.seed));
        let seed = if nothing { self.last_seed() } else { last.and_then(|(_, seed)| seed) };
        if last.is_none() && !nothing {
            let key = self.keymap.hint(id::GENERATE);
            let said = match (&*self.runs.current, self.versions.tree.is_empty()) {
                (None, true) => "nothing was generated yet".to_owned(),
                _ => {
                    let undo = self.keymap.hint(id::UNDO);
                    let again = self.keymap.hint(id::REGENERATE);
                    format!(
                        "the text was changed after the generation: {undo} until it is as it was, then {again}; or {key} goes on"
                    )
                }
            };
            self.log.say(Level::Warning, said);
            return;
        }
        if seeding == Seeding::Same && seed.is_none() {
            self.log.say(Level::Warning, unknown);
            return;
        }
        self.versions.again = seed.filter(|_| seeding == Seeding::Same);
        if let (Some((at, _)), false) = (last, nothing) {
            self.cut_from(at);
            let key = self.keymap.hint(id::PREVIOUS_VERSION);
            self.log.say(Level::Notice, format!("the version before is kept: {key} shows it"));
        }
        self.generate(seeding);
    }

    /// Stops the generation; what was made stays.
    pub(super) fn stop(&mut self) {
        if let Some(run) = self.runs.current.as_mut().filter(|run| run.is_running()) {
            run.cancel.cancel();
            run.phase = Phase::Stopping;
            self.document.seal();
            self.version_made();
        }
        self.stop_batch();
        *self.runs.queued = None;
    }

    /// Takes in what the engine says; what belongs to no current job is dropped.
    pub(super) fn engine(&mut self, event: Event) {
        match event {
            Event::Loading(job, done, total) => self.loading(job, done, total),
            Event::Unloaded(_) => self.unloaded(),
            Event::Loaded(job, info, tokenizer) => self.loaded(job, info, tokenizer),
            Event::Step(job, step) => {
                if let Drawn::There(reported) = &step.drawn {
                    self.models.names.extend(reported.names.iter().cloned());
                }
                if let Some(run) = self.runs.current.as_mut().filter(|run| run.job == job && run.takes_steps()) {
                    let (score, step) = split(*step);
                    let (id, index) = (step.id(), self.document.tokens().len());
                    self.document.append_token(id, &step.bytes, step.shown, Some(step.clone()));
                    if self.document.tokens().len() > index {
                        self.reading.sampled(index, score);
                    }
                    run.left_at = self.document.revision();
                    run.push(step, self.screen.now);
                } else {
                    self.batch_step(job, step.into());
                }
            }
            Event::Finished(job, finish) => self.finished(job, finish),
            Event::Failed(job, error) => self.failed(job, &error),
            Event::Read(job, first, scores) => self.read(job, first, scores),
            Event::ReadEnd(job, end) => self.read_to_end(job, end),
            Event::Aside(job, aside) => self.read_aside(job, aside),
            Event::Scored(job, scores) => self.scored(job, &scores),
            // Reading the prompt shows in the phase.
            Event::Prefilled(..) => {}
        }
    }

    fn finished(&mut self, job: JobId, finish: Box<Finish>) {
        if let Some(run) = self.runs.current.as_mut().filter(|run| run.job == job && run.is_running()) {
            run.phase = Phase::Ended(finish.clone());
            let nothing = run.steps.iter().all(|step| step.shown == 0);
            if let (true, Some(ending)) = (nothing && finish.reasons != [FinishReason::Cancelled], run.ending()) {
                self.log.say(Level::Notice, format!("the model added nothing: {ending}"));
            }
            self.document.seal();
            self.version_made();
        } else {
            self.batch_finished(job, finish.clone());
        }
        self.version_ended(job, &finish);
    }

    fn failed(&mut self, job: JobId, error: &EngineError) {
        if self.read_failed(job, error) || self.score_failed(job, error) {
            return;
        }
        if let Some(run) = self.runs.current.as_mut().filter(|run| run.job == job && run.is_running()) {
            run.phase = Phase::Failed;
            self.document.seal();
            self.version_made();
            self.log.say(Level::Error, with_causes(error));
        } else if !self.batch_failed(job, error) && self.models.current(job).is_some() {
            *self.models.job = None;
            *self.runs.queued = None;
            if !matches!(error, EngineError::Cancelled) {
                let stays = match &*self.models.loaded {
                    Some(loaded) => format!("; {} stays in use", loaded.info.name),
                    None => String::new(),
                };
                self.log.say(Level::Error, with_causes(error) + &stays);
            }
        }
    }

    /// The generation whose figures belong to what is on the screen: one that goes on, or the last one as long as the text
    /// still ends with what it left.
    pub fn shown_run(&self) -> Option<&Run> {
        let ends_with_it = |run: &Run| run.is_running() || run.left_at == self.document.revision();
        self.runs.current.as_ref().filter(|run| ends_with_it(run))
    }

    /// The seed that the run on the screen used.
    pub fn last_seed(&self) -> Option<u64> {
        Some(self.runs.current.as_ref()?.finish()?.seed)
    }
}

/// The score of a sampled token with all that is kept of its position, and the step with what a screen shows of it.
fn split(mut step: Step) -> (TokenScore, Arc<Step>) {
    let score = step.score();
    if let Drawn::Here(sampled) = &mut step.drawn {
        sampled.top.truncate(TOP);
        sampled.top.shrink_to_fit();
    }
    (score, Arc::new(step))
}
