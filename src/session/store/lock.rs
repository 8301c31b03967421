//! The lock of a session: one program writes it. It goes with the program, however that ends.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::{StoreError, set_aside};

const LOCK: &str = "lock";

/// Held as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a session; `None` where another program has it.
    pub(super) fn take(folder: &Path) -> Result<Option<Self>, StoreError> {
        let path = folder.join(LOCK);
        // Opening a pipe waits for its other end; a device or a link may lead anywhere.
        if path.symlink_metadata().is_ok_and(|about| !about.is_file()) {
            set_aside(folder, LOCK)?;
        }
        let file = open(&path).map_err(StoreError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            // A file system that knows no locks is no reason to keep nothing.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(Some(Self { _file: file }))
            }
            Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path)(error)),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
    }
    options.open(path)
}
