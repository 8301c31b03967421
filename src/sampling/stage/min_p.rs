//! Min-p (Nguyen et al. 2024, section 3).
//!
//! Own code: llm-samplers' `SampleMinP` keeps the same tokens, but sorts the whole vocabulary to find them.

use llm_samplers::types::{HasSamplerResources, Logits, Sampler};

use super::StageId;
use crate::sampling::select::max_logit;

/// Drops tokens with less than p times the probability of the most likely one: those whose logit is below max + ln p.
#[derive(Debug, Clone)]
pub(super) struct MinP {
    p: f64,
}

stage_options!(MinP, StageId::MinP, [p: Float]);

impl MinP {
    pub(super) fn new(p: f64) -> Self {
        Self { p }
    }
}

impl Sampler for MinP {
    fn sample<'a>(&mut self, _: &mut dyn HasSamplerResources, set: &'a mut Logits) -> anyhow::Result<&'a mut Logits> {
        let floor = f64::from(max_logit(set)) + self.p.ln();
        set.retain(|token| f64::from(token.logit) >= floor);
        set.set_softmax(false);
        Ok(set)
    }
}
