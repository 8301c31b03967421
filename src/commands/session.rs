//! `kshot session`: the kept sessions as a list, and each as one file.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{anyhow, bail};
use kshot::disk::{self, Existing, write_private};
use kshot::session::record::{self, HEAD};
use kshot::session::{About, Kept, Row, SessionId, Store, StoreError, check_session_name, local_time};
use kshot::text::figures;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Context, Status};
use crate::cli::SessionCommand;

/// What the first line of such a file says of the rest: the version of the format.
const VERSION: u32 = 1;
/// Bytes of such a file.
const LARGEST: u64 = 1 << 30;

/// The first line of a file; the journal of versions follows as it is kept.
#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(rename = "kshot session file")]
    version: u32,
    /// Name, first line, model.
    #[serde(default)]
    about: About,
    /// The record: text, settings, few-shot choice.
    state: String,
}

pub(super) fn run(command: &SessionCommand, cx: &mut Context) -> anyhow::Result<Status> {
    let store = Store::new(cx.paths.sessions());
    match command {
        SessionCommand::List { json } => list(&store, *json, cx),
        SessionCommand::Open { .. } => bail!("the playground opens it"),
        SessionCommand::Rename { name, new } => rename(&store, name, new, cx),
        SessionCommand::Rm { names } => remove(&store, names, cx),
        SessionCommand::Export { name, output, force } => export(&store, name, output, *force, cx),
        SessionCommand::Import { file, name } => import(&store, file, name.as_deref(), cx),
    }
}

/// The session that `session open` means, by its folder.
///
/// # Errors
/// There is none of this name.
pub(crate) fn named(name: &str, cx: &Context) -> anyhow::Result<String> {
    Ok(Store::new(cx.paths.sessions()).find(name)?.to_string())
}

fn list(store: &Store, as_json: bool, cx: &mut Context) -> anyhow::Result<Status> {
    let rows = store.list()?;
    if as_json {
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        for row in &rows {
            cx.out.json(&json!({
                "id": row.id.to_string(),
                "name": row.about.name,
                "first_line": row.about.first,
                "model": row.about.model,
                "begun": row.begun.map(seconds),
                "changed": seconds(row.changed),
                "bytes": row.bytes,
            }))?;
        }
        return Ok(Status::Done);
    }
    if rows.is_empty() {
        cx.remark(StoreError::Empty(store.root().to_owned()));
        return Ok(Status::Done);
    }
    let style = cx.out.style();
    cx.out.line(style.bold(format!("{:<24} {:<16} {:>8}  {:<20} {}", "name", "changed", "size", "model", "text")))?;
    for row in &rows {
        let line = text_row(row, cx);
        cx.out.line(line.trim_end())?;
    }
    Ok(Status::Done)
}

fn text_row(row: &Row, cx: &Context) -> String {
    let cut = |text: &str, most: usize| -> String {
        let text = cx.out.label(text);
        if text.chars().count() <= most { text } else { text.chars().take(most - 1).chain(['…']).collect() }
    };
    format!(
        "{:<24} {:<16} {:>8}  {:<20} {}",
        cx.out.label(row.title()),
        local_time(row.changed),
        figures::bytes(row.bytes),
        cut(&row.about.model, 20),
        cx.out.style().dim(cut(&row.about.first, 60)),
    )
}

fn rename(store: &Store, name: &str, new: &str, cx: &mut Context) -> anyhow::Result<Status> {
    let id = store.find(name)?;
    store.rename(&id, Some(new).filter(|new| !new.is_empty()))?;
    let said = if new.is_empty() { format!("{id} has no name now") } else { format!("{name} is now {new}") };
    cx.out.line(cx.out.label(&said))?;
    Ok(Status::Done)
}

fn remove(store: &Store, names: &[String], cx: &mut Context) -> anyhow::Result<Status> {
    // All or none: a slip in the second name deletes nothing of the first.
    let ids = names.iter().map(|name| store.find(name)).collect::<Result<Vec<SessionId>, _>>()?;
    let mut deleted = Vec::new();
    for id in &ids {
        match store.delete(id) {
            Ok(one) => deleted.push(one),
            Err(error) => {
                for one in deleted {
                    one.restore()?;
                }
                return Err(error.into());
            }
        }
    }
    for (one, name) in deleted.into_iter().zip(names) {
        one.remove()?;
        cx.out.line(cx.out.label(&format!("deleted {name}")))?;
    }
    Ok(Status::Done)
}

/// Writes a session to a file.
fn export(store: &Store, name: &str, output: &Path, force: bool, cx: &mut Context) -> anyhow::Result<Status> {
    let id = store.find(name)?;
    let (kept, lost) = store.whole(&id);
    let state = String::from_utf8(kept.state)?;
    let mut file = serde_json::to_vec(&Head { version: VERSION, about: kept.about, state })?;
    file.push(b'\n');
    file.extend_from_slice(HEAD);
    file.extend_from_slice(&kept.journal);
    let existing = if force { Existing::Replace } else { Existing::Keep };
    write_private(output, &file, existing)?;
    if !lost.is_empty() {
        cx.note(kshot::text::sanitise::line(&format!(
            "some of the session cannot be read and is not in the file: {lost}"
        )));
    }
    let which = if name == "last" { "the last session".to_owned() } else { format!("the session {name}") };
    cx.out.line(cx.out.label(&format!("{which} is in {}", output.display())))?;
    Ok(Status::Done)
}

/// Keeps a file's session as the last one; those before it stay.
fn import(store: &Store, file: &Path, name: Option<&str>, cx: &mut Context) -> anyhow::Result<Status> {
    let shown = file.display();
    let bytes = disk::read(file, LARGEST)?;
    let kept = parse(&bytes).map_err(|reason| anyhow!("{shown} cannot be used: {reason}"))?;
    // A session that the playground could not open is not put in the place of one that it can.
    let contents = record::read(&kept.journal, &kept.state);
    if !contents.is_whole() {
        bail!("{shown} cannot be used: {}", contents.lost());
    }
    let name = match (name, &kept.about.name) {
        (Some(name), _) => {
            store.check_free(name, None)?;
            Some(name.to_owned())
        }
        (None, Some(own)) if check_session_name(own).is_err() => None,
        (None, Some(own)) if store.check_free(own, None).is_ok() => Some(own.clone()),
        (None, Some(own)) => Some(store.free_name(own)?),
        (None, None) => None,
    };
    let versions = contents.tree.len();
    let mut about = contents.about();
    about.model = if about.model.is_empty() { kept.about.model } else { about.model };
    let journal = kept.journal[HEAD.len()..].to_vec();
    store.begin(name.clone())?.keep(&Kept { about, journal, state: kept.state })?;
    let called = name.map(|name| format!(" as {name}")).unwrap_or_default();
    let plural = if versions == 1 { "version" } else { "versions" };
    cx.out.line(cx.out.label(&format!("kept{called}, with {versions} {plural}; the next `kshot` opens it")))?;
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
    Ok(Kept { about: head.about, journal: journal.to_vec(), state: head.state.into_bytes() })
}
