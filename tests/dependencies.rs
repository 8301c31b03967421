//! What the program is built from: every crate from the registry, under a licence that the binary may be given away with,
//! and none that nobody looks after, but for those that stand here with the reason. Needs no network.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Licences that ask for no more than their text beside the binary. The last two: webpki-roots is a table of data, and
/// MPL-2.0 (nucleo-matcher, option-ext) asks for changes of the crate's own files.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "0BSD",
    "CDLA-Permissive-2.0",
    "MPL-2.0",
];

/// Crates that must not come in: C libraries that a user would need, and parsers that nobody looks after.
const BANNED: &[&str] = &[
    "openssl-sys",
    "native-tls",
    "onig_sys",
    "serde_yaml",
    "yaml-rust",
    "atty",
    "ansi_term",
    "term",
    "proc-macro-error",
    "instant",
    "number_prefix",
    "bincode",
    "fxhash",
    "rustls-pemfile",
];

/// Crates without a maintainer that are in all the same, with the reason.
const UNMAINTAINED: &[(&str, &str)] =
    &[("paste", "by way of gemm and candle-core; a macro that runs while compiling and is in no binary")];

/// Name and source of every crate in Cargo.lock; a crate of this repository has no source.
fn locked() -> Vec<(String, Option<String>)> {
    let lock = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let lock: toml::Table = toml::from_str(&lock).unwrap();
    let text = |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let packages = lock["package"].as_array().unwrap();
    packages.iter().map(|package| (text(package, "name").unwrap(), text(package, "source"))).collect()
}

/// Whether an SPDX expression (`/` is how OR was written once) leaves a choice that is allowed.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
    // No expression here has an OR around an AND, so AND binds last.
    expression.split(" AND ").all(|part| part.split(" OR ").any(|one| LICENCES.contains(&one.trim())))
}

#[test]
fn every_crate_comes_from_the_registry_and_none_is_banned() {
    let locked = locked();
    for (name, source) in &locked {
        let from_registry = source.as_ref().is_some_and(|source| source.starts_with("registry+"));
        assert!(from_registry || name == "kshot", "{name} comes from {source:?}");
        assert!(!BANNED.contains(&name.as_str()), "{name} must not come in");
    }
    for (name, reason) in UNMAINTAINED {
        assert!(locked.iter().any(|(locked, _)| locked == name), "{name} ({reason}) is gone: take its row out");
    }
}

#[test]
fn every_licence_lets_the_binary_be_given_away() {
    for (expression, allowed) in [
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0", false),
        ("(Apache-2.0 OR MIT) AND BSD-3-Clause", true),
        ("MIT AND LGPL-3.0", false),
        ("Unlicense/MIT", true),
    ] {
        assert_eq!(is_allowed(expression), allowed, "{expression}");
    }
    let output = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let version = output(Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("-vV"));
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    // Crates of other systems need not be on this machine.
    let args = ["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", host];
    let metadata = output(Command::new(env!("CARGO")).args(args).current_dir(env!("CARGO_MANIFEST_DIR")));
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let refused = packages.iter().filter(|package| !package["license"].as_str().is_some_and(is_allowed));
    let refused: BTreeSet<String> =
        refused.map(|package| format!("{}: {}", package["name"], package["license"])).collect();
    assert!(packages.len() > 100 && refused.is_empty(), "{} crates, refused: {refused:#?}", packages.len());
}
