//! The two faces of a hub: the API and `/resolve`, and the bytes behind the latter.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    reason = "shared by tests and an example; in neither is it a library"
)]

use std::io::{self, Cursor, Read};
use std::net::TcpStream;
use std::sync::atomic::Ordering;

use super::http::{Head, Request, write_head};
use super::repo::Repo;
use super::{Fault, Served, State, faults, lock};

impl State {
    pub fn api(&self, stream: &mut TcpStream, request: &Request, rest: &str) -> io::Result<bool> {
        let (id, tail) = split_id(rest);
        if let Some(new) = lock(&self.aliases).get(&id) {
            return self.plain(
                stream,
                request,
                Head::new(307).with("Location", format!("/api/models/{new}{tail}")),
                "",
            );
        }
        let repo = match self.repo(&id, request) {
            Ok(repo) => repo,
            Err(head) => return self.plain(stream, request, head, ""),
        };
        let revision = tail.strip_prefix("/revision/").or_else(|| tail.strip_prefix("/tree/")).unwrap_or("main");
        if !knows(&repo, revision) {
            return self.plain(stream, request, Head::new(404).with("X-Error-Code", "RevisionNotFound"), "");
        }
        let entry = |file: &Served| {
            let mut entry =
                serde_json::json!({"type": "file", "path": file.path, "size": file.size, "oid": file.git_sha1});
            if file.is_large() {
                entry["lfs"] = serde_json::json!({"oid": file.sha256, "size": file.size, "pointerSize": 134});
            }
            entry
        };
        let body = if tail.starts_with("/tree/") {
            serde_json::Value::Array(repo.files.iter().map(entry).collect())
        } else {
            let siblings: Vec<_> = repo.files.iter().map(|file| serde_json::json!({"rfilename": file.path})).collect();
            serde_json::json!({"_id": "0", "id": id, "modelId": id, "sha": repo.commit, "private": false, "gated": false,
                "disabled": false, "downloads": 0, "likes": 0, "tags": [], "siblings": siblings})
        };
        self.plain(stream, request, Head::new(200).with("Content-Type", "application/json"), &body.to_string())
    }

    pub fn resolve(
        &self,
        stream: &mut TcpStream,
        request: &Request,
        path: &str,
        fault: Option<&Fault>,
    ) -> io::Result<bool> {
        let Some((id, rest)) = path.split_once("/resolve/") else {
            return self.plain(stream, request, Head::new(404), "");
        };
        if let Some(new) = lock(&self.aliases).get(id) {
            return self.plain(stream, request, Head::new(307).with("Location", format!("/{new}/resolve/{rest}")), "");
        }
        let repo = match self.repo(id, request) {
            Ok(repo) => repo,
            Err(head) => return self.plain(stream, request, head, ""),
        };
        let found = rest.match_indices('/').find(|(at, _)| knows(&repo, &rest[..*at]));
        let Some((at, _)) = found else {
            return self.plain(stream, request, Head::new(404).with("X-Error-Code", "RevisionNotFound"), "");
        };
        let commit = match fault {
            Some(Fault::OtherCommit) => "0".repeat(40),
            _ => repo.commit.clone(),
        };
        let mut head = Head::new(200);
        if fault != Some(&Fault::NoCommit) {
            head = head.with("X-Repo-Commit", commit);
        }
        let Some(file) = repo.files.iter().find(|file| file.path == rest[at + 1..]) else {
            head.status = 404;
            return self.plain(stream, request, head.with("X-Error-Code", "EntryNotFound"), "");
        };
        let etag = if fault == Some(&Fault::OddEtag) { "../../odd" } else { file.etag() };
        if fault == Some(&Fault::EmptyHead) {
            return self.plain(stream, request, head.with("ETag", format!("\"{etag}\"")), "");
        }
        if file.is_large() {
            let to = format!("http://localhost:{}/store/{}?Signature=s3cret", self.store_port, file.sha256);
            head.status = 302;
            let head =
                head.with("Location", to).with("X-Linked-Etag", format!("\"{etag}\"")).with("X-Linked-Size", file.size);
            return self.plain(stream, request, head, "Found. Redirecting");
        }
        self.file(stream, request, file, head.with("ETag", format!("\"{etag}\"")), fault)
    }

    /// A file's bytes, or the part asked for.
    pub fn file(
        &self,
        stream: &mut TcpStream,
        request: &Request,
        file: &Served,
        head: Head,
        fault: Option<&Fault>,
    ) -> io::Result<bool> {
        let store_etag = format!("\"store-{}\"", &file.sha256[..16]);
        let range = request
            .headers
            .get("range")
            .and_then(|text| text.strip_prefix("bytes=")?.split_once('-')?.0.parse::<u64>().ok());
        let fresh = request.headers.get("if-range").is_none_or(|etag| *etag == store_etag);
        let from = range.filter(|_| fresh && fault != Some(&Fault::IgnoreRange)).unwrap_or(0);
        if from > 0 && from >= file.size {
            return self.plain(
                stream,
                request,
                Head::new(416).with("Content-Range", format!("bytes */{}", file.size)),
                "",
            );
        }
        let mut head = head;
        if !head.headers.iter().any(|(name, _)| name == "ETag") {
            head = head.with("ETag", store_etag);
        }
        let mut length = file.size - from;
        let mut body = if request.method == "HEAD" { file.open()? } else { file.open_at(from)? };
        match fault {
            Some(Fault::Long(extra)) => {
                length += extra;
                body = Box::new(body.chain(io::repeat(b'x').take(*extra)));
            }
            Some(Fault::Short(less)) => {
                length = length.saturating_sub(*less);
                body = Box::new(body.take(length));
            }
            Some(Fault::Gzip) => {
                let mut bytes = Vec::new();
                body.read_to_end(&mut bytes)?;
                let packed = faults::gzip(&bytes);
                length = packed.len() as u64;
                body = Box::new(Cursor::new(packed));
                head = head.with("Content-Encoding", "gzip");
            }
            _ => {}
        }
        if from > 0 {
            head.status = 206;
            let first = if fault == Some(&Fault::WrongRange) { from - 1 } else { from };
            head = head.with("Content-Range", format!("bytes {first}-{}/{}", file.size - 1, file.size));
        }
        write_head(stream, &head.with("Accept-Ranges", "bytes").with("Content-Length", length))?;
        if request.method == "HEAD" {
            return Ok(true);
        }
        self.body_bytes.fetch_add(length, Ordering::SeqCst);
        faults::send(stream, &mut body, fault, &|| self.gone.load(Ordering::SeqCst))
    }
}

fn knows(repo: &Repo, revision: &str) -> bool {
    revision == repo.commit || matches!(revision, "main" | "v1.0" | "refs/pr/1")
}

/// `org/name` (or a bare old name) and the rest.
fn split_id(rest: &str) -> (String, String) {
    let verbs = ["/revision/", "/tree/"];
    let at = verbs.iter().filter_map(|verb| rest.find(verb)).min().unwrap_or(rest.len());
    (rest[..at].to_owned(), rest[at..].to_owned())
}
