//! The moments in docs/moments, each run on the built-in model: the screen it ends on says what the list promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

use std::path::PathBuf;
use std::process::Command;

/// A moment and what its last screen shows, as text without the gaps between the words.
const MOMENTS: [(&str, &[&str]); 10] = [
    ("01-predict-then-look", &["Tokens that hold \"girl\"", "rank "]),
    ("02-tokens-are-not-words", &["Token 19 of 27", "strawberry"]),
    ("03-trailing-space", &["ends in a space"]),
    ("04-temperature-live", &["1.60", "entropy"]),
    ("05-the-cut", &["0.50", "cut"]),
    ("06-you-are-the-sampler", &["your 5 picks"]),
    ("07-same-seed-same-text", &["seed 7", "max tokens (64) reached"]),
    ("08-greedy", &["The text under the model", "100.0%"]),
    ("09-zero-one-few", &["3 of 10", "its P"]),
    ("12-spot-the-machine", &["-10", "-1000", "parliament"]),
];

#[test]
fn every_moment_shows_what_it_promises() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/moments");
    let scripts = std::fs::read_dir(&folder).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        (path.extension().is_some_and(|it| it == "keys"))
            .then(|| path.file_stem().unwrap().to_str().unwrap().to_owned())
    });
    let mut scripts: Vec<String> = scripts.collect();
    scripts.sort();
    assert_eq!(scripts, MOMENTS.map(|(name, _)| name), "every script is in the table, and the other way round");
    let home = tempfile::tempdir().unwrap();
    for (name, promised) in MOMENTS {
        let keys = std::fs::read_to_string(folder.join(format!("{name}.keys"))).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_kshot"))
            .args(["screenshot", "-s", "7", "--size", "120x36", "--keys", &keys])
            .env_clear()
            .env("HOME", home.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let text = text_of(&String::from_utf8(output.stdout).unwrap());
        for wanted in promised {
            let bare: String = wanted.split_whitespace().collect();
            assert!(text.contains(&bare), "{name}: {wanted} is not in {text}");
        }
    }
}

/// The words of a picture without white space, entities resolved as far as they are used here.
fn text_of(svg: &str) -> String {
    let mut text = String::new();
    for part in svg.split('<') {
        if let Some((tag, words)) = part.split_once('>')
            && (tag.starts_with("text") || tag.starts_with("tspan"))
        {
            text.push_str(words);
        }
    }
    text.replace("&quot;", "\"").replace("&gt;", ">").replace("&lt;", "<").split_whitespace().collect()
}
