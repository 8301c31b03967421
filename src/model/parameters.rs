//! The weights of a decoder as variables that training changes, and their way to and from a checkpoint folder.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, Var};
use serde_json::{Value, json};

use super::decoder::{Decoder, Form, Reader, Source, transpose};
use super::family::{Affine, FAMILIES, Family, Part};
use super::weights::Checkpoint;
use super::{DecoderConfig, ModelError, Result};
use crate::kernels::pages;

/// Standard deviation of initial weights (GPT-1 paper, section 4.1; openai/gpt-2 `src/model.py`).
const INITIAL: f64 = 0.02;

/// Standard deviation of initial position embeddings (openai/gpt-2 `src/model.py`).
const INITIAL_POSITIONS: f64 = 0.01;

/// One tensor of a model in training.
pub struct Parameter {
    /// Its name in a checkpoint, e.g. `h.0.attn.c_attn.weight`.
    pub name: String,
    /// Its values, linear weights as `[out, in]`; changed in place.
    pub var: Var,
    part: Part,
    layer: usize,
}

impl Parameter {
    /// Whether it is a matrix: weight decay is for those only (GPT-1 paper, section 4.1: "all non bias or gain weights").
    pub fn is_matrix(&self) -> bool {
        self.var.rank() > 1
    }
}

/// All weights of a decoder in training.
pub struct Parameters {
    config: DecoderConfig,
    family: &'static Family,
    list: Vec<Parameter>,
}

impl Parameters {
    /// Fresh weights of a GPT-2: N(0, 0.02), position embeddings N(0, 0.01), what goes into the residual stream divided
    /// by √(number of residual layers) (GPT-2 paper, section 2.3), gains 1, biases 0. `normal` gives numbers of N(0, 1).
    ///
    /// # Errors
    /// Fails where memory for them cannot be had.
    pub fn fresh(config: DecoderConfig, normal: &mut dyn FnMut() -> f64) -> Result<Self> {
        let residual = INITIAL / (2.0 * config.n_layer as f64).sqrt();
        Self::collect(config, &FAMILIES[0], &mut |part, _, shape| {
            let spread = match part {
                Part::Ln1(Affine::Weight) | Part::Ln2(Affine::Weight) | Part::LnF(Affine::Weight) => {
                    return Ok(Tensor::ones(shape, DType::F32, &Device::Cpu)?);
                }
                _ if shape.len() == 1 => return Ok(Tensor::zeros(shape, DType::F32, &Device::Cpu)?),
                Part::Wpe => INITIAL_POSITIONS,
                Part::AttnCProj(_) | Part::MlpCProj(_) => residual,
                _ => INITIAL,
            };
            let values: Vec<f32> = (0..shape.iter().product()).map(|_: usize| (normal() * spread) as f32).collect();
            Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
        })
    }

    /// The weights of a checkpoint, in f32. `progress` ends the load by answering `false`.
    ///
    /// # Errors
    /// What [`Decoder::load`] refuses.
    pub fn load(checkpoint: Checkpoint, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<Self> {
        let (config, family) = Decoder::config_of(&checkpoint)?;
        let mut reader = Reader::new(&checkpoint, family, Form::Dense(DType::F32, Device::Cpu), progress);
        Self::collect(config, family, &mut |part, layer, shape| reader.tensor(part, layer, shape))
    }

    fn collect(
        config: DecoderConfig,
        family: &'static Family,
        tensor: &mut dyn FnMut(Part, usize, &[usize]) -> Result<Tensor>,
    ) -> Result<Self> {
        pages::keep_freed_memory();
        let mut list = Vec::new();
        Decoder::build(
            &config,
            family.name,
            DType::F32,
            &Device::Cpu,
            &mut |part: Part, layer: usize, shape: &[usize]| {
                let var = Var::from_tensor(&tensor(part, layer, shape)?)?;
                let handle = var.as_tensor().clone();
                list.push(Parameter { name: (family.tensor)(part, layer), var, part, layer });
                Ok(handle)
            },
        )?;
        Ok(Self { config, family, list })
    }

    /// A decoder that computes with these weights: what training changes, it sees.
    ///
    /// # Errors
    /// A parameter that is missing.
    pub fn decoder(&self) -> Result<Decoder> {
        let by_name: HashMap<_, _> = self.list.iter().map(|parameter| (parameter.name.as_str(), parameter)).collect();
        Decoder::build(
            &self.config,
            self.family.name,
            DType::F32,
            &Device::Cpu,
            &mut |part: Part, layer: usize, _: &[usize]| {
                let name = (self.family.tensor)(part, layer);
                match by_name.get(name.as_str()) {
                    Some(parameter) => Ok(parameter.var.as_tensor().clone()),
                    None => Err(ModelError::MissingTensor { folder: "the parameters".into(), name }),
                }
            },
        )
    }

    /// The shape of the model.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Each parameter, in a fixed order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Parameter> {
        self.list.iter()
    }

    /// The same weights with `more` rows of N(0, 0.02) at the end of the vocabulary: the start, delimiter and extract
    /// tokens of fine-tuning (GPT-1 paper, section 3.3). `proceed` ends it by answering `false`.
    ///
    /// # Errors
    /// A failing tensor operation.
    pub fn with_more_tokens(
        self,
        more: usize,
        normal: &mut dyn FnMut() -> f64,
        proceed: &dyn Fn() -> bool,
    ) -> Result<Self> {
        let old: HashMap<_, _> = self.list.iter().map(|p| (p.name.clone(), p.var.as_tensor().clone())).collect();
        let config = DecoderConfig { vocab: self.config.vocab + more, ..self.config };
        let width = config.n_embd;
        let family = self.family;
        Self::collect(config, family, &mut |part, layer, _| {
            if !proceed() {
                return Err(ModelError::Cancelled);
            }
            let name = (family.tensor)(part, layer);
            let Some(tensor) = old.get(&name) else {
                return Err(ModelError::MissingTensor { folder: "the parameters".into(), name });
            };
            match part {
                Part::Wte | Part::LmHead => {
                    let rows: Vec<f32> = (0..more * width).map(|_| (normal() * INITIAL) as f32).collect();
                    Ok(Tensor::cat(&[tensor.detach(), Tensor::from_vec(rows, (more, width), &Device::Cpu)?], 0)?)
                }
                _ => Ok(tensor.copy()?.detach()),
            }
        })
    }

    /// The weights as a checkpoint names and lays them out (linear weights of GPT-2 as `[in, out]`), in f32.
    ///
    /// # Errors
    /// A failing tensor operation.
    pub fn to_checkpoint(&self) -> Result<Vec<(String, Vec<usize>, Vec<f32>)>> {
        self.list
            .iter()
            .map(|parameter| {
                let values = parameter.var.flatten_all()?.to_vec1::<f32>()?;
                Ok(match parameter.var.dims() {
                    &[rows, columns] if (self.family.conv1d)(parameter.part) => {
                        (parameter.name.clone(), vec![columns, rows], transpose(&values, rows, columns))
                    }
                    dims => (parameter.name.clone(), dims.to_vec(), values),
                })
            })
            .collect()
    }

    /// Sets every parameter from what [`Parameters::to_checkpoint`] gave.
    ///
    /// # Errors
    /// A tensor that is missing or of another shape.
    pub fn restore(&self, read: &mut dyn FnMut(&str, &[usize]) -> Result<Vec<f32>>) -> Result<()> {
        for parameter in &self.list {
            let values = match parameter.var.dims() {
                &[rows, columns] if (self.family.conv1d)(parameter.part) => {
                    transpose(&read(&parameter.name, &[columns, rows])?, columns, rows)
                }
                dims => read(&parameter.name, dims)?,
            };
            parameter.var.set(&Tensor::from_vec(values, parameter.var.shape(), &Device::Cpu)?)?;
        }
        Ok(())
    }

    /// The `config.json` of a GPT-2 of this shape, as transformers reads it.
    pub fn config_json(&self, end_of_text: Option<u32>) -> Value {
        let config = &self.config;
        let by_layer = config.score_scale.len() > 1 && config.score_scale[0] != config.score_scale[1];
        json!({
            "architectures": ["GPT2LMHeadModel"],
            "model_type": self.family.name,
            "vocab_size": config.vocab,
            "n_positions": config.n_positions,
            "n_ctx": config.n_positions,
            "n_embd": config.n_embd,
            "n_layer": config.n_layer,
            "n_head": config.n_head,
            "n_inner": config.n_inner,
            "activation_function": config.activation.name(),
            "layer_norm_epsilon": config.layer_norm_epsilon,
            "scale_attn_weights": config.head_dim() == 1 || config.score_scale.first() != Some(&1.0),
            "scale_attn_by_inverse_layer_idx": by_layer,
            "reorder_and_upcast_attn": config.upcast_attention,
            "tie_word_embeddings": config.tie_word_embeddings,
            "attn_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "resid_pdrop": 0.0,
            "bos_token_id": end_of_text,
            "eos_token_id": end_of_text,
            "initializer_range": INITIAL,
            "dtype": "float32",
        })
    }
}

impl Parameter {
    /// Which block it belongs to; 0 for the parts outside the blocks.
    pub fn layer(&self) -> usize {
        self.layer
    }
}
