//! Reading a document as it is typed: a score for every token, and the whole row of logits after the last one.

use crate::model::{Decoder, KvCache, Pass, Span};
use crate::sampling::Row;
use crate::text::{TokenId, Tokenizer};

use super::rows::{PREFILL_CHUNK, Visit, check_ids, each_row, score_rows};
use super::{Aside, AsideRequest, CancelToken, EngineError, NextToken, ReadEnd, ReadRequest, Start, TokenScore};

/// Scores the tokens from `request.from` on, part by part as they are run; tokens before it run only where the cache
/// lacks them.
///
/// # Errors
/// A text longer than the context, an unknown token, a start token that the vocabulary lacks, logits that are not
/// finite, being cancelled.
pub(super) fn read(
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    cache: &mut KvCache,
    request: &ReadRequest,
    cancel: &CancelToken,
    sink: &mut dyn FnMut(usize, Vec<TokenScore>),
) -> Result<ReadEnd, EngineError> {
    let config = decoder.config();
    check_ids(&request.ids, config.vocab)?;
    let mut read = Vec::with_capacity(request.ids.len() + 1);
    // An empty document is continued from the start token, so that is what stands before its next token.
    if request.start == Start::EndOfText || request.ids.is_empty() {
        read.push(tokenizer.bos().ok_or(EngineError::NothingToStartFrom)?);
    }
    let lead = read.len();
    read.extend_from_slice(&request.ids);
    let (len, context) = (read.len(), config.n_positions);
    if len > context {
        return Err(EngineError::PromptTooLong { tokens: len, context });
    }
    if lead == 0 && request.from == 0 {
        let first = TokenScore { id: read[0], logprob: None, rank: None, entropy: None, top: Vec::new() };
        sink(0, vec![first]);
    }
    // The row at place i of what is read predicts the token at i + 1.
    let first = (request.from + lead).saturating_sub(1).min(len - 1);
    let mut last = Vec::new();
    let ran = rows(decoder, cache, &read, first, cancel, &mut |place, rows| {
        let came: Vec<_> = (0..rows.len()).zip(read.get(place + 1..).unwrap_or_default().iter().copied()).collect();
        let scores = score_rows(&rows, &came, request.keep)?;
        if !scores.is_empty() {
            sink(place + 1 - lead, scores);
        }
        last = rows.row(rows.len() - 1).to_vec();
        Ok(())
    })?;
    Row::new(&last)?;
    Ok(ReadEnd { next: NextToken::Full(last.into()), ran })
}

/// Runs what the cache lacks of `read`, and hands out the rows of logits from the place `first` on, part by part. Says how
/// many tokens it ran.
fn rows(
    decoder: &Decoder,
    cache: &mut KvCache,
    read: &[TokenId],
    first: usize,
    cancel: &CancelToken,
    visit: Visit<'_>,
) -> Result<usize, EngineError> {
    cache.truncate(cache.common_prefix(read).min(first));
    let ran = read.len() - cache.len();
    while cache.len() < read.len() {
        let at = cache.len();
        let end = read.len().min(at + PREFILL_CHUNK);
        let hidden =
            decoder.forward(&mut [Span { tokens: &read[at..end], cache: &mut *cache }], Pass::fused(cancel.flag()))?;
        let wanted = at.max(first)..end;
        if !wanted.is_empty() {
            let hidden = hidden.narrow(0, wanted.start - at, wanted.len())?;
            each_row(decoder, &hidden, cancel, &mut |row, rows| visit(wanted.start + row, rows))?;
        }
    }
    Ok(ran)
}

/// The scores of `target` after `ids` (none: after the start token), and the row of logits after both. The cache keeps what
/// it holds: all of this runs beside it.
///
/// # Errors
/// As for [`read`].
pub(super) fn aside(
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    cache: &mut KvCache,
    request: &AsideRequest,
    cancel: &CancelToken,
) -> Result<Aside, EngineError> {
    let mut ids = request.ids.clone();
    if ids.is_empty() {
        ids.push(tokenizer.bos().ok_or(EngineError::NothingToStartFrom)?);
    }
    let before = ids.len();
    ids.extend_from_slice(&request.target);
    let config = decoder.config();
    check_ids(&ids, config.vocab)?;
    if ids.len() > config.n_positions {
        return Err(EngineError::PromptTooLong { tokens: ids.len(), context: config.n_positions });
    }
    // Room for the last token of what is held, which runs again, and for the target.
    let mut beside = cache.fork_with_room(request.target.len() + 1)?;
    let (mut scores, mut last) = (Vec::new(), Vec::new());
    rows(decoder, &mut beside, &ids, before - 1, cancel, &mut |place, rows| {
        let came: Vec<_> = (0..rows.len()).zip(ids.get(place + 1..).unwrap_or_default().iter().copied()).collect();
        scores.extend(score_rows(&rows, &came, 0)?);
        last = rows.row(rows.len() - 1).to_vec();
        Ok(())
    })?;
    Row::new(&last)?;
    Ok(Aside { scores, next: NextToken::Full(last.into()) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::engine::{Backend as _, LoadRequest, LocalModel, ScoreRequest};
    use crate::files::Files;
    use crate::model::{Device, DtypeChoice};
    use crate::text::SpecialTokens;

    fn model() -> LocalModel {
        let request = LoadRequest {
            name: "built-in".into(),
            files: Files::BuiltIn,
            dtype: DtypeChoice::Auto,
            device: Device::Cpu,
        };
        LocalModel::load(&request, &CancelToken::new(), &mut |_, _| {}).unwrap()
    }

    fn read_all(model: &mut LocalModel, request: &ReadRequest) -> (Vec<TokenScore>, ReadEnd) {
        let mut all = Vec::new();
        let end = model
            .read(request, &CancelToken::new(), &mut |first, scores| {
                assert_eq!(first, request.from + all.len());
                all.extend(scores);
            })
            .unwrap();
        (all, end)
    }

    fn aside(ids: &[TokenId], target: &[TokenId]) -> AsideRequest {
        AsideRequest { ids: ids.to_vec(), target: target.to_vec() }
    }

    fn close(a: &[TokenScore], b: &[TokenScore]) {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert_eq!((a.id, a.rank), (b.id, b.rank));
            let apart = a.logprob.unwrap_or_default() - b.logprob.unwrap_or_default();
            assert!(a.logprob.is_some() == b.logprob.is_some() && apart.abs() < 1e-4, "{a:?} {b:?}");
        }
    }

    #[test]
    fn what_is_read_is_what_is_scored_and_an_edit_runs_from_the_change_on() {
        let mut model = model();
        let encode = |text: &str| model.tokenizer().encode(text, SpecialTokens::Literal).unwrap();
        let (long, edited) =
            (encode("the cat likes milk and the dog likes bread"), encode("the cat likes milk and the boy sings"));
        let same = long.iter().zip(&edited).take_while(|(a, b)| a == b).count();
        assert!(same > 2 && same < edited.len());
        for start in [Start::FirstToken, Start::EndOfText] {
            let request = |ids: &[TokenId], from| ReadRequest { ids: ids.to_vec(), start, from, keep: 512 };
            let scored = |model: &mut LocalModel, ids: &[TokenId]| {
                model.score(&ScoreRequest { ids: ids.to_vec(), start, top: 3 }, &CancelToken::new()).unwrap()
            };
            let lead = usize::from(start == Start::EndOfText);
            let expected = scored(&mut model, &long);
            let (scores, end) = read_all(&mut model, &request(&long, 0));
            close(&scores, &expected.tokens);
            let next = Row::new(end.next.full().unwrap()).unwrap().top(3);
            assert_eq!(
                next.iter().map(|it| it.0).collect::<Vec<_>>(),
                expected.next.iter().map(|it| it.0).collect::<Vec<_>>()
            );

            let (scores, end) = read_all(&mut model, &request(&edited, same));
            assert_eq!(
                end.ran,
                edited.len() - same + usize::from(same + lead > 0),
                "the change, and one token before it"
            );
            close(&scores, &scored(&mut model, &edited).tokens[same..]);

            // The row of an older place leaves the cache as it is.
            read_all(&mut model, &request(&edited, 0));
            let before = if start == Start::EndOfText { vec![model.tokenizer().bos().unwrap()] } else { Vec::new() };
            let ids: Vec<TokenId> = before.into_iter().chain(edited[..same].iter().copied()).collect();
            let older = model.aside(&aside(&ids, &[]), &CancelToken::new()).unwrap();
            let score = Row::new(older.next.full().unwrap()).unwrap().logprob(edited[same]).unwrap();
            assert!((score - scored(&mut model, &edited).tokens[same].logprob.unwrap()).abs() < 1e-4);
            read_all(&mut model, &request(&edited, 0));
            let after = model.aside(&aside(&ids, &edited[same..]), &CancelToken::new()).unwrap();
            close(&after.scores, &scored(&mut model, &edited).tokens[same..]);
            read_all(&mut model, &request(&edited, 0));
            model.aside(&aside(&ids, &[]), &CancelToken::new()).unwrap();
            let (_, end) = read_all(&mut model, &request(&edited, edited.len()));
            assert_eq!(end.ran, 1, "only the last token runs again");
        }
    }

    #[test]
    fn an_empty_document_is_read_from_the_end_of_text_and_a_long_one_is_refused() {
        let mut model = model();
        let request = |ids: Vec<TokenId>| ReadRequest { ids, start: Start::FirstToken, from: 0, keep: 4 };
        let (scores, end) = read_all(&mut model, &request(Vec::new()));
        assert!(scores.is_empty() && end.ran == 1 && end.next.full().unwrap().len() == model.info().vocab);
        let error = model.read(&request(vec![5; 300]), &CancelToken::new(), &mut |_, _| {}).unwrap_err();
        assert!(matches!(error, EngineError::PromptTooLong { tokens: 300, .. }), "{error}");
    }
}
