//! A trace against a second run of it.

use std::borrow::Borrow;
use std::fmt;

use super::build::Build;
use super::trace::{Trace, TraceToken};
use crate::engine::{Finish, FinishReason, Step};

/// How far log-probabilities of the same tokens may lie apart, in nats, where the sums were taken in another order.
pub const TOLERANCE: f32 = 1e-3;

/// How equal a replay has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exactness {
    /// Every figure, bit for bit.
    Bits,
    /// The same ids; log-probabilities within [`TOLERANCE`], for the reasons given.
    Tolerance(Vec<String>),
}

impl Exactness {
    /// What can be promised for a trace on this build: bits, unless something changes the order of the sums.
    pub fn of(trace: &Trace, here: &Build) -> Self {
        let mut reasons = trace.kshot.differences(here);
        if trace.prompt.cached > 0 {
            let cached = trace.prompt.cached;
            reasons.push(format!("{cached} tokens of the prompt were read in an earlier run there, all at once here"));
        }
        if reasons.is_empty() { Self::Bits } else { Self::Tolerance(reasons) }
    }
}

/// The first place where a replay went another way.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Which sample, from 0.
    pub sample: usize,
    /// Which of its tokens, from 0.
    pub token: usize,
    /// What differs there: the trace, and now.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sample {}, token {}: {}", self.sample + 1, self.token + 1, self.what)
    }
}

/// The first difference between a trace and the steps of its second run; `None` where there is none.
pub fn compare<S: Borrow<Step>>(
    trace: &Trace,
    samples: &[Vec<S>],
    finish: &Finish,
    exactness: &Exactness,
) -> Option<Difference> {
    let empty = Vec::new();
    trace.samples.iter().enumerate().find_map(|(sample, then)| {
        let now = samples.get(sample).unwrap_or(&empty);
        let differing = then.tokens.iter().zip(now).enumerate().find_map(|(token, (then, now))| {
            let what = match TraceToken::of(now.borrow()) {
                Some(now) => differs(then, &now, exactness)?,
                None => "all its figures in the trace, not now".to_owned(),
            };
            Some(Difference { sample, token, what })
        });
        // Of a generation that the user stopped, only the tokens before the stop can be compared.
        let stopped = then.finish_reason == FinishReason::Cancelled;
        let (had, has) = (then.tokens.len(), now.len());
        let reason = finish.reasons.get(sample).copied().unwrap_or(FinishReason::Cancelled);
        differing
            .or_else(|| {
                let differs = has < had || (!stopped && has != had);
                let what = format!("{had} tokens in the trace, {has} now");
                differs.then(|| Difference { sample, token: had.min(has), what })
            })
            .or_else(|| {
                let differs = !stopped && reason != then.finish_reason;
                let what = format!("its end is {} in the trace, {reason} now", then.finish_reason);
                differs.then_some(Difference { sample, token: had, what })
            })
    })
}

fn differs(then: &TraceToken, now: &TraceToken, exactness: &Exactness) -> Option<String> {
    if then.id != now.id {
        let (there, here) = (format!("{} \"{}\"", then.id, then.text), format!("{} \"{}\"", now.id, now.text));
        return Some(format!("id {there} in the trace, {here} now"));
    }
    let logprobs = [
        ("log-probability", then.logprob, now.logprob),
        ("log-probability after the chain", then.logprob_sampled, now.logprob_sampled),
    ];
    let equal = |a: f32, b: f32| match exactness {
        Exactness::Bits => a.to_bits() == b.to_bits(),
        Exactness::Tolerance(_) => (a - b).abs() <= TOLERANCE,
    };
    if let Some((what, there, here)) = logprobs.into_iter().find(|&(_, there, here)| !equal(there, here)) {
        return Some(format!("{what} {there} in the trace, {here} now"));
    }
    if *exactness != Exactness::Bits {
        return None;
    }
    let figures = [
        ("text", format!("\"{}\"", then.text), format!("\"{}\"", now.text)),
        ("rank", then.rank.to_string(), now.rank.to_string()),
        ("entropy", then.entropy.to_string(), now.entropy.to_string()),
    ];
    if let Some((what, there, here)) = figures.into_iter().find(|(_, there, here)| there != here) {
        return Some(format!("{what} {there} in the trace, {here} now"));
    }
    let length = then.top.len().max(now.top.len());
    let at = (0..length).find(|at| then.top.get(*at) != now.top.get(*at))?;
    let [there, here] = [then, now].map(|token| token.top.get(at).map_or("none".to_owned(), ToString::to_string));
    Some(format!("candidate {} is {there} in the trace, {here} now", at + 1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::super::trace::tests::example;
    use super::*;
    use crate::engine::{Drawn, Timings};
    use crate::sampling::{Candidate, Sampled};
    use crate::text::unescape_bytes;

    fn steps(trace: &Trace) -> Vec<Vec<Step>> {
        let step = |(index, token): (usize, &TraceToken)| {
            let bytes = unescape_bytes(&token.text).unwrap();
            let top = token.top.iter().map(|c| Candidate { id: c.0, logprob: c.1, logprob_sampled: c.2 }).collect();
            Step {
                sequence: 0,
                index,
                shown: bytes.len(),
                bytes,
                drawn: Drawn::Here(Sampled {
                    id: token.id,
                    logprob: token.logprob,
                    logprob_sampled: token.logprob_sampled,
                    rank: token.rank,
                    entropy_bits: token.entropy,
                    entropy_sampled_bits: 0.0,
                    top,
                    candidates: 300,
                    survivors: Vec::new(),
                    log_sum_exp: 0.0,
                }),
            }
        };
        trace.samples.iter().map(|sample| sample.tokens.iter().enumerate().map(step).collect()).collect()
    }

    fn drawn(step: &mut Step) -> &mut Sampled {
        match &mut step.drawn {
            Drawn::Here(sampled) => sampled,
            Drawn::There(_) => unreachable!("made here"),
        }
    }

    fn finish(reason: FinishReason) -> Finish {
        Finish { reasons: vec![reason], stopped_at: vec![None], seed: 0, prompt: vec![97], timings: Timings::default() }
    }

    #[test]
    fn the_first_difference_is_found() {
        let trace = example();
        let (length, bits) = (finish(FinishReason::Length), Exactness::Bits);
        let near = Exactness::Tolerance(vec!["another machine".to_owned()]);
        assert_eq!(compare(&trace, &steps(&trace), &length, &bits), None);

        type Change = fn(&mut Vec<Step>);
        let cases: [(Change, &str, Option<&str>); 8] = [
            (|now| drawn(&mut now[0]).id = 5, "token 1: id 300", Some("token 1: id 300")),
            (|now| drawn(&mut now[1]).logprob += 2e-6, "token 2: log-probability -16", None),
            (|now| drawn(&mut now[1]).logprob -= 2e-3, "token 2: log-probability -16", Some("token 2: log-prob")),
            (|now| drawn(&mut now[0]).logprob_sampled += 2e-3, "after the chain", Some("after the chain")),
            (|now| drawn(&mut now[0]).rank = 3, "rank 2 in the trace, 3 now", None),
            (|now| drawn(&mut now[0]).top[0].id = 8, "candidate 1 is id 7, -0.1 nats, after the chain", None),
            (|now| _ = now.pop(), "token 2: 2 tokens in the trace, 1 now", Some("1 now")),
            (|now| now.push(now[0].clone()), "token 3: 2 tokens in the trace, 3 now", Some("3 now")),
        ];
        for (at, (change, exact, tolerant)) in cases.into_iter().enumerate() {
            let mut now = steps(&trace);
            change(&mut now[0]);
            let said = |exactness| compare(&trace, &now, &length, exactness).map(|d| d.to_string());
            assert!(said(&bits).is_some_and(|text| text.contains(exact)), "{at}: {:?}", said(&bits));
            match tolerant {
                Some(part) => assert!(said(&near).is_some_and(|text| text.contains(part)), "{at}: {:?}", said(&near)),
                None => assert_eq!(said(&near), None, "{at}"),
            }
        }
        let ended = compare(&trace, &steps(&trace), &finish(FinishReason::Eos), &bits).unwrap();
        assert!(ended.what.contains("its end is length in the trace, eos now"), "{ended}");
    }

    #[test]
    fn bits_are_promised_only_where_nothing_changed() {
        let here = Build::here();
        let mut trace = example();
        assert_eq!(Exactness::of(&trace, &here), Exactness::Bits);
        trace.prompt.cached = 1;
        assert!(matches!(Exactness::of(&trace, &here), Exactness::Tolerance(why) if why[0].contains("earlier run")));
        trace.prompt.cached = 0;
        trace.kshot.threads += 1;
        assert!(matches!(Exactness::of(&trace, &here), Exactness::Tolerance(why) if why[0].starts_with("threads")));
    }

    #[test]
    fn of_a_stopped_generation_the_start_is_compared() {
        let mut trace = example();
        let mut now = steps(&trace);
        trace.samples[0].finish_reason = FinishReason::Cancelled;
        trace.samples[0].tokens.pop();
        assert_eq!(compare(&trace, &now, &finish(FinishReason::Length), &Exactness::Bits), None);
        now[0].clear();
        assert!(compare(&trace, &now, &finish(FinishReason::Length), &Exactness::Bits).is_some());
    }
}
