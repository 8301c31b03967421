//! `keymap.toml`: other keys for commands, one table for each scope.
//!
//! ```toml
//! [global]
//! generate = ["ctrl-j", "f5"]
//! help = "f1"
//! ```

use std::path::Path;

use toml::de::DeValue;

use super::problem::{Problem, Report};
use super::toml_file::{entries, parse};
use crate::app::{KeyMap, Rebinding};
use crate::text::nearest;

/// Rows that are read; the program has fewer than 200 commands.
const MOST_ROWS: usize = 1000;

/// Reads the file; gives the changes that count.
pub fn read_keys(file: &Path, text: &str, problems: &mut Vec<Problem>) -> Vec<Rebinding> {
    let mut report = Report::of(file, text, problems);
    let table = parse(text, &mut report);
    let mut map = match crate::ui::keymap() {
        Ok(map) => map,
        Err(error) => {
            report.add(0, || error.to_string());
            return Vec::new();
        }
    };
    let mut changes = Vec::new();
    for scope_entry in entries(table.get_ref()) {
        let scope = map.scopes().into_iter().find(|scope| scope.name == scope_entry.key);
        let (Some(scope), DeValue::Table(rows)) = (scope, scope_entry.value) else {
            report.add(scope_entry.at.start, || not_a_scope(&map, scope_entry.key, scope.is_some()));
            continue;
        };
        for row in entries(rows) {
            match keys(row.value) {
                Ok(keys) => changes.push((row.at.start, Rebinding { scope, command: row.key.to_owned(), keys })),
                Err(why) => report.add(row.at.start, || why),
            }
        }
    }
    if let Some((at, _)) = changes.get(MOST_ROWS) {
        report.add(*at, || format!("more than {MOST_ROWS} rows; those from here on do not count"));
        changes.truncate(MOST_ROWS);
    }
    let all: Vec<Rebinding> = changes.iter().map(|(_, change)| change.clone()).collect();
    let refused = map.rebind(&all);
    for bad in &refused {
        let at = changes.get(bad.at).map_or(0, |(at, _)| *at);
        report.add(at, || format!("{}; the keys of the table stay", bad.why));
    }
    let is_refused = |at: &usize| refused.iter().any(|bad| bad.at == *at);
    all.into_iter().enumerate().filter(|(at, _)| !is_refused(at)).map(|(_, change)| change).collect()
}

fn keys(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let one = |value: &DeValue<'_>| value.as_str().map(str::to_owned);
    let keys = match value {
        DeValue::String(key) => Some(vec![key.to_string()]),
        DeValue::Array(keys) => keys.iter().map(|key| one(key.get_ref())).collect(),
        _ => None,
    };
    keys.ok_or_else(|| "a command has the name of a key or a list of names: [\"ctrl-g\", \"f5\"]".to_owned())
}

fn not_a_scope(map: &KeyMap, key: &str, known: bool) -> String {
    if known {
        return format!("[{key}] holds commands: write [{key}] and below it command = \"key\"");
    }
    if let Some(command) = map.named(key) {
        return format!("`{key}` belongs under [{}]", command.scope.name);
    }
    let names: Vec<&str> = map.scopes().iter().map(|scope| scope.name).collect();
    let near = nearest(key, names.iter().copied()).unwrap_or_default();
    let all = names.join(", ");
    format!("there is no scope [{key}]; the nearest is [{near}] (all: {all})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Rebinding>, Vec<String>) {
        let mut problems = Vec::new();
        let changes = read_keys(Path::new("keymap.toml"), text, &mut problems);
        (changes, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn each_bad_row_is_told_with_its_line_and_the_others_count() {
        let (changes, problems) = read(
            "[global]\ngenerate = [\"ctrl-j\", \"f5\"]\nhelp = \"nokey\"\nundo = 7\n[globl]\nquit = \"f10\"\n\
             [document]\ngenerate = \"f6\"\nleft = [\"alt-h\"]\n[picker]\nclear = \"f6\"\n",
        );
        let names: Vec<&str> = changes.iter().map(|change| change.command.as_str()).collect();
        assert_eq!(names, ["generate", "left"]);
        for (line, part) in [
            (3, "\"nokey\" is not the name of a key"),
            (4, "a list of names"),
            (5, "there is no scope [globl]; the nearest is [global]"),
            (8, "`generate` belongs under [global]"),
            (11, "`clear` belongs under [document]"),
        ] {
            let start = format!("keymap.toml:{line}: ");
            let found = problems.iter().find(|problem| problem.starts_with(&start));
            assert!(found.is_some_and(|problem| problem.contains(part)), "{line} {part}: {problems:?}");
        }
        assert_eq!(problems.len(), 5, "{problems:?}");
    }

    #[test]
    fn a_text_that_is_no_toml_loses_only_what_cannot_be_read() {
        let (changes, problems) = read("[global]\nhelp = \n[document]\nleft = \"alt-h\"\n");
        assert_eq!(changes.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("keymap.toml:2: this is not TOML"), "{problems:?}");
    }
}
