//! Stop strings over a stream of tokens: nothing of a stop string is ever shown, nothing else is held back for long.

use super::Step;

/// Watches the bytes of one sequence for strings that end it. Steps whose bytes may turn out to begin a stop string are
/// held until that is decided.
#[derive(Debug, Clone, Default)]
pub struct StopStrings {
    strings: Vec<Vec<u8>>,
    held: Vec<Step>,
    /// The bytes of `held`, one after the other.
    bytes: Vec<u8>,
}

/// What became of a step.
#[derive(Debug, Default)]
pub struct Watched {
    /// Steps that may be shown now, in order; [`Step::shown`] says how much of each.
    pub released: Vec<Step>,
    /// The stop string that ended the sequence.
    pub stopped_at: Option<String>,
}

impl StopStrings {
    /// Watches for any of `strings`; empty ones are ignored.
    pub fn new(strings: &[String]) -> Self {
        let strings = strings.iter().filter(|s| !s.is_empty()).map(|s| s.as_bytes().to_vec()).collect();
        Self { strings, held: Vec::new(), bytes: Vec::new() }
    }

    /// Takes the next step.
    pub fn push(&mut self, step: Step) -> Watched {
        self.bytes.extend_from_slice(&step.bytes[..step.shown]);
        self.held.push(step);

        let found = self
            .strings
            .iter()
            .filter_map(|stop| Some((position(&self.bytes, stop)?, stop)))
            .min_by_key(|(at, stop)| (*at, std::cmp::Reverse(stop.len())));
        if let Some((at, stop)) = found {
            let stopped_at = Some(String::from_utf8_lossy(stop).into_owned());
            return Watched { released: self.release_all(at), stopped_at };
        }

        // The longest end of the bytes that is the start of a stop string stays undecided.
        let undecided = self
            .strings
            .iter()
            .flat_map(|stop| (1..stop.len()).rev().find(|&n| self.bytes.ends_with(&stop[..n])))
            .max()
            .unwrap_or(0);
        let decided = self.bytes.len() - undecided;
        let mut end = 0;
        let whole = self.held.iter().take_while(|step| {
            end += step.shown;
            end <= decided
        });
        let count = whole.count();
        let released: Vec<_> = self.held.drain(..count).collect();
        self.bytes.drain(..released.iter().map(|step| step.shown).sum::<usize>());
        Watched { released, stopped_at: None }
    }

    /// The sequence ended for another reason: what is held is text after all.
    pub fn finish(&mut self) -> Vec<Step> {
        self.release_all(self.bytes.len())
    }

    /// Releases everything, of which the first `shown` bytes are text.
    fn release_all(&mut self, shown: usize) -> Vec<Step> {
        let mut left = shown;
        self.bytes.clear();
        std::mem::take(&mut self.held)
            .into_iter()
            .map(|mut step| {
                step.shown = step.shown.min(left);
                left -= step.shown;
                step
            })
            .collect()
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
