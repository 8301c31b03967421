//! A stand-in for the generators until their branch lands: the same interface, three suites.

use rand08::Rng as _;

/// The random numbers of a document.
pub type Rng = rand_chacha::ChaCha8Rng;

/// One question of a suite.
pub struct Item {
    /// What the model reads; ends right before the answer.
    pub prompt: String,
    /// The answer with the space in front of it.
    pub target: String,
    /// The answers to choose from, if any.
    pub choices: Vec<String>,
    /// What ends an answer.
    pub terminator: &'static str,
}

/// What stands in front of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Examples.
    pub shots: usize,
    /// Whether a line says what is asked.
    pub instruction: bool,
}

/// A generator of questions.
pub struct Suite {
    /// The name on the command line.
    pub name: &'static str,
    /// One line for a list.
    pub doc: &'static str,
    /// What it measures.
    pub group: Group,
    /// The best share that can be had with so many examples.
    pub ceiling: fn(usize) -> f64,
    item: fn(&mut Rng, Shape) -> Item,
}

impl Suite {
    /// The next question.
    pub fn item(&self, rng: &mut Rng, shape: Shape) -> Item {
        (self.item)(rng, shape)
    }
}

/// What a suite measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Inputs that are valid under several tasks.
    Ambiguous,
    /// Inputs of one task only.
    Unambiguous,
    /// Rules on letter strings.
    Rule,
    /// Labels that exist only in the document.
    Mapping,
    /// Keys and values.
    Recall,
    /// The post's own form.
    Post,
}

/// All suites.
pub const SUITES: &[Suite] = &[
    Suite { name: "capitals", doc: "small letters to capitals", group: Group::Rule, ceiling: |_| 1.0, item: capitals },
    Suite {
        name: "mapping-2",
        doc: "letters to one of two labels",
        group: Group::Mapping,
        ceiling: |k| 1.0 - 0.5f64.powi(k as i32),
        item: mapping,
    },
];

/// The suite of a name.
pub fn suite(name: &str) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.name == name)
}

fn letters(rng: &mut Rng) -> String {
    (0..3).map(|_| char::from(rng.gen_range(b'a'..=b'z'))).collect()
}

fn capitals(rng: &mut Rng, shape: Shape) -> Item {
    let mut prompt = if shape.instruction { "capitals\n".to_owned() } else { String::new() };
    let word = letters(rng);
    for _ in 0..shape.shots {
        let other = letters(rng);
        prompt += &format!("{other} -> {}\n", other.to_uppercase());
    }
    prompt += &format!("{word} ->");
    Item { prompt, target: format!(" {}", word.to_uppercase()), choices: Vec::new(), terminator: "\n" }
}

fn mapping(rng: &mut Rng, shape: Shape) -> Item {
    let labels = [letters(rng), letters(rng)];
    let word = letters(rng);
    let of = |word: &str| labels[usize::from(word.as_bytes().first().is_some_and(|b| *b > b'm'))].clone();
    let mut prompt = String::new();
    for _ in 0..shape.shots {
        let other = letters(rng);
        prompt += &format!("{other}:{}\n", of(&other));
    }
    prompt += &format!("{word}:");
    Item { target: of(&word), choices: labels.to_vec(), prompt, terminator: "\n" }
}
