//! The terminal's file descriptor: waiting, reading, writing, job control.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

/// Where keys come from: standard input, or `/dev/tty` where that is a pipe with text.
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
    /// This system does not say when this terminal goes (macOS and `/dev/tty`); reading from it then fails.
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

    /// Whether the terminal is gone.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.wait_for_end(Duration::ZERO), Ok(Ready::HungUp))
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
        Ok(if wake != 0 {
            Ready::Woken
        } else if tty & libc::POLLNVAL != 0 {
            if events == 0 { Ready::Unknown } else { self.select(time)? }
        } else if tty & libc::POLLIN != 0 {
            // What was typed before the terminal went is read first; after it there is an end or an error.
            Ready::Keys
        } else if tty & (libc::POLLHUP | libc::POLLERR) != 0 {
            Ready::HungUp
        } else {
            Ready::Nothing
        })
    }

    /// macOS can `select` from `/dev/tty`, but not `poll` it. Looks up for a wake-up ten times a second.
    fn select(&self, milliseconds: i32) -> io::Result<Ready> {
        let fd = self.fd();
        let wait = if (0..100).contains(&milliseconds) { milliseconds } else { 100 };
        if !(0..1024).contains(&fd) {
            return Err(io::Error::other("the terminal has a file descriptor that select cannot wait for"));
        }
        let mut time = libc::timeval { tv_sec: 0, tv_usec: libc::suseconds_t::from(wait) * 1000 };
        // SAFETY: a descriptor set is plain data, for which zeroes are the empty set; `fd` is below FD_SETSIZE, so that
        // setting its bit stays within it; both pointers are to locals that live through the call.
        let found = unsafe {
            let mut read: libc::fd_set = std::mem::zeroed();
            libc::FD_SET(fd, &raw mut read);
            libc::select(fd + 1, &raw mut read, std::ptr::null_mut(), std::ptr::null_mut(), &raw mut time)
        };
        match found {
            0 => Ok(Ready::Nothing),
            1.. => Ok(Ready::Keys),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(Ready::Nothing),
                error => Err(error),
            },
        }
    }

    /// Reads what is there, at most the length of `bytes`.
    pub(super) fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the pointer and length are those of `bytes`.
        let count = unsafe { libc::read(self.fd(), bytes.as_mut_ptr().cast(), bytes.len()) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }
}

/// The modes of the terminal before it was taken over, and where it is: what a signal handler needs to restore it. A new
/// place each time, which is never freed: a handler may be reading the one before.
static SAVED: AtomicPtr<(RawFd, libc::termios)> = AtomicPtr::new(std::ptr::null_mut());

/// Raw mode: each key at once, unchanged and not echoed.
pub(super) fn enable_raw_mode() -> io::Result<()> {
    // The descriptor stays open for a handler to use.
    static TTY: OnceLock<Tty> = OnceLock::new();
    let fd = match TTY.get() {
        Some(tty) => tty.fd(),
        None => {
            let tty = Tty::open()?;
            TTY.get_or_init(|| tty).fd()
        }
    };
    // SAFETY: plain data, all of which `tcgetattr` writes where it succeeds.
    let mut modes: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a local that lives through the call.
    check(unsafe { libc::tcgetattr(fd, &raw mut modes) })?;
    SAVED.store(Box::into_raw(Box::new((fd, modes))), Ordering::SeqCst);
    // SAFETY: both calls get a pointer to a local that lives through them.
    check(unsafe {
        libc::cfmakeraw(&raw mut modes);
        libc::tcsetattr(fd, libc::TCSANOW, &raw const modes)
    })
}

/// Back to the modes that [`enable_raw_mode`] found. May be called in a signal handler.
pub(super) fn disable_raw_mode() -> io::Result<()> {
    let saved = SAVED.load(Ordering::SeqCst);
    if saved.is_null() {
        return Ok(());
    }
    // SAFETY: what the pointer is to was made from a box, is never freed, and is written before it is stored; `tcsetattr`
    // is async-signal-safe (POSIX, 2.4.3).
    check(unsafe { libc::tcsetattr((*saved).0, libc::TCSANOW, &raw const (*saved).1) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
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
