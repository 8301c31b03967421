//! All that is known of one generation.

use std::sync::Arc;

use crate::engine::{Finish, GenerateRequest, ModelInfo, Step};
use crate::files::Files;
use crate::text::Tokenizer;

/// A generation that has ended.
#[derive(Debug, Clone)]
pub struct Record {
    /// The model that ran.
    pub model: Arc<ModelInfo>,
    /// Its vocabulary.
    pub tokenizer: Arc<Tokenizer>,
    /// What it was asked.
    pub request: GenerateRequest,
    /// How it ended.
    pub finish: Finish,
    /// The steps of each sequence.
    pub samples: Vec<Vec<Arc<Step>>>,
    /// The one that was chosen, where there are several.
    pub picked: Option<usize>,
}

/// What `-m` takes to find a model again: `built-in`, a hub id, or the folder.
pub(super) fn model_argument(model: &ModelInfo) -> String {
    match &model.files {
        Files::BuiltIn => model.name.clone(),
        Files::Folder(_) if commit(&model.files).is_some() => model.name.clone(),
        Files::Folder(folder) => {
            let path = folder.canonicalize().unwrap_or_else(|_| folder.clone());
            path.display().to_string()
        }
    }
}

/// The commit of a model in the hub's cache, whose layout is `models--org--name/snapshots/COMMIT`.
pub(super) fn commit(files: &Files) -> Option<String> {
    let Files::Folder(folder) = files else { return None };
    let commit = folder.file_name()?.to_str()?;
    let in_cache = folder.parent()?.file_name()? == "snapshots";
    let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    (in_cache && is_commit).then(|| commit.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_commit_is_read_off_the_cache_alone() {
        let hash = "607a30d783dfa663caf39e06633721c8d4cfcd7e";
        let folder = |path: String| Files::Folder(PathBuf::from(path));
        assert_eq!(commit(&folder(format!("/c/models--gpt2/snapshots/{hash}"))).as_deref(), Some(hash));
        assert_eq!(commit(&folder(format!("/c/models--gpt2/{hash}"))), None);
        assert_eq!(commit(&folder("/c/snapshots/main".to_owned())), None);
        assert_eq!(commit(&Files::BuiltIn), None);
    }
}
