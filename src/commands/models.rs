//! `kshot models`: the model in the program, the catalog and the cache.

use std::str::FromStr as _;

use anyhow::{Context as _, bail};
use kshot::engine::Description;
use kshot::files::{Files, builtin};
use kshot::hub::{CachedModel, CatalogEntry, FileCheck, FileState, ModelRef, Snapshot, Source, catalog, verify_files};
use kshot::model::{Dtype, DtypeChoice};
use serde_json::{Value, json};

use super::interrupt::Interrupt;
use super::progress::ProgressLine;
use super::{Context, Status, lossy, model};
use crate::cli::{ModelsCommand, RefArg};
use kshot::text::figures::{self, bytes};
use kshot::text::sanitise;

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
    /// Whether the name alone finds it in the cache, as the other commands look for it.
    found: bool,
}

impl Listed<'_> {
    fn state(&self) -> &'static str {
        match self.cached {
            Some(_) if self.found => "cached",
            Some(cached) if cached.revisions.iter().any(|revision| revision.missing.is_empty()) => "other revision",
            Some(cached) if cached.partial_bytes > 0 => "partial",
            Some(_) => "incomplete",
            None => "",
        }
    }
}

fn list(as_json: bool, cx: &mut Context) -> anyhow::Result<Status> {
    let hub = model::hub(cx)?;
    let cached = hub.cached_models();
    let row = |id, entry, cached: Option<_>| {
        let found = cached.is_some() && ModelRef::from_str(id).is_ok_and(|model| hub.locate(&model).is_ok());
        Listed { id, entry, cached, found }
    };
    let known = catalog()
        .iter()
        .map(|entry| row(entry.id.as_str(), Some(entry), cached.iter().find(|cached| cached.id == entry.id)));
    let others = cached.iter().filter(|cached| catalog().iter().all(|entry| entry.id != cached.id));
    let rows: Vec<_> = known.chain(others.map(|cached| row(cached.id.as_str(), None, Some(cached)))).collect();

    match as_json {
        true => list_json(&rows, cx)?,
        false => list_lines(&rows, cx)?,
    }
    Ok(Status::Done)
}

/// The model in the program, and the bytes of its files.
fn built_in() -> anyhow::Result<(Description, u64)> {
    let known = Description::of(&Files::BuiltIn, DtypeChoice::Is(Dtype::F32))?;
    Ok((known, sizes(&Files::BuiltIn)?.iter().map(|(_, size)| size).sum()))
}

fn list_json(rows: &[Listed<'_>], cx: &mut Context) -> anyhow::Result<()> {
    let (built_in, built_in_bytes) = built_in()?;
    cx.out.json(&json!({
        "id": builtin::NAME,
        "title": null,
        "parameters": built_in.parameters,
        "context": built_in.context,
        "download_bytes": null,
        "memory_bytes": built_in.memory,
        "state": "built-in",
        "bytes_on_disk": built_in_bytes,
        "note": builtin::ABOUT,
    }))?;
    for row in rows {
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
    Ok(())
}

fn list_lines(rows: &[Listed<'_>], cx: &mut Context) -> anyhow::Result<()> {
    let (built_in, built_in_bytes) = built_in()?;
    let style = cx.out.style();
    let head = format!("{:<40} {:>8} {:>10} {:>10}  {:<14} {}", "model", "params", "size", "memory", "here", "about");
    cx.out.line(style.bold(head))?;
    cx.out.line(format!(
        "{:<40} {:>8} {:>10} {:>10}  {} {}",
        builtin::NAME,
        figures::parameters(built_in.parameters),
        bytes(built_in_bytes),
        bytes(built_in.memory),
        style.green(format!("{:<14}", Files::BuiltIn)),
        style.dim(builtin::ABOUT),
    ))?;
    for row in rows {
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
            style.green(format!("{:<14}", row.state())),
            style.dim(cx.out.label(&about)),
        );
        cx.out.line(line.trim_end())?;
    }
    Ok(())
}

fn pull(args: &RefArg, cx: &mut Context) -> anyhow::Result<Status> {
    let model = repository(&args.name, "there is nothing to download")?;
    let hub = model::hub(cx)?;
    let folder = model::pull(&hub, &model, &Interrupt::on_ctrl_c()?)?;
    match args.json {
        true => cx.out.json(&json!({ "model": model.to_string(), "folder": lossy(&folder) }))?,
        false => {
            let line = cx.out.label(&folder.display().to_string());
            cx.out.line(line)?;
        }
    }
    Ok(Status::Done)
}

/// A name that has to be one of the hub; `not` says what cannot be done with any other.
fn repository(name: &str, not: &str) -> anyhow::Result<ModelRef> {
    match Source::of(name)? {
        Source::BuiltIn => bail!("{name} is in the program: {not}"),
        Source::Folder(folder) => bail!("{} is a folder: {not}", folder.display()),
        Source::Hub(model) => Ok(model),
    }
}

/// Names and sizes.
fn sizes(files: &Files) -> anyhow::Result<Vec<(String, u64)>> {
    let size = |name: String| {
        let (_, size) = files.open(&name).with_context(|| format!("cannot read {}", files.path(&name).display()))?;
        Ok((name, size))
    };
    files.names().into_iter().map(size).collect()
}

/// What is known of a model outside the cache, and its card.
fn info_of_files(name: &str, files: &Files, as_json: bool, cx: &mut Context) -> anyhow::Result<Status> {
    let Description { family, parameters, context, memory } = Description::of(files, DtypeChoice::Is(Dtype::F32))?;
    let sizes = sizes(files)?;
    let total: u64 = sizes.iter().map(|(_, size)| size).sum();
    let card = files.read(builtin::CARD, 4 << 20).ok().map(|card| String::from_utf8_lossy(&card).into_owned());
    if as_json {
        let listed: Vec<Value> = sizes.iter().map(|(name, bytes)| json!({ "file": name, "bytes": bytes })).collect();
        cx.out.json(&json!({
            "model": name,
            "folder": files.to_string(),
            "family": family,
            "bytes": total,
            "parameters": parameters,
            "context": context,
            "memory_bytes": memory,
            "files": listed,
            "card": card,
        }))?;
        return Ok(Status::Done);
    }
    let mut lines = vec![
        format!("model    {name}"),
        format!("size     {parameters} parameters, context {context}"),
        format!("memory   {}", bytes(memory)),
        match files {
            Files::Folder(_) => format!("folder   {files}"),
            Files::BuiltIn => format!("here     {files}"),
        },
        format!("files    {} in {}", bytes(total), sizes.len()),
    ];
    lines.extend(sizes.iter().map(|(name, size)| format!("  {:>10}  {name}", bytes(*size))));
    for line in lines {
        let line = cx.out.label(&line);
        cx.out.line(line)?;
    }
    if let Some(card) = card {
        cx.out.line("")?;
        cx.out.line(sanitise::text(&card).trim_end())?;
    }
    Ok(Status::Done)
}

fn info(args: &RefArg, cx: &mut Context) -> anyhow::Result<Status> {
    let model = match Source::of(&args.name)? {
        Source::BuiltIn => return info_of_files(&args.name, &Files::BuiltIn, args.json, cx),
        Source::Folder(folder) => return info_of_files(&args.name, &folder.into(), args.json, cx),
        Source::Hub(model) => model,
    };
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
            "folder": here.as_ref().map(|snapshot| lossy(&snapshot.folder)),
            "bytes": total,
            "parameters": entry.map(CatalogEntry::parameters),
            "memory_bytes": entry.map(CatalogEntry::memory_bytes_f32),
            "files": files,
        }))?;
        return Ok(Status::Done);
    }
    for line in describe_model(&model, entry, here.as_ref(), cached.as_ref(), &files) {
        let line = cx.out.label(&line);
        cx.out.line(line)?;
    }
    Ok(Status::Done)
}

fn describe_model(
    model: &ModelRef,
    entry: Option<&CatalogEntry>,
    here: Option<&Snapshot>,
    cached: Option<&CachedModel>,
    files: &[(String, u64)],
) -> Vec<String> {
    let mut lines = vec![format!("model    {model}")];
    if let Some(entry) = entry {
        lines.push(format!("about    {}: {}", entry.title, entry.note));
        lines.push(format!("size     {} parameters, context {}", entry.parameters(), entry.context));
        lines.push(format!("memory   {}", bytes(entry.memory_bytes_f32())));
    }
    match here {
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
    let total: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    lines.push(format!("files    {} in {}", bytes(total), files.len()));
    lines.extend(files.iter().map(|(name, size)| format!("  {:>10}  {name}", bytes(*size))));
    lines
}

fn verify(args: &RefArg, cx: &mut Context) -> anyhow::Result<Status> {
    let source = Source::of(&args.name)?;
    let model = &args.name;
    let checks = check_files(&source, cx, &Interrupt::on_ctrl_c()?)?;
    let good = checks.iter().all(|check| is_good(&check.state));
    if args.json {
        let files: Vec<Value> = checks
            .iter()
            .map(|check| json!({ "file": check.file, "bytes": check.bytes, "state": describe(&check.state), "ok": is_good(&check.state) }))
            .collect();
        cx.out.json(&json!({ "model": model, "ok": good, "files": files }))?;
    } else {
        let style = cx.out.style();
        for check in &checks {
            let mark = if is_good(&check.state) { style.green("ok  ") } else { style.red("FAIL") };
            let line = format!("{:<28} {:>10}  {}", check.file, bytes(check.bytes), describe(&check.state));
            let line = format!("{mark} {}", cx.out.label(&line));
            cx.out.line(line)?;
        }
        if !good {
            cx.note(match source {
                Source::BuiltIn => "this program is damaged: build or install it again".to_owned(),
                Source::Folder(folder) => format!("{} is not what its card says", folder.display()),
                Source::Hub(_) => format!(
                    "remove the damaged files and fetch them again: kshot models rm {model}; kshot models pull {model}"
                ),
            });
        }
    }
    Ok(if good { Status::Done } else { Status::Bad })
}

/// Reads every file of a model and compares it with the hash that its name in the cache is, or that its card names.
pub(super) fn check_files(source: &Source, cx: &Context, interrupt: &Interrupt) -> anyhow::Result<Vec<FileCheck>> {
    let mut line = ProgressLine::new();
    Ok(match source {
        Source::BuiltIn => verify_files(&Files::BuiltIn)?,
        Source::Folder(folder) => interrupt.while_preparing(|| verify_files(&folder.into()))?,
        Source::Hub(model) => {
            model::hub(cx)?.verify(model, &mut |event| model::tell(model, event, &mut line), &interrupt.hub)?
        }
    })
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
    let model = repository(&args.name, "only what is in the cache can be removed")?;
    let freed = model::hub(cx)?.remove(&model)?;
    match args.json {
        true => cx.out.json(&json!({ "model": model.to_string(), "freed_bytes": freed }))?,
        false => cx.out.line(format!("removed {model}, {} freed", bytes(freed)))?,
    }
    Ok(Status::Done)
}
