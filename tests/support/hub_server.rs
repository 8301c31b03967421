//! A hub on the loopback: the API, `/resolve` with redirects to a store under another host name, linked etags, ranges,
//! and faults on demand. Plain threads over `std::net`, so that it can misbehave at every byte.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    reason = "shared by tests and an example; in neither is it a library"
)]

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use sha1::Sha1;
use sha2::{Digest, Sha256};

#[path = "hub_faults.rs"]
pub mod faults;
pub use faults::{Fault, Target};

/// A repository that is served.
#[derive(Clone, Default)]
pub struct Repo {
    pub commit: String,
    pub files: Vec<Served>,
    /// Wants a token, and then permission that nobody has.
    pub gated: bool,
}

/// A file that is served, from memory or from disk.
#[derive(Clone)]
pub struct Served {
    pub path: String,
    pub size: u64,
    pub sha256: String,
    pub git_sha1: String,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Memory(Arc<Vec<u8>>),
    Disk(PathBuf),
}

/// One request as the server saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `hub` or `store`.
    pub host: &'static str,
    pub method: String,
    pub path: String,
    pub headers: HashMap<String, String>,
}

/// The running server. Dropping it ends its threads.
pub struct HubServer {
    state: Arc<State>,
}

struct State {
    hub_port: u16,
    store_port: u16,
    repos: Mutex<HashMap<String, Repo>>,
    /// An old name and the new one.
    aliases: Mutex<HashMap<String, String>>,
    faults: Mutex<Vec<(Target, Fault, usize)>>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicU64,
    body_bytes: AtomicU64,
    gone: AtomicBool,
}

impl Served {
    pub fn from_bytes(path: &str, bytes: Vec<u8>) -> Self {
        let (sha256, git_sha1) = hashes(&mut &bytes[..], bytes.len() as u64).expect("memory reads");
        Self {
            path: path.to_owned(),
            size: bytes.len() as u64,
            sha256,
            git_sha1,
            source: Source::Memory(Arc::new(bytes)),
        }
    }

    pub fn from_file(path: &str, file: &Path) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let (sha256, git_sha1) = hashes(&mut File::open(file)?, size)?;
        Ok(Self { path: path.to_owned(), size, sha256, git_sha1, source: Source::Disk(file.to_owned()) })
    }

    /// Weights and everything large lie in the store, as on the hub.
    pub fn is_large(&self) -> bool {
        self.path.ends_with(".safetensors") || self.path.ends_with(".bin") || self.size > 10 << 20
    }

    /// The name of the blob.
    pub fn etag(&self) -> &str {
        if self.is_large() { &self.sha256 } else { &self.git_sha1 }
    }

    fn open(&self) -> io::Result<Box<dyn Read>> {
        Ok(match &self.source {
            Source::Memory(bytes) => Box::new(Cursor::new(Bytes(Arc::clone(bytes)))),
            Source::Disk(path) => Box::new(File::open(path)?),
        })
    }

    fn open_at(&self, from: u64) -> io::Result<Box<dyn Read>> {
        match &self.source {
            Source::Memory(bytes) => {
                let mut cursor = Cursor::new(Bytes(Arc::clone(bytes)));
                cursor.set_position(from);
                Ok(Box::new(cursor))
            }
            Source::Disk(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(from))?;
                Ok(Box::new(file))
            }
        }
    }
}

struct Bytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl HubServer {
    /// Starts on any free port, or on `port`.
    pub fn start(port: u16) -> io::Result<Self> {
        let hub = TcpListener::bind(("127.0.0.1", port))?;
        let store = TcpListener::bind("127.0.0.1:0")?;
        let state = Arc::new(State {
            hub_port: hub.local_addr()?.port(),
            store_port: store.local_addr()?.port(),
            repos: Mutex::default(),
            aliases: Mutex::default(),
            faults: Mutex::default(),
            seen: Mutex::default(),
            connections: AtomicU64::new(0),
            body_bytes: AtomicU64::new(0),
            gone: AtomicBool::new(false),
        });
        for (host, listener) in [("hub", hub), ("store", store)] {
            let state = Arc::clone(&state);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    if state.gone.load(Ordering::SeqCst) {
                        return;
                    }
                    let (Ok(stream), state) = (stream, Arc::clone(&state)) else {
                        continue;
                    };
                    state.connections.fetch_add(1, Ordering::SeqCst);
                    // A client that hangs up ends its thread; that is its right.
                    std::thread::spawn(move || drop(state.serve(host, stream)));
                }
            });
        }
        Ok(Self { state })
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.state.hub_port)
    }

    pub fn add(&self, id: &str, repo: Repo) {
        lock(&self.state.repos).insert(id.to_owned(), repo);
    }

    pub fn alias(&self, old: &str, new: &str) {
        lock(&self.state.aliases).insert(old.to_owned(), new.to_owned());
    }

    /// The next `times` requests of that kind fail like this.
    pub fn fail(&self, target: Target, fault: Fault, times: usize) {
        lock(&self.state.faults).push((target, fault, times));
    }

    pub fn clear_faults(&self) {
        lock(&self.state.faults).clear();
    }

    /// The requests so far; forgets them.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut lock(&self.state.seen))
    }

    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Bytes of files that responses were asked to carry.
    pub fn body_bytes(&self) -> u64 {
        self.state.body_bytes.load(Ordering::SeqCst)
    }
}

impl Drop for HubServer {
    fn drop(&mut self) {
        self.state.gone.store(true, Ordering::SeqCst);
        for port in [self.state.hub_port, self.state.store_port] {
            // Wakes the listener, which then sees the flag.
            let _ = TcpStream::connect(("127.0.0.1", port));
        }
    }
}

struct Request {
    method: String,
    path: String,
    headers: HashMap<String, String>,
}

/// A response without its body.
struct Head {
    status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    fn new(status: u16) -> Self {
        Self { status, headers: Vec::new() }
    }

    fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }
}

impl State {
    fn serve(&self, host: &'static str, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut input = BufReader::new(stream.try_clone()?);
        let mut stream = stream;
        while let Some(request) = read_request(&mut input)? {
            lock(&self.seen).push(Seen {
                host,
                method: request.method.clone(),
                path: request.path.clone(),
                headers: request.headers.clone(),
            });
            if !self.answer(host, &request, &mut stream)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// `Ok(false)` ends the connection.
    fn answer(&self, host: &str, request: &Request, stream: &mut TcpStream) -> io::Result<bool> {
        let path = request.path.split('?').next().unwrap_or("").replace("%2F", "/");
        let (moved, path) = match path.strip_prefix("/moved") {
            Some(rest) => (true, rest.to_owned()),
            None => (false, path),
        };
        let target = match (path.starts_with("/api/"), request.method.as_str(), host) {
            (true, ..) => Target::Api,
            (_, "HEAD", _) => Target::Head,
            _ => Target::Body,
        };
        // A large file's bytes come from the store; the hub's redirect to it is no body.
        let carries = target != Target::Body || host == "store" || self.is_small(&path);
        let fault = if carries && !moved { self.take_fault(target) } else { None };
        match &fault {
            Some(Fault::Garbage) => {
                return stream.write_all(b"\x15\x03\x01 not http\r\n\r\n").map(|()| false);
            }
            Some(Fault::TornHeader) => {
                return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").map(|()| false);
            }
            Some(Fault::Loop) => {
                return self.plain(stream, request, Head::new(302).with("Location", &request.path), "");
            }
            Some(Fault::Moved) => {
                let to = format!("/moved{}", request.path);
                return self.plain(stream, request, Head::new(307).with("Location", to), "");
            }
            Some(Fault::BadRedirect) => {
                return self.plain(stream, request, Head::new(302).with("Location", "file:///etc/passwd"), "");
            }
            Some(Fault::Page) => {
                let head = Head::new(200).with("Content-Type", "text/html; charset=utf-8");
                return self.plain(stream, request, head, "<html>Please log in to the free WLAN</html>");
            }
            Some(Fault::Status(status, header)) => {
                let mut head = Head::new(*status).with("Content-Type", "text/plain").with("X-Request-Id", "r-1");
                if let Some((name, value)) = header {
                    head = head.with(name, value);
                }
                return self.plain(stream, request, head, "no \x1b[31mluck\x07");
            }
            _ => {}
        }
        if let Some(sha) = path.strip_prefix("/store/") {
            let file = lock(&self.repos).values().flat_map(|repo| repo.files.clone()).find(|file| file.sha256 == sha);
            return match file {
                Some(file) => self.file(stream, request, &file, Head::new(200), fault.as_ref()),
                None => self.plain(stream, request, Head::new(403), "expired"),
            };
        }
        match path.strip_prefix("/api/models/") {
            Some(rest) => self.api(stream, request, rest),
            None => self.resolve(stream, request, path.trim_start_matches('/'), fault.as_ref()),
        }
    }

    fn api(&self, stream: &mut TcpStream, request: &Request, rest: &str) -> io::Result<bool> {
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

    fn resolve(
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
    fn file(
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

    fn plain(&self, stream: &mut TcpStream, request: &Request, head: Head, body: &str) -> io::Result<bool> {
        write_head(stream, &head.with("Content-Length", body.len()))?;
        if request.method != "HEAD" {
            stream.write_all(body.as_bytes())?;
        }
        Ok(true)
    }

    fn repo(&self, id: &str, request: &Request) -> Result<Repo, Head> {
        let repo = lock(&self.repos).get(id).cloned();
        match repo {
            None if request.headers.contains_key("authorization") => {
                Err(Head::new(404).with("X-Error-Code", "RepoNotFound"))
            }
            None => Err(Head::new(401).with("X-Error-Code", "RepoNotFound")),
            Some(repo) if repo.gated => {
                let status = if request.headers.contains_key("authorization") { 403 } else { 401 };
                Err(Head::new(status).with("X-Error-Code", "GatedRepo").with("X-Error-Message", "Ask the authors."))
            }
            Some(repo) => Ok(repo),
        }
    }

    fn is_small(&self, path: &str) -> bool {
        lock(&self.repos)
            .values()
            .flat_map(|repo| &repo.files)
            .any(|file| !file.is_large() && path.ends_with(&file.path))
    }

    fn take_fault(&self, target: Target) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let at = faults.iter().position(|(kind, _, times)| *kind == target && *times > 0)?;
        faults[at].2 -= 1;
        Some(faults[at].1.clone())
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

fn read_request(input: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => drop(headers.insert(name.to_ascii_lowercase(), value.trim().to_owned())),
            None => {
                return Ok(Some(Request { method, path, headers }));
            }
        }
    }
}

fn write_head(stream: &mut TcpStream, head: &Head) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {} X\r\n", head.status);
    for (name, value) in &head.headers {
        text += &format!("{name}: {value}\r\n");
    }
    stream.write_all((text + "\r\n").as_bytes())
}

fn hashes(bytes: &mut dyn Read, size: u64) -> io::Result<(String, String)> {
    let (mut sha256, mut sha1) = (Sha256::new(), Sha1::new());
    sha1.update(format!("blob {size}\0"));
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = bytes.read(&mut buffer)?;
        if read == 0 {
            return Ok((hex(&sha256.finalize()), hex(&sha1.finalize())));
        }
        sha256.update(&buffer[..read]);
        sha1.update(&buffer[..read]);
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread of the server panics with a lock held")
}
