//! Examples of the few-shot task: new, edited, duplicated, deleted, imported. What is changed becomes the user's own task
//! file; the tasks inside the program are never changed.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::App;
use super::command::id;
use super::effect::{Effect, IoRequest};
use super::input::{Input, Purpose};
use super::log::Level;
use crate::disk::WriteError;
use crate::prompt::{Doc, Entry, FileChange, Origin, Rewritten, Task, Wording};
use crate::text::{escape, unescape};

/// Changes that can be taken back.
const UNDO: usize = 50;

/// An example that is being typed, field by field.
#[derive(Debug)]
pub(super) struct Draft {
    /// The example it takes the place of; a new one has none.
    example: Option<usize>,
    doc: Doc,
    fields: Vec<String>,
    at: usize,
}

/// A task and the order of its examples before a change.
#[derive(Debug)]
pub(super) struct Before {
    /// The name of the task that the change made of it.
    edited: String,
    task: Task,
    entries: Vec<Entry>,
}

impl App {
    /// Asks for the fields of a new example.
    pub(super) fn shots_add(&mut self) {
        let Some(task) = self.editable() else { return };
        let fields = task.example_fields();
        let doc = fields.iter().map(|field| (field.clone(), Value::from(""))).collect();
        self.ask_field(Draft { example: None, doc, fields, at: 0 });
    }

    /// Asks for the fields of the selected example.
    pub(super) fn shots_edit(&mut self) {
        let Some((example, doc)) = self.selected_example() else { return };
        let fields = doc.keys().cloned().collect();
        self.ask_field(Draft { example: Some(example), doc, fields, at: 0 });
    }

    /// A second example like the selected one, below it.
    pub(super) fn shots_duplicate(&mut self) {
        if let Some((_, doc)) = self.selected_example() {
            self.insert_shots(vec![doc], "the example is there twice");
        }
    }

    /// Takes the selected example out of the task.
    pub(super) fn shots_delete(&mut self) {
        let Some((example, _)) = self.selected_example() else { return };
        let Some((mut docs, mut entries)) = self.shot_docs() else { return };
        docs.remove(example);
        entries.retain(|entry| entry.example != example);
        for entry in &mut entries {
            entry.example -= usize::from(entry.example > example);
        }
        let restore = self.keymap.hint(id::SHOTS_RESTORE);
        self.put_shots(docs, entries, &format!("the example is gone; {restore} brings it back"), true);
    }

    /// Takes back the last change of examples.
    pub(super) fn shots_restore(&mut self) {
        let name = self.shots.task().map(|task| task.name.clone());
        match self.shots.before.pop_if(|before| Some(&before.edited) == name.as_ref()) {
            Some(before) => self.take_back(before),
            None => self.log.say(Level::Notice, "no change of these examples to take back"),
        }
    }

    fn take_back(&mut self, before: Before) {
        let change = self.shots.task().and_then(|task| task.back_to(&before.task));
        if !self.rewrite(|shots| shots.take_back(before.task, before.entries)) {
            return;
        }
        let said = match &change {
            Some(FileChange { path, new: None, .. }) => format!(", and {} is removed again", path.display()),
            Some(FileChange { path, .. }) => format!(", in {} too", path.display()),
            None => String::new(),
        };
        if let Some(change) = change {
            self.outbox.push(Effect::Io(IoRequest::SaveTask(change)));
        }
        self.log.say(Level::Notice, format!("the examples are as they were{said}"));
    }

    /// Asks for a part of the task; line breaks are written as `\n`.
    pub(super) fn shots_ask_wording(&mut self, wording: Wording) {
        let Some(task) = self.editable() else { return };
        let (label, text) = (wording.label(), escape(task.wording(wording)));
        self.ask(Input::new(Purpose::Wording(wording), label, text));
    }

    /// A part of the task was typed.
    ///
    /// # Errors
    /// An escape that is none.
    pub(super) fn shots_set_wording(&mut self, wording: Wording, text: &str) -> Result<(), String> {
        let text = unescape(text)?;
        if let (Some(task), Some((docs, entries))) = (self.shots.task(), self.shot_docs()) {
            let task = task.with_wording(wording, text);
            self.put_task(&task, docs, entries, &format!("the {} is changed", wording.label()), true);
        }
        Ok(())
    }

    /// Asks for the answer that is right for the query.
    pub(super) fn shots_ask_answer(&mut self) {
        let Some(task) = self.editable() else { return };
        if task.answer_field().is_none() {
            self.log.say(Level::Notice, "the template of this task makes the answer itself");
            return;
        }
        let expected = self.shots.prompt().and_then(|prompt| prompt.expected.as_ref());
        let label = expected.map(|answer| escape(&answer.label)).unwrap_or_default();
        self.ask(Input::new(Purpose::Answer, "expected answer", label).offered());
    }

    /// The answer was typed: the query is one of the task's with that answer.
    ///
    /// # Errors
    /// An escape that is none, or a query that the task cannot have.
    pub(super) fn shots_set_answer(&mut self, text: &str) -> Result<(), String> {
        let (answer, query) = (unescape(text)?, self.shots.query());
        if let (Some(task), Some((docs, entries))) = (self.shots.task(), self.shot_docs()) {
            let task = task.with_answer(&query, &answer).map_err(|error| error.to_string())?;
            self.put_task(&task, docs, entries, "the expected answer is changed", true);
            self.shots_set_query(&query);
        }
        Ok(())
    }

    /// Asks for a file with examples.
    pub(super) fn shots_ask_import(&mut self) {
        if self.editable().is_some() {
            self.ask(Input::new(Purpose::ImportExamples, "examples from a .csv, .tsv or .jsonl file", ""));
        }
    }

    /// Reads the file.
    pub(super) fn shots_import(&mut self, path: &str) {
        let Some(fields) = self.shots.task().map(Task::example_fields) else { return };
        self.outbox.push(Effect::Io(IoRequest::ReadExamples { path: PathBuf::from(path), fields }));
    }

    /// The file was read, or not.
    pub(super) fn shots_read(&mut self, path: &Path, read: Result<Vec<Doc>, String>) {
        match read {
            Ok(docs) => {
                let said = format!("{} examples from {}", docs.len(), path.display());
                self.insert_shots(docs, &said);
            }
            Err(error) => self.log.say(Level::Error, error),
        }
    }

    /// The task's file was written, or not. What another program put there meanwhile stays, and the examples go to a
    /// file of another name.
    pub(super) fn shots_kept(&mut self, path: &Path, result: Result<(), WriteError>) {
        let Err(error) = result else { return };
        let chosen = self.shots.task().is_some_and(|task| task.origin == Origin::File(path.to_owned()));
        let taken = matches!(error, WriteError::Exists(_) | WriteError::Changed(_));
        match (taken.then(|| self.shots.disown(path)), self.shot_docs()) {
            (Some(true), Some((docs, entries))) if chosen => {
                self.put_shots(docs, entries, &format!("{error} and stays as it is"), false);
            }
            // Its examples were put into another file when the first of several changes was refused.
            (Some(false), _) => {}
            _ => self.log.say(Level::Error, format!("the examples are not kept: {error}")),
        }
    }

    /// A field was typed: the next one, or all are there.
    ///
    /// # Errors
    /// A value that the field cannot have.
    pub(super) fn shots_field(&mut self, text: &str) -> Result<(), String> {
        let Some(mut draft) = self.shots.draft.take() else { return Ok(()) };
        let field = draft.fields.get(draft.at).cloned().unwrap_or_default();
        let value = match draft.doc.get(&field) {
            // Numbers and lists are typed as JSON, so that they stay what they are.
            Some(value) if !value.is_string() => match serde_json::from_str(text) {
                Ok(value) => value,
                Err(error) => {
                    self.shots.draft = Some(draft);
                    return Err(format!("this field is written as JSON: {error}"));
                }
            },
            _ => Value::from(text),
        };
        draft.doc.insert(field, value);
        draft.at += 1;
        if draft.at < draft.fields.len() {
            self.ask_field(draft);
            return Ok(());
        }
        match draft.example {
            None => self.insert_shots(vec![draft.doc], "one example more"),
            Some(example) => {
                if let Some((mut docs, entries)) = self.shot_docs() {
                    docs[example] = draft.doc;
                    self.put_shots(docs, entries, "the example is changed", true);
                }
            }
        }
        Ok(())
    }

    fn ask_field(&mut self, draft: Draft) {
        let Some(field) = draft.fields.get(draft.at).cloned() else { return };
        let value = match draft.doc.get(&field) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        let label = format!("{field} ({} of {})", draft.at + 1, draft.fields.len());
        self.shots.draft = Some(draft);
        let input = Input::new(Purpose::Example, label, value.clone());
        self.ask(if value.is_empty() { input } else { input.offered() });
    }

    /// The chosen task, if its examples can be edited; else that is said.
    fn editable(&mut self) -> Option<&Task> {
        let reason = match self.shots.task() {
            None => format!("no task is chosen yet: {} chooses one", self.keymap.hint(id::SHOTS_TASK)),
            Some(task) if task.example_fields().is_empty() => format!("{} has no fields to fill in", task.name),
            Some(_) => return self.shots.task(),
        };
        self.log.say(Level::Notice, reason);
        None
    }

    fn selected_example(&mut self) -> Option<(usize, Doc)> {
        self.editable()?;
        let chosen = self.shots.chosen()?;
        let example = chosen.selection.entries().get(chosen.selected).map(|entry| entry.example);
        let found = example.and_then(|example| Some((example, self.shots.task()?.examples.get(example)?.doc.clone())));
        if found.is_none() {
            let add = self.keymap.hint(id::SHOTS_ADD);
            self.log.say(Level::Notice, format!("there is no example yet: {add} adds one"));
        }
        found
    }

    /// The documents of the task, and their order.
    fn shot_docs(&self) -> Option<(Vec<Doc>, Vec<Entry>)> {
        let docs = self.shots.task()?.examples.iter().map(|example| example.doc.clone()).collect();
        Some((docs, self.shots.chosen()?.selection.entries().to_vec()))
    }

    /// Puts examples below the selected one, switched on.
    fn insert_shots(&mut self, new: Vec<Doc>, said: &str) {
        let Some((mut docs, mut entries)) = self.shot_docs() else { return };
        let at = self.shots.chosen().map_or(0, |chosen| (chosen.selected + 1).min(entries.len()));
        let first = docs.len();
        entries.splice(at..at, (first..first + new.len()).map(|example| Entry { example, on: true }));
        docs.extend(new);
        self.put_shots(docs, entries, said, true);
        if let Some(chosen) = self.shots.chosen_mut() {
            chosen.selected = at.min(chosen.selection.entries().len().saturating_sub(1));
        }
    }

    /// Makes these the examples of the task.
    fn put_shots(&mut self, docs: Vec<Doc>, entries: Vec<Entry>, said: &str, undo: bool) {
        if let Some(task) = self.shots.task().cloned() {
            self.put_task(&task, docs, entries, said, undo);
        }
    }

    /// Puts a changed task with these examples in place of the chosen one, and keeps it in the user's folder.
    fn put_task(&mut self, changed: &Task, docs: Vec<Doc>, entries: Vec<Entry>, said: &str, undo: bool) {
        let (Some(task), Some(chosen)) = (self.shots.task().cloned(), self.shots.chosen()) else { return };
        let order = chosen.selection.entries().to_vec();
        let rewritten = match self.shots.library().with_examples(changed, &docs) {
            Ok(rewritten) => rewritten,
            Err(error) => return self.log.say(Level::Error, format!("the task stays as it was: {error}")),
        };
        let Rewritten { task: edited, change } = rewritten;
        let name = edited.name.clone();
        if !self.rewrite(|shots| shots.replace(edited, entries)) {
            return;
        }
        if undo {
            self.shots.before.push(Before { edited: name.clone(), task, entries: order });
            let surplus = self.shots.before.len().saturating_sub(UNDO);
            self.shots.before.drain(..surplus);
        }
        let kept = match &change {
            Some(FileChange { path, old: None, .. }) => format!("{name} is now a file of yours, {}", path.display()),
            Some(FileChange { path, .. }) => format!("{name} is kept in {}", path.display()),
            None => format!("{name} is not kept: there is no folder for tasks"),
        };
        if let Some(change) = change {
            self.outbox.push(Effect::Io(IoRequest::SaveTask(change)));
        }
        self.log.say(Level::Notice, format!("{said}; {kept}"));
    }
}
