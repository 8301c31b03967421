//! Which files make up a model, on the hub and in a folder.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::HubError;
use super::model_ref::is_safe_path;
use super::remote::{RepoFile, RepoInfo};

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
const VOCAB: &str = "vocab.json";
const MERGES: &str = "merges.txt";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Small files that are taken where they exist.
const OPTIONAL: [&str; 4] =
    ["tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "added_tokens.json"];
/// An index of 1,000 shards and 100,000 tensors stays well below this.
const MAX_INDEX: u64 = 64 << 20;

/// What a pull fetches, in that order: small files first, weights last, so that weights mean a whole model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The commit they belong to.
    pub commit: String,
    /// The files.
    pub files: Vec<RepoFile>,
    /// Files that a loader may look for and that the repository does not have.
    pub absent: Vec<String>,
}

impl Plan {
    /// Chooses the files of a model from a repository's list.
    ///
    /// # Errors
    /// [`HubError::NoSafetensors`] or [`HubError::Incomplete`] if there is no model to be had, [`HubError::UnsafePath`]
    /// for a name that would leave the cache.
    pub fn new(id: &str, info: &RepoInfo) -> Result<Self, HubError> {
        let find = |name: &str| info.files.iter().find(|file| file.path == name);
        let lacks = |missing: &str| HubError::Incomplete {
            id: id.to_owned(),
            commit: info.commit.clone(),
            missing: missing.to_owned(),
        };
        let weights = weights_of(info).ok_or_else(|| no_safetensors(id, info))?;
        let config = find(CONFIG).ok_or_else(|| lacks(CONFIG))?;
        let tokenizer: Vec<_> = [TOKENIZER, VOCAB, MERGES].iter().filter_map(|name| find(name)).collect();
        let has = |name: &str| tokenizer.iter().any(|file| file.path == name);
        if !(has(TOKENIZER) || has(VOCAB) && has(MERGES)) {
            return Err(lacks("tokenizer.json, nor vocab.json with merges.txt"));
        }
        let optional = OPTIONAL.iter().filter_map(|name| find(name));
        let files: Vec<RepoFile> =
            std::iter::once(config).chain(optional).chain(tokenizer.iter().copied()).chain(weights).cloned().collect();
        if let Some(file) = files.iter().find(|file| !is_safe_path(&file.path)) {
            return Err(HubError::UnsafePath { file: super::error::clean(&file.path, 120) });
        }
        let absent =
            OPTIONAL.iter().chain(&[TOKENIZER]).filter(|name| find(name).is_none()).map(|name| (*name).to_owned());
        Ok(Self { commit: info.commit.clone(), absent: absent.collect(), files })
    }

    /// Bytes of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// What a folder lacks to be a model that can be loaded; empty if it is whole. Opens no connection.
pub fn missing_files(folder: &Path) -> Vec<String> {
    let has = |name: &str| folder.join(name).is_file();
    let mut missing = Vec::new();
    if !has(CONFIG) {
        missing.push(CONFIG.to_owned());
    }
    if !(has(TOKENIZER) || has(VOCAB) && has(MERGES)) {
        missing.push("tokenizer.json (or vocab.json with merges.txt)".to_owned());
    }
    if !has(WEIGHTS) {
        match shards_of(&folder.join(INDEX)) {
            Some(shards) => missing.extend(shards.into_iter().filter(|shard| !is_safe_path(shard) || !has(shard))),
            None => missing.push(WEIGHTS.to_owned()),
        }
    }
    missing
}

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

/// The shard files that an index names, if it is there and is one.
fn shards_of(index: &Path) -> Option<BTreeSet<String>> {
    if fs::metadata(index).ok()?.len() > MAX_INDEX {
        return None;
    }
    let index: Index = serde_json::from_slice(&fs::read(index).ok()?).ok()?;
    (!index.weight_map.is_empty()).then(|| index.weight_map.into_values().collect())
}

/// The single weight file, or the index with every shard (`model-00001-of-00003.safetensors`).
fn weights_of(info: &RepoInfo) -> Option<Vec<&RepoFile>> {
    let find = |name: &str| info.files.iter().find(|file| file.path == name);
    if let Some(single) = find(WEIGHTS) {
        return Some(vec![single]);
    }
    let mut files = vec![find(INDEX)?];
    let is_shard = |path: &str| {
        path.strip_prefix("model-").and_then(|rest| rest.strip_suffix(".safetensors")).is_some_and(|numbers| {
            numbers.split_once("-of-").is_some_and(|(number, count)| {
                let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                digits(number) && digits(count)
            })
        })
    };
    files.extend(info.files.iter().filter(|file| is_shard(&file.path)));
    (files.len() > 1).then_some(files)
}

fn no_safetensors(id: &str, info: &RepoInfo) -> HubError {
    let weights = [".bin", ".h5", ".msgpack", ".ot", ".pt", ".pth", ".ckpt", ".gguf", ".onnx", ".safetensors"];
    let found: Vec<_> = info
        .files
        .iter()
        .map(|file| super::error::clean(&file.path, 80))
        .filter(|path| weights.iter().any(|end| path.ends_with(end)))
        .take(6)
        .collect();
    let found = if found.is_empty() { "no weights at all".to_owned() } else { found.join(", ") };
    HubError::NoSafetensors { id: id.to_owned(), found }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    fn plan(names: &[&str]) -> Result<Vec<String>, String> {
        let file = |path: &&str| RepoFile { path: (*path).to_owned(), size: 1, hash: "a".repeat(40) };
        let info = RepoInfo { commit: "c".repeat(40), files: names.iter().map(file).collect() };
        let plan = Plan::new("a/b", &info).map_err(|error| error.to_string())?;
        Ok(plan.files.into_iter().map(|file| file.path).collect())
    }

    #[test]
    fn weights_come_last_and_foreign_formats_are_left() {
        let names = [
            "model.safetensors",
            "pytorch_model.bin",
            "README.md",
            "vocab.json",
            "merges.txt",
            "config.json",
            "generation_config.json",
        ];
        assert_eq!(
            plan(&names).unwrap(),
            ["config.json", "generation_config.json", "vocab.json", "merges.txt", "model.safetensors"]
        );
        let names = [
            "tokenizer.json",
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "model-old.safetensors",
        ];
        assert_eq!(
            plan(&names).unwrap(),
            [
                "config.json",
                "tokenizer.json",
                "model.safetensors.index.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors"
            ]
        );
    }

    #[test]
    fn what_is_no_model_says_so() {
        for (names, words) in [
            (
                &["config.json", "vocab.json", "merges.txt", "pytorch_model.bin", "tf_model.h5"][..],
                "pytorch_model.bin, tf_model.h5",
            ),
            (&["config.json"], "no weights at all"),
            (&["tokenizer.json", "model.safetensors"], "no config.json"),
            (&["config.json", "vocab.json", "model.safetensors"], "no tokenizer.json, nor vocab.json with merges.txt"),
            (&["config.json", "tokenizer.json", "model.safetensors.index.json"], "no safetensors weights"),
        ] {
            let error = plan(names).unwrap_err();
            assert!(error.contains(words), "{names:?}: {error}");
        }
    }

    #[test]
    fn folders_tell_what_they_lack() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(missing_files(folder.path()).len(), 3);
        write("config.json", "{}");
        write("vocab.json", "{}");
        write("merges.txt", "");
        assert_eq!(missing_files(folder.path()), ["model.safetensors"]);
        write(
            "model.safetensors.index.json",
            r#"{"weight_map":{"a":"s1.safetensors","b":"s2.safetensors","c":"s1.safetensors"}}"#,
        );
        write("s1.safetensors", "");
        assert_eq!(missing_files(folder.path()), ["s2.safetensors"]);
        write("s2.safetensors", "");
        assert!(missing_files(folder.path()).is_empty());
        write("model.safetensors.index.json", r#"{"weight_map":{"a":"../config.json"}}"#);
        assert_eq!(missing_files(folder.path()), ["../config.json"]);
    }
}
