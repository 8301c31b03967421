//! The train view: which run is chosen, and all that is known of the one under way.

use std::path::PathBuf;
use std::time::Duration;

use super::App;
use super::command::{Scope, id};
use super::curve::Curve;
use super::effect::Effect;
use super::log::Level;

use super::tune::{Dial, Tuning};
use super::views::{PLAYGROUND, ViewSpec};
use crate::engine::{CancelToken, JobId};
use crate::train::{Begin, Command, Data, Event, Facts, Induction, Plan, Preset, Recipe, Shots, StepReport, Work};

/// Fewest characters of a text that is learned from.
pub const LEAST_TEXT: usize = 200;

/// What can be started.
#[derive(Clone, Copy)]
pub enum Choice {
    /// Pre-training by a preset.
    Pretrain(&'static Preset),
    /// Fine-tuning of the loaded model.
    Finetune,
}

impl Choice {
    /// How many there are.
    pub const COUNT: usize = Preset::ALL.len() + 1;

    /// The one on that row.
    pub fn at(row: usize) -> Self {
        Preset::ALL.get(row).map_or(Self::Finetune, Self::Pretrain)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pretrain(preset) => preset.name,
            Self::Finetune => "fine-tune",
        }
    }

    /// What it shows.
    pub fn doc(self) -> &'static str {
        match self {
            Self::Pretrain(preset) => preset.doc,
            Self::Finetune => "the loaded model learns to classify, as in GPT-1",
        }
    }
}

/// All that the train view shows.
#[derive(Debug, Clone, Default)]
pub struct TrainView {
    /// The row of the selected [`Choice`].
    pub selected: usize,
    /// λ of the next fine-tuning.
    pub lambda: Dial,
    /// The run under way, or the last one.
    pub run: Option<TrainRun>,
    /// The run is to be opened in the playground once it is saved.
    opening: bool,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrainPhase {
    /// The vocabulary is learned, the weights are drawn.
    Preparing,
    /// Steps come.
    Running,
    /// It waits.
    Paused,
    /// It was asked to stop and saves itself.
    Stopping,
    /// It was stopped and saved.
    Stopped,
    /// Its last step is done.
    Finished,
    /// It failed.
    Failed(String),
}

/// The share of questions that a suite's answers were right in, as it rises.
#[derive(Debug, Clone, PartialEq)]
pub struct ShotsCurve {
    /// The suite.
    pub suite: &'static str,
    /// Examples in the prompt.
    pub shots: usize,
    /// The newest figures: right answers, questions.
    pub newest: (u64, u64),
    /// The share over the steps.
    pub curve: Curve,
}

/// What a run does.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Pre-training by this recipe.
    Pretrain(Recipe),
    /// Fine-tuning.
    Finetune(Tuning),
}

/// A training run as the screen knows it.
#[derive(Debug, Clone)]
pub struct TrainRun {
    /// Its job.
    pub job: JobId,
    /// The row of its [`Choice`].
    pub choice: usize,
    /// What it does.
    pub kind: Kind,
    /// How far it is.
    pub phase: TrainPhase,
    /// What is known before the first step, the curve left out.
    pub facts: Option<Facts>,
    /// The newest step.
    pub newest: Option<StepReport>,
    /// Training loss.
    pub loss: Curve,
    /// Validation loss.
    pub validation: Curve,
    /// Share of a repeated sequence that is copied right.
    pub copied: Curve,
    /// Score of the best induction head.
    pub induction: Curve,
    /// The heads as they were looked at last, and after which step.
    pub heads: Option<(u64, Box<Induction>)>,
    /// What the model wrote last, and after which step.
    pub sample: Option<(u64, Vec<String>)>,
    /// Few-shot accuracy.
    pub shots: Vec<ShotsCurve>,
    /// Where it was saved last, and after which step.
    pub saved: Option<(u64, PathBuf)>,
    cancel: CancelToken,
    /// Steps that were done before this start.
    before: u64,
    worked: Duration,
    since: Option<Duration>,
    rate: Option<f64>,
}

impl TrainRun {
    fn new(job: JobId, choice: usize, kind: Kind, cancel: CancelToken) -> Self {
        Self {
            job,
            choice,
            kind,
            phase: TrainPhase::Preparing,
            facts: None,
            newest: None,
            loss: Curve::default(),
            validation: Curve::default(),
            copied: Curve::default(),
            induction: Curve::default(),
            heads: None,
            sample: None,
            shots: Vec::new(),
            saved: None,
            cancel,
            before: 0,
            worked: Duration::ZERO,
            since: None,
            rate: None,
        }
    }

    /// What its choice is called.
    pub fn name(&self) -> &'static str {
        Choice::at(self.choice).name()
    }

    /// Updates in all; 0 where that is not known yet.
    pub fn steps(&self) -> u64 {
        match &self.kind {
            Kind::Pretrain(recipe) => recipe.steps,
            Kind::Finetune(tuning) => tuning.facts.as_ref().map_or(0, |facts| facts.steps),
        }
    }

    /// Whether it is neither over nor being stopped.
    pub fn is_live(&self) -> bool {
        matches!(self.phase, TrainPhase::Preparing | TrainPhase::Running | TrainPhase::Paused)
    }

    /// Updates done.
    pub fn step(&self) -> u64 {
        match &self.kind {
            Kind::Pretrain(_) => self.newest.map_or(self.before, |step| step.step),
            Kind::Finetune(tuning) => tuning.step(),
        }
    }

    /// Tokens a second, averaged over the last steps.
    pub fn tokens_per_second(&self) -> Option<f64> {
        self.rate
    }

    /// Time it has worked, pauses left out.
    pub fn elapsed(&self, now: Duration) -> Duration {
        self.worked + self.since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// Time that is left at the speed so far.
    pub fn eta(&self, now: Duration) -> Option<Duration> {
        let done = self.step().checked_sub(self.before).filter(|done| *done > 0)?;
        let left = self.steps().saturating_sub(self.step());
        Duration::try_from_secs_f64(self.elapsed(now).as_secs_f64() / done as f64 * left as f64).ok()
    }

    /// The loss of a model that knows nothing: ln V.
    pub fn chance(&self) -> Option<f64> {
        self.facts.as_ref().map(|facts| (facts.vocab.max(1) as f64).ln())
    }

    /// Whether its folder is a checkpoint that the playground can load.
    pub fn can_be_opened(&self) -> bool {
        matches!(&self.kind, Kind::Pretrain(recipe) if recipe.shape.n_inner > 0)
    }

    fn enter(&mut self, phase: TrainPhase, now: Duration) {
        self.worked = self.elapsed(now);
        self.since = (phase == TrainPhase::Running).then_some(now);
        self.phase = phase;
    }

    fn started(&mut self, mut facts: Facts) {
        for report in std::mem::take(&mut facts.curve) {
            self.record(&report);
            self.before = report.step;
            self.newest = Some(report);
        }
        self.facts = Some(facts);
    }

    fn stepped(&mut self, report: StepReport) {
        self.record(&report);
        let rate = report.tokens as f64 / report.seconds.max(1e-9);
        self.rate = Some(self.rate.map_or(rate, |before| 0.9 * before + 0.1 * rate));
        self.newest = Some(report);
    }

    fn record(&mut self, report: &StepReport) {
        self.loss.push(report.step, report.loss);
        if let Some(validation) = report.validation {
            self.validation.push(report.step, validation);
        }
    }

    fn answered(&mut self, step: u64, all: Vec<Shots>) {
        for Shots { suite, shots, right, asked } in all {
            let known = self.shots.iter().position(|known| known.suite == suite && known.shots == shots);
            let at = known.unwrap_or_else(|| {
                self.shots.push(ShotsCurve { suite, shots, newest: (0, 0), curve: Curve::default() });
                self.shots.len() - 1
            });
            if let Some(curve) = self.shots.get_mut(at) {
                curve.newest = (right, asked);
                curve.curve.push(step, right as f64 / asked as f64);
            }
        }
    }
}

/// The train view.
pub static TRAIN: ViewSpec = ViewSpec {
    step: |app, steps| app.train_select(steps),
    animates: |app| app.train.run.as_ref().is_some_and(|run| run.phase == TrainPhase::Running),
    plain: |_| {
        vec!["Training is shown as curves: `kshot train` and `kshot finetune` print the same figures.".to_owned()]
    },
    ..ViewSpec::new("train", "Train", |_| Scope::TRAIN)
};

impl TrainView {
    /// The run of the selected row; none where that was not run, or another one was begun since.
    pub fn shown(&self) -> Option<&TrainRun> {
        self.run.as_ref().filter(|run| run.choice == self.selected)
    }

    /// What is selected.
    pub fn choice(&self) -> Choice {
        Choice::at(self.selected)
    }

    /// The run that is neither over nor being stopped.
    pub fn live(&self) -> Option<&TrainRun> {
        self.run.as_ref().filter(|run| run.is_live())
    }
}

impl App {
    /// Esc in the train view: dismisses the message, else goes back; a run goes on.
    pub(super) fn train_back(&mut self) {
        if !self.log.dismiss() {
            self.screen.view = &PLAYGROUND;
            if let Some(run) = self.train.run.as_ref().filter(|run| run.phase == TrainPhase::Running) {
                let (name, key) = (run.name(), self.keymap.hint(id::TRAIN));
                self.log.say(Level::Notice, format!("the run {name} goes on; {key} shows it"));
            }
        }
    }

    pub(super) fn train_select(&mut self, rows: isize) {
        self.train.selected = self.train.selected.saturating_add_signed(rows).min(Choice::COUNT - 1);
    }

    /// Enter: starts the selected run, or goes on with it.
    pub(super) fn train_start(&mut self) {
        match self.train.live() {
            Some(run) if run.choice != self.train.selected => {
                let (name, stop) = (run.name(), self.keymap.hint(id::TRAIN_STOP));
                self.log.say(Level::Warning, format!("the run {name} is under way; {stop} stops and saves it"));
            }
            Some(run) if run.phase == TrainPhase::Paused => self.train_pause(),
            Some(_) => {
                let [pause, restart] = [id::TRAIN_PAUSE, id::TRAIN_RESTART].map(|id| self.keymap.hint(id));
                self.log.say(Level::Notice, format!("already under way; {pause} pauses, {restart} begins afresh"));
            }
            None => self.train_begin(Begin::WhereItWasLeft),
        }
    }

    /// Begins the selected run; another one is stopped and saved first.
    pub(super) fn train_begin(&mut self, begin: Begin) {
        let choice = self.train.choice();
        let planned = match choice {
            Choice::Pretrain(preset) => self.pretraining(preset),
            Choice::Finetune => self.fine_tuning(),
        };
        let (kind, work) = match planned {
            Ok(planned) => planned,
            Err(error) => {
                self.log.say(Level::Error, error);
                return;
            }
        };
        if let Some(old) = self.train.run.as_ref().filter(|run| run.is_live()) {
            self.outbox.push(Effect::Train(Command::Stop(old.job)));
        }
        let (job, cancel) = (self.new_job(), CancelToken::new());
        let plan = Plan { name: choice.name().to_owned(), work, begin };
        self.train.opening = false;
        self.train.run = Some(TrainRun::new(job, self.train.selected, kind, cancel.clone()));
        self.outbox.push(Effect::Train(Command::Start(job, Box::new(plan), cancel)));
    }

    fn pretraining(&self, preset: &Preset) -> Result<(Kind, Work), String> {
        let recipe = (preset.recipe)();
        let mut text = String::new();
        if matches!(recipe.data, Data::Text { .. }) {
            text = self.document.text().into_owned();
            let (length, back) = (text.chars().count(), self.keymap.hint(id::TRAIN_BACK));
            if length < LEAST_TEXT {
                return Err(format!(
                    "{} learns from the document, which has {length} characters: {back} goes back, paste at least {LEAST_TEXT}",
                    preset.name
                ));
            }
        }
        Ok((Kind::Pretrain(recipe.clone()), Work::Pretrain { recipe, text }))
    }

    /// Space: pauses, or goes on.
    pub(super) fn train_pause(&mut self) {
        let now = self.screen.now;
        let Some(run) = &mut self.train.run else {
            self.log.say(Level::Notice, "no run is under way");
            return;
        };
        let command = match run.phase {
            TrainPhase::Running => {
                run.enter(TrainPhase::Paused, now);
                Command::Pause(run.job)
            }
            TrainPhase::Paused => {
                run.enter(TrainPhase::Running, now);
                Command::Resume(run.job)
            }
            _ => {
                self.log.say(Level::Notice, "no run is under way");
                return;
            }
        };
        self.outbox.push(Effect::Train(command));
    }

    /// Stops the run; it is saved.
    pub(super) fn train_stop(&mut self) {
        let now = self.screen.now;
        let Some(run) = self.train.run.as_mut().filter(|run| run.is_live()) else {
            self.log.say(Level::Notice, "no run is under way");
            return;
        };
        run.enter(TrainPhase::Stopping, now);
        // Ends a measurement that is under way; the steps look at messages only.
        run.cancel.cancel();
        self.outbox.push(Effect::Train(Command::Stop(run.job)));
    }

    /// Opens the trained model in the playground, saved first where it has to be.
    pub(super) fn train_open(&mut self) {
        let Some(run) = &self.train.run else {
            self.log.say(Level::Notice, "nothing was trained yet");
            return;
        };
        if !run.can_be_opened() {
            let text = match &run.kind {
                Kind::Pretrain(_) => {
                    format!("{} works on symbols, not on text: there is nothing to open in the playground", run.name())
                }
                Kind::Finetune(_) => match &run.saved {
                    Some((_, folder)) => {
                        format!("a classifier answers, it does not write: kshot classify -m {} TEXT", folder.display())
                    }
                    None => {
                        "a classifier answers, it does not write; it is saved when it is done or stopped".to_owned()
                    }
                },
            };
            self.log.say(Level::Notice, text);
        } else if let Some((step, folder)) = &run.saved
            && *step == run.step()
        {
            let folder = folder.clone();
            self.open_trained(&folder);
        } else if run.is_live() || run.phase == TrainPhase::Stopping {
            let job = run.job;
            self.train.opening = true;
            self.outbox.push(Effect::Train(Command::Save(job)));
        } else {
            self.log.say(Level::Warning, "this run was not saved");
        }
    }

    fn open_trained(&mut self, folder: &std::path::Path) {
        match self.find_folder(&folder.display().to_string()) {
            Ok(()) => self.screen.view = &PLAYGROUND,
            Err(error) => self.log.say(Level::Warning, error),
        }
    }

    /// Takes in what the training thread says; what belongs to no current run is dropped.
    pub(super) fn trained(&mut self, event: Event) {
        let now = self.screen.now;
        let Some(run) = self.train.run.as_mut().filter(|run| run.job == event.job()) else { return };
        let name = run.name();
        match event {
            Event::Started(_, facts) => {
                run.started(*facts);
                if run.phase == TrainPhase::Preparing {
                    run.enter(TrainPhase::Running, now);
                }
                if run.before > 0 {
                    let (step, afresh) = (run.before, self.keymap.hint(id::TRAIN_RESTART));
                    self.log.say(Level::Notice, format!("{name} goes on after step {step}; {afresh} begins afresh"));
                }
            }
            Event::Step(_, report) => run.stepped(report),
            Event::Sample(_, step, texts) => run.sample = Some((step, texts)),
            Event::Induction(_, step, heads) => {
                run.copied.push(step, heads.copied);
                run.induction.push(step, f64::from(heads.score()));
                run.heads = Some((step, heads));
            }
            Event::Shots(_, step, all) => run.answered(step, all),
            Event::Tuning(_, facts) => {
                if let Kind::Finetune(tuning) = &mut run.kind {
                    tuning.started(*facts);
                }
                if run.phase == TrainPhase::Preparing {
                    run.enter(TrainPhase::Running, now);
                }
            }
            Event::Tuned(_, at, step) => {
                if let Kind::Finetune(tuning) = &mut run.kind {
                    tuning.stepped(at, step);
                }
            }
            Event::Saved(_, step, folder) => {
                run.saved = Some((step, folder.clone()));
                if std::mem::take(&mut self.train.opening) {
                    self.open_trained(&folder);
                }
            }
            Event::Stopped(_) => {
                run.enter(TrainPhase::Stopped, now);
                let (step, place) = (run.step(), run.saved.as_ref().map(|(_, folder)| folder.display().to_string()));
                let saved = place.map(|place| format!(" and saved in {place}")).unwrap_or_default();
                self.log.say(Level::Notice, format!("{name} stopped after step {step}{saved}"));
            }
            Event::Finished(_) => {
                run.enter(TrainPhase::Finished, now);
                let hint = next_step(run, &self.keymap.hint(id::TRAIN_OPEN));
                self.log.say(Level::Notice, format!("{name} is done{hint}"));
            }
            Event::Failed(_, error) => {
                run.enter(TrainPhase::Failed(error.clone()), now);
                self.train.opening = false;
                self.log.say(Level::Error, format!("{name}: {error}"));
            }
        }
    }
}

/// What can be done with a run that is done: the end of a sentence.
fn next_step(run: &TrainRun, open: &str) -> String {
    match (&run.kind, &run.saved) {
        (Kind::Finetune(_), Some((_, folder))) => format!("; kshot classify -m {} TEXT uses it", folder.display()),
        _ if run.can_be_opened() => format!("; {open} opens it"),
        _ => String::new(),
    }
}
