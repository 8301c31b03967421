//! What a model needs in memory, and what is free.

use std::fs;
use std::path::{Path, PathBuf};

use super::{DecoderConfig, Dtype, ModelError, Result};

const MB: u64 = 1_000_000;

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

/// Bytes that several sequences take beside the model while they are sampled side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchEstimate {
    /// How many sequences.
    pub sequences: usize,
    /// Tokens that each of them adds at most.
    pub tokens: usize,
    /// Keys and values: of the prompt once, of what each sequence adds.
    pub cache: u64,
    /// A row of logits for each, before and after the pass, and the sampling chain's working set over the vocabulary.
    pub logits: u64,
    /// Activations of a pass with a row for each, and what is kept of each sampled token.
    pub working: u64,
}

/// What sampling keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Candidates of each sampled token.
    pub top: usize,
    /// Whether the chain works on the whole vocabulary: its first stage keeps no fixed number of tokens.
    pub whole_row: bool,
}

impl BatchEstimate {
    /// Bytes of the sampling chain for each entry of the vocabulary: id, logit, probability.
    const CHAIN: u64 = 12;
    /// Bytes kept of a sampled token, its candidates aside.
    const STEP: u64 = 512;
    /// Bytes of a candidate.
    const CANDIDATE: u64 = 16;

    /// The estimate for sequences that begin with the same `prompt` tokens, of which each adds up to `tokens`.
    pub fn of(config: &DecoderConfig, sequences: usize, prompt: usize, tokens: usize, kept: Kept) -> Self {
        let (count, vocab) = (sequences as u64, config.vocab as u64);
        let float = size_of::<f32>() as u64;
        let row = (8 * config.n_embd + 3 * config.n_inner) as u64 * float;
        let chain = if kept.whole_row { Self::CHAIN } else { 0 };
        let kept = Self::STEP + kept.top as u64 * Self::CANDIDATE;
        Self {
            sequences,
            tokens,
            cache: MemoryEstimate::cache_of(config, prompt)
                + count.saturating_mul(MemoryEstimate::cache_of(config, tokens)),
            logits: count.saturating_mul(vocab * (2 * float + chain)),
            working: count.saturating_mul(row + tokens as u64 * kept),
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.cache.saturating_add(self.logits).saturating_add(self.working)
    }

    /// Refuses what is not free.
    ///
    /// # Errors
    /// [`ModelError::BatchMemory`] with the parts. Where the system does not say what is free, nothing is refused.
    pub fn check(&self, free: Option<u64>) -> Result<()> {
        match free {
            Some(free) if free < self.total() => Err(ModelError::BatchMemory {
                sequences: self.sequences,
                tokens: self.tokens,
                need_mb: self.total() / MB,
                cache_mb: self.cache / MB,
                logits_mb: self.logits / MB,
                working_mb: self.working / MB,
                free_mb: free / MB,
            }),
            _ => Ok(()),
        }
    }
}

/// Bytes that this process can still take: what the kernel calls available, within the limits of its control groups
/// (versions 1 and 2) and of its address space. `None` where the system does not say (anything but Linux).
pub fn free_memory() -> Option<u64> {
    let free = free_below(Path::new("/"))?;
    Some(address_space_left().map_or(free, |left| left.min(free)))
}

/// The same, without the limit of the address space, of the system whose root folder is `root`.
fn free_below(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let available = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024;
    Some(group_folders(root).iter().filter_map(|folder| left_in_group(folder)).fold(available, u64::min))
}

/// The folders of the control groups that this process is in, with those above them: each can have a limit.
fn group_folders(root: &Path) -> Vec<PathBuf> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut folders = Vec::new();
    for line in groups.lines() {
        // cgroups(7): "hierarchy:controllers:path"; version 2 names no controllers.
        let mut fields = line.splitn(3, ':');
        let (_, Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let mount = match controllers {
            "" => "sys/fs/cgroup",
            all if all.split(',').any(|name| name == "memory") => "sys/fs/cgroup/memory",
            _ => continue,
        };
        let path = Path::new(path.trim_start_matches('/'));
        folders.extend(path.ancestors().map(|path| root.join(mount).join(path)));
    }
    // In a container the path can be that of the host, and the group's own files lie at the mount.
    folders.extend(["sys/fs/cgroup", "sys/fs/cgroup/memory"].map(|mount| root.join(mount)));
    folders.sort();
    folders.dedup();
    folders
}

/// Bytes left of a group's limit; `None` without one. Cached files count as used and are given back when memory is short.
fn left_in_group(folder: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    // "max" does not parse, so a group without a limit gives none.
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let (limit, used, cached) = match number("memory.max").zip(number("memory.current")) {
        Some((limit, used)) => (limit, used, "inactive_file "),
        None => {
            let limit = number("memory.limit_in_bytes")?;
            (limit, number("memory.usage_in_bytes")?, "total_inactive_file ")
        }
    };
    let statistics = read("memory.stat").unwrap_or_default();
    let cached = statistics.lines().find_map(|line| line.strip_prefix(cached)?.trim().parse::<u64>().ok());
    Some(limit.saturating_sub(used.saturating_sub(cached.unwrap_or(0))))
}

/// Bytes left of the limit of the address space (`ulimit -v`), which counts what is reserved and not only what is used.
fn address_space_left() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: getrlimit only writes to the struct that it is given.
        let known = unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) } == 0;
        if !known || limit.rlim_cur == libc::RLIM_INFINITY {
            return None;
        }
        // proc(5): the first number of statm is the size of the address space in pages.
        let statm = fs::read_to_string("/proc/self/statm").ok()?;
        let pages = statm.split_whitespace().next()?.parse::<u64>().ok()?;
        // SAFETY: sysconf has no preconditions.
        let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
        Some(limit.rlim_cur.saturating_sub(pages * page))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
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

    #[test]
    fn a_batch_that_does_not_fit_is_refused_with_the_parts() {
        let batch =
            BatchEstimate { sequences: 3000, tokens: 64, cache: 400_000_000, logits: 80_000_000, working: 20_000_000 };
        assert!(batch.check(Some(500_000_000)).is_ok() && batch.check(None).is_ok());
        let said = batch.check(Some(300_000_000)).unwrap_err().to_string();
        assert_eq!(
            said,
            "3000 sequences of up to 64 tokens need about 500 MB of memory (keys and values 400, logits 80, working space \
             20) and 300 MB are free; take fewer samples or fewer tokens"
        );
    }

    /// The least of what the machine has and of every limit around the process, as each kind of system writes it.
    #[test]
    fn every_limit_counts() {
        let free = |files: &[(&str, &str)]| {
            let root = tempfile::tempdir().unwrap();
            let meminfo = ("proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    8000 kB\n");
            for (name, text) in files.iter().chain([&meminfo]) {
                let path = root.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            free_below(root.path())
        };
        assert_eq!(free(&[]), Some(8000 * 1024));
        // Version 2: a limit of the group, one of the group above, and files that can be given back.
        let group = "sys/fs/cgroup/user.slice/app";
        let (max, current, stat) =
            (format!("{group}/memory.max"), format!("{group}/memory.current"), format!("{group}/memory.stat"));
        let own = ("proc/self/cgroup", "0::/user.slice/app\n");
        let group = [own, (&max, "5000000\n"), (&current, "3000000\n"), (&stat, "anon 1\ninactive_file 500000\n")];
        assert_eq!(free(&group), Some(2_500_000));
        let above =
            [("sys/fs/cgroup/user.slice/memory.max", "900000"), ("sys/fs/cgroup/user.slice/memory.current", "1")];
        assert_eq!(free(&[&group[..], &above].concat()), Some(899_999));
        assert_eq!(free(&[own, (&max, "max\n"), (&current, "3000000\n")]), Some(8000 * 1024));
        // A container that sees its own group at the mount.
        let mount = [("sys/fs/cgroup/memory.max", "4000000"), ("sys/fs/cgroup/memory.current", "1000000")];
        assert_eq!(free(&mount), Some(3_000_000));
        // Version 1.
        let old = "sys/fs/cgroup/memory/job";
        let (limit, usage) = (format!("{old}/memory.limit_in_bytes"), format!("{old}/memory.usage_in_bytes"));
        let own = ("proc/self/cgroup", "5:cpu:/x\n4:memory:/job\n0::/\n");
        assert_eq!(free(&[own, (&limit, "300000"), (&usage, "100000")]), Some(200_000));
        assert_eq!(free(&[own, (&limit, "9223372036854771712"), (&usage, "100000")]), Some(8000 * 1024));
    }
}
