//! `kshot [-m MODEL] [FILE]`: the playground.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use anyhow::Context as _;
use kshot::sampling::{DEFAULT_PRESET, Settings};
use kshot::text::{SpecialTokens, sanitise};
use kshot::ui::{self, Options};

use super::{Context, Status, model, prompts};

/// Opens the playground on a file, on what a pipe brings, or on an empty document.
pub(crate) fn run(file: Option<PathBuf>, cx: Context) -> anyhow::Result<Status> {
    let library = prompts::library(&cx);
    let options = Options {
        model: cx.model.clone(),
        text: text(file)?,
        settings: Settings::preset(DEFAULT_PRESET)?,
        stop: Vec::new(),
        warnings: library.problems.iter().map(|p| sanitise::line(&format!("left out: {p}")).into_owned()).collect(),
        library,
        hub: model::hub(&cx)?,
        special: SpecialTokens::Parse,
        log: Some(cx.paths.log()),
    };
    Ok(Status::Code(ui::run(options)?))
}

/// The text to start with: a file, or standard input where that is no terminal (keys then come from the terminal itself).
fn text(file: Option<PathBuf>) -> anyhow::Result<Option<String>> {
    match file {
        Some(path) => {
            let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let text = String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8 text", path.display()))?;
            Ok(Some(text))
        }
        None if std::io::stdin().is_terminal() => Ok(None),
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input as UTF-8 text")?;
            Ok((!text.is_empty()).then_some(text))
        }
    }
}
