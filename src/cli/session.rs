//! The arguments of `kshot session`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// List, open, name, delete and take away kept sessions
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
#[command(after_help = "Examples:
  kshot --session lesson-3
  kshot session list
  kshot session export lesson-3 -o lesson-3.kshot
  kshot session import lesson-3.kshot

NAME is the name of a session, what the list shows for one without a name, or `last`.

A session file holds the text with its authors and tokens, every version with its bookmarks, the settings and the few-shot
choice: one file a lesson.")]
pub(crate) struct SessionArgs {
    #[command(subcommand)]
    pub(crate) command: SessionCommand,
}

/// What can be done with sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// List all sessions, the one that was used last first
    List {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Open a session in the playground
    Open {
        /// The session
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Give a session another name
    Rename {
        /// The session
        #[arg(value_name = "NAME")]
        name: String,
        /// The name that it gets; an empty one takes its name away
        #[arg(value_name = "NEW")]
        new: String,
    },
    /// Delete sessions; nothing brings them back
    Rm {
        /// The sessions
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
    /// Write a session to a file
    Export {
        /// The session
        #[arg(value_name = "NAME", default_value = "last")]
        name: String,
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Replace a file that is there
        #[arg(long)]
        force: bool,
    },
    /// Keep the session of a file as the last one; those before it stay
    Import {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The name that it gets here [default: the one that it has in the file]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
}
