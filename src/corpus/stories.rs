//! Short stories: plots of `assets/corpus/stories.txt`, told with other people and things each time. People and
//! things of a story stay the same from its start to its end.

use std::sync::LazyLock;

use super::rng::{Rng, below, percent, pick, shuffle};
use super::words::WORDS;

/// The plots.
pub(super) const PLOTS: &str = include_str!("../../assets/corpus/stories.txt");

/// Things that a story gives to people.
pub(super) const THINGS: &[&str] = &[
    "ball", "ring", "hat", "boat", "book", "cup", "key", "bell", "toy", "car", "coat", "shoe", "pen", "plane", "glove",
    "clock",
];
/// Things to look under.
const BOXES: &[&str] = &["box", "bag", "bed", "chair"];
/// Things that one puts something into and gives away.
const CASES: &[&str] = &["box", "bag"];
const OUTSIDE: &[&str] = &["forest", "lake", "sea", "mountain", "field", "bridge", "castle", "garden", "street"];
const TOWN: &[&str] = &["shop", "school", "church", "farm", "castle", "market"];
const MARKET: &[&str] = &["shop", "market", "farm"];
const SIZES: &[&str] = &["small", "big", "young", "clever", "kind", "happy", "strong", "gentle", "calm"];
const FOOD: &[&str] =
    &["apple", "pear", "peach", "lemon", "cherry", "cake", "egg", "bean", "onion", "cheese", "bread", "milk", "soup"];

/// A named group of lines of a file.
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) lines: Vec<&'static str>,
}

/// The sections of a file: `= name`, then its lines; `#` begins a comment.
pub(super) fn sections(file: &'static str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in file.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        match (line.strip_prefix("= "), sections.last_mut()) {
            (Some(name), _) => sections.push(Section { name, lines: Vec::new() }),
            (None, Some(section)) => section.lines.push(line),
            (None, None) => {}
        }
    }
    sections
}

/// The plots, and the sections that they share.
static SECTIONS: LazyLock<(Vec<Section>, Vec<Section>)> =
    LazyLock::new(|| sections(PLOTS).into_iter().partition(|section| section.name.starts_with("plot")));

/// One story.
pub(super) fn document(rng: &mut Rng) -> String {
    let (plots, shared) = &*SECTIONS;
    let plot = pick(rng, plots);
    let cast = Cast::draw(rng);
    let mut text = String::new();
    let mut subject = Subject::None;
    for line in &plot.lines {
        let ways: Vec<&str> = line.split(" / ").collect();
        if line.starts_with('?') && percent(rng, 50) {
            continue;
        }
        let way = pick(rng, &ways).trim_start_matches('?');
        if !text.is_empty() {
            text.push(' ');
        }
        tell(rng, way, shared, &cast, &mut subject, &mut text);
    }
    text.push('\n');
    text
}

/// Who the last sentence began with: whom a pronoun at the start of the next one means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    None,
    Hero,
    Friend,
}

/// Writes one line of a plot: `@name` is replaced by a line of that section, `{slot}` by what the cast has for it.
fn tell(rng: &mut Rng, way: &str, shared: &[Section], cast: &Cast, subject: &mut Subject, text: &mut String) {
    let mut rest = way;
    while let Some(at) = rest.find(['@', '{']) {
        text.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        if rest[at..].starts_with('@') {
            let end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            if let Some(section) = shared.iter().find(|section| section.name == &tail[..end]) {
                let line = *pick(rng, &section.lines);
                tell(rng, line, shared, cast, subject, text);
            }
            rest = &tail[end..];
        } else {
            let end = tail.find('}').unwrap_or(tail.len());
            let starts = starts_sentence(text);
            let word = cast.slot(rng, &tail[..end], starts, *subject);
            if starts || text.ends_with("named ") || text.ends_with("name was ") {
                match &tail[..end] {
                    "N" | "He" => *subject = Subject::Hero,
                    "F" | "fHe" => *subject = Subject::Friend,
                    _ => {}
                }
            }
            if starts {
                text.extend(word.chars().take(1).flat_map(char::to_uppercase));
                text.extend(word.chars().skip(1));
            } else {
                text.push_str(&word);
            }
            rest = tail.get(end + 1..).unwrap_or("");
        }
    }
    text.push_str(rest);
}

fn starts_sentence(text: &str) -> bool {
    text.is_empty() || [". ", "! ", "? ", ".\" ", "!\" ", "?\" "].iter().any(|end| text.ends_with(end))
}

pub(super) struct Person {
    pub(super) name: &'static str,
    he: bool,
}

impl Person {
    fn he(&self) -> &'static str {
        if self.he { "he" } else { "she" }
    }
    fn his(&self) -> &'static str {
        if self.he { "his" } else { "her" }
    }
    fn him(&self) -> &'static str {
        if self.he { "him" } else { "her" }
    }
}

/// Who and what a story is about.
pub(super) struct Cast {
    pub(super) hero: Person,
    pub(super) friend: Person,
    thing: &'static str,
    thing_colour: &'static str,
    other: &'static str,
    case: &'static str,
    other_colour: &'static str,
    animal: &'static str,
    animal_size: &'static str,
    food: &'static str,
    outside: &'static str,
    town: &'static str,
    market: &'static str,
    size: &'static str,
}

impl Cast {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let first = below(rng, WORDS.names.len());
        let second = (first + 1 + below(rng, WORDS.names.len() - 1)) % WORDS.names.len();
        let person = |at: usize| Person { name: WORDS.names[at][0], he: WORDS.names[at][1] == "he" };
        let mut colours: Vec<&'static str> = WORDS.colours.iter().map(|colour| colour[0]).collect();
        shuffle(rng, &mut colours);
        let animals = WORDS.of_kind("animal");
        let outside = *pick(rng, OUTSIDE);
        let market = *pick(rng, MARKET);
        let towns: Vec<&'static str> =
            TOWN.iter().copied().filter(|town| *town != outside && *town != market).collect();
        Self {
            hero: person(first),
            friend: person(second),
            thing: *pick(rng, THINGS),
            thing_colour: colours[0],
            other: *pick(rng, BOXES),
            case: *pick(rng, CASES),
            other_colour: colours[1],
            animal: pick(rng, &animals).english,
            animal_size: *pick(rng, &["small", "big", "young", "soft", "dirty", "black", "white"]),
            food: *pick(rng, FOOD),
            outside,
            market,
            town: *pick(rng, &towns),
            size: *pick(rng, SIZES),
        }
    }

    /// A line with its slots filled, where no two characters have to be told apart.
    pub(super) fn fill(&self, line: &str) -> String {
        let mut text = String::new();
        let mut rest = line;
        while let Some((before, tail)) = rest.split_once('{') {
            text.push_str(before);
            let (slot, after) = tail.split_once('}').unwrap_or((tail, ""));
            text.push_str(&self.word(slot));
            rest = after;
        }
        text + rest
    }

    /// What stands in a slot; a pronoun that begins a sentence gives way to the name where it could mean another.
    fn slot(&self, rng: &mut Rng, slot: &str, starts: bool, subject: Subject) -> String {
        let mut named = |who: Subject| !starts || subject != who || percent(rng, 15);
        match slot {
            "He" if named(Subject::Hero) => self.hero.name.to_owned(),
            "fHe" if named(Subject::Friend) => self.friend.name.to_owned(),
            "He" => self.hero.he().to_owned(),
            "fHe" => self.friend.he().to_owned(),
            slot => self.word(slot),
        }
    }

    fn word(&self, slot: &str) -> String {
        let word = match slot {
            "N" => self.hero.name,
            "F" => self.friend.name,
            "he" => self.hero.he(),
            "his" | "His" => self.hero.his(),
            "him" => self.hero.him(),
            "fhe" => self.friend.he(),
            "fhis" => self.friend.his(),
            "fhim" => self.friend.him(),
            "g" => match self.hero.he {
                true => "boy",
                false => "girl",
            },
            "o" => self.thing,
            "c" | "c^" => self.thing_colour,
            "q" => self.other,
            "x" => self.case,
            "d" => self.other_colour,
            "an" => self.animal,
            "ans" => WORDS.noun(self.animal).and_then(|noun| noun.plural).unwrap_or(self.animal),
            "asize" => self.animal_size,
            "food" => self.food,
            "p" => self.outside,
            "t" => self.town,
            "m" => self.market,
            "size" | "kind" => self.size,
            _ => "",
        };
        match slot {
            "a_food" if WORDS.noun(self.food).is_some_and(|noun| noun.plural.is_none()) => {
                format!("some {}", self.food)
            }
            "a_food" if self.food.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {}", self.food),
            "a_food" => format!("a {}", self.food),
            "c^" => word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect(),
            _ => word.to_owned(),
        }
    }
}
