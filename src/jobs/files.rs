//! Files that a job writes: exports, pictures, presets, tasks.

use std::path::{Path, PathBuf};

use crate::app::export::{Destination, Exported};
use crate::disk::{Existing, WriteError, write_file, write_private};
use crate::export::{Format, Source};

/// Makes an export, and writes it where it is to be a file.
///
/// # Errors
/// What is missing, or why the file cannot be written.
pub fn export(format: Format, source: &Source, to: Destination) -> Result<Exported, String> {
    // Before a trace's hashes are taken, which is slow.
    if let Destination::File(path, Existing::Keep) = &to
        && path.symlink_metadata().is_ok()
    {
        return Ok(Exported::Taken(path.clone()));
    }
    let bytes = source.render(format)?;
    match to {
        Destination::Clipboard => Ok(Exported::Text(String::from_utf8_lossy(&bytes).into_owned())),
        Destination::File(path, existing) => {
            // A trace holds the whole prompt, as a session does.
            let write = if format == Format::Trace { write_private } else { write_file };
            match write(&path, &bytes, existing) {
                Ok(()) => Ok(Exported::Written(path)),
                Err(WriteError::Exists(path)) => Ok(Exported::Taken(path)),
                Err(error) => Err(error.to_string()),
            }
        }
    }
}

pub(super) fn save_in_folder(path: &Path, text: &str) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
    }
    write_file(path, text.as_bytes(), Existing::Replace).map_err(|error| error.to_string())
}

/// Writes a picture under the first free name in the current folder.
pub(super) fn save_numbered(svg: &str) -> Result<PathBuf, String> {
    for number in 1..10_000 {
        let path = PathBuf::from(format!("kshot-{number}.svg"));
        match write_file(&path, svg.as_bytes(), Existing::Keep) {
            Ok(()) => return Ok(path),
            Err(WriteError::Exists(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Err("kshot-1.svg to kshot-9999.svg are all there already; remove some".to_owned())
}
