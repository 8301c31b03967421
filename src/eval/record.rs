//! What became of one item: a line of the results file.

use serde::{Deserialize, Serialize};

use super::Kind;

/// One item and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Whether a suite or a task was asked.
    pub kind: Kind,
    /// Its name.
    pub task: String,
    /// Examples in the prompt.
    pub shots: usize,
    /// Number of the item.
    pub item: usize,
    /// [`super::Question::digest`] of what was asked.
    pub question: String,
    /// What the model read.
    pub prompt: String,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// The right continuation.
    pub target: String,
    /// What the model did.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What the model did with an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Prompt and longest answer do not fit the context: nothing was run.
    TooLong {
        /// Tokens of both.
        tokens: usize,
        /// Positions of the model.
        context: usize,
    },
    /// It answered.
    Answered(Answer),
}

/// A greedy answer, and what the model thinks of the choices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What it wrote, without what ended it. Where that is not a terminator, the text is only its beginning.
    pub text: String,
    /// What ended it.
    pub ended: Ended,
    /// Whether it is the target, byte for byte, and ended.
    pub exact: bool,
    /// Whether it is one of the choices, byte for byte, and ended; none where there is no choice.
    pub valid: Option<bool>,
    /// The choice by log-probability; none where the target is not among them, or alone.
    pub choice: Option<Choice>,
}

/// What ended an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// A terminator.
    Terminator,
    /// `<|endoftext|>`.
    EndOfText,
    /// It is longer than any answer that could count, and was not followed further.
    Longer,
    /// The context is full.
    Context,
}

/// The log-probability of each choice as the continuation of the prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Whether the right one has the largest sum.
    pub right: bool,
    /// Whether the right one has the largest mean for each token.
    pub right_mean: bool,
    /// Sum of natural-log probabilities of each choice, in the order of the item.
    pub logprobs: Vec<f64>,
    /// Tokens of each choice.
    pub tokens: Vec<usize>,
}
