//! Selecting, copying, cutting, pasting.

use std::ops::Range;

use super::App;
use super::command::{Cx, id};
use super::effect::{Effect, TerminalRequest};
use super::log::Level;
use super::page::{Hold, Motion};
use super::question::Question;
use crate::text::SpecialTokens;

/// Bytes from which a paste needs a yes first: more than is copied by hand, so it may be the wrong clipboard.
const LARGE: usize = 50_000;
/// Bytes of a paste that are encoded to estimate its tokens.
const SAMPLE: usize = 4096;
/// Bytes of a token where there is no vocabulary to ask: GPT-2 on English text.
const BYTES_PER_TOKEN: usize = 4;

impl Cx<'_> {
    /// Moves the caret and selects what it passes.
    pub fn select(&mut self, motion: Motion) {
        if self.page.hold().is_none() {
            self.page.set_hold(Some(Hold::Shift));
        }
        self.go(motion);
    }

    /// Sets a mark that every motion selects from, or takes it off.
    pub fn mark(&mut self) {
        let marked = self.page.hold() == Some(Hold::Mark);
        self.page.set_hold((!marked).then_some(Hold::Mark));
        if !marked {
            let (mark, stop) = (self.app.keymap.hint(id::MARK), self.app.keymap.hint(id::STOP));
            self.app.log.say(Level::Notice, format!("mark set: moving selects; {mark} or {stop} ends that"));
        }
    }

    /// Selects the whole document.
    pub fn select_all(&mut self) {
        let end = self.app.document.len();
        self.page.select(&self.app.document, 0..end);
    }

    /// Copies what is selected, or else the document.
    pub fn copy(&mut self) {
        let all = 0..self.app.document.len();
        let range = self.page.selection().unwrap_or(all);
        self.app.copy(range);
    }

    /// Copies what is selected and removes it.
    pub fn cut(&mut self) {
        let Some(selected) = self.page.selection() else {
            let key = self.app.keymap.hint(id::SELECT_RIGHT);
            self.app.log.say(Level::Notice, format!("nothing is selected: {key} and its like select"));
            return;
        };
        if !self.app.refuse_while_running("cutting") {
            self.app.copy(selected.clone());
            self.put(selected, &[]);
        }
    }

    /// Puts in what was copied or cut last, for what is selected.
    pub fn put_back(&mut self) {
        let bytes = std::mem::take(&mut self.app.editing.register);
        if bytes.is_empty() {
            let copy = self.app.keymap.hint(id::COPY);
            let text = format!("nothing was copied here yet ({copy}); your terminal pastes what other programs copied");
            self.app.log.say(Level::Notice, text);
        } else if !self.app.refuse_while_running("pasting") {
            self.put(self.place(), &bytes);
        }
        self.app.editing.register = bytes;
    }

    /// Takes in what the terminal pastes, as one step of undo. Line ends become `\n`; other control characters but tabs
    /// are dropped. A large paste is asked about first.
    pub fn paste(&mut self, text: &str) {
        if self.app.refuse_while_running("pasting") {
            return;
        }
        let (text, dropped) = plain(text);
        if text.len() > LARGE {
            let tokens = self.app.estimate_tokens(&text);
            self.app.ask_question(Question::Paste { text, tokens, dropped });
        } else {
            self.paste_plain(&text, dropped);
        }
    }

    /// Puts in a paste that holds no control characters any more; says how many it had.
    pub(super) fn paste_plain(&mut self, text: &str, dropped: usize) {
        if self.app.refuse_while_running("pasting") {
            return;
        }
        if dropped > 0 {
            self.app.log.say(Level::Warning, format!("{dropped} control characters of the paste were left out"));
        }
        self.put(self.place(), text.as_bytes());
    }

    /// Where text is put in: for what is selected, or else at the caret.
    fn place(&self) -> Range<usize> {
        let caret = self.page.caret();
        self.page.selection().unwrap_or(caret..caret)
    }
}

impl App {
    fn copy(&mut self, range: Range<usize>) {
        let bytes = self.document.bytes().get(range).unwrap_or_default();
        if bytes.is_empty() {
            self.log.say(Level::Notice, "there is nothing to copy");
            return;
        }
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.editing.register = bytes.to_vec();
        self.send_to_clipboard(text);
    }

    /// Sends a text to the terminal's clipboard.
    pub(super) fn send_to_clipboard(&mut self, text: String) {
        let what = format!("{} bytes", text.len());
        self.outbox.push(Effect::Terminal(TerminalRequest::Copy { text, what }));
    }

    /// Copies the seed that the last generation really used, also where it was a random one.
    pub(super) fn copy_seed(&mut self) {
        match self.last_seed().or_else(|| self.last_generation().and_then(|(_, made)| made.seed)) {
            Some(seed) => {
                let (text, what) = (seed.to_string(), format!("seed {seed}"));
                self.editing.register = text.clone().into_bytes();
                self.outbox.push(Effect::Terminal(TerminalRequest::Copy { text, what }));
            }
            None => {
                self.log.say(Level::Notice, "there is no seed to copy: the text does not end with a whole generation")
            }
        }
    }

    /// About how many tokens a text has: counted in its first bytes.
    fn estimate_tokens(&self, text: &str) -> usize {
        let sample = text.get(..text.floor_char_boundary(SAMPLE)).unwrap_or_default();
        let tokenizer = self.models.loaded.as_ref().and_then(|loaded| loaded.tokenizer.as_ref());
        let ids = tokenizer.map(|tokenizer| tokenizer.encode(sample, SpecialTokens::Literal));
        match ids {
            Some(Ok(ids)) => ids.len() * text.len() / sample.len().max(1),
            _ => text.len() / BYTES_PER_TOKEN,
        }
    }
}

/// The text without control characters, line ends as `\n`, and how many were dropped.
fn plain(text: &str) -> (String, usize) {
    let mut dropped = 0;
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push('\n');
            }
            '\n' | '\t' => out.push(c),
            c if c.is_control() => dropped += 1,
            c => out.push(c),
        }
    }
    (out, dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paste_has_newlines_and_tabs_and_no_other_control_characters() {
        let cases = [
            ("a\r\nb\rc\n\r\td", "a\nb\nc\n\n\td", 0),
            ("\u{1b}[201~\u{7}x\u{9b}y\u{7f}\0", "[201~xy", 5),
            ("中\u{301}👨\u{200d}👩", "中\u{301}👨\u{200d}👩", 0),
        ];
        for (text, expected, dropped) in cases {
            assert_eq!(plain(text), (expected.to_owned(), dropped), "{text:?}");
        }
    }
}
