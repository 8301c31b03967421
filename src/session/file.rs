//! Files of the user's own: written whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What happens to a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and writing is an error.
    Keep,
    /// It is replaced.
    Replace,
}

/// Why a file was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// It is there and was to stay.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The folder that it belongs in is not there.
    #[error("cannot write {}: there is no folder {}", path.display(), folder.display())]
    NoFolder {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// What the file system says.
    #[error("cannot write {}: {reason}", path.display())]
    Failed {
        /// The file, or the folder that could not be made for it.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Writes `bytes` under a temporary name in the file's folder and renames: no reader ever sees half a file, and the old one
/// is there until the new one is whole.
///
/// # Errors
/// The file exists and was to be kept, its folder is not there, or the file system refuses.
pub fn write_file(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), WriteError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => WriteError::Exists(path.to_owned()),
        _ => WriteError::Failed { path: path.to_owned(), reason: error.to_string() },
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(WriteError::NoFolder { path: path.to_owned(), folder: folder.to_owned() });
    }
    if existing == Existing::Keep && path.symlink_metadata().is_ok() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    // A link stays a link: what it points to is replaced.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".kshot-");
    #[cfg(unix)]
    builder.permissions(permissions(&target));
    let mut file = builder.tempfile_in(folder).map_err(|error| failed(error.kind().into()))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    match existing {
        Existing::Keep => file.persist_noclobber(&target).map_err(|error| failed(error.error))?,
        Existing::Replace => file.persist(&target).map_err(|error| failed(error.error))?,
    };
    Ok(())
}

/// Those of the file that is replaced, or those that any new file gets (the process's mask takes its share off).
#[cfg(unix)]
fn permissions(target: &Path) -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    target.metadata().map_or_else(|_| PermissionsExt::from_mode(0o666), |meta| meta.permissions())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn files_are_written_whole_kept_or_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_file(&path, b"one", Existing::Keep).unwrap();
        let error = write_file(&path, b"two", Existing::Keep).unwrap_err();
        assert_eq!(error, WriteError::Exists(path.clone()));
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write_file(&path, b"three", Existing::Replace).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        let error = write_file(&folder.path().join("no/b.txt"), b"", Existing::Keep).unwrap_err();
        assert!(matches!(error, WriteError::NoFolder { .. }), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing temporary is left");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_outlive_a_replacement() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        write_file(&file, b"one", Existing::Keep).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_file(&link, b"two", Existing::Replace).unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }
}
