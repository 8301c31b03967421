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
#[allow(clippy::too_many_lines, reason = "a table of cases")]
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
        (with("doc_to_choice: [y, w]\nquery:\n  - {q: x, a: 4}"), Some(9), "target 4 is not an index of the 2 choices"),
        (with("doc_to_choice: [y, n]"), Some(6), "target \"w\" is none of the choices, which are y, n"),
        (with("doc_to_choice: [y, w]").replace("{{q}} =", "{{1}}"), Some(5), "the index of a choice"),
        (MINIMAL.replace("\"{{q}} =\"", "!function utils.text"), Some(2), "!function: Python functions"),
        (with("metric_list:\n  - metric: !function utils.f"), Some(8), "!function"),
        (with("fewshot_config: {samples: !function utils.list}"), Some(7), "!function"),
        (with("include: other.yaml"), Some(7), "copy the keys of that file into this one"),
        (with("gen_prefix: x"), Some(7), "end doc_to_text with its text"),
        (with("fewshot_config: {doc_to_text: x}"), Some(7), "fewshot_config.doc_to_text is not supported"),
        (with("fewshot_config: {sampler: balanced}"), Some(7), "the sampler \"balanced\" is not supported"),
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
        "{{ q.replace('x', 'x' * 100000).replace('x', 'x' * 100000) }}",
        "{{ '{:>2000000000}'.format(q) }}",
        "{{ '%2000000000d' | format(1) }}",
        "{{ q.join(range(1000000000)) }}",
        "{{ ('x' * 60000) | regex_replace('x', 'y' * 60000) }}",
        "{{ ('x' * 60000) | regex_replace('(.+)', '\\\\\\\\1\\\\\\\\1\\\\\\\\1' * 6000) }}",
        "{{ q | regex_replace('(x{1000}){1000}', '') }}",
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

/// Each link adds a level of recursion to minijinja's parser or compiler.
const CHAINS: &[(&str, &str, &str)] = &[
    ("{{ ", "- ", "q }}"),
    ("{{", "---", "q }}"),
    ("{{ 'a'", "~'a'", " }}"),
    ("{{ q", ".y", " }}"),
    ("{{ q", "[0]", " }}"),
    ("{{ q", "()", " }}"),
    ("{{ q", "|upper", " }}"),
    ("{{ q", " is string", " }}"),
    ("{{ 1", "+1", " }}"),
    ("{{ 1", "**1", " }}"),
    ("{{ 1", "==1", " }}"),
    ("{{ ", "not ", "q }}"),
    ("{{ q", " and q", " }}"),
    ("{{ q", " if q else q", " }}"),
    ("{{ ", "[", "q }}"),
    ("{{ ", "(", "q }}"),
    ("{% if q %}", "{% elif q %}", "{% endif %}"),
    ("", "{% if q %}", "x"),
    ("", "{{ q }}", "x"),
];

#[test]
fn templates_that_chain_or_nest_deeply_are_refused_before_they_are_parsed() {
    for (start, link, end) in CHAINS {
        let template = format!("{start}{}{end}", link.repeat(19_000));
        let (line, reason) = load(MINIMAL.replace("{{q}} =", &template).as_bytes()).expect_err(link);
        assert!(line == Some(2) && reason.contains("more than 1000 names, values and operators"), "{link}: {reason}");
    }
    // What is let through can be parsed, compiled, run and dropped on a quarter of a thread's stack.
    let small = std::thread::Builder::new().stack_size(512 << 10).spawn(|| {
        for (start, link, end) in CHAINS {
            // No link has more than five tokens; where some have fewer, the longest chain that is let through.
            for links in [190, 240, 330, 490, 990] {
                let template = format!("{start}{}{end}", link.repeat(links));
                drop(load(MINIMAL.replace("{{q}} =", &template).as_bytes()));
            }
        }
    });
    small.unwrap().join().unwrap();
}

#[test]
fn scalars_keep_the_text_that_the_file_has() {
    for (written, read) in [
        ("007", "007"),
        ("02142", "02142"),
        ("08", "08"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("-12345678901234567890123", "-12345678901234567890123"),
        ("1.50", "1.50"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("+5", "+5"),
        ("1e3", "1e3"),
        ("7", "7"),
        ("-3", "-3"),
        ("2.5", "2.5"),
        ("'9'", "9"),
        ("no", "no"),
        ("&n 0042", "0042"),
        ("&n 42", "42"),
        ("[007, 8]", "['007', 8]"),
    ] {
        let file = format!(
            "task: t\ndoc_to_text: '{{{{q}}}} ->'\ndoc_to_target: a\nsamples:\n- {{q: {written}, a: x}}\n- q: {written}\n  a: y\n"
        );
        // In a flow mapping and in a block, and the same again by an alias where there is an anchor.
        let file =
            if written.starts_with('&') { file.replacen(&format!("q: {written}\n"), "q: *n\n", 1) } else { file };
        let task = load(file.as_bytes()).unwrap();
        let texts: Vec<&str> = task.examples.iter().map(|example| example.text.as_str()).collect();
        assert_eq!(texts, [format!("{read} ->"), format!("{read} ->")], "{written}");
    }
}

#[test]
fn answers_are_choices_as_lm_evaluation_harness_counts_them() {
    let file = |target: &str, choices: &str, answer: &str| {
        format!(
            "task: t\ndoc_to_text: '{{{{q}}}}?'\ndoc_to_target: {target}\ndoc_to_choice: {choices}\nsamples:\n- {{q: x, a: {answer}}}\n"
        )
    };
    for (target, choices, answer, right) in [
        ("a", "[\"no\", \"yes\"]", "true", &["yes"][..]),
        ("a", "[\"no\", \"yes\"]", "false", &["no"]),
        ("'{{a}}'", "[\"no\", \"yes\"]", "true", &["yes"]),
        ("a", "[\"no\", \"yes\"]", "1", &["yes"]),
        ("'{{a}}'", "[\"no\", \"yes\"]", "'1'", &["yes"]),
        ("a", "[\"no\", \"yes\"]", "'yes'", &["yes"]),
        ("a", "['1', '0']", "'1'", &["1"]),
        ("'{{a}}'", "['1', '0']", "'1'", &["0"]),
        ("a", "{x: \"no\", y: \"yes\"}", "1", &["yes"]),
        ("a", "[\"no\", \"yes\", \"perhaps\"]", "[2, 0]", &["perhaps", "no"]),
        ("1", "[\"no\", \"yes\"]", "z", &["yes"]),
    ] {
        let task = load(file(target, choices, answer).as_bytes()).unwrap();
        let found = task.targets(&task.examples[0].doc).unwrap();
        assert_eq!(
            (found, task.examples[0].target.as_str()),
            (right.iter().map(|r| (*r).to_owned()).collect(), right[0]),
            "{target} {answer}"
        );
    }
    // Without choices a truth value is Python's word.
    let free = "task: t\ndoc_to_text: '{{q}}?'\ndoc_to_target: a\nsamples:\n- {q: true, a: false}\n";
    let example = load(free.as_bytes()).unwrap().examples.remove(0);
    assert_eq!((example.text.as_str(), example.target.as_str()), ("True?", "False"));
    let several = MINIMAL.replace("a: y", "a: [Paris, Lutetia]") + "query:\n  - {q: z, a: [Rome, Roma]}\n";
    let made = prompt(&load(several.as_bytes()).unwrap(), 1, Query::Listed(0));
    assert_eq!(made.text, "x = Paris\n\nz =");
    let others: Vec<String> = made.alternatives.into_iter().map(|answer| answer.continuation).collect();
    assert_eq!((made.expected.unwrap().continuation.as_str(), others), (" Rome", vec![" Roma".to_owned()]));
}

#[test]
fn templates_have_pythons_methods_and_the_harnesses_filter() {
    let render = |template: &str| {
        let file = format!(
            "task: t\ndoc_to_text: {}\nquery:\n- {{q: \" The Sea \", list: [b, a], map: {{k: v}}}}\n",
            serde_json::Value::from(template)
        );
        prompt(&load(file.as_bytes()).unwrap(), 0, Query::Listed(0)).text
    };
    for (template, text) in [
        ("{{q.strip()}}", "The Sea"),
        ("{{q.strip().lower().replace('sea', 'sun')}}", "the sun"),
        ("{{q.split()[1].upper()}}", "SEA"),
        ("{{', '.join(list)}}|{{list.count('a')}}", "b, a|1"),
        ("{{'yes' if q.strip().startswith('The') else 'no'}}", "yes"),
        ("{{map.get('k')}}{{map.items() | length}}", "v1"),
        ("{{q.strip().title()}}{{q.find('S')}}", "The Sea5"),
        ("{{q | regex_replace('\\\\s+', '_')}}", "_The_Sea_"),
        ("{{q | trim | regex_replace('(T)(h)', '\\\\2\\\\1$')}}", "hT$e Sea"),
        ("{{q | trim | regex_replace('e', 'E', 1)}}", "ThE Sea"),
        ("{{q == ' The Sea '}} {{none}}", "True None"),
    ] {
        assert_eq!(render(template), text, "{template}");
    }
}

#[test]
fn keys_that_no_prompt_depends_on_are_accepted() {
    let keys = "task_alias: seas\ngroup: [water]\nshould_decontaminate: true\ndoc_to_decontamination_query: q\nmetadata:\n  - version: 1.0\n\
                unsafe_code: false\nfewshot_config: {sampler: first_n, split: dev}\nfilter_list: [{name: f, filter: [{function: regex}]}]\n\
                repeats: 5\noutput_type: loglikelihood_rolling\n";
    let task = load(format!("{MINIMAL}{keys}").as_bytes()).unwrap();
    assert_eq!((task.examples.len(), task.first_n, task.title.as_str()), (2, true, "mine"));
    assert!(task.scored_otherwise().unwrap().reason.contains("loglikelihood_rolling"));
    for (keys, line, part) in [
        ("output_type: loglikelihood", 7, "generate_until and multiple_choice"),
        (
            "output_type: multiple_choice\nmetric_list:\n  - {metric: acc, aggregation: mean, higher_is_better: true}\n  - metric: acc_norm",
            9,
            "\"acc_norm\" is not computed",
        ),
        ("metric_list:\n  - {metric: exact_match, ignore_case: true}", 8, "ignore_case of the metric"),
        ("metric_list:\n  - {metric: exact_match, aggregation: median}", 8, "aggregation"),
        (
            "filter_list:\n  - {name: strict, filter: [{function: regex, regex_pattern: x}, {function: take_first}]}",
            8,
            "\"regex\" is not supported",
        ),
        ("repeats: 5", 7, "asked once"),
        ("process_results: x", 7, "process_results"),
        ("generation_kwargs: {do_sample: true, temperature: 0.7}", 7, "do_sample"),
    ] {
        let task = load(format!("{MINIMAL}{keys}\n").as_bytes()).unwrap();
        let refusal = task.scored_otherwise().expect(keys);
        assert!(
            refusal.line.is_some_and(|found| found <= line) && refusal.reason.contains(part),
            "{keys}: {refusal:?}"
        );
        // A copy with other examples still says so.
        let docs: Vec<_> = task.examples.iter().map(|example| example.doc.clone()).collect();
        let copy = Library::default().with_examples(&task, &docs).unwrap().task;
        assert!(copy.scored_otherwise().expect(keys).reason.contains(part), "{keys}");
    }
    for keys in [
        "output_type: generate_until\nrepeats: 1\nmetric_list: [{metric: exact_match, ignore_case: false, regexes_to_ignore: []}]",
        "filter_list: [{name: none, filter: [{function: take_first}]}]\ngeneration_kwargs: {do_sample: false, until: [x]}",
    ] {
        assert_eq!(load(format!("{MINIMAL}{keys}\n").as_bytes()).unwrap().scored_otherwise(), None, "{keys}");
    }
}
