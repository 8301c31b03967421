//! The training thread: one run at a time, told what to do by messages between its steps.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TryRecvError, unbounded};

use super::message::{Begin, Command, Event, Facts, Plan, Shots, Work};
use super::{Data, Recipe, Result, Run, State, Text, induction, prepare};
use crate::corpus;
use crate::engine::{CancelToken, GenerateRequest, Generation, JobId, OnEndOfText};
use crate::eval;
use crate::model::Decoder;
use crate::sampling::{ParamId, Settings, Value};
use crate::text::Tokenizer;

mod tune;

/// Steps between two measurements of the heads while copying is learned.
const LOOK_EVERY: u64 = 10;
/// Most tokens that are repeated once where a language model's heads are looked at.
const REPEATED: usize = 32;
/// Most tokens of a sample.
const SAMPLE: usize = 160;
/// Samples side by side where the context holds only a line.
const SHORT_SAMPLES: usize = 3;
/// What a model of generated text is asked: an input that only examples make clear, and a rule on new strings.
const SUITES: [&str; 2] = ["word-french", "string-capitals"];
/// Numbers of examples it is asked at.
const SHOTS: [usize; 3] = [0, 1, 4];
/// Questions of a suite at one number of examples.
const QUESTIONS: usize = 16;
/// Seed of what is measured, so that it is the same at every step.
const SEED: u64 = 1;
/// Most folders of one name.
const FOLDERS: usize = 10_000;

/// A handle on the training thread. Dropping it stops the run, which saves it, and waits for that.
pub struct Worker {
    commands: Option<Sender<Command>>,
    events: Receiver<Event>,
    current: CancelToken,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread, which waits for a run; their folders are made in `runs`.
    ///
    /// # Errors
    /// Fails where the system gives no thread.
    pub fn spawn(runs: PathBuf) -> std::io::Result<Self> {
        let (commands, inbox) = unbounded();
        let (outbox, events) = unbounded();
        let thread = std::thread::Builder::new().name("train".into()).spawn(move || work(&runs, &inbox, &outbox))?;
        Ok(Self { commands: Some(commands), events, current: CancelToken::new(), thread: Some(thread) })
    }

    /// Hands it a command.
    pub fn send(&mut self, command: Command) {
        match &command {
            Command::Start(_, _, cancel) => {
                self.current.cancel();
                self.current = cancel.clone();
            }
            Command::Stop(_) => self.current.cancel(),
            Command::Pause(_) | Command::Resume(_) | Command::Save(_) => {}
        }
        if let Some(commands) = &self.commands {
            // Where the thread is gone, its events have ended, and the receiver of those says so.
            let _ = commands.send(command);
        }
    }

    /// What it says.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.current.cancel();
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was told as an event already.
            let _ = thread.join();
        }
    }
}

fn work(runs: &Path, inbox: &Receiver<Command>, outbox: &Sender<Event>) {
    let mut next = None;
    while let Some(command) = next.take().or_else(|| inbox.recv().ok()) {
        // Whatever else is said to a run that is over comes too late.
        let Command::Start(job, plan, cancel) = command else { continue };
        let session = Session { job, plan: *plan, cancel, runs, inbox, outbox };
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| session.run()));
        let last = match done {
            Ok(Ok((end, started))) => {
                next = started;
                match end {
                    End::Finished => Event::Finished(job),
                    End::Stopped => Event::Stopped(job),
                }
            }
            Ok(Err(error)) if error.is_cancelled() => Event::Stopped(job),
            Ok(Err(error)) => Event::Failed(job, error.to_string()),
            Err(_) => Event::Failed(job, "the training thread has an error of its own; the log has it".into()),
        };
        let _ = outbox.send(last);
    }
}

/// How a run ended.
enum End {
    Finished,
    Stopped,
}

/// What is to happen next.
enum Flow {
    On,
    Stop(Option<Command>),
}

struct Session<'a> {
    job: JobId,
    plan: Plan,
    cancel: CancelToken,
    runs: &'a Path,
    inbox: &'a Receiver<Command>,
    outbox: &'a Sender<Event>,
}

impl Session<'_> {
    /// Runs to the end, or until a command ends it; a run that is to begin instead is handed back.
    fn run(self) -> Result<(End, Option<Command>)> {
        match self.plan.work.clone() {
            Work::Pretrain { recipe, text } => self.pretrain(recipe, text),
            Work::Finetune { model, files, lambdas } => self.tune(&model, &files, &lambdas),
        }
    }

    fn pretrain(&self, mut recipe: Recipe, text: String) -> Result<(End, Option<Command>)> {
        let text = Text { name: "the document".into(), documents: vec![text] };
        if matches!(recipe.data, Data::Text { .. }) {
            recipe.data = text.data();
        }
        recipe.check()?;
        let (folder, state) = self.folder(&recipe)?;
        let prepared = prepare(&recipe, Some(&text), state.as_ref(), &self.cancel)?;
        drop(state);
        let vocab = prepared.source.vocab();
        let tokenizer = match &prepared.tokenizer {
            Some(json) => Some(Tokenizer::from_json("the run's vocabulary", json)?),
            None => None,
        };
        let mut run = Run::open(Some(&folder), recipe.clone(), prepared.tokenizer, prepared.source, None)?;
        run.stop_with(self.cancel.clone());
        let facts = Facts {
            folder: folder.clone(),
            parameters: recipe.config(vocab).parameters(),
            vocab,
            curve: run.curve().to_vec(),
        };
        self.say(Event::Started(self.job, Box::new(facts)));
        self.look(&run, tokenizer.as_ref(), run.trainer().step())?;
        loop {
            if let Flow::Stop(next) = self.commands(&mut || self.save(&mut run, &folder))? {
                self.save(&mut run, &folder)?;
                return Ok((End::Stopped, next));
            }
            let Some(report) = run.next() else {
                self.say(Event::Saved(self.job, recipe.steps, folder));
                return Ok((End::Finished, None));
            };
            let report = match report {
                // The step is left undone; the command that cancelled it says what follows.
                Err(error) if error.is_cancelled() => match self.commands(&mut || Ok(()))? {
                    Flow::Stop(next) => {
                        self.save(&mut run, &folder)?;
                        return Ok((End::Stopped, next));
                    }
                    Flow::On => {
                        self.save(&mut run, &folder)?;
                        return Ok((End::Stopped, None));
                    }
                },
                report => report?,
            };
            self.say(Event::Step(self.job, report));
            self.look(&run, tokenizer.as_ref(), report.step)?;
        }
    }

    fn say(&self, event: Event) {
        // Without a receiver the program ends.
        let _ = self.outbox.send(event);
    }

    fn save(&self, run: &mut Run, folder: &Path) -> Result<()> {
        run.save()?;
        self.say(Event::Saved(self.job, run.trainer().step(), folder.to_owned()));
        Ok(())
    }

    /// Takes in the commands that wait; while the run is paused it waits for more.
    fn commands(&self, save: &mut dyn FnMut() -> Result<()>) -> Result<Flow> {
        let mut paused = false;
        loop {
            let command =
                if paused { self.inbox.recv().map_err(|_| TryRecvError::Disconnected) } else { self.inbox.try_recv() };
            match command {
                Ok(Command::Pause(job)) if job == self.job => paused = true,
                Ok(Command::Resume(job)) if job == self.job => paused = false,
                Ok(Command::Stop(job)) if job == self.job => return Ok(Flow::Stop(None)),
                Ok(Command::Save(job)) if job == self.job => save()?,
                Ok(start @ Command::Start(..)) => return Ok(Flow::Stop(Some(start))),
                // Meant for another run.
                Ok(_) => {}
                Err(TryRecvError::Empty) => return Ok(Flow::On),
                Err(TryRecvError::Disconnected) => return Ok(Flow::Stop(None)),
            }
        }
    }

    /// The folder to work in, and the state that is in it already.
    fn folder(&self, recipe: &Recipe) -> Result<(PathBuf, Option<State>)> {
        let free = self.free();
        if self.plan.begin == Begin::WhereItWasLeft {
            for folder in (1..free).rev().map(|number| self.numbered(number)) {
                // A folder that cannot be read cannot be resumed.
                if let Ok(Some(state)) = State::read(&folder)
                    && state.step < recipe.steps
                    && state.recipe == *recipe
                {
                    return Ok((folder, Some(state)));
                }
            }
        }
        Ok((self.numbered(free), None))
    }

    /// The folder of that number among those of the run's name.
    fn numbered(&self, number: usize) -> PathBuf {
        match number {
            1 => self.runs.join(&self.plan.name),
            number => self.runs.join(format!("{}.{number}", self.plan.name)),
        }
    }

    /// The first number without a folder.
    fn free(&self) -> usize {
        (1..FOLDERS).find(|number| !self.numbered(*number).exists()).unwrap_or(FOLDERS)
    }

    /// Measures what is due after `step` steps.
    fn look(&self, run: &Run, tokenizer: Option<&Tokenizer>, step: u64) -> Result<()> {
        let (trainer, job) = (run.trainer(), self.job);
        let (recipe, decoder) = (trainer.recipe(), trainer.decoder());
        let every = match recipe.data {
            Data::Copying { .. } => LOOK_EVERY,
            Data::Text { .. } | Data::Generated => recipe.validate_every.max(1),
        };
        if !step.is_multiple_of(every) && step != recipe.steps {
            return Ok(());
        }
        let heads = |n| -> Result<()> {
            let looked = induction(decoder, n, SEED)?;
            self.say(Event::Induction(job, step, Box::new(looked)));
            Ok(())
        };
        let measured = match (&recipe.data, tokenizer) {
            (Data::Copying { .. }, _) | (_, None) => heads(recipe.context / 2),
            (Data::Text { .. }, Some(tokenizer)) => self.sample(decoder, tokenizer, "\n", step),
            (Data::Generated, Some(tokenizer)) => self
                .sample(decoder, tokenizer, "", step)
                .and_then(|()| heads(REPEATED.min(recipe.context / 2)))
                .and_then(|()| if step > 0 { self.shots(decoder, tokenizer, step) } else { Ok(()) }),
        };
        match measured {
            // What was cut off by a stop is not needed; the command says what follows.
            Err(error) if error.is_cancelled() => Ok(()),
            other => other,
        }
    }

    fn sample(&self, decoder: &Decoder, tokenizer: &Tokenizer, prompt: &str, step: u64) -> Result<()> {
        let context = decoder.config().n_positions;
        let mut settings = Settings::neutral();
        let _ = settings.set(ParamId::Temperature, Value::Float(0.8));
        let sequences = if context < SAMPLE { SHORT_SAMPLES } else { 1 };
        let request = GenerateRequest {
            prompt: tokenizer.encode(prompt, crate::text::SpecialTokens::Literal)?.into(),
            sequences,
            max_tokens: SAMPLE,
            settings,
            seed: Some(SEED),
            temperatures: Vec::new(),
            stop: Vec::new(),
            on_end_of_text: OnEndOfText::Stop,
            top: 0,
        };
        let mut cache = decoder.new_cache()?;
        let mut written = vec![Vec::new(); sequences];
        for step in Generation::start(decoder, tokenizer, &mut cache, request, self.cancel.clone())? {
            let step = step?;
            if let Some(text) = written.get_mut(step.sequence) {
                text.extend_from_slice(step.bytes.get(..step.shown).unwrap_or_default());
            }
        }
        let texts = written.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
        self.say(Event::Sample(self.job, step, texts));
        Ok(())
    }

    fn shots(&self, decoder: &Decoder, tokenizer: &Tokenizer, step: u64) -> Result<()> {
        let mut all = Vec::new();
        for suite in SUITES.iter().filter_map(|name| corpus::suite(name)) {
            for shots in SHOTS {
                let shape = corpus::Shape { shots, instruction: false };
                let rate = eval::accuracy(decoder, tokenizer, suite, shape, SEED, QUESTIONS, self.cancel.flag())?;
                all.push(Shots { suite: suite.name, shots, right: rate.right as u64, asked: rate.of as u64 });
            }
        }
        self.say(Event::Shots(self.job, step, all));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use std::time::Duration;

    use super::*;
    use crate::train::{Preset, Shape, StepReport};

    const PATIENCE: Duration = Duration::from_secs(300);

    fn recipe(preset: &str, steps: u64) -> Recipe {
        let recipe = (Preset::find(preset).unwrap().recipe)();
        let shape = Shape { n_embd: 16, n_head: 2, n_inner: recipe.shape.n_inner.min(32), ..recipe.shape };
        Recipe { steps, batch: 4, validate_every: 5, save_every: 0, shape, ..recipe }
    }

    fn start(worker: &mut Worker, job: u64, recipe: &Recipe, text: &str, begin: Begin) {
        let work = Work::Pretrain { recipe: recipe.clone(), text: text.to_owned() };
        let plan = Plan { name: "a-run".into(), work, begin };
        worker.send(Command::Start(JobId(job), Box::new(plan), CancelToken::new()));
    }

    /// The events of a job up to one that `ends`.
    fn events(worker: &Worker, job: u64, ends: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = worker.events().recv_timeout(PATIENCE).unwrap();
            if event.job() == JobId(job) {
                events.push(event);
                if ends(events.last().unwrap()) {
                    return events;
                }
            }
        }
    }

    fn over(event: &Event) -> bool {
        matches!(event, Event::Finished(_) | Event::Stopped(_) | Event::Failed(..))
    }

    fn losses(events: &[Event]) -> Vec<(u64, f64)> {
        let report = |event: &Event| match event {
            Event::Step(_, StepReport { step, loss, .. }) => Some((*step, *loss)),
            _ => None,
        };
        events.iter().filter_map(report).collect()
    }

    #[test]
    fn a_copying_run_says_what_it_does_and_goes_on_where_it_was_stopped() {
        let folder = tempfile::tempdir().unwrap();
        // Far more steps than any of this takes: a run ends where it is told to.
        let recipe = recipe("copy", 1_000_000);
        let until = |step: u64| move |event: &Event| matches!(event, Event::Step(_, report) if report.step == step);
        let mut worker = Worker::spawn(folder.path().join("whole")).unwrap();
        start(&mut worker, 1, &recipe, "", Begin::WhereItWasLeft);
        let whole = events(&worker, 1, until(30));
        assert!(matches!(&whole[0], Event::Started(_, facts) if facts.vocab > 1 && facts.curve.is_empty()));
        let steps = losses(&whole);
        assert_eq!(steps.iter().map(|(step, _)| *step).collect::<Vec<_>>(), (1..=30).collect::<Vec<u64>>());
        let looked = whole.iter().filter(|event| matches!(event, Event::Induction(..))).count();
        assert_eq!(looked, 3, "before the first step and after every tenth");
        drop(worker);

        // The same run in parts: told to wait before its first step, stopped on the way, gone on with by another thread.
        let runs = folder.path().join("parts");
        let mut worker = Worker::spawn(runs.clone()).unwrap();
        start(&mut worker, 1, &recipe, "", Begin::WhereItWasLeft);
        worker.send(Command::Pause(JobId(1)));
        worker.send(Command::Save(JobId(1)));
        let begun = events(&worker, 1, |event| matches!(event, Event::Saved(..)));
        assert!(losses(&begun).is_empty());
        worker.send(Command::Resume(JobId(7)));
        assert!(worker.events().recv_timeout(Duration::from_millis(50)).is_err(), "a paused run sends nothing");
        worker.send(Command::Resume(JobId(1)));
        let mut parts = events(&worker, 1, until(3));
        worker.send(Command::Stop(JobId(1)));
        parts.extend(events(&worker, 1, over));
        let [.., Event::Saved(_, stopped, place), Event::Stopped(_)] = parts.as_slice() else { panic!("{parts:?}") };
        let (stopped, place) = (*stopped, place.clone());
        assert!(stopped >= 3 && place.starts_with(&runs), "{stopped}");
        drop(worker);

        let mut worker = Worker::spawn(runs.clone()).unwrap();
        start(&mut worker, 2, &recipe, "", Begin::WhereItWasLeft);
        let rest = events(&worker, 2, until(stopped.max(30) + 1));
        let Event::Started(_, facts) = &rest[0] else { panic!("it starts") };
        assert_eq!((facts.curve.len() as u64, &facts.folder), (stopped, &place));
        let mut both = losses(&parts);
        both.extend(losses(&rest));
        assert_eq!(both[..30], steps, "the same seed gives the same curve, stopped or not");

        // A start stops what is under way; one that is to begin afresh takes another folder.
        start(&mut worker, 3, &recipe, "", Begin::Afresh);
        let begun = events(&worker, 3, |_| true);
        let Event::Started(_, facts) = &begun[0] else { panic!("it starts") };
        assert_ne!(facts.folder, place);
    }

    #[test]
    fn a_text_is_written_like_and_the_folder_is_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let mut worker = Worker::spawn(folder.path().to_owned()).unwrap();
        let text = "the river runs to the sea and the sea is wide. ".repeat(20);
        start(&mut worker, 1, &recipe("characters", 5), &text, Begin::WhereItWasLeft);
        let all = events(&worker, 1, over);
        assert!(matches!(all.last(), Some(Event::Finished(_))), "{:?}", all.last());
        let samples = all.iter().filter(|event| matches!(event, Event::Sample(_, _, texts) if !texts[0].is_empty()));
        assert_eq!(samples.count(), 2);
        let place = folder.path().join("a-run");
        assert!(["config.json", "model.safetensors", "tokenizer.json"].iter().all(|name| place.join(name).is_file()));

        start(&mut worker, 2, &recipe("characters", 5), "too short", Begin::WhereItWasLeft);
        let all = events(&worker, 2, over);
        assert!(matches!(all.last(), Some(Event::Failed(_, error)) if error.contains("tokens")), "{all:?}");
    }
}
