use std::path::PathBuf;

use crate::engine::EngineError;
use crate::model::ModelError;
use crate::prompt::{Origin, Task, TaskError};
use crate::sampling::SamplingError;
use crate::text::TextError;

/// What can go wrong in an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// There is no suite of that name.
    #[error("there is no suite {name:?}; {}the suites are {}", match nearest { Some(n) => format!("did you mean {n}? "), None => String::new() }, known.join(", "))]
    UnknownSuite {
        /// The name that was given.
        name: String,
        /// The suite whose name is nearest to it, if one is near.
        nearest: Option<&'static str>,
        /// All names.
        known: Vec<&'static str>,
    },
    /// A task that has no answers to compare with.
    #[error("task {task}: no document that is asked has its answer, so there is nothing to compare with{}", match samples { 0 => String::new(), n => format!("; its {n} samples can be asked too, each left out of its own prompt") })]
    NothingToAsk {
        /// The task.
        task: String,
        /// How many samples it has.
        samples: usize,
    },
    /// A task file that wants figures which are not computed.
    #[error("{place}: {reason}")]
    OtherScoring {
        /// The file, with the line.
        place: String,
        /// What is not computed, and what works.
        reason: String,
    },
    /// A task whose answers never end.
    #[error("task {task} names nothing that ends an answer (generation_kwargs.until); an exact match means nothing")]
    NoTerminator {
        /// The task.
        task: String,
    },
    /// More examples were asked for than a task has.
    #[error("{shots} shots: task {task} has examples for at most {most} (an item is never an example of itself)")]
    TooManyShots {
        /// The task.
        task: String,
        /// What was asked for.
        shots: usize,
        /// What there is.
        most: usize,
    },
    /// An item of a task cannot be rendered.
    #[error("item {item} of task {task}: {source}")]
    Task {
        /// The task.
        task: String,
        /// The item.
        item: usize,
        /// Why.
        source: TaskError,
    },
    /// A file could not be read or written.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is no regular file, or is too large.
    #[error(transparent)]
    Read(#[from] crate::disk::ReadError),
    /// The file to resume from is something else.
    #[error("{} is no results file of kshot eval; it is left as it is. Name another file", path.display())]
    NotResults {
        /// The file.
        path: PathBuf,
    },
    /// The file to resume from belongs to another run.
    #[error("{} was begun with another protocol; name another file. {}", path.display(), differences.join("; "))]
    OtherProtocol {
        /// The file.
        path: PathBuf,
        /// What differs, each as `key: here, there`.
        differences: Vec<String>,
    },
    /// A line of the results file that is no result.
    #[error("{}:{line}: not a result: {reason}", path.display())]
    BadLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The results file answers another question under the same number.
    #[error("{}: item {item} of {task} at {shots} shots is another question now (the task or its generator has changed); name another file", path.display())]
    OtherQuestion {
        /// The file.
        path: PathBuf,
        /// The task.
        task: String,
        /// Its shots.
        shots: usize,
        /// The item.
        item: usize,
    },
    /// Another process writes the results file.
    #[error("{} is being written by another kshot eval", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The tokenizer failed.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The model failed, or the run was stopped.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl EvalError {
    /// A task whose file wants other figures than those that are computed.
    pub(super) fn scoring(task: &Task, why: TaskError) -> Self {
        let file = match &task.origin {
            Origin::File(path) => path.display().to_string(),
            Origin::BuiltIn => format!("task {}", task.name),
        };
        let place = why.line.map_or(file.clone(), |line| format!("{file}:{line}"));
        Self::OtherScoring { place, reason: why.reason }
    }

    /// Whether the run ended because it was stopped.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Engine(error) if error.is_cancelled())
    }
}

impl From<ModelError> for EvalError {
    fn from(error: ModelError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<SamplingError> for EvalError {
    fn from(error: SamplingError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<candle_core::Error> for EvalError {
    fn from(error: candle_core::Error) -> Self {
        Self::Engine(error.into())
    }
}
