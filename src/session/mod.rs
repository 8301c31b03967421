//! The session: the document that a person and a model write together, with its tokens and its history.
//!
//! Owns text, who wrote it, its token ids, undo and the tree of versions. Knows no tokenizer, no model and no screen: the caller encodes the
//! pending bytes and hands the ids back.

mod change;
mod document;
mod history;
mod prompts;
mod runs;
mod tree;

pub use change::Change;
pub use document::{DocToken, Document, Origin, Preview, SettleError, Written};
pub use prompts::{NameError, PromptError, PromptFolder, PromptJob, SavedPrompt, check_name};
pub use runs::{Author, Run};
pub use tree::{Node, NodeId, Piece, Place, Point, Tree};
