//! Temperature; 0 is greedy.
//!
//! The division is llm-samplers' `SampleTemperature`. Its 0 changes nothing, and its `SampleGreedy` takes the highest id of
//! equal logits, so the greedy case is own code.

use llm_samplers::samplers::SampleTemperature;
use llm_samplers::types::{HasSamplerResources, Logits, Sampler};

use super::StageId;
use crate::sampling::select::RankKey;

/// Divides the logits by the temperature; at 0 keeps one token, the largest logit with the lowest id.
#[derive(Debug, Clone)]
pub(super) struct Temperature {
    temperature: f64,
}

stage_options!(Temperature, StageId::Temperature, [temperature: Float]);

impl Temperature {
    pub(super) fn new(temperature: f64) -> Self {
        Self { temperature }
    }
}

impl Sampler for Temperature {
    fn sample<'a>(
        &mut self,
        resources: &mut dyn HasSamplerResources,
        set: &'a mut Logits,
    ) -> anyhow::Result<&'a mut Logits> {
        // A temperature too small for f32 is 0 there.
        let temperature = self.temperature as f32;
        if temperature > 0.0 {
            return SampleTemperature::new(temperature).sample(resources, set);
        }
        if let Some(best) = set.iter().map(|token| RankKey::new(token.logit, token.token_id)).min() {
            set.retain(|token| token.token_id == best.id());
            set.set_softmax(false);
        }
        Ok(set)
    }
}
