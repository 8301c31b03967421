//! Same seed, same settings, same logits: same ids, on every platform and in every release.
//!
//! `tests/sampling/golden.jsonl` is written anew by `KSHOT_WRITE_GOLDEN=1 cargo test --release --test sampling golden`. A change
//! of it is a change of what users get for their seeds and belongs in the change log.

use std::fmt::Write as _;
use std::path::Path;

use kshot::sampling::{Chain, Rng, Settings, presets};
use serde::{Deserialize, Serialize};

use super::rows;

const CASES: u64 = 1200;
const TOKENS: usize = 8;

/// One line of the file.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Golden {
    seed: u64,
    settings: Settings,
    ids: Vec<u32>,
}

/// Draws a few tokens, each from a row of its own; what was drawn is the text that penalties see.
fn generate(seed: u64, settings: &Settings) -> Vec<u32> {
    let mut chain = Chain::new(settings);
    let mut rng = Rng::new(seed);
    let mut world = Rng::new(seed ^ 0x5eed);
    let shape = rows::SHAPES[seed as usize % rows::SHAPES.len()];
    let len = if seed.is_multiple_of(100) { 50_257 } else { 1 + rows::below(&mut world, 1500) };
    let mut text = rows::history(len, 30, &mut world);
    for _ in 0..TOKENS {
        let row = rows::row(shape, len, &mut world);
        text.push(chain.sample(&row, &text, &mut rng).unwrap().id);
    }
    text.split_off(30)
}

/// Every preset in turn, and any settings between them.
fn settings_of(seed: u64) -> Settings {
    let presets = presets();
    match presets.get(seed as usize % (2 * presets.len())) {
        Some(preset) => preset.settings(),
        None => rows::settings(&mut Rng::new(seed.wrapping_mul(77))),
    }
}

#[test]
fn golden_ids_are_drawn_again() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sampling/golden.jsonl");
    if std::env::var_os("KSHOT_WRITE_GOLDEN").is_some() {
        let mut lines = String::new();
        for seed in 0..CASES {
            let settings = settings_of(seed);
            let ids = generate(seed, &settings);
            writeln!(lines, "{}", serde_json::to_string(&Golden { seed, settings, ids }).unwrap()).unwrap();
        }
        std::fs::write(&path, lines).unwrap();
    }
    let text = std::fs::read_to_string(&path).expect("tests/sampling/golden.jsonl");
    let goldens: Vec<Golden> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(goldens.len() >= 1000, "{} cases", goldens.len());
    let differs = |golden: &&Golden| generate(golden.seed, &golden.settings) != golden.ids;
    let failures: Vec<&Golden> = goldens.iter().filter(differs).collect();
    assert!(failures.is_empty(), "{} cases differ, the first: {:?}", failures.len(), failures[0]);
}
