//! `kshot screenshot`: any screen of the playground as a picture.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use kshot::ui::script::{self, Clock, Driver};
use kshot::ui::svg::{SvgTheme, to_svg};
use kshot::ui::theme::{Palette, Theme};
use kshot::ui::widget::Glyphs;
use kshot::ui::{self, Shell, Workers};

use super::{Context, Status, Usage, playground};
use crate::cli::ScreenshotArgs;

/// Runs the keys on a playground without a terminal and writes what its screen shows then.
///
/// # Errors
/// A script that cannot be read or is stuck; a file that cannot be written.
pub(super) fn run(args: ScreenshotArgs, cx: &mut Context) -> anyhow::Result<Status> {
    script::parse(&args.keys).map_err(|error| Usage(format!("--keys: {error}")))?;
    let model = args.model.or_else(|| cx.model.clone());
    let options = playground::options(args.playground, false, model, cx)?;
    let workers = Workers::spawn(options.hub.clone(), options.special).context("cannot start the engine")?;
    let shell = Shell::new(ui::start(options)?, Theme::new(Palette::True, Glyphs::UNICODE));
    let clock = Clock::Real(Duration::from_secs(args.patience));
    let mut driver = Driver::new(shell, workers, args.size, clock)?;
    driver.run(&args.keys)?;
    let theme = if args.light { SvgTheme::LIGHT } else { SvgTheme::DARK };
    let svg = to_svg(driver.buffer(), &theme);
    if args.output == Path::new("-") {
        cx.out.text(&svg)?;
        return Ok(Status::Done);
    }
    write(&args.output, svg.as_bytes()).with_context(|| format!("cannot write {}", args.output.display()))?;
    cx.remark(format!("wrote {}", args.output.display()));
    Ok(Status::Done)
}

/// Writes under a temporary name beside the file, then renames: an old picture is replaced whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".kshot-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path)?;
    Ok(())
}
