//! Where kshot keeps its own files: the XDG folders, with one override for each half.
//!
//! Model files are not here: they live in the hub's cache, which other programs share.

use std::path::PathBuf;

use etcetera::base_strategy::{BaseStrategy, Xdg};

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
    /// The folders of this user.
    ///
    /// # Errors
    /// There is no home folder and the overrides are not both set.
    pub(crate) fn from_env() -> anyhow::Result<Self> {
        let folder = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        Self::new(folder(CONFIG_DIR), folder(DATA_DIR))
    }

    fn new(config: Option<PathBuf>, data: Option<PathBuf>) -> anyhow::Result<Self> {
        if let (Some(config), Some(data)) = (&config, &data) {
            return Ok(Self::inside(config.clone(), data));
        }
        let home = Xdg::new().map_err(|e| {
            anyhow::anyhow!("there is no home folder ({e}); set HOME, or both {CONFIG_DIR} and {DATA_DIR}")
        })?;
        let config = config.unwrap_or_else(|| home.config_dir().join("kshot"));
        Ok(match data {
            Some(data) => Self::inside(config, &data),
            None => Self {
                config,
                data: home.data_dir().join("kshot"),
                state: home.state_dir().unwrap_or_else(|| home.data_dir()).join("kshot"),
                cache: home.cache_dir().join("kshot"),
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]
mod tests {
    use super::*;

    #[test]
    fn overrides_move_everything_that_is_written() {
        let paths = Paths::new(Some("/c".into()), Some("/d".into())).unwrap();
        assert_eq!(paths.prompts(), PathBuf::from("/c/prompts"));
        assert_eq!(paths.settings(None), ("/c/config.toml".into(), "/c/keymap.toml".into()));
        assert_eq!(paths.settings(Some("a/b.toml".as_ref())), ("a/b.toml".into(), "a/keymap.toml".into()));
        for path in [&paths.data, &paths.state, &paths.cache, &paths.log()] {
            assert!(path.starts_with("/d"), "{}", path.display());
        }
    }

    #[test]
    fn one_override_leaves_the_other_half() {
        let paths = Paths::new(Some("/c".into()), None).unwrap();
        assert_eq!(paths.config, PathBuf::from("/c"));
        assert!(paths.data.ends_with("kshot") && !paths.data.starts_with("/c"));
    }
}
