//! `kshot [-m MODEL] [FILE]`: the playground.

use std::path::PathBuf;

use super::{Context, Status};

pub(crate) fn run(_file: Option<PathBuf>, _cx: Context) -> anyhow::Result<Status> {
    Err(super::Usage("not yet".into()).into())
}
