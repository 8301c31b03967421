//! The layers a decoder is made of, over rows: `x` is `[T, in]`, one row a token.

use std::sync::Arc;

use candle_core::{D, Device, Tensor};

use super::{Activation, Result};
use crate::kernels::packed::Packed;
use crate::kernels::{grad, linear, rowwise};

/// A weight matrix `[out, in]`.
#[derive(Clone)]
pub(super) enum Weight {
    /// A tensor: what training changes, and what runs on any device.
    Dense(Tensor),
    /// In the form that the CPU kernels read.
    Packed(Arc<Packed>),
}

impl Weight {
    /// As a tensor. Packed weights are unpacked for it, for the stock path only.
    pub(super) fn dense(&self) -> Result<Tensor> {
        match self {
            Self::Dense(tensor) => Ok(tensor.clone()),
            Self::Packed(packed) => Ok(Tensor::from_vec(packed.to_rows(), &packed.shape(), &Device::Cpu)?),
        }
    }

    /// What the CPU kernels read, where that is its form.
    pub(super) fn packed(&self) -> Option<&Packed> {
        match self {
            Self::Packed(packed) => Some(packed),
            Self::Dense(_) => None,
        }
    }

    /// Whether both hold the same numbers.
    pub(super) fn same_values(&self, other: &Self) -> Result<bool> {
        match (self, other) {
            (Self::Packed(a), Self::Packed(b)) => Ok(a == b),
            (a, b) => {
                let (a, b) = (a.dense()?, b.dense()?);
                Ok(a.ne(&b)?.max_all()?.to_scalar::<u8>()? == 0)
            }
        }
    }

    /// Its rows `ids`: embeddings `[T, in]`.
    pub(super) fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        Ok(match self {
            Self::Dense(tensor) => {
                tensor.index_select(&Tensor::from_vec(ids.to_vec(), ids.len(), tensor.device())?, 0)?
            }
            Self::Packed(packed) => linear::embed(packed, ids)?,
        })
    }
}

/// x·Wᵀ + b with W kept as `[out, in]`.
pub(super) struct Linear {
    weight: Weight,
    bias: Option<Tensor>,
}

impl Linear {
    pub(super) fn new(weight: Weight, bias: Option<Tensor>) -> Self {
        Self { weight, bias }
    }

    pub(super) fn weight(&self) -> &Weight {
        &self.weight
    }

    /// The kernel for it, where its weights are packed.
    pub(super) fn kernel(&self) -> Option<linear::FusedLinear<'_>> {
        self.weight.packed().map(|weight| linear::FusedLinear::new(weight, self.bias.as_ref()))
    }

    /// What the training kernel of a whole block takes: dense weights and a bias.
    pub(super) fn pair(&self) -> Option<grad::Pair> {
        match (&self.weight, &self.bias) {
            (Weight::Dense(weight), Some(bias)) if grad::serves(weight) && grad::serves(bias) => {
                Some(grad::Pair { weight: weight.clone(), bias: bias.clone() })
            }
            _ => None,
        }
    }

    /// `[T, in]` to `[T, out]`.
    pub(super) fn forward(&self, x: &Tensor, path: Path) -> Result<Tensor> {
        if let (Path::Fused, Some(kernel)) = (path, self.kernel()) {
            return Ok(kernel.apply(x)?);
        }
        let weight = self.weight.dense()?;
        if let (Path::Training, Some(bias)) = (path, &self.bias)
            && grad::serves(x)
        {
            return Ok(grad::linear(x, &weight, bias)?);
        }
        let product = x.matmul(&weight.t()?)?;
        Ok(match &self.bias {
            Some(bias) => product.broadcast_add(bias)?,
            None => product,
        })
    }
}

/// Which implementation a layer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// Ordinary tensor operations: differentiable, traceable, on any device.
    Stock,
    /// Fused kernels where there is one for the shape, dtype and device; the stock operation elsewhere.
    Fused,
    /// Fused kernels that have a gradient, where there is one for the shape, dtype and device; the stock operation
    /// elsewhere.
    Training,
}

/// (x - mean) / √(variance + ε) · weight + bias, over the last dimension, two passes as in PyTorch.
pub(super) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

impl LayerNorm {
    pub(super) fn new(weight: Tensor, bias: Tensor, epsilon: f64) -> Self {
        Self { weight, bias, epsilon }
    }

    /// What the training kernel of a whole block takes, and ε.
    pub(super) fn pair(&self) -> (grad::Pair, f64) {
        (grad::Pair { weight: self.weight.clone(), bias: self.bias.clone() }, self.epsilon)
    }

    /// What a kernel needs to take it in.
    pub(super) fn kernel(&self) -> linear::Norm<'_> {
        linear::Norm { weight: &self.weight, bias: &self.bias, epsilon: self.epsilon }
    }

    /// `[T, C]` to `[T, C]`.
    pub(super) fn forward(&self, x: &Tensor, path: Path) -> Result<Tensor> {
        Ok(match path {
            Path::Fused if rowwise::serves(x) => rowwise::layer_norm(x, &self.weight, &self.bias, self.epsilon)?,
            Path::Training if grad::serves(x) => grad::layer_norm(x, &self.weight, &self.bias, self.epsilon)?,
            _ => candle_nn::ops::layer_norm_slow(x, &self.weight, &self.bias, self.epsilon as f32)?,
        })
    }
}

impl Activation {
    /// Element by element.
    ///
    /// # Errors
    /// A failing tensor operation.
    #[expect(clippy::approx_constant, reason = "the digits that transformers has for `laplace`")]
    pub fn forward(self, x: &Tensor, path: Path) -> Result<Tensor> {
        Ok(match self {
            Self::GeluTanh if path == Path::Fused && rowwise::serves(x) => rowwise::gelu_tanh(x)?,
            Self::GeluTanh if path == Path::Training && grad::serves(x) => grad::gelu_tanh(x)?,
            Self::Gelu => x.gelu_erf()?,
            Self::GeluTanh => x.gelu()?,
            Self::QuickGelu => (x * candle_nn::ops::sigmoid(&(x * 1.702)?)?)?,
            Self::Relu => relu(x)?,
            Self::ReluSquared => relu(x)?.sqr()?,
            Self::Silu => x.silu()?,
            Self::Tanh => x.tanh()?,
            Self::Sigmoid => candle_nn::ops::sigmoid(x)?,
            Self::ClippedGelu => x.gelu_erf()?.clamp(-10.0, 10.0)?,
            Self::HardSwish => (x * ((x + 3.0)?.clamp(0.0, 6.0)? / 6.0)?)?,
            Self::Laplace => {
                let scaled = ((x - 0.707_107)? / (0.282_095 * std::f64::consts::SQRT_2))?;
                ((scaled.erf()? + 1.0)? * 0.5)?
            }
            Self::LeakyRelu => x.maximum(&(x * 0.01)?)?,
            Self::Linear => x.clone(),
            Self::Mish => (x * softplus(x)?.tanh()?)?,
            Self::Relu6 => x.clamp(0.0, 6.0)?,
            Self::SqrtSoftplus => softplus(x)?.sqrt()?,
        })
    }
}

/// max(x, 0), where NaN stays NaN as in torch; candle's `relu` makes it 0.
fn relu(x: &Tensor) -> Result<Tensor> {
    Ok(x.maximum(0f32)?)
}

/// ln(1 + eˣ) as max(x, 0) + ln(1 + e^-|x|), which does not overflow.
fn softplus(x: &Tensor) -> Result<Tensor> {
    // ln(1 + t) loses the digits of a small t, and t · ln u / (u - 1) with u = 1 + t has them again; where u is 1 it is t
    // (Goldberg, "What every computer scientist should know about floating-point arithmetic", theorem 4).
    let t = x.abs()?.neg()?.exp()?;
    let u = (&t + 1.0)?;
    let above = (&u - 1.0)?;
    let none = above.eq(0f32)?.to_dtype(t.dtype())?;
    let log = ((u.log()? / (above + &none)?)? + none)?;
    Ok((relu(x)? + (t * log)?)?)
}

/// Softmax over the last dimension.
pub(super) fn softmax(scores: &Tensor, path: Path) -> Result<Tensor> {
    Ok(match path {
        Path::Fused if rowwise::serves(scores) => rowwise::softmax(scores)?,
        _ => candle_nn::ops::softmax(scores, D::Minus1)?,
    })
}
