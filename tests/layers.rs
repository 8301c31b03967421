//! Folders are layers and imports point down (ARCHITECTURE.md): reads every `crate::` path in src and says what leaks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What every layer may import beside itself.
const ALL_MAY_IMPORT: &[&str] = &["disk"];
/// What else each layer may import; what stands in no row may import everything.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("disk", &[]),
    ("files", &[]),
    ("kernels", &[]),
    ("text", &["files"]),
    ("prompt", &[]),
    ("corpus", &[]),
    ("session", &["engine", "sampling"]),
    ("hub", &["files", "text"]),
    ("sampling", &["kernels"]),
    ("model", &["files", "kernels"]),
    ("engine", &["files", "kernels", "model", "sampling", "text"]),
    ("eval", &["corpus", "engine", "files", "model", "prompt", "sampling", "text"]),
    ("train", &["corpus", "engine", "eval", "files", "model", "sampling", "session", "text"]),
    ("export", &["engine", "files", "kernels", "model", "sampling", "session", "text"]),
    ("app", &["engine", "eval", "export", "files", "hub", "prompt", "sampling", "session", "text", "train"]),
    ("jobs", &["app", "engine", "export", "files", "hub", "prompt", "session"]),
    ("ui", &["app", "engine", "export", "files", "hub", "jobs", "prompt", "sampling", "session", "text", "train"]),
    ("config", &["app", "files", "sampling", "text", "ui"]),
];

/// Crates that only some layers may name, so that a view never draws from the network and state never from a terminal.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("ureq", &["hub"]),
    ("hf_hub", &["hub"]),
    ("candle_core", &["model", "engine", "eval", "kernels", "train", "commands"]),
    ("candle_nn", &["model", "engine", "kernels"]),
    ("llm_samplers", &["sampling"]),
    ("tokenizers", &["text"]),
    ("ratatui", &["ui", "commands"]),
    ("crossterm", &["ui", "app", "commands"]),
    ("clap", &["cli", "commands", "main"]),
];

#[test]
fn imports_point_down() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut leaks = Vec::new();
    for file in rust_files(&source) {
        let relative = file.strip_prefix(&source).unwrap();
        let layer = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let allowed = MAY_IMPORT.iter().find(|(name, _)| *name == layer).map(|(_, allowed)| *allowed);
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let code = line.trim_start();
            if code.starts_with("//") {
                continue;
            }
            let at = || format!("{}:{}: {code}", relative.display(), number + 1);
            if let Some(allowed) = allowed {
                let foreign = paths_after(code, "crate::")
                    .into_iter()
                    .filter(|name| *name != layer && *name != "crate" && !ALL_MAY_IMPORT.contains(&name.as_str()));
                leaks.extend(
                    foreign
                        .filter(|name| !allowed.contains(&name.as_str()))
                        .map(|name| format!("{} imports {name}", at())),
                );
            }
            for (krate, layers) in ONLY_IN {
                if paths_after(code, &format!("{krate}::")).len() + usize::from(code == format!("use {krate};")) > 0
                    && !layers.contains(&layer.as_str())
                {
                    leaks.push(format!("{} names {krate}, which only {layers:?} may", at()));
                }
            }
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

/// A file that a reader cannot take in at once is two files.
#[test]
fn files_stay_short() {
    const LINES: usize = 600;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let long: Vec<String> = rust_files(&source)
        .into_iter()
        .map(|file| (fs::read_to_string(&file).unwrap().lines().count(), file))
        .filter(|(lines, _)| *lines > LINES)
        .map(|(lines, file)| format!("{}: {lines} lines", file.display()))
        .collect();
    assert!(long.is_empty(), "more than {LINES} lines:\n{}", long.join("\n"));
}

/// Imports that close a circle between files of a folder, each with the reason why it stays (`*`: whatever it imports).
const CLOSES_A_CIRCLE: &[(&str, &str, &str, &str)] = &[
    (
        "app",
        "command",
        "*",
        "a row of the command table names the function that it runs; messages name its key by its id",
    ),
    ("app", "screen", "shots", "a row of the table of panes names the overlay that shows it on a small screen"),
    ("app", "screen", "train", "the table of views names a view"),
    ("app", "sampler", "presets", "the form holds the file of the presets that are made of it"),
    ("app", "train", "tune", "the kinds of work of a run are a table, and fine-tuning is a row of it"),
    ("app", "versions", "tree", "the versions hold what their view has selected"),
    (
        "corpus",
        "words",
        "*",
        "the list of known words holds those of every instruction; tasks draw from the same lists",
    ),
    ("model", "family", "gpt2", "a table and its row"),
    ("sampling", "params", "table", "a table and the type of its rows"),
    ("sampling", "settings", "presets", "settings begin as a preset, and a preset is settings"),
    ("sampling", "stage", "*", "a stage is made from the settings; parameters, errors and settings name stages"),
    ("text", "files", "*", "one type, the parts of a tokenizer, read from two formats and closed by its end tokens"),
    (
        "ui/terminal",
        "tty",
        "signals",
        "a wait for the terminal is ended by a signal, and the thread of signals restores it",
    ),
];

/// Files of one folder import each other in one direction, so that each can be read after those that it builds on.
#[test]
fn files_of_a_folder_form_no_circles() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut stale: BTreeSet<usize> = (0..CLOSES_A_CIRCLE.len()).collect();
    let mut circles = Vec::new();
    for folder in folders(&source) {
        let name = folder.strip_prefix(&source).unwrap().to_str().unwrap().replace('\\', "/");
        let mut imports = imports_of(&folder, &name);
        for (row, (at, from, to, _)) in CLOSES_A_CIRCLE.iter().enumerate().filter(|(_, row)| row.0 == name) {
            let all = imports.clone();
            let closes = |to: &String| reaches(&all, to, from);
            let known = imports.get_mut(*from).unwrap_or_else(|| panic!("{at}/{from} is not there"));
            let before = known.len();
            known.retain(|name| (*to != "*" && name != to) || !closes(name));
            if known.len() < before {
                stale.remove(&row);
            }
        }
        let closed = |from: &&String| imports[*from].iter().any(|to| reaches(&imports, to, from));
        circles.extend(imports.keys().filter(closed).map(|from| format!("{name}/{from}: {:?}", imports[from])));
    }
    assert!(circles.is_empty(), "these import each other in a circle:\n{}", circles.join("\n"));
    let stale: Vec<_> = stale.into_iter().map(|row| CLOSES_A_CIRCLE[row]).collect();
    assert!(stale.is_empty(), "no longer closes a circle: {stale:?}");
}

type Imports = BTreeMap<String, BTreeSet<String>>;

/// Whether one module imports another, itself or through others.
fn reaches(imports: &Imports, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(name) = open.pop() {
        if name == to {
            return true;
        }
        if seen.insert(name) {
            open.extend(imports.get(name).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

/// What each module of a folder imports of the modules beside it. A file and the folder of its name are one module; what
/// `mod.rs` hands on and what tests import does not count.
fn imports_of(folder: &Path, name: &str) -> Imports {
    let module = |file: &Path| {
        let first = file.strip_prefix(folder).unwrap().iter().next().unwrap().to_str().unwrap();
        first.trim_end_matches(".rs").to_owned()
    };
    let files: Vec<PathBuf> = rust_files(folder).into_iter().filter(|file| module(file) != "mod").collect();
    let mut imports: Imports = files.iter().map(|file| (module(file), BTreeSet::new())).collect();
    let names: BTreeSet<String> = imports.keys().cloned().collect();
    for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
        let text = fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().lines();
        let code = code.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join(" ");
        let depth = file.strip_prefix(folder).unwrap().iter().count() - usize::from(file.ends_with("mod.rs"));
        let own = module(file);
        let prefixes = ["super::".repeat(depth), format!("crate::{}::", name.replace('/', "::"))];
        let found = prefixes.iter().flat_map(|prefix| paths_after(&code, prefix));
        let found: BTreeSet<String> = found.filter(|name| names.contains(name) && *name != own).collect();
        imports.get_mut(&own).unwrap().extend(found);
    }
    imports
}

/// All folders below one.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    entries.flat_map(|path| [vec![path.clone()], folders(&path)].concat()).collect()
}

/// The first names of the paths that follow `prefix` in a line, groups in braces included.
fn paths_after(code: &str, prefix: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let starts = code.match_indices(prefix).filter(|(at, _)| !code[..*at].ends_with(|c| is_name(c) || c == ':'));
    starts
        .flat_map(|(at, _)| {
            let rest = &code[at + prefix.len()..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(group) => group.split('}').next().unwrap().split(',').collect(),
                None => vec![rest],
            };
            names
                .into_iter()
                .map(|name| name.trim().chars().take_while(|c| is_name(*c)).collect::<String>())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => rust_files(&path),
            false if path.extension().is_some_and(|extension| extension == "rs") => vec![path],
            false => Vec::new(),
        })
        .collect()
}
