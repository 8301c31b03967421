//! Where kshot keeps its own files: the XDG folders, with one override for each half.
//!
//! Model files are not here: they live in the hub's cache, which other programs share.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context as _;
use kshot::hub::home_folder;

/// Moves the configuration (settings and the user's prompts).
pub(crate) const CONFIG_DIR: &str = "KSHOT_CONFIG_DIR";
/// Moves everything that kshot writes: data, state and cache.
pub(crate) const DATA_DIR: &str = "KSHOT_DATA_DIR";

/// The file of settings; the keys are in `keymap.toml` beside it.
pub(crate) const CONFIG: &str = "config.toml";

/// kshot's own folders. None of them needs to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paths {
    /// What the user writes.
    pub(crate) config: PathBuf,
    /// What kshot keeps for the user.
    pub(crate) data: PathBuf,
    /// What may be lost without harm to the user's work: logs.
    pub(crate) state: PathBuf,
    /// What can be made again.
    pub(crate) cache: PathBuf,
}

impl Paths {
    /// The folders of this user, and what there is to say about them: where no home folder is known, they are below the
    /// system's temporary folder.
    ///
    /// # Errors
    /// No home folder, and a temporary one that is not this user's alone.
    pub(crate) fn from_env() -> anyhow::Result<(Self, Option<String>)> {
        let get = |name: &str| std::env::var_os(name);
        match Self::new(get, home_folder(get)) {
            Some(paths) => Ok((paths, None)),
            None => {
                let folder = temporary().context("there is no home folder: set HOME to an absolute path")?;
                let said = format!(
                    "there is no home folder (HOME is no absolute path): settings and sessions are in {}",
                    folder.display()
                );
                Ok((Self::inside(folder.join("config"), &folder), Some(said)))
            }
        }
    }

    /// `None` where a folder is below the home folder and that is not known.
    fn new(get: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Option<Self> {
        let folder = |name| get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // Relative paths in these are invalid (XDG base directory specification).
        let xdg = |name, below: &str| {
            let set = folder(name).filter(|path| path.is_absolute());
            Some(set.or_else(|| Some(home.as_ref()?.join(below)))?.join("kshot"))
        };
        let config = folder(CONFIG_DIR).or_else(|| xdg("XDG_CONFIG_HOME", ".config"))?;
        Some(match folder(DATA_DIR) {
            Some(data) => Self::inside(config, &data),
            None => Self {
                config,
                data: xdg("XDG_DATA_HOME", ".local/share")?,
                state: xdg("XDG_STATE_HOME", ".local/state")?,
                cache: xdg("XDG_CACHE_HOME", ".cache")?,
            },
        })
    }

    fn inside(config: PathBuf, data: &std::path::Path) -> Self {
        Self { config, data: data.to_path_buf(), state: data.join("state"), cache: data.join("cache") }
    }

    /// The user's settings, and the user's keys beside them. `named`: the file that was asked for.
    pub(crate) fn settings(&self, named: Option<&std::path::Path>) -> (PathBuf, PathBuf) {
        let config = named.map_or_else(|| self.config.join(CONFIG), std::path::Path::to_path_buf);
        let keymap = config.with_file_name("keymap.toml");
        (config, keymap)
    }

    /// The folder of the user's own prompt tasks.
    pub(crate) fn prompts(&self) -> PathBuf {
        self.config.join("prompts")
    }

    /// The file of the user's own sampling presets.
    pub(crate) fn presets(&self) -> PathBuf {
        self.config.join("presets.toml")
    }

    /// The folder of texts saved as prompts.
    pub(crate) fn saved_prompts(&self) -> PathBuf {
        self.data.join("prompts")
    }

    /// The folders of training runs.
    pub(crate) fn runs(&self) -> PathBuf {
        self.data.join("runs")
    }

    /// The folders of sessions of the playground.
    pub(crate) fn sessions(&self) -> PathBuf {
        self.data.join("sessions")
    }

    /// The log file.
    pub(crate) fn log(&self) -> PathBuf {
        self.state.join("kshot.log")
    }
}

/// A folder of this user's own below the system's temporary one.
fn temporary() -> anyhow::Result<PathBuf> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, MetadataExt};
        // SAFETY: getuid has no preconditions and cannot fail.
        let user = unsafe { libc::getuid() };
        let folder = std::env::temp_dir().join(format!("kshot-{user}"));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        made.or_else(|error| if error.kind() == std::io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let meta = folder.symlink_metadata()?;
        if !meta.is_dir() || meta.uid() != user || meta.mode() & 0o077 != 0 {
            anyhow::bail!("{} is there and belongs to others too", folder.display());
        }
        Ok(folder)
    }
    #[cfg(not(unix))]
    {
        Ok(std::env::temp_dir().join("kshot"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]
mod tests {
    use super::*;

    fn paths(vars: &[(&str, &str)], home: Option<&str>) -> Option<Paths> {
        let get = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into());
        Paths::new(get, home.map(PathBuf::from))
    }

    #[test]
    fn overrides_move_everything_that_is_written() {
        let paths = paths(&[(CONFIG_DIR, "/c"), (DATA_DIR, "/d")], None).unwrap();
        assert_eq!(paths.prompts(), PathBuf::from("/c/prompts"));
        assert_eq!(paths.settings(None), ("/c/config.toml".into(), "/c/keymap.toml".into()));
        assert_eq!(paths.settings(Some("a/b.toml".as_ref())), ("a/b.toml".into(), "a/keymap.toml".into()));
        for path in [&paths.data, &paths.state, &paths.cache, &paths.log()] {
            assert!(path.starts_with("/d"), "{}", path.display());
        }
    }

    #[test]
    fn one_override_leaves_the_other_half() {
        let found = paths(&[(CONFIG_DIR, "/c"), ("XDG_STATE_HOME", "/s"), ("XDG_DATA_HOME", "relative")], Some("/h"));
        let found = found.unwrap();
        assert_eq!((found.config, found.data), ("/c".into(), "/h/.local/share/kshot".into()));
        assert_eq!((found.state, found.cache), ("/s/kshot".into(), "/h/.cache/kshot".into()));
        assert_eq!(paths(&[(CONFIG_DIR, "/c")], None), None);
    }

    #[test]
    fn the_temporary_folder_is_the_users_own() {
        let folder = temporary().unwrap();
        assert!(folder.is_absolute() && temporary().unwrap() == folder);
    }
}
