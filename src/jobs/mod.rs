//! Work that runs on a thread of its own, away from the UI thread: look-ups and downloads, saving, exports.
//!
//! A [`Job`] is made from a request of the program state and always ends in exactly one event, also where the system gives no
//! thread for it or it panics.

mod files;
mod hub;

use std::io;

use crossbeam_channel::Sender;

pub use files::export;

use crate::app::{IoEvent, IoRequest};
use crate::disk::{WriteError, exchange_file, write_file};
use crate::hub::{Cancel, Hub};
use crate::prompt::{FileChange, read_examples};
use crate::session::PromptError;

/// A request with the two ways in which it is answered.
pub struct Job {
    run: Run,
    failed: Failed,
}

/// Does the work. Events before the last one (progress) go through the sender; the last one is returned.
type Run = Box<dyn FnOnce(&Hub, &Sender<IoEvent>) -> IoEvent + Send>;
/// Makes the answer of a job that could not be run, from the reason.
type Failed = Box<dyn FnOnce(String) -> IoEvent + Send>;

impl Job {
    /// The job of a request; `None` where no event answers it, or where it needs the tokenizer's thread. `cancel` ends look-ups
    /// and downloads.
    pub fn of(request: IoRequest, cancel: &Cancel) -> Option<Self> {
        match request {
            IoRequest::ListModels | IoRequest::Find(..) | IoRequest::Pull(..) => Self::of_hub(request, cancel.clone()),
            IoRequest::Save { .. } | IoRequest::SavePresets { .. } | IoRequest::SaveTask(..) => {
                Self::of_saving(request)
            }
            request => Self::of_files(request),
        }
    }

    fn of_hub(request: IoRequest, cancel: Cancel) -> Option<Self> {
        Some(match request {
            IoRequest::ListModels => {
                Self::new(|why| IoEvent::Models(Err(why)), |hub, _| IoEvent::Models(Ok(hub::list(hub))))
            }
            IoRequest::Find(id, name) => Self::new(
                move |why| IoEvent::Found(id, Err(why)),
                move |hub, _| IoEvent::Found(id, hub::find(hub, &name, &cancel)),
            ),
            IoRequest::Pull(id, name) => Self::new(
                move |why| IoEvent::Pulled(id, Err(why)),
                move |hub, out| {
                    let mut tell = |progress| drop(out.send(IoEvent::Pulling(id, progress)));
                    IoEvent::Pulled(id, hub::pull(hub, &name, &cancel, &mut tell))
                },
            ),
            _ => return None,
        })
    }

    fn of_saving(request: IoRequest) -> Option<Self> {
        Some(match request {
            IoRequest::Save { revision, path, bytes, existing } => {
                let to = path.clone();
                Self::new(
                    move |reason| IoEvent::Saved {
                        revision,
                        path: to.clone(),
                        result: Err(WriteError::Failed { path: to, reason }),
                    },
                    move |_, _| {
                        let result = write_file(&path, &bytes, existing);
                        IoEvent::Saved { revision, path, result }
                    },
                )
            }
            IoRequest::SavePresets { path, toml } => Self::new(
                |why| IoEvent::PresetsSaved(Err(why)),
                move |_, _| IoEvent::PresetsSaved(files::save_in_folder(&path, &toml)),
            ),
            IoRequest::SaveTask(FileChange { path, old, new }) => {
                let to = path.clone();
                Self::new(
                    move |reason| IoEvent::TaskSaved {
                        path: to.clone(),
                        result: Err(WriteError::Failed { path: to, reason }),
                    },
                    move |_, _| {
                        let result = exchange_file(&path, old.as_deref(), new.as_deref());
                        IoEvent::TaskSaved { path, result }
                    },
                )
            }
            _ => return None,
        })
    }

    fn of_files(request: IoRequest) -> Option<Self> {
        Some(match request {
            IoRequest::Export { format, source, to } => Self::new(
                |why| IoEvent::Exported(Err(why)),
                move |_, _| IoEvent::Exported(files::export(format, &source, to)),
            ),
            IoRequest::ReadExamples { path, fields } => {
                let from = path.clone();
                Self::new(
                    move |why| IoEvent::ExamplesRead { path: from, read: Err(why) },
                    move |_, _| {
                        let read = read_examples(&path, &fields).map_err(|problem| problem.to_string());
                        IoEvent::ExamplesRead { path, read }
                    },
                )
            }
            IoRequest::Prompts(folder, job) => {
                let asked = job.clone();
                Self::new(
                    move |why| IoEvent::Prompts {
                        job: asked,
                        result: Err(PromptError::Read(why.clone())),
                        list: Err(PromptError::Read(why)),
                    },
                    move |_, _| {
                        let (result, list) = (folder.run(&job), folder.list());
                        IoEvent::Prompts { job, result, list }
                    },
                )
            }
            IoRequest::Picture(svg) => {
                Self::new(|why| IoEvent::Pictured(Err(why)), move |_, _| IoEvent::Pictured(files::save_numbered(&svg)))
            }
            _ => return None,
        })
    }

    fn new(
        failed: impl FnOnce(String) -> IoEvent + Send + 'static,
        run: impl FnOnce(&Hub, &Sender<IoEvent>) -> IoEvent + Send + 'static,
    ) -> Self {
        Self { run: Box::new(run), failed: Box::new(failed) }
    }

    /// Runs the job on a thread of its own and sends its events to `outbox`.
    pub fn start(self, hub: &Hub, outbox: &Sender<IoEvent>) {
        self.start_with(hub, outbox, |work| std::thread::Builder::new().name("io".into()).spawn(work).map(drop));
    }

    /// The same with another way to run it than a thread of its own, such as a queue.
    pub fn start_with(
        self,
        hub: &Hub,
        outbox: &Sender<IoEvent>,
        spawn: impl FnOnce(Box<dyn FnOnce() + Send>) -> io::Result<()>,
    ) {
        let Self { run, failed } = self;
        let (hub, owed) = (hub.clone(), Owed { outbox: outbox.clone(), failed: Some(failed) });
        // Where the spawn fails, the closure is dropped and the answer that it owes is sent from there.
        let spawned = spawn(Box::new(move || {
            let answer = run(&hub, &owed.outbox);
            owed.pay(answer);
        }));
        if let Err(error) = spawned {
            tracing::warn!(%error, "no thread for a job");
        }
    }
}

/// The answer that the program state waits for.
struct Owed {
    outbox: Sender<IoEvent>,
    failed: Option<Failed>,
}

impl Owed {
    fn pay(mut self, answer: IoEvent) {
        self.failed = None;
        // Without a receiver the program is ending.
        let _ = self.outbox.send(answer);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let Some(failed) = self.failed.take() else { return };
        let why = match std::thread::panicking() {
            true => "kshot failed at it (a bug; the log has more)",
            false => "the system gives no thread for it: close other programs and try again",
        };
        let _ = self.outbox.send(failed(why.to_owned()));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a failing unwrap is a failing test")]
mod tests {
    use std::path::PathBuf;

    use crossbeam_channel::unbounded;

    use super::*;
    use crate::app::export::Destination;
    use crate::disk::Existing;
    use crate::engine::JobId;
    use crate::export::Format;
    use crate::hub::HubConfig;
    use crate::session::{PromptFolder, PromptJob};

    fn requests() -> Vec<IoRequest> {
        let path = PathBuf::from("/nowhere/x");
        vec![
            IoRequest::ListModels,
            IoRequest::Find(JobId(1), "a/b".into()),
            IoRequest::Pull(JobId(2), "a/b".into()),
            IoRequest::Save { revision: 3, path: path.clone(), bytes: Vec::new(), existing: Existing::Keep },
            IoRequest::Export { format: Format::Csv, source: Box::default(), to: Destination::Clipboard },
            IoRequest::SavePresets { path: path.clone(), toml: String::new() },
            IoRequest::SaveTask(FileChange { path: path.clone(), old: None, new: None }),
            IoRequest::ReadExamples { path: path.clone(), fields: Vec::new() },
            IoRequest::Prompts(PromptFolder(path), PromptJob::List),
            IoRequest::Picture(String::new()),
        ]
    }

    /// The event without what is inside it but its job.
    fn kind(event: &IoEvent) -> String {
        match event {
            IoEvent::Models(result) => format!("models {}", result.is_err()),
            IoEvent::Found(id, result) => format!("found {id:?} {}", result.is_err()),
            IoEvent::Pulled(id, result) => format!("pulled {id:?} {}", result.is_err()),
            IoEvent::Saved { revision, result, .. } => format!("saved {revision} {}", result.is_err()),
            IoEvent::Exported(result) => format!("exported {}", result.is_err()),
            IoEvent::PresetsSaved(result) => format!("presets {}", result.is_err()),
            IoEvent::TaskSaved { result, .. } => format!("task {}", result.is_err()),
            IoEvent::ExamplesRead { read, .. } => format!("examples {}", read.is_err()),
            IoEvent::Prompts { result, list, .. } => format!("prompts {} {}", result.is_err(), list.is_err()),
            IoEvent::Pictured(result) => format!("pictured {}", result.is_err()),
            other => panic!("{other:?} answers no request"),
        }
    }

    #[test]
    fn a_job_without_a_thread_answers_for_itself() {
        let hub = Hub::new(HubConfig {
            offline: true,
            ..HubConfig::from_vars(|name| (name == "HOME").then(|| "/nowhere".into())).unwrap()
        });
        let expected = [
            "models true",
            "found JobId(1) true",
            "pulled JobId(2) true",
            "saved 3 true",
            "exported true",
            "presets true",
            "task true",
            "examples true",
            "prompts true true",
            "pictured true",
        ];
        let got: Vec<String> = requests()
            .into_iter()
            .map(|request| {
                let (outbox, inbox) = unbounded();
                let job = Job::of(request, &Cancel::new()).unwrap();
                job.start_with(&hub, &outbox, |_| Err(io::ErrorKind::WouldBlock.into()));
                let answer = inbox.try_recv().unwrap();
                assert!(inbox.try_recv().is_err(), "one answer");
                kind(&answer)
            })
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn a_job_that_panics_is_answered_too() {
        let hub = Hub::new(HubConfig::from_vars(|name| (name == "HOME").then(|| "/nowhere".into())).unwrap());
        let (outbox, inbox) = unbounded();
        let job = Job::new(|why| IoEvent::Exported(Err(why)), |_, _| panic!("as a test"));
        job.start(&hub, &outbox);
        assert!(matches!(inbox.recv().unwrap(), IoEvent::Exported(Err(why)) if why.contains("log")));
    }
}
