//! Commands to the training thread and its events. Each names its job; the receiver drops late events of a stopped job.

use std::path::PathBuf;

use super::finetune::{FinetuneStep, Form, Outcome};
use super::{Induction, Recipe, StepReport};
use crate::engine::{CancelToken, JobId};
use crate::files::Files;

/// What the training thread is told.
#[derive(Debug, Clone)]
pub enum Command {
    /// Begin a run; a run under way is stopped and saved first. The token cancels the step, or what takes longer.
    Start(JobId, Box<Plan>, CancelToken),
    /// Wait after the current step.
    Pause(JobId),
    /// Resume it.
    Resume(JobId),
    /// Save the run and leave it.
    Stop(JobId),
    /// Save the run and continue.
    Save(JobId),
}

/// A run to begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The name of its folder among the runs.
    pub name: String,
    /// What is done.
    pub work: Work,
    /// Where it begins.
    pub begin: Begin,
}

/// What a run does.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Pre-training (GPT-1 paper, eq. 1).
    Pretrain {
        /// Everything it depends on.
        recipe: Recipe,
        /// What it learns from, where the recipe wants a text.
        text: String,
    },
    /// Fine-tuning on the first bundled data set (GPT-1 paper, eq. 5): one run for each λ, step by step beside each other.
    Finetune {
        /// What the pre-trained model is called.
        model: String,
        /// Where its files are.
        files: Files,
        /// The λs; the last one's classifier is saved.
        lambdas: Vec<f64>,
    },
}

/// Where a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// Where the newest unfinished run of that name and recipe was left, if there is one.
    WhereItWasLeft,
    /// At fresh weights, in a folder of its own.
    Afresh,
}

/// What the training thread says.
#[derive(Debug, Clone)]
pub enum Event {
    /// The run has its data and weights; the first step is next.
    Started(JobId, Box<Facts>),
    /// A step was done.
    Step(JobId, StepReport),
    /// What the model writes after that many steps.
    Sample(JobId, u64, Vec<String>),
    /// How far copying is after that many steps.
    Induction(JobId, u64, Box<Induction>),
    /// Answers that were right after that many steps.
    Shots(JobId, u64, Vec<Shots>),
    /// A fine-tuning has its examples and weights; the first step is next.
    Tuning(JobId, Box<TuneFacts>),
    /// The fine-tuning with the λ at this place did a step.
    Tuned(JobId, usize, FinetuneStep),
    /// The run's folder holds the state after that many steps.
    Saved(JobId, u64, PathBuf),
    /// It was stopped; nothing more is said of it.
    Stopped(JobId),
    /// Its last step is done and saved; nothing more is said of it.
    Finished(JobId),
    /// It failed, and why; nothing more is said of it.
    Failed(JobId, String),
}

impl Event {
    /// The job that it is about.
    pub fn job(&self) -> JobId {
        match self {
            Self::Started(job, _)
            | Self::Step(job, _)
            | Self::Sample(job, ..)
            | Self::Induction(job, ..)
            | Self::Shots(job, ..)
            | Self::Tuning(job, _)
            | Self::Tuned(job, ..)
            | Self::Saved(job, ..)
            | Self::Stopped(job)
            | Self::Finished(job)
            | Self::Failed(job, _) => *job,
        }
    }
}

/// What is known before the first step.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Where it is saved.
    pub folder: PathBuf,
    /// Weights of the model.
    pub parameters: u64,
    /// Entries of its vocabulary.
    pub vocab: usize,
    /// The steps that were done before.
    pub curve: Vec<StepReport>,
}

/// What is known of a fine-tuning before its first step.
#[derive(Debug, Clone, PartialEq)]
pub struct TuneFacts {
    /// Where the classifier is saved.
    pub folder: PathBuf,
    /// Weights of the model and the head.
    pub parameters: u64,
    /// Whether the head alone is trained.
    pub head_only: bool,
    /// The form of the examples.
    pub form: Form,
    /// Their labels.
    pub labels: Vec<String>,
    /// Examples to learn from.
    pub examples: usize,
    /// Updates in all.
    pub steps: u64,
    /// How the held-out examples are classified before the first update.
    pub before: Outcome,
    /// How logistic regression on bags of words classifies them.
    pub baseline: Option<Outcome>,
}

/// How often a suite was answered right at a number of examples.
#[derive(Debug, Clone, PartialEq)]
pub struct Shots {
    /// The suite's name.
    pub suite: &'static str,
    /// Examples in the prompt.
    pub shots: usize,
    /// Right answers.
    pub right: u64,
    /// Questions.
    pub asked: u64,
}
