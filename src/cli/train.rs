//! `kshot train`: the shape of a model and the settings of its run.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::values::{count, number, steps};

/// Train a small GPT from nothing
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kshot train shakespeare.txt -o runs/shakespeare         a character model, nanoGPT's recipe for a laptop
  kshot train texts/ --vocabulary bpe --vocab 2000 -o runs/texts
  kshot train --preset copy                               two attention-only layers learn to copy
  kshot train --preset builtin -o runs/builtin            the model inside kshot
  kshot -m runs/shakespeare                               open the result in the playground

The same command goes on from the last checkpoint in the folder, exactly: after Ctrl+C, a crash or a kill. The folder is
a Hugging Face checkpoint (config.json, model.safetensors, tokenizer.json) beside the state of the run. The same recipe
on the same kind of processor, build and number of threads gives the same weights, bit for bit.")]
pub(crate) struct TrainArgs {
    /// Text to train on: files, folders of .txt, .md and .jsonl, or .jsonl with one document a line
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Where the run is kept
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,

    /// The recipe to start from [default: characters with files, else builtin]
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,

    /// At the end, write the checkpoint with 16-bit weights here
    #[arg(long, value_name = "FOLDER")]
    pub(crate) export: Option<PathBuf>,

    /// The field of a .jsonl line that holds the text
    #[arg(long, value_name = "NAME", default_value = "text")]
    pub(crate) field: String,

    /// Print one JSON object a step
    #[arg(long)]
    pub(crate) json: bool,

    /// Blocks
    #[arg(long, value_name = "N", help_heading = "Model", value_parser = count(1..=1_000))]
    pub(crate) layers: Option<usize>,

    /// Attention heads a block
    #[arg(long, value_name = "N", help_heading = "Model", value_parser = count(1..=1_000))]
    pub(crate) heads: Option<usize>,

    /// Width of the residual stream; the MLP's grows with it
    #[arg(long, value_name = "N", help_heading = "Model", value_parser = count(1..=65_536))]
    pub(crate) width: Option<usize>,

    /// Width of the MLP; 0 for attention only
    #[arg(long, value_name = "N", help_heading = "Model", value_parser = count(0..=1_000_000))]
    pub(crate) inner: Option<usize>,

    /// k: tokens of a window
    #[arg(long, value_name = "K", help_heading = "Model", value_parser = count(2..=1_000_000))]
    pub(crate) context: Option<usize>,

    /// How text is cut into tokens
    #[arg(long, value_name = "KIND", value_enum, help_heading = "Model")]
    pub(crate) vocabulary: Option<VocabularyKind>,

    /// Most entries of the vocabulary (bpe: exactly as many)
    #[arg(long, value_name = "N", requires = "vocabulary", help_heading = "Model", value_parser = count(2..=1_000_000))]
    pub(crate) vocab: Option<usize>,

    /// Sequences that run at once
    #[arg(long, value_name = "N", help_heading = "Optimiser", value_parser = count(1..=10_000))]
    pub(crate) batch: Option<usize>,

    /// Batches a step, their gradients added up
    #[arg(long, value_name = "N", help_heading = "Optimiser", value_parser = count(1..=10_000))]
    pub(crate) accumulate: Option<usize>,

    /// Updates in all
    #[arg(long, value_name = "N", help_heading = "Optimiser", value_parser = steps(1))]
    pub(crate) steps: Option<u64>,

    /// Largest learning rate
    #[arg(long, value_name = "RATE", help_heading = "Optimiser", value_parser = |text: &str| number(text, 0.0, 1e30))]
    pub(crate) lr: Option<f64>,

    /// Steps over which the learning rate rises
    #[arg(long, value_name = "N", help_heading = "Optimiser", value_parser = steps(0))]
    pub(crate) warmup: Option<u64>,

    /// The learning rate falls along a cosine to this share of the largest
    #[arg(long, value_name = "SHARE", help_heading = "Optimiser")]
    pub(crate) lr_floor: Option<f64>,

    /// Decoupled weight decay, of matrices only
    #[arg(long, value_name = "RATE", help_heading = "Optimiser")]
    pub(crate) weight_decay: Option<f64>,

    /// Largest norm of the gradients; 0 for no limit
    #[arg(long, value_name = "NORM", help_heading = "Optimiser")]
    pub(crate) clip: Option<f64>,

    /// Dropout rate
    #[arg(long, value_name = "RATE", help_heading = "Optimiser")]
    pub(crate) dropout: Option<f64>,

    /// Seed of weights, batches and dropout
    #[arg(short, long, value_name = "SEED", help_heading = "Optimiser")]
    pub(crate) seed: Option<u64>,

    /// Steps between validations; 0 for none
    #[arg(long, value_name = "N", help_heading = "Optimiser", value_parser = steps(0))]
    pub(crate) validate_every: Option<u64>,

    /// Steps between checkpoints; 0 for one at the end only
    #[arg(long, value_name = "N", help_heading = "Optimiser", value_parser = steps(0))]
    pub(crate) save_every: Option<u64>,
}

/// Kinds of vocabulary that can be learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VocabularyKind {
    /// Byte-level byte pair encoding, as in GPT-2
    Bpe,
    /// One token a character
    Characters,
    /// Whole words, and bytes for the rest
    Words,
}
