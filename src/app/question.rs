//! Questions that want yes or no before something is done.

use super::App;
use super::command::{Cx, Scope, id};
use super::models::Stage;
use super::overlay::{Item, Overlay, Picked, Rows};
use crate::session::{PromptJob, SessionId};
use crate::text::figures;

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
    /// The download of the model that is under way.
    Download,
    /// Taking the selected version of the tree out of sight.
    Prune,
    /// Deleting a session, which is called this.
    DeleteSession(SessionId, String),
}

impl Question {
    /// The question in a few words.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Paste { .. } => "Paste all of it?",
            Self::DeletePrompt(_) => "Delete the prompt?",
            Self::Download => "Download?",
            Self::Prune => "Prune?",
            Self::DeleteSession(..) => "Delete the session?",
        }
    }

    /// What there is to know before an answer, a paragraph each.
    pub fn about(&self, app: &App) -> Vec<String> {
        match self {
            Self::Paste { text, tokens, .. } => vec![about_paste(text, *tokens)],
            Self::DeletePrompt(name) => vec![format!("{name}: its file is removed, and nothing brings it back.")],
            Self::DeleteSession(_, title) => {
                vec![format!("{title}: with all its versions. Until kshot quits it can be brought back.")]
            }
            Self::Download => about_download(app),
            Self::Prune => {
                let (words, below) = app.prune_question();
                let below = match below {
                    0 => "Nothing goes on from it.".to_owned(),
                    1 => "One version that goes on from it goes too.".to_owned(),
                    more => format!("{more} versions that go on from it go too."),
                };
                let key = app.keymap.hint(id::TREE_UNDO);
                vec![format!("\"{words}\""), below, format!("{key} in the tree brings it back.")]
            }
        }
    }

    fn yes(&mut self, cx: &mut Cx<'_>) {
        match self {
            Self::Paste { text, dropped, .. } => cx.paste_plain(&std::mem::take(text), *dropped),
            Self::DeletePrompt(name) => cx.app.prompts(PromptJob::Delete { name: name.clone() }),
            Self::DeleteSession(id, _) => cx.app.delete_session(id.clone()),
            Self::Download => cx.app.download(),
            Self::Prune => cx.prune(),
        }
    }
}

fn about_download(app: &App) -> Vec<String> {
    let Some(Stage::Asking(offer)) = app.models.job.as_ref().map(|job| &job.stage) else { return Vec::new() };
    let todo = figures::bytes(offer.total.saturating_sub(offer.have));
    let mut lines = vec![offer.name.clone()];
    lines.push(match offer.have {
        0 => format!("to download   {todo}"),
        have => format!("to download   {todo} (of {}; {} are here)", figures::bytes(offer.total), figures::bytes(have)),
    });
    lines.extend(offer.memory.map(|memory| format!("to run        about {} of memory", figures::bytes(memory))));
    lines.push(format!("into {}", offer.to));
    lines
}

/// A question on the screen.
#[derive(Debug)]
pub struct Ask {
    /// What is asked.
    pub question: Question,
    answered: bool,
}

impl Overlay for Ask {
    fn scope(&self) -> Scope {
        Scope::CONFIRM
    }

    fn title(&self, _: &App) -> String {
        self.question.title().to_owned()
    }

    fn rows(&self, _: &App) -> Rows {
        Rows::Choice(vec![Item::new("yes", ""), Item::new("no", "")])
    }

    fn pick(&mut self, cx: &mut Cx<'_>, row: usize) -> Picked {
        if row == 0 {
            self.answered = true;
            self.question.yes(cx);
        }
        Picked::Close
    }

    fn closed(&mut self, app: &mut App) {
        if self.question == Question::Download && !self.answered {
            *app.models.job = None;
        }
    }

    fn can_filter(&self) -> bool {
        false
    }
}

impl App {
    pub(super) fn ask_question(&mut self, question: Question) {
        self.open(Ask { question, answered: false });
    }
}

/// What a large paste is, in words.
fn about_paste(text: &str, tokens: usize) -> String {
    let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let (lines, tokens) = (figures::grouped(lines), figures::grouped(tokens));
    format!("{} in {lines} lines, about {tokens} tokens", figures::bytes(text.len() as u64))
}
