//! The program itself against a hub: the token reaches the hub alone, and neither it nor a signature is written anywhere.

use std::process::{Command, Stdio};

use super::hub_server::{Fault, Target};
use super::*;

/// Commands that ask the hub, under answers that make them say something.
#[test]
fn the_token_is_in_no_output_no_log_and_no_file() {
    let denied = |status, header| move || vec![(Target::Api, Fault::Status(status, header), usize::MAX)];
    let faults: [(&str, Box<dyn Fn() -> Vec<(Target, Fault, usize)>>); 7] = [
        ("nothing", Box::new(Vec::new)),
        ("401", Box::new(denied(401, Some(("X-Error-Message", "Invalid credentials in Authorization header"))))),
        ("403", Box::new(denied(403, None))),
        ("404", Box::new(denied(404, Some(("X-Error-Code", "RepoNotFound"))))),
        ("page", Box::new(|| vec![(Target::Api, Fault::Page, usize::MAX)])),
        ("circle", Box::new(|| vec![(Target::Body, Fault::Loop, usize::MAX)])),
        ("refused redirect", Box::new(|| vec![(Target::Body, Fault::BadRedirect, usize::MAX)])),
    ];
    let (mut requests, mut searched) = (0, 0);
    for (what, faults) in &faults {
        for args in [
            &["models", "pull", MODEL][..],
            &["models", "info", MODEL, "--json"],
            &["generate", "-m", MODEL, "hi"],
            &["models", "verify", MODEL],
            &["doctor", "-m", MODEL],
        ] {
            let bench = Bench::new(3, 100_000);
            for (target, fault, times) in faults() {
                bench.server.fail(target, fault, times);
            }
            let home = bench.folder.path();
            let output = Command::new(assert_cmd::cargo::cargo_bin!("kshot"))
                .args(args)
                .env_clear()
                .env("HOME", home)
                .env("HF_ENDPOINT", bench.server.endpoint())
                .env("HF_TOKEN", TOKEN)
                .env("KSHOT_LOG", "trace")
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let secrets = [TOKEN.as_bytes(), b"s3cret"];
            let has =
                |bytes: &[u8]| secrets.iter().any(|secret| bytes.windows(secret.len()).any(|part| part == *secret));
            assert!(!has(&output.stdout) && !has(&output.stderr), "{what} {args:?}: {output:?}");
            for file in files(home) {
                searched += 1;
                assert!(!has(&std::fs::read(&file).unwrap()), "{what} {args:?}: {}", file.display());
            }
            let seen = bench.server.take_seen();
            requests += seen.len();
            let told = seen.iter().filter(|request| request.headers.values().any(|value| value.contains(TOKEN)));
            assert!(told.into_iter().all(|request| request.host == "hub"), "{what} {args:?}");
        }
    }
    println!("{requests} requests and {searched} files of 35 runs: the token went to the hub alone");
    assert!(requests >= 35, "{requests}");
}

/// A proxy sees what its variable is for, and nothing else.
#[test]
fn each_scheme_goes_through_its_own_proxy() {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://me:s3cret@{}", proxy.local_addr().unwrap());
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in proxy.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let _ = (&stream).write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
            let _ = sender.send(line);
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let get = |endpoint: &str, vars: &[(&str, &str)]| {
        let config = HubConfig::from_vars(|name| {
            let given = vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into());
            let fixed = match name {
                "HF_ENDPOINT" => Some(endpoint.into()),
                "HF_HOME" => Some(folder.path().into()),
                "HF_HUB_ETAG_TIMEOUT" => Some("1".into()),
                _ => None,
            };
            given.or(fixed)
        });
        let patience = Patience { attempts: 1, ..Patience::default() };
        let error = pull(&Hub::new(HubConfig { patience, ..config.unwrap() }), MODEL).unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
        lines.try_iter().last()
    };
    // Names below .invalid resolve nowhere (RFC 6761), so what goes past the proxy reaches nothing.
    let (http, https) = ("http://hub.invalid", "https://hub.invalid");
    let all = [("HTTPS_PROXY", address.as_str())];
    assert!(get(https, &all).is_some_and(|line| line.starts_with("CONNECT hub.invalid:443")), "https");
    assert_eq!(get(http, &all), None, "HTTPS_PROXY is for https alone");
    assert!(get(http, &[("HTTP_PROXY", &address)]).is_some_and(|line| line.contains("hub.invalid")), "http");
    assert_eq!(get(https, &[all[0], ("NO_PROXY", ".invalid")]), None, "NO_PROXY");
    let range = get("https://192.0.2.1:9", &[all[0], ("NO_PROXY", "192.0.2.0/24")]);
    assert_eq!(range, None, "a range in NO_PROXY");
}
