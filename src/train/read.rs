//! Text to train on, from files, folders and JSON lines.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Data, Result, TrainError};
use crate::disk;

/// Endings of files that are taken from a folder.
const ENDINGS: [&str; 4] = ["txt", "md", "text", "jsonl"];

/// The longest file of text.
const LARGEST: u64 = 4 << 30;

/// Documents with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// What it is called in a recipe.
    pub name: String,
    /// One a file, or one a line of a `.jsonl` file.
    pub documents: Vec<String>,
}

impl Text {
    /// Reads files in order; a folder stands for its `.txt`, `.md`, `.text` and `.jsonl` files by name. Each line of a
    /// `.jsonl` file is an object whose `field` is a document.
    ///
    /// # Errors
    /// A file that cannot be read, is no regular one, is larger than 4 GiB or is not UTF-8, a line without the field;
    /// nothing at all to read.
    pub fn read(paths: &[PathBuf], field: &str) -> Result<Self> {
        let mut documents = Vec::new();
        for path in paths {
            for file in files_of(path)? {
                let text = disk::read_text(&file, LARGEST)?;
                if file.extension().is_some_and(|ending| ending == "jsonl") {
                    documents.extend(json_lines(&file, &text, field)?);
                } else {
                    documents.push(text);
                }
            }
        }
        documents.retain(|document| !document.is_empty());
        let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        let name = names.join(" ");
        match documents.is_empty() {
            true => Err(TrainError::EmptyCorpus(format!("{name} holds none"))),
            false => Ok(Self { name, documents }),
        }
    }

    /// How a recipe refers to it.
    pub fn data(&self) -> Data {
        let mut hash = Sha256::new();
        for document in &self.documents {
            hash.update(document.len().to_le_bytes());
            hash.update(document.as_bytes());
        }
        let hash = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Data::Text { name: self.name.clone(), hash }
    }
}

fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(|error| failed(path, &error))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| file.is_file() && file.extension().is_some_and(|e| ENDINGS.iter().any(|known| e == *known)))
        .collect();
    files.sort();
    Ok(files)
}

fn json_lines(file: &Path, text: &str, field: &str) -> Result<Vec<String>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let bad = |reason: String| TrainError::File(format!("{}:{}: {reason}", file.display(), number + 1));
            let object: Value = serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
            match object.get(field).and_then(Value::as_str) {
                Some(document) => Ok(document.to_owned()),
                None => Err(bad(format!("it has no text under {field:?}"))),
            }
        })
        .collect()
}

fn failed(path: &Path, error: &std::io::Error) -> TrainError {
    TrainError::File(format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn files_folders_and_json_lines() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        put("b.txt", "two".as_bytes());
        put("a.txt", "one".as_bytes());
        put("c.bin", "no".as_bytes());
        put("d.jsonl", "{\"text\": \"three\"}\n\n{\"text\": \"four\"}\n".as_bytes());
        let all = Text::read(&[folder.path().to_owned()], "text").unwrap();
        assert_eq!(all.documents, ["one", "two", "three", "four"]);

        let message = |path: PathBuf, field: &str| Text::read(&[path], field).unwrap_err().to_string();
        assert!(message(folder.path().join("d.jsonl"), "body").contains("d.jsonl:1: it has no text under \"body\""));
        assert!(message(put("e.txt", b"ab\xff"), "text").contains("not UTF-8 text: line 1 has the byte 0xFF"));
        assert!(message(put("f.txt", b""), "text").contains("no text to train on"));
        assert!(message(folder.path().join("none.txt"), "text").contains("none.txt"));
    }
}
