//! The name of a model on the hub: `org/name[@revision]`.

use std::fmt;
use std::str::FromStr;

use super::HubError;

const DEFAULT_REVISION: &str = "main";
const MAX_PART: usize = 96;
const MAX_REVISION: usize = 200;

/// A repository on the hub and, if given, a revision: `org/name`, `org/name@v1.0`, `gpt2`.
///
/// A value of this type is safe as a path and as a URL segment: the rules are those of
/// `huggingface_hub/utils/_validators.py` (`validate_repo_id`), with ASCII revisions only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelRef {
    id: String,
    revision: Option<String>,
}

impl ModelRef {
    /// The repository: `org/name`, or a bare name for the hub's oldest models (`gpt2`).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The revision to use: a branch, a tag, a pull-request ref or a commit; `main` where none was given.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(DEFAULT_REVISION)
    }

    /// The revision as it was written, if one was.
    pub fn explicit_revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// The commit, if the revision is one (40 lower-case hex digits): then nothing about it can change.
    pub fn commit(&self) -> Option<&str> {
        self.explicit_revision().filter(|revision| is_commit(revision))
    }

    /// The same repository at another revision.
    ///
    /// # Errors
    /// [`HubError::InvalidModelRef`] if the revision cannot be one.
    pub fn at(&self, revision: &str) -> Result<Self, HubError> {
        check_revision(revision).map_err(|reason| invalid(revision, reason))?;
        Ok(Self { id: self.id.clone(), revision: Some(revision.to_owned()) })
    }
}

impl FromStr for ModelRef {
    type Err = HubError;

    fn from_str(given: &str) -> Result<Self, HubError> {
        let (id, revision) = match given.split_once('@') {
            Some((id, revision)) => (id, Some(revision)),
            None => (given, None),
        };
        check_id(id).map_err(|reason| invalid(given, reason))?;
        if let Some(revision) = revision {
            check_revision(revision).map_err(|reason| invalid(given, reason))?;
        }
        Ok(Self { id: id.to_owned(), revision: revision.map(str::to_owned) })
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        match &self.revision {
            Some(revision) => write!(f, "@{revision}"),
            None => Ok(()),
        }
    }
}

/// Whether `text` is a full git commit hash as the hub writes it.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && is_lower_hex(text)
}

pub(super) fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether a file name from a server stays inside the folder it is joined to, on every platform.
pub(super) fn is_safe_path(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= 512
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
        && !path.chars().any(|c| c.is_control() || matches!(c, '\\' | ':'))
}

fn invalid(given: &str, reason: &'static str) -> HubError {
    HubError::InvalidModelRef { given: super::error::clean(given, 120), reason }
}

fn check_id(id: &str) -> Result<(), &'static str> {
    if id.is_empty() {
        return Err("the name is empty");
    }
    if id.matches('/').count() > 1 {
        return Err("a name has at most one '/'");
    }
    for part in id.split('/') {
        if part.is_empty() || part.len() > MAX_PART {
            return Err("each side of the '/' has 1 to 96 characters");
        }
        if !part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
            return Err("only ASCII letters, digits, '-', '_' and '.' are allowed");
        }
        if part.starts_with(['-', '.']) || part.ends_with(['-', '.']) {
            return Err("no part starts or ends with '-' or '.'");
        }
    }
    if id.contains("--") || id.contains("..") {
        return Err("'--' and '..' are not allowed");
    }
    if id.ends_with(".git") {
        return Err("a name does not end in '.git'");
    }
    Ok(())
}

fn check_revision(revision: &str) -> Result<(), &'static str> {
    if revision.is_empty() || revision.len() > MAX_REVISION {
        return Err("a revision has 1 to 200 characters");
    }
    if !revision.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'+')) {
        return Err("a revision has only ASCII letters, digits, '-', '_', '.', '+' and '/'");
    }
    if revision.split('/').any(|part| part.is_empty() || part.starts_with(['.', '-']) || part.ends_with('.')) {
        return Err("no part of a revision is empty or starts with '.' or '-'");
    }
    if revision.contains("..") {
        return Err("'..' is not allowed in a revision");
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_hub_allows() {
        let commit = "607a30d783dfa663caf39e06633721c8d4cfcd7e";
        let cases = [
            ("openai-community/gpt2", "openai-community/gpt2", "main", false),
            ("gpt2", "gpt2", "main", false),
            ("a/b@refs/pr/1", "a/b", "refs/pr/1", false),
            ("a_b.c/d-e.f@v1.0+x", "a_b.c/d-e.f", "v1.0+x", false),
            (&format!("gpt2@{commit}"), "gpt2", commit, true),
        ];
        for (given, id, revision, pinned) in cases {
            let model: ModelRef = given.parse().unwrap();
            assert_eq!((model.id(), model.revision(), model.commit().is_some()), (id, revision, pinned), "{given}");
            assert_eq!(model.to_string(), given);
        }
    }

    #[test]
    fn rejects_hostile_names() {
        let long = "x".repeat(97);
        let cases = [
            "",
            "/",
            "a/",
            "/a",
            "a/b/c",
            "../etc",
            "a/..",
            "..",
            ".",
            "a/../b",
            "a b",
            "a/b c",
            "a/b\n",
            "a/\x1b[31m",
            "a%2F..",
            "a\\b",
            "C:/x",
            "http://x/y",
            "a--b",
            "a/b..c",
            "a/b.git",
            "-a/b",
            "a/b-",
            "文/模",
            "a/b@",
            "a/b@/x",
            "a/b@x//y",
            "a/b@x/../y",
            "a/b@..",
            "a/b@x y",
            "a/b@-x",
            "a/b@.x",
            "a/b@x\0",
            "a/b@x@y",
            "a/b@x?y",
            "a/b#c",
            &long,
        ];
        let accepted: Vec<_> = cases.iter().filter(|given| given.parse::<ModelRef>().is_ok()).collect();
        assert!(accepted.is_empty(), "accepted: {accepted:?}");
    }

    #[test]
    fn errors_carry_no_control_characters() {
        let error = "a/\x1b]0;owned\x07".parse::<ModelRef>().unwrap_err().to_string();
        assert!(!error.chars().any(char::is_control), "{error:?}");
        assert!(error.contains("only ASCII letters"), "{error}");
    }

    #[test]
    fn server_paths_stay_inside() {
        let cases = [
            ("config.json", true),
            ("onnx/model.onnx", true),
            ("../x", false),
            ("a/../b", false),
            ("/etc/passwd", false),
            ("a//b", false),
            ("C:x", false),
            ("a\\b", false),
            ("", false),
            ("a/./b", false),
            ("a\0b", false),
        ];
        for (path, safe) in cases {
            assert_eq!(is_safe_path(path), safe, "{path:?}");
        }
    }
}
