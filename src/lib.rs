//! kshot: a terminal playground for GPT-style language models.
//!
//! The modules are layers; each knows only those above it in this list (`tests/layers.rs` holds that).
//!
//! - [`disk`]: the user's files: read within a limit, written whole.
//! - [`files`]: the files of a checkpoint, in a folder or inside the program.
//! - [`kernels`]: CPU kernels over slices.
//! - [`text`]: tokenizers, bytes and characters, and the one sanitiser between a model's text and a terminal.
//! - [`prompt`]: few-shot tasks and the prompts they assemble into.
//! - [`corpus`]: endless training text for a small GPT, and items that measure what it learned.
//! - [`session`]: the document: bytes, who wrote them, their tokens, undo.
//! - [`hub`]: the Hugging Face hub: catalog, verified and resumable downloads, the cache that Python shares.
//! - [`sampling`]: from logits to a token: the table of parameters, the chain, the draw.
//! - [`model`]: the one decoder: configurations, weights, key/value cache, trace points.
//! - [`engine`]: generation and scoring, as messages to a thread of its own.
//! - [`eval`]: few-shot accuracy of a model, with its errors.
//! - [`train`]: pre-training and fine-tuning of the one decoder, as an iterator of steps.
//! - [`export`]: what is taken away: traces that replay, tables and pages of tokens, shell commands.
//! - [`app`]: what the playground knows and does, without a terminal.
//! - [`jobs`]: work of the playground on threads of its own: look-ups, downloads, saving, exports.
//! - [`ui`]: the terminal: event loop, panes, overlays, drawing.
//! - [`config`]: the files that the user writes: settings and keys.
//!
//! The command line is the program's own (`src/cli`, `src/commands`). How it fits together and why: ARCHITECTURE.md.

pub mod app;
pub mod config;
pub mod corpus;
pub mod disk;
pub mod engine;
pub mod eval;
pub mod export;
pub mod files;
pub mod hub;
pub mod jobs;
pub mod kernels;
pub mod model;
pub mod prompt;
pub mod sampling;
pub mod session;
pub mod text;
pub mod train;
pub mod ui;
