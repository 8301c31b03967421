//! `kshot screenshot`: any screen of the playground as a picture.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use kshot::disk::{Existing, write_file};
use kshot::ui::script::{self, Clock, Driver};
use kshot::ui::svg::{SvgTheme, to_svg};
use kshot::ui::theme::{Ground, Palette, Theme, ThemeChoice, ThemeSpec};
use kshot::ui::widget::Glyphs;
use kshot::ui::{self, Shell, Workers};

use super::{Context, Status, Usage, model, playground};
use crate::cli::ScreenshotArgs;

/// Runs the keys on a playground without a terminal and writes what its screen shows then.
///
/// # Errors
/// A script that cannot be read or is stuck; a file that cannot be written.
pub(super) fn run(args: ScreenshotArgs, cx: &mut Context) -> anyhow::Result<Status> {
    script::parse(&args.keys).map_err(|error| Usage(format!("--keys: {error}")))?;
    let (spec, ground) = colours(&args)?;
    let model = model::name(args.model.as_deref(), cx);
    let options = playground::options(args.playground, false, model, cx)?;
    let workers = Workers::spawn(options.hub.clone(), options.special, options.runs.clone())
        .context("cannot start the engine")?;
    let theme = Theme::of(spec, options.look.scale, Palette::True, Glyphs::UNICODE);
    let shell = Shell::new(ui::start(options)?, theme);
    let clock = Clock::Real(Duration::from_secs(args.patience));
    let mut driver = Driver::new(shell, workers, args.size, clock)?;
    driver.run(&args.keys)?;
    let svg = to_svg(driver.buffer(), &ground);
    if args.output == Path::new("-") {
        cx.out.text(&svg)?;
        return Ok(Status::Done);
    }
    write_file(&args.output, svg.as_bytes(), Existing::Replace)?;
    cx.remark(format!("wrote {}", args.output.display()));
    Ok(Status::Done)
}

/// The theme and the ground that it stands on. A picture has no terminal to ask: the ground is dark unless --light or the theme
/// says otherwise.
fn colours(args: &ScreenshotArgs) -> Result<(&'static ThemeSpec, SvgTheme), Usage> {
    let wanted = match args.theme {
        Some(ThemeChoice::Named(spec)) => Some(spec),
        Some(ThemeChoice::Auto) | None => None,
    };
    let own = wanted.map(|spec| spec.ground);
    if args.light && own == Some(Ground::Dark) {
        let name = wanted.map_or("", |spec| spec.name);
        return Err(Usage(format!("the theme {name} is for a dark ground; leave out --light")));
    }
    let ground = if args.light || own == Some(Ground::Light) { Ground::Light } else { Ground::Dark };
    let svg = if ground == Ground::Light { SvgTheme::LIGHT } else { SvgTheme::DARK };
    Ok((wanted.unwrap_or_else(|| ground.theme()), svg))
}
