//! `kshot paths`: where things live.

use kshot::hub::HubConfig;

use super::{Context, Status, lossy};
use crate::cli::PathsArgs;

pub(super) fn run(args: &PathsArgs, cx: &mut Context) -> anyhow::Result<Status> {
    let models = HubConfig::from_env()?.cache.unwrap_or_default();
    let rows = [
        ("config", cx.paths.config.clone()),
        ("prompts", cx.paths.prompts()),
        ("data", cx.paths.data.clone()),
        ("state", cx.paths.state.clone()),
        ("log", cx.paths.log()),
        ("cache", cx.paths.cache.clone()),
        ("models", models),
    ];
    if args.json {
        let map: serde_json::Map<_, _> = rows.iter().map(|(name, path)| ((*name).into(), lossy(path))).collect();
        cx.out.json(&map)?;
        return Ok(Status::Done);
    }
    for (name, path) in rows {
        let absent = if path.exists() { "" } else { "  (not made yet)" };
        let line = format!("{name:<8} {}{}", cx.out.label(&path.display().to_string()), cx.out.style().dim(absent));
        cx.out.line(line)?;
    }
    Ok(Status::Done)
}
