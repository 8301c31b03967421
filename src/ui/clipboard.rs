//! The terminal's clipboard: OSC 52, wrapped where tmux stands between.

use std::fmt::Write as _;
use std::io::{self, Write};

use crossterm::Command;
use crossterm::clipboard::CopyToClipboard;

/// Terminals are known to drop longer OSC 52 sequences (xterm's limit, hterm's is larger).
const LONGEST: usize = 74_994;

/// How the text goes to the clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Straight to the terminal.
    Terminal,
    /// Through tmux, which takes one of two forms, as it is set up: the sequence for itself (`set-clipboard on`), and
    /// the one that it is to hand on to the terminal (`allow-passthrough on`).
    Tmux,
}

impl Way {
    fn from_environment(var: impl Fn(&str) -> Option<String>) -> Self {
        if var("TMUX").is_some_and(|value| !value.is_empty()) { Self::Tmux } else { Self::Terminal }
    }

    fn sequence(self, text: &str) -> Result<String, std::fmt::Error> {
        let mut plain = String::new();
        CopyToClipboard::to_clipboard_from(text.as_bytes()).write_ansi(&mut plain)?;
        if self == Self::Tmux {
            let inner = plain.replace('\u{1b}', "\u{1b}\u{1b}");
            write!(plain, "\u{1b}Ptmux;{inner}\u{1b}\\")?;
        }
        Ok(plain)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Terminal => "OSC 52, to the terminal's clipboard",
            Self::Tmux => "OSC 52 via tmux: needs set-clipboard or allow-passthrough",
        }
    }
}

/// Sends a text to the clipboard of the terminal; says which way, or why not.
pub(super) fn copy(text: &str, what: &str) -> Result<String, String> {
    if text.len() > LONGEST {
        let (has, most) = (text.len(), LONGEST);
        return Err(format!(
            "copied for here only: terminals take {most} bytes, and these are {has}; save them to a file"
        ));
    }
    let way = Way::from_environment(|name| std::env::var(name).ok());
    let failed = |error: &dyn std::fmt::Display| format!("cannot reach the terminal's clipboard: {error}");
    let sequence = way.sequence(text).map_err(|error| failed(&error))?;
    let mut out = io::stdout().lock();
    out.write_all(sequence.as_bytes()).and_then(|()| out.flush()).map_err(|error| failed(&error))?;
    Ok(format!("{what} copied ({})", way.name()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]
mod tests {
    use super::*;

    #[test]
    fn tmux_gets_the_sequence_for_itself_and_one_to_hand_on() {
        let plain = "\u{1b}]52;c;YQ==\u{1b}\\";
        assert_eq!(Way::Terminal.sequence("a").unwrap(), plain);
        let wrapped = "\u{1b}Ptmux;\u{1b}\u{1b}]52;c;YQ==\u{1b}\u{1b}\\\u{1b}\\";
        assert_eq!(Way::Tmux.sequence("a").unwrap(), format!("{plain}{wrapped}"));
    }

    #[test]
    fn the_environment_says_whether_tmux_is_there() {
        let way =
            |value: Option<&str>| Way::from_environment(|name| value.filter(|_| name == "TMUX").map(str::to_owned));
        assert_eq!(
            [way(None), way(Some("")), way(Some("/tmp/tmux-0/default,1,0"))],
            [Way::Terminal, Way::Terminal, Way::Tmux]
        );
    }

    #[test]
    fn what_terminals_drop_is_said_and_not_sent() {
        assert!(copy(&"x".repeat(LONGEST + 1), "much").unwrap_err().contains("74995"));
    }
}
