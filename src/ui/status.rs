//! The lines around the panes: status on top, messages and key hints below.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::overlay::job_text;
use super::paint;
use super::pane::View;
use crate::app::Scope;
use crate::app::input::Input;
use crate::app::log::Level;
use crate::app::run::Phase;
use crate::app::screen::{Layer, PaneId};
use crate::text::figures;

/// Share of the context from which the figure warns.
const WARN: f64 = 0.8;

/// A piece of the status line; what matters less goes first where the line is short.
struct Piece {
    text: String,
    style: Style,
    keep: u8,
}

/// Draws the status line: model, context, seed, speed, state.
pub(super) fn draw_status(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let mut pieces = pieces(view);
    let width = |pieces: &[Piece]| pieces.iter().map(|piece| piece.text.width() + 3).sum::<usize>();
    while width(&pieces) > usize::from(area.width) && pieces.len() > 1 {
        let least = pieces.iter().enumerate().min_by_key(|(_, piece)| piece.keep).map_or(0, |(at, _)| at);
        pieces.remove(least);
    }
    let mut line = Line::from(Span::raw(" "));
    for (at, piece) in pieces.into_iter().enumerate() {
        if at > 0 {
            line.spans.push(Span::raw("   "));
        }
        line.spans.push(Span::styled(piece.text, piece.style));
    }
    paint::line(buf, area, &line);
}

fn pieces(view: &View<'_>) -> Vec<Piece> {
    let app = view.app;
    let theme = view.theme;
    let mut pieces = vec![Piece { text: "kshot".to_owned(), style: theme.strong, keep: 0 }];
    match (&app.models.job, &app.models.loaded) {
        (Some(job), _) => pieces.push(Piece { text: job_text(job).0, style: theme.text, keep: 9 }),
        (None, None) => pieces.push(Piece { text: "no model".to_owned(), style: theme.warning, keep: 9 }),
        (None, Some(loaded)) => {
            let info = &loaded.info;
            pieces.push(Piece { text: info.name.clone(), style: theme.text, keep: 8 });
            pieces.push(Piece {
                text: format!("{} {} {}", figures::parameters(info.parameters), info.dtype, info.device),
                style: theme.dim,
                keep: 3,
            });
            pieces.push(context(view, info.context));
        }
    }
    if let Some(run) = &app.run {
        if let Some(finish) = run.finish() {
            pieces.push(Piece { text: format!("seed {}", finish.seed), style: theme.dim, keep: 5 });
        }
        if let Some(rate) = run.tokens_per_second() {
            pieces.push(Piece { text: format!("{rate:.1} tok/s"), style: theme.dim, keep: 6 });
        }
        if let Some(seconds) = run.first_token_s() {
            pieces.push(Piece { text: format!("first {seconds:.2} s"), style: theme.dim, keep: 2 });
        }
    }
    if app.run.is_some() || app.models.job.is_none() {
        pieces.push(state(view));
    }
    pieces
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
    Piece { text: format!("ctx {used}{more}/{context}"), style, keep: 7 }
}

fn state(view: &View<'_>) -> Piece {
    let theme = view.theme;
    let Some(run) = &view.app.run else {
        return Piece { text: "idle".to_owned(), style: theme.dim, keep: 4 };
    };
    let (text, style) = match &run.phase {
        Phase::Reading => ("reading the prompt".to_owned(), theme.good),
        Phase::Streaming => (format!("generating {}/{}", run.steps.len(), run.max_tokens), theme.good),
        Phase::Stopping => ("stopping".to_owned(), theme.warning),
        Phase::Failed => ("failed".to_owned(), theme.error),
        Phase::Ended(_) => (format!("idle: {}", run.ending().unwrap_or_default()), theme.dim),
    };
    Piece { text, style, keep: 10 }
}

/// Draws the names of the panes, the shown one marked.
pub(super) fn draw_tabs(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let mut line = Line::default();
    for pane in PaneId::ALL {
        let style = if pane == view.app.focus { view.theme.selected } else { view.theme.dim };
        line.spans.push(Span::styled(format!(" {} ", pane.name()), style));
        line.spans.push(Span::raw(" "));
    }
    paint::line(buf, area, &line);
}

/// Draws the line being typed, or else the current message; gives the cell of the caret.
pub(super) fn draw_message(view: &View<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
    if let Some(input) = &view.app.input {
        return draw_input(view, input, area, buf);
    }
    let entry = view.app.log.current()?;
    let style = match entry.level {
        Level::Notice => view.theme.text,
        Level::Warning => view.theme.warning,
        Level::Error => view.theme.error,
    };
    let stop = view.app.keymap.hint("stop");
    let all = view.app.keymap.hint("messages");
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

fn draw_input(view: &View<'_>, input: &Input, area: Rect, buf: &mut Buffer) -> Option<Position> {
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
        Span::raw(shown.to_owned()),
        Span::styled(error, view.theme.error),
    ]);
    paint::line(buf, area, &line);
    let column = u16::try_from(column).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
    Some(Position::new(area.x.saturating_add(column), area.y))
}

/// Draws hints for the keys that count everywhere, or for the line being typed.
pub(super) fn draw_hints(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
    let scope = match (&view.app.input, view.app.layers.last()) {
        (Some(_), _) => Scope::Input,
        (None, Some(layer)) if *layer != Layer::Shots => layer.scope(),
        _ => Scope::Global,
    };
    if let Some(hints) = view.hints(scope, usize::from(area.width)) {
        paint::line(buf, area, &hints);
    }
}
