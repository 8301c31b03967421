//! The files of a checkpoint, wherever they are: in a folder, or inside the program.
//!
//! Everything that reads a checkpoint (weights, tokenizer, hashes) reads it through [`Files`], so that the model kshot
//! carries is one like any other. Knows the names of files and nothing of what is in them. Reads regular files only, and
//! whole ones only up to a limit that the caller gives.

pub mod builtin;

use std::borrow::Cow;
use std::fmt;
use std::io::{Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use crate::disk::{self, ReadError};

/// Where the files of a checkpoint are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Files {
    /// In a folder.
    Folder(PathBuf),
    /// In the program: the model that kshot carries.
    BuiltIn,
}

/// A file that is read part by part.
pub trait Stream: Read + Seek + Send {}

impl<T: Read + Seek + Send> Stream for T {}

impl Files {
    /// Whether there is something of that name. What is no file is said when it is read: a pipe in the place of a file is
    /// no missing file.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.join(name).exists(),
            Self::BuiltIn => builtin::file(name).is_some(),
        }
    }

    /// A whole file of at most `limit` bytes. What is in the program is not copied.
    ///
    /// # Errors
    /// [`ReadError`]: there is none of that name, it is no regular file, it is larger, or it cannot be read.
    pub fn read(&self, name: &str, limit: u64) -> Result<Cow<'static, [u8]>, ReadError> {
        match self {
            Self::Folder(folder) => disk::read(&folder.join(name), limit).map(Cow::Owned),
            Self::BuiltIn => self.built_in(name).map(Cow::Borrowed),
        }
    }

    /// A file to be read part by part, and its length.
    ///
    /// # Errors
    /// As for [`Files::read`].
    pub fn open(&self, name: &str) -> Result<(Box<dyn Stream>, u64), ReadError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let file = disk::open(&path)?;
                let length = file.metadata().map_err(|source| ReadError::Io { path, source })?.len();
                Ok((Box::new(file), length))
            }
            Self::BuiltIn => self
                .built_in(name)
                .map(|bytes| -> (Box<dyn Stream>, u64) { (Box::new(Cursor::new(bytes)), bytes.len() as u64) }),
        }
    }

    fn built_in(&self, name: &str) -> Result<&'static [u8], ReadError> {
        builtin::file(name).ok_or_else(|| ReadError::Missing(self.path(name)))
    }

    /// The names of all files, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = match self {
            Self::Folder(folder) => std::fs::read_dir(folder)
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .filter(|name| self.has(name))
                .collect(),
            Self::BuiltIn => builtin::FILES.iter().map(|(name, _)| (*name).to_owned()).collect(),
        };
        names.sort();
        names
    }

    /// The name to show for a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// The name to show for all of them: the folder, or the model's name.
    pub fn root(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder,
            Self::BuiltIn => Path::new(builtin::NAME),
        }
    }
}

/// Where they are, in words.
impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::BuiltIn => f.write_str("in the program"),
        }
    }
}

impl serde::Serialize for Files {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<PathBuf> for Files {
    fn from(folder: PathBuf) -> Self {
        Self::Folder(folder)
    }
}

impl From<&Path> for Files {
    fn from(folder: &Path) -> Self {
        Self::Folder(folder.into())
    }
}

impl From<&PathBuf> for Files {
    fn from(folder: &PathBuf) -> Self {
        Self::Folder(folder.clone())
    }
}

impl From<&Files> for Files {
    fn from(files: &Files) -> Self {
        files.clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]
mod tests {
    use super::*;

    const LIMIT: u64 = 100_000_000;

    #[test]
    fn the_program_holds_what_the_folder_held() {
        let folder = Files::from(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/builtin"));
        assert_eq!(Files::BuiltIn.names(), folder.names());
        for name in folder.names() {
            assert_eq!(Files::BuiltIn.read(&name, LIMIT).unwrap(), folder.read(&name, LIMIT).unwrap(), "{name}");
            assert!(matches!(Files::BuiltIn.read(&name, LIMIT).unwrap(), Cow::Borrowed(_)), "{name} is not copied");
            for files in [&Files::BuiltIn, &folder] {
                let (mut stream, length) = files.open(&name).unwrap();
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).unwrap();
                assert_eq!((bytes.len() as u64, &*bytes), (length, &*folder.read(&name, LIMIT).unwrap()), "{name}");
            }
        }
        for files in [Files::BuiltIn, folder] {
            assert!(
                !files.has("vocab.json")
                    && files.read("vocab.json", LIMIT).is_err()
                    && files.open("vocab.json").is_err()
            );
        }
    }
}
