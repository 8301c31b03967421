//! Files of a run's folder: the state that a run resumes from, and the checkpoint that other programs load.
//!
//! The state is one file, so that it is whole or not there; the checkpoint is what transformers reads.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde_json::{Value, json};

use super::{Recipe, Result, TrainError, Trainer};
use crate::disk::{self, Existing, write_file};
use crate::model::{ModelError, Parameters};

/// What kshot writes into a run's folder.
pub const FOLDER_FILES: [&str; 6] = [
    "training.safetensors",
    "training.jsonl",
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
];

const STATE: &str = FOLDER_FILES[0];

/// The largest state: that of 1.4 billion parameters, which have 12 bytes each.
const LARGEST: u64 = 16 << 30;

/// How weights are stored in a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// As they are.
    F32,
    /// Rounded to 16 bits.
    F16,
}

/// The state of a run after some step.
pub struct State {
    /// What it runs.
    pub recipe: Recipe,
    /// Updates done.
    pub step: u64,
    /// The vocabulary, where it learns from text.
    pub tokenizer: Option<Value>,
    bytes: Vec<u8>,
}

impl State {
    /// The state in a folder, if there is one.
    ///
    /// # Errors
    /// A file that is not a state, or larger than 16 GiB.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(STATE);
        let bytes = match disk::read(&path, LARGEST) {
            Ok(bytes) => bytes,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let bad = |reason: String| TrainError::File(format!("{} is not the state of a run: {reason}", path.display()));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| bad(error.to_string()))?;
        let said = |key: &str| {
            header
                .metadata()
                .as_ref()
                .and_then(|said| said.get(key).cloned())
                .ok_or_else(|| bad(format!("it has no {key:?}")))
        };
        let recipe = serde_json::from_str(&said("recipe")?).map_err(|error| bad(error.to_string()))?;
        let step = said("step")?.parse().map_err(|error| bad(format!("step: {error}")))?;
        let tokenizer = serde_json::from_str(&said("tokenizer")?).map_err(|error| bad(error.to_string()))?;
        Ok(Some(Self { recipe, step, tokenizer, bytes }))
    }

    /// Writes the state of a run, in place of an older one.
    ///
    /// # Errors
    /// A file that cannot be written; the older one stays then.
    pub fn write(folder: &Path, trainer: &Trainer, tokenizer: Option<&Value>) -> Result<()> {
        let weights = trainer.parameters().to_checkpoint()?;
        let (moments, step) = trainer.optimiser().memory();
        let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::with_capacity(3 * weights.len());
        for ((name, shape, values), (first, second)) in weights.into_iter().zip(moments) {
            tensors.push((format!("first.{name}"), vec![first.len()], first));
            tensors.push((format!("second.{name}"), vec![second.len()], second));
            tensors.push((format!("weights.{name}"), shape, values));
        }
        let text = |value: serde_json::Result<String>| value.map_err(|error| TrainError::File(error.to_string()));
        let said = HashMap::from([
            ("recipe".to_owned(), text(serde_json::to_string(trainer.recipe()))?),
            ("step".to_owned(), step.to_string()),
            ("tokenizer".to_owned(), text(serde_json::to_string(&tokenizer))?),
        ]);
        let bytes = to_bytes(&tensors, Stored::F32, Some(said))?;
        write_file(&folder.join(STATE), &bytes, Existing::Replace).map_err(|error| TrainError::File(error.to_string()))
    }

    /// Puts a trainer of the same recipe where this state is.
    ///
    /// # Errors
    /// Tensors that are missing or of another shape.
    pub(super) fn restore(&self, trainer: &mut Trainer) -> Result<()> {
        let bad = |reason: String| TrainError::File(format!("the state of the run: {reason}"));
        let tensors = SafeTensors::deserialize(&self.bytes).map_err(|error| bad(error.to_string()))?;
        let read = |name: &str| -> Result<(Vec<usize>, Vec<f32>)> {
            let view = tensors.tensor(name).map_err(|error| bad(format!("{name}: {error}")))?;
            let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            Ok((view.shape().to_vec(), values))
        };
        trainer.parameters().restore(&mut |name, shape| match read(&format!("weights.{name}")) {
            Ok((found, values)) if found == shape => Ok(values),
            Ok((found, _)) => Err(ModelError::Shape { name: name.into(), found, expected: shape.into() }),
            Err(_) => Err(ModelError::MissingTensor { folder: "the state of the run".into(), name: name.into() }),
        })?;
        let memory = trainer
            .parameters()
            .iter()
            .map(|parameter| {
                let name = &parameter.name;
                Ok((read(&format!("first.{name}"))?.1, read(&format!("second.{name}"))?.1))
            })
            .collect::<Result<Vec<_>>>()?;
        trainer.restore(self.step, memory);
        Ok(())
    }
}

/// Writes `config.json`, `tokenizer.json` with `tokenizer_config.json`, and `model.safetensors`: a folder that kshot and transformers load.
///
/// # Errors
/// A file that cannot be written; each is whole or as it was.
pub fn write_checkpoint(folder: &Path, parameters: &Parameters, tokenizer: &Value, stored: Stored) -> Result<()> {
    let json = |value: &Value| serde_json::to_vec_pretty(value).map_err(|error| TrainError::File(error.to_string()));
    let end_of_text = tokenizer.pointer("/added_tokens/0/id").and_then(Value::as_u64).map(|id| id as u32);
    let put = |name: &str, bytes: &[u8]| {
        write_file(&folder.join(name), bytes, Existing::Replace).map_err(|error| TrainError::File(error.to_string()))
    };
    put("tokenizer.json", &json(tokenizer)?)?;
    // Without a class of its own here transformers takes `gpt2` for GPT-2's own way of cutting text.
    let name = tokenizer.pointer("/added_tokens/0/content").cloned().unwrap_or_default();
    put(
        "tokenizer_config.json",
        &json(&json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": name,
            "eos_token": name,
            "model_max_length": parameters.config().n_positions,
            "clean_up_tokenization_spaces": false,
        }))?,
    )?;
    put("config.json", &json(&parameters.config_json(end_of_text))?)?;
    let said = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    put("model.safetensors", &to_bytes(&parameters.to_checkpoint()?, stored, Some(said))?)
}

/// Tensors as a safetensors file.
pub(super) fn to_bytes(
    tensors: &[(String, Vec<usize>, Vec<f32>)],
    stored: Stored,
    said: Option<HashMap<String, String>>,
) -> Result<Vec<u8>> {
    let failed = |error: safetensors::SafeTensorError| TrainError::File(error.to_string());
    let raw: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| match stored {
            Stored::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Stored::F16 => values.iter().flat_map(|value| half::f16::from_f32(*value).to_le_bytes()).collect(),
        })
        .collect();
    let dtype = match stored {
        Stored::F32 => Dtype::F32,
        Stored::F16 => Dtype::F16,
    };
    let views = tensors
        .iter()
        .zip(&raw)
        .map(|((name, shape, _), raw)| Ok((name, TensorView::new(dtype, shape.clone(), raw).map_err(failed)?)))
        .collect::<Result<Vec<_>>>()?;
    serialize(views, said).map_err(failed)
}
