//! Presets that the user saved: named settings in one TOML file, each as what differs from neutral.

use std::collections::BTreeMap;

use super::presets;
use super::settings::Settings;

/// Longest name of a preset, in characters.
const MAX_NAME: usize = 40;

/// The most presets: names are compared one by one.
const MOST: usize = 1000;

/// The saved presets, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SavedPresets(BTreeMap<String, Settings>);

impl SavedPresets {
    /// Reads the file: a table for each preset.
    ///
    /// # Errors
    /// What is wrong in it, with its place.
    pub fn parse(toml: &str) -> Result<Self, String> {
        let all: BTreeMap<String, Settings> = toml::from_str(toml).map_err(|error| {
            let line =
                error.span().and_then(|span| toml.get(..span.start)).map(|before| before.matches('\n').count() + 1);
            line.map_or_else(|| error.message().to_owned(), |line| format!("line {line}: {}", error.message()))
        })?;
        if all.len() > MOST {
            return Err(format!("it has {} presets; at most {MOST} are kept", all.len()));
        }
        let mut saved = Self::default();
        for (name, settings) in all {
            let checked = saved.check_name(&name)?;
            if saved.get(&checked).is_some() {
                return Err(format!("the preset {checked} is there twice"));
            }
            saved.insert(&checked, &settings)?;
        }
        Ok(saved)
    }

    /// The file.
    ///
    /// # Errors
    /// None that a preset can cause.
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string(&self.0).map_err(|error| error.to_string())
    }

    /// Names and settings, in order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Settings)> {
        self.0.iter().map(|(name, settings)| (name.as_str(), settings))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The preset of this name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&Settings> {
        self.iter().find(|(known, _)| same(known, name)).map(|(_, settings)| settings)
    }

    /// Saves stages and values under a name, in place of what it stood for; seed and length belong to no preset.
    ///
    /// # Errors
    /// What is wrong with the name, or that there are too many.
    pub fn insert(&mut self, name: &str, settings: &Settings) -> Result<(), String> {
        let name = self.check_name(name)?;
        if !self.remove(&name) && self.len() >= MOST {
            return Err(format!("at most {MOST} presets are kept; delete one first"));
        }
        let mut kept = Settings::neutral();
        kept.use_sampling_of(settings);
        self.0.insert(name, kept);
        Ok(())
    }

    /// Forgets a preset; says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.len();
        self.0.retain(|known, _| !same(known, name));
        self.len() < before
    }

    fn check_name(&self, name: &str) -> Result<String, String> {
        let name = name.trim();
        if name.is_empty() {
            return Err("type a name first".to_owned());
        }
        if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(format!("a name has at most {MAX_NAME} characters, none of them a control character"));
        }
        match presets().iter().find(|preset| same(preset.name, name)) {
            Some(preset) => Err(format!("{} is built in; choose another name", preset.name)),
            None => Ok(name.to_owned()),
        }
    }
}

fn same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::sampling::{ParamId, StageId};

    #[test]
    fn a_file_holds_what_was_changed_and_gives_it_back() {
        let mut settings = Settings::neutral();
        settings.set_text(ParamId::Temperature, "0.65").unwrap();
        settings.set_text(ParamId::Seed, "7").unwrap();
        settings.set_text(ParamId::MaxTokens, "9").unwrap();
        let mut saved = SavedPresets::default();
        saved.insert(" for poems ", &settings).unwrap();
        assert_eq!(saved.to_toml().unwrap().trim(), "[\"for poems\"]\ntemperature = 0.65", "no seed, no length");
        settings.set_order(vec![StageId::TopK, StageId::Temperature]).unwrap();
        saved.insert("日本", &settings).unwrap();
        let read = SavedPresets::parse(&saved.to_toml().unwrap()).unwrap();
        assert_eq!(read, saved);
        assert!(read.get("For Poems").unwrap().samples_like(saved.get("for poems").unwrap()));
    }

    #[test]
    fn names_are_unique_and_not_those_of_the_program() {
        let (mut saved, settings) = (SavedPresets::default(), Settings::neutral());
        for (name, part) in [("", "type a name"), ("Greedy", "built in"), ("a\nb", "control"), (&"x".repeat(41), "40")]
        {
            assert!(saved.insert(name, &settings).unwrap_err().contains(part), "{name}");
        }
        saved.insert("mine", &settings).unwrap();
        saved.insert("MINE", &Settings::default()).unwrap();
        assert_eq!((saved.len(), saved.iter().next().unwrap().0), (1, "MINE"));
        assert!(saved.remove("mine") && !saved.remove("mine") && saved.is_empty());
    }

    #[test]
    fn a_damaged_file_is_told_with_its_place() {
        for (text, part) in [
            ("[mine]\ntemperature = 0.7\ntop_q = 1", "top_q"),
            ("[mine\n", "line 1"),
            ("[a]\n[A]\n", "twice"),
            ("[greedy]\n", "built in"),
        ] {
            let error = SavedPresets::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
