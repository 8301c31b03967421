//! Traces and their replay, exports and the shell command, from outside and from the playground.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

#[path = "support/bytes_model.rs"]
mod bytes_model;
#[path = "support/fuzz.rs"]
#[allow(dead_code, reason = "shared by several test programs")]
mod fuzz;
#[path = "support/scripted.rs"]
#[allow(dead_code, reason = "shared by several test programs")]
mod scripted;

use std::path::PathBuf;
use std::process::Command;

use kshot::app::IoEvent;
use kshot::app::export::Exported;
use kshot::app::samples::SampleList;
use kshot::disk::Existing;
use kshot::engine::{Drawn, Event, Finish, FinishReason, JobId, Timings};
use kshot::export::formats;
use kshot::sampling::SavedPresets;
use kshot::ui::script::Driver;
use rand_chacha::ChaCha8Rng;
use rand08::{Rng, SeedableRng};
use scripted::{Player, Scripted, loaded, screen, step, text};
use serde_json::Value;

/// A home of its own for each test.
struct World {
    home: tempfile::TempDir,
}

/// What a run left behind.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl World {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// A command with no variable of the caller's but PATH, on which the program is found as `kshot`.
    fn command(&self, program: &str) -> Command {
        let kshot = assert_cmd::cargo::cargo_bin!("kshot");
        let mut paths = vec![kshot.parent().unwrap().to_path_buf()];
        paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let mut command = Command::new(program);
        command.env_clear().env("PATH", std::env::join_paths(paths).unwrap());
        command.env("HOME", self.home.path()).env("HF_HUB_OFFLINE", "1").env("KSHOT_THREADS", "1");
        command.current_dir(self.home.path());
        command
    }

    fn kshot(&self, args: &[&str]) -> Ran {
        let mut command = self.command(assert_cmd::cargo::cargo_bin!("kshot").to_str().unwrap());
        command.args(args);
        ran(command)
    }

    fn shell(&self, line: &str) -> Ran {
        let mut command = self.command("sh");
        command.args(["-c", line]);
        ran(command)
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.home.path().join(name)).unwrap()).into_owned()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.home.path().join(name), text).unwrap();
    }
}

fn ran(mut command: Command) -> Ran {
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_trace_replays_bit_for_bit() {
    let world = World::new();
    let cases: [&[&str]; 7] = [
        &["-p", "river -> ", "-n", "24", "-s", "7"],
        &["-p", "river -> ", "-n", "24", "-s", "7", "--dtype", "q8_0"],
        &["-p", "sea -> ", "-n", "9", "-s", "8", "--dtype", "bf16"],
        &["-p", "", "-n", "8", "--temp", "1.3", "--top-k", "off", "--repeat-penalty", "1.2"],
        &["-p", "sea", "-n", "16", "--samples", "3", "--stop", "\\n", "-s", "18446744073709551615"],
        &["--prompt-ids", "300,5,5", "-n", "5", "--preset", "greedy", "--ignore-eos"],
        &["-p", "a", "-n", "0"],
    ];
    for case in cases {
        let made = world.kshot(&[&["generate", "--trace", "t.json"], case].concat());
        assert_eq!(made.code, Some(0), "{case:?}: {}", made.stderr);
        let replayed = world.kshot(&["replay", "t.json"]);
        assert_eq!(replayed.code, Some(0), "{case:?}: {}{}", replayed.stdout, replayed.stderr);
        assert!(replayed.stdout.starts_with("same: "), "{}", replayed.stdout);
        assert!(replayed.stdout.contains("bit for bit") && replayed.stdout.lines().count() == 1, "{}", replayed.stdout);
    }
    // The dtype is the trace's own; another one is refused rather than compared.
    let other = world.kshot(&["replay", "t.json", "--dtype", "q4_0"]);
    assert_eq!(other.code, Some(2), "{}", other.stderr);
    assert!(other.stderr.contains("was made with --dtype f32"), "{}", other.stderr);
}

#[test]
fn a_trace_says_what_the_decode_knew() {
    let world = World::new();
    let args = ["generate", "-p", "river ->", "-n", "6", "-s", "3", "--temp", "0.7", "--logprobs", "4", "--json"];
    let made = world.kshot(&[&args[..], &["--trace", "t.json"]].concat());
    let report: Value = serde_json::from_str(&made.stdout).unwrap();
    let trace: Value = serde_json::from_str(&world.read("t.json")).unwrap();
    assert_eq!(trace["format"], "kshot.trace.v1");
    assert_eq!(trace["model"]["name"], "built-in");
    let hash = trace["model"]["weights"]["model.safetensors"].as_str().unwrap();
    assert!(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
    assert_eq!(trace["prompt"]["ids"], report["prompt_ids"]);
    assert_eq!(trace["prompt"]["text"], "river ->");
    assert_eq!(trace["settings"]["changed"]["temperature"], 0.7);
    assert!(trace["settings"]["changed"]["typical_p"].is_null() && trace["settings"]["full"]["typical_p"] == 1.0);
    assert_eq!((&trace["seed"], &trace["max_tokens"]), (&report["seed"], &6.into()));
    assert_eq!(trace["kshot"]["threads"], 1);
    let (steps, tokens) = (report["steps"].as_array().unwrap(), trace["samples"][0]["tokens"].as_array().unwrap());
    assert_eq!(steps.len(), tokens.len());
    for (step, token) in steps.iter().zip(tokens) {
        for field in ["id", "logprob", "logprob_sampled", "rank", "entropy"] {
            assert_eq!(step[field], token[field], "{field}");
        }
        assert_eq!(token["top"].as_array().unwrap().len(), 4);
        assert_eq!(token["top"][0][0], step["top"][0][0]);
        assert_eq!(token["top"][0][1], step["top"][0][2]);
    }
}

#[test]
fn a_replay_names_the_first_difference() {
    let world = World::new();
    world.kshot(&["generate", "-p", "river ->", "-n", "12", "-s", "3", "--trace", "t.json"]);
    let mut trace: Value = serde_json::from_str(&world.read("t.json")).unwrap();
    let token = &mut trace["samples"][0]["tokens"][4];
    let logprob = token["logprob"].as_f64().unwrap();
    token["logprob"] = (logprob - 1e-5).into();
    world.write("near.json", &trace.to_string());
    let near = world.kshot(&["replay", "near.json"]);
    assert_eq!(near.code, Some(1), "{}{}", near.stdout, near.stderr);
    let said = "near.json was not repeated: different at sample 1, token 5: log-probability";
    assert!(near.stdout.is_empty() && near.stderr.contains(said), "{}{}", near.stdout, near.stderr);

    // On another processor as small a difference is none.
    trace["kshot"]["cpu"] = "an abacus".into();
    world.write("elsewhere.json", &trace.to_string());
    let elsewhere = world.kshot(&["replay", "elsewhere.json", "--json"]);
    let report: Value = serde_json::from_str(&elsewhere.stdout).unwrap();
    assert_eq!((elsewhere.code, &report["same"], &report["bits"]), (Some(0), &true.into(), &false.into()));
    assert!(report["reasons"][0].as_str().unwrap().contains("abacus"), "{report}");

    trace["samples"][0]["tokens"][4]["id"] = 0.into();
    world.write("other.json", &trace.to_string());
    let other = world.kshot(&["replay", "other.json"]);
    assert_eq!(other.code, Some(1));
    assert!(other.stderr.contains("token 5: id 0"), "{}", other.stderr);
    assert!(other.stdout.contains("processor an abacus there"), "{}", other.stdout);
}

#[test]
fn what_cannot_be_replayed_is_refused_with_the_reason() {
    let world = World::new();
    world.kshot(&["generate", "-p", "river ->", "-n", "3", "--trace", "t.json"]);
    let json = world.read("t.json");
    world.write("cut.json", &json[..json.len() - 40]);
    world.write("v2.json", &json.replace("kshot.trace.v1", "kshot.trace.v2"));
    world.write("not.json", "{\"format\": \"gguf\"}");
    let folder = bytes_model::folder();
    let model = folder.path().to_str().unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&["replay", "cut.json"], "line "),
        (&["replay", "v2.json"], "kshot.trace.v2"),
        (&["replay", "not.json"], "no trace of kshot"),
        (&["replay", "missing.json"], "missing.json"),
        (&["replay", "t.json", "-m", model], "SHA-256"),
    ];
    for (args, part) in cases {
        let ran = world.kshot(args);
        assert_eq!(ran.code, Some(1), "{args:?}: {}", ran.stdout);
        assert!(ran.stderr.contains(part), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(args[1]), "the file is named: {}", ran.stderr);
    }
}

/// Whatever was done to a trace: the same outcome, or an error that names the file and the place.
#[test]
fn a_damaged_trace_is_never_refused_without_a_word() {
    let world = World::new();
    world.kshot(&["generate", "-p", "river ->", "-n", "4", "-s", "3", "--trace", "t.json"]);
    let whole = std::fs::read(world.home.path().join("t.json")).unwrap();
    let cases = fuzz::number("KSHOT_FUZZ_TRACES", 200);
    let mut same = 0;
    for case in 0..cases {
        let mut rng = ChaCha8Rng::seed_from_u64(case);
        let mut bytes = whole.clone();
        // Half of them are one flipped bit, which leaves more of the trace to be read.
        match case % 2 {
            0 => bytes[rng.gen_range(0..whole.len())] ^= 1 << rng.gen_range(0..8),
            _ => fuzz::mutate(&mut bytes, &whole, &mut rng),
        }
        std::fs::write(world.home.path().join("m.json"), &bytes).unwrap();
        let ran = world.kshot(&["replay", "m.json"]);
        if ran.code == Some(0) {
            assert!(ran.stdout.starts_with("same: "), "case {case}: {}", ran.stdout);
            same += 1;
            continue;
        }
        let said = &ran.stderr;
        // Another name of the model is looked for as such.
        let place =
            ["line ", "byte ", "sample ", "settings", "token ", "format", "dtype", "SHA-256", "model", "vocabulary"];
        assert!(matches!(ran.code, Some(1 | 2)), "case {case}: {:?} {said}", ran.code);
        assert!(said.contains("error: ") && place.iter().any(|place| said.contains(place)), "case {case}: {said}");
        let debug = ["TraceCandidate", "Some(", "None", "Error(", "panicked"];
        assert!(!debug.iter().any(|word| said.contains(word)), "case {case}: {said}");
    }
    println!("{cases} damaged traces: {same} replay as before, the others are refused in words");
    assert!(same * 4 < cases, "{same} of {cases}");
}

#[test]
fn a_folder_model_is_found_again() {
    let world = World::new();
    let folder = bytes_model::folder();
    let model = folder.path().to_str().unwrap();
    let made = world.kshot(&["generate", "-m", model, "--prompt-ids", "228,184", "-n", "6", "--trace", "t.json"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let trace: Value = serde_json::from_str(&world.read("t.json")).unwrap();
    assert_eq!(trace["prompt"]["text"], "\\xE4\\xB8", "half a character is not lost");
    assert_eq!(trace["model"]["weights"].as_object().unwrap().len(), 3, "each shard has its hash");
    let replayed = world.kshot(&["replay", "t.json"]);
    assert_eq!(replayed.code, Some(0), "{}{}", replayed.stdout, replayed.stderr);
}

/// What `kshot screenshot` leaves behind after some keys on the built-in model.
fn play(world: &World, flags: &[&str], keys: &str) {
    let args = ["screenshot", "-m", "built-in", "-o", "screen.svg", "--keys", keys];
    let ran = world.kshot(&[&args[..], flags].concat());
    assert_eq!(ran.code, Some(0), "{keys}: {}", ran.stderr);
}

/// Exports the selected rows of the overlay, counted from 0, under the names that are offered.
fn export_keys(rows: &[usize]) -> String {
    rows.iter().map(|row| format!("<Alt+E><Down {row}><Enter 2>")).collect()
}

#[test]
fn the_shell_command_makes_the_last_generation_again() {
    let world = World::new();
    // Flags, keys before the generation, part of the command.
    let cases: [(&[&str], &str, &str); 6] = [
        (&["-n", "12", "-s", "3"], "", " -p "),
        (&["-n", "8", "-s", "4", "--dtype", "q8_0"], "", " --dtype q8_0 "),
        (
            &["-n", "9", "--temp", "1.5", "--top-k", "off", "--order", "temperature,top_p", "-s", "5"],
            "",
            "--order 'temperature,top_p'",
        ),
        (&["-n", "20", "--stop", "\\n\\n\\n", "--preset", "greedy"], "<Enter>it's \"$HOME\" `x` -> ", " --stop "),
        (&["-n", "6", "--repeat-penalty", "1.3", "-s", "77"], "<Alt+C>", "--seed 77"),
        // After a generation the prompt may be ids that no text gives: this word is never cut so.
        (&["-n", "4", "--logit-bias", "the:+100"], "<Ctrl+G><wait>", " --prompt-ids "),
    ];
    for (number, (flags, before, part)) in cases.into_iter().enumerate() {
        let name = format!("page-{number}.txt");
        world.write(&name, "sea -> mer\nsun ->");
        // Something is to be made in any case.
        let flags = [flags, &["--ban", "<|endoftext|>", name.as_str()]].concat();
        // The prompt, then all of it: text and command.
        let keys = format!("{before}<Alt+E><Enter><End>.prompt<Enter><Ctrl+G><wait>{}", export_keys(&[5]));
        let keys = format!("{keys}<Alt+E><Enter><End>.all<Enter>");
        play(&world, &flags, &keys);
        let command = world.read(&format!("page-{number}.sh"));
        assert!(command.contains(part), "{command}");
        assert!(command.starts_with("kshot generate -m built-in "), "{command}");
        let made = world.shell(&command);
        assert_eq!(made.code, Some(0), "{command}: {}", made.stderr);
        let all = world.read(&format!("page-{number}.txt.all"));
        let prompt = std::fs::read_to_string(world.home.path().join(format!("page-{number}.txt.prompt")));
        let prompt = prompt.unwrap_or_default();
        assert_eq!(all.strip_prefix(&prompt).unwrap(), made.stdout, "{command}");
        assert!(!made.stdout.is_empty());
    }
}

#[test]
fn a_trace_from_the_playground_replays() {
    let world = World::new();
    play(&world, &["-n", "10", "-s", "5"], &format!("<Ctrl+G><wait>{}", export_keys(&[4])));
    let replayed = world.kshot(&["replay", "kshot.json"]);
    assert_eq!(replayed.code, Some(0), "{}{}", replayed.stdout, replayed.stderr);
    assert!(replayed.stdout.contains("bit for bit"), "{}", replayed.stdout);

    // The second generation goes on in the cache of the first, so its sums were taken in another order.
    world.write("two.txt", "river ->");
    play(&world, &["-n", "10", "two.txt"], &format!("<Ctrl+G><wait><Ctrl+G><wait>{}", export_keys(&[4])));
    let replayed = world.kshot(&["replay", "two.json"]);
    assert_eq!(replayed.code, Some(0), "{}{}", replayed.stdout, replayed.stderr);
    assert!(replayed.stdout.contains("read in an earlier run"), "{}", replayed.stdout);
}

#[test]
fn a_sample_that_was_taken_is_made_again_by_its_command() {
    let world = World::new();
    let keys = format!("<Ctrl+G><wait><Down 2><Enter>{}", export_keys(&[0, 4, 5]));
    play(&world, &["-n", "8", "--samples", "4", "-s", "9", "--temp", "1.2", "--ban", "<|endoftext|>"], &keys);
    let command = world.read("kshot.sh");
    assert!(command.contains("--samples 4 --pick 3"), "{command}");
    let made = world.shell(&command);
    let text = world.read("kshot.txt");
    assert!(!made.stdout.is_empty() && text.ends_with(&made.stdout), "{command}: {:?} in {text:?}", made.stdout);
    let trace: Value = serde_json::from_str(&world.read("kshot.json")).unwrap();
    assert_eq!(trace["samples"].as_array().unwrap().len(), 4);
    assert_eq!(world.kshot(&["replay", "kshot.json"]).code, Some(0));
}

#[test]
fn best_of_prints_the_sample_with_the_largest_mean() {
    let world = World::new();
    let common = ["generate", "-p", "sun ->", "-n", "8", "-s", "4", "--temp", "1.4", "--json"];
    let all = world.kshot(&[&common[..], &["--samples", "5"]].concat());
    let all: Value = serde_json::from_str(&all.stdout).unwrap();
    let means = all["samples"].as_array().unwrap().iter().map(|sample| sample["mean_logprob"].as_f64().unwrap());
    let best = means.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0;
    let one: Value = serde_json::from_str(&world.kshot(&[&common[..], &["--best-of", "5"]].concat()).stdout).unwrap();
    assert_eq!(one["ids"], all["samples"][best]["ids"]);
    let pick = (best + 1).to_string();
    let picked = world.kshot(&[&common[..9], &["--samples", "5", "--pick", &pick]].concat());
    assert_eq!(picked.stdout, one["text"].as_str().unwrap());
    let beyond = world.kshot(&[&common[..9], &["--samples", "2", "--pick", "3"]].concat());
    assert_eq!(beyond.code, Some(2), "{}", beyond.stderr);
}

#[test]
fn tables_and_pages_of_the_command_line() {
    let world = World::new();
    let made = world.kshot(&["generate", "-p", "sea ->", "-n", "6", "--ignore-eos", "--format", "csv"]);
    let mut reader = csv::Reader::from_reader(made.stdout.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let typed = rows.iter().filter(|row| &row[3] == "typed").count();
    assert_eq!(rows.len(), typed + 6, "{}", made.stdout);
    assert!(rows.iter().all(|row| (&row[3] == "model") == row[4].parse::<f32>().is_ok()), "{}", made.stdout);
    let scored = world.kshot(&["score", "<b>sea</b> -> mer", "--format", "html"]);
    assert!(scored.stdout.starts_with("<!doctype html>") && !scored.stdout.contains("<b>"), "{}", scored.stdout);
    assert!(scored.stdout.contains("<dt>perplexity</dt>"), "{}", scored.stdout);
    let scored = world.kshot(&["score", "sea -> mer", "--format", "md", "--bos"]);
    assert!(scored.stdout.contains("| 0 | "), "{}", scored.stdout);
    let several = world.kshot(&["generate", "-p", "a", "-n", "1", "--samples", "2", "--format", "csv"]);
    assert_eq!(several.code, Some(2), "{}", several.stderr);
}

/// Models have more rows than their vocabulary where these were padded; what is sampled of them is in every table.
#[test]
fn tokens_of_rows_beyond_the_vocabulary_are_in_the_tables() {
    let (world, model) = (World::new(), bytes_model::folder());
    let known: serde_json::Map<String, Value> =
        (0..128u8).map(|byte| (kshot::text::byte_symbol(byte).to_string(), byte.into())).collect();
    std::fs::write(model.path().join("vocab.json"), Value::Object(known).to_string()).unwrap();
    let common = ["generate", "-m", model.path().to_str().unwrap(), "-p", "abc", "-n", "12", "-s", "1", "--ignore-eos"];
    let made = world.kshot(&[&common[..], &["--format", "csv"]].concat());
    let mut reader = csv::Reader::from_reader(made.stdout.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3 + 12, "{} {}", made.stdout, made.stderr);
    let beyond: Vec<_> = rows.iter().filter(|row| row[1].parse::<u32>().unwrap() > 127).collect();
    assert!(!beyond.is_empty() && beyond.iter().all(|row| row[2].is_empty() && !row[4].is_empty()), "{}", made.stdout);
    let page = world.kshot(&[&common[..], &["--format", "md"]].concat());
    let name = format!("&#60;{}&#62;", &beyond[0][1]);
    assert!(page.stdout.contains(&name), "{name}: {}", page.stdout);
}

#[test]
fn biased_and_banned_tokens_survive_trace_and_command() {
    let world = World::new();
    let base = ["generate", "-p", "sun ->", "-n", "6", "--preset", "greedy", "--json"];
    let plain: Value = serde_json::from_str(&world.kshot(&base).stdout).unwrap();
    let first = plain["ids"][0].clone();
    let banned = world.kshot(&[&base[..], &["--ban", &first.to_string(), "--trace", "t.json"]].concat());
    let banned: Value = serde_json::from_str(&banned.stdout).unwrap();
    assert!(banned["ids"].as_array().unwrap().iter().all(|id| *id != first), "{banned}");
    let trace: Value = serde_json::from_str(&world.read("t.json")).unwrap();
    assert_eq!(trace["settings"]["changed"]["logit_bias"][0], format!("{first}:ban"));
    assert_eq!(world.kshot(&["replay", "t.json"]).code, Some(0));
    // A large bias by text: nothing else can come.
    let forced =
        world.kshot(&["generate", "-p", "sun ->", "-n", "3", "--logit-bias", " the:+100", "--ban", "<|endoftext|>"]);
    assert_eq!(forced.stdout, " the the the", "{}", forced.stderr);
    for (flags, part) in [
        (["--logit-bias", "the"], "TOKEN:+2.5"),
        (["--logit-bias", "the:much"], "no number"),
        (["--ban", "antidisestablishment"], "not one token"),
        (["--ban", "999999"], "no token 999999"),
    ] {
        let ran = world.kshot(&[&["generate", "-p", "a", "-n", "1"][..], &flags].concat());
        assert_eq!(ran.code, Some(2), "{flags:?}");
        assert!(ran.stderr.contains(part), "{flags:?}: {}", ran.stderr);
    }
    // The playground's row, by its own editor, and the command it gives.
    world.write("page.txt", "sun ->");
    let keys = "<F3><Down 14><Enter>\" the\":+100 7:ban<Enter><Ctrl+G><wait><Alt+E><Enter><End>.all<Enter>".to_owned();
    let keys = keys + &export_keys(&[5]);
    play(&world, &["-n", "3", "page.txt"], &keys);
    let command = world.read("page.sh");
    assert!(command.contains("--ban 7 --logit-bias "), "{command}");
    assert_eq!(world.read("page.txt.all"), "sun -> the the the");
    assert_eq!(world.shell(&command).stdout, " the the the", "{command}");
}

#[test]
fn a_bias_is_a_row_with_an_editor() {
    let mut driver = loaded((120, 36));
    driver.run("<F3><Down 14><Enter>e:-1 zz:2<Enter>").unwrap();
    assert!(screen(&driver).contains("not one token here"), "{}", screen(&driver));
    assert!(driver.shell.app.sampler.settings.bias().is_empty(), "a refused line changes nothing");
    driver.run("<Ctrl+U>e:-1 \"\\n\":ban<Enter>").unwrap();
    assert_eq!(driver.shell.app.sampler.settings.bias(), [(10, f32::NEG_INFINITY), (101, -1.0)]);
    assert!(screen(&driver).contains("\"e\":-1 \"\\n\":ban"), "{}", screen(&driver));
    // A preset keeps it, and x takes it away.
    driver.run("p<Enter>").unwrap();
    assert_eq!(driver.shell.app.sampler.settings.bias().len(), 2);
    driver.run("<F3>x").unwrap();
    assert!(driver.shell.app.sampler.settings.bias().is_empty());
}

/// A driver that has generated three tokens.
fn generated() -> Driver<Scripted> {
    let mut driver = loaded((120, 36));
    driver.run("water is<Ctrl+G>").unwrap();
    let mut player = Player::new(&driver);
    player.tokens(&mut driver, &[" eau", " de", " mer"]);
    player.finish(&mut driver, FinishReason::Length);
    driver
}

#[test]
fn the_overlay_offers_every_format_at_every_size() {
    for size in [(120, 36), (80, 24), (60, 16)] {
        let mut driver = loaded(size);
        driver.run("<Alt+E>").unwrap();
        for spec in formats() {
            assert!(screen(&driver).contains(spec.name), "{size:?}\n{}", screen(&driver));
        }
        assert!(screen(&driver).contains("y clipboard"), "{}", screen(&driver));
    }
}

#[test]
fn a_table_goes_to_the_clipboard() {
    let mut driver = generated();
    driver.run("<Alt+E><Down>y").unwrap();
    let copied = driver.copied().unwrap();
    let mut reader = csv::Reader::from_reader(copied.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 8 + 3, "{copied}");
    assert_eq!((&rows[8][2], &rows[8][3], &rows[8][5]), (" eau", "model", "1"));
    assert!(driver.shell.app.screen.overlays.is_empty(), "the overlay closes");
}

#[test]
fn a_file_is_named_by_its_format_and_never_replaced_unasked() {
    let mut driver = generated();
    driver.run("<Alt+E><Down 3><Enter>").unwrap();
    assert_eq!(driver.shell.app.screen.input.as_ref().unwrap().text, "kshot.html");
    driver.run("<Enter>").unwrap();
    {
        let asked = driver.executor.asked.borrow();
        let (path, bytes) = asked.saved.last().unwrap();
        assert_eq!(path, &PathBuf::from("kshot.html"));
        assert!(bytes.starts_with(b"<!doctype html>"));
        assert_eq!(asked.existing, [Existing::Keep]);
    }
    // A name that is taken stays in the line, and Enter takes it after all.
    driver.run("<Alt+E><Down 2><Enter>").unwrap();
    let taken = IoEvent::Exported(Ok(Exported::Taken("kshot.md".into())));
    driver.executor.io_sender().send(taken).unwrap();
    driver.pump().unwrap();
    assert!(driver.shell.app.screen.input.as_ref().unwrap().error.as_ref().unwrap().contains("again replaces"));
    driver.run("<Enter>").unwrap();
    assert_eq!(driver.executor.asked.borrow().existing.last(), Some(&Existing::Replace));
}

#[test]
fn what_is_not_there_cannot_be_exported() {
    let mut driver = loaded((120, 36));
    driver.run("<Alt+E><Down>y").unwrap();
    assert!(screen(&driver).contains("the document is empty"), "{}", screen(&driver));
    driver.run("<Down 4>y").unwrap();
    assert!(screen(&driver).contains("nothing was generated yet"), "{}", screen(&driver));
    driver.run("<Esc 3>a<Ctrl+G><Alt+E><Down 5><Enter>").unwrap();
    assert!(screen(&driver).contains("still running"), "{}", screen(&driver));
    assert!(driver.shell.app.screen.input.is_none() && driver.copied().is_none());
}

#[test]
fn a_file_that_is_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, "mine").unwrap();
    let to = |existing| kshot::app::export::Destination::File(path.clone(), existing);
    let export = |to| kshot::jobs::export(kshot::export::Format::Csv, &kshot::export::Source::default(), to);
    assert_eq!(export(to(Existing::Keep)), Ok(Exported::Taken(path.clone())));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(export(to(Existing::Replace)), Ok(Exported::Written(path.clone())));
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("position,id"));
}

/// A driver with three samples of "sun" under way: two tokens of the first, one of the second.
fn sampling(size: (u16, u16)) -> (Driver<Scripted>, JobId) {
    let mut driver = loaded(size);
    driver.run("<F3><Down 12>3<Enter><Esc>sun<Ctrl+G>").unwrap();
    let job = {
        let asked = driver.executor.asked.borrow();
        let (job, request) = asked.generation.as_ref().unwrap();
        assert_eq!(request.sequences, 3);
        *job
    };
    grow(&mut driver, job, 0, " eau", -3.0);
    grow(&mut driver, job, 0, " de", -1.0);
    grow(&mut driver, job, 1, " mer", -1.5);
    (driver, job)
}

fn grow(driver: &mut Driver<Scripted>, job: JobId, sequence: usize, token: &str, logprob: f32) {
    let mut step = step(0, token.as_bytes());
    step.sequence = sequence;
    let Drawn::Here(sampled) = &mut step.drawn else { unreachable!() };
    sampled.logprob = logprob;
    driver.executor.engine_sender().send(Event::Step(job, Box::new(step))).unwrap();
    driver.pump().unwrap();
}

fn end(driver: &mut Driver<Scripted>, job: JobId) {
    let finish = Finish {
        reasons: vec![FinishReason::Length, FinishReason::Stop, FinishReason::Cancelled],
        stopped_at: vec![None, Some("\n".to_owned()), None],
        seed: 42,
        prompt: vec![115],
        timings: Timings::default(),
    };
    driver.executor.engine_sender().send(Event::Finished(job, Box::new(finish))).unwrap();
    driver.pump().unwrap();
}

#[test]
fn samples_grow_side_by_side_and_one_is_taken() {
    for size in [(120, 36), (80, 24), (60, 16)] {
        let (mut driver, job) = sampling(size);
        let shown = screen(&driver);
        for part in ["3 samples", "eau de", "mer", "mean log-probability -2.000", "-1.500   best"] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        assert_eq!(text(&driver), "sun", "nothing is in the document yet");
        end(&mut driver, job);
        driver.run("b<Enter>").unwrap();
        assert_eq!(text(&driver), "sun mer");
        let app = &driver.shell.app;
        assert!(app.screen.overlays.is_empty() && app.runs.batch.is_none());
        assert_eq!(app.runs.current.as_ref().unwrap().steps.len(), 1);
        assert!(app.runs.current.as_ref().unwrap().ending().unwrap().contains("stop string"));
        assert!(app.document.tokens().last().unwrap().info.is_some(), "its figures come along");
        driver.run("<Ctrl+_ 2>").unwrap();
        assert_eq!(text(&driver), "sun", "one step of undo, announced since it is a generation");
    }
}

#[test]
fn a_sweep_has_a_temperature_for_each_sample() {
    for size in [(120, 36), (80, 24), (60, 16)] {
        let mut driver = loaded(size);
        driver.run("sun<Alt+g>").unwrap();
        let (job, asked) = driver.executor.asked.borrow().generation.clone().unwrap();
        assert_eq!((asked.sequences, asked.temperatures), (6, vec![0.0, 0.3, 0.7, 1.0, 1.5, 2.0]));
        grow(&mut driver, job, 0, " eau", -1.0);
        let shown = screen(&driver);
        for part in ["6 samples", "temperature 0 ", "temperature 0.3", "eau"] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        end(&mut driver, job);
        driver.run("<Enter>").unwrap();
        assert_eq!(text(&driver), "sun eau");
    }
}

#[test]
fn a_sample_taken_early_stops_the_others_first() {
    let (mut driver, job) = sampling((120, 36));
    driver.run("<Enter>").unwrap();
    assert_eq!(text(&driver), "sun");
    assert!(driver.shell.app.runs.batch.as_ref().unwrap().cancel.is_cancelled());
    grow(&mut driver, job, 0, " la", -1.0);
    end(&mut driver, job);
    assert_eq!(text(&driver), "sun eau de la", "what the engine still had to say is in it");
}

#[test]
fn leaving_the_samples_changes_nothing() {
    let (mut driver, job) = sampling((120, 36));
    driver.run("<Esc>").unwrap();
    assert!(driver.shell.app.overlay::<SampleList>().is_some(), "the first Esc stops");
    end(&mut driver, job);
    driver.run("<Esc>").unwrap();
    assert!(driver.shell.app.runs.batch.is_none() && driver.shell.app.screen.overlays.is_empty());
    grow(&mut driver, job, 2, " une", -1.0);
    assert_eq!(text(&driver), "sun", "late tokens are dropped");
    // Another overlay or pane in its place ends it too.
    let (mut driver, _) = sampling((120, 36));
    let cancel = driver.shell.app.runs.batch.as_ref().unwrap().cancel.clone();
    driver.run("<F3>").unwrap();
    assert!(cancel.is_cancelled() && driver.shell.app.runs.batch.is_none());
}

fn saved_presets(driver: &Driver<Scripted>) -> Option<String> {
    let asked = driver.executor.asked.borrow();
    asked.saved.last().map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap())
}

#[test]
fn presets_of_ones_own_are_saved_used_and_deleted() {
    let mut driver = loaded((120, 36));
    driver.shell.app.use_presets("presets.toml".into(), Ok(SavedPresets::default()));
    driver.run("<F3>0.65<Enter>psmine<Enter>").unwrap();
    let toml = saved_presets(&driver).unwrap();
    assert!(toml.contains("[mine]") && toml.contains("temperature = 0.65"), "{toml}");
    assert!(!toml.contains("typical_p"), "changed values only: {toml}");
    assert!(screen(&driver).contains("yours: temperature 0.65"), "{}", screen(&driver));
    // Used from the list: it stands behind the built-in ones.
    driver.run("<Esc 2><F3>1<Enter>p<Down 20><Enter>").unwrap();
    assert!(screen(&driver).contains("preset: mine"), "{}", screen(&driver));
    // A name that is taken is asked about.
    driver.run("2<Enter>psmine<Enter>").unwrap();
    assert!(screen(&driver).contains("again replaces it"), "{}", screen(&driver));
    assert!(saved_presets(&driver).unwrap().contains("0.65"));
    driver.run("<Enter>").unwrap();
    assert!(saved_presets(&driver).unwrap().contains("temperature = 2"), "{:?}", saved_presets(&driver));
    // Built-in ones stay; one's own goes at the second press.
    driver.run("<Esc 3><F3>p<Up 20>d").unwrap();
    assert!(screen(&driver).contains("is built in"), "{}", screen(&driver));
    driver.run("<Down 20>d").unwrap();
    assert!(saved_presets(&driver).unwrap().contains("mine"));
    driver.run("d").unwrap();
    assert_eq!(saved_presets(&driver).unwrap().trim(), "");
}

#[test]
fn a_damaged_file_of_presets_is_told_and_left_alone() {
    let mut driver = loaded((120, 36));
    driver.shell.app.use_presets("presets.toml".into(), SavedPresets::parse("[mine]\ntop_q = 1"));
    driver.run("").unwrap();
    driver.draw();
    assert!(screen(&driver).contains("top_q"), "{}", screen(&driver));
    driver.run("<F3>psnew<Enter>").unwrap();
    assert!(screen(&driver).contains("until their file is mended"), "{}", screen(&driver));
    assert!(saved_presets(&driver).is_none() && driver.shell.app.sampler.saved.is_empty());
}

/// Examples edited with keys are the user's own task from then on: in the folder, on the command line, after a restart.
#[test]
fn edited_examples_are_kept_as_a_task_of_the_user() {
    let world = World::new();
    let first = world.kshot(&["prompts", "list", "--json"]);
    let name = first.stdout.lines().next().and_then(|line| serde_json::from_str::<Value>(line).ok()).unwrap()["name"]
        .as_str()
        .unwrap()
        .to_owned();
    // The list begins with what the model in use does best, so the task is found by its name.
    let task = format!("<F4>t/{name}<Enter><Enter>");
    let show = || world.kshot(&["prompts", "show", &name, "-k", "1"]).stdout;
    let before = show();
    // The first example edited: its fields are offered one after the other, and what is typed takes their place.
    play(&world, &[], &format!("{task}<Shift+E>zebra word<Enter>zebra answer<Enter>"));
    let edited = show();
    assert!(edited.contains("zebra word") && edited.contains("zebra answer") && edited != before, "{edited}");
    let path = world.kshot(&["paths"]).stdout;
    assert!(path.contains("prompts"), "{path}");
    // Twice, once less, and back: u takes back one change at a time.
    let count = || {
        let listed = world.kshot(&["prompts", "list", "--json"]).stdout;
        let rows: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        rows.iter().find(|row| row["name"] == name.as_str()).unwrap()["examples"].as_u64().unwrap()
    };
    let all = count();
    play(&world, &["--fresh"], &format!("{task}y"));
    assert_eq!(count(), all + 1);
    play(&world, &["--fresh"], &format!("{task}<Shift+D><Shift+D>"));
    assert_eq!(count(), all - 1);
    play(&world, &["--fresh"], &format!("{task}<Shift+D>uyyu"));
    assert_eq!(count(), all);
    // A table adds more, from the pane and from the command line; a bad one is told with its line and changes nothing.
    let shown: Value = serde_json::from_str(&world.kshot(&["prompts", "show", &name, "--json"]).stdout).unwrap();
    let fields: Vec<&str> = shown["fields"].as_array().unwrap().iter().map(|field| field.as_str().unwrap()).collect();
    world.write("more.tsv", &format!("{}\nlion\tcat\ntiger\tcat\n", fields.join("\t")));
    play(&world, &["--fresh"], &format!("{task}<Shift+I>more.tsv<Enter><wait>"));
    assert_eq!(count(), all + 2);
    let imported = world.kshot(&["prompts", "import", "more.tsv", "--task", &name]);
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    assert!(imported.stdout.contains("2 of them new"), "{}", imported.stdout);
    assert_eq!(count(), all + 4);
    world.write("bad.tsv", &format!("{}\nlion\n", fields.join("\t")));
    let refused = world.kshot(&["prompts", "import", "bad.tsv", "--task", &name]);
    assert!(refused.code == Some(1) && refused.stderr.contains("bad.tsv:2: "), "{}", refused.stderr);
    assert_eq!(count(), all + 4);
}
