//! Sessions: the one that is kept, and all that were ever kept: to open, name, duplicate, delete and search.
//!
//! The state only says what is to be done ([`SessionJob`]); the thread that writes does it, in the order in which it is
//! told, so that what was typed last goes into the session that it was typed in.

use super::App;
use super::command::{Cx, id};
use super::effect::{Effect, IoRequest};
pub use super::effect::{SessionDone, SessionEvent, SessionJob};
use super::log::Level;
use super::views::PLAYGROUND;
use crate::session::{Contents, Match, Row, SessionId};

/// What is known about sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    /// All of them, the one that was written last first; `None` until they were listed.
    pub rows: Option<Vec<Row>>,
    /// The current one; `None` until something of it is written.
    pub current: Option<SessionId>,
    /// Its name.
    pub name: Option<String>,
    /// How many deleted ones can be brought back.
    pub deleted: usize,
    /// It is written also where nothing has changed: it was given a name before its first change.
    pub(super) is_new: bool,
    /// What was searched for in their texts, and where it was found.
    pub found: Option<(String, Vec<Match>)>,
}

impl Sessions {
    /// The rows that have a text in name, first line, model or, as far as the search has come, in any of their versions.
    pub fn matching(&self, query: &str) -> Vec<&Row> {
        let wanted = query.to_lowercase();
        let found = self.found.as_ref().filter(|(searched, _)| searched == query).map(|(_, found)| found.as_slice());
        let has = |row: &Row| {
            let about = &row.about;
            let shown = [about.name.as_deref().unwrap_or_default(), &about.first, &about.model];
            shown.iter().any(|text| text.to_lowercase().contains(&wanted))
                || found.unwrap_or_default().iter().any(|found| found.id == row.id)
        };
        self.rows.iter().flatten().filter(|row| wanted.is_empty() || has(row)).collect()
    }

    /// Where in a session's texts the search has found something.
    pub fn shown(&self, query: &str, id: &SessionId) -> Option<&str> {
        let (_, found) = self.found.as_ref().filter(|(searched, _)| searched == query)?;
        found.iter().find(|found| found.id == *id).map(|found| found.shown.as_str())
    }
}

impl Cx<'_> {
    /// An empty page in a session of its own; the one before stays on disk.
    pub fn new_session(&mut self) {
        if self.app.refuse_while_running("new session") {
            return;
        }
        if self.app.storage.keeping.is_none() {
            let clear = self.app.keymap.hint(id::CLEAR);
            self.app.log.say(Level::Notice, format!("sessions are not kept here; {clear} empties the document"));
            return;
        }
        self.app.leave_session();
        self.app.session_job(SessionJob::New);
        self.clear_document();
        self.app.forget_text();
        self.app.drop_task();
        self.app.close_all();
        self.app.keep_session();
        self.app.log.say(Level::Notice, "an empty session; the one before is kept");
    }
}

impl App {
    /// Has something done with sessions; the list is read again afterwards.
    pub(super) fn session_job(&mut self, job: SessionJob) {
        match self.storage.keeping {
            Some(_) => self.outbox.push(Effect::Io(IoRequest::Session(job))),
            None => self.log.say(Level::Notice, "sessions are not kept here"),
        }
    }

    /// What is in the current session is handed over before another one takes its place.
    fn leave_session(&mut self) {
        self.keep_versions();
        self.keep_now();
    }

    /// Opens a session; the one before stays on disk.
    pub fn open_session(&mut self, id: SessionId) {
        if self.storage.sessions.current.as_ref() == Some(&id) {
            self.log.say(Level::Notice, "this is the session in use");
        } else if !self.refuse_while_running("other session") {
            self.session_job(SessionJob::Open(id));
        }
    }

    /// Gives a session another name, or none; `None` is the current one.
    pub fn name_session(&mut self, id: Option<SessionId>, name: &str) {
        let name = Some(name.trim()).filter(|name| !name.is_empty()).map(str::to_owned);
        let id = id.filter(|id| self.storage.sessions.current.as_ref() != Some(id));
        self.session_job(SessionJob::Name(id, name));
    }

    /// Deletes a session. Where it is the current one, an empty page takes its place.
    pub fn delete_session(&mut self, id: SessionId) {
        if self.storage.sessions.current.as_ref() == Some(&id) {
            if self.refuse_while_running("deleting") {
                return;
            }
            self.leave_session();
            self.session_job(SessionJob::New);
            self.document.delete(0..self.document.len());
            self.forget_text();
            self.drop_task();
            self.keep_session();
        }
        self.session_job(SessionJob::Delete(id));
    }

    /// Looks for a text in all versions of all sessions.
    pub fn search_sessions(&mut self, query: &str) {
        if self.storage.keeping.is_some() && !query.is_empty() {
            self.outbox.push(Effect::Io(IoRequest::SearchSessions(query.to_owned())));
        }
    }

    /// A job is done, or not.
    pub(super) fn session_answered(&mut self, event: SessionEvent) {
        let SessionEvent { job, done, rows, current, name, deleted } = event;
        let before = std::mem::replace(&mut self.storage.sessions.current, current);
        (self.storage.sessions.name, self.storage.sessions.deleted) = (name, deleted);
        match rows {
            Ok(rows) => self.storage.sessions.rows = Some(rows),
            Err(error) => self.log.say(Level::Error, error.to_string()),
        }
        match (job, done) {
            (_, Err(error)) => self.log.say(Level::Error, error.to_string()),
            (_, Ok(SessionDone::Opened { id, contents, damage })) => {
                if self.refuse_while_running("other session") {
                    self.storage.sessions.current = before;
                } else {
                    self.switch_session(&id, *contents, damage);
                }
            }
            (SessionJob::Name(id, name), Ok(_)) => self.say_named(id.as_ref(), name.as_deref()),
            (SessionJob::Duplicate(_), Ok(SessionDone::This(copy))) => {
                let copy = self.session_title(&copy);
                self.log.say(Level::Notice, format!("a copy: {copy}"));
            }
            (SessionJob::Delete(_), Ok(_)) => {
                let undo = self.undelete_hint();
                self.log.say(Level::Notice, format!("the session is deleted; {undo} brings it back until kshot quits"));
            }
            (SessionJob::Undelete, Ok(SessionDone::This(id))) => {
                let back = self.session_title(&id);
                self.log.say(Level::Notice, format!("back again: {back}"));
            }
            (SessionJob::Undelete, Ok(_)) => self.log.say(Level::Notice, "no session was deleted since kshot began"),
            _ => {}
        }
    }

    /// A session was read: it takes the place of the one before, of which nothing is lost.
    fn switch_session(&mut self, id: &SessionId, contents: Contents, damage: Option<String>) {
        self.leave_session();
        self.session_job(SessionJob::Switch);
        self.forget_text();
        self.restore_session(contents, true);
        self.adopt_vocabulary();
        self.close_all();
        self.screen.view = &PLAYGROUND;
        self.keep_session();
        let title = self.session_title(id);
        match damage {
            Some(damage) => self.log.say(Level::Error, damage),
            None => self.log.say(Level::Notice, format!("the session {title}; the one before is kept")),
        }
    }

    /// Nothing that belongs to the text before is shown any more: its versions, the figures of its generations, its file.
    fn forget_text(&mut self) {
        self.forget_versions();
        *self.runs.current = None;
        (self.runs.request, self.runs.taken) = (None, None);
        self.leave_tokens();
        self.reading.forget();
        self.storage.file = None;
    }

    fn say_named(&mut self, id: Option<&SessionId>, name: Option<&str>) {
        let which = if id.is_some() { "the session" } else { "this session" };
        let said = match name {
            Some(name) => format!("{which} is called {name} now"),
            None => format!("{which} has no name now"),
        };
        self.log.say(Level::Notice, said);
    }

    /// What a session is called: its name, or the start of its text.
    pub fn session_title(&self, id: &SessionId) -> String {
        let row = self.storage.sessions.rows.iter().flatten().find(|row| row.id == *id);
        let about = row.map(|row| &row.about);
        let name = about.and_then(|about| about.name.clone());
        let first = about.map(|about| super::versions::first_words(&about.first, 40)).filter(|first| !first.is_empty());
        name.or(first.map(|first| format!("\"{first}\""))).unwrap_or_else(|| id.to_string())
    }
}
