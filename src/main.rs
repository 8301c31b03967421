//! kshot's program: reads the command line, sets up threads and the log, runs one command, prints an error once.

mod cli;
mod commands;
mod logging;
mod paths;

use std::process::ExitCode;
use std::time::Instant;

use clap::{CommandFactory, FromArgMatches};

use cli::{Cli, When};
use commands::{Context, Out, Status};
use paths::Paths;

fn main() -> ExitCode {
    let begun = Instant::now();
    let color = color_of_args();
    match parse(color) {
        Ok(cli) => start(cli, begun),
        Err(error) => ExitCode::from(commands::report_usage(&error, color)),
    }
}

fn parse(color: When) -> Result<Cli, clap::Error> {
    let matches = Cli::command().color(color.into()).try_get_matches()?;
    cli::check_places(&matches)?;
    Cli::from_arg_matches(&matches)
}

fn start(cli: Cli, begun: Instant) -> ExitCode {
    let color = cli.global.color;
    let code = match set_thread_counts(cli.global.threads).and_then(|()| run(cli, begun)) {
        Ok(Status::Done) => 0,
        Ok(Status::Bad) => 1,
        Ok(Status::Interrupted) => commands::INTERRUPTED,
        Ok(Status::Code(code)) => code,
        Err(error) => commands::report(&error, color),
    };
    ExitCode::from(code)
}

fn run(cli: Cli, begun: Instant) -> anyhow::Result<Status> {
    kshot::kernels::Tier::requested().map_err(anyhow::Error::msg)?;
    let (paths, homeless) = Paths::from_env()?;
    let warning = logging::start(&paths.log());
    let (settings, keymap) = paths.settings(cli.global.config.as_deref());
    if cli.global.config.is_some() && !settings.exists() {
        anyhow::bail!("there is no settings file {} (-c, KSHOT_CONFIG)", settings.display());
    }
    let config = kshot::config::load(&settings, &keymap);
    let mut cx =
        Context { out: Out::new(cli.global.color), global: cli.global, model: cli.model, paths, config, begun };
    for warning in [homeless, warning].into_iter().flatten() {
        cx.note(kshot::text::sanitise::line(&warning));
    }
    let mut playground = cli.playground;
    match cli.command {
        Some(cli::Command::Session(cli::SessionArgs { command: cli::SessionCommand::Open { name } })) => {
            playground.session = Some(commands::session_named(&name, &cx)?);
            commands::playground(playground, &cli.screen, cx)
        }
        Some(command) => {
            if !matches!(command, cli::Command::Config(_)) {
                cx.note_problems();
            }
            commands::run(command, &mut cx)
        }
        None => commands::playground(playground, &cli.screen, cx),
    }
}

/// `--color` as it is needed before the command line is parsed: for help and for errors of the parser.
fn color_of_args() -> When {
    let args: Vec<_> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let given = args.iter().enumerate().find_map(|(at, arg)| match arg.strip_prefix("--color") {
        Some("") => args.get(at + 1).map(String::as_str),
        Some(value) => value.strip_prefix('='),
        None => None,
    });
    let given = given.map(str::to_owned).or_else(|| std::env::var("KSHOT_COLOR").ok());
    match given.as_deref() {
        Some("always") => When::Always,
        Some("never") => When::Never,
        _ => When::Auto,
    }
}

/// Tells the kernels and the pools of rayon and candle how many threads to use: the number that was given, that of the environment, or
/// as many as this process may use. By themselves they would count the machine's cores, whatever its container allows.
fn set_thread_counts(asked: Option<usize>) -> anyhow::Result<()> {
    let available = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let threads = match asked {
        Some(threads) => threads,
        None => threads_of_environment()?.unwrap_or_else(available),
    };
    kshot::kernels::set_threads(threads);
    let threads = threads.to_string();
    let mut variables = vec![("RAYON_NUM_THREADS", threads.as_str()), ("CANDLE_NUM_THREADS", threads.as_str())];
    // candle's own threads would stay awake after each of their few operations and take the cores from the kernels'
    // (training is a sixth slower then).
    const SPINS: &str = "CANDLE_BARRIER_POOL_SPIN_LIMIT";
    if std::env::var_os(SPINS).is_none() {
        variables.push((SPINS, "0"));
    }
    for (name, value) in variables {
        // SAFETY: no other thread exists yet that could read or write the environment: this runs first thing after
        // the command line was parsed, and parsing starts none.
        unsafe { std::env::set_var(name, value) };
    }
    Ok(())
}

/// The number in rayon's own variable, where 0 means its default.
fn threads_of_environment() -> anyhow::Result<Option<usize>> {
    const NAME: &str = "RAYON_NUM_THREADS";
    let Some(value) = std::env::var_os(NAME).filter(|value| !value.is_empty()) else { return Ok(None) };
    match value.to_str().and_then(|value| value.trim().parse::<usize>().ok()) {
        Some(0) => Ok(None),
        Some(threads @ 1..=cli::MAX_THREADS) => Ok(Some(threads)),
        _ => Err(commands::Usage(format!(
            "{NAME} is set to '{}'; it takes a number from 0 to {}",
            value.display(),
            cli::MAX_THREADS
        ))
        .into()),
    }
}
