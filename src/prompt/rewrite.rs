//! A task with other examples, and the file that reads as it.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Doc, Origin, Task, TaskError, file};

/// The first line of a file that kshot wrote: such a file may be written again, since nothing in it is the user's hand.
pub(super) const MARK: &str =
    "# Written by kshot when examples were edited; a file that begins otherwise is never changed.";

/// A task with other examples.
#[derive(Debug, Clone)]
pub struct Rewritten {
    /// The task, checked as a file is.
    pub task: Task,
    /// Where it belongs in the user's folder; none where there is no folder.
    pub path: Option<PathBuf>,
    /// What stands there.
    pub yaml: String,
}

impl Task {
    /// The fields that its examples have, in their order.
    pub fn example_fields(&self) -> Vec<String> {
        let first = self.examples.first().map(|example| &example.doc).or(self.queries.first());
        first.map(|doc| doc.keys().cloned().collect()).unwrap_or_default()
    }

    /// The same task with other examples, as a file of `folder`. A built-in task and one that was edited before keep their
    /// name; of a file that the user wrote, a task of another name is made, and the file stays as it is.
    ///
    /// # Errors
    /// An example that the task's templates cannot render, or more than a task file may hold.
    pub fn with_examples(&self, docs: &[Doc], folder: Option<PathBuf>) -> Result<Rewritten, TaskError> {
        let (name, path) = match &self.origin {
            Origin::File(path) if self.rewritten => (self.name.clone(), Some(path.clone())),
            Origin::File(_) => (format!("{}-edited", self.name), None),
            Origin::BuiltIn => (self.name.clone(), None),
        };
        let file_name = |name: &str| -> String {
            name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
        };
        let path = path.or_else(|| Some(folder?.join(file_name(&name) + ".yaml")));
        let yaml = self.yaml(&name, docs);
        let origin = path.clone().map_or(Origin::BuiltIn, Origin::File);
        let mut task = file::parse(&yaml, origin)?;
        task.rewritten = true;
        Ok(Rewritten { task, path, yaml })
    }

    /// JSON is YAML, so every value is written as JSON.
    fn yaml(&self, name: &str, docs: &[Doc]) -> String {
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
        add("generation_kwargs", generation);
        add("num_fewshot", json!(self.num_fewshot));
        let mut list = |key: &str, docs: &mut dyn Iterator<Item = &Doc>| {
            let docs: Vec<String> = docs.map(|doc| format!("  - {}\n", in_yaml(&Value::Object(doc.clone())))).collect();
            if !docs.is_empty() {
                let _ = write!(out, "{key}:\n{}", docs.concat());
            }
        };
        list("samples", &mut docs.iter());
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
