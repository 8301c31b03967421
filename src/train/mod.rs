//! Training: GPT-1's pre-training objective on the one decoder, as an iterator of typed steps.
//!
//! L1(U) = Σᵢ log P(uᵢ | uᵢ₋ₖ … uᵢ₋₁; Θ) with a window of k tokens (GPT-1 paper, eq. 1). A [`Recipe`] says everything that
//! a run depends on; a [`Source`] gives the tokens of any step without its history, so a run that was cut off resumes
//! exactly where its last checkpoint was ([`Run`]); a [`Worker`] runs them on a thread of its own. The result is a
//! checkpoint folder like any other.
//!
//! Fine-tuning is in [`finetune`].
//!
//! Owns: recipes, batches, the optimiser, checkpoints of runs. Knows no terminal and prints nothing.

mod adamw;
mod error;
pub mod finetune;
mod induction;
mod message;
mod noise;
mod prepare;
mod read;
mod recipe;
mod run;
mod source;
mod state;
mod trainer;
mod worker;

pub use adamw::AdamW;
pub use error::TrainError;
pub use induction::{Induction, induction};
pub use message::{Begin, Command, Event, Facts, Plan, Shots, TuneFacts, Work};
pub use noise::Noise;
pub use prepare::{Prepared, prepare};
pub use read::Text;
pub use recipe::{Data, Preset, Recipe, Schedule, Shape};
pub use run::Run;
pub use source::{Copying, Generated, Rows, Source, Tokens};
pub use state::{FOLDER_FILES, State, Stored, write_checkpoint};
pub use trainer::{StepReport, Trainer};
pub use worker::Worker;

/// Any failure of this layer.
pub type Result<T, E = TrainError> = std::result::Result<T, E>;
