//! What the model makes of the document: a score for every token, typed or sampled, and the row of logits after the last.
//!
//! Scores belong to ids, not to bytes: a change keeps those of all tokens before it. One job reads at a time; a newer
//! document cancels it and is read next, so that fast typing costs one read and not one for each key.

use std::sync::Arc;

use super::App;
use super::effect::Effect;
use super::log::Level;
use super::models::Loaded;
use super::statistics::LongText;
use crate::engine::{
    Aside, AsideRequest, CancelToken, Command, JobId, NextToken, ReadEnd, ReadRequest, Start, TokenScore,
};
use crate::sampling::{Chain, Distribution, Row};
use crate::text::{SpecialTokens, TokenId};

/// Candidates kept of every position.
pub(super) const KEEP: usize = 512;

/// The scores of the document.
#[derive(Debug)]
pub struct Reading {
    /// Whether the first token is scored too, behind the start token.
    pub start: Start,
    ids: Vec<TokenId>,
    scores: Vec<Option<Arc<TokenScore>>>,
    next: Option<NextToken>,
    job: Option<(JobId, CancelToken)>,
    preview: Option<Distribution>,
    older: Option<Older>,
    answer: Option<Answer>,
    /// The ids cannot be read; said once, until they change.
    refused: bool,
    pub(super) long_text: LongText,
    changed: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            start: Start::FirstToken,
            ids: Vec::new(),
            scores: Vec::new(),
            next: None,
            job: None,
            preview: None,
            older: None,
            answer: None,
            refused: false,
            long_text: LongText::default(),
            changed: true,
        }
    }
}

/// The whole row at an older position, found again on demand.
#[derive(Debug)]
struct Older {
    at: usize,
    job: Option<(JobId, CancelToken)>,
    next: Option<NextToken>,
}

/// The answer that the few-shot query expects, as a continuation of the document.
#[derive(Debug)]
struct Answer {
    /// The token after the document that it was asked behind.
    next: NextToken,
    continuation: String,
    job: Option<(JobId, CancelToken)>,
    scores: Vec<TokenScore>,
}

/// The answer that is expected for a few-shot query, as the model sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// The natural logarithm of its probability, all tokens together.
    pub logprob: f64,
    /// 1 where each token is the likeliest one, else the rank of the first that is not.
    pub rank: usize,
    /// How many tokens it has.
    pub tokens: usize,
}

impl Expected {
    /// Whether the likeliest tokens, one after the other, are the answer.
    pub fn is_right(self) -> bool {
        self.rank == 1
    }
}

impl Reading {
    /// What is known of the expected answer.
    pub fn answer(&self) -> Option<Expected> {
        let answer = self.answer.as_ref().filter(|answer| answer.job.is_none())?;
        let ranks = answer.scores.iter().map(|score| score.rank).collect::<Option<Vec<usize>>>()?;
        // The model's own likeliest text leaves the answer at the first token of another rank.
        let rank = ranks.iter().copied().find(|rank| *rank != 1).or(ranks.first().copied())?;
        let logprob = answer.scores.iter().filter_map(|score| score.logprob).map(f64::from).sum();
        Some(Expected { logprob, rank, tokens: ranks.len() })
    }

    /// The score of a token of the document.
    pub fn score(&self, index: usize) -> Option<&Arc<TokenScore>> {
        self.scores.get(index)?.as_ref()
    }

    /// All scores in order; none where one is not known (yet).
    pub fn scores(&self) -> &[Option<Arc<TokenScore>>] {
        &self.scores
    }

    /// What is known of the token after the last one.
    pub fn next(&self) -> Option<&NextToken> {
        self.next.as_ref()
    }

    /// Whether the engine reads.
    pub fn is_busy(&self) -> bool {
        self.job.is_some()
            || self.older.as_ref().is_some_and(|older| older.job.is_some())
            || self.answer.as_ref().is_some_and(|answer| answer.job.is_some())
    }

    /// What is known of the token at `at`, which is shown: the one that comes next, or an older one that was asked for.
    pub fn next_at(&self, at: Option<usize>) -> Option<&NextToken> {
        match at {
            None => self.next(),
            Some(at) => self.older.as_ref().filter(|older| older.at == at)?.next.as_ref(),
        }
    }

    /// The shown row through the chain as it is set now.
    pub fn preview(&self) -> Option<&Distribution> {
        self.preview.as_ref()
    }

    /// Forgets everything: another model is in use.
    pub fn forget(&mut self) {
        self.cancel();
        *self = Self { start: self.start, ..Self::default() };
    }

    /// A sampled token was appended to a document that is known up to it.
    pub(super) fn sampled(&mut self, index: usize, score: TokenScore) {
        if self.ids.len() == index {
            self.ids.push(score.id);
            self.scores.push(Some(Arc::new(score)));
            (self.next, self.preview) = (None, None);
            self.changed = true;
        }
    }

    fn cancel(&mut self) {
        let older = self.older.take().and_then(|older| older.job);
        let answer = self.answer.take().and_then(|answer| answer.job);
        for (_, cancel) in self.job.iter().chain(&older).chain(&answer) {
            cancel.cancel();
        }
    }

    /// Keeps what belongs to the ids at the start that are still the same. Says whether anything changed.
    fn take(&mut self, ids: Vec<TokenId>) -> bool {
        let same = self.ids.iter().zip(&ids).take_while(|(a, b)| a == b).count();
        if same == self.ids.len() && same == ids.len() {
            return false;
        }
        self.scores.truncate(same);
        self.scores.resize(ids.len(), None);
        (self.next, self.preview, self.refused) = (None, None, false);
        self.older = None;
        self.ids = ids;
        self.changed = true;
        true
    }

    /// Whether the ids or the rows of logits have changed since this was called last.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The first token without a score that can have one.
    fn first_missing(&self) -> usize {
        self.scores.iter().position(Option::is_none).unwrap_or(self.scores.len())
    }
}

impl App {
    /// The model in use, where it can score the document now.
    fn reader(&self) -> Option<&Loaded> {
        let loaded = self.models.loaded.as_ref().filter(|_| !self.models.is_loading())?;
        Some(loaded).filter(|loaded| loaded.info.capabilities.prompt_logprobs && loaded.tokenizer.is_some())
    }

    /// Takes over the ids of the document; scores of those that are no longer the same go.
    pub(super) fn follow_ids(&mut self) {
        let Some(context) = self.reader().map(|loaded| loaded.info.context) else { return };
        let tokens = self.document.tokens().len();
        // A text that does not fit is scored in windows, on demand.
        let ids = if tokens > context { Vec::new() } else { self.document.ids().unwrap_or_default() };
        if self.document.pending().is_empty() && self.reading.take(ids) {
            if let Some((_, cancel)) = &self.reading.job {
                cancel.cancel();
            }
            if self.token.at.is_some_and(|at| at >= tokens) {
                *self.token.at = None;
            }
        }
    }

    /// Has the engine score what has no score yet, unless it generates.
    pub(super) fn read_next(&mut self) {
        let Some(loaded) = self.reader() else { return };
        let (context, has_end) = (loaded.info.context, loaded.info.special.bos.is_some());
        let settled = self.document.pending().is_empty() && self.reading.ids.len() == self.document.tokens().len();
        if self.is_running() || self.runs.queued.is_some() {
            if let Some((_, cancel)) = &self.reading.job {
                cancel.cancel();
            }
        } else if settled && self.reading.next.is_none() && self.reading.job.is_none() && !self.reading.refused {
            let (job, cancel) = (self.new_job(), CancelToken::new());
            let reading = &mut self.reading;
            let lead = usize::from(reading.start == Start::EndOfText || reading.ids.is_empty());
            if reading.ids.len() + lead > context || (reading.ids.is_empty() && !has_end) {
                return;
            }
            let request = ReadRequest {
                ids: reading.ids.clone(),
                start: reading.start,
                from: reading.first_missing(),
                keep: KEEP,
            };
            reading.job = Some((job, cancel.clone()));
            self.outbox.push(Effect::Engine(Command::Read(job, request, cancel)));
        }
    }

    /// Has the engine compute the whole row at the position that is looked at.
    pub(super) fn read_older(&mut self) {
        let is_free = self.reader().is_some() && !self.is_running() && self.reading.job.is_none();
        let Some(at) = self.token.at.filter(|_| is_free) else { return };
        let lead = match (self.reading.start, self.models.loaded.as_ref().and_then(|loaded| loaded.info.special.bos)) {
            (Start::EndOfText, Some(id)) => vec![id],
            _ => Vec::new(),
        };
        if self.reading.older.as_ref().is_some_and(|older| older.at == at) || at + lead.len() == 0 {
            return;
        }
        let Some(before) = self.reading.ids.get(..at) else { return };
        let ids = lead.into_iter().chain(before.iter().copied()).collect();
        let (job, cancel) = (self.new_job(), CancelToken::new());
        if let Some((_, old)) = self.reading.older.take().and_then(|older| older.job) {
            old.cancel();
        }
        self.reading.older = Some(Older { at, job: Some((job, cancel.clone())), next: None });
        self.outbox.push(Effect::Engine(Command::Aside(job, AsideRequest { ids, target: Vec::new() }, cancel)));
    }

    /// Scores the answer that the query expects, where the document is the few-shot prompt.
    pub(super) fn read_answer(&mut self) {
        if self.reader().is_none() {
            return;
        }
        let (Some(next), true) = (&self.reading.next, self.shots_live()) else {
            self.reading.answer = None;
            return;
        };
        let tokenizer = self.models.loaded.as_ref().and_then(|loaded| loaded.tokenizer.as_ref());
        let (Some(answer), Some(tokenizer)) =
            (self.shots.prompt().and_then(|prompt| prompt.expected.as_ref()), tokenizer)
        else {
            self.reading.answer = None;
            return;
        };
        let known = self.reading.answer.as_ref();
        if known.is_some_and(|it| it.next.is(next) && it.continuation == answer.continuation) {
            return;
        }
        let (next, continuation) = (next.clone(), answer.continuation.clone());
        // A prompt never ends in a space, so that its answer is spelled as it would be behind it.
        let target = tokenizer.encode(&continuation, SpecialTokens::Parse).unwrap_or_default();
        let (job, cancel) = (self.new_job(), CancelToken::new());
        let request = AsideRequest { ids: self.reading.ids.clone(), target };
        self.reading.answer = Some(Answer { next, continuation, job: Some((job, cancel.clone())), scores: Vec::new() });
        self.outbox.push(Effect::Engine(Command::Aside(job, request, cancel)));
    }

    /// Sends the shown row through the chain.
    pub(super) fn show_preview(&mut self) {
        if self.reader().is_none() {
            return;
        }
        // What the chain makes of a row is only known of a whole row.
        let Some(row) = self.reading.next_at(*self.token.at).and_then(NextToken::full).cloned() else {
            self.reading.preview = None;
            return;
        };
        let settings = &self.sampler.settings;
        let history = self.reading.ids.get(..self.token.at.unwrap_or(self.reading.ids.len())).unwrap_or_default();
        let distribution = Chain::new(settings).distribution(&row, history, KEEP);
        self.reading.preview = match distribution {
            Ok(distribution) => Some(distribution),
            Err(error) => {
                self.log.say(Level::Error, error.to_string());
                None
            }
        };
    }

    pub(super) fn read(&mut self, job: JobId, first: usize, scores: Vec<TokenScore>) {
        if self.reading.job.as_ref().is_none_or(|(current, cancel)| *current != job || cancel.is_cancelled()) {
            return;
        }
        for (index, score) in (first..).zip(scores) {
            if let Some(place) = self.reading.scores.get_mut(index) {
                *place = Some(Arc::new(score));
            }
        }
    }

    pub(super) fn read_to_end(&mut self, job: JobId, end: ReadEnd) {
        if let Some((_, cancel)) = self.reading.job.take_if(|(current, _)| *current == job)
            && !cancel.is_cancelled()
        {
            self.reading.next = Some(end.next);
        }
        self.reading.changed = true;
    }

    pub(super) fn read_aside(&mut self, job: JobId, aside: Aside) {
        self.reading.changed = true;
        if let Some(older) = &mut self.reading.older
            && older.job.take_if(|(current, _)| *current == job).is_some()
        {
            older.next = Some(aside.next);
        } else if let Some(answer) = &mut self.reading.answer
            && answer.job.take_if(|(current, _)| *current == job).is_some()
        {
            answer.scores = aside.scores;
        }
    }

    /// A read ended with an error; says whether it was one. What was cancelled is asked for again.
    pub(super) fn read_failed(&mut self, job: JobId, error: &crate::engine::EngineError) -> bool {
        let own = self.reading.job.take_if(|(current, _)| *current == job).is_some();
        let older = self.reading.older.as_ref().and_then(|older| older.job.as_ref()).is_some_and(|(it, _)| *it == job);
        if own && !error.is_cancelled() {
            self.reading.refused = true;
            self.log.say(Level::Warning, format!("no probabilities for this text: {error}"));
        }
        if older {
            match &mut self.reading.older {
                // Tried again when the position is left and looked at again.
                Some(older) if !error.is_cancelled() => older.job = None,
                _ => self.reading.older = None,
            }
        }
        let answer = self.reading.answer.as_mut();
        let answer = answer.is_some_and(|answer| answer.job.take_if(|(current, _)| *current == job).is_some());
        self.reading.changed |= own || older || answer;
        own || older || answer
    }

    /// A token's rank in the whole vocabulary and its log-probability at the position that is shown. Of an engine that gives
    /// candidates alone they are known of those.
    pub fn figures_of(&self, id: TokenId) -> Option<(usize, f32)> {
        match self.reading.next_at(*self.token.at)? {
            NextToken::Full(row) => {
                let row = Row::new(row).ok()?;
                Some((row.rank(id).ok()?, row.logprob(id).ok()?))
            }
            NextToken::Top(top) => {
                let place = top.iter().position(|(candidate, _)| *candidate == id)?;
                Some((place + 1, top[place].1))
            }
        }
    }

    /// Scores the first token too, behind the start token, or not.
    pub(super) fn toggle_start(&mut self) {
        let bos = self.models.loaded.as_ref().and_then(|loaded| loaded.bos_label());
        let text = match (self.reading.start, bos) {
            (Start::FirstToken, Some(bos)) => {
                self.reading.start = Start::EndOfText;
                format!("scores begin behind {bos}: the first token has one too")
            }
            (Start::FirstToken, None) => "this checkpoint names no start token".to_owned(),
            (Start::EndOfText, _) => {
                self.reading.start = Start::FirstToken;
                "scores begin at the second token: nothing stands before the first".to_owned()
            }
        };
        self.reading.forget();
        self.log.say(Level::Notice, text);
    }
}
