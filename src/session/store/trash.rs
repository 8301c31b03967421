//! Deleted sessions: out of the list at once, gone from the disk when the program that deleted them quits.

use std::fs;
use std::path::PathBuf;

use super::lock::Lock;
use super::{DELETED, SessionId, Store, StoreError};
use crate::disk::sync_folder;

/// A session that was deleted and can still be brought back. Its lock is held until then.
#[derive(Debug)]
pub struct Deleted {
    id: SessionId,
    from: PathBuf,
    now: PathBuf,
    _lock: Lock,
}

impl Deleted {
    /// Which session it is.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Brings it back.
    ///
    /// # Errors
    /// What the file system says.
    pub fn restore(self) -> Result<SessionId, StoreError> {
        fs::rename(&self.now, &self.from).map_err(StoreError::io("bring back", &self.from))?;
        Ok(self.id)
    }

    /// Removes it from the disk.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remove(self) -> Result<(), StoreError> {
        fs::remove_dir_all(&self.now).map_err(StoreError::io("delete", &self.now))
    }
}

impl Store {
    /// Takes a session out of the list.
    ///
    /// # Errors
    /// Another program writes it; what the file system says.
    pub fn delete(&self, id: &SessionId) -> Result<Deleted, StoreError> {
        let from = self.folder(id);
        let lock = Lock::take(&from)?.ok_or_else(|| self.in_use(id))?;
        let now = self.root.join(format!("{id}.{DELETED}"));
        fs::rename(&from, &now).map_err(StoreError::io("delete", &from))?;
        let _ = sync_folder(&self.root);
        Ok(Deleted { id: id.clone(), from, now, _lock: lock })
    }

    /// Removes what programs deleted that were killed before they could remove it.
    pub fn remove_deleted(&self) {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == DELETED))
        {
            if let Ok(Some(_lock)) = Lock::take(&path) {
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}
