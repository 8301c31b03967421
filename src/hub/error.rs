//! What can go wrong with the hub, each with what to do about it.

use crate::text::figures::bytes;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a look-up, a download or a cache operation failed. The text of each says what to do.
///
/// Text that came from a server is cut to a few hundred characters and holds no control characters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The name cannot be a repository or a revision.
    #[error("'{given}' is not a model name: {reason}. Write org/name or org/name@revision, e.g. openai-community/gpt2")]
    InvalidModelRef {
        /// What was given, made printable.
        given: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// A setting from the environment cannot be used.
    #[error("{name} is set to '{value}', but {reason}")]
    InvalidSetting {
        /// The variable.
        name: &'static str,
        /// Its value, made printable.
        value: String,
        /// What is wrong and what would do.
        reason: &'static str,
    },
    /// No variable says where the cache is, and no home folder is known.
    #[error(
        "it is not known where downloads are kept: there is no home folder; set HOME, or HF_HOME to the folder that shall hold them"
    )]
    NoCacheFolder,
    /// The hub knows no such repository, or hides it.
    #[error("{endpoint} has no model '{id}'. Check the spelling; if it is private or gated, {login}{detail}")]
    NoSuchRepository {
        /// The repository.
        id: String,
        /// The hub that was asked.
        endpoint: String,
        /// What to do about the token.
        login: &'static str,
        /// The request id, or nothing.
        detail: String,
    },
    /// The repository has no such branch, tag or commit.
    #[error(
        "'{id}' has no revision '{revision}'. Leave the revision out for 'main', or look at {endpoint}/{id}/commits"
    )]
    NoSuchRevision {
        /// The repository.
        id: String,
        /// The revision asked for.
        revision: String,
        /// The hub that was asked.
        endpoint: String,
    },
    /// The repository has no such file at that revision.
    #[error("'{id}' has no file '{file}' at revision '{revision}'")]
    NoSuchFile {
        /// The repository.
        id: String,
        /// The file asked for.
        file: String,
        /// The revision.
        revision: String,
    },
    /// The repository's owner wants to be asked first.
    #[error("'{id}' is gated: ask for access at {url}, then {login}{detail}")]
    Gated {
        /// The repository.
        id: String,
        /// Where to ask.
        url: String,
        /// What to do about the token.
        login: &'static str,
        /// The server's words, or nothing.
        detail: String,
    },
    /// The token was refused.
    #[error("{endpoint} refused the token: make a new one at {endpoint}/settings/tokens and set HF_TOKEN{detail}")]
    Unauthorized {
        /// The hub that was asked.
        endpoint: String,
        /// The server's words, or nothing.
        detail: String,
    },
    /// The server says no (403 without a reason we know).
    #[error(
        "{url} is forbidden{detail}. If a signed link expired or a proxy is in the way, try again; otherwise check what the token may read"
    )]
    Forbidden {
        /// What was asked for.
        url: String,
        /// The server's words, or nothing.
        detail: String,
    },
    /// The repository holds no weights that kshot reads.
    #[error(
        "'{id}' has no safetensors weights, only {found}. Choose a repository or a revision with model.safetensors (the hub's 'Files' tab offers a conversion as refs/pr/N), or convert it: AutoModelForCausalLM.from_pretrained('{id}').save_pretrained(FOLDER), then use FOLDER as the model"
    )]
    NoSafetensors {
        /// The repository.
        id: String,
        /// The weight files that it has instead.
        found: String,
    },
    /// The repository lacks a file without which there is no model.
    #[error("'{id}' at {commit} is not a complete model: no {missing}. Choose another repository or revision")]
    Incomplete {
        /// The repository.
        id: String,
        /// The commit.
        commit: String,
        /// The files that are missing.
        missing: String,
    },
    /// The model is not in the cache and must not or cannot be fetched.
    #[error("'{model}' is not in the cache {cache}{missing}: {why}")]
    NotCached {
        /// The model.
        model: String,
        /// The cache that was searched.
        cache: PathBuf,
        /// What is missing of it, or nothing.
        missing: String,
        /// Why it was not fetched, and what to do.
        why: String,
    },
    /// The hub asks to be left alone for a while.
    #[error("{host} limits the rate of requests{}. Wait, or set HF_TOKEN: logged-in users get more", after(.retry_after))]
    RateLimited {
        /// The host.
        host: String,
        /// How long to wait, if it said so.
        retry_after: Option<Duration>,
    },
    /// The server failed, again and again.
    #[error(
        "{url} answered {status}{detail}. The hub may be having trouble: try again later, what was fetched is kept"
    )]
    Server {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The server's words, or nothing.
        detail: String,
    },
    /// No connection, or it broke and could not be mended.
    #[error(
        "cannot reach {host}: {detail}. Check the network, HF_ENDPOINT and the proxy settings; --offline uses only what is cached, and the model built-in needs no network"
    )]
    Network {
        /// The host.
        host: String,
        /// The cause.
        detail: String,
    },
    /// The peer went silent or trickled.
    #[error("{host} sent too little for {} s. Try again: the download goes on where it stopped (HF_HUB_DOWNLOAD_TIMEOUT sets the wait)", .after.as_secs_f32())]
    Timeout {
        /// The host.
        host: String,
        /// How long we waited.
        after: Duration,
    },
    /// Redirects without end.
    #[error("{url} redirects in a circle. Check HF_ENDPOINT")]
    TooManyRedirects {
        /// Where it began.
        url: String,
    },
    /// A redirect that we do not follow.
    #[error("{from} redirects to {to}, which is refused: {reason}")]
    RedirectRefused {
        /// Where it began.
        from: String,
        /// Where it points, made printable.
        to: String,
        /// Why.
        reason: &'static str,
    },
    /// Something answers, but it is no hub.
    #[error(
        "{url} does not answer as a Hugging Face hub: {reason}. Check HF_ENDPOINT, and log in to the network if it has a sign-in page"
    )]
    NotAHub {
        /// What was asked for.
        url: String,
        /// What gave it away.
        reason: String,
    },
    /// A web page came where a file should.
    #[error(
        "{url} sent a web page instead of '{file}'. Log in to the network if it has a sign-in page (captive portal), or check HF_ENDPOINT and the proxy"
    )]
    WebPage {
        /// What was asked for.
        url: String,
        /// The file.
        file: String,
    },
    /// The bytes are not those the hub names.
    #[error(
        "'{file}' is not what its name says: expected {expected}, got {got}. Nothing was kept; try again, and if it stays so suspect a proxy, the memory or the disk"
    )]
    HashMismatch {
        /// The file.
        file: String,
        /// The hash that the hub names (sha256 or git sha1).
        expected: String,
        /// The hash of the bytes.
        got: String,
    },
    /// The file has another length than the hub says.
    #[error(
        "'{file}' has the wrong length: expected {expected} bytes, got {got}. Nothing was kept; try again, and if it stays so suspect a proxy"
    )]
    SizeMismatch {
        /// The file.
        file: String,
        /// Bytes that the hub names.
        expected: u64,
        /// Bytes that the server sends.
        got: u64,
    },
    /// The hub names no hash for the file.
    #[error(
        "'{file}' cannot be verified: its etag '{etag}' is neither a sha256 nor a git sha1. Use the hub itself instead of this mirror (HF_ENDPOINT)"
    )]
    Unverifiable {
        /// The file.
        file: String,
        /// The etag, made printable.
        etag: String,
    },
    /// A file name from the server that would leave the cache.
    #[error("the hub names a file '{file}' that would leave the cache folder: refused")]
    UnsafePath {
        /// The name, made printable.
        file: String,
    },
    /// There is not enough room.
    #[error("disk full: {} needed at {path}, {} free. Free some space (kshot models rm), or set HF_HOME to a folder on another disk", bytes(*.needed), bytes(*.available))]
    DiskFull {
        /// Bytes still to be written.
        needed: u64,
        /// Bytes that are free.
        available: u64,
        /// Where.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The person stopped it.
    #[error("cancelled; what was fetched is kept, and the next pull goes on from there")]
    Cancelled,
}

impl HubError {
    /// Whether the hub could not be reached at all (so that the cache may answer instead), as opposed to
    /// an answer that says no.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Network { .. }
                | Self::Timeout { .. }
                | Self::Server { .. }
                | Self::RateLimited { .. }
                | Self::NotAHub { .. }
        )
    }

    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// Text from outside, made fit for an error message: no control or bidirectional-override characters, runs of
/// white space joined, at most `limit` characters.
pub(super) fn clean(text: &str, limit: usize) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let printable: String = text.chars().take(limit * 4).map(|c| if hidden(c) { ' ' } else { c }).collect();
    let joined = printable.split_whitespace().collect::<Vec<_>>().join(" ");
    match joined.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &joined[..end]),
        None => joined,
    }
}

fn after(wait: &Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!(" and asks to wait {} s", wait.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_text_is_cleaned() {
        let cases = [
            ("plain", 10, "plain"),
            ("a\x1b[31mb\r\n\tc", 20, "a [31mb c"),
            ("\u{202e}evil\u{200b}", 20, "evil"),
            ("0123456789abc", 10, "0123456789…"),
            ("\u{9b}31m", 10, "31m"),
            ("日本語のテキスト", 3, "日本語…"),
        ];
        for (text, limit, expected) in cases {
            assert_eq!(clean(text, limit), expected, "{text:?}");
        }
        assert!(clean(&"x".repeat(1 << 20), 300).len() < 400);
    }
}
