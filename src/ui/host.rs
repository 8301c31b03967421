//! The real terminal as a [`Host`]: clipboard, editor, suspending.

use std::io::{self, Write};
use std::process::Command;

use crossbeam_channel::Receiver;

use super::clipboard;
use super::events::Host;
use super::terminal::{Mouse, ScreenBackend, Terminal, TerminalEvent};
use crate::app::{Message, TerminalRequest};

/// How text is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clipboard {
    /// The best way there is.
    Auto,
    /// Through the terminal.
    Osc52,
    /// Not at all.
    Off,
}

impl Clipboard {
    /// All ways.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Osc52, Self::Off];

    /// Its name in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Osc52 => "osc52",
            Self::Off => "off",
        }
    }

    /// What it is.
    pub fn doc(self) -> &'static str {
        match self {
            Self::Auto => "the best way there is",
            Self::Osc52 => "through the terminal, over ssh too",
            Self::Off => "not at all",
        }
    }

    /// The way of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }
}

/// The real terminal.
pub struct TerminalHost {
    terminal: Terminal,
    clipboard: Clipboard,
}

impl TerminalHost {
    /// Around a terminal that was taken over.
    pub fn new(terminal: Terminal, clipboard: Clipboard) -> Self {
        Self { terminal, clipboard }
    }

    /// Restores the terminal.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn leave(self) -> io::Result<()> {
        self.terminal.leave()
    }

    fn edit(&mut self, text: &str) -> Result<String, String> {
        let editor =
            ["VISUAL", "EDITOR"].iter().filter_map(|name| std::env::var(name).ok()).find(|e| !e.trim().is_empty());
        let editor = editor.unwrap_or_else(|| "vi".to_owned());
        let mut file = tempfile::Builder::new()
            .prefix("kshot-")
            .suffix(".txt")
            .tempfile()
            .map_err(|error| format!("cannot make a file for the editor: {error}"))?;
        file.write_all(text.as_bytes()).map_err(|error| format!("cannot write {}: {error}", file.path().display()))?;
        let mut words = editor.split_whitespace();
        let program = words.next().unwrap_or("vi").to_owned();
        let mut command = Command::new(&program);
        command.args(words).arg(file.path());
        let status = self.terminal.lend(|| command.status()).map_err(|error| format!("the terminal: {error}"))?;
        match status {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(format!("{program} ended with {status}; the text is unchanged")),
            Err(error) => return Err(format!("cannot run {program}: {error}; set $VISUAL or $EDITOR")),
        }
        let text =
            std::fs::read_to_string(file.path()).map_err(|error| format!("cannot read the edited text: {error}"))?;
        // Editors end the last line; the document had no such newline unless it was typed.
        Ok(text.strip_suffix('\n').map_or(text.clone(), str::to_owned))
    }
}

impl Host for TerminalHost {
    type Backend = ScreenBackend;

    fn screen(&mut self) -> &mut ratatui::Terminal<Self::Backend> {
        self.terminal.screen()
    }

    fn events(&self) -> &Receiver<TerminalEvent> {
        self.terminal.events()
    }

    fn run(&mut self, request: TerminalRequest) -> Option<Message> {
        match request {
            TerminalRequest::Copy { .. } if self.clipboard == Clipboard::Off => {
                Some(Message::Say(Err("copying is off: clipboard in config.toml says how to copy".to_owned())))
            }
            TerminalRequest::Copy { text, what } => Some(Message::Say(clipboard::copy(&text, &what))),
            TerminalRequest::Edit(text) => Some(Message::Edited(self.edit(&text))),
            TerminalRequest::Suspend => Some(match self.terminal.suspend() {
                Ok(()) => Message::Resumed,
                Err(error) => Message::Say(Err(format!("cannot suspend: {error}"))),
            }),
            TerminalRequest::Mouse(on) => {
                let set = self.terminal.set_mouse(if on { Mouse::On } else { Mouse::Off });
                set.err().map(|error| Message::Say(Err(format!("cannot set the mouse: {error}"))))
            }
            // The loop does these itself.
            TerminalRequest::Redraw | TerminalRequest::Screenshot => None,
        }
    }
}
