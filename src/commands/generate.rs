//! `kshot generate`: a prompt in, its continuation out as it is sampled.

use std::sync::Arc;

use anyhow::bail;
use kshot::disk::{Existing, write_private};
use kshot::engine::{
    Backend, BiasEntry, CancelToken, Finish, FinishReason, GenerateRequest, ModelInfo, OnEndOfText, Produced, Step,
    Timings, best, mean_logprob,
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
use crate::cli::{GenerateArgs, PageFormat};

/// The most values of --temperatures: each is a sequence of the batch.
const MOST_TEMPERATURES: usize = 1000;

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
    /// Per token of the text, in nats under the raw model; null without one.
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
    /// Null where no token followed the first.
    decode_tok_s: Option<f64>,
}

pub(super) fn run(args: GenerateArgs, cx: &mut Context) -> anyhow::Result<Status> {
    let name = model::name(args.model.name.as_deref(), cx);
    let prompt = prompt(&args, cx)?;
    let interrupt = Interrupt::on_ctrl_c()?;
    let mut model = model::load(&name, &args.model, cx, &interrupt)?;
    let tokenizer = model::tokenizer(model.as_ref())?;
    let request = interrupt.while_preparing(|| request(&args, prompt, model.info(), &tokenizer, cx))?;

    let mut stream = (!args.json && request.sequences == 1 && args.format.is_none()).then(TextStream::default);
    let (steps, finish) = produce(model.as_mut(), &request, &interrupt.engine, |step| match &mut stream {
        Some(stream) => stream.push(&step.bytes[..step.shown], &mut cx.out),
        None => Ok(()),
    })?;
    let info = model.info();
    let made = Made { args: &args, info, tokenizer: &tokenizer, request: &request, steps: &steps, finish: &finish };
    made.write_trace(cx)?;
    match (args.format, stream) {
        (Some(format), _) => made.print_page(format, cx)?,
        (None, Some(mut stream)) => {
            stream.finish(&mut cx.out)?;
            end_line(&mut cx.out)?;
        }
        (None, None) if args.json => made.print_json(cx)?,
        (None, None) => made.print_samples(cx)?,
    }
    made.remark(cx);
    let cancelled = finish.reasons.contains(&FinishReason::Cancelled);
    Ok(if cancelled { Status::Interrupted } else { Status::Done })
}

/// What the command line asks for, as far as it can be made.
fn request(
    args: &GenerateArgs,
    prompt: Prompt,
    info: &ModelInfo,
    tokenizer: &Tokenizer,
    cx: &Context,
) -> anyhow::Result<GenerateRequest> {
    let ids = match prompt.source {
        Source::Ids(ids) => ids,
        Source::Text(text) => tokenizer.encode(&text, model::special_tokens(args.prompt.no_special))?,
    };
    if ids.is_empty() {
        let bos = info.special.bos.map(|id| tokenizer.label(id)).unwrap_or_default();
        cx.note(format!("the prompt is empty: starting from {bos}"));
    }
    let mut settings = args.sampling.over(cx.config.config.sampling())?;
    let bias = BiasEntry::resolve(&args.sampling.bias, tokenizer).map_err(|error| Usage(format!("bias: {error}")))?;
    settings.set_bias(bias)?;
    let request = GenerateRequest {
        prompt: ids.into(),
        sequences: match args.temperatures.len() {
            0 => args.best_of.unwrap_or(settings.samples()),
            count => count,
        },
        max_tokens: settings.max_tokens(),
        seed: settings.seed(),
        settings,
        temperatures: args.temperatures.clone(),
        stop: args.stop.iter().cloned().chain(prompt.stop).collect(),
        on_end_of_text: if args.ignore_eos { OnEndOfText::Continue } else { OnEndOfText::Stop },
        top: args.logprobs.unwrap_or(if args.trace.is_some() { export::TOP } else { 0 }),
    };
    if args.temperatures.len() > MOST_TEMPERATURES {
        bail!(Usage(format!(
            "--temperatures has {} values; at most {MOST_TEMPERATURES} run as one batch",
            args.temperatures.len()
        )));
    }
    for sequence in 0..request.sequences {
        request.settings_of(sequence).map_err(|error| Usage(error.to_string()))?;
    }
    if let Some(pick) = args.pick.filter(|pick| pick.get() > request.sequences) {
        bail!(Usage(format!("--pick {pick}: there are only {} samples", request.sequences)));
    }
    if args.format.is_some() && request.sequences > 1 && args.pick.is_none() && args.best_of.is_none() {
        bail!(Usage("--format shows one continuation; choose it with --pick or --best-of".into()));
    }
    Ok(request)
}

/// A run that has ended, and how it is to be shown.
struct Made<'a> {
    args: &'a GenerateArgs,
    info: &'a Arc<ModelInfo>,
    tokenizer: &'a Arc<Tokenizer>,
    request: &'a GenerateRequest,
    steps: &'a [Vec<Step>],
    finish: &'a Finish,
}

impl Made<'_> {
    /// The one sequence that is shown of several, where one was picked. Where none has a token in its text, all are equal.
    fn chosen(&self) -> Option<usize> {
        match self.args.best_of {
            Some(_) => Some(best(self.steps.iter().map(mean_logprob)).unwrap_or(0)),
            None => self.args.pick.map(|pick| pick.get() - 1),
        }
    }

    fn write_trace(&self, cx: &Context) -> anyhow::Result<()> {
        let Some(path) = &self.args.trace else { return Ok(()) };
        let trace = Trace::of(&self.record())?.to_json()?;
        write_private(path, trace.as_bytes(), Existing::Replace)?;
        cx.remark(format!("trace written to {}", path.display()));
        Ok(())
    }

    /// What is known of the run.
    fn record(&self) -> Record {
        Record {
            model: self.info.clone(),
            tokenizer: self.tokenizer.clone(),
            request: self.request.clone(),
            finish: self.finish.clone(),
            samples: self.steps.iter().map(|steps| steps.iter().cloned().map(Arc::new).collect()).collect(),
            picked: None,
        }
    }

    fn print_page(&self, format: PageFormat, cx: &mut Context) -> anyhow::Result<()> {
        let steps = self.steps.get(self.chosen().unwrap_or(0)).map_or(&[][..], Vec::as_slice);
        let page = self.source(steps).render(format.into()).map_err(anyhow::Error::msg)?;
        cx.out.text(&String::from_utf8_lossy(&page))
    }

    /// Prompt and continuation as a text whose tokens are exported. Of the prompt no probability is known: only what follows
    /// its last token was looked at.
    fn source(&self, steps: &[Step]) -> export::Source {
        let prompt = self.finish.prompt.iter().map(|&id| TokenRow {
            id,
            bytes: self.tokenizer.bytes(id).unwrap_or_default().to_vec(),
            author: Author::Typed,
            logprob: None,
            rank: None,
            entropy: None,
        });
        let sampled = steps.iter().filter(|step| step.is_text()).map(|step| TokenRow {
            id: step.id(),
            bytes: step.bytes[..step.shown].to_vec(),
            author: Author::Model,
            logprob: step.logprob(),
            rank: step.rank(),
            entropy: step.entropy(),
        });
        let facts = vec![("model", self.info.name.clone()), ("seed", self.finish.seed.to_string())];
        export::Source { rows: prompt.chain(sampled).collect(), facts, ..export::Source::default() }
    }

    fn print_json(&self, cx: &mut Context) -> anyhow::Result<()> {
        let sequences = match self.chosen() {
            Some(one) => Sequences::One(self.sequence(one)),
            None if self.steps.len() == 1 => Sequences::One(self.sequence(0)),
            None => Sequences::Several { samples: (0..self.steps.len()).map(|index| self.sequence(index)).collect() },
        };
        let info = self.info;
        cx.out.json(&Report {
            model: &info.name,
            dtype: info.dtype,
            prompt_ids: &self.finish.prompt,
            sequences,
            seed: self.finish.seed,
            timings: ReportTimings { load_s: info.load_s, run: self.finish.timings, decode_tok_s: self.rate() },
        })
    }

    fn sequence(&self, index: usize) -> Sequence {
        let steps = &self.steps[index];
        let described = |steps: &[Step]| steps.iter().map(|step| report_step(step, self.tokenizer)).collect();
        Sequence {
            temperature: self.request.temperatures.get(index).copied(),
            ids: steps.iter().map(Step::id).collect(),
            text: String::from_utf8_lossy(&shown(steps)).into_owned(),
            finish_reason: self.finish.reasons.get(index).copied().unwrap_or(FinishReason::Cancelled),
            stopped_at: self.finish.stopped_at.get(index).cloned().flatten(),
            mean_logprob: mean_logprob(steps),
            steps: self.args.logprobs.map(|_| described(steps)),
        }
    }

    fn print_samples(&self, cx: &mut Context) -> anyhow::Result<()> {
        let chosen = self.chosen();
        for (index, steps) in self.steps.iter().enumerate().filter(|(index, _)| chosen.is_none_or(|one| one == *index))
        {
            if chosen.is_none() {
                let temperature = self.request.temperatures.get(index);
                let at = temperature.map(|t| format!(" at temperature {t}")).unwrap_or_default();
                cx.out.line(format!("--- sample {} of {}{at} ---", index + 1, self.steps.len()))?;
            }
            let mut stream = TextStream::default();
            stream.push(&shown(steps), &mut cx.out)?;
            stream.finish(&mut cx.out)?;
            if chosen.is_none() {
                cx.out.line("")?;
            } else {
                end_line(&mut cx.out)?;
            }
        }
        Ok(())
    }

    fn rate(&self) -> Option<f64> {
        self.finish.timings.tokens_per_second(self.request.sequences)
    }

    /// Says on stderr how it ended, how fast it was, and which sample is shown.
    fn remark(&self, cx: &Context) {
        if let Some(one) = self.chosen().filter(|_| self.request.sequences > 1) {
            let mean = self.steps.get(one).and_then(mean_logprob);
            let mean = mean.map_or("-".to_owned(), |mean| format!("{mean:.4} nats"));
            cx.remark(format!("sample {} of {}: mean log-probability {mean}", one + 1, self.steps.len()));
        }
        let reasons: Vec<String> = (self.finish.reasons.iter().zip(&self.finish.stopped_at))
            .map(|(reason, stopped_at)| match (reason, stopped_at) {
                (FinishReason::Length, _) => "all tokens made (-n)".into(),
                (FinishReason::Stop, Some(at)) => format!("stop string {at:?}"),
                (FinishReason::Stop, None) => "stop string".into(),
                (FinishReason::Eos, _) => "end of text".into(),
                (FinishReason::Context, _) => "the context is full".into(),
                (FinishReason::Cancelled, _) => "stopped".into(),
            })
            .collect();
        let Timings { prefill_tokens, prefill_s, decode_tokens, .. } = self.finish.timings;
        let rate = self.rate().map(|rate| format!(", {rate:.1} tok/s")).unwrap_or_default();
        let (reasons, seed) = (reasons.join(", "), self.finish.seed);
        cx.remark(format!(
            "[{reasons}; seed {seed}; {decode_tokens} tokens{rate}; prompt of {prefill_tokens} tokens in {prefill_s:.2} s]"
        ));
    }
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
        return Ok(Prompt { source: Source::Text(args.prompt.read(cx)?), stop: Vec::new() });
    };
    // Without a query of any kind the task's own first one is asked.
    let query = match &args.prompt.query {
        Some(query) => query.clone(),
        None => args.prompt.read(cx)?,
    };
    let query = (!query.is_empty()).then_some(query.as_str());
    let library = prompts::library(cx);
    let prompt = prompts::assemble(&*prompts::named(&library, task)?, args.prompt.shots, query)?;
    Ok(Prompt { stop: prompt.stop, source: Source::Text(prompt.text) })
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

/// On a terminal the shell's next prompt begins a line of its own.
fn end_line(out: &mut Out) -> anyhow::Result<()> {
    if out.is_terminal() { out.line("") } else { Ok(()) }
}
