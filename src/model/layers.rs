//! The layers a decoder is made of, over rows: `x` is `[T, in]`, one row a token.

use candle_core::{D, Tensor};

use super::{Activation, Result};
use crate::kernels::{gemv, grad, rowwise};

/// x·Wᵀ + b with W kept as `[out, in]`.
pub(super) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    pub(super) fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { weight, bias }
    }

    /// `[out, in]`.
    pub(super) fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// `[T, in]` to `[T, out]`.
    pub(super) fn forward(&self, x: &Tensor, path: Path) -> Result<Tensor> {
        if path == Path::Fused && gemv::serves(x, &self.weight) {
            return Ok(gemv::apply(x, &self.weight, self.bias.as_ref())?);
        }
        if let (Path::Training, Some(bias)) = (path, &self.bias)
            && grad::serves(x)
        {
            return Ok(grad::linear(x, &self.weight, bias)?);
        }
        let product = x.matmul(&self.weight.t()?)?;
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
    pub fn forward(self, x: &Tensor, path: Path) -> Result<Tensor> {
        Ok(match self {
            Self::GeluTanh if path == Path::Fused && rowwise::serves(x) => rowwise::gelu_tanh(x)?,
            Self::GeluTanh if path == Path::Training && grad::serves(x) => grad::gelu_tanh(x)?,
            Self::Gelu => x.gelu_erf()?,
            Self::GeluTanh => x.gelu()?,
            Self::QuickGelu => (x * candle_nn::ops::sigmoid(&(x * 1.702)?)?)?,
            Self::Relu => x.relu()?,
            Self::ReluSquared => x.relu()?.sqr()?,
            Self::Silu => x.silu()?,
            Self::Tanh => x.tanh()?,
            Self::Sigmoid => candle_nn::ops::sigmoid(x)?,
        })
    }
}

/// Softmax over the last dimension.
pub(super) fn softmax(scores: &Tensor, path: Path) -> Result<Tensor> {
    Ok(match path {
        Path::Fused if rowwise::serves(scores) => rowwise::softmax(scores)?,
        _ => candle_nn::ops::softmax(scores, D::Minus1)?,
    })
}
