//! How much of an induction head each attention head is (Olsson et al. 2022; TransformerLens's definition).
//!
//! On random tokens, all different and then repeated, a query in the second copy should look at the token after its first
//! occurrence:
//! score(l, h) = mean over the second copy of pattern[i, i − n + 1].

use crate::model::{Decoder, HookPoint, Pass, Recorder, Span};

use super::{Noise, Result, TrainError};

/// Scores and the pattern of the best head.
#[derive(Debug, Clone, PartialEq)]
pub struct Induction {
    /// Score by layer and head.
    pub scores: Vec<Vec<f32>>,
    /// Layer and head with the largest score.
    pub best: (usize, usize),
    /// Its pattern `[2n, 2n]`, rows are queries.
    pub pattern: Vec<Vec<f32>>,
    /// Share of the second copy that the model predicts right (arg max).
    pub copied: f64,
}

impl Induction {
    /// The largest score.
    pub fn score(&self) -> f32 {
        self.scores[self.best.0][self.best.1]
    }
}

/// Measures every head while the model reads `n` random tokens twice.
///
/// # Errors
/// A context shorter than that, a failing operation.
pub fn induction(decoder: &Decoder, n: usize, seed: u64) -> Result<Induction> {
    let config = decoder.config();
    let mut noise = Noise::of(seed, "induction", 0);
    // Different ones: after a token that stands there twice, two continuations would be right.
    let once = noise.different(n, config.vocab);
    let ids = once.repeat(2);
    let mut recorder = Recorder::default();
    let mut cache = decoder.new_cache()?;
    let hidden = decoder.forward(&mut [Span { tokens: &ids, cache: &mut cache }], Pass::traced(&mut recorder))?;

    let mut scores = Vec::new();
    let mut best = (0, 0);
    for layer in 0..config.n_layer {
        let pattern = pattern_of(&recorder, layer)?;
        let of_head = |rows: &Vec<Vec<f32>>| {
            (n..2 * n - 1).map(|i| rows[i][i - n + 1]).sum::<f32>() / (n.saturating_sub(1)).max(1) as f32
        };
        scores.push(pattern.iter().map(of_head).collect::<Vec<f32>>());
        for head in 0..config.n_head {
            if scores[layer][head] > scores[best.0][best.1] {
                best = (layer, head);
            }
        }
    }
    let pattern = pattern_of(&recorder, best.0)?.swap_remove(best.1);
    let logits = decoder.logits(&hidden)?.to_vec2::<f32>()?;
    // The first token of the second copy cannot be known.
    let right = (n..2 * n - 1).filter(|&i| arg_max(&logits[i]) == ids[i + 1] as usize).count();
    Ok(Induction { scores, best, pattern, copied: right as f64 / n.saturating_sub(1).max(1) as f64 })
}

fn pattern_of(recorder: &Recorder, layer: usize) -> Result<Vec<Vec<Vec<f32>>>> {
    match recorder.tensors.get(&HookPoint::Pattern(layer)) {
        Some(pattern) => Ok(pattern.to_vec3::<f32>()?),
        None => Err(TrainError::File(format!("the pattern of layer {layer} was not recorded"))),
    }
}

fn arg_max(row: &[f32]) -> usize {
    row.iter().enumerate().fold(0, |best, (index, value)| if *value > row[best] { index } else { best })
}
