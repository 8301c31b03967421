//! What cannot be used of a file.

use std::fmt;
use std::path::{Path, PathBuf};

/// Something of a file that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; `None` where it is the file as a whole.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub text: String,
}

impl Problem {
    /// A problem of the text at a byte offset of a file.
    pub(super) fn at(file: &Path, text: &str, offset: usize, what: impl Into<String>) -> Self {
        let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Self { file: file.to_owned(), line: Some(line), text: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file.display(), self.text),
            None => write!(f, "{}: {}", self.file.display(), self.text),
        }
    }
}
