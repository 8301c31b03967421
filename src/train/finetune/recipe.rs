//! The settings of a fine-tuning, and GPT-1's schedule.

use serde::{Deserialize, Serialize};

use crate::train::{Result, TrainError};

/// Parameters above which only the head is trained unless the whole model is asked for.
const BIG: u64 = 20_000_000;

/// Validations an epoch of a model that is small enough.
const VALIDATIONS: u64 = 4;
/// Epochs above which one validation an epoch is enough.
const MANY: usize = 10;

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tuned {
    /// Every weight of the model and the head.
    Whole,
    /// The head alone, on hidden states that are computed once. The model does not change, so L1 is a constant and is
    /// left out.
    Head,
}

/// A fine-tuning. The same recipe on the same weights and examples gives the same curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinetuneRecipe {
    /// What is trained.
    pub tuned: Tuned,
    /// λ: how much the language-model loss counts.
    pub lambda: f64,
    /// Largest learning rate.
    pub lr: f64,
    /// w: share of the updates over which the learning rate rises.
    pub warmup: f64,
    /// Examples of an update.
    pub batch: usize,
    /// How often each example is seen.
    pub epochs: usize,
    /// Dropout rate of the head's input.
    pub classifier_dropout: f64,
    /// Dropout rate inside the model: embeddings, attention and residual branches.
    pub dropout: f64,
    /// Decoupled decay of matrices.
    pub weight_decay: f64,
    /// β₁ and β₂ of Adam.
    pub betas: (f64, f64),
    /// Largest norm of all gradients together; 0 for no limit.
    pub clip: f64,
    /// Seed of the head, the new embeddings, the order and dropout.
    pub seed: u64,
    /// Updates between validations; 0 for one an epoch.
    pub validate_every: u64,
}

impl FinetuneRecipe {
    /// GPT-1's recipe (paper, section 4.1; openai/finetune-transformer-lm, `train.py`), with a learning rate that fits
    /// the size of the model: the paper's 6.25e-5 is for 117 M parameters.
    pub fn for_parameters(count: u64, tuned: Option<Tuned>) -> Self {
        let tuned = tuned.unwrap_or(if count > BIG { Tuned::Head } else { Tuned::Whole });
        let (lr, epochs) = match tuned {
            Tuned::Head => (1e-3, 30),
            Tuned::Whole if count > BIG => (6.25e-5, 3),
            Tuned::Whole => (1e-3, 6),
        };
        Self {
            tuned,
            lambda: 0.5,
            lr,
            warmup: 0.002,
            batch: 32,
            epochs,
            classifier_dropout: 0.1,
            dropout: 0.1,
            weight_decay: 0.01,
            betas: (0.9, 0.999),
            clip: 1.0,
            seed: 1,
            validate_every: 0,
        }
    }

    /// Validates several times an epoch, where that is cheap and the epochs are few: a curve wants points.
    #[must_use]
    pub fn with_a_curve(mut self, examples: usize) -> Self {
        if self.tuned == Tuned::Whole && self.epochs <= MANY {
            self.validate_every = (self.steps_an_epoch(examples) / VALIDATIONS).max(1);
        }
        self
    }

    /// Refuses what cannot be run.
    ///
    /// # Errors
    /// Names the setting.
    pub fn check(&self) -> Result<()> {
        let bad = |key, reason: String| Err(TrainError::Recipe { key, reason });
        for (key, value) in [("batch", self.batch), ("epochs", self.epochs)] {
            if value == 0 {
                return bad(key, "it is 0".into());
            }
        }
        for (key, value) in [
            ("lambda", self.lambda),
            ("lr", self.lr),
            ("warmup", self.warmup),
            ("weight_decay", self.weight_decay),
            ("clip", self.clip),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return bad(key, format!("{value} is not a number from 0 on"));
            }
        }
        for (key, value) in [
            ("classifier_dropout", self.classifier_dropout),
            ("dropout", self.dropout),
            ("betas", self.betas.0),
            ("betas", self.betas.1),
        ] {
            if !(0.0..1.0).contains(&value) {
                return bad(key, format!("{value} is not at least 0 and less than 1"));
            }
        }
        Ok(())
    }

    /// Examples of an update, where there are this many in all.
    pub fn batch_of(&self, examples: usize) -> usize {
        self.batch.min(examples).max(1)
    }

    /// Updates an epoch: like the released code, what does not fill a batch waits for the next epoch's order.
    pub fn steps_an_epoch(&self, examples: usize) -> u64 {
        (examples / self.batch_of(examples)) as u64
    }

    /// The learning rate of an update, counted from 0, of `steps` in all.
    pub fn lr_at(&self, step: u64, steps: u64) -> f64 {
        self.lr * warmup_linear(step as f64 / steps.max(1) as f64, self.warmup)
    }
}

/// GPT-1's schedule (openai/finetune-transformer-lm, `opt.py`): (x ≤ w ? x/w : 1)·(1 − x) at the share x of all updates.
/// Its first update, x = 0, has a rate of 0.
pub fn warmup_linear(x: f64, w: f64) -> f64 {
    let rise = if x <= w && w > 0.0 { x / w } else { 1.0 };
    rise * (1.0 - x)
}
