//! Seeded generators of logits, texts and settings for the tests. Only sums, products and comparisons of exactly rounded
//! numbers: the same on every platform.

use kshot::sampling::{ParamId, Rng, Settings, StageId, Value, stages};

/// Kinds of rows, ordinary and hostile.
pub(crate) const SHAPES: [&str; 9] =
    ["normal", "peaked", "narrow", "ties", "masked", "masked ties", "gaps", "equal", "few above masks"];

/// A row of `len` logits of a shape, with at least one above −inf.
pub(crate) fn row(shape: &str, len: usize, rng: &mut Rng) -> Vec<f32> {
    let mut row: Vec<f32> = (0..len).map(|_| logit(shape, rng)).collect();
    let certain = below(rng, len);
    if row[certain] == f32::NEG_INFINITY {
        row[certain] = -7.25;
    }
    row
}

fn logit(shape: &str, rng: &mut Rng) -> f32 {
    // Twelve uniforms less six: mean 0, variance 1, tails to ±6.
    let normal = (0..12).map(|_| rng.uniform()).sum::<f64>() - 6.0;
    let is_masked = rng.uniform() < 0.4;
    let number = match shape {
        "normal" => -33.0 + 3.0 * normal,
        "peaked" if rng.uniform() < 0.01 => -15.0 + normal,
        "peaked" => -34.0 + 2.0 * normal,
        "narrow" => 5.0 + 0.01 * normal,
        "ties" => (2.0 * normal).round(),
        "masked" | "masked ties" if is_masked => f64::NEG_INFINITY,
        "masked" => 4.0 * normal,
        "masked ties" => (1.5 * normal).round(),
        "gaps" => (normal * 2.0).round() * 400.0,
        "equal" => -2.5,
        _ if rng.uniform() < 0.97 => f64::NEG_INFINITY,
        _ => normal,
    };
    number as f32
}

/// A text of `len` tokens in which some repeat often.
pub(crate) fn history(vocabulary: usize, len: usize, rng: &mut Rng) -> Vec<u32> {
    (0..len)
        .map(|_| {
            let bound = if rng.uniform() < 0.5 { vocabulary.min(8) } else { vocabulary };
            below(rng, bound) as u32
        })
        .collect()
}

/// Settings with about half of the stages on, in any order; one in five leaves a stage out.
pub(crate) fn settings(rng: &mut Rng) -> Settings {
    let choices: [(ParamId, &[f64]); 9] = [
        (ParamId::Temperature, &[1.0, 0.0, 0.3, 0.7, 0.8, 1.3, 2.0]),
        (ParamId::TopK, &[0.0, 0.0, 1.0, 2.0, 5.0, 40.0, 100.0, 3000.0]),
        (ParamId::TopP, &[1.0, 1.0, 0.0, 0.1, 0.5, 0.9, 0.95, 0.999]),
        (ParamId::MinP, &[0.0, 0.0, 0.01, 0.05, 0.3, 1.0]),
        (ParamId::TypicalP, &[1.0, 1.0, 0.0, 0.2, 0.5, 0.9, 0.99]),
        (ParamId::RepeatPenalty, &[1.0, 1.0, 0.7, 1.1, 1.5]),
        (ParamId::RepeatLastN, &[-1.0, 0.0, 3.0, 64.0]),
        (ParamId::FrequencyPenalty, &[0.0, 0.0, 0.25, -0.5, 1.0]),
        (ParamId::PresencePenalty, &[0.0, 0.0, 0.5, -1.0]),
    ];
    let mut settings = Settings::neutral();
    for (param, values) in choices {
        let number = values[below(rng, values.len())];
        let value = match param.spec().neutral {
            Value::Integer(_) => Value::Integer(number as i64),
            _ => Value::Float(number),
        };
        settings.set(param, value).unwrap();
    }
    let mut order: Vec<StageId> = stages().iter().map(|stage| stage.id).filter(|stage| stage.is_ordered()).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, below(rng, at + 1));
    }
    if rng.uniform() < 0.2 {
        order.pop();
    }
    settings.set_order(order).unwrap();
    settings
}

/// A whole number below `bound`.
pub(crate) fn below(rng: &mut Rng, bound: usize) -> usize {
    (rng.uniform() * bound as f64) as usize
}
