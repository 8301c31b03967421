//! The measurements: items of a task at any number of examples, with what training never shows where that can be.

use std::collections::HashSet;

use super::formats::{FORMATS, Format, MEASURED, RESERVED};
use super::reserved::Side;
use super::rng::{Rng, pick, shuffle};
use super::runs::{POST_CHINESE, POST_FRENCH};
use super::sentences;
use super::tasks::{Inputs, Pair, Plan, Task, fresh_pairs, task};

/// One measurement item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What the model reads; ends right before the answer.
    pub prompt: String,
    /// The right answer, with the space before it if the form has one.
    pub target: String,
    /// The answers to choose from, written like the target; empty where they are not few.
    pub choices: Vec<String>,
    /// What follows the answer in the text.
    pub terminator: &'static str,
}

/// How an item is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Examples before the question.
    pub shots: usize,
    /// Whether a line before them says what the task is.
    pub instruction: bool,
}

/// What a suite tells of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Its inputs are valid under at least four tasks, so only instruction or examples can tell which is meant.
    Ambiguous,
    /// Its inputs tell the task.
    Unambiguous,
    /// A rule, on strings never seen in training.
    Rule,
    /// Labels that mean something in this item only.
    Mapping,
    /// Values that stand in this item only.
    Recall,
    /// The form of the post: `Translate it, I love computer, `.
    Post,
}

/// A measurement.
pub struct Suite {
    /// Its name.
    pub name: &'static str,
    /// What it asks, in a line.
    pub doc: &'static str,
    /// What it tells.
    pub group: Group,
    /// The best accuracy that can be had with so many examples.
    pub ceiling: fn(usize) -> f64,
    item: fn(&mut Rng, Shape) -> Item,
}

impl std::fmt::Debug for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suite").field("name", &self.name).field("group", &self.group).finish_non_exhaustive()
    }
}

impl Suite {
    /// A fresh item.
    pub fn item(&self, rng: &mut Rng, shape: Shape) -> Item {
        (self.item)(rng, shape)
    }
}

/// The suite of this name.
pub fn suite(name: &str) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.name == name)
}

const fn row(name: &'static str, doc: &'static str, group: Group, item: fn(&mut Rng, Shape) -> Item) -> Suite {
    Suite { name, doc, group, ceiling: |_| 1.0, item }
}

use Group::{Ambiguous, Mapping, Post, Recall, Rule, Unambiguous};

/// All measurements.
pub const SUITES: &[Suite] = &[
    row("word-french", "an English word in French", Ambiguous, |rng, shape| words(rng, shape, "french")),
    row("word-chinese", "an English word in Chinese", Ambiguous, |rng, shape| words(rng, shape, "chinese")),
    row("word-plural", "the plural of a word", Ambiguous, |rng, shape| words(rng, shape, "plural")),
    row("word-category", "the kind of thing a word means", Ambiguous, |rng, shape| words(rng, shape, "category")),
    row("word-capitals", "a word in capitals", Ambiguous, |rng, shape| words(rng, shape, "capitals")),
    row("word-first-letter", "the first letter of a word", Ambiguous, |rng, shape| words(rng, shape, "first-letter")),
    row("word-opposite", "the opposite of a word", Unambiguous, |rng, shape| words(rng, shape, "opposite")),
    row("past", "the past of a verb", Unambiguous, |rng, shape| words(rng, shape, "past")),
    row("french-english", "a French word in English", Unambiguous, |rng, shape| words(rng, shape, "french-english")),
    row("sentence-french", "a sentence never seen in training, in French", Unambiguous, |rng, shape| {
        words(rng, shape, "sentence-french")
    }),
    row("sentence-chinese", "a sentence never seen in training, in Chinese", Unambiguous, |rng, shape| {
        words(rng, shape, "sentence-chinese")
    }),
    row("sentiment", "whether a phrase never seen in training is positive or negative", Unambiguous, |rng, shape| {
        words(rng, shape, "sentiment")
    }),
    row("adding", "sums never seen in training", Unambiguous, |rng, shape| words(rng, shape, "adding")),
    row("question", "a question about a fact of the training text", Unambiguous, |rng, shape| {
        words(rng, shape, "question")
    }),
    row("string-capitals", "letters never seen together, in capitals", Rule, |rng, shape| {
        strings(rng, shape, "capitals")
    }),
    row("string-first-letter", "the first of letters never seen together", Rule, |rng, shape| {
        strings(rng, shape, "first-letter")
    }),
    row("string-twice", "letters never seen together, twice", Rule, |rng, shape| strings(rng, shape, "twice")),
    row("string-plural", "the plural of letters never seen together", Rule, |rng, shape| strings(rng, shape, "plural")),
    row("next-number", "the number after one that training never asks about", Rule, |rng, shape| {
        strings(rng, shape, "next-number")
    }),
    Suite {
        ceiling: |shots| 1.0 - 0.5_f64.powi(power(shots)),
        ..row("mapping-2", "two kinds of words, each with a label made up for the item", Mapping, |rng, shape| {
            mapping(rng, shape, "mapping-2", Side::Training)
        })
    },
    Suite {
        ceiling: |shots| 1.0 - (2.0_f64 / 3.0).powi(power(shots)),
        ..row("mapping-3", "three kinds of words, each with a label made up for the item", Mapping, |rng, shape| {
            mapping(rng, shape, "mapping-3", Side::Training)
        })
    },
    Suite {
        ceiling: |shots| 1.0 - 0.5_f64.powi(power(shots)),
        ..row("mapping-2-new-words", "the same with a word that training never labels", Mapping, |rng, shape| {
            mapping(rng, shape, "mapping-2", Side::Reserved)
        })
    },
    Suite {
        ceiling: |shots| if shots == 0 { 0.0 } else { 1.0 },
        ..row("recall", "the value of a key that stands in the item, both never seen in training", Recall, recall)
    },
    row("post-chinese", "the post's own form: `Translate it, I love computer,`", Post, |rng, shape| {
        post(rng, shape, Language::Chinese, Space::InTarget)
    }),
    row("post-chinese-space", "the same, with the space at the end", Post, |rng, shape| {
        post(rng, shape, Language::Chinese, Space::InPrompt)
    }),
    row("post-french", "the post's own form, to French", Post, |rng, shape| {
        post(rng, shape, Language::French, Space::InTarget)
    }),
    row(
        "held-out-format-french",
        "an English word in French, in a form never seen in training",
        Ambiguous,
        |rng, shape| {
            let format = pick(rng, RESERVED);
            assemble(rng, shape, task("french"), Inputs::Words, format)
        },
    ),
    row("held-out-format-capitals", "letters in capitals, in a form never seen in training", Rule, |rng, shape| {
        let format = pick(rng, RESERVED);
        assemble(rng, shape, task("capitals"), Inputs::Strings, format)
    }),
];

fn power(shots: usize) -> i32 {
    i32::try_from(shots).unwrap_or(i32::MAX)
}

fn words(rng: &mut Rng, shape: Shape, name: &str) -> Item {
    let format = pick(rng, &FORMATS[..MEASURED]);
    assemble(rng, shape, task(name), Inputs::Words, format)
}

fn strings(rng: &mut Rng, shape: Shape, name: &str) -> Item {
    let format = pick(rng, &FORMATS[..MEASURED]);
    assemble(rng, shape, task(name), Inputs::Strings, format)
}

/// Labels that training never shows, on words that it labels or, with `Side::Reserved`, does not.
fn mapping(rng: &mut Rng, shape: Shape, name: &str, word: Side) -> Item {
    let format = pick(rng, &FORMATS[..MEASURED]);
    assemble_with(rng, shape, task(name), Inputs::Words, format, word)
}

/// The question is of the reserved side, the examples before it are of either.
fn assemble(rng: &mut Rng, shape: Shape, task: &Task, inputs: Inputs, format: &'static Format) -> Item {
    assemble_with(rng, shape, task, inputs, format, Side::Reserved)
}

fn assemble_with(
    rng: &mut Rng,
    shape: Shape,
    task: &Task,
    inputs: Inputs,
    format: &'static Format,
    question: Side,
) -> Item {
    let mut source = (task.start)(rng, Plan { inputs, labels: Side::Reserved });
    let query = (source.draw)(rng, question);
    let mut seen = HashSet::from([query.input.clone()]);
    let side = if inputs == Inputs::Strings { Side::Reserved } else { Side::Training };
    let mut shots = Vec::with_capacity(shape.shots);
    while shots.len() < shape.shots {
        let pair = (source.draw)(rng, side);
        if seen.insert(pair.input.clone()) {
            shots.push(pair);
        }
    }
    let instruction = shape.instruction.then(|| *pick(rng, task.instructions));
    let choices = source.choices;
    write(instruction, task, format, &shots, &query, &choices)
}

fn write(
    instruction: Option<&str>,
    task: &Task,
    format: &'static Format,
    shots: &[Pair],
    query: &Pair,
    choices: &[String],
) -> Item {
    let mut prompt = instruction.map(|line| format!("{line}\n")).unwrap_or_default();
    for pair in shots {
        let (question, answer) = format.write(task.names, &pair.input, &pair.output);
        prompt += &(question + &answer + format.after);
    }
    let (question, target) = format.write(task.names, &query.input, &query.output);
    let choices = choices.iter().map(|choice| format.write(task.names, "", choice).1).collect();
    Item { prompt: prompt + &question, target, choices, terminator: format.after }
}

/// As many pairs as there are shots, then the key of one of them.
fn recall(rng: &mut Rng, shape: Shape) -> Item {
    let task = task("recall");
    let format = pick(rng, &FORMATS[..MEASURED]);
    let plan = Plan { inputs: Inputs::Strings, labels: Side::Reserved };
    let pairs = fresh_pairs(rng, plan, shape.shots.max(1));
    let query = pick(rng, &pairs).clone();
    let mut shots = pairs[..shape.shots].to_vec();
    shuffle(rng, &mut shots);
    let choices: Vec<String> = shots.iter().map(|pair| pair.output.clone()).collect();
    let instruction = shape.instruction.then(|| *pick(rng, task.instructions));
    write(instruction, task, format, &shots, &query, &choices)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Chinese,
    French,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Space {
    InPrompt,
    InTarget,
}

/// The post's form. Its instruction is part of every line, so `instruction` changes nothing.
fn post(rng: &mut Rng, shape: Shape, language: Language, space: Space) -> Item {
    let mut line = |side: Side| {
        let drawn = sentences::draw(rng, side);
        match language {
            Language::Chinese => (format!("{POST_CHINESE}, {},", drawn.english), drawn.chinese),
            Language::French => (format!("{POST_FRENCH}, {},", drawn.english), drawn.french),
        }
    };
    let shots: String = (0..shape.shots)
        .map(|_| {
            let (question, answer) = line(Side::Training);
            format!("{question} {answer}\n")
        })
        .collect();
    let (question, answer) = line(Side::Reserved);
    let (prompt, target) = match space {
        Space::InPrompt => (format!("{shots}{question} "), answer),
        Space::InTarget => (format!("{shots}{question}"), format!(" {answer}")),
    };
    Item { prompt, target, choices: Vec::new(), terminator: "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand08::SeedableRng;

    #[test]
    fn items_are_well_formed_and_new_for_every_seed() {
        for suite in SUITES {
            for shots in [0, 1, 4, 8] {
                for instruction in [false, true] {
                    let mut prompts = HashSet::new();
                    for seed in 0..50 {
                        let mut rng = Rng::seed_from_u64(seed);
                        let item = suite.item(&mut rng, Shape { shots, instruction });
                        let at = format!("{} {shots} {item:?}", suite.name);
                        assert!(!item.target.contains(item.terminator) && !item.terminator.is_empty(), "{at}");
                        assert!(!item.target.trim().is_empty(), "{at}");
                        assert!(item.choices.is_empty() || shots == 0 || item.choices.contains(&item.target), "{at}");
                        assert_eq!(item.prompt.ends_with(' '), suite.name.ends_with("-space"), "{at}");
                        assert!(item.prompt.matches(item.terminator).count() >= shots, "{at}");
                        prompts.insert(item.prompt);
                    }
                    let least = if shots == 0 { 5 } else { 45 };
                    assert!(prompts.len() >= least, "{} {shots}: {}", suite.name, prompts.len());
                }
            }
        }
    }

    #[test]
    fn ceilings_are_what_independent_examples_allow() {
        let of = |name: &str, shots| (suite(name).unwrap().ceiling)(shots);
        assert_eq!((of("mapping-2", 0), of("mapping-2", 1), of("mapping-2", 2)), (0.0, 0.5, 0.75));
        assert!((of("mapping-3", 2) - 5.0 / 9.0).abs() < 1e-12);
        assert_eq!((of("recall", 0), of("recall", 1), of("word-french", 0)), (0.0, 1.0, 1.0));
    }
}
