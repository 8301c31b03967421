//! What a small GPT learns from: endless, seeded documents, and items to measure what it learned.
//!
//! A model learns tasks from its context because its training text is full of runs of one task. So most documents here
//! are such runs ([`documents`]); labels, keys and part of the words are fresh in each, so that what can be learned is to
//! copy and to follow a rule. A share of the strings, words, sentences and forms never occurs in them and serves the
//! measurements ([`SUITES`]). The word lists are files in `assets/corpus`.

mod consistency;
mod formats;
mod reserved;
mod rng;
mod runs;
mod sentences;
mod stories;
mod suites;
mod talk;
mod tasks;
mod words;

pub use consistency::{Consistency, consistency};
pub use reserved::without_strings;
pub use rng::Rng;
pub use suites::{Group, Item, SUITES, Shape, Suite, suite};

use rand08::SeedableRng as _;

/// The kinds of documents: how many in a hundred, and who writes them.
const KINDS: &[(usize, fn(&mut Rng) -> String)] = &[
    (66, runs::document),
    (14, stories::document),
    (3, talk::facts),
    (3, talk::small_talk),
    (4, talk::review),
    (10, talk::copying),
];

/// Endless training documents; the same seed gives the same stream.
pub fn documents(seed: u64) -> Documents {
    Documents { rng: Rng::seed_from_u64(seed) }
}

/// Endless training documents; see [`documents`].
#[derive(Debug, Clone)]
pub struct Documents {
    rng: Rng,
}

impl Iterator for Documents {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let (_, write) = rng::weighted(&mut self.rng, KINDS, |(weight, _)| *weight);
        Some(write(&mut self.rng))
    }
}

/// Endless stories, as in [`documents`].
pub fn stories(seed: u64) -> impl Iterator<Item = String> {
    let mut rng = Rng::seed_from_u64(seed);
    std::iter::repeat_with(move || stories::document(&mut rng))
}

#[cfg(test)]
mod tests;
