//! What was known when a token was drawn, as it is kept: all figures, and the best of its candidates.

use serde::{Deserialize, Serialize};

use crate::engine::{Drawn, Step};
use crate::sampling::{Candidate, Sampled, StageCount, StageId};

/// Candidates that are kept of each step.
const KEPT_CANDIDATES: usize = 12;

/// A step with no more candidates than are kept on disk; `None` where it has no more.
pub fn thinned(step: &Step) -> Option<Step> {
    let is_thin = step.sampled().is_none_or(|sampled| sampled.top.len() <= KEPT_CANDIDATES);
    (!is_thin).then(|| {
        let mut step = step.clone();
        if let Drawn::Here(sampled) = &mut step.drawn {
            sampled.top = sampled.top.iter().take(KEPT_CANDIDATES).cloned().collect();
        }
        step
    })
}

#[derive(Serialize, Deserialize)]
pub(super) struct StepRecord {
    index: usize,
    /// The token's bytes, where they are more than the text's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<Vec<u8>>,
    logprob: [f32; 2],
    rank: usize,
    entropy: [f32; 2],
    sum: f64,
    candidates: usize,
    top: Vec<(u32, f32, Option<f32>)>,
    stages: Vec<(String, usize, bool)>,
}

impl StepRecord {
    /// What is kept of a step; nothing of one that an engine elsewhere drew, whose figures are not all known.
    pub(super) fn of(step: &Step) -> Option<Self> {
        let sampled = step.sampled()?;
        // JSON has neither infinities nor NaN, and one that stood in a record would make it unreadable.
        let finite = |value: f32| if value.is_nan() { 0.0 } else { value.clamp(f32::MIN, f32::MAX) };
        let top = sampled.top.iter().take(KEPT_CANDIDATES);
        Some(Self {
            index: step.index,
            bytes: (step.shown != step.bytes.len()).then(|| step.bytes.clone()),
            logprob: [finite(sampled.logprob), finite(sampled.logprob_sampled)],
            rank: sampled.rank,
            entropy: [finite(sampled.entropy_bits), finite(sampled.entropy_sampled_bits)],
            sum: if sampled.log_sum_exp.is_finite() { sampled.log_sum_exp } else { 0.0 },
            candidates: sampled.candidates,
            top: top.map(|c| (c.id, finite(c.logprob), c.logprob_sampled.map(finite))).collect(),
            stages: sampled.survivors.iter().map(|stage| (stage.stage.to_string(), stage.kept, stage.is_on)).collect(),
        })
    }

    /// The step of the token `id`, which stands for `text`.
    pub(super) fn read(self, id: u32, text: &[u8]) -> Step {
        let top = self.top.into_iter();
        let stages = self.stages.into_iter();
        let sampled = Sampled {
            id,
            logprob: self.logprob[0],
            logprob_sampled: self.logprob[1],
            rank: self.rank,
            entropy_bits: self.entropy[0],
            entropy_sampled_bits: self.entropy[1],
            top: top.map(|(id, logprob, logprob_sampled)| Candidate { id, logprob, logprob_sampled }).collect(),
            candidates: self.candidates,
            // A stage that this version does not know is left out: it is a figure, not the text.
            survivors: stages
                .filter_map(|(name, kept, is_on)| {
                    Some(StageCount { stage: name.parse::<StageId>().ok()?, kept, is_on })
                })
                .collect(),
            log_sum_exp: self.sum,
        };
        let bytes = self.bytes.unwrap_or_else(|| text.to_vec());
        Step { sequence: 0, index: self.index, shown: text.len(), bytes, drawn: Drawn::Here(sampled) }
    }
}
