//! `kshot prompts`: the few-shot library.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::values::count;

/// List and show the few-shot tasks
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct PromptsArgs {
    #[command(subcommand)]
    pub(crate) command: PromptsCommand,
}

/// What can be done with the prompt library.
#[derive(Debug, Subcommand)]
pub(crate) enum PromptsCommand {
    /// All tasks, the built-in ones and the user's
    List {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// The prompts saved in the playground under a name, or the text of one
    #[command(after_help = "Example:\n  kshot prompts saved 'sea words' | kshot generate -n 20")]
    Saved {
        /// The name of one: its text is printed
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Add examples from a table to a task, as a task file of your own
    #[command(after_help = "Example:
  kshot prompts import words.tsv --task translation-zh

A CSV or TSV file names the task's fields in its first line, a JSONL file has them in each object. A built-in task and one
that was edited before keep their name; of a file that you wrote a task NAME-edited is made, and your file stays.")]
    Import {
        /// The file: .csv, .tsv or .jsonl
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The task
        #[arg(long, value_name = "NAME")]
        task: String,
        /// Instead of its own examples, not behind them
        #[arg(long)]
        replace: bool,
    },
    /// The prompt that a task builds
    #[command(after_help = "Examples:
  kshot prompts show translation-zh --shots 3 --query 'I love books'
  kshot prompts show ./my-task.yaml")]
    Show {
        /// The task: a name of the library, or a YAML file
        #[arg(value_name = "NAME|FILE")]
        name: String,
        /// How many examples to show [default: the task's own number]
        #[arg(short = 'k', long, value_name = "K", value_parser = count(0..=10_000))]
        shots: Option<usize>,
        /// The query [default: the task's first]
        #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
        query: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}
