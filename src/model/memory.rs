//! What a model needs in memory, and what is free.

use super::{DecoderConfig, Dtype, ModelError, Result};

/// Bytes that a model takes while it runs on a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Weights.
    pub weights: u64,
    /// Keys and values of one sequence at full context: 2 · layers · n_positions · C.
    pub cache: u64,
    /// Activations of one prefill chunk, keys and values of a layer as attention packs them, logits.
    pub working: u64,
}

impl MemoryEstimate {
    /// Rows of logits that are held at once where a text is scored.
    pub const LOGIT_ROWS: usize = 32;

    /// The estimate for a configuration and a dtype of weights, prompts being read `chunk` tokens at a time.
    pub fn of(config: &DecoderConfig, dtype: Dtype, chunk: usize) -> Self {
        let float = size_of::<f32>() as u64;
        let (c, f, n) = (config.n_embd as u64, config.n_inner as u64, config.n_positions as u64);
        let chunk = (chunk as u64).min(n);
        Self {
            weights: config.weight_bytes(dtype),
            cache: Self::cache_of(config, config.n_positions),
            working: (chunk * (8 * c + 3 * f) + 3 * n * c + 2 * Self::LOGIT_ROWS as u64 * config.vocab as u64) * float,
        }
    }

    /// Bytes of the keys and values of some tokens of one sequence: 2 · layers · C floats a token.
    pub fn cache_of(config: &DecoderConfig, tokens: usize) -> u64 {
        (2 * config.n_layer * config.n_embd * tokens * size_of::<f32>()) as u64
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights + self.cache + self.working
    }

    /// Refuses what is not free.
    ///
    /// # Errors
    /// [`ModelError::Memory`] with the parts of the estimate. Where the system does not say what is free, nothing is refused.
    pub fn check(&self, free: Option<u64>) -> Result<()> {
        const MB: u64 = 1_000_000;
        match free {
            Some(free) if free < self.total() => Err(ModelError::Memory {
                need_mb: self.total() / MB,
                weights_mb: self.weights / MB,
                cache_mb: self.cache / MB,
                working_mb: self.working / MB,
                free_mb: free / MB,
            }),
            _ => Ok(()),
        }
    }
}

/// Bytes that this process can still take: what the kernel calls available, within the limit of its control group.
/// `None` where the system does not say (anything but Linux).
pub fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let available = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024;
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    // "max" does not parse, so a group without a limit gives none.
    let within_group = number("/sys/fs/cgroup/memory.max")
        .zip(number("/sys/fs/cgroup/memory.current"))
        .map(|(limit, used)| limit.saturating_sub(used));
    Some(within_group.map_or(available, |group| group.min(available)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_does_not_fit_is_refused_with_the_parts() {
        let estimate = MemoryEstimate { weights: 500_000_000, cache: 75_000_000, working: 25_000_000 };
        assert!(estimate.check(Some(600_000_000)).is_ok());
        assert!(estimate.check(None).is_ok());
        let message = estimate.check(Some(599_000_000)).map_err(|error| error.to_string());
        assert_eq!(
            message,
            Err("the model needs about 600 MB of memory (weights 500, cache 75, working space 25) and 599 MB are free; \
                 close something or take a smaller model"
                .to_owned())
        );
    }
}
