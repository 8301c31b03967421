//! The thread that reads keys.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::Sender;

use super::TerminalEvent;

/// How long a pause waits for the reader, which may be handing on what it has read.
const PATIENCE: Duration = Duration::from_millis(300);

/// What the reader is to do, and whether it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Reading,
    /// Asked to stop reading.
    Pausing,
    /// Has stopped.
    Paused,
    Ended,
}

#[derive(Debug)]
struct Gate {
    phase: Mutex<Phase>,
    changed: Condvar,
}

impl Gate {
    fn set(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
        self.changed.notify_all();
    }

    /// In the reader: waits while paused; false once it is to end.
    fn pass(&self) -> bool {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match *phase {
                Phase::Reading => return true,
                Phase::Ended => return false,
                Phase::Pausing => {
                    *phase = Phase::Paused;
                    self.changed.notify_all();
                }
                Phase::Paused => phase = self.changed.wait(phase).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn wait_until_paused(&self) {
        let phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        // After the time is up the caller goes on: a key may then be read here that was meant for another program.
        drop(self.changed.wait_timeout_while(phase, PATIENCE, |phase| *phase == Phase::Pausing));
    }
}

/// The reader, from the outside. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Input {
    gate: Arc<Gate>,
    waker: platform::Waker,
}

impl Input {
    /// `asked`: the terminal was asked for its colours, and an answer is news.
    pub(super) fn start(events: Sender<TerminalEvent>, asked: bool) -> io::Result<Self> {
        let gate = Arc::new(Gate { phase: Mutex::new(Phase::Reading), changed: Condvar::new() });
        let waker = platform::start(gate.clone(), events, asked)?;
        Ok(Self { gate, waker })
    }

    /// Stops reading, so that another program can.
    pub(super) fn pause(&self) {
        self.gate.set(Phase::Pausing);
        self.waker.wake();
        self.gate.wait_until_paused();
    }

    pub(super) fn resume(&self) {
        self.gate.set(Phase::Reading);
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.gate.set(Phase::Ended);
        self.waker.wake();
    }
}

fn fail(events: &Sender<TerminalEvent>, error: io::Error) -> bool {
    // A program that listens no more needs no reason.
    let _ = events.send(TerminalEvent::Failed(error));
    false
}

#[cfg(unix)]
mod platform {
    use std::io::{self, Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    use crossbeam_channel::Sender;

    use super::super::colour::Colours;
    use super::super::decoder::{Decoded, Decoder, LONGEST_PASTE};
    use super::super::meaning::Reply;
    use super::super::tty::{Ready, Tty};
    use super::super::{TerminalEvent, modes, signals};
    use super::{Gate, fail};

    /// What one read takes; a terminal gives at most its line buffer of 4 KiB.
    const READ: usize = 16 << 10;
    /// An answer that comes after this long changes the theme no more: it would be a jump in the middle of work.
    const COLOURS: Duration = Duration::from_secs(3);

    #[derive(Debug)]
    pub(super) struct Waker(UnixStream);

    impl Waker {
        pub(super) fn wake(&self) {
            // A full pipe wakes as well.
            let _ = (&self.0).write(&[0]);
        }
    }

    pub(super) fn start(gate: Arc<Gate>, events: Sender<TerminalEvent>, asked: bool) -> io::Result<Waker> {
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        let mut reader = Reader {
            tty: Tty::open()?,
            decoder: Decoder::default(),
            colours: Colours::default(),
            colours_until: asked.then(|| Instant::now() + COLOURS),
            events,
        };
        let read = move || while gate.pass() && reader.step(&receiver) {};
        thread::Builder::new().name("keys".into()).spawn(read)?;
        Ok(Waker(sender))
    }

    struct Reader {
        tty: Tty,
        decoder: Decoder,
        colours: Colours,
        colours_until: Option<Instant>,
        events: Sender<TerminalEvent>,
    }

    impl Reader {
        /// Waits for bytes, for the time that turns what came before into keys, or to be woken; false at the end.
        fn step(&mut self, wake: &UnixStream) -> bool {
            let wait = self.decoder.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // The system counts in milliseconds, and what is rounded down would be waited for in a busy loop.
            let wait = wait.map(|wait| wait + Duration::from_millis(1));
            let mut decoded = Vec::new();
            match self.tty.wait(Some(wake.as_fd()), wait) {
                Ok(Ready::Keys) => {
                    let mut bytes = [0; READ];
                    match self.tty.read(&mut bytes) {
                        Ok(0) => return self.hang_up(),
                        Ok(count) => {
                            self.decoder.feed(bytes.get(..count).unwrap_or_default(), Instant::now(), &mut decoded);
                        }
                        Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN)) => {}
                        Err(error) if error.raw_os_error() == Some(libc::EIO) => return self.hang_up(),
                        Err(error) => return fail(&self.events, error),
                    }
                }
                Ok(Ready::Nothing | Ready::Unknown) => self.decoder.tick(Instant::now(), &mut decoded),
                Ok(Ready::Woken) => {
                    while (&*wake).read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
                    // Another program reads now: what is open here has its end there.
                    self.decoder = Decoder::default();
                }
                Ok(Ready::HungUp) => return self.hang_up(),
                Err(error) => return fail(&self.events, error),
            }
            decoded.into_iter().all(|decoded| self.hand_on(decoded))
        }

        fn hang_up(&self) -> bool {
            signals::hang_up(&self.events);
            false
        }

        /// False where no program listens any more.
        fn hand_on(&mut self, decoded: Decoded) -> bool {
            let event = match decoded {
                Decoded::Event(event) => TerminalEvent::Input(event),
                Decoded::PasteRefused => TerminalEvent::PasteRefused { longest: LONGEST_PASTE },
                Decoded::Reply(Reply::Colour(layer, rgb)) => match self.colours.take(layer, rgb) {
                    Some(ground) if self.colours_until.take().is_some_and(|until| Instant::now() < until) => {
                        TerminalEvent::Ground(ground)
                    }
                    _ => return true,
                },
                Decoded::Reply(Reply::Kitty) => {
                    // A terminal that can't be written to is noticed where frames are drawn.
                    let _ = modes::use_kitty();
                    return true;
                }
                Decoded::Reply(Reply::Other) => return true,
            };
            self.events.send(event).is_ok()
        }
    }
}

#[cfg(not(unix))]
mod platform {
    use std::io;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use crossbeam_channel::Sender;
    use crossterm::event;

    use super::super::TerminalEvent;
    use super::{Gate, fail};

    /// How often the reader looks whether it is to pause.
    const LOOK: Duration = Duration::from_millis(100);

    #[derive(Debug)]
    pub(super) struct Waker;

    impl Waker {
        pub(super) fn wake(&self) {}
    }

    /// The console gives keys and not bytes, so it is asked nothing that it would answer in bytes.
    pub(super) fn start(gate: Arc<Gate>, events: Sender<TerminalEvent>, _: bool) -> io::Result<Waker> {
        thread::Builder::new().name("keys".into()).spawn(move || while gate.pass() && pump(&events) {})?;
        Ok(Waker)
    }

    /// Hands on everything that can be read within [`LOOK`]; false when the reader should end.
    fn pump(events: &Sender<TerminalEvent>) -> bool {
        loop {
            match event::poll(LOOK) {
                Ok(false) => return true,
                Ok(true) => {}
                Err(error) => return fail(events, error),
            }
            match event::read() {
                Ok(event) => {
                    if events.send(TerminalEvent::Input(event)).is_err() {
                        return false;
                    }
                }
                Err(error) => return fail(events, error),
            }
        }
    }
}
