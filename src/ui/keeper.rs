//! Sessions on disk: a folder each, with the journal of versions, the record of the rest, and a lock.
//!
//! Everything here runs on the I/O thread but the reading at the start. A session gets its folder with its first change;
//! no folder is ever deleted, and one that cannot be read is moved aside.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender};

use crate::app::keep::{HEAD, Kept};
use crate::app::{IoEvent, IoRequest};
use crate::disk::{Existing, write_file};

const JOURNAL: &str = "versions.jsonl";
const STATE: &str = "session.json";
const LOCK: &str = "lock";

/// Writes sessions in a folder.
#[derive(Debug)]
pub struct Keeper {
    folder: PathBuf,
    open: Option<Open>,
    /// Journal lines that could not be written yet.
    waiting: Vec<u8>,
    /// The last thing that went wrong, so that it is said once.
    said: Option<String>,
}

/// The session that is written. Its lock is held as long as the file is open.
#[derive(Debug)]
struct Open {
    folder: PathBuf,
    journal: File,
    _lock: File,
}

/// The last session as it was found.
#[derive(Debug)]
pub struct Found {
    /// What it holds.
    pub kept: Kept,
    /// Another program writes it: what is found is a copy.
    pub in_use: bool,
}

impl Keeper {
    /// A keeper of a new session in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, open: None, waiting: Vec::new(), said: None }
    }

    /// A keeper that goes on with the last session in `folder`, where there is one. One that another program writes is
    /// only read: the keeper then keeps a new one.
    ///
    /// # Errors
    /// Says what could not be read and where it lies now; the keeper is not affected.
    pub fn last(folder: PathBuf) -> (Self, Result<Option<Found>, String>) {
        let mut keeper = Self::new(folder);
        let Some(session) = newest(&keeper.folder) else { return (keeper, Ok(None)) };
        let lock = lock(&session);
        // Only what nobody else writes can be damaged.
        let is_ours = matches!(lock, Ok(Some(_)));
        let found = lock.and_then(|lock| keeper.read(&session, lock)).map(Some);
        let found = found.map_err(|error| match is_ours {
            true => keeper.move_aside(&session, &error.to_string()),
            false => format!("the last session in {} cannot be read ({error})", session.display()),
        });
        (keeper, found)
    }

    fn read(&mut self, session: &Path, lock: Option<File>) -> io::Result<Found> {
        let state = fs::read(session.join(STATE))?;
        let mut file = File::options().read(true).append(true).open(session.join(JOURNAL))?;
        let mut journal = Vec::new();
        file.read_to_end(&mut journal)?;
        // A line that a crash cut short was never said to be kept.
        journal.truncate(journal.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
        let in_use = lock.is_none();
        if let Some(lock) = lock {
            file.set_len(journal.len() as u64)?;
            self.open = Some(Open { folder: session.to_owned(), journal: file, _lock: lock });
        }
        Ok(Found { kept: Kept { journal, state }, in_use })
    }

    /// The session that was found cannot be used: moves it aside and keeps a new one. Gives what is to be said.
    pub fn refuse(&mut self, error: &str) -> String {
        match self.open.take() {
            Some(open) => self.move_aside(&open.folder, error),
            None => format!("the last session cannot be read ({error})"),
        }
    }

    fn move_aside(&mut self, session: &Path, error: &str) -> String {
        self.open = None;
        let to = (1..1000).map(|number| session.with_extension(format!("damaged-{number}"))).find(|to| !to.exists());
        let moved = to.and_then(|to| fs::rename(session, &to).is_ok().then_some(to));
        match moved {
            Some(to) => format!("the last session cannot be read ({error}); it lies in {}", to.display()),
            None => format!("the last session in {} cannot be read ({error})", session.display()),
        }
    }

    /// Appends to the journal, then replaces the record, which may name what the journal holds.
    ///
    /// # Errors
    /// What the file system says.
    pub fn keep(&mut self, kept: &Kept) -> io::Result<()> {
        self.waiting.extend_from_slice(&kept.journal);
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        if !self.waiting.is_empty() {
            let before = open.journal.seek(SeekFrom::End(0))?;
            if let Err(error) = open.journal.write_all(&self.waiting).and_then(|()| open.journal.sync_data()) {
                // Half a line must not stand in front of the next try.
                let _ = open.journal.set_len(before);
                self.open = Some(open);
                return Err(error);
            }
            self.waiting.clear();
        }
        let path = open.folder.join(STATE);
        self.open = Some(open);
        write_file(&path, &kept.state, Existing::Replace).map_err(io::Error::other)
    }

    /// A folder for a new session, named by the time.
    fn begin(&self) -> io::Result<Open> {
        fs::create_dir_all(&self.folder)?;
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let mut number = 0;
        let folder = loop {
            let folder = self.folder.join(format!("{seconds}-{number}"));
            match fs::create_dir(&folder) {
                Ok(()) => break folder,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        let lock = lock(&folder)?.ok_or_else(|| io::Error::other("a folder that was just made is locked"))?;
        let mut journal = File::options().append(true).create_new(true).open(folder.join(JOURNAL))?;
        journal.write_all(HEAD)?;
        Ok(Open { folder, journal, _lock: lock })
    }

    /// Carries out requests until nobody sends any more. Of records that wait only the last is written.
    pub(super) fn run(mut self, requests: &Receiver<IoRequest>, answers: &Sender<IoEvent>) {
        while let Ok(first) = requests.recv() {
            let mut latest: Option<Kept> = None;
            for request in std::iter::once(first).chain(requests.try_iter()) {
                match request {
                    IoRequest::Keep(kept) => {
                        let mut journal = latest.take().map(|kept| kept.journal).unwrap_or_default();
                        journal.extend_from_slice(&kept.journal);
                        latest = Some(Kept { journal, state: kept.state });
                    }
                    IoRequest::NewSession => {
                        self.keep_and_say(latest.take(), answers);
                        self.open = None;
                        self.waiting.clear();
                    }
                    _ => {}
                }
            }
            self.keep_and_say(latest, answers);
        }
    }

    fn keep_and_say(&mut self, kept: Option<Kept>, answers: &Sender<IoEvent>) {
        let Some(kept) = kept else { return };
        let error = self.keep(&kept).err().map(|error| {
            format!("the session cannot be kept in {}: {error}; save the text yourself", self.folder.display())
        });
        if error != self.said
            && let Some(error) = &error
        {
            let _ = answers.send(IoEvent::NotKept(error.clone()));
        }
        self.said = error;
    }
}

/// The lock of a session; `None` where another program has it.
fn lock(session: &Path) -> io::Result<Option<File>> {
    let file = File::options().create(true).truncate(false).write(true).open(session.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The session that was written last.
fn newest(folder: &Path) -> Option<PathBuf> {
    let sessions = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    // Those that were moved aside have an extension.
    let sessions = sessions.filter(|path| path.extension().is_none());
    let dated = sessions.filter_map(|path| Some((path.join(STATE).metadata().ok()?.modified().ok()?, path)));
    dated.max().map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn kept(journal: &str, state: &str) -> Kept {
        Kept { journal: journal.into(), state: state.into() }
    }

    fn journal(lines: &str) -> Vec<u8> {
        [HEAD, lines.as_bytes()].concat()
    }

    #[test]
    fn a_session_is_gone_on_with_and_a_second_program_gets_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        let (mut first, found) = Keeper::last(folder.path().join("sessions"));
        assert!(found.unwrap().is_none());
        assert!(!folder.path().join("sessions").exists(), "nothing is written before something changes");
        first.keep(&kept("one\n", "a")).unwrap();
        first.keep(&kept("two\n", "b")).unwrap();

        let (mut second, found) = Keeper::last(folder.path().join("sessions"));
        let found = found.unwrap().unwrap();
        assert!(found.in_use);
        assert_eq!(found.kept, Kept { journal: journal("one\ntwo\n"), state: b"b".to_vec() });
        second.keep(&kept("copy\n", "c")).unwrap();
        first.keep(&kept("three\n", "d")).unwrap();
        let path = first.open.as_ref().unwrap().folder.clone();
        assert_eq!(fs::read(path.join(JOURNAL)).unwrap(), journal("one\ntwo\nthree\n"), "each has its own");
        drop((first, second));
        assert_eq!(fs::read_dir(folder.path().join("sessions")).unwrap().count(), 2);
        assert!(
            !Keeper::last(folder.path().join("sessions")).1.unwrap().unwrap().in_use,
            "the lock goes with its program"
        );
    }

    #[test]
    fn a_line_that_a_crash_cut_short_is_dropped_before_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut keeper = Keeper::new(folder.path().to_owned());
        keeper.keep(&kept("one\n", "a")).unwrap();
        let path = keeper.open.take().unwrap().folder;
        File::options().append(true).open(path.join(JOURNAL)).unwrap().write_all(b"{\"half").unwrap();
        let (mut keeper, found) = Keeper::last(folder.path().to_owned());
        assert_eq!(found.unwrap().unwrap().kept.journal, journal("one\n"));
        keeper.keep(&kept("two\n", "b")).unwrap();
        assert_eq!(fs::read(path.join(JOURNAL)).unwrap(), journal("one\ntwo\n"));
    }

    #[test]
    fn what_cannot_be_read_is_moved_aside_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut keeper = Keeper::new(folder.path().to_owned());
        keeper.keep(&kept("one\n", "a")).unwrap();
        drop(keeper);
        let (mut keeper, found) = Keeper::last(folder.path().to_owned());
        assert!(found.unwrap().is_some());
        let said = keeper.refuse("line 2 of the journal");
        assert!(said.contains("line 2 of the journal") && said.contains("damaged-1"), "{said}");
        keeper.keep(&kept("two\n", "b")).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path()).collect();
        let damaged = names.iter().find(|path| path.extension().is_some()).unwrap();
        assert_eq!(fs::read(damaged.join(STATE)).unwrap(), b"a");
        assert_eq!(names.len(), 2);
        drop(keeper);
        assert_eq!(Keeper::last(folder.path().to_owned()).1.unwrap().unwrap().kept.state, b"b");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_said_once_and_nothing_is_lost_when_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = folder.path().join("sessions");
        fs::write(&sessions, "in the way").unwrap();
        let mut keeper = Keeper::new(sessions.clone());
        let (answers, said) = crossbeam_channel::unbounded();
        keeper.keep_and_say(Some(kept("one\n", "a")), &answers);
        keeper.keep_and_say(Some(kept("two\n", "b")), &answers);
        assert_eq!(said.len(), 1);
        fs::remove_file(&sessions).unwrap();
        keeper.keep_and_say(Some(kept("three\n", "c")), &answers);
        assert_eq!(said.len(), 1);
        let path = keeper.open.as_ref().unwrap().folder.clone();
        assert_eq!(fs::read(path.join(JOURNAL)).unwrap(), journal("one\ntwo\nthree\n"));
    }
}
