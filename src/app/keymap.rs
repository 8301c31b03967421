//! Which key runs which command: built once from the command table, asked for every key and for every key that is shown.

use std::collections::HashMap;

use crokey::{KeyCombination, KeyCombinationFormat, OneToThree};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::command::{CommandSpec, Scope};

/// The live key map.
#[derive(Debug, Clone)]
pub struct KeyMap {
    bound: HashMap<(Scope, KeyCombination), &'static CommandSpec>,
    commands: &'static [CommandSpec],
}

/// A row of the table that the map cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyMapError {
    /// A key that has no name crokey knows.
    #[error("command {command}: {key:?} is not the name of a key")]
    UnknownKey {
        /// The command.
        command: &'static str,
        /// The key as written.
        key: &'static str,
    },
    /// One key, two commands in the same scope.
    #[error("{key} is bound to both {first} and {second}")]
    BoundTwice {
        /// The key as shown.
        key: String,
        /// The command that has it.
        first: &'static str,
        /// The command that wants it too.
        second: &'static str,
    },
}

impl KeyMap {
    /// Builds the map from a command table.
    ///
    /// # Errors
    /// A key that cannot be parsed, or one that two commands of the same scope claim.
    pub fn new(commands: &'static [CommandSpec]) -> Result<Self, KeyMapError> {
        let mut bound: HashMap<(Scope, KeyCombination), &'static CommandSpec> = HashMap::new();
        for command in commands {
            for key in command.keys {
                let chord = parse(key).ok_or(KeyMapError::UnknownKey { command: command.name, key })?;
                if let Some(first) = bound.insert((command.scope, chord), command) {
                    return Err(KeyMapError::BoundTwice { key: label(chord), first: first.name, second: command.name });
                }
            }
        }
        Ok(Self { bound, commands })
    }

    /// The command that a key runs: the first of `scopes` that binds it. While text is typed (`typing`), plain
    /// characters belong to the text unless the innermost scope itself binds them.
    pub fn command(&self, key: KeyCombination, scopes: &[Scope], typing: Typing) -> Option<&'static CommandSpec> {
        scopes.iter().enumerate().find_map(|(depth, scope)| {
            let shadowed = depth > 0 && typing == Typing::Text && is_plain(key);
            if shadowed { None } else { self.bound.get(&(*scope, key)).copied() }
        })
    }

    /// The rows of one scope, in table order.
    pub fn scope(&self, scope: Scope) -> impl Iterator<Item = &'static CommandSpec> + '_ {
        self.commands.iter().filter(move |command| command.scope == scope)
    }

    /// The first key of a command, as shown in hints: `Ctrl+G`. Empty for a name that is not in the table.
    pub fn hint(&self, name: &str) -> String {
        self.keys(name).into_iter().next().unwrap_or_default()
    }

    /// All keys of a command as shown.
    pub fn keys(&self, name: &str) -> Vec<String> {
        let command = self.commands.iter().find(|command| command.name == name);
        command.map_or_else(Vec::new, |c| c.keys.iter().filter_map(|key| parse(key)).map(label).collect())
    }
}

/// Whether keys go into a text right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typing {
    /// Plain characters are text.
    Text,
    /// Plain characters are commands.
    Commands,
}

/// The key event in the form the map uses.
pub fn chord(event: KeyEvent) -> KeyCombination {
    canonical(KeyCombination::from(event))
}

/// A key by its name, e.g. `ctrl-g`, `shift-k`, `f5`.
pub fn parse(name: &str) -> Option<KeyCombination> {
    crokey::parse(name).ok().map(|key| canonical(key.normalized()))
}

/// The key as screens show it: `Ctrl+G`, `Shift+Tab`, `K`.
pub fn label(key: KeyCombination) -> String {
    let OneToThree::One(code) = key.codes else { return key.to_string() };
    let name = match code {
        KeyCode::BackTab => return "Shift+Tab".to_owned(),
        KeyCode::Char(' ') => "Space",
        KeyCode::Up => "↑",
        KeyCode::Down => "↓",
        KeyCode::Left => "←",
        KeyCode::Right => "→",
        KeyCode::PageUp => "PgUp",
        KeyCode::PageDown => "PgDn",
        KeyCode::Char(c) if (key.modifiers - KeyModifiers::SHIFT).is_empty() => return c.to_string(),
        KeyCode::Char(c) => return held(key) + &c.to_ascii_uppercase().to_string(),
        _ => &KeyCombinationFormat::default().format(KeyCombination::one_key(code, KeyModifiers::NONE)).to_string(),
    };
    held(key) + name
}

/// The character that a key types, if it types one.
pub fn typed(key: KeyCombination) -> Option<char> {
    match key.codes {
        OneToThree::One(KeyCode::Char(c)) if is_plain(key) => Some(c),
        _ => None,
    }
}

/// Whether a key is a character with no more than Shift held.
fn is_plain(key: KeyCombination) -> bool {
    matches!(key.codes, OneToThree::One(KeyCode::Char(_))) && (key.modifiers - KeyModifiers::SHIFT).is_empty()
}

/// One form for keys that terminals report in several: Ctrl+/ and Ctrl+_ share the byte 0x1F, which crossterm names
/// Ctrl+7, and Shift+Tab is a key code of its own.
fn canonical(key: KeyCombination) -> KeyCombination {
    let OneToThree::One(code) = key.codes else { return key };
    match code {
        KeyCode::Char('7' | '/' | '_') if key.modifiers.contains(KeyModifiers::CONTROL) => {
            KeyCombination::one_key(KeyCode::Char('_'), KeyModifiers::CONTROL)
        }
        KeyCode::Tab if key.modifiers.contains(KeyModifiers::SHIFT) => {
            KeyCombination::one_key(KeyCode::BackTab, KeyModifiers::SHIFT)
        }
        // Shift is already in the character for everything but letters.
        KeyCode::Char(c) if !c.is_ascii_alphabetic() => {
            KeyCombination::one_key(code, key.modifiers - KeyModifiers::SHIFT)
        }
        _ => key,
    }
}

/// The modifiers in front of a key: `Ctrl+`.
fn held(key: KeyCombination) -> String {
    let all = [(KeyModifiers::CONTROL, "Ctrl+"), (KeyModifiers::ALT, "Alt+"), (KeyModifiers::SHIFT, "Shift+")];
    all.into_iter().filter(|(modifier, _)| key.modifiers.contains(*modifier)).map(|(_, text)| text).collect()
}
