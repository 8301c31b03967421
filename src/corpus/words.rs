//! The word lists of `assets/corpus`, read once.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::tasks::TASKS;

const NOUNS: &str = include_str!("../../assets/corpus/nouns.tsv");
const COLOURS: &str = include_str!("../../assets/corpus/colours.tsv");
const OPPOSITES: &str = include_str!("../../assets/corpus/opposites.tsv");
const VERBS: &str = include_str!("../../assets/corpus/verbs.tsv");
const SENTIMENT: &str = include_str!("../../assets/corpus/sentiment.tsv");
const NAMES: &str = include_str!("../../assets/corpus/names.tsv");
const FACTS: &str = include_str!("../../assets/corpus/facts.tsv");

/// A noun and all that the tasks know of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noun {
    pub(super) english: &'static str,
    /// None where the plural is not used ("milk").
    pub(super) plural: Option<&'static str>,
    /// `le`, `la` or `l'`.
    pub(super) article: &'static str,
    pub(super) french: &'static str,
    pub(super) chinese: &'static str,
    pub(super) kind: &'static str,
}

/// A question, its answer in a word, and the same as a sentence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fact {
    pub(super) question: &'static str,
    pub(super) answer: &'static str,
    pub(super) statement: &'static str,
}

/// A word that praises or blames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opinion {
    pub(super) word: &'static str,
    pub(super) positive: bool,
    /// What it is said of: `any` thing, `food`; or `verb`, which anything can be the object of.
    pub(super) of: &'static str,
}

/// All lists.
pub(super) struct Words {
    pub(super) nouns: Vec<Noun>,
    /// The kinds of the nouns, each once.
    pub(super) kinds: Vec<&'static str>,
    /// English, French, Chinese.
    pub(super) colours: Vec<[&'static str; 3]>,
    pub(super) opposites: Vec<[&'static str; 2]>,
    /// Present and past.
    pub(super) verbs: Vec<[&'static str; 2]>,
    pub(super) opinions: Vec<Opinion>,
    /// Name and pronoun.
    pub(super) names: Vec<[&'static str; 2]>,
    pub(super) facts: Vec<Fact>,
    /// Every word of every file, task and sentence: what a fresh string must not be.
    known: HashSet<String>,
}

impl Words {
    /// Whether a word, in any case, is one of the documents' own.
    pub(super) fn knows(&self, word: &str) -> bool {
        self.known.contains(word)
            || word.contains(char::is_uppercase) && self.known.contains(word.to_lowercase().as_str())
    }

    /// The noun that is written so, in the singular.
    pub(super) fn noun(&self, english: &str) -> Option<&Noun> {
        self.nouns.iter().find(|noun| noun.english == english)
    }

    /// The nouns of one kind.
    pub(super) fn of_kind(&self, kind: &str) -> Vec<&Noun> {
        self.nouns.iter().filter(|noun| noun.kind == kind).collect()
    }
}

/// The lists, read on first use.
pub(super) static WORDS: LazyLock<Words> = LazyLock::new(read);

fn read() -> Words {
    let nouns: Vec<Noun> = rows(NOUNS)
        .map(|[english, plural, article, french, chinese, kind]| Noun {
            english,
            plural: (plural != "-").then_some(plural),
            article,
            french,
            chinese,
            kind,
        })
        .collect();
    let mut kinds = Vec::new();
    for noun in &nouns {
        if !kinds.contains(&noun.kind) {
            kinds.push(noun.kind);
        }
    }
    let files = [NOUNS, COLOURS, OPPOSITES, VERBS, SENTIMENT, NAMES, FACTS, super::stories::PLOTS, super::talk::TURNS];
    let said = TASKS.iter().flat_map(|task| task.instructions.iter().chain([&task.names.0, &task.names.1]).copied());
    let known = files
        .into_iter()
        .chain(said)
        .chain(super::sentences::WORDS_OF_SENTENCES.iter().copied())
        .flat_map(|file| file.split(|c: char| !c.is_alphabetic()))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    Words {
        nouns,
        kinds,
        colours: rows(COLOURS).collect(),
        opposites: rows(OPPOSITES).collect(),
        verbs: rows(VERBS).collect(),
        opinions: rows(SENTIMENT)
            .map(|[word, polarity, of]| Opinion { word, positive: polarity == "positive", of })
            .collect(),
        names: rows(NAMES).collect(),
        facts: rows(FACTS).map(|[question, answer, statement]| Fact { question, answer, statement }).collect(),
        known,
    }
}

/// The rows of a file: tab-separated fields, lines that start with `#` are comments.
fn rows<const N: usize>(file: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    file.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .filter_map(|line| line.split('\t').collect::<Vec<_>>().try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_every_list_is_read() {
        let lines = |file: &str| file.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(WORDS.nouns.len(), lines(NOUNS));
        assert_eq!(WORDS.colours.len(), lines(COLOURS));
        assert_eq!(WORDS.opposites.len(), lines(OPPOSITES));
        assert_eq!(WORDS.verbs.len(), lines(VERBS));
        assert_eq!(WORDS.opinions.len(), lines(SENTIMENT));
        assert_eq!(WORDS.names.len(), lines(NAMES));
        assert_eq!(WORDS.facts.len(), lines(FACTS));
    }

    /// One example has to say which task it is an example of.
    #[test]
    fn no_noun_has_the_same_answer_under_two_tasks() {
        for noun in &WORDS.nouns {
            let (first, last) = (noun.english.chars().next(), noun.english.chars().last());
            assert_ne!(first, last, "{}", noun.english);
            let answers = [noun.english, noun.plural.unwrap_or("-"), noun.french, noun.chinese, noun.kind];
            let distinct: HashSet<&str> = answers.into_iter().collect();
            assert_eq!(distinct.len(), answers.len(), "{answers:?}");
        }
        for column in [|noun: &Noun| noun.english, |noun: &Noun| noun.french, |noun: &Noun| noun.chinese] {
            let distinct: HashSet<&str> = WORDS.nouns.iter().map(column).collect();
            assert_eq!(distinct.len(), WORDS.nouns.len());
        }
    }
}
