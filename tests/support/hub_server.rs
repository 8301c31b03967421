//! A hub on the loopback: the API, `/resolve` with redirects to a store under another host name, linked etags, ranges,
//! and faults on demand. Plain threads over `std::net`, so that it can misbehave at every byte.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    reason = "shared by tests and an example; in neither is it a library"
)]

use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

#[path = "hub_faults.rs"]
pub mod faults;
pub use faults::{Fault, Target};

#[path = "hub_answers.rs"]
mod answers;

#[path = "hub_http.rs"]
pub mod http;
use http::{Head, Request, read_request, write_head};

#[path = "hub_repo.rs"]
pub mod repo;
#[allow(unused_imports, reason = "the server is shared, not everybody needs the hash")]
pub use repo::{Repo, Served, hex};

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
        let target = match (request.method.as_str(), host) {
            _ if path.starts_with("/api/") => Some(Target::Api),
            ("HEAD", _) => Some(Target::Head),
            (_, "store") => Some(Target::Body),
            // The hub's redirect to the store is no body.
            _ => self.is_small(&path).then_some(Target::Small),
        };
        let fault = target.filter(|_| !moved).and_then(|target| self.take_fault(target));
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
            Some(Fault::MovedAbsolute) => {
                let to = format!("http://127.0.0.1:{}/moved{}", self.hub_port, request.path);
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
            .any(|file| !file.is_large() && path.ends_with(&format!("/{}", file.path)))
    }

    fn take_fault(&self, target: Target) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let at = faults.iter().position(|(kind, _, times)| *kind == target && *times > 0)?;
        faults[at].2 -= 1;
        Some(faults[at].1.clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread of the server panics with a lock held")
}
