//! Questions that want yes or no before something is done.

use super::App;
use super::clip::about_paste;
use super::command::Cx;
use super::screen::Layer;
use crate::session::PromptJob;

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// A large paste: the text, about how many tokens it has, and how many control characters were left out of it.
    Paste {
        /// The text.
        text: String,
        /// Tokens, estimated.
        tokens: usize,
        /// Control characters that were left out.
        dropped: usize,
    },
    /// Deleting a saved prompt of this name.
    DeletePrompt(String),
}

impl Question {
    /// The question in a few words.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Paste { .. } => "Paste all of it?",
            Self::DeletePrompt(_) => "Delete the prompt?",
        }
    }

    /// What there is to know before an answer.
    pub fn about(&self) -> String {
        match self {
            Self::Paste { text, tokens, .. } => about_paste(text, *tokens),
            Self::DeletePrompt(name) => format!("{name}: its file is removed, and nothing brings it back."),
        }
    }
}

impl App {
    pub(super) fn ask_question(&mut self, question: Question) {
        self.screen.question = Some(question);
        self.screen.layers.retain(|layer| *layer != Layer::Question);
        self.screen.layers.push(Layer::Question);
    }
}

impl Cx<'_> {
    /// "Yes" to the question on top.
    pub fn yes(&mut self) {
        if self.app.screen.layers.last() != Some(&Layer::Question) {
            return self.confirm();
        }
        let question = self.app.screen.question.take();
        self.app.close_layer();
        match question {
            Some(Question::Paste { text, dropped, .. }) => self.paste_plain(&text, dropped),
            Some(Question::DeletePrompt(name)) => self.app.prompts(PromptJob::Delete { name }),
            None => {}
        }
    }
}
