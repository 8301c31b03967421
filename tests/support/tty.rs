//! A program in a pseudo-terminal, and a terminal emulator that reads what it writes.
#![allow(dead_code, reason = "shared by several test programs, none of which needs all of it")]

use std::io::Write;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What ends each frame (synchronised output).
const FRAME_ENDS: &[u8] = b"\x1b[?2026l";

/// What the program wrote, as bytes and as a screen.
pub(crate) struct Seen {
    pub(crate) raw: Vec<u8>,
    pub(crate) screen: vt100::Parser,
    /// When the first frame was whole.
    pub(crate) first_frame: Option<Instant>,
}

pub(crate) type Keys = Arc<Mutex<Option<Box<dyn Write + Send>>>>;

/// The terminal around a program.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    /// The folder that the program takes for the user's; an empty one where none is given.
    pub(crate) home: Option<&'a Path>,
    /// What it says of itself.
    pub(crate) environment: &'a [(&'a str, &'a str)],
    /// Questions, and what it answers at once. What is not here is never answered.
    pub(crate) answers: &'static [(&'static [u8], &'static [u8])],
}

/// A program in a terminal.
pub(crate) struct Tty {
    pub(crate) master: Option<Box<dyn MasterPty + Send>>,
    keys: Keys,
    pub(crate) child: Box<dyn Child + Send + Sync>,
    pub(crate) seen: Arc<Mutex<Seen>>,
    pub(crate) started: Instant,
    modes_before: String,
    reader: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
    home: PathBuf,
    _own_home: Option<tempfile::TempDir>,
}

impl Tty {
    /// Starts the playground on an empty home. `endpoint`: the hub.
    pub(crate) fn playground(size: (u16, u16), endpoint: &str, args: &[&str]) -> Self {
        let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin!("kshot"));
        command.args(args);
        command.env("HF_ENDPOINT", endpoint);
        Self::start(size, command)
    }

    pub(crate) fn start(size: (u16, u16), command: CommandBuilder) -> Self {
        Self::start_with(size, command, &Setup::default())
    }

    /// In a terminal that says this of itself.
    pub(crate) fn start_in(size: (u16, u16), command: CommandBuilder, environment: &[(&str, &str)]) -> Self {
        Self::start_with(size, command, &Setup { environment, ..Setup::default() })
    }

    pub(crate) fn start_with((columns, rows): (u16, u16), mut command: CommandBuilder, setup: &Setup<'_>) -> Self {
        let own_home = setup.home.is_none().then(|| tempfile::tempdir().unwrap());
        let home = setup.home.or(own_home.as_ref().map(tempfile::TempDir::path)).unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let endpoint = command.get_env("HF_ENDPOINT").unwrap_or_default().to_owned();
        command.env_clear();
        command.env("PATH", path);
        command.env("HOME", &home);
        command.env("HF_ENDPOINT", endpoint);
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("KSHOT_THREADS", "1");
        for (name, value) in setup.environment {
            command.env(name, value);
        }
        command.cwd(&home);
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let modes_before = modes(pair.master.as_ref());
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0);
        let seen = Arc::new(Mutex::new(Seen { raw: Vec::new(), screen, first_frame: None }));
        let keys: Keys = Arc::new(Mutex::new(Some(pair.master.take_writer().unwrap())));
        let stop = Arc::new(AtomicBool::new(false));
        let reader = Reader {
            fd: pair.master.as_raw_fd().unwrap(),
            stop: Arc::clone(&stop),
            seen: Arc::clone(&seen),
            keys: Arc::clone(&keys),
            answers: setup.answers,
        };
        let reader = Some((stop, std::thread::spawn(move || reader.run())));
        Self { master: Some(pair.master), keys, child, seen, started, modes_before, reader, home, _own_home: own_home }
    }

    /// The folder that the program takes for the user's.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    pub(crate) fn screen(&self) -> String {
        self.seen.lock().unwrap().screen.screen().contents()
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.write(keys.as_bytes());
    }

    /// One write of whatever comes from a terminal.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let mut writer = self.keys.lock().unwrap();
        let writer = writer.as_mut().unwrap();
        writer.write_all(bytes).unwrap();
        writer.flush().unwrap();
    }

    pub(crate) fn resize(&mut self, (columns, rows): (u16, u16)) {
        // The emulator first: what the program writes for the new size must not meet the old one.
        let (high, wide) = (rows.try_into().unwrap(), columns.try_into().unwrap());
        self.seen.lock().unwrap().screen.screen_mut().set_size(high, wide);
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.as_ref().unwrap().resize(size).unwrap();
    }

    /// Closes the terminal as a window does.
    pub(crate) fn hang_up(&mut self) {
        self.stop_reading();
        *self.keys.lock().unwrap() = None;
        self.master = None;
    }

    fn stop_reading(&mut self) {
        if let Some((stop, thread)) = self.reader.take() {
            stop.store(true, Ordering::SeqCst);
            thread.join().unwrap();
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

    /// Waits until the program has written these bytes so many times.
    pub(crate) fn wait_for_bytes(&mut self, bytes: &[u8], times: usize) {
        let seen = Arc::clone(&self.seen);
        let what = format!("{} for the {times}th time", bytes.escape_ascii());
        self.wait(&what, |_| count(&seen.lock().unwrap().raw, bytes) >= times);
    }

    /// How often the program has written these bytes.
    pub(crate) fn written(&self, bytes: &[u8]) -> usize {
        count(&self.seen.lock().unwrap().raw, bytes)
    }

    /// How long the first frame took from the start of the program.
    pub(crate) fn first_frame(&mut self) -> Duration {
        self.wait_for_bytes(FRAME_ENDS, 1);
        self.seen.lock().unwrap().first_frame.unwrap() - self.started
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
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
        let (pushed, popped) = (count(&seen.raw, b"\x1b[>1u"), count(&seen.raw, b"\x1b[<1u"));
        assert_eq!(pushed, popped, "{route}: keyboard flags pushed and popped");
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
        self.stop_reading();
    }
}

/// Reads what the program writes, until the terminal is closed from either side.
struct Reader {
    fd: RawFd,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    keys: Keys,
    answers: &'static [(&'static [u8], &'static [u8])],
}

impl Reader {
    fn run(&self) {
        let mut buffer = [0; 8192];
        while !self.stop.load(Ordering::SeqCst) {
            let mut wait = libc::pollfd { fd: self.fd, events: libc::POLLIN, revents: 0 };
            // SAFETY: the pointer is to one entry that lives through the call.
            if unsafe { libc::poll(&raw mut wait, 1, 10) } < 1 {
                continue;
            }
            // SAFETY: the pointer and length are those of `buffer`; the descriptor is open until this thread has ended.
            let count = unsafe { libc::read(self.fd, buffer.as_mut_ptr().cast(), buffer.len()) };
            let Ok(count @ 1..) = usize::try_from(count) else { return };
            self.take(&buffer[..count]);
        }
    }

    fn take(&self, bytes: &[u8]) {
        let mut seen = self.seen.lock().unwrap();
        let before = seen.raw.len();
        seen.raw.extend_from_slice(bytes);
        seen.screen.process(bytes);
        let whole = seen.first_frame.is_none() && count(&seen.raw, FRAME_ENDS) > 0;
        if whole {
            seen.first_frame = Some(Instant::now());
        }
        for (question, answer) in self.answers {
            // A question may be split over reads.
            let new = &seen.raw[before.saturating_sub(question.len() - 1)..];
            if let (1.., Some(keys)) = (count(new, question), self.keys.lock().unwrap().as_mut()) {
                keys.write_all(answer).unwrap();
            }
        }
    }
}

pub(crate) fn modes(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().unwrap())
}

pub(crate) fn count(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).filter(|window| *window == what).count()
}
