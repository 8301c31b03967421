//! HTTP as the hub needs it: no redirect is followed unseen, the token stays with the hub, and every wait can be
//! cancelled.
//!
//! hf-hub 0.5 is not used for requests: its `info` and `metadata` have no timeout and cannot be cancelled, and
//! `metadata` sends the token along when the hub redirects to another host. Each exchange runs on a thread of its
//! own that hands the body over in pieces; the caller waits for a piece in short turns, so that cancelling works at
//! once even while a peer says nothing, a name is being resolved or a connection is being made.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use ureq::http::HeaderMap;

use super::config::HubConfig;
use super::error::clean;
use super::proxy::Proxies;
use super::token::Token;
use super::url::{Origin, host_of, next_url, plain};
use super::{Cancel, HubError};

const MAX_REDIRECTS: usize = 10;
const PIECE: usize = 256 * 1024;
/// Pieces that may wait between the network thread and the caller.
const PIECES: usize = 8;
/// The longest time for which a cancel goes unseen.
pub(super) const TURN: Duration = Duration::from_millis(25);

/// Which redirects an exchange follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// Those that stay on the host (a renamed repository), relative or absolute. Another host's address is left for the caller
    /// to see: the headers beside it describe the file.
    SameHost,
    /// All of them, as far as [`MAX_REDIRECTS`].
    All,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) follow: Follow,
    /// First byte wanted, and the validator that the rest must match.
    pub(super) from: u64,
    pub(super) if_range: Option<String>,
    /// How long the head of the answer may take.
    pub(super) head_timeout: Duration,
}

/// The head of an answer, and its body still to be read.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) url: String,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

impl Reply {
    /// A header's value as text, if it is there and printable.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn host(&self) -> String {
        host_of(&self.url)
    }
}

/// Why no answer came.
#[derive(Debug)]
pub(super) enum Broken {
    /// The peer kept silent for this long.
    Silent(Duration),
    /// The connection failed or broke off.
    Cut(String),
    Cancelled,
    /// No use in trying again.
    Final(HubError),
}

impl Broken {
    pub(super) fn into_error(self, url: &str) -> HubError {
        match self {
            Self::Silent(after) => HubError::Timeout { host: host_of(url), after },
            Self::Cut(detail) => HubError::Network { host: host_of(url), detail },
            Self::Cancelled => HubError::Cancelled,
            Self::Final(error) => error,
        }
    }
}

/// The connections of one operation (a look-up, a pull), with the token for the endpoint.
#[derive(Debug, Clone)]
pub(super) struct Client {
    agent: ureq::Agent,
    home: Option<Origin>,
    token: Option<Token>,
    proxies: Proxies,
    download_timeout: Duration,
}

impl Client {
    pub(super) fn new(config: &HubConfig) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("kshot/", env!("CARGO_PKG_VERSION")))
            // Not gzip: sizes and ranges must be those of the file. A server that packs anyway is unpacked by ureq.
            .accept_encoding("identity")
            .timeout_resolve(Some(config.etag_timeout))
            .timeout_connect(Some(config.etag_timeout))
            .timeout_send_request(Some(config.etag_timeout))
            .timeout_per_read(Some(config.download_timeout))
            .input_buffer_size(PIECE)
            // Each request has its own, by its address.
            .proxy(None)
            .tls_config(tls())
            .build()
            .new_agent();
        Self {
            agent,
            home: Origin::of(&config.endpoint),
            token: config.token.clone(),
            proxies: config.proxies.clone(),
            download_timeout: config.download_timeout,
        }
    }

    /// Whether requests carry a token at all.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Sends a request and its redirects; returns with the first answer that is no redirect to be followed.
    pub(super) fn send(&self, ask: &Ask, cancel: &Cancel) -> Result<Reply, Broken> {
        let mut ask = ask.clone();
        let start = ask.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let reply = self.send_once(&ask, cancel)?;
            let target = match reply.header("location") {
                Some(location) if matches!(reply.status, 301 | 302 | 303 | 307 | 308) => location,
                _ => return Ok(reply),
            };
            let next = next_url(&ask.url, target).map_err(|reason| {
                Broken::Final(HubError::RedirectRefused { from: plain(&start), to: plain(target), reason })
            })?;
            let stays = Origin::of(&ask.url).zip(Origin::of(&next)).is_some_and(|(here, there)| here.stays_at(&there));
            if ask.follow == Follow::SameHost && !stays {
                return Ok(reply);
            }
            ask.url = next;
        }
        Err(Broken::Final(HubError::TooManyRedirects { url: plain(&start) }))
    }

    fn send_once(&self, ask: &Ask, cancel: &Cancel) -> Result<Reply, Broken> {
        if cancel.is_cancelled() {
            return Err(Broken::Cancelled);
        }
        let (heads, head) = sync_channel(1);
        let (pieces, body) = sync_channel(PIECES);
        let client = self.clone();
        let job = ask.clone();
        std::thread::Builder::new()
            .name("hub-request".to_owned())
            .spawn(move || client.exchange(&job, &heads, &pieces))
            .map_err(|error| Broken::Cut(error.to_string()))?;
        // Resolving, connecting and sending each have the look-up's timeout; this wait is the backstop behind them.
        let patience = ask.head_timeout * 4;
        let (status, headers) = wait(&head, patience, cancel, || ())??;
        let body = Body { pieces: body, stall: self.download_timeout };
        Ok(Reply { url: ask.url.clone(), status, headers, body })
    }

    /// Runs on the exchange's own thread. It ends when the body does, when the caller drops its end, or when the
    /// peer has been silent for longer than the timeouts.
    fn exchange(&self, ask: &Ask, heads: &SyncSender<Result<(u16, HeaderMap), Broken>>, pieces: &SyncSender<Piece>) {
        let origin = Origin::of(&ask.url);
        let mut request = match ask.method {
            "HEAD" => self.agent.head(&ask.url),
            _ => self.agent.get(&ask.url),
        };
        if let Some(token) = self.token.as_ref().filter(|_| origin.is_some() && origin == self.home) {
            request = request.header("Authorization", token.header());
        }
        if ask.from > 0 {
            request = request.header("Range", format!("bytes={}-", ask.from));
            if let Some(validator) = &ask.if_range {
                request = request.header("If-Range", validator);
            }
        }
        let proxy = match origin.map(|origin| self.proxies.of_address(&origin)).transpose() {
            Ok(proxy) => proxy.flatten(),
            Err(error) => {
                let _ = heads.send(Err(Broken::Final(error)));
                return;
            }
        };
        let request = request.config().timeout_recv_response(Some(ask.head_timeout)).proxy(proxy);
        let reply = match request.build().call() {
            Ok(reply) => reply,
            Err(error) => {
                // Where the caller has gone, no other waits for it.
                let _ = heads.send(Err(broken(&error, ask.head_timeout)));
                return;
            }
        };
        let (parts, body) = reply.into_parts();
        if heads.send(Ok((parts.status.as_u16(), parts.headers))).is_err() || ask.method == "HEAD" {
            return;
        }
        let mut reader = body.into_reader();
        loop {
            let mut piece = vec![0; PIECE];
            let read = match reader.read(&mut piece) {
                Ok(read) => read,
                Err(error) => {
                    let _ = pieces.send(Err(broken(&ureq::Error::from(error), self.download_timeout)));
                    return;
                }
            };
            piece.truncate(read);
            if pieces.send(Ok(piece)).is_err() || read == 0 {
                return;
            }
        }
    }
}

type Piece = Result<Vec<u8>, Broken>;

/// A body that arrives in pieces.
#[derive(Debug)]
pub(super) struct Body {
    pieces: Receiver<Piece>,
    stall: Duration,
}

impl Body {
    /// The next bytes; empty at the end. `idle` is called about every [`TURN`] while nothing comes.
    pub(super) fn next(&mut self, cancel: &Cancel, idle: impl FnMut()) -> Result<Vec<u8>, Broken> {
        wait(&self.pieces, self.stall, cancel, idle)?
    }

    /// The whole body as far as `limit` bytes.
    pub(super) fn read(&mut self, limit: usize, cancel: &Cancel) -> Result<Vec<u8>, Broken> {
        let mut all = Vec::new();
        let begun = Instant::now();
        loop {
            let piece = self.next(cancel, || ())?;
            all.extend_from_slice(&piece);
            if piece.is_empty() || all.len() >= limit {
                all.truncate(limit);
                return Ok(all);
            }
            if begun.elapsed() > self.stall * 6 {
                return Err(Broken::Silent(begun.elapsed()));
            }
        }
    }
}

/// Waits for a value in short turns.
fn wait<T>(from: &Receiver<T>, patience: Duration, cancel: &Cancel, mut idle: impl FnMut()) -> Result<T, Broken> {
    let begun = Instant::now();
    loop {
        if cancel.is_cancelled() {
            return Err(Broken::Cancelled);
        }
        match from.recv_timeout(TURN) {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Broken::Cut("the connection ended".to_owned()));
            }
            Err(RecvTimeoutError::Timeout) if begun.elapsed() > patience => {
                return Err(Broken::Silent(patience));
            }
            Err(RecvTimeoutError::Timeout) => idle(),
        }
    }
}

/// Waits `time` without a value to wait for.
pub(super) fn pause(time: Duration, cancel: &Cancel) -> Result<(), HubError> {
    let end = Instant::now() + time;
    loop {
        if cancel.is_cancelled() {
            return Err(HubError::Cancelled);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(TURN));
    }
}

/// The system's roots, so that a company's own certificates work as they do in the browser.
fn tls() -> ureq::tls::TlsConfig {
    ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build()
}

fn broken(error: &ureq::Error, timeout: Duration) -> Broken {
    match error {
        ureq::Error::Timeout(_) => Broken::Silent(timeout),
        ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::TimedOut => Broken::Silent(timeout),
        other => Broken::Cut(clean(&other.to_string(), 200)),
    }
}
