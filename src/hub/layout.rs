//! Where things are in the cache folder, and how they get there: Python's layout (huggingface_hub 2.4.0,
//! `file_download.py`), so that both programs read each other's files.
//!
//! ```text
//! CACHE/.locks/models--ORG--NAME/ETAG.lock
//! CACHE/models--ORG--NAME/blobs/ETAG                       the bytes, named by their hash
//!                         blobs/ETAG.kshot-partial         ours: a download that is not finished
//!                         snapshots/COMMIT/FILE            -> ../../blobs/ETAG (a copy where links do not work)
//!                         refs/REVISION                    holds COMMIT
//!                         .no_exist/COMMIT/FILE            empty: the hub said that there is no such file
//! ```

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hf_hub::{Cache, Repo, RepoType};

use super::model_ref::{is_commit, is_safe_path};
use super::{HubError, ModelRef};

/// The end of the name of a download that is not finished; Python lists no such files as a model's.
pub(super) const PARTIAL: &str = ".kshot-partial";
/// What CACHEDIR.TAG begins with, so that backups skip the cache (bford.info/cachedir).
const CACHEDIR_TAG: &str =
    "Signature: 8a477f597d28d172789f06886806bc55\n# A cache of models from the Hugging Face hub.\n";

/// One repository's part of the cache.
///
/// The names come from hf-hub 0.5's `Repo` and `Cache`, which is all that kshot takes of that crate: its `Cache::get`
/// needs `refs/REVISION`, so it misses a file that is requested by commit.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    root: PathBuf,
    repo: Repo,
}

impl Layout {
    pub(super) fn new(cache: &Path, model: &ModelRef) -> Self {
        let repo = Repo::with_revision(model.id().to_owned(), RepoType::Model, model.revision().to_owned());
        Self { root: cache.to_owned(), repo }
    }

    /// `org/name/revision` as the API's addresses want it.
    pub(super) fn api_path(&self) -> String {
        self.repo.api_url()
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.root.join(self.repo.folder_name())
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.folder().join("blobs")
    }

    /// `etag` must be a hash in hex.
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        Cache::new(self.root.clone()).repo(self.repo.clone()).blob_path(etag)
    }

    pub(super) fn locks(&self) -> PathBuf {
        self.root.join(".locks").join(self.repo.folder_name())
    }

    pub(super) fn snapshots(&self) -> PathBuf {
        self.folder().join("snapshots")
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        Cache::new(self.root.clone()).repo(self.repo.clone()).pointer_path(commit)
    }

    pub(super) fn refs(&self) -> PathBuf {
        self.folder().join("refs")
    }

    pub(super) fn absences(&self, commit: &str) -> PathBuf {
        self.folder().join(".no_exist").join(commit)
    }

    /// The commit that `revision` meant when it was last looked up.
    pub(super) fn commit_of(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let text = fs::read_to_string(self.refs().join(revision)).ok()?;
        let commit = text.trim();
        is_commit(commit).then(|| commit.to_owned())
    }

    /// Remembers what `revision` means. Writes only what is new, so that a read-only cache works.
    pub(super) fn write_ref(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        if is_commit(revision) || self.commit_of(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.refs().join(revision);
        make_folder_of(&path)?;
        replace(&path, |new| fs::write(new, commit))
    }

    /// Remembers that the hub has no such file at that commit.
    pub(super) fn write_absence(&self, commit: &str, file: &str) -> Result<(), HubError> {
        let path = self.absences(commit).join(checked(file)?);
        if path.exists() {
            return Ok(());
        }
        make_folder_of(&path)?;
        fs::write(&path, "").map_err(HubError::io("write", path))
    }

    /// Makes the folders of the repository, and the mark that tells backups to skip the cache.
    pub(super) fn create(&self) -> Result<(), HubError> {
        for folder in [self.blobs(), self.locks(), self.snapshots()] {
            fs::create_dir_all(&folder).map_err(HubError::io("make the folder", folder))?;
        }
        let tag = self.root.join("CACHEDIR.TAG");
        if !tag.exists() {
            // A hint for other programs: the cache works without it.
            let _ = fs::write(tag, CACHEDIR_TAG);
        }
        Ok(())
    }

    /// Puts a finished blob into the snapshot, as a relative link; where links do not work the blob is moved there if
    /// it is `new`, as Python does, or copied.
    pub(super) fn link(&self, etag: &str, commit: &str, file: &str, new: Blob) -> Result<(), HubError> {
        let file = checked(file)?;
        let pointer = self.snapshot(commit).join(file);
        make_folder_of(&pointer)?;
        let blob = self.blob(etag);
        let up = "../".repeat(Path::new(file).components().count() + 1);
        let target = PathBuf::from(format!("{up}blobs/{etag}"));
        if symlink_works(&target, &pointer) {
            return Ok(());
        }
        match new {
            Blob::New => fs::rename(&blob, &pointer).map_err(HubError::io("move the download to", pointer)),
            Blob::Shared => replace(&pointer, |new| fs::copy(&blob, new).map(drop)),
        }
    }
}

/// Whether other snapshots may use the blob already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blob {
    New,
    Shared,
}

/// Writes a file beside `path` and moves it there, so that a reader sees the old or the new one and nothing between.
pub(super) fn replace(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), HubError> {
    let new = beside(path);
    let done = write(&new).and_then(|()| fs::rename(&new, path));
    if done.is_err() {
        let _ = fs::remove_file(&new);
    }
    done.map_err(HubError::io("write", path))
}

/// A name in the same folder that no other process or thread uses.
pub(super) fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    path.with_file_name(format!("{name}.{:x}-{:x}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
}

/// The files below `folder`, as paths relative to it; links are not followed into folders.
pub(super) fn files_below(folder: &Path) -> Vec<PathBuf> {
    fn walk(folder: &Path, prefix: &Path, depth: usize, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for entry in entries.flatten() {
            let path = prefix.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth > 0 => walk(&entry.path(), &path, depth - 1, found),
                Ok(kind) if !kind.is_dir() => found.push(path),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, Path::new(""), 8, &mut found);
    found.sort();
    found
}

/// The name of the blob that a snapshot's file points to, if it is a link into a `blobs` folder.
pub(super) fn link_target(pointer: &Path) -> Option<String> {
    let target = fs::read_link(pointer).ok()?;
    let mut parts = target.components().rev();
    let (Some(Component::Normal(name)), Some(Component::Normal(folder))) = (parts.next(), parts.next()) else {
        return None;
    };
    (folder == "blobs").then(|| name.to_string_lossy().into_owned())
}

fn checked(file: &str) -> Result<&str, HubError> {
    if is_safe_path(file) {
        return Ok(file);
    }
    Err(HubError::UnsafePath { file: super::error::clean(file, 120) })
}

fn make_folder_of(path: &Path) -> Result<(), HubError> {
    match path.parent() {
        Some(folder) => fs::create_dir_all(folder).map_err(HubError::io("make the folder", folder)),
        None => Ok(()),
    }
}

#[cfg(unix)]
fn symlink_works(target: &Path, pointer: &Path) -> bool {
    replace(pointer, |new| std::os::unix::fs::symlink(target, new)).is_ok()
}

#[cfg(windows)]
fn symlink_works(target: &Path, pointer: &Path) -> bool {
    replace(pointer, |new| std::os::windows::fs::symlink_file(target, new)).is_ok()
}

#[cfg(not(any(unix, windows)))]
fn symlink_works(_target: &Path, _pointer: &Path) -> bool {
    false
}
