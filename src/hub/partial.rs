//! A download that is not finished, on disk: it can only become the blob whose name it bears.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config::HubConfig;
use super::disk::is_full;
use super::hash::BlobHash;
use super::layout::{Layout, PARTIAL, beside};
use super::lock::Owner;
use super::{Cancel, HubError};

/// Private partial files older than this were left by a crash.
const STRAY: Duration = Duration::from_secs(24 * 3600);

/// The file that grows. Bytes are hashed as they are written; what an earlier run left is hashed on opening.
pub(super) struct Partial<'a> {
    config: &'a HubConfig,
    etag: &'a str,
    size: u64,
    path: PathBuf,
    file: File,
    hash: BlobHash,
    len: u64,
    /// The most that was ever here: progress is measured against it.
    best: u64,
    /// `None` for a private file, which is of no use to a later run.
    owner: Option<Owner>,
    validator: PathBuf,
}

impl<'a> Partial<'a> {
    /// Opens the partial download that an earlier run left, or a new one. Its bytes are hashed; `cancel` ends that.
    pub(super) fn open(
        config: &'a HubConfig,
        layout: &Layout,
        etag: &'a str,
        size: u64,
        cancel: &Cancel,
    ) -> Result<Self, HubError> {
        let shared = layout.blobs().join(format!("{etag}{PARTIAL}"));
        let owner = Owner::claim(&layout.locks().join(format!("{etag}.kshot-owner")));
        let path = if owner.is_some() { shared } else { beside(&shared) };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(HubError::io("open", &path))?;
        let hash = new_hash(etag, size)?;
        let validator = layout.locks().join(format!("{etag}.kshot-validator"));
        let mut partial = Self { config, etag, size, path, file, hash, len: 0, best: 0, owner, validator };
        partial.take_in(cancel)?;
        Ok(partial)
    }

    /// Bytes that are on disk and hashed.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn is_full(&self) -> bool {
        self.len == self.size
    }

    /// Whether it holds more than ever before; asked once, it wants more the next time.
    pub(super) fn has_grown(&mut self) -> bool {
        let grown = self.len > self.best;
        self.best = self.best.max(self.len);
        grown
    }

    /// Appends bytes, which must fit.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        if let Err(error) = self.config.disk.write(&mut self.file, bytes) {
            return Err(self.write_failed(error));
        }
        self.hash.update(bytes);
        self.len += bytes.len() as u64;
        if let Some(owner) = &mut self.owner {
            owner.beat();
        }
        Ok(())
    }

    /// Throws everything away and begins again.
    pub(super) fn restart(&mut self) -> Result<(), HubError> {
        self.hash = new_hash(self.etag, self.size)?;
        self.len = 0;
        let _ = fs::remove_file(&self.validator);
        let reset = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        reset.map(drop).map_err(HubError::io("empty", &self.path))
    }

    /// The store's own etag of the bytes here, for `If-Range`.
    pub(super) fn validator(&self) -> Option<String> {
        let text = fs::read_to_string(&self.validator).ok()?;
        is_strong(&text).then_some(text)
    }

    /// Remembers the store's etag for a later `If-Range`; weak ones are of no use there (RFC 9110, 13.1.5).
    pub(super) fn remember_validator(&self, etag: Option<&str>) {
        match etag.filter(|etag| is_strong(etag)) {
            // Without it a later run resumes all the same, and the hash decides.
            Some(etag) if self.owner.is_some() => drop(fs::write(&self.validator, etag)),
            _ => drop(fs::remove_file(&self.validator)),
        }
    }

    /// The hash of the bytes so far.
    pub(super) fn digest(&self) -> String {
        self.hash.clone().finish()
    }

    /// Makes it the blob. The caller has compared the digest.
    pub(super) fn finish(mut self, blob: &Path) -> Result<(), HubError> {
        if self.owner.as_ref().is_some_and(|owner| !owner.is_sole()) {
            // Someone took the file over while we were suspended: what we hashed may not be what is on disk.
            self.len = 0;
            self.hash = new_hash(self.etag, self.size)?;
            self.take_in(&Cancel::new())?;
            let got = self.digest();
            if got != self.etag {
                return Err(HubError::HashMismatch {
                    file: self.path.display().to_string(),
                    expected: self.etag.to_owned(),
                    got,
                });
            }
        }
        if let Err(error) = self.file.sync_all() {
            return Err(self.write_failed(error));
        }
        fs::rename(&self.path, blob).map_err(HubError::io("rename the download to", blob))?;
        let _ = fs::remove_file(&self.validator);
        #[cfg(unix)]
        if let Some(folder) = blob.parent().and_then(|folder| File::open(folder).ok()) {
            // So that the name survives a power cut too; not every file system can.
            let _ = folder.sync_all();
        }
        Ok(())
    }

    /// Deletes the file: nothing in it is of use.
    pub(super) fn discard(self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.validator);
    }

    fn take_in(&mut self, cancel: &Cancel) -> Result<(), HubError> {
        let on_disk = self.file.metadata().map_err(HubError::io("read", &self.path))?.len();
        if on_disk > self.size {
            return self.restart();
        }
        let owner = &mut self.owner;
        let read = self.hash.read_file(&self.path, |_| {
            if let Some(owner) = owner {
                owner.beat();
            }
            if cancel.is_cancelled() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
        });
        self.len = match read {
            Ok(len) => len,
            Err(_) if cancel.is_cancelled() => return Err(HubError::Cancelled),
            Err(source) => {
                return Err(HubError::Io { action: "read", path: self.path.clone(), source });
            }
        };
        self.best = self.len;
        self.file.seek(SeekFrom::Start(self.len)).map(drop).map_err(HubError::io("read", &self.path))
    }

    /// Deletes the partial download where the disk is full, to free its space; keeps it after any other failure.
    fn write_failed(&mut self, error: io::Error) -> HubError {
        if !is_full(&error) {
            return HubError::Io { action: "write", path: self.path.clone(), source: error };
        }
        let folder = self.path.parent().unwrap_or(&self.path).to_owned();
        let needed = self.size;
        let _ = self.file.set_len(0);
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.validator);
        let available = self.config.disk.available(&folder).unwrap_or(0);
        HubError::DiskFull { needed, available, path: folder }
    }
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        if self.owner.is_none() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes private partial files that a crash left more than a day ago.
pub(super) fn sweep(layout: &Layout) {
    let Ok(entries) = fs::read_dir(layout.blobs()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let old = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
        if name.contains(PARTIAL) && name.ends_with(".tmp") && old.is_some_and(|old| old > STRAY) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Bytes of a blob that an unfinished download holds.
pub(super) fn bytes_held(layout: &Layout, etag: &str) -> u64 {
    fs::metadata(layout.blobs().join(format!("{etag}{PARTIAL}"))).map_or(0, |meta| meta.len())
}

fn new_hash(etag: &str, size: u64) -> Result<BlobHash, HubError> {
    BlobHash::for_etag(etag, size)
        .ok_or_else(|| HubError::Unverifiable { file: String::new(), etag: super::error::clean(etag, 80) })
}

fn is_strong(etag: &str) -> bool {
    etag.len() > 2
        && etag.len() < 200
        && etag.starts_with('"')
        && etag.ends_with('"')
        && etag.bytes().all(|b| (b' '..=b'~').contains(&b))
}
