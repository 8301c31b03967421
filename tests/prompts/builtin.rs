use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kshot::prompt::{PartKind, Prompt, Query, Task};

use crate::{builtin_tasks, prompt};

#[test]
fn every_file_of_the_folder_is_built_in_and_loads() {
    let library = builtin_tasks();
    assert_eq!(library.problems, []);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: BTreeSet<String> =
        files.filter(|path| path.extension().is_some_and(|e| e == "yaml")).map(stem).collect();
    let tasks: BTreeSet<String> = library.tasks.iter().map(|task| task.name.clone()).collect();
    assert_eq!(tasks, files, "a task is named as its file");
    assert!(tasks.len() >= 14, "{}", tasks.len());
}

#[test]
fn every_task_says_what_it_is_and_has_enough_documents() {
    const ZERO_SHOT: [&str; 2] = ["gpt2-tldr", "story"];
    for task in &builtin_tasks().tasks {
        let name = &task.name;
        assert!(task.title != *name && task.source.is_some() && task.group.is_some(), "{name}");
        assert!(!task.queries.is_empty() && task.input_field().is_some(), "{name}");
        assert!(task.examples.len() >= 8 || ZERO_SHOT.contains(&name.as_str()), "{name}");
        assert!(task.examples.is_empty() || !task.until.is_empty(), "{name}");
        let texts: BTreeSet<&str> = task.examples.iter().map(|example| example.text.as_str()).collect();
        assert_eq!(texts.len(), task.examples.len(), "{name}: an example stands twice");
    }
}

#[test]
fn every_task_renders_at_every_number_of_shots() {
    let mut wrong = Vec::new();
    for task in &builtin_tasks().tasks {
        for shots in [0, 1, 3, task.examples.len(), usize::MAX] {
            for query in 0..task.queries.len() {
                let made = prompt(task, shots, Query::Listed(query));
                let place = format!("{} k={shots} query {query}", task.name);
                wrong.extend(flaw(task, shots.min(task.examples.len()), &made).map(|flaw| format!("{place}: {flaw}")));
            }
            let made = prompt(task, shots, Query::Typed("something typed by hand"));
            // `copy` alone works its answer out from the query; elsewhere nobody knows what is right.
            if !made.text.contains("something typed by hand") || made.expected.is_some() != (task.name == "copy") {
                wrong.push(format!("{}: {made:?}", task.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn flaw(task: &Task, shots: usize, made: &Prompt) -> Option<String> {
    if made.text.is_empty() || made.text.ends_with(char::is_whitespace) {
        return Some(format!("the prompt ends in white space: {:?}", made.text));
    }
    if made.text.contains("  ") || made.text.contains(" \n") || made.text.contains('\r') || made.text.contains("{{") {
        return Some(format!("stray white space or template marks: {:?}", made.text));
    }
    let mut end = 0;
    for part in &made.parts {
        if part.range.start != end || part.range.is_empty() {
            return Some(format!("a part at {:?} where {end} was due", part.range));
        }
        end = part.range.end;
    }
    if end != made.text.len() {
        return Some("the parts do not cover the prompt".to_owned());
    }
    let targets: Vec<&str> = made
        .parts
        .iter()
        .filter(|p| matches!(p.kind, PartKind::Target(_)))
        .map(|p| &made.text[p.range.clone()])
        .collect();
    let expected: Vec<&str> = task.examples[..shots].iter().map(|example| example.target.as_str()).collect();
    if targets != expected {
        return Some(format!("targets {targets:?}, expected {expected:?}"));
    }
    let answers = task.examples.iter().map(|example| &example.target);
    if let Some(cut) =
        answers.flat_map(|answer| made.stop.iter().filter(move |stop| answer.contains(stop.as_str()))).next()
    {
        return Some(format!("an answer holds the stop string {cut:?}"));
    }
    let Some(answer) = &made.expected else {
        return task.examples.first().map(|_| "the query's answer is not known".to_owned());
    };
    if !answer.continuation.ends_with(&answer.label) || answer.label.is_empty() {
        return Some(format!("{answer:?}"));
    }
    (!made.choices.is_empty() && !made.choices.contains(answer)).then(|| format!("{answer:?} is not a choice"))
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn published_forms_are_exact_to_the_byte() {
    let cases = [
        ("translation-zh", 1, "Translate it, I love computer, 我爱计算机\nTranslate it, I love music,", " 我爱音乐"),
        (
            "gpt3-translation",
            3,
            "Translate English to French:\nsea otter => loutre de mer\npeppermint => menthe poivrée\n\
             plush giraffe => girafe peluche\ncheese =>",
            " fromage",
        ),
        ("gpt3-translation", 0, "Translate English to French:\ncheese =>", " fromage"),
        (
            "gpt3-arithmetic",
            2,
            "Q: What is 98 plus 45?\nA: 143\n\nQ: What is 12 plus 7?\nA: 19\n\nQ: What is 48 plus 76?\nA:",
            " 124",
        ),
        (
            "gpt2-translation",
            2,
            "The house is blue. = La maison est bleue.\nI have two brothers. = J'ai deux frères.\nThe dog is in the garden. =",
            " Le chien est dans le jardin.",
        ),
        (
            "gpt2-qa",
            1,
            "Q: Who wrote the book the origin of species?\nA: Charles Darwin\n\nQ: Who wrote the play Romeo and Juliet?\nA:",
            " William Shakespeare",
        ),
        (
            "gpt3-cycle-letters",
            1,
            "Please unscramble the letters into a word, and write that word:\nasinoc = casino\nnterwi =",
            " winter",
        ),
        (
            "gpt3-cloze",
            1,
            "Fill in blank:\n\nAlice was friends with Bob. Alice went to visit her friend ____. -> Bob\n\n\
             George bought some baseball equipment, a ball, a glove, and a ____. ->",
            " bat",
        ),
        (
            "gpt3-analogies",
            1,
            "lull is to trust as cajole is to compliance\nking is to queen as",
            " father is to mother",
        ),
        (
            "gpt3-entailment",
            0,
            "The bridge was built in 1890 and replaced by a tunnel a century later.\n\
             question: The bridge was built before the tunnel. True or False?\nanswer:",
            " True",
        ),
        ("pattern-days", 2, "Mon -> Monday\nTue -> Tuesday\nSun ->", " Sunday"),
        ("recall", 3, "cat: 7, dog: 3, sun: 9, cat:", " 7"),
        (
            "copy",
            1,
            "A7 k2 Qx m4 T9 b3 Zr w8\nA7 k2 Qx m4 T9 b3 Zr w8\n\nB2 n7 Uq 6x E5 hs W0 g3\nB2 n7",
            " Uq 6x E5 hs W0 g3",
        ),
    ];
    let library = builtin_tasks();
    for (name, shots, text, continuation) in cases {
        let made = prompt(library.get(name).unwrap(), shots, Query::Listed(0));
        assert_eq!(made.text, text, "{name}");
        assert_eq!(made.expected.unwrap().continuation, continuation, "{name}");
    }
    let tldr = prompt(library.get("gpt2-tldr").unwrap(), 5, Query::Typed("An article.\nIts second line."));
    assert_eq!(tldr.text, "An article.\nIts second line.\nTL;DR:");
    assert_eq!((tldr.expected, tldr.stop), (None, vec!["\n\n".to_owned()]));
    let story = prompt(library.get("story").unwrap(), 0, Query::Typed("It was"));
    assert_eq!((story.text.as_str(), story.stop.len()), ("It was", 0));
    let reading = prompt(library.get("gpt2-reading").unwrap(), 1, Query::Listed(0)).text;
    assert!(
        reading.ends_with(
            "Ines, 1931.\n\nQ: When did Maya find the key?\nA: on a Tuesday\nQ: What did they find in the box?\nA:"
        ),
        "{reading}"
    );
}

#[test]
fn letter_puzzles_have_their_answers() {
    let library = builtin_tasks();
    let pairs = |name: &str| {
        let task = library.get(name).unwrap();
        let docs: Vec<_> = task.examples.iter().map(|e| e.doc.clone()).chain(task.queries.clone()).collect();
        docs.into_iter()
            .map(|doc| (doc["letters"].as_str().unwrap().to_owned(), doc["word"].as_str().unwrap().to_owned()))
    };
    for (letters, word) in pairs("gpt3-cycle-letters") {
        assert!(
            word.repeat(2).contains(&letters) && letters.len() == word.len() && letters != word,
            "{letters} {word}"
        );
    }
    for (letters, word) in pairs("gpt3-reversed-words") {
        assert_eq!(letters.chars().rev().collect::<String>(), word);
    }
    for (letters, word) in pairs("gpt3-anagrams") {
        let sorted = |s: &str| {
            let mut c: Vec<char> = s.chars().collect();
            c.sort_unstable();
            c
        };
        assert_eq!(sorted(&letters), sorted(&word));
        assert!(letters != word && letters[..1] == word[..1] && letters[letters.len() - 1..] == word[word.len() - 1..]);
    }
    for (letters, word) in ["gpt3-cycle-letters", "gpt3-reversed-words", "gpt3-anagrams"].into_iter().flat_map(pairs) {
        assert!((5..15).contains(&word.len()), "{letters} {word}");
    }
}

#[test]
fn arithmetic_is_right() {
    let library = builtin_tasks();
    let task = library.get("gpt3-arithmetic").unwrap();
    for doc in task.examples.iter().map(|e| &e.doc).chain(&task.queries) {
        let problem = doc["problem"].as_str().unwrap();
        let words: Vec<&str> = problem.split(' ').collect();
        let (a, b): (i32, i32) = (words[0].parse().unwrap(), words[2].parse().unwrap());
        let result = if words[1] == "plus" { a + b } else { a - b };
        assert_eq!(doc["result"], result.to_string(), "{problem}");
    }
}
