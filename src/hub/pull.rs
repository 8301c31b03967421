//! A whole model: from its name to a complete snapshot.

use std::fs;
use std::path::PathBuf;

use super::cache::Snapshot;
use super::download::fetch;
use super::http::Client;
use super::layout::Layout;
use super::partial::{bytes_held, sweep};
use super::plan::{Plan, missing_files};
use super::progress::{Meter, Progress};
use super::remote::{Remote, RepoFile, RepoInfo, Tries};
use super::{Cancel, Hub, HubError, ModelRef};

impl Hub {
    /// What the hub says about a model now: the commit and the files of its top folder, with sizes and hashes.
    ///
    /// # Errors
    /// [`HubError::NotCached`] when offline; whatever the hub or the network says otherwise.
    pub fn info(&self, model: &ModelRef, cancel: &Cancel) -> Result<RepoInfo, HubError> {
        if self.config.offline {
            return Err(HubError::NotCached {
                model: model.to_string(),
                cache: self.cache()?.to_owned(),
                missing: String::new(),
                why: "its description is only on the hub: leave offline mode (--offline, HF_HUB_OFFLINE) to ask"
                    .to_owned(),
            });
        }
        let (client, layout) = (Client::new(&self.config), Layout::new(self.cache()?, model));
        let remote = Remote { client: &client, config: &self.config, layout: &layout, model, cancel };
        let commit = remote.commit(Tries::Patient)?;
        Ok(RepoInfo { files: remote.files(&commit)?, commit })
    }

    /// The files that a pull would have in the end, with their sizes.
    ///
    /// # Errors
    /// As [`Hub::info`] and [`Plan::new`].
    pub fn plan(&self, model: &ModelRef, cancel: &Cancel) -> Result<Plan, HubError> {
        Plan::new(model.id(), &self.info(model, cancel)?)
    }

    /// Makes a model complete in the cache and returns its snapshot. What is here already is not fetched again, and an
    /// interrupted download goes on where it stopped. A complete model asked by commit, or offline, opens no connection;
    /// by branch or tag it costs one small request, and if that fails the cached model is used.
    ///
    /// # Errors
    /// Any [`HubError`]; the cache holds no wrong file in any case.
    pub fn pull(
        &self,
        model: &ModelRef,
        progress: &mut dyn FnMut(Progress),
        cancel: &Cancel,
    ) -> Result<Snapshot, HubError> {
        let cached = self.locate(model);
        if self.config.offline || (model.commit().is_some() && cached.is_ok()) {
            return cached;
        }
        let cached = cached.ok();
        let (client, layout) = (Client::new(&self.config), Layout::new(self.cache()?, model));
        let remote = Remote { client: &client, config: &self.config, layout: &layout, model, cancel };
        let tries = if cached.is_some() { Tries::Once } else { Tries::Patient };
        let commit = match (remote.commit(tries), cached) {
            (Ok(commit), _) => commit,
            (Err(error @ (HubError::Cancelled | HubError::NoSuchRevision { .. })), _) => {
                return Err(error);
            }
            (Err(error), Some(cached)) => {
                progress(Progress::FromCache { reason: error.to_string() });
                return Ok(cached);
            }
            (Err(error), None) => return Err(error),
        };
        let snapshot = Snapshot { folder: layout.snapshot(&commit), commit, only: false };
        if missing_files(&snapshot.folder).is_empty() {
            // The cache may be read-only; the snapshot is whole without the note.
            let _ = layout.write_ref(model.revision(), &snapshot.commit);
            return Ok(snapshot);
        }
        let info = RepoInfo { files: remote.files(&snapshot.commit)?, commit: snapshot.commit.clone() };
        let plan = Plan::new(model.id(), &info)?;
        self.fetch_all(&remote, &plan, progress)?;
        match missing_files(&snapshot.folder) {
            missing if missing.is_empty() => Ok(snapshot),
            missing => Err(HubError::Incomplete {
                id: model.id().to_owned(),
                commit: snapshot.commit,
                missing: missing.join(", "),
            }),
        }
    }

    fn fetch_all(&self, remote: &Remote<'_>, plan: &Plan, progress: &mut dyn FnMut(Progress)) -> Result<(), HubError> {
        let layout = remote.layout;
        layout.create()?;
        sweep(layout);
        let missing: Vec<_> = plan.files.iter().filter(|file| !is_here(layout, &plan.commit, file)).collect();
        let held: u64 = missing.iter().map(|file| held(layout, file)).sum();
        let fresh: u64 = missing.iter().map(|file| file.size).sum::<u64>() - held;
        self.check_room(&layout.blobs(), fresh)?;
        progress(Progress::Plan { files: plan.files.len(), bytes: plan.bytes(), present: plan.bytes() - fresh });
        let mut meter = Meter::new(plan.bytes(), progress);
        for file in &plan.files {
            if missing.iter().any(|wanted| wanted.path == file.path) {
                fetch(remote, &plan.commit, file, &mut meter)?;
            } else {
                meter.begin(&file.path, file.size);
                meter.end();
            }
        }
        for name in &plan.absent {
            layout.write_absence(&plan.commit, name)?;
        }
        // Last of all: until now the revision meant the older snapshot, which is whole.
        layout.write_ref(remote.model.revision(), &plan.commit)
    }

    fn check_room(&self, folder: &std::path::Path, needed: u64) -> Result<(), HubError> {
        match self.config.disk.available(folder) {
            Ok(available) if available < needed => {
                Err(HubError::DiskFull { needed, available, path: PathBuf::from(folder) })
            }
            _ => Ok(()),
        }
    }
}

/// Whether the snapshot has the file at its full length.
fn is_here(layout: &Layout, commit: &str, file: &RepoFile) -> bool {
    fs::metadata(layout.snapshot(commit).join(&file.path)).is_ok_and(|meta| meta.is_file() && meta.len() == file.size)
}

/// Bytes of a missing file that are on disk already: its blob, or an unfinished download.
fn held(layout: &Layout, file: &RepoFile) -> u64 {
    if !super::remote::is_hash(&file.hash) {
        return 0;
    }
    let blob = fs::metadata(layout.blob(&file.hash)).map_or(0, |meta| meta.len());
    if blob == file.size { blob } else { bytes_held(layout, &file.hash).min(file.size) }
}
