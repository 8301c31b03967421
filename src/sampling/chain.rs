//! The chain: a row of logits through the stages to a distribution, and one draw from it.

use llm_samplers::configure::BuildableSampler;
use llm_samplers::types::{HasSamplerResources, Logit, Logits, Sampler, SamplerError};

use super::error::SamplingError;
use super::rng::Rng;
use super::row::Row;
use super::select::{self, BLOCK, RankKey};
use super::settings::Settings;
use super::stage::{Reach, StageId, window};
use crate::kernels::softmax::Moments;

/// The stages of some settings, with the buffers that they use from token to token.
#[derive(Debug)]
pub struct Chain {
    links: Vec<Link>,
    top_n: usize,
    /// The tokens that are still in, in ascending order of ids.
    set: Logits,
    /// The best tokens of the raw row, best first.
    best: Vec<RankKey>,
    /// Tokens of the bias.
    chosen: Vec<(u32, f32)>,
    /// Tokens whose logits a penalty or the bias may change, ascending.
    recent: Vec<u32>,
    /// Sums of the final weights, one for each [`BLOCK`] of the working set.
    block_totals: Vec<f64>,
}

/// A token that was drawn, and everything that the decode knew when it drew it. Logarithms are natural.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The token.
    pub id: u32,
    /// Its log-probability under the raw model.
    pub logprob: f32,
    /// Its log-probability after the chain.
    pub logprob_sampled: f32,
    /// Its place under the raw model, from 1; of equal logits the lowest id stands first.
    pub rank: usize,
    /// Entropy of the raw distribution.
    pub entropy_bits: f32,
    /// Entropy of the distribution after the chain.
    pub entropy_sampled_bits: f32,
    /// The most likely tokens under the raw model, best first, as many as were asked for ([`Chain::with_top`]).
    pub top: Vec<Candidate>,
    /// Number of tokens that were possible before any stage.
    pub candidates: usize,
    /// What each stage left, in the chain's order.
    pub survivors: Vec<StageCount>,
    /// ln Σ exp(logit) of the raw row: a raw logit is its log-probability plus this.
    pub log_sum_exp: f64,
}

/// A row through the chain, without a draw; the fields are those of [`Sampled`].
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "documented at `Sampled`")]
pub struct Distribution {
    pub entropy_bits: f32,
    pub entropy_sampled_bits: f32,
    pub top: Vec<Candidate>,
    pub candidates: usize,
    pub survivors: Vec<StageCount>,
    pub log_sum_exp: f64,
}

/// A token among the most likely ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The token.
    pub id: u32,
    /// Its log-probability under the raw model.
    pub logprob: f32,
    /// Its log-probability after the chain; none where a stage cut it.
    pub logprob_sampled: Option<f32>,
}

/// How many tokens are left behind a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageCount {
    /// The stage.
    pub stage: StageId,
    /// Tokens left; for a stage that is off, as many as before it.
    pub kept: usize,
    /// Whether the stage ran or is off at its neutral value.
    pub is_on: bool,
}

impl Chain {
    /// The chain of these settings, which asks for no top candidates yet.
    pub fn new(settings: &Settings) -> Self {
        let link = |&stage: &StageId| {
            let spec = stage.spec();
            let running = settings
                .is_on(stage)
                .then(|| Running { sampler: (spec.build)(settings), reach: (spec.reach)(settings) });
            Link { stage, running }
        };
        Self {
            // The bias comes before all others, and is not spoken of where there is none.
            links: settings
                .is_on(StageId::Bias)
                .then_some(&StageId::Bias)
                .into_iter()
                .chain(settings.order())
                .map(link)
                .collect(),
            top_n: 0,
            set: Logits::default(),
            best: Vec::new(),
            chosen: settings.bias().to_vec(),
            recent: Vec::new(),
            block_totals: Vec::new(),
        }
    }

    /// Asks for the `n` most likely tokens with every draw.
    #[must_use]
    pub fn with_top(mut self, n: usize) -> Self {
        self.top_n = n;
        self
    }

    /// Draws the token that follows `history`, taking exactly one uniform from `rng`, and none if it fails.
    ///
    /// `logits` has one value for each token id of the vocabulary. The draw walks the surviving tokens in ascending order of
    /// ids until their summed probability passes the uniform.
    ///
    /// # Errors
    /// Those of [`Row::new`]; [`SamplingError::Overflow`]; [`SamplingError::OutsideVocabulary`] for a token of `history` that
    /// a penalty looks at.
    pub fn sample(&mut self, logits: &[f32], history: &[u32], rng: &mut Rng) -> Result<Sampled, SamplingError> {
        let row = Row::new(logits)?;
        let outcome = self.run(&row, history, self.top_n)?;
        let drawn = self.draw(rng.uniform() * outcome.moments.total).ok_or(SamplingError::Overflow)?;
        let distribution = self.describe(&row, &outcome, self.top_n);
        Ok(Sampled {
            id: drawn.token_id,
            logprob: row.logprob(drawn.token_id)?,
            logprob_sampled: outcome.logprob(drawn.logit),
            rank: row.rank(drawn.token_id)?,
            entropy_bits: distribution.entropy_bits,
            entropy_sampled_bits: distribution.entropy_sampled_bits,
            top: distribution.top,
            candidates: distribution.candidates,
            survivors: distribution.survivors,
            log_sum_exp: distribution.log_sum_exp,
        })
    }

    /// What [`Chain::sample`] would draw from, with the `top_n` most likely tokens.
    ///
    /// # Errors
    /// As for [`Chain::sample`].
    pub fn distribution(
        &mut self,
        logits: &[f32],
        history: &[u32],
        top_n: usize,
    ) -> Result<Distribution, SamplingError> {
        let row = Row::new(logits)?;
        let outcome = self.run(&row, history, top_n)?;
        Ok(self.describe(&row, &outcome, top_n))
    }

    /// Fills the working set and sends it through the stages; weighs what is left.
    fn run(&mut self, row: &Row<'_>, history: &[u32], top_n: usize) -> Result<Outcome, SamplingError> {
        let mut is_whole = !self.fill(row, history, top_n)?;
        let mut kept = row.candidates();
        let mut survivors = Vec::with_capacity(self.links.len());
        for link in &mut self.links {
            if let Some(running) = &mut link.running {
                running
                    .sampler
                    .sample(&mut RecentTokens(history), &mut self.set)
                    .map_err(|error| SamplingError::Stage { stage: link.stage, message: error.to_string() })?;
                // Before the first cut a set that was narrowed in advance stands for all candidates.
                is_whole |= matches!(running.reach, Reach::Top(_));
                if is_whole {
                    kept = self.set.len();
                } else if running.reach == Reach::Chosen {
                    let is_banned = |&&(_, add): &&(u32, f32)| add == f32::NEG_INFINITY;
                    let was_possible = |&&(id, _): &&(u32, f32)| row.logits()[id as usize] > f32::NEG_INFINITY;
                    kept -= self.chosen.iter().filter(is_banned).filter(was_possible).count();
                }
                if self.set.is_empty() {
                    return Err(SamplingError::AllBanned);
                }
            }
            survivors.push(StageCount { stage: link.stage, kept, is_on: link.running.is_some() });
        }
        let max = select::max_logit(&self.set);
        if !max.is_finite() {
            return Err(SamplingError::Overflow);
        }
        self.block_totals.clear();
        let moments = select::weigh(&mut self.set, max, |total| self.block_totals.push(total));
        Ok(Outcome { max, moments, survivors })
    }

    /// Puts the tokens that the chain can keep, or must look at, into the working set. Says whether that is less than all.
    ///
    /// Where a top-k (or greedy) is the first cut, tokens that no penalty touches keep their order up to it, so those among
    /// the first k are also among the raw row's first k + m with m penalised tokens.
    fn fill(&mut self, row: &Row<'_>, history: &[u32], top_n: usize) -> Result<bool, SamplingError> {
        let first_cut = self.gather_recent(row, history)?;
        // Choosing a large part of a row takes longer than to carry all of it.
        let needed = first_cut.map(|k| k.saturating_add(self.recent.len()));
        let needed = needed.filter(|&needed| needed <= row.candidates() / 8);
        row.top_keys(needed.unwrap_or(0).max(top_n), &mut self.best);

        self.set.clear();
        self.set.set_sorted(false).set_softmax(false);
        let Some(last) = needed.and_then(|needed| self.best.get(needed - 1)) else {
            let tokens = row.logits().iter().zip(0u32..);
            if row.candidates() == row.logits().len() {
                self.set.extend(tokens.map(|(&logit, id)| token(id, logit)));
            } else {
                let possible = tokens.filter(|&(&logit, _)| logit > f32::NEG_INFINITY);
                self.set.extend(possible.map(|(&logit, id)| token(id, logit)));
            }
            return Ok(false);
        };
        let floor = below(last.logit());
        let set = &mut self.set;
        select::for_each_at_least(row.logits(), floor, |id, logit| set.push(token(id, logit)));
        let rest = self.recent.iter().map(|&id| token(id, row.logits()[id as usize]));
        set.extend(rest.filter(|token| token.logit < floor && token.logit > f32::NEG_INFINITY));
        set.sort_unstable_by_key(|token| token.token_id);
        Ok(true)
    }

    /// Collects the tokens that a penalty may change; the number that the first cut chooses from, where that is fixed.
    fn gather_recent(&mut self, row: &Row<'_>, history: &[u32]) -> Result<Option<usize>, SamplingError> {
        self.recent.clear();
        let mut first_cut = None;
        for running in self.links.iter().filter_map(|link| link.running.as_ref()) {
            match running.reach {
                Reach::Chosen => self.recent.extend(self.chosen.iter().map(|(id, _)| *id)),
                Reach::Recent(n) => self.recent.extend_from_slice(window(history, n)),
                Reach::Scale => {}
                Reach::Top(k) => _ = first_cut.get_or_insert(Some(k)),
                Reach::Whole => _ = first_cut.get_or_insert(None),
            }
        }
        self.recent.sort_unstable();
        self.recent.dedup();
        let len = row.logits().len();
        match self.recent.last() {
            Some(&id) if id as usize >= len => Err(SamplingError::OutsideVocabulary { id, len }),
            _ => Ok(first_cut.flatten()),
        }
    }

    /// The first token whose running sum of weights passes `target`.
    fn draw(&self, target: f64) -> Option<Logit> {
        let mut passed = 0.0;
        let mut blocks = self.set.chunks(BLOCK).zip(&self.block_totals);
        let block = blocks.find(|&(_, &total)| {
            let is_here = passed + total > target;
            passed += if is_here { 0.0 } else { total };
            is_here
        });
        let (block, _) = block?;
        let crossing = block.iter().find(|token| {
            passed += f64::from(token.prob);
            passed > target
        });
        // The block's sum may be larger than the sum of its tokens by a rounding.
        crossing.or_else(|| block.iter().rfind(|token| token.prob > 0.0)).cloned()
    }

    fn describe(&self, row: &Row<'_>, outcome: &Outcome, top_n: usize) -> Distribution {
        let candidate = |key: &RankKey| {
            let found = self.set.binary_search_by_key(&key.id(), |token| token.token_id);
            Candidate {
                id: key.id(),
                logprob: row.logprob_of(key.logit()),
                logprob_sampled: found.ok().map(|at| outcome.logprob(self.set[at].logit)),
            }
        };
        Distribution {
            entropy_bits: row.entropy_bits(),
            entropy_sampled_bits: (outcome.moments.entropy() / std::f64::consts::LN_2) as f32,
            top: self.best.iter().take(top_n).map(candidate).collect(),
            candidates: row.candidates(),
            survivors: outcome.survivors.clone(),
            log_sum_exp: row.log_sum_exp(),
        }
    }
}

/// A place in the chain; nothing runs at a stage that is off.
#[derive(Debug)]
struct Link {
    stage: StageId,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    sampler: Box<dyn BuildableSampler<usize, f64>>,
    reach: Reach,
}

/// What the stages made of a row, beside the working set.
struct Outcome {
    max: f32,
    moments: Moments,
    survivors: Vec<StageCount>,
}

impl Outcome {
    /// Log-probability of a token of the working set.
    fn logprob(&self, logit: f32) -> f32 {
        (f64::from(logit) - f64::from(self.max) - self.moments.total.ln()) as f32
    }
}

/// What a stage can ask for: the text before the token. The only random number is drawn after the last stage.
#[derive(Debug)]
struct RecentTokens<'a>(&'a [u32]);

impl HasSamplerResources for RecentTokens<'_> {
    fn with_last_tokens(&self, look: &mut dyn FnMut(&[u32])) -> Result<(), SamplerError> {
        look(self.0);
        Ok(())
    }
}

fn token(token_id: u32, logit: f32) -> Logit {
    Logit { token_id, logit, prob: 0.0 }
}

/// A floor so far below a logit that dividing both by a temperature cannot round them to the same number.
fn below(logit: f32) -> f32 {
    const MARGIN: f32 = 1.0 / (1 << 20) as f32;
    (logit - logit.abs() * MARGIN - 1e-30).max(f32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uniform_of_0_passes_over_a_token_without_weight() -> Result<(), SamplingError> {
        let mut chain = Chain::new(&Settings::neutral());
        let outcome = chain.run(&Row::new(&[-200.0, 0.0, 0.0])?, &[], 0)?;
        let drawn = |target: f64| chain.draw(target).map(|token| token.token_id);
        assert_eq!(drawn(0.0), Some(1));
        assert_eq!(drawn(1.0), Some(2));
        assert_eq!(drawn(outcome.moments.total.next_down()), Some(2));
        Ok(())
    }
}
