//! Logit bias: chosen tokens made likelier, unlikelier or impossible (OpenAI's API reference, "logit_bias").
//!
//! Own code: llm-samplers' `SampleFlatBias` looks every token of the vocabulary up in the list and leaves a banned one in;
//! here every entry is looked up in the working set, and what is banned leaves it, so that the count of survivors says so.

use llm_samplers::configure::{ConfigurableSampler, HasSamplerMetadata, SamplerMetadata};
use llm_samplers::types::{HasSamplerResources, Logits, Sampler};

use super::StageId;

/// Adds to the logit of each token of the list; −∞ takes the token out.
#[derive(Debug, Clone)]
pub(super) struct Bias {
    list: Vec<(u32, f32)>,
}

impl Bias {
    pub(super) fn new(list: &[(u32, f32)]) -> Self {
        Self { list: list.to_vec() }
    }
}

impl ConfigurableSampler<usize, f64> for Bias {}

impl HasSamplerMetadata<usize, f64> for Bias {
    fn sampler_metadata(&self) -> SamplerMetadata {
        StageId::Bias.spec().metadata()
    }
}

impl Sampler for Bias {
    fn sample<'a>(&mut self, _: &mut dyn HasSamplerResources, set: &'a mut Logits) -> anyhow::Result<&'a mut Logits> {
        for &(id, add) in &self.list {
            if let Ok(at) = set.binary_search_by_key(&id, |token| token.token_id) {
                set[at].logit += add;
            }
        }
        set.retain(|token| token.logit > f32::NEG_INFINITY);
        set.set_sorted(false).set_softmax(false);
        Ok(set)
    }
}
