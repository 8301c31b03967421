//! A fine-tuning as the screen knows it: one arm for each λ.

use super::App;
use super::command::id;
use super::curve::Curve;
use super::log::Level;
use super::models::Loaded;
use super::train::{Choice, Kind};
use crate::train::finetune::{FinetuneStep, Outcome};
use crate::train::{TuneFacts, Work};

/// λ as a dial of tenths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dial(u8);

impl Dial {
    /// Its largest value, in tenths.
    const MOST: u8 = 20;

    /// λ.
    pub fn value(self) -> f64 {
        f64::from(self.0) / 10.0
    }

    /// Where the handle stands, 0 to 1.
    pub fn position(self) -> f64 {
        f64::from(self.0) / f64::from(Self::MOST)
    }
}

impl Default for Dial {
    /// GPT-1's λ (paper, section 4.1).
    fn default() -> Self {
        Self(5)
    }
}

/// A fine-tuning.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// The model that is fine-tuned.
    pub model: String,
    /// What is known before the first step.
    pub facts: Option<TuneFacts>,
    /// λ = 0 first, where the dial stands elsewhere.
    pub arms: Vec<Arm>,
}

/// The fine-tuning with one λ.
#[derive(Debug, Clone)]
pub struct Arm {
    /// λ.
    pub lambda: f64,
    /// The newest step.
    pub newest: Option<FinetuneStep>,
    /// How the held-out examples are classified.
    pub outcome: Option<Outcome>,
    /// L2 of the batches.
    pub l2: Curve,
    /// Accuracy on the held-out examples.
    pub accuracy: Curve,
}

impl Arm {
    fn new(lambda: f64) -> Self {
        Self { lambda, newest: None, outcome: None, l2: Curve::default(), accuracy: Curve::default() }
    }

    fn measured(&mut self, step: u64, outcome: Outcome) {
        self.accuracy.push(step, outcome.accuracy);
        self.outcome = Some(outcome);
    }
}

impl Tuning {
    fn new(model: &str, lambdas: &[f64]) -> Self {
        Self { model: model.to_owned(), facts: None, arms: lambdas.iter().copied().map(Arm::new).collect() }
    }

    /// Updates that every arm has done.
    pub fn step(&self) -> u64 {
        self.arms.iter().map(|arm| arm.newest.map_or(0, |step| step.step)).min().unwrap_or(0)
    }

    pub(super) fn started(&mut self, facts: TuneFacts) {
        for arm in &mut self.arms {
            arm.measured(0, facts.before);
        }
        self.facts = Some(facts);
    }

    pub(super) fn stepped(&mut self, at: usize, step: FinetuneStep) {
        let Some(arm) = self.arms.get_mut(at) else { return };
        arm.l2.push(step.step, step.l2);
        if let Some(outcome) = step.validation {
            arm.measured(step.step, outcome);
        }
        arm.newest = Some(step);
    }
}

impl App {
    /// Turns the dial by tenths.
    pub(super) fn turn_lambda(&mut self, tenths: i8) {
        if matches!(self.train.choice(), Choice::Finetune) {
            let dial = &mut self.train.lambda;
            dial.0 = dial.0.saturating_add_signed(tenths).min(Dial::MOST);
        } else {
            self.log.say(Level::Notice, "λ belongs to fine-tune, the last row");
        }
    }

    pub(super) fn fine_tuning(&self) -> Result<(Kind, Work), String> {
        let Some(Loaded { info, .. }) = &*self.models.loaded else {
            return Err(format!("load a model first ({})", self.keymap.hint(id::MODELS)));
        };
        let dialled = self.train.lambda.value();
        let lambdas = if dialled > 0.0 { vec![0.0, dialled] } else { vec![0.0] };
        let kind = Kind::Finetune(Tuning::new(&info.name, &lambdas));
        Ok((kind, Work::Finetune { model: info.name.clone(), files: info.files.clone(), lambdas }))
    }
}
