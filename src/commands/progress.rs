//! One line on stderr that says how far something is: redrawn in place on a terminal, a plain line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use kshot::text::sanitise;

/// Least time between two redraws of the line on a terminal.
const REDRAW: Duration = Duration::from_millis(100);
/// Least time between two plain lines.
const PLAIN: Duration = Duration::from_secs(10);
/// Cells of the bar.
const BAR: usize = 24;
/// Erases the line the cursor is in.
const ERASE: &str = "\r\x1b[2K";

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing {
    /// Bytes done.
    pub(crate) done: u64,
    /// Bytes in all.
    pub(crate) total: u64,
    /// Bytes a second, where known.
    pub(crate) rate: Option<f64>,
    /// Time left, where known.
    pub(crate) left: Option<Duration>,
}

/// The line. Dropping it clears what stands on a terminal.
pub(crate) struct ProgressLine {
    terminal: bool,
    wait: Duration,
    last: Instant,
    drawn: bool,
}

impl ProgressLine {
    /// A line that first shows itself after a short while, so that what is quick stays silent.
    pub(crate) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let wait = if terminal { REDRAW } else { PLAIN };
        Self { terminal, wait, last: Instant::now(), drawn: false }
    }

    /// Shows where `what` stands, unless that was shown a moment ago.
    pub(crate) fn show(&mut self, what: &str, at: Standing) {
        if self.last.elapsed() < self.wait {
            return;
        }
        self.last = Instant::now();
        let mut stderr = std::io::stderr().lock();
        // A progress line that cannot be written is no reason to end the job.
        let _ = match self.terminal {
            true => write!(stderr, "{ERASE}{}", line(what, at)).and_then(|()| stderr.flush()),
            false => writeln!(stderr, "{}", line(what, at)),
        };
        self.drawn = self.terminal;
    }

    /// Says something above the line.
    pub(crate) fn say(&mut self, text: &str) {
        let erase = if std::mem::take(&mut self.drawn) { ERASE } else { "" };
        let _ = writeln!(std::io::stderr(), "{erase}{}", sanitise::line(text));
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.drawn {
            let _ = write!(std::io::stderr(), "{ERASE}");
        }
    }
}

fn line(what: &str, at: Standing) -> String {
    let share = if at.total == 0 { 1.0 } else { (at.done as f64 / at.total as f64).clamp(0.0, 1.0) };
    let full = (share * BAR as f64) as usize;
    let mut line = format!(
        "{} [{}{}] {:3.0}%  {} of {}",
        sanitise::line(what),
        "#".repeat(full),
        "-".repeat(BAR - full),
        share * 100.0,
        bytes(at.done),
        bytes(at.total)
    );
    if let Some(rate) = at.rate {
        line += &format!("  {}/s", bytes(rate as u64));
    }
    if let Some(left) = at.left {
        line += &format!("  {} left", duration(left));
    }
    line
}

/// A size as people read it, in powers of ten as the hub and the disks count.
pub(crate) fn bytes(count: u64) -> String {
    match count as f64 {
        c if c >= 1e9 => format!("{:.2} GB", c / 1e9),
        c if c >= 1e6 => format!("{:.1} MB", c / 1e6),
        c if c >= 1e3 => format!("{:.1} kB", c / 1e3),
        c => format!("{c} B"),
    }
}

fn duration(time: Duration) -> String {
    match time.as_secs() {
        s if s >= 3600 => format!("{}h{:02}m", s / 3600, s / 60 % 60),
        s if s >= 60 => format!("{}m{:02}s", s / 60, s % 60),
        s => format!("{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let at =
            |done, total, rate, left: Option<u64>| Standing { done, total, rate, left: left.map(Duration::from_secs) };
        let cases = [
            (at(0, 0, None, None), "x [########################] 100%  0 B of 0 B"),
            (
                at(274_000_000, 548_000_000, Some(2.5e6), Some(110)),
                "x [############------------]  50%  274.0 MB of 548.0 MB  2.5 MB/s  1m50s left",
            ),
            (
                at(1, 6_430_000_000, Some(0.0), Some(7260)),
                "x [------------------------]   0%  1 B of 6.43 GB  0 B/s  2h01m left",
            ),
            (at(9, 8, None, None), "x [########################] 100%  9 B of 8 B"),
        ];
        for (at, expected) in cases {
            assert_eq!(line("x", at), expected);
        }
    }
}
