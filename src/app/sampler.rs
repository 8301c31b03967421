//! The sampling form: one row for each parameter of the table, and one for the stop strings.

use std::collections::HashMap;

use super::App;
use super::change::Watched;
use super::command::id;
use super::input::{Input, Purpose};
use super::log::Level;
use super::presets::PresetFile;
use crate::engine::{BiasEntry, TokenName};
use crate::sampling::{ParamId, ParamSpec, SavedPresets, Settings, Step, Value, random_seed, specs};
use crate::text::{TokenId, Tokenizer, closing_quote, escape, unescape};

/// The form.
#[derive(Debug)]
pub struct Sampler {
    /// The values.
    pub settings: Watched<Settings>,
    /// Strings that end a generation.
    pub stop: Vec<String>,
    /// The logit bias as it was written; `settings` has it with the ids of the model in use.
    pub bias: Vec<BiasEntry>,
    /// The selected row.
    pub selected: usize,
    /// The user's own presets.
    pub saved: SavedPresets,
    pub(super) file: PresetFile,
    /// What parameters that are switched off had before.
    switched_off: HashMap<ParamId, Value>,
}

/// A row of the form.
#[derive(Debug, Clone, Copy)]
pub enum Row {
    /// A parameter of the table.
    Param(&'static ParamSpec),
    /// The stop strings.
    Stop,
    /// The logit bias.
    Bias,
}

impl Row {
    /// Its name, as files have it: `top_k`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Param(spec) => spec.key,
            Self::Stop => "stop",
            Self::Bias => "logit_bias",
        }
    }

    /// One sentence on what it does.
    pub fn doc(self) -> &'static str {
        match self {
            Self::Param(spec) => spec.doc,
            Self::Stop => "Strings that end the text; they are not shown. Written with escapes: \"\\n\" \"Q:\"",
            Self::Bias => {
                "Added to the logits of tokens before all stages; ban: never. Text in quotes, or an id: \" the\":+2.5 464:ban"
            }
        }
    }
}

impl Sampler {
    /// A form that shows the given settings.
    pub fn new(settings: Settings, stop: Vec<String>) -> Self {
        Self {
            settings: Watched::new(settings),
            stop,
            bias: Vec::new(),
            selected: 0,
            saved: SavedPresets::default(),
            file: PresetFile::default(),
            switched_off: HashMap::new(),
        }
    }

    /// The rows, in the order of the table.
    pub fn rows() -> impl Iterator<Item = Row> {
        specs().iter().map(Row::Param).chain([Row::Stop, Row::Bias])
    }

    /// The selected row.
    pub fn row(&self) -> Row {
        Self::rows().nth(self.selected).unwrap_or(Row::Stop)
    }

    /// The stop strings with escapes, as they are shown and typed: `"\n" "Q:"`.
    pub fn stop_text(&self) -> String {
        let quoted: Vec<String> = self.stop.iter().map(|stop| format!("\"{}\"", escape(stop))).collect();
        quoted.join(" ")
    }

    /// The logit bias as it is shown and typed: `" the":+2.5 464:ban`.
    pub fn bias_text(&self) -> String {
        self.bias.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Gives the bias the ids of a vocabulary. A bias that it has no ids for stays written down, and does nothing.
    ///
    /// # Errors
    /// The first token that the vocabulary does not have.
    pub fn resolve_bias(&mut self, tokenizer: &Tokenizer) -> Result<(), String> {
        let resolved = BiasEntry::resolve(&self.bias, tokenizer);
        let (ids, result) = match resolved {
            Ok(ids) => (ids, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        self.settings.set_bias(ids).map_err(|error| error.to_string()).and(result)
    }

    /// The bias stays written down and does nothing: the engine in use has no vocabulary here.
    ///
    /// # Errors
    /// Says so where there is a bias.
    pub(super) fn unresolve_bias(&mut self) -> Result<(), String> {
        // An empty list has no value that could be refused.
        let _ = self.settings.set_bias(Vec::new());
        if self.bias.is_empty() { Ok(()) } else { Err(super::models::NO_TOKENIZER.to_owned()) }
    }

    /// Takes a typed bias.
    fn accept_bias(&mut self, text: &str, tokenizer: Option<&Tokenizer>) -> Result<(), String> {
        let before = std::mem::replace(&mut self.bias, BiasEntry::parse_line(text)?);
        let Some(tokenizer) = tokenizer else { return Ok(()) };
        self.resolve_bias(tokenizer).inspect_err(|_| {
            self.bias = before;
            // What was in use before has its ids.
            let _ = self.resolve_bias(tokenizer);
        })
    }

    /// Changes the bias of one token; gives what is added to its logit now.
    ///
    /// # Errors
    /// As for [`Sampler::resolve_bias`].
    pub(super) fn change_bias(
        &mut self,
        id: TokenId,
        tokenizer: &Tokenizer,
        change: impl FnOnce(f32) -> f32,
    ) -> Result<f32, String> {
        let add = change(self.settings.bias().iter().find(|(token, _)| *token == id).map_or(0.0, |(_, add)| *add));
        self.bias.retain(|entry| entry.token.resolve(tokenizer) != Ok(id));
        if add != 0.0 {
            // By its text where that is this token alone: it reads better, and means something to another vocabulary.
            let text = tokenizer.bytes(id).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
            let name = TokenName::Text(text.to_owned());
            let token = if name.resolve(tokenizer) == Ok(id) { name } else { TokenName::Id(id) };
            self.bias.push(BiasEntry { token, add });
        }
        self.resolve_bias(tokenizer).map(|()| add)
    }

    /// The name of the preset that these settings are, if they are one.
    pub fn preset_name(&self) -> Option<&str> {
        self.presets().find(|preset| self.settings.samples_like(&preset.settings)).map(|preset| preset.name)
    }

    /// Takes the typed value of the selected row; the vocabulary is that of the model in use.
    ///
    /// # Errors
    /// What would be accepted.
    pub fn accept(&mut self, text: &str, tokenizer: Option<&Tokenizer>) -> Result<(), String> {
        match self.row() {
            Row::Param(spec) => {
                // The label says which value it is, the line what was typed.
                self.settings.set_text(spec.id, text).map_err(|_| format!("this takes {}", spec.accepts()))?;
            }
            Row::Stop => self.stop = parse_stop(text)?,
            Row::Bias => self.accept_bias(text, tokenizer)?,
        }
        Ok(())
    }

    /// Takes over a preset's stages and values; seed, length and stop strings stay. Gives its name.
    pub fn apply_preset(&mut self, index: usize) -> Option<String> {
        let preset = self.presets().nth(index)?;
        let (name, settings) = (preset.name.to_owned(), preset.settings);
        self.settings.use_sampling_of(&settings);
        self.switched_off.clear();
        Some(name)
    }

    /// Selects the row that lies `rows` further down.
    pub(super) fn select(&mut self, rows: isize) {
        let last = Self::rows().count().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(rows).min(last);
    }

    /// Gives the selected row the value that changes nothing.
    pub(super) fn make_neutral(&mut self) {
        match self.row() {
            Row::Param(spec) => self.put(spec, spec.neutral),
            Row::Stop => self.stop.clear(),
            Row::Bias => self.clear_bias(),
        }
    }

    fn clear_bias(&mut self) {
        self.bias.clear();
        // An empty list has no value that could be refused.
        let _ = self.settings.set_bias(Vec::new());
    }

    pub(super) fn put(&mut self, spec: &'static ParamSpec, value: Value) {
        self.switched_off.remove(&spec.id);
        // Values come from the row itself, so they are in its range.
        let _ = self.settings.set(spec.id, value);
    }

    /// Off (neutral), or on again with the value it had, or else its default.
    fn toggle(&mut self, spec: &'static ParamSpec) {
        let now = self.settings.get(spec.id);
        if now == spec.neutral {
            let before = self.switched_off.get(&spec.id).copied().filter(|value| *value != spec.neutral);
            self.put(spec, before.unwrap_or(spec.default));
        } else {
            self.put(spec, spec.neutral);
            self.switched_off.insert(spec.id, now);
        }
    }
}

impl App {
    pub(super) fn sampler_step(&mut self, step: Step) {
        match self.sampler.row() {
            Row::Param(spec) => self.sampler.settings.step(spec.id, step),
            Row::Stop => {
                let text = format!("stop strings are typed: {}", self.keymap.hint(id::VALUE));
                self.log.say(Level::Notice, text);
            }
            Row::Bias => {
                let text = format!("a bias is typed: {}", self.keymap.hint(id::VALUE));
                self.log.say(Level::Notice, text);
            }
        }
    }

    /// Opens the row's value for typing; what was typed already starts it.
    pub(super) fn sampler_edit(&mut self, start: &str) {
        let (label, text) = match self.sampler.row() {
            Row::Param(spec) => (spec.key, self.sampler.settings.display(spec.id)),
            Row::Stop => ("stop strings", self.sampler.stop_text()),
            Row::Bias => ("logit bias", self.sampler.bias_text()),
        };
        let text = if start.is_empty() { text } else { start.to_owned() };
        self.ask(if start.is_empty() {
            Input::new(Purpose::Value, label, text).offered()
        } else {
            Input::new(Purpose::Value, label, text)
        });
    }

    pub(super) fn sampler_toggle(&mut self) {
        match self.sampler.row() {
            Row::Param(spec) if spec.id == ParamId::Seed && self.sampler.settings.seed().is_none() => {
                self.sampler_new_seed()
            }
            Row::Param(spec) => self.sampler.toggle(spec),
            Row::Stop => self.sampler.stop.clear(),
            Row::Bias => self.sampler.clear_bias(),
        }
    }

    pub(super) fn sampler_default(&mut self) {
        match self.sampler.row() {
            Row::Param(spec) => self.sampler.put(spec, spec.default),
            Row::Stop => self.sampler.stop = self.shots.prompt().map(|prompt| prompt.stop.clone()).unwrap_or_default(),
            Row::Bias => self.sampler.clear_bias(),
        }
    }

    /// Fixes the seed: to the one the last run used, so that its text can be had again, or to a new one.
    pub(super) fn sampler_new_seed(&mut self) {
        let seed = match (self.sampler.settings.seed(), self.last_seed()) {
            (None, Some(seed)) => seed,
            _ => random_seed(),
        };
        self.sampler.put(ParamId::Seed.spec(), Value::Seed(Some(seed)));
    }

    /// Moves the stage of the selected row in the chain.
    pub(super) fn sampler_move(&mut self, places: isize) {
        let Row::Param(ParamSpec { stage: Some(stage), .. }) = self.sampler.row() else {
            self.log.say(Level::Notice, "this row belongs to no stage of the chain");
            return;
        };
        let mut order = self.sampler.settings.order().to_vec();
        let Some(from) = order.iter().position(|id| id == stage) else {
            self.log.say(Level::Notice, format!("{stage} is not in the chain of this preset"));
            return;
        };
        let to = from.saturating_add_signed(places).min(order.len().saturating_sub(1));
        let moved = order.remove(from);
        order.insert(to, moved);
        if let Err(error) = self.sampler.settings.set_order(order) {
            self.log.say(Level::Error, error.to_string());
        }
    }
}

/// Reads `"\n" "Q:"`; text without quotes is one stop string.
fn parse_stop(text: &str) -> Result<Vec<String>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if !text.starts_with('"') {
        return Ok(vec![unescape(text)?]);
    }
    let mut stops = Vec::new();
    let mut rest = text;
    while let Some(inner) = rest.strip_prefix('"') {
        let end = closing_quote(inner).ok_or("a quote is not closed: write \"\\n\" \"Q:\"")?;
        let (quoted, after) = inner.split_at(end);
        if quoted.is_empty() {
            return Err("a stop string is empty: it would stop everything".to_owned());
        }
        stops.push(unescape(quoted)?);
        rest = after.strip_prefix('"').unwrap_or(after).trim_start_matches([' ', ',']);
    }
    if rest.is_empty() {
        Ok(stops)
    } else {
        Err("something stands outside the quotes: write \"\\n\" \"Q:\"".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_strings_survive_being_shown_and_typed() {
        let cases: [&[&str]; 5] = [&[], &["\n"], &["\n\n", "Q:"], &["a\"b\\", "\u{1b}["], &["\\n"]];
        for stop in cases {
            let stop: Vec<String> = stop.iter().map(|s| (*s).to_owned()).collect();
            let sampler = Sampler::new(Settings::default(), stop.clone());
            assert_eq!(parse_stop(&sampler.stop_text()), Ok(stop), "{}", sampler.stop_text());
        }
        assert_eq!(parse_stop("\"a\", \"b\""), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(parse_stop("\\nUser:"), Ok(vec!["\nUser:".to_owned()]));
    }

    #[test]
    fn stop_strings_that_mean_nothing_are_refused() {
        for text in ["\"", "\"a", "\"\"", "\"a\" b", "\\q", "\\u{110000}", "a\\"] {
            assert!(parse_stop(text).is_err(), "{text}");
        }
    }

    #[test]
    fn off_and_on_again_keeps_the_value() {
        let mut sampler = Sampler::new(Settings::default(), Vec::new());
        let spec = ParamId::TopK.spec();
        sampler.put(spec, Value::Integer(7));
        sampler.toggle(spec);
        assert_eq!(sampler.settings.get(ParamId::TopK), spec.neutral);
        sampler.toggle(spec);
        assert_eq!(sampler.settings.get(ParamId::TopK), Value::Integer(7));
    }
}
