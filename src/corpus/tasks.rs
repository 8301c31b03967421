//! The tasks, one row each: what they are called, how they are asked for, where their examples come from.

use super::reserved::{self, STRING, Side, fresh, fresh_apart, is_reserved, share};
use super::rng::{Rng, below, between, percent, pick, shuffle};
use super::sentences;
use super::words::{Noun, WORDS};

/// One example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) input: String,
    pub(super) output: String,
}

/// What the examples of a task that takes any letters are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inputs {
    Words,
    Strings,
    Both,
}

/// The examples of one document: what is fresh in it (labels, keys) is drawn when it begins.
pub(super) struct Source {
    /// The next example.
    pub(super) draw: Box<dyn FnMut(&mut Rng, Side) -> Pair>,
    /// The answers to choose from, where they are few.
    pub(super) choices: Vec<String>,
}

/// How a document begins: what its inputs are made of, and from which side its own labels and keys are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) inputs: Inputs,
    pub(super) labels: Side,
}

/// A task.
pub(super) struct Task {
    pub(super) name: &'static str,
    pub(super) weight: usize,
    /// What a question and an answer are called in the forms that name them.
    pub(super) names: (&'static str, &'static str),
    /// Ways to ask for it.
    pub(super) instructions: &'static [&'static str],
    /// Whether the instruction says enough to answer without an example.
    pub(super) alone: bool,
    /// Whether an input may come again in one document.
    pub(super) repeats: bool,
    pub(super) start: fn(&mut Rng, Plan) -> Source,
}

/// The task of this name.
pub(super) fn task(name: &str) -> &'static Task {
    TASKS.iter().find(|task| task.name == name).unwrap_or(&TASKS[0])
}

const fn row(
    name: &'static str,
    weight: usize,
    names: (&'static str, &'static str),
    instructions: &'static [&'static str],
    start: fn(&mut Rng, Plan) -> Source,
) -> Task {
    Task { name, weight, names, instructions, alone: true, repeats: false, start }
}

/// All tasks.
pub(super) const TASKS: &[Task] = &[
    row(
        "french",
        6,
        ("English", "French"),
        &["Translate English to French:", "Write the word in French:", "Say it in French:"],
        |_, _| nouns(|noun| Some((noun.english, noun.french)), |[english, french, _]| (english, french)),
    ),
    row(
        "chinese",
        6,
        ("English", "Chinese"),
        &["Translate English to Chinese:", "Write the word in Chinese:", "Say it in Chinese:"],
        |_, _| nouns(|noun| Some((noun.english, noun.chinese)), |[english, _, chinese]| (english, chinese)),
    ),
    row(
        "french-english",
        6,
        ("French", "English"),
        &["Translate French to English:", "Write the word in English:", "Say it in English:"],
        |_, _| nouns(|noun| Some((noun.french, noun.english)), |[english, french, _]| (french, english)),
    ),
    row(
        "sentence-french",
        7,
        ("English", "French"),
        &["Translate English to French:", "Write the words in French:", "Say it in French:"],
        |_, _| {
            source(|rng, side| {
                let drawn = sentences::draw(rng, side);
                Pair { input: drawn.english, output: drawn.french }
            })
        },
    ),
    row(
        "sentence-chinese",
        6,
        ("English", "Chinese"),
        &["Translate English to Chinese:", "Write the words in Chinese:", "Say it in Chinese:"],
        |_, _| {
            source(|rng, side| {
                let drawn = sentences::draw(rng, side);
                Pair { input: drawn.english, output: drawn.chinese }
            })
        },
    ),
    row(
        "plural",
        8,
        ("Word", "Plural"),
        &["Write the plural:", "Plural of the word:", "Say it for many:"],
        |_, plan| {
            source(move |rng, side| match words_now(rng, plan.inputs) {
                true => loop {
                    let noun = pick(rng, &WORDS.nouns);
                    if let Some(plural) = noun.plural {
                        break pair(noun.english, plural);
                    }
                },
                false => {
                    let string = fresh(rng, side);
                    let output = format!("{string}s");
                    Pair { input: string, output }
                }
            })
        },
    ),
    row(
        "category",
        4,
        ("Word", "Kind"),
        &["Write the kind:", "What kind of thing is it?", "Kind of the word:"],
        |_, _| Source {
            choices: WORDS.kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            ..nouns(|noun| Some((noun.english, noun.kind)), |[english, ..]| (english, "colour"))
        },
    ),
    row(
        "capitals",
        11,
        ("Word", "Capitals"),
        &["Write it in capitals:", "Capitals of the word:", "Make the letters big:"],
        |_, plan| letters(plan, |word| word.to_uppercase()),
    ),
    row(
        "first-letter",
        8,
        ("Word", "First letter"),
        &["Write the first letter:", "First letter of the word:", "Say the first letter:"],
        |_, plan| letters(plan, |word| word.chars().take(1).collect()),
    ),
    row("twice", 9, ("Word", "Twice"), &["Write it twice:", "The word twice:", "Say it twice:"], |_, plan| {
        letters(Plan { inputs: Inputs::Strings, ..plan }, |word| word.repeat(2))
    }),
    row(
        "spell",
        3,
        ("Word", "Letters"),
        &["Spell it:", "Write the letters one by one:", "Letters of the word:"],
        |_, plan| {
            letters(plan, |word| {
                let letters: Vec<String> = word.chars().map(String::from).collect();
                letters.join(" ")
            })
        },
    ),
    row(
        "next-number",
        7,
        ("Number", "Next"),
        &["Write the next number:", "Next number:", "Say the next number:"],
        |_, _| {
            source(|rng, side| {
                loop {
                    let number = match side == Side::Training && percent(rng, 25) {
                        true => turning(rng),
                        false => {
                            let top = *pick(rng, &[20, 99, 99, 999]);
                            between(rng, 1, top)
                        }
                    };
                    if side.has("next-number", &number.to_string()) {
                        break pair(&number.to_string(), &(number + 1).to_string());
                    }
                }
            })
        },
    ),
    row("adding", 3, ("Sum", "Answer"), &["Add the numbers:", "Write the sum:", "Work out the sum:"], |_, _| {
        source(|rng, side| {
            loop {
                let (a, b) = (between(rng, 1, 20), between(rng, 1, 20));
                let sum = format!("{a} + {b}");
                if side.has("adding", &sum) {
                    break pair(&sum, &(a + b).to_string());
                }
            }
        })
    }),
    row(
        "opposite",
        5,
        ("Word", "Opposite"),
        &["Write the opposite:", "Opposite of the word:", "Say the opposite:"],
        |_, _| {
            source(|rng, _| {
                let mut row = *pick(rng, &WORDS.opposites);
                if percent(rng, 50) {
                    row.reverse();
                }
                pair(row[0], row[1])
            })
        },
    ),
    row("past", 4, ("Verb", "Past"), &["Write the past:", "Past of the verb:", "Say it in the past:"], |_, _| {
        source(|rng, _| {
            let [present, past] = pick(rng, &WORDS.verbs);
            pair(present, past)
        })
    }),
    row(
        "sentiment",
        4,
        ("Text", "Sentiment"),
        &["Is it positive or negative?", "Positive or negative:", "Write the sentiment:"],
        |_, _| Source {
            choices: vec!["positive".to_owned(), "negative".to_owned()],
            ..source(|rng, side| {
                loop {
                    let positive = percent(rng, 50);
                    let phrase = phrase(rng, positive);
                    if side.has("sentiment", &phrase) {
                        break pair(&phrase, if positive { "positive" } else { "negative" });
                    }
                }
            })
        },
    ),
    row(
        "question",
        3,
        ("Question", "Answer"),
        &["Answer the question:", "Write the answer:", "Say the answer:"],
        |_, _| {
            source(|rng, _| {
                let fact = pick(rng, &WORDS.facts);
                pair(fact.question, fact.answer)
            })
        },
    ),
    Task {
        alone: false,
        ..row("mapping-2", 15, ("Word", "Label"), &["Write the label:", "Label of the word:"], |rng, plan| {
            mapping(rng, plan, 2)
        })
    },
    Task {
        alone: false,
        ..row("mapping-3", 15, ("Word", "Label"), &["Write the label:", "Label of the word:"], |rng, plan| {
            mapping(rng, plan, 3)
        })
    },
    Task {
        alone: false,
        repeats: true,
        ..row("recall", 16, ("Key", "Value"), &["Say the value again:", "Write the value of the key:"], recall)
    },
    row("copy", 8, ("Text", "Copy"), &["Copy it:", "Say it again:", "Write it again:"], |_, plan| {
        source(move |rng, side| {
            let count = between(rng, 1, 4);
            let words: Vec<String> = (0..count)
                .map(|_| match words_now(rng, plan.inputs) {
                    true => pick(rng, &WORDS.nouns).english.to_owned(),
                    false => fresh(rng, side),
                })
                .collect();
            pair(&words.join(" "), &words.join(" "))
        })
    }),
];

fn pair(input: &str, output: &str) -> Pair {
    Pair { input: input.to_owned(), output: output.to_owned() }
}

fn source(draw: impl FnMut(&mut Rng, Side) -> Pair + 'static) -> Source {
    Source { draw: Box::new(draw), choices: Vec::new() }
}

/// Nouns, and now and then a colour.
fn nouns(
    of: fn(&Noun) -> Option<(&'static str, &'static str)>,
    colour: fn([&'static str; 3]) -> (&'static str, &'static str),
) -> Source {
    source(move |rng, side| {
        loop {
            // A measurement asks for what every task takes, and no task of letters is shown a colour.
            let drawn = match side == Side::Training && percent(rng, 6) {
                true => Some(colour(*pick(rng, &WORDS.colours))),
                false => of(pick(rng, &WORDS.nouns)),
            };
            if let Some((input, output)) = drawn {
                break pair(input, output);
            }
        }
    })
}

/// Whether the next input is a word.
fn words_now(rng: &mut Rng, inputs: Inputs) -> bool {
    match inputs {
        Inputs::Words => true,
        Inputs::Strings => false,
        Inputs::Both => percent(rng, 50),
    }
}

/// A rule on letters, of words and of strings that are none.
fn letters(plan: Plan, rule: fn(&str) -> String) -> Source {
    source(move |rng, side| {
        loop {
            let input = match words_now(rng, plan.inputs) {
                true => pick(rng, &WORDS.nouns).english.to_owned(),
                false => fresh(rng, side),
            };
            let output = rule(&input);
            // A string read backwards may be one of the reserved ones.
            if side == Side::Reserved || !(reserved::is_fresh(&output) && is_reserved(STRING, &output)) {
                return Pair { input, output };
            }
        }
    })
}

/// A number of up to six digits that ends in nines. They are rare among numbers, and what a digit does when it turns over
/// is learned from them alone.
fn turning(rng: &mut Rng) -> usize {
    let digits = between(rng, 1, 6);
    let nines = between(rng, 1, digits);
    let power = |digits: usize| (0..digits).fold(1, |product, _| product * 10);
    (below(rng, power(digits - nines)) + 1) * power(nines) - 1
}

/// The one word of a kind that no mapping of the training text labels: the first by a stable hash.
fn never_labelled(kind: &[&'static str]) -> Option<&'static str> {
    kind.iter().copied().min_by_key(|word| share("labelled", word, 1 << 20))
}

/// Kinds of words, each with a label that means it in this document only.
fn mapping(rng: &mut Rng, plan: Plan, classes: usize) -> Source {
    let mut kinds: Vec<Vec<&'static str>> = match classes == 2 && plan.labels == Side::Training && percent(rng, 20) {
        true => [true, false].map(|positive| adjectives(positive).collect()).into(),
        false => WORDS.kinds.iter().map(|kind| of_kind(kind)).collect(),
    };
    shuffle(rng, &mut kinds);
    kinds.truncate(classes);
    let labels = fresh_apart(rng, plan.labels, classes);
    let choices = labels.clone();
    let draw = move |rng: &mut Rng, side: Side| {
        let class = below(rng, classes);
        loop {
            let word = *pick(rng, &kinds[class]);
            if (never_labelled(&kinds[class]) == Some(word)) == (side == Side::Reserved) {
                break pair(word, &labels[class]);
            }
        }
    };
    Source { choices, ..source(draw) }
}

/// Keys with values, and now and then a key that was there before: its value is then known.
fn recall(rng: &mut Rng, plan: Plan) -> Source {
    let pairs = fresh_pairs(rng, plan, 10);
    let most = between(rng, 2, pairs.len());
    // Half of the documents show all pairs before they ask for one.
    let new_ones = *pick(rng, &[45, 100]);
    let mut shown = 0;
    source(move |rng, _| {
        let new = shown == 0 || (shown < most && percent(rng, new_ones));
        shown += usize::from(new);
        pairs[if new { shown - 1 } else { below(rng, shown) }].clone()
    })
}

/// Keys and values that no other document has.
pub(super) fn fresh_pairs(rng: &mut Rng, plan: Plan, count: usize) -> Vec<Pair> {
    let keys = match plan.inputs {
        Inputs::Words => {
            let mut nouns: Vec<&Noun> = WORDS.nouns.iter().collect();
            shuffle(rng, &mut nouns);
            nouns.iter().take(count).map(|noun| noun.english.to_owned()).collect()
        }
        Inputs::Strings | Inputs::Both => fresh_apart(rng, plan.labels, count),
    };
    let digits = percent(rng, 50) && plan.labels == Side::Training;
    let mut values = match digits {
        true => (0..count).map(|_| between(rng, 1, 99).to_string()).collect(),
        false => fresh_apart(rng, plan.labels, count),
    };
    shuffle(rng, &mut values);
    keys.into_iter().zip(values).map(|(input, output)| Pair { input, output }).collect()
}

fn of_kind(kind: &str) -> Vec<&'static str> {
    WORDS.of_kind(kind).iter().map(|noun| noun.english).collect()
}

fn adjectives(positive: bool) -> impl Iterator<Item = &'static str> {
    WORDS.opinions.iter().filter(move |it| it.positive == positive && it.of == "any").map(|it| it.word)
}

const JUDGED: &[&str] = &["film", "song", "book", "day", "game", "story", "room", "shop", "city", "show"];
const EATEN: &[&str] = &["soup", "cake", "tea", "bread", "cheese"];

/// Something said to be good or bad.
pub(super) fn phrase(rng: &mut Rng, positive: bool) -> String {
    let opinion = loop {
        let opinion = pick(rng, &WORDS.opinions);
        if opinion.positive == positive {
            break opinion;
        }
    };
    let word = opinion.word;
    let thing = match opinion.of == "food" || percent(rng, 25) {
        true => *pick(rng, EATEN),
        false => *pick(rng, JUDGED),
    };
    let article = if word.starts_with(['a', 'e', 'i', 'o', 'u']) && word != "useless" { "an" } else { "a" };
    match (opinion.of, below(rng, 5)) {
        ("verb", 0..2) => format!("I {word} the {thing}"),
        ("verb", 2..4) => format!("I {word} this {thing}"),
        ("verb", _) => format!("we {word} the {thing}"),
        (_, 0) => format!("the {thing} was {word}"),
        (_, 1) => format!("this {thing} is {word}"),
        (_, 2) => format!("the {thing} is {word}"),
        (_, _) if ["tea", "bread", "cheese", "soup"].contains(&thing) => format!("{word} {thing}"),
        (_, 3) => format!("{article} {word} {thing}"),
        (_, _) => format!("it was {article} {word} {thing}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_words_that_are_labelled_and_one_that_is_not() {
        for kind in &WORDS.kinds {
            let words = of_kind(kind);
            assert!(words.len() > 1 && never_labelled(&words).is_some(), "{kind}");
        }
    }

    #[test]
    fn no_training_example_is_reserved() {
        use super::super::rng::Rng;
        use rand08::SeedableRng;
        let mut rng = Rng::seed_from_u64(4);
        let letters = ["capitals", "first-letter", "twice", "spell"];
        let phrases = ["next-number", "adding", "sentiment"];
        let cases = letters.iter().chain(&phrases).map(|name| (*name, *name));
        let never: Vec<&str> = WORDS.kinds.iter().filter_map(|kind| never_labelled(&of_kind(kind))).collect();
        for (name, family) in cases.chain([("mapping-2", "labelled"), ("mapping-3", "labelled")]) {
            for inputs in [Inputs::Words, Inputs::Strings] {
                for _ in 0..100 {
                    let mut source = (task(name).start)(&mut rng, Plan { inputs, labels: Side::Training });
                    for _ in 0..50 {
                        let pair = (source.draw)(&mut rng, Side::Training);
                        if family == "labelled" {
                            assert!(!never.contains(&pair.input.as_str()), "{name}: {pair:?}");
                            continue;
                        }
                        let strings = letters.contains(&name) && inputs == Inputs::Strings;
                        if letters.contains(&name) && !strings {
                            continue;
                        }
                        let family = if strings { STRING } else { family };
                        assert!(!is_reserved(family, &pair.input), "{name}: {pair:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn answers_are_right() {
        use super::super::rng::Rng;
        use rand08::SeedableRng;
        let mut rng = Rng::seed_from_u64(3);
        let plan = Plan { inputs: Inputs::Both, labels: Side::Training };
        for (name, check) in [
            ("capitals", (|pair| pair.output == pair.input.to_uppercase()) as fn(&Pair) -> bool),
            ("twice", |pair| pair.output == format!("{0}{0}", pair.input)),
            ("first-letter", |pair| pair.input.starts_with(&pair.output)),
            ("next-number", |pair| pair.input.parse::<u32>().unwrap() + 1 == pair.output.parse::<u32>().unwrap()),
            ("copy", |pair| pair.input == pair.output),
        ] {
            let mut source = (task(name).start)(&mut rng, plan);
            for side in [Side::Training, Side::Reserved] {
                for _ in 0..200 {
                    let pair = (source.draw)(&mut rng, side);
                    assert!(check(&pair), "{name}: {pair:?}");
                }
            }
        }
    }
}
