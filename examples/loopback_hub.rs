//! Serves folders as a Hugging Face hub on this machine, for people and scripts that want to try downloads.
//!
//! `cargo run --release --example loopback_hub -- --dir DIR [--port N] [--fault NAME]` serves every folder
//! `DIR/org/name` as a repository at revision `main` and prints its endpoint, to be used as `HF_ENDPOINT`.
//! Faults: `cuts` (each body ends after 1 to 64 MB), `stall` (the first body goes silent), `flip` (one wrong bit),
//! `busy` (every other look-up gets 503), `slow` (1 ms between 64 kB). It runs until it is killed.
#![allow(dead_code, reason = "the server is shared with the tests, which use all of it")]
#![allow(clippy::print_stdout, clippy::expect_used, clippy::unwrap_used, reason = "a program for developers")]

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha1::{Digest, Sha1};

#[path = "../tests/support/hub_server.rs"]
mod hub_server;
use hub_server::{Fault, HubServer, Repo, Served, Target};

fn main() -> anyhow::Result<()> {
    let (mut dir, mut port, mut fault) = (None, 0, None);
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().with_context(|| format!("{flag} wants a value"))?;
        match flag.as_str() {
            "--dir" => dir = Some(PathBuf::from(value)),
            "--port" => port = value.parse().context("--port wants a number")?,
            "--fault" => fault = Some(value),
            other => bail!("unknown option {other}; there are --dir, --port and --fault"),
        }
    }
    let dir = dir.context("--dir DIR is needed: a folder with org/name folders in it")?;
    let server = HubServer::start(port)?;
    for (id, folder) in repositories(&dir)? {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&folder)?.flatten().filter(|entry| entry.path().is_file()) {
            files.push(Served::from_file(&entry.file_name().to_string_lossy(), &entry.path())?);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut commit = Sha1::new();
        files.iter().for_each(|file| commit.update(file.sha256.as_bytes()));
        println!("{id}: {} files", files.len());
        server.add(&id, Repo { commit: hub_server::hex(&commit.finalize()), files, gated: false });
    }
    match fault.as_deref() {
        None => {}
        Some("cuts") => (0..10_000_u64).for_each(|n| {
            server.fail(Target::Body, Fault::Cut(1_000_000 + (n * 7_919_317) % 63_000_000), 1);
        }),
        Some("stall") => server.fail(Target::Body, Fault::Stall(100_000), 1),
        Some("flip") => server.fail(Target::Body, Fault::Flip(1_000), usize::MAX),
        Some("busy") => server.fail(Target::Api, Fault::Status(503, Some(("Retry-After", "1"))), 3),
        Some("slow") => server.fail(Target::Body, Fault::Slow(std::time::Duration::from_millis(1)), usize::MAX),
        Some(other) => bail!("unknown fault {other}; there are cuts, stall, flip, busy and slow"),
    }
    println!("{}", server.endpoint());
    loop {
        std::thread::park();
    }
}

fn repositories(dir: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for org in std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?.flatten() {
        for name in std::fs::read_dir(org.path()).into_iter().flatten().flatten().filter(|name| name.path().is_dir()) {
            let id = format!("{}/{}", org.file_name().to_string_lossy(), name.file_name().to_string_lossy());
            found.push((id, name.path()));
        }
    }
    if found.is_empty() {
        bail!("{} holds no org/name folders", dir.display());
    }
    Ok(found)
}
