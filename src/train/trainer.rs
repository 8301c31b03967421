//! The training loop as an iterator of steps.

use std::time::Instant;

use candle_core::backprop::GradStore;

use super::{AdamW, Noise, Recipe, Result, Rows, Source, TrainError};
use crate::engine::CancelToken;
use crate::model::{Batch, Decoder, Dropout, Gradients, HeadTargets, Parameters, Pass};

/// Batches that a validation loss is taken over.
const VALIDATION_BATCHES: u64 = 8;

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct StepReport {
    /// Its number, from 1: updates done.
    pub step: u64,
    /// Mean negative log-probability of the batch before the update, in nats a token.
    pub loss: f64,
    /// The same of held-out text after the update, where it was due.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub validation: Option<f64>,
    /// Learning rate of the update.
    pub lr: f64,
    /// Norm of all gradients before clipping.
    pub gradient_norm: f64,
    /// Tokens read in this step.
    pub tokens: u64,
    /// Seconds it took, validation not counted.
    pub seconds: f64,
}

/// A run: an iterator of [`StepReport`]s that ends after the recipe's last step, or at the first error.
pub struct Trainer {
    recipe: Recipe,
    source: Box<dyn Source>,
    parameters: Parameters,
    decoder: Decoder,
    optimiser: AdamW,
    collected: Gradients,
    step: u64,
    failed: bool,
    cancel: CancelToken,
}

impl Trainer {
    /// A run from fresh weights.
    ///
    /// # Errors
    /// A recipe that cannot be run.
    pub fn new(recipe: Recipe, source: Box<dyn Source>) -> Result<Self> {
        recipe.check()?;
        let mut noise = Noise::of(recipe.seed, "weights", 0);
        let parameters = Parameters::fresh(recipe.config(source.vocab()), &mut || noise.normal())?;
        Self::from_parameters(recipe, source, parameters)
    }

    /// A run from given weights.
    ///
    /// # Errors
    /// A recipe that cannot be run, weights of another vocabulary than the source's.
    pub fn from_parameters(recipe: Recipe, source: Box<dyn Source>, parameters: Parameters) -> Result<Self> {
        recipe.check()?;
        let (vocab, rows) = (source.vocab(), parameters.config().vocab);
        if vocab > rows {
            let reason = format!("it has {vocab} entries and the model {rows} rows");
            return Err(TrainError::Recipe { key: "vocabulary", reason });
        }
        let decoder = parameters.decoder()?;
        let vars = parameters.iter().map(|parameter| (parameter.var.clone(), parameter.is_matrix())).collect();
        let optimiser = AdamW::new(vars, recipe.betas, recipe.weight_decay);
        Ok(Self {
            recipe,
            source,
            parameters,
            decoder,
            optimiser,
            collected: Gradients::default(),
            step: 0,
            failed: false,
            cancel: CancelToken::new(),
        })
    }

    /// Steps end early, with an error and without a change of the weights, once `cancel` is set.
    pub fn stop_with(&mut self, cancel: CancelToken) {
        self.collected.stop_with(cancel.shared_flag());
        self.cancel = cancel;
    }

    /// What it runs.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The weights as they are now.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// A decoder over these weights: it always sees the latest.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The optimiser, whose memory belongs to a checkpoint.
    pub fn optimiser(&self) -> &AdamW {
        &self.optimiser
    }

    /// Updates done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Resumes after `step` updates, with the optimiser's memory; the weights were restored by the caller.
    pub(super) fn restore(&mut self, step: u64, memory: Vec<(Vec<f32>, Vec<f32>)>) {
        self.step = step;
        self.optimiser.restore(memory, step);
    }

    fn update(&mut self) -> Result<StepReport> {
        let begun = Instant::now();
        let (loss, gradients) = self.gradients()?;
        let lr = self.recipe.lr_at(self.step);
        let not_finite = |what| TrainError::NotFinite { step: self.step + 1, what, lr };
        if !loss.is_finite() {
            return Err(not_finite("loss"));
        }
        let mut gradient_norm = 0.0;
        if let Some(gradients) = &gradients {
            gradient_norm = self.optimiser.gradient_norm(gradients)?;
            if !gradient_norm.is_finite() {
                return Err(not_finite("gradient"));
            }
            let clip = self.recipe.clip;
            let scale = if clip > 0.0 && gradient_norm > clip { clip / gradient_norm } else { 1.0 };
            self.optimiser.update(gradients, lr, scale)?;
        }
        self.step += 1;
        let seconds = begun.elapsed().as_secs_f64();
        let every = self.recipe.validate_every;
        let due = every > 0 && (self.step.is_multiple_of(every) || self.step == self.recipe.steps);
        let validation = match due.then(|| self.validate()) {
            // The update is done and is reported; its validation is what a stop costs.
            Some(Err(_)) if self.cancel.is_cancelled() => None,
            validation => validation.transpose()?,
        };
        let tokens = self.recipe.tokens_a_step();
        Ok(StepReport { step: self.step, loss, validation, lr, gradient_norm, tokens, seconds })
    }

    /// The loss of the step's batches and its gradients.
    fn gradients(&mut self) -> Result<(f64, Option<GradStore>)> {
        let Recipe { batch, context, accumulate, seed, .. } = self.recipe;
        let parts: Vec<Rows> = (0..accumulate as u64)
            .map(|part| {
                let noise = Noise::of(seed, "batch", self.step * accumulate as u64 + part);
                self.source.rows(noise, batch, context)
            })
            .collect();
        let counted: f32 = parts.iter().flat_map(|rows| &rows.counts).sum();
        let mut dropout = Noise::of(seed, "dropout", self.step);
        let mut uniform = || dropout.uniform();
        let mut loss = 0f64;
        let mut gradients: Option<GradStore> = None;
        for rows in parts {
            let pass = Pass::training(Some(Dropout { rate: self.recipe.dropout, uniform: &mut uniform }))
                .collecting(&self.collected)
                .until(self.cancel.flag());
            let hidden = self.decoder.forward_batch(Batch { tokens: &rows.tokens, length: context }, pass)?;
            let weights = rows.counts.iter().map(|count| count / counted.max(1.0)).collect();
            let (part, _) = self.decoder.loss(&hidden, HeadTargets { targets: rows.targets, weights })?;
            loss += f64::from(part.to_scalar::<f32>()?);
            let mut fresh = part.backward()?;
            self.collected.merge_into(&mut fresh)?;
            gradients = Some(match gradients {
                None => fresh,
                Some(mut sum) => {
                    for parameter in self.parameters.iter() {
                        if let (Some(a), Some(b)) = (sum.get(&parameter.var), fresh.get(&parameter.var)) {
                            let both = (a + b)?;
                            sum.insert(&parameter.var, both);
                        }
                    }
                    sum
                }
            });
        }
        Ok((loss, gradients))
    }

    /// Mean loss of held-out rows, always the same ones, in nats a token.
    ///
    /// # Errors
    /// A failing tensor operation.
    pub fn validate(&self) -> Result<f64> {
        let Recipe { batch, context, seed, .. } = self.recipe;
        let (mut sum, mut count) = (0f64, 0f64);
        for index in 0..VALIDATION_BATCHES {
            let rows = self.source.validation(Noise::of(seed, "validation", index), batch, context);
            let batch = Batch { tokens: &rows.tokens, length: context };
            let pass = Pass::training(None).collecting(&self.collected).until(self.cancel.flag());
            let hidden = self.decoder.forward_batch(batch, pass)?.detach();
            count += f64::from(rows.counts.iter().sum::<f32>());
            let (part, _) = self.decoder.loss(&hidden, HeadTargets { targets: rows.targets, weights: rows.counts })?;
            sum += f64::from(part.to_scalar::<f32>()?);
        }
        Ok(sum / count.max(1.0))
    }
}

impl Iterator for Trainer {
    type Item = Result<StepReport>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.step >= self.recipe.steps {
            return None;
        }
        let report = match self.update() {
            // A gradient that was cut off is no failing operation, and nothing was changed.
            Err(_) if self.cancel.is_cancelled() => Err(TrainError::Cancelled),
            report => report,
        };
        self.failed = report.as_ref().is_err_and(|error| !error.is_cancelled());
        Some(report)
    }
}
