//! Which key runs which command: built once from the command table and the user's own keys, asked for every key and for
//! every key that is shown.

use std::collections::HashMap;

use crokey::{KeyCombination, KeyCombinationFormat, OneToThree};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::command::{CommandId, CommandSpec, Scope};

/// The live key map.
#[derive(Debug, Clone)]
pub struct KeyMap {
    bound: Bound,
    keys: HashMap<CommandId, Vec<KeyCombination>>,
    commands: Vec<&'static CommandSpec>,
    wording: Wording,
}

type Bound = HashMap<(Scope, KeyCombination), &'static CommandSpec>;

/// How commands are named to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wording {
    /// By their keys.
    Keys,
    /// By what is typed where there are no keys: `/generate`.
    Slashes,
}

/// A command that is to have other keys than the table says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebinding {
    /// Whose keys.
    pub scope: Scope,
    /// Name of the command.
    pub command: String,
    /// The keys as crokey names them.
    pub keys: Vec<String>,
}

/// A [`Rebinding`] that does not count; the command keeps the keys of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which, by its place in the list.
    pub at: usize,
    /// Why.
    pub why: String,
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
    pub fn new(commands: impl IntoIterator<Item = &'static CommandSpec>) -> Result<Self, KeyMapError> {
        let commands: Vec<_> = commands.into_iter().collect();
        let mut keys = HashMap::new();
        for command in &commands {
            let unknown = |key| KeyMapError::UnknownKey { command: command.id.name(), key };
            let chord = |key: &&'static str| parse(key).ok_or_else(|| unknown(key));
            keys.insert(command.id, command.keys.iter().map(chord).collect::<Result<Vec<_>, _>>()?);
        }
        let bound = bind(&commands, &keys).map_err(|clash| KeyMapError::BoundTwice {
            key: label(clash.key),
            first: clash.first.id.name(),
            second: clash.second.id.name(),
        })?;
        Ok(Self { bound, keys, commands, wording: Wording::Keys })
    }

    /// The map with other keys for some commands, all changes made at once, so that two commands can swap keys. What
    /// cannot be is refused, one change at a time, and the rest counts.
    pub fn rebind(&mut self, changes: &[Rebinding]) -> Vec<Refused> {
        let mut refused = Vec::new();
        let mut taken: HashMap<CommandId, (usize, Vec<KeyCombination>)> = HashMap::new();
        for (at, change) in changes.iter().enumerate() {
            match self.accept(change) {
                Ok((name, _)) if taken.contains_key(&name) => {
                    refused.push(Refused { at, why: format!("{name} has its keys already, further up") });
                }
                Ok((name, keys)) => {
                    taken.insert(name, (at, keys));
                }
                Err(why) => refused.push(Refused { at, why }),
            }
        }
        loop {
            let mut keys = self.keys.clone();
            keys.extend(taken.iter().map(|(name, (_, keys))| (*name, keys.clone())));
            match bind(&self.commands, &keys) {
                Ok(bound) => {
                    (self.bound, self.keys) = (bound, keys);
                    refused.sort_by_key(|refused| refused.at);
                    return refused;
                }
                Err(clash) => {
                    // The table itself has no clash, so one of the two is a change; of two, the one further down goes.
                    let at = |command: &CommandSpec| taken.get(&command.id).map(|(at, _)| *at);
                    let (out, other) = if at(clash.first) > at(clash.second) {
                        (clash.first, clash.second)
                    } else {
                        (clash.second, clash.first)
                    };
                    let Some((at, _)) = taken.remove(&out.id) else { return refused };
                    let why = format!("{} is bound to {} ({}) in this scope", label(clash.key), other.id, other.doc);
                    refused.push(Refused { at, why });
                }
            }
        }
    }

    /// The command and the keys that a change means.
    fn accept(&self, change: &Rebinding) -> Result<(CommandId, Vec<KeyCombination>), String> {
        let command = self.scope(change.scope).find(|command| command.id.name() == change.command);
        let command = command.ok_or_else(|| self.unknown(change))?;
        if change.keys.is_empty() {
            return Err(format!("{} needs at least one key", command.id));
        }
        let chord = |name: &String| {
            let key = parse(name).ok_or_else(|| {
                format!("{name:?} is not the name of a key; names are like ctrl-g, alt-enter, f5, pageup, space")
            })?;
            if is_plain(key) && change.scope.is_text {
                return Err(format!("{} could not be typed any more; hold Ctrl or Alt with it", label(key)));
            }
            Ok(key)
        };
        let mut keys: Vec<KeyCombination> = Vec::new();
        for name in &change.keys {
            let key = chord(name)?;
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok((command.id, keys))
    }

    fn unknown(&self, change: &Rebinding) -> String {
        let (name, scope) = (&change.command, change.scope.name);
        if let Some(elsewhere) = self.commands.iter().find(|command| command.id.name() == name) {
            return format!("`{name}` belongs under [{}], not under [{scope}]", elsewhere.scope.name);
        }
        let nearest = self.commands.iter().map(|command| (strsim::jaro_winkler(name, command.id.name()), *command));
        let own = |command: &CommandSpec| if command.scope == change.scope { 0.05 } else { 0.0 };
        let nearest = nearest.max_by(|(a, one), (b, other)| (a + own(one)).total_cmp(&(b + own(other))));
        match nearest {
            Some((_, near)) if near.scope == change.scope => {
                format!("there is no command `{name}` under [{scope}]; the nearest is `{}`", near.id)
            }
            Some((_, near)) => format!(
                "there is no command `{name}` under [{scope}]; the nearest is `{}` under [{}]",
                near.id, near.scope.name
            ),
            None => format!("there is no command `{name}`"),
        }
    }

    /// From now on commands are named as `/generate` instead of by their keys.
    pub fn name_by_slashes(&mut self) {
        self.wording = Wording::Slashes;
    }

    /// Whether a key, by its label, still runs in a scope what it runs in the table; `None` where the table has no such key.
    /// A hint that names its keys itself is right only as long as they do.
    pub fn is_as_in_table(&self, scope: Scope, key: &str) -> Option<bool> {
        let named = |chord: &KeyCombination| label(*chord) == key;
        let mut rows = self.scope(scope);
        let command = rows.find(|command| command.keys.iter().filter_map(|key| parse(key)).any(|k| named(&k)))?;
        Some(self.keys.get(&command.id)?.iter().any(named))
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
        self.commands.iter().copied().filter(move |command| command.scope == scope)
    }

    /// All rows, in table order.
    pub fn commands(&self) -> impl Iterator<Item = &'static CommandSpec> + '_ {
        self.commands.iter().copied()
    }

    /// The row of a command by its name.
    pub fn named(&self, name: &str) -> Option<&'static CommandSpec> {
        self.commands().find(|command| command.id.name() == name)
    }

    /// All scopes, in the order of the help screen.
    pub fn scopes(&self) -> Vec<Scope> {
        let mut scopes = Vec::new();
        for command in &self.commands {
            if !scopes.contains(&command.scope) {
                scopes.push(command.scope);
            }
        }
        scopes
    }

    /// The first key of a command, as shown in hints: `Ctrl+G`.
    pub fn hint(&self, id: CommandId) -> String {
        self.keys(id).into_iter().next().unwrap_or_default()
    }

    /// All keys of a command as shown.
    pub fn keys(&self, id: CommandId) -> Vec<String> {
        match (self.wording, self.keys.get(&id)) {
            (_, None) => Vec::new(),
            (Wording::Keys, Some(keys)) => keys.iter().copied().map(label).collect(),
            (Wording::Slashes, Some(_)) => vec![format!("/{id}")],
        }
    }

    /// The first key of a command as it was bound.
    pub fn first_key(&self, id: CommandId) -> Option<KeyCombination> {
        self.keys.get(&id)?.first().copied()
    }
}

/// One key, two commands in the same scope.
struct Clash {
    key: KeyCombination,
    first: &'static CommandSpec,
    second: &'static CommandSpec,
}

fn bind(commands: &[&'static CommandSpec], keys: &HashMap<CommandId, Vec<KeyCombination>>) -> Result<Bound, Clash> {
    let mut bound = Bound::new();
    for command in commands {
        for key in keys.get(&command.id).into_iter().flatten() {
            if let Some(first) = bound.insert((command.scope, *key), command) {
                return Err(Clash { key: *key, first, second: command });
            }
        }
    }
    Ok(bound)
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
        // Both are the same byte, and this one is easier to find.
        KeyCode::Char('_') if key.modifiers == KeyModifiers::CONTROL => return "Ctrl+/".to_owned(),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::app::COMMANDS;
    use crate::app::command::id;

    fn change(scope: Scope, command: &str, keys: &[&str]) -> Rebinding {
        Rebinding { scope, command: command.to_owned(), keys: keys.iter().map(|key| (*key).to_owned()).collect() }
    }

    fn rebound(changes: &[Rebinding]) -> (KeyMap, Vec<Refused>) {
        let mut map = KeyMap::new(COMMANDS).unwrap();
        let refused = map.rebind(changes);
        (map, refused)
    }

    fn runs(map: &KeyMap, key: &str, scope: Scope) -> Option<&'static str> {
        map.command(parse(key).unwrap(), &[scope], Typing::Commands).map(|command| command.id.name())
    }

    #[test]
    fn two_commands_swap_their_keys() {
        let (map, refused) = rebound(&[
            change(Scope::GLOBAL, "generate", &["ctrl-r", "f5"]),
            change(Scope::GLOBAL, "regenerate", &["ctrl-g"]),
        ]);
        assert_eq!(refused, []);
        assert_eq!(runs(&map, "ctrl-r", Scope::GLOBAL), Some("generate"));
        assert_eq!(runs(&map, "ctrl-g", Scope::GLOBAL), Some("regenerate"));
        assert_eq!((map.hint(id::GENERATE), map.hint(id::REGENERATE)), ("Ctrl+R".to_owned(), "Ctrl+G".to_owned()));
        let cases = [("F5", Some(true)), ("Ctrl+G", Some(false)), ("put", None)];
        for (key, same) in cases {
            assert_eq!(map.is_as_in_table(Scope::GLOBAL, key), same, "{key}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_and_leaves_the_rest() {
        let cases = [
            (change(Scope::GLOBAL, "generat", &["f6"]), "the nearest is `generate`"),
            (change(Scope::SHOTS, "shots-taks", &["f6"]), "the nearest is `shots-task`"),
            (change(Scope::GLOBAL, "newline", &["f6"]), "belongs under [document]"),
            (change(Scope::GLOBAL, "help", &["strg-h"]), "\"strg-h\" is not the name of a key"),
            (change(Scope::GLOBAL, "help", &[]), "at least one key"),
            (change(Scope::GLOBAL, "help", &["f5"]), "F5 is bound to generate"),
            (change(Scope::DOCUMENT, "left", &["h"]), "h could not be typed any more"),
        ];
        for (bad, why) in cases {
            let (map, refused) = rebound(&[bad.clone(), change(Scope::GLOBAL, "redraw", &["alt-l"])]);
            assert_eq!(refused.len(), 1, "{bad:?}: {refused:?}");
            assert!(refused[0].at == 0 && refused[0].why.contains(why), "{bad:?}: {refused:?}");
            assert_eq!(runs(&map, "f1", Scope::GLOBAL), Some("help"), "{bad:?}");
            assert_eq!(runs(&map, "alt-l", Scope::GLOBAL), Some("redraw"), "{bad:?}");
            assert_eq!(runs(&map, "ctrl-l", Scope::GLOBAL), None, "{bad:?}");
        }
    }

    #[test]
    fn of_two_changes_that_clash_the_one_further_down_goes_and_so_does_what_leant_on_it() {
        // `help` cannot have F5 as long as `generate` has it: and `generate` keeps it, because F2 is taken.
        let (map, refused) = rebound(&[
            change(Scope::GLOBAL, "models", &["f2", "alt-2"]),
            change(Scope::GLOBAL, "generate", &["f2"]),
            change(Scope::GLOBAL, "help", &["f5"]),
            change(Scope::GLOBAL, "help", &["alt-5"]),
        ]);
        assert_eq!(refused.iter().map(|refused| refused.at).collect::<Vec<_>>(), [1, 2, 3], "{refused:?}");
        assert_eq!(runs(&map, "f5", Scope::GLOBAL), Some("generate"));
        assert_eq!(runs(&map, "alt-2", Scope::GLOBAL), Some("models"));
        assert_eq!(map.hint(id::HELP), "F1");
    }

    #[test]
    fn slashes_name_commands_where_there_are_no_keys() {
        let mut map = KeyMap::new(COMMANDS).unwrap();
        map.name_by_slashes();
        assert_eq!((map.hint(id::GENERATE), map.hint(CommandId("nothing"))), ("/generate".to_owned(), String::new()));
    }
}
