//! What a dtype of the weights costs: two decoders of one checkpoint beside each other on a text.
//!
//! The figures are those of llama.cpp's `llama-perplexity --kl-divergence` (tools/perplexity), all in nats.

use candle_core::Tensor;

use crate::kernels;
use crate::model::{Decoder, KvCache, Pass, Span};
use crate::sampling::Row;
use crate::text::TokenId;

use super::rows::{PREFILL_CHUNK, Rows, check_ids, each_part};
use super::{CancelToken, EngineError};

/// How the distribution of one decoder differs from that of another over the positions of a text.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Quality {
    /// Positions that were compared.
    pub positions: usize,
    /// Mean of KL(reference ‖ other).
    pub kl_mean: f64,
    /// Its standard error.
    pub kl_error: f64,
    /// The median.
    pub kl_median: f64,
    /// 99.9 % of the positions are at most that far apart.
    pub kl_999: f64,
    /// The largest.
    pub kl_max: f64,
    /// Share of the positions where both think the same token the likeliest.
    pub same_top: f64,
    /// Its standard error.
    pub same_top_error: f64,
    /// Root mean square of the difference of the probabilities of the token that came.
    pub rms_probability: f64,
    /// Perplexity of the reference.
    pub perplexity: f64,
    /// Perplexity of the other, divided by that of the reference.
    pub perplexity_ratio: f64,
    /// The standard error of the ratio.
    pub perplexity_ratio_error: f64,
}

/// One position.
struct Place {
    kl: f64,
    same_top: bool,
    /// Log-probabilities of the token that came, reference and other.
    came: [f64; 2],
}

/// Compares two decoders of one vocabulary over `ids`, in windows of the context. `progress` gets tokens done and in all.
///
/// # Errors
/// Fewer than two tokens, an unknown token, logits that are not finite, being cancelled.
pub fn compare(
    reference: &Decoder,
    other: &Decoder,
    ids: &[TokenId],
    cancel: &CancelToken,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Quality, EngineError> {
    check_ids(ids, reference.config().vocab)?;
    if ids.len() < 2 {
        return Err(EngineError::NothingToCompare);
    }
    let mut caches = [reference.new_cache()?, other.new_cache()?];
    let mut places = Vec::with_capacity(ids.len());
    for (index, window) in ids.chunks(reference.config().n_positions).enumerate() {
        caches.iter_mut().for_each(|cache| cache.truncate(0));
        for (part, tokens) in window.chunks(PREFILL_CHUNK).enumerate() {
            let first = part * PREFILL_CHUNK;
            let [ours, theirs] = &mut caches;
            let ours = rows_of(reference, ours, tokens, cancel)?;
            let theirs = rows_of(other, theirs, tokens, cancel)?;
            for ((at, ours), (_, theirs)) in ours.iter().zip(&theirs) {
                let compare = |ours: Rows<'_>, theirs: Rows<'_>| {
                    kernels::map(ours.len(), |row| {
                        window.get(first + at + row + 1).map(|&came| place(ours.row(row), theirs.row(row), came))
                    })
                };
                let compared = Rows::read(ours, |ours| Rows::read(theirs, |theirs| compare(ours, theirs)))??;
                places.extend(compared.into_iter().flatten().collect::<Result<Vec<_>, _>>()?);
            }
            progress(index * reference.config().n_positions + first + tokens.len(), ids.len());
        }
    }
    Ok(summary(&places))
}

/// The logits of all of some tokens, by parts: the row of the first, and all rows.
fn rows_of(
    decoder: &Decoder,
    cache: &mut KvCache,
    tokens: &[TokenId],
    cancel: &CancelToken,
) -> Result<Vec<(usize, Tensor)>, EngineError> {
    let hidden = decoder.forward(&mut [Span { tokens, cache }], Pass::fused(cancel.flag()))?;
    let mut all = Vec::new();
    each_part(decoder, &hidden, cancel, &mut |first, logits| {
        all.push((first, logits));
        Ok(())
    })?;
    Ok(all)
}

fn place(ours: &[f32], theirs: &[f32], came: TokenId) -> Result<Place, EngineError> {
    let (p, q) = (Row::new(ours)?, Row::new(theirs)?);
    let (p_total, q_total) = (p.log_sum_exp(), q.log_sum_exp());
    let kl = ours.iter().zip(theirs).map(|(&a, &b)| {
        let (a, b) = (f64::from(a) - p_total, f64::from(b) - q_total);
        if a < -60.0 { 0.0 } else { a.exp() * (a - b) }
    });
    let came = came as usize;
    Ok(Place {
        kl: kl.sum::<f64>().max(0.0),
        same_top: p.top(1).first().map(|top| top.0) == q.top(1).first().map(|top| top.0),
        came: [f64::from(ours[came]) - p_total, f64::from(theirs[came]) - q_total],
    })
}

/// A mean and its standard error.
fn mean(values: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    (mean, (variance / count).sqrt())
}

fn summary(places: &[Place]) -> Quality {
    let mut kl: Vec<f64> = places.iter().map(|place| place.kl).collect();
    kl.sort_by(f64::total_cmp);
    let at = |share: f64| kl[((kl.len() - 1) as f64 * share).round() as usize];
    let (kl_mean, kl_error) = mean(kl.iter().copied());
    let (same_top, same_top_error) = mean(places.iter().map(|place| f64::from(u8::from(place.same_top))));
    let (loss, _) = mean(places.iter().map(|place| -place.came[0]));
    let (worse, worse_error) = mean(places.iter().map(|place| place.came[0] - place.came[1]));
    let (square, _) = mean(places.iter().map(|place| (place.came[0].exp() - place.came[1].exp()).powi(2)));
    Quality {
        positions: places.len(),
        kl_mean,
        kl_error,
        kl_median: at(0.5),
        kl_999: at(0.999),
        kl_max: at(1.0),
        same_top,
        same_top_error,
        rms_probability: square.sqrt(),
        perplexity: loss.exp(),
        perplexity_ratio: worse.exp(),
        perplexity_ratio_error: worse.exp() * worse_error,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::files::Files;
    use crate::model::{Checkpoint, Dtype};

    fn decoder(dtype: Dtype) -> Decoder {
        Decoder::load(&Checkpoint::open(Files::BuiltIn).unwrap(), dtype, &mut |_, _| true).unwrap()
    }

    /// By hand: three tokens, two positions.
    #[test]
    fn a_position_is_the_textbook() {
        let (p, q) = ([0.5f64, 0.25, 0.25], [0.25f64, 0.5, 0.25]);
        let logits = |p: [f64; 3]| p.map(|p| p.ln() as f32);
        let place = place(&logits(p), &logits(q), 1).unwrap();
        let kl: f64 = p.iter().zip(q).map(|(p, q)| p * (p / q).ln()).sum();
        assert!((place.kl - kl).abs() < 1e-6 && !place.same_top);
        assert!((place.came[0] - 0.25f64.ln()).abs() < 1e-6 && (place.came[1] - 0.5f64.ln()).abs() < 1e-6);
        let quality = summary(&[place]);
        assert!((quality.perplexity - 4.0).abs() < 1e-5 && (quality.perplexity_ratio - 0.5).abs() < 1e-5);
        assert!((quality.rms_probability - 0.25).abs() < 1e-6);
    }

    #[test]
    fn one_token_is_refused() {
        let model = decoder(Dtype::F32);
        assert!(compare(&model, &model, &[1], &CancelToken::new(), &mut |_, _| {}).is_err());
        assert!(compare(&model, &model, &[1, u32::MAX], &CancelToken::new(), &mut |_, _| {}).is_err());
    }
}
