//! How figures came about: everything that decides what an item's result is.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::engine::{EngineError, ModelInfo};

use super::{Documents, EvalError, Instructions, Start};

/// What a result depends on beside the task, the number of shots and the number of the item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Protocol {
    /// The model.
    pub model: ModelIdentity,
    /// The dtype it is computed in.
    pub dtype: &'static str,
    /// What items and the order of examples are drawn from.
    pub seed: u64,
    /// Whether prompts begin with what is asked.
    pub instruction: Instructions,
    /// Which documents of task files are asked.
    pub documents: Documents,
    /// What stands in front of every prompt.
    pub start: Start,
    /// What the measures mean.
    #[serde(flatten)]
    pub definitions: Definitions,
}

/// Which model it was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelIdentity {
    /// The name that the user gave.
    pub name: String,
    /// The family of the decoder.
    pub family: &'static str,
    /// Number of weights, tied ones counted once.
    pub parameters: u64,
    /// sha256 over its files: configuration, weights, tokenizer.
    pub sha256: String,
    /// Bytes of these files.
    pub bytes: u64,
}

/// The measures in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the texts say it")]
pub struct Definitions {
    pub decoding: &'static str,
    pub exact_match: &'static str,
    pub choice: &'static str,
    pub choice_mean: &'static str,
    pub valid: &'static str,
    pub tokens: &'static str,
    pub examples: &'static str,
    pub too_long: &'static str,
}

/// The measures as they are computed now. A change of what is computed changes a text, and old results files are refused.
pub const DEFINITIONS: Definitions = Definitions {
    decoding: "greedy: the most likely token, of equals the lowest id; until a terminator of the item, <|endoftext|>, or \
        more bytes than the longest possible answer with its terminator",
    exact_match: "the answer ended by a terminator or <|endoftext|> equals the target, or another answer that the document \
        accepts, byte for byte, its leading space included",
    choice: "the choice with the largest sum of natural-log probabilities as continuation of the prompt (of equals the \
        first) is the target or another accepted answer",
    choice_mean: "as choice, with the sum divided by the number of the choice's tokens",
    valid: "the answer, ended as for an exact match, is one of the choices",
    tokens: "the prompt is tokenised alone; a choice's tokens are those of prompt and choice together beyond the prompt's, \
        where these begin with the prompt's, else those of the choice alone",
    examples: "of a suite drawn by its generator; of a task file its samples without the item itself, shuffled for each \
        item or, with `sampler: first_n`, as listed; k examples are the first k of one order",
    too_long: "prompt and longest answer have more tokens than the model has positions: not run, not in any rate",
};

impl ModelIdentity {
    /// Hashes the files of a model's folder, in order of their names.
    ///
    /// # Errors
    /// A file that cannot be read, being cancelled.
    pub fn of(info: &ModelInfo, cancel: &AtomicBool) -> Result<Self, EvalError> {
        let failed = |name: &str, source| EvalError::Io { path: info.files.path(name), source };
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut buffer = vec![0; 1 << 20];
        for name in info.files.names().into_iter().filter(|name| is_of_model(name)) {
            let (mut file, _) = info.files.open(&name).map_err(|e| failed(&name, e.into()))?;
            // Each file by the hash of its own, so that no byte can move from one to the next unseen.
            let mut own = Sha256::new();
            loop {
                if cancel.load(Ordering::Relaxed) {
                    return Err(EngineError::Cancelled.into());
                }
                match file.read(&mut buffer).map_err(|e| failed(&name, e))? {
                    0 => break,
                    read => {
                        own.update(&buffer[..read]);
                        bytes += read as u64;
                    }
                }
            }
            hash.update(format!("{}  {name}\n", super::hex(&own.finalize())));
        }
        Ok(Self {
            name: info.name.clone(),
            family: info.family,
            parameters: info.parameters,
            sha256: super::hex(&hash.finalize()),
            bytes,
        })
    }
}

/// Whether a file decides what the model computes or how text becomes tokens.
fn is_of_model(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "config.json",
        "model.safetensors.index.json",
        "tokenizer.json",
        "vocab.json",
        "merges.txt",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
    ];
    NAMES.contains(&name) || name.starts_with("model") && name.ends_with(".safetensors")
}
