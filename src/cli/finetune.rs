//! `kshot finetune` and `kshot classify`.

use std::path::PathBuf;

use clap::Args;

use super::models::ModelArg;
use super::values::{count, form, number};

/// Fine-tune a model to classify texts, as GPT-1 did
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kshot finetune -m ./checkpoint --task sentiment
  kshot finetune -m ./checkpoint --task sentiment --lambda 0,0.5
  kshot finetune -m openai-community/gpt2 --train pairs.tsv --test held-out.tsv --form entailment -o ./classifier

A file has one example a line: label<TAB>text, label<TAB>text<TAB>text2, for multiple choice
label<TAB>text<TAB>choice<TAB>choice...; or JSONL with label, text, text2, choices. The label of a multiple choice is the
right choice or its number from 0. Without --test every tenth example is held out.
Models of more than 20 million parameters have only their head trained, on hidden states that are computed once;
--whole trains everything. The same seed gives the same curve with the same build and number of threads.")]
pub(crate) struct FinetuneArgs {
    #[command(flatten)]
    pub(crate) model: ModelArg,

    /// A data set that is inside kshot: sentiment
    #[arg(long, value_name = "NAME", conflicts_with = "train", required_unless_present = "train")]
    pub(crate) task: Option<String>,

    /// Examples to learn from, TSV or JSONL
    #[arg(long, value_name = "FILE")]
    pub(crate) train: Option<PathBuf>,

    /// Examples to measure on
    #[arg(long, value_name = "FILE", requires = "train")]
    pub(crate) test: Option<PathBuf>,

    /// What an example is: classification, entailment, similarity, multiple-choice
    #[arg(long, value_name = "FORM", default_value = "classification", conflicts_with = "task", value_parser = form)]
    pub(crate) form: kshot::train::finetune::Form,

    /// How much the language-model loss counts; several values run side by side
    #[arg(long, value_name = "LIST", default_value = "0.5", value_delimiter = ',', value_parser = |text: &str| number(text, 0.0, 1e6))]
    pub(crate) lambda: Vec<f64>,

    /// Largest learning rate [default: 6.25e-5 as in GPT-1, more for small models]
    #[arg(long, value_name = "RATE")]
    pub(crate) lr: Option<f64>,

    /// Examples of an update
    #[arg(long, value_name = "N", default_value = "32", value_parser = count(1..=10_000))]
    pub(crate) batch: usize,

    /// How often each example is seen [default: 3 as in GPT-1, more for the head alone]
    #[arg(long, value_name = "N", value_parser = count(1..=10_000))]
    pub(crate) epochs: Option<usize>,

    /// Dropout rate inside the model and of the head's input
    #[arg(long, value_name = "RATE", default_value_t = 0.1, value_parser = |text: &str| number(text, 0.0, 0.99))]
    pub(crate) dropout: f64,

    /// Seed of the head, the new embeddings, the order and dropout
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Train the head alone
    #[arg(long, conflicts_with = "whole")]
    pub(crate) head_only: bool,

    /// Train the whole model however big it is
    #[arg(long)]
    pub(crate) whole: bool,

    /// Save the classifier in this folder, for `kshot classify`
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,

    /// Print one JSON object for each update, and one at the end
    #[arg(long)]
    pub(crate) json: bool,
}

/// Classify texts with a model that `kshot finetune` made
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kshot classify -m ./classifier 'What a lovely day'
  kshot classify -m ./pairs 'A man is asleep.' 'A man runs.'
  kshot classify -m ./classifier --json < lines.txt

Without TEXT each line of stdin is classified; its texts stand between tabs.")]
pub(crate) struct ClassifyArgs {
    /// The folder of the classifier
    #[arg(short, long, value_name = "FOLDER", env = "KSHOT_MODEL", hide_env_values = true)]
    pub(crate) model: Option<String>,

    /// The text; then the second text, or the choices
    #[arg(value_name = "TEXT")]
    pub(crate) texts: Vec<String>,

    /// Print one JSON object for each
    #[arg(long)]
    pub(crate) json: bool,
}
