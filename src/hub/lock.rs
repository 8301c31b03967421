//! One download of one blob at a time: Python's lock, and a mark of our own where that lock cannot be trusted.
//!
//! `flock` succeeds for every caller on some network file systems (huggingface_hub #4306). A download that is resumed in the
//! same file across runs therefore also needs an owner file, made with O_EXCL. A process that does not get it downloads
//! into a file of its own: twice the bytes, never a mix.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::disk::Disk;
use super::http::{TURN, pause};
use super::{Cancel, HubError};

/// An owner gives a sign of life this often, and is gone after [`OWNER_GONE`] without one.
const OWNER_ALIVE: Duration = Duration::from_secs(5);
const OWNER_GONE: Duration = Duration::from_secs(60);

/// Python's lock on a blob, held until dropped.
pub(super) struct BlobLock {
    /// Closing the file gives the lock back. `None` where the file system has no locks.
    _file: Option<File>,
}

impl BlobLock {
    /// Waits for the lock; `waiting` is called once if another holds it.
    pub(super) fn acquire(
        path: &Path,
        disk: &dyn Disk,
        cancel: &Cancel,
        mut waiting: impl FnMut(),
    ) -> Result<Self, HubError> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = file.map_err(HubError::io("open the lock", path))?;
        let mut told = false;
        loop {
            match disk.try_lock(&file) {
                Ok(true) => return Ok(Self { _file: Some(file) }),
                Ok(false) => {}
                Err(_) => return Ok(Self { _file: None }),
            }
            if !std::mem::replace(&mut told, true) {
                waiting();
            }
            pause(TURN, cancel)?;
        }
    }
}

/// The right to write a shared partial file.
pub(super) struct Owner {
    path: PathBuf,
    mark: String,
    beat: Instant,
}

/// Owner files of this process: its own id in a file left by an earlier run says nothing (process 1 of a container).
static OURS: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);

impl Owner {
    /// Becomes the owner, unless another is at work.
    pub(super) fn claim(path: &Path) -> Option<Self> {
        let mark = format!("{} {} {:x}", host(), std::process::id(), nonce());
        if !ours().insert(path.to_owned()) {
            return None;
        }
        if is_gone(path) {
            // Moved away first: of two that see it, one gets it.
            let aside = super::layout::beside(path);
            if fs::rename(path, &aside).is_ok() {
                let _ = fs::remove_file(aside);
            }
        }
        let made = OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(mark.as_bytes()));
        match made {
            Ok(()) => Some(Self { path: path.to_owned(), mark, beat: Instant::now() }),
            Err(_) => {
                ours().remove(path);
                None
            }
        }
    }

    /// Gives a sign of life now and then; cheap enough to be called for every piece.
    pub(super) fn beat(&mut self) {
        if self.beat.elapsed() >= OWNER_ALIVE {
            self.beat = Instant::now();
            // Best effort: without it another may start a download of its own.
            let _ = File::options().write(true).open(&self.path).and_then(|file| file.set_modified(SystemTime::now()));
        }
    }

    /// Whether no other process took it over.
    pub(super) fn is_sole(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|mark| mark == self.mark)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.is_sole() {
            let _ = fs::remove_file(&self.path);
        }
        ours().remove(&self.path);
    }
}

fn ours() -> std::sync::MutexGuard<'static, HashSet<PathBuf>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether an owner file is left over from a process that is no more. Only called when no thread of ours owns it.
fn is_gone(path: &Path) -> bool {
    let Ok(mark) = fs::read_to_string(path) else {
        return false;
    };
    let age = fs::metadata(path).and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
    if age.is_some_and(|age| age > OWNER_GONE) {
        return true;
    }
    let mut words = mark.split(' ');
    let same_host = words.next() == Some(host().as_str());
    let process = words.next().and_then(|word| word.parse::<u32>().ok());
    same_host && process.is_some_and(|process| process == std::process::id() || !is_running(process))
}

#[cfg(unix)]
fn is_running(process: u32) -> bool {
    let Ok(process) = libc::pid_t::try_from(process) else {
        return false;
    };
    // SAFETY: signal 0 is not sent; the call only asks whether the process exists.
    let answer = unsafe { libc::kill(process, 0) };
    answer == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

#[cfg(not(unix))]
fn is_running(_process: u32) -> bool {
    true
}

/// A name of the machine without spaces; the boot id tells containers and reboots apart where there is one.
fn host() -> String {
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.split_whitespace().collect::<String>());
    let name = read("/proc/sys/kernel/hostname").or_else(|| std::env::var("COMPUTERNAME").ok()).unwrap_or_default();
    format!("{name}/{}", read("/proc/sys/kernel/random/boot_id").unwrap_or_default())
}

fn nonce() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.owner");
        let first = Owner::claim(&path).unwrap();
        assert!(Owner::claim(&path).is_none());
        assert!(first.is_sole());
        drop(first);
        assert!(!path.exists());
        assert!(Owner::claim(&path).is_some());
    }

    #[test]
    #[cfg(unix)]
    fn who_counts_as_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.owner");
        let dead = {
            let mut child = std::process::Command::new("true").spawn().unwrap();
            child.wait().unwrap();
            child.id()
        };
        let parent = std::os::unix::process::parent_id();
        for (mark, gone) in [
            (format!("{} {dead} 1", host()), true),
            (format!("{} {parent} 1", host()), false),
            (format!("{} {} 1", host(), std::process::id()), true),
            (format!("elsewhere/x {dead} 1"), false),
            (String::new(), false),
        ] {
            fs::write(&path, &mark).unwrap();
            assert_eq!(is_gone(&path), gone, "{mark}");
        }
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now() - OWNER_GONE * 2).unwrap();
        assert!(is_gone(&path));
    }
}
