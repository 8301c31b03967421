//! What the hub answers, in words that say what to do.

use super::*;

#[test]
fn errors_name_the_cause_and_the_way_out() {
    let bench = Bench::new(1, 1000);
    let bin = |path: &str| Served::from_bytes(path, vec![1; 10]);
    bench.server.add("tester/gated", Repo { gated: true, ..repo(COMMIT, b"x") });
    let old = ["config.json", "vocab.json", "merges.txt", "pytorch_model.bin"].map(bin).to_vec();
    bench.server.add("tester/old", Repo { commit: COMMIT.to_owned(), files: old, gated: false });
    let headless = ["tokenizer.json", "model.safetensors"].map(bin).to_vec();
    bench.server.add("tester/headless", Repo { commit: COMMIT.to_owned(), files: headless, gated: false });
    let anonymous = HubConfig { token: None, ..bench.config() };
    let offline = HubConfig { offline: true, ..bench.config() };
    let refused = HubConfig { endpoint: "http://127.0.0.1:9".to_owned(), ..bench.config() };
    let cases = [
        (bench.config(), "tester/nothing", "has no model 'tester/nothing'. Check the spelling", "the token in use"),
        (anonymous.clone(), "tester/nothing", "has no model 'tester/nothing'", "set HF_TOKEN"),
        (
            bench.config(),
            "tester/gated",
            "is gated: ask for access at http://127.0.0.1",
            "/tester/gated, then check that the token",
        ),
        (
            anonymous,
            "tester/gated",
            "is gated",
            "then set HF_TOKEN to a token of an account that may read it: Ask the authors.",
        ),
        (bench.config(), "tester/tiny@v9", "has no revision 'v9'", "Leave the revision out"),
        (bench.config(), "tester/old", "no safetensors weights, only pytorch_model.bin", "save_pretrained"),
        (bench.config(), "tester/headless", "no config.json", "another repository"),
        (offline, MODEL, "is not in the cache", "kshot models pull tester/tiny"),
        (refused, MODEL, "cannot reach 127.0.0.1:9", "HF_ENDPOINT"),
    ];
    for (config, name, cause, way_out) in cases {
        let error = pull(&Hub::new(config), name).unwrap_err().to_string();
        assert!(error.contains(cause) && error.contains(way_out) && !error.contains(TOKEN), "{name}: {error}");
    }
    assert_eq!(std::fs::read_dir(bench.cache()).map_or(0, Iterator::count), 0, "errors leave nothing behind");
}

#[test]
fn a_plan_knows_sizes_before_anything_is_fetched() {
    let bench = Bench::new(1, 12_345);
    let plan = bench.hub().plan(&model(MODEL), &Cancel::new()).unwrap();
    let files: Vec<_> = plan.files.iter().map(|file| (file.path.as_str(), file.size)).collect();
    assert_eq!(
        files,
        [("config.json", 2), ("tokenizer_config.json", 3), ("vocab.json", 7), ("merges.txt", 8), (WEIGHTS, 12_345)]
    );
    assert_eq!((plan.bytes(), plan.commit.as_str()), (12_365, COMMIT));
    assert!(plan.absent.iter().any(|name| name == "generation_config.json"));
    assert_eq!(bench.server.body_bytes(), 0);
}

#[test]
fn revisions_old_names_and_shards() {
    let bench = Bench::new(1, 5000);
    bench.server.alias("gpt2", MODEL);
    for name in ["gpt2", "tester/tiny@v1.0", "tester/tiny@refs/pr/1", &format!("tester/tiny@{COMMIT}")] {
        let snapshot = pull(&bench.hub(), name).expect(name);
        assert_eq!(std::fs::read(snapshot.folder.join(WEIGHTS)).unwrap(), bench.weights, "{name}");
        assert_eq!(bench.hub().locate(&model(name)).unwrap(), snapshot, "{name}");
    }
    let refs = bench.cache().join("models--tester--tiny/refs");
    assert_eq!(std::fs::read_to_string(refs.join("refs/pr/1")).unwrap(), COMMIT);

    let index = br#"{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"#;
    let mut files = repo(COMMIT, b"").files;
    files.retain(|file| file.path != WEIGHTS);
    files.push(Served::from_bytes("model.safetensors.index.json", index.to_vec()));
    files.extend([1, 2].map(|n| Served::from_bytes(&format!("model-0000{n}-of-00002.safetensors"), random(n, 2000))));
    bench.server.add("tester/shards", Repo { commit: COMMIT.to_owned(), files: files.clone(), gated: false });
    let snapshot = pull(&bench.hub(), "tester/shards").unwrap();
    assert_eq!(std::fs::read(snapshot.folder.join("model-00002-of-00002.safetensors")).unwrap(), random(2, 2000));
    files.pop();
    bench.server.add("tester/lost", Repo { commit: COMMIT.to_owned(), files, gated: false });
    let error = pull(&bench.hub(), "tester/lost").unwrap_err().to_string();
    assert!(error.contains("no model-00002-of-00002.safetensors"), "{error}");
}

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let bench = Bench::new(1, 100_000);
    bench.server.alias("gpt2", MODEL);
    let names = [MODEL, "gpt2", "tester/tiny@v1.0"];
    for name in names {
        pull(&bench.hub(), name).unwrap();
    }
    let requests = bench.assert_token_kept("pulls");
    bench.hub().remove(&model(MODEL)).unwrap();
    pull(&Hub::new(HubConfig { token: None, ..bench.config() }), MODEL).unwrap();
    let seen = bench.server.take_seen();
    assert!(seen.iter().all(|request| !request.headers.contains_key("authorization")), "no token, no header");
    assert!(seen.iter().any(|request| request.host == "store"), "the store was asked");
    println!("{requests} requests with a token set, none of them to the store with it");
    assert!(!format!("{:?}", bench.hub()).contains(TOKEN));
}
