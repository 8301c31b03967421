//! From the tensors of a checkpoint to a decoder.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::{Block, Decoder, Mlp};
use crate::kernels::packed::Dtype;
use crate::kernels::pages;
use crate::model::config::DecoderConfig;
use crate::model::family::{self, Affine, Family, Part};
use crate::model::layers::{LayerNorm, Linear, Weight};
use crate::model::weights::Checkpoint;
use crate::model::{ModelError, Result};

impl Decoder {
    /// The configuration in a checkpoint's `config.json`, and the family that reads it.
    ///
    /// # Errors
    /// Names the switch that is not known or cannot be honoured.
    pub fn config_of(checkpoint: &Checkpoint) -> Result<(DecoderConfig, &'static Family)> {
        let bad = |reason| ModelError::Config { path: checkpoint.files().path("config.json"), reason };
        let family = family::of_config(checkpoint.config()).map_err(bad)?;
        let mut config = (family.config)(checkpoint.config()).map_err(bad)?;
        // A head of its own in the file wins over the switch, as in transformers (`tie_weights` finds it loaded).
        let head = checkpoint.has(&(family.tensor)(Part::LmHead, 0));
        config.tie_word_embeddings &= !head || table_is_head(checkpoint, family, prefix_of(checkpoint, family));
        Ok((config, family))
    }

    /// Reads a checkpoint's weights, packed as `dtype` for the CPU's kernels. `progress` gets bytes read and bytes in
    /// all and ends the load by answering `false`. Tensors that the decoder has no use for (mask buffers of any dtype)
    /// are never read.
    ///
    /// # Errors
    /// A missing tensor, a wrong shape, a failing read, [`ModelError::Cancelled`].
    pub fn load(checkpoint: &Checkpoint, dtype: Dtype, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<Self> {
        let decoder = Self::read(checkpoint, Form::Packed(dtype), progress);
        pages::keep_activations();
        decoder
    }

    /// Reads a checkpoint's weights as tensors of `dtype` on `device`: for the stock path alone.
    ///
    /// # Errors
    /// As for [`Decoder::load`].
    pub fn load_dense(checkpoint: &Checkpoint, dtype: DType, device: &Device) -> Result<Self> {
        Self::load_on(checkpoint, dtype, device, &mut |_, _| true)
    }

    /// As [`Decoder::load_dense`], with the progress and the end of [`Decoder::load`].
    ///
    /// # Errors
    /// As for [`Decoder::load`].
    pub fn load_on(
        checkpoint: &Checkpoint,
        dtype: DType,
        device: &Device,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Self> {
        Self::read(checkpoint, Form::Dense(dtype, device.clone()), progress)
    }

    /// Checks, without reading a weight, that the checkpoint has every tensor that [`Decoder::load`] reads, in its shape
    /// and in a dtype that can be read.
    ///
    /// # Errors
    /// What is missing or wrong, by name.
    pub fn check(checkpoint: &Checkpoint) -> Result<()> {
        let (config, family) = Self::config_of(checkpoint)?;
        let mut ignore = |_, _| true;
        let reader = Reader::new(checkpoint, family, Form::Packed(Dtype::F32), &mut ignore);
        tensors(&config).try_for_each(|(part, layer, shape)| {
            checkpoint.check(&reader.name(part, layer), &reader.stored_shape(part, &shape))
        })
    }

    fn read(checkpoint: &Checkpoint, form: Form, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<Self> {
        let (config, family) = Self::config_of(checkpoint)?;
        let (dtype, device) = match &form {
            Form::Dense(dtype, device) => (*dtype, device.clone()),
            Form::Packed(_) => (DType::F32, Device::Cpu),
        };
        let mut reader = Reader::new(checkpoint, family, form, progress);
        reader.total = reader.stored_bytes(&config);
        let mut decoder = Self::build(&config, family.name, dtype, &device, &mut reader)?;
        // Fine-tunes often carry the tied table a second time; it is kept once.
        if !config.tie_word_embeddings && decoder.wte.same_values(decoder.lm_head.weight())? {
            decoder.lm_head = Linear::new(decoder.wte.clone(), None);
            decoder.config.tie_word_embeddings = true;
        }
        Ok(decoder)
    }

    /// A decoder out of the tensors that `source` gives for each part, block and shape.
    pub(in crate::model) fn build(
        config: &DecoderConfig,
        family: &'static str,
        dtype: DType,
        device: &Device,
        source: &mut dyn Source,
    ) -> Result<Self> {
        let mut parts = Parts { source, epsilon: config.layer_norm_epsilon };
        let (c, f, v) = (config.n_embd, config.n_inner, config.vocab);
        let wte = parts.source.matrix(Part::Wte, 0, [v, c])?;
        let wpe = parts.source.tensor(Part::Wpe, 0, &[config.n_positions, c])?;
        let h = (0..config.n_layer)
            .map(|layer| {
                let ln_1 = parts.layer_norm(Part::Ln1, layer, c)?;
                let c_attn = parts.linear(Part::CAttn, layer, [3 * c, c])?;
                let attn_c_proj = parts.linear(Part::AttnCProj, layer, [c, c])?;
                let mlp = match f {
                    0 => None,
                    _ => Some(Mlp {
                        ln_2: parts.layer_norm(Part::Ln2, layer, c)?,
                        c_fc: parts.linear(Part::CFc, layer, [f, c])?,
                        c_proj: parts.linear(Part::MlpCProj, layer, [c, f])?,
                    }),
                };
                Ok(Block { ln_1, c_attn, attn_c_proj, mlp })
            })
            .collect::<Result<Vec<_>>>()?;
        let ln_f = parts.layer_norm(Part::LnF, 0, c)?;
        let head =
            if config.tie_word_embeddings { wte.clone() } else { parts.source.matrix(Part::LmHead, 0, [v, c])? };
        Ok(Self {
            lm_head: Linear::new(head, None),
            family,
            device: device.clone(),
            dtype,
            config: config.clone(),
            wte,
            wpe,
            h,
            ln_f,
        })
    }
}

/// Where the tensors of a decoder come from.
pub(in crate::model) trait Source {
    /// A tensor of that shape.
    fn tensor(&mut self, part: Part, layer: usize, shape: &[usize]) -> Result<Tensor>;

    /// A weight matrix `[out, in]`.
    fn matrix(&mut self, part: Part, layer: usize, shape: [usize; 2]) -> Result<Weight> {
        Ok(Weight::Dense(self.tensor(part, layer, &shape)?))
    }
}

impl<F: FnMut(Part, usize, &[usize]) -> Result<Tensor>> Source for F {
    fn tensor(&mut self, part: Part, layer: usize, shape: &[usize]) -> Result<Tensor> {
        self(part, layer, shape)
    }
}

/// Assembles layers from the tensors of their halves.
struct Parts<'a> {
    source: &'a mut dyn Source,
    epsilon: f64,
}

impl Parts<'_> {
    fn linear(&mut self, part: fn(Affine) -> Part, layer: usize, shape: [usize; 2]) -> Result<Linear> {
        let weight = self.source.matrix(part(Affine::Weight), layer, shape)?;
        let bias = self.source.tensor(part(Affine::Bias), layer, &shape[..1])?;
        Ok(Linear::new(weight, Some(bias)))
    }

    fn layer_norm(&mut self, part: fn(Affine) -> Part, layer: usize, width: usize) -> Result<LayerNorm> {
        let weight = self.source.tensor(part(Affine::Weight), layer, &[width])?;
        let bias = self.source.tensor(part(Affine::Bias), layer, &[width])?;
        Ok(LayerNorm::new(weight, bias, self.epsilon))
    }
}

/// The first prefix under which the checkpoint has embeddings; none if it has them under no name.
fn prefix_of(checkpoint: &Checkpoint, family: &Family) -> &'static str {
    let of = |part| {
        let name = (family.tensor)(part, 0);
        family.prefixes.iter().find(|prefix| checkpoint.has(&format!("{prefix}{name}"))).copied()
    };
    of(Part::Wte).or_else(|| of(Part::Wpe)).unwrap_or("")
}

/// Whether the table of a tied model is in the file under the name of the head alone: safetensors' `save_model` keeps
/// one name of several that share memory (transformers #38870).
fn table_is_head(checkpoint: &Checkpoint, family: &Family, prefix: &str) -> bool {
    let wte = format!("{prefix}{}", (family.tensor)(Part::Wte, 0));
    let tied = || (family.config)(checkpoint.config()).is_ok_and(|config| config.tie_word_embeddings);
    !checkpoint.has(&wte) && checkpoint.has(&(family.tensor)(Part::LmHead, 0)) && tied()
}

/// What the weights become.
pub(in crate::model) enum Form {
    Dense(DType, Device),
    Packed(Dtype),
}

/// Reads parts of a decoder out of a checkpoint.
pub(in crate::model) struct Reader<'a> {
    checkpoint: &'a Checkpoint,
    family: &'static Family,
    prefix: &'static str,
    /// The token embedding has the name of the head.
    table_is_head: bool,
    form: Form,
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64) -> bool,
}

impl<'a> Reader<'a> {
    pub(in crate::model) fn new(
        checkpoint: &'a Checkpoint,
        family: &'static Family,
        form: Form,
        progress: &'a mut dyn FnMut(u64, u64) -> bool,
    ) -> Self {
        let prefix = prefix_of(checkpoint, family);
        let table_is_head = table_is_head(checkpoint, family, prefix);
        Self { checkpoint, family, prefix, table_is_head, form, done: 0, total: 0, progress }
    }

    /// The output head stands beside the prefixed body, as transformers writes it.
    fn name(&self, part: Part, layer: usize) -> String {
        let part = if part == Part::Wte && self.table_is_head { Part::LmHead } else { part };
        let prefix = if part == Part::LmHead { "" } else { self.prefix };
        format!("{prefix}{}", (self.family.tensor)(part, layer))
    }

    /// Bytes of all parts in their files, for the progress bar.
    fn stored_bytes(&self, config: &DecoderConfig) -> u64 {
        tensors(config).map(|(part, layer, _)| self.checkpoint.stored_bytes(&self.name(part, layer))).sum()
    }

    /// The shape of a tensor as the file has it.
    fn stored_shape(&self, part: Part, shape: &[usize]) -> Vec<usize> {
        let conv1d = (self.family.conv1d)(part);
        if conv1d { shape.iter().rev().copied().collect() } else { shape.to_vec() }
    }
}

/// Every tensor of a decoder of that shape: its part, its block, its shape as `[out, in]`.
fn tensors(config: &DecoderConfig) -> impl Iterator<Item = (Part, usize, Vec<usize>)> {
    use Affine::{Bias, Weight};
    let (c, f, v) = (config.n_embd, config.n_inner, config.vocab);
    let linear = |part: fn(Affine) -> Part, out: usize, inputs: usize| {
        [(part(Weight), vec![out, inputs]), (part(Bias), vec![out])]
    };
    let norm = |part: fn(Affine) -> Part| [(part(Weight), vec![c]), (part(Bias), vec![c])];
    let mut block = vec![norm(Part::Ln1), linear(Part::CAttn, 3 * c, c), linear(Part::AttnCProj, c, c)];
    if f > 0 {
        block.extend([norm(Part::Ln2), linear(Part::CFc, f, c), linear(Part::MlpCProj, c, f)]);
    }
    let block = block.concat();
    let blocks = (0..config.n_layer)
        .flat_map(move |layer| block.clone().into_iter().map(move |(part, shape)| (part, layer, shape)));
    let head = (!config.tie_word_embeddings).then(|| (Part::LmHead, 0, vec![v, c]));
    let tables = [(Part::Wte, 0, vec![v, c]), (Part::Wpe, 0, vec![config.n_positions, c])];
    let last = norm(Part::LnF).map(|(part, shape)| (part, 0, shape));
    tables.into_iter().chain(last).chain(blocks).chain(head)
}

impl Source for Reader<'_> {
    fn tensor(&mut self, part: Part, layer: usize, shape: &[usize]) -> Result<Tensor> {
        let name = self.name(part, layer);
        let (conv1d, stored) = ((self.family.conv1d)(part), self.stored_shape(part, shape));
        let Self { checkpoint, done, total, progress, .. } = self;
        let mut values = checkpoint.read_f32(&name, &stored, &mut |bytes| {
            *done += bytes as u64;
            progress(*done, *total)
        })?;
        if let (true, &[rows, columns]) = (conv1d, stored.as_slice()) {
            values = transpose(&values, rows, columns);
        }
        Ok(match &self.form {
            Form::Dense(dtype, device) => Tensor::from_vec(values, shape, device)?.to_dtype(*dtype)?,
            Form::Packed(_) => Tensor::from_vec(values, shape, &Device::Cpu)?,
        })
    }

    fn matrix(&mut self, part: Part, layer: usize, shape: [usize; 2]) -> Result<Weight> {
        let Form::Packed(dtype) = self.form else { return Ok(Weight::Dense(self.tensor(part, layer, &shape)?)) };
        let (name, conv1d) = (self.name(part, layer), (self.family.conv1d)(part));
        let Self { checkpoint, done, total, progress, .. } = self;
        let packed = checkpoint.read_packed(&name, shape, conv1d, dtype, &mut |bytes| {
            *done += bytes as u64;
            progress(*done, *total)
        })?;
        Ok(Weight::Packed(Arc::new(packed)))
    }
}

/// `[rows, columns]` to `[columns, rows]`, by tiles so that both sides stay in cache lines.
pub(in crate::model) fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    const TILE: usize = 32;
    let mut out = pages::zeroed(values.len());
    for row_tile in (0..rows).step_by(TILE) {
        for column_tile in (0..columns).step_by(TILE) {
            for column in column_tile..columns.min(column_tile + TILE) {
                for row in row_tile..rows.min(row_tile + TILE) {
                    out[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
    out
}
