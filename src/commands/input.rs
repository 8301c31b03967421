//! Texts and prompts from arguments, files and stdin, unchanged.

use std::io::{IsTerminal, Read};
use std::path::Path;

use anyhow::{Context as _, bail};

use super::Usage;
use crate::cli::{PromptArgs, TextArgs};

impl TextArgs {
    /// The text that was given.
    ///
    /// # Errors
    /// Nothing was given and stdin is a terminal; a file that cannot be read or is not UTF-8.
    pub(crate) fn read(&self) -> anyhow::Result<String> {
        match (&self.text, &self.file) {
            (Some(text), _) if text == "-" => stdin(),
            (Some(text), _) => Ok(text.clone()),
            (None, Some(path)) => file_or_stdin(path),
            (None, None) if std::io::stdin().is_terminal() => {
                bail!(Usage("no text: give TEXT, -f FILE, or pipe it in".into()))
            }
            (None, None) => stdin(),
        }
    }
}

impl PromptArgs {
    /// The text of the prompt (or of the query, where a task builds the prompt): -p, -f or stdin; -p with stdin behind
    /// it where something is piped in. Empty where nothing is given and stdin is a terminal.
    ///
    /// # Errors
    /// A file that cannot be read or is not UTF-8.
    pub(crate) fn read(&self) -> anyhow::Result<String> {
        let piped = !std::io::stdin().is_terminal();
        match (&self.prompt, &self.file) {
            (Some(text), _) if text == "-" => stdin(),
            (Some(text), _) if piped => Ok(joined(text, &stdin()?)),
            (Some(text), _) => Ok(text.clone()),
            (None, Some(path)) => file_or_stdin(path),
            (None, None) if piped => stdin(),
            (None, None) => Ok(String::new()),
        }
    }
}

/// The prompt argument, then what was piped in (as aichat joins them).
fn joined(argument: &str, piped: &str) -> String {
    match (argument, piped) {
        (argument, "") => argument.to_owned(),
        ("", piped) => piped.to_owned(),
        (argument, piped) => format!("{argument}\n{piped}"),
    }
}

/// The text of a file, or of stdin where the path is `-`.
///
/// # Errors
/// It cannot be read or is not UTF-8.
pub(super) fn file_or_stdin(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        return stdin();
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    text(bytes).with_context(|| format!("cannot use {}", path.display()))
}

fn stdin() -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read stdin")?;
    text(bytes).context("cannot use stdin")
}

fn text(bytes: Vec<u8>) -> anyhow::Result<String> {
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        anyhow::anyhow!("it is not UTF-8 text: byte {at} is 0x{:02X}; convert it with iconv", e.as_bytes()[at])
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]
mod tests {
    use super::*;

    #[test]
    fn joins() {
        let cases = [("a", "b", "a\nb"), ("a", "", "a"), ("", "b", "b"), ("", "", ""), ("a\n", "b\n", "a\n\nb\n")];
        for (argument, piped, expected) in cases {
            assert_eq!(joined(argument, piped), expected);
        }
    }

    #[test]
    fn text_must_be_utf8() {
        assert_eq!(text("a\r\n中\0".into()).unwrap(), "a\r\n中\0");
        let error = text(b"ab\xff".to_vec()).unwrap_err().to_string();
        assert!(error.contains("byte 2 is 0xFF"), "{error}");
    }
}
