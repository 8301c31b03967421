//! The lines around the panes: status on top, messages and key hints below.

use crate::app::command::id;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::paint;
use super::pane::View;
use super::token_line::token_line;
use crate::app::Scope;
use crate::app::input::Input;
use crate::app::log::Level;
use crate::app::models::{ModelJob, Stage};
use crate::app::run::Phase;
use crate::app::screen::{PaneId, PaneSpec};
use crate::app::shots::ShotsOverlay;
use crate::engine::{FinishReason, Timings};
use crate::text::figures;

/// Share of the context from which the figure warns.
const WARN: f64 = 0.8;

/// Columns of a model's name where the line is short.
const SHORT_NAME: usize = 14;

/// A piece of the status line; where the line is short, the short forms come first, then what matters less goes.
struct Piece {
    text: String,
    short: Option<String>,
    style: Style,
    keep: u8,
}

impl Piece {
    fn new(keep: u8, style: Style, text: impl Into<String>) -> Self {
        Self { text: text.into(), short: None, style, keep }
    }

    fn or_short(self, short: impl Into<String>) -> Self {
        Self { short: Some(short.into()), ..self }
    }
}

/// What stands there only where there is room for everything.
const EXTRA: u8 = 1;

/// Draws the status line: model, context, seed, speed, state.
pub(super) fn draw_status(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let mut pieces = pieces(view);
    let mut gap = "   ";
    let width = |pieces: &[Piece], gap: &str| pieces.iter().map(|piece| piece.text.width() + gap.len()).sum::<usize>();
    let room = usize::from(area.width);
    if width(&pieces, gap) > room {
        // Nothing is shortened or moved together for what is nice to have.
        pieces.retain(|piece| piece.keep != EXTRA);
    }
    if width(&pieces, gap) > room {
        gap = "  ";
    }
    while width(&pieces, gap) > room
        && let Some(piece) = pieces.iter_mut().filter(|piece| piece.short.is_some()).min_by_key(|piece| piece.keep)
    {
        piece.text = piece.short.take().unwrap_or_default();
    }
    while width(&pieces, gap) > room && pieces.len() > 1 {
        let least = pieces.iter().enumerate().min_by_key(|(_, piece)| piece.keep).map_or(0, |(at, _)| at);
        pieces.remove(least);
    }
    let mut line = Line::from(Span::raw(" "));
    for (at, piece) in pieces.into_iter().enumerate() {
        if at > 0 {
            line.spans.push(Span::raw(gap));
        }
        line.spans.push(Span::styled(piece.text, piece.style));
    }
    paint::line(buf, area, &line);
}

fn pieces(view: &View<'_>) -> Vec<Piece> {
    let app = view.app;
    let theme = view.theme;
    // The playground is where one is unless another view says so.
    let keep = if app.in_playground() { 0 } else { 9 };
    let mut pieces = vec![Piece::new(keep, theme.strong, app.screen.view.title)];
    match (&*app.models.job, &*app.models.loaded) {
        (Some(job), _) => pieces.push(Piece::new(9, theme.text, job_text(job).0)),
        (None, None) => pieces.push(Piece::new(9, theme.warning, "no model")),
        (None, Some(loaded)) => {
            let info = &loaded.info;
            let name = info.name.rsplit('/').next().unwrap_or(&info.name);
            let name = paint::cut(name, SHORT_NAME, theme.glyphs.ellipsis);
            pieces.push(Piece::new(8, theme.text, info.name.clone()).or_short(name));
            let size = figures::parameters(info.parameters);
            if info.dtype == "f32" {
                pieces.push(Piece::new(3, theme.dim, format!("{size} {} {}", info.dtype, info.device)));
            } else {
                // Numbers of other dtypes are not quite the model's own, so the screen always says which.
                pieces.push(Piece::new(3, theme.dim, format!("{size} {}", info.device)));
                pieces.push(Piece::new(8, theme.strong, info.dtype.to_owned()));
            }
            pieces.push(context(view, info.context));
        }
    }
    if let Some(name) = &app.storage.sessions.name {
        let short = paint::cut(name, SHORT_NAME, theme.glyphs.ellipsis);
        pieces.push(Piece::new(6, theme.text, format!("session {name}")).or_short(short));
    }
    if let Some(run) = app.shown_run() {
        if let Some(finish) = run.finish() {
            pieces.push(Piece::new(5, theme.dim, format!("seed {}", finish.seed)));
        }
        if let Some(rate) = run.tokens_per_second() {
            pieces.push(Piece::new(6, theme.dim, format!("{rate:.1} tok/s")));
        }
        if let Some(seconds) = run.first_token_s() {
            pieces.push(Piece::new(2, theme.dim, format!("first {seconds:.2} s")));
        }
        pieces.extend(run.finish().and_then(|finish| prompt(view, &finish.timings)));
    }
    if let Some(version) = app.version_at(view.page.view.caret()) {
        let which = version.which.map_or_else(|| "-".to_owned(), |which| which.to_string());
        let text = format!("{which}/{}", version.of);
        pieces.push(Piece::new(7, theme.strong, format!("version {text}")).or_short(text));
    }
    if let Some(run) = app.train.live() {
        let text = format!("training {} {}/{}", run.name(), run.step(), run.steps());
        pieces.push(Piece::new(6, theme.good, text).or_short(format!("training {}", run.step())));
    }
    if app.shown_run().is_some() || app.models.job.is_none() {
        pieces.push(state(view));
    }
    pieces
}

/// How fast the prompt was read, and how much of it was still in the cache.
fn prompt(view: &View<'_>, timings: &Timings) -> Option<Piece> {
    let Timings { prefill_tokens, prefill_s, cached_tokens, .. } = *timings;
    let rate = (prefill_s > 0.0).then(|| prefill_tokens as f64 / prefill_s)?;
    let kept = if cached_tokens > 0 { format!(", {cached_tokens} kept") } else { String::new() };
    let text = format!("prompt {rate:.0} tok/s{kept}");
    Some(Piece::new(EXTRA, view.theme.dim, text))
}

fn context(view: &View<'_>, context: usize) -> Piece {
    let document = &view.app.document;
    let used = document.tokens().len();
    let share = used as f64 / context.max(1) as f64;
    let style = match share {
        share if share >= 1.0 => view.theme.error,
        share if share >= WARN => view.theme.warning,
        _ => view.theme.text,
    };
    // Until the answer of the tokenizer is in, the count lags behind the text.
    let more = if document.pending().is_empty() { "" } else { "+" };
    let used = if view.app.models.untokenised().is_some() { "?".to_owned() } else { format!("{used}{more}") };
    Piece::new(7, style, format!("ctx {used}/{context}"))
}

fn state(view: &View<'_>) -> Piece {
    let theme = view.theme;
    if let Some(batch) = view.app.runs.batch.as_ref().filter(|batch| batch.is_running()) {
        let longest = batch.samples.iter().map(Vec::len).max().unwrap_or(0);
        let of = format!("{longest}/{}", batch.request.max_tokens);
        return Piece::new(10, theme.good, format!("{} samples {of}", batch.samples.len())).or_short(of);
    }
    let Some(run) = view.app.shown_run() else {
        return Piece::new(4, theme.dim, "idle");
    };
    match &run.phase {
        Phase::Reading => Piece::new(10, theme.good, "reading the prompt").or_short("reading"),
        Phase::Streaming => {
            let of = format!("{}/{}", run.steps.len(), run.max_tokens);
            Piece::new(10, theme.good, format!("generating {of}")).or_short(of)
        }
        Phase::Stopping => Piece::new(10, theme.warning, "stopping"),
        Phase::Failed => Piece::new(10, theme.error, "failed"),
        Phase::Ended(finish) => {
            let short = match finish.reasons.first() {
                Some(FinishReason::Length) | None => format!("max {}", run.max_tokens),
                Some(FinishReason::Stop) => "stop string".to_owned(),
                Some(FinishReason::Eos) => "end of text".to_owned(),
                Some(FinishReason::Context) => "context full".to_owned(),
                Some(FinishReason::Cancelled) => "stopped".to_owned(),
            };
            let ending = run.ending().unwrap_or_default();
            Piece::new(10, theme.dim, format!("idle: {ending}")).or_short(short)
        }
    }
}

/// Draws the names of the panes, the shown one marked.
pub(super) fn draw_tabs(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    for (pane, tab) in tabs(view.app.screen.panes, area) {
        let style = if pane == view.app.screen.focus { view.theme.selected } else { view.theme.dim };
        paint::line(buf, tab, &Line::styled(format!(" {} ", pane.name()), style));
    }
}

/// Where the names of the panes are.
pub(super) fn tabs(panes: &'static [&'static PaneSpec], area: Rect) -> impl Iterator<Item = (PaneId, Rect)> {
    let mut x = area.x;
    panes.iter().map(|pane| pane.id).map(move |pane| {
        let width = pane.name().width() as u16 + 2;
        let tab = Rect { x, width, ..area }.intersection(area);
        x = x.saturating_add(width + 1);
        (pane, tab)
    })
}

/// Draws the line being typed, or else the current message; gives the cell of the caret.
pub(super) fn draw_message(view: &View<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
    if let Some(input) = &*view.app.screen.input {
        return draw_input(view, input, area, buf);
    }
    let Some(entry) = view.app.log.current() else {
        if let Some(line) = token_line(view) {
            paint::line(buf, area, &line);
        }
        return None;
    };
    let style = match entry.level {
        Level::Notice => view.theme.text,
        Level::Warning => view.theme.warning,
        Level::Error => view.theme.error,
    };
    let stop = view.app.keymap.hint(id::STOP);
    let all = view.app.keymap.hint(id::MESSAGES);
    let tail = match entry.level {
        Level::Error if entry.text.width() + 12 > usize::from(area.width) => format!("  {all} shows all"),
        Level::Error => format!("  {stop} closes"),
        _ => String::new(),
    };
    let room = usize::from(area.width).saturating_sub(tail.width());
    let text = paint::cut(&entry.text, room, view.theme.glyphs.ellipsis);
    let line = Line::from(vec![Span::styled(text, style), Span::styled(tail, view.theme.dim)]);
    paint::line(buf, area, &line);
    None
}

/// Draws a line being typed; gives the cell of the caret.
pub(super) fn draw_input(view: &View<'_>, input: &Input, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let error = input.error.as_deref().map(|error| format!("   {error}")).unwrap_or_default();
    let label = format!("{}: ", input.label);
    let room = usize::from(area.width).saturating_sub(label.width() + 1).max(1);
    // The part around the caret: everything before it that fits, then what follows.
    let before = input.text.get(..input.caret).unwrap_or_default();
    let mut from = 0;
    while before.get(from..).unwrap_or_default().width() >= room {
        from += before.get(from..).and_then(|text| text.chars().next()).map_or(1, char::len_utf8);
    }
    let shown = input.text.get(from..).unwrap_or_default();
    let column = label.width() + before.get(from..).unwrap_or_default().width();
    let line = Line::from(vec![
        Span::styled(label, view.theme.strong),
        Span::styled(shown.to_owned(), if input.selected { view.theme.selected } else { view.theme.text }),
        Span::styled(error, view.theme.error),
    ]);
    paint::line(buf, area, &line);
    let column = u16::try_from(column).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
    Some(Position::new(area.x.saturating_add(column), area.y))
}

/// Draws hints for the keys that count everywhere, or for the line being typed.
pub(super) fn draw_hints(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
    let scope = match (&*view.app.screen.input, view.app.top()) {
        (Some(_), _) if view.app.is_searching() => Scope::FIND,
        (Some(_), _) => Scope::INPUT,
        (_, Some(open)) if !open.is::<ShotsOverlay>() => open.scope(),
        _ if view.app.screen.view.has_panes => Scope::GLOBAL,
        _ => (view.app.screen.view.scope)(view.app),
    };
    let Some(mut hints) = view.hints(scope, usize::from(area.width)) else { return };
    if !view.app.screen.view.has_panes && scope == (view.app.screen.view.scope)(view.app) {
        let help = paint::hints([(view.app.keymap.hint(id::HELP), "help")], view.theme.strong, view.theme.dim);
        hints.spans.push(Span::raw("  "));
        hints.spans.extend(help.spans);
    }
    paint::line(buf, area, &hints);
}

/// What a job is doing in words, and its share done.
pub(super) fn job_text(job: &ModelJob) -> (String, Option<f64>) {
    match &job.stage {
        Stage::Finding => (format!("looking up {} ...", job.name), None),
        Stage::Asking(_) => (format!("{} waits for your answer", job.name), None),
        Stage::Pulling(progress) => {
            let mut text = format!(
                "downloading {}: {:.0}%, {} of {}",
                job.name,
                progress.share() * 100.0,
                figures::bytes(progress.done),
                figures::bytes(progress.total)
            );
            if let Some(note) = &progress.note {
                text += &format!(", {note}");
            } else if let Some(rate) = progress.rate {
                text += &format!(", {}/s", figures::bytes(rate as u64));
                if let Some(eta) = progress.eta() {
                    text += &format!(", {} left", figures::duration(eta));
                }
            }
            (text, Some(progress.share()))
        }
        Stage::Loading(_, 0) => (format!("loading {} ...", job.name), None),
        Stage::Loading(done, total) => {
            let share = *done as f64 / *total as f64;
            (format!("loading {}: {:.0}% of {}", job.name, share * 100.0, figures::bytes(*total)), Some(share))
        }
    }
}
