//! The hash that a blob's name promises.
//!
//! The hub's etag of a large file (LFS, Xet) is the sha256 of its bytes; of a small one it is git's blob hash,
//! sha1 of `blob {length}\0` and the bytes (gitobjects: "Object storage"). Both are the blob's file name in the cache.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::model_ref::is_lower_hex;

/// A hash under way.
#[derive(Clone)]
pub(super) enum BlobHash {
    Sha256(Sha256),
    GitSha1(Sha1),
}

impl BlobHash {
    /// The hash that makes names of this form, for a file of `length` bytes; `None` if `etag` is no such name.
    pub(super) fn for_etag(etag: &str, length: u64) -> Option<Self> {
        if !is_lower_hex(etag) {
            return None;
        }
        match etag.len() {
            64 => Some(Self::Sha256(Sha256::new())),
            40 => {
                let mut sha1 = Sha1::new();
                sha1.update(format!("blob {length}\0"));
                Some(Self::GitSha1(sha1))
            }
            _ => None,
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::GitSha1(hash) => hash.update(bytes),
        }
    }

    pub(super) fn finish(self) -> String {
        match self {
            Self::Sha256(hash) => hex(&hash.finalize()),
            Self::GitSha1(hash) => hex(&hash.finalize()),
        }
    }

    /// Takes in a file from its start. `step` hears about the bytes read and may stop it with an error.
    pub(super) fn read_file(&mut self, path: &Path, mut step: impl FnMut(u64) -> io::Result<()>) -> io::Result<u64> {
        let mut file = File::open(path)?;
        let mut buffer = vec![0; 1 << 20];
        let mut total = 0;
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) => return Ok(total),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.update(&buffer[..read]);
            total += read as u64;
            step(read as u64)?;
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hashes() {
        // `git hash-object` and `sha256sum` of the same bytes.
        let cases = [
            (&b""[..], "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
            (b"hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
            (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (b"hello\n", "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"),
        ];
        for (bytes, name) in cases {
            let got = BlobHash::for_etag(name, bytes.len() as u64).map(|mut hash| {
                hash.update(bytes);
                hash.finish()
            });
            assert_eq!(got.as_deref(), Some(name));
        }
    }

    #[test]
    fn other_etags_have_no_hash() {
        for etag in ["", "abc", &"g".repeat(40), &"A".repeat(64), &"a".repeat(41), "../../../../x"] {
            assert!(BlobHash::for_etag(etag, 1).is_none(), "{etag}");
        }
    }
}
