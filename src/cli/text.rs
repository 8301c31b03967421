//! `kshot score` and `kshot tokens`: a text that is measured as it is.

use std::path::PathBuf;

use clap::Args;

use super::generate::PageFormat;
use super::models::ModelArg;
use super::values::count;

/// Where a text comes from: an argument, a file or stdin.
#[derive(Debug, Clone, Args)]
pub(crate) struct TextArgs {
    /// The text; stdin is read where neither TEXT nor a file is given
    #[arg(value_name = "TEXT", conflicts_with = "file", allow_hyphen_values = true)]
    pub(crate) text: Option<String>,

    /// Read the text from a file, `-` for stdin
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// Score a text: log-probability, rank and entropy of each token
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kshot score -m openai-community/gpt2 'The cat sat on the mat'
  kshot score -m openai-community/gpt2 -f essay.txt --bos --json
  printf %s 'Paris is the capital of' | kshot score -m ./checkpoint --top 5
  kshot score -f essay.txt --format html > essay.html

The text is taken as it is: no character is added, stripped or changed. A text longer than the context is scored in
rolling windows. Without --bos the first token has nothing before it and gets no score.")]
pub(crate) struct ScoreArgs {
    #[command(flatten)]
    pub(crate) model: ModelArg,

    #[command(flatten)]
    pub(crate) text: TextArgs,

    /// Show this many likely next tokens
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = count(0..=100_000))]
    pub(crate) top: usize,

    /// Put the start token (bos, else <|endoftext|>) in front, so that the first token is scored too
    #[arg(long)]
    pub(crate) bos: bool,

    /// Read special tokens such as <|endoftext|> in the text as plain text
    #[arg(long)]
    pub(crate) no_special: bool,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,

    /// Print a table or a page of the tokens instead
    #[arg(long, value_name = "FORMAT", value_enum, conflicts_with = "json")]
    pub(crate) format: Option<PageFormat>,
}

/// Show how a text is cut into tokens: ids, bytes and boundaries
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kshot tokens -m openai-community/gpt2 'Hello, world'
  kshot tokens -m openai-community/gpt2 -f prompt.txt --json

Only the tokenizer files are needed, not the weights.")]
pub(crate) struct TokensArgs {
    /// The model whose tokenizer is used: a hub id, a folder or `built-in` [default: built-in]
    #[arg(short, long, value_name = "MODEL", env = "KSHOT_MODEL", hide_env_values = true)]
    pub(crate) model: Option<String>,

    #[command(flatten)]
    pub(crate) text: TextArgs,

    /// Read special tokens such as <|endoftext|> as plain text
    #[arg(long)]
    pub(crate) no_special: bool,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
