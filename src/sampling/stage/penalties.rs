//! Repetition, frequency and presence penalties over one window of recent tokens, as in llama.cpp's `penalties`.
//!
//! Own code: llm-samplers' `SampleRepetition` leaves penalties below 1 out, and both its members look every token of the
//! vocabulary up in the window; here every token of the window is looked up in the working set.

use llm_samplers::types::{HasSamplerResources, Logits, Sampler};

use super::StageId;
use crate::sampling::params::{ParamId, Value};
use crate::sampling::settings::Settings;

/// For a token with logit l that occurs c ≥ 1 times in the window:
/// l/r where l ≥ 0 and l·r where l < 0 (CTRL, Keskar et al. 2019, section 4.1, in the form of transformers'
/// `RepetitionPenaltyLogitsProcessor`), then − c·frequency − presence (OpenAI's API reference, "Frequency and presence penalties").
#[derive(Debug, Clone)]
pub(super) struct Penalties {
    repeat: f64,
    last_n: usize,
    frequency: f64,
    presence: f64,
    recent: Vec<u32>,
}

stage_options!(Penalties, StageId::Penalties, [repeat: Float, last_n: UInt, frequency: Float, presence: Float]);

impl Penalties {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            repeat: settings.float(ParamId::RepeatPenalty),
            last_n: last_n(settings),
            frequency: settings.float(ParamId::FrequencyPenalty),
            presence: settings.float(ParamId::PresencePenalty),
            recent: Vec::new(),
        }
    }
}

/// Whether any of the three has strength and the window is open.
pub(super) fn is_on(settings: &Settings) -> bool {
    let strengths = [ParamId::RepeatPenalty, ParamId::FrequencyPenalty, ParamId::PresencePenalty];
    last_n(settings) > 0 && strengths.iter().any(|&param| super::is_set(settings, param))
}

/// Length of the window; the largest there is for `all`.
pub(super) fn last_n(settings: &Settings) -> usize {
    match settings.get(ParamId::RepeatLastN) {
        Value::Integer(n) => usize::try_from(n).unwrap_or(usize::MAX),
        Value::Float(_) | Value::Seed(_) => 0,
    }
}

/// The last n tokens of a text.
pub(in crate::sampling) fn window(history: &[u32], last_n: usize) -> &[u32] {
    &history[history.len().saturating_sub(last_n)..]
}

impl Sampler for Penalties {
    fn sample<'a>(
        &mut self,
        resources: &mut dyn HasSamplerResources,
        set: &'a mut Logits,
    ) -> anyhow::Result<&'a mut Logits> {
        let Self { repeat, last_n, frequency, presence, ref mut recent } = *self;
        resources.with_last_tokens(&mut |history| {
            recent.clear();
            recent.extend_from_slice(window(history, last_n));
        })?;
        recent.sort_unstable();
        for same in recent.chunk_by(|a, b| a == b) {
            let Ok(at) = set.binary_search_by_key(&same[0], |token| token.token_id) else {
                continue;
            };
            let logit = f64::from(set[at].logit);
            let repeated = if logit < 0.0 { logit * repeat } else { logit / repeat };
            set[at].logit = (repeated - same.len() as f64 * frequency - presence) as f32;
        }
        set.set_sorted(false).set_softmax(false);
        Ok(set)
    }
}
