//! The thread that reads keys.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::Sender;
use crossterm::event::{self, Event};

use super::TerminalEvent;

/// How long a pause waits for the reader: in the middle of an escape sequence it may be stuck.
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
    pub(super) fn start(events: Sender<TerminalEvent>) -> io::Result<Self> {
        let gate = Arc::new(Gate { phase: Mutex::new(Phase::Reading), changed: Condvar::new() });
        let waker = platform::start(gate.clone(), events)?;
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

/// Hands on everything that can be read within `wait`; false when the reader should end.
fn pump(events: &Sender<TerminalEvent>, wait: Duration) -> bool {
    loop {
        match event::poll(wait) {
            Ok(false) => return true,
            Ok(true) => {}
            Err(error) => return fail(events, error),
        }
        match event::read() {
            // The signal thread reports sizes too, and also when keys come in at the same moment.
            Ok(Event::Resize(..)) if cfg!(unix) => {}
            Ok(event) => {
                if events.send(TerminalEvent::Input(event)).is_err() {
                    return false;
                }
            }
            Err(error) => return fail(events, error),
        }
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
    use std::time::Duration;

    use crossbeam_channel::Sender;

    use super::super::tty::{Ready, Tty};
    use super::super::{TerminalEvent, keyboard, signals};
    use super::{Gate, fail, pump};

    /// crossterm reads only when it may wait, however short.
    const READ: Duration = Duration::from_millis(1);
    /// How often a terminal that can't be waited for is looked at.
    const LOOK: Duration = Duration::from_millis(100);

    #[derive(Debug)]
    pub(super) struct Waker(UnixStream);

    impl Waker {
        pub(super) fn wake(&self) {
            // A full pipe wakes as well.
            let _ = (&self.0).write(&[0]);
        }
    }

    pub(super) fn start(gate: Arc<Gate>, events: Sender<TerminalEvent>) -> io::Result<Waker> {
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        let tty = Tty::open()?;
        let read = move || {
            for event in keyboard::negotiate(&tty) {
                let _ = events.send(TerminalEvent::Input(event));
            }
            run(&tty, &receiver, &gate, &events);
        };
        thread::Builder::new().name("keys".into()).spawn(read)?;
        Ok(Waker(sender))
    }

    fn run(tty: &Tty, receiver: &UnixStream, gate: &Gate, events: &Sender<TerminalEvent>) {
        while gate.pass() {
            let goes_on = match tty.wait(Some(receiver.as_fd()), None) {
                Ok(Ready::Keys) => pump(events, READ),
                Ok(Ready::Unknown) => pump(events, LOOK),
                Ok(Ready::Nothing) => true,
                Ok(Ready::Woken) => {
                    while (&*receiver).read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
                    true
                }
                Ok(Ready::HungUp) => return signals::hang_up(events),
                Err(error) => fail(events, error),
            };
            if !goes_on {
                return;
            }
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

    use super::super::TerminalEvent;
    use super::{Gate, pump};

    /// How often the reader looks whether it is to pause.
    const LOOK: Duration = Duration::from_millis(100);

    #[derive(Debug)]
    pub(super) struct Waker;

    impl Waker {
        pub(super) fn wake(&self) {}
    }

    pub(super) fn start(gate: Arc<Gate>, events: Sender<TerminalEvent>) -> io::Result<Waker> {
        thread::Builder::new().name("keys".into()).spawn(move || while gate.pass() && pump(&events, LOOK) {})?;
        Ok(Waker)
    }
}
