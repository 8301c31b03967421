//! The few-shot task: which examples are on, in which order, the query, and the prompt they make.

use std::path::Path;

use super::App;
use super::command::{Cx, Scope, id};
use super::effect::{Effect, IoRequest};
use super::input::{Input, Purpose};
use super::log::Level;
use super::overlay::{Item, Overlay, Picked, Rows};
use super::screen::PaneId;
use super::shot_edit::{Before, Draft};
use crate::prompt::{
    Assembly, Entry, Instruction, Library, Origin, Prompt, Query, Selection, Task, TaskError, Wording,
};
use crate::session::ShotsChoice;

/// The few-shot pane's state.
#[derive(Debug)]
pub struct Shots {
    library: Library,
    chosen: Option<Chosen>,
    version: u64,
    /// Grows with every change of what is chosen.
    choices: u64,
    tokens: Option<usize>,
    is_news: bool,
    /// The example being typed.
    pub(super) draft: Option<Draft>,
    /// What edited examples were before, the last change at the end.
    pub(super) before: Vec<Before>,
}

/// The chosen task and what was chosen of it.
#[derive(Debug)]
pub struct Chosen {
    task: usize,
    /// Which examples, in which order, how many.
    pub selection: Selection,
    /// Whether the task's description stands in front.
    pub instruction: Instruction,
    /// The selected row: an example's place in the order.
    pub selected: usize,
    query: Asked,
    prompt: Prompt,
}

impl Chosen {
    /// The prompt that this makes.
    pub fn prompt(&self) -> &Prompt {
        &self.prompt
    }
}

/// What is asked at the end of the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Listed(usize),
    Typed(String),
}

impl Shots {
    /// No task chosen yet.
    pub fn new(library: Library) -> Self {
        Self {
            library,
            chosen: None,
            version: 0,
            choices: 0,
            tokens: None,
            is_news: true,
            draft: None,
            before: Vec::new(),
        }
    }

    /// Grows with every change of what is chosen.
    pub(super) fn choices(&self) -> u64 {
        self.choices
    }

    /// What is chosen, to be kept.
    pub(super) fn kept(&self) -> Option<ShotsChoice> {
        let (chosen, task) = (self.chosen.as_ref()?, self.task()?);
        Some(ShotsChoice {
            task: task.name.clone(),
            examples: chosen.selection.entries().iter().map(|entry| (entry.example, entry.on)).collect(),
            instruction: chosen.instruction == Instruction::Shown,
            query: self.query(),
        })
    }

    /// No task is chosen.
    pub(super) fn clear(&mut self) {
        if self.chosen.take().is_some() {
            self.changed();
        }
    }

    /// Chooses what was kept, as far as the library still has it.
    pub(super) fn restore(&mut self, kept: &ShotsChoice) {
        let Some(index) = self.library.tasks.iter().position(|task| task.name == kept.task) else { return };
        let entries = kept.examples.iter().map(|(example, on)| Entry { example: *example, on: *on }).collect();
        let selection = self.library.tasks.get(index).and_then(|task| Selection::of(task, entries));
        if self.choose(index).is_err() {
            return;
        }
        let queries = self.task().map_or(0, |task| task.queries.len());
        let listed = (0..queries).find(|index| self.listed(*index).as_deref() == Some(kept.query.as_str()));
        // Where no prompt can be made of it, the task's own choice stays.
        let _ = self.change(|chosen| {
            chosen.instruction = if kept.instruction { Instruction::Shown } else { Instruction::Hidden };
            chosen.query = listed.map_or_else(|| Asked::Typed(kept.query.clone()), Asked::Listed);
            if let Some(selection) = selection {
                chosen.selection = selection;
            }
        });
    }

    /// The tasks to choose from.
    pub fn tasks(&self) -> &[Task] {
        &self.library.tasks
    }

    /// Which of the tasks is chosen.
    pub(super) fn chosen_index(&self) -> Option<usize> {
        self.chosen.as_ref().map(|chosen| chosen.task)
    }

    /// The chosen task.
    pub fn task(&self) -> Option<&Task> {
        self.library.tasks.get(self.chosen.as_ref()?.task)
    }

    /// What was chosen of it.
    pub fn chosen(&self) -> Option<&Chosen> {
        self.chosen.as_ref()
    }

    pub(super) fn chosen_mut(&mut self) -> Option<&mut Chosen> {
        self.chosen.as_mut()
    }

    /// All tasks, and the user's folder of them.
    pub(super) fn library(&self) -> &Library {
        &self.library
    }

    /// Puts a task in the place of the one of its name, or behind all others, and chooses it with its examples in that
    /// order. Where no prompt can be made of it, nothing changes.
    pub(super) fn replace(&mut self, task: Task, entries: Vec<Entry>) -> Result<(), TaskError> {
        let Some(chosen) = &self.chosen else { return Ok(()) };
        let selection = Selection::of(&task, entries).unwrap_or_else(|| Selection::listed(&task));
        let prompt = assemble(&task, &selection, &chosen.query, chosen.instruction)?;
        let index = self.named(&task.name).unwrap_or(self.library.tasks.len());
        if let Origin::File(path) = &task.origin
            && !self.library.files.contains(path)
        {
            self.library.files.push(path.clone());
        }
        match self.library.tasks.get_mut(index) {
            Some(known) => *known = task,
            None => self.library.tasks.push(task),
        }
        self.put_in(index, selection, prompt);
        Ok(())
    }

    /// Takes the chosen task, whose examples were edited, back to what it was before. A copy that was made for that
    /// leaves the list.
    pub(super) fn take_back(&mut self, before: Task, entries: Vec<Entry>) -> Result<(), TaskError> {
        let Some(chosen) = &self.chosen else { return Ok(()) };
        let selection = Selection::of(&before, entries).unwrap_or_else(|| Selection::listed(&before));
        let query = match &chosen.query {
            // The change made it a query of the task.
            Asked::Listed(index) if *index >= before.queries.len() => Asked::Typed(self.query()),
            query => query.clone(),
        };
        let prompt = assemble(&before, &selection, &query, chosen.instruction)?;
        let mut index = chosen.task;
        if let Some(Origin::File(path)) = self.library.tasks.get(index).map(|task| &task.origin)
            && before.written.is_none()
        {
            self.library.files.retain(|file| file != path);
        }
        match self.named(&before.name) {
            Some(original) if original != index => {
                self.library.tasks.remove(index);
                index = original - usize::from(original > index);
            }
            _ => self.library.tasks[index] = before,
        }
        if let Some(chosen) = &mut self.chosen {
            chosen.query = query;
        }
        self.put_in(index, selection, prompt);
        Ok(())
    }

    /// A file turned out to be another program's or the user's: the task that was to be written there is no longer
    /// kshot's to write. Says whether it was.
    pub(super) fn disown(&mut self, path: &Path) -> bool {
        let is_there = |task: &&mut Task| matches!(&task.origin, Origin::File(file) if file == path);
        let task = self.library.tasks.iter_mut().find(is_there);
        task.is_some_and(|task| task.written.take().is_some())
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.library.tasks.iter().position(|known| known.name == name)
    }

    /// Another task with its selection and prompt, the query as it was.
    fn put_in(&mut self, index: usize, selection: Selection, prompt: Prompt) {
        let last = selection.entries().len().saturating_sub(1);
        if let Some(chosen) = &mut self.chosen {
            (chosen.task, chosen.selected) = (index, chosen.selected.min(last));
            (chosen.selection, chosen.prompt) = (selection, prompt);
        }
        self.changed();
    }

    /// The examples in their order, as rows of a list.
    fn items(&self) -> Vec<Item> {
        let (Some(task), Some(chosen)) = (self.task(), &self.chosen) else { return Vec::new() };
        let row = |entry: &Entry| {
            let fields = task.examples.get(entry.example).into_iter().flat_map(|example| example.doc.values());
            let fields: Vec<String> = fields.map(|it| it.as_str().map_or(it.to_string(), str::to_owned)).collect();
            Item::new(if entry.on { "on" } else { "off" }, fields.join(" | "))
        };
        chosen.selection.entries().iter().map(row).collect()
    }

    /// The assembled prompt.
    pub fn prompt(&self) -> Option<&Prompt> {
        self.chosen.as_ref().map(|chosen| &chosen.prompt)
    }

    /// Tokens of the assembled prompt, once they were counted.
    pub fn tokens(&self) -> Option<usize> {
        self.tokens
    }

    /// The query as it is typed: the text of the task's input field.
    pub fn query(&self) -> String {
        match self.chosen.as_ref().map(|chosen| &chosen.query) {
            Some(Asked::Typed(text)) => text.clone(),
            Some(Asked::Listed(index)) => self.listed(*index).unwrap_or_default(),
            None => String::new(),
        }
    }

    fn listed(&self, index: usize) -> Option<String> {
        let task = self.task()?;
        let value = task.queries.get(index)?.get(task.input_field()?)?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// Chooses a task with its own number of examples and its first query.
    fn choose(&mut self, index: usize) -> Result<(), TaskError> {
        let Some(task) = self.library.tasks.get(index) else { return Ok(()) };
        let query = if task.queries.is_empty() { Asked::Typed(String::new()) } else { Asked::Listed(0) };
        let (selection, instruction) = (Selection::listed(task), Instruction::Shown);
        let prompt = assemble(task, &selection, &query, instruction)?;
        self.chosen = Some(Chosen { task: index, selection, instruction, selected: 0, query, prompt });
        self.changed();
        Ok(())
    }

    /// Changes what is chosen. Where no prompt can be made of it, the change is undone.
    fn change(&mut self, change: impl FnOnce(&mut Chosen)) -> Result<(), TaskError> {
        let Some(chosen) = &mut self.chosen else { return Ok(()) };
        let Some(task) = self.library.tasks.get(chosen.task) else { return Ok(()) };
        let (selection, instruction, query) = (chosen.selection.clone(), chosen.instruction, chosen.query.clone());
        change(chosen);
        match assemble(task, &chosen.selection, &chosen.query, chosen.instruction) {
            Ok(prompt) => {
                chosen.prompt = prompt;
                self.changed();
                Ok(())
            }
            Err(error) => {
                (chosen.selection, chosen.instruction, chosen.query) = (selection, instruction, query);
                Err(error)
            }
        }
    }

    fn changed(&mut self) {
        self.choices += 1;
        self.recount();
    }

    /// Another vocabulary counts other tokens.
    pub(super) fn recount(&mut self) {
        self.version += 1;
        self.tokens = None;
        self.is_news = true;
    }

    /// Whether the prompt has changed since this was called last.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_news)
    }

    pub(super) fn counted(&mut self, version: u64, tokens: Result<usize, String>) {
        if version == self.version {
            self.tokens = tokens.ok();
        }
    }
}

fn assemble(task: &Task, selection: &Selection, query: &Asked, instruction: Instruction) -> Result<Prompt, TaskError> {
    let query = match query {
        Asked::Listed(index) => Query::Listed(*index),
        Asked::Typed(text) => Query::Typed(text),
    };
    Assembly { task, selection, query, instruction }.prompt()
}

/// The few-shot pane where it has no place of its own.
#[derive(Debug)]
pub struct ShotsOverlay;

impl Overlay for ShotsOverlay {
    fn scope(&self) -> Scope {
        Scope::SHOTS
    }

    fn title(&self, _: &App) -> String {
        PaneId::SHOTS.name().to_owned()
    }

    fn rows(&self, app: &App) -> Rows {
        Rows::Choice(app.shots.items())
    }

    fn selected(&self, app: &App) -> Option<usize> {
        Some(app.shots.chosen.as_ref()?.selected)
    }

    fn select(&mut self, app: &mut App, row: usize) {
        if let Some(chosen) = &mut app.shots.chosen {
            chosen.selected = row;
        }
    }

    fn pick(&mut self, cx: &mut Cx<'_>, _: usize) -> Picked {
        cx.app.shots_put();
        Picked::Stay
    }

    fn can_filter(&self) -> bool {
        false
    }
}

/// The assembled few-shot prompt, as the model would read it.
#[derive(Debug)]
pub struct Preview;

impl Overlay for Preview {
    fn scope(&self) -> Scope {
        Scope::READER
    }

    fn title(&self, app: &App) -> String {
        let tokens = app.shots.tokens().map(|n| format!("   {n} tokens")).unwrap_or_default();
        format!("Assembled prompt{tokens}")
    }

    fn rows(&self, app: &App) -> Rows {
        Rows::Text(match app.shots.prompt() {
            Some(prompt) => prompt.text.split('\n').map(str::to_owned).collect(),
            None => {
                let [shots, task] = [id::SHOTS, id::SHOTS_TASK].map(|id| app.keymap.hint(id));
                vec![format!("No task is chosen: {shots}, then {task}.")]
            }
        })
    }
}

impl App {
    /// No task is chosen any more, and its stop strings go with it.
    pub(super) fn drop_task(&mut self) {
        if self.shots.prompt().is_some_and(|prompt| prompt.stop == self.sampler.stop) {
            self.sampler.stop.clear();
        }
        self.shots.clear();
    }

    pub(super) fn choose_task(&mut self, index: usize) {
        self.rewrite(|shots| shots.choose(index));
        if let Some(prompt) = self.shots.prompt() {
            self.sampler.stop = prompt.stop.clone();
        }
    }

    /// Changes the few-shot prompt, and the document with it as long as it is nothing but that prompt
    /// or the page the program began with.
    /// Says whether it was changed.
    pub(super) fn rewrite(&mut self, change: impl FnOnce(&mut Shots) -> Result<(), TaskError>) -> bool {
        let live = self.shots_live() || self.document.is_empty() || self.is_first_page();
        if let Err(error) = change(&mut self.shots) {
            self.log.say(Level::Error, error.to_string());
            return false;
        }
        if live && !self.is_running() {
            self.put_prompt();
        }
        true
    }

    fn change_shots(&mut self, change: impl FnOnce(&mut Chosen)) {
        if self.shots.chosen.is_none() {
            let task = self.keymap.hint(id::SHOTS_TASK);
            self.log.say(Level::Notice, format!("no task is chosen yet: {task} chooses one"));
        } else {
            self.rewrite(|shots| shots.change(change));
        }
    }

    /// Whether the document is exactly the assembled prompt, so that changes show in it at once.
    pub fn shots_live(&self) -> bool {
        self.shots.prompt().is_some_and(|prompt| prompt.text.as_bytes() == self.document.bytes())
    }

    fn put_prompt(&mut self) {
        if let Some(prompt) = self.shots.prompt() {
            if prompt.text.as_bytes() != self.document.bytes() {
                self.document.replace_all(&prompt.text);
            }
            self.editing.show_end = true;
        }
    }

    pub(super) fn shots_put(&mut self) {
        if self.shots.chosen.is_none() {
            self.open_tasks();
        } else if !self.refuse_while_running("new prompt") {
            let replaces = !self.document.is_empty() && !self.shots_live() && !self.is_first_page();
            self.put_prompt();
            if replaces {
                let undo = self.keymap.hint(id::UNDO);
                self.log.say(Level::Notice, format!("the prompt took the place of the text; {undo} brings that back"));
            }
        }
    }

    pub(super) fn shots_select(&mut self, rows: isize) {
        if let Some(chosen) = &mut self.shots.chosen {
            let last = chosen.selection.entries().len().saturating_sub(1);
            chosen.selected = chosen.selected.saturating_add_signed(rows).min(last);
        }
    }

    pub(super) fn shots_toggle(&mut self) {
        self.change_shots(|chosen| chosen.selection.toggle(chosen.selected));
    }

    pub(super) fn shots_move(&mut self, places: isize) {
        self.change_shots(|chosen| {
            let last = chosen.selection.entries().len().saturating_sub(1);
            let to = chosen.selected.saturating_add_signed(places).min(last);
            chosen.selection.move_entry(chosen.selected, to);
            chosen.selected = to;
        });
    }

    pub(super) fn shots_count(&mut self, k: usize) {
        self.change_shots(|chosen| chosen.selection.set_shots(k));
    }

    pub(super) fn shots_step(&mut self, more: isize) {
        self.change_shots(|chosen| match more {
            1.. => chosen.selection.more(),
            _ => chosen.selection.fewer(),
        });
    }

    /// A new order, the same for the same number of shuffles since the start.
    pub(super) fn shots_shuffle(&mut self) {
        let seed = self.shots.version;
        self.change_shots(|chosen| chosen.selection.shuffle(seed));
    }

    /// Shows or hides the instruction; a task without one gets one.
    pub(super) fn shots_instruction(&mut self) {
        if self.shots.task().is_some_and(|task| task.wording(Wording::Instruction).is_empty()) {
            return self.shots_ask_wording(Wording::Instruction);
        }
        self.change_shots(|chosen| {
            chosen.instruction = match chosen.instruction {
                Instruction::Shown => Instruction::Hidden,
                Instruction::Hidden => Instruction::Shown,
            };
        });
    }

    pub(super) fn shots_edit_query(&mut self) {
        if self.shots.chosen.is_some() {
            self.ask(Input::new(Purpose::Query, "query", self.shots.query()).offered());
        } else {
            self.open_tasks();
        }
    }

    pub(super) fn shots_set_query(&mut self, text: &str) {
        let queries = self.shots.task().map_or(0, |task| task.queries.len());
        let listed = (0..queries).find(|index| self.shots.listed(*index).as_deref() == Some(text));
        self.change_shots(|chosen| chosen.query = listed.map_or_else(|| Asked::Typed(text.to_owned()), Asked::Listed));
    }

    pub(super) fn shots_next_query(&mut self) {
        let queries = self.shots.task().map_or(0, |task| task.queries.len());
        self.change_shots(|chosen| {
            chosen.query = match &chosen.query {
                Asked::Listed(index) if queries > 0 => Asked::Listed((index + 1) % queries),
                Asked::Typed(_) if queries > 0 => Asked::Listed(0),
                other => other.clone(),
            };
        });
    }

    /// Counts the tokens of the assembled prompt.
    pub(super) fn count_shots(&mut self) {
        let tokenizer = self.models.loaded.as_ref().and_then(|loaded| loaded.tokenizer.clone());
        let (Some(tokenizer), Some(prompt)) = (tokenizer, self.shots.prompt()) else { return };
        let version = self.shots.version;
        let request = IoRequest::Count { version, text: prompt.text.clone(), tokenizer };
        self.outbox.push(Effect::Io(request));
    }
}
