//! `kshot finetune`: GPT-1's fine-tuning, one curve or several side by side.

use std::path::Path;

use anyhow::{Context as _, bail};
use kshot::files::Files;
use kshot::hub::Source;
use kshot::train::finetune::{
    Base, Baseline, Bundled, Examples, Figures, Finetune, FinetuneRecipe, FinetuneStep, Form, Format, Outcome, Tuned,
};
use serde::Serialize;

use super::interrupt::Interrupt;
use super::model::{self, Need};
use super::{Context, Status, Usage, curve, input};
use crate::cli::FinetuneArgs;
use kshot::engine::Device;

/// Every so manyth example is held out where there is no test file.
const HELD_OUT: usize = 10;

/// The most values of --lambda: each trains a model of its own.
const MOST_RUNS: usize = 16;

/// A line of `--json` for an update.
#[derive(Serialize)]
struct Line {
    lambda: f64,
    #[serde(flatten)]
    step: FinetuneStep,
}

/// The last line of `--json`.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    form: Form,
    labels: &'a [String],
    train: usize,
    test: usize,
    truncated: usize,
    baseline: Option<Outcome>,
    runs: Vec<Finished>,
}

#[derive(Serialize)]
struct Finished {
    recipe: FinetuneRecipe,
    before: Outcome,
    result: Outcome,
    standard_error: f64,
}

/// One run and its curve so far.
struct Run {
    tuning: Finetune,
    before: Outcome,
    steps: Vec<FinetuneStep>,
}

pub(super) fn run(args: &FinetuneArgs, cx: &mut Context) -> anyhow::Result<Status> {
    if args.model.device != Device::Cpu {
        bail!(Usage("this build computes on the CPU only".into()));
    }
    if args.output.is_some() && args.lambda.len() > 1 {
        bail!(Usage("-o saves one classifier; give one --lambda with it".into()));
    }
    if args.lambda.len() > MOST_RUNS {
        bail!(Usage(format!(
            "--lambda has {} values; at most {MOST_RUNS} models are trained side by side",
            args.lambda.len()
        )));
    }
    let name = model::name(args.model.name.as_deref(), cx);
    let (train, test) = examples(args)?;
    let interrupt = Interrupt::on_ctrl_c()?;
    let files = model::files(&Source::of(&name)?, Need::Weights, cx, &interrupt)?;
    let (mut runs, baseline) =
        interrupt.while_preparing(|| prepare(args, &name, &files, (&train, &test), &interrupt))?;
    if !args.json {
        header(&name, &train, &test, &runs, cx)?;
    }
    let status = train_all(args, &mut runs, train.items.len(), baseline, &interrupt, cx)?;
    match args.json {
        true => {
            let finished = |run: &Run| {
                let result = run.result();
                Finished {
                    recipe: run.tuning.recipe().clone(),
                    before: run.before,
                    result,
                    standard_error: result.standard_error(),
                }
            };
            cx.out.json(&Report {
                model: &name,
                form: train.form,
                labels: &train.labels,
                train: train.items.len(),
                test: test.items.len(),
                truncated: runs.first().map_or(0, |run| run.tuning.truncated()),
                baseline,
                runs: runs.iter().map(finished).collect(),
            })?;
        }
        false => summary(&runs, baseline, cx)?,
    }
    if let Some(folder) = &args.output {
        cx.note(format!("saved in {0}; `kshot classify -m {0} TEXT` uses it", folder.display()));
    }
    Ok(status)
}

/// A model for each λ, measured before its first update, and what a bag of words gets.
fn prepare(
    args: &FinetuneArgs,
    name: &str,
    files: &Files,
    (train, test): (&Examples, &Examples),
    interrupt: &Interrupt,
) -> anyhow::Result<(Vec<Run>, Option<Outcome>)> {
    let mut runs = Vec::new();
    for lambda in &args.lambda {
        let base = Base::open(name, files, interrupt.engine.clone());
        let base = base.with_context(|| format!("cannot load {name}"))?;
        let recipe = recipe(args, *lambda, base.parameters.config().parameters(), train.items.len());
        let tuning = Finetune::new(base, train, test, recipe)?;
        let before = tuning.validate()?;
        runs.push(Run { tuning, before, steps: Vec::new() });
    }
    let baseline = Baseline::learn(train).map(|baseline| baseline.evaluate(test));
    Ok((runs, baseline))
}

/// The examples to learn from and those to measure on.
fn examples(args: &FinetuneArgs) -> anyhow::Result<(Examples, Examples)> {
    if let Some(task) = &args.task {
        let Some(bundled) = Bundled::find(task) else {
            let names: Vec<&str> = kshot::train::finetune::BUNDLED.iter().map(|bundled| bundled.name).collect();
            bail!(Usage(format!("there is no task {task:?}; there is {}", names.join(", "))));
        };
        return Ok(bundled.examples()?);
    }
    let Some(file) = &args.train else { bail!(Usage("what to learn from? give --task or --train FILE".into())) };
    let read = |path: &Path| -> anyhow::Result<(String, String, Format)> {
        let name = path.display().to_string();
        Ok((name.clone(), input::file_or_stdin(path)?, Format::of(&name)))
    };
    let (name, content, format) = read(file)?;
    let mut train = Examples::parse(args.form, &name, &content, format)?;
    let test = match &args.test {
        Some(file) => {
            let (name, content, format) = read(file)?;
            train.parse_more(&name, &content, format)?
        }
        None => train.hold_out(HELD_OUT),
    };
    if test.items.is_empty() {
        bail!("{name} has {} examples, too few to hold some out; give --test FILE", train.items.len());
    }
    Ok((train, test))
}

fn recipe(args: &FinetuneArgs, lambda: f64, parameters: u64, examples: usize) -> FinetuneRecipe {
    let tuned = match (args.head_only, args.whole) {
        (true, _) => Some(Tuned::Head),
        (_, true) => Some(Tuned::Whole),
        _ => None,
    };
    let defaults = FinetuneRecipe::for_parameters(parameters, tuned);
    let recipe = FinetuneRecipe {
        lambda,
        lr: args.lr.unwrap_or(defaults.lr),
        batch: args.batch,
        epochs: args.epochs.unwrap_or(defaults.epochs),
        classifier_dropout: args.dropout,
        dropout: args.dropout,
        seed: args.seed,
        ..defaults
    };
    recipe.with_a_curve(examples)
}

fn header(name: &str, train: &Examples, test: &Examples, runs: &[Run], cx: &mut Context) -> anyhow::Result<()> {
    let Some(Run { tuning, .. }) = runs.first() else { return Ok(()) };
    let (style, recipe) = (cx.out.style(), tuning.recipe());
    let what = match recipe.tuned {
        Tuned::Whole => "the whole model",
        Tuned::Head => "the head alone, on hidden states computed once",
    };
    let count = kshot_count(tuning.parameter_count());
    let name = cx.out.label(name);
    let labels = match train.labels.as_slice() {
        [] => "the choices".to_owned(),
        labels => cx.out.label(&labels.join(", ")),
    };
    cx.out.line(style.bold(format!("{name}, {count} parameters, trained: {what}")))?;
    cx.out.line(format!(
        "examples  {} to learn from, {} to measure on; labels: {labels}",
        train.items.len(),
        test.items.len()
    ))?;
    cx.out.line(format!("form      {}: {}", train.form, train.form.layout()))?;
    cx.out.line("head      P(y | x) = softmax(h·Wy), h the hidden state at [extract], after ln_f")?;
    match recipe.tuned {
        Tuned::Whole => {
            cx.out.line("the paper L3(C) = L2(C) + λ·L1(C), L1 the language model and L2 the classifier")?;
            cx.out
                .line("others    L3(C) = L1(C) + λ·L2(C): the two are exchanged; the released code is the paper's")?;
        }
        Tuned::Head => cx.out.line(
            "loss      L2 alone: the model does not change, so λ·L1 of L3(C) = L2(C) + λ·L1(C) is a constant \
             (some print L1(C) + λ·L2(C))",
        )?,
    }
    cx.out.line(format!(
        "schedule  {} updates of {} examples, {} epochs, learning rate {:.3e} · (x ≤ w ? x/w : 1)·(1 − x), w = {}",
        tuning.steps(),
        recipe.batch_of(train.items.len()),
        recipe.epochs,
        recipe.lr,
        recipe.warmup
    ))?;
    if tuning.truncated() > 0 {
        cx.note(format!("{} examples were longer than the context and were cut", tuning.truncated()));
    }
    let columns: Vec<String> = runs.iter().map(|run| column_titles(run.tuning.recipe())).collect();
    cx.out.line(
        "figures   means of −log P in nats: what training makes small; test: L2, accuracy of held-out examples",
    )?;
    cx.out.line(style.bold(format!("{:>5}  {:>9}  {}", "step", "lr", columns.join("   "))))
}

fn column_titles(recipe: &FinetuneRecipe) -> String {
    let lambda = format!("λ={}", recipe.lambda);
    match recipe.tuned {
        Tuned::Whole => format!("{lambda:<6} {:>6} {:>6} {:>6}  {:>6} {:>6}", "L1", "L2", "L3", "test", "acc"),
        Tuned::Head => format!("{:>6}  {:>6} {:>6}", "L2", "test", "acc"),
    }
}

fn kshot_count(parameters: u64) -> String {
    match parameters {
        0..1_000_000 => format!("{:.0} thousand", parameters as f64 / 1e3),
        _ => format!("{:.1} million", parameters as f64 / 1e6),
    }
}

/// Runs all of them step by step, so that their columns stand side by side.
fn train_all(
    args: &FinetuneArgs,
    runs: &mut [Run],
    trained_on: usize,
    baseline: Option<Outcome>,
    interrupt: &Interrupt,
    cx: &mut Context,
) -> anyhow::Result<Status> {
    if !args.json {
        row(None, runs, cx)?;
    }
    let steps = runs.first().map_or(0, |run| run.tuning.steps());
    for number in 1..=steps {
        if interrupt.engine.is_cancelled() {
            return Ok(Status::Interrupted);
        }
        for run in runs.iter_mut() {
            let Some(step) = run.tuning.next() else { continue };
            let step = match step {
                Err(error) if error.is_cancelled() => return Ok(Status::Interrupted),
                step => step?,
            };
            run.steps.push(step);
            if args.json {
                cx.out.json(&Line { lambda: run.tuning.recipe().lambda, step })?;
            }
            // What an epoch made stays, whatever the next one does.
            let due = match run.tuning.recipe().tuned {
                Tuned::Whole => number.is_multiple_of(run.tuning.steps_an_epoch()),
                Tuned::Head => number == steps,
            };
            if let (true, Some(folder), Some(outcome)) = (due, &args.output, step.validation) {
                run.tuning.save(folder, Figures::of(trained_on, &outcome, baseline))?;
            }
        }
        if !args.json && runs.iter().any(|run| run.steps.last().is_some_and(|step| step.validation.is_some())) {
            row(Some(number), runs, cx)?;
        }
    }
    Ok(Status::Done)
}

/// A row of the table: the last step of each run, or what was there before the first.
fn row(number: Option<u64>, runs: &[Run], cx: &mut Context) -> anyhow::Result<()> {
    let lr = runs.first().and_then(|run| run.steps.last()).map_or("-".to_owned(), |step| format!("{:.2e}", step.lr));
    let columns = runs.iter().map(|run| {
        let outcome = run.result();
        let test = format!("{:>6.3} {:>5.1}%", outcome.l2, 100.0 * outcome.accuracy);
        match (run.tuning.recipe().tuned, run.steps.last()) {
            (Tuned::Whole, Some(step)) => format!("       {:>6.3} {:>6.3} {:>6.3}  {test}", step.l1, step.l2, step.l3),
            (Tuned::Whole, None) => format!("       {:>6} {:>6} {:>6}  {test}", "-", "-", "-"),
            (Tuned::Head, Some(step)) => format!("{:>6.3}  {test}", step.l2),
            (Tuned::Head, None) => format!("{:>6}  {test}", "-"),
        }
    });
    let columns: Vec<String> = columns.collect();
    cx.out.line(format!("{:>5}  {lr:>9}  {}", number.unwrap_or(0), columns.join("   ")))?;
    cx.out.flush()
}

/// Curves on one scale, the results, and what a bag of words gets.
fn summary(runs: &[Run], baseline: Option<Outcome>, cx: &mut Context) -> anyhow::Result<()> {
    type Figure = fn(&FinetuneStep) -> f64;
    let figures: [(&str, Figure); 2] = [("L2", |step| step.l2), ("L1", |step| step.l1)];
    for (name, figure) in figures {
        let all = || runs.iter().flat_map(|run| run.steps.iter().map(figure));
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
        if high <= low {
            continue;
        }
        for run in runs {
            let values: Vec<f64> = run.steps.iter().map(figure).collect();
            let lambda = format!("λ={}", run.tuning.recipe().lambda);
            cx.out.line(format!("{name} {lambda:<6} {}  {low:.2} to {high:.2}", curve::blocks(&values, low, high)))?;
        }
    }
    let said = |outcome: Outcome| {
        let (accuracy, error) = (100.0 * outcome.accuracy, 100.0 * outcome.standard_error());
        format!("{accuracy:.1} ± {error:.1} % of {}", outcome.examples)
    };
    for run in runs {
        let which = if runs.len() > 1 { format!(", λ={}", run.tuning.recipe().lambda) } else { String::new() };
        cx.out.line(format!("right     {} (fine-tuned{which}); before {}", said(run.result()), said(run.before)))?;
    }
    if let Some(baseline) = baseline {
        cx.out.line(format!("right     {} (logistic regression on bags of words)", said(baseline)))?;
    }
    Ok(())
}

impl Run {
    /// The last measurement.
    fn result(&self) -> Outcome {
        self.steps.iter().rev().find_map(|step| step.validation).unwrap_or(self.before)
    }
}
