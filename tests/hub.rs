//! The hub layer against a hub on the loopback. Every test prints what it measured (`--nocapture`).
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests may stop at the first surprise and print their figures"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kshot::hub::{Cancel, Hub, HubConfig, HubError, ModelRef, Patience, Proxies, Snapshot, SystemDisk, Token};
use rand_chacha::ChaCha8Rng;
use rand08::{RngCore, SeedableRng};
use sha1::{Digest, Sha1};
use sha2::Sha256;

#[path = "support/hub_server.rs"]
mod hub_server;
use hub_server::{HubServer, Repo, Served};

#[path = "hub/answers.rs"]
mod answers;
#[path = "hub/cached.rs"]
mod cached;
#[path = "hub/faults.rs"]
mod faults;
#[path = "hub/interrupted.rs"]
mod interrupted;
#[path = "hub/secrecy.rs"]
mod secrecy;

const MODEL: &str = "tester/tiny";
const COMMIT: &str = "1111111111111111111111111111111111111111";
const TOKEN: &str = "hf_t0psecret";
const WEIGHTS: &str = "model.safetensors";

/// A hub with one model, an empty cache, and settings that give up within a second.
struct Bench {
    server: HubServer,
    folder: tempfile::TempDir,
    weights: Vec<u8>,
}

impl Bench {
    fn new(seed: u64, size: usize) -> Self {
        let server = HubServer::start(0).unwrap();
        let weights = random(seed, size);
        server.add(MODEL, repo(COMMIT, &weights));
        Self { server, folder: tempfile::tempdir().unwrap(), weights }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("hub")
    }

    fn config(&self) -> HubConfig {
        HubConfig {
            endpoint: self.server.endpoint(),
            cache: Some(self.cache()),
            token: Token::new(TOKEN),
            offline: false,
            etag_timeout: Duration::from_secs(2),
            download_timeout: Duration::from_millis(500),
            patience: Patience {
                attempts: 4,
                backoff: Duration::from_millis(2),
                longest_wait: Duration::from_secs(2),
                trickle_window: Duration::from_millis(150),
                trickle_bytes: 1000,
            },
            proxies: Proxies::default(),
            disk: Arc::new(SystemDisk),
        }
    }

    fn hub(&self) -> Hub {
        Hub::new(self.config())
    }

    fn pull(&self) -> Result<Snapshot, HubError> {
        pull(&self.hub(), MODEL)
    }

    /// The model is whole and nothing else lies about.
    fn assert_whole(&self, snapshot: &Snapshot, what: &str) {
        assert_eq!(std::fs::read(snapshot.folder.join(WEIGHTS)).unwrap(), self.weights, "{what}");
        assert_eq!(leftovers(&self.cache()), Vec::<String>::new(), "{what}");
        self.assert_no_corrupt_blob(what);
    }

    fn assert_no_corrupt_blob(&self, what: &str) -> usize {
        let blobs = files(&self.cache()).into_iter().filter(|path| is_blob(path));
        let mut count = 0;
        for blob in blobs {
            let (name, bytes) = (blob.file_name().unwrap().to_str().unwrap(), std::fs::read(&blob).unwrap());
            let git = Sha1::new().chain_update(format!("blob {}\0", bytes.len())).chain_update(&bytes).finalize();
            let hash = if name.len() == 64 { hub_server::hex(&Sha256::digest(&bytes)) } else { hub_server::hex(&git) };
            assert_eq!(name, hash, "{what}: a corrupt blob");
            count += 1;
        }
        count
    }

    /// Nobody but the hub itself saw the token; the hub did.
    fn assert_token_kept(&self, what: &str) -> usize {
        let seen = self.server.take_seen();
        let told = seen.iter().filter(|request| request.headers.values().any(|value| value.contains(TOKEN)));
        let told: Vec<_> = told.map(|request| request.host).collect();
        assert!(told.iter().all(|host| *host == "hub") && !told.is_empty(), "{what}: {told:?}");
        seen.len()
    }
}

fn repo(commit: &str, weights: &[u8]) -> Repo {
    let small = [
        ("config.json", "{}"),
        ("merges.txt", "#version"),
        ("tokenizer_config.json", "{ }"),
        ("vocab.json", "{\"a\":0}"),
    ];
    let mut files: Vec<_> =
        small.iter().map(|(path, text)| Served::from_bytes(path, text.as_bytes().to_vec())).collect();
    files.push(Served::from_bytes(WEIGHTS, weights.to_vec()));
    files.push(Served::from_bytes("README.md", b"not part of a model".to_vec()));
    Repo { commit: commit.to_owned(), files, gated: false }
}

fn random(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

fn model(name: &str) -> ModelRef {
    name.parse().unwrap()
}

fn pull(hub: &Hub, name: &str) -> Result<Snapshot, HubError> {
    hub.pull(&model(name), &mut |_| {}, &Cancel::new())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.flatten().map(|entry| (entry.path(), entry.file_type().unwrap().is_dir()));
    paths.flat_map(|(path, is_dir)| if is_dir { files(&path) } else { vec![path] }).collect()
}

fn is_blob(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    path.parent().unwrap().ends_with("blobs") && !name.contains('.')
}

/// Files that a finished pull must not leave behind.
fn leftovers(cache: &Path) -> Vec<String> {
    let names = files(cache).into_iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
    names.filter(|name| name.contains("kshot") || name.ends_with(".tmp")).collect()
}
