//! `kshot score`: what the model thinks of a given text.

use kshot::engine::{ScoreRequest, Scores, Start, TokenScore};
use kshot::export::{Source, TokenRow};
use kshot::session::Author;
use kshot::text::{TokenId, Tokenizer};
use serde::Serialize;

use super::interrupt::Interrupt;
use super::tokens::hex;
use super::{Context, Status, model};
use crate::cli::ScoreArgs;

/// What `--json` prints. Log-probabilities are natural, entropies are in bits.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    dtype: &'static str,
    tokens: Vec<Token>,
    next: Vec<Row>,
    total_logprob: f64,
    /// Per scored token; null where nothing was scored, as the next one.
    perplexity: Option<f64>,
    /// Over the bytes of the scored tokens.
    bits_per_byte: Option<f64>,
    windows: usize,
    seconds: f64,
}

#[derive(Serialize)]
struct Token {
    id: TokenId,
    text: String,
    bytes: String,
    logprob: Option<f32>,
    rank: Option<u64>,
    entropy: Option<f32>,
}

/// A candidate: id, text, log-probability under the raw model.
pub(super) type Row = (TokenId, String, f32);

pub(super) fn run(args: &ScoreArgs, cx: &mut Context) -> anyhow::Result<Status> {
    let name = model::name(args.model.name.as_deref(), cx);
    let text = args.text.read()?;
    let interrupt = Interrupt::on_ctrl_c()?;
    let mut model = model::load(&name, &args.model, cx, &interrupt)?;
    let tokenizer = model::tokenizer(model.as_ref())?;
    let special = model::special_tokens(args.no_special);
    let ids = interrupt.while_preparing(|| tokenizer.encode(&text, special))?;
    let start = if args.bos { Start::EndOfText } else { Start::FirstToken };
    let scores = model.score(&ScoreRequest { ids, start, top: args.top }, &interrupt.engine)?;

    if let Some(format) = args.format {
        let page = source(&scores, &tokenizer, model.info()).render(format.into()).map_err(anyhow::Error::msg)?;
        cx.out.text(&String::from_utf8_lossy(&page))?;
        return Ok(Status::Done);
    }
    match args.json {
        true => cx.out.json(&report(&scores, &tokenizer, model.info()))?,
        false => print(&scores, &tokenizer, cx)?,
    }
    Ok(Status::Done)
}

/// The scored text, for a table or a page.
fn source(scores: &Scores, tokenizer: &Tokenizer, info: &kshot::engine::ModelInfo) -> Source {
    let rows = scores.tokens.iter().map(|token| TokenRow {
        id: token.id,
        bytes: tokenizer.bytes(token.id).unwrap_or_default().to_vec(),
        author: Author::Typed,
        logprob: token.logprob,
        rank: token.rank,
        entropy: token.entropy,
    });
    let mut facts = vec![("model", info.name.clone())];
    facts.extend(scores.perplexity().map(|perplexity| ("perplexity", format!("{perplexity:.4}"))));
    Source { rows: rows.collect(), facts, ..Source::default() }
}

fn report<'a>(scores: &Scores, tokenizer: &Tokenizer, info: &'a kshot::engine::ModelInfo) -> Report<'a> {
    Report {
        model: &info.name,
        dtype: info.dtype,
        tokens: scores.tokens.iter().map(|token| describe(token, tokenizer)).collect(),
        next: rows(scores.next.iter().copied(), tokenizer),
        total_logprob: scores.total_logprob(),
        perplexity: scores.perplexity(),
        bits_per_byte: bits_per_byte(scores, tokenizer),
        windows: scores.windows,
        seconds: scores.seconds,
    }
}

fn describe(token: &TokenScore, tokenizer: &Tokenizer) -> Token {
    let bytes = tokenizer.bytes(token.id).unwrap_or_default();
    Token {
        id: token.id,
        text: String::from_utf8_lossy(bytes).into_owned(),
        bytes: hex(bytes),
        logprob: token.logprob,
        rank: token.rank.map(|rank| rank as u64),
        entropy: token.entropy,
    }
}

/// Candidates as they stand in JSON.
pub(super) fn rows(candidates: impl Iterator<Item = (TokenId, f32)>, tokenizer: &Tokenizer) -> Vec<Row> {
    let text = |id| String::from_utf8_lossy(tokenizer.bytes(id).unwrap_or_default()).into_owned();
    candidates.map(|(id, logprob)| (id, text(id), logprob)).collect()
}

/// Negative total in bits over the bytes of the tokens that have a score (lm-evaluation-harness's `bits_per_byte`).
fn bits_per_byte(scores: &Scores, tokenizer: &Tokenizer) -> Option<f64> {
    let scored = scores.tokens.iter().filter(|token| token.logprob.is_some());
    let bytes: usize = scored.map(|token| tokenizer.bytes(token.id).map_or(0, <[u8]>::len)).sum();
    (bytes > 0).then(|| -scores.total_logprob() / std::f64::consts::LN_2 / bytes as f64)
}

fn print(scores: &Scores, tokenizer: &Tokenizer, cx: &mut Context) -> anyhow::Result<()> {
    let style = cx.out.style();
    let label = |id| tokenizer.label(id);
    cx.out.line(
        style.bold(format!("{:>6}  {:>9}  {:>8}  {:>6}  {:>7}  token", "id", "logprob", "prob", "rank", "entropy")),
    )?;
    cx.out.line(style.dim(format!("{:>6}  {:>9}  {:>8}  {:>6}  {:>7}", "", "nats", "", "", "bits")))?;
    for token in &scores.tokens {
        let line = match (token.logprob, token.rank, token.entropy) {
            (Some(logprob), Some(rank), Some(entropy)) => {
                let percent = logprob.exp() * 100.0;
                format!("{:>6}  {logprob:>9.4}  {percent:>7.3}%  {rank:>6}  {entropy:>7.3}  ", token.id)
            }
            _ => format!("{:>6}  {:>9}  {:>8}  {:>6}  {:>7}  ", token.id, "-", "-", "-", "-"),
        };
        cx.out.line(line + &label(token.id))?;
    }
    if !scores.next.is_empty() {
        cx.out.line(style.bold("next"))?;
    }
    for &(id, logprob) in &scores.next {
        let percent = logprob.exp() * 100.0;
        cx.out.line(format!("{id:>6}  {logprob:>9.4}  {percent:>7.3}%  {}", label(id)))?;
    }
    let figure = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
    cx.out.line(format!(
        "total logprob  {:.4} nats over {} of {} tokens",
        scores.total_logprob(),
        scores.scored(),
        scores.tokens.len()
    ))?;
    cx.out.line(format!("perplexity     {} per token", figure(scores.perplexity())))?;
    cx.out.line(format!("bits per byte  {} bits", figure(bits_per_byte(scores, tokenizer))))?;
    if scores.windows > 1 {
        cx.remark(format!("the text is longer than the context: scored in {} rolling windows", scores.windows));
    }
    Ok(())
}
