//! The terminal in the program's hands: set up, shared with other programs, and restored on every way out.
//!
//! Ways out: leaving, dropping (an error return), a panic, SIGTERM, SIGINT, SIGQUIT, SIGHUP, a hang-up, an abort or any
//! other signal that ends a process and can be caught. Ways away and back: Ctrl+Z, SIGTSTP, SIGSTOP with SIGCONT,
//! `$EDITOR`. Keys come from standard input, or from `/dev/tty` where that is a pipe. Knows no screen content.
//!
//! Bytes become events in three steps: `grammar` finds where a sequence ends, `meaning` what it stands for, and
//! `decoder` adds the time.

use std::io::{self, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender};

#[cfg(unix)]
mod colour;
#[cfg(unix)]
mod decoder;
#[cfg(unix)]
mod fatal;
#[cfg(unix)]
mod grammar;
mod input;
#[cfg(unix)]
mod meaning;
mod modes;
mod screen;
#[cfg(unix)]
mod signals;
mod sixteen;
#[cfg(unix)]
mod tty;

pub use screen::ScreenBackend;

use super::theme::Ground;

/// Whether the mouse is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mouse {
    /// The terminal keeps the mouse for its own selection.
    #[default]
    Off,
    /// Clicks and the wheel come as events.
    On,
}

/// How the terminal is taken over.
#[derive(Debug, Clone, Default)]
pub struct TerminalOptions {
    /// Whether the mouse is reported at first.
    pub mouse: Mouse,
    /// Whether to ask the terminal what its ground is; the answer is an event.
    pub ask_ground: bool,
    /// The log to name after a panic.
    pub log: Option<PathBuf>,
}

/// A request to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT.
    Interrupt,
    /// SIGQUIT.
    Quit,
    /// SIGTERM.
    Terminate,
    /// SIGHUP, or the terminal is gone.
    HangUp,
}

impl Signal {
    /// The exit code of a program that ended for it: 128 and the signal's number.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::HangUp => 129,
            Self::Interrupt => 130,
            Self::Quit => 131,
            Self::Terminate => 143,
        }
    }
}

/// What comes from the terminal.
#[derive(Debug)]
pub enum TerminalEvent {
    /// A key, a paste, the mouse, the focus or a new size.
    Input(crossterm::event::Event),
    /// The program is to save and leave. A second signal ends it at once; a hang-up ends it anyway, 1.3 s later.
    Signal(Signal),
    /// The process was stopped and goes on, and the modes are set again: clear the screen and draw everything.
    Resumed,
    /// A thread other than the drawing thread panicked. Its owner may have caught that; the screen is untouched.
    /// The message is in the log, and is printed once the terminal is restored.
    Panicked(String),
    /// The terminal says what its ground is.
    Ground(Ground),
    /// A paste was longer than this many bytes, and is dropped.
    PasteRefused {
        /// The longest that is taken.
        longest: usize,
    },
    /// No key can be read any more.
    Failed(io::Error),
}

/// Why there is no terminal to draw on.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// A stream that has to be a terminal is none.
    #[error("{what} is not a terminal; without one use a headless command such as `kshot generate`")]
    NoTerminal {
        /// The stream.
        what: &'static str,
        /// What the system says.
        #[source]
        source: Option<io::Error>,
    },
    /// One process has one terminal, taken over once.
    #[error("the terminal was already taken over by this process")]
    Taken,
    /// The system refused a mode, a signal handler or a thread.
    #[error("cannot set up the terminal")]
    SetUp(#[source] io::Error),
}

/// What is drawn on.
pub type Screen = ratatui::Terminal<ScreenBackend>;

static TAKEN: AtomicBool = AtomicBool::new(false);
/// Panics of other threads, to be told once the terminal is restored.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The terminal, taken over. Dropped, it is as it was before.
#[derive(Debug)]
pub struct Terminal {
    screen: Screen,
    events: Receiver<TerminalEvent>,
    #[cfg(unix)]
    sender: Sender<TerminalEvent>,
    input: input::Input,
    log: Option<PathBuf>,
}

impl Terminal {
    /// Takes the terminal over: signals and hang-ups, the panic hook, the modes, and a thread that reads keys.
    ///
    /// # Errors
    /// [`TerminalError`] where there is no terminal or it can't be set up; it is then as it was before.
    pub fn enter(options: &TerminalOptions) -> Result<Self, TerminalError> {
        if !io::stdout().is_terminal() {
            return Err(TerminalError::NoTerminal { what: "standard output", source: None });
        }
        #[cfg(unix)]
        tty::Tty::open().map_err(|error| TerminalError::NoTerminal { what: "standard input", source: Some(error) })?;
        if TAKEN.swap(true, Ordering::SeqCst) {
            return Err(TerminalError::Taken);
        }
        let (sender, events) = crossbeam_channel::unbounded();
        Self::set_up(options, sender, events).map_err(|error| {
            // The reason for the failure says more than what the restoring says.
            let _ = modes::restore();
            TerminalError::SetUp(error)
        })
    }

    fn set_up(
        options: &TerminalOptions,
        sender: Sender<TerminalEvent>,
        events: Receiver<TerminalEvent>,
    ) -> io::Result<Self> {
        hook_panics(sender.clone(), options.log.clone());
        #[cfg(unix)]
        signals::listen(sender.clone())?;
        modes::set_mouse(options.mouse)?;
        modes::enter()?;
        #[cfg(unix)]
        fatal::restore_before_the_end()?;
        ask(options.ask_ground)?;
        let screen = ratatui::Terminal::new(ScreenBackend::new())?;
        Ok(Self {
            screen,
            events,
            #[cfg(unix)]
            sender: sender.clone(),
            input: input::Input::start(sender, options.ask_ground)?,
            log: options.log.clone(),
        })
    }

    /// ratatui's terminal, to draw on.
    pub fn screen(&mut self) -> &mut Screen {
        &mut self.screen
    }

    /// Keys, signals and everything else that happens.
    pub fn events(&self) -> &Receiver<TerminalEvent> {
        &self.events
    }

    /// Turns the reporting of the mouse on or off.
    ///
    /// # Errors
    /// What the terminal says when it is written to.
    pub fn set_mouse(&mut self, mouse: Mouse) -> io::Result<()> {
        modes::set_mouse(mouse)
    }

    /// Stops the process as Ctrl+Z does, with the terminal restored, and comes back with an empty screen once it is
    /// continued in the foreground. Does nothing where there is no job control.
    ///
    /// # Errors
    /// What the terminal says when it is set up again.
    pub fn suspend(&mut self) -> io::Result<()> {
        #[cfg(unix)]
        {
            modes::around(tty::stop)?;
            // SIGWINCH goes to the processes in the foreground: a size that changed meanwhile was not heard of.
            if let Some(event) = signals::resize() {
                let _ = self.sender.send(event);
            }
        }
        self.screen.clear()
    }

    /// Gives the terminal to another program while `run` runs, and comes back with an empty screen.
    ///
    /// # Errors
    /// What the terminal says when it is restored or set up again; `run` has run all the same.
    pub fn lend<R>(&mut self, run: impl FnOnce() -> R) -> io::Result<R> {
        self.input.pause();
        #[cfg(unix)]
        signals::set_lent(signals::Lent::Away);
        let restored = modes::restore();
        let result = run();
        let entered = modes::enter();
        #[cfg(unix)]
        signals::set_lent(signals::Lent::Back);
        self.input.resume();
        restored.and(entered)?;
        self.screen.clear()?;
        Ok(result)
    }

    /// Restores the terminal; dropping does the same, but can't say whether it worked.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn leave(self) -> io::Result<()> {
        modes::restore()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A caller that wants to know calls `leave`.
        let _ = modes::restore();
        #[cfg(unix)]
        signals::stop_watching();
        for message in PANICS.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            tell(&message);
            tell_log(self.log.as_deref());
        }
    }
}

/// Asks what the program wants to know of the terminal. Nothing waits for the answers, which come like keys.
///
/// Whether it knows the kitty keyboard protocol
/// (<https://sw.kovidgoyal.net/kitty/keyboard-protocol/#detection-of-support-for-this-protocol>), and its colours. GNU
/// screen hands the latter question to each terminal it is shown on, and types all answers but one.
#[cfg(unix)]
fn ask(ground: bool) -> io::Result<()> {
    let term = std::env::var("TERM").unwrap_or_default();
    if matches!(term.as_str(), "" | "dumb" | "linux" | "Eterm") {
        return Ok(());
    }
    let is_screen = term == "screen" || term.starts_with("screen.");
    let colours = if ground && !is_screen { colour::QUESTION } else { b"" };
    modes::write_frame(&[b"\x1b[?u", colours].concat())
}

/// A console that gives keys and not bytes is not asked.
#[cfg(not(unix))]
fn ask(_: bool) -> io::Result<()> {
    Ok(())
}

/// Whether the terminal is gone: then writing to it fails, which is no error to tell of.
pub fn has_hung_up() -> bool {
    #[cfg(unix)]
    return signals::has_hung_up();
    #[cfg(not(unix))]
    false
}

/// A panic of the thread that draws restores the terminal before its message is printed. One of another thread must not
/// touch the screen: it may be caught, and the program goes on.
fn hook_panics(events: Sender<TerminalEvent>, log: Option<PathBuf>) {
    let drawing = thread::current().id();
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let over = !modes::are_set();
        if over || thread::current().id() == drawing || cfg!(panic = "abort") {
            // Restored or not, the message has to come out.
            let _ = modes::restore();
            previous(info);
            if !over {
                tell_log(log.as_deref());
            }
        } else {
            let message = describe(info);
            tracing::error!("{message}");
            PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(message.clone());
            let _ = events.send(TerminalEvent::Panicked(message));
        }
    }));
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let thread = thread::current();
    format!("thread '{}' panicked: {info}", thread.name().unwrap_or("?"))
}

fn tell_log(log: Option<&Path>) {
    if let Some(log) = log {
        tell(&format!("The log is in {}", log.display()));
    }
}

fn tell(message: &str) {
    // Standard error may be closed, and there is no other place for it.
    let _ = writeln!(io::stderr(), "{message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_shell() {
        let codes = [Signal::HangUp, Signal::Interrupt, Signal::Quit, Signal::Terminate].map(Signal::exit_code);
        assert_eq!(codes, [129, 130, 131, 143]);
    }
}
