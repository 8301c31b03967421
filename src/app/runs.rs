//! Generations: the current one or the last one, the one that waits, and the continuations to choose from.

use super::change::Watched;
use super::run::Run;
use super::samples::Batch;
use crate::engine::{GenerateRequest, JobId};

/// Which seed a run takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeding {
    /// The one that is set, or a random one.
    AsSet,
    /// A random one.
    New,
    /// The one of the last run.
    Same,
}

/// A generation that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    /// Its seed.
    pub(super) seeding: Seeding,
    /// How much is wanted.
    pub(super) extent: Extent,
}

/// How much a generation is to bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// As many tokens and continuations as are set.
    AsSet,
    /// One token of one continuation.
    Token,
    /// A continuation at each of several temperatures.
    Sweep,
}

/// Generations.
#[derive(Debug, Default)]
pub struct Runs {
    /// The current generation, or the last one.
    pub current: Watched<Option<Run>>,
    /// The continuations to choose from, while they are shown.
    pub batch: Watched<Option<Batch>>,
    /// What the last run was asked.
    pub(super) request: Option<(JobId, GenerateRequest)>,
    /// The batch that one continuation was taken from, and which.
    pub(super) taken: Option<(Batch, usize)>,
    /// A generation that waits for a model or for ids.
    pub(super) queued: Watched<Option<Wish>>,
}

impl Runs {
    /// Whether a generation waits, began, sampled, ended or went since this was called last.
    pub(super) fn take_changed(&mut self) -> bool {
        // All three are asked: each forgets that it has changed.
        self.current.take_changed() | self.batch.take_changed() | self.queued.take_changed()
    }
}
