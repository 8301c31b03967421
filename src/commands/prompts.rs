//! `kshot prompts`: the few-shot library, and the prompts that were saved under a name.

use std::borrow::Cow;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use kshot::disk::exchange_file;
use kshot::prompt::{
    Assembly, Doc, FileChange, Instruction, Library, Origin, Prompt, Query, Selection, Task, read_examples,
};
use kshot::session::PromptFolder;
use kshot::text::figures;
use serde_json::json;

use super::{Context, Status, lossy};
use crate::cli::PromptsCommand;

pub(super) fn run(command: &PromptsCommand, cx: &mut Context) -> anyhow::Result<Status> {
    match command {
        PromptsCommand::Saved { name, json } => saved(name.as_deref(), *json, cx),
        PromptsCommand::List { json } => list(&library(cx), *json, cx),
        PromptsCommand::Import { file, task, replace } => import(file, task, *replace, cx),
        PromptsCommand::Show { name, shots, query, json } => {
            let library = library(cx);
            let task = named(&library, name)?;
            let prompt = assemble(&task, *shots, query.as_deref())?;
            show(&task, &prompt, *json, cx)
        }
    }
}

/// The built-in tasks and the user's. Files that cannot be used are named on stderr.
pub(super) fn library(cx: &Context) -> Library {
    let library = load(cx);
    for problem in &library.problems {
        cx.note(kshot::text::sanitise::line(&format!("left out: {problem}")));
    }
    library
}

/// The built-in tasks and the user's, with the files that cannot be used.
pub(super) fn load(cx: &Context) -> Library {
    Library::load(Some(&cx.paths.prompts()))
}

/// The task of a name.
///
/// # Errors
/// There is none; the names are said.
fn task<'a>(library: &'a Library, name: &str) -> anyhow::Result<&'a Task> {
    library.get(name).ok_or_else(|| {
        let names: Vec<_> = library.tasks.iter().map(|task| task.name.as_str()).collect();
        anyhow!("there is no task {name:?}; the tasks are {}", names.join(", "))
    })
}

/// The task of a name, or of a file where the name is one.
///
/// # Errors
/// There is none of the name, or the file is no task.
pub(super) fn named<'a>(library: &'a Library, name: &str) -> anyhow::Result<Cow<'a, Task>> {
    let is_path = name.contains(['/', '\\']) || name.ends_with(".yaml") || name.ends_with(".yml");
    if !is_path {
        return task(library, name).map(Cow::Borrowed);
    }
    Library::read(Path::new(name)).map(Cow::Owned).map_err(|problem| anyhow!("{problem}"))
}

/// The prompt of a task with its first `shots` examples (the task's own number where none is given) and a typed query
/// (the task's first where none is given).
///
/// # Errors
/// The task takes no typed query, or has none of its own.
pub(super) fn assemble(task: &Task, shots: Option<usize>, query: Option<&str>) -> anyhow::Result<Prompt> {
    let mut selection = Selection::listed(task);
    if let Some(shots) = shots {
        if shots > task.examples.len() {
            bail!("--shots {shots}: task {} has {} examples", task.name, task.examples.len());
        }
        selection.set_shots(shots);
    }
    let query = query.map_or(Query::Listed(0), Query::Typed);
    let assembly = Assembly { task, selection: &selection, query, instruction: Instruction::Shown };
    assembly.prompt().with_context(|| format!("cannot build the prompt of task {}", task.name))
}

/// Adds examples of a file to a task of the user's.
fn import(file: &Path, name: &str, replace: bool, cx: &mut Context) -> anyhow::Result<Status> {
    let library = library(cx);
    let task = task(&library, name)?;
    // Examples that were added to the user's own file before are in its copy.
    let task = library.copy_of(task).unwrap_or(task);
    let new = read_examples(file, &task.example_fields()).map_err(|problem| anyhow!("{problem}"))?;
    let count = new.len();
    let mut docs: Vec<Doc> = match replace {
        true => Vec::new(),
        false => task.examples.iter().map(|example| example.doc.clone()).collect(),
    };
    docs.extend(new);
    let rewritten = library
        .with_examples(task, &docs)
        .with_context(|| format!("cannot add the examples of {} to {name}", file.display()))?;
    let FileChange { path, old, new } = rewritten.change.context("there is no folder for tasks")?;
    exchange_file(&path, old.as_deref(), new.as_deref())
        .with_context(|| format!("the examples of {} are not added", file.display()))?;
    let task = rewritten.task;
    let line = format!("{}: {} examples, {count} of them new, in {}", task.name, task.examples.len(), path.display());
    let line = cx.out.label(&line);
    cx.out.line(line)?;
    Ok(Status::Done)
}

fn list(library: &Library, as_json: bool, cx: &mut Context) -> anyhow::Result<Status> {
    for task in &library.tasks {
        if as_json {
            cx.out.json(&json!({
                "name": task.name,
                "title": task.title,
                "group": task.group,
                "source": task.source,
                "examples": task.examples.len(),
                "shots": task.num_fewshot,
                "file": match &task.origin { Origin::BuiltIn => None, Origin::File(path) => Some(lossy(path)) },
            }))?;
            continue;
        }
        let own = if matches!(task.origin, Origin::File(_)) { " (yours)" } else { "" };
        let line = format!("{:<24} {:>3} examples  {}{own}", task.name, task.examples.len(), task.title);
        let line = cx.out.label(&line);
        cx.out.line(line)?;
    }
    Ok(Status::Done)
}

/// The list of the saved prompts, or the text of one.
fn saved(name: Option<&str>, as_json: bool, cx: &mut Context) -> anyhow::Result<Status> {
    let folder = PromptFolder(cx.paths.saved_prompts());
    if let Some(name) = name {
        let text = folder.load(name).map_err(|error| anyhow!("{error}; `kshot prompts saved` lists them"))?;
        let text = String::from_utf8_lossy(&text);
        match as_json {
            true => cx.out.json(&json!({ "name": name, "text": text }))?,
            false => cx.out.text(&text)?,
        }
        if cx.out.is_terminal() && !as_json {
            cx.out.line("")?;
        }
        return Ok(Status::Done);
    }
    for prompt in folder.list().map_err(anyhow::Error::msg)? {
        if as_json {
            cx.out.json(&json!({ "name": prompt.name, "bytes": prompt.bytes }))?;
            continue;
        }
        let start = prompt.preview.lines().next().unwrap_or_default();
        let line = format!("{:<24} {:>8}  {start}", prompt.name, figures::bytes(prompt.bytes));
        let line = cx.out.label(&line);
        cx.out.line(line)?;
    }
    Ok(Status::Done)
}

fn show(task: &Task, prompt: &Prompt, as_json: bool, cx: &mut Context) -> anyhow::Result<Status> {
    if as_json {
        cx.out.json(&json!({
            "name": task.name,
            "fields": task.example_fields(),
            "prompt": prompt.text,
            "stop": prompt.stop,
            "expected": prompt.expected.as_ref().map(|answer| &answer.label),
            "choices": prompt.choices.iter().map(|answer| &answer.label).collect::<Vec<_>>(),
        }))?;
        return Ok(Status::Done);
    }
    cx.out.text(&prompt.text)?;
    if cx.out.is_terminal() {
        cx.out.line("")?;
    }
    Ok(Status::Done)
}
