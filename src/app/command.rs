//! The command table: every key the program knows is a row here, and help, hints and bindings are made from the rows.

use crokey::KeyCombination;

use super::App;
use super::page::Page;

mod table;

pub use table::{COMMANDS, id};

/// Where a command's keys count. Scopes are searched from the innermost outwards; [`Scope::GLOBAL`] is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The name in the file of the user's own keys.
    pub name: &'static str,
    /// The heading on the help screen.
    pub title: &'static str,
    /// Whether plain characters are text here.
    pub is_text: bool,
}

#[expect(missing_docs, reason = "the title says where each one counts")]
impl Scope {
    pub const GLOBAL: Self = Self::keys("global", "Everywhere");
    pub const DOCUMENT: Self = Self::text("document", "Document");
    pub const EXAMPLES: Self = Self::text("examples", "Example prompts on an empty page");
    pub const FIND: Self = Self::text("find", "Searching in the document");
    pub const PROMPTS: Self = Self::keys("prompts", "Saved prompts");
    pub const SHOTS: Self = Self::keys("shots", "Few-shot");
    pub const NEXT: Self = Self::keys("next", "Tokens (Esc or Ctrl+T) and next token");
    pub const SAMPLING: Self = Self::keys("sampling", "Sampling");
    pub const TRAIN: Self = Self::keys("train", "Train");
    pub const TREE: Self = Self::keys("tree", "Versions");
    pub const MODELS: Self = Self::keys("models", "Models");
    pub const LIST: Self = Self::keys("list", "Any list or text over a view");
    pub const FILTER: Self = Self::text("filter", "Filtering a list");
    pub const PICKER: Self = Self::keys("picker", "Choosing from a list");
    pub const PRESETS: Self = Self::keys("presets", "Sampling presets");
    pub const EXPORT: Self = Self::keys("export", "Export");
    pub const SAMPLES: Self = Self::keys("samples", "Samples to choose from");
    pub const CONFIRM: Self = Self::keys("confirm", "Yes or no");
    pub const READER: Self = Self::keys("reader", "Help, preview, messages, figures");
    pub const INPUT: Self = Self::text("input", "Typing one line");
    pub const PALETTE: Self = Self::text("palette", "Command palette");

    /// A scope in which plain characters are commands.
    pub const fn keys(name: &'static str, title: &'static str) -> Self {
        Self { name, title, is_text: false }
    }

    /// A scope in which plain characters are text.
    pub const fn text(name: &'static str, title: &'static str) -> Self {
        Self { name, title, is_text: true }
    }
}

/// Names a command, in kebab-case: in key maps, in the palette, and behind a slash in `--plain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandId(pub &'static str);

impl CommandId {
    /// The name as it is typed.
    pub fn name(self) -> &'static str {
        self.0
    }
}

impl std::fmt::Display for CommandId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct CommandSpec {
    /// Its name, unique.
    pub id: CommandId,
    /// What it does, as the help screen says it.
    pub doc: &'static str,
    /// One or two words for the hint line; empty for commands that are not hinted.
    pub hint: &'static str,
    /// Its keys as crokey names them; the first is the one shown in hints.
    pub keys: &'static [&'static str],
    /// Where the keys count.
    pub scope: Scope,
    /// Of a global command: leaves every view as it is. The others work on the document, so they show the playground.
    pub anywhere: bool,
    /// Offered where there is no screen (`--plain`).
    pub plain: bool,
    /// Not offered by the palette: it reads which of its keys was pressed.
    pub unlisted: bool,
    /// Carries it out.
    pub run: fn(&mut Cx<'_>),
}

impl CommandSpec {
    /// A row with no attribute set.
    pub const fn new(
        id: CommandId,
        scope: Scope,
        keys: &'static [&'static str],
        hint: &'static str,
        doc: &'static str,
        run: fn(&mut Cx<'_>),
    ) -> Self {
        Self { id, doc, hint, keys, scope, anywhere: false, plain: false, unlisted: false, run }
    }
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
