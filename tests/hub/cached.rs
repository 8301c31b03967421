//! The cache: found again without the network, read as Python lays it out, checked, listed and removed.

use std::fs;
use std::time::Instant;

use kshot::hub::{FileState, Progress};

use super::hub_server::{Fault, Target};
use super::*;

#[test]
fn a_cached_model_costs_no_connection_or_one_request() {
    let bench = Bench::new(1, 100_000);
    let snapshot = bench.pull().unwrap();
    let pinned = format!("{MODEL}@{COMMIT}");
    let offline = Hub::new(HubConfig { offline: true, ..bench.config() });
    let (before, begun) = (bench.server.connections(), Instant::now());
    assert_eq!(pull(&offline, MODEL).unwrap(), snapshot);
    assert_eq!(pull(&bench.hub(), &pinned).unwrap(), snapshot);
    assert_eq!(bench.hub().locate(&model(MODEL)).unwrap(), snapshot);
    assert_eq!(bench.server.connections() - before, 0, "no connection");
    println!("three cached look-ups in {} µs, 0 connections", begun.elapsed().as_micros());

    bench.server.take_seen();
    assert_eq!(bench.pull().unwrap(), snapshot);
    assert_eq!(bench.server.take_seen().len(), 1, "one request for a branch");

    for (target, fault) in
        [(Target::Api, Fault::Status(503, None)), (Target::Api, Fault::Page), (Target::Api, Fault::TornHeader)]
    {
        bench.server.fail(target, fault, 1);
        let mut told = false;
        let found = bench.hub().pull(
            &model(MODEL),
            &mut |event| told |= matches!(event, Progress::FromCache { .. }),
            &Cancel::new(),
        );
        assert_eq!(found.unwrap(), snapshot);
        assert!(told, "it says that the cache answered");
    }
    let gone = HubConfig { endpoint: "http://127.0.0.1:9".to_owned(), ..bench.config() };
    assert_eq!(pull(&Hub::new(gone), MODEL).unwrap(), snapshot, "the hub is down");
}

#[test]
fn a_new_commit_shares_what_did_not_change() {
    let bench = Bench::new(1, 50_000);
    let old = bench.pull().unwrap();
    let newer = "2222222222222222222222222222222222222222";
    let mut changed = repo(newer, &bench.weights);
    changed.files[0] = Served::from_bytes("config.json", b"{\"new\":1}".to_vec());
    bench.server.add(MODEL, changed);
    let before = bench.server.body_bytes();
    let new = bench.pull().unwrap();
    assert_eq!((bench.server.body_bytes() - before, new.commit.as_str()), (9, newer), "only the changed file");
    assert!(old.folder.join(WEIGHTS).exists());
    let cached = &bench.hub().cached_models()[0];
    let commits: Vec<_> =
        cached.revisions.iter().map(|r| (r.commit.as_str(), r.refs.as_slice(), r.missing.len())).collect();
    assert_eq!(commits, [(COMMIT, &[][..], 0), (newer, &["main".to_owned()][..], 0)]);

    // One revision goes, what the other needs stays.
    let freed = bench.hub().remove(&model(&format!("{MODEL}@{COMMIT}"))).unwrap();
    assert_eq!(freed, 2, "the old config.json");
    bench.assert_whole(&bench.hub().locate(&model(MODEL)).unwrap(), "the newer revision");
    let freed = bench.hub().remove(&model(MODEL)).unwrap();
    assert!(freed > 50_000);
    let left: Vec<_> = files(&bench.cache()).into_iter().filter(|path| !path.ends_with("CACHEDIR.TAG")).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(bench.hub().remove(&model(MODEL)).is_err(), "nothing left to remove");
}

#[test]
fn an_interrupted_update_leaves_the_older_model_in_use() {
    let bench = Bench::new(1, 50_000);
    let old = bench.pull().unwrap();
    bench.server.add(MODEL, repo("2222222222222222222222222222222222222222", &random(9, 50_000)));
    bench.server.fail(Target::Body, Fault::Flip(1), usize::MAX);
    assert!(matches!(bench.pull(), Err(HubError::HashMismatch { .. })));
    assert_eq!(bench.hub().locate(&model(MODEL)).unwrap(), old);
}

/// Python's layout, made by hand: `blobs`, `refs`, `snapshots` with links or copies.
fn python_cache(bench: &Bench, copies: bool) -> PathBuf {
    let root = bench.cache().join("models--tester--tiny");
    let snapshot = root.join("snapshots").join(COMMIT);
    for folder in [root.join("blobs"), root.join("refs"), snapshot.clone()] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(root.join("refs/main"), COMMIT).unwrap();
    for file in repo(COMMIT, &bench.weights).files {
        let bytes = match file.path.as_str() {
            WEIGHTS => bench.weights.clone(),
            "vocab.json" => b"{\"a\":0}".to_vec(),
            "merges.txt" => b"#version".to_vec(),
            "config.json" => b"{}".to_vec(),
            _ => continue,
        };
        if copies {
            fs::write(snapshot.join(&file.path), bytes).unwrap();
        } else {
            fs::write(root.join("blobs").join(file.etag()), bytes).unwrap();
            #[cfg(unix)]
            std::os::unix::fs::symlink(format!("../../blobs/{}", file.etag()), snapshot.join(&file.path)).unwrap();
        }
    }
    snapshot
}

#[test]
fn pythons_cache_is_ours() {
    for copies in [false, true] {
        let bench = Bench::new(1, 20_000);
        let folder = python_cache(&bench, copies);
        let offline = Hub::new(HubConfig { offline: true, ..bench.config() });
        assert_eq!(
            pull(&offline, MODEL).unwrap(),
            Snapshot { commit: COMMIT.to_owned(), folder: folder.clone(), only: false }
        );
        assert_eq!(bench.pull().unwrap().folder, folder);
        assert_eq!(bench.server.body_bytes(), 0);
        let checks = offline.verify(&model(MODEL), &mut |_| {}, &Cancel::new()).unwrap();
        let state = if copies { FileState::Unnamed } else { FileState::Intact };
        assert!(checks.len() == 4 && checks.iter().all(|check| check.state == state), "{checks:?}");
        // A file that is missing, and one that is cut short, are fetched; the rest is not.
        fs::remove_file(folder.join("merges.txt")).unwrap();
        bench.pull().unwrap();
        assert!(
            bench.server.body_bytes() <= 11,
            "merges.txt and what Python had not asked for: {}",
            bench.server.body_bytes()
        );
    }
}

/// A cache that was copied without its refs (huggingface_hub #4487).
#[test]
fn snapshots_without_refs_are_found_or_named() {
    let bench = Bench::new(1, 2000);
    let folder = python_cache(&bench, true);
    let refs = bench.cache().join("models--tester--tiny/refs");
    fs::remove_dir_all(&refs).unwrap();
    let offline = Hub::new(HubConfig { offline: true, ..bench.config() });
    let only = Snapshot { commit: COMMIT.to_owned(), folder: folder.clone(), only: true };
    assert_eq!(offline.locate(&model(MODEL)).unwrap(), only);
    assert_eq!(pull(&offline, MODEL).unwrap(), only);
    assert_eq!(offline.verify(&model(MODEL), &mut |_| {}, &Cancel::new()).unwrap().len(), 4);
    let error = offline.locate(&model("tester/tiny@v2")).unwrap_err().to_string();
    assert!(error.contains(&format!("of it there is tester/tiny@{COMMIT}")), "{error}");

    // Of several none is taken, and each is named as it can be typed.
    let other = "3333333333333333333333333333333333333333";
    fs::create_dir_all(folder.with_file_name(other)).unwrap();
    assert_eq!(offline.locate(&model(MODEL)).unwrap(), only, "an incomplete one does not count");
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.with_file_name(other).join(path.file_name().unwrap())).unwrap();
    }
    let error = offline.locate(&model(MODEL)).unwrap_err().to_string();
    assert!(error.contains(COMMIT) && error.contains(other), "{error}");
    assert!(offline.locate(&model(&format!("{MODEL}@{other}"))).is_ok());
    // Online the hub says which one it is.
    assert_eq!(bench.pull().unwrap().commit, COMMIT);
    assert_eq!(fs::read_to_string(refs.join("main")).unwrap(), COMMIT);
}

#[test]
fn damage_is_found_and_healed() {
    let bench = Bench::new(1, 20_000);
    let snapshot = bench.pull().unwrap();
    let hub = bench.hub();
    let check = || {
        let checks = hub.verify(&model(MODEL), &mut |_| {}, &Cancel::new()).unwrap();
        checks.into_iter().find(|check| check.file == WEIGHTS).unwrap().state
    };
    assert_eq!(check(), FileState::Intact);
    let blob = fs::canonicalize(snapshot.folder.join(WEIGHTS)).unwrap();
    let mut wrong = bench.weights.clone();
    wrong[7] ^= 1;
    fs::write(&blob, &wrong).unwrap();
    assert!(matches!(check(), FileState::Damaged { .. }), "one bit");
    fs::remove_file(&blob).unwrap();
    assert_eq!(check(), FileState::Missing);
    assert!(hub.locate(&model(MODEL)).is_err(), "a link to nothing is no file");
    bench.assert_whole(&bench.pull().unwrap(), "healed");
    // Cut short by another program: the length gives it away as soon as something is fetched.
    fs::write(&blob, &wrong[..100]).unwrap();
    fs::remove_file(snapshot.folder.join("config.json")).unwrap();
    bench.assert_whole(&bench.pull().unwrap(), "healed again");
}

#[test]
fn strays_of_a_crash_are_swept_after_a_day() {
    let bench = Bench::new(1, 1000);
    let blobs = bench.cache().join("models--tester--tiny/blobs");
    fs::create_dir_all(&blobs).unwrap();
    let names = ["old.kshot-partial.1-1.tmp", "new.kshot-partial.1-2.tmp", "old.kshot-partial"];
    let day = Duration::from_secs(24 * 3600);
    for (name, age) in names.iter().zip([day * 2, day / 2, day * 2]) {
        let file = fs::File::create(blobs.join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - age).unwrap();
    }
    bench.pull().unwrap();
    let left = names.map(|name| blobs.join(name).exists());
    assert_eq!(left, [false, true, true], "only what no later run can use");
}

#[test]
fn hostile_caches_do_no_harm() {
    let bench = Bench::new(1, 1000);
    let outside = bench.folder.path().join("outside");
    fs::write(&outside, "precious").unwrap();
    let root = bench.cache().join("models--tester--tiny");
    fs::create_dir_all(root.join("refs")).unwrap();
    for commit in ["../../../outside", "", "main", "\u{1b}[31m"] {
        fs::write(root.join("refs/main"), commit).unwrap();
        assert!(bench.hub().locate(&model(MODEL)).is_err(), "{commit:?}");
        assert!(bench.hub().remove(&model("tester/tiny@main")).is_err(), "{commit:?}");
    }
    for name in ["models----x", "models--a--b--c", "models--", "datasets--a--b", "models--a\u{1b}b"] {
        fs::create_dir_all(bench.cache().join(name).join("snapshots").join(COMMIT)).unwrap();
    }
    let listed: Vec<_> = bench.hub().cached_models().into_iter().map(|model| model.id).collect();
    assert_eq!(listed, [MODEL], "{listed:?}");
    assert_eq!(fs::read_to_string(outside).unwrap(), "precious");
}
