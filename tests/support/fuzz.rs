//! Mutations from a seed, and what reading one may cost: no panic, 2 s of processor time, a bound of memory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand08::Rng;

/// Counts bytes in use and their peak.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is the system allocator's, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: memory and layout of `alloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TIME: Duration = Duration::from_secs(2);

/// What reading cost, and whether all of it was good.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) good: bool,
    pub(crate) time: Duration,
    pub(crate) memory: usize,
}

/// Runs a reader. It fails by panicking, by more than 2 s of processor time, by more than `memory` bytes.
pub(crate) fn watch(memory: usize, read: impl FnOnce() -> bool) -> Result<Cost, String> {
    let before = IN_USE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let start = clock();
    let done = catch_unwind(AssertUnwindSafe(read));
    let time = clock().saturating_sub(start);
    let taken = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    match done {
        Err(panic) => {
            let said = panic.downcast_ref::<String>().cloned();
            Err(said.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default())
        }
        Ok(_) if time > TIME => Err(format!("took {time:?}")),
        Ok(_) if taken > memory => Err(format!("took {taken} bytes where {memory} are allowed")),
        Ok(good) => Ok(Cost { good, time, memory: taken }),
    }
}

/// Processor time of this thread, which other programs' load does not lengthen; elsewhere than on unix the wall clock.
fn clock() -> Duration {
    #[cfg(unix)]
    {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the kernel writes one timespec.
        let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
        assert_eq!(done, 0);
        Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
    }
    #[cfg(not(unix))]
    {
        std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap()
    }
}

/// A number of the environment.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap())
}

/// What stands well in the place of a number, a word or a piece.
const PIECES: &[&str] = &[
    "0",
    "-1",
    "1",
    "255",
    "256",
    "257",
    "258",
    "65535",
    "1048576",
    "1048577",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "-1e400",
    "0.5",
    "1e-400",
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "\"\"",
    "\"x\"",
    "[0,0]",
    "[1048576,1048576]",
    "[4294967296,4294967296]",
    "[9223372036854775807,2]",
    "\"F64\"",
    "\"BOOL\"",
    "\"F4\"",
    "\"F8_E8M0\"",
    "\"gelu\"",
    "\"prelu\"",
    "\"../x\"",
    "\"(a{1000}){1000}\"",
    "\"(?=a){99}\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\u{1b}[2J",
    "\r\n",
    " ",
    "a b\nb a\n",
    "\"Sequence\"",
    "\"__metadata__\"",
    "NaN",
    "Infinity",
    "//",
    "[[[[[[[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
];

/// Ranges of numbers, words in quotes and bare words.
fn values(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
                at = (at + 1).min(bytes.len());
                found.push(start..at);
            }
            b'0'..=b'9' | b'-' | b'a'..=b'z' => {
                while at < bytes.len() && matches!(bytes[at], b'0'..=b'9' | b'-' | b'.' | b'a'..=b'z' | b'+') {
                    at += 1;
                }
                found.push(start..at);
            }
            _ => at += 1,
        }
    }
    found
}

/// One change.
pub(crate) fn mutate(bytes: &mut Vec<u8>, other: &[u8], rng: &mut ChaCha8Rng) {
    let range = |rng: &mut ChaCha8Rng, len: usize, most: usize| {
        let from = rng.gen_range(0..=len);
        from..(from + rng.gen_range(0..=most)).min(len)
    };
    match rng.gen_range(0..12) {
        0 if !bytes.is_empty() => {
            let at = rng.gen_range(0..bytes.len());
            bytes[at] ^= 1 << rng.gen_range(0..8);
        }
        1 if !bytes.is_empty() => {
            let at = rng.gen_range(0..bytes.len());
            bytes[at] = *[0, 0xff, 0x7f, 0x80, b'"', b'{', b'}', b'[', b']', b',', b':', b'\\']
                .get(rng.gen_range(0..12))
                .unwrap();
        }
        2 => drop(bytes.drain(range(rng, bytes.len(), 64))),
        3 => {
            let piece = bytes[range(rng, bytes.len(), 256)].to_vec();
            let at = rng.gen_range(0..=bytes.len());
            bytes.splice(at..at, piece);
        }
        4 => {
            let piece: Vec<u8> = (0..rng.gen_range(0..16)).map(|_| rng.r#gen()).collect();
            let at = rng.gen_range(0..=bytes.len());
            bytes.splice(at..at, piece);
        }
        5 => bytes.truncate(rng.gen_range(0..=bytes.len())),
        6 => {
            let piece = other[range(rng, other.len(), 512)].to_vec();
            let at = range(rng, bytes.len(), 512);
            bytes.splice(at, piece);
        }
        7..=10 => {
            let found = values(&bytes[..bytes.len().min(8192)]);
            if let Some(at) = (!found.is_empty()).then(|| found[rng.gen_range(0..found.len())].clone()) {
                let piece = if rng.gen_range(0..3) == 0 {
                    bytes[found[rng.gen_range(0..found.len())].clone()].to_vec()
                } else {
                    PIECES[rng.gen_range(0..PIECES.len())].as_bytes().to_vec()
                };
                bytes.splice(at, piece);
            }
        }
        _ => {
            // One piece many times over.
            let piece = PIECES[rng.gen_range(0..PIECES.len())].as_bytes();
            let at = rng.gen_range(0..=bytes.len());
            bytes.splice(at..at, piece.repeat(rng.gen_range(1..400)));
        }
    }
}
