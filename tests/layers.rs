//! Folders are layers and imports point down (ARCHITECTURE.md): reads every `crate::` path in src and says what leaks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

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
    ("app", &["engine", "export", "files", "hub", "prompt", "sampling", "session", "text", "train"]),
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

/// The first names of the paths that follow `prefix` in a line, groups in braces included.
fn paths_after(code: &str, prefix: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let starts = code.match_indices(prefix).filter(|(at, _)| !code[..*at].ends_with(|c| is_name(c) || c == ':'));
    starts
        .flat_map(|(at, _)| {
            let rest = &code[at + prefix.len()..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(group) => group.split(',').collect(),
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
