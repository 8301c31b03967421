//! The model's text as it comes: no half character, no half grapheme, nothing that steers a terminal.

use unicode_segmentation::UnicodeSegmentation;

use crate::text::{Utf8Assembler, sanitise};

/// What was not shown yet of a text that streams.
#[derive(Default)]
pub(super) struct Stream {
    assembler: Utf8Assembler,
    held: String,
}

impl Stream {
    /// What can be shown with these bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> String {
        self.held.push_str(&self.assembler.push(bytes));
        // The sanitiser judges whole graphemes, and the last one may still grow; plain letters do not.
        let last = self.held.graphemes(true).next_back().unwrap_or_default();
        let waits = if last.is_ascii() && last != "\r" { 0 } else { last.len() };
        let rest = self.held.split_off(self.held.len() - waits);
        sanitise::text(&std::mem::replace(&mut self.held, rest)).into_owned()
    }

    /// The rest.
    pub(super) fn finish(&mut self) -> String {
        self.held.push_str(&self.assembler.finish());
        sanitise::text(&std::mem::take(&mut self.held)).into_owned()
    }
}
