//! Sessions outlive the program: the real binary in a pseudo-terminal, killed and started again. Nothing here waits for a
//! fixed time: each step waits for what the screen or the disk shows.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a promise prints its figure")]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kshot::session::{Store, Texts};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const ALT_C: &str = "\x1bc";
const ALT_COMMA: &str = "\x1b,";
const CTRL_G: &str = "\x07";
const CTRL_N: &str = "\x0e";
const CTRL_Q: &str = "\x11";
const CTRL_R: &str = "\x12";

type Keys = Arc<Mutex<Option<Box<dyn Write + Send>>>>;

/// The program in a terminal of 120x36.
struct Tty {
    keys: Keys,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<vt100::Parser>>,
    master: Option<Box<dyn MasterPty + Send>>,
    reader: Option<JoinHandle<()>>,
    closing: Arc<AtomicBool>,
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
        let keys: Keys = Arc::new(Mutex::new(Some(pair.master.take_writer().unwrap())));
        let (sink, answers) = (Arc::clone(&screen), Arc::clone(&keys));
        let closing = Arc::new(AtomicBool::new(false));
        let (fd, closes) = (pair.master.as_raw_fd().unwrap(), Arc::clone(&closing));
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while readable(fd, &closes)
                && let Ok(n @ 1..) = output.read(&mut buffer)
            {
                sink.lock().unwrap().process(&buffer[..n]);
                // Every terminal answers the question for its device attributes.
                if buffer[..n].windows(3).any(|window| window == b"\x1b[c")
                    && let Some(keys) = answers.lock().unwrap().as_mut()
                {
                    keys.write_all(b"\x1b[?62;22c").unwrap();
                }
            }
        });
        Self { keys, child, screen, master: Some(pair.master), reader: Some(reader), closing }
    }

    fn press(&self, keys: &str) {
        let mut writer = self.keys.lock().unwrap();
        let writer = writer.as_mut().unwrap();
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

    fn signal(&self, signal: i32) {
        let process = self.child.process_id().unwrap().try_into().unwrap();
        // SAFETY: sends a signal to a process that this test started and has not waited for.
        assert_eq!(unsafe { libc::kill(process, signal) }, 0);
    }

    /// Closes the terminal, as a window is closed.
    fn close(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        self.reader.take().unwrap().join().unwrap();
        self.keys.lock().unwrap().take();
        self.master.take();
    }

    fn ended(&mut self) {
        let end = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "the program does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
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

/// Waits until there is something to read; says no where the terminal is to be closed.
fn readable(fd: i32, closes: &AtomicBool) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    while !closes.load(Ordering::SeqCst) {
        // SAFETY: one record is given, and lives through the call.
        if unsafe { libc::poll(&raw mut poll, 1, 20) } > 0 {
            return true;
        }
    }
    false
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
fn what_cannot_be_read_is_set_aside_and_said() {
    let (home, _) = killed();
    let [session] = sessions(home.path()).try_into().unwrap();
    let journal = session.join("versions.jsonl");
    let mut bytes = fs::read(&journal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 20].fill(b'\x1b');
    fs::write(&journal, &bytes).unwrap();
    let tty = Tty::start(home.path(), &[]);
    let screen = tty.see("some of the session cannot be read");
    assert!(screen.contains("lastsecond"), "what can be read is there: {screen}");
    tty.press("x");
    tty.see("ctx ");
    tty.kill();
    assert_eq!(fs::read(session.join("versions.jsonl.damaged-1")).unwrap(), bytes, "nothing of it is lost");
    let tty = Tty::start(home.path(), &[]);
    let screen = tty.see("the last session is back");
    assert!(screen.contains("lastsecondx"), "{screen}");
}

fn kshot(home: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("kshot"));
    let output = command.env_clear().env("HOME", home).current_dir(home).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

fn store(home: &Path) -> Store {
    Store::new(home.join(".local/share/kshot/sessions"))
}

/// Whether a text is in any version of any session.
fn is_kept(home: &Path, text: &str) -> bool {
    !Texts::default().find(&store(home), text, || true).unwrap().is_empty()
}

/// How often something is tried: more than a few times for a recorded figure.
fn trials(few: usize) -> usize {
    std::env::var("KSHOT_KILLS").ok().and_then(|number| number.parse().ok()).unwrap_or(few)
}

/// Two programs use the same folder and are killed at random points. Each session is whole and found by its name, and what
/// was on the screen for a second is there.
#[test]
fn two_programs_that_are_killed_at_any_point_leave_whole_sessions() {
    let home = tempfile::tempdir().unwrap();
    let names = ["left", "right"];
    let start = |name: &str| {
        let tty = Tty::start(home.path(), &["--session", name]);
        tty.see("ctx ");
        tty
    };
    let mut programs: Vec<Option<Tty>> = names.iter().map(|name| Some(start(name))).collect();
    // A generator of its own: the same points each time, as far as the machine allows.
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let (kills, mut held, mut late) = (trials(6), 0, 0);
    for number in 0..kills {
        let which = usize::from(next(2) == 1);
        let tty = programs[which].take().unwrap();
        let word = format!("w{number}w");
        tty.press(&format!(" {word}"));
        tty.see(&word);
        let seen = Instant::now();
        if next(3) > 0 {
            tty.press([CTRL_G, CTRL_R][next(2) as usize]);
        }
        // The point at which the program is killed is what is tried here.
        std::thread::sleep(Duration::from_millis(next(1400)));
        let age = seen.elapsed();
        tty.kill();
        for row in store(home.path()).list().unwrap() {
            let (contents, _) = store(home.path()).look(&row.id);
            assert!(contents.is_whole(), "kill {number}: {}", contents.lost());
        }
        let there = is_kept(home.path(), &word);
        assert!(there || age < Duration::from_secs(1), "kill {number}: {word} was on the screen for {age:?}");
        held += usize::from(there);
        late += usize::from(age >= Duration::from_secs(1));
        programs[which] = Some(start(names[which]));
        assert_eq!(store(home.path()).list().unwrap().len(), 2, "kill {number}: each is found by its name");
    }
    println!(
        "{kills} kills: 0 damaged, 0 unreachable; the last word was kept {held} times, each of {late} times after a second"
    );
}

/// The terminal is closed, or the program is asked to end, right after a word was typed: it is there.
#[test]
fn what_was_typed_last_is_written_before_the_program_ends() {
    let home = tempfile::tempdir().unwrap();
    let rounds = trials(3);
    for number in 0..rounds {
        for (how, end) in [("close", None), ("term", Some(libc::SIGTERM)), ("hup", Some(libc::SIGHUP))] {
            let mut tty = Tty::start(home.path(), &[]);
            tty.see("ctx ");
            let word = format!("{how}{number}x");
            tty.press(&format!(" {word}"));
            tty.see(&word);
            match end {
                Some(signal) => tty.signal(signal),
                None => tty.close(),
            }
            tty.ended();
            assert!(is_kept(home.path(), &word), "{word}");
        }
    }
    println!("{rounds} times each: terminal closed, SIGTERM, SIGHUP; the word that was typed last was kept every time");
}

#[test]
fn sessions_are_named_listed_opened_and_deleted_by_name() {
    let (home, _) = killed();
    let home = home.path();
    assert_eq!(kshot(home, &["session", "rename", "last", "river"]), (Some(0), "last is now river\n".into()));
    let tty = Tty::start(home, &["--session", "lesson 3"]);
    tty.see("a new session, lesson 3");
    tty.press(ALT_C);
    tty.press("the third lesson");
    tty.see("the third lesson");
    written(home, "the third lesson");
    let (code, said) = kshot(home, &["session", "rm", "river", "lesson 3"]);
    assert!(code == Some(1) && said.contains("is open in another kshot"), "{said}");
    let (code, said) = kshot(home, &["--session", "lesson 3"]);
    assert!(code != Some(0), "{said}");
    tty.press(CTRL_Q);
    let mut tty = tty;
    tty.ended();
    let (_, listed) = kshot(home, &["session", "list", "--json"]);
    let rows: Vec<serde_json::Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows[0]["name"], "lesson 3");
    assert_eq!(rows[0]["first_line"], "the third lesson");
    assert_eq!(rows[0]["model"], "built-in");
    assert_eq!(rows[1]["name"], "river", "of two names of which one is in use, none is deleted");
    let (code, said) = kshot(home, &["session", "open", "lesen 3"]);
    assert!(code == Some(1) && said.contains("did you mean \"lesson 3\"?"), "{said}");
    let (code, said) = kshot(home, &["session", "rename", "lesson 3", "last"]);
    assert!(code == Some(1) && said.contains("take another name"), "{said}");
}

/// A session goes to another machine as one file: the same text and the same versions there; a file that is damaged or no
/// session file is refused, and changes nothing.
#[test]
fn a_session_travels_as_one_file() {
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
