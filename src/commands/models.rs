//! `kshot models`: the catalog and the cache.

use kshot::hub::{CachedModel, CatalogEntry, FileState, Hub, ModelRef, catalog};
use serde_json::{Value, json};

use super::interrupt::Interrupt;
use super::progress::ProgressLine;
use super::{Context, Status, model};
use crate::cli::{ModelsCommand, RefArg};
use kshot::text::figures::{self, bytes};

pub(super) fn run(command: &ModelsCommand, cx: &mut Context) -> anyhow::Result<Status> {
    match command {
        ModelsCommand::List { json } => list(*json, cx),
        ModelsCommand::Pull(args) => pull(args, cx),
        ModelsCommand::Info(args) => info(args, cx),
        ModelsCommand::Verify(args) => verify(args, cx),
        ModelsCommand::Rm(args) => remove(args, cx),
    }
}

/// A row of the list: from the catalog, from the cache, or both.
struct Listed<'a> {
    id: &'a str,
    entry: Option<&'a CatalogEntry>,
    cached: Option<&'a CachedModel>,
}

impl Listed<'_> {
    fn state(&self) -> &'static str {
        match self.cached {
            Some(cached) if cached.revisions.iter().any(|revision| revision.missing.is_empty()) => "cached",
            Some(cached) if cached.partial_bytes > 0 => "partial",
            Some(_) => "incomplete",
            None => "",
        }
    }
}

fn list(as_json: bool, cx: &mut Context) -> anyhow::Result<Status> {
    let cached = model::hub(cx)?.cached_models();
    let known = catalog().iter().map(|entry| Listed {
        id: &entry.id,
        entry: Some(entry),
        cached: cached.iter().find(|cached| cached.id == entry.id),
    });
    let others = cached.iter().filter(|cached| catalog().iter().all(|entry| entry.id != cached.id));
    let rows: Vec<_> =
        known.chain(others.map(|cached| Listed { id: &cached.id, entry: None, cached: Some(cached) })).collect();

    if as_json {
        for row in &rows {
            cx.out.json(&json!({
                "id": row.id,
                "title": row.entry.map(|entry| &entry.title),
                "parameters": row.entry.map(CatalogEntry::parameters),
                "context": row.entry.map(|entry| entry.context),
                "download_bytes": row.entry.map(|entry| entry.download_bytes),
                "memory_bytes": row.entry.map(CatalogEntry::memory_bytes_f32),
                "state": if row.state().is_empty() { "remote" } else { row.state() },
                "bytes_on_disk": row.cached.map(|cached| cached.bytes),
                "note": row.entry.map(|entry| &entry.note),
            }))?;
        }
        return Ok(Status::Done);
    }
    let style = cx.out.style();
    let head =
        format!("{:<40} {:>8} {:>10} {:>10}  {:<10} {}", "model", "params", "download", "memory", "here", "about");
    cx.out.line(style.bold(head))?;
    for row in &rows {
        let figure = |of: fn(&CatalogEntry) -> String| row.entry.map_or(String::new(), of);
        let on_disk =
            row.cached.filter(|_| row.entry.is_none()).map(|cached| format!("{} on disk", bytes(cached.bytes)));
        let about = row.entry.map(|entry| entry.note.clone()).or(on_disk).unwrap_or_default();
        let line = format!(
            "{:<40} {:>8} {:>10} {:>10}  {} {}",
            cx.out.label(row.id),
            figure(|entry| figures::parameters(entry.parameters())),
            figure(|entry| bytes(entry.download_bytes)),
            figure(|entry| bytes(entry.memory_bytes_f32())),
            style.green(format!("{:<10}", row.state())),
            style.dim(cx.out.label(&about)),
        );
        cx.out.line(line.trim_end())?;
    }
    Ok(Status::Done)
}

fn pull(args: &RefArg, cx: &mut Context) -> anyhow::Result<Status> {
    let model: ModelRef = args.name.parse()?;
    let hub = model::hub(cx)?;
    let folder = model::pull(&hub, &model, &Interrupt::on_ctrl_c()?)?;
    match args.json {
        true => cx.out.json(&json!({ "model": model.to_string(), "folder": folder }))?,
        false => {
            let line = cx.out.label(&folder.display().to_string());
            cx.out.line(line)?;
        }
    }
    Ok(Status::Done)
}

fn info(args: &RefArg, cx: &mut Context) -> anyhow::Result<Status> {
    let model: ModelRef = args.name.parse()?;
    let hub = model::hub(cx)?;
    let here = hub.locate(&model).ok();
    let cached = hub.cached_models().into_iter().find(|cached| cached.id == model.id());
    // What is complete here answers without the network.
    let files: Vec<(String, u64)> = match &here {
        Some(snapshot) => {
            let mut files: Vec<_> = std::fs::read_dir(&snapshot.folder)?
                .flatten()
                .map(|entry| {
                    let size = std::fs::metadata(entry.path()).map_or(0, |meta| meta.len());
                    (entry.file_name().to_string_lossy().into_owned(), size)
                })
                .collect();
            files.sort();
            files
        }
        None => {
            let plan = hub.plan(&model, &Interrupt::on_ctrl_c()?.hub)?;
            plan.files.iter().map(|file| (file.path.clone(), file.size)).collect()
        }
    };
    let entry = catalog().iter().find(|entry| entry.id == model.id());
    let total: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    if args.json {
        let files: Vec<Value> = files.iter().map(|(name, bytes)| json!({ "file": name, "bytes": bytes })).collect();
        cx.out.json(&json!({
            "model": model.to_string(),
            "cached": here.is_some(),
            "commit": here.as_ref().map(|snapshot| &snapshot.commit),
            "folder": here.as_ref().map(|snapshot| &snapshot.folder),
            "bytes": total,
            "parameters": entry.map(CatalogEntry::parameters),
            "memory_bytes": entry.map(CatalogEntry::memory_bytes_f32),
            "files": files,
        }))?;
        return Ok(Status::Done);
    }
    let mut lines = vec![format!("model    {model}")];
    if let Some(entry) = entry {
        lines.push(format!("about    {}: {}", entry.title, entry.note));
        lines.push(format!("size     {} parameters, context {}", entry.parameters(), entry.context));
        lines.push(format!("memory   {}", bytes(entry.memory_bytes_f32())));
    }
    match &here {
        Some(snapshot) => {
            lines.push(format!("commit   {}", snapshot.commit));
            lines.push(format!("folder   {}", snapshot.folder.display()));
        }
        None => {
            let partial = cached.map_or(0, |cached| cached.partial_bytes);
            let partial =
                if partial > 0 { format!("; {} of an unfinished download", bytes(partial)) } else { String::new() };
            lines.push(format!("here     no{partial}; kshot models pull {model} fetches it"));
        }
    }
    lines.push(format!("files    {} in {}", bytes(total), files.len()));
    lines.extend(files.iter().map(|(name, size)| format!("  {:>10}  {name}", bytes(*size))));
    for line in lines {
        let line = cx.out.label(&line);
        cx.out.line(line)?;
    }
    Ok(Status::Done)
}

fn verify(args: &RefArg, cx: &mut Context) -> anyhow::Result<Status> {
    let model: ModelRef = args.name.parse()?;
    let checks = check_files(&model::hub(cx)?, &model, &Interrupt::on_ctrl_c()?)?;
    let good = checks.iter().all(|check| is_good(&check.state));
    if args.json {
        let files: Vec<Value> = checks
            .iter()
            .map(|check| json!({ "file": check.file, "bytes": check.bytes, "state": describe(&check.state), "ok": is_good(&check.state) }))
            .collect();
        cx.out.json(&json!({ "model": model.to_string(), "ok": good, "files": files }))?;
    } else {
        let style = cx.out.style();
        for check in &checks {
            let mark = if is_good(&check.state) { style.green("ok  ") } else { style.red("FAIL") };
            let line = format!("{:<28} {:>10}  {}", check.file, bytes(check.bytes), describe(&check.state));
            let line = format!("{mark} {}", cx.out.label(&line));
            cx.out.line(line)?;
        }
        if !good {
            cx.note(format!(
                "remove the damaged files and fetch them again: kshot models rm {model}; kshot models pull {model}"
            ));
        }
    }
    Ok(if good { Status::Done } else { Status::Bad })
}

/// Reads every cached file of a model and compares it with its name.
pub(super) fn check_files(
    hub: &Hub,
    model: &ModelRef,
    interrupt: &Interrupt,
) -> anyhow::Result<Vec<kshot::hub::FileCheck>> {
    let mut line = ProgressLine::new();
    Ok(hub.verify(model, &mut |event| model::tell(model, event, &mut line), &interrupt.hub)?)
}

/// Whether nothing is known to be wrong with a file.
pub(super) fn is_good(state: &FileState) -> bool {
    matches!(state, FileState::Intact | FileState::Unnamed)
}

/// The outcome of a check in words.
pub(super) fn describe(state: &FileState) -> String {
    match state {
        FileState::Intact => "intact".into(),
        FileState::Damaged { expected, got } => format!("damaged: expected {expected}, got {got}"),
        FileState::Missing => "missing".into(),
        FileState::Unnamed => "not checked: its hash is not known".into(),
    }
}

fn remove(args: &RefArg, cx: &mut Context) -> anyhow::Result<Status> {
    let model: ModelRef = args.name.parse()?;
    let freed = model::hub(cx)?.remove(&model)?;
    match args.json {
        true => cx.out.json(&json!({ "model": model.to_string(), "freed_bytes": freed }))?,
        false => cx.out.line(format!("removed {model}, {} freed", bytes(freed)))?,
    }
    Ok(Status::Done)
}
