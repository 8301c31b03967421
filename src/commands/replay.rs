//! `kshot replay`: a trace, run again and compared.

use anyhow::{Context as _, anyhow, bail};
use kshot::engine::{Dtype, DtypeChoice};
use kshot::export::{Build, Difference, Exactness, TOLERANCE, Trace, compare};
use kshot::text::sanitise;
use serde::Serialize;

use super::generate::produce;
use super::interrupt::Interrupt;
use super::{Context, Status, Usage, input, model};
use crate::cli::{ModelArg, ReplayArgs};

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    same: bool,
    /// Whether every bit was compared; else log-probabilities were, within `tolerance`, for these reasons.
    bits: bool,
    tolerance: Option<f32>,
    reasons: &'a [String],
    tokens: usize,
    difference: Option<String>,
}

pub(super) fn run(args: &ReplayArgs, cx: &mut Context) -> anyhow::Result<Status> {
    let shown = args.file.display();
    let json = input::file_or_stdin(&args.file)?;
    let trace = Trace::parse(&json).with_context(|| format!("cannot replay {shown}"))?;
    // The model of the trace, unless this command names one itself.
    let name = args.model.name.clone().unwrap_or_else(|| trace.model.name.clone());
    // The dtype is part of what is to come out again.
    let made_with = &trace.model.dtype;
    let dtype: DtypeChoice = made_with
        .parse()
        .map_err(|error| anyhow!("its dtype is {made_with}; {error}"))
        .with_context(|| format!("cannot replay {shown}"))?;
    if ![dtype, DtypeChoice::Is(Dtype::F32)].contains(&args.model.dtype) {
        bail!(Usage(format!("{shown} was made with --dtype {made_with} and can only be replayed with it")));
    }
    let arg = ModelArg { dtype, ..args.model.clone() };
    let interrupt = Interrupt::on_ctrl_c()?;
    let mut model = model::load(&name, &arg, cx, &interrupt)?;
    trace.check_weights(&model.info().files).with_context(|| format!("cannot replay {shown} on {name}"))?;

    let exactness = Exactness::of(&trace, &Build::here());
    let request = trace.request();
    let (steps, finish) = match request.max_tokens {
        // Nothing was sampled: nothing can differ.
        0 => return report(args, &trace, &exactness, None, cx),
        _ => produce(model.as_mut(), &request, &interrupt.engine, |_| Ok(()))?,
    };
    if interrupt.engine.is_cancelled() {
        return Ok(Status::Interrupted);
    }
    let difference = compare(&trace, &steps, &finish, &exactness);
    report(args, &trace, &exactness, difference.as_ref(), cx)
}

fn report(
    args: &ReplayArgs,
    trace: &Trace,
    exactness: &Exactness,
    difference: Option<&Difference>,
    cx: &mut Context,
) -> anyhow::Result<Status> {
    let tokens = trace.samples.iter().map(|sample| sample.tokens.len()).sum();
    let (bits, reasons) = match exactness {
        Exactness::Bits => (true, [].as_slice()),
        Exactness::Tolerance(reasons) => (false, reasons.as_slice()),
    };
    let difference = difference.map(ToString::to_string);
    if args.json {
        let (tolerance, difference) = ((!bits).then_some(TOLERANCE), difference.clone());
        cx.out.json(&Report { same: difference.is_none(), bits, tolerance, reasons, tokens, difference })?;
    } else {
        let how = match bits {
            true => "log-probabilities equal bit for bit".to_owned(),
            false => format!("log-probabilities within {TOLERANCE} nats"),
        };
        if difference.is_none() {
            cx.out.line(format!("same: {tokens} tokens, {how}"))?;
        }
        for reason in reasons {
            cx.out.line(format!("not compared bit for bit: {}", sanitise::line(reason)))?;
        }
    }
    match difference {
        None => Ok(Status::Done),
        Some(difference) => bail!("{} was not repeated: different at {difference}", args.file.display()),
    }
}
