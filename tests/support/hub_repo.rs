//! What a loopback hub serves.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    reason = "shared by tests and an example; in neither is it a library"
)]

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A repository that is served.
#[derive(Clone, Default)]
pub struct Repo {
    pub commit: String,
    pub files: Vec<Served>,
    /// Wants a token, and then permission that nobody has.
    pub gated: bool,
}

/// A file that is served, from memory or from disk.
#[derive(Clone)]
pub struct Served {
    pub path: String,
    pub size: u64,
    pub sha256: String,
    pub git_sha1: String,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Memory(Arc<Vec<u8>>),
    Disk(PathBuf),
}

impl Served {
    pub fn from_bytes(path: &str, bytes: Vec<u8>) -> Self {
        let (sha256, git_sha1) = hashes(&mut &bytes[..], bytes.len() as u64).expect("memory reads");
        Self {
            path: path.to_owned(),
            size: bytes.len() as u64,
            sha256,
            git_sha1,
            source: Source::Memory(Arc::new(bytes)),
        }
    }

    pub fn from_file(path: &str, file: &Path) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let (sha256, git_sha1) = hashes(&mut File::open(file)?, size)?;
        Ok(Self { path: path.to_owned(), size, sha256, git_sha1, source: Source::Disk(file.to_owned()) })
    }

    /// Weights and everything large lie in the store, as on the hub.
    pub fn is_large(&self) -> bool {
        self.path.ends_with(".safetensors") || self.path.ends_with(".bin") || self.size > 10 << 20
    }

    /// The name of the blob.
    pub fn etag(&self) -> &str {
        if self.is_large() { &self.sha256 } else { &self.git_sha1 }
    }

    pub fn open(&self) -> io::Result<Box<dyn Read>> {
        Ok(match &self.source {
            Source::Memory(bytes) => Box::new(Cursor::new(Bytes(Arc::clone(bytes)))),
            Source::Disk(path) => Box::new(File::open(path)?),
        })
    }

    /// The bytes from `from` on.
    pub fn open_at(&self, from: u64) -> io::Result<Box<dyn Read>> {
        match &self.source {
            Source::Memory(bytes) => {
                let mut cursor = Cursor::new(Bytes(Arc::clone(bytes)));
                cursor.set_position(from);
                Ok(Box::new(cursor))
            }
            Source::Disk(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(from))?;
                Ok(Box::new(file))
            }
        }
    }
}

struct Bytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn hashes(bytes: &mut dyn Read, size: u64) -> io::Result<(String, String)> {
    let (mut sha256, mut sha1) = (Sha256::new(), Sha1::new());
    sha1.update(format!("blob {size}\0"));
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = bytes.read(&mut buffer)?;
        if read == 0 {
            return Ok((hex(&sha256.finalize()), hex(&sha1.finalize())));
        }
        sha256.update(&buffer[..read]);
        sha1.update(&buffer[..read]);
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
