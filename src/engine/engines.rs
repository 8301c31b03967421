//! The table of engines.

use super::backend::{Backend, Checked, EngineKind};
use super::{CancelToken, EngineError, LoadRequest, local};
use crate::model::free_memory;

/// Every way to run models. Another one is a file like `local.rs` and a row.
pub const ENGINES: &[EngineKind] = &[local::ENGINE];

/// Checks a model and loads it.
///
/// # Errors
/// Whatever is wrong with it, a model that needs more memory than is free (before anything is read),
/// [`EngineError::Cancelled`].
pub fn load(
    request: &LoadRequest,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Box<dyn Backend>, EngineError> {
    check(ENGINES, request, free_memory(), cancel)?.load(cancel, progress)
}

/// Checks a model with the first of some engines that serves it.
pub(super) fn check(
    kinds: &[EngineKind],
    request: &LoadRequest,
    room: Option<u64>,
    cancel: &CancelToken,
) -> Result<Box<dyn Checked>, EngineError> {
    let kind = kinds.iter().find(|kind| (kind.serves)(request));
    let kind = kind.ok_or_else(|| EngineError::Engine(format!("no engine serves {}", request.name)))?;
    (kind.check)(request, room, cancel)
}
