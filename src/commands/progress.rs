//! One line on stderr that says how far something is: redrawn in place on a terminal, a plain line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use kshot::text::figures::{bytes, duration};
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
        self.draw(|columns| match columns {
            Some(columns) => fitting(what, at, columns),
            None => line(what, at),
        });
    }

    /// Shows how many of something are done, unless that was shown a moment ago.
    pub(crate) fn count(&mut self, what: &str, done: usize, total: usize, unit: &str) {
        self.draw(|columns| {
            let line = format!("{}  {done} of {total} {unit}", sanitise::line(what));
            line.chars().take(columns.map_or(usize::MAX, |columns| columns.saturating_sub(1))).collect()
        });
    }

    /// Draws a line, made for so many columns where it stands on a terminal.
    fn draw(&mut self, line: impl FnOnce(Option<usize>) -> String) {
        if self.last.elapsed() < self.wait {
            return;
        }
        self.last = Instant::now();
        let mut stderr = std::io::stderr().lock();
        // A progress line that cannot be written is no reason to end the job.
        let _ = match self.terminal {
            true => write!(stderr, "{ERASE}{}", line(Some(columns()))).and_then(|()| stderr.flush()),
            false => writeln!(stderr, "{}", line(None)),
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

/// Columns of the terminal; what is not known is taken to be the usual 80.
fn columns() -> usize {
    crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns))
}

/// The line within `columns`, one less than the terminal has: a line that wraps could not be redrawn in place. What does not
/// fit loses its bar, then its name, then its end.
fn fitting(what: &str, at: Standing, columns: usize) -> String {
    use unicode_width::UnicodeWidthStr;
    let whole = line(what, at);
    let bare = whole.replacen(&bar(at), "", 1).replacen("  ", " ", 1);
    let room = columns.saturating_sub(1);
    match [whole, bare].into_iter().find(|line| line.width() <= room) {
        Some(line) => line,
        None => line("", at).replacen(&bar(at), "", 1).trim_start().chars().take(room).collect(),
    }
}

fn share(at: Standing) -> f64 {
    if at.total == 0 { 1.0 } else { (at.done as f64 / at.total as f64).clamp(0.0, 1.0) }
}

fn bar(at: Standing) -> String {
    let full = (share(at) * BAR as f64) as usize;
    format!("[{}{}]", "#".repeat(full), "-".repeat(BAR - full))
}

fn line(what: &str, at: Standing) -> String {
    let mut line = format!(
        "{} {} {:3.0}%  {} of {}",
        sanitise::line(what),
        bar(at),
        share(at) * 100.0,
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
                "x [############------------]  50%  274 MB of 548 MB  2 MB/s  1 min 50 s left",
            ),
            (
                at(1, 6_430_000_000, Some(0.0), Some(7260)),
                "x [------------------------]   0%  1 B of 6.4 GB  0 B/s  2 h 1 min left",
            ),
            (at(9, 8, None, None), "x [########################] 100%  9 B of 8 B"),
        ];
        for (at, expected) in cases {
            assert_eq!(line("x", at), expected);
        }
        let at = at(274_000_000, 548_000_000, Some(2.5e6), Some(110));
        assert_eq!(fitting("model", at, 200), line("model", at));
        assert_eq!(fitting("model", at, 60), "model  50%  274 MB of 548 MB  2 MB/s  1 min 50 s left");
        assert_eq!(fitting("a-long-name-of-a-file", at, 55), "50%  274 MB of 548 MB  2 MB/s  1 min 50 s left");
        assert_eq!(fitting("model", at, 8), "50%  27");
    }
}
