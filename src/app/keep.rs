//! Keeping the session: what has changed is handed over to be written, and what was kept is put back. How it lies on disk
//! is the matter of [`crate::session::record`].

use std::time::Duration;

use super::App;
use super::effect::{Effect, IoRequest};
use super::versions::Made;
use crate::engine::BiasEntry;
use crate::sampling::Settings;
use crate::session::{About, Contents, Kept, SessionId, State, record};

/// The least time between two records. With the writing itself well within the second that is promised.
const PACE: Duration = Duration::from_millis(200);

/// What was handed over last, to tell what has changed since.
#[derive(Debug)]
pub(super) struct Keeping {
    revision: u64,
    settings: Settings,
    stop: Vec<String>,
    shots: u64,
    at: Duration,
}

impl App {
    /// From now on changes are handed over to be kept. What is there already counts as kept.
    pub fn keep_session(&mut self) {
        self.storage.keeping = Some(self.keeping_now());
    }

    /// From now on changes are handed over to be kept, in a session of which this is known.
    pub fn keep_in(&mut self, current: Option<SessionId>, name: Option<String>) {
        (self.storage.sessions.current, self.storage.sessions.name) = (current, name);
        self.keep_session();
    }

    /// All versions are handed over with the next change: they are to be kept in another place.
    pub fn keep_all_versions(&mut self) {
        self.versions.tree.all_is_news();
    }

    /// The session is written also where nothing changes.
    pub fn keep_at_once(&mut self) {
        self.storage.sessions.is_new = true;
    }

    fn keeping_now(&self) -> Keeping {
        Keeping {
            revision: self.document.revision(),
            settings: self.sampler.settings.clone(),
            stop: self.sampler.stop.clone(),
            shots: self.shots.choices(),
            at: self.screen.now,
        }
    }

    /// Whether something has changed that is not handed over yet.
    pub fn has_to_keep(&self) -> bool {
        self.storage.keeping.as_ref().is_some_and(|kept| {
            self.storage.sessions.is_new
                || kept.revision != self.document.revision()
                || kept.shots != self.shots.choices()
                || kept.settings != *self.sampler.settings
                || kept.stop != self.sampler.stop
                || (self.versions.tree.has_news() && !self.document.is_empty())
        })
    }

    /// Hands over what has changed, whenever that was.
    pub(super) fn keep_now(&mut self) {
        if let Some(kept) = self.take_kept() {
            self.outbox.push(Effect::Io(IoRequest::Keep(Box::new(kept))));
        }
    }

    /// Hands changes over, not more often than they need to be written.
    pub(super) fn keep_changes(&mut self) {
        let due = self.storage.keeping.as_ref().is_some_and(|kept| self.screen.now.saturating_sub(kept.at) >= PACE);
        if due {
            self.keep_now();
        }
    }

    /// What is to be written now; `None` where nothing has changed.
    pub fn take_kept(&mut self) -> Option<Kept> {
        if !self.has_to_keep() {
            return None;
        }
        self.storage.keeping = Some(self.keeping_now());
        self.storage.sessions.is_new = false;
        let (made, marked) = self.versions.tree.take_news();
        let journal = record::journal(&self.versions.tree, &made, &marked, Made::making);
        let state = State {
            draft: self.versions.tree.draft(&self.document),
            settings: Some(self.sampler.settings.clone()),
            stop: self.sampler.stop.clone(),
            bias: self.sampler.bias_text(),
            shots: self.shots.kept(),
        };
        let model = self.models.loaded.as_ref().map(|loaded| loaded.info.name.clone()).unwrap_or_default();
        let about = About { name: None, first: About::first_line(self.document.bytes()), model };
        Some(Kept { about, journal, state: record::state(&state) })
    }

    /// Puts a kept session in place of what is there, sampling parameters and stop strings only where `with_settings`.
    pub fn restore_session(&mut self, contents: Contents, with_settings: bool) {
        let draft = contents.draft();
        let written = contents.tree.drafted(&draft);
        let written = written.unwrap_or_else(|_| contents.tree.written(contents.tree.here()));
        self.document.begin_with(written);
        self.forget_versions();
        self.versions.tree = contents.tree.map_about(Made::from);
        self.follow_versions();
        // It lies where it is kept.
        self.storage.saved_revision = Some(self.document.revision());
        self.editing.show_end = true;
        let Some(state) = contents.state else { return };
        if with_settings && let Some(settings) = state.settings {
            *self.sampler.settings = settings;
            self.sampler.stop = state.stop;
            self.sampler.bias = BiasEntry::parse_line(&state.bias).unwrap_or_default();
        }
        self.shots.clear();
        if let Some(shots) = state.shots {
            self.shots.restore(&shots);
        }
    }
}
