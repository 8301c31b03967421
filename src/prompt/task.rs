use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::harness::Scoring;
use super::template::{self, TemplateError};

/// A document: the named fields that a task's templates read.
pub type Doc = serde_json::Map<String, Value>;

/// A task, checked: every example and every query of it renders.
#[derive(Debug, Clone)]
pub struct Task {
    /// Unique name, as given on the command line.
    pub name: String,
    /// One line for a list.
    pub title: String,
    /// What the task is after: a paper with its section.
    pub source: Option<String>,
    /// Heading under which a list shows the task.
    pub group: Option<String>,
    /// Where the task comes from.
    pub origin: Origin,
    /// Examples in the file's order.
    pub examples: Vec<Example>,
    /// Documents to ask about.
    pub queries: Vec<Doc>,
    /// Examples to show unless told otherwise.
    pub num_fewshot: usize,
    /// Stands between the examples.
    pub fewshot_delimiter: String,
    /// Stands between a text and its target.
    pub target_delimiter: String,
    /// Strings that end an answer.
    pub until: Vec<String>,
    /// Longest answer in tokens, if the file says so.
    pub max_gen_toks: Option<usize>,
    /// Whether prompts show the first examples of the file also where others would be drawn (`sampler: first_n`).
    pub first_n: bool,
    /// The content of its file, where kshot wrote all of it.
    pub written: Option<Arc<str>>,
    /// What the file says about scoring.
    pub(super) scoring: Vec<Scoring>,
    pub(super) description: String,
    pub(super) doc_to_text: String,
    pub(super) doc_to_target: Option<Value>,
    pub(super) doc_to_choice: Option<Value>,
    /// Every field that some document of the file has. A `doc_to_*` that is one of these names means the field.
    pub(super) columns: BTreeSet<String>,
}

/// Where a task was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Part of the program.
    BuiltIn,
    /// A file of the user.
    File(PathBuf),
}

/// A solved document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The question as the model reads it.
    pub text: String,
    /// The answer as the model reads it, without the delimiter.
    pub target: String,
    /// The fields behind both.
    pub doc: Doc,
}

/// What is wrong with a task file, or with a document of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TaskError {
    /// Line in the file, from 1, where known.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub reason: String,
}

impl Task {
    /// The question that the model reads for a document.
    ///
    /// # Errors
    /// Where the template fails: a field is missing, or the template does too much work.
    pub fn text(&self, doc: &Doc) -> Result<String, TaskError> {
        let value = self.evaluate(&self.doc_to_text, doc).map_err(|e| in_key("doc_to_text", &e))?;
        let text = scalar(&value).ok_or_else(|| TaskError::new("doc_to_text gives neither text nor a number"))?;
        // Digits of a template, and a number or a truth value of a field, are the index of a choice to
        // lm-evaluation-harness: the choices are the questions then (as in winogrande).
        let field = self.columns.contains(&self.doc_to_text);
        let index =
            if field { !value.is_string() } else { text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() };
        if index && self.doc_to_choice.is_some() {
            return Err(TaskError::new(format!(
                "doc_to_text gives {text}, the index of a choice to lm-evaluation-harness: questions to choose from are \
                 not supported; write the question out"
            )));
        }
        Ok(text)
    }

    /// The answer that an example shows, or None where the document does not hold it.
    ///
    /// # Errors
    /// As for [`targets`](Self::targets).
    pub fn target(&self, doc: &Doc) -> Result<Option<String>, TaskError> {
        Ok(self.targets(doc)?.into_iter().next())
    }

    /// The answers that are right, the one that an example shows first; none where the document does not hold them.
    ///
    /// # Errors
    /// Where the template fails, or an answer is none of the choices.
    pub fn targets(&self, doc: &Doc) -> Result<Vec<String>, TaskError> {
        let value = match &self.doc_to_target {
            None => return Ok(Vec::new()),
            Some(Value::String(expression)) => match self.evaluate(expression, doc) {
                Ok(value) => value,
                Err(e) if e.field_is_missing => return Ok(Vec::new()),
                Err(e) => return Err(in_key("doc_to_target", &e)),
            },
            Some(fixed) => fixed.clone(),
        };
        let answers = as_list(&value).unwrap_or_else(|| vec![value]);
        let choices = self.doc_to_choice.is_some().then(|| self.choices(doc)).transpose()?;
        answers.iter().map(|answer| self.answer(answer, choices.as_deref())).collect()
    }

    /// An answer as text: of choices, the one that it is or whose index it is. True and false are 1 and 0 there.
    fn answer(&self, value: &Value, choices: Option<&[String]>) -> Result<String, TaskError> {
        let Some(text) = scalar(value) else {
            return Err(TaskError::new("doc_to_target gives neither text nor a number"));
        };
        let Some(choices) = choices else { return Ok(text) };
        let field = matches!(&self.doc_to_target, Some(Value::String(name)) if self.columns.contains(name));
        let index = match value {
            Value::Bool(flag) => Some(usize::from(*flag)),
            // A field's text is a choice first; what a template gives is an index where it is digits.
            Value::String(_) if field && choices.contains(&text) => None,
            _ => text.parse().ok(),
        };
        match index {
            Some(index) => choices.get(index).cloned().ok_or_else(|| {
                TaskError::new(format!("target {index} is not an index of the {} choices", choices.len()))
            }),
            None if choices.contains(&text) => Ok(text),
            None => {
                Err(TaskError::new(format!("target {text:?} is none of the choices, which are {}", choices.join(", "))))
            }
        }
    }

    /// Why answers are not to be scored by an exact match or by choice, where the file asks for something else.
    pub fn scored_otherwise(&self) -> Option<TaskError> {
        self.scoring.iter().find_map(Scoring::refusal)
    }

    /// The answers to choose from; empty where the task is not multiple choice.
    ///
    /// # Errors
    /// Where the template fails or gives no list.
    pub fn choices(&self, doc: &Doc) -> Result<Vec<String>, TaskError> {
        let value = match &self.doc_to_choice {
            None => return Ok(Vec::new()),
            Some(Value::String(expression)) => {
                self.evaluate(expression, doc).map_err(|e| in_key("doc_to_choice", &e))?
            }
            Some(Value::Object(by_key)) => by_key.values().cloned().collect(),
            Some(fixed) => fixed.clone(),
        };
        let labels = as_list(&value).and_then(|choices| choices.iter().map(scalar).collect::<Option<Vec<_>>>());
        labels.ok_or_else(|| TaskError::new("doc_to_choice gives no list of texts"))
    }

    /// The text above the examples, for a document; empty where the task has none.
    ///
    /// # Errors
    /// Where the template fails.
    pub fn description(&self, doc: &Doc) -> Result<String, TaskError> {
        template::render(&self.description, doc).map_err(|e| in_key("description", &e))
    }

    /// The field that a typed query fills: the last one of a document that the text uses, nearest to the answer.
    pub fn input_field(&self) -> Option<&str> {
        let doc = self.queries.first().or_else(|| self.examples.first().map(|e| &e.doc))?;
        let used = template::variables(&self.doc_to_text).unwrap_or_default();
        let mut fields = doc.keys().map(String::as_str);
        fields.rfind(|field| *field == self.doc_to_text || used.iter().any(|name| name == field))
    }

    /// A document whose input field is `typed`; the other fields come from the first query.
    ///
    /// # Errors
    /// Where the task's text uses no field.
    pub fn doc_for(&self, typed: &str) -> Result<Doc, TaskError> {
        let field = self.input_field().ok_or_else(|| TaskError::new("the task's text uses no field to type into"))?;
        let mut doc = Doc::new();
        if let Some(first) = self.queries.first().or_else(|| self.examples.first().map(|e| &e.doc)) {
            let kept = first.iter().filter(|(name, _)| self.is_input(name));
            doc.extend(kept.map(|(name, value)| (name.clone(), value.clone())));
        }
        doc.insert(field.to_owned(), Value::String(typed.to_owned()));
        Ok(doc)
    }

    /// Whether a field is part of the question (and so does not give the answer away).
    fn is_input(&self, field: &str) -> bool {
        let expressions = [Some(&self.doc_to_text), Some(&self.description), self.choice_expression()];
        expressions.into_iter().flatten().any(|expression| {
            expression == field || template::variables(expression).is_ok_and(|names| names.iter().any(|n| n == field))
        })
    }

    fn evaluate(&self, expression: &str, doc: &Doc) -> Result<Value, TemplateError> {
        if !self.columns.contains(expression) {
            return template::evaluate(expression, doc);
        }
        doc.get(expression).cloned().ok_or_else(|| TemplateError {
            line: None,
            reason: format!("the document has no field `{expression}`"),
            field_is_missing: true,
        })
    }

    fn choice_expression(&self) -> Option<&String> {
        match &self.doc_to_choice {
            Some(Value::String(expression)) => Some(expression),
            _ => None,
        }
    }
}

impl TaskError {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { line: None, reason: reason.into() }
    }
}

fn in_key(key: &str, error: &TemplateError) -> TaskError {
    match error.line {
        Some(line) if line > 1 => TaskError::new(format!("{key}, line {line} of the template: {error}")),
        _ => TaskError::new(format!("{key}: {error}")),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        // As Python prints it.
        Value::Bool(flag) => Some(if *flag { "True" } else { "False" }.to_owned()),
        _ => None,
    }
}

/// A list, or text that spells one (what a template gives for a list).
fn as_list(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) => Some(items.clone()),
        Value::String(text) if text.starts_with('[') && text.ends_with(']') => serde_json::from_str(text).ok(),
        _ => None,
    }
}
