//! From what the user calls a model to the model itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use kshot::engine::{Backend, LoadRequest};
use kshot::files::Files;
use kshot::hub::{Hub, HubConfig, ModelRef, Progress, Snapshot, Source};
use kshot::model::Decoder;
use kshot::text::{SpecialTokens, Tokenizer};

use super::interrupt::Interrupt;
use super::progress::{ProgressLine, Standing};
use super::{Context, Usage};
use crate::cli::ModelArg;
use kshot::text::figures::bytes;

/// What a command needs of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Everything.
    Weights,
    /// The tokenizer files alone.
    Tokenizer,
}

/// The model that a command is to use: its own `-m`, the one before the subcommand, KSHOT_MODEL, or that of the settings
/// (where they name none, the built-in one).
pub(super) fn name(given: Option<&str>, cx: &Context) -> String {
    let named = [given, cx.model.as_deref()].into_iter().flatten().find(|name| !name.is_empty());
    named.unwrap_or(&cx.config.config.model).to_owned()
}

/// What special tokens mean in a text that is read.
pub(super) fn special_tokens(no_special: bool) -> SpecialTokens {
    if no_special { SpecialTokens::Literal } else { SpecialTokens::Parse }
}

/// The hub as the environment and the flags describe it.
///
/// # Errors
/// A variable that cannot be used.
pub(super) fn hub(cx: &Context) -> anyhow::Result<Hub> {
    let mut config = HubConfig::from_env()?;
    config.offline |= cx.global.offline;
    Ok(Hub::new(config))
}

/// The files of a model, downloaded first where they have to be.
///
/// # Errors
/// A folder that lacks something, with what it has; whatever the hub says.
pub(super) fn files(source: &Source, need: Need, cx: &Context, interrupt: &Interrupt) -> anyhow::Result<Files> {
    match source {
        Source::BuiltIn => Ok(Files::BuiltIn),
        Source::Folder(folder) => {
            check_folder(folder, need)?;
            Ok(folder.into())
        }
        Source::Hub(model) => {
            let hub = hub(cx)?;
            let tokenizer = || (need == Need::Tokenizer).then(|| cached_tokenizer(&hub, model)).flatten();
            let folder = match hub.locate(model) {
                Ok(snapshot) => {
                    say_only(model, &snapshot, cx);
                    snapshot.folder
                }
                Err(_) => tokenizer().map_or_else(|| pull(&hub, model, interrupt), Ok)?,
            };
            Ok(folder.into())
        }
    }
}

/// Says where the cache left open which commit is meant.
pub(super) fn say_only(model: &ModelRef, snapshot: &Snapshot, cx: &Context) {
    if snapshot.only {
        cx.note(format!(
            "the cache does not say which commit of {model} is {}; using the only one there, {}",
            model.revision(),
            snapshot.commit
        ));
    }
}

/// A cached folder of the model that has tokenizer files, though its weights are not here: Python's tokenizers leave such
/// ones. The layout is that of `huggingface_hub` (`models--org--name/snapshots/commit`).
fn cached_tokenizer(hub: &Hub, model: &ModelRef) -> Option<PathBuf> {
    let cached = hub.cached_models().into_iter().find(|cached| cached.id == model.id())?;
    let wanted =
        |commit: &str, refs: &[String]| commit == model.revision() || refs.iter().any(|r| r == model.revision());
    let named = cached.revisions.iter().find(|revision| wanted(&revision.commit, &revision.refs));
    let revision = named.or(match cached.revisions.as_slice() {
        [only] if model.explicit_revision().is_none() => Some(only),
        _ => None,
    })?;
    let repository = hub.cache().ok()?.join(format!("models--{}", model.id().replace('/', "--")));
    let folder = repository.join("snapshots").join(&revision.commit);
    check_folder(&folder, Need::Tokenizer).is_ok().then_some(folder)
}

/// Loads a model.
///
/// # Errors
/// As [`files`]; a device that this build cannot use; whatever is wrong with the files.
pub(super) fn load(
    name: &str,
    arg: &ModelArg,
    cx: &Context,
    interrupt: &Interrupt,
) -> anyhow::Result<Box<dyn Backend>> {
    let ModelArg { device, dtype, .. } = *arg;
    device.open().map_err(|error| Usage(error.to_string()))?;
    let files = files(&Source::of(name)?, Need::Weights, cx, interrupt)?;
    let mut line = ProgressLine::new();
    let request = LoadRequest { name: name.to_owned(), files, dtype, device };
    let loaded = kshot::engine::load(&request, &interrupt.engine, &mut |done, total| {
        line.show("loading", Standing { done, total, rate: None, left: None });
    });
    drop(line);
    let loaded = loaded.with_context(|| format!("cannot load {name}"))?;
    loaded.info().notes.iter().for_each(|note| cx.note(note));
    Ok(loaded)
}

/// The tokenizer of a model, for what cannot be done without ids.
///
/// # Errors
/// An engine whose tokenizer is not in this process.
pub(super) fn tokenizer(model: &dyn Backend) -> anyhow::Result<Arc<Tokenizer>> {
    let missing = || anyhow::anyhow!("{} has no tokenizer here, and this needs token ids", model.info().name);
    model.tokenizer().cloned().ok_or_else(missing)
}

/// The decoder of a model, for what runs many sequences in one pass or looks inside it.
///
/// # Errors
/// An engine that computes elsewhere.
pub(super) fn decoder(model: &dyn Backend) -> anyhow::Result<&Decoder> {
    let missing =
        || anyhow::anyhow!("{} is not computed in this process, and this needs its decoder", model.info().name);
    model.decoder().ok_or_else(missing)
}

/// Downloads a model, saying on stderr how far it is, and gives its folder.
///
/// # Errors
/// Whatever the hub says.
pub(super) fn pull(hub: &Hub, model: &ModelRef, interrupt: &Interrupt) -> anyhow::Result<PathBuf> {
    let mut line = ProgressLine::new();
    let snapshot = hub.pull(model, &mut |event| tell(model, event, &mut line), &interrupt.hub);
    drop(line);
    Ok(snapshot?.folder)
}

/// Says on stderr what a pull or a verification is doing.
pub(super) fn tell(model: &ModelRef, event: Progress, line: &mut ProgressLine) {
    match event {
        Progress::Plan { bytes: total, present, .. } if present >= total => {}
        Progress::Plan { files, bytes: total, present } => {
            let here = if present > 0 { format!(", {} are here", bytes(present)) } else { String::new() };
            line.say(&format!("downloading {model}: {files} files, {}{here}", bytes(total)));
        }
        Progress::Transfer(at) => {
            line.show(&at.file, Standing { done: at.done, total: at.bytes, rate: at.rate, left: at.eta });
        }
        Progress::Waiting { file } => line.say(&format!("waiting for another process that downloads {file}")),
        Progress::Retrying { file, attempt, wait, reason } => {
            line.say(&format!("{file}: {reason}; try {attempt} in {} s", wait.as_secs()));
        }
        Progress::FromCache { reason } => line.say(&format!("using the cached {model}: {reason}")),
        _ => {}
    }
}

/// Refuses a folder that cannot be a model, naming what is missing and what is there. Weights of another format are
/// told apart by the loader.
fn check_folder(folder: &Path, need: Need) -> anyhow::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            bail!("there is no folder {}; a hub model is named org/name, without ./ in front", folder.display())
        }
        Err(e) => return Err(e).with_context(|| format!("cannot open {}", folder.display())),
    };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let has = |name: &str| names.iter().any(|n| n == name);
    let mut missing = Vec::new();
    if !(has("tokenizer.json") || has("vocab.json") && has("merges.txt")) {
        missing.push("tokenizer.json (or vocab.json with merges.txt)");
    }
    if need == Need::Weights && !has("config.json") {
        missing.push("config.json");
    }
    let weights = ["model.safetensors", "model.safetensors.index.json"];
    let other_weights = |name: &String| [".bin", ".pt", ".h5", ".gguf"].iter().any(|end| name.ends_with(end));
    if need == Need::Weights && !weights.iter().any(|name| has(name)) && !names.iter().any(other_weights) {
        missing.push("model.safetensors");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let there = match names.as_slice() {
        [] => "it is empty".to_owned(),
        names if names.len() <= 12 => format!("it has {}", names.join(", ")),
        names => format!("it has {} and {} more", names[..12].join(", "), names.len() - 12),
    };
    bail!("{} is no complete checkpoint: {} missing; {there}", folder.display(), missing.join(", "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_refused_with_what_it_has_and_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |need| check_folder(folder.path(), need).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(refused(Need::Weights).contains("it is empty"));
        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        let message = refused(Need::Weights);
        for part in ["tokenizer.json", "model.safetensors missing", "it has config.json"] {
            assert!(message.contains(part), "{message}");
        }
        std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
        assert_eq!(refused(Need::Tokenizer), "");
        std::fs::write(folder.path().join("pytorch_model.bin"), "").unwrap();
        assert_eq!(refused(Need::Weights), "", "the loader names weights of another format");
        assert!(check_folder(Path::new("/no/such/folder"), Need::Weights).is_err());
    }
}
