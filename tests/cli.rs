//! The program from outside: arguments, stdin and environment in; exit code, stdout and stderr out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/bytes_model.rs"]
mod bytes_model;

#[path = "cli/arguments.rs"]
mod arguments;
#[cfg(target_os = "linux")]
#[path = "cli/offline.rs"]
mod offline;
#[path = "cli/surroundings.rs"]
mod surroundings;

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// A checkpoint and a home of its own for each test.
struct World {
    model: tempfile::TempDir,
    home: tempfile::TempDir,
}

/// What a run left behind.
struct Ran {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Ran {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_slice(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

impl World {
    fn new() -> Self {
        Self { model: bytes_model::folder(), home: tempfile::tempdir().unwrap() }
    }

    fn model(&self) -> &str {
        self.model.path().to_str().unwrap()
    }

    /// The program with no variable of the caller's but PATH; MODEL in the arguments stands for the checkpoint.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("kshot"));
        command.args(args.iter().map(|arg| if *arg == "MODEL" { self.model() } else { arg }));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home.path()).env("HF_HUB_OFFLINE", "1").env("KSHOT_THREADS", "1");
        command.current_dir(self.home.path());
        command
    }

    fn run(&self, args: &[&str], stdin: &[u8]) -> Ran {
        self.run_with(args, stdin, &[])
    }

    fn run_with(&self, args: &[&str], stdin: &[u8], env: &[(&str, &str)]) -> Ran {
        let mut command = assert_cmd::Command::from_std(self.command(args));
        let output = command.envs(env.iter().copied()).write_stdin(stdin).output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn generate(&self, more: &[&str], stdin: &[u8]) -> Value {
        let args: Vec<_> =
            ["generate", "-m", "MODEL", "--json", "-s", "1", "-n", "8"].iter().chain(more).copied().collect();
        self.run(&args, stdin).json()
    }
}

/// The ids of a JSON list.
fn ids(value: &Value) -> Vec<u64> {
    value.as_array().expect("a list").iter().map(|id| id.as_u64().expect("an id")).collect()
}

fn bytes_of(text: &str) -> Vec<u64> {
    text.bytes().map(u64::from).collect()
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn exit_codes_and_messages() {
    let world = World::new();
    std::fs::create_dir(world.home.path().join("empty")).unwrap();
    std::fs::create_dir(world.home.path().join("bin-only")).unwrap();
    for name in ["config.json", "tokenizer.json", "pytorch_model.bin"] {
        std::fs::write(world.home.path().join("bin-only").join(name), "{}").unwrap();
    }
    std::fs::write(world.home.path().join("latin1.txt"), b"caf\xe9").unwrap();
    let long = "x".repeat(56);
    // (arguments, stdin, exit code, part of stdout, part of stderr)
    let cases: &[(&[&str], &[u8], i32, &str, &str)] = &[
        (&["--version"], b"", 0, "features: ", ""),
        (&["--help"], b"", 0, "Exit codes", ""),
        (&["generate", "--help"], b"", 0, "Examples:", ""),
        (&["paths"], b"", 0, "prompts", ""),
        (&["models", "list"], b"", 0, "openai-community/gpt2", ""),
        (&["nonsense", "generate"], b"", 2, "", "stands before a subcommand"),
        (&[], b"", 2, "", "needs a terminal"),
        (&["notes.txt"], b"", 2, "", "needs a terminal"),
        (&["generate", "--nonsense"], b"", 2, "", "--nonsense"),
        (&["generate", "-n", "1"], b"x", 0, "", ""),
        (&["models", "list"], b"", 0, "built-in", ""),
        (&["models", "info", "built-in"], b"", 0, "in the program", ""),
        (&["models", "info", "MODEL"], b"", 0, "context 56", ""),
        (&["models", "verify", "built-in"], b"", 0, "model.safetensors", ""),
        (&["models", "pull", "built-in"], b"", 1, "", "nothing to download"),
        (&["models", "rm", "built-in"], b"", 1, "", "in the program"),
        (&["generate", "-m", "built-in@v1"], b"x", 1, "", "not in the cache"),
        (&["generate", "-m", "MODEL", "--temp", "-1"], b"", 2, "", "--temp"),
        (&["generate", "-m", "MODEL", "--order", "top_k,top_k"], b"", 2, "", "twice"),
        (&["generate", "-m", "MODEL", "--preset", "wild"], b"", 2, "", "balanced"),
        (&["generate", "-m", "MODEL", "--stop", "\\q"], b"", 2, "", "no escape"),
        (&["generate", "-m", "MODEL", "--prompt-ids", "1,x"], b"", 2, "", "--prompt-ids"),
        (&["generate", "-m", "MODEL", "-p", "a", "-f", "b"], b"", 2, "", "cannot be used with"),
        (
            &["generate", "-m", "MODEL", "--device", "cuda"],
            b"x",
            2,
            "",
            "cannot compute on cuda:0: this build computes on the CPU only",
        ),
        (&["generate", "-m", "MODEL", "--prompt-ids", "999"], b"", 1, "", "outside the model's vocabulary of 257"),
        (&["generate", "-m", "MODEL", "-p", &long], b"", 1, "", "56 tokens and the model has 56 positions"),
        (&["generate", "-m", "MODEL", "-f", "missing.txt"], b"", 1, "", "cannot read missing.txt"),
        (&["generate", "-m", "MODEL", "-f", "latin1.txt"], b"", 1, "", "byte 3 is 0xE9"),
        (&["generate", "-m", "MODEL"], b"\xff", 1, "", "cannot use stdin"),
        (&["generate", "-m", "MODEL", "--task", "no-such-task"], b"", 1, "", "there is no task \"no-such-task\""),
        (&["generate", "-m", "./no-such"], b"x", 1, "", "there is no folder ./no-such"),
        (&["generate", "-m", "./empty"], b"x", 1, "", "it is empty"),
        (&["generate", "-m", "./bin-only"], b"x", 1, "", "pytorch_model.bin"),
        (&["generate", "-m", "latin1.txt"], b"x", 1, "", "is a file"),
        (&["generate", "-m", "openai-community/gpt2"], b"x", 1, "", "not in the cache"),
        (&["generate", "-m", "a/b/c"], b"x", 1, "", "not a model name"),
        (&["score", "-m", "MODEL", "ab"], b"", 0, "perplexity", ""),
        (&["tokens", "-m", "MODEL", "ab"], b"", 0, "2 tokens, 2 bytes", ""),
        (&["tokens", "-m", "MODEL", "-f", "-"], b"abc", 0, "3 tokens", ""),
        (&["-m", "MODEL", "tokens"], b"abc", 0, "3 tokens", ""),
        (&["models", "pull", "org/name"], b"", 1, "", "offline"),
        (&["models", "verify", "org/name"], b"", 1, "", "not in the cache"),
        (&["models", "rm", "org/name"], b"", 1, "", "not in the cache"),
        (&["bench", "-m", "MODEL", "-p", "50", "-n", "50"], b"", 2, "", "56 positions"),
        (&["completions", "tcsh"], b"", 2, "", "tcsh"),
    ];
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|(args, stdin, code, out, err)| {
            let ran = world.run(args, stdin);
            let good = ran.code == Some(*code) && ran.text().contains(out) && ran.stderr.contains(err);
            let once = ran.stderr.matches("error:").count() == usize::from(*code != 0);
            (!good || !once).then(|| format!("{args:?}: {:?}\n{}{}", ran.code, ran.text(), ran.stderr))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Nothing is cached, nothing is named, there is no network: the model in the program answers. Nothing here depends on
/// what it says.
#[test]
fn the_built_in_model_is_there_where_none_is_named() {
    let world = World::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/builtin");
    let generate = ["generate", "--json", "--logprobs", "3", "-s", "1", "-n", "3", "--ignore-eos", "-p", "x"];
    let with = |model: &[&str]| world.run(&[&generate[..], model].concat(), b"").json();
    let made = with(&[]);
    assert_eq!((made["model"].as_str(), ids(&made["ids"]).len()), (Some("built-in"), 3));
    for same in [with(&["-m", "built-in"]), with(&["-m", folder])] {
        assert_eq!((&same["ids"], &same["steps"]), (&made["ids"], &made["steps"]));
    }
    for empty in ["", "built-in"] {
        assert_eq!(world.run_with(&generate, b"", &[("KSHOT_MODEL", empty)]).json()["steps"], made["steps"]);
    }
    // A folder of that name has to be asked for as one.
    std::fs::create_dir(world.home.path().join("built-in")).unwrap();
    assert_eq!(with(&["-m", "built-in"])["ids"], made["ids"]);
    assert!(world.run(&["generate", "-m", "./built-in"], b"x").stderr.contains("it is empty"));

    let text = "Hello, 我爱计算机\n";
    let cut = world.run(&["tokens", "--json", text], b"").json();
    let bytes: String =
        cut["tokens"].as_array().unwrap().iter().map(|token| token["bytes"].as_str().unwrap()).collect();
    assert_eq!(bytes, text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>());
    assert!(world.run(&["score", "--json", text], b"").json()["perplexity"].is_number());
    assert!(world.run(&["bench", "-p", "20", "-n", "20", "--json"], b"").json()["decode_tok_s"].is_number());
    let doctor = world.run(&["doctor", "--json"], b"").json();
    assert_eq!((&doctor["ok"], &doctor["model"]["model"]), (&true.into(), &"built-in".into()), "{doctor}");
    assert_eq!(doctor["checks"][0]["name"], "files verified");

    let info = world.run(&["models", "info", "built-in", "--json"], b"").json();
    let card = std::fs::read_to_string(Path::new(folder).join("CARD.md")).unwrap();
    assert_eq!((info["card"].as_str(), &info["folder"]), (Some(card.as_str()), &"in the program".into()));
    assert!(world.run(&["models", "info", "built-in"], b"").text().contains(card.lines().next().unwrap()));
    let picture = world.run(&["screenshot", "-o", "-"], b"");
    assert!(picture.code == Some(0) && picture.text().contains("built-in is ready"), "{}", picture.stderr);
}

#[test]
fn every_shell_has_completions() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = world.run(&["completions", shell], b"");
        assert_eq!(ran.code, Some(0), "{shell}: {}", ran.stderr);
        for flag in ["repeat-penalty", "prompt-ids", "min-p"] {
            assert!(ran.text().contains(flag), "{shell} lacks {flag}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let world = World::new();
    let page = |command: &[&str]| world.run(&[&["man"], command].concat(), b"");
    let whole = page(&[]);
    assert!(whole.text().contains(".TH kshot 1") && whole.text().contains("kshot\\-generate(1)"), "{}", whole.text());
    let one = page(&["models", "list"]);
    assert!(one.text().contains(".TH kshot-models-list 1"), "{}", one.text());
    let none = page(&["models", "eat"]);
    assert!(none.code != Some(0) && none.stderr.contains("models has no command eat"), "{}", none.stderr);
}

#[test]
fn the_json_of_generate_has_the_promised_keys() {
    let world = World::new();
    let made = world.generate(&["--logprobs", "3", "-p", "Hello"], b"");
    assert_eq!(ids(&made["prompt_ids"]), bytes_of("Hello"));
    assert_eq!((made["finish_reason"].as_str(), made["seed"].as_u64()), (Some("length"), Some(1)));
    assert_eq!(made["model"].as_str(), Some(world.model()));
    for key in ["load_s", "prefill_tokens", "prefill_s", "decode_tokens", "decode_s"] {
        assert!(made["timings"][key].is_number(), "timings.{key}");
    }
    let steps = made["steps"].as_array().unwrap();
    assert_eq!(steps.iter().map(|step| step["id"].as_u64().unwrap()).collect::<Vec<_>>(), ids(&made["ids"]));
    for step in steps {
        let (id, top) = (step["id"].as_u64().unwrap(), step["top"].as_array().unwrap());
        assert_eq!(step["bytes"].as_str().unwrap(), format!("{id:02x}"));
        assert_eq!(top.len(), 3);
        assert!(top.windows(2).all(|pair| pair[0][2].as_f64() >= pair[1][2].as_f64()), "{step}");
        let (raw, sampled) = (step["logprob"].as_f64().unwrap(), step["logprob_sampled"].as_f64().unwrap());
        assert!(raw < 0.0 && sampled <= 0.0 && step["entropy"].as_f64().unwrap() > 0.0, "{step}");
        let rank = usize::try_from(step["rank"].as_u64().unwrap()).unwrap();
        assert!(rank >= 1 && (rank > 3 || top[rank - 1][0].as_u64() == Some(id)), "{step}");
    }
    assert!(world.generate(&["-p", "Hello"], b"").get("steps").is_none());
}

#[test]
fn the_same_prompt_by_any_way_gives_the_same_text() {
    let world = World::new();
    std::fs::write(world.home.path().join("prompt.txt"), "ab\ncd").unwrap();
    let list = bytes_of("ab\ncd").iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let reference = world.generate(&["-p", "ab\ncd"], b"");
    let ways: &[(&[&str], &[u8])] = &[
        (&["-p", "ab\ncd"], b""),
        (&["-p", "ab"], b"cd"),
        (&["-p", "-"], b"ab\ncd"),
        (&["-f", "prompt.txt"], b"ignored"),
        (&["-f", "-"], b"ab\ncd"),
        (&[], b"ab\ncd"),
        (&["--prompt-ids", &list], b""),
        (&["-p", "ab\ncd", "--threads", "1"], b""),
    ];
    for (args, stdin) in ways {
        let made = world.generate(args, stdin);
        assert_eq!((&made["prompt_ids"], &made["ids"]), (&reference["prompt_ids"], &reference["ids"]), "{args:?}");
    }
    let other = world.run(&["generate", "-m", "MODEL", "--json", "-s", "2", "-n", "8", "-p", "ab\ncd"], b"").json();
    assert_ne!(other["ids"], reference["ids"], "another seed");
    // Without --json the bytes themselves come out, and nothing else.
    let plain = world.run(&["generate", "-m", "MODEL", "-s", "1", "-n", "8", "-p", "ab\ncd"], b"");
    let expected: Vec<u8> = ids(&reference["ids"]).iter().filter_map(|&id| u8::try_from(id).ok()).collect();
    assert_eq!((plain.stdout, plain.stderr.as_str()), (expected, ""));
}

#[test]
fn generation_ends_for_the_right_reason() {
    let world = World::new();
    let greedy = world.generate(&["-p", "Hello", "--temp", "0", "-n", "12"], b"");
    let made = ids(&greedy["ids"]);
    let stop = made.iter().position(|&id| id < 0x80 && id > 0x20 && id != u64::from(b'\\'));
    let at = stop.expect("the fixture's greedy text has a printable character");
    let escape = format!("\\x{:02x}", made[at]);
    let stopped = world.generate(&["-p", "Hello", "--temp", "0", "--stop", &escape], b"");
    assert_eq!((stopped["finish_reason"].as_str(), ids(&stopped["ids"])), (Some("stop"), made[..=at].to_vec()));
    assert!(!stopped["text"].as_str().unwrap().contains(char::from(u8::try_from(made[at]).unwrap())));

    let full = world.generate(&["-p", &"x".repeat(50), "-n", "100"], b"");
    assert_eq!(full["finish_reason"], "context");
    assert_eq!(ids(&full["prompt_ids"]).len() + ids(&full["ids"]).len(), 56, "learned positions end at n_positions");
    assert_eq!(world.generate(&["-p", "x", "-n", "0"], b"")["ids"], Value::Array(Vec::new()));

    let samples = world.generate(&["-p", "Hello", "--samples", "3"], b"");
    let samples = samples["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 3);
    assert_eq!(samples[0]["ids"], world.generate(&["-p", "Hello"], b"")["ids"], "the first is what one alone would be");
    assert!(samples.iter().all(|sample| sample["finish_reason"] == "length"));

    let sweep = world.generate(&["-p", "Hello", "--temperatures", "0,1.5"], b"");
    let sweep = sweep["samples"].as_array().unwrap();
    assert_eq!(sweep.len(), 2);
    assert_eq!((sweep[0]["temperature"].as_f64(), sweep[1]["temperature"].as_f64()), (Some(0.0), Some(1.5)));
    assert_eq!(sweep[0]["ids"], world.generate(&["-p", "Hello", "--temp", "0"], b"")["ids"]);
    let picked = world.generate(&["-p", "Hello", "--temperatures", "0,1.5", "--pick", "2"], b"");
    assert_eq!((&picked["ids"], &picked["temperature"]), (&sweep[1]["ids"], &sweep[1]["temperature"]));
}

#[test]
fn special_tokens_and_the_empty_prompt() {
    let world = World::new();
    let parsed = world.generate(&["-p", "a<|endoftext|>"], b"");
    assert_eq!(ids(&parsed["prompt_ids"]), [97, 256]);
    let literal = world.generate(&["-p", "a<|endoftext|>", "--no-special"], b"");
    assert_eq!(ids(&literal["prompt_ids"]), bytes_of("a<|endoftext|>"));

    let empty = world.run(&["generate", "-m", "MODEL", "--json", "-n", "2"], b"");
    assert!(empty.stderr.contains("the prompt is empty: starting from <|endoftext|>"), "{}", empty.stderr);
    assert_eq!(ids(&empty.json()["prompt_ids"]), [256]);
}

#[test]
fn score_agrees_with_generate() {
    let world = World::new();
    // The model writes bytes and `score` takes text: compare as far as the bytes are ASCII.
    let mut compared = 0;
    for seed in 1..=20 {
        let seed = seed.to_string();
        let args = ["generate", "-m", "MODEL", "--json", "--logprobs", "1", "-n", "20", "-s", &seed, "-p", "Hello"];
        let made = world.run(&args, b"").json();
        let made_ids = ids(&made["ids"]);
        let ascii = made_ids.iter().take_while(|&&id| id < 0x80).count();
        let text: Vec<u8> =
            b"Hello".iter().copied().chain(made_ids[..ascii].iter().map(|&id| u8::try_from(id).unwrap())).collect();
        let scored = world.run(&["score", "-m", "MODEL", "--json", "--top", "1"], &text).json();
        for (step, token) in
            made["steps"].as_array().unwrap()[..ascii].iter().zip(&scored["tokens"].as_array().unwrap()[5..])
        {
            let difference = (step["logprob"].as_f64().unwrap() - token["logprob"].as_f64().unwrap()).abs();
            assert!(difference <= 2e-4, "{step} {token}");
            assert_eq!((&step["id"], &step["rank"]), (&token["id"], &token["rank"]));
            compared += 1;
        }
    }
    assert!(compared >= 10, "only {compared} tokens could be compared");
}

#[test]
fn the_json_of_score() {
    let world = World::new();
    let scored = world.run(&["score", "-m", "MODEL", "--json", "--top", "4", "Hi 爱\n"], b"").json();
    let tokens = scored["tokens"].as_array().unwrap();
    assert_eq!(tokens.iter().map(|t| t["id"].as_u64().unwrap()).collect::<Vec<_>>(), bytes_of("Hi 爱\n"));
    assert!(tokens[0]["logprob"].is_null() && tokens[0]["rank"].is_null());
    assert_eq!((scored["next"].as_array().unwrap().len(), scored["dtype"].as_str()), (4, Some("f32")));
    let total: f64 = tokens.iter().filter_map(|t| t["logprob"].as_f64()).sum();
    let close = |key: &str, expected: f64| {
        let value = scored[key].as_f64().unwrap();
        assert!((value - expected).abs() <= 1e-3 * expected.abs(), "{key}: {value}, expected {expected}");
    };
    close("total_logprob", total);
    close("perplexity", (-total / 6.0).exp());
    close("bits_per_byte", -total / 2f64.ln() / 6.0);

    let from_start = world.run(&["score", "-m", "MODEL", "--json", "--bos", "Hi 爱\n"], b"").json();
    assert!(from_start["tokens"][0]["logprob"].is_number());
    let long = world.run(&["score", "-m", "MODEL", "--json"], "ab".repeat(100).as_bytes()).json();
    assert_eq!(long["tokens"].as_array().unwrap().iter().filter(|t| t["logprob"].is_number()).count(), 199);
    let empty = world.run(&["score", "-m", "MODEL", "--json", ""], b"").json();
    assert!(empty["perplexity"].is_null() && empty["bits_per_byte"].is_null());
}

#[test]
fn tokens_needs_no_weights() {
    let world = World::new();
    for entry in std::fs::read_dir(world.model.path()).unwrap() {
        let path = entry.unwrap().path();
        if !["vocab.json", "merges.txt"].contains(&path.file_name().unwrap().to_str().unwrap()) {
            std::fs::remove_file(path).unwrap();
        }
    }
    let cut = world.run(&["tokens", "-m", "MODEL", "--json", "é<|endoftext|>"], b"").json();
    assert_eq!(ids(&cut["ids"]), [0xC3, 0xA9, 256]);
    let spans: Vec<_> =
        cut["tokens"].as_array().unwrap().iter().map(|t| (t["start"].as_u64(), t["end"].as_u64())).collect();
    assert_eq!(spans, [(Some(0), Some(1)), (Some(1), Some(2)), (Some(2), Some(15))]);
    assert_eq!(cut["tokens"][0]["bytes"], "c3");
    assert_eq!(world.run(&["generate", "-m", "MODEL"], b"x").code, Some(1));

    // The same from a cache that a Python tokenizer filled: config and tokenizer, no weights.
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let cached = world.home.path().join(".cache/huggingface/hub/models--org--name");
    let snapshot = cached.join("snapshots").join(commit);
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(cached.join("refs")).unwrap();
    std::fs::write(cached.join("refs/main"), commit).unwrap();
    for name in ["vocab.json", "merges.txt"] {
        std::fs::copy(world.model.path().join(name), snapshot.join(name)).unwrap();
    }
    assert_eq!(ids(&world.run(&["tokens", "-m", "org/name", "--json", "ab"], b"").json()["ids"]), [97, 98]);
    assert_eq!(world.run(&["tokens", "-m", "org/name@v2", "ab"], b"").code, Some(1), "another revision");
}

#[test]
fn bench_and_doctor_report() {
    let world = World::new();
    let bench = world.run(&["bench", "-m", "MODEL", "-p", "20", "-n", "20", "--json"], b"").json();
    for key in ["load_s", "first_token_s", "prefill_tok_s", "decode_tok_s"] {
        assert!(bench[key].as_f64().unwrap() > 0.0, "{key}: {bench}");
    }
    assert_eq!((bench["dtype"].as_str(), bench["threads"].as_u64()), (Some("f32"), Some(1)));
    assert!(bench["cpu"].is_string() && bench.get("peak_rss_mb").is_some());
    assert!(bench["first_token_s"].as_f64() > bench["load_s"].as_f64());

    let env = [("HF_TOKEN", "hf_verysecret")];
    let doctor = world.run_with(&["doctor", "-m", "MODEL", "--json"], b"", &env);
    assert!(!doctor.text().contains("verysecret"));
    let report = doctor.json();
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.len() >= 4 && checks.iter().all(|check| check["ok"] == true), "{report}");

    // A weight that is not a number is found out, and said with the exit code.
    let weights = world.model.path().join("model-00001-of-00003.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let header = 8 + usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    bytes[header..].fill(0xFF);
    std::fs::write(&weights, bytes).unwrap();
    let broken = world.run(&["doctor", "-m", "MODEL"], b"");
    assert_eq!(broken.code, Some(1), "{}", broken.text());
    assert!(broken.text().contains("FAIL"), "{}", broken.text());
}

#[test]
fn folders_and_models_come_from_the_environment() {
    let world = World::new();
    let env = [("KSHOT_CONFIG_DIR", "/c"), ("KSHOT_DATA_DIR", "/d"), ("HF_HOME", "/hf")];
    let paths: Value = world.run_with(&["paths", "--json"], b"", &env).json();
    assert_eq!(
        (&paths["prompts"], &paths["log"], &paths["models"]),
        (&"/c/prompts".into(), &"/d/state/kshot.log".into(), &"/hf/hub".into())
    );
    let xdg = [("XDG_CONFIG_HOME", "/xc"), ("XDG_STATE_HOME", "/xs")];
    let paths: Value = world.run_with(&["paths", "--json"], b"", &xdg).json();
    assert_eq!((&paths["config"], &paths["state"]), (&"/xc/kshot".into(), &"/xs/kshot".into()));

    let env = [("KSHOT_MODEL", world.model()), ("KSHOT_TEMP", "0"), ("KSHOT_MAX_TOKENS", "3")];
    let made = world.run_with(&["generate", "--json", "-p", "Hello"], b"", &env).json();
    let same = world.generate(&["-p", "Hello", "--temp", "0", "-n", "3"], b"");
    assert_eq!(made["ids"], same["ids"]);
}

#[test]
fn colour_only_where_it_is_wanted() {
    let world = World::new();
    let cases: &[(&[&str], &[(&str, &str)], bool)] = &[
        (&["models", "list"], &[], false),
        (&["models", "list", "--color", "always"], &[], true),
        (&["models", "list", "--color", "never"], &[("CLICOLOR_FORCE", "1")], false),
        (&["models", "list"], &[("CLICOLOR_FORCE", "1")], true),
        (&["models", "list"], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&["models", "list"], &[("KSHOT_COLOR", "always")], true),
    ];
    for (args, env, colour) in cases {
        let ran = world.run_with(args, b"", env);
        assert_eq!(ran.stdout.contains(&0x1b), *colour, "{args:?} {env:?}");
    }
}

#[test]
fn the_users_tasks_are_read_and_bad_files_only_skip_themselves() {
    let world = World::new();
    let folder = world.home.path().join(".config/kshot/prompts");
    std::fs::create_dir_all(&folder).unwrap();
    let task = "task: mine\ndoc_to_text: 'Q: {{question}}'\ndoc_to_target: answer\nsamples:\n- {question: one, answer: eins}\n- {question: two, answer: zwei}\nquery:\n- {question: four}\n";
    std::fs::write(folder.join("mine.yaml"), task).unwrap();
    std::fs::write(folder.join("bad.yaml"), "task: [\n").unwrap();
    let listed = world.run(&["prompts", "list"], b"");
    assert!(
        listed.text().contains("mine") && listed.stderr.contains("bad.yaml:"),
        "{}{}",
        listed.text(),
        listed.stderr
    );
    let shown = world.run(&["prompts", "show", "mine", "--shots", "1", "--query", "three"], b"");
    assert_eq!(shown.text(), "Q: one eins\n\nQ: three");
    let made = world.generate(&["--task", "mine", "--shots", "1", "--query", "three"], b"");
    assert_eq!(ids(&made["prompt_ids"]), bytes_of("Q: one eins\n\nQ: three"));
    assert_eq!(
        world.generate(&["--task", "mine", "--shots", "1"], b"three")["ids"],
        made["ids"],
        "the query from stdin"
    );
}

#[test]
fn imports_add_up_and_no_file_of_the_users_is_replaced() {
    let world = World::new();
    let folder = world.home.path().join(".config/kshot/prompts");
    std::fs::create_dir_all(&folder).unwrap();
    let own = |task: &str| {
        format!(
            "# two evenings of work\ntask: {task}\ndoc_to_text: '{{{{q}}}} ->'\ndoc_to_target: '{{{{a}}}}'\nsamples:\n- {{q: fine, a: good}}\n"
        )
    };
    let broken = own("sentiment").replace("q}}", "q.nothing()}}");
    let files = [("mine.yaml", own("mine")), ("sentiment.yaml", broken), ("copy.yaml", own("mycopy"))];
    for (name, text) in &files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    for (name, text) in [
        ("m1.csv", "q,a\none,1\ntwo,2\n"),
        ("m2.csv", "q,a\nthree,3\n"),
        ("s.csv", "review,label\nA bore.,0\n"),
        ("c.csv", "line\na b c d e f\n"),
    ] {
        std::fs::write(world.home.path().join(name), text).unwrap();
    }
    let import = |file: &str, task: &str| world.run(&["prompts", "import", file, "--task", task], b"");
    let first = import("m1.csv", "mine");
    assert!(first.text().starts_with("mine-edited: 3 examples, 2 of them new"), "{}{}", first.text(), first.stderr);
    let second = import("m2.csv", "mine");
    assert!(second.text().starts_with("mine-edited: 4 examples, 1 of them new"), "{}{}", second.text(), second.stderr);
    let shown = world.run(&["prompts", "show", "mine-edited", "--shots", "4", "--query", "six"], b"");
    assert_eq!(shown.text(), "fine -> good\n\none -> 1\n\ntwo -> 2\n\nthree -> 3\n\nsix ->");
    assert_eq!(import("m1.csv", "mine-edited").code, Some(0));
    // Of the built-in tasks behind files of the user's, copies are made.
    for (file, task) in [("s.csv", "sentiment"), ("c.csv", "copy")] {
        let made = import(file, task);
        assert!(made.text().starts_with(&format!("{task}-edited: ")), "{}{}", made.text(), made.stderr);
    }
    for (name, text) in &files {
        assert_eq!(&std::fs::read_to_string(folder.join(name)).unwrap(), text, "{name}");
    }
}

#[test]
fn saved_prompts_are_listed_and_printed() {
    let world = World::new();
    assert_eq!(world.run(&["prompts", "saved"], b"").text(), "");
    let folder = world.home.path().join(".local/share/kshot/prompts");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("sea words.txt"), "sea -> mer\nsun ->").unwrap();
    let listed = world.run(&["prompts", "saved"], b"");
    assert!(listed.text().contains("sea words") && listed.text().contains("sea -> mer"), "{}", listed.text());
    assert_eq!(world.run(&["prompts", "saved", "sea words"], b"").text(), "sea -> mer\nsun ->", "no byte more");
    let missing = world.run(&["prompts", "saved", "../sea words"], b"");
    assert!(missing.stderr.contains("cannot have the character"), "{}", missing.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = World::new();
    for args in [
        &["completions", "bash"][..],
        &["generate", "-m", "MODEL", "-p", "x", "-n", "50"],
        &["models", "list", "--json"],
    ] {
        let mut child =
            world.command(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{args:?}");
    }
}

/// Waits until the thread that hears the signal exists, which is before there is anything to end.
#[cfg(unix)]
fn wait_for_signals(child: &mut std::process::Child) {
    let task = format!("/proc/{}/task", child.id());
    let listening = || {
        let threads = std::fs::read_dir(Path::new(&task)).ok()?.flatten();
        let mut names = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
        names.any(|name| name.trim() == "signals").then_some(())
    };
    while listening().is_none() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be stopped");
        std::thread::yield_now();
    }
}

/// Ctrl+C while tokens are made: what was made is there, the reason is said, and the exit code is 130.
#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_made() {
    let world = World::new();
    // 4000 sequences side by side take long enough to be interrupted.
    let args = ["generate", "-m", "MODEL", "-p", "x", "-n", "50", "--samples", "4000", "--json"];
    let mut child = world.command(&args).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    wait_for_signals(&mut child);
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{stdout}");
    // Stopped in the load there is no object yet; stopped later, it says so.
    if !stdout.is_empty() {
        let made: Value = serde_json::from_str(&stdout).unwrap();
        assert!(made["samples"].as_array().unwrap().iter().any(|sample| sample["finish_reason"] == "cancelled"));
    }
}

/// The bytes that a program writes when it runs in a terminal.
fn in_terminal(world: &World, args: &[&str]) -> String {
    use portable_pty::{CommandBuilder, PtySize, native_pty_system};

    let pty = native_pty_system().openpty(PtySize { rows: 24, cols: 200, ..PtySize::default() }).unwrap();
    let reference = world.command(args);
    let mut command = CommandBuilder::new(reference.get_program());
    command.args(reference.get_args());
    command.env_clear();
    for (name, value) in reference.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.env("TERM", "dumb");
    command.cwd(world.home.path());
    let mut child = pty.slave.spawn_command(command).unwrap();
    drop(pty.slave);
    let mut reader = pty.master.try_clone_reader().unwrap();
    let mut output = Vec::new();
    // A terminal whose program has ended reads as an error on Linux.
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        output.extend_from_slice(&buffer[..count]);
    }
    assert!(child.wait().unwrap().success(), "{args:?}");
    String::from_utf8(output).expect("only whole characters reach a terminal")
}

#[test]
fn nothing_of_the_model_steers_a_terminal() {
    let world = World::new();
    // A flat distribution over all bytes writes controls soon.
    let generate =
        ["generate", "-m", "MODEL", "-n", "50", "--preset", "neutral", "--temp", "50", "-p", "x", "--ignore-eos"];
    let hostile = "\x1b]0;owned\x07\u{9b}2J\u{202e}";
    let mut controls = 0;
    for seed in ["1", "2", "3", "4"] {
        let args: Vec<_> = generate.iter().chain(&["-s", seed]).copied().collect();
        let raw = world.run(&args, b"").stdout;
        controls += raw.iter().filter(|&&byte| byte < 0x20 && byte != b'\n' && byte != b'\t').count();
        for more in [&[][..], &["--json"]] {
            let args: Vec<_> = args.iter().chain(more).copied().collect();
            let shown = in_terminal(&world, &args);
            let bad: Vec<_> = shown.chars().filter(|c| c.is_control() && !matches!(c, '\r' | '\n' | '\t')).collect();
            assert!(bad.is_empty(), "seed {seed}: {bad:?} in {shown:?}");
        }
    }
    assert!(controls >= 4, "the test has to have something to hide");
    for args in [
        &["score", "-m", "MODEL", hostile][..],
        &["tokens", "-m", "MODEL", "--json", hostile],
        &["tokens", "-m", "MODEL", hostile],
    ] {
        let shown = in_terminal(&world, args);
        assert!(!shown.chars().any(|c| (c.is_control() && !matches!(c, '\r' | '\n')) || c == '\u{202e}'), "{shown:?}");
    }
}

#[test]
fn a_classifier_is_made_saved_and_used() {
    let world = World::new();
    let file = |name: &str, text: &str| std::fs::write(world.home.path().join(name), text).unwrap();
    let pairs: String =
        (0..12).map(|at| format!("{}\tab{at}\tcd\n", if at % 2 == 0 { "same" } else { "not" })).collect();
    file("pairs.tsv", &pairs);
    file("bad.tsv", "same\ta\tb\nsame\ta\n");
    let tune = |more: &[&str]| {
        let args = ["finetune", "-m", "MODEL", "--form", "similarity", "--epochs", "1", "--batch", "4"];
        world.run(&args.iter().chain(more).copied().collect::<Vec<_>>(), b"")
    };

    let ran = tune(&["--train", "pairs.tsv", "--test", "pairs.tsv", "-o", "made", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines: Vec<Value> = ran.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    let step = |key: &str| lines[1][key].as_f64().unwrap();
    assert!((step("l3") - step("l2") - 0.5 * step("l1")).abs() < 1e-6, "{}", lines[1]);
    assert_eq!((&lines[3]["labels"], &lines[3]["train"]), (&serde_json::json!(["not", "same"]), &Value::from(12)));

    let side_by_side = tune(&["--train", "pairs.tsv", "--lambda", "0,0.5"]);
    for part in
        ["L3(C) = L2(C) + λ·L1(C)", "L3(C) = L1(C) + λ·L2(C)", "λ=0 ", "λ=0.5", "bags of words", "11 to learn from"]
    {
        assert!(side_by_side.text().contains(part), "{part}: {} {}", side_by_side.text(), side_by_side.stderr);
    }

    let said = world.run(&["classify", "-m", "./made", "--json", "ab1", "cd"], b"").json();
    let probability = |label: &str| said["probabilities"][label].as_f64().unwrap();
    assert!((probability("same") + probability("not") - 1.0).abs() < 1e-6, "{said}");
    let swapped = world.run(&["classify", "-m", "./made", "--json", "cd", "ab1"], b"").json();
    assert!((swapped["probability"].as_f64().unwrap() - said["probability"].as_f64().unwrap()).abs() < 1e-6);
    let lines = world.run(&["classify", "-m", "./made"], b"ab1\tcd\nx\ty\n");
    assert_eq!((lines.code, lines.text().lines().count()), (Some(0), 2), "{}", lines.stderr);

    for (ran, says) in [
        (tune(&["--train", "bad.tsv"]), "bad.tsv, line 2: similarity takes two texts"),
        (tune(&["--train", "pairs.tsv", "-o", "x", "--lambda", "0,1"]), "-o saves one classifier"),
        (tune(&["--train", "pairs.tsv", "-o", "made", "--lr", "1e30", "--epochs", "9"]), "is not finite"),
        (world.run(&["classify", "-m", "MODEL", "x"], b""), "is no classifier"),
        (world.run(&["classify", "-m", "./made", "x"], b""), "takes two texts"),
        (world.run(&["finetune", "-m", "MODEL", "--task", "nothing"], b""), "there is sentiment"),
    ] {
        assert_ne!(ran.code, Some(0));
        assert!(ran.stderr.contains(says), "{says}: {}", ran.stderr);
    }
    assert_eq!(world.run(&["classify", "-m", "./made", "--json", "ab1", "cd"], b"").json(), said, "the good one stays");
}

#[test]
fn line_by_line_there_are_no_sessions_and_a_name_is_refused() {
    let world = World::new();
    let refused = world.run(&["--plain", "--session", "lesson"], b"");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("--plain keeps no sessions"), "{}", refused.stderr);
}
