//! Signals that end the process on the spot: the terminal is restored before they do.
//!
//! What they do by default stays what they do: the exit status, the core dump, Rust's message about an overflown stack.
//! Everything in the handler is async-signal-safe.

use std::io;
use std::sync::OnceLock;

use libc::{c_int, c_void, siginfo_t};

use super::modes;

/// The process is at fault: returning from the handler runs into the same fault again.
const FAULTS: [c_int; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGSYS];
/// Sent by the process itself, by another one, or by a limit.
const SENT: [c_int; 8] = [
    libc::SIGABRT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGXCPU,
    libc::SIGXFSZ,
];

/// What was done for each signal before.
static PREVIOUS: [OnceLock<libc::sigaction>; 64] = [const { OnceLock::new() }; 64];

/// Sees to it that these signals restore the terminal. What is ignored stays ignored.
pub(super) fn restore_before_the_end() -> io::Result<()> {
    for signal in FAULTS.into_iter().chain(SENT) {
        // SAFETY: plain data, for which zeroes are "by default, no flags, no other signal blocked".
        let (mut action, mut previous): (libc::sigaction, libc::sigaction) = unsafe { std::mem::zeroed() };
        let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = handle;
        action.sa_sigaction = handler as usize;
        // On the stack that Rust sets aside for an overflow of the usual one.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: both pointers are to locals that live through the call, and the handler has the signature of SA_SIGINFO.
        let changed = unsafe { libc::sigaction(signal, &raw const action, &raw mut previous) };
        if changed != 0 {
            return Err(io::Error::last_os_error());
        }
        if previous.sa_sigaction == libc::SIG_IGN {
            // SAFETY: the pointer is to a local, which holds what the system wrote.
            unsafe { libc::sigaction(signal, &raw const previous, std::ptr::null_mut()) };
        } else if let Some(slot) = usize::try_from(signal).ok().and_then(|signal| PREVIOUS.get(signal)) {
            let _ = slot.set(previous);
        }
    }
    Ok(())
}

extern "C" fn handle(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
    modes::restore_in_handler();
    let previous = usize::try_from(signal).ok().and_then(|signal| PREVIOUS.get(signal)?.get());
    // SAFETY: `info` is what the system passes to a handler with SA_SIGINFO; the action is what `sigaction` wrote, or
    // zeroes, which is the default one; `raise` and `sigaction` are async-signal-safe. The signal is blocked until this
    // handler returns, and is then taken as the action says.
    unsafe {
        let comes_again = FAULTS.contains(&signal) && (*info).si_code > 0;
        // Rust's handler of a fault expects it to come again, and lets one that was sent pass.
        let action = previous.filter(|_| comes_again).copied().unwrap_or_else(|| std::mem::zeroed());
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        if !comes_again {
            libc::raise(signal);
        }
    }
}
