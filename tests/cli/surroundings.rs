//! What surrounds the program: home folders, full disks, secrets in the environment, other processes.

use super::*;

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_no_output_is_lost_silently() {
    let world = World::new();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for args in [
        &["--help"][..],
        &["--version"],
        &["generate", "--help"],
        &["paths"],
        &["prompts", "show", "sentiment"],
        &["generate", "hi", "-n", "3"],
        &["completions", "bash"],
        &["score", "hi", "--format", "html"],
    ] {
        let output = world.command(args).stdin(Stdio::null()).stdout(full()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && stderr.contains("cannot write to stdout"), "{args:?}: {stderr}");
    }
    // A message that cannot be shown changes nothing about the job.
    for (args, code) in [
        (&["generate", "--nonsense"][..], 2),
        (&["generate", "-m", "./none", "hi"], 1),
        (&["generate", "-v", "hi", "-n", "1"], 0),
        (&["train", "--steps", "1", "--preset", "copy"], 0),
        (&["-c", "none.toml", "paths"], 1),
    ] {
        let output = world.command(args).stdin(Stdio::null()).stderr(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}");
    }
    let both = world.command(&["--help"]).stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(both.code(), Some(1));
}

#[test]
fn no_home_is_needed_for_the_built_in_model() {
    let world = World::new();
    let without = |args: &[&str], home: Option<&str>| {
        let mut command = world.command(args);
        command.env_remove("HOME").stdin(Stdio::null()).env("TMPDIR", world.home.path());
        if let Some(home) = home {
            command.env("HOME", home);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for home in [None, Some(""), Some("relative"), Some(".")] {
        for args in [&["generate", "hi", "-n", "1"][..], &["models", "list"], &["paths"], &["doctor"], &["--plain"]] {
            let (code, stderr) = without(args, home);
            assert_eq!(code, Some(0), "HOME={home:?} {args:?}: {stderr}");
        }
    }
    let (_, stderr) = without(&["paths"], Some("relative"));
    assert!(stderr.contains("HOME is no absolute path"), "{stderr}");
    let names: Vec<_> = std::fs::read_dir(world.home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let littered = names.iter().filter(|name| !name.to_string_lossy().starts_with("kshot-")).collect::<Vec<_>>();
    assert!(littered.is_empty(), "a relative HOME made {littered:?} in the working folder");
}

#[test]
fn credentials_in_an_endpoint_are_shown_nowhere() {
    let world = World::new();
    for endpoint in [
        "https://me:s3cret@hub.example",
        "me:s3cret@hub.example",
        "https://hub.example/?token=s3cret",
        "ftp://me:s3cret@hub.example",
    ] {
        for args in [
            &["models", "pull", "a/b"][..],
            &["doctor"],
            &["doctor", "--json"],
            &["paths"],
            &["generate", "-m", "a/b", "hi"],
            &["models", "list"],
        ] {
            let env = [
                ("HF_ENDPOINT", endpoint),
                ("HF_HUB_OFFLINE", "0"),
                ("KSHOT_LOG", "trace"),
                ("HTTPS_PROXY", "http://me:s3cret@127.0.0.1:9"),
            ];
            let ran = world.run_with(args, b"", &env);
            let said = ran.text() + &ran.stderr;
            assert!(!said.contains("s3cret"), "{endpoint} {args:?}: {said}");
        }
    }
    let log = world.home.path().join(".local/state/kshot/kshot.log");
    assert!(!std::fs::read_to_string(log).unwrap_or_default().contains("s3cret"));
}

/// Two runs in one folder would write over each other's state.
#[test]
fn a_folder_has_one_run_at_a_time() {
    let world = World::new();
    let args = ["train", "--preset", "copy", "--steps", "100000000", "--save-every", "1", "-o", "run"];
    let mut first =
        world.command(&args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Its first line comes after the lock.
    let mut begun = [0; 1];
    first.stderr.as_mut().unwrap().read_exact(&mut begun).unwrap();
    let second = world.run(&args, b"");
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(second.code == Some(1) && second.stderr.contains("another kshot is training in run"), "{}", second.stderr);
    // A run that was killed leaves no lock behind.
    let third = world.run(&["train", "--preset", "copy", "--steps", "1", "-o", "other"], b"");
    assert_eq!(third.code, Some(0), "{}", third.stderr);
    assert_eq!(world.run(&["train", "--preset", "copy", "--steps", "1", "-o", "other"], b"").code, Some(0));
}

/// What a command prepares hears no cancel token; Ctrl+C ends it all the same, at once.
#[cfg(unix)]
#[test]
fn ctrl_c_is_heard_while_a_command_prepares() {
    use std::time::{Duration, Instant};

    let world = World::new();
    // Each of these prepares for many seconds.
    let words: String = (0..400_000_u32).map(|n| format!("w{:x} ", n.wrapping_mul(2_654_435_761))).collect();
    std::fs::write(world.home.path().join("text.txt"), &words).unwrap();
    let labels: String = (0..4000).map(|n| format!("l{}\t{}\n", n % 2, &words[n * 20..n * 20 + 20])).collect();
    std::fs::write(world.home.path().join("pairs.tsv"), labels).unwrap();
    for args in [
        &["train", "text.txt", "--vocabulary", "bpe", "--vocab", "60000"][..],
        &["train", "--layers", "12", "--width", "768", "--heads", "12", "--context", "256", "--batch", "64"],
        &["finetune", "-m", "built-in", "--train", "pairs.tsv"],
        &["tokens", "-f", "text.txt"],
    ] {
        let mut child =
            world.command(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for_signals(&mut child);
        let begun = Instant::now();
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{args:?}: {stderr}");
        println!("{args:?}: ended {} ms after Ctrl+C", begun.elapsed().as_millis());
        assert!(begun.elapsed() < Duration::from_secs(2), "{args:?}: {:?}", begun.elapsed());
    }
}

/// What lies in the place of the user's files is read within a limit, in linear time, or refused; nothing is waited for.
#[cfg(unix)]
#[test]
fn the_users_files_have_a_limit() {
    use std::time::{Duration, Instant};

    let world = World::new();
    let folder = world.home.path().join(".config/kshot");
    std::fs::create_dir_all(&folder).unwrap();
    let keys = |most: usize, scope: &str| {
        let mut text = scope.to_owned();
        for n in 0.. {
            if text.len() + 20 > most {
                return text;
            }
            text += &format!("k{n} = \"x\"\n");
        }
        unreachable!()
    };
    let tables = |most: usize| (0..most / 40).map(|n| format!("[p{n}]\ntemperature = 0.5\n")).collect::<String>();
    let too_large = keys(14 << 20, "");
    assert!(too_large.lines().count() > 900_000);
    for (name, scope, args) in [
        ("config.toml", "", &["config", "--check"][..]),
        ("config.toml", "[sampling]\n", &["config", "--check"]),
        ("keymap.toml", "[global]\n", &["config", "--check"]),
        ("keymap.toml", "", &["config", "--check"]),
        ("presets.toml", "", &["--plain"]),
    ] {
        let path = folder.join(name);
        let mut contents = vec![
            (too_large.clone(), "more than 1048576 bytes"),
            (keys((1 << 20) - 100, scope), "more"),
            ("x = ".repeat(200_000), "TOML"),
        ];
        if name == "presets.toml" {
            contents = vec![(too_large.clone(), "more than 1048576 bytes"), (tables(1 << 20), "at most 1000")];
        }
        for (content, said) in contents {
            std::fs::write(&path, &content).unwrap();
            let begun = Instant::now();
            let ran = world.run(args, b"");
            let took = begun.elapsed();
            let all = ran.text() + &ran.stderr;
            assert!(all.contains(said), "{name} {said}: {}", all.chars().take(2000).collect::<String>());
            assert!(took < Duration::from_secs(5), "{name}, {} bytes: {took:?}", content.len());
        }
        std::fs::remove_file(&path).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let ran = world.run(args, b"");
        assert!((ran.text() + &ran.stderr).contains("a named pipe"), "{name}: {} {}", ran.text(), ran.stderr);
        std::fs::remove_file(&path).unwrap();
    }
    let log = world.home.path().join(".local/state/kshot/kshot.log");
    let _ = std::fs::remove_file(&log);
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(&log).status().unwrap().success());
    assert_eq!(world.run(&["generate", "-m", "./none", "hi"], b"").code, Some(1), "a FIFO in the log's place");
}

/// So is what a command names: a pipe and a device are refused, and a file beyond the limit before it is read.
#[cfg(unix)]
#[test]
fn files_that_are_named_have_a_limit() {
    let world = World::new();
    std::fs::create_dir(world.home.path().join("run")).unwrap();
    for (name, limit, args) in [
        ("task.yaml", 1 << 20, &["prompts", "show", "./task.yaml"][..]),
        ("text.txt", 4 << 30, &["train", "text.txt", "-o", "other"]),
        ("run/training.safetensors", 16 << 30, &["train", "--preset", "copy", "-o", "run"]),
        ("results.jsonl", 1 << 30, &["eval", "--task", "sentiment", "--limit", "1", "--resume", "results.jsonl"]),
        ("run/classifier.json", 16 << 20, &["classify", "-m", "run", "hi"]),
    ] {
        let path = world.home.path().join(name);
        let refused = |kind: &str| {
            let ran = world.run(args, b"");
            assert!(ran.code == Some(1) && ran.stderr.contains(kind), "{name}: {:?} {}", ran.code, ran.stderr);
            std::fs::remove_file(&path).unwrap();
        };
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        refused("a named pipe");
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        refused("a device");
        std::fs::File::create(&path).unwrap().set_len(limit + 1).unwrap();
        refused("larg");
    }
}

#[test]
fn a_classifier_has_a_thousand_labels_at_most() {
    let world = World::new();
    let rows: String = (0..10_000).map(|n| format!("label{n}\ttext {n}\n")).collect();
    std::fs::write(world.home.path().join("many.tsv"), rows).unwrap();
    let ran = world.run(&["finetune", "-m", "MODEL", "--train", "many.tsv"], b"");
    assert!(
        ran.code == Some(1) && ran.stderr.contains("10000 labels, and a classifier takes at most 1000"),
        "{}",
        ran.stderr
    );
}
