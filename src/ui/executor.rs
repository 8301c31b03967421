//! The real [`Executor`]: the engine thread, the training thread, one thread for each I/O job, and a thread that encodes
//! text.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::events::Executor;
use super::keeper::{Keeper, search};
use crate::app::{IoEvent, IoRequest};
use crate::engine::{Command, Engine, Event, JobId};
use crate::hub::{Cancel, Hub};
use crate::jobs::Job;
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
type WriteJob = Box<dyn FnOnce() + Send>;

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
        let run = move || jobs.iter().for_each(|job| job());
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

    /// Starts the thread that keeps the session, and the thread that searches all sessions.
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
}

/// Runs a job on the writer's thread, after those that were handed over before: an older version never replaces a newer one.
fn queue(writer: Option<&Sender<WriteJob>>, job: WriteJob) -> io::Result<()> {
    let gone = || io::Error::other("the thread that writes files has ended");
    writer.ok_or_else(gone)?.send(job).map_err(|_| gone())
}

impl Executor for Workers {
    fn engine(&mut self, command: Command) {
        // Where its thread is gone, the event channel is closed and the loop says so.
        let _ = self.engine.send(command);
    }

    fn io(&mut self, request: IoRequest) {
        match request {
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
            request => {
                let cancel = Cancel::new();
                if let IoRequest::Find(job, _) | IoRequest::Pull(job, _) = &request {
                    self.cancels.insert(*job, cancel.clone());
                }
                let writes = request.writes_over();
                let Some(job) = Job::of(request, &cancel) else { return };
                if writes {
                    let writer = self.writer.as_ref().map(|(writer, _)| writer);
                    job.start_with(&self.hub, &self.outbox, |work| queue(writer, work));
                } else {
                    job.start(&self.hub, &self.outbox);
                }
            }
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
