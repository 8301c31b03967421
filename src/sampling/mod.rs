//! Sampling parameters as one table, and the chain of stages that turns logits into a token.
//!
//! Owns what every parameter is called, may be and does ([`specs`]), the settings of a run with their presets
//! ([`Settings`], [`presets()`]), the stages on [llm-samplers](llm_samplers)' traits ([`StageSpec`]), the random numbers
//! ([`Rng`]) and what is known about a step once its logits are there ([`Row`], [`Chain`]).
//! Knows no model, no tokenizer and no screen: a token is its id, a step is a slice of logits.
//!
//! ```
//! use kshot::sampling::{Chain, Rng, Settings};
//!
//! let settings = Settings::preset("balanced")?;
//! let mut chain = Chain::new(&settings).with_top(5);
//! let mut rng = Rng::new(42);
//! let step = chain.sample(&[1.0, 3.0, 2.5, -4.0], &[], &mut rng)?;
//! assert_eq!((step.id, step.rank), (2, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chain;
mod error;
mod params;
mod presets;
mod rng;
mod row;
mod saved;
mod select;
mod settings;
mod stage;
mod table;

pub use chain::{Candidate, Chain, Distribution, Sampled, StageCount};
pub use error::{ParamError, SamplingError};
pub use params::{ParamId, ParamKind, ParamSpec, Step, Value, specs};
pub use presets::{DEFAULT_PRESET, Preset, presets};
pub use rng::{Rng, random_seed};
pub use row::Row;
pub use saved::SavedPresets;
pub use settings::Settings;
pub use stage::{DEFAULT_ORDER, Reach, StageId, StageSpec, parse_order, stages};
