//! The table of families. A new one is a file like `gpt2.rs` and a row here.

use serde_json::{Map, Value};

use super::config::DecoderConfig;
use super::gpt2;

/// How one family of checkpoints is read.
pub struct Family {
    /// The name shown, and `model_type` in `config.json`.
    pub name: &'static str,
    /// Translates `config.json`; the error names the switch that cannot be honoured.
    pub config: fn(&Map<String, Value>) -> Result<DecoderConfig, String>,
    /// Prefixes that tensor names may carry, tried in order; the bare name comes last.
    pub prefixes: &'static [&'static str],
    /// The name of a part's tensor without prefix.
    pub tensor: fn(Part, usize) -> String,
    /// Whether linear weights are stored as `[in, out]` (OpenAI's Conv1D).
    pub conv1d: fn(Part) -> bool,
}

/// Every family that the decoder runs.
pub const FAMILIES: &[Family] = &[gpt2::FAMILY];

/// A tensor of the decoder, in the words of GPT-2's checkpoint names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Token embedding `[V, C]`.
    Wte,
    /// Position embedding `[n_positions, C]`.
    Wpe,
    /// First LayerNorm of a block.
    Ln1(Affine),
    /// Query, key and value in one, `[3C, C]` after loading.
    CAttn(Affine),
    /// Output of attention, `[C, C]`.
    AttnCProj(Affine),
    /// Second LayerNorm of a block.
    Ln2(Affine),
    /// Up-projection of the MLP, `[n_inner, C]`.
    CFc(Affine),
    /// Down-projection of the MLP, `[C, n_inner]`.
    MlpCProj(Affine),
    /// The last LayerNorm.
    LnF(Affine),
    /// Output head `[V, C]`.
    LmHead,
}

/// Which half of an affine map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affine {
    /// The factor.
    Weight,
    /// The summand.
    Bias,
}

impl Affine {
    /// Its name in a checkpoint.
    pub fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
        }
    }
}

/// The family that a `config.json` names.
///
/// # Errors
/// Says which families there are when `model_type` is none of them.
pub(super) fn of_config(config: &Map<String, Value>) -> Result<&'static Family, String> {
    let name = config.get("model_type").and_then(Value::as_str).ok_or("it has no \"model_type\"")?;
    FAMILIES.iter().find(|family| family.name == name).ok_or_else(|| {
        let known: Vec<_> = FAMILIES.iter().map(|f| f.name).collect();
        format!("model_type is {name:?}; kshot runs {}", known.join(", "))
    })
}
