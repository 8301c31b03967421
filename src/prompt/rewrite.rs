//! A task with other examples, and the file that reads as it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::harness::Scoring;
use super::{Doc, Library, Origin, Task, TaskError, file};

/// The first line of a file that kshot writes.
const MARK: &str = "# Written by kshot when examples were edited; a file that begins otherwise is never changed.";

/// A task with other examples.
#[derive(Debug, Clone)]
pub struct Rewritten {
    /// The task, checked as a file is.
    pub task: Task,
    /// What that does to the user's folder; none where there is no folder.
    pub change: Option<FileChange>,
}

/// A part of a task that is one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// What stands above the examples (`description`).
    Instruction,
    /// How a document is asked (`doc_to_text`).
    Template,
}

impl Wording {
    /// What it is called on a screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::Instruction => "instruction",
            Self::Template => "template",
        }
    }
}

/// A task file that is written, replaced or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The file.
    pub path: PathBuf,
    /// What it holds as far as this program knows; none where it is not there. A file that holds something else stays.
    pub old: Option<Arc<str>>,
    /// What it is to hold; none where it goes.
    pub new: Option<Arc<str>>,
}

impl Library {
    /// A task with other examples, as a file of the user's folder. What kshot wrote alone it writes again; a task of the
    /// program keeps its name and gets a file; of a file that the user wrote, a copy under another name is made. No file
    /// that is in the folder is ever named for another task.
    ///
    /// # Errors
    /// An example that the task's templates cannot render, or more than a task file may hold.
    pub fn with_examples(&self, task: &Task, docs: &[Doc]) -> Result<Rewritten, TaskError> {
        let (name, path) = match (&task.origin, &task.written) {
            (Origin::File(path), Some(_)) => (task.name.clone(), Some(path.clone())),
            _ => {
                let name = self.free_name(task);
                let path = self.folder.as_ref().map(|folder| folder.join(file_stem(&name) + ".yaml"));
                (name, path)
            }
        };
        let yaml: Arc<str> = task.yaml(&name, docs.iter()).into();
        let origin = path.clone().map_or(Origin::BuiltIn, Origin::File);
        let mut edited = file::parse(&yaml, origin)?;
        edited.written = Some(yaml.clone());
        let change = path.map(|path| FileChange { path, old: task.written.clone(), new: Some(yaml) });
        Ok(Rewritten { task: edited, change })
    }

    /// The copy of a user's task that kshot made when its examples were edited; what is imported later is added to it.
    pub fn copy_of(&self, task: &Task) -> Option<&Task> {
        self.get(&edited(&task.name)).filter(|copy| task.written.is_none() && copy.written.is_some())
    }

    fn free_name(&self, task: &Task) -> String {
        let own = (task.origin == Origin::BuiltIn).then(|| task.name.clone());
        let copy = edited(&task.name);
        let numbered = (2..).map(|number| format!("{copy}-{number}"));
        let mut names = own.into_iter().chain([copy.clone()]).chain(numbered);
        names.find(|name| self.is_free(name)).unwrap_or_default()
    }

    /// Whether a user's task can have the name: no other has it, and no file of the folder is in its way. Letters of
    /// another case are the same to some file systems.
    fn is_free(&self, name: &str) -> bool {
        let named = self.tasks.iter().any(|known| known.origin != Origin::BuiltIn && known.name == name);
        let stem = file_stem(name).to_lowercase();
        let in_the_way = |path: &PathBuf| path.file_stem().is_some_and(|s| s.to_string_lossy().to_lowercase() == stem);
        !named && !self.files.iter().any(in_the_way)
    }
}

fn edited(name: &str) -> String {
    format!("{name}-edited")
}

/// A task's name as that of a file.
fn file_stem(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}

impl Task {
    /// A part of it, as its file has it.
    pub fn wording(&self, wording: Wording) -> &str {
        match wording {
            Wording::Instruction => &self.description,
            Wording::Template => &self.doc_to_text,
        }
    }

    /// The task with another text for a part of it, not checked.
    #[must_use]
    pub fn with_wording(&self, wording: Wording, text: String) -> Self {
        let mut task = self.clone();
        match wording {
            Wording::Instruction => task.description = text,
            Wording::Template => task.doc_to_text = text,
        }
        task
    }

    /// The field that is the answer; none where a template makes it of others.
    pub fn answer_field(&self) -> Option<&str> {
        self.doc_to_target.as_ref()?.as_str().filter(|field| self.columns.contains(*field))
    }

    /// The task with the answer for a query, which becomes one of its own where it is not. Not checked.
    ///
    /// # Errors
    /// Where the task's text uses no field, or the answer is no field.
    pub fn with_answer(&self, query: &str, answer: &str) -> Result<Self, TaskError> {
        let field = self.answer_field().ok_or_else(|| TaskError::new("the answer is no field of this task"))?;
        let mut doc = self.doc_for(query)?;
        let mut task = self.clone();
        let asked = |doc: &Doc| {
            self.input_field().and_then(|field| doc.get(field)).map(|value| match value {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            })
        };
        match task.queries.iter_mut().find(|doc| asked(doc).as_deref() == Some(query)) {
            Some(listed) => {
                listed.insert(field.to_owned(), json!(answer));
            }
            None => {
                doc.insert(field.to_owned(), json!(answer));
                task.queries.push(doc);
            }
        }
        Ok(task)
    }

    /// The fields that its examples have, in their order.
    pub fn example_fields(&self) -> Vec<String> {
        let first = self.examples.first().map(|example| &example.doc).or(self.queries.first());
        first.map(|doc| doc.keys().cloned().collect()).unwrap_or_default()
    }

    /// What becomes of the file of this task, which kshot wrote, where the task is again what it was `before`: the file
    /// of before, or none.
    pub fn back_to(&self, before: &Self) -> Option<FileChange> {
        let Origin::File(path) = &self.origin else { return None };
        let new = before.written.clone().filter(|_| before.origin == self.origin);
        Some(FileChange { path: path.clone(), old: Some(self.written.clone()?), new })
    }

    /// JSON is YAML, so every value is written as JSON.
    pub(super) fn yaml<'a>(&self, name: &str, mut docs: impl ExactSizeIterator<Item = &'a Doc>) -> String {
        let mut out = format!("{MARK}\n");
        let mut add = |key: &str, value: Value| {
            let _ = writeln!(out, "{key}: {}", in_yaml(&value));
        };
        add("task", json!(name));
        let metadata = [("title", Some(&self.title)), ("source", self.source.as_ref()), ("group", self.group.as_ref())];
        let metadata: Doc = metadata.into_iter().filter_map(|(key, value)| Some((key.into(), json!(value?)))).collect();
        add("metadata", Value::Object(metadata));
        if !self.description.is_empty() {
            add("description", json!(self.description));
        }
        add("doc_to_text", json!(self.doc_to_text));
        for (key, value) in [("doc_to_target", &self.doc_to_target), ("doc_to_choice", &self.doc_to_choice)] {
            if let Some(value) = value {
                add(key, value.clone());
            }
        }
        add("fewshot_delimiter", json!(self.fewshot_delimiter));
        add("target_delimiter", json!(self.target_delimiter));
        let mut generation = json!({ "until": self.until });
        if let Some(most) = self.max_gen_toks {
            generation["max_gen_toks"] = json!(most);
        }
        for Scoring { key, value, .. } in &self.scoring {
            match *key {
                "do_sample" => generation["do_sample"] = value.clone(),
                key => add(key, value.clone()),
            }
        }
        add("generation_kwargs", generation);
        if self.first_n {
            add("fewshot_config", json!({ "sampler": "first_n" }));
        }
        add("num_fewshot", json!(self.num_fewshot.min(docs.len())));
        let mut list = |key: &str, docs: &mut dyn Iterator<Item = &Doc>| {
            let docs: Vec<String> = docs.map(|doc| format!("  - {}\n", in_yaml(&Value::Object(doc.clone())))).collect();
            if !docs.is_empty() {
                let _ = write!(out, "{key}:\n{}", docs.concat());
            }
        };
        list("samples", &mut docs);
        list("query", &mut self.queries.iter());
        out
    }
}

/// JSON is YAML but for characters that YAML wants escaped.
fn in_yaml(value: &Value) -> String {
    let printable =
        |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    value.to_string().chars().fold(String::new(), |mut out, c| {
        if printable(c) {
            out.push(c);
        } else {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
        out
    })
}
