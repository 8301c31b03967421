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
    /// Overlays that only list: tasks.
    Picker,
    /// The sampling presets.
    Presets,
    /// The exports.
    Export,
    /// Several continuations to choose from.
    Samples,
    /// A question that wants yes or no.
    Confirm,
    /// Overlays that only show: help, preview, messages.
    Reader,
    /// A line being typed.
    Input,
    /// The command palette.
    Palette,
    /// The line of a search.
    Find,
    /// The examples on an empty page.
    Examples,
    /// The saved prompts.
    Prompts,
}

impl Scope {
    /// All scopes in the order of the help screen.
    pub const ALL: [Self; 19] = [
        Self::Global,
        Self::Document,
        Self::Examples,
        Self::Find,
        Self::Prompts,
        Self::Shots,
        Self::Next,
        Self::Sampling,
        Self::Train,
        Self::Tree,
        Self::Models,
        Self::Picker,
        Self::Presets,
        Self::Export,
        Self::Samples,
        Self::Confirm,
        Self::Reader,
        Self::Input,
        Self::Palette,
    ];

    /// The heading on the help screen.
    pub fn title(self) -> &'static str {
        match self {
            Self::Global => "Everywhere",
            Self::Document => "Document",
            Self::Shots => "Few-shot",
            Self::Next => "Tokens (Esc or Ctrl+T) and next token",
            Self::Sampling => "Sampling",
            Self::Train => "Train",
            Self::Models => "Models",
            Self::Tree => "Versions",
            Self::Picker => "Choosing from a list",
            Self::Presets => "Sampling presets",
            Self::Export => "Export",
            Self::Samples => "Samples to choose from",
            Self::Confirm => "Yes or no",
            Self::Reader => "Help, preview, messages, figures",
            Self::Input => "Typing one line",
            Self::Palette => "Command palette",
            Self::Find => "Searching in the document",
            Self::Examples => "Example prompts on an empty page",
            Self::Prompts => "Saved prompts",
        }
    }

    /// The name in the file of the user's own keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Document => "document",
            Self::Shots => "shots",
            Self::Next => "next",
            Self::Sampling => "sampling",
            Self::Train => "train",
            Self::Models => "models",
            Self::Picker => "picker",
            Self::Confirm => "confirm",
            Self::Reader => "reader",
            Self::Input => "input",
            Self::Palette => "palette",
            Self::Presets => "presets",
            Self::Export => "export",
            Self::Samples => "samples",
            Self::Find => "find",
            Self::Examples => "examples",
            Self::Prompts => "prompts",
            Self::Tree => "tree",
        }
    }
}

impl Layer {
    /// Whose keys an overlay has.
    pub fn scope(self) -> Scope {
        match self {
            Self::Help | Self::Preview | Self::Log | Self::Statistics | Self::Compare => Scope::Reader,
            Self::Models => Scope::Models,
            Self::Confirm | Self::Question | Self::Prune => Scope::Confirm,
            Self::Tasks => Scope::Picker,
            Self::Presets => Scope::Presets,
            Self::Export => Scope::Export,
            Self::Samples => Scope::Samples,
            Self::Prompts => Scope::Prompts,
            Self::Tree => Scope::Tree,
            Self::Shots => Scope::Shots,
            Self::Palette => Scope::Palette,
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
    /// The digit that was pressed, whatever was held with it; 0 for any other key.
    pub fn digit(&self) -> usize {
        match self.key.codes {
            crokey::OneToThree::One(crossterm::event::KeyCode::Char(c)) => c.to_digit(10).unwrap_or(0) as usize,
            _ => 0,
        }
    }
}
