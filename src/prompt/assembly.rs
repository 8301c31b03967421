use std::ops::Range;

use super::{Doc, Selection, Task, TaskError};

/// Everything that decides a prompt.
#[derive(Debug, Clone)]
pub struct Assembly<'a> {
    /// The task.
    pub task: &'a Task,
    /// Its examples: which, in what order, how many.
    pub selection: &'a Selection,
    /// What is asked.
    pub query: Query<'a>,
    /// Whether the task's description stands above the examples.
    pub instruction: Instruction,
}

/// What a prompt asks about.
#[derive(Debug, Clone, Copy)]
pub enum Query<'a> {
    /// A query of the task, by index.
    Listed(usize),
    /// Text typed for the task's input field; see [`Task::input_field`].
    Typed(&'a str),
    /// A document of one's own.
    Doc(&'a Doc),
}

/// Whether the description is part of the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instruction {
    /// Above the examples.
    Shown,
    /// Left out.
    Hidden,
}

/// A prompt, and where each part of it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What the model reads. Never ends in a space: GPT-2's words begin with theirs.
    pub text: String,
    /// The parts in order; together they cover the text without gap or overlap.
    pub parts: Vec<Part>,
    /// Strings that end the answer.
    pub stop: Vec<String>,
    /// The right answer, if the query's document holds it.
    pub expected: Option<Answer>,
    /// Other answers that are right too.
    pub alternatives: Vec<Answer>,
    /// The answers to choose from; empty where the task is not multiple choice.
    pub choices: Vec<Answer>,
}

/// A part of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Its bytes in the prompt's text; never empty.
    pub range: Range<usize>,
}

/// What a part of a prompt is. Examples are given by their index into [`Task::examples`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// The task's description.
    Description,
    /// The question of an example.
    Text(usize),
    /// The answer of an example.
    Target(usize),
    /// What stands between a question and its answer, or between examples.
    Delimiter,
    /// The question that is asked.
    Query,
}

/// An answer as a continuation of the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The answer itself.
    pub label: String,
    /// What the model would write after the prompt: the spaces held back from its end, the delimiter, the answer.
    pub continuation: String,
}

impl Assembly<'_> {
    /// The prompt, byte for byte as lm-evaluation-harness assembles it: the description, then each example's text,
    /// target delimiter, target and few-shot delimiter, then the query's text. Spaces at the very end are held back for
    /// the continuation, as its `_encode_pair` does.
    ///
    /// # Errors
    /// Where the query's document does not fit the task.
    pub fn prompt(&self) -> Result<Prompt, TaskError> {
        let typed;
        let doc = match self.query {
            Query::Listed(index) => self.task.queries.get(index).ok_or_else(|| {
                TaskError::new(format!("there is no query {index}; the task has {}", self.task.queries.len()))
            })?,
            Query::Typed(text) => {
                typed = self.task.doc_for(text)?;
                &typed
            }
            Query::Doc(doc) => doc,
        };
        let mut prompt = Builder::default();
        if self.instruction == Instruction::Shown {
            prompt.push(PartKind::Description, &self.task.description(doc)?);
        }
        for index in self.selection.shown() {
            let Some(example) = self.task.examples.get(index) else {
                continue;
            };
            prompt.push(PartKind::Text(index), &example.text);
            if !example.text.is_empty() {
                prompt.push(PartKind::Delimiter, &self.task.target_delimiter);
            }
            prompt.push(PartKind::Target(index), &example.target);
            prompt.push(PartKind::Delimiter, &self.task.fewshot_delimiter);
        }
        prompt.push(PartKind::Query, &self.task.text(doc)?);
        let held_back = prompt.hold_back_spaces();

        let answer = |label: String| {
            let continuation = format!("{held_back}{}{label}", self.task.target_delimiter);
            Answer { label, continuation }
        };
        let mut targets = self.task.targets(doc)?.into_iter().map(answer);
        Ok(Prompt {
            text: prompt.text,
            parts: prompt.parts,
            stop: self.task.until.clone(),
            expected: targets.next(),
            alternatives: targets.collect(),
            choices: self.task.choices(doc)?.into_iter().map(answer).collect(),
        })
    }

    /// The largest number of shots, up to the selection's own, whose prompt has at most `limit` tokens by the caller's
    /// count; None where even the bare query is too long.
    ///
    /// # Errors
    /// As for [`prompt`](Self::prompt).
    pub fn shots_that_fit(&self, limit: usize, count: impl Fn(&str) -> usize) -> Result<Option<usize>, TaskError> {
        let mut selection = self.selection.clone();
        for shots in (0..=self.selection.shown().count()).rev() {
            selection.set_shots(shots);
            let smaller = Assembly { selection: &selection, ..self.clone() };
            if count(&smaller.prompt()?.text) <= limit {
                return Ok(Some(shots));
            }
        }
        Ok(None)
    }
}

#[derive(Default)]
struct Builder {
    text: String,
    parts: Vec<Part>,
}

impl Builder {
    fn push(&mut self, kind: PartKind, piece: &str) {
        if piece.is_empty() {
            return;
        }
        let start = self.text.len();
        self.text.push_str(piece);
        self.parts.push(Part { kind, range: start..self.text.len() });
    }

    /// Takes spaces and tabs off the end and gives them back.
    fn hold_back_spaces(&mut self) -> String {
        let kept = self.text.trim_end_matches([' ', '\t']).len();
        let held_back = self.text.split_off(kept);
        self.parts.retain(|part| part.range.start < kept);
        if let Some(last) = self.parts.last_mut() {
            last.range.end = kept;
        }
        held_back
    }
}
