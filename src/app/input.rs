//! A one-line answer being typed: a number, a query, a name.

use unicode_segmentation::GraphemeCursor;

use crate::prompt::Wording;
use crate::session::SessionId;

/// What the line is for; decides what Enter does with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// The exact value of the selected sampling row.
    Value,
    /// The query of the few-shot task.
    Query,
    /// A field of an example.
    Example,
    /// A part of the few-shot task.
    Wording(Wording),
    /// The answer that is expected for the query.
    Answer,
    /// The file to read examples from.
    ImportExamples,
    /// The file to save the document to.
    SaveAs,
    /// A hub id: `org/name[@revision]`.
    HubId,
    /// A folder with a checkpoint.
    Folder,
    /// Part of a token of the vocabulary, with escapes.
    FindToken,
    /// The file to export to.
    ExportTo,
    /// The name of a sampling preset of the user's own.
    PresetName,
    /// What the command palette looks for.
    Command,
    /// What rows of an overlay have to hold.
    Filter,
    /// What to search for in the document.
    Find,
    /// The name to save the document under as a prompt.
    PromptName,
    /// Another name for the selected prompt.
    PromptRename,
    /// A name for a session; `None` is the current one.
    SessionName(Option<SessionId>),
    /// What to look for in all sessions.
    SessionSearch,
}

/// The line and the caret in it. The caret is always at a grapheme boundary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// What the line is for.
    pub purpose: Purpose,
    /// What is asked, as shown in front of the line.
    pub label: String,
    /// The text so far, without line breaks.
    pub text: String,
    /// Byte offset of the caret.
    pub caret: usize,
    /// Why Enter did not accept the text.
    pub error: Option<String>,
    /// All of it is selected, as it is where a text is offered: what is typed first takes its place.
    pub selected: bool,
}

impl Input {
    /// A line that starts with `text`, the caret at its end.
    pub fn new(purpose: Purpose, label: impl Into<String>, text: impl Into<String>) -> Self {
        let text = one_line(&text.into());
        Self { purpose, label: label.into(), caret: text.len(), text, error: None, selected: false }
    }

    /// Selects all of it.
    #[must_use]
    pub fn offered(mut self) -> Self {
        self.selected = !self.text.is_empty();
        self
    }

    /// Inserts at the caret; line breaks become spaces and control characters are dropped.
    pub fn insert(&mut self, text: &str) {
        let text = one_line(text);
        if std::mem::take(&mut self.selected) {
            self.clear();
        }
        self.text.insert_str(self.caret, &text);
        self.caret += text.len();
        // What was inserted may join the grapheme before or after it.
        if !GraphemeCursor::new(self.caret, self.text.len(), true).is_boundary(&self.text, 0).unwrap_or(true) {
            self.right();
        }
        self.error = None;
    }

    /// One grapheme to the left.
    pub fn left(&mut self) {
        self.selected = false;
        self.caret = self.before();
    }

    /// One grapheme to the right.
    pub fn right(&mut self) {
        self.selected = false;
        self.caret = self.after();
    }

    /// To the start of the line.
    pub fn home(&mut self) {
        self.selected = false;
        self.caret = 0;
    }

    /// To the end of the line.
    pub fn end(&mut self) {
        self.selected = false;
        self.caret = self.text.len();
    }

    /// Removes the grapheme before the caret.
    pub fn backspace(&mut self) {
        if self.selected {
            return self.clear();
        }
        let from = self.before();
        self.text.replace_range(from..self.caret, "");
        self.caret = from;
        self.error = None;
    }

    /// Removes the grapheme after the caret.
    pub fn delete(&mut self) {
        if self.selected {
            return self.clear();
        }
        let to = self.after();
        self.text.replace_range(self.caret..to, "");
        self.error = None;
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.text.clear();
        self.caret = 0;
        self.error = None;
        self.selected = false;
    }

    fn before(&self) -> usize {
        GraphemeCursor::new(self.caret, self.text.len(), true).prev_boundary(&self.text, 0).ok().flatten().unwrap_or(0)
    }

    fn after(&self) -> usize {
        let end = self.text.len();
        GraphemeCursor::new(self.caret, end, true).next_boundary(&self.text, 0).ok().flatten().unwrap_or(end)
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { c }).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_moves_over_whole_graphemes() {
        let mut input = Input::new(Purpose::Query, "query", "ae\u{301}👨‍👩‍👧z");
        let mut seen = Vec::new();
        for _ in 0..6 {
            input.left();
            seen.push(input.caret);
        }
        assert_eq!(seen, [22, 4, 1, 0, 0, 0]);
        input.right();
        input.delete();
        assert_eq!(input.text, "a👨‍👩‍👧z");
        input.end();
        input.left();
        input.backspace();
        assert_eq!(input.text, "az");
    }

    #[test]
    fn what_is_offered_goes_with_the_first_key_or_stays_where_the_caret_is_moved() {
        let offered = || Input::new(Purpose::SaveAs, "save as", "kshot.txt").offered();
        let mut input = offered();
        input.insert("a");
        input.insert("b");
        assert_eq!((input.text.as_str(), input.selected), ("ab", false));
        let mut input = offered();
        input.end();
        input.insert("~");
        assert_eq!(input.text, "kshot.txt~");
        let mut input = offered();
        input.backspace();
        assert_eq!(input.text, "");
    }

    #[test]
    fn what_is_pasted_stays_one_line_without_controls() {
        let mut input = Input::new(Purpose::Query, "query", "");
        input.insert("a\nb\tc\u{1b}[31m\u{9b}d");
        assert_eq!(input.text, "a b c[31md");
        assert_eq!(input.caret, input.text.len());
    }
}
