//! What can go wrong with settings and with a row of logits.

use super::stage::StageId;

/// A parameter, an order or a preset that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum ParamError {
    #[error("{key} is `{given}`; it takes {accepts}")]
    Invalid { key: &'static str, given: String, accepts: String },
    #[error("there is no sampling parameter `{key}`; the parameters are {known}")]
    UnknownParam { key: String, known: String },
    #[error("there is no sampling stage `{name}`; the stages are {known}")]
    UnknownStage { name: String, known: String },
    #[error("the stage {stage} stands twice in the order; name each stage once")]
    RepeatedStage { stage: StageId },
    #[error("the bias {given} is none: write a token's id and what is added to its logit, a number or `ban`: 464:+2.5")]
    Bias { given: String },
    #[error("there is no preset `{name}`; the presets are {known}")]
    UnknownPreset { name: String, known: String },
}

/// A row of logits, or what a stage made of it, from which no token can be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum SamplingError {
    #[error("the model gave no logits at all; its vocabulary is empty")]
    NoLogits,
    #[error(
        "{count} of {len} logits are NaN, the first for token id {first}; the model's numbers are broken (weights, dtype or a kernel)"
    )]
    NotANumber { count: usize, first: usize, len: usize },
    #[error("{count} of {len} logits are +inf, the first for token id {first}; the model's numbers overflow (try f32)")]
    Infinite { count: usize, first: usize, len: usize },
    #[error("all {len} logits are -inf; every token is masked out and none can be drawn")]
    AllMasked { len: usize },
    #[error("every token that could come is banned; ban fewer")]
    AllBanned,
    #[error("the stages before drawing overflow the logits; use a larger temperature and milder penalties")]
    Overflow,
    #[error("token id {id} is outside the {len} logits; the text belongs to another vocabulary")]
    OutsideVocabulary { id: u32, len: usize },
    #[error("the stage {stage} failed: {message}")]
    Stage { stage: StageId, message: String },
}
