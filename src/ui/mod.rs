//! The terminal: event loop, panes, overlays, drawing.
//!
//! The UI thread owns all state ([`crate::app::App`]) and draws it; everything slow happens on other threads, behind an
//! [`Executor`]. A pane or an overlay is a file that draws plain state into a buffer; the keys are rows of the command
//! table. The loop is generic over ratatui's backend, so that tests and [`script`] drive the very same code.

#[cfg(test)]
mod additions;
mod clipboard;
mod events;
mod executor;
mod host;
mod keeper;
mod layout;
mod mouse;
mod overlay;
mod page;
mod paint;
mod pane;
pub mod plain;
pub mod script;
mod sessions;
mod shell;
mod status;
pub mod svg;
pub mod terminal;
pub mod theme;
mod token_line;
mod train;
mod view;
pub use view::{commands, keymap};
pub mod widget;

pub use events::{Executor, Exit, FRAME, Host, picture, run as run_loop};
pub use executor::{Workers, encode};
pub use host::{Clipboard, TerminalHost};
pub use keeper::{Found, Keeper};
pub use page::PageView;
pub use shell::Shell;

use crate::app::command::id;
use std::path::PathBuf;

use anyhow::Context;

use crate::app::log::Level;
use crate::app::sampler::Sampler;
use crate::app::{App, IoRequest, KeyMap};
use crate::engine::BiasEntry;
use crate::engine::DtypeChoice;
use crate::files::builtin;
use crate::hub::Hub;
use crate::prompt::Library;
use crate::sampling::{SavedPresets, Settings};
use crate::session::{PromptFolder, Store, StoreError, check_session_name};
use crate::text::{SpecialTokens, sanitise};
use terminal::{Mouse, Terminal, TerminalOptions};
use theme::{Scale, Theme, ThemeChoice};

/// What the playground starts with.
#[derive(Debug)]
pub struct Options {
    /// The model to load: `built-in`, hub id or folder. What is not on this disk is asked for before it is downloaded.
    pub model: String,
    /// How its weights are kept.
    pub dtype: DtypeChoice,
    /// Text to start with. `None`: an empty page, or on the model in the program the one that goes with it.
    pub text: Option<String>,
    /// The file that the text is from.
    pub file: Option<PathBuf>,
    /// Sampling parameters.
    pub settings: Settings,
    /// Stop strings.
    pub stop: Vec<String>,
    /// The logit bias.
    pub bias: Vec<BiasEntry>,
    /// The few-shot tasks.
    pub library: Library,
    /// Files of the library that could not be read, one message each.
    pub warnings: Vec<String>,
    /// The hub and the cache.
    pub hub: Hub,
    /// What special tokens in typed text mean.
    pub special: SpecialTokens,
    /// The file of the user's sampling presets, and what is in it, or why it cannot be read.
    pub presets: (PathBuf, Result<SavedPresets, String>),
    /// Where training runs are saved.
    pub runs: PathBuf,
    /// Where prompts are saved under their names.
    pub prompts: PathBuf,
    /// Where sessions are kept.
    pub sessions: PathBuf,
    /// Start without the last session.
    pub fresh: bool,
    /// Open the session of this name, or begin one.
    pub session: Option<String>,
    /// The log file, named in the message after a panic.
    pub log: Option<PathBuf>,
    /// Which key runs which command.
    pub keymap: KeyMap,
    /// Colours, mouse, clipboard.
    pub look: Look,
}

/// How the terminal is used.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// The theme.
    pub theme: ThemeChoice,
    /// The colour scale.
    pub scale: &'static Scale,
    /// Whether clicks, the wheel and drags are kshot's.
    pub mouse: bool,
    /// How text is copied.
    pub clipboard: Clipboard,
}

/// Opens the playground and runs it until the user quits. Gives the exit code.
///
/// # Errors
/// No terminal, or one that fails.
pub fn run(options: Options) -> anyhow::Result<u8> {
    let look = options.look;
    let (theme, ask_ground) = Theme::choose(look.theme, look.scale, |name| std::env::var(name).ok());
    let mut executor = Workers::spawn(options.hub.clone(), options.special, options.runs.clone())
        .context("cannot start the engine")?;
    let log = options.log.clone();
    // A text that was given is not to be replaced, and settings neither.
    let fresh = options.fresh || options.text.is_some();
    let with_settings = options.settings == Settings::default() && options.stop.is_empty() && options.bias.is_empty();
    let (store, wanted) = (Store::new(options.sessions.clone()), options.session.clone());
    let mut app = start(options)?;
    let keeper = match wanted {
        Some(name) => open_named(&mut app, store, name, with_settings)?,
        None if fresh => Keeper::new(store, None),
        None => open_last(&mut app, store, with_settings),
    };
    app.keep_in(keeper.current().cloned(), keeper.name().map(str::to_owned));
    executor.keep_with(keeper).context("cannot keep the session")?;
    let mut shell = Shell::new(app, theme);
    let mouse = if look.mouse { Mouse::On } else { Mouse::Off };
    let terminal = Terminal::enter(&TerminalOptions { log, mouse, ask_ground })?;
    let mut host = TerminalHost::new(terminal, look.clipboard);
    let ended = run_loop(&mut shell, &mut host, &mut executor);
    if let Some(kept) = shell.app.take_kept() {
        executor.io(IoRequest::Keep(Box::new(kept)));
    }
    // Before the terminal is left: from then on signals end the process, as the hang-up of a terminal that is closed does.
    executor.finish_keeping();
    let restored = host.leave();
    drop(executor);
    // A frame that could not be written to a terminal that is gone is a hang-up and no failure.
    let exit = ended.or_else(|error| match terminal::has_hung_up() {
        true => Ok(Exit::Signal(terminal::Signal::HangUp)),
        false => Err(error),
    })?;
    if exit == Exit::Signal(terminal::Signal::HangUp) {
        return Ok(terminal::Signal::HangUp.exit_code());
    }
    restored.context("the terminal could not be restored")?;
    Ok(match exit {
        Exit::Quit => 0,
        Exit::Signal(signal) => signal.exit_code(),
    })
}

/// Puts the last session in place, where there is one; says so, or why not.
fn open_last(app: &mut App, store: Store, with_settings: bool) -> Keeper {
    let opened = match store.last() {
        Ok(None) => return Keeper::new(store, None),
        Ok(Some(id)) => Keeper::open(store.clone(), &id),
        Err(error) => Err(error),
    };
    match opened {
        Ok((keeper, found)) => {
            let new = app.keymap.hint(id::NEW_SESSION);
            let said = match found.in_use {
                true => "the last session is open in another kshot: this is a copy of its own".to_owned(),
                false => format!("the last session is back; {new} starts an empty one"),
            };
            put(app, found, with_settings, said);
            keeper
        }
        Err(error) => {
            app.log
                .say(Level::Error, sanitise::line(&format!("the last session cannot be opened: {error}")).into_owned());
            Keeper::new(store, None)
        }
    }
}

/// Opens the session of a name, or begins one.
///
/// # Errors
/// A name that is none, a session that is in use or cannot be opened.
fn open_named(app: &mut App, store: Store, name: String, with_settings: bool) -> anyhow::Result<Keeper> {
    let shown = sanitise::line(&name).into_owned();
    match store.find(&name) {
        Ok(id) => {
            let (keeper, found) = Keeper::open(store.clone(), &id)?;
            if found.in_use {
                return Err(store.in_use(&id).into());
            }
            put(app, found, with_settings, format!("the session {shown}"));
            Ok(keeper)
        }
        Err(StoreError::Unknown { near, .. }) => {
            check_session_name(&name)?;
            let like = if near.is_empty() { String::new() } else { format!(" (there is {})", near.join(", ")) };
            app.log.say(Level::Warning, sanitise::line(&format!("a new session, {shown}{like}")).into_owned());
            app.keep_at_once();
            Ok(Keeper::new(store, Some(name)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Puts a session in place and says what there is to say.
fn put(app: &mut App, found: Found, with_settings: bool, said: String) {
    app.restore_session(found.contents, with_settings);
    if found.in_use {
        app.keep_all_versions();
    }
    match found.damage {
        Some(damage) => app.log.say(Level::Error, sanitise::line(&damage).into_owned()),
        // A warning is not hidden by the news that the model is there.
        None => app.log.say(Level::Warning, said),
    }
}

/// The state that the options ask for, before the first frame.
///
/// # Errors
/// None that a user can cause.
pub fn start(options: Options) -> anyhow::Result<App> {
    let mut sampler = Sampler::new(options.settings, options.stop);
    sampler.bias = options.bias;
    let mut app = App::new(options.library, sampler)?;
    app.keymap = options.keymap;
    app.screen.mouse = options.look.mouse;
    app.storage.prompts.folder = Some(PromptFolder(options.prompts));
    match options.text {
        Some(text) => app.open_text(&text, options.file),
        None if options.model == builtin::NAME => app.open_text(builtin::PAGE, None),
        None => {}
    }
    for warning in options.warnings {
        app.log.say(Level::Warning, warning);
    }
    app.use_presets(options.presets.0, options.presets.1);
    app.models.dtype = options.dtype;
    app.look_up(&options.model).map_err(anyhow::Error::msg)?;
    Ok(app)
}
