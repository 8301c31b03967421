//! The engine thread: one compute job at a time, in the order they came.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{Backend, CancelToken, Command, EngineError, Event, JobId, LoadRequest, LocalModel, Produced};

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
        let thread = std::thread::Builder::new().name("engine".into()).spawn(move || run(&inbox, &outbox))?;
        Ok(Self { commands, events, thread })
    }

    /// Hands it a job. Jobs wait for each other; cancel the running one to come first.
    ///
    /// # Errors
    /// [`EngineError::Engine`] where the thread has ended.
    pub fn send(&self, command: Command) -> Result<(), EngineError> {
        self.commands.send(command).map_err(|_| EngineError::Engine("its thread is gone".into()))
    }

    /// What it says.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// Waits for the thread to end. Cancel the running job first.
    pub fn join(self) {
        drop(self.commands);
        // A panic of the thread was told as an event already.
        let _ = self.thread.join();
    }
}

fn run(inbox: &Receiver<Command>, outbox: &Sender<Event>) {
    let mut model: Option<LocalModel> = None;
    for command in inbox {
        let job = command.job();
        let done = catch_unwind(AssertUnwindSafe(|| carry_out(command, &mut model, outbox)));
        let failure = match done {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(panic) => {
                // Whatever state it was in is not to be trusted.
                model = None;
                Some(EngineError::Engine(said_by(panic.as_ref())))
            }
        };
        if let (Some(job), Some(error)) = (job, failure) {
            let error = if error.is_cancelled() { EngineError::Cancelled } else { error };
            if outbox.send(Event::Failed(job, error)).is_err() {
                return;
            }
        }
    }
}

fn carry_out(command: Command, model: &mut Option<LocalModel>, outbox: &Sender<Event>) -> Result<(), EngineError> {
    // Nobody listening means the program ends; there is nobody to tell either.
    let tell = |event| {
        let _ = outbox.send(event);
    };
    match command {
        Command::Unload => *model = None,
        Command::Load(job, request, cancel) => {
            // The old weights go first: two models need not fit.
            *model = None;
            let loaded = load(job, &request, &cancel, &tell)?;
            tell(Event::Loaded(job, loaded.shared_info().clone(), loaded.tokenizer().clone()));
            *model = Some(loaded);
        }
        Command::Generate(job, request, cancel) => {
            let finish = loaded(model)?.generate(&request, &cancel, &mut |produced| {
                tell(match produced {
                    Produced::Prefilled(prefill) => Event::Prefilled(job, prefill),
                    Produced::Step(step) => Event::Step(job, step),
                });
            })?;
            tell(Event::Finished(job, Box::new(finish)));
        }
        Command::Score(job, request, cancel) => {
            let scores = loaded(model)?.score(&request, &cancel)?;
            tell(Event::Scored(job, Box::new(scores)));
        }
        Command::Read(job, request, cancel) => {
            let end =
                loaded(model)?.read(&request, &cancel, &mut |first, scores| tell(Event::Read(job, first, scores)))?;
            tell(Event::ReadEnd(job, end));
        }
        Command::Aside(job, request, cancel) => {
            let aside = loaded(model)?.aside(&request, &cancel)?;
            tell(Event::Aside(job, aside));
        }
    }
    Ok(())
}

fn load(
    job: JobId,
    request: &LoadRequest,
    cancel: &CancelToken,
    tell: &dyn Fn(Event),
) -> Result<LocalModel, EngineError> {
    LocalModel::load(request, cancel, &mut |done, total| tell(Event::Loading(job, done, total)))
}

fn loaded(model: &mut Option<LocalModel>) -> Result<&mut LocalModel, EngineError> {
    model.as_mut().ok_or(EngineError::NoModel)
}

fn said_by(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it said nothing").to_owned()
}
