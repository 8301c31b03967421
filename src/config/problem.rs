//! What cannot be used of a file, with its line.

use std::fmt;
use std::path::{Path, PathBuf};

/// Problems of one file that are told; the rest is counted.
const MOST: usize = 100;

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

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file.display(), self.text),
            None => write!(f, "{}: {}", self.file.display(), self.text),
        }
    }
}

/// The problems of one file as they are found. Time and memory stay linear in the file, however many there are.
pub(super) struct Report<'a> {
    file: &'a Path,
    /// Where each line but the first begins.
    starts: Vec<usize>,
    problems: &'a mut Vec<Problem>,
    found: usize,
}

impl<'a> Report<'a> {
    pub(super) fn of(file: &'a Path, text: &str, problems: &'a mut Vec<Problem>) -> Self {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1).collect();
        Self { file, starts, problems, found: 0 }
    }

    /// The line of a byte offset, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.starts.partition_point(|start| *start <= at)
    }

    /// A problem at a byte offset. Its text is only made where it will be told.
    pub(super) fn add(&mut self, at: usize, what: impl FnOnce() -> String) {
        self.found += 1;
        if self.found <= MOST {
            let line = Some(self.line(at));
            self.problems.push(Problem { file: self.file.to_owned(), line, text: what() });
        }
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        if self.found > MOST {
            let text = format!("{} more things cannot be used", self.found - MOST);
            self.problems.push(Problem { file: self.file.to_owned(), line: None, text });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_problems_too() {
        let mut problems = Vec::new();
        let mut report = Report::of(Path::new("f"), "a\nb\n\nc", &mut problems);
        assert_eq!([0, 1, 2, 4, 5, 99].map(|at| report.line(at)), [1, 1, 2, 3, 4, 4]);
        for at in 0..250 {
            report.add(at, || "bad".to_owned());
        }
        drop(report);
        assert_eq!(problems.len(), 101);
        assert_eq!(problems[100].to_string(), "f: 150 more things cannot be used");
    }
}
