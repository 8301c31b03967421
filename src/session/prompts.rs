//! Prompts that a user saved under a name: one plain text file each, in one folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{self, Existing, ReadError, WriteError, private_folder, write_private};

/// How a prompt's file ends.
const ENDING: &str = "txt";
/// Bytes of a name: with the ending and a temporary prefix within what file systems take.
const LONGEST_NAME: usize = 120;
/// Bytes of a prompt that the list shows.
const PREVIEW: u64 = 4096;
/// Bytes of a prompt that is loaded.
const LARGEST: u64 = 64 << 20;
/// Names that Windows keeps for devices, whatever their ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Why something was not done with the saved prompts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// The name is none that a prompt can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Another prompt has the name.
    #[error("{0} exists already")]
    Taken(String),
    /// No prompt has the name.
    #[error("there is no saved prompt {name:?} in {}", folder.display())]
    Missing {
        /// The name.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The text was not read.
    #[error("{0}")]
    Read(String),
    /// The text was not written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// What the file system says of a file or folder.
    #[error("cannot {doing} {}: {reason}", path.display())]
    File {
        /// What was to be done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// Why a name cannot be that of a saved prompt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A character that some file system does not take, or that leads out of the folder.
    #[error("a name cannot have the character {:?}", String::from(*.0))]
    Character(char),
    /// It begins or ends with a dot or a space, or is empty.
    #[error("a name begins and ends with something else than a dot or a space")]
    Ends,
    /// It has more bytes than every file system takes.
    #[error("the name has {0} bytes; {LONGEST_NAME} are the most")]
    TooLong(usize),
    /// Windows keeps the name for a device.
    #[error("{0} is the name of a device on Windows; take another one")]
    Device(String),
}

/// A saved prompt, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedPrompt {
    /// Its name.
    pub name: String,
    /// The size of its text.
    pub bytes: u64,
    /// The start of its text; cut characters are U+FFFD.
    pub preview: String,
}

/// Something to do with the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptJob {
    /// Only list the prompts.
    List,
    /// Write a text under a name.
    Save {
        /// The name.
        name: String,
        /// The text.
        bytes: Vec<u8>,
        /// Whether one that is there may be replaced.
        existing: Existing,
        /// The document's revision, handed back with the answer.
        revision: u64,
    },
    /// Read a text.
    Load {
        /// Its name.
        name: String,
    },
    /// Give a prompt another name.
    Rename {
        /// The name it has.
        from: String,
        /// The name it gets.
        to: String,
    },
    /// Remove a prompt.
    Delete {
        /// Its name.
        name: String,
    },
}

/// The folder of the saved prompts. It is made when the first is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptFolder(pub PathBuf);

impl PromptFolder {
    /// Carries out a job. Only loading gives bytes.
    ///
    /// # Errors
    /// What is wrong with the name or the folder, and what to do.
    pub fn run(&self, job: &PromptJob) -> Result<Vec<u8>, PromptError> {
        match job {
            PromptJob::List => Ok(()),
            PromptJob::Save { name, bytes, existing, .. } => self.save(name, bytes, *existing),
            PromptJob::Load { name } => return self.load(name),
            PromptJob::Rename { from, to } => self.rename(from, to),
            PromptJob::Delete { name } => self.delete(name),
        }
        .map(|()| Vec::new())
    }

    /// The prompts in order of their names. What cannot be read is left out.
    ///
    /// # Errors
    /// A folder that is there and cannot be read.
    pub fn list(&self) -> Result<Vec<SavedPrompt>, PromptError> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| failed("read the folder", &self.0, &error))?,
        };
        let mut all: Vec<SavedPrompt> = entries.filter_map(|entry| row(&entry.ok()?.path())).collect();
        all.sort_by_cached_key(|prompt| (prompt.name.to_lowercase(), prompt.name.clone()));
        Ok(all)
    }

    /// The text of a prompt.
    ///
    /// # Errors
    /// There is none of this name, or it cannot be read.
    pub fn load(&self, name: &str) -> Result<Vec<u8>, PromptError> {
        disk::read(&self.path(name)?, LARGEST).map_err(|error| match error {
            ReadError::Missing(_) => PromptError::Missing { name: name.to_owned(), folder: self.0.clone() },
            error => PromptError::Read(error.to_string()),
        })
    }

    fn save(&self, name: &str, bytes: &[u8], existing: Existing) -> Result<(), PromptError> {
        let path = self.path(name)?;
        private_folder(&self.0).map_err(|error| failed("make the folder", &self.0, &error))?;
        write_private(&path, bytes, existing).map_err(|error| match error {
            WriteError::Exists(_) => PromptError::Taken(name.to_owned()),
            other => other.into(),
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), PromptError> {
        let (old, new) = (self.path(from)?, self.path(to)?);
        // A change of case alone is the same file on some systems.
        if new.symlink_metadata().is_ok() && from.to_lowercase() != to.to_lowercase() {
            return Err(PromptError::Taken(to.to_owned()));
        }
        fs::rename(&old, &new).map_err(|error| failed("rename", &old, &error))
    }

    fn delete(&self, name: &str) -> Result<(), PromptError> {
        let path = self.path(name)?;
        fs::remove_file(&path).map_err(|error| failed("delete", &path, &error))
    }

    fn path(&self, name: &str) -> Result<PathBuf, NameError> {
        check_name(name)?;
        Ok(self.0.join(format!("{name}.{ENDING}")))
    }
}

/// Whether a name is one that every file system takes and that stays inside its folder.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let bad = |c: &char| c.is_control() || "/\\:*?\"<>|".contains(*c);
    if let Some(c) = name.chars().find(bad) {
        return Err(NameError::Character(c));
    }
    let stem = name.split('.').next().unwrap_or_default().to_lowercase();
    let numbered =
        |port: &str| stem.strip_prefix(port).is_some_and(|n| n.len() == 1 && n != "0" && n.parse::<u8>().is_ok());
    if name.trim() != name || name.is_empty() || name.starts_with('.') || name.ends_with('.') {
        Err(NameError::Ends)
    } else if name.len() > LONGEST_NAME {
        Err(NameError::TooLong(name.len()))
    } else if DEVICES.contains(&stem.as_str()) || numbered("com") || numbered("lpt") {
        Err(NameError::Device(name.to_owned()))
    } else {
        Ok(())
    }
}

fn failed(doing: &'static str, path: &Path, error: &io::Error) -> PromptError {
    PromptError::File { doing, path: path.to_owned(), reason: error.to_string() }
}

fn row(path: &Path) -> Option<SavedPrompt> {
    let name = path.file_stem()?.to_str()?;
    if path.extension()? != ENDING || check_name(name).is_err() || !path.is_file() {
        return None;
    }
    let (bytes, start) = (path.metadata().ok()?.len(), disk::read_start(path, PREVIEW).ok()?);
    Some(SavedPrompt { name: name.to_owned(), bytes, preview: String::from_utf8_lossy(&start).into_owned() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]
mod tests {
    use super::*;

    fn save(folder: &PromptFolder, name: &str, text: &str, existing: Existing) -> Result<Vec<u8>, PromptError> {
        folder.run(&PromptJob::Save { name: name.into(), bytes: text.into(), existing, revision: 0 })
    }

    #[test]
    fn prompts_are_saved_listed_renamed_and_deleted() {
        let place = tempfile::tempdir().unwrap();
        let folder = PromptFolder(place.path().join("not/there/yet"));
        assert_eq!(folder.list(), Ok(Vec::new()));
        save(&folder, "Zebra", "stripes", Existing::Keep).unwrap();
        save(&folder, "法语 1.5", "sea -> mer\n", Existing::Keep).unwrap();
        save(&folder, "apple", &"x".repeat(5000), Existing::Keep).unwrap();
        fs::write(folder.0.join("notes.md"), "no prompt").unwrap();
        fs::create_dir(folder.0.join("folder.txt")).unwrap();
        let names = |folder: &PromptFolder| folder.list().unwrap().into_iter().map(|p| p.name).collect::<Vec<_>>();
        assert_eq!(names(&folder), ["apple", "Zebra", "法语 1.5"]);
        let apple = folder.list().unwrap().remove(0);
        assert_eq!((apple.bytes, apple.preview.len()), (5000, 4096));

        assert_eq!(save(&folder, "Zebra", "spots", Existing::Keep), Err(PromptError::Taken("Zebra".into())));
        assert_eq!(folder.load("Zebra").unwrap(), b"stripes");
        save(&folder, "Zebra", "spots", Existing::Replace).unwrap();
        assert_eq!(folder.load("Zebra").unwrap(), b"spots");

        let rename = |from: &str, to: &str| folder.run(&PromptJob::Rename { from: from.into(), to: to.into() });
        assert_eq!(rename("Zebra", "apple"), Err(PromptError::Taken("apple".into())));
        assert_eq!(folder.load("Zebra").unwrap(), b"spots");
        rename("Zebra", "zebra").unwrap();
        folder.run(&PromptJob::Delete { name: "apple".into() }).unwrap();
        assert_eq!(names(&folder), ["zebra", "法语 1.5"]);
        assert!(matches!(folder.load("apple"), Err(PromptError::Missing { .. })));
    }

    #[test]
    fn names_stay_inside_the_folder_and_name_files_everywhere() {
        for name in ["a", "Few-shot, 2 examples", "法语", "v1.5", "connect", "com10", "COM"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        let long = "é".repeat(61);
        let bad = [
            "", " ", "..", ".hidden", "a.", " a", "../a", "a/b", "a\\b", "c:", "a\nb", "\u{9b}", "CON", "nul.a",
            "lpt1", &long,
        ];
        for name in bad {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        let folder = PromptFolder("/nowhere".into());
        assert_eq!(folder.load("../../etc/passwd"), Err(NameError::Character('/').into()));
    }
}
