//! `kshot generate`: a prompt in, its continuation out as it is sampled.

use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::bail;
use kshot::disk::{Existing, write_private};
use kshot::engine::{
    Backend, BiasEntry, CancelToken, Finish, FinishReason, GenerateRequest, ModelInfo, OnEndOfText, Produced, Step,
    Timings, best,
};
use kshot::export::{self, Record, TokenRow, Trace};
use kshot::session::Author;
use kshot::text::{TokenId, Tokenizer};
use serde::Serialize;

use super::interrupt::Interrupt;
use super::out::{Out, TextStream};
use super::score::{Row, rows};
use super::tokens::hex;
use super::{Context, Status, Usage, model, prompts};
use crate::cli::GenerateArgs;

/// What `--json` prints: one object. With `--samples` above 1, `samples` stands in the place of the single sequence.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    dtype: &'static str,
    prompt_ids: &'a [TokenId],
    #[serde(flatten)]
    sequences: Sequences,
    seed: u64,
    timings: ReportTimings,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Sequences {
    One(Sequence),
    Several { samples: Vec<Sequence> },
}

#[derive(Serialize)]
struct Sequence {
    /// Where each has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    ids: Vec<TokenId>,
    text: String,
    finish_reason: FinishReason,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_at: Option<String>,
    /// Per token under the raw model; null without a token.
    mean_logprob: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<ReportStep>>,
}

/// One sampled token. Log-probabilities are natural, the entropy is in bits; `rank`, `entropy` and `top` are the raw
/// model's. Null is what an engine does not give.
#[derive(Serialize)]
struct ReportStep {
    id: TokenId,
    text: String,
    bytes: String,
    logprob: Option<f32>,
    logprob_sampled: Option<f32>,
    rank: Option<usize>,
    entropy: Option<f32>,
    top: Vec<Row>,
}

#[derive(Serialize)]
struct ReportTimings {
    load_s: f64,
    #[serde(flatten)]
    run: Timings,
}

pub(super) fn run(args: GenerateArgs, cx: &mut Context) -> anyhow::Result<Status> {
    let name = model::name(args.model.name.as_deref(), cx);
    let prompt = prompt(&args, cx)?;
    let interrupt = Interrupt::on_ctrl_c()?;
    let mut model = model::load(&name, &args.model, cx, &interrupt)?;
    let tokenizer = model::tokenizer(model.as_ref())?;
    let ids = match prompt.source {
        Source::Ids(ids) => ids,
        Source::Text(text) => tokenizer.encode(&text, model::special_tokens(args.prompt.no_special))?,
    };
    if ids.is_empty() {
        let bos = model.info().special.bos.map(|id| tokenizer.label(id)).unwrap_or_default();
        cx.note(format!("the prompt is empty: starting from {bos}"));
    }
    let mut settings = args.sampling.over(cx.config.config.sampling())?;
    let bias = BiasEntry::resolve(&args.sampling.bias, &tokenizer).map_err(|error| Usage(format!("bias: {error}")))?;
    settings.set_bias(bias)?;
    let request = GenerateRequest {
        prompt: ids.into(),
        sequences: match args.temperatures.len() {
            0 => args.best_of.map_or(settings.samples(), NonZeroUsize::get),
            count => count,
        },
        max_tokens: settings.max_tokens(),
        seed: settings.seed(),
        settings,
        temperatures: args.temperatures,
        stop: args.stop.into_iter().chain(prompt.stop).collect(),
        on_end_of_text: if args.ignore_eos { OnEndOfText::Continue } else { OnEndOfText::Stop },
        top: args.logprobs.unwrap_or(if args.trace.is_some() { export::TOP } else { 0 }),
    };

    for sequence in 0..request.sequences {
        request.settings_of(sequence).map_err(|error| Usage(error.to_string()))?;
    }
    let several = request.sequences > 1;
    if let Some(pick) = args.pick.filter(|pick| pick.get() > request.sequences) {
        bail!(Usage(format!("--pick {pick}: there are only {} samples", request.sequences)));
    }
    if args.format.is_some() && several && args.pick.is_none() && args.best_of.is_none() {
        bail!(Usage("--format shows one continuation; choose it with --pick or --best-of".into()));
    }
    let mut printer = (!args.json && !several && args.format.is_none()).then(TextStream::default);
    let (steps, finish) = produce(model.as_mut(), &request, &interrupt.engine, |step| match &mut printer {
        Some(stream) => stream.push(&step.bytes[..step.shown], &mut cx.out),
        None => Ok(()),
    })?;
    let cancelled = finish.reasons.contains(&FinishReason::Cancelled);
    let total = finish.timings.decode_tokens;
    let rate = total as f64 / finish.timings.decode_s.max(f64::MIN_POSITIVE);
    let notes = notes(&finish, rate);
    if let Some(path) = &args.trace {
        let trace = Trace::of(&record(model.info(), &tokenizer, &request, &finish, &steps))?.to_json()?;
        write_private(path, trace.as_bytes(), Existing::Replace)?;
        cx.remark(format!("trace written to {}", path.display()));
    }

    let chosen = match args.best_of {
        Some(_) => best(steps.iter().map(|steps| mean_logprob(steps))),
        None => args.pick.map(|pick| pick.get() - 1),
    };
    let shown_samples = chosen.map_or(0..steps.len(), |one| one..one + 1);
    if let Some(format) = args.format {
        let empty = Vec::new();
        let steps = steps.get(chosen.unwrap_or(0)).unwrap_or(&empty);
        let source = source(model.info(), &tokenizer, &finish, steps);
        let page = source.render(format.into()).map_err(anyhow::Error::msg)?;
        cx.out.text(&String::from_utf8_lossy(&page))?;
    } else if let Some(mut stream) = printer {
        stream.finish(&mut cx.out)?;
        end_line(&mut cx.out)?;
    } else if args.json {
        let mut sequences = sequences(&request, &steps, &finish, args.logprobs, &tokenizer);
        let sequences = match chosen {
            Some(one) => Sequences::One(sequences.swap_remove(one)),
            None if sequences.len() == 1 => Sequences::One(sequences.swap_remove(0)),
            None => Sequences::Several { samples: sequences },
        };
        cx.out.json(&Report {
            model: &model.info().name,
            dtype: model.info().dtype,
            prompt_ids: &finish.prompt,
            sequences,
            seed: finish.seed,
            timings: ReportTimings { load_s: model.info().load_s, run: finish.timings },
        })?;
    } else {
        for (index, sequence) in steps.iter().enumerate().filter(|(index, _)| shown_samples.contains(index)) {
            if chosen.is_none() {
                let at = request.temperatures.get(index).map(|t| format!(" at temperature {t}")).unwrap_or_default();
                cx.out.line(format!("--- sample {} of {}{at} ---", index + 1, steps.len()))?;
            }
            let mut stream = TextStream::default();
            stream.push(&shown(sequence), &mut cx.out)?;
            stream.finish(&mut cx.out)?;
            if chosen.is_none() {
                cx.out.line("")?;
            } else {
                end_line(&mut cx.out)?;
            }
        }
    }
    if let (Some(one), true) = (chosen, several) {
        let mean = steps
            .get(one)
            .and_then(|steps| mean_logprob(steps))
            .map_or_else(|| "-".to_owned(), |mean| format!("{mean:.4}"));
        cx.remark(format!("sample {} of {}: mean log-probability {mean}", one + 1, steps.len()));
    }
    cx.remark(notes);
    Ok(if cancelled { Status::Interrupted } else { Status::Done })
}

/// A prompt, and the strings at which what follows it ends.
struct Prompt {
    source: Source,
    stop: Vec<String>,
}

enum Source {
    Ids(Vec<TokenId>),
    Text(String),
}

fn prompt(args: &GenerateArgs, cx: &Context) -> anyhow::Result<Prompt> {
    if let Some(ids) = &args.prompt.ids {
        return Ok(Prompt { source: Source::Ids(ids.clone()), stop: Vec::new() });
    }
    let Some(task) = &args.prompt.task else {
        return Ok(Prompt { source: Source::Text(args.prompt.read()?), stop: Vec::new() });
    };
    // Without a query of any kind the task's own first one is asked.
    let query = match &args.prompt.query {
        Some(query) => query.clone(),
        None => args.prompt.read()?,
    };
    let query = (!query.is_empty()).then_some(query.as_str());
    let library = prompts::library(cx);
    let prompt = prompts::assemble(prompts::task(&library, task)?, args.prompt.shots, query)?;
    Ok(Prompt { stop: prompt.stop, source: Source::Text(prompt.text) })
}

/// What is known of the run that has ended.
fn record(
    model: &Arc<ModelInfo>,
    tokenizer: &Arc<Tokenizer>,
    request: &GenerateRequest,
    finish: &Finish,
    steps: &[Vec<Step>],
) -> Record {
    Record {
        model: model.clone(),
        tokenizer: tokenizer.clone(),
        request: request.clone(),
        finish: finish.clone(),
        samples: steps.iter().map(|steps| steps.iter().cloned().map(Arc::new).collect()).collect(),
        picked: None,
    }
}

/// Runs the request; `show` hears every step. When it fails (stdout is closed), the run is ended and that error returned.
pub(super) fn produce(
    model: &mut dyn Backend,
    request: &GenerateRequest,
    cancel: &CancelToken,
    mut show: impl FnMut(&Step) -> anyhow::Result<()>,
) -> anyhow::Result<(Vec<Vec<Step>>, Finish)> {
    let mut steps = vec![Vec::new(); request.sequences];
    let mut failed = None;
    let finish = model.generate(request, cancel, &mut |produced| {
        let Produced::Step(step) = produced else { return };
        if failed.is_some() {
            return;
        }
        if let Err(error) = show(&step) {
            failed = Some(error);
            cancel.cancel();
        }
        if let Some(sequence) = steps.get_mut(step.sequence) {
            sequence.push(*step);
        }
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok((steps, finish)),
    }
}

fn shown(steps: &[Step]) -> Vec<u8> {
    steps.iter().flat_map(|step| &step.bytes[..step.shown]).copied().collect()
}

/// Prompt and continuation as a text whose tokens are exported. Of the prompt no probability is known: only what follows
/// its last token was looked at.
fn source(model: &ModelInfo, tokenizer: &Tokenizer, finish: &Finish, steps: &[Step]) -> export::Source {
    let prompt = finish.prompt.iter().map(|&id| TokenRow {
        id,
        bytes: tokenizer.bytes(id).unwrap_or_default().to_vec(),
        author: Author::Typed,
        logprob: None,
        rank: None,
        entropy: None,
    });
    let sampled = steps.iter().filter(|step| step.shown > 0).map(|step| TokenRow {
        id: step.id(),
        bytes: step.bytes[..step.shown].to_vec(),
        author: Author::Model,
        logprob: step.logprob(),
        rank: step.rank(),
        entropy: step.entropy(),
    });
    let facts = vec![("model", model.name.clone()), ("seed", finish.seed.to_string())];
    export::Source { rows: prompt.chain(sampled).collect(), facts, ..export::Source::default() }
}

fn mean_logprob(steps: &[Step]) -> Option<f64> {
    kshot::engine::mean_logprob(steps)
}

fn sequences(
    request: &GenerateRequest,
    steps: &[Vec<Step>],
    finish: &Finish,
    logprobs: Option<usize>,
    tokenizer: &Tokenizer,
) -> Vec<Sequence> {
    steps
        .iter()
        .enumerate()
        .map(|(index, steps)| Sequence {
            temperature: request.temperatures.get(index).copied(),
            ids: steps.iter().map(Step::id).collect(),
            text: String::from_utf8_lossy(&shown(steps)).into_owned(),
            finish_reason: finish.reasons.get(index).copied().unwrap_or(FinishReason::Cancelled),
            stopped_at: finish.stopped_at.get(index).cloned().flatten(),
            mean_logprob: mean_logprob(steps),
            steps: logprobs.map(|_| steps.iter().map(|step| report_step(step, tokenizer)).collect()),
        })
        .collect()
}

fn report_step(step: &Step, tokenizer: &Tokenizer) -> ReportStep {
    ReportStep {
        id: step.id(),
        text: String::from_utf8_lossy(&step.bytes).into_owned(),
        bytes: hex(&step.bytes),
        logprob: step.logprob(),
        logprob_sampled: step.sampled().map(|sampled| sampled.logprob_sampled),
        rank: step.rank(),
        entropy: step.entropy(),
        top: rows(step.top().into_iter(), tokenizer),
    }
}

/// A prompt of the shell is not to stand behind the text.
fn end_line(out: &mut Out) -> anyhow::Result<()> {
    if out.is_terminal() { out.line("") } else { Ok(()) }
}

fn notes(finish: &Finish, rate: f64) -> String {
    let reasons: Vec<String> = finish
        .reasons
        .iter()
        .zip(&finish.stopped_at)
        .map(|(reason, stopped_at)| match (reason, stopped_at) {
            (FinishReason::Length, _) => "all tokens made (-n)".into(),
            (FinishReason::Stop, Some(at)) => format!("stop string {at:?}"),
            (FinishReason::Stop, None) => "stop string".into(),
            (FinishReason::Eos, _) => "end of text".into(),
            (FinishReason::Context, _) => "the context is full".into(),
            (FinishReason::Cancelled, _) => "stopped".into(),
        })
        .collect();
    let Timings { prefill_tokens, prefill_s, decode_tokens, .. } = finish.timings;
    format!(
        "[{}; seed {}; {decode_tokens} tokens, {rate:.1} tok/s; prompt of {prefill_tokens} tokens in {prefill_s:.2} s]",
        reasons.join(", "),
        finish.seed
    )
}
