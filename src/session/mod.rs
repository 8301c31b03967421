//! The session: the document that a person and a model write together, with its tokens and its history.
//!
//! Owns text, who wrote it, its token ids, undo, the tree of versions, and its file format ([`record`] and
//! [`Store`]). The document and the tree know no tokenizer, no model and no screen: the caller encodes the pending bytes
//! and hands the ids back.

mod change;
mod document;
mod history;
mod prompts;
pub mod record;
mod runs;
mod store;
mod token;
mod tree;
mod when;

pub use change::Change;
pub use document::{DocToken, Document, Origin, Preview, SettleError, Written};
pub use prompts::{NameError, PromptError, PromptFolder, PromptJob, SavedPrompt, check_name};
pub use record::{About, Contents, Kept, Making, ShotsChoice, State};
pub use runs::{Author, Run};
pub use store::{Deleted, Match, Opened, Row, SessionId, Store, StoreError, Texts, Writer, check_session_name};
pub use tree::{Node, NodeId, Piece, Place, Point, Tree};
pub use when::local_time;
