//! The values of all parameters and the order of the stages, always valid.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::error::ParamError;
use super::params::{ParamId, Step, Value, specs};
use super::presets;
use super::stage::{DEFAULT_ORDER, StageId, check_order, parse_order};

/// Settings of a run. Every value lies in its parameter's range and no stage stands twice in the order.
///
/// Serialised as a map of what differs from neutral, so that a preset file reads `temperature = 0.7` and nothing else; a key
/// that is missing is neutral, an unknown key or a value out of range is an error with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    values: Vec<Value>,
    order: Vec<StageId>,
    /// What is added to the logits of tokens, in ascending order of ids; −∞ bans a token.
    bias: Vec<(u32, f32)>,
}

impl Default for Settings {
    /// The preset [`presets::DEFAULT_PRESET`].
    fn default() -> Self {
        let mut settings = Self::neutral();
        for (value, spec) in settings.values.iter_mut().zip(specs()) {
            *value = spec.default;
        }
        settings
    }
}

impl Settings {
    /// Every stage off, in the default order.
    pub fn neutral() -> Self {
        Self {
            values: specs().iter().map(|spec| spec.neutral).collect(),
            order: DEFAULT_ORDER.to_vec(),
            bias: Vec::new(),
        }
    }

    /// The preset of this name.
    ///
    /// # Errors
    /// [`ParamError::UnknownPreset`], which lists the names.
    pub fn preset(name: &str) -> Result<Self, ParamError> {
        presets::find(name).map(|preset| preset.settings())
    }

    /// Takes the sampling of `other` and keeps what belongs to the run: seed, number of tokens and of samples, and the bias,
    /// whose ids belong to one vocabulary.
    pub fn use_sampling_of(&mut self, other: &Self) {
        for (spec, (mine, theirs)) in specs().iter().zip(self.values.iter_mut().zip(&other.values)) {
            if spec.stage.is_some() {
                *mine = *theirs;
            }
        }
        self.order.clone_from(&other.order);
    }

    /// Whether both sample alike, whatever their seeds and numbers of tokens.
    pub fn samples_like(&self, other: &Self) -> bool {
        let mut same = self.clone();
        same.use_sampling_of(other);
        same == *self
    }

    /// The value of a parameter.
    pub fn get(&self, param: ParamId) -> Value {
        self.values[param as usize]
    }

    /// Sets a parameter.
    ///
    /// # Errors
    /// [`ParamError::Invalid`] for a value outside the parameter's kind or range; the old value stays.
    pub fn set(&mut self, param: ParamId, value: Value) -> Result<(), ParamError> {
        self.values[param as usize] = param.spec().validate(value)?;
        Ok(())
    }

    /// Sets a parameter from text.
    ///
    /// # Errors
    /// [`ParamError::Invalid`], which says what is accepted; the old value stays.
    pub fn set_text(&mut self, param: ParamId, text: &str) -> Result<(), ParamError> {
        self.values[param as usize] = param.spec().parse(text)?;
        Ok(())
    }

    /// Moves a parameter by one step of its slider.
    pub fn step(&mut self, param: ParamId, step: Step) {
        let value = &mut self.values[param as usize];
        *value = param.spec().step(*value, step);
    }

    /// Sets a parameter to its neutral value.
    pub fn neutralise(&mut self, param: ParamId) {
        self.values[param as usize] = param.spec().neutral;
    }

    /// A parameter's value for a form: `0.80`, `off`.
    pub fn display(&self, param: ParamId) -> String {
        param.spec().format(self.get(param))
    }

    /// The stages in the order in which they run.
    pub fn order(&self) -> &[StageId] {
        &self.order
    }

    /// Sets the order. A stage that is left out does not run.
    ///
    /// # Errors
    /// [`ParamError::RepeatedStage`]; the old order stays.
    pub fn set_order(&mut self, order: Vec<StageId>) -> Result<(), ParamError> {
        check_order(&order)?;
        self.order = order;
        Ok(())
    }

    /// What is added to the logits of tokens before all stages, in ascending order of ids; −∞ for a banned token.
    pub fn bias(&self) -> &[(u32, f32)] {
        &self.bias
    }

    /// Sets the bias; of entries for the same token the last counts.
    ///
    /// # Errors
    /// [`ParamError::Bias`] for what is neither a finite number nor −∞; the old bias stays.
    pub fn set_bias(&mut self, mut bias: Vec<(u32, f32)>) -> Result<(), ParamError> {
        if let Some((id, add)) = bias.iter().find(|(_, add)| !add.is_finite() && *add != f32::NEG_INFINITY) {
            return Err(ParamError::Bias { given: format!("{id}:{add}") });
        }
        // A stable sort keeps the order of entries for the same token, and of the reversed list the first stays.
        bias.reverse();
        bias.sort_by_key(|(id, _)| *id);
        bias.dedup_by_key(|(id, _)| *id);
        self.bias = bias;
        Ok(())
    }

    /// Whether a stage runs: it stands in the order and its parameters are not neutral.
    pub fn is_on(&self, stage: StageId) -> bool {
        (self.order.contains(&stage) || !stage.is_ordered()) && (stage.spec().is_on)(self)
    }

    /// The seed that the user gave.
    pub fn seed(&self) -> Option<u64> {
        match self.get(ParamId::Seed) {
            Value::Seed(seed) => seed,
            Value::Float(_) | Value::Integer(_) => None,
        }
    }

    /// Number of new tokens after which a run stops.
    pub fn max_tokens(&self) -> usize {
        self.count(ParamId::MaxTokens)
    }

    /// Number of continuations to sample side by side, at least 1.
    pub fn samples(&self) -> usize {
        self.count(ParamId::Samples).max(1)
    }

    /// The value of a float parameter; 0 for one of another kind.
    pub fn float(&self, param: ParamId) -> f64 {
        self.get(param).number().unwrap_or(0.0)
    }

    /// The value of an integer parameter as a count; 0 for a negative one.
    pub fn count(&self, param: ParamId) -> usize {
        match self.get(param) {
            Value::Integer(number) => usize::try_from(number).unwrap_or(0),
            Value::Float(_) | Value::Seed(_) => 0,
        }
    }
}

impl Settings {
    /// Every value, neutral or not, and the order; read back, it gives the same settings.
    pub fn full(&self) -> impl Serialize + '_ {
        let mut map: BTreeMap<&str, Entry> =
            specs().iter().zip(&self.values).map(|(spec, &value)| (spec.key, value.into())).collect();
        map.insert(ORDER_KEY, Entry::List(self.order.iter().map(StageId::to_string).collect()));
        map.insert(BIAS_KEY, self.bias_entry());
        map
    }
}

impl Settings {
    fn bias_entry(&self) -> Entry {
        let text = |&(id, add): &(u32, f32)| match add {
            f32::NEG_INFINITY => format!("{id}:{BAN}"),
            add => format!("{id}:{add:+}"),
        };
        Entry::List(self.bias.iter().map(text).collect())
    }
}

/// Reads `464:+2.5` or `464:ban`.
fn parse_bias(text: &str) -> Result<(u32, f32), ParamError> {
    let (id, add) = text.split_once(':').unwrap_or((text, ""));
    let add = if add == BAN { Some(f32::NEG_INFINITY) } else { add.parse().ok().filter(|add: &f32| add.is_finite()) };
    id.trim().parse().ok().zip(add).ok_or_else(|| ParamError::Bias { given: text.to_owned() })
}

const ORDER_KEY: &str = "order";
const BIAS_KEY: &str = "logit_bias";
const BAN: &str = "ban";

/// A value as a settings file writes it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    List(Vec<String>),
}

impl From<Value> for Entry {
    fn from(value: Value) -> Self {
        match value {
            Value::Float(number) => Self::Float(number),
            Value::Integer(number) => Self::Integer(number),
            // TOML has no integers beyond i64; a larger seed is written as text.
            Value::Seed(Some(seed)) => i64::try_from(seed).map_or_else(|_| Self::Text(seed.to_string()), Self::Integer),
            Value::Seed(None) => Self::Text("random".to_owned()),
        }
    }
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let changed = specs().iter().zip(&self.values).filter(|&(spec, value)| *value != spec.neutral);
        let mut map: BTreeMap<&str, Entry> = changed.map(|(spec, &value)| (spec.key, value.into())).collect();
        if self.order != DEFAULT_ORDER {
            map.insert(ORDER_KEY, Entry::List(self.order.iter().map(StageId::to_string).collect()));
        }
        if !self.bias.is_empty() {
            map.insert(BIAS_KEY, self.bias_entry());
        }
        map.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = BTreeMap::<String, Entry>::deserialize(deserializer)?;
        from_entries(map).map_err(de::Error::custom)
    }
}

fn from_entries(map: BTreeMap<String, Entry>) -> Result<Settings, ParamError> {
    let mut settings = Settings::neutral();
    for (key, entry) in map {
        let text = match entry {
            Entry::Integer(number) => number.to_string(),
            Entry::Unsigned(number) => number.to_string(),
            Entry::Float(number) => number.to_string(),
            Entry::Text(text) => text,
            Entry::List(names) => names.join(","),
        };
        if key == ORDER_KEY {
            settings.order = parse_order(&text)?;
        } else if key == BIAS_KEY {
            let entries = text.split(',').filter(|entry| !entry.is_empty());
            settings.set_bias(entries.map(parse_bias).collect::<Result<_, _>>()?)?;
        } else {
            settings.set_text(ParamId::from_key(&key)?, &text)?;
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn files_hold_what_differs_from_neutral() {
        assert_eq!(serde_json::to_string(&Settings::neutral()).unwrap(), "{}");
        let mut settings = Settings::neutral();
        settings.set_text(ParamId::Temperature, "0.7").unwrap();
        settings.set_text(ParamId::TopK, "50").unwrap();
        settings.set_text(ParamId::Seed, "18446744073709551615").unwrap();
        settings.set_order(vec![StageId::Temperature, StageId::TopK]).unwrap();
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(
            json,
            r#"{"order":["temperature","top_k"],"seed":"18446744073709551615","temperature":0.7,"top_k":50}"#
        );
        assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), settings);
        let toml = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<Settings>(&toml).unwrap(), settings);
        let full = serde_json::to_value(settings.full()).unwrap();
        assert_eq!(full.as_object().unwrap().len(), specs().len() + 2, "nothing is left out: {full}");
        assert_eq!(serde_json::from_value::<Settings>(full).unwrap(), settings);
        // Whole numbers may stand for floats, words for values.
        let read: Settings = toml::from_str("temperature = 0\ntop_p = \"off\"\norder = \"temp\"").unwrap();
        assert_eq!(read.float(ParamId::Temperature), 0.0);
        assert_eq!(read.order(), [StageId::Temperature]);
    }

    #[test]
    fn bad_files_are_refused_by_name() {
        let cases = [
            ("top_q = 1", "there is no sampling parameter `top_q`"),
            ("top_p = 3", "top_p is `3`; it takes a number from 0 to 1"),
            ("top_k = 1.5", "top_k is `1.5`; it takes a whole number"),
            ("order = [\"top_k\", \"top_k\"]", "stands twice"),
            ("order = [\"mirostat\"]", "there is no sampling stage `mirostat`"),
        ];
        for (text, message) in cases {
            let error = toml::from_str::<Settings>(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_bias_is_written_and_belongs_to_no_preset() {
        let mut settings = Settings::neutral();
        settings.set_bias(vec![(9, 1.0), (7, f32::NEG_INFINITY), (9, -2.5)]).unwrap();
        assert_eq!(settings.bias(), [(7, f32::NEG_INFINITY), (9, -2.5)], "the last entry of a token counts");
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(json, r#"{"logit_bias":["7:ban","9:-2.5"]}"#);
        assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), settings);
        assert_eq!(
            serde_json::from_value::<Settings>(serde_json::to_value(settings.full()).unwrap()).unwrap(),
            settings
        );
        assert!(
            settings.set_bias(vec![(1, f32::NAN)]).is_err() && settings.set_bias(vec![(1, f32::INFINITY)]).is_err()
        );
        assert_eq!(settings.bias().len(), 2, "a refused bias changes nothing");
        assert!(settings.samples_like(&Settings::neutral()) && settings.is_on(StageId::Bias));
        settings.use_sampling_of(&Settings::default());
        assert_eq!(settings.bias().len(), 2);
        for text in ["logit_bias = [\"the:1\"]", "logit_bias = [\"7\"]", "logit_bias = [\"7:inf\"]"] {
            assert!(toml::from_str::<Settings>(text).unwrap_err().to_string().contains("464:+2.5"), "{text}");
        }
    }

    #[test]
    fn a_refused_value_changes_nothing() {
        let mut settings = Settings::default();
        assert!(settings.set(ParamId::TopP, Value::Float(f64::NAN)).is_err());
        assert!(settings.set(ParamId::TopP, Value::Integer(1)).is_err());
        assert!(settings.set_text(ParamId::TopP, "2").is_err());
        assert!(settings.set_order(vec![StageId::TopK; 2]).is_err());
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn sampling_moves_between_runs_without_seed_and_length() {
        let mut run = Settings::default();
        run.set_text(ParamId::Seed, "7").unwrap();
        run.set_text(ParamId::MaxTokens, "9").unwrap();
        let creative = Settings::preset("creative").unwrap();
        assert!(!run.samples_like(&creative));
        run.use_sampling_of(&creative);
        assert!(run.samples_like(&creative));
        assert_eq!((run.seed(), run.max_tokens()), (Some(7), 9));
        run.step(ParamId::Temperature, Step::Up);
        assert!(!run.samples_like(&creative));
    }

    #[test]
    fn a_stage_is_off_when_neutral_or_not_in_the_order() {
        let mut settings = Settings::default();
        assert!(settings.is_on(StageId::TopK));
        assert!(!settings.is_on(StageId::Penalties), "a penalty of 1");
        settings.set_text(ParamId::PresencePenalty, "0.5").unwrap();
        assert!(settings.is_on(StageId::Penalties));
        settings.set_text(ParamId::RepeatLastN, "0").unwrap();
        assert!(!settings.is_on(StageId::Penalties), "a window of 0");
        settings.set_order(vec![StageId::Temperature]).unwrap();
        assert!(!settings.is_on(StageId::TopK));
        assert!(settings.is_on(StageId::Temperature));
        settings.neutralise(ParamId::Temperature);
        assert!(!settings.is_on(StageId::Temperature));
        assert_eq!(settings.display(ParamId::Temperature), "1.00");
        assert_eq!(settings.display(ParamId::TypicalP), "off");
    }
}
