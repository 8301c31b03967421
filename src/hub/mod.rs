//! The Hugging Face hub: catalog, look-ups, verified and resumable downloads, and the cache shared with Python.
//!
//! Owns the names of models ([`Source`], [`ModelRef`]), the settings of the hub ([`HubConfig`]), the table of known checkpoints
//! ([`catalog()`]) and the cache folder, in the layout of Python's `huggingface_hub`, so that each reads what the other
//! fetched. Bytes reach the cache under one rule: a blob gets its name only when its hash is that name.
//!
//! It does not know what a model is beyond the names of its files; loading one is the model layer's work.
//!
//! ```no_run
//! use kshot::hub::{Cancel, Hub, HubConfig};
//!
//! let hub = Hub::new(HubConfig::from_env()?);
//! let snapshot = hub.pull(&"openai-community/gpt2".parse()?, &mut |_progress| {}, &Cancel::new())?;
//! let config = snapshot.folder.join("config.json");
//! # Ok::<(), kshot::hub::HubError>(())
//! ```

mod cache;
mod cancel;
mod catalog;
mod config;
mod disk;
mod download;
mod error;
mod hash;
mod home;
mod http;
mod layout;
mod lock;
mod model_ref;
mod partial;
mod plan;
mod progress;
mod proxy;
mod pull;
mod refusal;
mod remote;
mod retry;
mod source;
mod token;
mod url;

pub use cache::{CachedModel, CachedRevision, FileCheck, FileState, Snapshot};
pub use cancel::Cancel;
pub use catalog::{CatalogEntry, catalog};
pub use config::{HubConfig, Patience};
pub use disk::{Disk, SystemDisk};
pub use error::HubError;
pub use home::home_folder;
pub use model_ref::ModelRef;
pub use plan::{Plan, missing_files};
pub use progress::{Progress, Transfer};
pub use proxy::Proxies;
pub use remote::{RepoFile, RepoInfo};
pub use source::{Source, verify_files};
pub use token::Token;
pub use url::without_credentials;

use std::path::Path;

/// The hub and the cache beside it. Cheap to make; every operation opens its own connections.
#[derive(Debug, Clone)]
pub struct Hub {
    config: HubConfig,
}

impl Hub {
    /// A hub as configured.
    pub fn new(config: HubConfig) -> Self {
        Self { config }
    }

    /// The configuration.
    pub fn config(&self) -> &HubConfig {
        &self.config
    }

    /// The folder that holds `models--org--name`.
    ///
    /// # Errors
    /// [`HubError::NoCacheFolder`] where nothing says which it is.
    pub fn cache(&self) -> Result<&Path, HubError> {
        self.config.cache.as_deref().ok_or(HubError::NoCacheFolder)
    }
}
