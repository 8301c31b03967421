//! What the model overlay needs of the hub, in the terms of the program state.

use std::path::PathBuf;

use crate::app::models::{Cached, Found, ModelRow, Offer, Progress};
use crate::engine::Description;
use crate::engine::DtypeChoice;
use crate::files::{Files, builtin};
use crate::hub::{self, CachedModel, Cancel, Hub, HubError, ModelRef, Source, catalog, missing_files};

/// The model in the program, the catalog, then what else is in the cache.
pub(super) fn list(hub: &Hub) -> Vec<ModelRow> {
    let cached = hub.cached_models();
    let state = |id: &str| cached.iter().find(|model| model.id == id).map_or(Cached::No, |model| on_disk(hub, model));
    let catalog = catalog().iter().map(|entry| ModelRow {
        name: entry.id.clone(),
        about: format!("{}: {}", entry.title, entry.note),
        parameters: Some(entry.parameters()),
        download: Some(entry.download_bytes),
        memory: Some(entry.memory_bytes_f32()),
        cached: state(&entry.id),
    });
    let mut rows: Vec<ModelRow> = std::iter::once(built_in()).chain(catalog).collect();
    for model in &cached {
        if rows.iter().all(|row| row.name != model.id) {
            rows.push(ModelRow {
                name: model.id.clone(),
                about: "In the cache; not of the catalog, so it may be of a family that cannot be loaded.".to_owned(),
                parameters: None,
                download: None,
                memory: None,
                cached: on_disk(hub, model),
            });
        }
    }
    rows
}

fn built_in() -> ModelRow {
    let files = Files::BuiltIn;
    let known = Description::of(&files, DtypeChoice::Auto).ok();
    ModelRow {
        name: builtin::NAME.to_owned(),
        about: builtin::ABOUT.to_owned(),
        parameters: known.map(|known| known.parameters),
        download: None,
        memory: known.map(|known| known.memory),
        cached: Cached::Yes(files),
    }
}

/// Where a model is, or what a download of it would take.
pub(super) fn find(hub: &Hub, name: &str, cancel: &Cancel) -> Result<Found, String> {
    let model = match Source::of(name).map_err(|error| chain(&error))? {
        Source::BuiltIn => return Ok(Found::Here(Files::BuiltIn)),
        Source::Folder(folder) => {
            return match missing_files(&folder) {
                missing if missing.is_empty() => Ok(Found::Here(folder.into())),
                _ if !folder.is_dir() => Err(format!("there is no folder {}", folder.display())),
                missing => {
                    Err(format!("{} is no checkpoint folder: it lacks {}", folder.display(), missing.join(", ")))
                }
            };
        }
        Source::Hub(model) => model,
    };
    if let Ok(snapshot) = hub.locate(&model) {
        return Ok(Found::Here(snapshot.folder.into()));
    }
    let plan = hub.plan(&model, cancel).map_err(|error| chain(&error))?;
    let cached = hub.cached_models().into_iter().find(|cached| cached.id == model.id());
    let total = plan.bytes();
    let have = cached.map_or(0, |cached| cached.bytes).min(total);
    let memory = catalog().iter().find(|entry| entry.id == model.id()).map(hub::CatalogEntry::memory_bytes_f32);
    let to = hub.cache().map_err(|error| chain(&error))?.display().to_string();
    Ok(Found::Remote(Offer { name: name.to_owned(), total, have, memory, to }))
}

/// Downloads a model; `Ok(None)` where it was cancelled.
pub(super) fn pull(
    hub: &Hub,
    name: &str,
    cancel: &Cancel,
    tell: &mut dyn FnMut(Progress),
) -> Result<Option<PathBuf>, String> {
    let model: ModelRef = name.parse().map_err(|error: HubError| chain(&error))?;
    let mut state = Progress::default();
    let result = hub.pull(
        &model,
        &mut |progress| {
            state.note = None;
            match progress {
                hub::Progress::Plan { bytes, present, .. } => (state.total, state.done) = (bytes, present),
                hub::Progress::Transfer(transfer) => {
                    state.file = transfer.file;
                    (state.total, state.done, state.rate) = (transfer.bytes, transfer.done, transfer.rate);
                }
                hub::Progress::Waiting { file } => {
                    state.note = Some(format!("another process is downloading {file}; waiting for it"));
                }
                hub::Progress::Retrying { attempt, wait, reason, .. } => {
                    state.note = Some(format!("{reason}; try {attempt} in {} s", wait.as_secs()));
                }
                _ => {}
            }
            tell(state.clone());
        },
        cancel,
    );
    match result {
        Ok(snapshot) => Ok(Some(snapshot.folder)),
        Err(HubError::Cancelled) => Ok(None),
        Err(error) => Err(chain(&error)),
    }
}

fn on_disk(hub: &Hub, model: &CachedModel) -> Cached {
    let located = model.id.parse::<ModelRef>().ok().and_then(|model| hub.locate(&model).ok());
    match located {
        Some(snapshot) => Cached::Yes(snapshot.folder.into()),
        None => Cached::Partial(model.bytes),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]
mod tests {
    use super::*;
    use crate::hub::HubConfig;

    #[test]
    fn the_model_in_the_program_comes_first_and_needs_no_network() {
        let cache = tempfile::tempdir().unwrap();
        let hub =
            Hub::new(HubConfig { cache: Some(cache.path().into()), offline: true, ..HubConfig::from_env().unwrap() });
        let rows = list(&hub);
        assert_eq!((rows[0].name.as_str(), rows.len()), ("built-in", catalog().len() + 1));
        assert_eq!((&rows[0].cached, rows[0].download), (&Cached::Yes(Files::BuiltIn), None));
        let (weights, memory) = (rows[0].parameters.unwrap() * 4, rows[0].memory.unwrap());
        assert!(memory > weights, "{memory} bytes for {weights} of weights");
        assert_eq!(find(&hub, "built-in", &Cancel::new()), Ok(Found::Here(Files::BuiltIn)));
    }
}
