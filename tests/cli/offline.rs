//! Offline is offline: the system ends a process at its first socket for the internet, and none is ended.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};

use super::*;

/// Makes the system kill the program at its first `connect`, and at its first `socket` of the internet's kinds.
fn without_sockets(command: &mut Command) {
    let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let (load, equal, end) =
        (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::BPF_RET);
    // Of `struct seccomp_data`, 0 is the number of the call and 16 the lower half of its first argument (little endian).
    let filter = [
        op(load, 0, 0, 0),
        op(equal, 5, 0, libc::SYS_connect as u32),
        op(equal, 0, 3, libc::SYS_socket as u32),
        op(load, 0, 0, 16),
        op(equal, 2, 0, libc::AF_INET as u32),
        op(equal, 1, 0, libc::AF_INET6 as u32),
        op(end, 0, 0, libc::SECCOMP_RET_ALLOW),
        op(end, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
    ];
    // SAFETY: between fork and exec only prctl is called, which is async-signal-safe; the filter is moved into the closure and
    // lives until the call returns.
    unsafe {
        command.pre_exec(move || {
            let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
            let allowed = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            let set = libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program);
            if allowed == 0 && set == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
}

/// A cache with the checkpoint as `org/name`.
fn cached(world: &World) {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let repository = world.home.path().join(".cache/huggingface/hub/models--org--name");
    let snapshot = repository.join("snapshots").join(commit);
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(repository.join("refs")).unwrap();
    std::fs::write(repository.join("refs/main"), commit).unwrap();
    for entry in std::fs::read_dir(world.model.path()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, snapshot.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn no_command_opens_a_socket_offline() {
    let world = World::new();
    cached(&world);
    let run = |args: &[&str], offline: bool| {
        let mut command = world.command(args);
        command.stdin(Stdio::null());
        if !offline {
            command.env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", "http://127.0.0.1:9");
        }
        without_sockets(&mut command);
        command.output().unwrap()
    };
    let commands: &[(&[&str], i32)] = &[
        (&["generate", "hi", "-n", "2"], 0),
        (&["generate", "-m", "org/name", "hi", "-n", "2"], 0),
        (&["score", "-m", "org/name", "hi"], 0),
        (&["tokens", "-m", "org/name", "hi"], 0),
        (&["models", "list"], 0),
        (&["models", "pull", "org/name"], 0),
        (&["models", "info", "org/name"], 0),
        (&["models", "verify", "org/name"], 0),
        (&["doctor", "-m", "org/name"], 0),
        (&["bench", "-m", "org/name", "--rounds", "1"], 0),
        (&["screenshot", "-m", "org/name", "--keys", "hi<Ctrl+G><wait>"], 0),
        (&["--plain", "-m", "org/name"], 0),
        (&["eval", "--suite", "recall", "--limit", "1", "-k", "0"], 0),
        (&["prompts", "list"], 0),
        (&["models", "pull", "org/other"], 1),
        (&["models", "info", "org/other"], 1),
        (&["generate", "-m", "org/other", "hi"], 1),
    ];
    for (args, code) in commands {
        let output = run(args, true);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{args:?}: {:?} {stderr}", output.status.signal());
    }
    println!("{} commands offline: 0 sockets", commands.len());
    let made: Value =
        serde_json::from_slice(&run(&["generate", "-m", "org/name", "hi", "-n", "1", "--json"], true).stdout).unwrap();
    let load = made["timings"]["load_s"].as_f64().unwrap();
    assert!(load < 1.0, "a cached model was open after {load} s");
    // The same filter does end what goes online.
    let online = run(&["models", "pull", "org/other"], false);
    assert_eq!(online.status.signal(), Some(libc::SIGSYS), "{}", String::from_utf8_lossy(&online.stderr));
}
