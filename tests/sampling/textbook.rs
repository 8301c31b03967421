//! The slow twin of the chain: every stage by its definition, in `f64` and with full sorts.

use kshot::sampling::{ParamId, Settings, StageId, Value};

/// A distribution over what is left, in the order of ids, with the counts behind each stage of the order.
pub(crate) struct Textbook {
    /// Id, logit (an `f32` by definition) and probability.
    pub(crate) tokens: Vec<(u32, f32, f64)>,
    pub(crate) counts: Vec<usize>,
    /// Whether some cut lies closer to a token than the chain's `f32` weights can tell.
    pub(crate) is_close_call: bool,
}

/// Distances from a cut below which a case proves nothing.
const CLOSE: f64 = 2e-6;

pub(crate) fn run(settings: &Settings, logits: &[f32], history: &[u32]) -> Textbook {
    let ids = 0u32..;
    let possible = ids.zip(logits).filter(|(_, logit)| **logit > f32::NEG_INFINITY);
    let mut book = Textbook {
        tokens: possible.map(|(id, &logit)| (id, logit, 0.0)).collect(),
        counts: vec![],
        is_close_call: false,
    };
    if settings.is_on(StageId::Bias) {
        book.apply(StageId::Bias, settings, history);
        book.counts.push(book.tokens.len());
    }
    for &stage in settings.order() {
        if settings.is_on(stage) {
            book.apply(stage, settings, history);
        }
        book.counts.push(book.tokens.len());
    }
    book.softmax();
    book
}

impl Textbook {
    fn apply(&mut self, stage: StageId, settings: &Settings, history: &[u32]) {
        let float = |param| settings.float(param);
        match stage {
            // OpenAI, "logit_bias": added to the logits before sampling; -100 or less bans, here -∞ does.
            StageId::Bias => {
                for (id, add) in settings.bias() {
                    self.tokens.iter_mut().filter(|token| token.0 == *id).for_each(|token| token.1 += add);
                }
                self.tokens.retain(|token| token.1 != f32::NEG_INFINITY);
            }
            StageId::Penalties => self.penalise(settings, history),
            StageId::TopK => {
                self.sort_by_logit();
                self.tokens.truncate(settings.count(ParamId::TopK));
            }
            StageId::Typical => {
                self.softmax();
                let entropy: f64 = self.tokens.iter().map(|t| if t.2 > 0.0 { -t.2 * t.2.ln() } else { 0.0 }).sum();
                let highest = self.max();
                let total: f64 = self.tokens.iter().map(|t| (f64::from(t.1) - highest).exp()).sum();
                // From the logit: the logarithm of a probability that underflows to 0 is lost.
                let distance = |t: &(u32, f32, f64)| (total.ln() - (f64::from(t.1) - highest) - entropy).abs();
                self.tokens.sort_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.0.cmp(&b.0)));
                let kept = self.shortest_prefix(float(ParamId::TypicalP));
                if let Some(next) = self.tokens.get(kept) {
                    let last = &self.tokens[kept - 1];
                    self.is_close_call |= last.1 != next.1 && distance(next) - distance(last) < CLOSE;
                }
                self.tokens.truncate(kept);
            }
            StageId::TopP => {
                self.softmax();
                self.sort_by_logit();
                let kept = self.shortest_prefix(float(ParamId::TopP));
                self.tokens.truncate(kept);
            }
            StageId::MinP => {
                self.softmax();
                let highest = self.tokens.iter().map(|t| t.2).fold(0.0, f64::max);
                let floor = float(ParamId::MinP) * highest;
                let is_close = |p: f64| p != highest && (p / floor - 1.0).abs() < CLOSE;
                self.is_close_call |= self.tokens.iter().any(|t| is_close(t.2));
                self.tokens.retain(|t| t.2 >= floor);
            }
            StageId::Temperature if float(ParamId::Temperature) == 0.0 => {
                self.sort_by_logit();
                self.tokens.truncate(1);
            }
            StageId::Temperature => {
                let temperature = float(ParamId::Temperature) as f32;
                self.tokens.iter_mut().for_each(|t| t.1 /= temperature);
            }
        }
    }

    fn penalise(&mut self, settings: &Settings, history: &[u32]) {
        let window = match settings.get(ParamId::RepeatLastN) {
            Value::Integer(n @ 0..) => &history[history.len() - history.len().min(n as usize)..],
            _ => history,
        };
        for (id, logit, _) in &mut self.tokens {
            let count = window.iter().filter(|&seen| seen == id).count();
            if count > 0 {
                let repeat = settings.float(ParamId::RepeatPenalty);
                let mut x = f64::from(*logit);
                x = if x < 0.0 { x * repeat } else { x / repeat };
                x -= count as f64 * settings.float(ParamId::FrequencyPenalty);
                x -= settings.float(ParamId::PresencePenalty);
                *logit = x as f32;
            }
        }
    }

    fn shortest_prefix(&mut self, share: f64) -> usize {
        let mut mass = 0.0;
        for (at, token) in self.tokens.iter().enumerate() {
            mass += token.2;
            self.is_close_call |= (mass - share).abs() < CLOSE;
            if mass >= share {
                return at + 1;
            }
        }
        self.tokens.len()
    }

    fn max(&self) -> f64 {
        self.tokens.iter().map(|t| f64::from(t.1)).fold(f64::NEG_INFINITY, f64::max)
    }

    fn softmax(&mut self) {
        let highest = self.max();
        let total: f64 = self.tokens.iter().map(|t| (f64::from(t.1) - highest).exp()).sum();
        self.tokens.iter_mut().for_each(|t| t.2 = (f64::from(t.1) - highest).exp() / total);
        self.tokens.sort_by_key(|t| t.0);
    }

    fn sort_by_logit(&mut self) {
        self.tokens.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then(a.0.cmp(&b.0)));
    }
}
