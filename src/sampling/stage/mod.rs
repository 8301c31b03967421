//! The table of stages, one file each, all of them samplers in llm-samplers' sense.
//!
//! llm-samplers gives the traits ([`Sampler`] and its metadata), the working set ([`Logits`]) and the division by a
//! temperature. Its other members are replaced behind the same traits; each stage's file says why.
//!
//! Every stage keeps two invariants: the working set stays in ascending order of token ids, and
//! at least one token survives. A [`Logit`](llm_samplers::types::Logit)'s `prob` is scratch space between stages.
//!
//! [`Sampler`]: llm_samplers::types::Sampler
//! [`Logits`]: llm_samplers::types::Logits

use std::fmt;
use std::str::FromStr;

use llm_samplers::configure::{BuildableSampler, SamplerMetadata, SamplerOptionMetadata, SamplerOptionType};

use super::error::ParamError;
use super::params::{ParamId, ParamKind};
use super::settings::Settings;

/// Gives a sampler its llm-samplers metadata: name and texts from the table, values from its fields, in the table's order.
macro_rules! stage_options {
    ($sampler:ty, $stage:expr, [$($field:ident: $kind:ident),+]) => {
        impl llm_samplers::configure::ConfigurableSampler<usize, f64> for $sampler {}

        impl llm_samplers::configure::HasSamplerMetadata<usize, f64> for $sampler {
            fn sampler_metadata(&self) -> llm_samplers::configure::SamplerMetadata {
                $stage.spec().metadata()
            }

            fn sampler_options(
                &self,
            ) -> llm_samplers::configure::SamplerOptions<
                llm_samplers::configure::SamplerOptionValue<'_, usize, f64>,
            > {
                $stage.spec().metadata().options.into_iter()
                    .zip([$(Some(llm_samplers::configure::SamplerOptionValue::$kind(self.$field))),+])
                    .into()
            }

            fn sampler_options_mut(
                &mut self,
            ) -> llm_samplers::configure::SamplerOptions<
                llm_samplers::configure::SamplerOptionValueMut<'_, usize, f64>,
            > {
                $stage.spec().metadata().options.into_iter()
                    .zip([$(Some(llm_samplers::configure::SamplerOptionValueMut::$kind(&mut self.$field))),+])
                    .into()
            }
        }
    };
}

mod bias;
mod min_p;
mod penalties;
mod temperature;
mod top_k;
mod top_p;
mod typical;

pub(super) use penalties::window;

/// A stage of the chain; its position in [`stages`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the table's rows document each stage")]
pub enum StageId {
    Penalties,
    TopK,
    Typical,
    TopP,
    MinP,
    Temperature,
    Bias,
}

/// llama.cpp's order (`common/common.h`, `samplers`), without the stages that kshot does not have.
pub const DEFAULT_ORDER: [StageId; 6] =
    [StageId::Penalties, StageId::TopK, StageId::Typical, StageId::TopP, StageId::MinP, StageId::Temperature];

/// One row of the table.
pub struct StageSpec {
    /// Which stage the row describes.
    pub id: StageId,
    /// Name in orders and preset files: `top_k`.
    pub key: &'static str,
    /// Other names that an order may use.
    pub aliases: &'static [&'static str],
    /// One sentence for help and the chain view.
    pub doc: &'static str,
    /// The stage's parameters.
    pub params: &'static [ParamId],
    /// Whether the stage changes anything under these settings.
    pub is_on: fn(&Settings) -> bool,
    /// How much of the row the stage's result depends on.
    pub reach: fn(&Settings) -> Reach,
    /// The stage with its parameters taken from the settings.
    pub build: fn(&Settings) -> Box<dyn BuildableSampler<usize, f64>>,
}

/// How much of a row of logits a stage's result depends on. The chain carries no more tokens than that through its stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Changes or takes out only the tokens of the bias.
    Chosen,
    /// Keeps every token and changes only those among the last n of the text.
    Recent(usize),
    /// Keeps every token, and of two tokens the one with the larger logit stays at least as large.
    Scale,
    /// Keeps tokens from among the k with the largest logits.
    Top(usize),
    /// Cuts by looking at the whole row.
    Whole,
}

/// All stages, in the order of [`StageId`].
pub fn stages() -> &'static [StageSpec] {
    &STAGES
}

/// Reads an order: stage names with `,` or `;` between them (llama.cpp uses the latter). A stage that is not named does not run.
///
/// # Errors
/// [`ParamError::UnknownStage`] and [`ParamError::RepeatedStage`].
pub fn parse_order(text: &str) -> Result<Vec<StageId>, ParamError> {
    let names = text.split([',', ';']).map(str::trim).filter(|name| !name.is_empty());
    let order = names.map(str::parse).collect::<Result<Vec<_>, _>>()?;
    check_order(&order)?;
    Ok(order)
}

/// Refuses an order that names a stage twice, or one that has no place in it.
pub(super) fn check_order(order: &[StageId]) -> Result<(), ParamError> {
    if let Some(stage) = order.iter().find(|stage| !stage.is_ordered()) {
        // Said as for a stage that there is not.
        return Err(unknown(stage.spec().key));
    }
    match order.iter().enumerate().find(|&(at, stage)| order[..at].contains(stage)) {
        Some((_, &stage)) => Err(ParamError::RepeatedStage { stage }),
        None => Ok(()),
    }
}

impl StageId {
    /// Whether the stage has a place in an order. The bias has none: it comes before all others.
    pub fn is_ordered(self) -> bool {
        self != Self::Bias
    }

    /// The stage's row.
    pub fn spec(self) -> &'static StageSpec {
        &STAGES[self as usize]
    }
}

impl fmt::Display for StageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.spec().key)
    }
}

impl FromStr for StageId {
    type Err = ParamError;

    /// A key or an alias; `-` counts as `_`.
    fn from_str(name: &str) -> Result<Self, ParamError> {
        let key = name.trim().to_ascii_lowercase().replace('-', "_");
        let is_named =
            |spec: &&StageSpec| spec.id.is_ordered() && (spec.key == key || spec.aliases.contains(&key.as_str()));
        STAGES.iter().find(is_named).map(|spec| spec.id).ok_or_else(|| unknown(name))
    }
}

/// The error for a name that has no place in an order.
fn unknown(name: &str) -> ParamError {
    let known = STAGES.iter().filter(|spec| spec.id.is_ordered()).map(|spec| spec.key);
    ParamError::UnknownStage { name: name.to_owned(), known: known.collect::<Vec<_>>().join(", ") }
}

impl fmt::Debug for StageSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StageSpec").field("id", &self.id).finish_non_exhaustive()
    }
}

impl StageSpec {
    /// The row in llm-samplers' form.
    pub fn metadata(&self) -> SamplerMetadata {
        let option = |&param: &ParamId| {
            let spec = param.spec();
            SamplerOptionMetadata {
                key: spec.key,
                description: Some(spec.doc),
                option_type: match spec.kind {
                    ParamKind::Float => SamplerOptionType::Float,
                    ParamKind::Integer | ParamKind::Seed => SamplerOptionType::UInt,
                },
            }
        };
        SamplerMetadata {
            name: self.key,
            description: Some(self.doc),
            options: self.params.iter().map(option).collect(),
        }
    }
}

/// Whether one parameter is away from its neutral value.
fn is_set(settings: &Settings, param: ParamId) -> bool {
    settings.get(param) != param.spec().neutral
}

const STAGES: [StageSpec; 7] = [
    StageSpec {
        id: StageId::Penalties,
        key: "penalties",
        aliases: &["repetition_penalty", "repeat_penalty"],
        doc: "Changes the logits of tokens that occur in the recent text",
        params: &[ParamId::RepeatPenalty, ParamId::RepeatLastN, ParamId::FrequencyPenalty, ParamId::PresencePenalty],
        is_on: penalties::is_on,
        reach: |settings| Reach::Recent(penalties::last_n(settings)),
        build: |settings| Box::new(penalties::Penalties::new(settings)),
    },
    StageSpec {
        id: StageId::TopK,
        key: "top_k",
        aliases: &[],
        doc: "Keeps a fixed number of the most likely tokens",
        params: &[ParamId::TopK],
        is_on: |settings| is_set(settings, ParamId::TopK),
        reach: |settings| Reach::Top(settings.count(ParamId::TopK)),
        build: |settings| Box::new(top_k::TopK::new(settings.count(ParamId::TopK))),
    },
    StageSpec {
        id: StageId::Typical,
        key: "typical",
        aliases: &["typical_p", "typ_p"],
        doc: "Keeps tokens about as surprising as the distribution is on average",
        params: &[ParamId::TypicalP],
        is_on: |settings| is_set(settings, ParamId::TypicalP),
        reach: |_| Reach::Whole,
        build: |settings| Box::new(typical::Typical::new(settings.float(ParamId::TypicalP))),
    },
    StageSpec {
        id: StageId::TopP,
        key: "top_p",
        aliases: &["nucleus"],
        doc: "Keeps the fewest tokens that hold a share of the probability",
        params: &[ParamId::TopP],
        is_on: |settings| is_set(settings, ParamId::TopP),
        reach: |_| Reach::Whole,
        build: |settings| Box::new(top_p::TopP::new(settings.float(ParamId::TopP))),
    },
    StageSpec {
        id: StageId::MinP,
        key: "min_p",
        aliases: &[],
        doc: "Drops tokens far less likely than the most likely one",
        params: &[ParamId::MinP],
        is_on: |settings| is_set(settings, ParamId::MinP),
        reach: |_| Reach::Whole,
        build: |settings| Box::new(min_p::MinP::new(settings.float(ParamId::MinP))),
    },
    StageSpec {
        id: StageId::Temperature,
        key: "temperature",
        aliases: &["temp"],
        doc: "Sharpens or flattens what is left; at 0 only the most likely token stays",
        params: &[ParamId::Temperature],
        is_on: |settings| is_set(settings, ParamId::Temperature),
        reach: |settings| {
            if settings.float(ParamId::Temperature) as f32 > 0.0 { Reach::Scale } else { Reach::Top(1) }
        },
        build: |settings| Box::new(temperature::Temperature::new(settings.float(ParamId::Temperature))),
    },
    StageSpec {
        id: StageId::Bias,
        key: "logit_bias",
        aliases: &[],
        doc: "Adds to the logits of chosen tokens; a banned token goes",
        params: &[],
        is_on: |settings| !settings.bias().is_empty(),
        reach: |_| Reach::Chosen,
        build: |settings| Box::new(bias::Bias::new(settings.bias())),
    },
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::sampling::params::specs;
    use llm_samplers::configure::SamplerOptionValue;

    #[test]
    fn every_row_is_consistent() {
        for (at, spec) in stages().iter().enumerate() {
            assert_eq!(spec.id as usize, at, "{}: place in the table", spec.key);
            for name in spec.aliases.iter().chain([&spec.key]) {
                assert_eq!(name.parse::<StageId>().ok(), Some(spec.id).filter(|id| id.is_ordered()), "{name}");
            }
            for &param in spec.params {
                assert_eq!(param.spec().stage, Some(spec.id), "{}", param.spec().key);
            }
            assert!(!(spec.is_on)(&Settings::neutral()), "{}: off when neutral", spec.key);
            assert_eq!(DEFAULT_ORDER.contains(&spec.id), spec.id.is_ordered(), "{}", spec.key);
        }
        let listed: usize = stages().iter().map(|stage| stage.params.len()).sum();
        assert_eq!(listed, specs().iter().filter(|spec| spec.stage.is_some()).count());
    }

    #[test]
    fn stages_carry_llm_samplers_metadata() {
        let settings = Settings::default();
        for spec in stages() {
            let sampler = (spec.build)(&settings);
            let metadata = sampler.sampler_metadata();
            assert_eq!(metadata.name, spec.key);
            let options = sampler.sampler_options();
            assert_eq!(options.len(), spec.params.len(), "{}", spec.key);
            for ((option, value), param) in options.iter().zip(spec.params) {
                assert_eq!(option.key, param.spec().key);
                let number = match value {
                    Some(SamplerOptionValue::Float(x)) => *x,
                    Some(SamplerOptionValue::UInt(n)) => *n as f64,
                    other => unreachable!("{}: {other:?}", option.key),
                };
                assert_eq!(Some(number), settings.get(*param).number(), "{}", option.key);
            }
        }
        let mut top_k = (StageId::TopK.spec().build)(&settings);
        top_k.configure("top_k=7").unwrap();
        assert_eq!(top_k.get_option("top_k").unwrap(), SamplerOptionValue::UInt(7));
    }

    #[test]
    fn orders_are_read_and_checked() {
        use StageId::*;
        assert_eq!(parse_order("top-k, temp"), Ok(vec![TopK, Temperature]));
        assert_eq!(parse_order("penalties;top_k;typ_p;top_p;min_p;temperature"), Ok(DEFAULT_ORDER.to_vec()));
        assert_eq!(parse_order(""), Ok(vec![]));
        assert_eq!(
            parse_order("top_k,top_k").unwrap_err().to_string(),
            "the stage top_k stands twice in the order; name each stage once"
        );
        let unknown = parse_order("top_k,mirostat").unwrap_err().to_string();
        assert!(parse_order("logit_bias").is_err() && check_order(&[Bias]).is_err(), "the bias is always first");
        assert!(unknown.contains("`mirostat`") && unknown.contains("min_p"), "{unknown}");
    }
}
