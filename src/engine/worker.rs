//! The engine thread: one compute job at a time, in the order they came.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::backend::{Backend, EngineKind, Produced};
use super::engines::{self, ENGINES};
use super::{CancelToken, Command, EngineError, Event, JobId, LoadRequest};
use crate::model::free_memory;

/// A handle on the engine thread. Dropping it lets the thread end after its current job.
pub struct Engine {
    commands: Sender<Command>,
    events: Receiver<Event>,
    thread: JoinHandle<()>,
}

impl Engine {
    /// Starts the thread, without a model.
    ///
    /// # Errors
    /// Fails where the system gives no thread.
    pub fn spawn() -> std::io::Result<Self> {
        let (commands, inbox) = unbounded();
        let (outbox, events) = unbounded();
        let thread = std::thread::Builder::new().name("engine".into()).spawn(move || {
            let mut worker = Worker::new(ENGINES);
            for command in inbox {
                // Without a receiver the program ends.
                worker.run(command, &mut |event| drop(outbox.send(event)));
            }
        })?;
        Ok(Self { commands, events, thread })
    }

    /// Queues a job. Jobs run one after the other; cancel the running one to come first.
    ///
    /// # Errors
    /// [`EngineError::Engine`] where the thread has ended.
    pub fn send(&self, command: Command) -> Result<(), EngineError> {
        self.commands.send(command).map_err(|_| EngineError::Engine("its thread is gone".into()))
    }

    /// Its events.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// Waits for the thread to end. Cancel the running job first.
    pub fn join(self) {
        drop(self.commands);
        // The panic of a job was sent as an event already.
        let _ = self.thread.join();
    }
}

/// Runs commands with the model in use. The engine thread has one; a test may run one by itself.
pub struct Worker {
    kinds: &'static [EngineKind],
    model: Option<Box<dyn Backend>>,
}

impl Worker {
    /// A worker without a model.
    pub fn new(kinds: &'static [EngineKind]) -> Self {
        Self { kinds, model: None }
    }

    /// Runs a command to its end; `tell` gets its events. Failures and panics are events too.
    pub fn run(&mut self, command: Command, tell: &mut dyn FnMut(Event)) {
        let (job, loads) = (command.job(), matches!(command, Command::Load(..)));
        let done = catch_unwind(AssertUnwindSafe(|| self.carry_out(command, tell)));
        let error = match done {
            Ok(Ok(())) => return,
            Ok(Err(error)) if error.is_cancelled() => EngineError::Cancelled,
            Ok(Err(error)) => error,
            Err(panic) => EngineError::Engine(message_of(panic.as_ref())),
        };
        let Some(job) = job else { return };
        // A model whose job panicked is in an unknown state; one that was only to be replaced is not.
        if matches!(error, EngineError::Engine(_)) && !loads && self.model.take().is_some() {
            tell(Event::Unloaded(job));
        }
        tell(Event::Failed(job, error));
    }

    fn carry_out(&mut self, command: Command, tell: &mut dyn FnMut(Event)) -> Result<(), EngineError> {
        match command {
            Command::Unload => self.model = None,
            Command::Load(job, request, cancel) => self.load(job, &request, &cancel, tell)?,
            Command::Generate(job, request, cancel) => {
                let finish = self.model()?.generate(&request, &cancel, &mut |produced| {
                    tell(match produced {
                        Produced::Prefilled(prefill) => Event::Prefilled(job, prefill),
                        Produced::Step(step) => Event::Step(job, step),
                    });
                })?;
                tell(Event::Finished(job, Box::new(finish)));
            }
            Command::Score(job, request, cancel) => {
                let scores = self.model()?.score(&request, &cancel)?;
                tell(Event::Scored(job, Box::new(scores)));
            }
            Command::Read(job, request, cancel) => {
                let sink = &mut |first, scores| tell(Event::Read(job, first, scores));
                let end = self.model()?.read(&request, &cancel, sink)?;
                tell(Event::ReadEnd(job, end));
            }
            Command::Aside(job, request, cancel) => {
                let aside = self.model()?.aside(&request, &cancel)?;
                tell(Event::Aside(job, aside));
            }
        }
        Ok(())
    }

    /// Loads a model in place of the one in use, which stays until the new one is known to be good: to the end of the load
    /// where memory has room for both, else until the new one was checked.
    fn load(
        &mut self,
        job: JobId,
        request: &LoadRequest,
        cancel: &CancelToken,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), EngineError> {
        let free = free_memory();
        let held = self.model.as_ref().map_or(0, |model| model.memory());
        let checked = engines::check(self.kinds, request, free.map(|free| free + held), cancel)?;
        if cancel.is_cancelled() {
            return Err(EngineError::Cancelled);
        }
        if free.is_some_and(|free| checked.memory() > free) && self.model.take().is_some() {
            tell(Event::Unloaded(job));
        }
        let model = checked.load(cancel, &mut |done, total| tell(Event::Loading(job, done, total)))?;
        tell(Event::Loaded(job, model.info().clone(), model.tokenizer().cloned()));
        self.model = Some(model);
        Ok(())
    }

    fn model(&mut self) -> Result<&mut dyn Backend, EngineError> {
        match &mut self.model {
            Some(model) => Ok(model.as_mut()),
            None => Err(EngineError::NoModel),
        }
    }
}

/// What a panic said.
fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it said nothing").to_owned()
}
