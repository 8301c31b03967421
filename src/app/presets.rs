//! Sampling presets: those of the program, then the user's own, which are saved in a file.

use std::path::PathBuf;

use super::App;
use super::command::{Cx, Scope, id};
use super::effect::{Effect, IoRequest};
use super::input::{Input, Purpose};
use super::log::Level;
use super::overlay::{Item, Overlay, Picked, Rows};
use super::sampler::Sampler;
use crate::sampling::{SavedPresets, Settings, StageId, presets, specs};

/// One preset of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct PresetRow<'a> {
    /// Its name.
    pub name: &'a str,
    /// A line about it.
    pub about: String,
    /// What it sets.
    pub settings: Settings,
    /// Whether it is the user's own.
    pub own: bool,
}

/// The file of the user's presets.
#[derive(Debug, Clone, Default)]
pub struct PresetFile {
    /// Where it is; `None`: presets last as long as the program.
    path: Option<PathBuf>,
    /// Why it cannot be read. It is left alone then.
    problem: Option<String>,
    /// The name that is taken, or the preset to be deleted: the second press does it.
    armed: Option<String>,
}

impl Sampler {
    /// All presets, the user's own behind those of the program.
    pub fn presets(&self) -> impl Iterator<Item = PresetRow<'_>> {
        let built_in = presets().iter().map(|preset| PresetRow {
            name: preset.name,
            about: preset.doc.to_owned(),
            settings: preset.settings(),
            own: false,
        });
        let own = self.saved.iter().map(|(name, settings)| PresetRow {
            name,
            about: format!("yours: {}", changes(settings)),
            settings: settings.clone(),
            own: true,
        });
        built_in.chain(own)
    }
}

/// What a preset changes, in a line.
fn changes(settings: &Settings) -> String {
    let changed = specs().iter().filter(|spec| spec.stage.is_some() && settings.get(spec.id) != spec.neutral);
    let mut parts: Vec<String> = changed.map(|spec| format!("{} {}", spec.key, settings.display(spec.id))).collect();
    if settings.order() != Settings::neutral().order() {
        let order: Vec<String> = settings.order().iter().map(StageId::to_string).collect();
        parts.push(format!("order {}", order.join(" > ")));
    }
    if parts.is_empty() { "every stage off".to_owned() } else { parts.join(", ") }
}

impl App {
    /// Takes over the user's presets. Those of a file that cannot be read are told, and the file is never written over.
    pub fn use_presets(&mut self, path: PathBuf, saved: Result<SavedPresets, String>) {
        self.sampler.file = PresetFile { path: Some(path), problem: None, armed: None };
        match saved {
            Ok(saved) => self.sampler.saved = saved,
            Err(problem) => {
                self.log.say(Level::Warning, format!("your presets were left out: {}", one_line(&problem)));
                self.sampler.file.problem = Some(problem);
            }
        }
    }

    pub(super) fn open_presets(&mut self) {
        self.disarm_presets();
        let now = self.sampler.preset_name();
        let at = self.sampler.presets().position(|preset| Some(preset.name) == now).unwrap_or(0);
        self.open_at(PresetList, at);
    }

    /// The preset that is selected in the list.
    fn selected_preset(&self) -> Option<PresetRow<'_>> {
        self.sampler.presets().nth(self.selected_in::<PresetList>()?)
    }

    /// A second press counts no longer.
    pub(super) fn disarm_presets(&mut self) {
        self.sampler.file.armed = None;
    }

    pub(super) fn preset_ask_name(&mut self) {
        self.disarm_presets();
        let own = self.selected_preset().filter(|preset| preset.own);
        let name = own.map(|preset| preset.name.to_owned()).unwrap_or_default();
        self.ask(Input::new(Purpose::PresetName, "save these settings as", name).offered());
    }

    /// The name was typed. One that is taken has to be accepted twice.
    pub(super) fn preset_save(&mut self, name: &str) -> Result<(), String> {
        if self.sampler.saved.get(name).is_some()
            && self.sampler.file.armed.replace(name.to_owned()).as_deref() != Some(name)
        {
            return Err("exists already; Enter again replaces it".to_owned());
        }
        self.sampler.file.armed = None;
        let before = self.sampler.saved.clone();
        let settings = self.sampler.settings.clone();
        self.sampler.saved.insert(name, &settings)?;
        self.write_presets(before, format!("preset {name} saved"))
    }

    pub(super) fn preset_delete(&mut self) {
        let preset = self.selected_preset();
        let Some((name, own)) = preset.map(|preset| (preset.name.to_owned(), preset.own)) else { return };
        if !own {
            self.log.say(Level::Notice, format!("{name} is built in and stays"));
            return;
        }
        if self.sampler.file.armed.take().as_deref() != Some(name.as_str()) {
            let key = self.keymap.hint(id::PRESET_DELETE);
            self.log.say(Level::Warning, format!("{key} again deletes your preset {name}"));
            self.sampler.file.armed = Some(name);
            return;
        }
        let before = self.sampler.saved.clone();
        self.sampler.saved.remove(&name);
        if let Err(error) = self.write_presets(before, format!("preset {name} deleted")) {
            self.log.say(Level::Error, error);
        }
    }

    /// Writes all presets; where that cannot be, all is as it was.
    fn write_presets(&mut self, before: SavedPresets, done: String) -> Result<(), String> {
        let problem = self.sampler.file.problem.as_ref();
        let toml = match problem {
            Some(problem) => {
                Err(format!("your presets cannot be saved until their file is mended: {}", one_line(problem)))
            }
            None => self.sampler.saved.to_toml(),
        };
        let toml = toml.inspect_err(|_| self.sampler.saved = before)?;
        if let Some(path) = self.sampler.file.path.clone() {
            self.outbox.push(Effect::Io(IoRequest::SavePresets { path, toml }));
        }
        self.log.say(Level::Notice, done);
        Ok(())
    }

    pub(super) fn presets_saved(&mut self, result: Result<(), String>) {
        if let Err(error) = result {
            self.log.say(Level::Error, format!("your presets were not saved: {error}"));
        }
    }
}

/// The first line of a message that shows the place in a file.
fn one_line(text: &str) -> String {
    text.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The list of presets to choose from.
#[derive(Debug)]
pub struct PresetList;

impl Overlay for PresetList {
    fn scope(&self) -> Scope {
        Scope::PRESETS
    }

    fn title(&self, _: &App) -> String {
        "Choose a sampling preset".to_owned()
    }

    fn rows(&self, app: &App) -> Rows {
        Rows::Choice(app.sampler.presets().map(|preset| Item::new(preset.name, preset.about)).collect())
    }

    fn select(&mut self, app: &mut App, _: usize) {
        app.disarm_presets();
    }

    fn pick(&mut self, cx: &mut Cx<'_>, row: usize) -> Picked {
        if let Some(name) = cx.app.sampler.apply_preset(row) {
            cx.app.log.say(Level::Notice, format!("sampling preset: {name}"));
        }
        Picked::Close
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::{ParamId, Value};

    #[test]
    fn a_preset_is_described_by_what_it_changes() {
        assert_eq!(changes(&Settings::neutral()), "every stage off");
        let mut settings = Settings::neutral();
        assert!(settings.set(ParamId::Temperature, Value::Float(0.65)).is_ok());
        assert!(settings.set(ParamId::Seed, Value::Seed(Some(3))).is_ok());
        assert!(settings.set_order(vec![StageId::TopK, StageId::Temperature]).is_ok());
        assert_eq!(changes(&settings), "temperature 0.65, order top_k > temperature");
    }
}
