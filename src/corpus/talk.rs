//! What is neither a run nor a story: small talk in turns, facts, and reviews that praise or complain throughout.

use std::sync::LazyLock;

use super::rng::{Rng, between, percent, pick, shuffle};
use super::stories::{Cast, Section, sections};
use super::tasks::phrase;
use super::words::{Fact, WORDS};

/// The turns.
pub(super) const TURNS: &str = include_str!("../../assets/corpus/talk.txt");

static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(|| sections(TURNS));

/// Two people who say hello, ask each other some things and say bye.
pub(super) fn small_talk(rng: &mut Rng) -> String {
    let cast = Cast::draw(rng);
    let (a, b) = match percent(rng, 60) {
        true => ("A", "B"),
        false => (cast.hero.name, cast.friend.name),
    };
    let mut lines = Vec::new();
    for (name, count) in [("hello", 1), ("middle", between(rng, 2, 5)), ("bye", 1)] {
        let Some(section) = SECTIONS.iter().find(|section| section.name == name) else { continue };
        let mut of = section.lines.clone();
        shuffle(rng, &mut of);
        lines.extend(of.into_iter().take(count));
    }
    let mut text = String::new();
    for line in lines {
        let (asks, answers) = line.split_once(" | ").unwrap_or((line, ""));
        for (who, says) in [(a, asks), (b, answers)] {
            let ways: Vec<&str> = says.split(" / ").collect();
            let way = *pick(rng, &ways);
            text.push_str(&format!("{who}: {}\n", cast.fill(way)));
        }
    }
    text
}

/// Facts as sentences, with or without their questions.
pub(super) fn facts(rng: &mut Rng) -> String {
    let mut facts: Vec<Fact> = WORDS.facts.clone();
    shuffle(rng, &mut facts);
    let count = between(rng, 3, 12);
    let asked = percent(rng, 40);
    let between_lines = if percent(rng, 50) { " " } else { "\n" };
    let mut text = String::new();
    for fact in facts.iter().take(count) {
        if asked {
            text.push_str(fact.question);
            text.push(' ');
        }
        text.push_str(fact.statement);
        text.push_str(between_lines);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A few sentences of one opinion, with or without the verdict.
pub(super) fn review(rng: &mut Rng) -> String {
    let labelled = percent(rng, 50);
    let count = between(rng, 1, 4);
    let mut text = String::new();
    for _ in 0..count {
        let positive = percent(rng, 50);
        if labelled {
            text.push_str("Review: ");
        }
        let opinions = between(rng, 1, 3);
        for _ in 0..opinions {
            let said = phrase(rng, positive);
            text.extend(said.chars().take(1).flat_map(char::to_uppercase));
            text.extend(said.chars().skip(1));
            text.push_str(". ");
        }
        let ends: &[&str] = match positive {
            true => &[
                "I loved it.",
                "I was very happy.",
                "I want to see it again.",
                "It was the best of all.",
                "I liked it.",
            ],
            false => &[
                "I did not like it.",
                "I was not happy.",
                "I do not want to see it again.",
                "It was the worst of all.",
                "I was sad.",
            ],
        };
        let end = *pick(rng, ends);
        text.push_str(end);
        text.push('\n');
        if labelled {
            text.push_str(&format!("Sentiment: {}\n", if positive { "positive" } else { "negative" }));
        }
    }
    text
}

/// A sequence of items and the same again.
pub(super) fn copying(rng: &mut Rng) -> String {
    let words = percent(rng, 40);
    let numbers = !words && percent(rng, 20);
    let count = between(rng, 3, if words { 40 } else { 14 });
    let items: Vec<String> = (0..count)
        .map(|_| match (words, numbers) {
            (true, _) => pick(rng, &WORDS.nouns).english.to_owned(),
            (_, true) => between(rng, 0, 99).to_string(),
            _ => super::reserved::fresh(rng, super::reserved::Side::Training),
        })
        .collect();
    let line = items.join(*pick(rng, &[" ", ", ", "\n"]));
    let again = *pick(rng, &["\n", "\nAgain: ", "\n\n"]);
    format!("{line}{again}{line}\n")
}
