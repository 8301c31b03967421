//! `kshot train`: a model from nothing, or further from where it was.

use kshot::text::Vocabulary;
use kshot::text::figures::grouped;
use kshot::train::{Data, Preset, Recipe, Run, Schedule, State, StepReport, Text, induction, prepare};

use super::interrupt::Interrupt;
use super::{Context, Status};
use crate::cli::{TrainArgs, VocabularyKind};

/// Steps between two lines of the report.
const REPORT_EVERY: u64 = 50;

pub(super) fn run(args: &TrainArgs, cx: &mut Context) -> anyhow::Result<Status> {
    let interrupt = Interrupt::on_ctrl_c()?;
    let mut run = interrupt.while_preparing(|| open(args, &interrupt, cx))?;
    let mut since = Vec::new();
    while let Some(report) = run.next() {
        let report = match report {
            Err(error) if error.is_cancelled() => return stopped(&mut run, args, cx),
            report => report?,
        };
        since.push(report);
        if args.json {
            cx.out.json(&report)?;
        } else if report.step % REPORT_EVERY == 0 || report.step == run.trainer().recipe().steps {
            cx.out.line(format!("{}{}", line(&since), copied(&run)?))?;
            cx.out.flush()?;
            since.clear();
        }
        if interrupt.engine.is_cancelled() {
            return stopped(&mut run, args, cx);
        }
    }
    finish(&run, args, cx)
}

/// The run that the command line describes, where it was left.
fn open(args: &TrainArgs, interrupt: &Interrupt, cx: &mut Context) -> anyhow::Result<Run> {
    let (recipe, text) = recipe(args)?;
    let state = match &args.out {
        Some(folder) => State::read(folder)?,
        None => None,
    };
    let prepared = prepare(&recipe, text.as_ref(), state.as_ref(), &interrupt.engine)?;
    let mut run = Run::open(args.out.as_deref(), recipe, prepared.tokenizer, prepared.source, None)?;
    run.stop_with(interrupt.engine.clone());
    begin(&run, args, cx)?;
    Ok(run)
}

/// Whether the run learns to copy symbols, which have no vocabulary.
fn is_copying(run: &Run) -> bool {
    matches!(run.trainer().recipe().data, Data::Copying { .. })
}

/// Of a run that learns to copy: how well it does, and the head that does it.
fn copied(run: &Run) -> anyhow::Result<String> {
    if !is_copying(run) {
        return Ok(String::new());
    }
    let heads = induction(run.trainer().decoder(), run.trainer().recipe().context / 2, 1)?;
    let (layer, head) = heads.best;
    let share = 100.0 * heads.copied;
    Ok(format!("   copied {share:.0} %   best induction head L{layer}H{head} {:.2}", heads.score()))
}

fn finish(run: &Run, args: &TrainArgs, cx: &Context) -> anyhow::Result<Status> {
    if let Some(folder) = &args.export {
        run.export(folder)?;
        cx.note(format!("wrote the checkpoint with 16-bit weights to {}", folder.display()));
    }
    if let Some(folder) = &args.out {
        cx.note(match is_copying(run) {
            true => format!("{} holds the state of the run", folder.display()),
            false => format!("kshot -m {} opens it", folder.display()),
        });
    }
    Ok(Status::Done)
}

/// Saves what there is and says how the run goes on.
fn stopped(run: &mut Run, args: &TrainArgs, cx: &mut Context) -> anyhow::Result<Status> {
    run.save()?;
    let step = run.trainer().step();
    cx.note(match &args.out {
        Some(folder) => {
            format!("stopped after step {step}; the same command goes on from there ({})", folder.display())
        }
        None => format!("stopped after step {step}; nothing was kept (no --out)"),
    });
    Ok(Status::Interrupted)
}

/// The preset with what the command line changes.
fn recipe(args: &TrainArgs) -> anyhow::Result<(Recipe, Option<Text>)> {
    let text = match args.files.as_slice() {
        [] => None,
        files => Some(Text::read(files, &args.field)?),
    };
    let name = args.preset.as_deref().unwrap_or(if text.is_some() { "characters" } else { "builtin" });
    let Some(preset) = Preset::find(name) else {
        let known: Vec<_> = Preset::ALL.iter().map(|preset| format!("{} ({})", preset.name, preset.doc)).collect();
        anyhow::bail!("there is no preset {name:?}; there are {}", known.join(", "));
    };
    let mut recipe = (preset.recipe)();
    if let Some(text) = &text {
        recipe.data = text.data();
    }
    fn put<T: Copy>(target: &mut T, given: Option<T>) {
        if let Some(value) = given {
            *target = value;
        }
    }
    put(&mut recipe.shape.n_layer, args.layers);
    put(&mut recipe.shape.n_head, args.heads);
    if let Some(width) = args.width {
        recipe.shape.n_inner = recipe.shape.n_inner * width / recipe.shape.n_embd;
        recipe.shape.n_embd = width;
    }
    put(&mut recipe.shape.n_inner, args.inner);
    if let Some(context) = args.context {
        recipe.context = context;
        recipe.shape.n_positions = context;
    }
    put(&mut recipe.batch, args.batch);
    put(&mut recipe.accumulate, args.accumulate);
    put(&mut recipe.steps, args.steps);
    put(&mut recipe.lr, args.lr);
    put(&mut recipe.warmup, args.warmup);
    put(&mut recipe.dropout, args.dropout);
    put(&mut recipe.weight_decay, args.weight_decay);
    put(&mut recipe.clip, args.clip);
    put(&mut recipe.seed, args.seed);
    put(&mut recipe.validate_every, args.validate_every);
    put(&mut recipe.save_every, args.save_every);
    if let Some(floor) = args.lr_floor {
        recipe.schedule = Schedule::Cosine { floor };
    }
    if let Some(kind) = args.vocabulary {
        recipe.vocabulary = match kind {
            VocabularyKind::Bpe => Vocabulary::Bpe { size: args.vocab.unwrap_or(1024) },
            VocabularyKind::Characters => Vocabulary::Characters,
            VocabularyKind::Words => Vocabulary::Words { size: args.vocab.unwrap_or(1280), least: 2 },
        };
    }
    recipe.check()?;
    Ok((recipe, text))
}

fn begin(run: &Run, args: &TrainArgs, cx: &mut Context) -> anyhow::Result<()> {
    let (trainer, folder) = (run.trainer(), args.out.as_deref());
    let config = trainer.parameters().config();
    cx.note(format!(
        "{} parameters, {} layers of {}, vocabulary {}, context {}; {} steps of {} tokens",
        grouped(config.parameters() as usize),
        config.n_layer,
        config.n_embd,
        config.vocab,
        trainer.recipe().context,
        grouped(trainer.recipe().steps as usize),
        grouped(trainer.recipe().tokens_a_step() as usize),
    ));
    match (trainer.step(), folder) {
        (0, Some(folder)) => cx.note(format!("writing to {}", folder.display())),
        (0, None) => cx.note("nothing is kept: there is no --out"),
        (step, _) => cx.note(format!("going on after step {}", grouped(step as usize))),
    }
    Ok(())
}

/// The mean of the steps since the last line.
fn line(since: &[StepReport]) -> String {
    let Some(last) = since.last() else { return String::new() };
    let seconds: f64 = since.iter().map(|report| report.seconds).sum();
    let tokens: u64 = since.iter().map(|report| report.tokens).sum();
    let loss = since.iter().map(|report| report.loss).sum::<f64>() / since.len() as f64;
    let validation = match last.validation {
        Some(loss) => format!("   validation {loss:.4}"),
        None => String::new(),
    };
    format!(
        "step {:>6}   loss {loss:.4}   lr {:.2e}   gradient {:.2}   {:.0} tok/s{validation}",
        last.step,
        last.lr,
        last.gradient_norm,
        tokens as f64 / seconds.max(1e-9),
    )
}
