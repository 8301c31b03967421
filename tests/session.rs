//! Sessions outlive the program: the real binary in a pseudo-terminal, killed and started again. Nothing here waits for a
//! fixed time: each step waits for what the screen or the disk shows.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a promise prints its figure")]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const ALT_C: &str = "\x1bc";
const ALT_COMMA: &str = "\x1b,";
const CTRL_G: &str = "\x07";
const CTRL_N: &str = "\x0e";
const CTRL_Q: &str = "\x11";
const CTRL_R: &str = "\x12";

type Keys = Arc<Mutex<Box<dyn Write + Send>>>;

/// The program in a terminal of 120x36.
struct Tty {
    keys: Keys,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<vt100::Parser>>,
    _master: Box<dyn MasterPty + Send>,
}

impl Tty {
    fn start(home: &Path, args: &[&str]) -> Self {
        let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin!("kshot"));
        command.args(["-s", "1", "-n", "8"]);
        command.args(args);
        command.env_clear();
        command.env("HOME", home);
        command.env("HF_ENDPOINT", "http://127.0.0.1:9");
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("KSHOT_THREADS", "1");
        command.cwd(home);
        let size = PtySize { rows: 36, cols: 120, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(36.try_into().unwrap(), 120.try_into().unwrap(), 0)));
        let mut output = pair.master.try_clone_reader().unwrap();
        let keys: Keys = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let (sink, answers) = (Arc::clone(&screen), Arc::clone(&keys));
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                sink.lock().unwrap().process(&buffer[..n]);
                // Every terminal answers the question for its device attributes.
                if buffer[..n].windows(3).any(|window| window == b"\x1b[c") {
                    answers.lock().unwrap().write_all(b"\x1b[?62;22c").unwrap();
                }
            }
        });
        Self { keys, child, screen, _master: pair.master }
    }

    fn press(&self, keys: &str) {
        let mut writer = self.keys.lock().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// Waits until the screen is as `wanted` says; gives it.
    fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen.lock().unwrap().screen().contents();
            if wanted(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "no {what} on the screen:\n{screen}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn see(&self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    /// SIGKILL: nothing in the program gets to know.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        // A test that failed half-way leaves no program behind.
        let _ = self.child.kill();
    }
}

fn sessions(home: &Path) -> Vec<PathBuf> {
    let folder = home.join(".local/share/kshot/sessions");
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Waits until some session's record holds a text; gives the time that took.
fn written(home: &Path, text: &str) -> Duration {
    let start = Instant::now();
    loop {
        let records = sessions(home).into_iter().filter_map(|path| fs::read_to_string(path.join("session.json")).ok());
        if records.into_iter().any(|record| record.contains(text)) {
            return start.elapsed();
        }
        assert!(start.elapsed() < PATIENCE, "{text:?} was never written");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A home with a session: a typed text, two generations of eight tokens, and more text; then the program is killed.
fn killed() -> (tempfile::TempDir, String) {
    let home = tempfile::tempdir().unwrap();
    let tty = Tty::start(home.path(), &[]);
    tty.see("built-in is ready");
    tty.press(ALT_C);
    tty.press("The river runs");
    tty.press(CTRL_G);
    tty.wait("end", |screen| screen.lines().next().is_some_and(|status| status.contains("max ")));
    tty.press(CTRL_R);
    let screen = tty.wait("second version", |screen| {
        let status = screen.lines().next().unwrap_or_default();
        status.contains("2/2") && status.contains("max ")
    });
    tty.press(" lastsecond");
    tty.see("lastsecond");
    let took = written(home.path(), "lastsecond");
    println!("the last key was on the disk after {took:?}");
    tty.kill();
    let text = screen.lines().find(|line| line.contains("The river runs")).unwrap();
    let text = text[text.find("The river runs").unwrap()..].split('│').next().unwrap().trim_end().to_owned();
    (home, text)
}

#[test]
fn a_killed_program_starts_where_it_was_with_all_versions() {
    let (home, line) = killed();
    let tty = Tty::start(home.path(), &[]);
    let screen = tty.see("the last session is back; Ctrl+N starts an empty one");
    assert!(screen.contains("lastsecond") && screen.contains(&line), "{line}\n{screen}");
    tty.see("ctx ");
    tty.press(ALT_COMMA);
    tty.see("version 1 of 2: 8 tokens");
    tty.press(CTRL_N);
    tty.see("an empty session; the one before is kept");
    tty.press("another text");
    written(home.path(), "another text");
    tty.kill();
    assert_eq!(sessions(home.path()).len(), 2);
    let tty = Tty::start(home.path(), &[]);
    tty.see("another text");
    tty.press(CTRL_Q);
}

#[test]
fn a_start_without_the_last_session_shows_the_page_and_loses_nothing() {
    let (home, _) = killed();
    let tty = Tty::start(home.path(), &["--fresh"]);
    let screen = tty.see("built-in is ready");
    assert!(!screen.contains("The river runs"), "{screen}");
    tty.kill();
    let file = home.path().join("file.txt");
    fs::write(&file, "the text of a file").unwrap();
    let tty = Tty::start(home.path(), &[file.to_str().unwrap()]);
    let screen = tty.see("the text of a file");
    assert!(!screen.contains("The river runs"), "{screen}");
    tty.kill();
    let tty = Tty::start(home.path(), &[]);
    tty.see("lastsecond");
}

#[test]
fn a_second_program_gets_a_copy_and_says_so() {
    let (home, _) = killed();
    let first = Tty::start(home.path(), &[]);
    first.see("the last session is back");
    let second = Tty::start(home.path(), &[]);
    let screen = second.see("the last session is open in another kshot");
    assert!(screen.contains("lastsecond"), "{screen}");
    first.see("ctx ");
    second.see("ctx ");
    second.press(" bythesecond");
    written(home.path(), "bythesecond");
    first.press(" bythefirst");
    written(home.path(), "bythefirst");
    first.kill();
    second.kill();
    assert_eq!(sessions(home.path()).len(), 2, "each has its own");
}

#[test]
fn a_damaged_session_is_moved_aside_and_reported() {
    let (home, _) = killed();
    let [session] = sessions(home.path()).try_into().unwrap();
    let journal = session.join("versions.jsonl");
    let mut bytes = fs::read(&journal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 20].fill(b'\x1b');
    fs::write(&journal, &bytes).unwrap();
    let tty = Tty::start(home.path(), &[]);
    let screen = tty.see("the last session cannot be read");
    assert!(!screen.contains("The river runs"), "{screen}");
    tty.press("x");
    tty.see("ctx ");
    tty.kill();
    let aside = sessions(home.path()).into_iter().find(|path| path.extension().is_some()).unwrap();
    assert_eq!(fs::read(aside.join("versions.jsonl")).unwrap(), bytes, "nothing of it is lost");
}

/// A session goes to another machine as one file: the same text and the same versions there; a file that is damaged or no
/// session file is refused, and changes nothing.
#[test]
fn a_session_travels_as_one_file() {
    let kshot = |home: &Path, args: &[&str]| {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("kshot"));
        let output = command.env_clear().env("HOME", home).current_dir(home).args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let (home, line) = killed();
    let (code, said) = kshot(home.path(), &["session", "export", "-o", "lesson.kshot"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = kshot(home.path(), &["session", "export", "-o", "lesson.kshot"]);
    assert!(code == Some(1) && said.contains("lesson.kshot"), "a file that is there stays: {said}");
    assert_eq!(kshot(home.path(), &["session", "export", "-o", "lesson.kshot", "--force"]).0, Some(0));

    let other = tempfile::tempdir().unwrap();
    let (code, said) = kshot(other.path(), &["session", "export", "-o", "none.kshot"]);
    assert!(code == Some(1) && said.contains("no session is kept yet"), "{said}");
    let file = fs::read(home.path().join("lesson.kshot")).unwrap();
    let bad: [(&[u8], &str); 4] = [
        (b"not a session\n", "no session file"),
        (&file[..file.len() - 5], "cut short"),
        (&file[..file.iter().position(|byte| *byte == b'\n').unwrap() + 1], "cut short"),
        (b"{\"kshot session file\":2,\"state\":\"\"}\n", "format 2"),
    ];
    for (bytes, reason) in bad {
        fs::write(other.path().join("bad.kshot"), bytes).unwrap();
        let (code, said) = kshot(other.path(), &["session", "import", "bad.kshot"]);
        assert!(code == Some(1) && said.contains(reason), "{reason}: {said}");
    }
    let damaged =
        String::from_utf8_lossy(&file).replace("\"parent\"", "\"parrot\"").replace("\"settings\"", "\"sittings\"");
    fs::write(other.path().join("bad.kshot"), damaged).unwrap();
    assert_eq!(kshot(other.path(), &["session", "import", "bad.kshot"]).0, Some(1));
    assert!(sessions(other.path()).is_empty(), "nothing was kept of them");

    fs::write(other.path().join("lesson.kshot"), &file).unwrap();
    let (code, said) = kshot(other.path(), &["session", "import", "lesson.kshot"]);
    assert!(code == Some(0) && said.contains("the next `kshot` opens it"), "{said}");
    let tty = Tty::start(other.path(), &[]);
    let screen = tty.see("the last session is back");
    assert!(screen.contains("lastsecond") && screen.contains(&line), "{line}\n{screen}");
    tty.see("ctx ");
    tty.press(ALT_COMMA);
    tty.see("version 1 of 2: 8 tokens");
    tty.press(CTRL_Q);
}
