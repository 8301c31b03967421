//! The terminal's file descriptor: waiting, reading, writing, job control.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

/// Where keys come from: standard input, or `/dev/tty` where that is a pipe with text (crossterm chooses the same).
#[derive(Debug)]
pub(super) enum Tty {
    Stdin,
    Device(File),
}

/// What a wait found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    /// The terminal has bytes.
    Keys,
    /// The other descriptor has bytes.
    Woken,
    /// Nothing in the time given.
    Nothing,
    /// The terminal is gone.
    HungUp,
    /// This system can't wait for this terminal (macOS and `/dev/tty`).
    Unknown,
}

impl Tty {
    pub(super) fn open() -> io::Result<Self> {
        if io::stdin().is_terminal() {
            return Ok(Self::Stdin);
        }
        File::options().read(true).write(true).open("/dev/tty").map(Self::Device)
    }

    fn fd(&self) -> RawFd {
        match self {
            Self::Stdin => libc::STDIN_FILENO,
            Self::Device(file) => file.as_raw_fd(),
        }
    }

    /// Waits for keys or for `wake`, without limit where no time is given.
    pub(super) fn wait(&self, wake: Option<BorrowedFd<'_>>, time: Option<Duration>) -> io::Result<Ready> {
        self.poll(libc::POLLIN, wake, time)
    }

    /// Waits for the terminal to go, and for nothing else.
    pub(super) fn wait_for_end(&self, time: Duration) -> io::Result<Ready> {
        self.poll(0, None, Some(time))
    }

    fn poll(&self, events: i16, wake: Option<BorrowedFd<'_>>, time: Option<Duration>) -> io::Result<Ready> {
        let wake = wake.map_or(-1, |fd| fd.as_raw_fd());
        let mut fds = [
            libc::pollfd { fd: self.fd(), events, revents: 0 },
            libc::pollfd { fd: wake, events: libc::POLLIN, revents: 0 },
        ];
        let time = time.map_or(-1, |time| i32::try_from(time.as_millis()).unwrap_or(i32::MAX));
        // SAFETY: `fds` is an array of two that lives through the call; a descriptor of -1 is skipped.
        let found = unsafe { libc::poll(fds.as_mut_ptr(), 2, time) };
        if found < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(Ready::Nothing) } else { Err(error) };
        }
        let [tty, wake] = fds.map(|fd| fd.revents);
        Ok(if tty & (libc::POLLHUP | libc::POLLERR) != 0 {
            Ready::HungUp
        } else if wake != 0 {
            Ready::Woken
        } else if tty & libc::POLLNVAL != 0 {
            Ready::Unknown
        } else if tty & libc::POLLIN != 0 {
            Ready::Keys
        } else {
            Ready::Nothing
        })
    }

    /// Reads what is there, at most the length of `bytes`.
    pub(super) fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the pointer and length are those of `bytes`.
        let count = unsafe { libc::read(self.fd(), bytes.as_mut_ptr().cast(), bytes.len()) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }
}

/// Writes all bytes, waiting where a descriptor that does not block is full.
pub(super) fn write_all(fd: RawFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the pointer and length are those of `bytes`.
        let count = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(count) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error if error.kind() == io::ErrorKind::WouldBlock => wait_for_room(fd),
                error => return Err(error),
            },
        }
    }
    Ok(())
}

fn wait_for_room(fd: RawFd) {
    let mut fds = [libc::pollfd { fd, events: libc::POLLOUT, revents: 0 }];
    // SAFETY: `fds` is an array of one that lives through the call.
    unsafe { libc::poll(fds.as_mut_ptr(), 1, 100) };
}

/// Whether another process group has the terminal (we were continued with `bg`).
pub(super) fn in_background() -> bool {
    // SAFETY: both calls take and return plain integers.
    let (terminal, own) = unsafe { (libc::tcgetpgrp(libc::STDOUT_FILENO), libc::getpgrp()) };
    terminal > 0 && terminal != own
}

/// Stops the process until it is continued in the foreground.
pub(super) fn stop() {
    loop {
        super::signals::expect_continue();
        // SIGSTOP and not SIGTSTP: the latter is dropped in an orphaned process group.
        // SAFETY: raising a signal in the own process touches no memory.
        unsafe { libc::raise(libc::SIGSTOP) };
        if !in_background() {
            return;
        }
    }
}

/// Ends the process at once, with no destructor run.
pub(super) fn exit_now(code: u8) -> ! {
    // SAFETY: ends the process; nothing is touched after it.
    unsafe { libc::_exit(i32::from(code)) }
}
