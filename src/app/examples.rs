//! Example prompts on an empty page: what a new user sees before a first text.

use super::App;
use super::command::Cx;
use super::log::Level;
use super::screen::PaneId;
use crate::files::{Files, builtin};
use crate::prompt::{ExamplesFor, StartingPoint, examples};

/// The list on the empty page.
#[derive(Debug, Clone, Copy, Default)]
pub struct Examples {
    /// The selected row, once the arrow keys were used.
    pub selected: Option<usize>,
    /// Sent away: digits are text.
    hidden: bool,
}

impl App {
    /// The examples for the model that is loaded or on its way, as long as the page is empty; none otherwise.
    pub fn examples(&self) -> &'static [StartingPoint] {
        let name = match (&*self.models.loaded, &*self.models.job) {
            (Some(loaded), _) if matches!(loaded.info.files, Files::BuiltIn) => builtin::NAME,
            (Some(loaded), _) => loaded.info.name.as_str(),
            (None, Some(job)) => job.name.as_str(),
            (None, None) => return &[],
        };
        let off = self.editing.examples.hidden || !self.document.is_empty() || self.is_running();
        match name {
            _ if off => &[],
            builtin::NAME => examples(ExamplesFor::BuiltIn),
            _ => examples(ExamplesFor::Large),
        }
    }

    /// Whether the keys of the list count.
    pub(super) fn offers_examples(&self) -> bool {
        let has_keys = self.screen.focus == PaneId::DOCUMENT && self.in_playground();
        has_keys && self.screen.overlays.is_empty() && self.screen.input.is_none() && !self.examples().is_empty()
    }

    pub(super) fn examples_select(&mut self, rows: isize) {
        let last = self.examples().len().saturating_sub(1);
        self.editing.examples.selected = Some(match self.editing.examples.selected {
            None if rows < 0 => last,
            None => 0,
            Some(at) => at.saturating_add_signed(rows).min(last),
        });
    }

    pub(super) fn hide_examples(&mut self) {
        self.editing.examples = Examples { selected: None, hidden: true };
    }

    /// An empty page after a text begins with the list again.
    pub(super) fn refresh_examples(&mut self) {
        if !self.document.is_empty() {
            self.editing.examples = Examples::default();
        }
    }
}

impl Cx<'_> {
    /// Enter: puts the selected example in; without one it is a new line.
    pub fn examples_take(&mut self) {
        match self.app.editing.examples.selected {
            Some(at) => self.put_example(at),
            None => self.type_text("\n"),
        }
    }

    /// A digit with Alt: puts that example in and generates.
    pub fn examples_run(&mut self) {
        let digit = self.digit();
        match digit.checked_sub(1).filter(|at| *at < self.app.examples().len()) {
            Some(at) => {
                self.put_example(at);
                self.generate();
            }
            None => self.app.log.say(Level::Notice, format!("there is no example {digit}")),
        }
    }

    /// Esc: what it does everywhere where that is something to do, else it sends the list away.
    pub fn examples_leave(&mut self) {
        let waits = self.app.runs.queued.is_some() || self.app.log.current().is_some();
        if waits || self.page.hold().is_some() {
            self.escape();
        } else {
            self.app.hide_examples();
        }
    }

    fn put_example(&mut self, at: usize) {
        if let Some(example) = self.app.examples().get(at) {
            self.put(0..0, example.text.as_bytes());
        }
    }
}
