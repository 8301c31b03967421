//! `kshot completions`: scripts for the shells.

use clap::CommandFactory;

use super::{Context, Status};
use crate::cli::{Cli, CompletionsArgs};

pub(super) fn run(args: &CompletionsArgs, cx: &mut Context) -> anyhow::Result<Status> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "kshot", &mut script);
    cx.out.line(String::from_utf8(script)?.trim_end())?;
    Ok(Status::Done)
}
