//! One file: from its address to a verified blob.

use std::fs;

use super::HubError;
use super::config::HubConfig;
use super::error::clean;
use super::http::{Broken, Follow, Reply};
use super::layout::Blob;
use super::lock::BlobLock;
use super::partial::Partial;
use super::progress::{Meter, Progress};
use super::remote::{FileMeta, Remote, RepoFile};
use super::retry::{Failed, Retry};
use super::url::plain;

/// A hash that does not fit is tried once more from the start: a bit may flip on the way, twice is no accident.
const HASH_TRIES: u32 = 2;

/// Fetches `file` of `commit` unless it is here, and links it into the snapshot.
pub(super) fn fetch(remote: &Remote<'_>, commit: &str, file: &RepoFile, meter: &mut Meter<'_>) -> Result<(), HubError> {
    let layout = remote.layout;
    let meta = remote.metadata(commit, file)?;
    meter.begin(&file.path, meta.size);
    let lock = layout.locks().join(format!("{}.lock", meta.etag));
    let _lock = BlobLock::acquire(&lock, remote.config.disk.as_ref(), remote.cancel, || {
        meter.tell(Progress::Waiting { file: file.path.clone() });
    })?;
    let blob = layout.blob(&meta.etag);
    let present = fs::metadata(&blob).ok().map(|found| found.len());
    let origin = match present {
        Some(len) if len == meta.size => Blob::Shared,
        _ => {
            if present.is_some() {
                // Cut short by another program: a blob of the wrong length cannot be what its name says.
                fs::remove_file(&blob).map_err(HubError::io("remove the damaged", &blob))?;
            }
            let mut partial = Partial::open(remote.config, layout, &meta.etag, meta.size, remote.cancel)?;
            match (Download { remote, commit, file, meta: &meta }.fill(&mut partial, meter)) {
                Ok(()) => partial.finish(&blob)?,
                Err(error) => {
                    if matches!(error, HubError::HashMismatch { .. } | HubError::SizeMismatch { .. }) {
                        partial.discard();
                    }
                    return Err(error);
                }
            }
            meter.tell(Progress::Verified { file: file.path.clone() });
            Blob::New
        }
    };
    layout.link(&meta.etag, commit, &file.path, origin)?;
    meter.end();
    Ok(())
}

struct Download<'a> {
    remote: &'a Remote<'a>,
    commit: &'a str,
    file: &'a RepoFile,
    meta: &'a FileMeta,
}

impl Download<'_> {
    /// Brings all bytes, with their hash as it should be.
    fn fill(&self, partial: &mut Partial<'_>, meter: &mut Meter<'_>) -> Result<(), HubError> {
        let mut retry = Retry::new(self.config().patience);
        let mut hash_tries = 0;
        meter.reset(partial.len());
        loop {
            while !partial.is_full() {
                let Err(failed) = self.stream(partial, meter) else {
                    break;
                };
                if partial.has_grown() {
                    retry.progressed();
                }
                let (wait, reason) = retry.after(failed)?;
                meter.tell(Progress::Retrying {
                    file: self.file.path.clone(),
                    attempt: retry.next_attempt(),
                    wait,
                    reason,
                });
                super::http::pause(wait, self.remote.cancel)?;
            }
            let got = partial.digest();
            if got == self.meta.etag {
                return Ok(());
            }
            hash_tries += 1;
            let error = HubError::HashMismatch { file: self.file.path.clone(), expected: self.meta.etag.clone(), got };
            if hash_tries == HASH_TRIES {
                return Err(error);
            }
            meter.tell(Progress::Retrying {
                file: self.file.path.clone(),
                attempt: hash_tries + 1,
                wait: std::time::Duration::ZERO,
                reason: error.to_string(),
            });
            partial.restart()?;
            meter.reset(0);
        }
    }

    /// One connection: as many of the missing bytes as it brings.
    fn stream(&self, partial: &mut Partial<'_>, meter: &mut Meter<'_>) -> Result<(), Failed> {
        let url = self.remote.file_url(self.commit, &self.file.path);
        let mut ask = self.remote.ask("GET", &url, Follow::All);
        ask.head_timeout = self.config().download_timeout.max(self.config().etag_timeout);
        ask.from = partial.len();
        ask.if_range = partial.validator();
        let mut reply =
            self.remote.client.send(&ask, self.remote.cancel).map_err(|broken| Failed::broken(broken, &url))?;
        match reply.status {
            200 => {
                if partial.len() > 0 {
                    // The range was ignored or the content has changed: this is the whole file.
                    partial.restart()?;
                    meter.reset(0);
                }
                self.check_page(&reply)?;
                self.check_length(reply.header("content-length"))?;
                partial.remember_validator(reply.header("etag"));
            }
            206 => self.check_range(&reply, partial, meter)?,
            416 => {
                partial.restart()?;
                meter.reset(0);
                return Err(Failed::transient(self.wrong_size(ask.from)));
            }
            status if status >= 400 => {
                return Err(self.remote.refusal(&mut reply, Some(&self.file.path)));
            }
            status => {
                return Err(self.remote.not_a_hub(&plain(&reply.url), &format!("status {status} for a file")).into());
            }
        }
        self.body(&mut reply, partial, meter)
    }

    fn body(&self, reply: &mut Reply, partial: &mut Partial<'_>, meter: &mut Meter<'_>) -> Result<(), Failed> {
        let patience = self.config().patience;
        let mut window = (std::time::Instant::now(), partial.len());
        loop {
            let piece = match reply.body.next(self.remote.cancel, || meter.tick()) {
                Ok(piece) => piece,
                Err(broken) => return Err(Failed::broken(broken, &reply.url)),
            };
            if piece.is_empty() {
                if partial.is_full() {
                    return Ok(());
                }
                let broken = Broken::Cut(format!("the body ended after {} of {} bytes", partial.len(), self.meta.size));
                return Err(Failed::broken(broken, &reply.url));
            }
            let total = partial.len() + piece.len() as u64;
            if total > self.meta.size {
                partial.restart()?;
                meter.reset(0);
                return Err(Failed::transient(self.wrong_size(total)));
            }
            partial.write(&piece)?;
            meter.add(piece.len() as u64);
            if window.0.elapsed() >= patience.trickle_window {
                if partial.len() - window.1 < patience.trickle_bytes {
                    return Err(Failed::broken(Broken::Silent(patience.trickle_window), &reply.url));
                }
                window = (std::time::Instant::now(), partial.len());
            }
        }
    }

    fn check_page(&self, reply: &Reply) -> Result<(), Failed> {
        let is_page =
            reply.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"));
        if is_page {
            return Err(HubError::WebPage { url: plain(&reply.url), file: self.file.path.clone() }.into());
        }
        Ok(())
    }

    fn check_length(&self, header: Option<&str>) -> Result<(), Failed> {
        match header.and_then(|text| text.parse::<u64>().ok()) {
            Some(length) if length != self.meta.size => Err(Failed::transient(self.wrong_size(length))),
            _ => Ok(()),
        }
    }

    /// `Content-Range: bytes FIRST-LAST/TOTAL` must continue what is here and belong to a file of the right size.
    fn check_range(&self, reply: &Reply, partial: &mut Partial<'_>, meter: &mut Meter<'_>) -> Result<(), Failed> {
        let range = reply.header("content-range").and_then(|text| text.trim().strip_prefix("bytes ")?.split_once('/'));
        let first = range.and_then(|(span, _)| span.split_once('-')?.0.trim().parse::<u64>().ok());
        let total = range.and_then(|(_, total)| total.trim().parse::<u64>().ok());
        if first == Some(partial.len()) && total.is_none_or(|total| total == self.meta.size) {
            return Ok(());
        }
        partial.restart()?;
        meter.reset(0);
        let shown = clean(reply.header("content-range").unwrap_or("none"), 60);
        let error = HubError::NotAHub {
            url: plain(&reply.url),
            reason: format!("the Content-Range ({shown}) is not the one asked for"),
        };
        Err(Failed::transient(error))
    }

    fn wrong_size(&self, got: u64) -> HubError {
        HubError::SizeMismatch { file: self.file.path.clone(), expected: self.meta.size, got }
    }

    fn config(&self) -> &HubConfig {
        self.remote.config
    }
}
