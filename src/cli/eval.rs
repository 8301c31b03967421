//! `kshot eval`.

use std::path::PathBuf;

use clap::Args;

use super::models::ModelArg;
use super::values::count;

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
    #[arg(long, value_name = "N", default_value = "100", value_parser = count(1..=1_000_000))]
    pub(crate) limit: usize,

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
