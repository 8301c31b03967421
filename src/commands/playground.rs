//! `kshot [-m MODEL] [FILE]`: the playground.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::bail;
use kshot::text::{SpecialTokens, sanitise};
use kshot::ui::{self, Options};

use super::{Context, Status, Usage, input, model, prompts};
use crate::cli::PlaygroundArgs;

/// Opens the playground with the text of a file, or with what is piped in; keys then come from the terminal itself.
///
/// # Errors
/// There is no terminal; the text or the model's name cannot be used.
pub(crate) fn run(args: PlaygroundArgs, cx: Context) -> anyhow::Result<Status> {
    let keys = std::io::stdin().is_terminal() || std::fs::File::open("/dev/tty").is_ok();
    if !cx.out.is_terminal() || !keys {
        bail!(Usage("the playground needs a terminal; without one use `kshot generate` (see kshot --help)".into()));
    }
    let piped = !std::io::stdin().is_terminal();
    let options = options(args, piped, model::name(None, &cx), &cx)?;
    // The playground owns the screen from here on: nobody else holds stdout.
    drop(cx);
    Ok(Status::Code(ui::run(options)?))
}

/// What the command line says about the start. `piped`: stdin holds the text where no file is named.
///
/// # Errors
/// A text or a hub configuration that cannot be used.
pub(super) fn options(args: PlaygroundArgs, piped: bool, model: String, cx: &Context) -> anyhow::Result<Options> {
    let text = match &args.file {
        Some(path) => Some(input::file_or_stdin(path)?),
        None if piped => Some(input::file_or_stdin(Path::new("-"))?),
        None => None,
    };
    let library = prompts::load(cx);
    Ok(Options {
        model,
        text,
        file: args.file.filter(|file| file != Path::new("-")),
        settings: args.sampling.settings,
        stop: args.stop,
        warnings: library.problems.iter().map(|p| sanitise::line(&format!("left out: {p}")).into_owned()).collect(),
        library,
        hub: model::hub(cx)?,
        special: if args.no_special { SpecialTokens::Literal } else { SpecialTokens::Parse },
        runs: cx.paths.runs(),
        sessions: cx.paths.sessions(),
        fresh: args.fresh,
        log: Some(cx.paths.log()),
    })
}
