//! The command line: what can be typed, and nothing of what it does.
//!
//! Structure comes from clap's derive; the sampling flags come from the one table of sampling parameters
//! (`sampling_flags`), so a new parameter has a flag, a range and a help text without a line here.

mod about;
mod eval;
mod finetune;
mod generate;
mod machine;
mod models;
mod playground;
mod prompts;
mod sampling_flags;
mod session;
mod text;
mod train;
mod values;

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, CommandFactory, Parser, Subcommand, ValueEnum};

pub(crate) use about::{CompletionsArgs, ConfigArgs, ManArgs, PathsArgs};
pub(crate) use eval::EvalArgs;
pub(crate) use finetune::{ClassifyArgs, FinetuneArgs};
pub(crate) use generate::{GenerateArgs, PageFormat, PromptArgs, ReplayArgs};
pub(crate) use machine::{BenchArgs, DoctorArgs};
pub(crate) use models::{ModelArg, ModelsArgs, ModelsCommand, RefArg};
pub(crate) use playground::{PlaygroundArgs, ScreenArgs, ScreenshotArgs};
pub(crate) use prompts::{PromptsArgs, PromptsCommand};
pub(crate) use sampling_flags::SamplingFlags;
pub(crate) use session::{SessionArgs, SessionCommand};
pub(crate) use text::{ScoreArgs, TextArgs, TokensArgs};
pub(crate) use train::{TrainArgs, VocabularyKind};

/// The most threads to compute with.
pub(crate) const MAX_THREADS: usize = 1024;

const ABOUT: &str = "A playground for GPT-2 checkpoints in the terminal";

const LONG_ABOUT: &str =
    "A playground for GPT-2 checkpoints in the terminal: prompts, few-shot examples, sampling and \
streamed tokens with their probabilities.

Without a subcommand kshot opens the playground. Everything in it also works headless.

MODEL is `built-in` (the small model inside the program, used where none is named), a hub id (`org/name`, with \
`@revision` if wanted) or a folder with config.json, model.safetensors and tokenizer files; an existing folder, or \
anything that starts with `./`, `../`, `/` or `~`, is a folder. A hub model that is not here yet is downloaded first, \
with its size said before; --offline forbids that. Nothing is sent anywhere except to the hub.";

const EXAMPLES: &str = "Examples:
  kshot                                                  open the playground on the built-in model
  kshot -m openai-community/gpt2 notes.txt               open a text in it
  kshot generate -m openai-community/gpt2 -p 'Once upon' print a continuation
  kshot score -m ./checkpoint -f essay.txt --json        probability of each token
  kshot eval -m ./checkpoint --task translation-zh       right answers at 0, 1, 2, ... examples
  kshot models list                                      what can be pulled, and how large it is

Exit codes: 0 done, 1 failed, 2 not a valid command line, 130 interrupted.
Environment: KSHOT_MODEL, KSHOT_THREADS, KSHOT_OFFLINE, KSHOT_COLOR, one KSHOT_* for each flag that shows one;
  KSHOT_CONFIG, KSHOT_CONFIG_DIR, KSHOT_DATA_DIR, KSHOT_LOG; HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE; NO_COLOR.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "kshot", bin_name = "kshot", version, long_version = long_version(), about = ABOUT, long_about = LONG_ABOUT,
    after_help = EXAMPLES, max_term_width = 100, propagate_version = true, args_override_self = true, subcommand_help_heading = "Commands")]
pub(crate) struct Cli {
    /// What to do; the playground where nothing is named
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// The model to open: a hub id, a folder or `built-in` [default: built-in]
    #[arg(short, long, value_name = "MODEL", env = "KSHOT_MODEL", hide_env_values = true)]
    pub(crate) model: Option<String>,

    #[command(flatten)]
    pub(crate) playground: PlaygroundArgs,

    #[command(flatten)]
    pub(crate) screen: ScreenArgs,

    #[command(flatten)]
    pub(crate) global: Global,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The settings; keymap.toml beside it has the keys [default: config.toml in the folder that `kshot paths` names]
    #[arg(short, long, global = true, value_name = "FILE", env = "KSHOT_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,

    /// Threads to compute with [default: the processors this process may use]
    #[arg(long, global = true, value_name = "N", env = "KSHOT_THREADS", hide_env_values = true,
        value_parser = values::count(1..=MAX_THREADS as u64))]
    pub(crate) threads: Option<usize>,

    /// Use only what is on disk; nothing is downloaded or looked up
    #[arg(long, global = true, action = ArgAction::SetTrue, value_parser = FalseyValueParser::new(),
        env = "KSHOT_OFFLINE", hide_env_values = true)]
    pub(crate) offline: bool,

    /// When to use colour; NO_COLOR is honoured
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        env = "KSHOT_COLOR",
        hide_env_values = true
    )]
    pub(crate) color: When,

    /// Say more on stderr
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

/// When something is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<When> for clap::ColorChoice {
    fn from(when: When) -> Self {
        match when {
            When::Auto => Self::Auto,
            When::Always => Self::Always,
            When::Never => Self::Never,
        }
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Generate(Box<GenerateArgs>),
    Replay(ReplayArgs),
    Score(ScoreArgs),
    Train(Box<TrainArgs>),
    Eval(Box<EvalArgs>),
    Tokens(TokensArgs),
    Models(ModelsArgs),
    Prompts(PromptsArgs),
    Session(SessionArgs),
    Finetune(Box<FinetuneArgs>),
    Classify(ClassifyArgs),
    Bench(BenchArgs),
    Doctor(DoctorArgs),
    Screenshot(Box<ScreenshotArgs>),
    Config(ConfigArgs),
    Paths(PathsArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Flags of the playground that stand before a subcommand would do nothing; they are errors.
///
/// # Errors
/// Names the first of them.
pub(crate) fn check_places(matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some(subcommand) = matches.subcommand_name() else { return Ok(()) };
    let mut command = Cli::command();
    let globals = ["model", "config", "threads", "offline", "color", "verbose"];
    let misplaced = command.get_arguments().find(|arg| {
        let id = arg.get_id().as_str();
        !globals.contains(&id) && matches.value_source(id) == Some(ValueSource::CommandLine)
    });
    let Some(arg) = misplaced else { return Ok(()) };
    let message = match arg.get_long() {
        Some(flag) => format!("--{flag} stands before a subcommand; write it after `{subcommand}`"),
        None => {
            let text = matches.get_one::<PathBuf>("file").map(|file| file.display().to_string()).unwrap_or_default();
            format!("{text} stands before a subcommand; a text opens the playground")
        }
    };
    Err(command.error(ErrorKind::ArgumentConflict, message))
}

/// What `--version` says after the name: version, features, target and, where the build was told, the commit.
pub(crate) fn long_version() -> String {
    let features = if cfg!(feature = "cuda") { "cuda" } else { "none" };
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let commit = option_env!("KSHOT_COMMIT").map(|c| format!("commit: {c}\n")).unwrap_or_default();
    format!(
        "{}\n{commit}features: {features}\nbuild: {profile}, {}-{}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
