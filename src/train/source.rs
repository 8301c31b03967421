//! Where the tokens of a step come from. A source gives any step's tokens without its history.

use crate::corpus;
use crate::text::{SpecialTokens, TokenId, Tokenizer};

use super::{Noise, Result, TrainError};

/// Sequences of one step: each token of a row is to predict the one after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// `[B · T]` tokens that are read.
    pub tokens: Vec<TokenId>,
    /// `[B · T]` tokens that follow them.
    pub targets: Vec<TokenId>,
    /// `[B · T]`: 1 where the prediction counts, else 0.
    pub counts: Vec<f32>,
}

impl Rows {
    /// No rows yet, with room for `tokens`.
    fn with_room(tokens: usize) -> Self {
        Self {
            tokens: Vec::with_capacity(tokens),
            targets: Vec::with_capacity(tokens),
            counts: Vec::with_capacity(tokens),
        }
    }

    /// Adds a row of `context + 1` ids, of which those at `counted` are to be predicted.
    fn push(&mut self, ids: &[TokenId], counted: impl Fn(usize) -> bool) {
        self.tokens.extend_from_slice(&ids[..ids.len() - 1]);
        self.targets.extend_from_slice(&ids[1..]);
        self.counts.extend((1..ids.len()).map(|at| if counted(at) { 1.0 } else { 0.0 }));
    }
}

/// Gives batches.
pub trait Source: Send {
    /// Rows of `context` tokens out of the stream of random numbers of a step.
    fn rows(&self, noise: Noise, rows: usize, context: usize) -> Rows;

    /// The same out of what training never sees.
    fn validation(&self, noise: Noise, rows: usize, context: usize) -> Rows;

    /// Size of the vocabulary.
    fn vocab(&self) -> usize;
}

/// Most symbols of a stretch that is copied.
const STRETCH: usize = 8;

/// Random symbols, all different, then stretches of the same until the row is full; only what can be known from before
/// counts: a stretch without its first symbol.
///
/// A stretch is as likely to come from any place: were the row its first half again, one layer could look back by a fixed
/// distance, and two could mix what stood within a few places, and copy without an induction head.
pub struct Copying {
    /// How many symbols.
    pub symbols: usize,
}

impl Source for Copying {
    fn rows(&self, mut noise: Noise, rows: usize, context: usize) -> Rows {
        let mut out = Rows::with_room(rows * context);
        let shortest = (context / 4).max(1);
        for _ in 0..rows {
            let length = shortest + noise.below(context / 2 - shortest + 1);
            let once = noise.different(length.max(2), self.symbols);
            let (mut ids, mut known) = (once.clone(), vec![false; once.len()]);
            while ids.len() <= context {
                let from = noise.below(once.len() - 1);
                let stretch = &once[from..(from + 2 + noise.below(STRETCH - 1)).min(once.len())];
                ids.extend_from_slice(stretch);
                known.extend((0..stretch.len()).map(|at| at > 0));
            }
            out.push(&ids[..=context], |at| known[at]);
        }
        out
    }

    fn validation(&self, noise: Noise, rows: usize, context: usize) -> Rows {
        self.rows(noise, rows, context)
    }

    fn vocab(&self) -> usize {
        self.symbols
    }
}

/// Windows of a long row of tokens, from random places.
pub struct Tokens {
    train: Vec<TokenId>,
    validation: Vec<TokenId>,
    vocab: usize,
}

impl Tokens {
    /// Keeps a tenth from the end for validation.
    ///
    /// # Errors
    /// A text that is empty or shorter than the window.
    pub fn new(mut ids: Vec<TokenId>, vocab: usize, context: usize) -> Result<Self> {
        if ids.is_empty() {
            return Err(TrainError::EmptyCorpus("it is empty".into()));
        }
        let validation = ids.split_off(ids.len() - (ids.len() / 10).max(context + 1).min(ids.len()));
        match ids.len().min(validation.len()) {
            enough if enough > context => Ok(Self { train: ids, validation, vocab }),
            _ => Err(TrainError::TooShort { tokens: ids.len() + validation.len(), context }),
        }
    }

    fn windows(from: &[TokenId], mut noise: Noise, rows: usize, context: usize) -> Rows {
        let mut out = Rows::with_room(rows * context);
        for _ in 0..rows {
            let at = noise.below(from.len() - context);
            out.push(&from[at..=at + context], |_| true);
        }
        out
    }
}

impl Source for Tokens {
    fn rows(&self, noise: Noise, rows: usize, context: usize) -> Rows {
        Self::windows(&self.train, noise, rows, context)
    }

    fn validation(&self, noise: Noise, rows: usize, context: usize) -> Rows {
        Self::windows(&self.validation, noise, rows, context)
    }

    fn vocab(&self) -> usize {
        self.vocab
    }
}

/// Documents of [`crate::corpus`], each row beginning with a whole one and filled with more, `<|endoftext|>` between.
pub struct Generated {
    tokenizer: Tokenizer,
    end_of_text: TokenId,
}

impl Generated {
    /// # Errors
    /// A vocabulary without `<|endoftext|>`.
    pub fn new(tokenizer: Tokenizer) -> Result<Self> {
        match tokenizer.end_of_text() {
            Some(end_of_text) => Ok(Self { tokenizer, end_of_text }),
            None => Err(TrainError::Recipe { key: "vocabulary", reason: "it has no <|endoftext|>".into() }),
        }
    }
}

impl Source for Generated {
    fn rows(&self, mut noise: Noise, rows: usize, context: usize) -> Rows {
        let mut out = Rows::with_room(rows * context);
        let mut documents = corpus::documents(noise.seed());
        for _ in 0..rows {
            let mut ids = Vec::with_capacity(2 * context);
            // Half of the rows begin as an unconditional sample does.
            if noise.below(2) == 0 {
                ids.push(self.end_of_text);
            }
            while ids.len() <= context {
                let Some(document) = documents.next() else { break };
                // Text of our own generators holds nothing that a byte-level vocabulary lacks.
                ids.extend(self.tokenizer.encode(&document, SpecialTokens::Literal).unwrap_or_default());
                ids.push(self.end_of_text);
            }
            ids.resize(context + 1, self.end_of_text);
            out.push(&ids, |_| true);
        }
        out
    }

    fn validation(&self, mut noise: Noise, rows: usize, context: usize) -> Rows {
        // A stream of its own: the purpose in the noise differs from that of training.
        noise.seed();
        self.rows(noise, rows, context)
    }

    fn vocab(&self) -> usize {
        self.tokenizer.vocab_size()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rows_predict_what_follows() {
        let noise = || Noise::of(7, "test", 3);
        let copying = Copying { symbols: 10 }.rows(noise(), 20, 16);
        assert_eq!(copying, Copying { symbols: 10 }.rows(noise(), 20, 16), "the same noise gives the same rows");
        let mut distances = HashSet::new();
        for (row, tokens) in copying.tokens.chunks(16).enumerate() {
            let (targets, counts) = (&copying.targets[16 * row..][..16], &copying.counts[16 * row..][..16]);
            assert_eq!(tokens[1..], targets[..15]);
            let once = (1..16).find(|at| tokens[..*at].contains(&tokens[*at])).unwrap();
            assert!((4..=8).contains(&once), "{once}");
            for at in (0..16).filter(|at| counts[*at] == 1.0) {
                let before = tokens[..once].iter().position(|token| *token == tokens[at]).unwrap();
                assert_eq!(targets[at], tokens[before + 1], "what counts is what followed before");
                distances.insert(at - before);
            }
        }
        assert!(distances.len() > 6, "a fixed distance could be learned by position alone: {distances:?}");

        let text = Tokens::new((0..100).collect(), 100, 9).unwrap();
        let rows = text.rows(noise(), 50, 9);
        assert!(rows.tokens.iter().zip(&rows.targets).all(|(token, target)| token + 1 == *target));
        assert!(rows.targets.iter().max().unwrap() < &90, "what validation has is never trained on");
        let held = text.validation(noise(), 50, 9);
        assert!(held.tokens.iter().min().unwrap() >= &90);
    }

    #[test]
    fn a_text_that_is_empty_or_too_short_is_refused() {
        assert!(matches!(Tokens::new(vec![], 3, 4), Err(TrainError::EmptyCorpus(_))));
        for length in 1..10 {
            assert!(matches!(Tokens::new(vec![1; length], 3, 4), Err(TrainError::TooShort { .. })), "{length}");
        }
        assert!(Tokens::new(vec![1; 10], 3, 4).is_ok());
    }
}
