//! The terminal: event loop, panes, overlays, drawing.
//!
//! The UI thread owns all state ([`crate::app::App`]) and draws it; everything slow happens on other threads, behind an
//! [`Executor`]. A pane or an overlay is a file that draws plain state into a buffer; the keys are rows of the command
//! table. The loop is generic over ratatui's backend, so that tests and [`script`] drive the very same code.

mod clipboard;
mod events;
mod executor;
mod host;
mod hubjob;
mod layout;
mod overlay;
mod page;
mod paint;
mod pane;
pub mod script;
mod shell;
mod status;
pub mod svg;
pub mod terminal;
pub mod theme;
mod token_line;
mod train;
pub mod widget;

pub use events::{Executor, Exit, FRAME, Host, picture, run as run_loop};
pub use executor::{Workers, encode};
pub use host::TerminalHost;
pub use page::PageView;
pub use shell::Shell;

use std::path::PathBuf;

use anyhow::Context;

use crate::app::App;
use crate::app::sampler::Sampler;
use crate::files::builtin;
use crate::hub::Hub;
use crate::prompt::Library;
use crate::sampling::Settings;
use crate::session::PromptFolder;
use crate::text::SpecialTokens;
use terminal::{Terminal, TerminalOptions};
use theme::Theme;

/// What the playground starts with.
#[derive(Debug)]
pub struct Options {
    /// The model to load: `built-in`, hub id or folder. What is not on this disk is asked for before it is downloaded.
    pub model: String,
    /// Text to start with. `None`: an empty page, or on the model in the program the one that goes with it.
    pub text: Option<String>,
    /// The file that the text is from.
    pub file: Option<PathBuf>,
    /// Sampling parameters.
    pub settings: Settings,
    /// Stop strings.
    pub stop: Vec<String>,
    /// The few-shot tasks.
    pub library: Library,
    /// Files of the library that could not be read, one message each.
    pub warnings: Vec<String>,
    /// The hub and the cache.
    pub hub: Hub,
    /// What special tokens in typed text mean.
    pub special: SpecialTokens,
    /// Where training runs are saved.
    pub runs: PathBuf,
    /// Where prompts are saved under their names.
    pub prompts: PathBuf,
    /// The log file, named in the message after a panic.
    pub log: Option<PathBuf>,
}

/// Opens the playground and runs it until the user quits. Gives the exit code.
///
/// # Errors
/// No terminal, or one that fails.
pub fn run(options: Options) -> anyhow::Result<u8> {
    let theme = Theme::from_environment(|name| std::env::var(name).ok());
    let mut executor = Workers::spawn(options.hub.clone(), options.special, options.runs.clone())
        .context("cannot start the engine")?;
    let log = options.log.clone();
    let mut shell = Shell::new(start(options)?, theme);
    let terminal = Terminal::enter(&TerminalOptions { log, ..TerminalOptions::default() })?;
    let mut host = TerminalHost::new(terminal);
    let ended = run_loop(&mut shell, &mut host, &mut executor);
    let restored = host.leave();
    let exit = ended?;
    restored.context("the terminal could not be restored")?;
    Ok(match exit {
        Exit::Quit => 0,
        Exit::Signal(signal) => signal.exit_code(),
    })
}

/// The state that the options ask for, before the first frame.
///
/// # Errors
/// None that a user can cause.
pub fn start(options: Options) -> anyhow::Result<App> {
    let mut app = App::new(options.library, Sampler::new(options.settings, options.stop))?;
    app.saved.folder = Some(PromptFolder(options.prompts));
    match options.text {
        Some(text) => app.open_text(&text, options.file),
        None if options.model == builtin::NAME => app.open_text(builtin::PAGE, None),
        None => {}
    }
    for warning in options.warnings {
        app.log.say(crate::app::log::Level::Warning, warning);
    }
    app.find(&options.model).map_err(anyhow::Error::msg)?;
    Ok(app)
}
