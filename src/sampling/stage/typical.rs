//! Locally typical sampling (Meister et al. 2022, "Locally Typical Sampling", section 4).
//!
//! Own code: llm-samplers' `SampleLocallyTypical` fails as soon as one probability is 0.

use llm_samplers::types::{HasSamplerResources, Logits, Sampler};

use super::StageId;
use crate::sampling::select::{Weighed, max_logit, shortest_prefix, weigh, weight_floor};

/// Keeps the fewest tokens whose probabilities add up to at least p, in ascending order of |−ln p(token) − H| with the entropy
/// H of the tokens that came in, then by the lowest id; one for p = 0.
#[derive(Debug, Clone)]
pub(super) struct Typical {
    p: f64,
    items: Vec<Weighed<Key>>,
}

stage_options!(Typical, StageId::Typical, [p: Float]);

/// Distance from the entropy as the bits of a non-negative `f64`, which order like the number, and the token id.
type Key = (u64, u32);

impl Typical {
    pub(super) fn new(p: f64) -> Self {
        Self { p, items: Vec::new() }
    }
}

impl Sampler for Typical {
    fn sample<'a>(&mut self, _: &mut dyn HasSamplerResources, set: &'a mut Logits) -> anyhow::Result<&'a mut Logits> {
        if self.p >= 1.0 {
            return Ok(set);
        }
        let max = max_logit(set);
        let sums = weigh(set, max, |_| ());
        // −ln p − H = ln Z − (l − max) − H, where ln Z − H is the mean shift.
        let mean_shift = sums.weighted_shift / sums.total;
        let key = |logit: f32, id: u32| -> Key {
            let distance = (mean_shift - (f64::from(logit) - f64::from(max))).abs();
            (distance.to_bits(), id)
        };
        // Tokens below the floor hold less than 1 − p together, so the prefix ends at the latest with the farthest of the others.
        let floor = weight_floor(set, (1.0 - self.p) * sums.total);
        let heavy = set.iter().filter(|token| token.prob >= floor);
        let farthest = heavy.map(|token| key(token.logit, token.token_id)).max();
        set.retain(|token| Some(key(token.logit, token.token_id)) <= farthest);
        self.items.clear();
        self.items
            .extend(set.iter().map(|token| Weighed { key: key(token.logit, token.token_id), weight: token.prob }));
        if let Some(last) = shortest_prefix(&mut self.items, self.p * sums.total) {
            set.retain(|token| key(token.logit, token.token_id) <= last);
            set.set_softmax(false);
        }
        Ok(set)
    }
}
