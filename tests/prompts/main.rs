//! The prompt library: every built-in task at every number of shots, the exact bytes of published forms, bad files,
//! the user's folder, and templates that mean harm.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod assembly;
mod builtin;
mod files;
mod rewrite;

use kshot::prompt::{Assembly, Instruction, Library, Prompt, Query, Selection, Task};

pub(crate) fn builtin_tasks() -> Library {
    Library::load(None)
}

pub(crate) fn prompt(task: &Task, shots: usize, query: Query) -> Prompt {
    let mut selection = Selection::listed(task);
    selection.set_shots(shots);
    Assembly { task, selection: &selection, query, instruction: Instruction::Shown }.prompt().unwrap()
}
