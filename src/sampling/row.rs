//! What the raw model says about one position: a checked row of logits with its softmax statistics.

use super::error::SamplingError;
use super::select::{self, RankKey};
use crate::kernels::softmax::{self, Moments, RowScan};

/// A row of logits, one for each token id of the vocabulary, that has a softmax: no NaN, no +inf, not all −inf.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    logits: &'a [f32],
    scan: RowScan,
    moments: Moments,
}

impl<'a> Row<'a> {
    /// Checks the logits and computes their statistics in two sweeps.
    ///
    /// # Errors
    /// [`SamplingError::NoLogits`], [`SamplingError::NotANumber`], [`SamplingError::Infinite`], [`SamplingError::AllMasked`].
    pub fn new(logits: &'a [f32]) -> Result<Self, SamplingError> {
        let scan = softmax::scan(logits);
        if scan.invalid > 0 {
            return Err(describe_invalid(logits));
        }
        if logits.is_empty() {
            return Err(SamplingError::NoLogits);
        }
        if scan.masked == logits.len() {
            return Err(SamplingError::AllMasked { len: logits.len() });
        }
        Ok(Self { logits, scan, moments: softmax::moments(logits, scan.max) })
    }

    /// The logits themselves.
    pub fn logits(&self) -> &'a [f32] {
        self.logits
    }

    /// Number of tokens that are possible at all: logits above −inf.
    pub fn candidates(&self) -> usize {
        self.logits.len() - self.scan.masked
    }

    /// ln Σ exp(logit): a token's log-probability is its logit less this.
    pub fn log_sum_exp(&self) -> f64 {
        f64::from(self.scan.max) + self.moments.total.ln()
    }

    /// Shannon entropy of the distribution in bits.
    pub fn entropy_bits(&self) -> f32 {
        (self.moments.entropy() / std::f64::consts::LN_2) as f32
    }

    /// Natural logarithm of a token's probability.
    ///
    /// # Errors
    /// [`SamplingError::OutsideVocabulary`].
    pub fn logprob(&self, id: u32) -> Result<f32, SamplingError> {
        self.logit(id).map(|logit| self.logprob_of(logit))
    }

    /// A token's place by probability, from 1; of equal logits the lowest id stands first.
    ///
    /// # Errors
    /// [`SamplingError::OutsideVocabulary`].
    pub fn rank(&self, id: u32) -> Result<usize, SamplingError> {
        let logit = self.logit(id)?;
        let greater = softmax::count_greater(self.logits, logit);
        let tied_before = self.logits[..id as usize].iter().filter(|&&other| other == logit).count();
        Ok(1 + greater + tied_before)
    }

    /// The `n` most likely tokens with their log-probabilities, best first.
    pub fn top(&self, n: usize) -> Vec<(u32, f32)> {
        let mut best = Vec::new();
        select::top(self.logits, n, &mut best);
        best.iter().map(|key| (key.id(), self.logprob_of(key.logit()))).collect()
    }

    pub(super) fn top_keys(&self, n: usize, best: &mut Vec<RankKey>) {
        select::top(self.logits, n, best);
    }

    pub(super) fn logprob_of(&self, logit: f32) -> f32 {
        (f64::from(logit) - self.log_sum_exp()) as f32
    }

    fn logit(&self, id: u32) -> Result<f32, SamplingError> {
        let outside = SamplingError::OutsideVocabulary { id, len: self.logits.len() };
        self.logits.get(id as usize).copied().ok_or(outside)
    }
}

/// The error for a row with at least one NaN or +inf; NaN is the graver one.
fn describe_invalid(logits: &[f32]) -> SamplingError {
    let len = logits.len();
    let find = |is_bad: fn(f32) -> bool| {
        let mut bad = logits.iter().enumerate().filter(|&(_, &x)| is_bad(x));
        bad.next().map(|(first, _)| (1 + bad.count(), first))
    };
    if let Some((count, first)) = find(f32::is_nan) {
        return SamplingError::NotANumber { count, first, len };
    }
    let (count, first) = find(|x| x == f32::INFINITY).unwrap_or_default();
    SamplingError::Infinite { count, first, len }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn statistics_of_a_known_row() {
        let logits = [0.0f32, 2.0, 2.0, f32::NEG_INFINITY, -1.0];
        let row = Row::new(&logits).unwrap();
        let total = 1.0 + 2.0 * 2f64.exp() + (-1f64).exp();
        assert!((row.log_sum_exp() - total.ln()).abs() < 1e-6);
        let probabilities = [1.0 / total, 2f64.exp() / total, 2f64.exp() / total, (-1f64).exp() / total];
        let entropy: f64 = probabilities.iter().map(|p| -p * p.log2()).sum();
        assert!((f64::from(row.entropy_bits()) - entropy).abs() < 1e-5);
        let ranks: Vec<usize> = (0..5).map(|id| row.rank(id).unwrap()).collect();
        assert_eq!(ranks, [3, 1, 2, 5, 4]);
        assert_eq!(row.logprob(3), Ok(f32::NEG_INFINITY));
        assert_eq!(row.candidates(), 4);
        assert_eq!(row.top(9).iter().map(|t| t.0).collect::<Vec<_>>(), [1, 2, 0, 4]);
        assert_eq!(row.rank(5), Err(SamplingError::OutsideVocabulary { id: 5, len: 5 }));
    }

    #[test]
    fn rows_without_a_softmax_are_named() {
        const INF: f32 = f32::INFINITY;
        let cases: [(&[f32], SamplingError); 5] = [
            (&[], SamplingError::NoLogits),
            (&[1.0, f32::NAN, INF, f32::NAN], SamplingError::NotANumber { count: 2, first: 1, len: 4 }),
            (&[f32::NAN], SamplingError::NotANumber { count: 1, first: 0, len: 1 }),
            (&[1.0, -INF, INF], SamplingError::Infinite { count: 1, first: 2, len: 3 }),
            (&[-INF, -INF], SamplingError::AllMasked { len: 2 }),
        ];
        for (logits, error) in cases {
            assert_eq!(Row::new(logits).unwrap_err(), error, "{logits:?}");
        }
    }
}
