//! Error responses of the hub, as errors that say what to do.
//!
//! The rules are those of `hf_raise_for_status` (huggingface_hub, `utils/_http.py`): the header X-Error-Code decides,
//! then the status.

use super::HubError;
use super::error::clean;
use super::http::Reply;
use super::remote::Remote;
use super::retry::{Again, Failed, is_transient, retry_after};
use super::url::{Origin, plain};

const MAX_WORDS: usize = 300;

impl Remote<'_> {
    /// What an answer of 400 or more means. Reads a little of its body for the server's own words.
    pub(super) fn refusal(&self, reply: &mut Reply, file: Option<&str>) -> Failed {
        let status = reply.status;
        let endpoint = self.config.endpoint.clone();
        let id = self.model.id().to_owned();
        if status == 429 {
            let wait = retry_after(reply);
            let error = HubError::RateLimited { host: reply.host(), retry_after: wait };
            return Failed { error, again: wait.map_or(Again::Backoff, Again::After) };
        }
        let detail = self.words(reply);
        if is_transient(status) {
            let error = HubError::Server { url: plain(&reply.url), status, detail };
            return Failed { error, again: retry_after(reply).map_or(Again::Backoff, Again::After) };
        }
        if Origin::of(&reply.url) != Origin::of(&endpoint) {
            // A signed link to the store may have expired: the next try gets a new one from the hub.
            return Failed::transient(HubError::Forbidden { url: plain(&reply.url), detail });
        }
        let login = match self.client.has_token() {
            true => "check that the token in use (HF_TOKEN or the token file) may read it",
            false => "set HF_TOKEN to a token of an account that may read it",
        };
        let bad_token = reply.header("x-error-message").is_some_and(|text| text.contains("Invalid credentials"));
        let error = match (status, reply.header("x-error-code").unwrap_or("")) {
            (_, "GatedRepo") => HubError::Gated { url: format!("{endpoint}/{id}"), id, login, detail },
            (_, "RevisionNotFound") => {
                HubError::NoSuchRevision { id, revision: self.model.revision().to_owned(), endpoint }
            }
            (_, "EntryNotFound") => HubError::NoSuchFile {
                id,
                file: file.unwrap_or("that path").to_owned(),
                revision: self.model.revision().to_owned(),
            },
            (_, "RepoNotFound") => HubError::NoSuchRepository { id, endpoint, login, detail },
            (401, _) if bad_token => HubError::Unauthorized { endpoint, detail },
            // The hub says 401 for what does not exist and for what must not be seen, so as to tell nothing.
            (401 | 404, _) => HubError::NoSuchRepository { id, endpoint, login, detail },
            (403, _) => HubError::Forbidden { url: plain(&reply.url), detail },
            _ => HubError::Server { url: plain(&reply.url), status, detail },
        };
        error.into()
    }

    /// `: what the server says (request id)`, or nothing.
    fn words(&self, reply: &mut Reply) -> String {
        let mut text = reply.header("x-error-message").map(str::to_owned).unwrap_or_default();
        let is_text = reply.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
        if text.is_empty()
            && is_text
            && let Ok(body) = reply.body.read(2048, self.cancel)
        {
            text = String::from_utf8_lossy(&body).into_owned();
        }
        let id = ["x-request-id", "x-amzn-trace-id", "x-amz-cf-id"].iter().find_map(|name| reply.header(name));
        match (clean(&text, MAX_WORDS), id.map(|id| clean(id, 80))) {
            (text, None) if text.is_empty() => String::new(),
            (text, None) => format!(": {text}"),
            (text, Some(id)) if text.is_empty() => format!(" (request {id})"),
            (text, Some(id)) => format!(": {text} (request {id})"),
        }
    }
}
