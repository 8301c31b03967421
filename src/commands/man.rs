//! `kshot man`: manual pages.

use anyhow::Context as _;
use clap::CommandFactory;

use super::{Context, Status};
use crate::cli::{Cli, ManArgs};

pub(super) fn run(args: &ManArgs, cx: &mut Context) -> anyhow::Result<Status> {
    let mut command = Cli::command();
    command.build();
    for name in &args.command {
        let found = command.find_subcommand(name).cloned();
        command = found.with_context(|| format!("{} has no command {name}", command.get_name()))?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    cx.out.line(String::from_utf8(page)?.trim_end())?;
    Ok(Status::Done)
}
