//! What a decoder computes, whatever family it comes from.

use super::Dtype;

/// The shape and the switches of a decoder. Families translate their `config.json` into this; nothing else is read.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    /// V: rows of the embedding table.
    pub vocab: usize,
    /// Learned positions: the longest context.
    pub n_positions: usize,
    /// C: width of the residual stream.
    pub n_embd: usize,
    /// Number of blocks.
    pub n_layer: usize,
    /// NH: heads a block; `n_embd` is divisible by it.
    pub n_head: usize,
    /// Width of the MLP's hidden layer; 0 for blocks of attention only.
    pub n_inner: usize,
    /// The MLP's non-linearity.
    pub activation: Activation,
    /// Added to the variance in every LayerNorm.
    pub layer_norm_epsilon: f64,
    /// What attention scores of each block are multiplied by, e.g. 1/sqrt(HS), or 1/sqrt(HS)/(layer + 1).
    pub score_scale: Vec<f64>,
    /// Scores and softmax in f32 even where the rest is computed in a narrower dtype.
    pub upcast_attention: bool,
    /// The output head is the embedding table.
    pub tie_word_embeddings: bool,
}

impl DecoderConfig {
    /// HS: width of one head.
    pub fn head_dim(&self) -> usize {
        self.n_embd / self.n_head
    }

    /// Number of weights, a tied head counted once.
    pub fn parameters(&self) -> u64 {
        let (c, f) = (self.n_embd as u64, self.n_inner as u64);
        let mlp = if f == 0 { 0 } else { 2 * c + (c * f + f) + (f * c + c) };
        let block = 2 * c + (c * 3 * c + 3 * c) + (c * c + c) + mlp;
        let table = self.vocab as u64 * c;
        let head = if self.tie_word_embeddings { 0 } else { table };
        table + self.n_positions as u64 * c + self.n_layer as u64 * block + 2 * c + head
    }

    /// Bytes of the weights with the matrices packed as `dtype`, all else in f32.
    pub fn weight_bytes(&self, dtype: Dtype) -> u64 {
        let (c, f, v) = (self.n_embd, self.n_inner, self.vocab);
        let bytes = |n, k| dtype.matrix_bytes(n, k) as u64;
        let tables = if self.tie_word_embeddings { 1 } else { 2 };
        let block: u64 = [(3 * c, c), (c, c), (f, c), (c, f)].map(|(n, k)| bytes(n, k)).iter().sum();
        let matrices = (3 * c * c + c * c + 2 * f * c) * self.n_layer + tables * v * c;
        tables as u64 * bytes(v, c) + self.n_layer as u64 * block + (self.parameters() - matrices as u64) * 4
    }
}

/// Non-linearity of the MLP, by the names of transformers' `ACT2FN` (transformers/activations.py).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x · Φ(x), exact: `gelu`, `gelu_python`.
    Gelu,
    /// 0.5x(1 + tanh(√(2/π)(x + 0.044715x³))): `gelu_new`, `gelu_fast`, `gelu_pytorch_tanh`, `gelu_accurate`.
    GeluTanh,
    /// x · σ(1.702x): `quick_gelu`.
    QuickGelu,
    /// max(x, 0): `relu`.
    Relu,
    /// max(x, 0)²: `relu2`, `relu_squared`.
    ReluSquared,
    /// x · σ(x): `silu`, `swish`.
    Silu,
    /// tanh x: `tanh`.
    Tanh,
    /// σ(x): `sigmoid`.
    Sigmoid,
    /// gelu(x) within -10 and 10: `gelu_10`.
    ClippedGelu,
    /// x · min(max(x + 3, 0), 6) / 6: `hardswish`.
    HardSwish,
    /// Φ((x - 0.707107) / 0.282095): `laplace`.
    Laplace,
    /// max(x, 0.01x): `leaky_relu`.
    LeakyRelu,
    /// x: `linear`.
    Linear,
    /// x · tanh(ln(1 + eˣ)): `mish`.
    Mish,
    /// min(max(x, 0), 6): `relu6`.
    Relu6,
    /// √ln(1 + eˣ): `sqrtsoftplus`.
    SqrtSoftplus,
}

impl Activation {
    /// Every name that is known, with what it means.
    pub const NAMES: &[(&str, Activation)] = &[
        ("gelu", Activation::Gelu),
        ("gelu_python", Activation::Gelu),
        ("gelu_new", Activation::GeluTanh),
        ("gelu_fast", Activation::GeluTanh),
        ("gelu_accurate", Activation::GeluTanh),
        ("gelu_pytorch_tanh", Activation::GeluTanh),
        ("gelu_python_tanh", Activation::GeluTanh),
        ("quick_gelu", Activation::QuickGelu),
        ("relu", Activation::Relu),
        ("relu2", Activation::ReluSquared),
        ("relu_squared", Activation::ReluSquared),
        ("silu", Activation::Silu),
        ("swish", Activation::Silu),
        ("tanh", Activation::Tanh),
        ("sigmoid", Activation::Sigmoid),
        ("gelu_10", Activation::ClippedGelu),
        ("hardswish", Activation::HardSwish),
        ("laplace", Activation::Laplace),
        ("leaky_relu", Activation::LeakyRelu),
        ("linear", Activation::Linear),
        ("mish", Activation::Mish),
        ("relu6", Activation::Relu6),
        ("sqrtsoftplus", Activation::SqrtSoftplus),
    ];

    /// The activation of that name, where it is known.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|&(_, activation)| activation)
    }

    /// Its first name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, activation)| *activation == self).map_or("gelu_new", |(name, _)| name)
    }
}
