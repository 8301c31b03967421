//! Cancelled, killed, raced and out of room: what is on disk afterwards, and how much of it is used again.

use std::fs::File;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kshot::hub::{Disk, Progress};

use super::hub_server::{Fault, Target};
use super::*;

const SIZE: usize = 1_000_000;

/// Runs a pull on another thread and cancels it when `when` says so. Returns the pull's result and the milliseconds
/// from the cancel to its end, if it came to that.
fn cancel_when(hub: &Hub, mut when: impl FnMut(&Progress) -> bool) -> (Result<Snapshot, HubError>, Option<u128>) {
    let cancel = Cancel::new();
    let mut at = None;
    let result = hub.pull(
        &model(MODEL),
        &mut |event| {
            if at.is_none() && when(&event) {
                cancel.cancel();
                at = Some(Instant::now());
            }
        },
        &cancel,
    );
    (result, at.map(|at| at.elapsed().as_millis()))
}

#[test]
fn a_cancelled_pull_stops_at_once_and_goes_on_later() {
    let mut worst = 0;
    let (mut kept, mut reused) = (0, 0);
    for seed in 0..8 {
        let bench = Bench::new(seed, SIZE);
        let at = 100_000 + 100_000 * seed;
        bench.server.fail(Target::Body, Fault::Stall(at), 1);
        let stalled =
            |event: &Progress| matches!(event, Progress::Transfer(now) if now.file == WEIGHTS && now.file_done >= at);
        // The stall timeout is longer than the test waits, so only the cancel can end the pull.
        let patient = Hub::new(HubConfig { download_timeout: Duration::from_secs(30), ..bench.config() });
        let (result, millis) = cancel_when(&patient, stalled);
        assert!(matches!(result, Err(HubError::Cancelled)), "{result:?}");
        worst = worst.max(millis.expect("the moment to cancel came"));
        assert_eq!(bench.hub().cached_models()[0].partial_bytes, at);

        let before = bench.server.body_bytes();
        bench.server.take_seen();
        bench.assert_whole(&bench.pull().unwrap(), "resumed");
        let fetched = bench.server.body_bytes() - before;
        assert_eq!(fetched, SIZE as u64 - at, "only the missing bytes");
        let store = bench.server.take_seen().into_iter().find(|request| request.host == "store").unwrap();
        assert!(store.headers.contains_key("if-range"), "{store:?}");
        kept += at;
        reused += SIZE as u64 - fetched;
    }
    println!("cancel to end: at most {worst} ms; {reused} of {kept} bytes on disk used again");
    assert!(worst <= 250, "{worst} ms: the promise is 100, a busy machine may take longer");
}

#[test]
fn cancel_ends_every_wait() {
    // A peer that accepts and says nothing; a retry that is minutes away.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bench = Bench::new(1, 1000);
    bench.server.fail(Target::Api, Fault::Status(503, None), usize::MAX);
    let patience = Patience { backoff: Duration::from_secs(300), ..bench.config().patience };
    let hubs = [
        HubConfig {
            endpoint: format!("http://{}", silent.local_addr().unwrap()),
            etag_timeout: Duration::from_secs(30),
            ..bench.config()
        },
        HubConfig { patience, ..bench.config() },
    ];
    for config in hubs {
        let cancel = Cancel::new();
        std::thread::scope(|scope| {
            let pull = scope.spawn(|| Hub::new(config.clone()).pull(&model(MODEL), &mut |_| {}, &cancel));
            // Long enough to be inside the wait; a shorter time would only make the test easier.
            std::thread::sleep(Duration::from_millis(80));
            let at = Instant::now();
            cancel.cancel();
            assert!(matches!(pull.join().unwrap(), Err(HubError::Cancelled)));
            println!("cancelled within {} ms", at.elapsed().as_millis());
            assert!(at.elapsed() < Duration::from_millis(250), "{:?}", at.elapsed());
        });
    }
}

/// Not a test by itself: the process that `kill_9` kills.
#[test]
#[ignore = "run by kill_9 in a process of its own"]
fn child() {
    let var = |name: &str| std::env::var(name).unwrap();
    let config = HubConfig {
        endpoint: var("KSHOT_TEST_ENDPOINT"),
        cache: Some(var("KSHOT_TEST_CACHE").into()),
        ..HubConfig::from_vars(|name| (name == "HOME").then(|| "/nowhere".into())).unwrap()
    };
    let _ = Hub::new(config).pull(&model(MODEL), &mut |event| println!("{event:?}"), &Cancel::new());
}

#[test]
fn kill_9_loses_no_byte_and_corrupts_nothing() {
    let bench = Bench::new(3, SIZE);
    let (mut kills, mut kept, mut lost) = (0, 0, 0);
    for seed in 0..12_u64 {
        bench.server.fail(Target::Body, Fault::Slow(Duration::from_millis(2)), 1);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "interrupted::child", "--ignored", "--nocapture"])
            .envs([
                ("KSHOT_TEST_ENDPOINT", bench.server.endpoint()),
                ("KSHOT_TEST_CACHE", bench.cache().display().to_string()),
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The pull's own first words say that it runs; from there a different moment for each seed.
        let mut words = io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while io::BufRead::read_line(&mut words, &mut line).unwrap() > 0 && !line.contains(WEIGHTS) {
            line.clear();
        }
        std::thread::sleep(Duration::from_millis(seed * 3));
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        bench.assert_no_corrupt_blob("killed");
        let held = bench.hub().cached_models().first().map_or(0, |model| model.partial_bytes);
        let mut found = None;
        let again = Hub::new(bench.config());
        let _ = cancel_when(&again, |event| match event {
            Progress::Transfer(now) if now.file == WEIGHTS && now.file_done > 0 && found.is_none() => {
                found = Some(now.file_done);
                true
            }
            Progress::Transfer(now) => now.done == now.bytes,
            _ => false,
        });
        kept += held;
        lost += held.saturating_sub(found.unwrap_or(0));
        if bench.hub().locate(&model(MODEL)).is_ok() {
            bench.hub().remove(&model(MODEL)).unwrap();
        }
    }
    bench.server.clear_faults();
    bench.assert_whole(&bench.pull().unwrap(), "after the kills");
    println!("{kills} kills: {kept} bytes found on restarts, {lost} lost");
    assert_eq!(lost, 0);
}

/// A file system whose locks let everybody in, as on some network file systems.
struct Lying;

impl Disk for Lying {
    fn try_lock(&self, _file: &File) -> io::Result<bool> {
        Ok(true)
    }
}

#[test]
fn two_pulls_of_one_model() {
    let locks: [(&str, Arc<dyn Disk>, u64); 2] =
        [("locks that work", Arc::new(SystemDisk), 1), ("locks that lie", Arc::new(Lying), 2)];
    for (what, disk, most) in locks {
        let mut bytes = 0;
        let rounds = 15;
        for seed in 0..rounds {
            let bench = Bench::new(seed, 300_000);
            bench.server.fail(Target::Body, Fault::Slow(Duration::from_millis(2)), 2);
            let config =
                HubConfig { disk: Arc::clone(&disk), download_timeout: Duration::from_secs(20), ..bench.config() };
            std::thread::scope(|scope| {
                let pulls: Vec<_> = (0..2).map(|_| scope.spawn(|| pull(&Hub::new(config.clone()), MODEL))).collect();
                for pull in pulls {
                    bench.assert_no_corrupt_blob(what);
                    assert_eq!(
                        std::fs::read(pull.join().unwrap().expect(what).folder.join(WEIGHTS)).unwrap(),
                        bench.weights
                    );
                }
            });
            bench.assert_whole(&bench.hub().locate(&model(MODEL)).unwrap(), what);
            bytes += bench.server.body_bytes();
        }
        let times = bytes as f64 / (rounds * 300_000) as f64;
        println!("{what}: {rounds} races, {times:.2} times the bytes");
        assert!(times <= most as f64 + 0.01, "{what}: {times}");
    }
}

/// A disk with so many bytes left for writing, and what it says about itself.
struct Small {
    left: AtomicU64,
    says: u64,
}

impl Disk for Small {
    fn available(&self, _folder: &Path) -> io::Result<u64> {
        Ok(self.says)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let left = self.left.load(Ordering::Relaxed).min(bytes.len() as u64);
        file.write_all(&bytes[..left as usize])?;
        self.left.fetch_sub(left, Ordering::Relaxed);
        if left < bytes.len() as u64 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

#[test]
fn a_full_disk_is_a_clean_error() {
    let bench = Bench::new(5, SIZE);
    let small = |left, says| {
        Hub::new(HubConfig { disk: Arc::new(Small { left: AtomicU64::new(left), says }), ..bench.config() })
    };
    let error = pull(&small(u64::MAX, 500_000), MODEL).unwrap_err().to_string();
    assert!(error.starts_with("disk full: 1 MB needed at ") && error.contains("500 kB free"), "{error}");
    assert_eq!(bench.server.body_bytes(), 0, "refused before the first byte");
    for seed in 0..50 {
        let left = u64::from(ChaCha8Rng::seed_from_u64(seed).next_u32()) % SIZE as u64;
        let error = pull(&small(left, u64::MAX), MODEL).unwrap_err();
        assert!(matches!(error, HubError::DiskFull { .. }), "{left}: {error}");
        bench.assert_no_corrupt_blob("full disk");
        assert_eq!(leftovers(&bench.cache()), Vec::<String>::new(), "{left}: the room is given back");
    }
    bench.assert_whole(&bench.pull().unwrap(), "room again");
    println!("51 of 51 full disks end in a clean error");
}
