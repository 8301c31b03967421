//! Few-shot evaluation: figures against figures by hand, the results file against an uninterrupted run, the command from
//! outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/bigram_model.rs"]
mod bigram_model;
#[path = "support/bytes_model.rs"]
mod bytes_model;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kshot::corpus::{SUITES, Shape};
use kshot::engine::{
    Aside, AsideRequest, Backend, CancelToken, Device, EngineError, Finish, GenerateRequest, LoadRequest, LocalModel,
    ModelInfo, Produced, ReadEnd, ReadRequest, ScoreRequest, Scores, Start as ScoreFrom, TokenScore,
};
use kshot::eval::{
    Answer, DEFINITIONS, Documents, Ended, EvalError, Evaluation, Instructions, Journal, Kind, ModelIdentity, Outcome,
    Plan, Protocol, Question, Rate, Record, Source, Start, Tally, accuracy, one_by_one,
};
use kshot::model::{Dtype, DtypeChoice};
use kshot::prompt::Library;
use kshot::text::{SpecialTokens, Tokenizer};
use serde_json::Value;

/// Twelve questions with a choice, so that a random model is sometimes right and sometimes wrong.
const COLOURS: &str = r#"
task: colours
description: "Colours.\n"
doc_to_text: "{{thing}}:"
doc_to_target: colour
doc_to_choice: ["red", "green", "blue as the sky"]
fewshot_delimiter: "\n"
samples:
  - {thing: "rose", colour: "red"}
  - {thing: "grass", colour: "green"}
  - {thing: "sea", colour: "blue as the sky"}
  - {thing: "leaf", colour: "green"}
  - {thing: "blood", colour: "red"}
  - {thing: "jeans", colour: "blue as the sky"}
query:
  - {thing: "cherry", colour: "red"}
  - {thing: "frog", colour: "green"}
  - {thing: "lake", colour: "blue as the sky"}
  - {thing: "brick", colour: "red"}
  - {thing: "pea", colour: "green"}
  - {thing: "unknown"}
"#;

fn load(folder: &Path) -> LocalModel {
    let request = LoadRequest {
        name: "model".into(),
        files: folder.into(),
        dtype: DtypeChoice::Is(Dtype::F32),
        device: Device::Cpu,
    };
    LocalModel::load(&request, &CancelToken::new(), &mut |_, _| {}).unwrap()
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn colours() -> Source<'static> {
    let folder = tempfile::tempdir().unwrap();
    let task = Library::read(&write(folder.path(), "colours.yaml", COLOURS)).unwrap();
    Source::task(task, Documents::QueriesAndSamples).unwrap()
}

fn question(prompt: &str, target: &str, choices: &[&str]) -> Question {
    Question {
        kind: Kind::Task,
        task: "by-hand".into(),
        shots: 0,
        item: 0,
        prompt: prompt.into(),
        target: target.into(),
        alternatives: Vec::new(),
        choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
        terminators: vec!["\n".into()],
    }
}

/// The records in the order of their questions.
fn answer(model: &LocalModel, questions: Vec<Question>) -> Vec<Record> {
    let cancel = AtomicBool::new(false);
    let numbered: Vec<_> =
        questions.into_iter().enumerate().map(|(item, question)| Ok(Question { item, ..question })).collect();
    let evaluation = Evaluation::new(model.decoder(), model.tokenizer(), numbered.into_iter(), Start::Prompt, &cancel);
    let mut records: Vec<Record> = evaluation.collect::<Result<_, _>>().unwrap();
    records.sort_by_key(|record| record.item);
    records
}

fn answered(record: &Record) -> &Answer {
    match &record.outcome {
        Outcome::Answered(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_model_that_answers_by_rote_gets_the_figures_of_its_script() {
    let vocabulary = bytes_model::folder();
    // After a colon it says `xy` and a line break, after `!` what never ends, after `?` a line break at once.
    let script = [(b':', b'x'), (b'x', b'y'), (b'y', b'\n'), (b'!', b'!'), (b'?', b'\n'), (b'.', b'x')];
    let folder = bigram_model::folder(vocabulary.path(), &script, 32);
    let model = load(folder.path());
    let long = "a".repeat(30) + ":";
    let questions = vec![
        question("a:", "xy", &["xy", "xz"]),
        question("a:", "xz", &["xy", "xz"]),
        question("a:", "zz", &[]),
        question("a!", "xy", &["xy", "!!"]),
        question("a?", "", &[]),
        question(&long, "xy", &[]),
        question(&long[1..], "xy", &["xy"]),
        question("longer than the others.", "xy", &["wrong", "xy"]),
        Question { alternatives: vec!["xy".into()], ..question("a:", "a longer answer", &["xy", "a longer answer"]) },
    ];
    let records = answer(&model, questions);
    let seen: Vec<_> = records
        .iter()
        .map(|record| match &record.outcome {
            Outcome::TooLong { tokens, context } => format!("{tokens} > {context}"),
            Outcome::Answered(answer) => {
                let choice = answer.choice.as_ref().map(|choice| choice.right);
                format!("{:?} {:?} {} {:?} {choice:?}", answer.text, answer.ended, answer.exact, answer.valid)
            }
        })
        .collect();
    let expected = [
        r#""xy" Terminator true Some(true) Some(true)"#,
        r#""xy" Terminator false Some(true) Some(false)"#,
        r#""xy" Terminator false None None"#,
        r#""!!!" Longer false Some(false) Some(false)"#,
        r#""" Terminator true None None"#,
        "33 > 32",
        r#""xy" Terminator true Some(true) None"#,
        r#""xy" Terminator true Some(true) Some(true)"#,
        r#""xy" Terminator true Some(true) Some(true)"#,
    ];
    assert_eq!(seen, expected);
    // By hand: a one-hot of 260 dimensions after its LayerNorm is `own` where it was 1; the successor's logit is that, less
    // what another predecessor's dimension takes. `xy` is certain, and `z`, whose row is empty, has logit 0 beside `y`.
    let choice = answered(&records[0]).choice.clone().unwrap();
    let (mean, width) = (1.0f64 / 260.0, 260.0f64);
    let own = (1.0 - mean) / (mean * (1.0 - mean) + 1e-5).sqrt();
    let certain = -(1.0 + width * (-own).exp()).ln();
    assert!(choice.logprobs[0].abs() < 1e-3, "{choice:?}");
    assert!((choice.logprobs[1] - (certain - own)).abs() < 1e-3, "{choice:?} {own}");
    assert_eq!(choice.tokens, [2, 2]);

    let mut rate = Rate::default();
    records.iter().filter(|r| !matches!(r.outcome, Outcome::TooLong { .. })).for_each(|r| rate.add(answered(r).exact));
    rate.right -= 1;
    rate.of -= 1;
    assert_eq!(rate, Rate { right: 4, of: 7 }, "of those with one right answer");
    // By hand: 4/7 = 57.142857 %, sqrt(4/7 * 3/7 / 7) = 18.704 points.
    assert!((rate.percent() - 57.142_857).abs() < 1e-5 && (rate.standard_error() - 18.704).abs() < 1e-3);
}

#[test]
fn choices_and_answers_are_those_that_score_and_generate_give() {
    let folder = bytes_model::long_folder(128);
    let mut model = load(folder.path());
    let source = colours();
    let mut questions = Vec::new();
    for shots in [0, 1, 3] {
        questions.extend((0..11).map(|item| source.question(item, shots, true, 5).unwrap()));
    }
    let records = answer(&model, questions.clone());
    assert_eq!(records.len(), 33);
    let mut seen = [0; 2];
    for (question, record) in questions.iter().zip(&records) {
        let answer = answered(record);
        let choice = answer.choice.as_ref().unwrap();
        let sums: Vec<f64> = question
            .choices
            .iter()
            .map(|choice| {
                let ids = model.tokenizer().encode(&format!("{}{choice}", question.prompt), SpecialTokens::Parse);
                let request = ScoreRequest { ids: ids.unwrap(), start: ScoreFrom::FirstToken, top: 0 };
                let scores = model.score(&request, &CancelToken::new()).unwrap();
                let own = &scores.tokens[scores.tokens.len() - choice.len()..];
                own.iter().map(|token| f64::from(token.logprob.unwrap())).sum()
            })
            .collect();
        for (by_hand, found) in sums.iter().zip(&choice.logprobs) {
            assert!((by_hand - found).abs() < 1e-3, "{question:?}: {by_hand} {found}");
        }
        let best = |scores: &[f64]| (0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
        let means: Vec<f64> = sums.iter().zip(&question.choices).map(|(sum, c)| sum / c.len() as f64).collect();
        assert_eq!(choice.right, question.choices[best(&sums)] == question.target);
        assert_eq!(choice.right_mean, question.choices[best(&means)] == question.target);
        seen[usize::from(choice.right)] += 1;
        // This model never says a line break: its answers are not followed beyond the longest that could count.
        assert!(!answer.exact && answer.ended == Ended::Longer && answer.valid == Some(false), "{answer:?}");
    }
    assert!(seen.iter().all(|count| *count > 0), "both outcomes occur: {seen:?}");
}

#[test]
fn items_are_the_same_whatever_else_is_asked() {
    let source = colours();
    assert_eq!(source.most_shots(), Some(5), "an item is no example of itself");
    for item in 0..source.items(100) {
        let at = |shots| source.question(item, shots, false, 9).unwrap().prompt;
        let query = at(0);
        for shots in 1..=5 {
            let prompt = at(shots);
            assert_eq!(prompt.matches(&query).count(), 1, "{prompt:?} shows its own answer");
            assert_eq!(prompt.lines().count(), shots + 1);
            let fewer = at(shots - 1);
            assert!(prompt.starts_with(fewer.strip_suffix(&query).unwrap()), "examples of k are the first of k + 1");
        }
        assert_ne!(at(5), source.question(item, 5, false, 10).unwrap().prompt, "the seed orders the examples");
    }
    let refused = source.question(5, 6, false, 9);
    assert!(matches!(refused, Err(EvalError::TooManyShots { most: 5, .. })), "{refused:?}");
    for suite in SUITES {
        let source = Source::Suite(suite);
        let items: Vec<_> = (0..4).map(|item| source.question(item, 2, false, 3).unwrap()).collect();
        assert_eq!(source.question(3, 2, false, 3).unwrap(), items[3], "{}", suite.name);
        assert!(items.iter().any(|other| other.prompt != items[0].prompt), "{}", suite.name);
        assert_ne!(source.question(3, 2, false, 4).unwrap().prompt, items[3].prompt, "{}", suite.name);
    }
}

#[test]
fn accuracy_is_the_exact_match_of_the_whole_run() {
    let folder = bytes_model::long_folder(256);
    let model = load(folder.path());
    let cancel = AtomicBool::new(false);
    let shape = || Shape { shots: 1, instruction: false };
    let suite = &SUITES[0];
    let rate = accuracy(model.decoder(), model.tokenizer(), suite, shape(), 1, 20, &cancel).unwrap();
    assert!(rate.of > 0 && rate.of <= 20 && rate.right <= rate.of);
    cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    let stopped = accuracy(model.decoder(), model.tokenizer(), suite, shape(), 1, 20, &cancel);
    assert!(stopped.unwrap_err().is_cancelled());
}

#[test]
#[allow(clippy::too_many_lines, reason = "one scenario")]
fn a_results_file_cut_anywhere_goes_on_to_the_same_results() {
    let folder = bytes_model::long_folder(128);
    let model = load(folder.path());
    let cancel = AtomicBool::new(false);
    let plan =
        Plan { sources: vec![colours()], shots: vec![0, 2], limit: 6, seed: 1, instruction: Instructions::Shown };
    let protocol = Protocol {
        model: ModelIdentity::of(model.info(), &cancel).unwrap(),
        dtype: "f32",
        seed: 1,
        instruction: plan.instruction,
        documents: Documents::QueriesAndSamples,
        start: Start::Prompt,
        definitions: DEFINITIONS,
    };
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("results.jsonl");
    // Runs what is not in the file; gives the figures of all and how many were run.
    let go_on = || {
        let (mut journal, done) = Journal::open(&path, &protocol).unwrap();
        let mut tally = Tally::new(&plan);
        done.records().for_each(|record| tally.add(record));
        let (cancel, before) = (AtomicBool::new(false), tally.done());
        let left = done.left(plan.questions());
        for record in Evaluation::new(model.decoder(), model.tokenizer(), left, Start::Prompt, &cancel) {
            let record = record.unwrap();
            journal.add(&record).unwrap();
            tally.add(&record);
        }
        let ran = tally.done() - before;
        (tally.figures, ran)
    };
    let records = || -> HashMap<(usize, usize), Value> {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with('\n'));
        let lines = text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
        let number = |line: &Value, key: &str| line[key].as_u64().unwrap() as usize;
        lines.map(|line| ((number(&line, "shots"), number(&line, "item")), line)).collect()
    };
    let (whole, ran) = go_on();
    assert_eq!(ran, 12);
    let (bytes, by_number) = (std::fs::read(&path).unwrap(), records());
    let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    let step = bytes.len() / 9 + 1;
    for cut in (0..bytes.len()).step_by(step).chain([1, 14, bytes.len() - 1, bytes.len()]) {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let (figures, ran) = go_on();
        assert_eq!(figures, whole, "cut at {cut}");
        assert_eq!(ran, 12 - lines(&bytes[..cut]).saturating_sub(1), "cut at {cut}: nothing runs twice");
        let again = records();
        assert_eq!(again.len(), 12);
        for (number, record) in again {
            // The batch is another one, so sums may differ in their last digits.
            let [a, b] = [&record, &by_number[&number]].map(|r| {
                let mut r = r.clone();
                let sums = r["answered"]["choice"]["logprobs"].take();
                (r, sums.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>())
            });
            assert_eq!(a.0, b.0);
            assert!(a.1.iter().zip(&b.1).all(|(a, b)| (a - b).abs() < 1e-3));
        }
    }

    // What is not ours stays as it is, and says why it is refused.
    let open = |protocol: &Protocol| Journal::open(&path, protocol).map(|_| ()).unwrap_err().to_string();
    let other = Protocol { seed: 2, ..protocol.clone() };
    let message = open(&other);
    assert!(message.contains("another protocol") && message.contains("seed: 2 here, 1 in the file"), "{message}");
    let mut renamed = protocol.clone();
    renamed.model.name = "elsewhere".into();
    drop(Journal::open(&path, &renamed).expect("the same model under another name is the same"));
    renamed.model.sha256 = "0".repeat(64);
    assert!(open(&renamed).contains("model.sha256"));
    let (held, done) = Journal::open(&path, &protocol).unwrap();
    assert!(open(&protocol).contains("another kshot eval"));
    let mut changed = plan.questions().next().unwrap().unwrap();
    changed.prompt.insert(0, ' ');
    assert!(done.get(&changed).unwrap_err().to_string().contains("another question now"));
    drop(held);
    for foreign in ["a letter to somebody", "{\"a\": 1}\n", "two\nlines\n"] {
        std::fs::write(&path, foreign).unwrap();
        assert!(open(&protocol).contains("no results file"), "{foreign:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), foreign);
    }
    let broken = String::from_utf8(bytes).unwrap().replacen("\"item\":1", "\"item\":-1", 1);
    std::fs::write(&path, broken).unwrap();
    assert!(open(&protocol).contains(":3: not a result"), "{}", open(&protocol));
}

/// A home with a task file, and a checkpoint.
struct World {
    model: tempfile::TempDir,
    home: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { model: bytes_model::long_folder(128), home: tempfile::tempdir().unwrap() };
        write(world.home.path(), "colours.yaml", COLOURS);
        world
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("kshot"));
        command.arg("eval").args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home.path()).env("HF_HUB_OFFLINE", "1").env("KSHOT_THREADS", "1");
        command.env("KSHOT_MODEL", self.model.path()).current_dir(self.home.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let output = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn json(&self, args: &[&str]) -> Value {
        let (code, stdout, stderr) = self.run(args);
        assert_eq!(code, Some(0), "{stderr}");
        serde_json::from_str(&stdout).unwrap()
    }
}

#[test]
fn the_report_says_all_that_the_figures_depend_on() {
    let world = World::new();
    let args = ["--task", "./colours.yaml", "--samples", "-k", "2,0,0", "--limit", "7", "-s", "4", "--no-instruction"];
    let report = world.json(&[&args[..], &["--json"]].concat());
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        keys(&report),
        ["protocol", "shots", "limit", "results", "left_out", "complete", "resumed", "seconds", "kshot"]
    );
    let protocol = &report["protocol"];
    for key in ["model", "dtype", "seed", "instruction", "start", "decoding", "exact_match", "choice", "tokens"] {
        assert!(!protocol[key].is_null(), "{key}");
    }
    assert_eq!(protocol["seed"], 4);
    assert_eq!(protocol["instruction"], "hidden");
    assert_eq!(protocol["model"]["sha256"].as_str().unwrap().len(), 64);
    assert!(protocol["model"]["bytes"].as_u64().unwrap() > 100_000);
    assert_eq!(report["shots"], serde_json::json!([0, 2]));
    assert_eq!((&report["complete"], &report["resumed"]), (&true.into(), &0.into()));
    let results = report["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for (result, shots) in results.iter().zip([0, 2]) {
        assert_eq!((&result["task"], &result["shots"]), (&"colours".into(), &shots.into()));
        assert_eq!((&result["items"], &result["done"], &result["too_long"]), (&7.into(), &7.into(), &0.into()));
        for rate in ["exact_match", "choice", "choice_mean", "valid"] {
            let rate = &result[rate];
            assert_eq!(keys(rate), ["right", "of", "percent", "standard_error", "wilson95"]);
            let (right, of) = (rate["right"].as_f64().unwrap(), rate["of"].as_f64().unwrap());
            assert!((rate["percent"].as_f64().unwrap() - 100.0 * right / of).abs() < 1e-9);
            let error = 100.0 * (right / of * (1.0 - right / of) / of).sqrt();
            assert!((rate["standard_error"].as_f64().unwrap() - error).abs() < 1e-9);
            assert_eq!(rate["wilson95"].as_array().unwrap().len(), 2);
        }
        assert!(result["ceiling"].is_null());
    }
    let (code, text, _) = world.run(&args);
    assert_eq!(code, Some(0));
    for part in [
        "sha256 ",
        "seed 4",
        "each sample left out of its own prompt",
        "no instruction",
        "exact match",
        "0.0 [0, 35.4]",
        "±",
        "tokenised alone",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_command_refuses_what_cannot_be_meant_and_counts_what_does_not_fit() {
    let world = World::new();
    let suite = SUITES[0].name;
    let misspelt = &suite[..suite.len() - 1];
    let suggestion = format!("did you mean {suite}?");
    write(world.home.path(), "endless.yaml", &COLOURS.replace("fewshot", "generation_kwargs: {until: []}\nfewshot"));
    let cases: &[(&[&str], i32, &str)] = &[
        (&[], 2, "--task"),
        (&["--suite", misspelt], 1, &suggestion),
        (&["--suite", "zzzz"], 1, suite),
        (&["--suite", suite, "--suite", suite], 2, "named twice"),
        (&["--task", "no-such-task"], 1, "translation-zh"),
        (&["--task", "./no-such.yaml"], 1, "cannot read the file"),
        (&["--task", "./colours.yaml", "-k", "7"], 1, "at most 6"),
        (&["--task", "./colours.yaml", "--samples", "-k", "6"], 1, "at most 5"),
        (&["--task", "./colours.yaml", "-k", "3..1"], 2, "3..1"),
        (&["--task", "./colours.yaml", "-k", "0,some"], 2, "some"),
        (&["--task", "./colours.yaml", "-k", "0..9999999999"], 2, "at most 1000"),
        (&["--task", "./endless.yaml"], 1, "until"),
        (&["--suite", suite, "--limit", "0"], 2, "--limit"),
        (&["--list", "--suite", suite], 2, "cannot be used with"),
    ];
    for (args, code, part) in cases {
        let (found, _, stderr) = world.run(args);
        assert!(found == Some(*code) && stderr.contains(part), "{args:?}: {found:?} {stderr}");
    }
    let (_, listed, _) = world.run(&["--list"]);
    assert!(SUITES.iter().all(|suite| listed.contains(suite.name)), "{listed}");
    // Five examples with their instruction are more than 128 bytes for most items; without any, none is.
    let text = COLOURS.replace("Colours.", &"Colours of things. ".repeat(5));
    write(world.home.path(), "long.yaml", &text);
    let report = world.json(&["--task", "./long.yaml", "--samples", "-k", "0,5", "--json"]);
    let cell = |shots: usize| report["results"][shots].clone();
    assert_eq!((&cell(0)["too_long"], &cell(1)["too_long"]), (&0.into(), &11.into()));
    assert_eq!((&cell(1)["exact_match"]["of"], &cell(1)["exact_match"]["percent"]), (&0.into(), &Value::Null));
    let (_, text, _) = world.run(&["--task", "./long.yaml", "--samples", "-k", "5"]);
    assert!(text.contains("11 too long") && text.contains("not run, not in any rate"), "{text}");
}

#[test]
fn queries_alone_are_asked_and_what_cannot_be_measured_does_not_end_the_run() {
    let world = World::new();
    write(world.home.path(), "unanswered.yaml", "task: unanswered\ndoc_to_text: '{{q}}'\nquery: [{q: x}]\n");
    let taught = "task: taught\ndoc_to_text: '{{q}} ->'\ndoc_to_target: a\nsamples: [{q: x, a: y}, {q: v, a: w}]\n";
    write(world.home.path(), "taught.yaml", taught);
    let filtered =
        format!("{taught}filter_list:\n  - {{name: f, filter: [{{function: regex}}]}}\n").replace("taught", "filtered");
    write(world.home.path(), "filtered.yaml", &filtered);
    let report = world.json(&["--task", "./colours.yaml", "-k", "0..2,6", "--json"]);
    assert_eq!(report["shots"], serde_json::json!([0, 1, 2, 6]));
    assert_eq!((&report["results"][3]["items"], &report["protocol"]["documents"]), (&5.into(), &"queries".into()));
    for (file, part) in [
        ("./unanswered.yaml", "no document that is asked has its answer"),
        ("./taught.yaml", "its 2 samples can be asked too, each left out of its own prompt (--samples)"),
        ("./filtered.yaml", "./filtered.yaml:6: filter_list: the filter \"regex\" is not supported"),
    ] {
        let (code, _, stderr) = world.run(&["--task", file]);
        assert!(code == Some(1) && stderr.contains(part), "{file}: {code:?} {stderr}");
        let (code, stdout, stderr) = world.run(&["--task", file, "--task", "./colours.yaml", "-k", "1", "--json"]);
        assert!(code == Some(1) && stderr.contains("left out: ") && stderr.contains(part), "{file}: {code:?} {stderr}");
        let report: Value = serde_json::from_str(&stdout).unwrap();
        let name = file.trim_start_matches("./").trim_end_matches(".yaml");
        assert_eq!((&report["results"][0]["done"], &report["left_out"][0]["task"]), (&5.into(), &name.into()));
    }
    let report = world.json(&["--task", "./taught.yaml", "--samples", "-k", "1", "--json"]);
    assert_eq!(report["results"][0]["done"], 2);
}

/// The task list shows figures of the model in the program: they are those that it gets, on the tasks as they are.
#[test]
fn the_table_of_the_built_in_model_is_what_it_gets() {
    let world = World::new();
    let args = ["-m", "built-in", "--dtype", "f32", "--task", "all", "--samples", "-k", "4", "--json"];
    let report = world.json(&args);
    let table: Value = serde_json::from_str(include_str!("../assets/builtin-tasks.json")).unwrap();
    assert_eq!(report["protocol"], table["protocol"], "just measure-builtin writes it again");
    assert!(report["left_out"].as_array().unwrap().len() == 2 && report["results"].as_array().unwrap().len() >= 18);
    let figures = |report: &Value| {
        let results = report["results"].as_array().unwrap().clone();
        let exact = |result: &Value| (result["task"].clone(), result["shots"].clone(), result["exact_match"].clone());
        results.iter().map(exact).collect::<Vec<_>>()
    };
    assert_eq!(figures(&report), figures(&table), "just measure-builtin writes it again");
    let sentiment = kshot::prompt::measured("sentiment").unwrap();
    let row = table["results"].as_array().unwrap().iter().find(|row| row["task"] == "sentiment").unwrap();
    assert_eq!((row["exact_match"]["right"].as_u64(), row["shots"].as_u64()), (Some(sentiment.right as u64), Some(4)));
    assert_eq!(kshot::prompt::measured("story"), None);
}

#[test]
fn examples_are_as_listed_where_the_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = COLOURS.replace("fewshot_delimiter", "fewshot_config: {sampler: first_n}\nfewshot_delimiter");
    let task = Library::read(&write(folder.path(), "colours.yaml", &file)).unwrap();
    let source = Source::task(task, Documents::QueriesAndSamples).unwrap();
    let prompt = |item| source.question(item, 2, false, 7).unwrap().prompt;
    assert_eq!(prompt(0), "rose: red\ngrass: green\ncherry:");
    assert_eq!(prompt(5), "grass: green\nsea: blue as the sky\nrose:", "a sample is none of its own examples");
}

#[test]
#[cfg(unix)]
fn the_results_file_holds_what_was_asked_and_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.json(&["--task", "./colours.yaml", "-k", "1", "--limit", "1", "--resume", "r.jsonl", "--json"]);
    let file = world.home.path().join("r.jsonl");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(file).unwrap();
    let record: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert!(record["prompt"].as_str().unwrap().ends_with("\ncherry:"), "{record}");
}

#[test]
#[cfg(unix)]
fn ctrl_c_keeps_what_was_done_and_the_same_command_goes_on() {
    let world = World::new();
    let suite = SUITES[0].name;
    let args = |limit: &'static str| ["--suite", suite, "-k", "0", "--limit", limit, "--resume", "r.jsonl", "--json"];
    let file = world.home.path().join("r.jsonl");
    let lines = || std::fs::read_to_string(&file).map_or(0, |text| text.lines().count());
    let child = world.command(&args("1000000")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = std::time::Instant::now();
    while lines() < 400 {
        assert!(begun.elapsed().as_secs() < 120, "no result");
        std::thread::yield_now();
    }
    // SAFETY: a signal to a child that has not been waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("goes on from r.jsonl"), "{stderr}");
    let partial: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(partial["complete"], false);
    let kept = lines() - 1;
    assert_eq!(partial["results"][0]["done"], kept);
    let report = world.json(&args("15"));
    assert_eq!((&report["resumed"], &report["results"][0]["done"]), (&15.into(), &15.into()));
    assert_eq!(lines() - 1, kept, "nothing was run again");
    let (code, _, stderr) = world.run(&[&args("15")[..], &["--bos"]].concat());
    assert_eq!(code, Some(1));
    assert!(stderr.contains("another protocol") && stderr.contains("start: \"end-of-text\" here"), "{stderr}");
}

/// An engine that runs no batches: the model behind the plain interface.
struct Plain(LocalModel);

impl Backend for Plain {
    fn info(&self) -> &Arc<ModelInfo> {
        self.0.info()
    }
    fn tokenizer(&self) -> Option<&Arc<Tokenizer>> {
        Backend::tokenizer(&self.0)
    }
    fn generate(
        &mut self,
        request: &GenerateRequest,
        cancel: &CancelToken,
        sink: &mut dyn FnMut(Produced),
    ) -> Result<Finish, EngineError> {
        self.0.generate(request, cancel, sink)
    }
    fn score(&mut self, request: &ScoreRequest, cancel: &CancelToken) -> Result<Scores, EngineError> {
        self.0.score(request, cancel)
    }
    fn read(
        &mut self,
        request: &ReadRequest,
        cancel: &CancelToken,
        sink: &mut dyn FnMut(usize, Vec<TokenScore>),
    ) -> Result<ReadEnd, EngineError> {
        self.0.read(request, cancel, sink)
    }
    fn aside(&mut self, request: &AsideRequest, cancel: &CancelToken) -> Result<Aside, EngineError> {
        self.0.aside(request, cancel)
    }
}

#[test]
fn an_engine_without_batches_answers_the_same() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/builtin");
    let mut model = Plain(load(&folder));
    let things = ["rose:", "grass:", "sea ->", "1 2 3", "The", "leaf:"];
    let ask = |(item, thing): (usize, &&str)| Question {
        item,
        ..question(thing, " red", &[" red", " green", " blue as the sky"])
    };
    let questions: Vec<Question> = things.iter().enumerate().map(ask).collect();
    let batched = answer(&model.0, questions.clone());
    let asked = questions.into_iter().map(Ok);
    let one: Vec<Record> =
        one_by_one(&mut model, asked, Start::Prompt, &CancelToken::new()).collect::<Result<_, _>>().unwrap();
    assert_eq!(one.len(), 6);
    for (one, batched) in one.iter().zip(&batched) {
        let (Outcome::Answered(a), Outcome::Answered(b)) = (&one.outcome, &batched.outcome) else { panic!("{one:?}") };
        assert_eq!((&a.text, a.ended, a.exact, a.valid), (&b.text, b.ended, b.exact, b.valid));
        let sums = |answer: &Answer| answer.choice.as_ref().map_or(Vec::new(), |choice| choice.logprobs.clone());
        assert_eq!(sums(a).len(), sums(b).len());
        for (a, b) in sums(a).iter().zip(sums(b)) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
    }
}
