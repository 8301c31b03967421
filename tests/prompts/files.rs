use kshot::prompt::{Library, Origin, Query, Task};

use crate::{builtin_tasks, prompt};

const MINIMAL: &str =
    "task: mine\ndoc_to_text: \"{{q}} =\"\ndoc_to_target: a\nsamples:\n  - {q: x, a: y}\n  - {q: v, a: w}\n";

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
fn bad_files_are_reported_with_line_and_reason() {
    let with = |line: &str| format!("{MINIMAL}{line}\n");
    let cases: &[(String, Option<usize>, &str)] = &[
        (with("doc_to_txt: x"), Some(7), "unknown key `doc_to_txt`; did you mean `doc_to_text`?"),
        (with("few_shot_delimiter: x"), Some(7), "did you mean `fewshot_delimiter`?"),
        (with("colour: red"), Some(7), "unknown key `colour`"),
        (with("process_docs: f"), Some(7), "`process_docs` of lm-evaluation-harness is not supported"),
        (with("process_docs: !function utils.f"), Some(7), "not supported"),
        (with("fewshot_config: {samplers: x}"), Some(7), "did you mean `sampler`?"),
        (with("num_fewshot: many"), Some(7), "in `num_fewshot: many`"),
        (with("num_fewshot: -1"), Some(7), ""),
        (with("task: again"), Some(7), "duplicate"),
        (with("fewshot_config: {samples: [{q: x, a: y}]}"), Some(1), "keep one"),
        (with("query:\n  - {a: b}"), Some(8), "doc_to_text: template: undefined value"),
        (with("doc_to_choice: \"{{q}}\""), Some(5), "doc_to_choice gives no list"),
        (with("doc_to_choice: [one]\nquery:\n  - {q: x, a: 4}"), Some(9), "target 4 is not an index of the 1 choices"),
        (with("description: \"{% if %}\""), Some(7), "description: template: syntax error"),
        (MINIMAL.replace("{{q}} =", "{{q"), Some(2), "doc_to_text: template: syntax error"),
        (MINIMAL.replace("{{q}} =", "{{ nothing }}"), Some(5), "doc_to_text: template: undefined value"),
        (MINIMAL.replace("{{q}} =", "{{ q | nofilter }}"), Some(5), "nofilter"),
        (MINIMAL.replace("{{q}} =", "{% include '/etc/passwd' %}"), Some(5), "template"),
        (MINIMAL.replace("{q: v, a: w}", "{q: v}"), Some(6), "finds no answer in this document"),
        (MINIMAL.replace("{q: v, a: w}", "{q: v, a: ''}"), Some(6), "finds no answer in this document"),
        (MINIMAL.replace("{q: v, a: w}", "just text"), Some(6), ""),
        (MINIMAL.replace("doc_to_target: a\n", ""), Some(4), "`samples` need `doc_to_target`"),
        (MINIMAL.replace("task: mine\n", ""), None, "the key `task` is missing"),
        (MINIMAL.replace("mine", "two words"), Some(1), "is not a name"),
        (MINIMAL.replace("mine", "''"), Some(1), "is not a name"),
        ("task: mine\ndoc_to_text: x\n".to_owned(), Some(1), "the file holds no documents"),
        ("task: mine\ndoc_to_text: \"{{q}}\"\nquery: [{q: \"\"}]\n".to_owned(), Some(3), "gives no text"),
        ("task: [mine\n".to_owned(), None, ""),
        ("\ttask: mine\n".to_owned(), None, "`doc_to_text` is missing"),
        (String::new(), None, ""),
        ("just words".to_owned(), Some(1), ""),
        ("a: &a [x]\nb: &b [*a,*a,*a,*a]\nc: [*b,*b,*b,*b]\n".to_owned(), Some(1), "unknown key `a`"),
        (format!("task: x # {}", "x".repeat(2_000_000)), None, "larger than a task may be"),
    ];
    let mut wrong = Vec::new();
    for (content, line, reason) in cases {
        let shown = content.get(..200).unwrap_or(content);
        match load(content.as_bytes()) {
            Ok(_) => wrong.push(format!("accepted: {shown}")),
            Err((at, why)) if (line.is_some() && at != *line) || !why.contains(reason) || why.is_empty() => {
                wrong.push(format!("{shown}\n  expected {line:?} {reason:?}\n  got      {at:?} {why:?}"));
            }
            Err((_, why)) if why.contains(" at line ") || why.contains('\n') => wrong.push(format!("{why:?}")),
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(load(b"task: x\ndoc_to_text: \xFF\n").unwrap_err(), (Some(2), "the file is not UTF-8".to_owned()));
    let optional = MINIMAL.replace("samples:", "query:");
    assert_eq!(load(optional.replace("a: y", "b: y").as_bytes()).map(|task| task.queries.len()), Ok(2));
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
        assert!(start.elapsed().as_secs() < 5, "{bomb}: {:?}", start.elapsed());
    }
    let loops = load(MINIMAL.replace("{{q}} =", bombs[0]).as_bytes()).unwrap_err().1;
    assert!(loops.contains("too much work"), "{loops}");
}

#[test]
fn the_users_folder_adds_replaces_and_cannot_break_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| std::fs::write(folder.path().join(name), content).unwrap();
    write("a.yaml", MINIMAL);
    write("b.yml", &MINIMAL.replace("mine", "recall"));
    write("c.yaml", "broken: [");
    write("d.yaml", MINIMAL);
    write("notes.txt", "not a task");
    std::fs::create_dir(folder.path().join("folder.yaml")).unwrap();
    let library = Library::load(Some(folder.path()));

    let names = |library: &Library| library.tasks.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
    let mut expected = names(&builtin_tasks());
    expected.push("mine".to_owned());
    assert_eq!(names(&library), expected);
    assert_eq!(library.get("recall").unwrap().origin, Origin::File(folder.path().join("b.yml")));
    assert_eq!(library.get("copy").unwrap().origin, Origin::BuiltIn);
    let problems: Vec<String> = library.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("c.yaml:1: "), "{problems:?}");
    assert!(
        problems[1].contains("d.yaml: task `mine` is already in") && problems[1].ends_with("a.yaml"),
        "{problems:?}"
    );

    assert_eq!(Library::load(Some(&folder.path().join("absent"))).problems, []);
    assert_eq!(Library::load(Some(&folder.path().join("notes.txt"))).problems.len(), 1);
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
    assert_eq!(made.text, "About words.\n1 + 1 is  2\n\nan odd number is  no\n\nno or yes?");
    assert_eq!((made.stop, made.expected.unwrap().continuation), (vec!["\n\n".to_owned()], "  yes".to_owned()));
    let choices: Vec<String> = made.choices.into_iter().map(|choice| choice.label).collect();
    assert_eq!(choices, ["no", "yes"]);

    let aliases = MINIMAL.replace("a: y", "a: [Paris, \"City of Light\"]");
    assert_eq!(load(aliases.as_bytes()).unwrap().examples[0].target, "Paris");
    let numbers = MINIMAL.replace("{q: x, a: y}", "{q: 7, a: 143}");
    let task = load(numbers.as_bytes()).unwrap();
    assert_eq!((task.examples[0].text.as_str(), task.examples[0].target.as_str()), ("7 =", "143"));
}
