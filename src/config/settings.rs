//! The table of settings, and what they are set to.

use std::path::Path;

use toml::de::DeValue;

use super::problem::{Problem, Report};
use super::toml_file::{Entry, entries, flat, parse};
use crate::app::models::DtypeChoice;
use crate::files::builtin;
use crate::sampling::{
    DEFAULT_PRESET, ParamId, ParamSpec, Settings, StageId, Value, parse_order, presets, specs, stages,
};
use crate::text::nearest;
use crate::ui::theme::{SCALES, Scale, ThemeChoice};

pub use crate::ui::Clipboard;

/// The table of the sampling parameters in the file.
const SAMPLING: &str = "sampling";

/// What the program starts with, where neither the command line nor the environment says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The model to open.
    pub model: String,
    /// How the weights are kept.
    pub dtype: DtypeChoice,
    /// The theme.
    pub theme: ThemeChoice,
    /// The colour scale.
    pub scale: &'static Scale,
    /// Whether the program gets the mouse.
    pub mouse: bool,
    /// How text is copied.
    pub clipboard: Clipboard,
    preset: Option<&'static str>,
    params: Vec<(ParamId, Value)>,
    order: Option<Vec<StageId>>,
    set: Vec<(String, Origin)>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nothing else was said.
    Default,
    /// This line of the file.
    Line(usize),
    /// This variable of the environment.
    Variable(String),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            model: builtin::NAME.to_owned(),
            dtype: DtypeChoice::Auto,
            theme: ThemeChoice::Auto,
            scale: &SCALES[0],
            mouse: true,
            clipboard: Clipboard::Auto,
            preset: None,
            params: Vec::new(),
            order: None,
            set: Vec::new(),
        }
    }
}

/// A row of the table: one key of the file.
pub struct Setting {
    /// The table of the file it stands in; empty for those on top.
    pub section: &'static str,
    /// Its key.
    pub key: &'static str,
    doc: String,
    accepts: String,
    variable: Option<String>,
    set: Box<Set>,
    show: Box<Show>,
}

type Set = dyn Fn(&mut Config, &str) -> Result<(), String>;
/// The value as it stands in the file.
type Show = dyn Fn(&Config) -> String;

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(names: impl IntoIterator<Item = &'static str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// All rows, in the order of the file.
pub fn settings() -> Vec<Setting> {
    model_rows().into_iter().chain(screen_rows()).chain(sampling_rows()).collect()
}

/// A row above all tables.
fn row(
    key: &'static str,
    doc: &str,
    accepts: String,
    variable: Option<&str>,
    set: Box<Set>,
    show: Box<Show>,
) -> Setting {
    Setting { section: "", key, doc: doc.to_owned(), accepts, variable: variable.map(str::to_owned), set, show }
}

/// The model and the theme, which have flags and variables too.
fn model_rows() -> Vec<Setting> {
    vec![
        row(
            "model",
            "The model where none is named",
            "`built-in`, a hub id (org/name[@revision]) or a folder".to_owned(),
            Some("KSHOT_MODEL"),
            Box::new(|config, text| match text.trim() {
                "" => Err("a name is missing".to_owned()),
                name => {
                    config.model = name.to_owned();
                    Ok(())
                }
            }),
            Box::new(|config| quoted(&config.model)),
        ),
        row(
            "dtype",
            "How the weights are kept in memory; auto is f32 for small models, else bf16, or q8_0 where bf16 does not fit",
            list(DtypeChoice::all().map(DtypeChoice::name)),
            Some("KSHOT_DTYPE"),
            Box::new(|config, text| {
                config.dtype = text.parse()?;
                Ok(())
            }),
            Box::new(|config| quoted(config.dtype.name())),
        ),
        row(
            "theme",
            "Colours; auto asks the terminal whether its ground is dark or light",
            list(ThemeChoice::names()),
            Some("KSHOT_THEME"),
            Box::new(|config, text| {
                config.theme = text.parse()?;
                Ok(())
            }),
            Box::new(|config| quoted(config.theme.name())),
        ),
    ]
}

/// How the screen looks and what it takes from the terminal.
fn screen_rows() -> Vec<Setting> {
    vec![
        row(
            "scale",
            "The scale from unlikely to likely",
            SCALES.iter().map(|scale| format!("{} ({})", scale.name, scale.doc)).collect::<Vec<_>>().join(", "),
            None,
            Box::new(|config, text| {
                let names = || format!("the scales are {}", list(SCALES.iter().map(|scale| scale.name)));
                config.scale = Scale::find(text).ok_or_else(names)?;
                Ok(())
            }),
            Box::new(|config| quoted(config.scale.name)),
        ),
        row(
            "mouse",
            "Whether clicks, the wheel and drags are kshot's; Shift+drag is always the terminal's own",
            "true, false".to_owned(),
            None,
            Box::new(|config, text| {
                config.mouse = text.parse().map_err(|_| "this is true or false".to_owned())?;
                Ok(())
            }),
            Box::new(|config| config.mouse.to_string()),
        ),
        row(
            "clipboard",
            "How text is copied",
            Clipboard::ALL.map(|way| format!("{} ({})", way.name(), way.doc())).join(", "),
            None,
            Box::new(|config, text| {
                let names = || format!("the ways are {}", Clipboard::ALL.map(Clipboard::name).join(", "));
                config.clipboard = Clipboard::find(text).ok_or_else(names)?;
                Ok(())
            }),
            Box::new(|config| quoted(config.clipboard.name())),
        ),
    ]
}

fn sampling_rows() -> Vec<Setting> {
    let preset = Setting {
        section: SAMPLING,
        key: "preset",
        doc: "Settings to start from; the keys below change them".to_owned(),
        accepts: list(presets().iter().map(|preset| preset.name)),
        variable: Some("KSHOT_PRESET".to_owned()),
        set: Box::new(|config, text| {
            let found = presets().iter().find(|preset| preset.name == text);
            let names = || format!("the presets are {}", list(presets().iter().map(|preset| preset.name)));
            config.preset = Some(found.ok_or_else(names)?.name);
            Ok(())
        }),
        show: Box::new(|config| quoted(config.preset.unwrap_or(DEFAULT_PRESET))),
    };
    let order = Setting {
        section: SAMPLING,
        key: "order",
        doc: "Order of the stages; a stage that is left out does not run".to_owned(),
        accepts: format!("a list of {}", list(stages().iter().map(|stage| stage.key))),
        variable: Some("KSHOT_ORDER".to_owned()),
        set: Box::new(|config, text| {
            config.order = Some(parse_order(text).map_err(|error| error.to_string())?);
            Ok(())
        }),
        show: Box::new(|config| {
            let stages = config.sampling().order().iter().map(|stage| quoted(&stage.to_string())).collect::<Vec<_>>();
            format!("[{}]", stages.join(", "))
        }),
    };
    let param = |spec: &'static ParamSpec| Setting {
        section: SAMPLING,
        key: spec.key,
        doc: spec.doc.to_owned(),
        accepts: spec.accepts(),
        variable: Some(format!("KSHOT_{}", spec.flag.replace('-', "_").to_uppercase())),
        set: Box::new(|config, text| {
            let value = spec.parse(text).map_err(|_| format!("this takes {}", spec.accepts()))?;
            config.params.push((spec.id, value));
            Ok(())
        }),
        show: Box::new(|config| match config.sampling().get(spec.id) {
            value @ (Value::Float(_) | Value::Integer(_)) => value.number().unwrap_or_default().to_string(),
            Value::Seed(_) => quoted(&config.sampling().display(spec.id)),
        }),
    };
    [preset].into_iter().chain(specs().iter().map(param)).chain([order]).collect()
}

impl Setting {
    /// Its key with the table it stands in.
    pub fn name(&self) -> String {
        if self.section.is_empty() { self.key.to_owned() } else { format!("{}.{}", self.section, self.key) }
    }

    /// The value that counts, as it would stand in the file, and where it comes from. The environment, read through `var`,
    /// comes before the file.
    pub fn in_force(&self, config: &Config, var: impl Fn(&str) -> Option<String>) -> (String, Origin) {
        let set = self.variable.as_deref().and_then(|name| Some((name, var(name).filter(|value| !value.is_empty())?)));
        if let Some((name, value)) = set {
            let mut with = config.clone();
            if (self.set)(&mut with, &value).is_ok() {
                return ((self.show)(&with), Origin::Variable(name.to_owned()));
            }
        }
        let line = config.set.iter().rev().find(|(key, _)| *key == self.name());
        ((self.show)(config), line.map_or(Origin::Default, |(_, origin)| origin.clone()))
    }
}

impl Config {
    /// Reads the file.
    pub fn read(file: &Path, text: &str, problems: &mut Vec<Problem>) -> Self {
        let mut config = Self::default();
        let rows = settings();
        let mut report = Report::of(file, text, problems);
        let table = parse(text, &mut report);
        for entry in entries(table.get_ref()) {
            match entry.value {
                DeValue::Table(section) if entry.key == SAMPLING => {
                    for entry in entries(section) {
                        config.take(&rows, SAMPLING, &entry, &mut report);
                    }
                }
                _ => config.take(&rows, "", &entry, &mut report),
            }
        }
        config
    }

    fn take(&mut self, rows: &[Setting], section: &str, entry: &Entry<'_>, report: &mut Report<'_>) {
        let (key, at) = (entry.key, entry.at.start);
        let Some(row) = rows.iter().find(|row| row.section == section && row.key == key) else {
            return report.add(at, || unknown(rows, section, key));
        };
        let set = flat(entry.value).and_then(|text| (row.set)(self, &text).map_err(|why| format!("`{text}`: {why}")));
        match set {
            Ok(()) => self.set.push((row.name(), Origin::Line(report.line(at)))),
            Err(why) => report.add(at, || format!("{} is {why}", row.name())),
        }
    }

    /// The sampling settings to start with.
    pub fn sampling(&self) -> Settings {
        let mut settings = Settings::default();
        if let Some(preset) = self.preset.and_then(|name| Settings::preset(name).ok()) {
            settings.use_sampling_of(&preset);
        }
        for (param, value) in &self.params {
            // Rows only take values of their own kind and range.
            let _ = settings.set(*param, *value);
        }
        if let Some(order) = &self.order {
            let _ = settings.set_order(order.clone());
        }
        settings
    }
}

fn unknown(rows: &[Setting], section: &str, key: &str) -> String {
    let place = if section.is_empty() { String::new() } else { format!(" under [{section}]") };
    if let Some(row) = rows.iter().find(|row| row.key == key) {
        let right =
            if row.section.is_empty() { "above all tables".to_owned() } else { format!("under [{}]", row.section) };
        return format!("`{key}` belongs {right}");
    }
    let known = rows.iter().filter(|row| row.section == section).map(|row| row.key);
    let known = known.chain(section.is_empty().then_some(SAMPLING));
    let near = nearest(key, known).unwrap_or_default();
    format!("there is no setting `{key}`{place}; the nearest is `{near}`")
}

/// The file with every setting at its default, each commented out.
pub fn default_file() -> String {
    let mut text = String::from(
        "# Settings of kshot. A line that is commented out shows the default; remove the # to change it.\n\
         # Flags and KSHOT_* variables come before this file. Keys are set in keymap.toml beside it.\n",
    );
    let default = Config::default();
    let mut section = "";
    for row in settings() {
        if row.section != section {
            section = row.section;
            text += &format!("\n# What generations start with\n[{section}]\n");
        }
        text += &format!("\n# {}: {}\n# {} = {}\n", row.doc, row.accepts, row.key, (row.show)(&default));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn read(text: &str) -> (Config, Vec<String>) {
        let mut problems = Vec::new();
        let config = Config::read(Path::new("config.toml"), text, &mut problems);
        (config, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_file_of_defaults_says_what_is_so_anyway() {
        let file = default_file();
        assert_eq!(read(&file), (Config::default(), Vec::new()));
        // The lines `# key = value`, taken out of their comments, change nothing either.
        let is_value = |line: &str| settings().iter().any(|row| line.starts_with(&format!("# {} = ", row.key)));
        let values: Vec<&str> =
            file.lines().map(|line| if is_value(line) { line.trim_start_matches("# ") } else { line }).collect();
        let (config, problems) = read(&values.join("\n"));
        assert_eq!(problems, Vec::<String>::new(), "{}", values.join("\n"));
        assert_eq!(config.set.len(), settings().len(), "every row stands in it once");
        assert_eq!(config.sampling(), Settings::default());
        assert_eq!(
            Config { set: Vec::new(), params: Vec::new(), order: None, preset: None, ..config },
            Config::default()
        );
    }

    #[test]
    fn what_is_set_counts_wherever_the_preset_stands() {
        let (config, problems) = read(
            "model = \"org/name\"\ntheme = \"light\"\nscale = \"viridis\"\nmouse = false\nclipboard = \"off\"\n\
             [sampling]\ntop_p = \"off\"\ntemperature = 0\nseed = 7\norder = [\"top_k\", \"temperature\"]\n\
             preset = \"creative\"\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!((config.model.as_str(), config.theme.name(), config.scale.name), ("org/name", "light", "viridis"));
        assert_eq!((config.mouse, config.clipboard), (false, Clipboard::Off));
        let sampling = config.sampling();
        assert_eq!((sampling.float(ParamId::Temperature), sampling.seed()), (0.0, Some(7)));
        assert_eq!((sampling.display(ParamId::TopP), sampling.order().len()), ("off".to_owned(), 2));
        let creative = Settings::preset("creative").unwrap();
        assert_eq!(sampling.get(ParamId::MinP), creative.get(ParamId::MinP));
    }

    #[test]
    fn each_mistake_is_told_with_its_line_and_the_rest_counts() {
        let (config, problems) = read(
            "modle = \"x\"\nmouse = 3\ntheme = \"drak\"\ntemperature = 1\nscale = \"grey\"\nclipboard = {}\n\
             [sampling]\ntop_p = 3\ntop_q = 1\nmodel = \"y\"\nmax_tokens = 9\npreset = \"wild\"\n[other]\nx = 1\n",
        );
        for (line, part) in [
            (1, "no setting `modle`; the nearest is `model`"),
            (2, "mouse is `3`: this is true or false"),
            (3, "theme is `drak`: the themes are auto, neutral, dark, light"),
            (4, "`temperature` belongs under [sampling]"),
            (6, "clipboard is a table; a plain value belongs here"),
            (8, "sampling.top_p is `3`: this takes a number from 0 to 1"),
            (9, "no setting `top_q` under [sampling]; the nearest is `top_"),
            (10, "`model` belongs above all tables"),
            (12, "the presets are"),
            (13, "no setting `other`"),
        ] {
            let start = format!("config.toml:{line}: ");
            let found = problems.iter().find(|problem| problem.starts_with(&start));
            assert!(found.is_some_and(|problem| problem.contains(part)), "{line} {part}: {problems:?}");
        }
        assert_eq!(problems.len(), 10, "{problems:?}");
        assert_eq!((config.scale.name, config.sampling().max_tokens()), ("grey", 9));
    }

    #[test]
    fn a_value_in_force_names_its_origin() {
        let (config, _) = read("\ntheme = \"light\"\n[sampling]\ntop_k = 7\n");
        let var = |name: &str| (name == "KSHOT_TEMP").then(|| "0.5".to_owned());
        let of = |name: &str| {
            settings().iter().find(|row| row.name() == name).map(|row| row.in_force(&config, var)).unwrap()
        };
        assert_eq!(of("theme"), ("\"light\"".to_owned(), Origin::Line(2)));
        assert_eq!(of("sampling.top_k"), ("7".to_owned(), Origin::Line(4)));
        assert_eq!(of("sampling.temperature"), ("0.5".to_owned(), Origin::Variable("KSHOT_TEMP".to_owned())));
        assert_eq!(of("mouse"), ("true".to_owned(), Origin::Default));
    }
}
