//! The arguments of each subcommand.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, Subcommand, ValueEnum};
use clap_complete::Shell;
use kshot::model::{Device, DtypeChoice};
use kshot::ui::theme::ThemeChoice;

use super::SamplingFlags;

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

/// The model of a command.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelArg {
    /// The model: a hub id (org/name[@revision]), a folder or `built-in` [default: built-in]
    #[arg(short = 'm', long = "model", value_name = "MODEL", env = "KSHOT_MODEL", hide_env_values = true)]
    pub(crate) name: Option<String>,

    /// The device to compute on: cpu, or cuda:N (an NVIDIA GPU, in a build with the feature cuda)
    #[arg(long, value_name = "DEVICE", default_value = "cpu", env = "KSHOT_DEVICE", hide_env_values = true)]
    pub(crate) device: Device,

    /// How the weights are kept in memory: f32, bf16, f16, q8_0, q4_0, or auto, which suits the model and the machine
    #[arg(long, value_name = "DTYPE", default_value = "f32", env = "KSHOT_DTYPE", hide_env_values = true)]
    pub(crate) dtype: DtypeChoice,
}

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

/// Where a prompt comes from.
#[derive(Debug, Clone, Args)]
pub(crate) struct PromptArgs {
    /// The prompt. Piped stdin is put after it, with a newline between
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with_all = ["file", "ids"])]
    pub(crate) prompt: Option<String>,

    /// Read the prompt from a file, `-` for stdin
    #[arg(short, long, value_name = "FILE", conflicts_with = "ids")]
    pub(crate) file: Option<PathBuf>,

    /// The prompt as token ids, e.g. 15496,11,995
    #[arg(long = "prompt-ids", value_name = "LIST", value_delimiter = ',')]
    pub(crate) ids: Option<Vec<u32>>,

    /// Read special tokens such as <|endoftext|> in the prompt as plain text
    #[arg(long)]
    pub(crate) no_special: bool,

    /// A few-shot task of the library builds the prompt (see `kshot prompts list`)
    #[arg(long, value_name = "NAME", conflicts_with = "ids", help_heading = "Few-shot")]
    pub(crate) task: Option<String>,

    /// How many examples the prompt shows [default: the task's own number]
    #[arg(short = 'k', long, value_name = "K", requires = "task", help_heading = "Few-shot")]
    pub(crate) shots: Option<usize>,

    /// The query of the task; without it what -p, -f or stdin give, or else the task's first
    #[arg(long, value_name = "TEXT", requires = "task", allow_hyphen_values = true, help_heading = "Few-shot",
        conflicts_with_all = ["prompt", "file"])]
    pub(crate) query: Option<String>,
}

/// Print the continuation of a prompt, token by token
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("report").multiple(true)))]
#[command(after_help = "Examples:
  kshot generate -m openai-community/gpt2 -p 'The meaning of life is' -n 40
  kshot generate -m openai-community/gpt2 -f prompt.txt --temp 0 --stop '\\n\\n'
  cat article.txt | kshot generate -m ./checkpoint -p 'Summary of the article below.'
  kshot generate -m openai-community/gpt2 --task translation-zh --shots 3 --query 'I love books'
  kshot generate -m openai-community/gpt2 -p Hello --seed 7 --logprobs 5 --json
  kshot generate -p 'sun ->' --best-of 8 --trace sun.json && kshot replay sun.json

The prompt is -p TEXT, a file, or stdin. With -p and a piped stdin the prompt is TEXT, a newline, and what stdin holds.
Nothing is added to it or stripped from it: `printf %s` makes a pipe without a newline at its end.
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
    #[arg(long, value_name = "K", conflicts_with_all = ["samples", "pick"])]
    pub(crate) best_of: Option<NonZeroUsize>,

    /// One continuation at each of these temperatures, as one batch, in the place of --samples and --temp
    #[arg(long, value_name = "T,...", value_delimiter = ',', conflicts_with_all = ["samples", "best_of"])]
    pub(crate) temperatures: Vec<f64>,

    /// With --json or --trace, describe each step with this many of the model's top candidates [in a trace: 20]
    #[arg(long, value_name = "N", requires = "report")]
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
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub(crate) layers: Option<usize>,

    /// Attention heads a block
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub(crate) heads: Option<usize>,

    /// Width of the residual stream; the MLP's grows with it
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub(crate) width: Option<usize>,

    /// Width of the MLP; 0 for attention only
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub(crate) inner: Option<usize>,

    /// k: tokens of a window
    #[arg(long, value_name = "K", help_heading = "Model")]
    pub(crate) context: Option<usize>,

    /// How text is cut into tokens
    #[arg(long, value_name = "KIND", value_enum, help_heading = "Model")]
    pub(crate) vocabulary: Option<VocabularyKind>,

    /// Most entries of the vocabulary (bpe: exactly as many)
    #[arg(long, value_name = "N", requires = "vocabulary", help_heading = "Model")]
    pub(crate) vocab: Option<usize>,

    /// Sequences that run at once
    #[arg(long, value_name = "N", help_heading = "Optimiser")]
    pub(crate) batch: Option<usize>,

    /// Batches a step, their gradients added up
    #[arg(long, value_name = "N", help_heading = "Optimiser")]
    pub(crate) accumulate: Option<usize>,

    /// Updates in all
    #[arg(long, value_name = "N", help_heading = "Optimiser")]
    pub(crate) steps: Option<u64>,

    /// Largest learning rate
    #[arg(long, value_name = "RATE", help_heading = "Optimiser")]
    pub(crate) lr: Option<f64>,

    /// Steps over which the learning rate rises
    #[arg(long, value_name = "N", help_heading = "Optimiser")]
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
    #[arg(long, value_name = "N", help_heading = "Optimiser")]
    pub(crate) validate_every: Option<u64>,

    /// Steps between checkpoints; 0 for one at the end only
    #[arg(long, value_name = "N", help_heading = "Optimiser")]
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
    #[arg(long, value_name = "N", default_value_t = 5)]
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

/// Measure how often a task is answered right, at each number of examples
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kshot eval -m openai-community/gpt2 --task translation-zh --shots 0,1,2,4,8
  kshot eval -m ./checkpoint --suite all --limit 200 --seed 7 --json
  kshot eval -m ./checkpoint --task ./my-task.yaml --suite mapping-2 --resume results.jsonl

Each task at each number of shots has a line of its own: exact match of the greedy answer and, where there are answers to
choose from, the choice by log-probability, and how often the answer is one of them. Nothing is averaged over tasks.
A task file is asked about its queries and examples whose answer is known, none of them an example of itself.
With --resume every item is a line of the file as soon as it is done; the same command goes on where it was stopped,
--shots, --limit and tasks may be more than before, and another model, seed or form of prompt is refused.")]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["task", "suite", "list"])))]
pub(crate) struct EvalArgs {
    #[command(flatten)]
    pub(crate) model: ModelArg,

    /// A few-shot task: a name (see `kshot prompts list`), `all`, or a YAML file; may be given several times
    #[arg(long, value_name = "NAME|FILE", value_delimiter = ',')]
    pub(crate) task: Vec<String>,

    /// A generator of questions, or `all` (see --list); may be given several times
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) suite: Vec<String>,

    /// List the suites
    #[arg(long, conflicts_with_all = ["task", "suite", "resume"])]
    pub(crate) list: bool,

    /// How many examples the prompts show: numbers and ranges, as in 0,1,4..8 [default: 0,1,2,4,8]
    #[arg(short = 'k', long, value_name = "K,K..K")]
    pub(crate) shots: Option<ShotCounts>,

    /// Ask the samples of a task too, each left out of its own prompt, and not its queries alone
    #[arg(long)]
    pub(crate) samples: bool,

    /// Most items of a task at each number of shots
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) limit: NonZeroUsize,

    /// What items, and the order of a task's examples, are drawn from
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Begin every prompt with what is asked [default: tasks do, suites do not]
    #[arg(long, overrides_with = "no_instruction")]
    pub(crate) instruction: bool,

    /// Leave out what is asked
    #[arg(long)]
    pub(crate) no_instruction: bool,

    /// Put the start token (bos, else <|endoftext|>) in front of every prompt
    #[arg(long)]
    pub(crate) bos: bool,

    /// Keep each result in this file and go on from those that are in it
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Numbers of examples, as they are given to -k.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShotCounts(pub(crate) Vec<usize>);

impl std::str::FromStr for ShotCounts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const MOST: usize = 1000;
        let number = |text: &str| match text.trim().parse::<usize>() {
            Ok(number) if number <= MOST => Ok(number),
            Ok(_) => Err(format!("{text}: at most {MOST} examples")),
            Err(_) => Err(format!("{text:?} is no number: give numbers and ranges, as in 0,1,4..8")),
        };
        let mut counts = Vec::new();
        for part in text.split(',') {
            match part.split_once("..") {
                None => counts.push(number(part)?),
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last.trim_start_matches('='))?);
                    if first > last {
                        return Err(format!("{part} begins with the larger number"));
                    }
                    counts.extend(first..=last);
                }
            }
        }
        Ok(Self(counts))
    }
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

/// List, download, check and remove models
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    pub(crate) command: ModelsCommand,
}

/// What can be done with models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// The built-in model, the catalog and the cache: size, memory need, what is here
    List {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Download a model into the cache; goes on where it was stopped
    #[command(after_help = "Example:\n  kshot models pull openai-community/gpt2")]
    Pull(RefArg),
    /// What is known of a model: files, sizes, where they are; of the built-in one also its card
    Info(RefArg),
    /// Check each file of a model against the hash it is named by, or that its card names
    Verify(RefArg),
    /// Remove a model from the cache
    Rm(RefArg),
}

/// The model of a `models` command.
#[derive(Debug, Args)]
pub(crate) struct RefArg {
    /// org/name[@revision]; info and verify take a folder and `built-in` too
    #[arg(value_name = "MODEL")]
    pub(crate) name: String,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

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
    #[command(after_help = "Example:\n  kshot prompts show translation-zh --shots 3 --query 'I love books'")]
    Show {
        /// The task
        #[arg(value_name = "NAME")]
        name: String,
        /// How many examples to show [default: the task's own number]
        #[arg(short = 'k', long, value_name = "K")]
        shots: Option<usize>,
        /// The query [default: the task's first]
        #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
        query: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Measure load time, time to first token, prefill and decode speed
#[derive(Debug, Args)]
#[command(after_help = "Example:
  kshot bench -m openai-community/gpt2 -p 512 -n 128 --json

Decoding is greedy and does not end at <|endoftext|>. Speeds are medians over the rounds; the time to the first token
counts from the start of the process and includes the load and a prefill of -p tokens.

--quality measures what other dtypes cost against f32: the divergence KL(f32 ‖ dtype) of the next token in nats, how often
both think the same token the likeliest, and the ratio of the perplexities, over a text that is read in windows of the
context (as llama.cpp's --kl-divergence). --probe measures the machine: memory read by all threads in several ways, and
multiply-adds in registers.
  kshot bench -m openai-community/gpt2 --quality -f essay.txt
  kshot bench --probe")]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) model: ModelArg,

    /// Tokens of the prompt
    #[arg(short, long, value_name = "N", default_value = "512")]
    pub(crate) prefill: NonZeroUsize,

    /// Tokens to decode
    #[arg(short = 'n', long, value_name = "N", default_value = "128")]
    pub(crate) decode: NonZeroUsize,

    /// How often to measure
    #[arg(long, value_name = "N", default_value = "3")]
    pub(crate) rounds: NonZeroUsize,

    /// Sequences that are decoded side by side from one prompt; the speed is that of all together
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) sequences: NonZeroUsize,

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
    #[arg(long, value_name = "N", default_value = "4096", requires = "quality")]
    pub(crate) tokens: NonZeroUsize,

    /// Measure the machine instead of a model
    #[arg(long)]
    pub(crate) probe: bool,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

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
    #[arg(long, value_name = "LIST", default_value = "0.5", value_delimiter = ',')]
    pub(crate) lambda: Vec<f64>,

    /// Largest learning rate [default: 6.25e-5 as in GPT-1, more for small models]
    #[arg(long, value_name = "RATE")]
    pub(crate) lr: Option<f64>,

    /// Examples of an update
    #[arg(long, value_name = "N", default_value = "32")]
    pub(crate) batch: NonZeroUsize,

    /// How often each example is seen [default: 3 as in GPT-1, more for the head alone]
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<NonZeroUsize>,

    /// Dropout rate inside the model and of the head's input
    #[arg(long, value_name = "RATE", default_value_t = 0.1)]
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

/// What the playground starts with, beside the model.
#[derive(Debug, Args)]
pub(crate) struct PlaygroundArgs {
    /// A text to open in the playground, `-` for stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// Stop before this string; may be given several times. \n \t \r \\ and \xHH are escapes
    #[arg(long, value_name = "STR", allow_hyphen_values = true, value_parser = stop_string)]
    pub(crate) stop: Vec<String>,

    /// Read special tokens such as <|endoftext|> in typed text as plain text
    #[arg(long)]
    pub(crate) no_special: bool,

    /// How the weights are kept in memory: f32, bf16, f16, q8_0, q4_0, or auto, which suits the model and the machine
    /// [default: auto]
    #[arg(long, value_name = "DTYPE", env = "KSHOT_DTYPE", hide_env_values = true)]
    pub(crate) dtype: Option<DtypeChoice>,

    /// Start without the last session, which stays on disk
    #[arg(long, env = "KSHOT_FRESH", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) fresh: bool,

    /// Open the session of this name, or begin one (`kshot session list` lists all)
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub(crate) session: Option<String>,

    #[command(flatten)]
    pub(crate) sampling: SamplingFlags,
}

/// How the playground uses the terminal.
#[derive(Debug, Args)]
pub(crate) struct ScreenArgs {
    /// Colours: auto asks the terminal whether its ground is dark or light
    #[arg(long, value_name = "NAME", env = "KSHOT_THEME", hide_env_values = true,
        value_parser = |name: &str| name.parse::<ThemeChoice>())]
    pub(crate) theme: Option<ThemeChoice>,

    /// Leave the mouse to the terminal; with it, Shift+drag still selects text as the terminal does
    #[arg(long)]
    pub(crate) no_mouse: bool,

    /// Line by line, without escape sequences: for screen readers and simple terminals, or driven through a pipe
    #[arg(long, action = ArgAction::SetTrue, value_parser = FalseyValueParser::new(), env = "KSHOT_PLAIN",
        hide_env_values = true)]
    pub(crate) plain: bool,
}

/// Draw a screen of the playground as an SVG picture, after a script of keys
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kshot screenshot -o first.svg
  kshot screenshot -m ./checkpoint -s 1 --keys 'Once upon a time<Ctrl+G><wait>' -o story.svg
  kshot screenshot --size 80x24 --keys '<F1>' -o help.svg

A script is text to type, with keys in angle brackets: <Ctrl+G>, <F4>, <Enter>, <Down 3>; <lt> is `<`. <paste TEXT>
pastes, <size 80x24> resizes, <click X,Y> clicks a cell and <drag X,Y X,Y> drags from one to another, <wait> waits until
a generation is over and <wait N> until it has N tokens.
It runs on the real playground: what the picture shows is what the model said.")]
pub(crate) struct ScreenshotArgs {
    /// The model: a hub id (org/name[@revision]), a folder or `built-in` [default: built-in]; it is loaded before the first
    /// key
    #[arg(short, long, value_name = "MODEL", env = "KSHOT_MODEL", hide_env_values = true)]
    pub(crate) model: Option<String>,

    #[command(flatten)]
    pub(crate) playground: PlaygroundArgs,

    /// The keys to press
    #[arg(long, value_name = "SCRIPT", default_value = "", allow_hyphen_values = true)]
    pub(crate) keys: String,

    /// Columns and rows of the screen
    #[arg(long, value_name = "WxH", default_value = "120x36", value_parser = size)]
    pub(crate) size: (u16, u16),

    /// The file to write, `-` for stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,

    /// Dark text on a light ground
    #[arg(long)]
    pub(crate) light: bool,

    /// Give up on an answer of the model or a download after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) patience: u64,
}

/// Show the settings in force and where they come from
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kshot config                          where the files are and what is in force
  kshot config --default > config.toml  a file with every setting, commented out
  kshot config --check                  what cannot be used, with file and line; exit code 1 where there is something

keymap.toml beside the settings has other keys for commands, in a table for each scope of the help screen (F1):
  [global]
  generate = [\"ctrl-j\", \"f5\"]
Commands have the names that the command palette (Ctrl+P) shows. A row that is wrong does not count; the others do.")]
pub(crate) struct ConfigArgs {
    /// Print a file with every setting at its default
    #[arg(long, conflicts_with = "check")]
    pub(crate) default: bool,

    /// Only say what cannot be used
    #[arg(long)]
    pub(crate) check: bool,
}

/// Show where kshot keeps its files
#[derive(Debug, Args)]
pub(crate) struct PathsArgs {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kshot completions bash > ~/.local/share/bash-completion/completions/kshot
  kshot completions zsh > \"${fpath[1]}/_kshot\"
  kshot completions fish > ~/.config/fish/completions/kshot.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: Shell,
}

/// Print a manual page, in roff
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kshot man > ~/.local/share/man/man1/kshot.1
  kshot man models list | man -l -")]
pub(crate) struct ManArgs {
    /// The command that the page is about; kshot itself without one
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// Columns and rows: `120x36`.
fn size(raw: &str) -> Result<(u16, u16), String> {
    let sides = raw.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    match sides {
        Some((width @ 1..=1000, height @ 1..=1000)) => Ok((width, height)),
        _ => Err("a size is columns x rows, each from 1 to 1000: 120x36".to_owned()),
    }
}

/// A form of input.
fn form(raw: &str) -> Result<kshot::train::finetune::Form, String> {
    use kshot::train::finetune::Form;
    let names = Form::ALL.map(Form::name);
    let found = Form::ALL.into_iter().find(|form| form.name() == raw);
    found.ok_or_else(|| format!("the forms are {}", names.join(", ")))
}

/// A stop string: with escapes, and not empty.
fn stop_string(raw: &str) -> Result<String, String> {
    match kshot::text::unescape(raw)? {
        text if text.is_empty() => Err("an empty string would stop at once".to_owned()),
        text => Ok(text),
    }
}
