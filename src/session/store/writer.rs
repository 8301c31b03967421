//! Writes one session: versions are appended, the record is replaced whole.
//!
//! Everything is handed to the system before anything is waited for, so that a killed program loses only what it never
//! wrote; then the journal is synced, and after it the record, which may name what the journal holds.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::lock::Lock;
use super::{JOURNAL, NEXT_STATE, STATE, SessionId, StoreError, read_state};
use crate::disk::sync_folder;
use crate::session::record::{HEAD, Kept, with_about};

/// The session that is written. Its lock is held as long as this lives.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    id: SessionId,
    name: Option<String>,
    journal: File,
    /// Journal lines that could not be written yet.
    waiting: Vec<u8>,
    _lock: Lock,
}

impl Writer {
    /// Goes on with a session whose files are whole.
    pub(super) fn open(folder: PathBuf, id: SessionId, lock: Lock, name: Option<String>) -> Result<Self, StoreError> {
        let path = folder.join(JOURNAL);
        let mut journal =
            private().read(true).append(true).create(true).open(&path).map_err(StoreError::io("open", &path))?;
        let closed = close_to_others(&folder, &journal);
        closed.and_then(|()| cut_to_whole_lines(&mut journal)).map_err(StoreError::io("write", &path))?;
        Ok(Self { folder, id, name, journal, waiting: Vec::new(), _lock: lock })
    }

    /// A session in a folder that was just made.
    pub(super) fn begin(folder: PathBuf, id: SessionId, lock: Lock, name: Option<String>) -> Result<Self, StoreError> {
        let path = folder.join(JOURNAL);
        let journal = private().append(true).create_new(true).open(&path).map_err(StoreError::io("make", &path))?;
        let mut writer = Self { folder, id, name, journal, waiting: HEAD.to_vec(), _lock: lock };
        writer.append().and_then(|()| writer.journal.sync_all()).map_err(StoreError::io("write", &path))?;
        sync_folder(&writer.folder).map_err(StoreError::io("write", &writer.folder))?;
        Ok(writer)
    }

    /// Which session it writes.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// The session's name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Appends to the journal and replaces the record.
    ///
    /// # Errors
    /// What the file system says; lines that could not be written are written the next time.
    pub fn keep(&mut self, kept: &Kept) -> Result<(), StoreError> {
        self.waiting.extend_from_slice(&kept.journal);
        let has_lines = !self.waiting.is_empty();
        let path = self.folder.join(JOURNAL);
        self.append().map_err(StoreError::io("write", &path))?;
        let mut about = kept.about.clone();
        about.name.clone_from(&self.name);
        let (next, state) = (self.folder.join(NEXT_STATE), self.folder.join(STATE));
        let is_new = !state.exists();
        let file = write_next(&next, &with_about(&about, &kept.state)).map_err(StoreError::io("write", &next))?;
        if has_lines {
            self.journal.sync_data().map_err(StoreError::io("write", &path))?;
        }
        file.sync_all().and_then(|()| fs::rename(&next, &state)).map_err(StoreError::io("write", &state))?;
        if is_new {
            sync_folder(&self.folder).map_err(StoreError::io("write", &self.folder))?;
        }
        Ok(())
    }

    /// Gives the session another name, or none; the caller has seen that it is free.
    ///
    /// # Errors
    /// A record that cannot be read or written.
    pub fn rename(&mut self, name: Option<String>) -> Result<(), StoreError> {
        let (about, state) = match read_state(&self.folder) {
            Ok(read) => read,
            // Nothing is kept yet: the name is written with the first change.
            Err(error) if error.is_missing() => {
                self.name = name;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let about = match about {
            Some(about) => about,
            None => super::read(&self.folder).0.about(),
        };
        self.name = name;
        self.keep(&Kept { about, journal: Vec::new(), state })
    }

    fn append(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let before = self.journal.seek(SeekFrom::End(0))?;
        if let Err(error) = self.journal.write_all(&self.waiting) {
            // Half a line must not stand in front of the next try.
            let _ = self.journal.set_len(before);
            return Err(error);
        }
        self.waiting.clear();
        Ok(())
    }
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
    }
    options
}

fn write_next(path: &Path, record: &[u8]) -> io::Result<File> {
    // What is left of a crash, or was put there.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().write(true).create_new(true).open(path)?;
    file.write_all(record)?;
    Ok(file)
}

/// A line that a crash cut short was never said to be kept.
fn cut_to_whole_lines(journal: &mut File) -> io::Result<()> {
    const STEP: usize = 1 << 16;
    let mut end = journal.seek(SeekFrom::End(0))?;
    let whole = end;
    let mut block = vec![0; STEP];
    while end > 0 {
        let start = end.saturating_sub(STEP as u64);
        let block = block.get_mut(..(end - start) as usize).unwrap_or_default();
        journal.seek(SeekFrom::Start(start))?;
        io::Read::read_exact(journal, block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end != whole {
        journal.set_len(end)?;
    }
    if end == 0 {
        journal.write_all(HEAD)?;
    }
    Ok(())
}

/// Earlier versions made folders and files that others could read.
#[cfg(unix)]
fn close_to_others(folder: &Path, journal: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // On a file system without permissions there is nothing to close.
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    let _ = journal.set_permissions(fs::Permissions::from_mode(0o600));
    Ok(())
}

#[cfg(not(unix))]
fn close_to_others(_folder: &Path, _journal: &File) -> io::Result<()> {
    Ok(())
}
