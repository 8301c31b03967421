//! The wording of what the screen would draw.

use crate::app::App;
use crate::app::command::CommandSpec;
use crate::app::input::Input;
use crate::app::models::Stage;
use crate::app::overlay::Item;
use crate::app::question::Ask;
use crate::app::sampler::{Row, Sampler};
use crate::session::Author;
use crate::text::nearest;
use crate::ui::status::job_text;

/// Commands of this mode alone.
const OWN: [(&str, &str); 5] = [
    ("help", "this list"),
    ("show", "the whole text, who wrote what"),
    ("set", "sampling: /set lists the values, /set temperature 0.7 sets one, /set preset creative all"),
    ("model", "load a model: /model NAME, or a list without a name"),
    ("/", "a line that begins with two slashes is text that begins with one"),
];

/// All commands, one a line.
pub(super) fn help(offered: &[&CommandSpec]) -> Vec<String> {
    let table = offered.iter().map(|command| (command.id.name(), command.doc));
    let all = OWN.into_iter().chain(table).map(|(name, doc)| format!("/{name}: {doc}"));
    let head = "A line is added to the text: after another typed line with a newline, after the model's text where it ends. \
                An empty line is a newline. Ctrl+C stops the model.";
    [head.to_owned()].into_iter().chain(all).collect()
}

/// A name that is no command.
pub(super) fn unknown(name: &str, offered: &[&CommandSpec]) -> String {
    let known = OWN.iter().map(|(name, _)| *name).chain(offered.iter().map(|command| command.id.name()));
    let near = nearest(name, known).unwrap_or("help");
    format!(
        "There is no command /{name}; the nearest is /{near}. /help lists all; a line of text begins with // for a slash."
    )
}

/// The text, each stretch below the name of its author.
pub(super) fn document(app: &App) -> Vec<String> {
    if app.document.is_empty() {
        return vec!["The text is empty.".to_owned()];
    }
    let mut lines = Vec::new();
    let mut start = 0;
    for run in app.document.runs() {
        lines.push(if run.author == Author::Model { "Model:" } else { "Typed:" }.to_owned());
        let bytes = app.document.bytes().get(start..run.end).unwrap_or_default();
        lines.push(String::from_utf8_lossy(bytes).into_owned());
        start = run.end;
    }
    lines
}

/// How long the text is, and its end.
pub(super) fn ends_in(app: &App) -> String {
    let text = app.document.text();
    let count = text.chars().count();
    if count == 0 {
        return "The text is empty.".to_owned();
    }
    let tail: String = text.chars().skip(count.saturating_sub(40)).collect();
    format!("The text has {count} characters and ends in {tail:?}.")
}

fn key(row: Row) -> &'static str {
    match row {
        Row::Param(spec) => spec.key,
        Row::Stop => "stop",
        Row::Bias => "bias",
    }
}

/// The sampling values, one a line.
pub(super) fn settings(app: &App) -> Vec<String> {
    let preset = app.sampler.preset_name().unwrap_or("your own");
    let rows = Sampler::rows().map(|row| match row {
        Row::Param(spec) => format!("{} {}: {}", spec.key, app.sampler.settings.display(spec.id), spec.doc),
        Row::Stop if app.sampler.stop.is_empty() => "stop none: strings that end the text".to_owned(),
        Row::Stop => format!("stop {}: strings that end the text", app.sampler.stop_text()),
        Row::Bias if app.sampler.bias.is_empty() => "bias none: what is added to the logits of tokens".to_owned(),
        Row::Bias => format!("bias {}: what is added to the logits of tokens", app.sampler.bias_text()),
    });
    [format!("preset {preset}")].into_iter().chain(rows).collect()
}

/// Sets a value, `temperature 0.7`; says what came of it.
pub(super) fn set(app: &mut App, what: &str) -> String {
    let (name, value) = what.split_once(' ').unwrap_or((what, ""));
    let value = value.trim();
    if name == "preset" {
        let names: Vec<String> = app.sampler.presets().map(|preset| preset.name.to_owned()).collect();
        let found = names.iter().position(|name| name == value);
        return match found.and_then(|at| app.sampler.apply_preset(at)) {
            Some(name) => format!("preset {name}"),
            None => format!("The presets are {}.", names.join(", ")),
        };
    }
    let Some(at) = Sampler::rows().position(|row| key(row) == name) else {
        let known = Sampler::rows().map(key).chain(["preset"]);
        let near = nearest(name, known).unwrap_or_default();
        return format!("There is nothing to set called {name}; the nearest is {near}.");
    };
    app.sampler.selected = at;
    if value.is_empty() && !matches!(name, "stop" | "bias") {
        return settings(app).get(at + 1).cloned().unwrap_or_default();
    }
    let tokenizer = app.models.loaded.as_ref().and_then(|loaded| loaded.tokenizer.clone());
    match app.sampler.accept(value, tokenizer.as_deref()) {
        Ok(()) => settings(app).get(at + 1).cloned().unwrap_or_default(),
        Err(error) => format!("{name} stays as it was: {error}"),
    }
}

/// A question that wants a line.
pub(super) fn question(input: &Input) -> String {
    let error = input.error.as_ref().map(|error| format!("{error}. ")).unwrap_or_default();
    match input.text.as_str() {
        "" => format!("{error}{}? (an empty line leaves)", input.label),
        text => format!("{error}{}? (an empty line takes {text})", input.label),
    }
}

/// The rows of a list, each with its number.
pub(super) fn numbered(items: &[Item]) -> Vec<String> {
    let row = |item: &Item| match item.about.as_str() {
        "" => item.name.clone(),
        about => format!("{}: {about}", item.name),
    };
    items.iter().enumerate().map(|(at, item)| format!("{}. {}", at + 1, row(item))).collect()
}

/// What stands above a list.
pub(super) fn choose(app: &App) -> Vec<String> {
    let Some(open) = app.top() else { return Vec::new() };
    let mut lines = vec![open.overlay.title(app)];
    if let Some(ask) = open.get::<Ask>() {
        lines.extend(ask.question.about(app));
    }
    lines.push("Choose by number; an empty line leaves.".to_owned());
    lines
}

/// Why the generation ended.
pub(super) fn ending(app: &App) -> Option<String> {
    let run = app.runs.current.as_ref()?;
    let seed = run.finish().map(|finish| format!("; seed {}", finish.seed)).unwrap_or_default();
    Some(format!("[{}{seed}]", run.ending()?))
}

/// Tenths of a download that are here.
pub(super) fn tenths_done(app: &App) -> Option<u64> {
    match &app.models.job.as_ref()?.stage {
        Stage::Pulling(progress) => Some((progress.share() * 10.0) as u64),
        _ => None,
    }
}

/// What is under way with a model.
pub(super) fn job(app: &App) -> String {
    app.models.job.as_ref().map(|job| job_text(job).0).unwrap_or_default()
}
