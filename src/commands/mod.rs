//! The headless twins of what the playground does, and the only place that prints.
//!
//! A command takes its arguments and the [`Context`], writes results to stdout and notes to stderr, and gives a
//! [`Status`]. It computes nothing itself: that is the engine's, the hub's and the library's work.

mod bench;
mod checks;
mod classify;
mod completions;
mod config;
mod curve;
mod doctor;
mod eval;
mod finetune;
mod generate;
mod input;
mod interrupt;
mod man;
mod model;
mod models;
mod out;
mod paths;
mod playground;
mod progress;
mod prompts;
mod quality;
mod replay;
mod score;
mod screenshot;
mod session;
mod system;
mod tokens;
mod train;
mod usage;

use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::time::Instant;

use kshot::config::Loaded;
use kshot::engine::EngineError;
use kshot::hub::HubError;
use kshot::text::sanitise;
use kshot::train::TrainError;

use crate::cli::{Command, Global, When};
use crate::paths::Paths;

pub(crate) use interrupt::EXIT_CODE as INTERRUPTED;
pub(crate) use out::{Closed, Out, Style};
pub(crate) use playground::run as playground;
pub(crate) use session::named as session_named;
pub(crate) use usage::{Usage, report as report_usage};

/// How a command ended, other than with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// All is well.
    Done,
    /// It ran, and what it found is bad; that has been said.
    Bad,
    /// It ended with this exit code, and nothing is left to be said.
    Code(u8),
    /// Ctrl+C ended it.
    Interrupted,
}

/// What every command is given.
pub(crate) struct Context {
    /// Stdout.
    pub(crate) out: Out,
    /// The flags that every command takes.
    pub(crate) global: Global,
    /// The model named before the subcommand, or in KSHOT_MODEL.
    pub(crate) model: Option<String>,
    /// kshot's own folders.
    pub(crate) paths: Paths,
    /// What the user's files say.
    pub(crate) config: Loaded,
    /// When the process began.
    pub(crate) begun: Instant,
}

impl Context {
    /// Says something on stderr.
    pub(crate) fn note(&self, text: impl std::fmt::Display) {
        say(&text.to_string());
    }

    /// Says what of the user's files does not count.
    pub(crate) fn note_problems(&self) {
        for problem in &self.config.problems {
            self.note(sanitise::line(&problem.to_string()));
        }
    }

    /// Says something on stderr that only matters to a person, or where -v asks for it.
    pub(crate) fn remark(&self, text: impl std::fmt::Display) {
        if self.global.verbose || std::io::stderr().is_terminal() {
            self.note(text);
        }
    }
}

/// Runs a subcommand.
///
/// # Errors
/// Whatever the command could not do; printed once, by [`report`].
pub(crate) fn run(command: Command, cx: &mut Context) -> anyhow::Result<Status> {
    let status = dispatch(command, cx)?;
    // What the system cannot write any more is an error here and would go unsaid at the end of the process.
    cx.out.flush()?;
    Ok(status)
}

fn dispatch(command: Command, cx: &mut Context) -> anyhow::Result<Status> {
    match command {
        Command::Generate(args) => generate::run(*args, cx),
        Command::Replay(args) => replay::run(&args, cx),
        Command::Score(args) => score::run(&args, cx),
        Command::Train(args) => train::run(&args, cx),
        Command::Eval(args) => eval::run(&args, cx),
        Command::Tokens(args) => tokens::run(&args, cx),
        Command::Models(args) => models::run(&args.command, cx),
        Command::Prompts(args) => prompts::run(&args.command, cx),
        Command::Session(args) => session::run(&args.command, cx),
        Command::Finetune(args) => finetune::run(&args, cx),
        Command::Classify(args) => classify::run(&args, cx),
        Command::Bench(args) => bench::run(&args, cx),
        Command::Doctor(args) => doctor::run(&args, cx),
        Command::Screenshot(args) => screenshot::run(*args, cx),
        Command::Config(args) => config::run(&args, cx),
        Command::Paths(args) => paths::run(&args, cx),
        Command::Completions(args) => completions::run(&args, cx),
        Command::Man(args) => man::run(&args, cx),
    }
}

/// Prints an error as a chain on stderr and gives the exit code that belongs to it.
pub(crate) fn report(error: &anyhow::Error, color: When) -> u8 {
    if error.is::<Closed>() {
        return 0;
    }
    let cancelled = error.chain().any(|cause| {
        cause.downcast_ref::<EngineError>().is_some_and(EngineError::is_cancelled)
            || cause.downcast_ref::<TrainError>().is_some_and(TrainError::is_cancelled)
            || matches!(cause.downcast_ref::<HubError>(), Some(HubError::Cancelled))
    });
    let style = Style::new(color, std::io::stderr().is_terminal());
    let head = if cancelled { style.bold("stopped:") } else { style.red("error:") };
    say(&format!("{head} {}", chain(error)));
    tracing::warn!(error = ?chain(error), "the command failed");
    match cancelled {
        true => INTERRUPTED,
        false if error.is::<Usage>() => {
            say("\nFor more information, try '--help'.");
            2
        }
        false => 1,
    }
}

/// The messages from the outermost to the root, each once, one a line.
fn chain(error: &anyhow::Error) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in error.chain() {
        let message = sanitise::text(&cause.to_string()).into_owned();
        if !said.iter().any(|before| before.contains(&message)) {
            said.push(message);
        }
    }
    said.join("\n  caused by: ")
}

/// A path as text for JSON, which has no other bytes.
fn lossy(path: &Path) -> serde_json::Value {
    path.to_string_lossy().into_owned().into()
}

/// Writes a note to stderr. One that cannot be written (a full disk, a reader that has gone) is no reason to end the job.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_says_everything_once_and_steers_no_terminal() {
        let error =
            anyhow::anyhow!("no such file: \x1b]0;x\x07").context("cannot read a: no such file").context("cannot open");
        let text = chain(&error);
        assert!(text.starts_with("cannot open\n  caused by: cannot read a"), "{text}");
        assert!(text.contains("␛]0;x␇") && !text.contains('\x1b'), "{text}");
        let repeated = anyhow::anyhow!("disk full").context("cannot write: disk full");
        assert_eq!(chain(&repeated), "cannot write: disk full");
    }
}
