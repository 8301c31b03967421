//! Documents that are a run of one task in one form, from a single question to a context full of them.

use std::collections::HashSet;

use super::formats::{FORMATS, Format};
use super::reserved::{Side, share};
use super::rng::{Rng, below, between, percent, pick, weighted};
use super::tasks::{Inputs, Pair, Plan, TASKS, Task};
use super::words::WORDS;

/// Tokens that a long run fills: the context of the model, less what begins and ends a document.
const LONG: (usize, usize) = (150, 240);

/// In how many of 100 runs without an instruction the first word is one that leans to the task.
const LEAN: usize = 90;
/// What words lean to: the tasks that any noun is an input of.
const LEANS: &[&str] = &["french", "chinese", "plural", "category", "capitals", "first-letter"];

/// The task that a noun leans to. Without that, the most frequent task would be the likeliest answer to any word that
/// stands alone; with it a word alone is a guess, another for each word, and what decides is the example.
fn lean(word: &str) -> Option<&'static str> {
    WORDS.noun(word).map(|_| LEANS[share("lean", word, LEANS.len())])
}

/// One document.
pub(super) fn document(rng: &mut Rng) -> String {
    let task = weighted(rng, TASKS, |task| task.weight);
    let inputs = match below(rng, 20) {
        0..9 => Inputs::Words,
        9..18 => Inputs::Strings,
        _ => Inputs::Both,
    };
    let post = post_instruction(rng, task);
    let shape = Shape::draw(rng, task);
    let format = weighted(rng, FORMATS, |format| format.weight);
    let mut text = String::new();
    if post.is_none() && shape.instruction {
        let line = *pick(rng, task.instructions);
        text.push_str(line);
        text.push_str(if percent(rng, 85) { "\n" } else { "\n\n" });
    }
    let mut length = 8;
    let mut seen = HashSet::new();
    let mut source = (task.start)(rng, Plan { inputs, labels: Side::Training });
    for _ in 0..shape.examples {
        let alone = seen.is_empty() && !shape.instruction && post.is_none();
        let leans = alone && LEANS.contains(&task.name) && percent(rng, LEAN);
        let mut tries = (0..if leans { 100 } else { 20 }).map(|_| (source.draw)(rng, Side::Training));
        let fits = |pair: &Pair| !leans || lean(&pair.input).is_none_or(|name| name == task.name);
        let Some(pair) = tries.find(|pair| task.repeats || fits(pair) && !seen.contains(&pair.input)) else { break };
        seen.insert(pair.input.clone());
        let example = match post {
            Some(instruction) => format!("{instruction}, {}, {}\n", pair.input, pair.output),
            None => written(format, task, &pair.input, &pair.output),
        };
        length += tokens(&example);
        if length > shape.tokens {
            break;
        }
        text.push_str(&example);
    }
    text
}

fn written(format: &Format, task: &Task, input: &str, output: &str) -> String {
    let (prompt, answer) = format.write(task.names, input, output);
    prompt + &answer + format.after
}

/// The post writes its instruction, its question and its answer on one line: `Translate it, I love computer, 我爱计算机`.
fn post_instruction(rng: &mut Rng, task: &Task) -> Option<&'static str> {
    let share = if task.name.starts_with("sentence") { 55 } else { 30 };
    match task.name {
        "sentence-chinese" | "chinese" if percent(rng, share) => {
            Some(if percent(rng, 85) { POST_CHINESE } else { "Translate it to Chinese" })
        }
        "sentence-french" | "french" if percent(rng, share) => Some(POST_FRENCH),
        _ => None,
    }
}

/// The post's instruction.
pub(super) const POST_CHINESE: &str = "Translate it";
/// The same for French.
pub(super) const POST_FRENCH: &str = "Translate it to French";

struct Shape {
    examples: usize,
    tokens: usize,
    instruction: bool,
}

impl Shape {
    fn draw(rng: &mut Rng, task: &Task) -> Self {
        match below(rng, 100) {
            0..14 if task.alone => Self { examples: 1, tokens: LONG.1, instruction: true },
            0..28 => Self { examples: between(rng, 2, 6), tokens: LONG.1, instruction: percent(rng, 40) },
            _ => Self { examples: LONG.1, tokens: between(rng, LONG.0, LONG.1), instruction: percent(rng, 35) },
        }
    }
}

/// About how many tokens a text has: one for a word of the documents, one for each byte of another, one for anything else
/// that is no space.
pub(super) fn tokens(text: &str) -> usize {
    let is_letter = |c: char| c.is_alphabetic() && !is_han(c);
    let mut count = 0;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = if is_letter(first) { rest.find(|c| !is_letter(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let word = &rest[..end];
        count += match word {
            " " => 0,
            _ if !is_letter(first) => 1,
            _ if !WORDS.knows(&word.to_lowercase()) => word.len() + 1,
            _ => 1,
        };
        rest = &rest[end..];
    }
    count
}

fn is_han(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_token_and_strings_are_letters() {
        assert_eq!(tokens("cat -> chat\n"), 5);
        assert_eq!(tokens("zab = ZAB\n"), 10);
        assert_eq!(tokens("Translate it, I love computer, 我爱计算机\n"), 13);
        assert_eq!(tokens("nous connaissons la forêt"), 4);
    }
}
