//! What `doctor` tries on a model: each check computes a figure and says whether it is good.

use std::sync::Arc;

use kshot::engine::{Backend, CancelToken, EngineError, GenerateRequest, OnEndOfText, Produced, ScoreRequest, Start};
use kshot::sampling::Settings;
use kshot::text::{SpecialTokens, TokenId, Tokenizer};
use serde::Serialize;

/// The outcome of a check.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// What was checked.
    pub(super) name: &'static str,
    /// Whether it is good.
    pub(super) ok: bool,
    /// The figure that says so.
    pub(super) figure: String,
}

impl Check {
    /// A check from its figure, or from the error in its way.
    pub(super) fn new<E: std::fmt::Display>(name: &'static str, result: Result<(bool, String), E>) -> Self {
        let (ok, figure) = result.unwrap_or_else(|error| (false, error.to_string()));
        Self { name, ok, figure }
    }
}

/// A text that is hard to cut and to spell: scripts, joined emoji, spaces of all kinds, controls, special tokens.
const HARD_TEXT: &str = "I love computer, 我爱计算机。\u{a0} naïve  café — 👩\u{200d}🚀🇺🇳 \t\r\n  x=0x7F;\u{0}\u{1b}[0m\u{7f} \
<|endoftext|>  don't  1234567 ﷽ \u{202e}אבג\u{202c} e\u{301}\u{fffd} \n\n   ";

/// Largest difference between cached and full log-probabilities in f32 (the golden tests hold the model to the same).
const TOLERANCE: f32 = 2e-4;

/// Tokens that the cached run makes.
const STEPS: usize = 48;

/// Greedy continuations of `openai-community/gpt2` in f32: prompt and whole text
/// (transformers, `tests/models/gpt2/test_modeling_gpt2.py`).
const PUBLISHED: [(&str, &str); 2] = [
    ("Hello, my dog is a little", "Hello, my dog is a little bit of a mess. I'm not sure if he's going"),
    ("Today, I", "Today, I'm going to be doing a lot of research on this. I"),
];

/// Checks that every checkpoint has to pass.
pub(super) fn any_model(model: &mut dyn Backend, cancel: &CancelToken) -> Vec<Check> {
    vec![
        Check::new("tokenizer round trip", round_trip(model)),
        Check::new("finite logits", finite(model, cancel)),
        Check::new("cached = full forward", cached_against_full(model, cancel)),
    ]
}

/// The published continuations, for the one model they are published for.
pub(super) fn published(model: &mut dyn Backend, cancel: &CancelToken) -> Vec<Check> {
    PUBLISHED.iter().map(|case| Check::new("published continuation", continuation(model, case, cancel))).collect()
}

/// The tokenizer: every check needs ids.
fn tokenizer(model: &dyn Backend) -> Result<Arc<Tokenizer>, EngineError> {
    let missing = EngineError::Unable { what: "checking a model", why: "this engine has no tokenizer here" };
    model.tokenizer().cloned().ok_or(missing)
}

fn round_trip(model: &dyn Backend) -> Result<(bool, String), EngineError> {
    let tokenizer = tokenizer(model)?;
    let mut figures = Vec::new();
    let mut ok = true;
    for special in [SpecialTokens::Parse, SpecialTokens::Literal] {
        let ids = tokenizer.encode(HARD_TEXT, special)?;
        ok &= tokenizer.decode(&ids) == HARD_TEXT.as_bytes();
        figures.push(ids.len().to_string());
    }
    Ok((ok, format!("{} bytes as {} tokens", HARD_TEXT.len(), figures.join(" and "))))
}

fn finite(model: &mut dyn Backend, cancel: &CancelToken) -> Result<(bool, String), EngineError> {
    let ids = hard_ids(model)?;
    let scores = model.score(&ScoreRequest { ids, start: Start::FirstToken, top: 1 }, cancel)?;
    let bad = scores.tokens.iter().skip(1).filter(|token| !token.logprob.is_some_and(f32::is_finite)).count();
    let perplexity = scores.perplexity().unwrap_or(f64::NAN);
    Ok((
        bad == 0 && perplexity.is_finite(),
        format!("{} positions, {bad} bad, perplexity {perplexity:.1}", scores.scored()),
    ))
}

/// Generates token by token out of the cache, then scores the same ids at once.
fn cached_against_full(model: &mut dyn Backend, cancel: &CancelToken) -> Result<(bool, String), EngineError> {
    let mut ids = hard_ids(model)?;
    let prompt = ids.len();
    let mut cached = Vec::new();
    greedy(model, ids.clone(), STEPS, cancel, |id, logprob| {
        ids.push(id);
        cached.push(logprob);
    })?;
    let full = model.score(&ScoreRequest { ids, start: Start::FirstToken, top: 1 }, cancel)?;
    let difference = full.tokens[prompt..]
        .iter()
        .zip(&cached)
        .map(|(full, cached)| (full.logprob.unwrap_or(f32::NAN) - cached).abs())
        .fold(0.0, f32::max);
    let ok = !cached.is_empty() && difference <= TOLERANCE;
    Ok((ok, format!("max |difference| {difference:.1e} over {} tokens (at most {TOLERANCE:.0e})", cached.len())))
}

fn continuation(
    model: &mut dyn Backend,
    (prompt, text): &(&str, &str),
    cancel: &CancelToken,
) -> Result<(bool, String), EngineError> {
    let tokenizer = tokenizer(model)?;
    let start = tokenizer.encode(prompt, SpecialTokens::Parse)?;
    let steps = tokenizer.encode(text, SpecialTokens::Parse)?.len() - start.len();
    let mut ids = start.clone();
    greedy(model, start, steps, cancel, |id, _| ids.push(id))?;
    let made = String::from_utf8_lossy(&tokenizer.decode(&ids)).into_owned();
    let ok = made == *text;
    Ok((ok, if ok { format!("{made:?}") } else { format!("{made:?} instead of {text:?}") }))
}

/// The hard text as ids, cut so that the steps fit behind it.
fn hard_ids(model: &dyn Backend) -> Result<Vec<TokenId>, EngineError> {
    let mut ids = tokenizer(model)?.encode(HARD_TEXT, SpecialTokens::Parse)?;
    ids.truncate(model.info().context.saturating_sub(STEPS).max(2));
    Ok(ids)
}

fn greedy(
    model: &mut dyn Backend,
    prompt: Vec<TokenId>,
    steps: usize,
    cancel: &CancelToken,
    mut each: impl FnMut(TokenId, f32),
) -> Result<(), EngineError> {
    let request = GenerateRequest {
        prompt: prompt.into(),
        sequences: 1,
        max_tokens: steps,
        settings: Settings::preset("greedy").unwrap_or_else(|_| Settings::neutral()),
        seed: Some(0),
        temperatures: Vec::new(),
        stop: Vec::new(),
        on_end_of_text: OnEndOfText::Continue,
        top: 0,
    };
    model.generate(&request, cancel, &mut |produced| {
        if let Produced::Step(step) = produced {
            each(step.id(), step.logprob().unwrap_or(f32::NAN));
        }
    })?;
    if cancel.is_cancelled() { Err(EngineError::Cancelled) } else { Ok(()) }
}
