//! `kshot bench`: how fast a model runs here.

use anyhow::bail;
use kshot::engine::{Backend, GenerateRequest, LocalModel, OnEndOfText, Produced, Timings};
use kshot::sampling::Settings;
use kshot::text::TokenId;
use serde::Serialize;

use super::interrupt::Interrupt;
use super::{Context, Status, Usage, model, system};
use crate::cli::BenchArgs;

/// What `--json` prints. Speeds are medians over the rounds.
#[derive(Serialize)]
struct Report {
    model: String,
    load_s: f64,
    /// From the start of the process, with load and prefill.
    first_token_s: f64,
    prefill_tok_s: f64,
    decode_tok_s: f64,
    /// In units of 1,000,000 bytes; null where the system does not say.
    peak_rss_mb: Option<f64>,
    dtype: &'static str,
    threads: usize,
    cpu: String,
    prefill_tokens: usize,
    decode_tokens: usize,
    rounds: usize,
}

pub(super) fn run(args: &BenchArgs, cx: &mut Context) -> anyhow::Result<Status> {
    let name = model::name(args.model.name.as_deref(), cx);
    let interrupt = Interrupt::on_ctrl_c()?;
    let mut model = model::load(&name, &args.model, cx, &interrupt)?;
    let (prefill, decode) = (args.prefill.get(), args.decode.get());
    let (context, vocab) = (model.info().context, model.info().vocab);
    if prefill + decode > context {
        bail!(Usage(format!(
            "-p {prefill} and -n {decode} are {} tokens; the model has {context} positions",
            prefill + decode
        )));
    }

    let mut first_token_s = None;
    let (mut prefill_rates, mut decode_rates) = (Vec::new(), Vec::new());
    for round in 0..args.rounds.get() {
        let request = request(prompt(round, prefill, vocab), decode);
        let timings = measure(&mut model, &request, &interrupt, || {
            first_token_s.get_or_insert_with(|| cx.begun.elapsed().as_secs_f64());
        })?;
        prefill_rates.push(timings.prefill_tokens as f64 / timings.prefill_s);
        decode_rates.push(decode_rate(timings));
    }
    let report = Report {
        model: name,
        load_s: model.info().load_s,
        first_token_s: first_token_s.unwrap_or_default(),
        prefill_tok_s: median(&mut prefill_rates),
        decode_tok_s: median(&mut decode_rates),
        peak_rss_mb: system::peak_resident().map(|bytes| bytes as f64 / 1e6),
        dtype: model.info().dtype,
        threads: system::threads(),
        cpu: kshot::export::cpu_name(),
        prefill_tokens: prefill,
        decode_tokens: decode,
        rounds: args.rounds.get(),
    };
    if args.json {
        cx.out.json(&report)?;
        return Ok(Status::Done);
    }
    let cpu = cx.out.label(&report.cpu);
    cx.out.line(format!("load         {:.2} s", report.load_s))?;
    cx.out.line(format!("first token  {:.2} s after the start of the process", report.first_token_s))?;
    cx.out.line(format!("prefill      {:.1} tok/s ({prefill} tokens)", report.prefill_tok_s))?;
    cx.out.line(format!("decode       {:.1} tok/s ({decode} tokens)", report.decode_tok_s))?;
    cx.out.line(format!("peak memory  {}", report.peak_rss_mb.map_or("unknown".into(), |mb| format!("{mb:.0} MB"))))?;
    cx.out.line(format!("computed in  {}, {} threads, {cpu}", report.dtype, report.threads))?;
    Ok(Status::Done)
}

fn request(prompt: Vec<TokenId>, decode: usize) -> GenerateRequest {
    GenerateRequest {
        prompt,
        sequences: 1,
        max_tokens: decode,
        settings: Settings::preset("greedy").unwrap_or_else(|_| Settings::neutral()),
        seed: Some(0),
        stop: Vec::new(),
        on_end_of_text: OnEndOfText::Continue,
        top: 0,
    }
}

/// Ids spread over the vocabulary. No two rounds begin alike, so that nothing of a prompt is found in the cache.
fn prompt(round: usize, len: usize, vocab: usize) -> Vec<TokenId> {
    (0..len).map(|at| ((round + at * 7919) % vocab) as TokenId).collect()
}

/// Runs one round; `first` hears that the first token is there.
fn measure(
    model: &mut LocalModel,
    request: &GenerateRequest,
    interrupt: &Interrupt,
    mut first: impl FnMut(),
) -> anyhow::Result<Timings> {
    let finish = model.generate(request, &interrupt.engine, &mut |produced| {
        if let Produced::Step(step) = produced
            && step.index == 0
        {
            first();
        }
    })?;
    if interrupt.engine.is_cancelled() {
        return Err(kshot::engine::EngineError::Cancelled.into());
    }
    Ok(finish.timings)
}

/// Tokens a second. The first token comes out of the prefill: its draw counts, the model's run before it does not.
fn decode_rate(timings: Timings) -> f64 {
    timings.decode_tokens.saturating_sub(1).max(1) as f64 / timings.decode_s
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (values, expected) in [(vec![3.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0, 2.0, 3.0], 2.5), (vec![7.0], 7.0)] {
            assert_eq!(median(&mut values.clone()), expected);
        }
    }

    #[test]
    fn prompts_of_rounds_share_no_beginning() {
        let firsts: std::collections::BTreeSet<_> = (0..10).map(|round| prompt(round, 4, 257)[0]).collect();
        assert_eq!(firsts.len(), 10);
        assert!(prompt(3, 500, 257).iter().all(|&id| id < 257));
    }
}
