//! What is typed: arguments that are no text, slips, numbers without bounds, newlines at the end, task files.

use super::*;

/// Each of these was a panic with exit code 101.
#[cfg(unix)]
#[test]
fn arguments_need_not_be_utf8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let world = World::new();
    let bad = OsStr::from_bytes(b"caf\xe9.txt");
    let run = |args: &[&OsStr]| {
        let mut command = world.command(&[]);
        command.args(args).stdin(Stdio::null());
        let output = command.output().unwrap();
        (output.status.code(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    fn words<'a>(words: &[&'a str]) -> Vec<&'a OsStr> {
        words.iter().map(|word| OsStr::new(*word)).collect()
    }
    std::fs::write(world.home.path().join(bad), "abc").unwrap();
    // Names of files are bytes.
    for args in [&["generate", "-n", "1", "-s", "1", "-f"][..], &["score", "-f"], &["tokens", "-f"]] {
        let (code, stdout, stderr) = run(&[&words(args)[..], &[bad]].concat());
        assert!(code == Some(0) && !stdout.is_empty(), "{args:?}: {stderr}");
    }
    let made = OsStr::from_bytes(b"made-\xff.svg");
    assert_eq!(run(&[&words(&["screenshot", "-o"])[..], &[made]].concat()).0, Some(0));
    assert!(world.home.path().join(made).exists());
    let trace = OsStr::from_bytes(b"trace-\xff.json");
    assert_eq!(run(&[&words(&["generate", "hi", "-n", "2", "--trace"])[..], &[trace]].concat()).0, Some(0));
    let (code, _, stderr) = run(&[OsStr::new("replay"), trace]);
    assert_eq!(code, Some(0), "{stderr}");
    // A text has to be one, and the message says where it is not.
    for (args, at) in [
        (&["generate", "-p"][..], 3),
        (&["score"], 2),
        (&["tokens"], 2),
        (&["generate", "--stop"], 3),
        (&["-m"], 2),
        (&["prompts", "show"], 3),
        (&["screenshot", "--keys"], 3),
    ] {
        let (code, _, stderr) = run(&[&words(args)[..], &[bad]].concat());
        let said = format!("argument {at}, `caf<0xE9>.txt` is not UTF-8 text: byte 3 is 0xE9");
        assert!(code == Some(2) && stderr.contains(&said), "{args:?}: {code:?} {stderr}");
    }
    let (code, _, stderr) = run(&[OsStr::from_bytes(b"--col\xff")]);
    assert_eq!(code, Some(2), "{stderr}");
}

#[cfg(unix)]
#[test]
fn folders_in_the_environment_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt;

    let world = World::new();
    let odd = world.home.path().join(std::ffi::OsStr::from_bytes(b"odd-\xff"));
    for name in ["HOME", "HF_HOME", "KSHOT_CONFIG_DIR", "KSHOT_DATA_DIR", "XDG_DATA_HOME"] {
        for args in
            [&["paths", "--json"][..], &["doctor"], &["generate", "hi", "-n", "1"], &["prompts", "list", "--json"]]
        {
            let output = world.command(args).env(name, &odd).stdin(Stdio::null()).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{name} {args:?} {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    let output = world.command(&[]).env("KSHOT_MODEL", &odd).arg("tokens").arg("x").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && stderr.contains("KSHOT_MODEL"), "{stderr}");
}

/// What the parser repeats of an argument steers no terminal.
#[test]
fn errors_of_the_parser_are_sanitised() {
    let world = World::new();
    let hostile = "\u{9b}31mx\u{202e}y\x1b]0;owned\x07";
    for args in [
        vec!["generate", "--preset", hostile],
        vec!["generate", "--temp", hostile],
        vec!["generate", "--order", hostile],
        vec!["generate", "--logit-bias", hostile],
        vec!["generate", "--color", hostile],
        vec!["bench", "--rounds", hostile],
        vec!["finetune", "--form", hostile],
        vec!["screenshot", "--size", hostile],
        vec!["--theme", hostile],
        vec![&"--", hostile, hostile],
        vec!["generate", "hi", "more", hostile],
    ] {
        let ran = world.run(&args, b"");
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
        let bad: Vec<char> =
            ran.stderr.chars().filter(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202e}')).collect();
        assert!(bad.is_empty(), "{args:?}: {bad:?} in {:?}", ran.stderr);
    }
    let flag = format!("--{hostile}");
    let ran = world.run_with(&["generate", &flag], b"", &[("CLICOLOR_FORCE", "1")]);
    assert!(!ran.stderr.contains('\u{9b}') && !ran.stderr.contains("\x1b]"), "{:?}", ran.stderr);
}

#[test]
fn slips_get_a_hint() {
    let world = World::new();
    for (args, said) in [
        (&["generat", "-p", "hi"][..], "did you mean `kshot generate`?"),
        (&["generat"], "did you mean `kshot generate`?"),
        (&["-m", "built-in", "scor", "hi"], "did you mean `kshot score`?"),
        (&["gpt2"], "`kshot -m gpt2` opens the model"),
        (&["openai-community/gpt2"], "`kshot -m openai-community/gpt2` opens the model"),
        (&["MODEL"], "opens the model of that name"),
    ] {
        let ran = world.run(args, b"");
        assert!(ran.code == Some(2) && ran.stderr.contains(said), "{args:?}: {:?} {}", ran.code, ran.stderr);
    }
    std::fs::write(world.home.path().join("generat"), "a text of that name").unwrap();
    let ran = world.run(&["generat"], b"");
    assert!(ran.stderr.contains("needs a terminal"), "an existing file is opened: {}", ran.stderr);
}

#[test]
fn a_prompt_can_be_the_argument_itself() {
    let world = World::new();
    let reference = world.generate(&["-p", "hi"], b"");
    assert_eq!(world.generate(&["hi"], b"")["ids"], reference["ids"]);
    assert_eq!(world.generate(&["hi"], b"more")["prompt_ids"], world.generate(&["-p", "hi\nmore"], b"")["prompt_ids"]);
    for args in [&["generate", "hi", "-p", "x"][..], &["generate", "hi", "-f", "x"]] {
        assert_eq!(world.run(args, b"").code, Some(2), "{args:?}");
    }
}

/// `echo` and editors end a text with a newline that nobody means as part of the prompt.
#[test]
fn the_last_newline_of_a_prompt_is_dropped_and_that_is_said() {
    let world = World::new();
    let file = |text: &str| std::fs::write(world.home.path().join("prompt.txt"), text).unwrap();
    for (typed, prompt) in
        [("sun ->\n", "sun ->"), ("sun ->\r\n", "sun ->"), ("a\n\n", "a\n"), ("sun ->", "sun ->"), ("\n", "")]
    {
        let expected = if prompt.is_empty() { vec![256] } else { bytes_of(prompt) };
        assert_eq!(ids(&world.generate(&[], typed.as_bytes())["prompt_ids"]), expected, "{typed:?}");
        file(typed);
        assert_eq!(ids(&world.generate(&["-f", "prompt.txt"], b"")["prompt_ids"]), expected, "{typed:?}");
        let kept = world.generate(&["--keep-newline", "-f", "prompt.txt"], b"");
        assert_eq!(ids(&kept["prompt_ids"]), bytes_of(typed), "{typed:?}");
    }
    assert_eq!(
        ids(&world.generate(&["-p", "a\n"], b"")["prompt_ids"]),
        bytes_of("a\n"),
        "an argument is meant as it is"
    );
    let said = |stdin: &[u8]| world.run(&["generate", "-m", "MODEL", "-n", "1", "-v"], stdin).stderr;
    assert!(said(b"a\n").contains("the newline at the end of stdin is dropped"));
    assert!(!said(b"a").contains("newline"));
    // A text that is measured is taken as it is.
    let scored = world.run(&["tokens", "-m", "MODEL", "--json"], b"a\n").json();
    assert_eq!(ids(&scored["ids"]), [97, 10]);
}

#[test]
fn a_task_can_be_a_file() {
    let world = World::new();
    let task =
        "task: mine\ndoc_to_text: 'Q: {{q}}'\ndoc_to_target: a\nsamples:\n- {q: one, a: eins}\nquery:\n- {q: four}\n";
    std::fs::write(world.home.path().join("mine.yaml"), task).unwrap();
    for name in ["mine.yaml", "./mine.yaml"] {
        assert_eq!(world.run(&["prompts", "show", name], b"").text(), "Q: one eins\n\nQ: four", "{name}");
        let made = world.generate(&["--task", name], b"");
        assert_eq!(ids(&made["prompt_ids"]), bytes_of("Q: one eins\n\nQ: four"), "{name}");
    }
    let ran = world.run(&["prompts", "show", "./none.yaml"], b"");
    assert!(ran.code == Some(1) && ran.stderr.contains("none.yaml"), "{}", ran.stderr);
}

/// Every number has a bound, and the message names it.
#[test]
fn numbers_have_bounds_that_are_said() {
    let world = World::new();
    let many = vec!["0.5"; 17].join(",");
    let long = vec!["1"; 1001].join(",");
    for (args, said) in [
        (&["--threads", "0", "paths"][..], "1..=1024"),
        (&["--threads", "99999", "paths"], "1..=1024"),
        (&["generate", "hi", "--best-of", "20000"], "1..=10000"),
        (&["generate", "hi", "--samples", "20000"], "10000"),
        (&["generate", "hi", "--logprobs", "999999999999"], "0..=100000"),
        (&["generate", "hi", "--temperatures", &long], "at most 1000"),
        (&["generate", "-n", "999999999999", "hi"], "--max-tokens"),
        (&["score", "hi", "--top", "999999999999"], "0..=100000"),
        (&["train", "--layers", "1000000"], "1..=1000"),
        (&["train", "--layers", "0"], "1..=1000"),
        (&["train", "--width", "999999999999"], "1..=65536"),
        (&["train", "--heads", "99999999"], "1..=1000"),
        (&["train", "--context", "99999999999"], "2..=1000000"),
        (&["train", "--vocabulary", "bpe", "--vocab", "99999999999"], "2..=1000000"),
        (&["train", "--batch", "99999999999"], "1..=10000"),
        (&["train", "--steps", "99999999999999"], "1..=1000000000"),
        (&["train", "--lr", "nan"], "a number from 0"),
        (&["finetune", "--task", "sentiment", "--dropout", "2"], "a number from 0 to 0.99"),
        (&["finetune", "--task", "sentiment", "--lambda", "inf"], "a number from 0"),
        (&["finetune", "--task", "sentiment", "--lambda", &many], "at most 16"),
        (&["finetune", "--task", "sentiment", "--epochs", "99999999"], "1..=10000"),
        (&["bench", "--rounds", "99999999"], "1..=1000"),
        (&["bench", "--sequences", "99999999"], "1..=10000"),
        (&["eval", "--suite", "all", "--limit", "999999999999"], "1..=1000000"),
        (&["screenshot", "--patience", "99999999999"], "1..=86400"),
        (&["screenshot", "--size", "9999x9999"], "from 1 to 1000"),
        (&["prompts", "show", "sentiment", "-k", "99999999999"], "0..=10000"),
    ] {
        let ran = world.run(args, b"");
        assert!(ran.code == Some(2) && ran.stderr.contains(said), "{args:?}: {:?} {}", ran.code, ran.stderr);
    }
    for threads in ["100000", "-1", "many"] {
        let mut command = world.command(&["paths"]);
        let output = command.env_remove("KSHOT_THREADS").env("RAYON_NUM_THREADS", threads).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains("from 0 to 1024"), "{threads}: {stderr}");
    }
}

/// Each command takes the same definition: tokens after the first of each sequence, over the time they took.
#[test]
fn tokens_a_second_have_one_definition() {
    let world = World::new();
    let one = world.generate(&["-p", "x", "-n", "1"], b"");
    assert!(one["timings"]["decode_tok_s"].is_null(), "nothing followed the first token: {}", one["timings"]);
    let samples = world.generate(&["-p", "x", "-n", "8", "--samples", "3"], b"");
    for (made, sequences) in [(world.generate(&["-p", "x", "-n", "8"], b""), 1.0), (samples, 3.0)] {
        let figure = |key: &str| made["timings"][key].as_f64().unwrap();
        let expected = (figure("decode_tokens") - sequences) / figure("decode_s");
        assert!((figure("decode_tok_s") - expected).abs() < 1e-6 * expected, "{}", made["timings"]);
    }
    let said = world.run(&["generate", "-m", "MODEL", "-p", "x", "-n", "1", "-v"], b"").stderr;
    assert!(!said.contains("tok/s") && said.contains("1 tokens"), "{said}");
    let bench = world.run(&["bench", "-m", "MODEL", "-n", "1", "--json"], b"").json();
    assert!(bench["decode_tok_s"].is_null() && bench["prefill_tok_s"].is_number(), "{bench}");
}

/// The end of the text is no part of it: its probability does not count.
#[test]
fn the_mean_of_best_of_is_that_of_the_text() {
    let world = World::new();
    let greedy = world.generate(&["-p", "Hello", "--temp", "0", "--logprobs", "0"], b"");
    let made = ids(&greedy["ids"]);
    let at = made.iter().position(|&id| id < 0x80 && id > 0x20 && id != u64::from(b'\\')).expect("a printable byte");
    let stop = format!("\\x{:02x}", made[at]);
    let mean =
        |args: &[&str]| world.generate(&[&["--temp", "0", "--best-of", "3", "--stop", &stop], args].concat(), b"");
    let stopped = mean(&["-p", "Hello"]);
    let logprobs: Vec<f64> = (0..at).map(|step| greedy["steps"][step]["logprob"].as_f64().unwrap()).collect();
    if at > 0 {
        let expected = logprobs.iter().sum::<f64>() / at as f64;
        assert!((stopped["mean_logprob"].as_f64().unwrap() - expected).abs() < 1e-4, "{expected}: {stopped}");
    }
    // Where the first byte is the stop string, no text is left and there is no mean.
    let before = bytes_of("Hello").into_iter().chain(made[..at].iter().copied()).map(|id| id.to_string());
    let none = mean(&["--prompt-ids", &before.collect::<Vec<_>>().join(",")]);
    assert_eq!((none["text"].as_str(), &none["mean_logprob"]), (Some(""), &Value::Null), "{none}");
}

#[test]
fn figures_have_their_units_and_bench_fits_any_model() {
    let world = World::new();
    let scored = world.run(&["score", "-m", "MODEL", "ab"], b"").text();
    for part in ["nats over 1 of 2 tokens", "nats", "bits\n", "per token"] {
        assert!(scored.contains(part), "{part}: {scored}");
    }
    // 512 and 128 tokens are more than this model's 56 positions.
    let bench = world.run(&["bench", "-m", "MODEL", "--json", "--rounds", "1"], b"").json();
    assert_eq!((bench["prefill_tokens"].as_u64(), bench["decode_tokens"].as_u64()), (Some(42), Some(14)));
    assert_eq!(world.run(&["bench", "--json", "--rounds", "1"], b"").code, Some(0), "the built-in model");
}

#[test]
fn a_screenshot_takes_any_theme() {
    let world = World::new();
    let draw = |args: &[&str]| world.run(&[&["screenshot", "--size", "60x16"], args].concat(), b"");
    let (dark, light) = (draw(&[]).text(), draw(&["--light"]).text());
    assert_ne!(dark, light);
    assert_eq!(draw(&["--theme", "dark"]).text(), dark);
    assert_eq!(draw(&["--theme", "light"]).text(), light);
    assert_eq!(draw(&["--theme", "auto"]).text(), dark);
    let neutral = draw(&["--theme", "neutral"]);
    assert!(neutral.code == Some(0) && neutral.text() != dark, "{}", neutral.stderr);
    for (args, said) in [(&["--theme", "drak"][..], "the themes are"), (&["--theme", "dark", "--light"], "dark ground")]
    {
        let ran = draw(args);
        assert!(ran.code == Some(2) && ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
    }
}
