//! Few-shot tasks: YAML files with lm-evaluation-harness's key names, the library of them, and the assembly of a k-shot
//! prompt.
//!
//! Owns: the task file format, its templates (minijinja, with fuel and without file access), the built-in tasks of
//! `prompts/`, and which bytes of a prompt come from where.
//!
//! Does not know: tokenizers (tokens are counted by a closure of the caller), models, sampling, the user interface. It
//! imports nothing of the crate.

mod assembly;
mod builtin;
mod examples;
mod field;
mod file;
mod harness;
mod import;
mod library;
mod measured;
mod rewrite;
mod selection;
mod task;
mod template;

pub use assembly::{Answer, Assembly, Instruction, Part, PartKind, Prompt, Query};
pub use examples::{ExamplesFor, StartingPoint, examples};
pub use import::read_examples;
pub use library::{Library, Problem};
pub use measured::{Measured, measured};
pub use rewrite::{FileChange, Rewritten, Wording};
pub use selection::{Entry, Selection};
pub use task::{Doc, Example, Origin, Task, TaskError};
