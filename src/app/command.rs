//! The command table: every key the program knows is a row here, and help, hints and bindings are made from the rows.

use crokey::KeyCombination;

use super::App;
use super::page::Page;
use super::screen::Layer;

mod table;

pub use table::COMMANDS;

/// Where a command's keys count. Scopes are searched from the innermost outwards; [`Scope::Global`] is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everywhere.
    Global,
    /// The document pane.
    Document,
    /// The few-shot pane.
    Shots,
    /// The next-token pane.
    Next,
    /// The sampling pane.
    Sampling,
    /// The train view.
    Train,
    /// The tree of versions.
    Tree,
    /// The model overlay.
    Models,
    /// Overlays that only list: tasks, presets.
    Picker,
    /// A question that wants yes or no.
    Confirm,
    /// Overlays that only show: help, preview, messages.
    Reader,
    /// A line being typed.
    Input,
}

impl Scope {
    /// All scopes in the order of the help screen.
    pub const ALL: [Self; 12] = [
        Self::Global,
        Self::Document,
        Self::Shots,
        Self::Next,
        Self::Sampling,
        Self::Train,
        Self::Tree,
        Self::Models,
        Self::Picker,
        Self::Confirm,
        Self::Reader,
        Self::Input,
    ];

    /// The heading on the help screen.
    pub fn title(self) -> &'static str {
        match self {
            Self::Global => "Everywhere",
            Self::Document => "Document",
            Self::Shots => "Few-shot",
            Self::Next => "Next token",
            Self::Sampling => "Sampling",
            Self::Train => "Train (F8)",
            Self::Tree => "Versions (Alt+V)",
            Self::Models => "Models (F2)",
            Self::Picker => "Choosing from a list",
            Self::Confirm => "Yes or no",
            Self::Reader => "Help, preview, messages",
            Self::Input => "Typing one line",
        }
    }
}

impl Layer {
    /// Whose keys an overlay has.
    pub fn scope(self) -> Scope {
        match self {
            Self::Help | Self::Preview | Self::Log | Self::Compare => Scope::Reader,
            Self::Tree => Scope::Tree,
            Self::Models => Scope::Models,
            Self::Confirm | Self::Prune => Scope::Confirm,
            Self::Tasks | Self::Presets => Scope::Picker,
            Self::Shots => Scope::Shots,
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct CommandSpec {
    /// Kebab-case, unique.
    pub name: &'static str,
    /// What it does, as the help screen says it.
    pub doc: &'static str,
    /// One or two words for the hint line; empty for commands that are not hinted.
    pub hint: &'static str,
    /// Its keys as crokey names them; the first is the one shown in hints.
    pub keys: &'static [&'static str],
    /// Where the keys count.
    pub scope: Scope,
    /// Carries it out.
    pub run: fn(&mut Cx<'_>),
}

/// What a command works on.
pub struct Cx<'a> {
    /// The state of the program.
    pub app: &'a mut App,
    /// The document as it is laid out.
    pub page: &'a mut dyn Page,
    /// The key that was pressed, for commands that read it (digits).
    pub key: KeyCombination,
}

impl Cx<'_> {
    /// The digit that was pressed, 0 for any other key.
    pub fn digit(&self) -> usize {
        super::keymap::typed(self.key).and_then(|c| c.to_digit(10)).map_or(0, |digit| digit as usize)
    }
}
