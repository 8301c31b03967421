//! The model in this process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::DType;

use crate::files::Files;
use crate::model::{
    Checkpoint, Decoder, DecoderConfig, Dtype, DtypeChoice, KvCache, MemoryEstimate, ModelError, free_memory,
};
use crate::sampling::{ParamId, random_seed};
use crate::text::Tokenizer;

use super::backend::{Checked, EngineKind};
use super::rows::PREFILL_CHUNK;
use super::{
    Aside, AsideRequest, Backend, CancelToken, Capabilities, EngineError, Finish, FinishReason, GenerateRequest,
    Generation, LoadRequest, ModelInfo, Produced, ReadEnd, ReadRequest, ScoreRequest, Scores, StopStrings, TokenScore,
    read, score,
};

/// A checkpoint in memory with its tokenizer and the cache of what it read last.
pub struct LocalModel {
    decoder: Decoder,
    tokenizer: Arc<Tokenizer>,
    info: Arc<ModelInfo>,
    cache: KvCache,
}

/// What is known of a checkpoint before its weights are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// The family of the decoder, e.g. `gpt2`.
    pub family: &'static str,
    /// Number of weights, tied ones counted once.
    pub parameters: u64,
    /// Tokens that fit: `n_positions`.
    pub context: usize,
    /// Bytes of memory to run it with weights of the dtype asked for.
    pub memory: u64,
}

impl Description {
    /// Reads config.json and the headers of the weight files.
    ///
    /// # Errors
    /// A file that is missing or wrong.
    pub fn of(files: &Files, dtype: DtypeChoice) -> Result<Self, EngineError> {
        let checkpoint = Checkpoint::open(files)?;
        let (config, family) = Decoder::config_of(&checkpoint)?;
        let dtype = dtype.of(&config, PREFILL_CHUNK, free_memory());
        Ok(Self {
            family: family.name,
            parameters: config.parameters(),
            context: config.n_positions,
            memory: MemoryEstimate::of(&config, dtype, PREFILL_CHUNK).total(),
        })
    }
}

/// The row of the engine table.
pub(super) const ENGINE: EngineKind = EngineKind {
    name: "local",
    serves: |_| true,
    check: |request, room, _| Ok(Box::new(CheckedModel::check(request, room)?)),
};

/// A checkpoint whose files were found good, with the tokenizer, before a weight is read.
struct CheckedModel {
    request: LoadRequest,
    checkpoint: Checkpoint,
    config: DecoderConfig,
    dtype: Dtype,
    device: candle_core::Device,
    tokenizer: Tokenizer,
    memory: u64,
    begun: Instant,
}

impl CheckedModel {
    fn check(request: &LoadRequest, room: Option<u64>) -> Result<Self, EngineError> {
        let begun = Instant::now();
        let device = request.device.open()?;
        let checkpoint = Checkpoint::open(&request.files)?;
        let (config, _) = Decoder::config_of(&checkpoint)?;
        Decoder::check(&checkpoint)?;
        // What a GPU has free is its driver's to say.
        let room = room.filter(|_| device.is_cpu());
        let dtype = request.dtype.of(&config, PREFILL_CHUNK, room);
        if !device.is_cpu() {
            dense(dtype, request)?;
        }
        let estimate = MemoryEstimate::of(&config, dtype, PREFILL_CHUNK);
        estimate.check(room)?;
        let memory = if device.is_cpu() { estimate.total() } else { 0 };
        let tokenizer = Tokenizer::open(&request.files)?;
        Ok(Self { request: request.clone(), checkpoint, config, dtype, device, tokenizer, memory, begun })
    }

    fn read(self, cancel: &CancelToken, progress: &mut dyn FnMut(u64, u64)) -> Result<LocalModel, EngineError> {
        let Self { request, checkpoint, config, dtype, device, tokenizer, begun, .. } = self;
        let mut progress = |done, total| {
            progress(done, total);
            !cancel.is_cancelled()
        };
        let decoder = match device.is_cpu() {
            true => Decoder::load(&checkpoint, dtype, &mut progress)?,
            false => Decoder::load_on(&checkpoint, dense(dtype, &request)?, &device, &mut progress)?,
        };
        let cache = decoder.new_cache()?;
        let info = ModelInfo {
            name: request.name,
            files: request.files,
            family: decoder.family(),
            parameters: config.parameters(),
            layers: config.n_layer,
            heads: config.n_head,
            width: config.n_embd,
            context: config.n_positions,
            vocab: config.vocab,
            dtype: dtype.name(),
            device: request.device.to_string(),
            capabilities: Capabilities::LOCAL,
            weight_bytes: config.weight_bytes(dtype),
            load_s: begun.elapsed().as_secs_f64(),
            special: tokenizer.special_ids().clone(),
            notes: tokenizer.notes().to_vec(),
        };
        Ok(LocalModel { decoder, tokenizer: Arc::new(tokenizer), info: Arc::new(info), cache })
    }
}

impl Checked for CheckedModel {
    fn memory(&self) -> u64 {
        self.memory
    }

    fn load(
        self: Box<Self>,
        cancel: &CancelToken,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Box<dyn Backend>, EngineError> {
        Ok(Box::new(self.read(cancel, progress)?))
    }
}

/// The dtype of tensors on a device that has no kernels for packed weights.
fn dense(dtype: Dtype, request: &LoadRequest) -> Result<DType, EngineError> {
    match dtype {
        Dtype::F32 => Ok(DType::F32),
        Dtype::Bf16 => Ok(DType::BF16),
        Dtype::F16 => Ok(DType::F16),
        Dtype::Q8_0 | Dtype::Q4_0 => Err(ModelError::Device {
            device: request.device.to_string(),
            reason: format!("{} weights are for the CPU's kernels; take f32, bf16 or f16 there", dtype.name()),
        }
        .into()),
    }
}

impl LocalModel {
    /// Reads a checkpoint. `progress` gets bytes of weights read and in all.
    ///
    /// # Errors
    /// A file that is missing or wrong, a model that needs more memory than is free (said before anything is read),
    /// [`EngineError::Cancelled`].
    pub fn load(
        request: &LoadRequest,
        cancel: &CancelToken,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, EngineError> {
        CheckedModel::check(request, free_memory())?.read(cancel, progress)
    }

    /// The tokenizer of the checkpoint.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// The decoder itself.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Reads the prompt and gives the iterator over sampled tokens, stop strings not yet looked for.
    ///
    /// # Errors
    /// As for [`Generation::start`].
    pub fn start(&mut self, request: GenerateRequest, cancel: CancelToken) -> Result<Generation<'_>, EngineError> {
        Generation::start(&self.decoder, &self.tokenizer, &mut self.cache, request, cancel)
    }
}

/// Sleeps, but not through a stop. Says for how long.
fn wait_until(end: Instant, cancel: &CancelToken) -> Duration {
    const NAP: Duration = Duration::from_millis(20);
    let begun = Instant::now();
    while let Some(rest) = end.checked_duration_since(Instant::now()).filter(|_| !cancel.is_cancelled()) {
        std::thread::sleep(rest.min(NAP));
    }
    begun.elapsed()
}

impl Backend for LocalModel {
    fn info(&self) -> &Arc<ModelInfo> {
        &self.info
    }

    fn tokenizer(&self) -> Option<&Arc<Tokenizer>> {
        Some(&self.tokenizer)
    }

    fn memory(&self) -> u64 {
        let held = self.info.weight_bytes + MemoryEstimate::cache_of(self.decoder.config(), self.cache.len());
        if self.info.device == "cpu" { held } else { 0 }
    }

    fn decoder(&self) -> Option<&Decoder> {
        Some(&self.decoder)
    }

    fn generate(
        &mut self,
        request: &GenerateRequest,
        cancel: &CancelToken,
        sink: &mut dyn FnMut(Produced),
    ) -> Result<Finish, EngineError> {
        let seed = request.seed.unwrap_or_else(random_seed);
        let mut stops = vec![StopStrings::new(&request.stop); request.sequences.max(1)];
        let mut stopped_at = vec![None; stops.len()];
        let mut generation = match self.start(GenerateRequest { seed: Some(seed), ..request.clone() }, cancel.clone()) {
            Err(error) if error.is_cancelled() => return Ok(Finish::before_the_first_token(request, seed)),
            started => started?,
        };
        sink(Produced::Prefilled(generation.prefilled()));
        let (begun, speed) = (Instant::now(), request.settings.float(ParamId::Speed));
        let (mut rounds, mut waited) = (0, Duration::ZERO);
        while let Some(step) = generation.next() {
            let step = match step {
                Err(error) if error.is_cancelled() => break,
                other => other?,
            };
            if step.sequence == 0 && speed > 0.0 {
                waited += wait_until(begun + Duration::from_secs_f64(f64::from(rounds) / speed), cancel);
                rounds += 1;
            }
            let sequence = step.sequence;
            let watched = stops[sequence].push(step);
            watched.released.into_iter().for_each(|step| sink(Produced::Step(Box::new(step))));
            if watched.stopped_at.is_some() {
                stopped_at[sequence] = watched.stopped_at;
                generation.end(sequence, FinishReason::Stop);
            }
        }
        for mut stop in stops {
            stop.finish().into_iter().for_each(|step| sink(Produced::Step(Box::new(step))));
        }
        let mut finish = generation.finish();
        finish.stopped_at = stopped_at;
        // A run that was held back is as fast as it looked.
        finish.timings.decode_s += waited.as_secs_f64();
        Ok(finish)
    }

    fn score(&mut self, request: &ScoreRequest, cancel: &CancelToken) -> Result<Scores, EngineError> {
        score::score(&self.decoder, &self.tokenizer, &mut self.cache, request, cancel)
    }

    fn read(
        &mut self,
        request: &ReadRequest,
        cancel: &CancelToken,
        sink: &mut dyn FnMut(usize, Vec<TokenScore>),
    ) -> Result<ReadEnd, EngineError> {
        read::read(&self.decoder, &self.tokenizer, &mut self.cache, request, cancel, sink)
    }

    fn aside(&mut self, request: &AsideRequest, cancel: &CancelToken) -> Result<Aside, EngineError> {
        read::aside(&self.decoder, &self.tokenizer, &mut self.cache, request, cancel)
    }
}
