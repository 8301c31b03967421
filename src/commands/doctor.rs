//! `kshot doctor`: what a bug report needs, and the proof that a model computes what it should.

use std::io::IsTerminal;

use kshot::hub::{HubConfig, Source};
use kshot::model::free_memory;
use serde_json::{Map, Value, json};

use super::checks::{self, Check};
use super::interrupt::Interrupt;
use super::model;
use super::{Context, Status, lossy, models, system};
use crate::cli::{DoctorArgs, ModelArg, long_version};
use kshot::text::figures::bytes;

/// The model whose continuations are published.
const PUBLISHED_FOR: [&str; 2] = ["openai-community/gpt2", "gpt2"];

pub(super) fn run(args: &DoctorArgs, cx: &mut Context) -> anyhow::Result<Status> {
    let facts = facts(cx)?;
    if !args.json {
        print_facts(&facts, cx)?;
    }
    let name = model::name(args.model.name.as_deref(), cx);
    let (about, checks) = check_model(&name, &args.model, cx)?;
    let ok = checks.iter().all(|check| check.ok);
    if args.json {
        cx.out.json(&json!({ "facts": facts, "model": about, "checks": checks, "ok": ok }))?;
    } else {
        print_facts(&about, cx)?;
        checks.iter().try_for_each(|check| print_check(check, cx))?;
        let failed = checks.iter().filter(|check| !check.ok).count();
        cx.out.line(format!("{} checks, {failed} failed", checks.len()))?;
    }
    Ok(if ok { Status::Done } else { Status::Bad })
}

fn facts(cx: &Context) -> anyhow::Result<Map<String, Value>> {
    let config = HubConfig::from_env()?;
    let terminal = |is: bool| if is { "terminal" } else { "pipe or file" };
    let size = crossterm::terminal::size().map_or("unknown".into(), |(columns, rows)| format!("{columns}x{rows}"));
    let mut facts = Map::new();
    let mut add = |name: &str, value: Value| _ = facts.insert(name.to_owned(), value);
    add("version", long_version().replace('\n', "; ").into());
    add("system", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH).into());
    add("cpu", kshot::export::cpu_name().into());
    add("cpu_features", system::cpu_features().into());
    add("threads", system::threads().into());
    add("memory_free", free_memory().map_or("unknown".into(), bytes).into());
    add("stdin", terminal(std::io::stdin().is_terminal()).into());
    add("stdout", terminal(std::io::stdout().is_terminal()).into());
    add("terminal_size", size.into());
    add("config", lossy(&cx.paths.config));
    add("data", lossy(&cx.paths.data));
    add("log", lossy(&cx.paths.log()));
    add("models", config.cache.map_or("unknown: no home folder".into(), |cache| lossy(&cache)));
    add("hub", config.endpoint.clone().into());
    add("hub_token", if config.token.is_some() { "set" } else { "not set" }.into());
    add("offline", (config.offline || cx.global.offline).into());
    add("environment", json!(system::environment()));
    Ok(facts)
}

/// Facts about the model and the checks; a model that does not load is a failed check, a name that is none an error.
fn check_model(name: &str, arg: &ModelArg, cx: &Context) -> anyhow::Result<(Map<String, Value>, Vec<Check>)> {
    let interrupt = Interrupt::on_ctrl_c()?;
    let source = Source::of(name)?;
    let mut about = Map::new();
    about.insert("model".into(), name.into());
    let mut checks = Vec::new();
    let files = model::files(&source, model::Need::Weights, cx, &interrupt)?;
    if !matches!(source, Source::Folder(_)) {
        let files = models::check_files(&source, cx, &interrupt);
        checks.push(Check::new(
            "files verified",
            files.map(|files| {
                let bad: Vec<_> = files.iter().filter(|file| !models::is_good(&file.state)).collect();
                let total = files.iter().map(|file| file.bytes).sum();
                let named = bad.iter().map(|file| format!("{}: {}", file.file, models::describe(&file.state)));
                let figure = match bad.as_slice() {
                    [] => format!("{} files, {}", files.len(), bytes(total)),
                    _ => named.collect::<Vec<_>>().join("; "),
                };
                (bad.is_empty(), figure)
            }),
        ));
    }
    about.insert("folder".into(), files.to_string().into());
    match model::load(name, arg, cx, &interrupt) {
        Err(error) => checks.push(Check::new("load", Err(format!("{error:#}")))),
        Ok(mut model) => {
            let info = model.info().clone();
            about.insert("dtype".into(), info.dtype.into());
            about.insert("parameters".into(), info.parameters.into());
            about.insert("context".into(), info.context.into());
            about.insert("peak_memory".into(), system::peak_resident().map_or("unknown".into(), bytes).into());
            checks.push(Check { name: "load", ok: true, figure: format!("{:.2} s", info.load_s) });
            checks.extend(checks::any_model(model.as_mut(), &interrupt.engine));
            if matches!(&source, Source::Hub(reference) if PUBLISHED_FOR.contains(&reference.id())) {
                checks.extend(checks::published(model.as_mut(), &interrupt.engine));
            }
        }
    }
    if interrupt.engine.is_cancelled() {
        return Err(kshot::engine::EngineError::Cancelled.into());
    }
    Ok((about, checks))
}

fn print_facts(facts: &Map<String, Value>, cx: &mut Context) -> anyhow::Result<()> {
    for (name, value) in facts {
        let lines = match value {
            Value::Object(entries) => {
                entries.iter().map(|(name, value)| format!("  {name}={}", plain(value))).collect()
            }
            Value::Array(entries) => vec![entries.iter().map(plain).collect::<Vec<_>>().join(" ")],
            value => vec![plain(value)],
        };
        let (first, rest) = match value {
            Value::Object(_) => (String::new(), lines.as_slice()),
            _ => (lines[0].clone(), &lines[1..]),
        };
        let line = cx.out.label(&format!("{:<14} {first}", name.replace('_', " ")));
        cx.out.line(line.trim_end())?;
        for line in rest {
            let line = cx.out.label(line);
            cx.out.line(line)?;
        }
    }
    Ok(())
}

fn print_check(check: &Check, cx: &mut Context) -> anyhow::Result<()> {
    let style = cx.out.style();
    let mark = if check.ok { style.green("ok  ") } else { style.red("FAIL") };
    let figure = cx.out.label(&check.figure);
    cx.out.line(format!("{mark} {:<24} {figure}", check.name))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
