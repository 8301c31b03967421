//! `kshot session`: the kept session as one file, and such a file as a session.

use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use kshot::app::App;
use kshot::app::keep::{HEAD, Kept};
use kshot::app::sampler::Sampler;
use kshot::disk::{Existing, write_private};
use kshot::sampling::Settings;
use kshot::ui::Keeper;
use serde::{Deserialize, Serialize};

use super::{Context, Status, prompts};
use crate::cli::SessionCommand;

/// What the first line of such a file says of the rest: the version of the format.
const VERSION: u32 = 1;

/// The first line of a file; the journal of versions follows as it is kept.
#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(rename = "kshot session file")]
    version: u32,
    /// The record: text, settings, few-shot choice.
    state: String,
}

pub(super) fn run(command: &SessionCommand, cx: &mut Context) -> anyhow::Result<Status> {
    match command {
        SessionCommand::Export { output, force } => export(output, *force, cx),
        SessionCommand::Import { file } => import(file, cx),
    }
}

/// Writes the last session to a file.
fn export(output: &Path, force: bool, cx: &mut Context) -> anyhow::Result<Status> {
    let (_keeper, found) = Keeper::last(cx.paths.sessions());
    let found = found.map_err(|error| anyhow!(error))?;
    let Some(found) = found else { bail!("no session is kept yet in {}", cx.paths.sessions().display()) };
    let state = String::from_utf8(found.kept.state).context("the record of the session is not UTF-8")?;
    let mut file = serde_json::to_vec(&Head { version: VERSION, state })?;
    file.push(b'\n');
    file.extend_from_slice(&found.kept.journal);
    let existing = if force { Existing::Replace } else { Existing::Keep };
    write_private(output, &file, existing)?;
    let line = cx.out.label(&format!("the last session is in {}", output.display()));
    cx.out.line(line)?;
    Ok(Status::Done)
}

/// Keeps a file's session as the last one; those before it stay.
fn import(file: &Path, cx: &mut Context) -> anyhow::Result<Status> {
    let shown = file.display();
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {shown}"))?;
    let kept = parse(&bytes).map_err(|reason| anyhow!("{shown} cannot be used: {reason}"))?;
    // A session that the playground could not open is not put in the place of one that it can.
    let mut app = App::new(prompts::load(cx), Sampler::new(Settings::default(), Vec::new()))?;
    app.restore_session(&kept, true).map_err(|reason| anyhow!("{shown} cannot be used: {reason}"))?;
    let versions = kept.journal.iter().filter(|byte| **byte == b'\n').count() - 1;
    let journal = kept.journal[HEAD.len()..].to_vec();
    let sessions = cx.paths.sessions();
    Keeper::new(sessions.clone())
        .keep(&Kept { journal, state: kept.state })
        .with_context(|| format!("cannot write to {}", sessions.display()))?;
    cx.out.line(format!("kept, with {versions} records of versions; the next `kshot` opens it"))?;
    Ok(Status::Done)
}

/// What a file holds: the record, and the journal with its first line.
fn parse(bytes: &[u8]) -> Result<Kept, String> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("it is no session file of kshot")?;
    let head: Head = serde_json::from_slice(&bytes[..end]).map_err(|_| "it is no session file of kshot".to_owned())?;
    if head.version != VERSION {
        return Err(format!("it has the format {}, and this kshot reads {VERSION}", head.version));
    }
    let journal = &bytes[end + 1..];
    if !journal.starts_with(HEAD) || !journal.ends_with(b"\n") {
        return Err("it is cut short".to_owned());
    }
    Ok(Kept { journal: journal.to_vec(), state: head.state.into_bytes() })
}
