//! Progress events of a pull.

use std::time::{Duration, Instant};

/// At most 20 transfer events a second.
const EVENT_EVERY: Duration = Duration::from_millis(50);
/// Time constant of the smoothed rate: long enough to be readable, short enough to follow a stall.
const RATE_TIME: f64 = 3.0;

/// One step of a pull or of a verification.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// What is going to be done.
    Plan {
        /// Files of the model.
        files: usize,
        /// Their size together, in bytes.
        bytes: u64,
        /// Bytes of them that are here already, half-fetched files included.
        present: u64,
    },
    /// Bytes are coming in (or being read, for a verification).
    Transfer(Transfer),
    /// Another process is fetching this file; its result will be used.
    Waiting {
        /// The file.
        file: String,
    },
    /// Something failed and is tried again.
    Retrying {
        /// The file.
        file: String,
        /// The try that follows, from 2.
        attempt: u32,
        /// The wait before it.
        wait: Duration,
        /// What failed.
        reason: String,
    },
    /// A file is complete and its bytes are those that the hub names.
    Verified {
        /// The file.
        file: String,
    },
    /// The hub could not be asked; the cached model is used.
    FromCache {
        /// What was wrong.
        reason: String,
    },
}

/// The state of a transfer.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// The file at hand.
    pub file: String,
    /// Its bytes so far.
    pub file_done: u64,
    /// Its bytes in all.
    pub file_bytes: u64,
    /// Bytes of all files so far.
    pub done: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Smoothed bytes a second, once something is known about it.
    pub rate: Option<f64>,
    /// Time left at that rate.
    pub eta: Option<Duration>,
}

/// Counts bytes, smooths the rate and thins out the events.
pub(super) struct Meter<'a> {
    sink: &'a mut dyn FnMut(Progress),
    file: String,
    file_done: u64,
    file_bytes: u64,
    /// Bytes of the files before this one.
    before: u64,
    bytes: u64,
    /// Bytes that came since `sampled`.
    fresh: u64,
    sampled: Instant,
    rate: Option<f64>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(bytes: u64, sink: &'a mut dyn FnMut(Progress)) -> Self {
        Self {
            sink,
            file: String::new(),
            file_done: 0,
            file_bytes: 0,
            before: 0,
            bytes,
            fresh: 0,
            sampled: Instant::now(),
            rate: None,
        }
    }

    pub(super) fn tell(&mut self, event: Progress) {
        (self.sink)(event);
    }

    /// Begins a file of `bytes`.
    pub(super) fn begin(&mut self, file: &str, bytes: u64) {
        self.file = file.to_owned();
        self.file_done = 0;
        self.file_bytes = bytes;
        self.emit();
    }

    /// Sets how much of the file is here: after finding a partial file, or on starting again.
    pub(super) fn reset(&mut self, file_done: u64) {
        self.file_done = file_done;
        self.emit();
    }

    /// Counts bytes that came over the line.
    pub(super) fn add(&mut self, count: u64) {
        self.file_done += count;
        self.fresh += count;
        self.tick();
    }

    /// Lets time pass, so that the rate falls while nothing comes.
    pub(super) fn tick(&mut self) {
        let elapsed = self.sampled.elapsed();
        if elapsed >= EVENT_EVERY {
            self.sample(elapsed);
            self.emit();
        }
    }

    /// Ends the file.
    pub(super) fn end(&mut self) {
        self.file_done = self.file_bytes;
        self.emit();
        self.before += self.file_bytes;
        self.file_bytes = 0;
        self.file_done = 0;
    }

    fn sample(&mut self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        let now = self.fresh as f64 / seconds;
        let weight = 1.0 - (-seconds / RATE_TIME).exp();
        self.rate = Some(self.rate.map_or(now, |rate| rate + weight * (now - rate)));
        self.fresh = 0;
        self.sampled = Instant::now();
    }

    fn emit(&mut self) {
        let done = self.before + self.file_done;
        let left = self.bytes.saturating_sub(done) as f64;
        let eta = self.rate.filter(|rate| *rate >= 1.0).map(|rate| Duration::from_secs_f64((left / rate).min(1e9)));
        (self.sink)(Progress::Transfer(Transfer {
            file: self.file.clone(),
            file_done: self.file_done,
            file_bytes: self.file_bytes,
            done,
            bytes: self.bytes,
            rate: self.rate,
            eta,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_thinned_out_and_sums_hold() {
        let mut events = Vec::new();
        let mut sink = |event| events.push(event);
        let mut meter = Meter::new(3_000_000, &mut sink);
        meter.begin("a", 2_000_000);
        for _ in 0..1_000_000 {
            meter.add(1);
        }
        meter.reset(500_000);
        meter.add(1_500_000);
        meter.end();
        meter.begin("b", 1_000_000);
        meter.end();
        let transfers: Vec<_> =
            events.iter().filter_map(|e| if let Progress::Transfer(t) = e { Some(t) } else { None }).collect();
        assert!(transfers.len() < 60, "{} events", transfers.len());
        assert_eq!(transfers.first().map(|t| (t.file_done, t.done)), Some((0, 0)));
        assert_eq!(transfers.last().map(|t| (t.file_done, t.done, t.bytes)), Some((1_000_000, 3_000_000, 3_000_000)));
        assert!(transfers.iter().all(|t| t.file_done <= t.file_bytes && t.done <= t.bytes));
    }
}
