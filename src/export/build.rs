//! Which program computed something, and on what.

use std::collections::BTreeMap;
use std::io::Read;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::engine::EngineError;
use crate::files::Files;
use crate::kernels;
use crate::model::{ModelError, weight_files};

/// A build of kshot on a machine: where all of it is equal, so is every bit of what it computes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The version of kshot.
    pub version: String,
    /// The commit it was built from, where the build was told.
    pub commit: Option<String>,
    /// The architecture, e.g. `x86_64`.
    pub arch: String,
    /// What the processor calls itself.
    pub cpu: String,
    /// The instruction set that the kernels use on it.
    pub tier: String,
    /// Threads it computes with.
    pub threads: usize,
}

impl Build {
    /// This program on this machine.
    pub fn here() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("KSHOT_COMMIT").map(str::to_owned),
            arch: std::env::consts::ARCH.to_owned(),
            cpu: cpu_name(),
            tier: kernels::Tier::current().name().to_owned(),
            threads: kernels::threads(),
        }
    }

    /// What differs from another build, in words; empty where nothing does.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let none = || "unknown".to_owned();
        let pairs = [
            ("version", self.version.clone(), other.version.clone()),
            ("commit", self.commit.clone().unwrap_or_else(none), other.commit.clone().unwrap_or_else(none)),
            ("architecture", self.arch.clone(), other.arch.clone()),
            ("processor", self.cpu.clone(), other.cpu.clone()),
            ("instructions", self.tier.clone(), other.tier.clone()),
            ("threads", self.threads.to_string(), other.threads.to_string()),
        ];
        let differing = pairs.into_iter().filter(|(_, mine, theirs)| mine != theirs);
        differing.map(|(what, mine, theirs)| format!("{what} {mine} there, {theirs} here")).collect()
    }
}

/// What the processor calls itself.
pub fn cpu_name() -> String {
    cpu_field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn cpu_field(name: &str) -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The SHA-256 of each file of a checkpoint's weights, by name.
pub(super) fn weights_sha256(files: &Files) -> Result<BTreeMap<String, String>, EngineError> {
    let hash = |name: String| {
        let failed = |source| ModelError::Io { path: files.path(&name), source };
        let (mut stream, _) = files.open(&name).map_err(ModelError::from)?;
        let (mut sha256, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => sha256.update(&buffer[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let hex = sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((name, hex))
    };
    let hashes = weight_files(files)?.into_iter().map(hash).collect::<Result<_, ModelError>>()?;
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn the_built_in_weights_have_the_hash_that_their_card_names() {
        let hashes = weights_sha256(&Files::BuiltIn).unwrap();
        let card = Files::BuiltIn.read("CARD.md", 1 << 20).unwrap().into_owned();
        let line = format!("{}  model.safetensors", hashes["model.safetensors"]);
        assert!(String::from_utf8(card).unwrap().contains(&line), "{line}");
    }

    #[test]
    fn builds_say_what_differs() {
        let here = Build::here();
        assert!(here.threads >= 1 && here.differences(&here).is_empty());
        let there = Build { tier: "abacus".to_owned(), ..here.clone() };
        assert_eq!(there.differences(&here), [format!("instructions abacus there, {} here", here.tier)]);
    }
}
