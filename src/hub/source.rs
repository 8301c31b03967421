//! What a model's name means: the model in the program, a folder, or a repository of the hub.

use std::io::{self, Read};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::cache::{FileCheck, FileState};
use super::model_ref::is_lower_hex;
use super::{HubError, ModelRef};
use crate::files::{Files, builtin};

/// Where a model is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the program.
    BuiltIn,
    /// In a folder, as a path that can be opened.
    Folder(PathBuf),
    /// In a repository of the hub.
    Hub(ModelRef),
}

impl Source {
    /// Reads a name. `built-in` is the model in the program; an existing folder, or what starts like a path, is a folder;
    /// anything else is a hub id.
    ///
    /// # Errors
    /// [`HubError::InvalidModelRef`] for a name that is none of these.
    pub fn of(name: &str) -> Result<Self, HubError> {
        if name == builtin::NAME {
            return Ok(Self::BuiltIn);
        }
        let path = expand_home(name);
        let is_path = ["./", "../", "/", "~"].iter().any(|start| name.starts_with(start)) || matches!(name, "." | "..");
        if is_path || path.is_dir() {
            return Ok(Self::Folder(path));
        }
        if path.is_file() {
            let given = super::error::clean(name, 120);
            let reason = "it is a file; name the folder of the checkpoint instead";
            return Err(HubError::InvalidModelRef { given, reason });
        }
        Ok(Self::Hub(name.parse()?))
    }
}

/// Compares the files of a checkpoint outside the cache with the hashes that its card names, in lines as `sha256sum`
/// writes them. What the card does not name is [`FileState::Unnamed`].
///
/// # Errors
/// A file that cannot be read.
pub fn verify_files(files: &Files) -> Result<Vec<FileCheck>, HubError> {
    let card = match files.has(builtin::CARD) {
        true => files
            .read(builtin::CARD, MAX_CARD)
            .map_err(|e| HubError::io("read", files.path(builtin::CARD))(e.into()))?,
        false => Vec::new().into(),
    };
    let card = String::from_utf8_lossy(&card);
    let named = |name: &str| {
        let pairs = card.lines().filter_map(|line| line.trim().split_once("  "));
        let hash = pairs.filter(|(hash, _)| hash.len() == 64 && is_lower_hex(hash)).find(|(_, of)| *of == name);
        hash.map(|(hash, _)| hash.to_owned())
    };
    let names = files.names().into_iter().filter(|name| name != builtin::CARD);
    let check = |name: String| {
        let (got, bytes) = sha256(files, &name).map_err(HubError::io("read", files.path(&name)))?;
        let state = match named(&name) {
            None => FileState::Unnamed,
            Some(expected) if got == expected => FileState::Intact,
            Some(expected) => FileState::Damaged { expected, got },
        };
        Ok(FileCheck { bytes, file: name, state })
    };
    names.map(check).collect()
}

/// Longest model card.
const MAX_CARD: u64 = 4 << 20;

/// The hash of a file, and its length.
fn sha256(files: &Files, name: &str) -> io::Result<(String, u64)> {
    let (mut stream, _) = files.open(name)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok((super::hash::hex(&hash.finalize()), bytes)),
            Ok(read) => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn expand_home(name: &str) -> PathBuf {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    match name.strip_prefix('~') {
        Some("") => home().unwrap_or_else(|| name.into()),
        Some(rest) if rest.starts_with('/') => home().map_or_else(|| name.into(), |home| home.join(&rest[1..])),
        _ => name.into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let folder = tempfile::tempdir().unwrap();
        let existing = folder.path().to_str().unwrap();
        for path in ["./x", "../x", "/x", "~/x", ".", "..", existing, "./built-in"] {
            assert!(matches!(Source::of(path).unwrap(), Source::Folder(_)), "{path}");
        }
        for id in ["openai-community/gpt2", "gpt2", "a/b@refs/pr/1", "built-in/x"] {
            assert!(matches!(Source::of(id).unwrap(), Source::Hub(_)), "{id}");
        }
        assert_eq!(Source::of("built-in").unwrap(), Source::BuiltIn);
        assert!(Source::of("a/b/c").is_err());
        assert!(Source::of("Cargo.toml").unwrap_err().to_string().contains("is a file"));
    }

    #[test]
    fn files_are_held_against_their_card() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a", "hello\n");
        write("b", "hello\n");
        write("c", "hello\n");
        let hash = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        write("CARD.md", &format!("# A card\n```\n{hash}  a\n{}  b\n```\n", "0".repeat(64)));
        let checks = verify_files(&folder.path().into()).unwrap();
        let states: Vec<_> = checks.iter().map(|check| (check.file.as_str(), check.bytes, &check.state)).collect();
        let damaged = FileState::Damaged { expected: "0".repeat(64), got: hash.to_owned() };
        assert_eq!(states, [("a", 6, &FileState::Intact), ("b", 6, &damaged), ("c", 6, &FileState::Unnamed)]);
    }

    #[test]
    fn the_built_in_model_is_what_its_card_says() {
        let checks = verify_files(&Files::BuiltIn).unwrap();
        assert_eq!(checks.len(), 4);
        let bad: Vec<_> = checks.iter().filter(|check| check.state != FileState::Intact).collect();
        assert!(bad.is_empty(), "assets/builtin/CARD.md lacks the line of `sha256sum` for {bad:?}");
    }
}
