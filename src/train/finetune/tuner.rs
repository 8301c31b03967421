//! The loop of a fine-tuning: one update an item.

use std::path::Path;
use std::time::Instant;

use candle_core::{Device, Tensor, Var};
use serde::Serialize;
use serde_json::Value;

use super::classifier::{self, Description, Figures};
use super::net::{self, Encoded};
use super::{Examples, FinetuneRecipe, Form, SPECIAL_TOKENS, Specials, Tuned};
use crate::engine::CancelToken;
use crate::files::Files;
use crate::model::{Checkpoint, Decoder, Dropout, Parameters, Pass};
use crate::text::{self, TokenId, Tokenizer};
use crate::train::{AdamW, Noise, Result, TrainError};

/// Standard deviation of W_y and of the embeddings of new tokens (GPT-1 paper, section 4.1).
const INITIAL: f64 = 0.02;

/// Examples that an evaluation runs at once.
const EVALUATED: usize = 32;

/// A pre-trained model that is to be fine-tuned.
pub struct Base {
    /// What it is called.
    pub name: String,
    /// Its weights.
    pub parameters: Parameters,
    /// The content of its `tokenizer.json`.
    pub tokenizer: Value,
    /// Ends the reading of the model and all that is done with it.
    pub cancel: CancelToken,
}

impl Base {
    /// Reads a checkpoint folder.
    ///
    /// # Errors
    /// Files that are no checkpoint of a family that kshot knows; being cancelled.
    pub fn open(name: &str, files: &Files, cancel: CancelToken) -> Result<Self> {
        let parameters = Parameters::load(Checkpoint::open(files.clone())?, &mut |_, _| !cancel.is_cancelled())?;
        Ok(Self { name: name.to_owned(), parameters, tokenizer: text::tokenizer_json(files)?, cancel })
    }
}

/// What one update did. The losses are means of −log P before the update; `l3` is l2 + λ·l1, which the update makes
/// smaller.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FinetuneStep {
    /// Its number, from 1: updates done.
    pub step: u64,
    /// The language model's loss: mean over each sequence's positions, then over the batch; 0 where the head alone is
    /// trained.
    pub l1: f64,
    /// The classifier's loss.
    pub l2: f64,
    /// Both.
    pub l3: f64,
    /// Learning rate of the update.
    pub lr: f64,
    /// Norm of all gradients before clipping.
    pub gradient_norm: f64,
    /// Share of the batch that was classified right, with dropout.
    pub accuracy: f64,
    /// How the held-out examples are classified after the update, where that was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Outcome>,
    /// Seconds it took, validation not counted.
    pub seconds: f64,
}

/// How a set of examples is classified.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Outcome {
    /// Mean −log P of the right labels.
    pub l2: f64,
    /// Share classified right.
    pub accuracy: f64,
    /// Examples.
    pub examples: usize,
}

impl Outcome {
    /// Standard error of the accuracy: √(p(1 − p)/n).
    pub fn standard_error(&self) -> f64 {
        (self.accuracy * (1.0 - self.accuracy) / self.examples.max(1) as f64).sqrt()
    }
}

/// A fine-tuning: an iterator of [`FinetuneStep`]s that ends after the last epoch, or at the first error. After an error
/// the weights are those of the last update.
pub struct Finetune {
    recipe: FinetuneRecipe,
    form: Form,
    labels: Vec<String>,
    base: String,
    tokenizer: Value,
    parameters: Parameters,
    decoder: Decoder,
    head: Var,
    optimiser: AdamW,
    train: Vec<Encoded>,
    validation: Vec<Encoded>,
    /// Hidden states at the extract tokens, where the model itself does not change.
    cached: Option<(Vec<Tensor>, Vec<Tensor>)>,
    order: Vec<usize>,
    truncated: usize,
    step: u64,
    failed: bool,
    cancel: CancelToken,
}

impl Finetune {
    /// Puts a head and the three special tokens on a model. Tokens that its vocabulary has already, as in a folder that
    /// was fine-tuned before, are used as they are.
    ///
    /// # Errors
    /// A recipe that cannot be run, examples of another form, a vocabulary that does not fit the model.
    pub fn new(base: Base, train: &Examples, validation: &Examples, recipe: FinetuneRecipe) -> Result<Self> {
        recipe.check()?;
        let bad = |key, reason: String| TrainError::Recipe { key, reason };
        let form = train.form;
        if validation.form != form || validation.labels != train.labels || train.items.is_empty() {
            return Err(bad("examples", "the two sets must have the same form and the same labels".into()));
        }
        let Base { name, cancel, .. } = base;
        let (tokenizer, parameters, specials) = with_specials(base.tokenizer, base.parameters, recipe.seed, &cancel)?;
        let config = parameters.config();
        if form.room(config.n_positions) == 0 {
            return Err(bad("n_positions", format!("{} are too few for {form}", config.n_positions)));
        }
        let spelling = Tokenizer::from_json("tokenizer.json", &tokenizer)?;
        let encode =
            |examples: &Examples| net::encode(form, &examples.items, &spelling, specials, config.n_positions, &cancel);
        let ((train_set, cut), (validation_set, also_cut)) = (encode(train)?, encode(validation)?);

        let rows = if form == Form::MultipleChoice { 1 } else { train.labels.len() };
        let mut noise = Noise::of(recipe.seed, "classifier head", 0);
        let values: Vec<f32> = (0..rows * config.n_embd).map(|_| (noise.normal() * INITIAL) as f32).collect();
        let head = Var::from_vec(values, (rows, config.n_embd), &Device::Cpu)?;

        let body = parameters.iter().filter(|_| recipe.tuned == Tuned::Whole);
        let vars = body.map(|parameter| (parameter.var.clone(), parameter.is_matrix()));
        let vars = vars.chain([(head.clone(), true)]).collect();
        let optimiser = AdamW::new(vars, recipe.betas, recipe.weight_decay);
        let decoder = parameters.decoder()?;
        let order = (0..train_set.len()).collect();
        let mut tuning = Self {
            recipe,
            form,
            labels: train.labels.clone(),
            base: name,
            tokenizer,
            parameters,
            decoder,
            head,
            optimiser,
            train: train_set,
            validation: validation_set,
            cached: None,
            order,
            truncated: cut + also_cut,
            step: 0,
            failed: false,
            cancel,
        };
        if tuning.recipe.tuned == Tuned::Head {
            tuning.cached = Some((tuning.extracted(&tuning.train)?, tuning.extracted(&tuning.validation)?));
        }
        Ok(tuning)
    }

    /// What it runs.
    pub fn recipe(&self) -> &FinetuneRecipe {
        &self.recipe
    }

    /// Parameters of the model and the head.
    pub fn parameter_count(&self) -> u64 {
        self.parameters.config().parameters() + self.head.elem_count() as u64
    }

    /// Updates an epoch.
    pub fn steps_an_epoch(&self) -> u64 {
        self.recipe.steps_an_epoch(self.train.len())
    }

    /// Updates in all.
    pub fn steps(&self) -> u64 {
        self.steps_an_epoch() * self.recipe.epochs as u64
    }

    /// Examples of which a part was longer than [`Form::room`] and was cut.
    pub fn truncated(&self) -> usize {
        self.truncated
    }

    /// How the held-out examples are classified now.
    ///
    /// # Errors
    /// A failing tensor operation.
    pub fn validate(&self) -> Result<Outcome> {
        let (mut loss, mut right) = (0f64, 0);
        for (index, part) in self.validation.chunks(EVALUATED).enumerate() {
            let examples: Vec<&Encoded> = part.iter().collect();
            let extracted = match &self.cached {
                Some((_, cached)) => Tensor::cat(&cached[index * EVALUATED..index * EVALUATED + part.len()], 0)?,
                None => net::features(&self.decoder, self.form, &examples, self.pass(None))?.extracted.detach(),
            };
            for (row, example) in self.log_probabilities(&extracted, &examples)?.to_vec2::<f32>()?.iter().zip(part) {
                loss -= f64::from(row[example.label]);
                right += usize::from(net::arg_max(row) == example.label);
            }
        }
        let examples = self.validation.len();
        let count = examples.max(1) as f64;
        Ok(Outcome { l2: loss / count, accuracy: right as f64 / count, examples })
    }

    /// Writes the classifier as it is now: a checkpoint that others load, and beside it the head and what it means.
    ///
    /// # Errors
    /// A file that cannot be written; each is whole or as it was. A folder that holds something else.
    pub fn save(&self, folder: &Path, figures: Figures) -> Result<()> {
        let description = Description {
            form: self.form,
            labels: self.labels.clone(),
            base: self.base.clone(),
            recipe: self.recipe.clone(),
            steps: self.step,
            figures,
        };
        classifier::save(folder, &self.parameters, &self.tokenizer, self.head.as_tensor(), &description)
    }

    #[cfg(test)]
    pub(super) fn train_set(&self) -> &[Encoded] {
        &self.train
    }

    #[cfg(test)]
    pub(super) fn head(&self) -> &Tensor {
        self.head.as_tensor()
    }

    /// The weights of the model as they are now.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// A decoder over these weights: it always sees the latest.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// A pass that ends where the fine-tuning is cancelled.
    fn pass<'a>(&'a self, dropout: Option<Dropout<'a>>) -> Pass<'a> {
        Pass::training(dropout).until(self.cancel.flag())
    }

    /// Between two parts of a step that hear no token.
    fn go_on(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(TrainError::Cancelled) } else { Ok(()) }
    }

    fn log_probabilities(&self, extracted: &Tensor, examples: &[&Encoded]) -> Result<Tensor> {
        net::log_probabilities(self.form, extracted, self.head.as_tensor(), &net::choices(examples))
    }

    /// The rows of each example at its extract tokens, without a way back to the weights.
    fn extracted(&self, examples: &[Encoded]) -> Result<Vec<Tensor>> {
        let mut out = Vec::with_capacity(examples.len());
        for part in examples.chunks(EVALUATED) {
            let part: Vec<&Encoded> = part.iter().collect();
            let rows = net::features(&self.decoder, self.form, &part, self.pass(None))?.extracted.detach();
            let mut first = 0;
            for example in part {
                let count = if self.form == Form::MultipleChoice { example.sequences.len() } else { 1 };
                out.push(rows.narrow(0, first, count)?.copy()?);
                first += count;
            }
        }
        Ok(out)
    }

    /// A new order for each epoch (Fisher & Yates).
    fn shuffle(&mut self, epoch: u64) {
        let mut noise = Noise::of(self.recipe.seed, "order of examples", epoch);
        self.order = (0..self.train.len()).collect();
        for at in (1..self.order.len()).rev() {
            self.order.swap(at, noise.below(at + 1));
        }
    }

    fn update(&mut self) -> Result<FinetuneStep> {
        let begun = Instant::now();
        let (an_epoch, batch) = (self.steps_an_epoch(), self.recipe.batch_of(self.train.len()));
        let place = self.step % an_epoch;
        if place == 0 {
            self.shuffle(self.step / an_epoch);
        }
        let chosen = &self.order[place as usize * batch..][..batch];
        let examples: Vec<&Encoded> = chosen.iter().map(|index| &self.train[*index]).collect();
        let labels: Vec<usize> = examples.iter().map(|example| example.label).collect();
        let lr = self.recipe.lr_at(self.step, self.steps());
        let lambda = self.recipe.lambda;

        let Read { extracted, auxiliary, language } = self.read(chosen, &examples)?;
        self.go_on()?;
        let dropped = self.drop_out(&extracted, &examples)?;
        let log_probabilities = self.log_probabilities(&dropped, &examples)?;
        let mut objective = net::classification_loss(&log_probabilities, &labels)?;
        if let Some(auxiliary) = &auxiliary {
            objective = (objective + (auxiliary * lambda)?)?;
        }

        let rows = log_probabilities.to_vec2::<f32>()?;
        let right = rows.iter().zip(&labels).filter(|(row, label)| net::arg_max(row) == **label).count();
        let count = batch as f64;
        let (mut l1, mut l2, mut l3) = (0.0, 0.0, 0.0);
        for ((row, label), language) in rows.iter().zip(&labels).zip(language) {
            let classified = -f64::from(row[*label]) / count;
            l1 += language;
            l2 += classified;
            l3 += classified + if auxiliary.is_some() { lambda * language } else { 0.0 };
        }
        let not_finite = |what| TrainError::NotFinite { step: self.step + 1, what, lr };
        if !(l3.is_finite() && objective.to_scalar::<f32>()?.is_finite()) {
            return Err(not_finite("loss"));
        }
        let gradients = objective.backward()?;
        self.go_on()?;
        let gradient_norm = self.optimiser.gradient_norm(&gradients)?;
        // The last place: an update is done whole.
        self.go_on()?;
        if !gradient_norm.is_finite() {
            return Err(not_finite("gradient"));
        }
        let clip = self.recipe.clip;
        let scale = if clip > 0.0 && gradient_norm > clip { clip / gradient_norm } else { 1.0 };
        self.optimiser.update(&gradients, lr, scale)?;
        self.step += 1;
        let seconds = begun.elapsed().as_secs_f64();
        let every = self.recipe.validate_every;
        let due = self.step.is_multiple_of(an_epoch) || every > 0 && self.step.is_multiple_of(every);
        let validation = match (due && !self.validation.is_empty()).then(|| self.validate()) {
            // The update is done and is reported; its validation is what a stop costs.
            Some(Err(_)) if self.cancel.is_cancelled() => None,
            validation => validation.transpose()?,
        };
        if validation.is_some_and(|outcome| !outcome.l2.is_finite()) {
            return Err(TrainError::NotFinite { step: self.step, what: "validation loss", lr });
        }
        let accuracy = right as f64 / count;
        Ok(FinetuneStep { step: self.step, l1, l2, l3, lr, gradient_norm, accuracy, validation, seconds })
    }

    /// Runs the chosen examples, or takes what is known of them where the model does not change.
    fn read(&self, chosen: &[usize], examples: &[&Encoded]) -> Result<Read> {
        if let Some((cached, _)) = &self.cached {
            let rows: Vec<&Tensor> = chosen.iter().map(|index| &cached[*index]).collect();
            let language = vec![0.0; chosen.len()];
            return Ok(Read { extracted: Tensor::cat(&rows, 0)?, auxiliary: None, language });
        }
        let mut inside = Noise::of(self.recipe.seed, "dropout of the model", self.step);
        let mut uniform = || inside.uniform();
        let pass = self.pass(Some(Dropout { rate: self.recipe.dropout, uniform: &mut uniform }));
        let features = net::features(&self.decoder, self.form, examples, pass)?;
        let (auxiliary, language) = if self.recipe.lambda > 0.0 {
            let (loss, each) = features.language_model(&self.decoder)?;
            (Some(loss), each)
        } else {
            (None, features.language_model_figure(&self.decoder)?)
        };
        Ok(Read { extracted: features.extracted, auxiliary, language })
    }

    /// Dropout of the head's input, one mask for all choices of an example (openai/finetune-transformer-lm, `train.py`).
    fn drop_out(&self, extracted: &Tensor, examples: &[&Encoded]) -> Result<Tensor> {
        let rate = self.recipe.classifier_dropout;
        if rate <= 0.0 {
            return Ok(extracted.clone());
        }
        let mut noise = Noise::of(self.recipe.seed, "dropout of the classifier", self.step);
        let (rows, width) = extracted.dims2()?;
        let kept = (1.0 / (1.0 - rate)) as f32;
        let mut mask = Vec::with_capacity(rows * width);
        for example in examples {
            let once: Vec<f32> = (0..width).map(|_| if noise.uniform() < rate as f32 { 0.0 } else { kept }).collect();
            let copies = if self.form == Form::MultipleChoice { example.sequences.len() } else { 1 };
            (0..copies).for_each(|_| mask.extend_from_slice(&once));
        }
        Ok((extracted * Tensor::from_vec(mask, (rows, width), &Device::Cpu)?)?)
    }
}

impl Iterator for Finetune {
    type Item = Result<FinetuneStep>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.step >= self.steps() {
            return None;
        }
        let step = match self.update() {
            // Nothing of the step was done.
            Err(_) if self.cancel.is_cancelled() => Err(TrainError::Cancelled),
            step => step,
        };
        self.failed = step.is_err();
        Some(step)
    }
}

/// A batch of examples as the model reads it.
struct Read {
    /// The rows at the extract tokens.
    extracted: Tensor,
    /// The language model's loss, where it is part of the objective.
    auxiliary: Option<Tensor>,
    /// The same of each example.
    language: Vec<f64>,
}

/// The vocabulary and the embeddings with the three special tokens, and their ids.
fn with_specials(
    json: Value,
    parameters: Parameters,
    seed: u64,
    cancel: &CancelToken,
) -> Result<(Value, Parameters, Specials)> {
    let known = Tokenizer::from_json("tokenizer.json", &json)?;
    let rows = parameters.config().vocab;
    if known.vocab_size() > rows {
        let reason = format!("it has {} entries and the model {rows} rows", known.vocab_size());
        return Err(TrainError::Recipe { key: "vocabulary", reason });
    }
    let missing: Vec<&str> = SPECIAL_TOKENS.into_iter().filter(|name| known.token_id(name).is_none()).collect();
    let new: Vec<(&str, TokenId)> =
        missing.iter().enumerate().map(|(index, name)| (*name, (rows + index) as TokenId)).collect();
    let id = |name: &str| {
        let fresh = new.iter().find(|(new, _)| *new == name).map(|(_, id)| *id);
        known.token_id(name).or(fresh).unwrap_or_default()
    };
    let [start, delimiter, extract] = SPECIAL_TOKENS.map(id);
    let specials = Specials { start, delimiter, extract };
    if new.is_empty() {
        return Ok((json, parameters, specials));
    }
    let mut noise = Noise::of(seed, "special tokens", 0);
    let parameters = parameters.with_more_tokens(new.len(), &mut || noise.normal(), &|| !cancel.is_cancelled())?;
    Ok((text::with_special_tokens(json, &new), parameters, specials))
}
