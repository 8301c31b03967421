//! The few-shot task: which examples are on, in which order, the query, and the prompt they make.

use super::App;
use super::effect::{Effect, IoRequest};
use super::input::{Input, Purpose};
use super::log::Level;
use super::screen::Layer;
use crate::prompt::{Assembly, Library, Shot, Task};

/// The few-shot pane's state.
#[derive(Debug)]
pub struct Shots {
    library: Library,
    task: Option<usize>,
    /// The task's examples in the order they are used.
    pub examples: Vec<Example>,
    /// Whether the instruction stands in front.
    pub instruction: bool,
    /// What is asked at the end.
    pub query: String,
    /// The selected row: 0 the instruction, then the examples.
    pub selected: usize,
    prompt: String,
    expected: Option<String>,
    next_query: usize,
    version: u64,
    asked: Option<u64>,
    tokens: Option<usize>,
}

/// One example in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Its place in the task's file.
    pub index: usize,
    /// Whether it is used.
    pub on: bool,
}

impl Shots {
    /// No task chosen yet.
    pub fn new(library: Library) -> Self {
        Self {
            library,
            task: None,
            examples: Vec::new(),
            instruction: true,
            query: String::new(),
            selected: 0,
            prompt: String::new(),
            expected: None,
            next_query: 0,
            version: 0,
            asked: None,
            tokens: None,
        }
    }

    /// Name and a line about each task of the library.
    pub fn tasks(&self) -> Vec<(String, String)> {
        self.library.tasks().iter().map(|task| (task.name().to_owned(), task.about().to_owned())).collect()
    }

    /// The chosen task.
    pub fn task(&self) -> Option<&Task> {
        self.library.tasks().get(self.task?)
    }

    /// The assembled prompt; empty without a task.
    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// The answer that the task expects to the query, where it knows one.
    pub fn expected(&self) -> Option<&str> {
        self.expected.as_deref()
    }

    /// Tokens of the assembled prompt, once they were counted.
    pub fn tokens(&self) -> Option<usize> {
        self.tokens
    }

    /// How many examples are used.
    pub fn count(&self) -> usize {
        self.examples.iter().filter(|example| example.on).count()
    }

    /// The stop strings that belong to the task.
    pub fn stop(&self) -> Vec<String> {
        self.task().map(|task| task.stop().to_vec()).unwrap_or_default()
    }
}

impl Shots {
    /// Replaces the query; its expected answer is known where the task's file has the same query.
    pub fn set_query(&mut self, query: &str) {
        self.query = query.to_owned();
    }
}
impl App {
    pub(super) fn change_shots(&mut self, change: impl FnOnce(&mut Shots)) { change(&mut self.shots); }
    pub(super) fn choose_task(&mut self, _index: usize) {}
    pub(super) fn open_tasks(&mut self) {}
    pub(super) fn shots_toggle(&mut self) {}
    pub(super) fn shots_select(&mut self, _rows: isize) {}
    pub(super) fn shots_move(&mut self, _rows: isize) {}
    pub(super) fn shots_count(&mut self, _k: usize) {}
    pub(super) fn shots_fewer(&mut self) {}
    pub(super) fn shots_more(&mut self) {}
    pub(super) fn shots_instruction(&mut self) {}
    pub(super) fn shots_edit_query(&mut self) {}
    pub(super) fn shots_next_query(&mut self) {}
    pub(super) fn shots_put(&mut self) {}
    pub(super) fn count_shots(&mut self) {}
}
impl Shots { pub(super) fn counted(&mut self, _v: u64, _t: Result<usize,String>) {} pub(super) fn recount(&mut self) {} }
