//! The trace of a generation: what is needed to run it again, and all that its decode knew. The format `kshot.trace.v1`.
//!
//! One JSON object, in UTF-8, a token in one line. Log-probabilities are natural, entropies are in bits, numbers are written
//! so that reading them gives the same 32 bits. Fields that a reader does not know are to be ignored; a change that such a
//! reader would misread gets another version.
//!
//! - `format`: `"kshot.trace.v1"`.
//! - `kshot`: `version`, `commit` (null where the build was not told), `arch`, `cpu`, `tier` (instruction set of the
//!   kernels), `threads`. Where all are equal, a replay is equal bit for bit.
//! - `model`: `name` (what `-m` takes), `revision` (the hub's commit, or null), `dtype`, `weights` (SHA-256 of each file).
//! - `prompt`: `text` and `ids`; `cached`: how many ids were read in an earlier run. `<|endoftext|>` stands for an empty one.
//! - `settings`: `changed` (what differs from neutral) and `full` (everything; equal in meaning).
//! - `seed`: the one that was really used. Sample i draws from stream i of it.
//! - `max_tokens`, `stop` (strings), `end_of_text` (`"stop"` or `"continue"`), `candidates` (how many each token keeps).
//! - `samples`: `temperature` where each has its own, `finish_reason`, `stopped_at` and `tokens` of each: `id`, `text`,
//!   `logprob` under the raw model, `logprob_sampled` after the chain, `rank` and `entropy` under the raw model, `top`: the
//!   most likely tokens under the raw model, best first, each as `[id, logprob, logprob_sampled]`, the last null where a
//!   stage cut the token.
//!
//! Texts of tokens and of the prompt are escaped: `\n`, `\t`, `\r`, `\"`, `\\`, `\u{HEX}` for other control characters, and
//! `\xHH` for a byte that is part of no character there; so no byte of a token is lost.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use super::build::{Build, weights_sha256};
use super::lines::Lines;
use super::record::{Record, commit, model_argument};
use crate::engine::{EngineError, FinishReason, GenerateRequest, OnEndOfText, Step};
use crate::files::Files;
use crate::sampling::Settings;
use crate::text::escape_bytes;

/// The name and version of the format.
pub const FORMAT: &str = "kshot.trace.v1";
/// What the names of all versions begin with.
const FAMILY: &str = "kshot.trace.";
/// How many candidates a token keeps where nothing else is asked for.
pub const TOP: usize = 20;

/// A trace; the module says what each field holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "documented at the format")]
pub struct Trace {
    pub format: String,
    pub kshot: Build,
    pub model: TraceModel,
    pub prompt: TracePrompt,
    pub settings: TraceSettings,
    pub seed: u64,
    pub max_tokens: usize,
    pub stop: Vec<String>,
    pub end_of_text: EndOfText,
    pub candidates: usize,
    pub samples: Vec<Sample>,
}

/// The model of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "documented at the format")]
pub struct TraceModel {
    pub name: String,
    pub revision: Option<String>,
    pub dtype: String,
    pub weights: BTreeMap<String, String>,
}

/// The prompt of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "documented at the format")]
pub struct TracePrompt {
    pub text: String,
    pub ids: Vec<u32>,
    pub cached: usize,
}

/// The settings of a trace, twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "documented at the format")]
pub struct TraceSettings {
    pub changed: Settings,
    pub full: serde_json::Value,
}

/// What a sampled `<|endoftext|>` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum EndOfText {
    Stop,
    Continue,
}

/// One sequence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "documented at the format")]
pub struct Sample {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    pub finish_reason: FinishReason,
    pub stopped_at: Option<String>,
    pub tokens: Vec<TraceToken>,
}

/// One sampled token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "documented at the format")]
pub struct TraceToken {
    pub id: u32,
    pub text: String,
    pub logprob: f32,
    pub logprob_sampled: f32,
    pub rank: usize,
    pub entropy: f32,
    pub top: Vec<TraceCandidate>,
}

/// A candidate: id, log-probability under the raw model and after the chain.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TraceCandidate(pub u32, pub f32, pub Option<f32>);

impl fmt::Display for TraceCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(id, logprob, sampled) = self;
        write!(f, "id {id}, {logprob} nats, ")?;
        match sampled {
            Some(sampled) => write!(f, "after the chain {sampled}"),
            None => f.write_str("cut by the chain"),
        }
    }
}

/// Why a trace cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// No JSON, or not the fields of a trace.
    #[error("this is no whole trace: {0}")]
    Damaged(#[from] serde_json::Error),
    /// JSON of something else.
    #[error("this is no trace of kshot: its \"format\" is {0}, not \"{FORMAT}\"")]
    Other(String),
    /// A trace of another version.
    #[error(
        "this trace has the format \"{0}\" and this kshot reads \"{FORMAT}\": replay it with a version of kshot that writes \"{0}\""
    )]
    Version(String),
    /// Two fields that mean the same differ.
    #[error("this trace contradicts itself: {0}; it was edited by hand or damaged")]
    Contradiction(String),
    /// Other weights.
    #[error(
        "the weights are not those of the trace: {file} has the SHA-256 {here}, the trace was made with {there}; name the right model with -m"
    )]
    Weights {
        /// The file.
        file: String,
        /// The hash of the model at hand, or that it has no such file.
        here: String,
        /// The hash in the trace.
        there: String,
    },
    /// The weights cannot be read.
    #[error(transparent)]
    Model(#[from] EngineError),
}

#[derive(Deserialize)]
struct Head {
    format: Option<serde_json::Value>,
}

impl Trace {
    /// The trace of a generation. Reads the weights' files, to hash them.
    ///
    /// # Errors
    /// A weights file that cannot be read.
    pub fn of(record: &Record) -> Result<Self, TraceError> {
        let Record { model, tokenizer, request, finish, samples, .. } = record;
        let sample = |(index, steps): (usize, &Vec<_>)| Sample {
            temperature: request.temperatures.get(index).copied(),
            finish_reason: finish.reasons.get(index).copied().unwrap_or(FinishReason::Cancelled),
            stopped_at: finish.stopped_at.get(index).cloned().flatten(),
            tokens: steps.iter().filter_map(|step: &std::sync::Arc<Step>| TraceToken::of(step)).collect(),
        };
        Ok(Self {
            format: FORMAT.to_owned(),
            kshot: Build::here(),
            model: TraceModel {
                name: model_argument(model),
                revision: commit(&model.files),
                dtype: model.dtype.to_owned(),
                weights: weights_sha256(&model.files)?,
            },
            prompt: TracePrompt {
                text: escape_bytes(&tokenizer.decode(&finish.prompt)),
                ids: finish.prompt.clone(),
                cached: finish.timings.cached_tokens,
            },
            settings: TraceSettings {
                changed: request.settings.clone(),
                full: serde_json::to_value(request.settings.full())?,
            },
            seed: finish.seed,
            max_tokens: request.max_tokens,
            stop: request.stop.clone(),
            end_of_text: match request.on_end_of_text {
                OnEndOfText::Stop => EndOfText::Stop,
                OnEndOfText::Continue => EndOfText::Continue,
            },
            candidates: request.top,
            samples: samples.iter().enumerate().map(sample).collect(),
        })
    }

    /// Reads a trace.
    ///
    /// # Errors
    /// What is wrong with it: damage with line and column, another version, something that is no trace.
    pub fn parse(json: &str) -> Result<Self, TraceError> {
        let head: Head = serde_json::from_str(json)?;
        match head.format {
            Some(serde_json::Value::String(format)) if format == FORMAT => {}
            Some(serde_json::Value::String(format)) if format.starts_with(FAMILY) => {
                return Err(TraceError::Version(format));
            }
            Some(other) => return Err(TraceError::Other(other.to_string())),
            None => return Err(TraceError::Other("missing".to_owned())),
        }
        let trace: Self = serde_json::from_str(json)?;
        let full: Settings = serde_json::from_value(trace.settings.full.clone())
            .map_err(|error| serde_json::Error::custom(format!("settings.full: {error}")))?;
        if full != trace.settings.changed {
            let said = "settings.changed and settings.full are not the same settings";
            return Err(TraceError::Contradiction(said.to_owned()));
        }
        if trace.samples.is_empty() {
            return Err(TraceError::Contradiction("it has no sample".to_owned()));
        }
        if trace.prompt.ids.is_empty() && trace.samples.iter().any(|sample| !sample.tokens.is_empty()) {
            return Err(TraceError::Contradiction("tokens were sampled from a prompt without ids".to_owned()));
        }
        Ok(trace)
    }

    /// The trace as JSON.
    ///
    /// # Errors
    /// A number that JSON cannot hold.
    pub fn to_json(&self) -> Result<String, TraceError> {
        let mut json = Vec::new();
        self.serialize(&mut serde_json::Serializer::with_formatter(&mut json, Lines::default()))?;
        json.push(b'\n');
        // What serde_json writes is UTF-8; were it not, no byte of it would be lost by saying so here.
        Ok(String::from_utf8(json).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// Refuses other weights than those of the trace.
    ///
    /// # Errors
    /// Names the first file that differs.
    pub fn check_weights(&self, files: &Files) -> Result<(), TraceError> {
        let here = weights_sha256(files)?;
        for (file, there) in &self.model.weights {
            let hash = here.get(file).cloned().unwrap_or_else(|| "of no file (there is none)".to_owned());
            if hash != *there {
                return Err(TraceError::Weights { file: file.clone(), here: hash, there: there.clone() });
            }
        }
        match here.iter().find(|(file, _)| !self.model.weights.contains_key(*file)) {
            Some((file, hash)) => {
                let there = "no such file".to_owned();
                Err(TraceError::Weights { file: file.clone(), here: hash.clone(), there })
            }
            None => Ok(()),
        }
    }

    /// What runs it again. A generation that the user stopped runs up to where it stopped.
    pub fn request(&self) -> GenerateRequest {
        let stopped = self.samples.iter().any(|sample| sample.finish_reason == FinishReason::Cancelled);
        let longest = self.samples.iter().map(|sample| sample.tokens.len()).max().unwrap_or(0);
        GenerateRequest {
            prompt: self.prompt.ids.clone().into(),
            sequences: self.samples.len(),
            max_tokens: if stopped { longest } else { self.max_tokens },
            settings: self.settings.changed.clone(),
            temperatures: self.samples.iter().filter_map(|sample| sample.temperature).collect(),
            seed: Some(self.seed),
            stop: self.stop.clone(),
            on_end_of_text: match self.end_of_text {
                EndOfText::Stop => OnEndOfText::Stop,
                EndOfText::Continue => OnEndOfText::Continue,
            },
            top: self.candidates,
        }
    }
}

impl TraceToken {
    /// A step as a trace holds it; none of a step whose figures are not all known.
    pub fn of(step: &Step) -> Option<Self> {
        let sampled = step.sampled()?;
        Some(Self {
            id: sampled.id,
            text: escape_bytes(&step.bytes),
            logprob: sampled.logprob,
            logprob_sampled: sampled.logprob_sampled,
            rank: sampled.rank,
            entropy: sampled.entropy_bits,
            top: sampled.top.iter().map(|c| TraceCandidate(c.id, c.logprob, c.logprob_sampled)).collect(),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    /// A trace with figures that are hard to write down.
    pub(in crate::export) fn example() -> Trace {
        let settings = Settings::default();
        let token = |id, text: &[u8], logprob: f32| TraceToken {
            id,
            text: escape_bytes(text),
            logprob,
            logprob_sampled: logprob / 3.0,
            rank: 2,
            entropy: 0.1 + logprob.abs(),
            top: vec![TraceCandidate(7, -0.1, Some(-1e-9)), TraceCandidate(id, logprob, None)],
        };
        Trace {
            format: FORMAT.to_owned(),
            kshot: Build::here(),
            model: TraceModel {
                name: "built-in".to_owned(),
                revision: None,
                dtype: "f32".to_owned(),
                weights: [("model.safetensors".to_owned(), "ab".to_owned())].into(),
            },
            prompt: TracePrompt { text: "a\\n".to_owned(), ids: vec![97, 10], cached: 0 },
            settings: TraceSettings { full: serde_json::to_value(settings.full()).unwrap(), changed: settings },
            seed: u64::MAX,
            max_tokens: 2,
            stop: vec!["\n".to_owned()],
            end_of_text: EndOfText::Stop,
            candidates: 2,
            samples: vec![Sample {
                temperature: None,
                finish_reason: FinishReason::Length,
                stopped_at: None,
                tokens: vec![token(300, b"\xe4\xb8", -1.0 / 3.0), token(301, "\u{ad}\n".as_bytes(), -16.777_217)],
            }],
        }
    }

    #[test]
    fn what_is_written_is_read_back_bit_for_bit() {
        let trace = example();
        let json = trace.to_json().unwrap();
        assert_eq!(Trace::parse(&json).unwrap(), trace);
        let lines = json.lines().filter(|line| line.trim_start().starts_with("{\"id\": ")).count();
        assert_eq!(lines, 2, "a token in one line:\n{json}");
        assert!(json.contains(r#""text": "\\xE4\\xB8""#), "{json}");
        assert!(json.contains(r#""ids": [97, 10]"#), "{json}");
        assert!(json.contains("18446744073709551615"));
    }

    #[test]
    fn damage_is_told_with_its_place() {
        let json = example().to_json().unwrap();
        let cut = &json[..json.len() / 2];
        let error = Trace::parse(cut).unwrap_err().to_string();
        assert!(error.contains("line") && error.contains("column"), "{error}");
        let error = Trace::parse(&json.replacen("\"rank\": 2", "\"rank\": -2", 1)).unwrap_err().to_string();
        let line = json.lines().position(|line| line.contains("\"rank\"")).unwrap() + 1;
        assert!(error.contains(&format!("line {line} column")), "{error}");
        let error = Trace::parse(&json.replacen("\"seed\": 1", "\"sead\": 1", 1)).unwrap_err().to_string();
        assert!(error.contains("missing field `seed`"), "{error}");
    }

    #[test]
    fn what_is_no_trace_of_this_version_is_named() {
        let json = example().to_json().unwrap();
        let cases = [
            (json.replacen("kshot.trace.v1", "kshot.trace.v2", 1), "kshot.trace.v2"),
            (json.replacen("kshot.trace.v1", "zebra", 1), "\"zebra\""),
            ("{}".to_owned(), "missing"),
            (json.replacen("\"temperature\": 0.8", "\"temperature\": 0.9", 1), "not the same settings"),
            (json.replacen("\"temperature\": 0.8", "\"temperature\": -1", 1), "temperature"),
        ];
        for (text, part) in cases {
            let error = Trace::parse(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn other_weights_are_refused_by_name() {
        let mut trace = example();
        let error = trace.check_weights(&Files::BuiltIn).unwrap_err().to_string();
        assert!(error.contains("model.safetensors") && error.contains("with ab"), "{error}");
        trace.model.weights = weights_sha256(&Files::BuiltIn).unwrap();
        trace.check_weights(&Files::BuiltIn).unwrap();
        trace.model.weights = [("model-00001-of-00002.safetensors".to_owned(), "ab".to_owned())].into();
        assert!(trace.check_weights(&Files::BuiltIn).is_err());
        trace.model.weights.clear();
        assert!(trace.check_weights(&Files::BuiltIn).is_err());
    }

    #[test]
    fn a_generation_that_was_stopped_runs_as_far_as_it_came() {
        let mut trace = example();
        trace.max_tokens = 100;
        assert_eq!(trace.request().max_tokens, 100);
        trace.samples[0].finish_reason = FinishReason::Cancelled;
        assert_eq!(trace.request().max_tokens, 2);
        assert_eq!(trace.request().seed, Some(u64::MAX));
    }
}
