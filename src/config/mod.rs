//! The files that the user writes: `config.toml` and, beside it, `keymap.toml`.
//!
//! A key of `config.toml` is a row of the table of settings, which reads it, shows it and prints it in the file of
//! defaults; the sampling parameters are rows of their own table. What cannot be read is a [`Problem`] with file and line,
//! never an error: the rest counts.

mod keys;
mod problem;
mod settings;
mod toml_file;

use std::path::Path;

pub use keys::read_keys;
pub use problem::Problem;
pub use settings::{Clipboard, Config, Origin, Setting, default_file, settings};

use crate::app::KeyMap;

/// Both files of a folder.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The settings in force, where nothing else is said.
    pub config: Config,
    /// The user's own keys.
    pub keys: Vec<crate::app::Rebinding>,
    /// What could not be used.
    pub problems: Vec<Problem>,
}

/// Reads both files. A file that is not there says nothing.
pub fn load(config: &Path, keymap: &Path) -> Loaded {
    let mut problems = Vec::new();
    let settings = match toml_file::read(config) {
        Ok(Some(text)) => Config::read(config, &text, &mut problems),
        Ok(None) => Config::default(),
        Err(problem) => {
            problems.push(problem);
            Config::default()
        }
    };
    let keys = match toml_file::read(keymap) {
        Ok(Some(text)) => read_keys(keymap, &text, &mut problems),
        Ok(None) => Vec::new(),
        Err(problem) => {
            problems.push(problem);
            Vec::new()
        }
    };
    Loaded { config: settings, keys, problems }
}

impl Loaded {
    /// The key map of the table with the user's keys.
    ///
    /// # Errors
    /// A command table that cannot be made into a key map.
    pub fn keymap(&self) -> Result<KeyMap, crate::app::KeyMapError> {
        let mut map = crate::ui::keymap()?;
        map.rebind(&self.keys);
        Ok(map)
    }
}
