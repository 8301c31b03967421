//! The playground and `kshot screenshot`.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args};
use kshot::model::DtypeChoice;
use kshot::ui::theme::ThemeChoice;

use super::SamplingFlags;
use super::values::{size, stop_string};

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
  kshot screenshot --theme light -o light.svg

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

    /// Colours: a theme by its name [default: the one for the ground]
    #[arg(long, value_name = "NAME", value_parser = |name: &str| name.parse::<ThemeChoice>())]
    pub(crate) theme: Option<ThemeChoice>,

    /// A light ground instead of a dark one
    #[arg(long)]
    pub(crate) light: bool,

    /// Give up on an answer of the model or a download after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) patience: u64,
}
