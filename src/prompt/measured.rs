//! How often the built-in model answers the tasks of the program: what `just measure-builtin` wrote.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// Greedy answers to a task's documents, each left out of its own prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Examples in each prompt.
    pub shots: usize,
    /// How many answers were right, byte for byte.
    pub right: usize,
    /// Of how many that fit the context.
    pub of: usize,
}

impl Measured {
    /// From 0 to 1; 0 where nothing fits the context.
    pub fn share(self) -> f64 {
        self.right as f64 / self.of.max(1) as f64
    }
}

/// The figures of a task of the program on the built-in model; none where it has no answers to compare with.
pub fn measured(task: &str) -> Option<Measured> {
    TABLE.get(task).copied()
}

#[derive(Deserialize, Default)]
struct Report {
    results: Vec<Figures>,
}

#[derive(Deserialize)]
struct Figures {
    task: String,
    shots: usize,
    exact_match: Rate,
}

#[derive(Deserialize)]
struct Rate {
    right: usize,
    of: usize,
}

// A test reads the file and measures it again; what a file that cannot be read leaves out is only the figures.
static TABLE: LazyLock<HashMap<String, Measured>> = LazyLock::new(|| {
    let report: Report = serde_json::from_str(include_str!("../../assets/builtin-tasks.json")).unwrap_or_default();
    let row = |Figures { task, shots, exact_match: Rate { right, of } }| (task, Measured { shots, right, of });
    report.results.into_iter().map(row).collect()
});
