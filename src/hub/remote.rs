//! What the hub says about a repository: its commit, its files, one file's hash and size.

use std::collections::HashSet;

use serde::Deserialize;

use super::config::HubConfig;
use super::error::clean;
use super::http::{Ask, Client, Follow, pause};
use super::layout::Layout;
use super::model_ref::{is_commit, is_lower_hex};
use super::retry::{Failed, Retry};
use super::url::{Origin, escape_path, next_url, plain};
use super::{Cancel, HubError, ModelRef};

/// The longest JSON answer that is read: a listing of 1,000 files is about 200 kB.
const MAX_JSON: usize = 8 << 20;
const MAX_PAGES: usize = 50;

/// A repository as the hub describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoInfo {
    /// The commit that the revision means now.
    pub commit: String,
    /// The files in its top folder.
    pub files: Vec<RepoFile>,
}

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoFile {
    /// Its path inside the repository.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// The name of its blob in the cache: sha256, or git's sha1 for small files.
    pub hash: String,
}

/// What the headers of a file say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileMeta {
    pub(super) etag: String,
    pub(super) size: u64,
}

/// One repository on the hub.
pub(super) struct Remote<'a> {
    pub(super) client: &'a Client,
    pub(super) config: &'a HubConfig,
    pub(super) layout: &'a Layout,
    pub(super) model: &'a ModelRef,
    pub(super) cancel: &'a Cancel,
}

/// How often a look-up is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tries {
    /// Once: something cached can answer instead.
    Once,
    /// As often as the patience lasts.
    Patient,
}

impl Remote<'_> {
    /// The commit that the revision means: one small request.
    pub(super) fn commit(&self, tries: Tries) -> Result<String, HubError> {
        let url = format!("{}/api/{}", self.config.endpoint, self.layout.api_path());
        let (answer, _): (Revision, _) = self.json(&url, tries)?;
        match answer.sha {
            Some(sha) if is_commit(&sha) => Ok(sha),
            _ => Err(self.not_a_hub(&url, "the answer names no commit")),
        }
    }

    /// The files in the repository's top folder at `commit`.
    pub(super) fn files(&self, commit: &str) -> Result<Vec<RepoFile>, HubError> {
        let mut url = format!("{}/api/models/{}/tree/{commit}", self.config.endpoint, self.model.id());
        let mut seen = HashSet::new();
        let mut files = Vec::new();
        while seen.len() < MAX_PAGES && seen.insert(url.clone()) {
            let (page, next): (Vec<Entry>, _) = self.json(&url, Tries::Patient)?;
            files.extend(page.into_iter().filter(|entry| entry.kind == "file").map(RepoFile::from));
            match next {
                Some(next) => url = next,
                None => return Ok(files),
            }
        }
        Err(self.not_a_hub(&url, "the list of files does not end"))
    }

    /// The hash and size of one file. `listed` fills in what the headers leave out.
    pub(super) fn metadata(&self, commit: &str, listed: &RepoFile) -> Result<FileMeta, HubError> {
        let url = self.file_url(commit, &listed.path);
        let ask = self.ask("HEAD", &url, Follow::SameHost);
        let reply = self.patiently(Tries::Patient, || {
            let mut reply = self.client.send(&ask, self.cancel).map_err(|broken| Failed::broken(broken, &url))?;
            if reply.status >= 400 { Err(self.refusal(&mut reply, Some(&listed.path))) } else { Ok(reply) }
        })?;
        match reply.header("x-repo-commit") {
            Some(answered) if answered == commit => {}
            Some(_) => {
                return Err(self.not_a_hub(&url, "it answers for another commit than the one asked for"));
            }
            None => return Err(self.not_a_hub(&url, "the header X-Repo-Commit is missing")),
        }
        let etag = reply.header("x-linked-etag").or_else(|| reply.header("etag")).map(normal_etag);
        let etag = match etag {
            Some(etag) if is_hash(etag) => etag.to_owned(),
            _ if is_hash(&listed.hash) => listed.hash.clone(),
            other => {
                return Err(HubError::Unverifiable { file: listed.path.clone(), etag: clean(other.unwrap_or(""), 80) });
            }
        };
        let number = |header: Option<&str>| header.and_then(|text| text.trim().parse::<u64>().ok());
        // Without the linked size the listing decides: some mirrors answer HEAD with a Content-Length of 0 (Nexus), and a
        // redirect's is that of its own body. The header serves where the listing has no size.
        let own_length = if reply.status < 300 { number(reply.header("content-length")) } else { None };
        let size = number(reply.header("x-linked-size")).or(Some(listed.size).filter(|size| *size > 0)).or(own_length);
        Ok(FileMeta { etag, size: size.unwrap_or(0) })
    }

    /// Where a file is to be had.
    pub(super) fn file_url(&self, commit: &str, file: &str) -> String {
        format!("{}/{}/resolve/{commit}/{}", self.config.endpoint, self.model.id(), escape_path(file))
    }

    pub(super) fn ask(&self, method: &'static str, url: &str, follow: Follow) -> Ask {
        Ask { method, url: url.to_owned(), follow, from: 0, if_range: None, head_timeout: self.config.etag_timeout }
    }

    pub(super) fn not_a_hub(&self, url: &str, reason: &str) -> HubError {
        HubError::NotAHub { url: plain(url), reason: reason.to_owned() }
    }

    /// Fetches JSON; also the address of the next page, if the answer has one on this hub.
    fn json<T: for<'de> Deserialize<'de>>(&self, url: &str, tries: Tries) -> Result<(T, Option<String>), HubError> {
        let ask = self.ask("GET", url, Follow::All);
        self.patiently(tries, || {
            let broken = |broken| Failed::broken(broken, url);
            let mut reply = self.client.send(&ask, self.cancel).map_err(broken)?;
            if reply.status >= 400 {
                return Err(self.refusal(&mut reply, None));
            }
            let body = reply.body.read(MAX_JSON, self.cancel).map_err(broken)?;
            let value = serde_json::from_slice(&body).map_err(|_| {
                let web = body.trim_ascii_start().starts_with(b"<");
                self.not_a_hub(
                    url,
                    if web { "a web page came instead of JSON" } else { "the answer is not the JSON of a hub" },
                )
            })?;
            let next = reply.header("link").and_then(next_link).and_then(|next| next_url(&reply.url, next).ok());
            Ok((value, next.filter(|next| Origin::of(next) == Origin::of(&self.config.endpoint))))
        })
    }

    fn patiently<T>(&self, tries: Tries, mut attempt: impl FnMut() -> Result<T, Failed>) -> Result<T, HubError> {
        let mut retry = Retry::new(self.config.patience);
        loop {
            match attempt() {
                Ok(value) => return Ok(value),
                Err(failed) if tries == Tries::Once => return Err(failed.error),
                Err(failed) => pause(retry.after(failed)?.0, self.cancel)?,
            }
        }
    }
}

#[derive(Deserialize)]
struct Revision {
    sha: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    oid: String,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

impl From<Entry> for RepoFile {
    fn from(entry: Entry) -> Self {
        match entry.lfs {
            Some(lfs) => {
                Self { path: entry.path, size: lfs.size, hash: lfs.oid.trim_start_matches("sha256:").to_owned() }
            }
            None => Self { path: entry.path, size: entry.size, hash: entry.oid },
        }
    }
}

pub(super) fn is_hash(etag: &str) -> bool {
    matches!(etag.len(), 40 | 64) && is_lower_hex(etag)
}

fn normal_etag(etag: &str) -> &str {
    etag.trim().trim_start_matches("W/").trim_matches('"')
}

fn next_link(header: &str) -> Option<&str> {
    let next = header.split(',').find(|part| part.contains("rel=\"next\""))?;
    Some(next.split_once('<')?.1.split_once('>')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_python_reads_them() {
        for (header, etag) in [("\"abc\"", "abc"), ("W/\"abc\"", "abc"), ("abc", "abc")] {
            assert_eq!(normal_etag(header), etag);
        }
        for (header, next) in [
            ("<https://h/x?cursor=1>; rel=\"next\"", Some("https://h/x?cursor=1")),
            ("<https://h/p>; rel=\"prev\", </n>; rel=\"next\"", Some("/n")),
            ("<https://h/p>; rel=\"prev\"", None),
            ("rel=\"next\"", None),
        ] {
            assert_eq!(next_link(header), next, "{header}");
        }
    }

    #[test]
    fn a_large_file_is_named_by_its_sha256() {
        let json = r#"[{"type":"file","path":"m","size":130,"oid":"aa","lfs":{"oid":"bb","size":9,"pointerSize":130}},
            {"type":"file","path":"c","size":3,"oid":"cc"}]"#;
        let entries: Vec<Entry> = serde_json::from_str(json).unwrap_or_default();
        let files: Vec<_> = entries.into_iter().map(RepoFile::from).map(|f| (f.path, f.size, f.hash)).collect();
        assert_eq!(files, [("m".into(), 9, "bb".into()), ("c".into(), 3, "cc".into())] as [(String, u64, String); 2]);
    }
}
