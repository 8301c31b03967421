//! Reading what a user, another program or a broken disk may have put there: regular files only, and never more than a limit.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why a file was not read. Each message names the file and says what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("there is no file {}", .0.display())]
    Missing(PathBuf),
    /// A folder, a pipe, a device, a socket: opening or reading one may wait for ever.
    #[error("{} is {kind}, not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// More bytes than its reader takes.
    #[error("{} is too large: it has more than {limit} bytes", path.display())]
    TooLarge {
        /// The path.
        path: PathBuf,
        /// The most that is read.
        limit: u64,
    },
    /// Bytes that are no text.
    #[error("{} is not UTF-8 text: line {line} has the byte 0x{byte:02X}; convert it with iconv", path.display())]
    NotText {
        /// The path.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The byte.
        byte: u8,
    },
    /// The file system says no.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { source, .. } => source,
            other => Self::other(other),
        }
    }
}

impl ReadError {
    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_))
    }
}

/// The bytes of a regular file of at most `limit` bytes.
///
/// # Errors
/// [`ReadError`]; a larger file is refused before it is read.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let file = open(path)?;
    let too_large = || ReadError::TooLarge { path: path.to_owned(), limit };
    if file.metadata().map_err(|error| failed(path, error))?.len() > limit {
        return Err(too_large());
    }
    let bytes = take(&file, path, limit.saturating_add(1))?;
    // It may have grown meanwhile, and what /proc offers has no size.
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

/// The first bytes of a regular file, at most `limit`.
///
/// # Errors
/// [`ReadError`].
pub fn read_start(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    take(&open(path)?, path, limit)
}

/// The text of a regular file of at most `limit` bytes.
///
/// # Errors
/// [`ReadError`].
pub fn read_text(path: &Path, limit: u64) -> Result<String, ReadError> {
    String::from_utf8(read(path, limit)?).map_err(|error| {
        let (at, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let (before, rest) = bytes.split_at(at.min(bytes.len()));
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        ReadError::NotText { path: path.to_owned(), line, byte: rest.first().copied().unwrap_or_default() }
    })
}

/// Opens a regular file. A pipe that nothing is written to would let `open` itself wait, so the kind is known before, and
/// again afterwards, since another program may have put something else there.
///
/// # Errors
/// [`ReadError`].
pub fn open(path: &Path) -> Result<File, ReadError> {
    let about = path.metadata().map_err(|error| failed(path, error))?;
    refuse_special(path, about.file_type())?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK | libc::O_CLOEXEC);
    let file = options.open(path).map_err(|error| failed(path, error))?;
    refuse_special(path, file.metadata().map_err(|error| failed(path, error))?.file_type())?;
    Ok(file)
}

fn take(file: &File, path: &Path, most: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|error| failed(path, error))?;
    Ok(bytes)
}

fn failed(path: &Path, source: io::Error) -> ReadError {
    match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing(path.to_owned()),
        _ => ReadError::Io { path: path.to_owned(), source },
    }
}

fn refuse_special(path: &Path, kind: std::fs::FileType) -> Result<(), ReadError> {
    match special(kind) {
        Some(kind) => Err(ReadError::NotAFile { path: path.to_owned(), kind }),
        None => Ok(()),
    }
}

/// What something is that is no regular file.
pub(super) fn special(kind: std::fs::FileType) -> Option<&'static str> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Some("a named pipe");
        } else if kind.is_char_device() || kind.is_block_device() {
            return Some("a device");
        } else if kind.is_socket() {
            return Some("a socket");
        }
    }
    match kind {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("a folder"),
        _ => Some("neither a file nor a folder"),
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn only_regular_files_within_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("text"), "one\ntwo").unwrap();
        assert_eq!(read(&path("text"), 7).unwrap(), b"one\ntwo");
        assert!(matches!(read(&path("text"), 6), Err(ReadError::TooLarge { limit: 6, .. })));
        assert_eq!(read_start(&path("text"), 3).unwrap(), b"one");
        assert!(read(&path("none"), 9).unwrap_err().is_missing());
        std::fs::write(path("bytes"), b"one\n\xff").unwrap();
        let error = read_text(&path("bytes"), 9).unwrap_err().to_string();
        assert!(error.contains("line 2 has the byte 0xFF"), "{error}");
        let sparse = File::create(path("sparse")).unwrap();
        sparse.set_len(4 << 30).unwrap();
        assert!(matches!(read(&path("sparse"), 1 << 20), Err(ReadError::TooLarge { .. })));

        let fifo = std::ffi::CString::new(path("fifo").to_str().unwrap()).unwrap();
        // SAFETY: the path is a string that ends in NUL and lives through the call.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        std::os::unix::fs::symlink("/dev/zero", path("device")).unwrap();
        std::os::unix::fs::symlink(path("fifo"), path("link")).unwrap();
        for (name, kind) in
            [("fifo", "a named pipe"), ("link", "a named pipe"), ("device", "a device"), (".", "a folder")]
        {
            let error = read(&path(name), 1 << 20).unwrap_err().to_string();
            assert!(error.ends_with(&format!("is {kind}, not a file")), "{error}");
        }
    }
}
