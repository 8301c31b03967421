//! Writing files whole or not at all, and folders and files that only their owner may read.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::read::special;

/// What happens to a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and writing is an error.
    Keep,
    /// It is replaced.
    Replace,
}

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Those whom the process's mask admits; a file that is replaced keeps its own permissions.
    Usual,
    /// Its owner alone (0600), also where it replaces a file that others could read.
    Private,
}

/// Why a file was not written; one that was there is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// It was not to be replaced.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// Its folder is missing.
    #[error("cannot write {}: there is no folder {}", path.display(), folder.display())]
    NoFolder {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// A folder, a pipe, a device: renaming over it would take it away.
    #[error("cannot write {}: it is {kind}, not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// It holds something else than what was read or written last.
    #[error("{} was changed by another program", .0.display())]
    Changed(PathBuf),
    /// The file system says no.
    #[error("cannot write {}: {reason}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Writes `bytes` under a temporary name in the file's folder and renames: no reader ever sees half a file, and an old one is
/// there until the new one is whole.
///
/// # Errors
/// [`WriteError`].
pub fn write_file(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), WriteError> {
    write(path, bytes, existing, Access::Usual)
}

/// [`write_file`] for what people write to themselves (sessions, prompts, results): only the owner may read it.
///
/// # Errors
/// [`WriteError`].
pub fn write_private(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), WriteError> {
    write(path, bytes, existing, Access::Private)
}

fn write(path: &Path, bytes: &[u8], existing: Existing, access: Access) -> Result<(), WriteError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => WriteError::Exists(path.to_owned()),
        _ => WriteError::Failed { path: path.to_owned(), reason: source.to_string() },
    };
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(WriteError::NoFolder { path: path.to_owned(), folder: folder.to_owned() });
    }
    if existing == Existing::Keep && path.symlink_metadata().is_ok() {
        return Err(WriteError::Exists(path.to_owned()));
    }
    if let Some(kind) = path.metadata().ok().and_then(|about| special(about.file_type())) {
        return Err(WriteError::NotAFile { path: path.to_owned(), kind });
    }
    // A link stays a link: what it points to is replaced.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".kshot-");
    #[cfg(unix)]
    builder.permissions(permissions(&target, access));
    let mut file = builder.tempfile_in(folder_of(&target)).map_err(|error| failed(error.kind().into()))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    match existing {
        Existing::Keep => file.persist_noclobber(&target).map_err(|error| failed(error.error))?,
        Existing::Replace => file.persist(&target).map_err(|error| failed(error.error))?,
    };
    Ok(())
}

/// Replaces a file that holds exactly `old` (none: that is not there) by `new` (none: removes it), with its folder where
/// there is none. What another program or the user put in its place stays.
///
/// # Errors
/// The file holds something else, or the file system refuses.
pub fn exchange_file(path: &Path, old: Option<&str>, new: Option<&str>) -> Result<(), WriteError> {
    let failed = |reason: io::Error| WriteError::Failed { path: path.to_owned(), reason: reason.to_string() };
    let file = old.map_or_else(|| Err(io::ErrorKind::NotFound.into()), |_| fs::File::open(path));
    let (file, new) = match (file, new) {
        (Ok(file), new) => (file, new),
        (Err(error), None) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        (Err(error), Some(new)) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder_of(path)).map_err(failed)?;
            return write_file(path, new.as_bytes(), Existing::Keep);
        }
        (Err(error), _) => return Err(failed(error)),
    };
    // Of two programs that read the same content, the second waits here and then finds the first one's. A file system
    // without locks is no reason to refuse.
    let _ = file.lock();
    if old.map(str::as_bytes) != Some(fs::read(path).map_err(failed)?.as_slice()) {
        return Err(WriteError::Changed(path.to_owned()));
    }
    match new {
        Some(new) => write_file(path, new.as_bytes(), Existing::Replace),
        None => fs::remove_file(path).map_err(failed),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Those of the file that is replaced, or those that any new file gets (the process's mask takes its share off).
#[cfg(unix)]
fn permissions(target: &Path, access: Access) -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    match access {
        Access::Private => PermissionsExt::from_mode(0o600),
        Access::Usual => target.metadata().map_or_else(|_| PermissionsExt::from_mode(0o666), |meta| meta.permissions()),
    }
}

/// Makes a folder that only its owner may open (0700), and those above it that are missing. One that is there is closed to
/// others where it is the user's own.
///
/// # Errors
/// What the file system says.
pub fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if path.metadata()?.permissions().mode() & 0o077 != 0 {
            // Another user's folder, or a file system without permissions: what is written there has its own.
            let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
        }
    }
    Ok(())
}

/// Sees to it that the names in a folder are on the disk, which syncing a file does not promise.
///
/// # Errors
/// What the file system says; one that cannot sync folders says nothing.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    match fs::File::open(path)?.sync_all() {
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Err(error)?,
        _ => {}
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
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
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write_file(&path, b"three", Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        let error = write_file(&folder.path().join("no/b.txt"), b"", Existing::Keep).unwrap_err();
        assert!(matches!(error, WriteError::NoFolder { .. }), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing temporary is left");
        fs::create_dir(folder.path().join("folder")).unwrap();
        let error = write_file(&folder.path().join("folder"), b"", Existing::Replace).unwrap_err();
        assert!(matches!(error, WriteError::NotAFile { kind: "a folder", .. }), "{error}");
    }

    #[test]
    fn a_file_is_exchanged_only_for_the_content_that_is_known() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("folder/a.yaml");
        let changed = Err(WriteError::Changed(path.clone()));
        assert_eq!(exchange_file(&path, None, Some("one")), Ok(()));
        assert_eq!(exchange_file(&path, None, Some("two")), Err(WriteError::Exists(path.clone())));
        assert_eq!(exchange_file(&path, Some("other"), Some("two")), changed);
        assert_eq!(exchange_file(&path, Some("other"), None), changed);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(exchange_file(&path, Some("one"), Some("two")), Ok(()));
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(exchange_file(&path, Some("two"), None), Ok(()));
        assert!(!path.exists());
        assert_eq!(exchange_file(&path, Some("two"), None), Ok(()));
        assert_eq!(exchange_file(&path, Some("two"), Some("three")), Ok(()), "what was removed is written again");
        let mut writers = Vec::new();
        for n in ["a", "b", "c", "d", "e"] {
            let path = path.clone();
            writers.push(std::thread::spawn(move || exchange_file(&path, Some("three"), Some(n))));
        }
        let done = writers.into_iter().map(|w| w.join().unwrap()).filter(Result::is_ok).count();
        assert_eq!(done, 1, "of many that read the same, one writes");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_outlive_a_replacement() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        write_file(&file, b"one", Existing::Keep).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_file(&link, b"two", Existing::Replace).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_private_is_closed_to_others_also_where_it_was_open() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("data/sessions");
        private_folder(&folder).unwrap();
        assert_eq!((mode(&folder), mode(&place.path().join("data"))), (0o700, 0o700));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        private_folder(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        let file = folder.join("a");
        fs::write(&file, "open").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&file, b"closed", Existing::Replace).unwrap();
        assert_eq!(mode(&file), 0o600);
        write_private(&folder.join("b"), b"new", Existing::Keep).unwrap();
        assert_eq!(mode(&folder.join("b")), 0o600);
        sync_folder(&folder).unwrap();
    }
}
