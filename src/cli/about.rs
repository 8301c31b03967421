//! Commands about the program itself: settings, paths, completions, manual pages.

use clap::Args;
use clap_complete::Shell;

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
