//! What the program has to say: the newest message stays on the message line until it has been read.

use super::App;
use super::command::Scope;
use super::overlay::{Overlay, Rows};

/// How serious a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something was done; gone with the next key.
    Notice,
    /// Worth knowing; gone with the next key.
    Warning,
    /// Something failed; stays until Esc or a newer message.
    Error,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How serious it is.
    pub level: Level,
    /// What is said, sanitised.
    pub text: String,
}

/// All messages of this run, and the one on the message line.
#[derive(Debug, Clone, Default)]
pub struct Log {
    entries: Vec<Entry>,
    current: Option<usize>,
    /// How many there were, those that are kept no more included.
    total: usize,
    /// A key was pressed since the current message came.
    read: bool,
}

impl Log {
    /// How many messages are kept.
    const KEPT: usize = 500;

    /// Says something that is neither a warning nor an error.
    pub fn notice(&mut self, text: impl Into<String>) {
        self.say(Level::Notice, text);
    }

    /// Adds a message and puts it on the message line. A message that was not read yet gives way only to one of the same
    /// level or a higher one.
    pub fn say(&mut self, level: Level, text: impl Into<String>) {
        if self.entries.len() == Self::KEPT {
            self.entries.remove(0);
            self.current = self.current.and_then(|at| at.checked_sub(1));
        }
        self.entries.push(Entry { level, text: text.into() });
        self.total += 1;
        let hides = self.current().is_some_and(|entry| entry.level > level) && !self.read;
        if !hides {
            self.current = Some(self.entries.len() - 1);
            self.read = false;
        }
    }

    /// The message on the message line.
    pub fn current(&self) -> Option<&Entry> {
        self.current.and_then(|at| self.entries.get(at))
    }

    /// All messages, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many messages there were so far, for [`Log::since`].
    pub fn total(&self) -> usize {
        self.total
    }

    /// The messages after the first `total`, as far as they are kept.
    pub fn since(&self, total: usize) -> &[Entry] {
        let new = self.total.saturating_sub(total).min(self.entries.len());
        self.entries.get(self.entries.len() - new..).unwrap_or_default()
    }

    /// A key was pressed: notices and warnings have been read.
    pub fn key_pressed(&mut self) {
        self.read = true;
        if self.current().is_some_and(|entry| entry.level != Level::Error) {
            self.current = None;
        }
    }

    /// Takes the message off the line. Says whether there was one.
    pub fn dismiss(&mut self) -> bool {
        self.current.take().is_some()
    }
}

/// All messages of this run, newest first.
#[derive(Debug)]
pub struct MessageList;

impl Overlay for MessageList {
    fn scope(&self) -> Scope {
        Scope::READER
    }

    fn title(&self, _: &App) -> String {
        "Messages, newest first".to_owned()
    }

    fn rows(&self, app: &App) -> Rows {
        Rows::Text(app.log.entries().iter().rev().map(|entry| entry.text.clone()).collect())
    }
}

/// An error and its causes in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_outlives_keys_and_notices() {
        let mut log = Log::default();
        log.say(Level::Notice, "saved");
        log.key_pressed();
        assert_eq!(log.current(), None);
        log.say(Level::Error, "disk full");
        log.say(Level::Notice, "loaded");
        assert_eq!(log.current().map(|e| e.text.as_str()), Some("disk full"), "it was not read yet");
        log.key_pressed();
        assert_eq!(log.current().map(|e| e.text.as_str()), Some("disk full"));
        log.say(Level::Notice, "saved after all");
        assert_eq!(log.current().map(|e| e.text.as_str()), Some("saved after all"));
        assert!(log.dismiss());
        assert!(!log.dismiss());
        assert_eq!(log.entries().len(), 4);
    }

    #[test]
    fn the_oldest_messages_go_first() {
        let mut log = Log::default();
        for i in 0..Log::KEPT + 3 {
            log.say(Level::Error, i.to_string());
        }
        assert_eq!(log.entries().len(), Log::KEPT);
        assert_eq!(log.entries().first().map(|e| e.text.as_str()), Some("3"));
        assert_eq!(log.current().map(|e| e.text.clone()), Some((Log::KEPT + 2).to_string()));
        assert_eq!((log.total(), log.since(log.total() - 2).len(), log.since(0).len()), (Log::KEPT + 3, 2, Log::KEPT));
    }
}
