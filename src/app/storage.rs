//! What is kept on disk: the file of the document, saved prompts, the session.

use std::path::PathBuf;

use super::keep::Keeping;
use super::saved::Saved;
use super::sessions::Sessions;

/// What is kept on disk.
#[derive(Debug, Default)]
pub struct Storage {
    /// Prompts saved under a name.
    pub prompts: Saved,
    /// The file that the document is from, or was saved to.
    pub(super) file: Option<PathBuf>,
    /// A file that exists already and that a second Enter replaces.
    pub(super) refused: Option<PathBuf>,
    /// The document's revision that was saved last.
    pub(super) saved_revision: Option<u64>,
    /// Sessions: the current one and all others.
    pub sessions: Sessions,
    /// Where the session is kept: what was handed over last.
    pub(super) keeping: Option<Keeping>,
    /// Keeping has failed once: what is not saved may be lost.
    pub(super) keep_failed: bool,
}
