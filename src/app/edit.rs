//! Editing the document: what keys, pastes and the few-shot pane do to the text.

use std::ops::Range;
use std::path::PathBuf;

use super::App;
use super::command::{Cx, id};
use super::effect::{Effect, IoRequest, TerminalRequest};
use super::examples::Examples;
use super::find::Find;
use super::input::{Input, Purpose};
use super::log::Level;
use super::page::{Hold, Motion};
use super::versions::Way;
use crate::disk::{Existing, WriteError};

/// What editing knows beside the document.
#[derive(Debug, Default)]
pub struct Editing {
    /// The search in the document.
    pub find: Find,
    /// Example prompts on an empty page.
    pub examples: Examples,
    /// Whether the document shows its tokens.
    pub shows_tokens: bool,
    /// Whether the document shows its white space.
    pub shows_spaces: bool,
    /// What was copied or cut last.
    pub(super) register: Vec<u8>,
    /// The revision whose pending bytes are being encoded.
    pub(super) tokenising: Option<u64>,
    /// The document's revision at which it was said what a step of its history changes.
    pub(super) announced: Option<u64>,
    /// The end of the text is to be shown.
    pub(super) show_end: bool,
}

impl Editing {
    pub(super) fn toggle_token_marks(&mut self) {
        self.shows_tokens = !self.shows_tokens;
    }

    pub(super) fn toggle_spaces(&mut self) {
        self.shows_spaces = !self.shows_spaces;
    }
}

impl Cx<'_> {
    /// Inserts what a key typed.
    pub fn type_text(&mut self, text: &str) {
        if self.app.refuse_while_running("typing") {
            return;
        }
        if let Some(selected) = self.page.selection() {
            return self.put(selected, text.as_bytes());
        }
        let at = self.page.caret();
        self.app.document.type_text(at, text);
        self.caret_to(at + text.len());
    }

    /// Moves the caret; the next edit is a new step of undo. It leaves a selection at the side it goes to, unless a mark
    /// holds that.
    pub fn move_caret(&mut self, motion: Motion) {
        if self.app.runs.current.as_ref().is_none_or(|run| !run.takes_steps()) {
            self.app.document.seal();
        }
        if self.page.hold() != Some(Hold::Mark) {
            let selected = self.page.selection();
            self.page.set_hold(None);
            match (selected, motion) {
                (Some(selected), Motion::Left) => return self.page.set_caret(&self.app.document, selected.start),
                (Some(selected), Motion::Right) => return self.page.set_caret(&self.app.document, selected.end),
                _ => {}
            }
        }
        self.go(motion);
    }

    /// Moves the caret, whatever is selected.
    pub(super) fn go(&mut self, motion: Motion) {
        match motion {
            Motion::End => {
                self.page.move_caret(&self.app.document, motion);
                self.page.follow_end(&self.app.document);
            }
            _ => self.page.move_caret(&self.app.document, motion),
        }
    }

    /// Removes what is selected, or else what is between the caret and where a motion would put it.
    pub fn erase(&mut self, motion: Motion) {
        if self.app.refuse_while_running("editing") {
            return;
        }
        if let Some(selected) = self.page.selection() {
            return self.put(selected, &[]);
        }
        let span = self.page.span(&self.app.document, motion);
        let start = span.start;
        self.app.document.erase(span);
        self.caret_to(start);
    }

    /// Removes everything, as one step of undo.
    pub fn clear_document(&mut self) {
        if self.app.refuse_while_running("editing") {
            return;
        }
        let end = self.app.document.len();
        self.app.document.delete(0..end);
        self.caret_to(0);
    }

    /// Removes white space at the end: GPT-2's words begin with their space, so a prompt that ends in one leaves the
    /// model only odd word pieces to go on with.
    pub fn trim_end(&mut self) {
        let bytes = self.app.document.bytes();
        let (end, len) = (bytes.trim_ascii_end().len(), bytes.len());
        if end < len && !self.app.refuse_while_running("editing") {
            self.app.document.delete(end..len);
            self.caret_to(end);
        }
    }

    /// Takes back the last edit or generation.
    pub fn undo(&mut self) {
        self.take_step(Way::Undo);
    }

    /// Repeats what was taken back last.
    pub fn redo(&mut self) {
        self.take_step(Way::Redo);
    }

    /// Replaces the text by what the user's editor left.
    pub fn edited(&mut self, result: Result<String, String>) {
        match result {
            Ok(text) => {
                let at = self.page.caret();
                self.app.document.replace_all(&text);
                self.caret_to(at);
            }
            Err(error) => self.app.log.say(Level::Error, error),
        }
    }

    /// Replaces a stretch as one step of undo, the caret behind it.
    pub(super) fn put(&mut self, range: Range<usize>, bytes: &[u8]) {
        let end = range.start + bytes.len();
        self.app.document.replace(range, bytes);
        self.caret_to(end);
    }

    pub(super) fn caret_to(&mut self, at: usize) {
        self.page.sync(&self.app.document);
        self.page.set_caret(&self.app.document, at);
    }
}

impl App {
    /// Whether the text ends in a space that makes the model stumble: words of its vocabulary begin with theirs.
    pub fn ends_in_trap(&self) -> bool {
        let words_with_space = || {
            self.models
                .loaded
                .as_ref()
                .and_then(|model| model.tokenizer.as_ref())
                .is_some_and(|it| it.words_begin_with_space())
        };
        self.document.bytes().ends_with(b" ") && words_with_space()
    }

    /// Whether the text differs from the file it was saved to.
    pub fn unsaved(&self) -> bool {
        !self.document.is_empty() && self.storage.saved_revision != Some(self.document.revision())
    }

    pub(super) fn open_editor(&mut self) {
        if !self.refuse_while_running("edit") {
            let text = self.document.text().into_owned();
            self.outbox.push(Effect::Terminal(TerminalRequest::Edit(text)));
        }
    }

    pub(super) fn ask_save(&mut self) {
        let own = self.storage.file.as_ref().map_or_else(|| "kshot.txt".to_owned(), |path| path.display().to_string());
        self.ask(Input::new(Purpose::SaveAs, "save the document as", own).offered());
    }

    pub(super) fn save(&mut self, path: &str) {
        let (revision, bytes) = (self.document.revision(), self.document.bytes().to_vec());
        let path = PathBuf::from(path);
        // Its own file may be written again, and another one after a second Enter.
        let again = self.storage.refused.take().as_ref() == Some(&path) || self.storage.file.as_ref() == Some(&path);
        let existing = if again { Existing::Replace } else { Existing::Keep };
        self.outbox.push(Effect::Io(IoRequest::Save { revision, path, bytes, existing }));
    }

    /// The document was written, or not. A name that is taken stays in the line, and Enter takes it after all.
    pub(super) fn document_saved(&mut self, revision: u64, path: PathBuf, result: Result<(), WriteError>) {
        match result {
            Ok(()) => {
                self.storage.saved_revision = Some(revision);
                self.log.say(Level::Notice, format!("saved as {}", path.display()));
                self.storage.file = Some(path);
            }
            Err(WriteError::Exists(_)) => {
                let input = Input::new(Purpose::SaveAs, "save the document as", path.display().to_string());
                let error = format!("exists already; {} again replaces it", self.keymap.hint(id::INPUT_ACCEPT));
                *self.screen.input = Some(Input { error: Some(error), ..input });
                self.storage.refused = Some(path);
            }
            Err(error) => self.log.say(Level::Error, error.to_string()),
        }
    }

    /// Encodes what is pending.
    pub(super) fn tokenise(&mut self) {
        let revision = self.document.revision();
        let tokenizer = self.models.loaded.as_ref().and_then(|loaded| loaded.tokenizer.as_ref());
        let Some(tokenizer) = tokenizer.cloned() else { return };
        if self.document.pending().is_empty() {
            return;
        }
        self.editing.tokenising = Some(revision);
        self.outbox.push(Effect::Io(IoRequest::Tokenise {
            revision,
            bytes: self.document.pending().to_vec(),
            tokenizer,
        }));
    }

    pub(super) fn tokenised(&mut self, revision: u64, tokens: Result<Vec<(u32, usize)>, String>) {
        if self.editing.tokenising != Some(revision) {
            return;
        }
        self.editing.tokenising = None;
        match tokens {
            // Stale ids are no failure: the newer revision is encoded next.
            Ok(tokens) => {
                if let Err(error @ crate::session::SettleError::Length { .. }) = self.document.settle(revision, &tokens)
                {
                    *self.runs.queued = None;
                    self.editing.tokenising = Some(revision);
                    self.log.say(Level::Error, error.to_string());
                }
            }
            Err(error) => {
                *self.runs.queued = None;
                self.editing.tokenising = Some(revision);
                self.log.say(Level::Error, error);
            }
        }
    }

    pub(super) fn refuse_while_running(&mut self, what: &str) -> bool {
        let running = self.is_running();
        if running {
            let stop = self.keymap.hint(id::STOP);
            self.log.say(Level::Warning, format!("no {what} while the model writes; {stop} stops it"));
        }
        running
    }
}
