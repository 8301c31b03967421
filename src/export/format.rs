//! The table of formats, and one place that makes any of them.

use super::page::{Facts, html, markdown};
use super::record::Record;
use super::shell::shell_command;
use super::tokens::{TokenRow, csv};
use super::trace::Trace;

/// What something can be exported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table's rows document each format")]
pub enum Format {
    Text,
    Csv,
    Markdown,
    Html,
    Trace,
    Shell,
}

/// What a format is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The whole text.
    Text,
    /// The last generation.
    Generation,
}

/// One row of the table.
#[derive(Debug)]
pub struct FormatSpec {
    /// Which format the row describes.
    pub format: Format,
    /// A few words for a list.
    pub name: &'static str,
    /// One sentence for a list.
    pub doc: &'static str,
    /// The end of a file's name.
    pub extension: &'static str,
    /// What it is made from.
    pub subject: Subject,
}

/// All formats, in the order of a list.
pub fn formats() -> &'static [FormatSpec] {
    &FORMATS
}

const FORMATS: [FormatSpec; 6] = [
    FormatSpec {
        format: Format::Text,
        name: "text",
        doc: "the document as it is",
        extension: "txt",
        subject: Subject::Text,
    },
    FormatSpec {
        format: Format::Csv,
        name: "table (CSV)",
        doc: "a token a line: id, text, log-probability, rank, entropy",
        extension: "csv",
        subject: Subject::Text,
    },
    FormatSpec {
        format: Format::Markdown,
        name: "Markdown",
        doc: "the text, and a table of its tokens",
        extension: "md",
        subject: Subject::Text,
    },
    FormatSpec {
        format: Format::Html,
        name: "HTML",
        doc: "a page with probability colours",
        extension: "html",
        subject: Subject::Text,
    },
    FormatSpec {
        format: Format::Trace,
        name: "trace (JSON)",
        doc: "the last generation with all its figures, for kshot replay",
        extension: "json",
        subject: Subject::Generation,
    },
    FormatSpec {
        format: Format::Shell,
        name: "shell command",
        doc: "the command that makes the last generation again",
        extension: "sh",
        subject: Subject::Generation,
    },
];

/// What an export is made from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The text.
    pub text: Vec<u8>,
    /// Its tokens.
    pub rows: Vec<TokenRow>,
    /// What to say above it.
    pub facts: Facts,
    /// The last generation.
    pub record: Option<Box<Record>>,
}

impl Source {
    /// Makes the export. A trace reads the weights' files, which takes a while.
    ///
    /// # Errors
    /// Says what is missing or cannot be read.
    pub fn render(&self, format: Format) -> Result<Vec<u8>, String> {
        let record = || self.record.as_deref().ok_or_else(|| "nothing was generated yet".to_owned());
        Ok(match format {
            Format::Text => self.text.clone(),
            Format::Csv => csv(&self.rows)?.into_bytes(),
            Format::Markdown => markdown(&self.rows, &self.facts).into_bytes(),
            Format::Html => html(&self.rows, &self.facts).into_bytes(),
            Format::Trace => {
                let trace = Trace::of(record()?).and_then(|trace| trace.to_json());
                trace.map_err(|error| error.to_string())?.into_bytes()
            }
            Format::Shell => (shell_command(record()?)? + "\n").into_bytes(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn what_needs_a_generation_says_so() {
        let source = Source { text: b"a\xff".to_vec(), ..Source::default() };
        assert_eq!(source.render(Format::Text).unwrap(), b"a\xff");
        for spec in formats() {
            assert_eq!(source.render(spec.format).is_err(), spec.subject == Subject::Generation, "{}", spec.name);
        }
    }
}
