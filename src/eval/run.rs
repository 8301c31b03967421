//! The items of an evaluation, several side by side in one batch: each a sequence with a cache of its own.

use std::collections::VecDeque;
use std::iter::Fuse;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Tensor;

use crate::engine::EngineError;
use crate::model::{Decoder, KvCache, Pass, Span, free_memory};
use crate::sampling::Row;
use crate::text::{SpecialTokens, TokenId, Tokenizer};

use super::{Answer, Choice, Ended, EvalError, Outcome, Question, Record};

/// Most sequences side by side.
const LANES: usize = 16;
/// Most bytes of their caches.
const CACHE_BYTES: usize = 512 << 20;
/// Most tokens of a pass.
const ROWS: usize = 512;

/// Answers questions in batches; an iterator of what became of each, not in their order.
pub struct Evaluation<'m, Q> {
    decoder: &'m Decoder,
    tokenizer: &'m Tokenizer,
    cancel: &'m AtomicBool,
    questions: Fuse<Q>,
    start: Start,
    lanes: Vec<Lane>,
    most_lanes: usize,
    ready: VecDeque<Record>,
    failed: bool,
}

/// What stands in front of every prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Nothing.
    Prompt,
    /// `<|endoftext|>`, as in front of a document.
    EndOfText,
}

/// A place in the batch. Its cache outlives its items: what the next prompt shares with it is not run again.
struct Lane {
    cache: KvCache,
    job: Option<Job>,
}

/// An item under way.
pub(super) struct Job {
    question: Question,
    prompt: Vec<TokenId>,
    choices: Vec<Vec<TokenId>>,
    /// What the cache is to hold next: the prompt and what was generated, or the prompt and a choice without its last token.
    ids: Vec<TokenId>,
    phase: Phase,
    /// What was generated.
    bytes: Vec<u8>,
    ended: Option<(usize, Ended)>,
    /// Log-probability of each choice so far.
    sums: Vec<f64>,
}

/// A question as the model is asked.
pub(super) enum Prepared {
    /// Its prompt and answers as tokens.
    Fits(Box<Job>),
    /// It is longer than the context, and done.
    TooLong(Box<Record>),
}

/// Encodes a question.
pub(super) fn prepare(
    question: Question,
    tokenizer: &Tokenizer,
    vocab: usize,
    context: usize,
    start: Start,
) -> Result<Prepared, EvalError> {
    let text = tokenizer.encode(&question.prompt, SpecialTokens::Parse)?;
    let lead = match start {
        Start::Prompt if !text.is_empty() => None,
        _ => Some(tokenizer.bos().ok_or(EngineError::NothingToStartFrom)?),
    };
    let continuation = |answer: &String| continuation(tokenizer, &question.prompt, &text, answer);
    let choices = question.choices.iter().map(continuation).collect::<Result<Vec<_>, _>>()?;
    let target = continuation(&question.target)?;
    let others = question.alternatives.iter().map(continuation).collect::<Result<Vec<_>, _>>()?;
    let prompt: Vec<TokenId> = lead.into_iter().chain(text.iter().copied()).collect();
    let longest = choices.iter().chain(&others).chain([&target]).map(Vec::len).max().unwrap_or(0);
    if let Some(&id) = prompt.iter().chain(choices.iter().flatten()).find(|id| **id as usize >= vocab) {
        return Err(EngineError::UnknownToken { id, vocab }.into());
    }
    // Its last token need not be run, but what ends it is drawn after it.
    let tokens = prompt.len() + longest;
    if tokens > context {
        return Ok(Prepared::TooLong(Box::new(record(question, prompt.len(), Outcome::TooLong { tokens, context }))));
    }
    Ok(Prepared::Fits(Box::new(Job {
        sums: vec![0.0; choices.len()],
        ids: prompt.clone(),
        phase: Phase::Answering,
        bytes: Vec::new(),
        ended: None,
        question,
        prompt,
        choices,
    })))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Reads the prompt and generates.
    Answering,
    /// Reads the tokens of a choice.
    Choosing(usize),
}

impl<'m, Q: Iterator<Item = Result<Question, EvalError>>> Evaluation<'m, Q> {
    /// Nothing is run before the first `next`. `cancel` ends it with an error for which [`EvalError::is_cancelled`] holds.
    pub fn new(
        decoder: &'m Decoder,
        tokenizer: &'m Tokenizer,
        questions: Q,
        start: Start,
        cancel: &'m AtomicBool,
    ) -> Self {
        let config = decoder.config();
        // Half of what is free, the other half being for the activations of a batch.
        let free = free_memory().map_or(usize::MAX, |free| usize::try_from(free / 2).unwrap_or(usize::MAX));
        let room = CACHE_BYTES.min(free);
        let cache_bytes = 2 * 4 * config.n_layer * config.n_embd * config.n_positions;
        Self {
            decoder,
            tokenizer,
            cancel,
            questions: questions.fuse(),
            start,
            lanes: Vec::new(),
            most_lanes: (room / cache_bytes.max(1)).clamp(1, LANES),
            ready: VecDeque::new(),
            failed: false,
        }
    }

    /// Gives every free lane a question.
    fn fill(&mut self) -> Result<(), EvalError> {
        for index in 0..self.most_lanes {
            if self.lanes.get(index).is_some_and(|lane| lane.job.is_some()) {
                continue;
            }
            let Some(job) = self.next_job()? else { return Ok(()) };
            if index == self.lanes.len() {
                self.lanes.push(Lane { cache: self.decoder.new_cache()?, job: None });
            }
            let lane = &mut self.lanes[index];
            // The last token runs again even where it is cached: its logits are not kept.
            let shared = lane.cache.common_prefix(&job.prompt).min(job.prompt.len() - 1);
            lane.cache.truncate(shared);
            lane.job = Some(job);
        }
        Ok(())
    }

    /// The next question that fits the context; those that do not are done.
    fn next_job(&mut self) -> Result<Option<Job>, EvalError> {
        loop {
            let Some(question) = self.questions.next() else { return Ok(None) };
            let question = question?;
            let config = self.decoder.config();
            match prepare(question, self.tokenizer, config.vocab, config.n_positions, self.start)? {
                Prepared::Fits(job) => return Ok(Some(*job)),
                Prepared::TooLong(record) => self.ready.push_back(*record),
            }
        }
    }

    /// One pass over what every lane has to run next. False when nothing is left.
    fn step(&mut self) -> Result<bool, EvalError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(EngineError::Cancelled.into());
        }
        self.fill()?;
        if !self.ready.is_empty() {
            return Ok(true);
        }
        // For each span: its lane, the first of its rows that is looked at, and how many are.
        let mut looks: Vec<(usize, usize)> = Vec::new();
        let mut wanted: Vec<u32> = Vec::new();
        let mut spans = Vec::new();
        let mut rows = 0;
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let Some(job) = &lane.job else { continue };
            let at = lane.cache.len();
            let end = job.ids.len().min(at + ROWS - rows);
            if end == at {
                continue;
            }
            let first = match job.phase {
                Phase::Choosing(_) => at,
                Phase::Answering if end == job.ids.len() => end - 1,
                Phase::Answering => end,
            };
            wanted.extend((first..end).map(|position| (rows + position - at) as u32));
            looks.push((index, end - first));
            rows += end - at;
            spans.push(Span { tokens: &job.ids[at..end], cache: &mut lane.cache });
        }
        if spans.is_empty() {
            return Ok(false);
        }
        let hidden = self.decoder.forward(&mut spans, Pass::fused(self.cancel))?;
        drop(spans);
        if wanted.is_empty() {
            return Ok(true);
        }
        let count = wanted.len();
        let wanted = Tensor::from_vec(wanted, count, hidden.device())?;
        let logits = self.decoder.logits(&hidden.index_select(&wanted, 0)?)?.to_vec2::<f32>()?;
        let mut logits = logits.iter();
        for (index, count) in looks {
            let rows = logits.by_ref().take(count).map(|row| Row::new(row)).collect::<Result<Vec<_>, _>>()?;
            let lane = &mut self.lanes[index];
            let Some(job) = &mut lane.job else { continue };
            if count > 0 && job.hear(&rows, &mut lane.cache, self.tokenizer)? {
                self.ready.extend(lane.job.take().map(Job::finish));
            }
        }
        Ok(true)
    }
}

impl<Q: Iterator<Item = Result<Question, EvalError>>> Iterator for Evaluation<'_, Q> {
    type Item = Result<Record, EvalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Some(Ok(record));
            }
            if self.failed {
                return None;
            }
            match self.step() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Job {
    pub(super) fn prompt(&self) -> &[TokenId] {
        &self.prompt
    }

    pub(super) fn choices(&self) -> &[Vec<TokenId>] {
        &self.choices
    }

    pub(super) fn set_sum(&mut self, choice: usize, sum: f64) {
        self.sums[choice] = sum;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Hears what the model says after the tokens that were run last; true when the item is done.
    fn hear(&mut self, rows: &[Row<'_>], cache: &mut KvCache, tokenizer: &Tokenizer) -> Result<bool, EvalError> {
        match self.phase {
            Phase::Answering => {
                let Some(row) = rows.last() else { return Ok(false) };
                if self.ids.len() == self.prompt.len() {
                    for (sum, choice) in self.sums.iter_mut().zip(&self.choices) {
                        if let Some(&first) = choice.first() {
                            *sum += f64::from(row.logprob(first)?);
                        }
                    }
                }
                self.draw(row, cache.capacity(), tokenizer);
                Ok(self.ended.is_some() && self.choose_from(0, cache))
            }
            Phase::Choosing(choice) => {
                // The row of the prompt's length is that of the choice's first token, and tells of its second.
                let first = cache.len() - rows.len() - self.prompt.len() + 1;
                for (row, &id) in rows.iter().zip(&self.choices[choice][first..]) {
                    self.sums[choice] += f64::from(row.logprob(id)?);
                }
                Ok(cache.len() == self.ids.len() && self.choose_from(choice + 1, cache))
            }
        }
    }

    /// Takes the likeliest token.
    fn draw(&mut self, row: &Row<'_>, context: usize, tokenizer: &Tokenizer) {
        if let Some(&(id, _)) = row.top(1).first() {
            self.take(id, context, tokenizer);
        }
    }

    /// Adds a token to the answer, or ends it.
    pub(super) fn take(&mut self, id: TokenId, context: usize, tokenizer: &Tokenizer) {
        if tokenizer.ends_text(id) {
            self.ended = Some((self.bytes.len(), Ended::EndOfText));
            return;
        }
        self.bytes.extend_from_slice(tokenizer.bytes(id).unwrap_or_default());
        let terminators = &self.question.terminators;
        let found = terminators.iter().filter_map(|terminator| position(&self.bytes, terminator.as_bytes())).min();
        let longest = |texts: &[String]| texts.iter().map(String::len).max().unwrap_or(0);
        let Question { choices, alternatives, target, .. } = &self.question;
        let enough = longest(choices).max(longest(alternatives)).max(target.len()) + longest(terminators);
        match found {
            Some(at) => self.ended = Some((at, Ended::Terminator)),
            None if self.bytes.len() >= enough => self.ended = Some((self.bytes.len(), Ended::Longer)),
            None if self.ids.len() >= context => self.ended = Some((self.bytes.len(), Ended::Context)),
            None => self.ids.push(id),
        }
    }

    /// Goes on with the first choice from `next` on of which a token has to be run; true where there is none. The last token
    /// of a choice never is: what comes after it does not matter.
    fn choose_from(&mut self, next: usize, cache: &mut KvCache) -> bool {
        let longer = |choice: &usize| self.choices[*choice].len() > 1;
        let Some(choice) = (next..self.choices.len()).find(longer) else { return true };
        cache.truncate(self.prompt.len());
        self.ids.truncate(self.prompt.len());
        let run = self.choices[choice].len() - 1;
        self.ids.extend_from_slice(&self.choices[choice][..run]);
        self.phase = Phase::Choosing(choice);
        false
    }

    pub(super) fn finish(self) -> Record {
        let (length, ended) = self.ended.unwrap_or((self.bytes.len(), Ended::Context));
        let text = &self.bytes[..length];
        let whole = matches!(ended, Ended::Terminator | Ended::EndOfText);
        let is = |wanted: &String| whole && text == wanted.as_bytes();
        let question = &self.question;
        let tokens: Vec<usize> = self.choices.iter().map(Vec::len).collect();
        let means: Vec<f64> = self.sums.iter().zip(&tokens).map(|(sum, &n)| sum / n.max(1) as f64).collect();
        let right = |scores: &[f64]| {
            let best = (0..scores.len()).reduce(|best, other| if scores[other] > scores[best] { other } else { best });
            best.is_some_and(|best| question.accepts(&question.choices[best]))
        };
        let is_choice = question.choices.len() > 1 && question.choices.contains(&question.target);
        let choice = is_choice.then(|| Choice {
            right: right(&self.sums),
            right_mean: right(&means),
            logprobs: self.sums.clone(),
            tokens,
        });
        let answer = Answer {
            text: String::from_utf8_lossy(text).into_owned(),
            ended,
            exact: is(&question.target) || question.alternatives.iter().any(is),
            valid: (!question.choices.is_empty()).then(|| question.choices.iter().any(is)),
            choice,
        };
        record(self.question, self.prompt.len(), Outcome::Answered(answer))
    }
}

fn record(question: Question, prompt_tokens: usize, outcome: Outcome) -> Record {
    let digest = question.digest();
    let Question { kind, task, shots, item, prompt, target, .. } = question;
    Record { kind, task, shots, item, question: digest, prompt, prompt_tokens, target, outcome }
}

/// The tokens of an answer behind a prompt: what the two together have beyond the prompt's own, or the answer's alone where
/// the prompt's would be cut otherwise with the answer behind it.
fn continuation(
    tokenizer: &Tokenizer,
    prompt: &str,
    prompt_ids: &[TokenId],
    answer: &str,
) -> Result<Vec<TokenId>, EvalError> {
    let both = tokenizer.encode(&format!("{prompt}{answer}"), SpecialTokens::Parse)?;
    match both.strip_prefix(prompt_ids) {
        Some(rest) => Ok(rest.to_vec()),
        None => Ok(tokenizer.encode(answer, SpecialTokens::Parse)?),
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len().max(1)).position(|window| window == wanted)
}
