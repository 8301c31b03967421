//! Pulls one model with the settings of the environment and prints its snapshot folder: `hub_pull org/name`.
//! `hub_pull --verify org/name` re-hashes what is cached instead. Ctrl+C stops it; the next run goes on.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for developers")]

use kshot::hub::{Cancel, FileState, Hub, HubConfig, Progress};

fn main() -> anyhow::Result<()> {
    let mut args: Vec<_> = std::env::args().skip(1).collect();
    let verify = args.first().is_some_and(|arg| arg == "--verify");
    if verify {
        args.remove(0);
    }
    let [name] = &args[..] else { anyhow::bail!("usage: hub_pull [--verify] org/name[@revision]") };
    let hub = Hub::new(HubConfig::from_env()?);
    let mut show = |event: Progress| match event {
        Progress::Transfer(now) => {
            let rate = now.rate.unwrap_or(0.0) / 1e6;
            eprintln!("transfer {} {}/{} {rate:.1} MB/s eta {:?}", now.file, now.done, now.bytes, now.eta);
        }
        other => eprintln!("{other:?}"),
    };
    let model = name.parse()?;
    if verify {
        let checks = hub.verify(&model, &mut show, &Cancel::new())?;
        let bad: Vec<_> = checks.iter().filter(|check| check.state != FileState::Intact).collect();
        anyhow::ensure!(bad.is_empty(), "damaged: {bad:?}");
        println!("{} files intact", checks.len());
    } else {
        println!("{}", hub.pull(&model, &mut show, &Cancel::new())?.folder.display());
    }
    Ok(())
}
