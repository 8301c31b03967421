//! `kshot bench` and `kshot doctor`: what runs here, how fast, and whether it is right.

use std::path::PathBuf;

use clap::Args;

use super::models::ModelArg;
use super::values::count;

/// Measure load time, time to first token, prefill and decode speed
#[derive(Debug, Args)]
#[command(after_help = "Example:
  kshot bench -m openai-community/gpt2 -p 512 -n 128 --json

Decoding is greedy and does not end at <|endoftext|>. Speeds are medians over the rounds; the time to the first token
counts from the start of the process and includes the load and a prefill of -p tokens. The decode speed is that of the
tokens after the first of each sequence, which comes out of the prefill.

--quality measures what other dtypes cost against f32: the divergence KL(f32 ‖ dtype) of the next token in nats, how often
both think the same token the likeliest, and the ratio of the perplexities, over a text that is read in windows of the
context (as llama.cpp's --kl-divergence). --probe measures the machine: memory read by all threads in several ways, and
multiply-adds in registers.
  kshot bench -m openai-community/gpt2 --quality -f essay.txt
  kshot bench --probe")]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) model: ModelArg,

    /// Tokens of the prompt [default: 512, or three quarters of a smaller context]
    #[arg(short, long, value_name = "N", value_parser = count(1..=1_000_000))]
    pub(crate) prefill: Option<usize>,

    /// Tokens to decode [default: 128, or a quarter of a smaller context]
    #[arg(short = 'n', long, value_name = "N", value_parser = count(1..=1_000_000))]
    pub(crate) decode: Option<usize>,

    /// How often to measure
    #[arg(long, value_name = "N", default_value = "3", value_parser = count(1..=1_000))]
    pub(crate) rounds: usize,

    /// Sequences that are decoded side by side from one prompt; the speed is that of all together
    #[arg(long, value_name = "N", default_value = "1", value_parser = count(1..=10_000))]
    pub(crate) sequences: usize,

    /// Measure scoring too: the prompt with the log-probabilities and 512 candidates of every position
    #[arg(long)]
    pub(crate) score: bool,

    /// Measure what dtypes cost against f32: --dtype, or all of them where it is f32
    #[arg(long, conflicts_with_all = ["probe", "score", "sequences"])]
    pub(crate) quality: bool,

    /// With --quality: the text, `-` for stdin [default: documents that the built-in model has not seen]
    #[arg(short, long, value_name = "FILE", requires = "quality")]
    pub(crate) file: Option<PathBuf>,

    /// With --quality: tokens of the text to read at most
    #[arg(long, value_name = "N", default_value = "4096", requires = "quality", value_parser = count(1..=100_000_000))]
    pub(crate) tokens: usize,

    /// Measure the machine instead of a model
    #[arg(long)]
    pub(crate) probe: bool,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Check this installation, and that a model computes what it should
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kshot doctor
  kshot doctor -m openai-community/gpt2

Paste the output into a bug report; tokens and the like are left out of it. A failed check makes the exit code 1.")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) model: ModelArg,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
