//! `kshot generate` and `kshot replay`: where a prompt comes from, and what is made of it.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::SamplingFlags;
use super::models::ModelArg;
use super::values::{count, stop_string};

/// What tokens can be printed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PageFormat {
    /// One line a token: position, id, text, author, log-probability, rank, entropy
    Csv,
    /// The text, and a table of its tokens
    #[value(alias = "md")]
    Markdown,
    /// A page with probability colours
    Html,
}

impl From<PageFormat> for kshot::export::Format {
    fn from(format: PageFormat) -> Self {
        match format {
            PageFormat::Csv => Self::Csv,
            PageFormat::Markdown => Self::Markdown,
            PageFormat::Html => Self::Html,
        }
    }
}

/// Where a prompt comes from.
#[derive(Debug, Clone, Args)]
pub(crate) struct PromptArgs {
    /// The prompt. Piped stdin is put after it, with a newline between
    #[arg(value_name = "TEXT", conflicts_with_all = ["prompt", "file", "ids"])]
    pub(crate) text: Option<String>,

    /// The prompt, where it may begin with a `-`
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with_all = ["file", "ids"])]
    pub(crate) prompt: Option<String>,

    /// Read the prompt from a file, `-` for stdin
    #[arg(short, long, value_name = "FILE", conflicts_with = "ids")]
    pub(crate) file: Option<PathBuf>,

    /// The prompt as token ids, e.g. 15496,11,995
    #[arg(long = "prompt-ids", value_name = "LIST", value_delimiter = ',')]
    pub(crate) ids: Option<Vec<u32>>,

    /// Keep a newline at the end of stdin or of the file; without this the last one is dropped
    #[arg(long)]
    pub(crate) keep_newline: bool,

    /// Read special tokens such as <|endoftext|> in the prompt as plain text
    #[arg(long)]
    pub(crate) no_special: bool,

    /// A few-shot task builds the prompt: one of the library (see `kshot prompts list`) or a YAML file
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "ids", help_heading = "Few-shot")]
    pub(crate) task: Option<String>,

    /// How many examples the prompt shows [default: the task's own number]
    #[arg(short = 'k', long, value_name = "K", requires = "task", help_heading = "Few-shot", value_parser = count(0..=10_000))]
    pub(crate) shots: Option<usize>,

    /// The query of the task; without it what TEXT, -p, -f or stdin give, or else the task's first
    #[arg(long, value_name = "TEXT", requires = "task", allow_hyphen_values = true, help_heading = "Few-shot",
        conflicts_with_all = ["text", "prompt", "file"])]
    pub(crate) query: Option<String>,
}

/// Print the continuation of a prompt, token by token
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("report").multiple(true)))]
#[command(after_help = "Examples:
  kshot generate 'Once upon a time'
  kshot generate -m openai-community/gpt2 -p 'The meaning of life is' -n 40
  kshot generate -m openai-community/gpt2 -f prompt.txt --temp 0 --stop '\\n\\n'
  cat article.txt | kshot generate -m ./checkpoint -p 'Summary of the article below.'
  kshot generate -m openai-community/gpt2 --task translation-zh --shots 3 --query 'I love books'
  kshot generate -m openai-community/gpt2 -p Hello --seed 7 --logprobs 5 --json
  kshot generate -p 'sun ->' --best-of 8 --trace sun.json && kshot replay sun.json

The prompt is TEXT, a file, or stdin. With TEXT and a piped stdin the prompt is TEXT, a newline, and what stdin holds.
The newline that `echo` and editors put at the end of a pipe or a file is dropped, as the shell's $(...) does; a model would
begin a new line after it. --keep-newline keeps it. Nothing else is added or stripped.
On a terminal, control characters of the model's text are shown as symbols; a pipe or file gets the bytes as they are.
The same seed gives the same text with the same build and number of threads.")]
pub(crate) struct GenerateArgs {
    #[command(flatten)]
    pub(crate) model: ModelArg,

    #[command(flatten)]
    pub(crate) prompt: PromptArgs,

    /// Stop before this string; may be given several times. \n \t \r \\ and \xHH are escapes
    #[arg(long, value_name = "STR", allow_hyphen_values = true, value_parser = stop_string)]
    pub(crate) stop: Vec<String>,

    /// Go on after a token that ends the text (any that the checkpoint names, e.g. <|endoftext|>)
    #[arg(long)]
    pub(crate) ignore_eos: bool,

    /// Of several samples, print this one, counted from 1
    #[arg(long, value_name = "I")]
    pub(crate) pick: Option<NonZeroUsize>,

    /// Sample K continuations and print the one with the largest mean log-probability
    #[arg(long, value_name = "K", conflicts_with_all = ["samples", "pick"], value_parser = count(1..=10_000))]
    pub(crate) best_of: Option<usize>,

    /// One continuation at each of these temperatures, as one batch, in the place of --samples and --temp
    #[arg(long, value_name = "T,...", value_delimiter = ',', conflicts_with_all = ["samples", "best_of"])]
    pub(crate) temperatures: Vec<f64>,

    /// With --json or --trace, describe each step with this many of the model's top candidates [in a trace: 20]
    #[arg(long, value_name = "N", requires = "report", value_parser = count(0..=100_000))]
    pub(crate) logprobs: Option<usize>,

    /// Print one JSON object at the end
    #[arg(long, group = "report")]
    pub(crate) json: bool,

    /// Print prompt and continuation as a table or a page at the end, a token with its probability
    #[arg(long, value_name = "FORMAT", value_enum, conflicts_with = "json")]
    pub(crate) format: Option<PageFormat>,

    /// Write a trace, which `kshot replay` runs again: prompt, settings, seed, and each token with its probabilities
    #[arg(long, value_name = "FILE", group = "report")]
    pub(crate) trace: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) sampling: SamplingFlags,
}

/// Run a trace again and compare: the same tokens, the same probabilities
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kshot generate -p 'Once upon a time' --seed 7 --trace once.json
  kshot replay once.json
  kshot replay once.json -m ./checkpoint

The model is the one that the trace names, or -m; its weights have to have the hashes in the trace. On the same build,
processor and number of threads all figures have to be equal bit for bit; elsewhere the tokens have to be the same and
their log-probabilities within 0.001, and what differs is said. Exit code 1 with the first difference.")]
pub(crate) struct ReplayArgs {
    /// The trace, `-` for stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) model: ModelArg,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
