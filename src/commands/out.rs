//! The only way to stdout: untrusted text is made harmless where a terminal reads it and left alone where a program does.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use kshot::text::{Utf8Assembler, sanitise};
use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation;

use crate::cli::When;

/// The reader of stdout has gone; nothing is wrong.
#[derive(Debug, thiserror::Error)]
#[error("stdout is closed")]
pub(crate) struct Closed;

/// Stdout, and how text is to look there.
pub(crate) struct Out {
    stdout: Box<dyn Write>,
    terminal: bool,
    style: Style,
}

impl Out {
    /// The process's stdout.
    pub(crate) fn new(color: When) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        Self { style: Style::new(color, terminal), stdout: Box::new(stdout.lock()), terminal }
    }

    #[cfg(test)]
    pub(crate) fn to(stdout: Box<dyn Write>, terminal: bool) -> Self {
        Self { style: Style::new(When::Never, terminal), stdout, terminal }
    }

    /// Whether a person reads along.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The styles to use here.
    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// Writes a line of our own words. What is in it of others has gone through [`Out::label`].
    pub(crate) fn line(&mut self, line: impl Display) -> anyhow::Result<()> {
        self.raw(format!("{line}\n").as_bytes())
    }

    /// Writes a text of our own words and shows it.
    pub(crate) fn own(&mut self, text: &str) -> anyhow::Result<()> {
        self.raw(text.as_bytes())?;
        self.flush()
    }

    /// Writes a text of others: sanitised on a terminal, as it is elsewhere.
    pub(crate) fn text(&mut self, text: &str) -> anyhow::Result<()> {
        match self.terminal {
            true => self.raw(sanitise::text(text).as_bytes()),
            false => self.raw(text.as_bytes()),
        }
    }

    /// A text of others as a part of a line: one line, sanitised on a terminal.
    pub(crate) fn label(&self, text: &str) -> String {
        match self.terminal {
            true => sanitise::line(text).into_owned(),
            false => text.to_owned(),
        }
    }

    /// Writes one JSON value in one line. On a terminal, what could steer it is escaped as `\uXXXX`.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        let json = serde_json::to_string(value)?;
        match self.terminal {
            true => self.line(harmless_json(&json)),
            false => self.line(json),
        }
    }

    /// Shows what was written so far.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        self.stdout.flush().map_err(failed)
    }

    fn raw(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stdout.write_all(bytes).map_err(failed)
    }
}

fn failed(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Closed.into(),
        _ => anyhow::Error::new(error).context("cannot write to stdout"),
    }
}

/// Streams the bytes of tokens to an [`Out`]: never half a character, no byte lost.
#[derive(Default)]
pub(crate) struct TextStream {
    assembler: Utf8Assembler,
    /// On a terminal the text, elsewhere the bytes, that are not shown yet.
    held_text: String,
    held_bytes: Vec<u8>,
}

impl TextStream {
    /// Shows as much as is certain.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Out) -> anyhow::Result<()> {
        let text = self.assembler.push(bytes);
        if out.terminal {
            self.held_text.push_str(&text);
            // The sanitiser judges whole graphemes. One that may still grow waits for what follows; plain letters do not.
            let last = self.held_text.graphemes(true).next_back().unwrap_or_default();
            let waits = if last.is_ascii() && last != "\r" { 0 } else { last.len() };
            let ready = self.held_text.len() - waits;
            out.text(&self.held_text[..ready])?;
            self.held_text.drain(..ready);
        } else {
            self.held_bytes.extend_from_slice(bytes);
            let ready = self.held_bytes.len() - self.assembler.pending().len();
            out.raw(&self.held_bytes[..ready])?;
            self.held_bytes.drain(..ready);
        }
        out.flush()
    }

    /// Shows the rest.
    pub(crate) fn finish(&mut self, out: &mut Out) -> anyhow::Result<()> {
        let text = self.assembler.finish();
        if out.terminal {
            self.held_text.push_str(&text);
            out.text(&std::mem::take(&mut self.held_text))?;
        } else {
            out.raw(&std::mem::take(&mut self.held_bytes))?;
        }
        out.flush()
    }
}

/// Colours, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    on: bool,
}

impl Style {
    /// Colours for a stream, after `--color`, NO_COLOR, CLICOLOR_FORCE and TERM.
    pub(crate) fn new(color: When, terminal: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let on = match color {
            When::Always => true,
            When::Never => false,
            When::Auto if set("NO_COLOR") => false,
            When::Auto if std::env::var_os("CLICOLOR_FORCE").is_some_and(|v| !v.is_empty() && v != "0") => true,
            When::Auto => terminal && std::env::var_os("TERM").is_some_and(|term| term != "dumb"),
        };
        Self { on }
    }

    /// Whether there are colours.
    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    /// Good news.
    pub(crate) fn green(self, text: impl Display) -> String {
        self.paint("32", text)
    }

    /// Bad news.
    pub(crate) fn red(self, text: impl Display) -> String {
        self.paint("1;31", text)
    }

    /// What matters less.
    pub(crate) fn dim(self, text: impl Display) -> String {
        self.paint("2", text)
    }

    /// A heading.
    pub(crate) fn bold(self, text: impl Display) -> String {
        self.paint("1", text)
    }

    /// Something to tell from its neighbours.
    pub(crate) fn inverse(self, text: impl Display) -> String {
        self.paint("7", text)
    }

    fn paint(self, code: &str, text: impl Display) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// The same JSON with every character that the sanitiser would replace written as an escape.
fn harmless_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    let mut buffer = [0; 4];
    for c in json.chars() {
        let plain = c.is_ascii_graphic() || c == ' ';
        if plain || sanitise::line(c.encode_utf8(&mut buffer)) == c.encode_utf8(&mut [0; 4]) as &str {
            escaped.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn streamed(bytes: &[u8], chunk: usize, terminal: bool) -> (Vec<u8>, Vec<Vec<u8>>) {
        let sink = Shared::default();
        let mut out = Out::to(Box::new(sink.clone()), terminal);
        let mut stream = TextStream::default();
        let mut seen = Vec::new();
        for piece in bytes.chunks(chunk) {
            stream.push(piece, &mut out).unwrap();
            seen.push(sink.0.borrow().clone());
        }
        stream.finish(&mut out).unwrap();
        let all = sink.0.borrow().clone();
        (all, seen)
    }

    #[test]
    fn a_pipe_gets_every_byte_and_never_half_a_character() {
        for bytes in ["I love 爱 👨\u{200d}👩\u{200d}👧 e\u{301}".as_bytes(), b"\x1b[2J\xff\xe4\xb8 a\x9b", b"\xf0\x9f"]
        {
            for chunk in 1..=bytes.len() {
                let (all, seen) = streamed(bytes, chunk, false);
                assert_eq!(all, bytes, "chunks of {chunk}");
                for shown in seen {
                    let error = std::str::from_utf8(&shown).err();
                    let cut = error.is_some_and(|e| e.error_len().is_none());
                    assert!(!cut, "half a character: {shown:?}");
                }
            }
        }
    }

    #[test]
    fn a_terminal_gets_text_without_controls_however_it_arrives() {
        let bytes = "a\x1b]0;x\x07\u{9b}2J \u{202e}b👨\u{200d}👩\u{200d}👧 爱\r\nc".as_bytes();
        let whole = streamed(bytes, bytes.len(), true).0;
        let shown = String::from_utf8(whole.clone()).unwrap();
        assert!(shown.contains("👨\u{200d}👩\u{200d}👧 爱") && shown.ends_with("␍\nc"), "{shown}");
        assert!(!shown.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{shown:?}");
        for chunk in 1..bytes.len() {
            assert_eq!(streamed(bytes, chunk, true).0, whole, "chunks of {chunk}");
        }
    }

    #[test]
    fn json_on_a_terminal_means_the_same_and_steers_nothing() {
        let value = "\x1b[2J\u{9b}\u{7f}\u{202e}\u{e0041} 爱 ␛ é";
        let json = serde_json::to_string(value).unwrap();
        let harmless = harmless_json(&json);
        assert_eq!(serde_json::from_str::<String>(&harmless).unwrap(), value);
        assert_eq!(sanitise::line(&harmless), harmless);
        assert!(harmless.contains("爱 ␛ é"));
    }
}
