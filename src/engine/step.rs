//! One token: what is known of its draw, and what a scored text says of it.

use crate::sampling::Sampled;
use crate::text::TokenId;

/// One token of a scored text.
#[derive(Debug, Clone)]
pub struct TokenScore {
    /// The token.
    pub id: TokenId,
    /// Natural-log probability given what is before it; `None` where nothing is.
    pub logprob: Option<f32>,
    /// Rank from 1 among the whole vocabulary.
    pub rank: Option<usize>,
    /// Entropy of the distribution it was scored under, in bits.
    pub entropy: Option<f32>,
    /// The most likely tokens at this position with their log-probabilities, best first.
    pub top: Vec<(TokenId, f32)>,
}

/// A draw.
#[derive(Debug, Clone)]
pub enum Drawn {
    /// By the sampling chain in this process, over the whole row of logits.
    Here(Sampled),
    /// By the engine, elsewhere.
    There(Reported),
}

/// What an engine reports of a token that it drew.
#[derive(Debug, Clone)]
pub struct Reported {
    /// The figures that it gives. Without a tokenizer here ids only tell tokens apart.
    pub score: TokenScore,
    /// The bytes of ids in `score`, for an engine whose tokenizer is not here.
    pub names: Vec<(TokenId, Vec<u8>)>,
}

/// One sampled token and all that is known of its draw.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which sequence of the batch, from 0.
    pub sequence: usize,
    /// How many tokens of this sequence were sampled before it.
    pub index: usize,
    /// The bytes of the token.
    pub bytes: Vec<u8>,
    /// How many of `bytes` belong to the text: fewer where a stop string begins inside, none for a token that ends the text.
    pub shown: usize,
    /// The draw: id, log-probabilities, rank, entropy, candidates, survivors.
    pub drawn: Drawn,
}

impl Step {
    /// The token.
    pub fn id(&self) -> TokenId {
        match &self.drawn {
            Drawn::Here(sampled) => sampled.id,
            Drawn::There(it) => it.score.id,
        }
    }

    /// Natural-log probability under the raw model, where it is known.
    pub fn logprob(&self) -> Option<f32> {
        match &self.drawn {
            Drawn::Here(sampled) => Some(sampled.logprob),
            Drawn::There(it) => it.score.logprob,
        }
    }

    /// Rank from 1 in the whole vocabulary, where it is known.
    pub fn rank(&self) -> Option<usize> {
        match &self.drawn {
            Drawn::Here(sampled) => Some(sampled.rank),
            Drawn::There(it) => it.score.rank,
        }
    }

    /// Entropy in bits of the raw distribution, where it is known.
    pub fn entropy(&self) -> Option<f32> {
        match &self.drawn {
            Drawn::Here(sampled) => Some(sampled.entropy_bits),
            Drawn::There(it) => it.score.entropy,
        }
    }

    /// All figures of a draw from a whole row.
    pub fn sampled(&self) -> Option<&Sampled> {
        match &self.drawn {
            Drawn::Here(sampled) => Some(sampled),
            Drawn::There(_) => None,
        }
    }

    /// Candidates with their log-probabilities under the raw model, best first.
    pub fn top(&self) -> Vec<(TokenId, f32)> {
        match &self.drawn {
            Drawn::Here(sampled) => sampled.top.iter().map(|candidate| (candidate.id, candidate.logprob)).collect(),
            Drawn::There(it) => it.score.top.clone(),
        }
    }

    /// The same as a score of its position.
    pub fn score(&self) -> TokenScore {
        let (id, logprob, rank, entropy) = (self.id(), self.logprob(), self.rank(), self.entropy());
        TokenScore { id, logprob, rank, entropy, top: self.top() }
    }

    /// Whether it is of the text: a token that ended it is not. One of a row beyond the vocabulary is, though it has no
    /// bytes.
    pub fn is_text(&self) -> bool {
        self.shown > 0 || self.bytes.is_empty()
    }
}

/// Mean natural-log probability under the raw model of the tokens of a text; the token that ended it (`<|endoftext|>`, a
/// stop string) is not of the text. `None` without a token, or where an engine does not give the probability of one.
pub fn mean_logprob<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Option<f64> {
    let (mut total, mut count) = (0.0, 0_u32);
    for step in steps.into_iter().filter(|step| step.is_text()) {
        total += f64::from(step.logprob()?);
        count += 1;
    }
    (count > 0).then(|| total / f64::from(count))
}

/// Which of several sequences has the largest mean log-probability, the first of equal ones (OpenAI's `best_of`).
pub fn best(means: impl IntoIterator<Item = Option<f64>>) -> Option<usize> {
    let known = means.into_iter().enumerate().filter_map(|(index, mean)| Some((index, mean?)));
    known.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_has_the_largest_mean_and_comes_first_among_equals() {
        assert_eq!(best([Some(-2.0), Some(-1.5), None, Some(-1.5)]), Some(1));
        assert_eq!(best([None, Some(-9.0)]), Some(1));
        assert_eq!(best([None, None]), None);
        assert_eq!(best([]), None);
        assert_eq!(mean_logprob([]), None);
    }

    /// The token that ended the text is not in it, so it has no share in the mean of what is.
    #[test]
    fn the_mean_is_of_the_tokens_of_the_text() {
        let step = |bytes: &[u8], shown: usize, logprob: Option<f32>| Step {
            sequence: 0,
            index: 0,
            bytes: bytes.to_vec(),
            shown,
            drawn: Drawn::There(Reported {
                score: TokenScore { id: 1, logprob, rank: None, entropy: None, top: Vec::new() },
                names: Vec::new(),
            }),
        };
        let text = [step(b"a", 1, Some(-1.0)), step(b"bc", 1, Some(-2.0)), step(b"<|endoftext|>", 0, Some(-9.0))];
        assert_eq!(mean_logprob(&text), Some(-1.5));
        assert_eq!(mean_logprob(&text[2..]), None);
        assert_eq!(mean_logprob(&[step(b"", 0, Some(-3.0))]), Some(-3.0), "a row beyond the vocabulary");
        assert_eq!(mean_logprob(&[step(b"a", 1, Some(-1.0)), step(b"b", 1, None)]), None, "one is not known");
    }
}
