//! The command palette: every command of the place where it was opened, and every sampling setting, found by typing.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::App;
use super::command::{CommandSpec, Cx, Scope};
use super::input::{Input, Purpose};
use super::log::Level;
use super::sampler::{Row, Sampler};
use super::screen::{Layer, PaneId};
use super::versions::Way;
use super::views::PLAYGROUND;

/// What the palette offers.
#[derive(Debug, Clone, Copy)]
pub enum Entry {
    /// A command, to be run.
    Command(&'static CommandSpec),
    /// A row of the sampling form, to be gone to.
    Setting(usize, Row),
}

impl Entry {
    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Command(command) => command.id.name(),
            Self::Setting(_, row) => row.key(),
        }
    }

    /// What it does.
    pub fn doc(&self) -> &'static str {
        match self {
            Self::Command(command) => command.doc,
            Self::Setting(_, row) => row.doc(),
        }
    }
}

impl App {
    pub(super) fn toggle_palette(&mut self) {
        let open = self.screen.layers.last() == Some(&Layer::Palette);
        self.screen.input = None;
        self.screen.layers.retain(|layer| *layer != Layer::Palette);
        if open {
            return;
        }
        self.screen.palette = self.scopes();
        self.screen.picked = 0;
        self.screen.input = Some(Input::new(Purpose::Command, "command", ""));
        self.screen.layers.push(Layer::Palette);
    }

    /// What has been typed into the palette, where it is open.
    pub fn palette_query(&self) -> Option<&str> {
        self.screen.input.as_ref().filter(|input| input.purpose == Purpose::Command).map(|input| input.text.as_str())
    }

    /// What matches what was typed, the best first, of equals the commands before the settings. Where nothing was typed the commands alone:
    /// those with a hint first, and the commands of the place before those that count everywhere.
    pub fn palette_entries(&self) -> Vec<Entry> {
        let query = self.palette_query().unwrap_or_default();
        let commands = self
            .keymap
            .commands()
            .filter(|command| self.screen.palette.contains(&command.scope) && !command.unlisted)
            .map(Entry::Command);
        let settings = Sampler::rows().enumerate().map(|(at, row)| Entry::Setting(at, row));
        let mut entries: Vec<(u32, Entry)> = if query.trim().is_empty() {
            commands.map(|entry| (0, entry)).collect()
        } else {
            let pattern = Pattern::parse(query, CaseMatching::Ignore, Normalization::Smart);
            let mut matcher = Matcher::new(Config::DEFAULT);
            let mut score = |text: &str| pattern.score(Utf32Str::new(text, &mut Vec::new()), &mut matcher);
            // A hit in the name is worth a little more than the same one in the words that explain it.
            let mut of = |entry: &Entry| score(entry.name()).map(|n| n + n / 4).max(score(entry.doc()));
            commands.chain(settings).filter_map(|entry| Some((of(&entry)?, entry))).collect()
        };
        entries.sort_by_key(|(score, entry)| {
            let (hidden, everywhere) = match entry {
                Entry::Command(command) => (command.hint.is_empty(), command.scope == Scope::GLOBAL),
                Entry::Setting(..) => (true, true),
            };
            (std::cmp::Reverse(*score), hidden, everywhere)
        });
        entries.into_iter().map(|(_, entry)| entry).collect()
    }

    pub(super) fn palette_select(&mut self, rows: isize) {
        let last = self.palette_entries().len().saturating_sub(1);
        self.screen.picked = self.screen.picked.min(last).saturating_add_signed(rows).min(last);
    }

    /// The line of the palette belongs to its window: neither stays without the other.
    pub(super) fn tidy_palette(&mut self) {
        let (line, window) = (self.palette_query().is_some(), self.screen.layers.last() == Some(&Layer::Palette));
        if line && !window {
            self.screen.input = None;
        }
        if !(line && window) {
            self.screen.layers.retain(|layer| *layer != Layer::Palette);
        }
    }
}

impl Cx<'_> {
    /// Closes the palette and runs the selected command as its first key would, or goes to the selected setting.
    pub fn run_picked(&mut self) {
        let picked = self.app.palette_entries().get(self.app.screen.picked).copied();
        let Some(entry) = picked else {
            self.app.log.say(Level::Notice, "nothing matches");
            return;
        };
        self.app.toggle_palette();
        let command = match entry {
            Entry::Command(command) => command,
            Entry::Setting(row, _) => {
                self.app.screen.view = &PLAYGROUND;
                self.app.focus_pane(PaneId::Sampling);
                self.app.sampler.selected = row;
                return;
            }
        };
        // Whoever finds a step of the history by its name need not be asked again.
        if Way::find(command.id).is_some() {
            self.app.editing.announced = Some(self.app.document.revision());
        }
        let key = self.app.keymap.first_key(command.id).unwrap_or(self.key);
        self.app.run_command(command, key, self.page);
    }
}
