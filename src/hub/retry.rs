//! Which failures are tried again, and after how long.

use std::time::Duration;

use super::HubError;
use super::config::Patience;
use super::http::{Broken, Reply};

/// A try that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: HubError,
    pub(super) again: Again,
}

/// Whether another try makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    No,
    /// After the usual wait.
    Backoff,
    /// Not before this time has passed.
    After(Duration),
}

impl Failed {
    pub(super) fn transient(error: HubError) -> Self {
        Self { error, again: Again::Backoff }
    }

    pub(super) fn broken(broken: Broken, url: &str) -> Self {
        let again = match broken {
            Broken::Silent(_) | Broken::Cut(_) => Again::Backoff,
            Broken::Cancelled | Broken::Final(_) => Again::No,
        };
        Self { error: broken.into_error(url), again }
    }
}

impl From<HubError> for Failed {
    fn from(error: HubError) -> Self {
        Self { error, again: Again::No }
    }
}

/// Counts the tries that brought nothing.
#[derive(Debug)]
pub(super) struct Retry {
    patience: Patience,
    failures: u32,
}

impl Retry {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, failures: 0 }
    }

    /// Forgets earlier failures: the last try got further than any before it.
    pub(super) fn progressed(&mut self) {
        self.failures = 0;
    }

    /// The number of the next try, from 2.
    pub(super) fn next_attempt(&self) -> u32 {
        self.failures + 1
    }

    /// How long to wait before the next try, or the error if there is to be none.
    pub(super) fn after(&mut self, failed: Failed) -> Result<(Duration, String), HubError> {
        self.failures += 1;
        let backoff = self.patience.backoff * 2_u32.pow((self.failures - 1).min(3));
        let wait = match failed.again {
            Again::No => return Err(failed.error),
            Again::Backoff => backoff,
            Again::After(wait) if wait > self.patience.longest_wait => return Err(failed.error),
            Again::After(wait) => wait.max(backoff),
        };
        if self.failures >= self.patience.attempts {
            return Err(failed.error);
        }
        Ok((wait, failed.error.to_string()))
    }
}

/// Whether a status says "later" rather than "no" (huggingface_hub's list, and 408).
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// How long the server asks to wait: `Retry-After` in seconds, or the IETF `ratelimit` header with nothing left.
pub(super) fn retry_after(reply: &Reply) -> Option<Duration> {
    let seconds = |text: &str| text.trim().parse::<u64>().ok().map(Duration::from_secs);
    reply.header("retry-after").and_then(seconds).or_else(|| {
        let limit = reply.header("ratelimit")?;
        let field = |key: &str| limit.split(';').find_map(|part| part.trim().strip_prefix(key)?.strip_prefix('='));
        (field("r")? == "0").then(|| seconds(field("t")?)).flatten()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    fn failure(again: Again) -> Failed {
        Failed { error: HubError::Cancelled, again }
    }

    #[test]
    fn waits_double_and_end() {
        let mut retry = Retry::new(Patience { attempts: 6, ..Patience::default() });
        let waits: Vec<_> =
            std::iter::from_fn(|| retry.after(failure(Again::Backoff)).ok().map(|(wait, _)| wait.as_secs())).collect();
        assert_eq!(waits, [1, 2, 4, 8, 8]);
        retry.progressed();
        assert_eq!(retry.after(failure(Again::Backoff)).unwrap().0.as_secs(), 1);
    }

    #[test]
    fn asked_waits_are_kept_within_reason() {
        let mut retry = Retry::new(Patience::default());
        assert_eq!(retry.after(failure(Again::After(Duration::from_secs(7)))).unwrap().0.as_secs(), 7);
        assert!(retry.after(failure(Again::After(Duration::from_secs(3600)))).is_err());
        assert!(Retry::new(Patience::default()).after(failure(Again::No)).is_err());
    }
}
