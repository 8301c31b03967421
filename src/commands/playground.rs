//! `kshot [-m MODEL] [FILE]`: the playground.

use std::io::{BufRead, IsTerminal};
use std::path::Path;

use anyhow::{Context as _, bail};
use crossbeam_channel::Receiver;
use kshot::disk;
use kshot::sampling::SavedPresets;
use kshot::text::{SpecialTokens, sanitise};
use kshot::ui::plain::Lines;
use kshot::ui::{self, Look, Options, Workers};

use super::usage::instead_of_file;
use super::{Context, Status, Usage, input, model, prompts};
use crate::cli::{PlaygroundArgs, ScreenArgs};

/// Opens the playground with the text of a file, or with what is piped in; keys then come from the terminal itself.
///
/// # Errors
/// There is no terminal; the text or the model's name cannot be used.
pub(crate) fn run(args: PlaygroundArgs, screen: &ScreenArgs, cx: Context) -> anyhow::Result<Status> {
    if let Some(hint) = args.file.as_deref().and_then(instead_of_file) {
        bail!(Usage(hint));
    }
    let simple = cx.out.is_terminal() && std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if screen.plain || simple {
        return plain(args, cx);
    }
    let keys = std::io::stdin().is_terminal() || std::fs::File::open("/dev/tty").is_ok();
    if !cx.out.is_terminal() || !keys {
        bail!(Usage("the playground needs a terminal; without one use `kshot --plain` or `kshot generate`".into()));
    }
    let piped = !std::io::stdin().is_terminal();
    let mut options = options(args, piped, model::name(None, &cx), &cx)?;
    options.look.theme = screen.theme.unwrap_or(options.look.theme);
    options.look.mouse &= !screen.no_mouse;
    // The playground draws on stdout from here on, so the lock on it is given back.
    drop(cx);
    Ok(Status::Code(ui::run(options)?))
}

/// Opens the playground line by line: stdin is what is typed.
fn plain(args: PlaygroundArgs, cx: Context) -> anyhow::Result<Status> {
    if let Some(name) = &args.session {
        let text = format!("--plain keeps no sessions, so {name:?} cannot be opened in it; leave one of the two out");
        bail!(Usage(text));
    }
    let mut options = options(args, false, model::name(None, &cx), &cx)?;
    options.text.get_or_insert_default();
    drop(cx);
    let mut workers = Workers::spawn(options.hub.clone(), options.special, options.runs.clone())
        .context("cannot start the engine")?;
    let (sender, typed) = crossbeam_channel::unbounded();
    let read = move || {
        for (number, line) in std::io::stdin().lock().split(b'\n').map_while(Result::ok).enumerate() {
            let line = match input::text(line) {
                Ok(line) => line,
                Err(error) => {
                    super::say(&format!("line {} is left out: {error}", number + 1));
                    continue;
                }
            };
            if sender.send(line.strip_suffix('\r').unwrap_or(&line).to_owned()).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("lines".into()).spawn(read).context("cannot start the thread that reads")?;
    let lines = Lines { typed, interrupts: interrupts()? };
    ui::plain::run(ui::start(options)?, &lines, &mut std::io::stdout(), &mut workers)?;
    Ok(Status::Done)
}

/// Each Ctrl+C.
#[cfg(unix)]
fn interrupts() -> anyhow::Result<Receiver<()>> {
    let mut signals =
        signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT]).context("cannot listen for Ctrl+C")?;
    let (sender, interrupts) = crossbeam_channel::unbounded();
    let heard = move || signals.forever().all(|_| sender.send(()).is_ok());
    let thread = std::thread::Builder::new().name("signals".into()).spawn(heard);
    thread.context("cannot start the thread that listens for Ctrl+C")?;
    Ok(interrupts)
}

/// Ctrl+C ends the process here.
#[cfg(not(unix))]
fn interrupts() -> anyhow::Result<Receiver<()>> {
    Ok(crossbeam_channel::never())
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
    let settings = &cx.config.config;
    let left_out = library.problems.iter().map(|problem| format!("left out: {problem}"));
    let problems = left_out.chain(cx.config.problems.iter().map(ToString::to_string));
    Ok(Options {
        model,
        dtype: args.dtype.unwrap_or(settings.dtype),
        text,
        file: args.file.filter(|file| file != Path::new("-")),
        settings: args.sampling.over(settings.sampling())?,
        stop: args.stop,
        bias: args.sampling.bias,
        warnings: problems.map(|problem| sanitise::line(&problem).into_owned()).collect(),
        library,
        hub: model::hub(cx)?,
        special: if args.no_special { SpecialTokens::Literal } else { SpecialTokens::Parse },
        presets: (cx.paths.presets(), saved_presets(&cx.paths.presets())),
        runs: cx.paths.runs(),
        prompts: cx.paths.saved_prompts(),
        sessions: cx.paths.sessions(),
        fresh: args.fresh,
        session: args.session,
        log: Some(cx.paths.log()),
        keymap: cx.config.keymap()?,
        look: Look {
            theme: settings.theme,
            scale: settings.scale,
            mouse: settings.mouse,
            clipboard: settings.clipboard,
        },
    })
}

/// Bytes of the file of presets.
const PRESETS_LIMIT: u64 = 1 << 20;

/// The user's presets; none where there is no file.
pub(super) fn saved_presets(path: &Path) -> Result<SavedPresets, String> {
    match disk::read_text(path, PRESETS_LIMIT) {
        Ok(toml) => SavedPresets::parse(&toml).map_err(|error| format!("{}: {}", path.display(), error.trim_end())),
        Err(error) if error.is_missing() => Ok(SavedPresets::default()),
        Err(error) => Err(error.to_string()),
    }
}
