//! What a download needs of the file system: free space, writing, locks.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

/// The file system below the cache. The defaults are the real thing; tests replace single answers (a full disk,
/// locks that everybody gets).
pub trait Disk: Send + Sync {
    /// Bytes that this user may still write in `folder`, which exists.
    ///
    /// # Errors
    /// Whatever the system says; the check is then skipped.
    fn available(&self, folder: &Path) -> io::Result<u64> {
        available(folder)
    }

    /// Appends all of `bytes`.
    ///
    /// # Errors
    /// Whatever the system says, `StorageFull` for a full disk.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Tries to take the exclusive lock on `file`: `Ok(false)` if another holds it.
    ///
    /// # Errors
    /// Whatever the system says; a file system without locks is no obstacle to a download.
    fn try_lock(&self, file: &File) -> io::Result<bool> {
        match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// The machine's own file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {}

/// Whether an error means that there is no room left (or the user's quota is used up).
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(unix)]
fn available(folder: &Path) -> io::Result<u64> {
    use std::os::unix::ffi::OsStrExt;

    let path = std::ffi::CString::new(folder.as_os_str().as_bytes())?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` is a C string and `stat` has room for one `statvfs`; it is read only after success.
    let stat = unsafe {
        if libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        stat.assume_init()
    };
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "the field types differ between systems")]
    Ok((stat.f_bavail as u64).saturating_mul(stat.f_frsize as u64))
}

#[cfg(not(unix))]
fn available(_folder: &Path) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}
