//! P8 for what users and other programs write: settings, keys, presets, sessions, traces, tasks, examples, texts, states of
//! runs. Mutations from a seed: each is read, in part or not at all, without a panic, within 2 s of processor time and 64 MB
//! beside sixteen times the file.
//!
//! `KSHOT_FUZZ_CASES` (2,000 for each reader), `KSHOT_FUZZ_SEED` (1) and `KSHOT_FUZZ_READER` (a name) for more or others.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and its figures are of interest"
)]

#[path = "support/fuzz.rs"]
mod fuzz;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fuzz::{mutate, number, watch};
use kshot::export::Trace;
use kshot::prompt::{Library, read_examples};
use kshot::sampling::SavedPresets;
use kshot::session::Store;
use kshot::train::finetune::{Examples, Form, Format};
use kshot::train::{State, Text};
use rand_chacha::ChaCha8Rng;
use rand08::{Rng, SeedableRng};

const MEMORY: usize = 64 << 20;
/// Bytes in memory for one of a file: a letter of JSON may become a value of 72 bytes, but few do.
const FACTOR: usize = 16;

/// A kind of file.
struct Reader {
    name: &'static str,
    /// The file that is changed, in the folder of the case.
    file: &'static str,
    /// What it holds before.
    seeds: Vec<Vec<u8>>,
    /// Reads it; whether all of it was good.
    read: fn(&Path) -> bool,
}

impl Reader {
    fn new(name: &'static str, file: &'static str, seeds: Vec<Vec<u8>>, read: fn(&Path) -> bool) -> Self {
        Self { name, file, seeds, read }
    }
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn file(path: &str) -> Vec<u8> {
    fs::read(root(path)).unwrap()
}

fn text(path: &Path) -> Option<String> {
    kshot::disk::read_text(path, 1 << 20).ok()
}

/// What the program itself writes: a trace and the state of a run.
fn written_by_the_program(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let run = |args: &[&str]| {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("kshot"));
        command.env_clear().env("HOME", folder).env("KSHOT_THREADS", "1").current_dir(folder);
        let output = command.args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["generate", "-p", "sun ->", "-n", "3", "-s", "1", "--logprobs", "3", "--trace", "t.json"]);
    run(&["train", "--preset", "copy", "--width", "4", "--heads", "1", "--layers", "1", "--steps", "1", "-o", "run"]);
    (fs::read(folder.join("t.json")).unwrap(), fs::read(folder.join("run/training.safetensors")).unwrap())
}

const CONFIG: &str =
    "model = \"built-in\"\ntheme = \"dark\"\n\n[sampling]\ntemperature = 0.7\ntop_k = 40\nlogit_bias = [[1, -1.5]]\n";
const KEYS: &str = "[global]\ngenerate = [\"ctrl-j\", \"f5\"]\nhelp = \"f1\"\nquit = []\n[token]\nnext-token = \"x\"\n";
const PRESETS: &str =
    "[mine]\ntemperature = 0.5\ntop_p = 0.9\n[other]\norder = [\"top_k\", \"temperature\"]\ntop_k = 3\n";
const LINES: &str = "{\"text\": \"a b\", \"label\": \"x\", \"input\": \"1\", \"output\": \"2\"}\n{\"text\": \"c \\ud83d\\ude00\", \"label\": \"y\", \"input\": \"3\", \"output\": \"4\"}\n";

fn fields() -> [String; 2] {
    ["input".to_owned(), "output".to_owned()]
}

fn examples(path: &Path) -> bool {
    read_examples(path, &fields()).is_ok()
}

fn labelled(path: &Path, form: Form, format: Format) -> bool {
    text(path).is_some_and(|text| Examples::parse(form, "file", &text, format).is_ok())
}

fn readers(trace: Vec<u8>, state: Vec<u8>) -> Vec<Reader> {
    let session = |file_name: &str| {
        vec![
            file(&format!("tests/fixtures/sessions-0.1/1796069216-0/{file_name}")),
            file(&format!("tests/fixtures/sessions-0.1/1796069224-0/{file_name}")),
        ]
    };
    let tasks =
        ["sentiment", "gpt2-qa", "gpt3-cloze", "gpt3-arithmetic"].map(|name| file(&format!("prompts/{name}.yaml")));
    let table =
        |between: &str| vec![format!("input{between}output\na{between}\"b\"\n\"c d\"{between}e\n").into_bytes()];
    let look: fn(&Path) -> bool = |path| {
        let store = Store::new(path.ancestors().nth(2).unwrap().to_owned());
        let listed = store.list().unwrap();
        let id = store
            .find("1796069216-0")
            .unwrap_or_else(|_| listed.first().map_or_else(|| panic!("no id"), |row| row.id.clone()));
        store.look(&id).0.is_whole()
    };
    vec![
        Reader::new("config", "config.toml", vec![CONFIG.into(), kshot::config::default_file().into()], |path| {
            kshot::config::load(path, Path::new("none")).problems.is_empty()
        }),
        Reader::new("keymap", "keymap.toml", vec![KEYS.into()], |path| {
            let loaded = kshot::config::load(Path::new("none"), path);
            loaded.keymap().is_ok() && loaded.problems.is_empty()
        }),
        Reader::new("presets", "presets.toml", vec![PRESETS.into()], |path| {
            text(path).is_some_and(|text| SavedPresets::parse(&text).is_ok())
        }),
        Reader::new("session record", "1796069216-0/session.json", session("session.json"), look),
        Reader::new("session versions", "1796069216-0/versions.jsonl", session("versions.jsonl"), look),
        Reader::new("trace", "t.json", vec![trace], |path| {
            let trace = text(path).and_then(|text| Trace::parse(&text).ok());
            trace.is_some_and(|trace| trace.request().sequences > 0)
        }),
        Reader::new("task", "task.yaml", tasks.to_vec(), |path| {
            let Ok(task) = Library::read(path) else { return false };
            task.queries.iter().take(2).all(|doc| task.text(doc).is_ok() && task.targets(doc).is_ok())
        }),
        Reader::new("examples csv", "examples.csv", table(","), examples),
        Reader::new("examples tsv", "examples.tsv", table("\t"), examples),
        Reader::new("examples jsonl", "examples.jsonl", vec![LINES.into()], examples),
        Reader::new("labelled tsv", "labelled.tsv", vec![b"x\ta b\ny\tc d\nx\te\n".to_vec()], |path| {
            labelled(path, Form::Classification, Format::Tsv)
        }),
        Reader::new("labelled jsonl", "labelled.jsonl", vec![LINES.into()], |path| {
            labelled(path, Form::Classification, Format::Jsonl)
        }),
        Reader::new("choices tsv", "choices.tsv", vec![b"0\tctx\tone\ttwo\n1\tctx\tone\ttwo\n".to_vec()], |path| {
            labelled(path, Form::MultipleChoice, Format::Tsv)
        }),
        Reader::new("documents", "text.jsonl", vec![LINES.into()], |path| {
            Text::read(&[path.to_owned()], "text").is_ok()
        }),
        Reader::new("state of a run", "training.safetensors", vec![state], |path| {
            State::read(path.parent().unwrap()).is_ok_and(|state| state.is_some())
        }),
    ]
}

/// The largest figures of the cases of a reader.
#[derive(Default)]
struct Figures {
    good: usize,
    slowest: Duration,
    /// Beyond the file itself.
    largest: usize,
}

fn mutated(reader: &Reader, case: u64, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let seed = &reader.seeds[rng.gen_range(0..reader.seeds.len())];
    // The first case of each seed is the file as it was.
    if (case as usize) < reader.seeds.len() {
        return reader.seeds[case as usize].clone();
    }
    let other = &reader.seeds[rng.gen_range(0..reader.seeds.len())];
    let mut bytes = seed.clone();
    (0..rng.gen_range(1..=4)).for_each(|_| mutate(&mut bytes, other, rng));
    bytes
}

fn run(reader: &Reader, cases: u64, seed: u64) -> Figures {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = folder.path().join(reader.file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // A session has two files, and the other one is whole.
    if reader.name.starts_with("session") {
        for name in ["session.json", "versions.jsonl"] {
            let whole = file(&format!("tests/fixtures/sessions-0.1/1796069216-0/{name}"));
            fs::write(path.with_file_name(name), whole).unwrap();
        }
    }
    let mut figures = Figures::default();
    for case in 0..cases {
        let mut rng = ChaCha8Rng::seed_from_u64(seed << 40 | case);
        let bytes = mutated(reader, case, &mut rng);
        fs::write(&path, &bytes).unwrap();
        match watch(MEMORY + FACTOR * bytes.len(), || (reader.read)(&path)) {
            Ok(cost) => {
                figures.good += usize::from(cost.good);
                figures.slowest = figures.slowest.max(cost.time);
                figures.largest = figures.largest.max(cost.memory.saturating_sub(bytes.len()));
            }
            Err(wrong) => {
                drop(std::panic::take_hook());
                let kept =
                    std::env::temp_dir().join(format!("kshot-reader-{case}-{}", path.file_name().unwrap().display()));
                fs::write(&kept, &bytes).unwrap();
                panic!("{}: case {case} of seed {seed}: {wrong}; kept as {}", reader.name, kept.display());
            }
        }
    }
    figures
}

#[test]
fn mutated_files_are_read_or_refused_in_time_and_memory() {
    let (cases, seed) = (number("KSHOT_FUZZ_CASES", 2_000), number("KSHOT_FUZZ_SEED", 1));
    let only = std::env::var("KSHOT_FUZZ_READER").ok();
    let home = tempfile::tempdir().unwrap();
    let (trace, state) = written_by_the_program(home.path());
    let readers = readers(trace, state);
    let chosen = readers.iter().filter(|reader| only.as_ref().is_none_or(|only| reader.name == only));
    std::panic::set_hook(Box::new(|_| ()));
    for reader in chosen {
        let begun = Instant::now();
        let Figures { good, slowest, largest } = run(reader, cases, seed);
        println!(
            "{:<16} {cases} cases in {:.1?}: {good} good, slowest {slowest:.1?}, {largest} bytes more than the file",
            reader.name,
            begun.elapsed()
        );
        // A reader that takes nothing, or everything, is not tried by these.
        assert!(good > 0, "{}: not even the file as it was is read", reader.name);
        assert!(good < cases as usize || reader.name == "documents", "{}: everything is good", reader.name);
    }
    drop(std::panic::take_hook());
}
