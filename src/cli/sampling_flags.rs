//! One flag for each row of the table of sampling parameters: name, doc, range and default come from there.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use kshot::engine::{BiasEntry, TokenName};
use kshot::sampling::{DEFAULT_PRESET, ParamError, ParamId, ParamSpec, Settings, StageId, Value};
use kshot::sampling::{parse_order, presets, specs, stages};

const HEADING: &str = "Sampling";
const PRESET: &str = "preset";
const ORDER: &str = "order";
const BIAS: &str = "logit-bias";
const BAN: &str = "ban";

/// What the flags say: a preset, values, an order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SamplingFlags {
    preset: Option<Settings>,
    values: Vec<(ParamId, Value)>,
    order: Option<Vec<StageId>>,
    /// The logit bias, whose texts become ids once a vocabulary is known.
    pub(crate) bias: Vec<BiasEntry>,
}

impl SamplingFlags {
    /// The settings of the configuration, changed by the preset, and that by what was given.
    pub(crate) fn over(&self, mut settings: Settings) -> Result<Settings, ParamError> {
        if let Some(preset) = &self.preset {
            settings.use_sampling_of(preset);
        }
        for (param, value) in &self.values {
            settings.set(*param, *value)?;
        }
        if let Some(order) = &self.order {
            settings.set_order(order.clone())?;
        }
        Ok(settings)
    }
}

impl FromArgMatches for SamplingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let value = |spec: &ParamSpec| Some((spec.id, *matches.get_one::<Value>(spec.key)?));
        let biased = matches.get_many::<BiasEntry>(BIAS).into_iter().flatten().cloned();
        let banned = matches.get_many::<TokenName>(BAN).into_iter().flatten().cloned().map(BiasEntry::ban);
        Ok(Self {
            preset: matches.get_one(PRESET).cloned(),
            values: specs().iter().filter_map(value).collect(),
            order: matches.get_one(ORDER).cloned(),
            bias: biased.chain(banned).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for SamplingFlags {
    fn augment_args(command: Command) -> Command {
        specs()
            .iter()
            .map(flag)
            .chain([preset_flag(), order_flag(), bias_flag(), ban_flag()])
            .fold(command, Command::arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(spec: &'static ParamSpec) -> Arg {
    let arg = Arg::new(spec.key)
        .long(spec.flag)
        .short(spec.short)
        .value_name(spec.value_name)
        .help(format!("{}: {} [default: {}]", spec.doc, spec.accepts(), spec.format(spec.default)))
        .value_parser(|text: &str| spec.parse(text))
        .allow_negative_numbers(true)
        .env(format!("KSHOT_{}", spec.flag.replace('-', "_").to_uppercase()))
        .hide_env_values(true);
    match spec.id {
        // Length and number are no stage of the sampling; the former has the name that llama.cpp's users know.
        ParamId::MaxTokens => arg.visible_alias("n-predict"),
        ParamId::Speed => arg,
        ParamId::Samples => arg,
        _ => arg.help_heading(HEADING),
    }
}

fn preset_flag() -> Arg {
    let known: Vec<_> = presets().iter().map(|preset| format!("{} ({})", preset.name, preset.doc)).collect();
    Arg::new(PRESET)
        .long("preset")
        .value_name("NAME")
        .help(format!("Settings to start from; other flags change them [default: {DEFAULT_PRESET}]"))
        .long_help(format!(
            "Settings to start from; other flags change them [default: {DEFAULT_PRESET}]\n- {}",
            known.join("\n- ")
        ))
        .value_parser(|name: &str| Settings::preset(name))
        .env("KSHOT_PRESET")
        .hide_env_values(true)
        .help_heading(HEADING)
}

fn order_flag() -> Arg {
    let known: Vec<_> = stages().iter().filter(|stage| stage.id.is_ordered()).map(|stage| stage.key).collect();
    Arg::new(ORDER)
        .long("order")
        .value_name("A,B,C")
        .help(format!("Order of the stages; a stage that is left out does not run. Stages: {}", known.join(", ")))
        .value_parser(|text: &str| parse_order(text))
        .env("KSHOT_ORDER")
        .hide_env_values(true)
        .help_heading(HEADING)
}

fn bias_flag() -> Arg {
    Arg::new(BIAS)
        .long("logit-bias")
        .value_name("TOKEN:X")
        .help("Add X to the logit of a token, before all stages; TOKEN is an id or a text: 464:+2.5, ' the:-1'. Repeatable")
        .action(ArgAction::Append)
        .allow_hyphen_values(true)
        .value_parser(|text: &str| BiasEntry::parse(text))
        .help_heading(HEADING)
}

fn ban_flag() -> Arg {
    Arg::new(BAN)
        .long("ban")
        .value_name("TOKEN")
        .help("A token that is never to come: an id or a text. Repeatable")
        .action(ArgAction::Append)
        .allow_hyphen_values(true)
        .value_parser(|text: &str| TokenName::parse(text))
        .help_heading(HEADING)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Settings, String> {
        let command = SamplingFlags::augment_args(Command::new("x").no_binary_name(true));
        let matches = command.try_get_matches_from(args).map_err(|e| e.to_string())?;
        let flags = SamplingFlags::from_arg_matches(&matches).map_err(|e| e.to_string())?;
        flags.over(Settings::default()).map_err(|e| e.to_string())
    }

    #[test]
    fn every_row_is_a_flag_that_takes_its_neutral_value_and_its_words() {
        for spec in specs() {
            let flag = format!("--{}", spec.flag);
            for text in [spec.format(spec.neutral), spec.format(spec.default)] {
                let settings = parse(&[&flag, &text]).unwrap();
                assert_eq!(settings.get(spec.id), spec.parse(&text).unwrap(), "{flag} {text}");
            }
        }
    }

    #[test]
    fn flags_change_the_preset() {
        let greedy = parse(&["--preset", "greedy", "-s", "7", "-n", "3", "--presence-penalty", "-0.5"]).unwrap();
        assert_eq!((greedy.float(ParamId::Temperature), greedy.seed(), greedy.max_tokens()), (0.0, Some(7), 3));
        assert_eq!(greedy.float(ParamId::PresencePenalty), -0.5);
        assert_eq!(parse(&[]).unwrap(), Settings::default());
        assert_eq!(parse(&["--order", "temperature,top_k"]).unwrap().order().len(), 2);
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        for (args, part) in [
            (["--temp", "warm"], "--temp"),
            (["--temp", "-1"], "--temp"),
            (["--top-p", "1.5"], "--top-p"),
            (["--seed", "-1"], "--seed"),
            (["--preset", "wild"], "wild"),
            (["--order", "top_k,top_k"], "top_k"),
            (["--order", "nothing"], "nothing"),
        ] {
            let error = parse(&args).unwrap_err();
            assert!(error.contains(part), "{args:?}: {error}");
        }
    }
}
