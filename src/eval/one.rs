//! The items of an evaluation one after the other: for an engine that runs no batches.

use crate::engine::{
    Backend, CancelToken, EngineError, GenerateRequest, OnEndOfText, Produced, ScoreRequest, Start as ScoreFrom,
};
use crate::sampling::Settings;
use crate::text::Tokenizer;

use super::run::{Job, Prepared, prepare};
use super::{EvalError, Question, Record, Start};

/// Answers questions with whatever engine: the continuation that it generates greedily, and the log-probability that it
/// gives each choice. The figures are those of [`super::Evaluation`], which is faster where the decoder is in this process.
pub fn one_by_one<'m>(
    model: &'m mut dyn Backend,
    questions: impl Iterator<Item = Result<Question, EvalError>> + 'm,
    start: Start,
    cancel: &'m CancelToken,
) -> impl Iterator<Item = Result<Record, EvalError>> + 'm {
    questions.map(move |question| {
        let (info, tokenizer) = (model.info().clone(), model.tokenizer().cloned());
        let without = EngineError::Unable { what: "an evaluation", why: "this engine has no tokenizer here" };
        let tokenizer = tokenizer.ok_or(without)?;
        match prepare(question?, &tokenizer, info.vocab, info.context, start)? {
            Prepared::TooLong(record) => Ok(*record),
            Prepared::Fits(mut job) => {
                answer(model, &mut job, &tokenizer, cancel)?;
                choose(model, &mut job, cancel)?;
                Ok(job.finish())
            }
        }
    })
}

/// Generates until the answer has ended.
fn answer(
    model: &mut dyn Backend,
    job: &mut Job,
    tokenizer: &Tokenizer,
    cancel: &CancelToken,
) -> Result<(), EvalError> {
    let context = model.info().context;
    let request = GenerateRequest {
        prompt: job.prompt().to_vec().into(),
        sequences: 1,
        max_tokens: context - job.prompt().len(),
        settings: Settings::preset("greedy").unwrap_or_else(|_| Settings::neutral()),
        temperatures: Vec::new(),
        seed: Some(0),
        stop: Vec::new(),
        on_end_of_text: OnEndOfText::Stop,
        top: 0,
    };
    let enough = CancelToken::new();
    model.generate(&request, &enough, &mut |produced| {
        if let Produced::Step(step) = produced
            && !job.has_ended()
        {
            job.take(step.id(), context, tokenizer);
        }
        if job.has_ended() || cancel.is_cancelled() {
            enough.cancel();
        }
    })?;
    if cancel.is_cancelled() { Err(EngineError::Cancelled.into()) } else { Ok(()) }
}

/// Scores every choice behind the prompt.
fn choose(model: &mut dyn Backend, job: &mut Job, cancel: &CancelToken) -> Result<(), EvalError> {
    let before = job.prompt().len();
    for choice in 0..job.choices().len() {
        let ids = job.prompt().iter().chain(&job.choices()[choice]).copied().collect();
        let scores = model.score(&ScoreRequest { ids, start: ScoreFrom::FirstToken, top: 0 }, cancel)?;
        let tokens = scores.tokens.get(before..).unwrap_or_default();
        let sum = tokens.iter().map(|token| token.logprob.map(f64::from)).sum::<Option<f64>>();
        let without =
            EngineError::Unable { what: "a choice", why: "this engine does not give the probabilities of it" };
        job.set_sum(choice, sum.ok_or(without)?);
    }
    Ok(())
}
