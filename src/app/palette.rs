//! The command palette: every command of the place where it was opened, and every sampling setting, found by typing.

use std::cell::OnceCell;

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::App;
use super::command::{CommandSpec, Cx, Scope};
use super::input::{Input, Purpose};
use super::overlay::{Item, Overlay, Picked, Rows};
use super::sampler::{Row, Sampler};
use super::screen::PaneId;
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

/// The palette on the screen.
#[derive(Debug)]
pub struct Palette {
    /// Whose commands it offers.
    scopes: Vec<Scope>,
    /// What has been typed.
    query: String,
    /// What matches it, once it was asked for.
    found: OnceCell<Vec<Entry>>,
}

impl Overlay for Palette {
    fn scope(&self) -> Scope {
        Scope::PALETTE
    }

    fn title(&self, _: &App) -> String {
        "Commands and settings".to_owned()
    }

    fn rows(&self, app: &App) -> Rows {
        Rows::Choice(self.entries(app).iter().map(|entry| Item::new(entry.name(), entry.doc())).collect())
    }

    fn pick(&mut self, cx: &mut Cx<'_>, row: usize) -> Picked {
        if let Some(entry) = self.entries(cx.app).get(row).copied() {
            cx.run_entry(entry);
        }
        Picked::Close
    }

    fn typed(&mut self, line: &str) {
        line.clone_into(&mut self.query);
        self.found = OnceCell::new();
    }

    fn filters_itself(&self) -> bool {
        true
    }
}

impl Palette {
    /// What matches what was typed, the best first, of equals the commands before the settings. Where nothing was typed
    /// the commands alone: those with a hint first, and those that count everywhere before the motions of the caret. They
    /// are found once for what was typed: a frame asks several times.
    pub fn entries(&self, app: &App) -> &[Entry] {
        self.found.get_or_init(|| self.find(app))
    }

    fn find(&self, app: &App) -> Vec<Entry> {
        let query = self.query.trim();
        let offered = |command: &&'static CommandSpec| self.scopes.contains(&command.scope) && !command.unlisted;
        let commands = app.keymap.commands().filter(offered).map(Entry::Command);
        let settings = Sampler::rows().enumerate().map(|(at, row)| Entry::Setting(at, row));
        let mut entries: Vec<(u32, Entry)> = if query.is_empty() {
            commands.map(|entry| (0, entry)).collect()
        } else {
            // Letters may be scattered over a name, but words of an explanation have to hold what is typed.
            let name = Pattern::parse(query, CaseMatching::Ignore, Normalization::Smart);
            let doc = Pattern::new(query, CaseMatching::Ignore, Normalization::Smart, AtomKind::Substring);
            let mut matcher = Matcher::new(Config::DEFAULT);
            let mut score = |by: &Pattern, text: &str| by.score(Utf32Str::new(text, &mut Vec::new()), &mut matcher);
            // A hit in the name is worth a little more than the same one in the words that explain it.
            let mut of = |entry: &Entry| score(&name, entry.name()).map(|n| n + n / 4).max(score(&doc, entry.doc()));
            commands.chain(settings).filter_map(|entry| Some((of(&entry)?, entry))).collect()
        };
        entries.sort_by_key(|(score, entry)| {
            let (hidden, everywhere) = match entry {
                Entry::Command(command) => (command.hint.is_empty(), command.scope == Scope::GLOBAL),
                Entry::Setting(..) => (true, true),
            };
            (std::cmp::Reverse(*score), hidden, everywhere != query.is_empty())
        });
        entries.into_iter().map(|(_, entry)| entry).collect()
    }
}

impl App {
    pub(super) fn toggle_palette(&mut self) {
        if self.close::<Palette>() {
            return;
        }
        let scopes = self.scopes();
        self.open(Palette { scopes, query: String::new(), found: OnceCell::new() });
        if let Some(open) = self.screen.overlays.last_mut() {
            open.cursor.line = Some(Input::new(Purpose::Command, "command", ""));
        }
    }
}

impl Cx<'_> {
    /// Runs a command as its first key would, or goes to the setting. The palette has closed already.
    fn run_entry(&mut self, entry: Entry) {
        let command = match entry {
            Entry::Command(command) => command,
            Entry::Setting(row, _) => {
                self.app.screen.view = &PLAYGROUND;
                self.app.focus_pane(PaneId::SAMPLING);
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
