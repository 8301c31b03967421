//! Generation as an iterator: each step carries all that the decode knew when it drew the token.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use candle_core::Tensor;

use crate::kernels;
use crate::model::{BatchEstimate, Decoder, FiniteCheck, Kept, KvCache, ModelError, Pass, Span, free_memory};
use crate::sampling::{Chain, Rng, SamplingError, StageId, random_seed};
use crate::text::{SpecialTokens, TokenId, Tokenizer};

use super::rows::{PREFILL_CHUNK, Rows, check_ids};
use super::{
    CancelToken, Drawn, EngineError, Finish, FinishReason, GenerateRequest, OnEndOfText, Prefilled, Prompt, Step,
    Timings,
};

/// Samples from a prompt, all sequences side by side. Ends by itself when every sequence has ended, or with
/// [`Generation::end`]; [`Generation::finish`] then says why.
pub struct Generation<'m> {
    decoder: &'m Decoder,
    tokenizer: &'m Tokenizer,
    /// The model's own cache; sequence 0 runs in it, so that the next prompt can reuse it.
    cache: &'m mut KvCache,
    /// The ids it started from.
    prompt: Vec<TokenId>,
    request: GenerateRequest,
    cancel: CancelToken,
    seed: u64,
    lanes: Vec<Lane>,
    /// What the tokens that ran last expect next, `[R, V]`; each lane knows its row.
    logits: Tensor,
    ready: VecDeque<Step>,
    prefilled: Prefilled,
    decoding: Duration,
    failed: bool,
}

/// One sequence of the batch.
struct Lane {
    /// `None` for the first, which runs in the model's own cache.
    cache: Option<KvCache>,
    chain: Chain,
    rng: Rng,
    /// Prompt and sampled tokens.
    ids: Vec<TokenId>,
    /// Its row of the logits.
    row: usize,
    sampled: usize,
    reason: Option<FinishReason>,
}

impl<'m> Generation<'m> {
    /// Reads the prompt, from the first token that is not in `cache` on.
    ///
    /// # Errors
    /// A prompt that leaves no room, an unknown token, [`EngineError::Cancelled`], a failing operation.
    pub fn start(
        decoder: &'m Decoder,
        tokenizer: &'m Tokenizer,
        cache: &'m mut KvCache,
        request: GenerateRequest,
        cancel: CancelToken,
    ) -> Result<Self, EngineError> {
        let config = decoder.config();
        let prompt = prompt_ids(&request, tokenizer)?;
        check_ids(&prompt, config.vocab)?;
        let (tokens, context) = (prompt.len(), config.n_positions);
        if tokens >= context {
            return Err(EngineError::PromptTooLong { tokens, context });
        }

        if request.sequences > 1 && decoder.is_on_cpu() {
            let added = request.max_tokens.min(context - tokens);
            let kept = Kept { top: request.top, whole_row: !request.settings.is_on(StageId::TopK) };
            BatchEstimate::of(config, request.sequences, tokens, added, kept).check(free_memory())?;
        }

        let begun = Instant::now();
        // The last token runs again even where it is cached: its logits are not kept.
        let cached = cache.common_prefix(&prompt).min(tokens - 1);
        cache.truncate(cached);
        let hidden = prefill(decoder, cache, &prompt, &cancel)?;
        let logits = decoder.logits(&hidden)?;
        let prefilled = Prefilled { tokens, cached, seconds: begun.elapsed().as_secs_f64() };

        let seed = request.seed.unwrap_or_else(random_seed);
        let room = request.max_tokens.min(context - tokens);
        let lanes = (0..request.sequences.max(1))
            .map(|index| {
                Ok(Lane {
                    cache: if index == 0 { None } else { Some(cache.fork_with_room(room)?) },
                    chain: Chain::new(&request.settings_of(index)?).with_top(request.top),
                    rng: Rng::with_stream(seed, index as u64),
                    ids: prompt.clone(),
                    row: 0,
                    sampled: 0,
                    reason: (request.max_tokens == 0).then_some(FinishReason::Length),
                })
            })
            .collect::<Result<Vec<_>, EngineError>>()?;
        Ok(Self {
            decoder,
            tokenizer,
            cache,
            prompt,
            request,
            cancel,
            seed,
            lanes,
            logits,
            ready: VecDeque::new(),
            prefilled,
            decoding: Duration::ZERO,
            failed: false,
        })
    }

    /// What reading the prompt took.
    pub fn prefilled(&self) -> Prefilled {
        self.prefilled
    }

    /// Ends one sequence from outside, e.g. at a stop string. Steps of it that were not handed out yet are dropped.
    pub fn end(&mut self, sequence: usize, reason: FinishReason) {
        self.lanes[sequence].reason = Some(reason);
        self.ready.retain(|step| step.sequence != sequence);
    }

    /// Why each sequence ended (those that had not are cancelled), the seed, the timings.
    pub fn finish(self) -> Finish {
        Finish {
            reasons: self.lanes.iter().map(|lane| lane.reason.unwrap_or(FinishReason::Cancelled)).collect(),
            stopped_at: vec![None; self.lanes.len()],
            seed: self.seed,
            timings: Timings {
                prefill_tokens: self.prefilled.tokens - self.prefilled.cached,
                prefill_s: self.prefilled.seconds,
                cached_tokens: self.prefilled.cached,
                decode_tokens: self.lanes.iter().map(|lane| lane.sampled).sum(),
                decode_s: self.decoding.as_secs_f64(),
            },
            prompt: self.prompt,
        }
    }

    /// Runs the token that each live sequence sampled last, where it has not been run.
    fn advance(&mut self) -> Result<(), EngineError> {
        let Self { decoder, cache, lanes, cancel, .. } = self;
        let mut own = Some(&mut **cache);
        let mut spans = Vec::new();
        for lane in lanes.iter_mut() {
            let lane_cache = match &mut lane.cache {
                Some(cache) => cache,
                None => own.take().ok_or_else(|| EngineError::Engine("two sequences share a cache".into()))?,
            };
            if lane.reason.is_none() && lane_cache.len() < lane.ids.len() {
                lane.row = spans.len();
                spans.push(Span { tokens: &lane.ids[lane_cache.len()..], cache: lane_cache });
            }
        }
        if spans.is_empty() {
            return Ok(());
        }
        let hidden = decoder.forward(&mut spans, Pass::fused(cancel.flag()))?;
        self.logits = decoder.logits(&hidden)?;
        Ok(())
    }

    /// Draws a token for each live sequence.
    fn draw(&mut self) -> Result<(), EngineError> {
        let context = self.decoder.config().n_positions;
        let live = self.lanes.iter_mut().enumerate().filter(|(_, lane)| lane.reason.is_none());
        let mut draws: Vec<_> = live.map(|(index, lane)| (index, lane, None)).collect();
        Rows::read(&self.logits, |rows| {
            kernels::each(&mut draws, |_, (_, lane, drawn)| {
                *drawn = Some(lane.chain.sample(rows.row(lane.row), &lane.ids, &mut lane.rng));
            });
        })?;
        let draws: Vec<_> = draws.into_iter().filter_map(|(index, _, drawn)| Some((index, drawn?))).collect();
        for (index, drawn) in draws {
            let sampled = match drawn {
                Err(SamplingError::NotANumber { .. } | SamplingError::Infinite { .. }) => {
                    return Err(self.where_not_finite(index));
                }
                other => other?,
            };
            let id = sampled.id;
            let lane = &mut self.lanes[index];
            lane.ids.push(id);
            lane.sampled += 1;
            let ended = self.request.on_end_of_text == OnEndOfText::Stop && self.tokenizer.ends_text(id);
            if ended {
                lane.reason = Some(FinishReason::Eos);
            } else if lane.sampled == self.request.max_tokens {
                lane.reason = Some(FinishReason::Length);
            } else if lane.ids.len() >= context {
                lane.reason = Some(FinishReason::Context);
            }
            let bytes = self.tokenizer.bytes(id).unwrap_or_default().to_vec();
            let shown = if ended { 0 } else { bytes.len() };
            self.ready.push_back(Step {
                sequence: index,
                index: lane.sampled - 1,
                bytes,
                shown,
                drawn: Drawn::Here(sampled),
            });
        }
        Ok(())
    }

    /// Runs the tokens of a sequence again, looking at every point, to say where numbers went wrong.
    fn where_not_finite(&self, lane: usize) -> EngineError {
        let ids = &self.lanes[lane].ids;
        let traced = self.decoder.new_cache().and_then(|mut cache| {
            let mut check = FiniteCheck;
            self.decoder.forward(&mut [Span { tokens: ids, cache: &mut cache }], Pass::traced(&mut check))
        });
        match traced {
            Err(error) => error.into(),
            Ok(_) => ModelError::NotFinite { point: "the logits".into() }.into(),
        }
    }
}

impl Iterator for Generation<'_> {
    type Item = Result<Step, EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(step) = self.ready.pop_front() {
            return Some(Ok(step));
        }
        if self.failed || self.lanes.iter().all(|lane| lane.reason.is_some()) {
            return None;
        }
        let begun = Instant::now();
        let round = match self.cancel.is_cancelled() {
            true => Err(EngineError::Cancelled),
            false => self.advance().and_then(|()| self.draw()),
        };
        self.decoding += begun.elapsed();
        match round {
            Ok(()) => self.ready.pop_front().map(Ok),
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}

/// The ids that a run starts from: those of the prompt, or the start token.
fn prompt_ids(request: &GenerateRequest, tokenizer: &Tokenizer) -> Result<Vec<TokenId>, EngineError> {
    let ids = match &request.prompt {
        Prompt::Ids(ids) => ids.clone(),
        Prompt::Text(text) => tokenizer.encode(text, SpecialTokens::Parse)?,
    };
    match ids.is_empty() {
        true => Ok(vec![tokenizer.bos().ok_or(EngineError::NothingToStartFrom)?]),
        false => Ok(ids),
    }
}

/// Runs `ids` from where `cache` ends, in chunks; gives the hidden state of the last token, `[1, C]`.
fn prefill(
    decoder: &Decoder,
    cache: &mut KvCache,
    ids: &[TokenId],
    cancel: &CancelToken,
) -> Result<Tensor, EngineError> {
    let mut last = None;
    while cache.len() < ids.len() {
        let end = ids.len().min(cache.len() + PREFILL_CHUNK);
        let tokens = &ids[cache.len()..end];
        let hidden = decoder.forward(&mut [Span { tokens, cache }], Pass::fused(cancel.flag()))?;
        last = Some(hidden.narrow(0, hidden.dim(0)? - 1, 1)?);
    }
    last.ok_or_else(|| EngineError::Engine("a prompt without tokens reached the model".into()))
}
