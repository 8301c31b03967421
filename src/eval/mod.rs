//! Few-shot evaluation: how often a model answers a task right at 0, 1, 2, ... examples, and how sure that figure is.
//!
//! Owns: the questions of a run and their numbering ([`Plan`]), answering them in batches ([`Evaluation`], an iterator), the
//! results file that a run goes on from ([`Journal`]), rates with their errors ([`Rate`]), and the protocol in words.
//!
//! Does not know: the command line, a terminal, how a model is found. It prints nothing and draws no conclusion.

mod error;
mod journal;
mod one;
mod protocol;
mod question;
mod rate;
mod record;
mod run;
mod tally;

use std::sync::atomic::AtomicBool;

use crate::corpus::{Shape, Suite};
use crate::model::Decoder;
use crate::text::Tokenizer;

pub use error::EvalError;
pub use journal::{Done, Journal};
pub use one::one_by_one;
pub use protocol::{DEFINITIONS, Definitions, ModelIdentity, Protocol};
pub use question::{Cell, Documents, Instructions, Kind, Plan, Question, Source, TaskSource};
pub use rate::Rate;
pub use record::{Answer, Choice, Ended, Outcome, Record};
pub use run::{Evaluation, Start};
pub use tally::{Figures, Tally};

/// Exact matches of a suite's first `limit` items: one figure, for a training run that watches it. Items that do not fit
/// the context are in neither number of the rate.
///
/// # Errors
/// A failing pass, a prompt that cannot be tokenised, being cancelled.
#[expect(
    clippy::too_many_arguments,
    reason = "each says another thing, and one call a figure is what a training run has"
)]
pub fn accuracy(
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    suite: &Suite,
    shape: Shape,
    seed: u64,
    limit: usize,
    cancel: &AtomicBool,
) -> Result<Rate, EvalError> {
    let source = Source::Suite(suite);
    let questions = (0..limit).map(|item| {
        let question = source.question(item, shape.shots, shape.instruction, seed)?;
        // The log-probabilities of the choices are in no figure here, so they are not computed.
        Ok(Question { choices: Vec::new(), ..question })
    });
    let mut rate = Rate::default();
    for record in Evaluation::new(decoder, tokenizer, questions, Start::Prompt, cancel) {
        if let Outcome::Answered(answer) = record?.outcome {
            rate.add(answer.exact);
        }
    }
    Ok(rate)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
