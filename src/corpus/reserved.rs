//! What never occurs in training and serves the measurements, and the fresh strings that both are made of.
//!
//! A stable hash decides, so that a share of anything is reserved without a list: one in ten of the letter strings, of
//! the numbers, of the sentences to translate and of the phrases to judge, and one word of each kind that mappings label.

use super::rng::{Rng, below, percent, pick};
use super::words::WORDS;

/// Which side of the line something is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// What training may show.
    Training,
    /// What only a measurement shows.
    Reserved,
}

impl Side {
    /// Whether a member of a family is on this side.
    pub(super) fn has(self, family: &str, member: &str) -> bool {
        is_reserved(family, member) == (self == Self::Reserved)
    }
}

/// The family of fresh letter strings.
pub(super) const STRING: &str = "string";
/// The family of sentences to translate, by their English.
pub(super) const SENTENCE: &str = "sentence";

/// Whether a member of a family is kept out of training.
pub(super) fn is_reserved(family: &str, member: &str) -> bool {
    // The measurement of the post's own form asks this, so training never shows it.
    if family == SENTENCE && member == "I love computer" {
        return true;
    }
    share(family, member, 10) == 0
}

/// Which of so many equal shares of a family a member is in: the same on every machine and in every version.
pub(super) fn share(family: &str, member: &str, of: usize) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64; // FNV-1a
    for byte in family.bytes().chain([0]).chain(member.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 32;
    let high = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    usize::try_from((high * of as u64) >> 32).unwrap_or(0)
}

const VOWELS: &[u8] = b"aeiou";
const FIRST: &[u8] = b"bdfgjklmnprstvwz";
const LAST: &[u8] = b"bdfgklmnprtv";
/// Syllables that would spell offensive words.
const NEVER: &[&str] = &[
    "nig", "neg", "fag", "fuk", "kik", "tit", "cum", "nud", "pis", "rap", "sex", "pede", "pedo", "nazi", "kak", "dik",
];

/// A string of letters that is no word: consonants and vowels in turn, 3 to 5 letters, the last a consonant or a vowel.
pub(super) fn fresh(rng: &mut Rng, side: Side) -> String {
    loop {
        let length = *pick(rng, &[3, 3, 4, 4, 4, 4, 4, 5, 5, 5]);
        let string = letters(rng, length);
        if side.has(STRING, &string) && is_fresh(&string) {
            return string;
        }
    }
}

/// Whether a string could come from [`fresh`], on either side.
pub(super) fn is_fresh(string: &str) -> bool {
    let bytes = string.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    let vowel = |at: usize| VOWELS.contains(&bytes[at]);
    (3..=5).contains(&bytes.len())
        && (1..bytes.len()).all(|at| vowel(at) != vowel(at - 1))
        && bytes.iter().all(|byte| VOWELS.contains(byte) || FIRST.contains(byte))
        && (VOWELS.contains(last) || LAST.contains(last))
        && first != last
        && !NEVER.iter().any(|never| string.contains(never))
        && !WORDS.knows(string)
}

fn letters(rng: &mut Rng, length: usize) -> String {
    let mut vowel = percent(rng, 15);
    let mut string = String::with_capacity(length);
    for at in 0..length {
        let set = if vowel {
            VOWELS
        } else if at + 1 == length {
            LAST
        } else {
            FIRST
        };
        string.push(char::from(set[below(rng, set.len())]));
        vowel = !vowel;
    }
    string
}

/// A text without its fresh strings, their plurals and capitals: what a vocabulary of words is learned from.
pub fn without_strings(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_alphabetic() {
            word.push(c);
            continue;
        }
        let lower = word.to_ascii_lowercase();
        let singular = lower.strip_suffix('s').unwrap_or(&lower);
        let twice = lower.len().is_multiple_of(2) && lower[..lower.len() / 2] == lower[lower.len() / 2..];
        if WORDS.knows(&lower) || !(is_fresh(&lower) || is_fresh(singular) || twice) {
            out.push_str(&word);
        }
        word.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

/// Several fresh strings, no two of which begin or end with the same letter: the first letter says which it is.
pub(super) fn fresh_apart(rng: &mut Rng, side: Side, count: usize) -> Vec<String> {
    let mut strings: Vec<String> = Vec::with_capacity(count);
    let mut refused = 0;
    while strings.len() < count {
        let string = fresh(rng, side);
        let ends = |of: &str| (of.bytes().next(), of.bytes().last());
        let (first, last) = ends(&string);
        // There are more strings than letters: after many refusals any string will do that is not there yet.
        let clash = strings.iter().any(|other| match refused < 200 {
            true => ends(other).0 == first || ends(other).1 == last,
            false => *other == string,
        });
        match clash {
            true => refused += 1,
            false => strings.push(string),
        }
    }
    strings
}
