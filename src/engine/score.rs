//! Scores of a given text, in rolling windows where it is longer than the context
//! (lm-evaluation-harness, `lm_eval/utils.py: get_rolling_token_windows` with context_len 1).

use std::ops::Range;
use std::time::Instant;

use crate::model::{Decoder, KvCache, Pass, Span};
use crate::sampling::Row;
use crate::text::{TokenId, Tokenizer};

use super::rows::{PREFILL_CHUNK, check_ids, each_row, score_rows};
use super::{CancelToken, EngineError, ScoreRequest, Scores, Start, TokenScore};

/// Scores every token of the request given those before it.
///
/// # Errors
/// An unknown token, a start token that the vocabulary lacks, logits that are not finite, being cancelled.
pub(super) fn score(
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    cache: &mut KvCache,
    request: &ScoreRequest,
    cancel: &CancelToken,
) -> Result<Scores, EngineError> {
    let config = decoder.config();
    check_ids(&request.ids, config.vocab)?;
    // What the model reads: the text, behind the start token where the first token is to be scored too.
    let mut read = Vec::with_capacity(request.ids.len() + 1);
    if request.start == Start::EndOfText {
        read.push(tokenizer.bos().ok_or(EngineError::NothingToStartFrom)?);
    }
    let lead = read.len();
    read.extend_from_slice(&request.ids);

    let begun = Instant::now();
    let unscored = |&id: &TokenId| TokenScore { id, logprob: None, rank: None, entropy: None, top: Vec::new() };
    let mut scores =
        Scores { tokens: request.ids.iter().map(unscored).collect(), next: Vec::new(), windows: 0, seconds: 0.0 };
    let (len, context) = (read.len(), config.n_positions);
    // The windows of a long text end one token before its end: what follows it takes one more look, as far back as it goes.
    let outlook = (len > context && request.top > 0).then(|| Window { read: len - context..len, scored: len..len });
    let windows = windows(len, context);
    scores.windows = windows.len();
    for window in windows.into_iter().chain(outlook) {
        cache.truncate(0);
        let mut at = window.read.start;
        while at < window.read.end {
            let end = window.read.end.min(at + PREFILL_CHUNK);
            let hidden = decoder
                .forward(&mut [Span { tokens: &read[at..end], cache: &mut *cache }], Pass::fused(cancel.flag()))?;
            // Row i of the pass predicts the token after `read[at + i]`.
            let wanted = at.max(window.scored.start.saturating_sub(1))..end;
            if !wanted.is_empty() {
                let hidden = hidden.narrow(0, wanted.start - at, wanted.len())?;
                each_row(decoder, &hidden, cancel, &mut |first, rows| {
                    let first = wanted.start + first;
                    let came = |row: usize| Some(first + row + 1).filter(|place| window.scored.contains(place));
                    let wanted =
                        (0..rows.len()).filter_map(|row| Some((row, *read.get(came(row)?)?))).collect::<Vec<_>>();
                    let scored = score_rows(&rows, &wanted, request.top)?;
                    for ((row, _), score) in wanted.into_iter().zip(scored) {
                        scores.tokens[first + row + 1 - lead] = score;
                    }
                    if first + rows.len() == len {
                        scores.next = Row::new(rows.row(rows.len() - 1))?.top(request.top);
                    }
                    Ok(())
                })?;
            }
            at = end;
        }
    }
    scores.seconds = begun.elapsed().as_secs_f64();
    Ok(scores)
}

/// One pass over a stretch of what is read.
#[derive(Debug, PartialEq, Eq)]
struct Window {
    /// Positions the model reads, at most `context` of them.
    read: Range<usize>,
    /// Positions of the tokens it scores.
    scored: Range<usize>,
}

/// Disjoint stretches of at most `context` scored tokens, each read with as much as fits before it (at least one
/// token). A text that fits is one window, and the last position then predicts what follows.
fn windows(len: usize, context: usize) -> Vec<Window> {
    if len <= context {
        return match len {
            0 => Vec::new(),
            _ => vec![Window { read: 0..len, scored: 1..len }],
        };
    }
    let mut all = vec![Window { read: 0..context, scored: 1..context + 1 }];
    let mut next = context + 1;
    while next < len {
        let end = len.min(next + context);
        all.push(Window { read: end - 1 - context..end - 1, scored: next..end });
        next = end;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The windows of lm-evaluation-harness for the same text: with its prefix token in front, `len` is one more than
    /// its token list, and its predicted stretches are the scored ones here.
    #[test]
    fn windows_are_those_of_the_harness() {
        let check = |len, context, expected: &[(Range<usize>, Range<usize>)]| {
            let expected: Vec<_> = expected.iter().cloned().map(|(read, scored)| Window { read, scored }).collect();
            assert_eq!(windows(len, context), expected, "{len} tokens, context {context}");
        };
        check(0, 4, &[]);
        check(1, 4, &[(0..1, 1..1)]);
        check(4, 4, &[(0..4, 1..4)]);
        check(5, 4, &[(0..4, 1..5)]);
        check(6, 4, &[(0..4, 1..5), (1..5, 5..6)]);
        check(9, 4, &[(0..4, 1..5), (4..8, 5..9)]);
        check(11, 4, &[(0..4, 1..5), (4..8, 5..9), (6..10, 9..11)]);
    }

    #[test]
    fn every_token_but_the_first_is_scored_once() {
        for len in 1..200 {
            for context in 1..20 {
                let scored: Vec<_> = windows(len, context).into_iter().flat_map(|window| window.scored).collect();
                assert_eq!(scored, (1..len).collect::<Vec<_>>(), "{len} tokens, context {context}");
            }
        }
    }
}
