//! Rows of logits, read where the decoder left them, and what they say about the token that came.

use candle_core::{CpuStorage, Storage, Tensor};

use super::step::TokenScore;
use super::{CancelToken, EngineError};
use crate::kernels;
use crate::model::{Decoder, MemoryEstimate};
use crate::sampling::Row;
use crate::text::TokenId;

/// Tokens of a prompt that are run at once. Large enough for the matrix products, small enough to be cancelled soon.
pub(super) const PREFILL_CHUNK: usize = 512;

/// Refuses ids that the embedding table has no row for.
pub(super) fn check_ids(ids: &[TokenId], vocab: usize) -> Result<(), EngineError> {
    match ids.iter().find(|id| **id as usize >= vocab) {
        Some(&id) => Err(EngineError::UnknownToken { id, vocab }),
        None => Ok(()),
    }
}

/// Some rows of logits, one after the other.
pub(super) struct Rows<'a> {
    values: &'a [f32],
    vocab: usize,
}

impl Rows<'_> {
    /// Reads logits `[R, V]` where the decoder left them: at 50,257 to a row even a copy would be seen in a token's time.
    pub(super) fn read<T>(logits: &Tensor, read: impl FnOnce(Rows<'_>) -> T) -> Result<T, EngineError> {
        let vocab = logits.dim(1)?;
        let (storage, layout) = logits.storage_and_layout();
        if let (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) = (&*storage, layout.contiguous_offsets()) {
            return Ok(read(Rows { values: &values[start..end], vocab }));
        }
        drop(storage);
        Ok(read(Rows { values: &logits.flatten_all()?.to_vec1()?, vocab }))
    }

    pub(super) fn len(&self) -> usize {
        self.values.len() / self.vocab
    }

    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.vocab..][..self.vocab]
    }
}

/// Takes the index of the first of some rows, and the rows.
pub(super) type Visit<'a> = &'a mut dyn FnMut(usize, Rows<'_>) -> Result<(), EngineError>;

/// Hands out the logits of hidden states, part by part, so that they are never all in memory.
pub(super) fn each_row(
    decoder: &Decoder,
    hidden: &Tensor,
    cancel: &CancelToken,
    visit: Visit<'_>,
) -> Result<(), EngineError> {
    each_part(decoder, hidden, cancel, &mut |first, logits| Rows::read(&logits, |rows| visit(first, rows))?)
}

/// As [`each_row`], with tensors that can be kept.
pub(super) fn each_part(
    decoder: &Decoder,
    hidden: &Tensor,
    cancel: &CancelToken,
    visit: &mut dyn FnMut(usize, Tensor) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let (count, at_once) = (hidden.dim(0)?, MemoryEstimate::LOGIT_ROWS);
    for first in (0..count).step_by(at_once) {
        if cancel.is_cancelled() {
            return Err(EngineError::Cancelled);
        }
        visit(first, decoder.logits(&hidden.narrow(0, first, at_once.min(count - first))?)?)?;
    }
    Ok(())
}

/// The scores of tokens that came after some of the rows, on all threads.
pub(super) fn score_rows(
    rows: &Rows<'_>,
    came: &[(usize, TokenId)],
    keep: usize,
) -> Result<Vec<TokenScore>, EngineError> {
    kernels::map(came.len(), |at| score_of(rows.row(came[at].0), came[at].1, keep)).into_iter().collect()
}

/// What a row of logits says about the token that came.
fn score_of(logits: &[f32], id: TokenId, keep: usize) -> Result<TokenScore, EngineError> {
    let row = Row::new(logits)?;
    Ok(TokenScore {
        id,
        logprob: Some(row.logprob(id)?),
        rank: Some(row.rank(id)?),
        entropy: Some(row.entropy_bits()),
        top: row.top(keep),
    })
}
