use std::path::Path;

use kshot::prompt::{Doc, FileChange, Library, Origin, Task, read_examples};

use crate::builtin_tasks;

fn docs(task: &Task) -> Vec<Doc> {
    task.examples.iter().map(|example| example.doc.clone()).collect()
}

/// Every task of the program, written with its own examples and read from the folder again, is the same task.
#[test]
fn a_rewritten_task_is_read_as_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::load(Some(folder.path()));
    for task in builtin_tasks().tasks {
        let rewritten = library.with_examples(&task, &docs(&task)).unwrap();
        let FileChange { path, old, new } = rewritten.change.unwrap();
        assert_eq!((&path, old), (&folder.path().join(format!("{}.yaml", task.name)), None));
        let yaml = new.unwrap();
        std::fs::write(&path, yaml.as_bytes()).unwrap();
        let read = Library::read(&path).unwrap();
        let same = |other: &Task| {
            (&other.name, &other.title, &other.source, &other.group)
                == (&task.name, &task.title, &task.source, &task.group)
                && other.examples == task.examples
                && other.queries == task.queries
                && (other.num_fewshot, other.max_gen_toks) == (task.num_fewshot, task.max_gen_toks)
                && (&other.fewshot_delimiter, &other.target_delimiter)
                    == (&task.fewshot_delimiter, &task.target_delimiter)
                && other.until == task.until
                && other.queries.iter().all(|doc| other.description(doc) == task.description(doc))
                && other.queries.iter().all(|doc| other.choices(doc) == task.choices(doc))
        };
        assert!(same(&read) && same(&rewritten.task), "{}:\n{yaml}", task.name);
        assert!(read.written == Some(yaml) && task.written.is_none(), "{}", task.name);
    }
    assert_eq!(Library::load(Some(folder.path())).problems, []);
}

#[test]
fn a_file_of_the_user_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let mine = "# my notes\ntask: mine/words\ndoc_to_text: \"{{q}} =\"\ndoc_to_target: a\nsamples:\n  - {q: x, a: y}\n";
    std::fs::write(folder.path().join("mine.yaml"), mine).unwrap();
    let library = Library::load(Some(folder.path()));
    let task = library.get("mine/words").unwrap();
    let mut more = docs(task);
    more.push(more[0].clone());
    let first = library.with_examples(task, &more).unwrap();
    assert_eq!(first.task.name, "mine/words-edited");
    let made = first.change.unwrap();
    assert_eq!((&made.path, &made.old), (&folder.path().join("mine_words-edited.yaml"), &None));
    // What kshot wrote, it writes again under the same name, in the place of that and of nothing else.
    let again = library.with_examples(&first.task, &docs(task)).unwrap();
    let changed = again.change.unwrap();
    assert_eq!((again.task.name.as_str(), &changed.path, &changed.old), ("mine/words-edited", &made.path, &made.new));
    assert_eq!(again.task.origin, Origin::File(made.path.clone()));
    // One line by hand, and the file is the user's.
    let by_hand = format!("{}# two evenings of work\n", made.new.unwrap());
    std::fs::write(&made.path, &by_hand).unwrap();
    let library = Library::load(Some(folder.path()));
    let copy = library.get("mine/words-edited").unwrap();
    assert_eq!(copy.written, None);
    let third = library.with_examples(copy, &docs(copy)).unwrap();
    assert_eq!(third.change.unwrap().path, folder.path().join("mine_words-edited-edited.yaml"));
}

/// Files that are left out, hold another task or differ in case are in nobody's way but their own.
#[test]
fn no_file_of_the_folder_is_named_for_another_task() {
    let own = |name: &str| {
        format!("task: {name}\ndoc_to_text: \"{{{{q}}}} =\"\ndoc_to_target: a\nsamples:\n  - {{q: x, a: y}}\n")
    };
    let broken = own("sentiment").replace("{{q}}", "{{q.nothing()}}");
    for (file, content, task, name) in [
        ("sentiment.yaml", broken.as_str(), "sentiment", "sentiment-edited"),
        ("copy.yaml", &own("mycopy"), "copy", "copy-edited"),
        ("COPY.yml", &own("mycopy"), "copy", "copy-edited"),
        ("recall.txt", "no task", "recall", "recall"),
        ("mine.yaml", &own("mine"), "mine", "mine-edited"),
        ("any.yaml", &own("recall"), "recall", "recall-edited"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file), content).unwrap();
        let library = Library::load(Some(folder.path()));
        let task = library.get(task).unwrap();
        let made = library.with_examples(task, &docs(task)).unwrap();
        let change = made.change.unwrap();
        assert_eq!((made.task.name.as_str(), change.old), (name, None), "{file}");
        assert_eq!(change.path, folder.path().join(format!("{name}.yaml")), "{file}");
        // And where that is taken as well, a number is added.
        std::fs::write(folder.path().join(format!("{task}-edited.yaml", task = task.name)), "left out").unwrap();
        let library = Library::load(Some(folder.path()));
        let task = library.get(&task.name).unwrap();
        let next = if name == "recall" { "recall".to_owned() } else { format!("{}-edited-2", task.name) };
        assert_eq!(library.with_examples(task, &docs(task)).unwrap().task.name, next, "{file}");
    }
}

#[test]
fn an_example_that_cannot_be_rendered_is_refused() {
    let library = builtin_tasks();
    let task = library.get("translation-zh").unwrap();
    let mut all = docs(task);
    all[0].remove("english");
    assert!(library.with_examples(task, &all).is_err());
    let mut all = docs(task);
    all[0]["chinese"] = serde_json::Value::from("");
    assert!(library.with_examples(task, &all).unwrap_err().reason.contains("no answer"));
    // Text that YAML would read as something else stays text; control characters stay what they are.
    let mut all = docs(task);
    all[0]["english"] = serde_json::Value::from("no: \"yes\" #\t\u{1}\u{7f}\u{85}\u{2028} ~ {{x}} 👍");
    let rewritten = library.with_examples(task, &all).unwrap();
    assert_eq!(rewritten.task.examples[0].doc, all[0]);
}

#[test]
fn examples_are_read_from_tables() {
    let folder = tempfile::tempdir().unwrap();
    let fields = ["q".to_owned(), "a".to_owned()];
    let read = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read_examples(&path, &fields).map_err(|problem| (problem.line, problem.reason))
    };
    let pairs = |docs: Vec<Doc>| -> Vec<(String, String)> {
        docs.iter().map(|doc| (doc["q"].as_str().unwrap().to_owned(), doc["a"].as_str().unwrap().to_owned())).collect()
    };
    let expected = vec![("x, \"y\"".to_owned(), "1".to_owned()), ("z".to_owned(), "2".to_owned())];
    let csv = "\u{feff}a,other,q\n1,-,\"x, \"\"y\"\"\"\n2,-,z\n";
    assert_eq!(pairs(read("t.csv", csv.as_bytes()).unwrap()), expected);
    assert_eq!(pairs(read("t.tsv", b"q\ta\nx, \"y\"\t1\nz\t2\n").unwrap()), expected);
    let jsonl = "{\"q\": \"x, \\\"y\\\"\", \"a\": \"1\", \"more\": [1]}\n\n{\"a\": \"2\", \"q\": \"z\"}";
    assert_eq!(pairs(read("t.jsonl", jsonl.as_bytes()).unwrap()), expected);
    for (name, text, line, part) in [
        ("t.csv", "q,b\nx,1\n", Some(1), "no column is named `a`"),
        ("t.csv", "q,a\nx,1\nz\n", Some(3), "has 1 columns"),
        ("t.tsv", "q\ta\n", None, "holds no examples"),
        ("t.jsonl", "{\"q\": \"x\", \"a\": \"1\"}\nnot\n", Some(2), "no JSON object"),
        ("t.jsonl", "{\"q\": \"x\"}\n", Some(1), "no `a`"),
        ("t.jsonl", "{\"q\": 12345678901234567890123, \"a\": 1}\n", Some(1), "write it in quotes"),
        ("t.txt", "q,a\nx,1\n", None, ".csv, .tsv and .jsonl"),
        ("t.csv", "", Some(1), "no column is named `q`"),
    ] {
        let (found, reason) = read(name, text.as_bytes()).unwrap_err();
        assert!(reason.contains(part) && (found == line || line.is_none()), "{name} {text:?}: {found:?} {reason}");
    }
    let (line, reason) = read("t.csv", b"q,a\nx,\xff\n").unwrap_err();
    assert!(line == Some(2) && reason.contains("not UTF-8"), "{reason}");
    assert!(read("t.csv", &vec![b'x'; 2 << 20]).unwrap_err().1.contains("larger"));
    assert!(read_examples(Path::new("/no/such.csv"), &fields).unwrap_err().reason.contains("cannot read"));
}
