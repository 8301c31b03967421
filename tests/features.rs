//! docs/features.md names tests that exist and keys that are bound.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use kshot::app::command::COMMANDS;

fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// The cells of the rows: feature, key, test.
fn rows() -> Vec<[String; 3]> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/features.md")).unwrap();
    let cells = |line: &str| -> Option<[String; 3]> {
        let cells: Vec<String> = line.strip_prefix('|')?.split('|').map(|cell| cell.trim().to_owned()).collect();
        <[String; 3]>::try_from(cells.get(..3)?.to_vec()).ok().filter(|cells| cells[2].contains('`'))
    };
    page.lines().filter_map(cells).collect()
}

#[test]
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    sources(&root.join("src"), &mut text);
    sources(&root.join("tests"), &mut text);
    let rows = rows();
    assert!(rows.len() > 50, "{} rows were read", rows.len());
    for [feature, _, tests] in rows {
        // Names of tests have an underscore; what has none is a file of tests or a module.
        for name in tests.split(['`', ',', ' ', ':']).filter(|name| name.contains('_')) {
            let start = match name.strip_suffix('*') {
                Some(start) => format!("fn {start}"),
                None => format!("fn {name}("),
            };
            let module = root.join(format!("src/ui/widget/{name}.rs")).exists();
            assert!(module || text.contains(&start), "{feature}: there is no test {name}");
        }
    }
}

#[test]
fn every_key_that_is_named_is_bound() {
    let bound: HashSet<&str> = COMMANDS.iter().flat_map(|command| command.keys).copied().collect();
    let mut seen = 0;
    for [feature, keys, _] in rows() {
        for word in keys.split_whitespace() {
            let key = word.to_lowercase().replacen('+', "-", 1);
            let trimmed = key.trim_end_matches([',', ';', ':']);
            let function = trimmed.strip_prefix('f').is_some_and(|n| n.parse::<u8>().is_ok());
            if function || ["ctrl-", "alt-", "shift-"].iter().any(|held| key.starts_with(held)) {
                seen += 1;
                assert!(bound.contains(key.as_str()) || bound.contains(trimmed), "{feature}: {word} is not bound");
            }
        }
    }
    assert!(seen > 40, "{seen} keys were read");
}
