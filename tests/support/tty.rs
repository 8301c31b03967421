//! The real program in a pseudo-terminal, with a terminal emulator that reads what it writes. Nothing here waits for a
//! fixed time: each step waits for what the screen shows.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the program wrote, as bytes and as a screen.
pub(crate) struct Seen {
    pub(crate) raw: Vec<u8>,
    pub(crate) screen: vt100::Parser,
}

pub(crate) type Keys = Arc<Mutex<Option<Box<dyn Write + Send>>>>;

/// A program in a terminal.
pub(crate) struct Tty {
    master: Option<Box<dyn MasterPty + Send>>,
    keys: Keys,
    child: Box<dyn Child + Send + Sync>,
    pub(crate) seen: Arc<Mutex<Seen>>,
    modes_before: String,
    _home: tempfile::TempDir,
}

impl Tty {
    /// Starts the playground on an empty home. `endpoint`: the hub.
    pub(crate) fn playground(size: (u16, u16), endpoint: &str, args: &[&str]) -> Self {
        let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin!("kshot"));
        command.args(args);
        Self::start(size, command, &[("HF_ENDPOINT", endpoint)])
    }

    /// Starts a program on an empty home, with these variables and few others.
    pub(crate) fn start((columns, rows): (u16, u16), mut command: CommandBuilder, variables: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear();
        command.env("PATH", path);
        command.env("HOME", home.path());
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("KSHOT_THREADS", "1");
        for (name, value) in variables {
            command.env(name, value);
        }
        command.cwd(home.path());
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let modes_before = modes(pair.master.as_ref());
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0);
        let seen = Arc::new(Mutex::new(Seen { raw: Vec::new(), screen }));
        let mut output = pair.master.try_clone_reader().unwrap();
        let keys: Keys = Arc::new(Mutex::new(Some(pair.master.take_writer().unwrap())));
        let (sink, answers) = (Arc::clone(&seen), Arc::clone(&keys));
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                let mut seen = sink.lock().unwrap();
                seen.raw.extend_from_slice(&buffer[..n]);
                seen.screen.process(&buffer[..n]);
                // Every terminal answers the question for its device attributes.
                if let (1.., Some(keys)) = (count(&buffer[..n], b"\x1b[c"), answers.lock().unwrap().as_mut()) {
                    keys.write_all(b"\x1b[?62;22c").unwrap();
                }
            }
        });
        Self { master: Some(pair.master), keys, child, seen, modes_before, _home: home }
    }

    pub(crate) fn screen(&self) -> String {
        self.seen.lock().unwrap().screen.screen().contents()
    }

    pub(crate) fn press(&mut self, keys: &str) {
        let mut writer = self.keys.lock().unwrap();
        let writer = writer.as_mut().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// What is on the screen once no frame is half drawn.
    pub(crate) fn whole_frame(&self) -> std::sync::MutexGuard<'_, Seen> {
        let end = Instant::now() + PATIENCE;
        loop {
            let seen = self.seen.lock().unwrap();
            let last = seen.raw.windows(8).rev().find(|window| window.starts_with(b"\x1b[?2026"));
            if last == Some(b"\x1b[?2026l") || Instant::now() >= end {
                return seen;
            }
            drop(seen);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the screen is as `wanted` says; gives it.
    pub(crate) fn wait(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "no {what} on the screen:\n{screen}");
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ended ({status:?}) before there was {what}:\n{screen}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn see(&mut self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("still running:\n{}", self.screen());
    }

    /// The terminal is as it was before the program started: screen, cursor, modes.
    pub(crate) fn assert_restored(&self, route: &str) {
        // What was written last may still be on its way.
        let end = Instant::now() + Duration::from_secs(5);
        let left = || count(&self.seen.lock().unwrap().raw, b"\x1b[?1049l");
        while (left() == 0 || self.seen.lock().unwrap().screen.screen().alternate_screen()) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let seen = self.seen.lock().unwrap();
        let screen = seen.screen.screen();
        assert!(!screen.alternate_screen(), "{route}: the alternate screen is left");
        assert!(!screen.hide_cursor(), "{route}: the cursor is shown");
        assert!(!screen.bracketed_paste(), "{route}: pastes are not bracketed");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "{route}");
        let (entered, left) = (count(&seen.raw, b"\x1b[?1049h"), count(&seen.raw, b"\x1b[?1049l"));
        assert!(entered > 0 && left >= entered, "{route}: entered {entered} times, left {left} times");
        if let Some(master) = &self.master {
            assert_eq!(modes(master.as_ref()), self.modes_before, "{route}: modes of the terminal");
        }
    }

    #[allow(clippy::cast_possible_wrap, reason = "process numbers are small")]
    pub(crate) fn signal(&self, signal: i32) {
        let pid = self.child.process_id().unwrap() as i32;
        // SAFETY: `kill` touches no memory of this process; the child has not been waited for, so the number is its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        // A test that failed half-way leaves no program behind.
        let _ = self.child.kill();
    }
}

fn modes(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().unwrap())
}

pub(crate) fn count(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).filter(|window| *window == what).count()
}

pub(crate) const ESC: &str = "\x1b";
pub(crate) const ENTER: &str = "\r";
pub(crate) const RIGHT: &str = "\x1b[C";
pub(crate) const HOME: &str = "\x1b[H";
pub(crate) const DOWN: &str = "\x1b[B";
pub(crate) const F1: &str = "\x1bOP";
pub(crate) const F2: &str = "\x1bOQ";
pub(crate) const F3: &str = "\x1bOR";
pub(crate) const F4: &str = "\x1bOS";
pub(crate) const ALT_C: &str = "\x1bc";
pub(crate) const CTRL_C: &str = "\x03";
pub(crate) const CTRL_G: &str = "\x07";
pub(crate) const CTRL_P: &str = "\x10";
pub(crate) const CTRL_Q: &str = "\x11";
pub(crate) const CTRL_T: &str = "\x14";
