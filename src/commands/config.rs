//! `kshot config`: the settings in force, a file to start from, and what of the user's files cannot be used.

use kshot::app::keymap;
use kshot::config::{Origin, default_file, settings};

use super::{Context, Status};
use crate::cli::ConfigArgs;

pub(super) fn run(args: &ConfigArgs, cx: &mut Context) -> anyhow::Result<Status> {
    if args.default {
        cx.out.text(&default_file())?;
        return Ok(Status::Done);
    }
    if !args.check {
        show(cx)?;
    }
    cx.note_problems();
    let bad = args.check && !cx.config.problems.is_empty();
    Ok(if bad { Status::Bad } else { Status::Done })
}

fn show(cx: &mut Context) -> anyhow::Result<()> {
    let (config, keymap) = cx.paths.settings(cx.global.config.as_deref());
    for (name, path, hint) in [("settings", &config, "; kshot config --default prints one"), ("keys", &keymap, "")] {
        let absent = if path.exists() { String::new() } else { format!("  (not made yet{hint})") };
        let path = cx.out.label(&path.display().to_string());
        cx.out.line(format!("{name:<9} {path}{}", cx.out.style().dim(absent)))?;
    }
    cx.out.line("")?;
    let rows = settings();
    let width = rows.iter().map(|row| row.name().len()).max().unwrap_or(0);
    for row in rows {
        let (value, origin) = row.in_force(&cx.config.config, |name| std::env::var(name).ok());
        let origin = match origin {
            Origin::Default => String::new(),
            Origin::Line(line) => format!("  {}:{line}", config.display()),
            Origin::Variable(name) => format!("  {name}"),
        };
        let (value, origin) = (cx.out.label(&value), cx.out.label(&origin));
        cx.out.line(format!("{:<width$} = {value}{}", row.name(), cx.out.style().dim(origin)))?;
    }
    if !cx.config.keys.is_empty() {
        cx.out.line("")?;
    }
    for change in &cx.config.keys {
        let keys: Vec<String> = change.keys.iter().filter_map(|key| keymap::parse(key)).map(keymap::label).collect();
        cx.out.line(format!("[{}] {} = {}", change.scope.name, change.command, keys.join(", ")))?;
    }
    Ok(())
}
