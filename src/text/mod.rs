//! Text at the model's edge: tokenizer files in, token ids out, and bytes back.
//!
//! Owns: reading `tokenizer.json` or `vocab.json` with `merges.txt`, the exact id-to-bytes table, the assembly of
//! streamed bytes into whole characters ([`Utf8Assembler`]), and the one sanitiser between untrusted text and a
//! terminal ([`sanitise`], [`cells()`]). Token ids are the truth; text is a view of them.
//!
//! Does not know: models, sampling, prompts, terminals or widgets. Of the crate it imports `files` alone.

mod alphabet;
mod cells;
mod ends;
mod error;
mod escape;
pub mod figures;
mod files;
pub mod find;
mod learn;
mod near;
mod parts;
pub mod sanitise;
mod special;
mod tokenizer;
mod tokenizer_json;
mod utf8;

pub use alphabet::byte_symbol;
pub use cells::{Cell, CellKind, TAB_WIDTH, cells};
pub use ends::SpecialIds;
pub use error::TextError;
pub use escape::{closing_quote, escape, escape_bytes, unescape, unescape_bytes};
pub use learn::Vocabulary;
pub use near::nearest;
pub use special::{tokenizer_json, with_special_tokens};
pub use tokenizer::{SpecialTokens, Tokenizer};
pub use utf8::Utf8Assembler;

/// A token's number: its row in the model's embedding.
pub type TokenId = u32;
