//! The session: the document that a person and a model write together, with its tokens and its history.
//!
//! Owns text, who wrote it, its token ids and undo. Knows no tokenizer, no model and no screen: the caller encodes the
//! pending bytes and hands the ids back.

mod change;
mod document;
mod file;
mod history;
mod prompts;
mod runs;

pub use change::Change;
pub use document::{DocToken, Document, Origin, SettleError};
pub use file::{Existing, write_file};
pub use prompts::{PromptFolder, PromptJob, SavedPrompt, check_name};
pub use runs::{Author, Run};
