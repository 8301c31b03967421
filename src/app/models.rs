//! Models: what is offered, what is cached, what is being downloaded or loaded, and the one that is loaded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::change::Watched;
/// How the weights of a model are asked for.
pub use crate::engine::DtypeChoice;
use crate::engine::{CancelToken, JobId, ModelInfo};
use crate::files::Files;
use crate::text::{TokenId, Tokenizer, sanitise};

/// One row of the model list.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRow {
    /// Hub id (with revision where one was asked for), or `built-in`.
    pub name: String,
    /// One line about it.
    pub about: String,
    /// Number of weights, where known.
    pub parameters: Option<u64>,
    /// Bytes of a download, where known.
    pub download: Option<u64>,
    /// Bytes of memory to run it, where known.
    pub memory: Option<u64>,
    /// What is here.
    pub cached: Cached,
}

/// What is here of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cached {
    /// Nothing.
    No,
    /// So many bytes of a download that was not finished.
    Partial(u64),
    /// All of it.
    Yes(Files),
}

/// What a look-up found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Files that can be loaded.
    Here(Files),
    /// Something to download.
    Remote(Offer),
}

/// What a download would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Hub id with revision.
    pub name: String,
    /// Bytes of all files that are needed.
    pub total: u64,
    /// Bytes of them that are here already.
    pub have: u64,
    /// Bytes of memory to run it, where known.
    pub memory: Option<u64>,
    /// Where the files go.
    pub to: String,
}

/// How far a download is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// The file it is at.
    pub file: String,
    /// Bytes that are here, of all files.
    pub done: u64,
    /// Bytes of all files.
    pub total: u64,
    /// Bytes a second, averaged over the last seconds.
    pub rate: Option<f64>,
    /// What it is doing where it is not receiving bytes (`verifying`, `waiting to try again`).
    pub note: Option<String>,
}

impl Progress {
    /// Time left at the current rate.
    pub fn eta(&self) -> Option<Duration> {
        let rate = self.rate.filter(|rate| *rate > 0.0)?;
        Duration::try_from_secs_f64(self.total.saturating_sub(self.done) as f64 / rate).ok()
    }

    /// Share done, 0 to 1.
    pub fn share(&self) -> f64 {
        if self.total == 0 { 0.0 } else { (self.done as f64 / self.total as f64).clamp(0.0, 1.0) }
    }
}

/// A job that ends with a loaded model.
#[derive(Debug, Clone)]
pub struct ModelJob {
    /// The job.
    pub job: JobId,
    /// The model as asked for.
    pub name: String,
    /// Ends it.
    pub cancel: CancelToken,
    /// What it is doing.
    pub stage: Stage,
}

/// What a [`ModelJob`] is doing.
#[derive(Debug, Clone)]
pub enum Stage {
    /// Looking the name up.
    Finding,
    /// Waiting for "yes".
    Asking(Offer),
    /// Downloading.
    Pulling(Progress),
    /// Reading weights: bytes so far, and in all (0 where not known yet).
    Loading(u64, u64),
}

/// Why a text is not cut into tokens, what follows from it being said by the caller.
pub const NO_TOKENIZER: &str = "this engine has no tokenizer here";

/// A model that is ready.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The facts about it.
    pub info: Arc<ModelInfo>,
    /// Its vocabulary; `None` where the engine's tokenizer is not in this process, or there is none.
    pub tokenizer: Option<Arc<Tokenizer>>,
}

impl Loaded {
    /// The bytes of a token, where its vocabulary is here.
    pub fn bytes(&self, id: TokenId) -> Option<&[u8]> {
        self.tokenizer.as_ref()?.bytes(id)
    }
}

impl Loaded {
    /// The start token, as it is shown.
    pub fn bos_label(&self) -> Option<String> {
        let tokenizer = self.tokenizer.as_ref()?;
        self.info.special.bos.map(|id| tokenizer.label(id))
    }
}

/// All about models.
#[derive(Debug, Default)]
pub struct Models {
    /// The list; `None` until it was read.
    pub rows: Option<Vec<ModelRow>>,
    /// The model in use.
    pub loaded: Watched<Option<Loaded>>,
    /// What is under way.
    pub job: Watched<Option<ModelJob>>,
    /// How the weights of the next one are to be kept.
    pub dtype: DtypeChoice,
    /// The bytes of tokens as an engine reported them whose tokenizer is not here.
    pub names: HashMap<TokenId, Vec<u8>>,
}

impl Models {
    /// Whether the engine is loading a model: until it is done, the one in use takes no new work.
    pub fn is_loading(&self) -> bool {
        self.job.as_ref().is_some_and(|job| matches!(job.stage, Stage::Loading(..)))
    }

    /// The bytes of a token, from the vocabulary or as the engine reported them.
    pub fn bytes(&self, id: TokenId) -> Option<&[u8]> {
        let loaded = self.loaded.as_ref()?;
        loaded.bytes(id).or_else(|| self.names.get(&id).map(Vec::as_slice))
    }

    /// A token as it is shown.
    pub fn label(&self, id: TokenId) -> String {
        self.bytes(id).map_or_else(|| format!("<{id}>"), sanitise::token_label)
    }

    /// What of a position the engine in use does not tell, as `not known: this engine gives 5 candidates`.
    pub fn unknown(&self) -> Option<String> {
        let limits = self.loaded.as_ref()?.info.capabilities.limits()?;
        Some(format!("not known: {limits}"))
    }

    /// Why the text has no token ids, where the engine in use has no tokenizer here.
    pub fn untokenised(&self) -> Option<&'static str> {
        self.loaded.as_ref().filter(|loaded| loaded.tokenizer.is_none()).map(|_| NO_TOKENIZER)
    }

    /// The job under way, if `job` names it.
    pub fn current(&mut self, job: JobId) -> Option<&mut ModelJob> {
        self.job.as_mut().filter(|current| current.job == job)
    }
}
