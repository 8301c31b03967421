//! How values of flags are read: each number has bounds, which the message names.

use std::ops::RangeInclusive;

use clap::builder::RangedU64ValueParser;

/// How many of something.
pub(super) fn count(range: RangeInclusive<u64>) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(range)
}

/// A number of updates.
pub(super) fn steps(least: u64) -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(least..=1_000_000_000)
}

/// A finite number from `low` to `high`.
pub(super) fn number(text: &str, low: f64, high: f64) -> Result<f64, String> {
    let value = text.trim().parse().ok().filter(|value| (low..=high).contains(value));
    value.ok_or_else(|| format!("this takes a number from {low} to {high}"))
}

/// Columns and rows: `120x36`.
pub(super) fn size(raw: &str) -> Result<(u16, u16), String> {
    let sides = raw.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    match sides {
        Some((width @ 1..=1000, height @ 1..=1000)) => Ok((width, height)),
        _ => Err("a size is columns x rows, each from 1 to 1000: 120x36".to_owned()),
    }
}

/// A form of input.
pub(super) fn form(raw: &str) -> Result<kshot::train::finetune::Form, String> {
    use kshot::train::finetune::Form;
    let names = Form::ALL.map(Form::name);
    let found = Form::ALL.into_iter().find(|form| form.name() == raw);
    found.ok_or_else(|| format!("the forms are {}", names.join(", ")))
}

/// A stop string: with escapes, and not empty.
pub(super) fn stop_string(raw: &str) -> Result<String, String> {
    match kshot::text::unescape(raw)? {
        text if text.is_empty() => Err("an empty string would stop at once".to_owned()),
        text => Ok(text),
    }
}
