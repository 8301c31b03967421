//! The session: the document a person and a model write together, with its tokens and its history.
//!
//! Owns text, provenance, token ids and undo. Knows no tokenizer, no model and no screen: the caller encodes pending
//! text and hands the ids back.

mod document;

pub use document::{Author, Change, DocToken, Document, Origin, Run, SettleError};
