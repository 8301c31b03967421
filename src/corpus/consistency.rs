//! Whether a story keeps its people and things: read from the text alone, so that a model's stories can be measured.

use std::collections::HashMap;

use super::stories::THINGS;
use super::words::WORDS;

/// How many mentions of people and things a story keeps, of those that could be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Consistency {
    /// Mentions that agree with what the story said before.
    pub kept: usize,
    /// Mentions that were checked.
    pub checked: usize,
}

impl Consistency {
    fn note(&mut self, kept: bool) {
        self.checked += 1;
        self.kept += usize::from(kept);
    }
}

/// Reads a story. Checked are
/// - names: from the third on, a name is one of the two that the story began with;
/// - pronouns: a `He` or `She` that begins a sentence agrees with the name the last such sentence began with, any other
///   with another character of the story;
/// - things: what is called `the`, `his`, `her` or `my` was mentioned before, unless this is how it is brought in;
/// - colours: a thing that has a colour keeps it.
pub fn consistency(story: &str) -> Consistency {
    let mut found = Consistency::default();
    let mut cast: Vec<[&str; 2]> = Vec::new();
    let mut subject: Option<&str> = None;
    let mut colours: HashMap<&str, &str> = HashMap::new();
    let mut things: Vec<&str> = Vec::new();
    let words = read(story);
    let at = |at: usize| words.get(at).map_or("", |word| word.text);
    let is_colour = |word: &str| WORDS.colours.iter().any(|colour| colour[0] == word);
    for (index, word) in words.iter().enumerate() {
        let lower = word.text.to_lowercase();
        if let Some(person) = WORDS.names.iter().find(|name| name[0] == word.text) {
            if cast.contains(person) {
                found.note(true);
            } else if cast.len() < 2 {
                cast.push(*person);
            } else {
                found.note(false);
            }
            let named = index.checked_sub(1).map_or("", at) == "named"
                || index.checked_sub(2).is_some_and(|two| at(two) == "name" && at(two + 1) == "was");
            if word.starts || named {
                subject = Some(person[1]);
            }
        } else if let Some(gender) = gender(&lower) {
            let agrees = match subject {
                Some(subject) if word.starts && lower != "his" && lower != "her" => subject == gender,
                _ => cast.iter().any(|person| person[1] == gender),
            };
            // A story may speak of a boy and name him in the next sentence.
            if !cast.is_empty() || subject.is_some() {
                found.note(agrees || cast.len() < 2 && lower == "his" || cast.len() < 2 && lower == "her");
            }
        } else if THINGS.contains(&word.text) || WORDS.noun(word.text).is_some_and(|noun| noun.kind == "animal") {
            let back = index.checked_sub(1).map_or("", at);
            let (colour, before) = match is_colour(back) {
                true => (Some(back), index.checked_sub(2).map_or("", at)),
                false => (None, back),
            };
            let known = things.contains(&word.text);
            if before == "the" || before == "The" {
                found.note(known);
            }
            if let Some(colour) = colour {
                match colours.get(word.text) {
                    Some(was) => found.note(*was == colour),
                    None => {
                        colours.insert(word.text, colour);
                    }
                }
            }
            if !known {
                things.push(word.text);
            }
        }
    }
    found
}

fn gender(word: &str) -> Option<&'static str> {
    match word {
        "he" | "his" | "him" => Some("he"),
        "she" | "her" => Some("she"),
        _ => None,
    }
}

struct Word<'a> {
    text: &'a str,
    /// Whether it begins a sentence that is not spoken.
    starts: bool,
}

fn read(story: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut starts = true;
    let mut spoken = false;
    for piece in story.split_whitespace() {
        if piece.starts_with('"') {
            spoken = true;
        }
        let text = piece.trim_matches(|c: char| !c.is_alphabetic());
        if !text.is_empty() {
            words.push(Word { text, starts: starts && !spoken });
        }
        let ended = piece.trim_end_matches('"').ends_with(['.', '!', '?']);
        if piece.len() > 1 && piece.ends_with('"') {
            spoken = false;
        }
        starts = ended;
    }
    words
}
