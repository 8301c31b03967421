//! From sequences to log-probabilities of labels: what training and the finished classifier have in common.

use candle_core::{D, Device, Tensor};

use super::{Example, Form, Specials};
use crate::engine::CancelToken;
use crate::model::{Batch, Decoder, HeadTargets, Pass};
use crate::text::{TokenId, Tokenizer};
use crate::train::{Result, TrainError};

/// A score that no choice has: those that an example lacks are filled up with it.
const NO_CHOICE: f32 = -1e9;

/// Fills up sequences shorter than the longest. Nothing sees it: it stands after the extract token, and a position only
/// looks back.
const PADDING: TokenId = 0;

/// An example as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Encoded {
    pub(super) sequences: Vec<Vec<TokenId>>,
    pub(super) label: usize,
}

/// Encodes examples and says of how many a part was cut.
pub(super) fn encode(
    form: Form,
    examples: &[Example],
    tokenizer: &Tokenizer,
    specials: Specials,
    n_positions: usize,
    cancel: &CancelToken,
) -> Result<(Vec<Encoded>, usize)> {
    let mut truncated = 0;
    let encoded = examples
        .iter()
        .map(|example| {
            if cancel.is_cancelled() {
                return Err(TrainError::Cancelled);
            }
            let sequences = form.sequences(example, tokenizer, specials, n_positions)?;
            truncated += usize::from(sequences.truncated);
            Ok(Encoded { sequences: sequences.tokens, label: example.label })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok((encoded, truncated))
}

/// What the decoder makes of a batch of examples.
pub(super) struct Features {
    /// The hidden state at each extract token, `[R, C]`: a row an example, for multiple choice a row a choice; for
    /// similarity the sum of both orders.
    pub(super) extracted: Tensor,
    /// All hidden states, `[S · T, C]`.
    pub(super) hidden: Tensor,
    /// What each of them is to predict, for the language-model loss.
    pub(super) targets: HeadTargets,
    /// Rows of `hidden` that each example has.
    rows: Vec<usize>,
}

/// Runs a batch of examples, padded on the right to the longest.
pub(super) fn features(decoder: &Decoder, form: Form, examples: &[&Encoded], pass: Pass<'_>) -> Result<Features> {
    let sequences: Vec<&[TokenId]> =
        examples.iter().flat_map(|example| example.sequences.iter().map(Vec::as_slice)).collect();
    let length = sequences.iter().map(|ids| ids.len()).max().unwrap_or(1);
    let count = sequences.len();
    let mut tokens = vec![PADDING; count * length];
    let mut targets = HeadTargets { targets: vec![PADDING; count * length], weights: vec![0.0; count * length] };
    let mut extract = Vec::with_capacity(count);
    for (index, ids) in sequences.iter().enumerate() {
        let first = index * length;
        tokens[first..first + ids.len()].copy_from_slice(ids);
        extract.push((first + ids.len() - 1) as u32);
        // Mean over the positions of a sequence, then over the sequences.
        let weight = 1.0 / ((ids.len() - 1).max(1) * count) as f32;
        for (at, next) in ids.iter().enumerate().skip(1) {
            targets.targets[first + at - 1] = *next;
            targets.weights[first + at - 1] = weight;
        }
    }
    let hidden = decoder.forward_batch(Batch { tokens: &tokens, length }, pass)?;
    let extract = Tensor::from_vec(extract, count, &Device::Cpu)?;
    let mut extracted = hidden.index_select(&extract, 0)?;
    if form == Form::Similarity {
        extracted = extracted.reshape((examples.len(), 2, decoder.config().n_embd))?.sum(1)?;
    }
    let rows = examples.iter().map(|example| example.sequences.len() * length).collect();
    Ok(Features { extracted, hidden, targets, rows })
}

impl Features {
    /// The language-model loss, differentiable, and each example's share of the sum.
    pub(super) fn language_model(&self, decoder: &Decoder) -> Result<(Tensor, Vec<f64>)> {
        self.loss_of(decoder, &self.hidden)
    }

    /// The same as a figure only.
    pub(super) fn language_model_figure(&self, decoder: &Decoder) -> Result<Vec<f64>> {
        Ok(self.loss_of(decoder, &self.hidden.detach())?.1)
    }

    fn loss_of(&self, decoder: &Decoder, hidden: &Tensor) -> Result<(Tensor, Vec<f64>)> {
        let (loss, each) = decoder.loss(hidden, self.targets.clone())?;
        let mut first = 0;
        let shares = self.rows.iter().map(|rows| {
            let mine = first..first + rows;
            first += rows;
            each[mine.clone()].iter().zip(&self.targets.weights[mine]).map(|(l, w)| f64::from(*l) * f64::from(*w)).sum()
        });
        let shares = shares.collect();
        Ok((loss, shares))
    }
}

/// log P(y | x) of each example, `[B, K]`: softmax(h·W_y) over the labels, or over the choices of each example.
/// `sequences` says how many rows of `extracted` each example has in multiple choice.
pub(super) fn log_probabilities(form: Form, extracted: &Tensor, head: &Tensor, choices: &[usize]) -> Result<Tensor> {
    let mut scores = extracted.matmul(&head.t()?)?;
    if form == Form::MultipleChoice {
        let most = choices.iter().copied().max().unwrap_or(0);
        let mut from = Vec::with_capacity(choices.len() * most);
        let mut mask = Vec::with_capacity(choices.len() * most);
        let mut first = 0;
        for &count in choices {
            for choice in 0..most {
                from.push(if choice < count { (first + choice) as u32 } else { 0 });
                mask.push(if choice < count { 0.0 } else { NO_CHOICE });
            }
            first += count;
        }
        let from = Tensor::from_vec(from, choices.len() * most, &Device::Cpu)?;
        let mask = Tensor::from_vec(mask, (choices.len(), most), &Device::Cpu)?;
        scores = (scores.flatten_all()?.index_select(&from, 0)?.reshape((choices.len(), most))? + mask)?;
    }
    let shifted = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?;
    Ok(shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)?)
}

/// How many choices each example has.
pub(super) fn choices(examples: &[&Encoded]) -> Vec<usize> {
    examples.iter().map(|example| example.sequences.len()).collect()
}

/// Mean −log P of the right labels, differentiable.
pub(super) fn classification_loss(log_probabilities: &Tensor, labels: &[usize]) -> Result<Tensor> {
    let (rows, columns) = log_probabilities.dims2()?;
    let mut right = vec![0f32; rows * columns];
    for (row, label) in labels.iter().enumerate() {
        right[row * columns + label] = -1.0 / rows as f32;
    }
    Ok((log_probabilities * Tensor::from_vec(right, (rows, columns), &Device::Cpu)?)?.sum_all()?)
}

/// The place of the largest value; the first where several are.
pub(super) fn arg_max(row: &[f32]) -> usize {
    row.iter().enumerate().fold(0, |best, (index, value)| if *value > row[best] { index } else { best })
}
