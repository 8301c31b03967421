//! Everything a run depends on, as data.

use serde::{Deserialize, Serialize};

use super::{Result, TrainError};
use crate::model::{Activation, DecoderConfig};
use crate::text::Vocabulary;

/// A run of pre-training. The same recipe on the same kind of processor, build and number of threads gives the same
/// weights, bit for bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The model's shape.
    pub shape: Shape,
    /// What it learns from.
    pub data: Data,
    /// How text is cut into tokens; unused for [`Data::Copying`].
    pub vocabulary: Vocabulary,
    /// k: tokens of a window.
    pub context: usize,
    /// Sequences that run at once.
    pub batch: usize,
    /// Such batches a step, their gradients added up.
    pub accumulate: usize,
    /// Updates in all.
    pub steps: u64,
    /// Largest learning rate.
    pub lr: f64,
    /// Steps over which it rises from 0.
    pub warmup: u64,
    /// How it falls afterwards.
    pub schedule: Schedule,
    /// Decoupled decay of matrices (Loshchilov & Hutter 2019).
    pub weight_decay: f64,
    /// β₁ and β₂ of Adam (Kingma & Ba 2015).
    pub betas: (f64, f64),
    /// Largest norm of all gradients together; 0 for no limit.
    pub clip: f64,
    /// Dropout rate on embeddings, attention and residual branches.
    pub dropout: f64,
    /// Seed of weights, batches and dropout.
    pub seed: u64,
    /// Steps between validations; 0 for none.
    pub validate_every: u64,
    /// Steps between checkpoints; 0 for one at the end only.
    pub save_every: u64,
}

/// The shape of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Blocks.
    pub n_layer: usize,
    /// Attention heads a block.
    pub n_head: usize,
    /// Width.
    pub n_embd: usize,
    /// Width of the MLP; 0 for attention only.
    pub n_inner: usize,
    /// Learned positions; at least the window.
    pub n_positions: usize,
}

/// What is learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "source")]
pub enum Data {
    /// Random symbols, then stretches of the same: what is copied can be known from before (Olsson et al. 2022).
    Copying {
        /// How many symbols there are.
        symbols: usize,
    },
    /// Documents of kshot's own generators, see [`crate::corpus`].
    Generated,
    /// A text; a tenth of it, from the end, is kept for validation.
    Text {
        /// What it is called: a file's name.
        name: String,
        /// SHA-256 of it.
        hash: String,
    },
}

/// How the learning rate falls after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Schedule {
    /// Half a cosine down to this share of the largest (GPT-1 paper, section 4.1: to 0).
    Cosine {
        /// Share that is left at the end.
        floor: f64,
    },
    /// A straight line to 0.
    Linear,
    /// Not at all.
    Constant,
}

/// A recipe with a name.
pub struct Preset {
    /// What `--preset` takes.
    pub name: &'static str,
    /// What it shows.
    pub doc: &'static str,
    /// The recipe.
    pub recipe: fn() -> Recipe,
}

impl Preset {
    /// Every preset.
    pub const ALL: &[Self] = &[
        Self {
            name: "copy",
            doc: "two attention-only layers learn to copy: an induction head appears",
            recipe: || copying(2),
        },
        Self { name: "copy-1", doc: "the same with one layer, which cannot", recipe: || copying(1) },
        Self { name: "characters", doc: "a small character model of a text", recipe: characters },
        Self { name: "builtin", doc: "the model inside kshot", recipe: builtin },
    ];

    /// The preset of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|preset| preset.name == name)
    }
}

/// The toy of section 4.2 of Olsson et al.'s "In-context Learning and Induction Heads", small enough for a laptop.
fn copying(n_layer: usize) -> Recipe {
    Recipe {
        shape: Shape { n_layer, n_head: 2, n_embd: 64, n_inner: 0, n_positions: 32 },
        data: Data::Copying { symbols: 32 },
        vocabulary: Vocabulary::Characters,
        context: 32,
        batch: 32,
        accumulate: 1,
        steps: 2000,
        lr: 3e-3,
        warmup: 50,
        schedule: Schedule::Constant,
        weight_decay: 0.01,
        betas: (0.9, 0.98),
        clip: 1.0,
        dropout: 0.0,
        seed: 1,
        validate_every: 50,
        save_every: 0,
    }
}

/// nanoGPT's recipe for a laptop (README, "I only have a macbook").
fn characters() -> Recipe {
    Recipe {
        shape: Shape { n_layer: 4, n_head: 4, n_embd: 128, n_inner: 512, n_positions: 64 },
        data: Data::Text { name: String::new(), hash: String::new() },
        vocabulary: Vocabulary::Characters,
        context: 64,
        batch: 12,
        accumulate: 1,
        steps: 2000,
        lr: 1e-3,
        warmup: 100,
        schedule: Schedule::Cosine { floor: 0.1 },
        weight_decay: 0.1,
        betas: (0.9, 0.99),
        clip: 1.0,
        dropout: 0.0,
        seed: 1,
        validate_every: 100,
        save_every: 500,
    }
}

fn builtin() -> Recipe {
    Recipe {
        shape: Shape { n_layer: 6, n_head: 4, n_embd: 128, n_inner: 512, n_positions: 256 },
        data: Data::Generated,
        vocabulary: Vocabulary::Words { size: 1920, least: 4 },
        context: 256,
        batch: 16,
        accumulate: 1,
        steps: 12_000,
        lr: 3e-3,
        warmup: 200,
        schedule: Schedule::Cosine { floor: 0.02 },
        weight_decay: 0.1,
        betas: (0.9, 0.98),
        clip: 1.0,
        dropout: 0.0,
        seed: 1,
        validate_every: 250,
        save_every: 500,
    }
}

impl Recipe {
    /// Refuses what cannot be run.
    ///
    /// # Errors
    /// Names the setting.
    pub fn check(&self) -> Result<()> {
        let bad = |key, reason: String| Err(TrainError::Recipe { key, reason });
        let shape = self.shape;
        for (key, value) in [
            ("n_layer", shape.n_layer),
            ("n_head", shape.n_head),
            ("n_embd", shape.n_embd),
            ("batch", self.batch),
            ("accumulate", self.accumulate),
            ("context", self.context),
        ] {
            if value == 0 {
                return bad(key, "it is 0".into());
            }
        }
        if !shape.n_embd.is_multiple_of(shape.n_head) {
            return bad("n_embd", format!("{} is not divisible by n_head {}", shape.n_embd, shape.n_head));
        }
        if self.context > shape.n_positions {
            return bad("context", format!("{} is more than n_positions {}", self.context, shape.n_positions));
        }
        for (key, value) in [("lr", self.lr), ("weight_decay", self.weight_decay), ("clip", self.clip)] {
            if !(value.is_finite() && value >= 0.0) {
                return bad(key, format!("{value} is not a number from 0 on"));
            }
        }
        for (key, value) in [("dropout", self.dropout), ("betas", self.betas.0), ("betas", self.betas.1)] {
            if !(0.0..1.0).contains(&value) {
                return bad(key, format!("{value} is not at least 0 and less than 1"));
            }
        }
        if let Data::Copying { symbols } = self.data
            && (symbols < 2 || !self.context.is_multiple_of(2))
        {
            return bad("context", "copying wants at least two symbols and an even context".into());
        }
        Ok(())
    }

    /// The decoder's configuration for a vocabulary.
    pub fn config(&self, vocab: usize) -> DecoderConfig {
        let shape = self.shape;
        DecoderConfig {
            vocab,
            n_positions: shape.n_positions,
            n_embd: shape.n_embd,
            n_layer: shape.n_layer,
            n_head: shape.n_head,
            n_inner: shape.n_inner,
            activation: Activation::GeluTanh,
            layer_norm_epsilon: 1e-5,
            score_scale: vec![1.0 / ((shape.n_embd / shape.n_head) as f64).sqrt(); shape.n_layer],
            upcast_attention: false,
            tie_word_embeddings: true,
        }
    }

    /// The learning rate of a step, counted from 0.
    pub fn lr_at(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.lr * (step + 1) as f64 / self.warmup as f64;
        }
        let rest = self.steps.saturating_sub(self.warmup).max(1);
        let done = ((step - self.warmup) as f64 / rest as f64).min(1.0);
        self.lr
            * match self.schedule {
                Schedule::Cosine { floor } => floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
                Schedule::Linear => 1.0 - done,
                Schedule::Constant => 1.0,
            }
    }

    /// Tokens of a step.
    pub fn tokens_a_step(&self) -> u64 {
        (self.batch * self.accumulate * self.context) as u64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_preset_can_be_run() {
        for preset in Preset::ALL {
            (preset.recipe)().check().unwrap();
        }
    }

    #[test]
    fn the_learning_rate_rises_and_falls_as_it_says() {
        let recipe =
            Recipe { steps: 110, warmup: 10, lr: 1.0, schedule: Schedule::Cosine { floor: 0.1 }, ..characters() };
        let close = |step, expected: f64| assert!((recipe.lr_at(step) - expected).abs() < 1e-12, "step {step}");
        close(0, 0.1);
        close(9, 1.0);
        close(10, 1.0);
        close(60, 0.55);
        close(110, 0.1);
        close(500, 0.1);
    }

    #[test]
    fn bad_recipes_name_the_setting() {
        let check = |change: fn(&mut Recipe), key: &str| {
            let mut recipe = characters();
            change(&mut recipe);
            let message = recipe.check().unwrap_err().to_string();
            assert!(message.starts_with(key), "{message}");
        };
        check(|r| r.shape.n_head = 3, "n_embd");
        check(|r| r.context = 65, "context");
        check(|r| r.lr = f64::NAN, "lr");
        check(|r| r.dropout = 1.0, "dropout");
        check(|r| r.batch = 0, "batch");
    }
}
