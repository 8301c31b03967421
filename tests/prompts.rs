//! The prompt library: every built-in task at every number of shots, the exact bytes of published forms, bad files,
//! the user's folder, and templates that mean harm.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kshot::prompt::{
    Assembly, Instruction, Library, Origin, PartKind, Prompt, Query, Selection, Task,
};

fn builtin() -> Library {
    Library::load(None)
}

fn prompt(task: &Task, shots: usize, query: Query) -> Prompt {
    let mut selection = Selection::listed(task);
    selection.set_shots(shots);
    Assembly {
        task,
        selection: &selection,
        query,
        instruction: Instruction::Shown,
    }
    .prompt()
    .unwrap()
}

/// Loads one task file from a folder of its own: the task, or the problem with it.
fn load(content: &[u8]) -> Result<Task, (Option<usize>, String)> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.yaml"), content).unwrap();
    let mut library = Library::load(Some(folder.path()));
    match library.problems.pop() {
        Some(problem) => {
            assert_eq!(problem.path, folder.path().join("mine.yaml"));
            Err((problem.line, problem.reason))
        }
        None => Ok(library.tasks.pop().unwrap()),
    }
}

#[test]
fn every_file_of_the_folder_is_built_in_and_loads() {
    let library = builtin();
    assert_eq!(library.problems, []);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files: BTreeSet<String> = files
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .map(stem)
        .collect();
    let tasks: BTreeSet<String> = library.tasks.iter().map(|task| task.name.clone()).collect();
    assert_eq!(tasks, files, "a task is named as its file");
    assert!(tasks.len() >= 14, "{}", tasks.len());
}

#[test]
fn every_task_says_what_it_is_and_has_enough_documents() {
    const ZERO_SHOT: [&str; 2] = ["gpt2-tldr", "story"];
    for task in &builtin().tasks {
        let name = &task.name;
        assert!(
            task.title != *name && task.source.is_some() && task.group.is_some(),
            "{name}"
        );
        assert!(
            !task.queries.is_empty() && task.input_field().is_some(),
            "{name}"
        );
        assert!(
            task.examples.len() >= 8 || ZERO_SHOT.contains(&name.as_str()),
            "{name}"
        );
        assert!(task.examples.is_empty() || !task.until.is_empty(), "{name}");
        let texts: BTreeSet<&str> = task
            .examples
            .iter()
            .map(|example| example.text.as_str())
            .collect();
        assert_eq!(
            texts.len(),
            task.examples.len(),
            "{name}: an example stands twice"
        );
    }
}

#[test]
fn every_task_renders_at_every_number_of_shots() {
    let mut wrong = Vec::new();
    for task in &builtin().tasks {
        for shots in [0, 1, 3, task.examples.len(), usize::MAX] {
            for query in 0..task.queries.len() {
                let made = prompt(task, shots, Query::Listed(query));
                let place = format!("{} k={shots} query {query}", task.name);
                wrong.extend(
                    flaw(task, shots.min(task.examples.len()), &made)
                        .map(|flaw| format!("{place}: {flaw}")),
                );
            }
            let made = prompt(task, shots, Query::Typed("something typed by hand"));
            // `copy` alone works its answer out from the query; elsewhere nobody knows what is right.
            if !made.text.contains("something typed by hand")
                || made.expected.is_some() != (task.name == "copy")
            {
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
    if made.text.contains("  ")
        || made.text.contains(" \n")
        || made.text.contains('\r')
        || made.text.contains("{{")
    {
        return Some(format!(
            "stray white space or template marks: {:?}",
            made.text
        ));
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
    let expected: Vec<&str> = task.examples[..shots]
        .iter()
        .map(|example| example.target.as_str())
        .collect();
    if targets != expected {
        return Some(format!("targets {targets:?}, expected {expected:?}"));
    }
    let answers = task.examples.iter().map(|example| &example.target);
    if let Some(cut) = answers
        .flat_map(|answer| {
            made.stop
                .iter()
                .filter(move |stop| answer.contains(stop.as_str()))
        })
        .next()
    {
        return Some(format!("an answer holds the stop string {cut:?}"));
    }
    let Some(answer) = &made.expected else {
        return task
            .examples
            .first()
            .map(|_| "the query's answer is not known".to_owned());
    };
    if !answer.continuation.ends_with(&answer.label) || answer.label.is_empty() {
        return Some(format!("{answer:?}"));
    }
    (!made.choices.is_empty() && !made.choices.contains(answer))
        .then(|| format!("{answer:?} is not a choice"))
}

#[test]
fn published_forms_are_exact_to_the_byte() {
    let cases = [
        (
            "translation-zh",
            1,
            "Translate it, I love computer, 我爱计算机\nTranslate it, I love music,",
            " 我爱音乐",
        ),
        (
            "gpt3-translation",
            3,
            "Translate English to French:\nsea otter => loutre de mer\npeppermint => menthe poivrée\n\
             plush giraffe => girafe peluche\ncheese =>",
            " fromage",
        ),
        (
            "gpt3-translation",
            0,
            "Translate English to French:\ncheese =>",
            " fromage",
        ),
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
        (
            "pattern-days",
            2,
            "Mon -> Monday\nTue -> Tuesday\nSun ->",
            " Sunday",
        ),
        ("recall", 3, "cat: 7, dog: 3, sun: 9, cat:", " 7"),
        (
            "copy",
            1,
            "A7 k2 Qx m4 T9 b3 Zr w8\nA7 k2 Qx m4 T9 b3 Zr w8\n\nB2 n7 Uq 6x E5 hs W0 g3\nB2 n7",
            " Uq 6x E5 hs W0 g3",
        ),
    ];
    let library = builtin();
    for (name, shots, text, continuation) in cases {
        let made = prompt(library.get(name).unwrap(), shots, Query::Listed(0));
        assert_eq!(made.text, text, "{name}");
        assert_eq!(made.expected.unwrap().continuation, continuation, "{name}");
    }
    let tldr = prompt(
        library.get("gpt2-tldr").unwrap(),
        5,
        Query::Typed("An article.\nIts second line."),
    );
    assert_eq!(tldr.text, "An article.\nIts second line.\nTL;DR:");
    assert_eq!((tldr.expected, tldr.stop), (None, vec!["\n\n".to_owned()]));
    let story = prompt(library.get("story").unwrap(), 0, Query::Typed("It was"));
    assert_eq!((story.text.as_str(), story.stop.len()), ("It was", 0));
    let reading = prompt(library.get("gpt2-reading").unwrap(), 1, Query::Listed(0)).text;
    assert!(reading.ends_with("Ines, 1931.\n\nQ: When did Maya find the key?\nA: on a Tuesday\nQ: What did they find in the box?\nA:"), "{reading}");
}

#[test]
fn letter_puzzles_have_their_answers() {
    let library = builtin();
    let pairs = |name: &str| {
        let task = library.get(name).unwrap();
        let docs: Vec<_> = task
            .examples
            .iter()
            .map(|e| e.doc.clone())
            .chain(task.queries.clone())
            .collect();
        docs.into_iter().map(|doc| {
            (
                doc["letters"].as_str().unwrap().to_owned(),
                doc["word"].as_str().unwrap().to_owned(),
            )
        })
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
        assert!(
            letters != word
                && letters[..1] == word[..1]
                && letters[letters.len() - 1..] == word[word.len() - 1..]
        );
    }
    for (letters, word) in ["gpt3-cycle-letters", "gpt3-reversed-words", "gpt3-anagrams"]
        .into_iter()
        .flat_map(pairs)
    {
        assert!((5..15).contains(&word.len()), "{letters} {word}");
    }
}

#[test]
fn arithmetic_is_right() {
    let library = builtin();
    let task = library.get("gpt3-arithmetic").unwrap();
    for doc in task.examples.iter().map(|e| &e.doc).chain(&task.queries) {
        let problem = doc["problem"].as_str().unwrap();
        let words: Vec<&str> = problem.split(' ').collect();
        let (a, b): (i32, i32) = (words[0].parse().unwrap(), words[2].parse().unwrap());
        let result = if words[1] == "plus" { a + b } else { a - b };
        assert_eq!(doc["result"], result.to_string(), "{problem}");
    }
}

const MINIMAL: &str = "task: mine\ndoc_to_text: \"{{q}} =\"\ndoc_to_target: a\nsamples:\n  - {q: x, a: y}\n  - {q: v, a: w}\n";

#[test]
fn bad_files_are_reported_with_line_and_reason() {
    let with = |line: &str| format!("{MINIMAL}{line}\n");
    let cases: &[(String, Option<usize>, &str)] = &[
        (
            with("doc_to_txt: x"),
            Some(7),
            "unknown key `doc_to_txt`; did you mean `doc_to_text`?",
        ),
        (
            with("few_shot_delimiter: x"),
            Some(7),
            "did you mean `fewshot_delimiter`?",
        ),
        (with("colour: red"), Some(7), "unknown key `colour`"),
        (
            with("process_docs: f"),
            Some(7),
            "`process_docs` of lm-evaluation-harness is not supported",
        ),
        (
            with("process_docs: !function utils.f"),
            Some(7),
            "not supported",
        ),
        (
            with("fewshot_config: {samplers: x}"),
            Some(7),
            "did you mean `sampler`?",
        ),
        (with("num_fewshot: many"), Some(7), "in `num_fewshot: many`"),
        (with("num_fewshot: -1"), Some(7), ""),
        (with("task: again"), Some(7), "duplicate"),
        (
            with("fewshot_config: {samples: [{q: x, a: y}]}"),
            Some(1),
            "keep one",
        ),
        (
            with("query:\n  - {a: b}"),
            Some(8),
            "doc_to_text: template: undefined value",
        ),
        (
            with("doc_to_choice: \"{{q}}\""),
            Some(5),
            "doc_to_choice gives no list",
        ),
        (
            with("doc_to_choice: [one]\nquery:\n  - {q: x, a: 4}"),
            Some(9),
            "target 4 is not an index of the 1 choices",
        ),
        (
            with("description: \"{% if %}\""),
            Some(7),
            "description: template: syntax error",
        ),
        (
            MINIMAL.replace("{{q}} =", "{{q"),
            Some(2),
            "doc_to_text: template: syntax error",
        ),
        (
            MINIMAL.replace("{{q}} =", "{{ nothing }}"),
            Some(5),
            "doc_to_text: template: undefined value",
        ),
        (
            MINIMAL.replace("{{q}} =", "{{ q | nofilter }}"),
            Some(5),
            "nofilter",
        ),
        (
            MINIMAL.replace("{{q}} =", "{% include '/etc/passwd' %}"),
            Some(5),
            "template",
        ),
        (
            MINIMAL.replace("{q: v, a: w}", "{q: v}"),
            Some(6),
            "finds no answer in this document",
        ),
        (
            MINIMAL.replace("{q: v, a: w}", "{q: v, a: ''}"),
            Some(6),
            "finds no answer in this document",
        ),
        (MINIMAL.replace("{q: v, a: w}", "just text"), Some(6), ""),
        (
            MINIMAL.replace("doc_to_target: a\n", ""),
            Some(4),
            "`samples` need `doc_to_target`",
        ),
        (
            MINIMAL.replace("task: mine\n", ""),
            None,
            "the key `task` is missing",
        ),
        (
            MINIMAL.replace("mine", "two words"),
            Some(1),
            "is not a name",
        ),
        (MINIMAL.replace("mine", "''"), Some(1), "is not a name"),
        (
            "task: mine\ndoc_to_text: x\n".to_owned(),
            Some(1),
            "the file holds no documents",
        ),
        (
            "task: mine\ndoc_to_text: \"{{q}}\"\nquery: [{q: \"\"}]\n".to_owned(),
            Some(3),
            "gives no text",
        ),
        ("task: [mine\n".to_owned(), None, ""),
        (
            "\ttask: mine\n".to_owned(),
            None,
            "`doc_to_text` is missing",
        ),
        (String::new(), None, ""),
        ("just words".to_owned(), Some(1), ""),
        (
            "a: &a [x]\nb: &b [*a,*a,*a,*a]\nc: [*b,*b,*b,*b]\n".to_owned(),
            Some(1),
            "unknown key `a`",
        ),
        (
            format!("task: x # {}", "x".repeat(2_000_000)),
            None,
            "larger than a task may be",
        ),
    ];
    let mut wrong = Vec::new();
    for (content, line, reason) in cases {
        let shown = content.get(..200).unwrap_or(content);
        match load(content.as_bytes()) {
            Ok(_) => wrong.push(format!("accepted: {shown}")),
            Err((at, why))
                if (line.is_some() && at != *line) || !why.contains(reason) || why.is_empty() =>
            {
                wrong.push(format!(
                    "{shown}\n  expected {line:?} {reason:?}\n  got      {at:?} {why:?}"
                ));
            }
            Err((_, why)) if why.contains(" at line ") || why.contains('\n') => {
                wrong.push(format!("{why:?}"))
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        load(b"task: x\ndoc_to_text: \xFF\n").unwrap_err(),
        (Some(2), "the file is not UTF-8".to_owned())
    );
    let optional = MINIMAL.replace("samples:", "query:");
    assert_eq!(
        load(optional.replace("a: y", "b: y").as_bytes()).map(|task| task.queries.len()),
        Ok(2)
    );
}

#[test]
fn templates_that_mean_harm_are_stopped() {
    let bombs = [
        "{% for a in range(10000) %}{% for b in range(10000) %}{% for c in range(10000) %}x{% endfor %}{% endfor %}{% endfor %}",
        "{{ 'x' * 100000000 }}",
        "{% set x = 'aaaaaaaaaaaaaaaa' %}{% set ns = namespace(x=x) %}{% for i in range(64) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ range(1000000000) | list | length }}",
        "{{ q | replace('x', 'xx' * 100000) | replace('x', 'xx' * 100000) }}",
    ];
    for bomb in bombs {
        let start = std::time::Instant::now();
        let content = MINIMAL.replace("{{q}} =", bomb);
        let (line, reason) = load(content.as_bytes()).expect_err(bomb);
        assert_eq!(line, Some(5), "{bomb}: {reason}");
        assert!(
            start.elapsed().as_secs() < 5,
            "{bomb}: {:?}",
            start.elapsed()
        );
    }
    let loops = load(MINIMAL.replace("{{q}} =", bombs[0]).as_bytes())
        .unwrap_err()
        .1;
    assert!(loops.contains("too much work"), "{loops}");
}

#[test]
fn the_users_folder_adds_replaces_and_cannot_break_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let write =
        |name: &str, content: &str| std::fs::write(folder.path().join(name), content).unwrap();
    write("a.yaml", MINIMAL);
    write("b.yml", &MINIMAL.replace("mine", "recall"));
    write("c.yaml", "broken: [");
    write("d.yaml", MINIMAL);
    write("notes.txt", "not a task");
    std::fs::create_dir(folder.path().join("folder.yaml")).unwrap();
    let library = Library::load(Some(folder.path()));

    let names = |library: &Library| {
        library
            .tasks
            .iter()
            .map(|t| t.name.clone())
            .collect::<Vec<_>>()
    };
    let mut expected = names(&builtin());
    expected.push("mine".to_owned());
    assert_eq!(names(&library), expected);
    assert_eq!(
        library.get("recall").unwrap().origin,
        Origin::File(folder.path().join("b.yml"))
    );
    assert_eq!(library.get("copy").unwrap().origin, Origin::BuiltIn);
    let problems: Vec<String> = library.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("c.yaml:1: "), "{problems:?}");
    assert!(
        problems[1].contains("d.yaml: task `mine` is already in")
            && problems[1].ends_with("a.yaml"),
        "{problems:?}"
    );

    assert_eq!(
        Library::load(Some(&folder.path().join("absent"))).problems,
        []
    );
    assert_eq!(
        Library::load(Some(&folder.path().join("notes.txt")))
            .problems
            .len(),
        1
    );
}

#[test]
fn a_selection_decides_which_examples_stand_where() {
    let library = builtin();
    let task = library.get("recall").unwrap();
    let mut selection = Selection::listed(task);
    selection.set_shots(3);
    let shown = |selection: &Selection| selection.shown().collect::<Vec<_>>();
    assert_eq!(shown(&selection), [0, 1, 2]);
    selection.toggle(1);
    assert_eq!(shown(&selection), [0, 2, 3]);
    selection.move_entry(9, 0);
    assert_eq!(shown(&selection), [9, 0, 2]);
    selection.move_entry(0, 99);
    selection.toggle(99);
    selection.set_shots(99);
    assert_eq!(
        (shown(&selection), selection.shots()),
        (vec![0, 2, 3, 4, 5, 6, 7, 8, 9], 10)
    );

    let shuffled = |seed: u64| {
        let mut selection = Selection::listed(task);
        selection.shuffle(seed ^ 1);
        selection.shuffle(seed);
        shown(&selection)
    };
    assert_eq!(shuffled(42), shuffled(42));
    assert_ne!(shuffled(42), shuffled(43));
    // Pinned: a seed in a saved session must mean the same order in every later build.
    assert_eq!(shuffled(42), [0, 3, 5, 7, 9, 4, 8, 1, 6, 2]);

    selection.set_shots(2);
    let made = Assembly {
        task,
        selection: &selection,
        query: Query::Listed(0),
        instruction: Instruction::Shown,
    }
    .prompt()
    .unwrap();
    assert_eq!(made.text, "cat: 7, sun: 9, cat:");
    let kinds: Vec<(PartKind, &str)> = made
        .parts
        .iter()
        .map(|p| (p.kind, &made.text[p.range.clone()]))
        .collect();
    let between = PartKind::Delimiter;
    assert_eq!(
        kinds,
        [
            (PartKind::Text(0), "cat:"),
            (between, " "),
            (PartKind::Target(0), "7"),
            (between, ", "),
            (PartKind::Text(2), "sun:"),
            (between, " "),
            (PartKind::Target(2), "9"),
            (between, ", "),
            (PartKind::Query, "cat:"),
        ]
    );
}

#[test]
fn the_instruction_can_be_left_out_and_shots_can_be_fitted() {
    let library = builtin();
    let task = library.get("gpt3-translation").unwrap();
    let selection = Selection::listed(task);
    let mut assembly = Assembly {
        task,
        selection: &selection,
        query: Query::Listed(0),
        instruction: Instruction::Hidden,
    };
    let text = assembly.prompt().unwrap().text;
    assert!(text.starts_with("sea otter => loutre de mer\n"), "{text}");
    let words = |text: &str| text.split_whitespace().count();
    assert_eq!(words(&text), 15 + 2);
    for (limit, fits) in [
        (100, Some(3)),
        (17, Some(3)),
        (16, Some(2)),
        (2, Some(0)),
        (1, None),
    ] {
        assert_eq!(
            assembly.shots_that_fit(limit, words).unwrap(),
            fits,
            "{limit}"
        );
    }
    assembly.query = Query::Listed(99);
    assert!(
        assembly
            .prompt()
            .unwrap_err()
            .to_string()
            .contains("no query 99")
    );
}

#[test]
fn what_lm_eval_files_say_is_understood() {
    let content = r#"
task: lm_eval_style
output_type: multiple_choice
dataset_path: some/data
test_split: validation
metric_list: [{metric: acc, aggregation: mean}]
metadata: {version: 1.0}
description: "About {{topic}}.\n"
doc_to_text: "{{question.strip() if false else question}} "
doc_to_choice: "{{choices}}"
doc_to_target: "{{gold}}"
fewshot_config:
  sampler: first_n
  samples:
    - {topic: maths, question: "1 + 1 is", choices: ["1", "2"], gold: 1}
    - {topic: maths, question: "an odd number is", choices: [no, yes, 3], gold: 0}
query:
  - {topic: words, question: "no or yes?", choices: [no, yes], gold: 1}
"#;
    let task = load(content.as_bytes()).unwrap();
    let made = prompt(&task, 2, Query::Listed(0));
    assert_eq!(
        made.text,
        "About words.\n1 + 1 is  2\n\nan odd number is  no\n\nno or yes?"
    );
    assert_eq!(
        (made.stop, made.expected.unwrap().continuation),
        (vec!["\n\n".to_owned()], "  yes".to_owned())
    );
    let choices: Vec<String> = made
        .choices
        .into_iter()
        .map(|choice| choice.label)
        .collect();
    assert_eq!(choices, ["no", "yes"]);

    let aliases = MINIMAL.replace("a: y", "a: [Paris, \"City of Light\"]");
    assert_eq!(
        load(aliases.as_bytes()).unwrap().examples[0].target,
        "Paris"
    );
    let numbers = MINIMAL.replace("{q: x, a: y}", "{q: 7, a: 143}");
    let task = load(numbers.as_bytes()).unwrap();
    assert_eq!(
        (
            task.examples[0].text.as_str(),
            task.examples[0].target.as_str()
        ),
        ("7 =", "143")
    );
}
