//! Top-p, or nucleus sampling (Holtzman et al. 2020, section 3.1).
//!
//! Own code: llm-samplers' `SampleTopP` keeps the same tokens, but sorts the whole vocabulary to find them.

use llm_samplers::types::{HasSamplerResources, Logits, Sampler};

use super::StageId;
use crate::sampling::select::{RankKey, Weighed, max_logit, shortest_prefix, weigh, weight_floor};

/// Keeps the fewest tokens, by logit and then by the lowest id, whose probabilities add up to at least p; one for p = 0.
#[derive(Debug, Clone)]
pub(super) struct TopP {
    p: f64,
    items: Vec<Weighed<RankKey>>,
}

stage_options!(TopP, StageId::TopP, [p: Float]);

impl TopP {
    pub(super) fn new(p: f64) -> Self {
        Self { p, items: Vec::new() }
    }
}

impl Sampler for TopP {
    fn sample<'a>(&mut self, _: &mut dyn HasSamplerResources, set: &'a mut Logits) -> anyhow::Result<&'a mut Logits> {
        if self.p >= 1.0 {
            return Ok(set);
        }
        let max = max_logit(set);
        let total = weigh(set, max, |_| ()).total;
        // Tokens below the floor hold less than 1 − p together, so the nucleus lies among the others.
        let floor = weight_floor(set, (1.0 - self.p) * total);
        set.retain(|token| token.prob >= floor);
        self.items.clear();
        self.items.extend(
            set.iter().map(|token| Weighed { key: RankKey::new(token.logit, token.token_id), weight: token.prob }),
        );
        if let Some(last) = shortest_prefix(&mut self.items, self.p * total) {
            set.retain(|token| RankKey::new(token.logit, token.token_id) <= last);
            set.set_softmax(false);
        }
        Ok(set)
    }
}
