//! The modes of the terminal, set and taken back as one.
//!
//! A process has one terminal, and a panic hook, a signal thread and a signal handler must be able to restore it, so its
//! state is global: the thread that clears [`ACTIVE`] restores, and so it happens once. All output goes out whole, under
//! one lock.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
    EnableMouseCapture, KeyboardEnhancementFlags, PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
};
use crossterm::style::ResetColor;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
#[cfg(not(unix))]
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, queue};

use super::Mouse;
#[cfg(unix)]
use super::tty::{disable_raw_mode, enable_raw_mode};

/// Whether the modes are set. Nothing is drawn while they are not.
static ACTIVE: AtomicBool = AtomicBool::new(false);
static MOUSE: AtomicBool = AtomicBool::new(false);
/// Whether the terminal knows the kitty keyboard protocol.
static KITTY: AtomicBool = AtomicBool::new(false);
static OUTPUT: Mutex<()> = Mutex::new(());

/// Which optional modes are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Modes {
    pub(super) mouse: Mouse,
    pub(super) keyboard: Keyboard,
}

/// How keys are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyboard {
    /// As terminals always did.
    Legacy,
    /// By the kitty protocol, escape codes told apart.
    Kitty,
}

impl Modes {
    fn wanted() -> Self {
        Self {
            mouse: if MOUSE.load(Ordering::SeqCst) { Mouse::On } else { Mouse::Off },
            keyboard: if KITTY.load(Ordering::SeqCst) { Keyboard::Kitty } else { Keyboard::Legacy },
        }
    }

    /// What takes the screen over.
    pub(super) fn write_enter(self, out: &mut impl Write) -> io::Result<()> {
        queue!(out, EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange)?;
        if self.mouse == Mouse::On {
            queue!(out, EnableMouseCapture)?;
        }
        if self.keyboard == Keyboard::Kitty {
            write_kitty(out)?;
        }
        Ok(())
    }

    /// What gives it back: the reverse, for terminals keep keyboard flags with each screen.
    pub(super) fn write_leave(self, out: &mut impl Write) -> io::Result<()> {
        if self.keyboard == Keyboard::Kitty {
            queue!(out, PopKeyboardEnhancementFlags)?;
        }
        if self.mouse == Mouse::On {
            queue!(out, DisableMouseCapture)?;
        }
        queue!(out, DisableFocusChange, DisableBracketedPaste, ResetColor, LeaveAlternateScreen, cursor::Show)
    }
}

fn write_kitty(out: &mut impl Write) -> io::Result<()> {
    queue!(out, PushKeyboardEnhancementFlags(KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES))
}

/// Whether the terminal is ours now.
pub(super) fn are_set() -> bool {
    ACTIVE.load(Ordering::SeqCst)
}

/// Sets the modes.
pub(super) fn enter() -> io::Result<()> {
    let _output = hold_output();
    enter_held()
}

/// Takes the modes back, once however often and from wherever it is called.
pub(super) fn restore() -> io::Result<()> {
    let _output = hold_output();
    restore_held()
}

/// Restores the terminal inside a signal handler: no lock, no allocation, only calls that POSIX allows there.
#[cfg(unix)]
pub(super) fn restore_in_handler() {
    if !ACTIVE.swap(false, Ordering::SeqCst) {
        return;
    }
    // The frame that is being written is cut off; a string that was open is ended by CAN.
    let parts: [(bool, &[u8]); 4] = [
        (true, b"\x18\x1b[?2026l"),
        (KITTY.load(Ordering::SeqCst), LEAVE_KITTY),
        (MOUSE.load(Ordering::SeqCst), LEAVE_MOUSE),
        (true, LEAVE),
    ];
    for (_, bytes) in parts.iter().filter(|(wanted, _)| *wanted) {
        // The process is about to end, whatever the terminal says.
        let _ = write_out(bytes);
    }
    let _ = disable_raw_mode();
}

/// What [`Modes::write_leave`] writes, as constants for a signal handler.
#[cfg(unix)]
const LEAVE_KITTY: &[u8] = b"\x1b[<1u";
#[cfg(unix)]
const LEAVE_MOUSE: &[u8] = b"\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l";
#[cfg(unix)]
const LEAVE: &[u8] = b"\x1b[?1004l\x1b[?2004l\x1b[0m\x1b[?1049l\x1b[?25h";

/// Sets the modes again after the process was stopped and continued from outside, which may leave them in any state.
#[cfg(unix)]
pub(super) fn enter_again() -> io::Result<()> {
    let _output = hold_output();
    if !ACTIVE.load(Ordering::SeqCst) {
        return Ok(());
    }
    let restored = restore_held();
    enter_held().and(restored)
}

/// Gives the terminal back, runs `stopped`, and takes it over again; nothing is drawn meanwhile.
#[cfg(unix)]
pub(super) fn around(stopped: impl FnOnce()) -> io::Result<()> {
    let _output = hold_output();
    let restored = restore_held();
    stopped();
    enter_held().and(restored)
}

/// Remembers whether the mouse is wanted, and sets it where the modes are set.
pub(super) fn set_mouse(mouse: Mouse) -> io::Result<()> {
    let _output = hold_output();
    MOUSE.store(mouse == Mouse::On, Ordering::SeqCst);
    if !ACTIVE.load(Ordering::SeqCst) {
        return Ok(());
    }
    let mut bytes = Vec::new();
    match mouse {
        Mouse::On => queue!(bytes, EnableMouseCapture)?,
        Mouse::Off => queue!(bytes, DisableMouseCapture)?,
    }
    write_out(&bytes)
}

/// The terminal has said that it knows the kitty protocol.
#[cfg(unix)]
pub(super) fn use_kitty() -> io::Result<()> {
    let _output = hold_output();
    if KITTY.swap(true, Ordering::SeqCst) || !ACTIVE.load(Ordering::SeqCst) {
        return Ok(());
    }
    let mut bytes = Vec::new();
    write_kitty(&mut bytes)?;
    write_out(&bytes)
}

/// Writes a frame, or drops it where the terminal is not ours.
pub(super) fn write_frame(bytes: &[u8]) -> io::Result<()> {
    let _output = hold_output();
    if bytes.is_empty() || !ACTIVE.load(Ordering::SeqCst) || in_background() {
        return Ok(());
    }
    write_out(bytes)
}

fn enter_held() -> io::Result<()> {
    enable_raw_mode()?;
    ACTIVE.store(true, Ordering::SeqCst);
    let mut bytes = Vec::new();
    Modes::wanted().write_enter(&mut bytes)?;
    write_out(&bytes)
}

fn restore_held() -> io::Result<()> {
    if !ACTIVE.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    let mut bytes = Vec::new();
    let written = Modes::wanted().write_leave(&mut bytes).and_then(|()| write_out(&bytes));
    disable_raw_mode().and(written)
}

/// The lock on the output, unless a thread hangs while holding it: a terminal that takes no bytes must not keep a panic
/// or a signal from restoring.
fn hold_output() -> Option<MutexGuard<'static, ()>> {
    for _ in 0..100 {
        match OUTPUT.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
    None
}

/// Writes past the standard library's lock, which a thread that hangs or panics may hold.
#[cfg(unix)]
fn write_out(bytes: &[u8]) -> io::Result<()> {
    super::tty::write_all(libc::STDOUT_FILENO, bytes)
}

#[cfg(not(unix))]
fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

#[cfg(unix)]
fn in_background() -> bool {
    super::tty::in_background()
}

#[cfg(not(unix))]
fn in_background() -> bool {
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use super::*;

    #[test]
    fn what_is_set_is_taken_back_in_reverse() {
        let cases = [
            (Mouse::Off, Keyboard::Legacy),
            (Mouse::On, Keyboard::Legacy),
            (Mouse::Off, Keyboard::Kitty),
            (Mouse::On, Keyboard::Kitty),
        ];
        for (mouse, keyboard) in cases {
            let modes = Modes { mouse, keyboard };
            let (mut enter, mut leave) = (Vec::new(), Vec::new());
            modes.write_enter(&mut enter).unwrap();
            modes.write_leave(&mut leave).unwrap();
            let (enter, leave) = (String::from_utf8(enter).unwrap(), String::from_utf8(leave).unwrap());
            let set = private_modes(&enter, 'h');
            let mut reset = private_modes(&leave, 'l');
            reset.sort_unstable();
            let mut sorted = set.clone();
            sorted.sort_unstable();
            assert_eq!(reset, sorted, "{modes:?}");
            assert_eq!(set.first(), Some(&1049), "the alternate screen first");
            assert!(leave.ends_with("\x1b[?1049l\x1b[?25h"), "and left last, with the cursor shown: {leave:?}");
            assert_eq!(set.contains(&1006), mouse == Mouse::On);
            assert_eq!(
                (enter.ends_with("\x1b[>1u"), leave.starts_with("\x1b[<1u")),
                (keyboard == Keyboard::Kitty, keyboard == Keyboard::Kitty)
            );
            #[cfg(unix)]
            {
                let optional = |wanted: bool, bytes: &'static [u8]| if wanted { bytes } else { &[] };
                let constants = [
                    optional(keyboard == Keyboard::Kitty, LEAVE_KITTY),
                    optional(mouse == Mouse::On, LEAVE_MOUSE),
                    LEAVE,
                ];
                assert_eq!(leave.as_bytes(), constants.concat(), "a signal handler writes the same");
            }
        }
    }

    fn private_modes(text: &str, action: char) -> Vec<u32> {
        let sequences = text.split('\x1b').filter_map(|s| s.strip_prefix("[?")?.strip_suffix(action));
        sequences.map(|number| number.parse().unwrap()).collect()
    }
}
