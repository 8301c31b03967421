//! Points of the forward pass that can be looked at, by TransformerLens's names (transformer_lens/HookedTransformer.py).

use std::collections::BTreeMap;
use std::fmt;

use candle_core::Tensor;

use super::{ModelError, Result};

/// A point of the forward pass. Shapes: T tokens of one pass, C width, NH heads, HS head width, S keys, F `n_inner`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookPoint {
    /// Token embeddings `[T, C]`.
    Embed,
    /// Position embeddings `[T, C]`.
    PosEmbed,
    /// Residual stream before block i `[T, C]`.
    ResidPre(usize),
    /// Queries `[NH, T, HS]`.
    Q(usize),
    /// Keys of this pass `[NH, T, HS]`.
    K(usize),
    /// Values of this pass `[NH, T, HS]`.
    V(usize),
    /// Attention scores after scaling and masking `[NH, T, S]`.
    AttnScores(usize),
    /// Attention pattern: the softmax of the scores `[NH, T, S]`.
    Pattern(usize),
    /// Mix of values by head `[NH, T, HS]`.
    Z(usize),
    /// What attention adds to the residual stream `[T, C]`.
    AttnOut(usize),
    /// Residual stream between attention and MLP `[T, C]`.
    ResidMid(usize),
    /// MLP before its non-linearity `[T, F]`.
    MlpPre(usize),
    /// MLP after its non-linearity `[T, F]`.
    MlpPost(usize),
    /// What the MLP adds to the residual stream `[T, C]`.
    MlpOut(usize),
    /// Residual stream after block i `[T, C]`.
    ResidPost(usize),
    /// After the last LayerNorm `[T, C]`.
    LnFinal,
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (layer, name) = match *self {
            Self::Embed => return f.write_str("hook_embed"),
            Self::PosEmbed => return f.write_str("hook_pos_embed"),
            Self::LnFinal => return f.write_str("ln_final.hook_normalized"),
            Self::ResidPre(i) => (i, "hook_resid_pre"),
            Self::Q(i) => (i, "attn.hook_q"),
            Self::K(i) => (i, "attn.hook_k"),
            Self::V(i) => (i, "attn.hook_v"),
            Self::AttnScores(i) => (i, "attn.hook_attn_scores"),
            Self::Pattern(i) => (i, "attn.hook_pattern"),
            Self::Z(i) => (i, "attn.hook_z"),
            Self::AttnOut(i) => (i, "hook_attn_out"),
            Self::ResidMid(i) => (i, "hook_resid_mid"),
            Self::MlpPre(i) => (i, "mlp.hook_pre"),
            Self::MlpPost(i) => (i, "mlp.hook_post"),
            Self::MlpOut(i) => (i, "hook_mlp_out"),
            Self::ResidPost(i) => (i, "hook_resid_post"),
        };
        write!(f, "blocks.{layer}.{name}")
    }
}

/// Observes a forward pass. A traced pass takes the stock path.
pub trait Trace {
    /// Takes the tensor at a point. An error ends the pass.
    ///
    /// # Errors
    /// What the observer cannot accept.
    fn record(&mut self, point: HookPoint, value: &Tensor) -> Result<()>;
}

/// Keeps every tensor of a pass.
#[derive(Debug, Default)]
pub struct Recorder {
    /// The tensors, by point.
    pub tensors: BTreeMap<HookPoint, Tensor>,
}

impl Trace for Recorder {
    fn record(&mut self, point: HookPoint, value: &Tensor) -> Result<()> {
        self.tensors.insert(point, value.clone());
        Ok(())
    }
}

/// Ends a pass at the first value that is not finite. Scores are left out: masked ones are minus infinity by design.
#[derive(Debug, Default)]
pub struct FiniteCheck;

impl Trace for FiniteCheck {
    fn record(&mut self, point: HookPoint, value: &Tensor) -> Result<()> {
        if matches!(point, HookPoint::AttnScores(_)) {
            return Ok(());
        }
        let values = value.flatten_all()?.to_dtype(candle_core::DType::F32)?.to_vec1::<f32>()?;
        if values.iter().all(|value| value.is_finite()) {
            Ok(())
        } else {
            Err(ModelError::NotFinite { point: point.to_string() })
        }
    }
}
