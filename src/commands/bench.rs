//! `kshot bench`: how fast a model runs here.

use anyhow::bail;
use kshot::engine::{Backend, GenerateRequest, OnEndOfText, Produced, ScoreRequest, Start, Timings};
use kshot::sampling::Settings;
use kshot::text::TokenId;
use serde::Serialize;
use serde_json::json;

use super::interrupt::Interrupt;
use super::{Context, Status, Usage, model, quality, system};
use crate::cli::BenchArgs;

/// What `--json` prints. Speeds are medians over the rounds.
#[derive(Serialize)]
struct Report {
    model: String,
    load_s: f64,
    /// From the start of the process, with load and prefill.
    first_token_s: f64,
    prefill_tok_s: Option<f64>,
    /// Null where nothing was decoded after the first token.
    decode_tok_s: Option<f64>,
    /// Prefill with the scores of all positions, 512 candidates each; only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    score_tok_s: Option<f64>,
    /// In units of 1,000,000 bytes; null where the system does not say.
    peak_rss_mb: Option<f64>,
    dtype: &'static str,
    threads: usize,
    cpu: String,
    prefill_tokens: usize,
    decode_tokens: usize,
    sequences: usize,
    tier: &'static str,
    weight_bytes: u64,
    cache_bytes: u64,
    rounds: usize,
}

/// Prompts that are scored begin with none of the ids that prompts that are gone on from begin with.
const OTHER: usize = 10_000;

/// What a screen keeps of each position.
const KEPT: usize = 512;

pub(super) fn run(args: &BenchArgs, cx: &mut Context) -> anyhow::Result<Status> {
    if args.probe {
        return probe(args, cx);
    }
    if args.quality {
        return quality::run(args, cx);
    }
    let name = model::name(args.model.name.as_deref(), cx);
    let interrupt = Interrupt::on_ctrl_c()?;
    let mut model = model::load(&name, &args.model, cx, &interrupt)?;
    let (context, vocab) = (model.info().context, model.info().vocab);
    let (prefill, decode) = lengths(args, context);
    if prefill + decode > context {
        bail!(Usage(format!(
            "-p {prefill} and -n {decode} are {} tokens; the model has {context} positions",
            prefill + decode
        )));
    }

    let mut first_token_s = None;
    let (mut prefill_rates, mut decode_rates, mut score_rates) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..args.rounds {
        let request = request(prompt(round, prefill, vocab), decode, args.sequences);
        let timings = measure(model.as_mut(), &request, &interrupt, || {
            first_token_s.get_or_insert_with(|| cx.begun.elapsed().as_secs_f64());
        })?;
        prefill_rates.push(timings.prefill_tokens as f64 / timings.prefill_s);
        decode_rates.extend(timings.tokens_per_second(request.sequences));
        if args.score {
            let request =
                ScoreRequest { ids: prompt(round + OTHER, prefill, vocab), start: Start::FirstToken, top: KEPT };
            score_rates.push(prefill as f64 / model.score(&request, &interrupt.engine)?.seconds);
        }
    }
    let config = model::decoder(model.as_ref())?.config();
    let report = Report {
        model: name,
        load_s: model.info().load_s,
        first_token_s: first_token_s.unwrap_or_default(),
        prefill_tok_s: median(&mut prefill_rates),
        decode_tok_s: median(&mut decode_rates),
        score_tok_s: median(&mut score_rates),
        peak_rss_mb: system::peak_resident().map(|bytes| bytes as f64 / 1e6),
        dtype: model.info().dtype,
        threads: system::threads(),
        cpu: kshot::export::cpu_name(),
        prefill_tokens: prefill,
        decode_tokens: decode,
        sequences: args.sequences,
        tier: kshot::kernels::Tier::current().name(),
        weight_bytes: model.info().weight_bytes,
        // Keys and values of the tokens before, averaged over the tokens decoded.
        cache_bytes: (2 * config.n_layer * config.n_embd * 4 * (prefill + decode / 2)) as u64,
        rounds: args.rounds,
    };
    match args.json {
        true => cx.out.json(&report)?,
        false => print(&report, cx)?,
    }
    Ok(Status::Done)
}

fn print(report: &Report, cx: &mut Context) -> anyhow::Result<()> {
    let (prefill, decode) = (report.prefill_tokens, report.decode_tokens);
    let cpu = cx.out.label(&report.cpu);
    cx.out.line(format!("load         {:.2} s", report.load_s))?;
    cx.out.line(format!("first token  {:.2} s after the start of the process", report.first_token_s))?;
    let rate = |rate: Option<f64>| rate.map_or("-".to_owned(), |rate| format!("{rate:.1} tok/s"));
    cx.out.line(format!("prefill      {} ({prefill} tokens)", rate(report.prefill_tok_s)))?;
    cx.out.line(format!(
        "decode       {} ({decode} tokens{})",
        rate(report.decode_tok_s),
        if report.sequences > 1 { format!(", {} sequences side by side", report.sequences) } else { String::new() }
    ))?;
    if let Some(rate) = report.score_tok_s {
        cx.out.line(format!("scored       {rate:.1} tok/s ({prefill} tokens, {KEPT} candidates each)"))?;
    }
    cx.out.line(format!("peak memory  {}", report.peak_rss_mb.map_or("unknown".into(), |mb| format!("{mb:.0} MB"))))?;
    cx.out.line(format!("computed in  {}, {} threads, {}, {cpu}", report.dtype, report.threads, report.tier))
}

/// Measures the machine.
fn probe(args: &BenchArgs, cx: &mut Context) -> anyhow::Result<Status> {
    let (memory, arithmetic) = (kshot::kernels::probe::memory(), kshot::kernels::probe::arithmetic());
    let (threads, cpu) = (system::threads(), kshot::export::cpu_name());
    if args.json {
        let best = memory.iter().map(|probe| probe.giga_per_s).fold(0.0, f64::max);
        let tier = kshot::kernels::Tier::current().name();
        let report = json!({ "memory": memory, "memory_gb_s": best, "arithmetic": arithmetic, "threads": threads,
            "tier": tier, "cpu": cpu });
        cx.out.json(&report)?;
        return Ok(Status::Done);
    }
    for probe in &memory {
        cx.out.line(format!("memory       {:.1} GB/s ({})", probe.giga_per_s, probe.name))?;
    }
    cx.out.line(format!("arithmetic   {:.0} GFLOP/s ({})", arithmetic.giga_per_s, arithmetic.name))?;
    let cpu = cx.out.label(&cpu);
    cx.out.line(format!("measured on  {threads} threads, {}, {cpu}", kshot::kernels::Tier::current().name()))?;
    Ok(Status::Done)
}

fn request(prompt: Vec<TokenId>, decode: usize, sequences: usize) -> GenerateRequest {
    GenerateRequest {
        prompt: prompt.into(),
        sequences,
        max_tokens: decode,
        settings: Settings::preset("greedy").unwrap_or_else(|_| Settings::neutral()),
        seed: Some(0),
        temperatures: Vec::new(),
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
    model: &mut dyn Backend,
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

/// Tokens of the prompt and to decode: what was given, otherwise 512 and 128, or as many as a smaller context holds.
fn lengths(args: &BenchArgs, context: usize) -> (usize, usize) {
    let decode = args.decode.unwrap_or((context / 4).clamp(1, 128));
    let prefill = args.prefill.unwrap_or(context.saturating_sub(decode).clamp(1, 512));
    (prefill, decode)
}

/// `None` without a value.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[n / 2]),
        n => Some((values[n / 2 - 1] + values[n / 2]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (values, expected) in [(vec![3.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0, 2.0, 3.0], 2.5), (vec![7.0], 7.0)] {
            assert_eq!(median(&mut values.clone()), Some(expected));
        }
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn prompts_of_rounds_share_no_beginning() {
        let firsts: std::collections::BTreeSet<_> = (0..10).map(|round| prompt(round, 4, 257)[0]).collect();
        assert_eq!(firsts.len(), 10);
        assert!(prompt(3, 500, 257).iter().all(|&id| id < 257));
    }
}
