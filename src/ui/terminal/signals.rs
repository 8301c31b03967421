//! Signals and hang-ups as events.
//!
//! The first request to end is handed to the program, which saves and leaves; the second ends it at once. That stays so
//! after the terminal is restored: the session may still be on its way to the disk. After a hang-up the process is gone
//! within [`GRACE`], whatever the program does: reading keys of a terminal that is gone fails in ways that no loop should
//! depend on.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::Sender;
use crossterm::event::Event;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::tty::{self, Ready, Tty};
use super::{Signal, TerminalEvent, modes};

/// What the program gets to save after a hang-up; with [`WATCH`] within the two seconds that are promised.
const GRACE: Duration = Duration::from_millis(1300);
/// How often the terminal is looked at, where the thread that reads keys does not see it go.
const WATCH: Duration = Duration::from_millis(500);

/// We stopped ourselves: the next SIGCONT is awaited where that was done.
static EXPECTED: AtomicBool = AtomicBool::new(false);
/// Another program has the terminal: its Ctrl+C is not ours.
static LENT: AtomicBool = AtomicBool::new(false);
static HUNG_UP: AtomicBool = AtomicBool::new(false);
static ASKED_TO_END: AtomicBool = AtomicBool::new(false);
/// The terminal was left for good.
static OVER: AtomicBool = AtomicBool::new(false);

/// Starts the threads that listen and watch; they end with the process.
pub(super) fn listen(events: Sender<TerminalEvent>) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGCONT, SIGWINCH])?;
    let tty = Tty::open()?;
    let watched = events.clone();
    thread::Builder::new().name("terminal-watch".into()).spawn(move || watch(&tty, &watched))?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            handle(signal, &events);
        }
    })?;
    Ok(())
}

/// The terminal is left for good: it is not watched any more, and stopping is the system's. What asks for the end is
/// still heard.
pub(super) fn stop_watching() {
    OVER.store(true, Ordering::SeqCst);
}

/// Whether the terminal is gone, noticed or not.
pub(super) fn has_hung_up() -> bool {
    HUNG_UP.load(Ordering::SeqCst) || Tty::open().is_ok_and(|tty| tty.is_gone())
}

pub(super) fn expect_continue() {
    EXPECTED.store(true, Ordering::SeqCst);
}

pub(super) fn set_lent(lent: Lent) {
    LENT.store(lent == Lent::Away, Ordering::SeqCst);
}

/// Who has the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lent {
    Away,
    Back,
}

/// The terminal is gone: says so once, and sees to it that the process ends.
pub(super) fn hang_up(events: &Sender<TerminalEvent>) {
    if HUNG_UP.swap(true, Ordering::SeqCst) {
        return;
    }
    // A receiver that is gone has left already; the process still has to end.
    let _ = events.send(TerminalEvent::Signal(Signal::HangUp));
    let end = || {
        thread::sleep(GRACE);
        let _ = modes::restore();
        tty::exit_now(Signal::HangUp.exit_code());
    };
    if thread::Builder::new().name("hang-up".into()).spawn(end).is_err() {
        end();
    }
}

fn watch(tty: &Tty, events: &Sender<TerminalEvent>) {
    while !OVER.load(Ordering::SeqCst) {
        match tty.wait_for_end(WATCH) {
            Ok(Ready::HungUp) => return hang_up(events),
            Ok(Ready::Unknown) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

fn handle(number: i32, events: &Sender<TerminalEvent>) {
    let lent = LENT.load(Ordering::SeqCst);
    let event = match number {
        SIGWINCH => resize(),
        SIGCONT if EXPECTED.swap(false, Ordering::SeqCst) || lent => None,
        SIGCONT => {
            if tty::in_background() {
                tty::stop();
            }
            modes::enter_again().ok().map(|()| resumed(events))
        }
        SIGTSTP if OVER.load(Ordering::SeqCst) => {
            let _ = emulate_default_handler(number);
            None
        }
        SIGTSTP if lent => {
            tty::stop();
            None
        }
        SIGTSTP => modes::around(tty::stop).ok().map(|()| resumed(events)),
        SIGINT | SIGQUIT if lent => None,
        SIGHUP => return hang_up(events),
        _ => ending(number).map(|signal| {
            if ASKED_TO_END.swap(true, Ordering::SeqCst) {
                let _ = modes::restore();
                tty::exit_now(signal.exit_code());
            }
            TerminalEvent::Signal(signal)
        }),
    };
    if let Some(event) = event {
        // Without a receiver the program is leaving already.
        let _ = events.send(event);
    }
}

/// The size of the terminal as it is now.
pub(super) fn resize() -> Option<TerminalEvent> {
    crossterm::terminal::size().ok().map(|(width, height)| TerminalEvent::Input(Event::Resize(width, height)))
}

/// SIGWINCH goes to the processes in the foreground: a size that changed meanwhile was not heard of.
fn resumed(events: &Sender<TerminalEvent>) -> TerminalEvent {
    if let Some(event) = resize() {
        let _ = events.send(event);
    }
    TerminalEvent::Resumed
}

fn ending(number: i32) -> Option<Signal> {
    match number {
        SIGINT => Some(Signal::Interrupt),
        SIGQUIT => Some(Signal::Quit),
        SIGTERM => Some(Signal::Terminate),
        _ => None,
    }
}
