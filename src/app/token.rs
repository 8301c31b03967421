//! Token mode: walking the tokens of the document, seeing what else could stand there, and taking it.

use std::collections::HashMap;
use std::sync::Arc;

use super::App;
use super::change::Watched;
use super::command::Cx;
use super::input::{Input, Purpose};
use super::log::Level;
use super::models::NO_TOKENIZER;
use super::page::Motion;
use super::runs::Seeding;
use super::screen::PaneId;
use crate::engine::{NextToken, Step, TokenScore};
use crate::sampling::{Candidate, Row};
use crate::text::{TokenId, unescape};

/// A fork: the likeliest token is less likely than this.
const FORK: f32 = 0.7;
/// An uncertain token: the one that stands there is less likely than this.
const UNCERTAIN: f32 = 0.1;
/// Most tokens that a search lists.
const FOUND: usize = 512;

/// What the colours of the document mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colouring {
    /// Who wrote it.
    #[default]
    Author,
    /// The probability of the token.
    Probability,
    /// Its rank in the vocabulary (Gehrmann et al. 2019, GLTR).
    Rank,
    /// −log₂ of its probability.
    Surprisal,
    /// The entropy of the distribution it was drawn from.
    Entropy,
}

impl Colouring {
    /// All of them, in the order of the key.
    pub const ALL: [Self; 5] = [Self::Author, Self::Probability, Self::Rank, Self::Surprisal, Self::Entropy];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::Probability => "probability",
            Self::Rank => "rank",
            Self::Surprisal => "surprisal, bits",
            Self::Entropy => "entropy, bits",
        }
    }

    /// The names of its five classes, from expected to surprising.
    pub fn classes(self) -> [&'static str; 5] {
        match self {
            Self::Author => [""; 5],
            Self::Probability => [">50%", ">20%", ">5%", ">1%", "less"],
            Self::Rank => ["1", "-10", "-100", "-1000", "more"],
            Self::Surprisal => ["<1", "<3", "<6", "<10", "more"],
            Self::Entropy => ["<1", "<2", "<4", "<6", "more"],
        }
    }

    /// The class of a token, 0 to 4; none where it has no score.
    pub fn class(self, score: &TokenScore) -> Option<usize> {
        let below = |value: f32, limits: [f32; 4]| limits.iter().filter(|limit| value >= **limit).count();
        match self {
            Self::Author => None,
            Self::Probability => score.logprob.map(|it| 4 - below(it.exp(), [0.01, 0.05, 0.2, 0.5])),
            Self::Rank => score.rank.map(|rank| [1, 10, 100, 1000].iter().filter(|limit| rank > **limit).count()),
            Self::Surprisal => score.logprob.map(|it| below(-it / std::f32::consts::LN_2, [1.0, 3.0, 6.0, 10.0])),
            Self::Entropy => score.entropy.map(|bits| below(bits, [1.0, 2.0, 4.0, 6.0])),
        }
    }
}

/// What a person chose, against what the model would have.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Picks {
    /// Tokens chosen in a row.
    pub count: u32,
    /// Sum of their log-probabilities.
    pub chosen: f64,
    /// Sum of the log-probabilities of the model's likeliest tokens at the same places.
    pub likeliest: f64,
    /// The document after the last of them.
    revision: u64,
}

impl Picks {
    /// Mean log-probability of the chosen tokens and of the likeliest ones, in nats.
    pub fn means(&self) -> Option<(f64, f64)> {
        let n = f64::from(self.count);
        (self.count > 0).then(|| (self.chosen / n, self.likeliest / n))
    }
}

/// The token that is looked at, and what was found, pinned and chosen around it.
#[derive(Debug, Default)]
pub struct TokenMode {
    /// Its index; `None`: the position after the last token.
    pub at: Watched<Option<usize>>,
    /// The selected row of the next-token pane.
    pub candidate: usize,
    /// What the colours of the document mean.
    pub colouring: Colouring,
    /// A position to compare with.
    pub pin: Option<Pin>,
    pub(super) picks: Picks,
    pub(super) searched: Watched<Option<String>>,
    pub(super) found: Option<FoundTokens>,
}

impl TokenMode {
    /// The next colouring of the document.
    pub(super) fn next_colouring(&mut self) {
        let all = Colouring::ALL;
        let at = all.iter().position(|it| *it == self.colouring).unwrap_or(0);
        self.colouring = all[(at + 1) % all.len()];
    }
}

/// A position that was pinned to be compared.
#[derive(Debug, Clone)]
pub struct Pin {
    /// Its index; none for the place after the last token.
    pub at: Option<usize>,
    /// Its candidates with their log-probabilities, best first.
    pub top: Vec<(TokenId, f32)>,
}

/// A row of the next-token pane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Listed {
    /// The token.
    pub id: TokenId,
    /// Its log-probability under the raw model.
    pub logprob: f32,
    /// What the chain makes of it.
    pub after: After,
}

impl From<&Candidate> for Listed {
    fn from(it: &Candidate) -> Self {
        Self { id: it.id, logprob: it.logprob, after: it.logprob_sampled.map_or(After::Cut, After::Kept) }
    }
}

impl Listed {
    /// A candidate of which the chain's share is not known.
    fn raw(&(id, logprob): &(TokenId, f32)) -> Self {
        Self { id, logprob, after: After::Unknown }
    }
}

/// The tokens of the vocabulary that a search found at a position.
#[derive(Debug)]
pub(super) struct FoundTokens {
    tokens: Vec<(TokenId, f32)>,
}

/// A token after the chain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum After {
    /// Not known: the row is being found again, or the engine does not give it.
    Unknown,
    /// A stage cut it.
    Cut,
    /// Its log-probability.
    Kept(f32),
}

impl App {
    /// The step that drew the token at `at`, if what stands before it is what it was drawn after.
    pub fn step_at(&self, at: usize) -> Option<&Arc<Step>> {
        let step = self.document.tokens().get(at)?.info.as_ref()?;
        let score = self.reading.score(at)?;
        let same = score.logprob.zip(step.logprob()).is_some_and(|(now, then)| (now - then).abs() < 1e-3);
        same.then_some(step)
    }

    /// The step that the pane shows: the newest one of a run that goes on, or the one at the position looked at.
    pub fn shown_step(&self) -> Option<&Arc<Step>> {
        match *self.token.at {
            Some(at) => self.step_at(at),
            None => self.runs.current.as_ref().filter(|run| run.takes_steps())?.steps.last(),
        }
    }

    /// The tokens that the pane lists: those found by a search, else the likeliest, best first.
    pub fn listed(&self) -> Vec<Listed> {
        if let Some(preview) = self.reading.preview() {
            let Some(found) = &self.token.found else { return preview.top.iter().map(Listed::from).collect() };
            let after: HashMap<TokenId, After> =
                preview.top.iter().map(Listed::from).map(|row| (row.id, row.after)).collect();
            let row = |&(id, logprob): &(TokenId, f32)| Listed {
                id,
                logprob,
                after: after.get(&id).copied().unwrap_or(After::Unknown),
            };
            return found.tokens.iter().map(row).collect();
        }
        if let Some(step) = self.shown_step() {
            return match step.sampled() {
                Some(sampled) => sampled.top.iter().map(Listed::from).collect(),
                None => step.top().iter().map(Listed::raw).collect(),
            };
        }
        if let Some(found) = &self.token.found {
            return found.tokens.iter().map(Listed::raw).collect();
        }
        if let Some(NextToken::Top(top)) = self.reading.next_at(*self.token.at) {
            return top.iter().map(Listed::raw).collect();
        }
        let score = self.token.at.and_then(|at| self.reading.score(at));
        score.map_or_else(Vec::new, |score| score.top.iter().map(Listed::raw).collect())
    }

    /// What is searched for in the vocabulary: the line being typed, or the last one that was accepted.
    pub fn searched(&self) -> Option<&str> {
        match self.screen.input.as_ref() {
            Some(input) if input.purpose == Purpose::FindToken => Some(&input.text),
            _ => self.token.searched.as_deref(),
        }
    }

    /// Searches the vocabulary: the tokens whose bytes hold what is searched for, with their log-probabilities, best first.
    pub(super) fn find_tokens(&mut self) {
        let wanted = self.searched().and_then(|text| unescape(text).ok()).filter(|wanted| !wanted.is_empty());
        let (Some(wanted), Some(next), Some(loaded)) =
            (wanted, self.reading.next_at(*self.token.at).cloned(), &*self.models.loaded)
        else {
            self.token.found = None;
            return;
        };
        let holds = |id: TokenId| {
            let bytes = loaded.bytes(id).unwrap_or_default();
            bytes.windows(wanted.len()).any(|part| part == wanted.as_bytes())
        };
        let mut tokens: Vec<(TokenId, f32)> = match &next {
            NextToken::Full(row) => {
                // A row that is shown has been checked.
                let sum = Row::new(row).map_or(0.0, |row| row.log_sum_exp());
                let tokens = (0..).zip(row.iter()).filter(|(id, _)| holds(*id));
                tokens.map(|(id, logit)| (id, (f64::from(*logit) - sum) as f32)).collect()
            }
            NextToken::Top(top) => top.iter().copied().filter(|(id, _)| holds(*id)).collect(),
        };
        tokens.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        tokens.truncate(FOUND);
        self.token.found = Some(FoundTokens { tokens });
    }

    /// Chooses a row of the list.
    pub(super) fn candidate_select(&mut self, rows: isize) {
        let last = self.listed().len().saturating_sub(1);
        self.token.candidate = self.token.candidate.saturating_add_signed(rows).min(last);
    }

    /// Whether the keys of the document walk its tokens.
    pub fn walks_tokens(&self) -> bool {
        let in_document = self.screen.focus == PaneId::DOCUMENT && self.in_playground();
        in_document && self.token.at.is_some() && self.screen.overlays.is_empty() && self.screen.input.is_none()
    }

    /// Leaves token mode, if it is on.
    pub(super) fn leave_tokens(&mut self) -> bool {
        self.token.candidate = 0;
        *self.token.searched = None;
        self.token.at.take().is_some()
    }

    /// Pins the position looked at, or takes the pin away.
    pub(super) fn toggle_pin(&mut self) {
        if self.token.pin.as_ref().is_some_and(|pin| pin.at == *self.token.at) {
            self.token.pin = None;
            return;
        }
        let top: Vec<_> = self.listed().iter().map(|row| (row.id, row.logprob)).collect();
        if top.is_empty() {
            self.log.say(Level::Notice, "there is nothing to pin here");
        } else {
            self.token.pin = Some(Pin { at: *self.token.at, top });
        }
    }

    pub(super) fn ask_token(&mut self) {
        let text = self.token.searched.take().unwrap_or_default();
        self.token.candidate = 0;
        self.ask(Input::new(Purpose::FindToken, "find a token that holds", text));
    }

    pub(super) fn found_token(&mut self, text: &str) {
        self.token.candidate = 0;
        *self.token.searched = (!text.is_empty()).then(|| text.to_owned());
        self.find_tokens();
        if self.token.searched.is_some() && self.listed().is_empty() {
            *self.token.searched = None;
            let said = match self.models.unknown() {
                Some(unknown) => format!("no candidate holds {text}; the other tokens are {unknown}"),
                None => format!("no token of this vocabulary holds {text}"),
            };
            self.log.say(Level::Notice, said);
        }
    }

    /// What a person chose so far, while nothing else changes the document.
    pub fn picks(&self) -> Option<&Picks> {
        Some(&self.token.picks).filter(|picks| picks.count > 0 && picks.revision == self.document.revision())
    }

    /// Bans the selected token, or lets it in again.
    pub(super) fn ban_selected(&mut self) {
        self.change_selected(|add| if add == f32::NEG_INFINITY { 0.0 } else { f32::NEG_INFINITY });
    }

    /// Adds to the logit of the selected token; a ban ends with that.
    pub(super) fn bias_selected(&mut self, by: f32) {
        self.change_selected(|add| if add.is_finite() { add + by } else { by });
    }

    fn change_selected(&mut self, change: impl FnOnce(f32) -> f32) {
        let (Some(row), Some(loaded)) = (self.listed().get(self.token.candidate).copied(), self.models.loaded.clone())
        else {
            self.log.say(Level::Notice, "there is no token to ban here yet");
            return;
        };
        let Some(tokenizer) = &loaded.tokenizer else {
            return self.log.say(Level::Notice, format!("{NO_TOKENIZER}, so a token cannot be named to it"));
        };
        let label = tokenizer.label(row.id);
        match self.sampler.change_bias(row.id, tokenizer, change) {
            Ok(f32::NEG_INFINITY) => self.log.say(Level::Notice, format!("{label} is banned from now on")),
            Ok(0.0) => self.log.say(Level::Notice, format!("{label} has no bias")),
            Ok(add) => self.log.say(Level::Notice, format!("{add:+} to the logit of {label} from now on")),
            Err(error) => self.log.say(Level::Error, error),
        }
    }
}

impl Cx<'_> {
    /// Looks at the token under the caret, or goes back to the text.
    pub fn toggle_token_mode(&mut self) {
        if self.app.leave_tokens() {
            self.app.screen.focus = PaneId::DOCUMENT;
            return;
        }
        let tokens = self.app.document.tokens().len();
        let here = self.app.document.token_at(self.page.caret()).map(|(index, _)| index);
        match here.or_else(|| tokens.checked_sub(1)) {
            Some(index) => self.look_at(Some(index)),
            None => return self.app.log.say(Level::Notice, "there is no token to look at yet"),
        }
        // The arrow keys are to walk the tokens, wherever they went before.
        if self.app.screen.focus != PaneId::NEXT {
            self.app.screen.focus = PaneId::DOCUMENT;
        }
    }

    /// Goes to the token `steps` further; behind the last one is the place where the text goes on.
    pub fn token_move(&mut self, steps: isize) {
        let len = self.app.document.tokens().len();
        let at = self.app.token.at.unwrap_or(len).saturating_add_signed(steps);
        self.look_at((at < len).then_some(at));
    }

    /// Esc: ends a selection; where nothing else is to be left, goes from the text to its tokens and back.
    pub fn escape(&mut self) {
        let idle = !self.app.is_running() && self.app.screen.overlays.is_empty() && self.app.screen.input.is_none();
        if idle && self.page.hold().is_some() {
            self.page.set_hold(None);
            return;
        }
        let in_text = idle
            && self.app.screen.focus == PaneId::DOCUMENT
            && self.app.token.at.is_none()
            && !self.app.document.is_empty();
        if in_text && self.app.log.current().is_none() && self.app.models.loaded.is_some() {
            self.toggle_token_mode();
        } else {
            self.app.escape();
        }
    }

    /// The next token that `wanted` holds for, in the given direction.
    fn token_find(&mut self, forwards: bool, wanted: fn(&TokenScore) -> bool, what: &str) {
        let len = self.app.document.tokens().len();
        let holds = |at: &usize| self.app.reading.score(*at).is_some_and(|score| wanted(score));
        let found = match forwards {
            true => (self.app.token.at.map_or(0, |at| at + 1)..len).find(holds),
            false => (0..self.app.token.at.unwrap_or(len)).rev().find(holds),
        };
        match found {
            Some(at) => self.look_at(Some(at)),
            None => {
                self.app.log.say(Level::Notice, format!("no {what} {}", if forwards { "further on" } else { "before" }))
            }
        }
    }

    /// The next token that was unlikely where it stands.
    pub fn next_uncertain(&mut self, forwards: bool) {
        let wanted = |score: &TokenScore| score.logprob.is_some_and(|it| it.exp() < UNCERTAIN);
        self.token_find(forwards, wanted, "token below 10 %");
    }

    /// The next place where several tokens were likely.
    pub fn next_fork(&mut self, forwards: bool) {
        let wanted = |score: &TokenScore| score.top.first().is_some_and(|(_, it)| it.exp() < FORK);
        self.token_find(forwards, wanted, "place where the likeliest token is below 70 %");
    }

    /// Puts the selected token where the position looked at is; what came after it goes. `go_on` generates from there.
    pub fn take(&mut self, go_on: bool) {
        if self.app.refuse_while_running("taking a token") {
            return;
        }
        let app = &mut *self.app;
        let (listed, tokens) = (app.listed(), app.document.tokens().len());
        let (Some(row), Some(loaded)) = (listed.get(app.token.candidate).copied(), &*app.models.loaded) else {
            app.log.say(Level::Notice, "there is no token to take yet");
            return;
        };
        let Some(tokenizer) = &loaded.tokenizer else {
            app.log.say(Level::Notice, format!("{NO_TOKENIZER}: a token cannot be put into the text"));
            return;
        };
        if !app.document.pending().is_empty() {
            return;
        }
        let bytes = tokenizer.bytes(row.id).unwrap_or_default().to_vec();
        let at = app.token.at.unwrap_or(tokens);
        let same = app.document.tokens().get(at).is_some_and(|token| token.id == row.id);
        if bytes.is_empty() || tokenizer.is_special(row.id) {
            app.log.say(Level::Warning, "this token has no text; it cannot stand in the document");
            return;
        }
        if !same {
            let likeliest = match app.reading.next_at(*app.token.at) {
                Some(NextToken::Top(top)) => top.first().map(|(_, logprob)| *logprob),
                _ => app.reading.preview().and_then(|preview| preview.top.first()).map(|top| top.logprob),
            };
            let before = app.picks().copied().unwrap_or_default();
            app.document.take(at, row.id, &bytes);
            app.token.picks = Picks {
                count: before.count + 1,
                chosen: before.chosen + f64::from(row.logprob),
                likeliest: before.likeliest + f64::from(likeliest.unwrap_or(row.logprob)),
                revision: app.document.revision(),
            };
        }
        app.leave_tokens();
        self.page.sync(&self.app.document);
        self.page.follow_end(&self.app.document);
        if same && at + 1 < tokens {
            self.look_at(Some(at + 1));
        } else if go_on {
            self.app.generate(Seeding::AsSet);
        }
    }

    /// Removes the last token.
    pub fn pop_token(&mut self) {
        if self.app.refuse_while_running("stepping back") {
            return;
        }
        let app = &mut *self.app;
        let last = app.document.tokens().len().checked_sub(1).and_then(|last| app.document.token_range(last));
        match last {
            Some(range) if app.document.pending().is_empty() => {
                let end = range.start;
                app.leave_tokens();
                app.document.delete(range);
                self.page.sync(&self.app.document);
                self.page.set_caret(&self.app.document, end);
            }
            _ => app.log.say(Level::Notice, "there is no token to take back"),
        }
    }

    pub(super) fn look_at(&mut self, at: Option<usize>) {
        self.app.token.candidate = 0;
        *self.app.token.searched = None;
        *self.app.token.at = at;
        match at.and_then(|at| self.app.document.token_range(at)) {
            Some(range) => self.page.set_caret(&self.app.document, range.start),
            None => self.page.move_caret(&self.app.document, Motion::End),
        }
    }
}
