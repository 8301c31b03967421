//! Texts and prompts from arguments, files and stdin, unchanged.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;

use anyhow::{Context as _, bail};

use super::{Context, Usage};
use crate::cli::{PromptArgs, TextArgs};

/// The longest text that is read: a prompt, a text to score or to cut into tokens.
const MAX_TEXT: u64 = 256 << 20;

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
    /// The text of the prompt (or of the query, where a task builds the prompt): TEXT, -p, -f or stdin; an argument with
    /// stdin behind it where something is piped in. Empty where nothing is given and stdin is a terminal. The newline at the
    /// end of stdin or a file is dropped and that is said, unless it is to be kept.
    ///
    /// # Errors
    /// A file that cannot be read or is not UTF-8.
    pub(crate) fn read(&self, cx: &Context) -> anyhow::Result<String> {
        let piped = !std::io::stdin().is_terminal();
        let trimmed = |text: String, of: &str| match without_newline(&text) {
            Some(shorter) if !self.keep_newline => {
                cx.remark(format!("the newline at the end of {of} is dropped (--keep-newline keeps it)"));
                shorter.to_owned()
            }
            _ => text,
        };
        let stdin = || Ok(trimmed(stdin()?, "stdin"));
        match (self.text.as_ref().or(self.prompt.as_ref()), &self.file) {
            (Some(text), _) if text == "-" => stdin(),
            (Some(text), _) if piped => Ok(joined(text, &stdin()?)),
            (Some(text), _) => Ok(text.clone()),
            (None, Some(path)) => Ok(trimmed(file_or_stdin(path)?, &path.display().to_string())),
            (None, None) if piped => stdin(),
            (None, None) => Ok(String::new()),
        }
    }
}

/// A text that ends in a newline, without it.
fn without_newline(text: &str) -> Option<&str> {
    let line = text.strip_suffix('\n')?;
    Some(line.strip_suffix('\r').unwrap_or(line))
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
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    let bytes = limited(file).with_context(|| format!("cannot read {name}"))?;
    text(bytes).with_context(|| format!("cannot use {name}"))
}

fn stdin() -> anyhow::Result<String> {
    let bytes = limited(std::io::stdin().lock()).context("cannot read stdin")?;
    text(bytes).context("cannot use stdin")
}

/// All bytes of a pipe or a file, which may be one that never ends.
fn limited(from: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_TEXT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_TEXT {
        bail!("it has more than {} MB, the most that is read as one text", MAX_TEXT >> 20);
    }
    Ok(bytes)
}

/// Bytes as text.
///
/// # Errors
/// The place of the first byte that is none.
pub(super) fn text(bytes: Vec<u8>) -> anyhow::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("it is not UTF-8 text: byte {at} is 0x{:02X}; convert it with iconv", error.as_bytes()[at])
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
    fn one_newline_is_dropped_and_no_other_character() {
        for (text, shorter) in
            [("a\n", Some("a")), ("a\r\n", Some("a")), ("a\n\n", Some("a\n")), ("a", None), ("", None), ("a ", None)]
        {
            assert_eq!(without_newline(text), shorter, "{text:?}");
        }
    }

    #[test]
    fn a_text_without_an_end_is_refused() {
        let error = limited(std::io::repeat(b'a')).unwrap_err().to_string();
        assert!(error.contains("256 MB"), "{error}");
    }
}
