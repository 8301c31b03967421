//! The real [`Executor`]: the engine thread, the training thread, one thread for each I/O job, and one that encodes text.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::events::Executor;
use super::hubjob;
use super::keeper::{Keeper, search};
use crate::app::export::{Destination, Exported};
use crate::app::{IoEvent, IoRequest};
use crate::disk::{Existing, WriteError, exchange_file, write_file, write_private};
use crate::engine::{Command, Engine, Event, JobId};
use crate::export::{Format, Source};
use crate::hub::{Cancel, Hub};
use crate::prompt::{FileChange, read_examples};
use crate::text::{SpecialTokens, Tokenizer};
use crate::train;

/// The real executor.
pub struct Workers {
    engine: Engine,
    train: train::Worker,
    hub: Hub,
    special: SpecialTokens,
    encoder: Sender<IoRequest>,
    outbox: Sender<IoEvent>,
    inbox: Receiver<IoEvent>,
    cancels: HashMap<JobId, Cancel>,
    keeper: Option<(Sender<IoRequest>, JoinHandle<()>)>,
    writer: Option<(Sender<WriteJob>, JoinHandle<()>)>,
    search: Option<Sender<String>>,
}

/// A file to write.
type WriteJob = Box<dyn FnOnce(&Sender<IoEvent>) + Send>;

impl Workers {
    /// Starts the engine, the training thread and the encoder. Training runs are saved in `runs`.
    ///
    /// # Errors
    /// Fails where the system gives no thread.
    pub fn spawn(hub: Hub, special: SpecialTokens, runs: PathBuf) -> io::Result<Self> {
        let (outbox, inbox) = unbounded();
        let (encoder, requests) = unbounded();
        let answers = outbox.clone();
        std::thread::Builder::new().name("encode".into()).spawn(move || encode_latest(&requests, &answers, special))?;
        let (writer, jobs) = unbounded::<WriteJob>();
        let answers = outbox.clone();
        let run = move || jobs.iter().for_each(|job| job(&answers));
        let thread = std::thread::Builder::new().name("write".into()).spawn(run)?;
        Ok(Self {
            engine: Engine::spawn()?,
            train: train::Worker::spawn(runs)?,
            hub,
            special,
            encoder,
            outbox,
            inbox,
            cancels: HashMap::new(),
            keeper: None,
            writer: Some((writer, thread)),
            search: None,
        })
    }

    /// Starts the thread that keeps the session, and the one that searches in all of them.
    ///
    /// # Errors
    /// Fails where the system gives no thread.
    pub fn keep_with(&mut self, keeper: Keeper) -> io::Result<()> {
        let (query, queries) = unbounded();
        let (store, answers) = (keeper.store().clone(), self.outbox.clone());
        std::thread::Builder::new().name("search".into()).spawn(move || search(&store, &queries, &answers))?;
        self.search = Some(query);
        let (sender, requests) = unbounded();
        let answers = self.outbox.clone();
        let thread = std::thread::Builder::new().name("keep".into()).spawn(move || keeper.run(&requests, &answers))?;
        self.keeper = Some((sender, thread));
        Ok(())
    }

    /// Runs a job on a thread of its own. Where there is none, the answer says so.
    fn start(&self, job: impl FnOnce(&Hub, &Sender<IoEvent>) + Send + 'static) {
        let (hub, outbox) = (self.hub.clone(), self.outbox.clone());
        let spawned = std::thread::Builder::new().name("io".into()).spawn(move || job(&hub, &outbox));
        if let Err(error) = spawned {
            let _ = self.outbox.send(IoEvent::Models(Err(format!("the system gives no thread: {error}"))));
        }
    }
}

impl Workers {
    /// Writes a file, after those that were handed over before: an older version never replaces a newer one.
    fn write(&self, job: impl FnOnce(&Sender<IoEvent>) + Send + 'static) {
        if let Some((writer, _)) = &self.writer {
            let _ = writer.send(Box::new(job));
        }
    }
}

impl Executor for Workers {
    fn engine(&mut self, command: Command) {
        // Where its thread is gone, the event channel is closed and the loop says so.
        let _ = self.engine.send(command);
    }

    fn io(&mut self, request: IoRequest) {
        match request {
            IoRequest::ListModels => self.start(|hub, out| {
                let _ = out.send(IoEvent::Models(Ok(hubjob::list(hub))));
            }),
            IoRequest::Find(job, name) => {
                let cancel = Cancel::new();
                self.cancels.insert(job, cancel.clone());
                self.start(move |hub, out| {
                    let _ = out.send(IoEvent::Found(job, hubjob::find(hub, &name, &cancel)));
                });
            }
            IoRequest::Pull(job, name) => {
                let cancel = Cancel::new();
                self.cancels.insert(job, cancel.clone());
                self.start(move |hub, out| {
                    let result = hubjob::pull(hub, &name, &cancel, &mut |progress| {
                        let _ = out.send(IoEvent::Pulling(job, progress));
                    });
                    let _ = out.send(IoEvent::Pulled(job, result));
                });
            }
            IoRequest::Cancel(job) => {
                if let Some(cancel) = self.cancels.remove(&job) {
                    cancel.cancel();
                }
            }
            IoRequest::Keep(_) | IoRequest::Session(_) => {
                if let Some((keeper, _)) = &self.keeper {
                    let _ = keeper.send(request);
                }
            }
            IoRequest::SearchSessions(query) => {
                let _ = self.search.as_ref().map(|search| search.send(query));
            }
            IoRequest::Tokenise { .. } | IoRequest::Count { .. } => {
                let _ = self.encoder.send(request);
            }
            IoRequest::Save { revision, path, bytes, existing } => self.write(move |out| {
                let result = write_file(&path, &bytes, existing);
                let _ = out.send(IoEvent::Saved { revision, path, result });
            }),
            IoRequest::Export { format, source, to } => self.start(move |_, out| {
                let _ = out.send(IoEvent::Exported(export(format, &source, to)));
            }),
            IoRequest::SavePresets { path, toml } => self.write(move |out| {
                let _ = out.send(IoEvent::PresetsSaved(save_in_folder(&path, &toml)));
            }),
            IoRequest::SaveTask(FileChange { path, old, new }) => self.write(move |out| {
                let result = exchange_file(&path, old.as_deref(), new.as_deref());
                let _ = out.send(IoEvent::TaskSaved { path, result });
            }),
            IoRequest::ReadExamples { path, fields } => self.start(move |_, out| {
                let read = read_examples(&path, &fields).map_err(|problem| problem.to_string());
                let _ = out.send(IoEvent::ExamplesRead { path, read });
            }),
            IoRequest::Prompts(folder, job) => self.write(move |out| {
                let (result, list) = (folder.run(&job), folder.list());
                let _ = out.send(IoEvent::Prompts { job, result, list });
            }),
            IoRequest::Picture(svg) => self.start(move |_, out| {
                let _ = out.send(IoEvent::Pictured(save_numbered(&svg)));
            }),
        }
    }

    fn train(&mut self, command: train::Command) {
        self.train.send(command);
    }

    fn train_events(&self) -> &Receiver<train::Event> {
        self.train.events()
    }

    fn engine_events(&self) -> &Receiver<Event> {
        self.engine.events()
    }

    fn io_events(&self) -> &Receiver<IoEvent> {
        &self.inbox
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for cancel in self.cancels.values() {
            cancel.cancel();
        }
        self.finish_keeping();
    }
}

impl Workers {
    /// Waits until what was handed over last is written.
    pub fn finish_keeping(&mut self) {
        if let Some((requests, thread)) = self.keeper.take() {
            drop(requests);
            let _ = thread.join();
        }
        if let Some((jobs, thread)) = self.writer.take() {
            drop(jobs);
            let _ = thread.join();
        }
    }

    /// What special tokens in typed text mean.
    pub fn special(&self) -> SpecialTokens {
        self.special
    }
}

/// Answers the latest request of each kind; older ones that wait are dropped.
fn encode_latest(requests: &Receiver<IoRequest>, answers: &Sender<IoEvent>, special: SpecialTokens) {
    while let Ok(first) = requests.recv() {
        let (mut tokenise, mut count) = (None, None);
        for request in std::iter::once(first).chain(requests.try_iter()) {
            match request {
                IoRequest::Tokenise { .. } => tokenise = Some(request),
                _ => count = Some(request),
            }
        }
        for request in [tokenise, count].into_iter().flatten() {
            if let Some(answer) = encode(request, special)
                && answers.send(answer).is_err()
            {
                return;
            }
        }
    }
}

/// The answer to an encoding request; `None` for any other.
pub fn encode(request: IoRequest, special: SpecialTokens) -> Option<IoEvent> {
    match request {
        IoRequest::Tokenise { revision, bytes, tokenizer } => {
            Some(IoEvent::Tokenised { revision, tokens: encode_bytes(&tokenizer, &bytes, special) })
        }
        IoRequest::Count { version, text, tokenizer } => {
            let tokens = tokenizer.encode(&text, special).map(|ids| ids.len()).map_err(|error| error.to_string());
            Some(IoEvent::Counted { version, tokens })
        }
        _ => None,
    }
}

/// The ids of bytes that need not be UTF-8 throughout (a stop string can cut a character in two): text in between is
/// encoded as text, a lone byte as the token of that byte.
fn encode_bytes(tokenizer: &Tokenizer, bytes: &[u8], special: SpecialTokens) -> Result<Vec<(u32, usize)>, String> {
    let mut tokens = Vec::new();
    for chunk in bytes.utf8_chunks() {
        let ids = tokenizer.encode(chunk.valid(), special).map_err(|error| error.to_string())?;
        tokens.extend(ids.into_iter().map(|id| (id, tokenizer.bytes(id).map_or(0, <[u8]>::len))));
        for byte in chunk.invalid() {
            let entry = crate::text::byte_symbol(*byte).to_string();
            let id = tokenizer.token_id(&entry);
            tokens.push((id.ok_or_else(|| format!("this vocabulary has no token for the byte {byte:#04X}"))?, 1));
        }
    }
    Ok(tokens)
}

/// Makes an export, and writes it where it is to be a file.
///
/// # Errors
/// What is missing, or why the file cannot be written.
pub fn export(format: Format, source: &Source, to: Destination) -> Result<Exported, String> {
    // Before a trace's hashes are taken, which is slow.
    if let Destination::File(path, Existing::Keep) = &to
        && path.symlink_metadata().is_ok()
    {
        return Ok(Exported::Taken(path.clone()));
    }
    let bytes = source.render(format)?;
    match to {
        Destination::Clipboard => Ok(Exported::Text(String::from_utf8_lossy(&bytes).into_owned())),
        Destination::File(path, existing) => {
            // A trace holds the whole prompt, as a session does.
            let write = if format == Format::Trace { write_private } else { write_file };
            match write(&path, &bytes, existing) {
                Ok(()) => Ok(Exported::Written(path)),
                Err(WriteError::Exists(path)) => Ok(Exported::Taken(path)),
                Err(error) => Err(error.to_string()),
            }
        }
    }
}

fn save_in_folder(path: &Path, text: &str) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
    }
    write_file(path, text.as_bytes(), Existing::Replace).map_err(|error| error.to_string())
}

/// Writes a picture under the first free name in the current folder.
fn save_numbered(svg: &str) -> Result<PathBuf, String> {
    for number in 1..10_000 {
        let path = PathBuf::from(format!("kshot-{number}.svg"));
        match write_file(&path, svg.as_bytes(), Existing::Keep) {
            Ok(()) => return Ok(path),
            Err(WriteError::Exists(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Err("kshot-1.svg to kshot-9999.svg are all there already; remove some".to_owned())
}
