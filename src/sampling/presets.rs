//! Named settings, each written as what differs from neutral.

use super::error::ParamError;
use super::params::{ParamId, Value};
use super::settings::Settings;
use super::stage::{DEFAULT_ORDER, StageId};

/// Name of the preset of a fresh program.
pub const DEFAULT_PRESET: &str = "balanced";

/// One row of the table.
#[derive(Debug)]
pub struct Preset {
    /// Name on the command line and in the picker.
    pub name: &'static str,
    /// One sentence for help and the picker.
    pub doc: &'static str,
    changes: &'static [(ParamId, Value)],
    order: [StageId; 6],
}

/// All presets, in the order of a picker.
pub fn presets() -> &'static [Preset] {
    &PRESETS
}

impl Preset {
    /// The settings, with seed and number of tokens at their defaults.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::neutral();
        let changed = self.changes.iter().try_for_each(|&(param, value)| settings.set(param, value));
        let ordered = settings.set_order(self.order.to_vec());
        debug_assert!(changed.and(ordered).is_ok(), "{} breaks the parameters' ranges", self.name);
        settings
    }
}

pub(super) fn find(name: &str) -> Result<&'static Preset, ParamError> {
    PRESETS.iter().find(|preset| preset.name.eq_ignore_ascii_case(name.trim())).ok_or_else(|| {
        ParamError::UnknownPreset {
            name: name.to_owned(),
            known: PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", "),
        }
    })
}

const LLAMA_CPP: &[(ParamId, Value)] = &[
    (ParamId::Temperature, Value::Float(0.8)),
    (ParamId::TopK, Value::Integer(40)),
    (ParamId::TopP, Value::Float(0.95)),
    (ParamId::MinP, Value::Float(0.05)),
];

const PRESETS: [Preset; 6] = [
    Preset { name: "neutral", doc: "The model as it is: every stage off", changes: &[], order: DEFAULT_ORDER },
    Preset {
        name: "greedy",
        doc: "Always the most likely token: the same text every time",
        changes: &[(ParamId::Temperature, Value::Float(0.0))],
        order: DEFAULT_ORDER,
    },
    Preset {
        name: DEFAULT_PRESET,
        doc: "Varied but steady: temperature 0.8 over top-k 40, top-p 0.95 and min-p 0.05",
        changes: LLAMA_CPP,
        order: DEFAULT_ORDER,
    },
    Preset {
        name: "creative",
        doc: "Surprising words: temperature 1.2 over all that min-p 0.05 leaves",
        changes: &[(ParamId::Temperature, Value::Float(1.2)), (ParamId::MinP, Value::Float(0.05))],
        order: DEFAULT_ORDER,
    },
    Preset {
        name: "llama.cpp",
        doc: "llama.cpp's defaults and order: temperature last",
        changes: LLAMA_CPP,
        order: DEFAULT_ORDER,
    },
    Preset {
        // transformers 5.23, `generation/utils.py` `_get_logits_processor` and
        // `configuration_utils.py` `_get_default_generation_params`.
        name: "transformers",
        doc: "What transformers' generate(do_sample=True) does: top-k 50, temperature before the cuts",
        changes: &[(ParamId::TopK, Value::Integer(50)), (ParamId::RepeatLastN, Value::Integer(-1))],
        order: [
            StageId::Penalties,
            StageId::Temperature,
            StageId::TopK,
            StageId::TopP,
            StageId::MinP,
            StageId::Typical,
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid_and_found_by_name() {
        for preset in presets() {
            let settings = preset.settings();
            for &(param, value) in preset.changes {
                assert_eq!(settings.get(param), value, "{}: {param:?}", preset.name);
                assert_ne!(value, param.spec().neutral, "{}: {param:?} is no change", preset.name);
            }
            assert_eq!(settings.order(), preset.order, "{}", preset.name);
            assert_eq!(Settings::preset(preset.name).as_ref(), Ok(&settings));
        }
        assert_eq!(Settings::preset(DEFAULT_PRESET), Ok(Settings::default()));
        assert_eq!(Settings::preset("neutral"), Ok(Settings::neutral()));
        let unknown = Settings::preset("wild").map_err(|error| error.to_string());
        assert_eq!(
            unknown,
            Err("there is no preset `wild`; the presets are neutral, greedy, balanced, creative, llama.cpp, transformers".to_owned())
        );
    }
}
