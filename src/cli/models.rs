//! `kshot models`, and the model that other commands take.

use clap::{Args, Subcommand};
use kshot::model::{Device, DtypeChoice};

/// The model of a command.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelArg {
    /// The model: a hub id (org/name[@revision]), a folder or `built-in` [default: built-in]
    #[arg(short = 'm', long = "model", value_name = "MODEL", env = "KSHOT_MODEL", hide_env_values = true)]
    pub(crate) name: Option<String>,

    /// The device to compute on: cpu, or cuda:N (an NVIDIA GPU, in a build with the feature cuda)
    #[arg(long, value_name = "DEVICE", default_value = "cpu", env = "KSHOT_DEVICE", hide_env_values = true)]
    pub(crate) device: Device,

    /// How the weights are kept in memory: f32, bf16, f16, q8_0, q4_0, or auto, which suits the model and the machine
    #[arg(long, value_name = "DTYPE", default_value = "f32", env = "KSHOT_DTYPE", hide_env_values = true)]
    pub(crate) dtype: DtypeChoice,
}

/// List, download, check and remove models
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    pub(crate) command: ModelsCommand,
}

/// What can be done with models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// The built-in model, the catalog and the cache: size, memory need, what is here
    List {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Download a model into the cache; goes on where it was stopped
    #[command(after_help = "Example:\n  kshot models pull openai-community/gpt2")]
    Pull(RefArg),
    /// What is known of a model: files, sizes, where they are; of the built-in one also its card
    Info(RefArg),
    /// Check each file of a model against the hash it is named by, or that its card names
    Verify(RefArg),
    /// Remove a model from the cache
    Rm(RefArg),
}

/// The model of a `models` command.
#[derive(Debug, Args)]
pub(crate) struct RefArg {
    /// org/name[@revision]; info and verify take a folder and `built-in` too
    #[arg(value_name = "MODEL")]
    pub(crate) name: String,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
