//! What is in the cache: finding, listing, checking and removing models. Opens no connection.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::hash::BlobHash;
use super::layout::{Layout, PARTIAL, files_below, link_target};
use super::model_ref::is_commit;
use super::plan::missing_files;
use super::progress::{Meter, Progress};
use super::remote::is_hash;
use super::{Cancel, Hub, HubError, ModelRef};
use crate::files::builtin;
use crate::text::figures::bytes;

/// A model's files at one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The commit.
    pub commit: String,
    /// The folder that holds `config.json` and the rest.
    pub folder: PathBuf,
    /// Whether the cache does not say which commit the revision is, and this one was taken because no other is there.
    pub only: bool,
}

/// A repository in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedModel {
    /// `org/name`.
    pub id: String,
    /// Its revisions, by commit.
    pub revisions: Vec<CachedRevision>,
    /// Bytes on disk, unfinished downloads included.
    pub bytes: u64,
    /// Bytes of unfinished downloads that a pull would go on from.
    pub partial_bytes: u64,
}

/// A commit in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedRevision {
    /// The commit.
    pub commit: String,
    /// Branches and tags that meant it when they were last looked up.
    pub refs: Vec<String>,
    /// Bytes of its files.
    pub bytes: u64,
    /// What it lacks to be loaded; empty if it is complete.
    pub missing: Vec<String>,
}

/// What a verification found out about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCheck {
    /// The file.
    pub file: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The outcome.
    pub state: FileState,
}

/// Whether a file is what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// The bytes have the hash that names them.
    Intact,
    /// They have another.
    Damaged {
        /// The hash in the name.
        expected: String,
        /// The hash of the bytes.
        got: String,
    },
    /// The link points nowhere.
    Missing,
    /// A plain file instead of a link, as on a file system without links: nothing says what its hash should be.
    Unnamed,
}

impl Hub {
    /// Finds a complete model in the cache, whichever program put it there. Works on read-only caches.
    ///
    /// # Errors
    /// [`HubError::NotCached`], which says what is missing and what to do.
    pub fn locate(&self, model: &ModelRef) -> Result<Snapshot, HubError> {
        let layout = Layout::new(self.cache()?, model);
        let snapshot = snapshot_of(&layout, model);
        let missing = snapshot.as_ref().map(|snapshot| missing_files(&snapshot.folder)).unwrap_or_default();
        match snapshot {
            Some(snapshot) if missing.is_empty() => Ok(snapshot),
            _ => Err(HubError::NotCached {
                model: model.to_string(),
                cache: self.cache()?.to_owned(),
                missing: match (missing.is_empty(), complete(&layout), held_in_parts(&layout)) {
                    (false, ..) => format!(" (no {})", missing.join(", ")),
                    (true, others, _) if !others.is_empty() => {
                        format!(" (of it there is {})", named(&refs(&layout), model, &others))
                    }
                    (true, _, 0) => String::new(),
                    (true, _, held) => format!(" ({} of an unfinished download are)", bytes(held)),
                },
                why: match self.config.offline {
                    true => format!(
                        "offline mode is on: pull it once without --offline or HF_HUB_OFFLINE (kshot models pull {model}); the model {} needs no network",
                        builtin::NAME
                    ),
                    false => format!("kshot models pull {model} fetches it"),
                },
            }),
        }
    }

    /// Every repository of models in the cache, by name.
    pub fn cached_models(&self) -> Vec<CachedModel> {
        let Ok(cache) = self.cache() else { return Vec::new() };
        let Ok(entries) = fs::read_dir(cache) else { return Vec::new() };
        let mut models: Vec<_> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let id = name.strip_prefix("models--")?.replacen("--", "/", 1);
                Some(self.describe(cache, &id.parse().ok()?))
            })
            .filter(|model| !model.revisions.is_empty() || model.bytes > 0)
            .collect();
        models.sort_by(|a, b| a.id.cmp(&b.id));
        models
    }

    fn describe(&self, cache: &Path, model: &ModelRef) -> CachedModel {
        let layout = Layout::new(cache, model);
        let refs = refs(&layout);
        let revisions = commits(&layout).into_iter().map(|commit| {
            let folder = layout.snapshot(&commit);
            let size = |file: &PathBuf| fs::metadata(folder.join(file)).map_or(0, |meta| meta.len());
            CachedRevision {
                refs: refs.iter().filter(|(_, target)| *target == commit).map(|(name, _)| name.clone()).collect(),
                bytes: files_below(&folder).iter().map(size).sum(),
                missing: missing_files(&folder),
                commit,
            }
        });
        CachedModel {
            id: model.id().to_owned(),
            revisions: revisions.collect(),
            bytes: bytes_below(&layout.folder()),
            partial_bytes: held_in_parts(&layout),
        }
    }

    /// Reads every file of a cached model and compares its hash with its name. Takes about two seconds a gigabyte.
    ///
    /// # Errors
    /// [`HubError::NotCached`] if there is no such snapshot, [`HubError::Io`] if a file cannot be read,
    /// [`HubError::Cancelled`]. A damaged file is no error but a row of the report.
    pub fn verify(
        &self,
        model: &ModelRef,
        progress: &mut dyn FnMut(Progress),
        cancel: &Cancel,
    ) -> Result<Vec<FileCheck>, HubError> {
        let layout = Layout::new(self.cache()?, model);
        let Some(Snapshot { folder, .. }) = snapshot_of(&layout, model) else {
            return self.locate(model).map(|_| Vec::new());
        };
        let files = files_below(&folder);
        let size = |file: &PathBuf| fs::metadata(folder.join(file)).map_or(0, |meta| meta.len());
        let mut meter = Meter::new(files.iter().map(size).sum(), progress);
        let mut checks = Vec::new();
        for file in &files {
            let (name, bytes) = (file.to_string_lossy().into_owned(), size(file));
            meter.begin(&name, bytes);
            let state = check(&folder.join(file), bytes, &mut meter, cancel)?;
            if state == FileState::Intact {
                meter.tell(Progress::Verified { file: name.clone() });
            }
            meter.end();
            checks.push(FileCheck { file: name, bytes, state });
        }
        Ok(checks)
    }

    /// Removes a model from the cache: the whole repository, or one revision of it if the name says which; then also
    /// the blobs that no other revision uses. Returns the bytes that were freed.
    ///
    /// # Errors
    /// [`HubError::NotCached`] if there is nothing to remove, [`HubError::Io`] if something cannot be removed.
    pub fn remove(&self, model: &ModelRef) -> Result<u64, HubError> {
        let layout = Layout::new(self.cache()?, model);
        let before = bytes_below(&layout.folder());
        let Some(revision) = model.explicit_revision() else {
            return if layout.folder().is_dir() {
                remove_repository(&layout, before)
            } else {
                self.locate(model).map(|_| 0)
            };
        };
        let Some(commit) = layout.commit_of(revision).filter(|commit| layout.snapshot(commit).is_dir()) else {
            return self.locate(model).map(|_| 0);
        };
        remove_folder(&layout.snapshot(&commit))?;
        remove_folder(&layout.absences(&commit))?;
        for (name, _) in refs(&layout).iter().filter(|(_, target)| *target == commit) {
            remove_file(&layout.refs().join(name))?;
        }
        if commits(&layout).is_empty() {
            return remove_repository(&layout, before);
        }
        self.remove_orphans(&layout)?;
        Ok(before.saturating_sub(bytes_below(&layout.folder())))
    }

    /// Removes blobs and unfinished downloads that no snapshot uses, but none that is being written.
    fn remove_orphans(&self, layout: &Layout) -> Result<(), HubError> {
        let used: HashSet<_> = commits(layout)
            .iter()
            .map(|commit| layout.snapshot(commit))
            .flat_map(|folder| files_below(&folder).into_iter().filter_map(move |file| link_target(&folder.join(file))))
            .collect();
        for (name, _) in blobs(layout) {
            let etag = name.split('.').next().unwrap_or(&name);
            let lock = File::options().write(true).open(layout.locks().join(format!("{etag}.lock"))).ok();
            let busy = lock.as_ref().is_some_and(|file| matches!(self.config.disk.try_lock(file), Ok(false)));
            if !busy && !used.contains(&name) {
                remove_file(&layout.blobs().join(&name))?;
            }
        }
        Ok(())
    }
}

/// The snapshot that a model's name means: that of its ref, or, where none was named and no ref is there, the only complete
/// one (a cache that was copied or filled by a mirror's tool may have snapshots alone).
fn snapshot_of(layout: &Layout, model: &ModelRef) -> Option<Snapshot> {
    let of = |commit: String, only| Snapshot { folder: layout.snapshot(&commit), commit, only };
    if let Some(commit) = layout.commit_of(model.revision()) {
        return Some(of(commit, false)).filter(|snapshot| snapshot.folder.is_dir());
    }
    match complete(layout).as_slice() {
        [commit] if model.explicit_revision().is_none() => Some(of(commit.clone(), true)),
        _ => None,
    }
}

/// The commits whose snapshots lack nothing.
fn complete(layout: &Layout) -> Vec<String> {
    let whole = |commit: &String| missing_files(&layout.snapshot(commit)).is_empty();
    commits(layout).into_iter().filter(whole).collect()
}

/// The revisions of a model that are here, as they can be typed.
fn named(refs: &[(String, String)], model: &ModelRef, commits: &[String]) -> String {
    let name = |commit: &String| {
        let known = refs.iter().find(|(_, target)| target == commit).map_or(commit, |(name, _)| name);
        format!("{}@{known}", model.id())
    };
    commits.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn check(pointer: &Path, bytes: u64, meter: &mut Meter<'_>, cancel: &Cancel) -> Result<FileState, HubError> {
    if !pointer.exists() {
        return Ok(FileState::Missing);
    }
    let Some(expected) = link_target(pointer).filter(|name| is_hash(name)) else {
        return Ok(FileState::Unnamed);
    };
    let Some(mut hash) = BlobHash::for_etag(&expected, bytes) else {
        return Ok(FileState::Unnamed);
    };
    let read = hash.read_file(pointer, |count| {
        meter.add(count);
        if cancel.is_cancelled() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    });
    match read {
        Err(_) if cancel.is_cancelled() => return Err(HubError::Cancelled),
        Err(source) => {
            return Err(HubError::Io { action: "read", path: pointer.to_owned(), source });
        }
        Ok(_) => {}
    }
    let got = hash.finish();
    Ok(if got == expected { FileState::Intact } else { FileState::Damaged { expected, got } })
}

/// The commits that have a snapshot folder.
fn commits(layout: &Layout) -> Vec<String> {
    let Ok(entries) = fs::read_dir(layout.snapshots()) else {
        return Vec::new();
    };
    let mut commits: Vec<_> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_commit(name))
        .collect();
    commits.sort();
    commits
}

/// Branches and tags, with what they mean.
fn refs(layout: &Layout) -> Vec<(String, String)> {
    let names = files_below(&layout.refs()).into_iter().filter_map(|path| path.into_os_string().into_string().ok());
    names.filter_map(|name| layout.commit_of(&name).map(|commit| (name, commit))).collect()
}

/// The files in the blob folder, with their sizes.
fn blobs(layout: &Layout) -> Vec<(String, u64)> {
    let Ok(entries) = fs::read_dir(layout.blobs()) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.len())))
        .collect()
}

/// Bytes of downloads that are not finished.
fn held_in_parts(layout: &Layout) -> u64 {
    blobs(layout).iter().filter(|(name, _)| name.ends_with(PARTIAL)).map(|(_, bytes)| bytes).sum()
}

/// Bytes of the files below a folder; a link counts as itself.
fn bytes_below(folder: &Path) -> u64 {
    let files = files_below(folder);
    files
        .iter()
        .filter_map(|file| fs::symlink_metadata(folder.join(file)).ok())
        .filter(|meta| meta.is_file())
        .map(|meta| meta.len())
        .sum()
}

fn remove_repository(layout: &Layout, bytes: u64) -> Result<u64, HubError> {
    remove_folder(&layout.folder())?;
    remove_folder(&layout.locks())?;
    Ok(bytes)
}

fn remove_folder(folder: &Path) -> Result<(), HubError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(HubError::io("remove", folder)(error)),
        _ => Ok(()),
    }
}

fn remove_file(path: &Path) -> Result<(), HubError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(HubError::io("remove", path)(error)),
        _ => Ok(()),
    }
}
