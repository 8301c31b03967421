//! Top-k: the k most likely tokens (Fan et al. 2018).
//!
//! Own code: llm-samplers' `SampleTopK` sorts the whole vocabulary and takes k = 0 for 1.

use llm_samplers::types::{HasSamplerResources, Logits, Sampler};

use super::StageId;
use crate::sampling::select::RankKey;

/// Keeps exactly k tokens by logit, then by the lowest id. OpenAI's GPT-2 code keeps every token that ties with the k-th and
/// so may keep more (`gpt-2/src/sample.py`, `top_k_logits`).
#[derive(Debug, Clone)]
pub(super) struct TopK {
    k: usize,
    keys: Vec<RankKey>,
}

stage_options!(TopK, StageId::TopK, [k: UInt]);

impl TopK {
    pub(super) fn new(k: usize) -> Self {
        Self { k, keys: Vec::new() }
    }
}

impl Sampler for TopK {
    fn sample<'a>(&mut self, _: &mut dyn HasSamplerResources, set: &'a mut Logits) -> anyhow::Result<&'a mut Logits> {
        if self.k == 0 || self.k >= set.len() {
            return Ok(set);
        }
        self.keys.clear();
        self.keys.extend(set.iter().map(|token| RankKey::new(token.logit, token.token_id)));
        let (_, &mut last, _) = self.keys.select_nth_unstable(self.k - 1);
        set.retain(|token| RankKey::new(token.logit, token.token_id) <= last);
        set.set_softmax(false);
        Ok(set)
    }
}
