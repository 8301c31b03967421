//! `kshot eval`: how often a model answers a task right, at each number of examples.

use std::path::Path;
use std::time::Instant;

use anyhow::bail;
use kshot::corpus::SUITES;
use kshot::eval::{
    DEFINITIONS, Documents, Done, EvalError, Evaluation, Figures, Instructions, Journal, ModelIdentity, Plan, Protocol,
    Rate, Record, Source, Start, Tally, one_by_one,
};
use kshot::prompt::{Library, Task};
use serde::Serialize;
use serde_json::json;

use super::interrupt::Interrupt;
use super::progress::ProgressLine;
use super::{Context, Status, Usage, model, prompts};
use crate::cli::EvalArgs;

/// Numbers of examples where none are given.
const SHOTS: [usize; 5] = [0, 1, 2, 4, 8];

/// What `--json` prints: one object. Rates are in percent.
#[derive(Serialize)]
struct Report<'a> {
    protocol: &'a Protocol,
    shots: &'a [usize],
    limit: usize,
    /// One entry for each task at each number of shots.
    results: &'a Tally,
    /// Tasks that cannot be measured.
    left_out: &'a [LeftOut],
    /// False where Ctrl+C ended it: `done` of each result says how far it came.
    complete: bool,
    /// Items that a results file already had.
    resumed: usize,
    seconds: f64,
    kshot: &'static str,
}

pub(super) fn run(args: &EvalArgs, cx: &mut Context) -> anyhow::Result<Status> {
    if args.list {
        return list(args.json, cx);
    }
    let (plan, left_out) = plan(args, cx)?;
    let name = model::name(args.model.name.as_deref(), cx);
    let interrupt = Interrupt::on_ctrl_c()?;
    let mut model = model::load(&name, &args.model, cx, &interrupt)?;
    let cancel = interrupt.engine.flag();
    let identity = match ModelIdentity::of(model.info(), cancel) {
        Err(error) if error.is_cancelled() => return Ok(Status::Interrupted),
        other => other?,
    };
    let protocol = Protocol {
        model: identity,
        dtype: model.info().dtype,
        seed: args.seed,
        instruction: plan.instruction,
        documents: documents(args),
        start: if args.bos { Start::EndOfText } else { Start::Prompt },
        definitions: DEFINITIONS,
    };

    let mut tally = Tally::new(&plan);
    let (mut journal, done) = match &args.resume {
        Some(path) => Journal::open(path, &protocol).map(|(journal, done)| (Some(journal), done))?,
        None => (None, Done::default()),
    };
    done.records().for_each(|record| tally.add(record));
    let resumed = tally.done();

    let begun = Instant::now();
    let tokenizer = model::tokenizer(model.as_ref())?;
    let questions = done.left(plan.questions());
    let records: Box<dyn Iterator<Item = Result<Record, EvalError>>> = if model.info().capabilities.batch {
        let decoder = model::decoder(model.as_ref())?;
        Box::new(Evaluation::new(decoder, &tokenizer, questions, protocol.start, cancel))
    } else {
        Box::new(one_by_one(model.as_mut(), questions, protocol.start, &interrupt.engine))
    };
    let complete = measure(records, journal.as_mut(), &mut tally)?;

    let report = Report {
        protocol: &protocol,
        shots: &plan.shots,
        limit: plan.limit,
        results: &tally,
        left_out: &left_out,
        complete,
        resumed,
        seconds: begun.elapsed().as_secs_f64(),
        kshot: env!("CARGO_PKG_VERSION"),
    };
    match args.json {
        true => cx.out.json(&report)?,
        false => print(&report, cx)?,
    }
    if complete {
        return Ok(if left_out.iter().any(|task| task.named) { Status::Bad } else { Status::Done });
    }
    note_stopped(args.resume.as_deref(), &tally, cx);
    Ok(Status::Interrupted)
}

/// Counts and keeps records until there are no more. False where Ctrl+C ended it.
fn measure(
    records: impl Iterator<Item = Result<Record, EvalError>>,
    mut journal: Option<&mut Journal>,
    tally: &mut Tally,
) -> anyhow::Result<bool> {
    let mut line = ProgressLine::new();
    for record in records {
        let record = match record {
            Err(error) if error.is_cancelled() => return Ok(false),
            other => other?,
        };
        if let Some(journal) = &mut journal {
            journal.add(&record)?;
        }
        tally.add(&record);
        line.count(&record.task, tally.done(), tally.items(), "items");
    }
    Ok(true)
}

/// Says how far it came, and how to go on.
fn note_stopped(resume: Option<&Path>, tally: &Tally, cx: &mut Context) {
    let kept = match resume {
        Some(path) => format!("the same command goes on from {}", path.display()),
        None => "with --resume FILE a run can be continued".to_owned(),
    };
    cx.note(format!("stopped after {} of {} items; {kept}", tally.done(), tally.items()));
}

/// A task that is asked for and cannot be measured.
#[derive(Serialize)]
struct LeftOut {
    task: String,
    reason: String,
    /// Whether it was named, and not one of all.
    #[serde(skip)]
    named: bool,
}

/// What is asked, and everything that cannot be asked refused before the model is loaded. Of several tasks those that can be
/// measured are.
fn plan(args: &EvalArgs, cx: &Context) -> anyhow::Result<(Plan<'static>, Vec<LeftOut>)> {
    let (mut sources, mut left_out) = (Vec::new(), Vec::new());
    if !args.task.is_empty() {
        let library = prompts::library(cx);
        for (task, named) in tasks(args, &library)? {
            let name = task.name.clone();
            match Source::task(task, documents(args)) {
                Ok(source) => sources.push(source),
                Err(error) if named && args.task.len() + args.suite.len() == 1 => return Err(explained(error)),
                Err(error) => {
                    let error = explained(error);
                    cx.note(kshot::text::sanitise::line(&format!("left out: {error}")));
                    left_out.push(LeftOut { task: name, reason: error.to_string(), named });
                }
            }
        }
    }
    for name in &args.suite {
        match name.as_str() {
            "all" => sources.extend(SUITES.iter().map(Source::Suite)),
            name => sources.push(Source::suite(name)?),
        }
    }
    if sources.is_empty() {
        bail!("none of these tasks can be measured");
    }
    for (at, source) in sources.iter().enumerate() {
        if sources[..at].iter().any(|before| (before.kind(), before.name()) == (source.kind(), source.name())) {
            bail!(Usage(format!("{} is named twice", source.name())));
        }
    }
    let shots = shots(args, &sources, cx)?;
    let instruction = match (args.instruction, args.no_instruction) {
        (true, _) => Instructions::Shown,
        (_, true) => Instructions::Hidden,
        _ => Instructions::TasksOnly,
    };
    Ok((Plan { sources, shots, limit: args.limit, seed: args.seed, instruction }, left_out))
}

/// The numbers of examples. Those that were asked for are refused where a task has fewer, the usual ones left out.
fn shots(args: &EvalArgs, sources: &[Source<'_>], cx: &Context) -> anyhow::Result<Vec<usize>> {
    let mut shots = args.shots.as_ref().map_or_else(|| SHOTS.to_vec(), |given| given.0.clone());
    shots.sort_unstable();
    shots.dedup();
    for source in sources {
        let Some(most) = source.most_shots() else { continue };
        let Some(&too_many) = shots.iter().find(|&&shots| shots > most) else { continue };
        if args.shots.is_some() {
            return Err(EvalError::TooManyShots { task: source.name().to_owned(), shots: too_many, most }.into());
        }
        cx.note(format!(
            "task {}: {most} examples beside the item itself; {too_many} and more left out",
            source.name()
        ));
    }
    Ok(shots)
}

fn documents(args: &EvalArgs) -> Documents {
    if args.samples { Documents::QueriesAndSamples } else { Documents::Queries }
}

/// An error, with the flag that helps.
fn explained(error: EvalError) -> anyhow::Error {
    let helps = matches!(error, EvalError::NothingToAsk { samples: 1.., .. });
    anyhow::anyhow!("{error}{}", if helps { " (--samples)" } else { "" })
}

/// The tasks that are asked, and whether they were named.
fn tasks(args: &EvalArgs, library: &Library) -> anyhow::Result<Vec<(Task, bool)>> {
    let mut tasks = Vec::new();
    for name in &args.task {
        match name.as_str() {
            "all" => tasks.extend(library.tasks.iter().map(|task| (task.clone(), false))),
            name => tasks.push((prompts::named(library, name)?.into_owned(), true)),
        }
    }
    Ok(tasks)
}

fn list(as_json: bool, cx: &mut Context) -> anyhow::Result<Status> {
    for suite in SUITES {
        match as_json {
            true => {
                cx.out.json(&json!({ "name": suite.name, "group": Source::Suite(suite).group(), "doc": suite.doc }))?
            }
            false => cx.out.line(format!(
                "{:<24} {:<11}  {}",
                suite.name,
                Source::Suite(suite).group().unwrap_or_default(),
                suite.doc
            ))?,
        }
    }
    Ok(Status::Done)
}

fn print(report: &Report<'_>, cx: &mut Context) -> anyhow::Result<()> {
    print_protocol(report, cx)?;
    let style = cx.out.style();
    let figures = &report.results.figures;
    let width = figures.iter().map(|cell| cell.task.chars().count()).max().unwrap_or(0).max(4);
    let head = format!(
        "{:<width$} {:>3} {:>6}  {:>13} {:>13} {:>13} {:>13} {:>7}",
        "task", "k", "items", "exact match", "choice", "choice, mean", "valid", "ceiling"
    );
    cx.out.line(style.bold(head))?;
    for cell in figures {
        let task = cx.out.label(&cell.task);
        let optional = |rate: Option<Rate>| rate.map_or("-".to_owned(), figure);
        let ceiling =
            cell.ceiling.filter(|&ceiling| ceiling < 100.0).map_or("-".to_owned(), |value| format!("{value:.1}"));
        cx.out.line(format!(
            "{task:<width$} {:>3} {:>6}  {:>13} {:>13} {:>13} {:>13} {ceiling:>7}{}",
            cell.shots,
            items(cell),
            figure(cell.exact_match),
            optional(cell.choice),
            optional(cell.choice_mean),
            optional(cell.valid),
            if cell.too_long > 0 { format!("  {} too long", cell.too_long) } else { String::new() },
        ))?;
    }
    cx.out.line("")?;
    for (name, meaning) in [
        ("percent", "± one standard error, sqrt(p(1-p)/n); [Wilson's 95 % interval] where all or none were right"),
        ("exact match", DEFINITIONS.exact_match),
        ("choice", DEFINITIONS.choice),
        ("choice, mean", DEFINITIONS.choice_mean),
        ("valid", DEFINITIONS.valid),
        ("decoding", DEFINITIONS.decoding),
        ("tokens", DEFINITIONS.tokens),
        ("examples", DEFINITIONS.examples),
    ] {
        cx.out.line(style.dim(format!("{name}: {meaning}")))?;
    }
    if figures.iter().any(|cell| cell.ceiling.is_some_and(|ceiling| ceiling < 100.0)) {
        cx.out.line(style.dim(
            "ceiling: of the exact match, as examples may not show what is asked for (choices give the answers away)",
        ))?;
    }
    if figures.iter().any(|cell| cell.too_long > 0) {
        cx.out.line(style.dim(format!("too long: {}", DEFINITIONS.too_long)))?;
    }
    cx.remark(format!("[{} items in {:.1} s, {} resumed]", report.results.done(), report.seconds, report.resumed));
    Ok(())
}

/// The model and how it was measured.
fn print_protocol(report: &Report<'_>, cx: &mut Context) -> anyhow::Result<()> {
    let Protocol { model, dtype, seed, instruction, start, documents, .. } = report.protocol;
    let name = cx.out.label(&model.name);
    let hash = &model.sha256[..16];
    let size = model.parameters as f64 / 1e6;
    let shown = match instruction {
        Instructions::TasksOnly => "instruction in tasks, none in suites",
        Instructions::Shown => "with instruction",
        Instructions::Hidden => "no instruction",
    };
    let start = match start {
        Start::Prompt => "",
        Start::EndOfText => ", the start token in front",
    };
    cx.out.line(format!("model     {name} ({}, {size:.1}M parameters, {dtype}, sha256 {hash})", model.family))?;
    let documents = match documents {
        Documents::Queries => "",
        Documents::QueriesAndSamples => ", of tasks their queries and each sample left out of its own prompt",
    };
    cx.out.line(format!(
        "protocol  seed {seed}, at most {} items each{documents}, {shown}{start}, greedy",
        report.limit
    ))?;
    cx.out.line("")
}

/// How many items the rates are of, and of how many where some are not done.
fn items(cell: &Figures) -> String {
    match cell.done == cell.items {
        true => cell.items.to_string(),
        false => format!("{}/{}", cell.done, cell.items),
    }
}

/// `87.0 ± 3.4`, or `0.0 [0, 3.7]`.
fn figure(rate: Rate) -> String {
    match rate {
        Rate { of: 0, .. } => "-".to_owned(),
        rate if rate.right == 0 => format!("0.0 [0, {:.1}]", rate.wilson95().1),
        rate if rate.is_extreme() => format!("100 [{:.1}, 100]", rate.wilson95().0),
        rate => format!("{:.1} ± {:.1}", rate.percent(), rate.standard_error()),
    }
}
