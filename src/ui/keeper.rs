//! The thread that keeps sessions: what is handed over goes into the current one, in order; then jobs with the others.

use std::cell::Cell;

use crossbeam_channel::{Receiver, Sender};

use crate::app::sessions::{SessionDone, SessionEvent, SessionJob};
use crate::app::{IoEvent, IoRequest};
use crate::session::{Contents, Deleted, Kept, SessionId, Store, StoreError, Texts, Writer};

/// Keeps the current session, which gets its folder with its first change, and works on the others.
#[derive(Debug)]
pub struct Keeper {
    store: Store,
    writer: Option<Writer>,
    /// The name of a session that has no folder yet.
    name: Option<String>,
    /// Journal lines that could not be written yet, since there was no folder.
    waiting: Vec<u8>,
    /// A session that was opened to become the current one.
    next: Option<Writer>,
    deleted: Vec<Deleted>,
    /// The last thing that went wrong, so that it is said once.
    said: Option<String>,
}

/// A session as it was found.
#[derive(Debug)]
pub struct Found {
    /// Which it is.
    pub id: SessionId,
    /// What it holds.
    pub contents: Contents,
    /// Another program writes it: what is found is a copy.
    pub in_use: bool,
    /// What could not be read, and where it lies.
    pub damage: Option<String>,
}

impl Keeper {
    /// A keeper of a new session, with a name where it is given one.
    pub fn new(store: Store, name: Option<String>) -> Self {
        Self { store, writer: None, name, waiting: Vec::new(), next: None, deleted: Vec::new(), said: None }
    }

    /// A keeper that goes on with a session. A session that another program writes is only read; the keeper then writes to
    /// a new one.
    ///
    /// # Errors
    /// A session that cannot be opened at all.
    pub fn open(store: Store, id: &SessionId) -> Result<(Self, Found), StoreError> {
        let opened = store.open(id)?;
        let mut keeper = Self::new(store, None);
        keeper.writer = opened.writer;
        let in_use = keeper.writer.is_none();
        Ok((keeper, Found { id: id.clone(), contents: opened.contents, in_use, damage: opened.damage }))
    }

    /// The current session; `None` until something of it is written.
    pub fn current(&self) -> Option<&SessionId> {
        self.writer.as_ref().map(Writer::id)
    }

    /// The name of the current session.
    pub fn name(&self) -> Option<&str> {
        self.writer.as_ref().map_or(self.name.as_deref(), Writer::name)
    }

    /// The sessions that it works on.
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn keep(&mut self, kept: &Kept) -> Result<(), StoreError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                self.waiting.extend_from_slice(&kept.journal);
                let writer = none.insert(self.store.begin(self.name.take())?);
                let journal = std::mem::take(&mut self.waiting);
                return writer.keep(&Kept { journal, ..kept.clone() });
            }
        };
        writer.keep(kept)
    }

    /// Carries out requests until their sender is gone.
    pub(super) fn run(mut self, requests: &Receiver<IoRequest>, answers: &Sender<IoEvent>) {
        while let Ok(first) = requests.recv() {
            self.carry_out(std::iter::once(first).chain(requests.try_iter()), answers);
        }
        self.remove_deleted();
    }

    /// Carries out requests. Of records that follow each other only the last is written.
    pub fn carry_out(&mut self, requests: impl Iterator<Item = IoRequest>, answers: &Sender<IoEvent>) {
        let mut latest: Option<Kept> = None;
        for request in requests {
            match request {
                IoRequest::Keep(kept) => {
                    let mut journal = latest.take().map(|kept| kept.journal).unwrap_or_default();
                    journal.extend_from_slice(&kept.journal);
                    latest = Some(Kept { journal, ..*kept });
                }
                IoRequest::Session(job) => {
                    self.keep_and_say(latest.take(), answers);
                    let done = self.work(&job);
                    let _ = answers.send(IoEvent::Session(Box::new(self.answer(job, done))));
                }
                _ => {}
            }
        }
        self.keep_and_say(latest, answers);
    }

    fn answer(&self, job: SessionJob, done: Result<SessionDone, StoreError>) -> SessionEvent {
        SessionEvent {
            job,
            done,
            rows: self.store.list(),
            current: self.current().cloned(),
            name: self.name().map(str::to_owned),
            deleted: self.deleted.len(),
        }
    }

    fn work(&mut self, job: &SessionJob) -> Result<SessionDone, StoreError> {
        match job {
            SessionJob::List => {}
            SessionJob::Open(id) => return self.prepare(id),
            SessionJob::Switch => {
                self.forget_current();
                self.writer = self.next.take();
            }
            SessionJob::New => self.forget_current(),
            SessionJob::Name(Some(id), name) => self.store.rename(id, name.as_deref())?,
            SessionJob::Name(None, name) => self.name_current(name.clone())?,
            SessionJob::Duplicate(id) => return self.store.duplicate(id).map(SessionDone::This),
            SessionJob::Delete(id) => self.deleted.push(self.store.delete(id)?),
            SessionJob::Undelete => {
                if let Some(deleted) = self.deleted.pop() {
                    return deleted.restore().map(SessionDone::This);
                }
            }
        }
        Ok(SessionDone::Done)
    }

    fn prepare(&mut self, id: &SessionId) -> Result<SessionDone, StoreError> {
        let opened = self.store.open(id)?;
        let writer = opened.writer.ok_or_else(|| self.store.in_use(id))?;
        self.next = Some(writer);
        Ok(SessionDone::Opened { id: id.clone(), contents: Box::new(opened.contents), damage: opened.damage })
    }

    fn forget_current(&mut self) {
        (self.writer, self.name) = (None, None);
        self.waiting.clear();
    }

    fn name_current(&mut self, name: Option<String>) -> Result<(), StoreError> {
        if let Some(name) = &name {
            self.store.check_free(name, self.current())?;
        }
        match &mut self.writer {
            Some(writer) => writer.rename(name)?,
            None => self.name = name,
        }
        Ok(())
    }

    fn keep_and_say(&mut self, kept: Option<Kept>, answers: &Sender<IoEvent>) {
        let Some(kept) = kept else { return };
        let error = self.keep(&kept).err().map(|error| {
            format!("the session cannot be kept in {}: {error}; save the text yourself", self.store.root().display())
        });
        if error != self.said
            && let Some(error) = &error
        {
            let _ = answers.send(IoEvent::NotKept(error.clone()));
        }
        self.said = error;
    }

    /// What was deleted goes for good when the program quits.
    pub fn remove_deleted(self) {
        for deleted in self.deleted {
            if let Err(error) = deleted.remove() {
                tracing::warn!("{error}");
            }
        }
        self.store.remove_deleted();
    }
}

/// Answers the latest search; a newer search cancels it.
pub(super) fn search(store: &Store, queries: &Receiver<String>, answers: &Sender<IoEvent>) {
    let mut texts = Texts::default();
    while let Ok(first) = queries.recv() {
        let query = queries.try_iter().last().unwrap_or(first);
        let is_newest = Cell::new(true);
        let wanted = || {
            is_newest.set(is_newest.get() && queries.is_empty());
            is_newest.get()
        };
        let found = texts.find(store, &query, wanted);
        if is_newest.get() {
            let _ = answers.send(IoEvent::SessionsFound(query, found.unwrap_or_default()));
        }
    }
}
