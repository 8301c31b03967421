//! Figures of the whole text under the model: perplexity, bits per byte, ranks, surprisal.

use super::App;
use super::command::Scope;
use super::curve::Curve;
use super::effect::Effect;
use super::log::Level;
use super::models::Loaded;
use super::overlay::{Overlay, Rows};
use super::token::Colouring;
use crate::engine::{CancelToken, Command, EngineError, JobId, ScoreRequest, Scores, Start, TokenScore};

/// What the text costs the model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// Tokens of the text.
    pub tokens: usize,
    /// Tokens that have a score.
    pub scored: usize,
    /// Bytes of the tokens that have one.
    pub bytes: usize,
    /// Sum of −log P in nats.
    pub nats: f64,
    /// Sum of the entropies in bits; none where an engine does not give one.
    pub entropy: Option<f64>,
    /// How many tokens were of rank 1, up to 10, 100, 1000, and beyond.
    pub ranks: [usize; 5],
    /// Tokens whose rank is known: all that have a score, but of an engine that gives candidates alone.
    pub ranked: usize,
    /// Surprisal in bits, by token; means of stretches in a long text.
    pub surprisal: Curve,
    /// Windows that the text was read in.
    pub windows: usize,
}

/// A text longer than the context, scored on demand.
#[derive(Debug, Default)]
pub(super) struct LongText {
    job: Option<(JobId, CancelToken)>,
    /// For which revision of the document, and what came out.
    done: Option<(u64, Statistics)>,
}

impl Statistics {
    fn add(&mut self, score: &TokenScore, bytes: usize) {
        let at = self.tokens;
        self.tokens += 1;
        let Some(logprob) = score.logprob else { return };
        let before = if self.scored == 0 { Some(0.0) } else { self.entropy };
        self.entropy = before.zip(score.entropy).map(|(sum, bits)| sum + f64::from(bits));
        self.scored += 1;
        self.bytes += bytes;
        self.nats -= f64::from(logprob);
        if let Some(count) = Colouring::Rank.class(score).and_then(|class| self.ranks.get_mut(class)) {
            *count += 1;
            self.ranked += 1;
        }
        self.surprisal.push(at as u64, -f64::from(logprob) / std::f64::consts::LN_2);
    }

    /// exp of the mean −log P of the scored tokens.
    pub fn perplexity(&self) -> Option<f64> {
        (self.scored > 0).then(|| (self.nats / self.scored as f64).exp())
    }

    /// Bits that the scored tokens cost, for each of their bytes.
    pub fn bits_per_byte(&self) -> Option<f64> {
        (self.bytes > 0).then(|| self.nats / std::f64::consts::LN_2 / self.bytes as f64)
    }

    /// Mean entropy in bits of the distributions the tokens were scored under.
    pub fn mean_entropy(&self) -> Option<f64> {
        Some(self.entropy? / self.scored as f64).filter(|_| self.scored > 0)
    }
}

/// The figures on the screen.
#[derive(Debug)]
pub struct StatisticsView;

impl Overlay for StatisticsView {
    fn scope(&self) -> Scope {
        Scope::READER
    }

    fn title(&self, _: &App) -> String {
        "The text under the model".to_owned()
    }

    fn rows(&self, app: &App) -> Rows {
        let Some(all) = app.statistics() else { return Rows::Text(vec![app.no_statistics()]) };
        let figure = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
        let [one, ten, hundred, thousand, beyond] = all.ranks;
        Rows::Text(vec![
            format!("tokens scored {} of {} ({})", all.scored, all.tokens, app.first_token_note()),
            format!("perplexity {}", figure(all.perplexity())),
            format!("bits per byte {} over {} bytes", figure(all.bits_per_byte()), all.bytes),
            format!("mean entropy {} bits", figure(all.mean_entropy())),
            format!("ranks: {one} first, {ten} to 10, {hundred} to 100, {thousand} to 1000, {beyond} beyond"),
        ])
    }

    fn can_filter(&self) -> bool {
        false
    }
}

impl App {
    /// Opens or closes the figures of the text; a text longer than the context is scored now, in windows.
    pub(super) fn open_statistics(&mut self) {
        self.toggle(StatisticsView);
        let Some(loaded) = self.models.loaded.as_ref().filter(|_| self.is_top::<StatisticsView>()) else { return };
        let revision = self.document.revision();
        let known = self.reading.long_text.done.as_ref().is_some_and(|(done, _)| *done == revision);
        if self.unscored().is_some()
            || self.document.tokens().len() <= loaded.info.context
            || known
            || self.reading.long_text.job.is_some()
        {
            return;
        }
        if self.models.is_loading() {
            return self.log.say(Level::Notice, "the text is scored when the model is loaded: open the figures again");
        }
        if self.is_running() {
            return self.log.say(Level::Notice, "the text is scored when the model has stopped writing");
        }
        let Some(ids) = self.document.ids() else { return };
        let (job, cancel) = (self.new_job(), CancelToken::new());
        self.reading.long_text = LongText { job: Some((job, cancel.clone())), done: None };
        let request = ScoreRequest { ids, start: self.reading.start, top: 0 };
        self.outbox.push(Effect::Engine(Command::Score(job, request, cancel)));
    }

    /// The figures, as far as they are known.
    pub fn statistics(&self) -> Option<Statistics> {
        if self.unscored().is_some() {
            return None;
        }
        if let Some((revision, done)) = &self.reading.long_text.done
            && *revision == self.document.revision()
        {
            return Some(done.clone());
        }
        let context = self.models.loaded.as_ref()?.info.context;
        let tokens = self.document.tokens();
        if tokens.len() > context || self.reading.scores().len() != tokens.len() {
            return None;
        }
        let mut all = Statistics { windows: 1, ..Statistics::default() };
        for (index, token) in tokens.iter().enumerate() {
            match self.reading.score(index) {
                Some(score) => all.add(score, token.len),
                // Only the first may lack one; where others do, the text is not read yet.
                None => return None,
            }
        }
        Some(all)
    }

    /// Why the engine in use gives no scores of a text, if so.
    pub fn unscored(&self) -> Option<&'static str> {
        let scores = |loaded: &Loaded| loaded.info.capabilities.prompt_logprobs;
        let without = self.models.loaded.as_ref().filter(|loaded| !scores(loaded));
        self.models.untokenised().or(without.map(|_| "this engine gives no probabilities of a text that is given"))
    }

    /// Why there are no figures.
    pub fn no_statistics(&self) -> String {
        match (&*self.models.loaded, self.unscored()) {
            (None, _) => "No model is loaded.".to_owned(),
            (Some(_), Some(why)) => format!("not known: {why}"),
            (Some(_), None) if self.is_scoring() => {
                "Scoring the text in windows of the context; Esc leaves, it goes on.".to_owned()
            }
            (Some(_), None) => "The text is being read.".to_owned(),
        }
    }

    /// Whether a long text is being scored.
    pub fn is_scoring(&self) -> bool {
        self.reading.long_text.job.is_some()
    }

    pub(super) fn scored(&mut self, job: JobId, scores: &Scores) {
        if self.reading.long_text.job.take_if(|(current, _)| *current == job).is_none() {
            return;
        }
        let mut all = Statistics { windows: scores.windows, ..Statistics::default() };
        let tokens = self.document.tokens();
        if tokens.len() != scores.tokens.len() || tokens.iter().zip(&scores.tokens).any(|(a, b)| a.id != b.id) {
            return self.log.say(Level::Notice, "the text changed while it was scored; open the figures again");
        }
        for (token, score) in tokens.iter().zip(&scores.tokens) {
            all.add(score, token.len);
        }
        self.reading.long_text.done = Some((self.document.revision(), all));
    }

    /// A score ended with an error; says whether it was one.
    pub(super) fn score_failed(&mut self, job: JobId, error: &EngineError) -> bool {
        let own = self.reading.long_text.job.take_if(|(current, _)| *current == job).is_some();
        if own && !error.is_cancelled() {
            self.log.say(Level::Error, super::log::with_causes(error));
        }
        own
    }

    /// How the first token's score is shown.
    pub fn first_token_note(&self) -> String {
        match self.reading.start {
            Start::FirstToken => "nothing stands before the first token, so it has no score".to_owned(),
            Start::EndOfText => {
                let bos = self.models.loaded.as_ref().and_then(|loaded| loaded.bos_label());
                format!("the first token is scored behind {}", bos.as_deref().unwrap_or("the start token"))
            }
        }
    }
}
