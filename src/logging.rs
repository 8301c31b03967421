//! Logs to a file of bounded size, never to the screen.
//!
//! `KSHOT_LOG` takes a level or a filter (`debug`, `kshot::hub=trace,warn`); without it, warnings and errors are kept.
//! The file is made when the first line is written. A full file becomes `kshot.log.1` and a new one is begun.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use kshot::disk::private_folder;
use tracing_subscriber::EnvFilter;

/// The filter's variable.
pub(crate) const FILTER: &str = "KSHOT_LOG";

/// Bytes after which a new file is begun, so that at most twice as much lies on disk.
const LIMIT: u64 = 2 << 20;

/// Starts logging to `path`. A filter that cannot be read is answered with a warning to show.
pub(crate) fn start(path: &Path) -> Option<String> {
    let wanted = std::env::var(FILTER).unwrap_or_default();
    let parsed = EnvFilter::builder().with_default_directive(tracing::Level::WARN.into()).parse(&wanted);
    let (filter, warning) = match parsed {
        Ok(filter) => (filter, None),
        Err(e) => (EnvFilter::new("warn"), Some(format!("{FILTER}={wanted} is no log filter ({e}); using `warn`"))),
    };
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        // What cannot be logged is not said on stderr instead, which belongs to the command.
        .log_internal_errors(false)
        .with_writer(Mutex::new(LogFile::new(path, LIMIT)))
        .try_init();
    warning.or_else(|| started.err().map(|e| format!("no log is written: {e}")))
}

/// A file that is opened by its first line and put aside when it is full.
struct LogFile {
    path: PathBuf,
    limit: u64,
    open: Option<(File, u64)>,
}

impl LogFile {
    fn new(path: &Path, limit: u64) -> Self {
        Self { path: path.to_path_buf(), limit, open: None }
    }

    fn file(&mut self, more: u64) -> io::Result<&mut (File, u64)> {
        if self.open.as_ref().is_some_and(|(_, size)| size + more > self.limit) {
            self.open = None;
        }
        if self.open.is_none() {
            self.open = Some(self.begin(more)?);
        }
        self.open.as_mut().ok_or_else(|| io::Error::other("the log is not open"))
    }

    fn begin(&self, more: u64) -> io::Result<(File, u64)> {
        if let Some(folder) = self.path.parent() {
            private_folder(folder)?;
        }
        if std::fs::metadata(&self.path).is_ok_and(|m| m.len() + more > self.limit) {
            std::fs::rename(&self.path, self.path.with_extension("log.1"))?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        // What goes wrong with a prompt is said with a part of it. A pipe in its place is not waited for.
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600).custom_flags(libc::O_NONBLOCK);
        }
        let file = options.open(&self.path)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let (file, size) = self.file(line.len() as u64)?;
        let written = file.write(line)?;
        *size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |(file, _)| file.flush())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_is_put_aside_and_none_is_made_before_the_first_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/kshot.log");
        let mut log = LogFile::new(&path, 100);
        assert!(!path.exists());
        for line in 0..50 {
            writeln!(log, "line {line}").unwrap();
        }
        let size = |p: &Path| std::fs::metadata(p).unwrap().len();
        #[cfg(unix)]
        for (path, mode) in [(path.as_path(), 0o600), (path.parent().unwrap(), 0o700)] {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
        }
        assert!(size(&path) <= 100 && size(&path.with_extension("log.1")) <= 100);
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("line 49\n"));
    }
}
