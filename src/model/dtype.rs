//! Which dtype the weights of a model are kept in.

use std::fmt;
use std::str::FromStr;

use super::{DecoderConfig, MemoryEstimate};
use crate::kernels::packed::Dtype;

/// The dtype of `--dtype`: a name, or left to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DtypeChoice {
    /// What suits the model and the machine; see [`DtypeChoice::of`].
    #[default]
    Auto,
    /// That one.
    Is(Dtype),
}

/// Bytes of f32 weights up to which they are read from the processor's caches, so that fewer bits would win nothing.
const SMALL: u64 = 64_000_000;

impl DtypeChoice {
    /// All of them, as they are listed.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Auto].into_iter().chain(Dtype::ALL.map(Self::Is))
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Is(dtype) => dtype.name(),
        }
    }

    /// What it does and what it costs, in a line. Divergences are mean KL(f32 ‖ dtype) of the built-in model over 4,080
    /// positions of documents it had not seen (`kshot bench --quality`).
    pub fn about(self) -> &'static str {
        match self {
            Self::Auto => "f32 for small models, else bf16, or q8_0 where bf16 does not fit; never 4 bits",
            Self::Is(Dtype::F32) => "32 bits a weight, as computed in training",
            Self::Is(Dtype::Bf16) => "16 bits a weight, twice as fast as f32; KL 3e-5 nats a token",
            Self::Is(Dtype::F16) => {
                "16 bits a weight, twice as fast as f32; exact for checkpoints that are stored in f16"
            }
            Self::Is(Dtype::Q8_0) => "8 bits a weight, three times as fast as f32; KL 5e-4 nats a token",
            Self::Is(Dtype::Q4_0) => {
                "4 bits a weight, five times as fast as f32; KL 2e-2 nats a token, one in eight first choices differs"
            }
        }
    }

    /// The one after it, in turn.
    pub fn next(self) -> Self {
        Self::all().skip_while(|choice| *choice != self).nth(1).unwrap_or_default()
    }

    /// The dtype for a model. Left to the program it is f32 where the weights are small, else bf16, which is twice as
    /// fast and close to f32, or q8_0 where bf16 does not fit into the memory that is free. Never 4 bits.
    pub fn of(self, config: &DecoderConfig, chunk: usize, free: Option<u64>) -> Dtype {
        let fits = |dtype: Dtype| MemoryEstimate::of(config, dtype, chunk).check(free).is_ok();
        match self {
            Self::Is(dtype) => dtype,
            Self::Auto if config.weight_bytes(Dtype::F32) <= SMALL => Dtype::F32,
            Self::Auto if fits(Dtype::Bf16) || !fits(Dtype::Q8_0) => Dtype::Bf16,
            Self::Auto => Dtype::Q8_0,
        }
    }
}

impl fmt::Display for DtypeChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DtypeChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::all().map(Self::name).collect::<Vec<_>>().join(", ");
        Self::all().find(|choice| choice.name() == name).ok_or_else(|| format!("the dtypes are {}", names()))
    }
}
