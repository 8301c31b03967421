//! The one table of parameters. Flags, forms, sliders, presets and help are derived from its rows.

use super::error::ParamError;
use super::stage::StageId;
use super::table::SPECS;

/// A parameter of a generation; its position in [`specs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the table's rows document each parameter")]
pub enum ParamId {
    Temperature,
    TopK,
    TopP,
    MinP,
    TypicalP,
    RepeatPenalty,
    RepeatLastN,
    FrequencyPenalty,
    PresencePenalty,
    Seed,
    MaxTokens,
    Speed,
    Samples,
}

/// A parameter's value, in the kind that its row asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A finite number.
    Float(f64),
    /// A whole number.
    Integer(i64),
    /// A seed, or none: then one is drawn ([`super::random_seed`]).
    Seed(Option<u64>),
}

/// How a parameter's text is read and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// A finite number, shown with at least two decimals.
    Float,
    /// A whole number.
    Integer,
    /// An unsigned 64-bit number or `random`.
    Seed,
}

/// One press of an arrow key on a slider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Step {
    Up,
    Down,
    BigUp,
    BigDown,
}

/// One row of the table.
#[derive(Debug)]
pub struct ParamSpec {
    /// Which parameter the row describes.
    pub id: ParamId,
    /// Name in preset files and forms: `top_k`.
    pub key: &'static str,
    /// Long command-line flag without its dashes: `top-k`.
    pub flag: &'static str,
    /// Short command-line flag.
    pub short: Option<char>,
    /// Placeholder of the value in a usage line.
    pub value_name: &'static str,
    /// One sentence for help and forms.
    pub doc: &'static str,
    /// How the text of a value is read and shown.
    pub kind: ParamKind,
    /// Smallest and largest value that is accepted. Without meaning for a seed.
    pub range: (f64, f64),
    /// The part of `range` that a slider spans; values beyond it can be typed.
    pub slider: (f64, f64),
    /// What one [`Step::Up`] adds: the values reached are multiples of it.
    pub step: f64,
    /// What one [`Step::BigUp`] adds.
    pub big_step: f64,
    /// The value at which the parameter changes nothing.
    pub neutral: Value,
    /// The value of a fresh program.
    pub default: Value,
    /// Values that are shown and may be typed as a word.
    pub words: &'static [(f64, &'static str)],
    /// The stage that the parameter belongs to; none for those of the whole run.
    pub stage: Option<StageId>,
}

/// All parameters, in the order of [`ParamId`] and of a form.
pub fn specs() -> &'static [ParamSpec] {
    &SPECS
}

impl ParamId {
    /// The parameter's row.
    pub fn spec(self) -> &'static ParamSpec {
        &SPECS[self as usize]
    }

    /// The parameter with this key.
    ///
    /// # Errors
    /// [`ParamError::UnknownParam`], which lists the keys.
    pub fn from_key(key: &str) -> Result<Self, ParamError> {
        SPECS.iter().find(|spec| spec.key == key).map(|spec| spec.id).ok_or_else(|| ParamError::UnknownParam {
            key: key.to_owned(),
            known: SPECS.iter().map(|spec| spec.key).collect::<Vec<_>>().join(", "),
        })
    }
}

impl Value {
    /// The value as a number; a seed has none.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(number),
            Self::Integer(number) => Some(number as f64),
            Self::Seed(_) => None,
        }
    }
}

impl ParamSpec {
    /// Reads a value: a number within the range, or one of the row's words.
    ///
    /// # Errors
    /// [`ParamError::Invalid`], which says what is accepted.
    pub fn parse(&self, text: &str) -> Result<Value, ParamError> {
        let text = text.trim();
        let word = self.words.iter().find(|(_, word)| word.eq_ignore_ascii_case(text));
        let number = word.map(|&(number, _)| number);
        let value = match self.kind {
            ParamKind::Float => number.or_else(|| text.parse().ok()).map(Value::Float),
            ParamKind::Integer => number.map(|n| n as i64).or_else(|| text.parse().ok()).map(Value::Integer),
            ParamKind::Seed if text.eq_ignore_ascii_case(RANDOM) => Some(Value::Seed(None)),
            ParamKind::Seed => text.parse().ok().map(|seed| Value::Seed(Some(seed))),
        };
        self.validate(value.ok_or_else(|| self.invalid(text))?)
    }

    /// Passes a value of the row's kind and range through.
    ///
    /// # Errors
    /// [`ParamError::Invalid`], which says what is accepted.
    pub fn validate(&self, value: Value) -> Result<Value, ParamError> {
        let (low, high) = self.range;
        let fits = match (self.kind, value) {
            (ParamKind::Float, Value::Float(_)) | (ParamKind::Integer, Value::Integer(_)) => {
                value.number().is_some_and(|number| (low..=high).contains(&number))
            }
            (ParamKind::Seed, Value::Seed(_)) => true,
            _ => false,
        };
        if fits { Ok(value) } else { Err(self.invalid(&raw_text(value))) }
    }

    /// The value for a form or a chain line: `0.80`, `40`, or a word such as `off`.
    pub fn format(&self, value: Value) -> String {
        let word = self.words.iter().find(|&&(number, _)| value.number() == Some(number));
        match (word, value) {
            (Some((_, word)), _) => (*word).to_owned(),
            (None, Value::Float(number)) => {
                let short = format!("{number:.2}");
                if short.parse() == Ok(number) { short } else { number.to_string() }
            }
            (None, _) => raw_text(value),
        }
    }

    /// The next value on the row's grid in the direction of `step`, held within the range.
    pub fn step(&self, value: Value, step: Step) -> Value {
        let (size, up) = match step {
            Step::Up => (self.step, true),
            Step::Down => (self.step, false),
            Step::BigUp => (self.big_step, true),
            Step::BigDown => (self.big_step, false),
        };
        match value {
            Value::Float(number) => Value::Float(round_noise(self.clamp(next_multiple(number, size, up)))),
            Value::Integer(number) => Value::Integer(self.clamp(next_multiple(number as f64, size, up)) as i64),
            // `random` stands one step below the seed 0.
            Value::Seed(seed) => {
                let size = size as u64;
                Value::Seed(match (seed, up) {
                    (None, true) => Some(0),
                    (Some(seed), true) => Some(seed.saturating_add(size)),
                    (Some(0) | None, false) => None,
                    (Some(seed), false) => Some(seed.saturating_sub(size)),
                })
            }
        }
    }

    /// Where the value stands on the slider, from 0 to 1; none for a seed.
    pub fn slider_position(&self, value: Value) -> Option<f64> {
        let (low, high) = self.slider;
        value.number().map(|number| ((number - low) / (high - low)).clamp(0.0, 1.0))
    }

    /// The value on the row's grid that stands nearest to a place on the slider, 0 to 1; none for a seed.
    pub fn at_position(&self, place: f64) -> Option<Value> {
        let (low, high) = self.slider;
        let number = low + place.clamp(0.0, 1.0) * (high - low);
        let number = self.clamp(((number / self.step).round() * self.step).clamp(low, high));
        match self.kind {
            ParamKind::Float => Some(Value::Float(round_noise(number))),
            ParamKind::Integer => Some(Value::Integer(number as i64)),
            ParamKind::Seed => None,
        }
    }

    /// What is accepted, for help and errors: `a number from 0 to 1 (1 = off)`.
    pub fn accepts(&self) -> String {
        let (low, high) = self.range;
        let range = match self.kind {
            ParamKind::Float => format!("a number from {low} to {high}"),
            ParamKind::Integer => format!("a whole number from {low} to {high}"),
            ParamKind::Seed => {
                return format!("a whole number from 0 to {} or `{RANDOM}`", u64::MAX);
            }
        };
        if self.words.is_empty() {
            return range;
        }
        let words: Vec<_> = self.words.iter().map(|(number, word)| format!("{number} = {word}")).collect();
        format!("{range} ({})", words.join(", "))
    }

    fn clamp(&self, number: f64) -> f64 {
        number.clamp(self.range.0, self.range.1)
    }

    fn invalid(&self, text: &str) -> ParamError {
        ParamError::Invalid { key: self.key, given: text.to_owned(), accepts: self.accepts() }
    }
}

const RANDOM: &str = "random";

fn raw_text(value: Value) -> String {
    match value {
        Value::Float(number) => number.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Seed(Some(seed)) => seed.to_string(),
        Value::Seed(None) => RANDOM.to_owned(),
    }
}

/// The nearest multiple of `size` strictly above or below `number`.
fn next_multiple(number: f64, size: f64, up: bool) -> f64 {
    // The slack takes 0.30000000000000004 for the multiple that it means.
    const SLACK: f64 = 1e-6;
    let position = number / size;
    if up { ((position + SLACK).floor() + 1.0) * size } else { ((position - SLACK).ceil() - 1.0) * size }
}

/// Removes what binary multiplication adds behind the digits of a grid value: 0.15000000000000002 is 0.15.
fn round_noise(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::sampling::table::COUNT;

    #[test]
    fn every_row_is_consistent() {
        for (at, spec) in specs().iter().enumerate() {
            let key = spec.key;
            assert_eq!(spec.id as usize, at, "{key}: place in the table");
            assert_eq!(ParamId::from_key(key), Ok(spec.id));
            for value in [spec.neutral, spec.default] {
                assert_eq!(spec.validate(value), Ok(value), "{key}");
                assert_eq!(spec.parse(&spec.format(value)), Ok(value), "{key}: shown and read back");
            }
            assert!(spec.range.0 <= spec.slider.0 && spec.slider.1 <= spec.range.1, "{key}");
            assert!(spec.step > 0.0 && spec.big_step > spec.step, "{key}");
            assert!(!spec.doc.is_empty() && !spec.doc.ends_with('.'), "{key}: doc style");
            for (number, word) in spec.words {
                assert_eq!(spec.parse(word).unwrap().number(), Some(*number), "{key}");
            }
        }
        let keys: std::collections::BTreeSet<_> = specs().iter().map(|s| s.flag).collect();
        assert_eq!(keys.len(), COUNT, "flags are unique");
    }

    #[test]
    fn steps_walk_a_grid_and_stay_in_range() {
        use ParamId::*;
        use Step::*;
        use Value::{Float, Integer};
        let cases = [
            (Temperature, Float(0.8), Up, Float(0.85)),
            (Temperature, Float(0.83), Up, Float(0.85)),
            (Temperature, Float(0.83), Down, Float(0.8)),
            (Temperature, Float(0.0), Down, Float(0.0)),
            (TopP, Float(0.14), Up, Float(0.15)),
            (TopP, Float(0.98), BigUp, Float(1.0)),
            (TopP, Float(1.0), Up, Float(1.0)),
            (TopK, Integer(40), BigDown, Integer(30)),
            (TopK, Integer(3), BigDown, Integer(0)),
            (RepeatLastN, Integer(-1), Up, Integer(0)),
            (RepeatLastN, Integer(0), Down, Integer(-1)),
            (FrequencyPenalty, Float(-0.05), Up, Float(0.0)),
            (Seed, Value::Seed(None), Up, Value::Seed(Some(0))),
            (Seed, Value::Seed(Some(0)), Down, Value::Seed(None)),
            (Seed, Value::Seed(Some(u64::MAX)), Up, Value::Seed(Some(u64::MAX))),
        ];
        for (id, from, step, to) in cases {
            assert_eq!(id.spec().step(from, step), to, "{id:?} {from:?} {step:?}");
        }
        for spec in specs() {
            let mut value = spec.default;
            for _ in 0..3000 {
                value = spec.step(value, Down);
            }
            assert!(spec.validate(value).is_ok(), "{}: {value:?}", spec.key);
        }
    }

    #[test]
    fn text_is_read_and_shown() {
        use ParamId::*;
        let shown = [
            (Temperature, "0.8", "0.80"),
            (Temperature, " .955 ", "0.955"),
            (Temperature, "0", "greedy"),
            (TopK, "off", "off"),
            (TopK, "40", "40"),
            (TopP, "1", "off"),
            (RepeatLastN, "-1", "all"),
            (Seed, "18446744073709551615", "18446744073709551615"),
            (Seed, "Random", "random"),
        ];
        for (id, text, expected) in shown {
            assert_eq!(id.spec().format(id.spec().parse(text).unwrap()), expected, "{id:?} {text}");
        }
        let refused = [
            (Temperature, "warm"),
            (Temperature, "NaN"),
            (Temperature, "inf"),
            (Temperature, "-0.1"),
            (Temperature, ""),
            (TopK, "4.5"),
            (TopK, "-1"),
            (TopP, "1.01"),
            (RepeatPenalty, "0"),
            (Seed, "-1"),
        ];
        for (id, text) in refused {
            assert!(id.spec().parse(text).is_err(), "{id:?} {text:?}");
        }
        assert_eq!(
            TopP.spec().parse("2").unwrap_err().to_string(),
            "top_p is `2`; it takes a number from 0 to 1 (1 = off)"
        );
        assert!(TopK.spec().validate(Value::Float(3.0)).is_err());
    }
}
