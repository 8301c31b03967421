//! A fine-tuned model as a folder: the checkpoint that other programs load, `head.safetensors` with W_y, and
//! `classifier.json` with what they mean.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::net::{self, Encoded};
use super::{Example, FinetuneRecipe, Form, Outcome, SPECIAL_TOKENS, Specials};
use crate::disk::{self, Existing, write_file};
use crate::model::{Checkpoint, Decoder, Parameters, Pass};
use crate::text::Tokenizer;
use crate::train::state::to_bytes;
use crate::train::{Result, Stored, TrainError, write_checkpoint};

/// What a classifier's folder has beside the files of a checkpoint.
pub const CLASSIFIER_FILES: [&str; 2] = ["classifier.json", "head.safetensors"];

/// The tensor in the head's file: W_yᵀ, `[labels, C]`.
const HEAD: &str = "head.weight";

/// What `classifier.json` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The form of its examples.
    pub form: Form,
    /// Its labels, in the order of the head's rows; none for multiple choice.
    pub labels: Vec<String>,
    /// The model that was fine-tuned.
    pub base: String,
    /// How.
    pub recipe: FinetuneRecipe,
    /// Updates done.
    pub steps: u64,
    /// What was measured.
    pub figures: Figures,
}

/// What was measured of a classifier on held-out examples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Examples it was trained on.
    pub trained_on: usize,
    /// Held-out examples.
    pub examples: usize,
    /// Share of them classified right.
    pub accuracy: Option<f64>,
    /// Its standard error.
    pub standard_error: Option<f64>,
    /// The share that logistic regression on bags of words gets right.
    pub baseline: Option<f64>,
}

impl Figures {
    /// Of a classifier trained on so many examples: its outcome on the held-out ones, and that of logistic regression on
    /// the same.
    pub fn of(trained_on: usize, outcome: &Outcome, baseline: Option<Outcome>) -> Self {
        Self {
            trained_on,
            examples: outcome.examples,
            accuracy: Some(outcome.accuracy),
            standard_error: Some(outcome.standard_error()),
            baseline: baseline.map(|baseline| baseline.accuracy),
        }
    }
}

pub(super) fn save(
    folder: &Path,
    parameters: &Parameters,
    tokenizer: &Value,
    head: &Tensor,
    description: &Description,
) -> Result<()> {
    let failed = |error: std::io::Error| TrainError::File(format!("cannot write {}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    check_target(folder)?;
    write_checkpoint(folder, parameters, tokenizer, Stored::F32)?;
    let (rows, width) = head.dims2()?;
    let values = head.flatten_all()?.to_vec1::<f32>()?;
    let said = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = to_bytes(&[(HEAD.to_owned(), vec![rows, width], values)], Stored::F32, Some(said))?;
    write_file(&folder.join(CLASSIFIER_FILES[1]), &bytes, Existing::Replace)
        .map_err(|error| TrainError::File(error.to_string()))?;
    // Last: a folder with this file has all the others.
    let json = serde_json::to_vec_pretty(description).map_err(|error| TrainError::File(error.to_string()))?;
    write_file(&folder.join(CLASSIFIER_FILES[0]), &json, Existing::Replace)
        .map_err(|error| TrainError::File(error.to_string()))
}

/// Refuses to write over a checkpoint that is no classifier, such as the one that is being fine-tuned.
///
/// # Errors
/// The folder has a `config.json` and no `classifier.json`.
pub(super) fn check_target(folder: &Path) -> Result<()> {
    match folder.join("config.json").exists() && !folder.join(CLASSIFIER_FILES[0]).exists() {
        true => Err(TrainError::File(format!(
            "{} holds a checkpoint that is no classifier; name another folder",
            folder.display()
        ))),
        false => Ok(()),
    }
}

/// The longest description: 1,000 labels and the recipe.
const LARGEST_DESCRIPTION: u64 = 16 << 20;
/// The largest head: a row for each of 1,000 labels.
const LARGEST_HEAD: u64 = 1 << 30;

/// A classifier that was loaded.
pub struct Classifier {
    description: Description,
    decoder: Decoder,
    tokenizer: Tokenizer,
    specials: Specials,
    head: Tensor,
}

impl Classifier {
    /// Reads a folder that [`super::Finetune::save`] wrote.
    ///
    /// # Errors
    /// A folder that is no classifier; whatever is wrong with its files.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(CLASSIFIER_FILES[0]);
        let bad = |path: &Path, reason: String| TrainError::File(format!("{}: {reason}", path.display()));
        let json = match disk::read(&path, LARGEST_DESCRIPTION) {
            Ok(json) => json,
            Err(error) if error.is_missing() => {
                return Err(TrainError::File(format!(
                    "{} is no classifier: there is no {} in it; `kshot finetune -o FOLDER` makes one",
                    folder.display(),
                    CLASSIFIER_FILES[0]
                )));
            }
            Err(error) => return Err(error.into()),
        };
        let description: Description =
            serde_json::from_slice(&json).map_err(|error| bad(&path, format!("it is malformed: {error}")))?;
        let tokenizer = Tokenizer::from_folder(folder)?;
        let id = |name: &str| {
            tokenizer.token_id(name).ok_or_else(|| {
                bad(&folder.join("tokenizer.json"), format!("there is no {name} in it, so this is no classifier's"))
            })
        };
        let [start, delimiter, extract] = SPECIAL_TOKENS;
        let specials = Specials { start: id(start)?, delimiter: id(delimiter)?, extract: id(extract)? };
        let decoder = Decoder::load_dense(&Checkpoint::open(folder)?, DType::F32, &Device::Cpu)?;

        let path = folder.join(CLASSIFIER_FILES[1]);
        let bytes = disk::read(&path, LARGEST_HEAD)?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| bad(&path, error.to_string()))?;
        let view = tensors.tensor(HEAD).map_err(|error| bad(&path, error.to_string()))?;
        let rows = if description.form == Form::MultipleChoice { 1 } else { description.labels.len() };
        let shape = [rows, decoder.config().n_embd];
        if view.shape() != shape || view.dtype() != safetensors::Dtype::F32 {
            return Err(bad(
                &path,
                format!("{HEAD} is {:?} of {:?}, not {shape:?} of F32", view.shape(), view.dtype()),
            ));
        }
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let head = Tensor::from_vec(values, (shape[0], shape[1]), &Device::Cpu)?;
        Ok(Self { description, decoder, tokenizer, specials, head })
    }

    /// What it is.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The probability of each label (of each choice, for multiple choice), and whether a text was cut.
    ///
    /// # Errors
    /// A text that cannot be spelled, a failing operation.
    pub fn probabilities(&self, text: &str, others: &[String]) -> Result<(Vec<f64>, bool)> {
        let form = self.description.form;
        let example = Example { label: 0, text: text.to_owned(), others: others.to_vec() };
        let n_positions = self.decoder.config().n_positions;
        let sequences = form.sequences(&example, &self.tokenizer, self.specials, n_positions)?;
        let encoded = Encoded { sequences: sequences.tokens, label: 0 };
        let features = net::features(&self.decoder, form, &[&encoded], Pass::training(None))?;
        let choices = net::choices(&[&encoded]);
        let log = net::log_probabilities(form, &features.extracted, &self.head, &choices)?;
        let probabilities = log.flatten_all()?.to_vec1::<f32>()?.iter().map(|l| f64::from(*l).exp()).collect();
        Ok((probabilities, sequences.truncated))
    }
}
