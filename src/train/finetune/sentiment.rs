//! The recipe of `assets/finetune/sentiment-train.tsv`, and what is promised of both files of the task.
//!
//! 200 items a label: a frame, a thing, and a word of praise or complaint (in one frame in six two of them), drawn with a
//! fixed seed; no item twice. The words are about half of those in `assets/corpus/sentiment.tsv`, so the pre-training text
//! has all of them and also the other half, which the hand-written test set uses: what carries over from one half to the
//! other is what the model learned before. `KSHOT_BLESS=1 cargo test the_bundled_training_set` writes the file again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use super::{Baseline, Bundled, Example};
use crate::train::Noise;

const POSITIVE: &[&str] = &[
    "good",
    "great",
    "nice",
    "lovely",
    "wonderful",
    "beautiful",
    "amazing",
    "excellent",
    "fresh",
    "funny",
    "warm",
    "happy",
    "clever",
    "tasty",
    "sweet",
];
const NEGATIVE: &[&str] = &[
    "bad", "awful", "terrible", "boring", "ugly", "poor", "sad", "dirty", "weak", "sour", "rude", "tired", "broken",
    "silly",
];
const THINGS: &[&str] = &[
    "film", "song", "book", "soup", "cake", "day", "game", "story", "room", "shop", "city", "tea", "house", "garden",
    "school", "bread", "car", "boat", "friend", "teacher", "picture", "train", "evening", "walk",
];
const FRAMES: &[&str] = &[
    "The {t} was {w}.",
    "This {t} is {w}.",
    "What {aw} {t}!",
    "It was {aw} {t}.",
    "A very {w} {t}.",
    "I think the {t} was {w}.",
    "We had {aw} {t} today.",
    "My friend said the {t} is {w}.",
    "She saw {aw} {t} near the lake.",
    "That is {aw} {t}, I told him.",
    "The {t} was {w} and the {u} was {v}.",
    "It is {aw} {t} with {av} {u}.",
];

fn generate() -> String {
    let mut noise = Noise::of(1, "sentiment-train.tsv", 0);
    let mut items: BTreeSet<String> = BTreeSet::new();
    let mut lines = Vec::new();
    while lines.len() < 400 {
        let (label, words) = if lines.len() % 2 == 0 { ("positive", POSITIVE) } else { ("negative", NEGATIVE) };
        let mut pick = |of: &[&'static str]| of[noise.below(of.len())];
        let (frame, t, u, w, v) = (pick(FRAMES), pick(THINGS), pick(THINGS), pick(words), pick(words));
        let article = |word: &str| if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let text = frame
            .replace("{aw}", &format!("{} {w}", article(w)))
            .replace("{av}", &format!("{} {v}", article(v)))
            .replace("{w}", w)
            .replace("{v}", v)
            .replace("{t}", t)
            .replace("{u}", u);
        if t != u && w != v && items.insert(text.clone()) {
            lines.push(format!("{label}\t{text}\n"));
        }
    }
    format!("# label, text: made by src/train/finetune/sentiment.rs, which says how\n{}", lines.concat())
}

#[test]
fn the_bundled_training_set_is_what_its_recipe_makes() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/finetune/sentiment-train.tsv");
    if std::env::var_os("KSHOT_BLESS").is_some() {
        std::fs::write(&path, generate()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), generate());
}

fn words(examples: &[Example]) -> BTreeSet<String> {
    let split = |text: &str| text.split(|c: char| !c.is_alphabetic()).map(str::to_lowercase).collect::<Vec<_>>();
    examples.iter().flat_map(|example| split(&example.text)).collect()
}

#[test]
fn no_word_of_praise_or_complaint_is_in_both_sets() {
    let (train, test) = Bundled::find("sentiment").unwrap().examples().unwrap();
    assert_eq!((train.items.len(), test.items.len()), (400, 100));
    assert_eq!(test.items.iter().filter(|item| item.label == 0).count(), 50);
    let corpus = include_str!("../../../assets/corpus/sentiment.tsv");
    let judging = corpus.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned);
    let judging: BTreeSet<String> = judging.chain(POSITIVE.iter().chain(NEGATIVE).map(|w| (*w).to_owned())).collect();
    let (seen, tested) = (words(&train.items), words(&test.items));
    let both: Vec<_> = seen.intersection(&tested).filter(|word| judging.contains(*word)).collect();
    assert!(both.is_empty(), "{both:?}");
    // Nearly every test item has a word that the pre-training text knows as praise or complaint.
    let known =
        test.items.iter().filter(|item| words(std::slice::from_ref(item)).iter().any(|word| judging.contains(word)));
    assert!(known.count() >= 90);
    let distinct: BTreeSet<&str> = test.items.iter().map(|item| item.text.as_str()).collect();
    assert_eq!(distinct.len(), 100);
}

#[test]
fn a_bag_of_words_learns_the_training_set_and_cannot_do_the_test_set() {
    let (train, test) = Bundled::find("sentiment").unwrap().examples().unwrap();
    let baseline = Baseline::learn(&train).unwrap();
    assert!(baseline.evaluate(&train).accuracy > 0.98);
    let outcome = baseline.evaluate(&test);
    assert!(outcome.accuracy < 0.7, "{outcome:?}");
}
