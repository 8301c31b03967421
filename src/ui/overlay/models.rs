//! Models: what is offered, what is here, and what is under way.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use super::Pane;
use crate::app::models::{Cached, ModelJob, ModelRow};
use crate::app::open::ModelList;
use crate::files::Files;
use crate::text::figures;
use crate::ui::paint;
use crate::ui::pane::View;
use crate::ui::status::job_text;
use crate::ui::widget::Bar;

/// Columns of parameters, download, memory, state.
const COLUMNS: [usize; 4] = [8, 10, 12, 16];
/// The same where the names would not fit beside all of them: what matters before a download.
const FEW: [usize; 4] = [0, 10, 0, 16];
/// Columns below which [`FEW`] are shown.
const NARROW: u16 = 72;

/// Draws the list, and below it what is under way.
pub(super) fn draw(_: &ModelList, pane: &Pane<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    let view = pane.view;
    let models = &view.app.models;
    let rows = models.rows.as_deref().unwrap_or_default();
    let height = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_add(8).max(12);
    let (inner, caret) = pane.window(body, 96, height, buf);
    let (list, foot) = paint::split_bottom(inner, if inner.height > 9 { 4 } else { 3 });
    let columns = if inner.width < NARROW { FEW } else { COLUMNS };
    let head = cells(
        view,
        inner.width,
        columns,
        ["model", "weights", "download", "f32 memory", "on this disk"].map(str::to_owned),
    );
    paint::line(buf, list, &head.style(view.theme.dim));
    let list = paint::below(list, 1);
    if models.rows.is_none() {
        paint::line(buf, list, &Line::styled("reading the list ...", view.theme.dim));
    }
    pane.list(list, buf, |index| {
        rows.get(index).map(|model| model_line(view, model, inner.width, columns)).unwrap_or_default()
    });
    match &*models.job {
        Some(job) => draw_job(view, job, paint::below(foot, 1), buf),
        None => {
            let about = view.app.model_row().map(|row| row.about.clone()).unwrap_or_default();
            let weights = format!("Weights as {}: {}.", models.dtype, models.dtype.about());
            let rows = [about, weights].into_iter().flat_map(|text| paint::wrap(&text, inner.width));
            paint::lines(buf, paint::below(foot, 1), rows.map(|row| Line::styled(row, view.theme.dim)));
        }
    }
    caret
}

fn model_line(view: &View<'_>, model: &ModelRow, width: u16, columns: [usize; 4]) -> Line<'static> {
    let loaded = view.app.models.loaded.as_ref().is_some_and(|loaded| loaded.info.name == model.name);
    let state = match &model.cached {
        _ if loaded => {
            let dtype = view.app.models.loaded.as_ref().map_or("f32", |loaded| loaded.info.dtype);
            if dtype == "f32" { "loaded".to_owned() } else { format!("loaded, {dtype}") }
        }
        Cached::No => String::new(),
        Cached::Partial(have) => match model.download.filter(|total| *total > 0) {
            Some(total) => format!("{:.0}% there", *have as f64 / total as f64 * 100.0),
            None => format!("{} there", figures::bytes(*have)),
        },
        Cached::Yes(Files::BuiltIn) => "in the program".to_owned(),
        Cached::Yes(Files::Folder(_)) => "here".to_owned(),
    };
    let bytes = |n: Option<u64>| n.map(figures::bytes).unwrap_or_default();
    let parameters = model.parameters.map(figures::parameters).unwrap_or_default();
    cells(view, width, columns, [model.name.clone(), parameters, bytes(model.download), bytes(model.memory), state])
}

/// One row: the name, figures to the right of their columns, the state. A column of no width is left out.
fn cells(
    view: &View<'_>,
    width: u16,
    columns: [usize; 4],
    [name, parameters, download, memory, state]: [String; 5],
) -> Line<'static> {
    let room = usize::from(width).saturating_sub(columns.iter().sum());
    let name = paint::cut(&name, room.saturating_sub(1), view.theme.glyphs.ellipsis);
    let mut text = format!("{name}{:1$}", "", room.saturating_sub(name.width()));
    for (figure, width) in [parameters, download, memory].into_iter().zip(columns).filter(|(_, width)| *width > 0) {
        text += &format!("{figure:>width$}");
    }
    let style = if ["here", "in the program", "loaded"].iter().any(|good| state.starts_with(good)) {
        view.theme.good
    } else {
        Style::new()
    };
    Line::from(vec![Span::raw(text + "  "), Span::styled(state, style)])
}

/// What is under way: a line, a bar where there is a share, and figures.
fn draw_job(view: &View<'_>, job: &ModelJob, area: Rect, buf: &mut Buffer) {
    let (text, share) = job_text(job);
    paint::line(buf, area, &Line::styled(text, view.theme.text));
    let bar = Rect { height: 1, ..paint::below(area, 1) }.intersection(paint::below(area, 1)).intersection(buf.area);
    if let Some(share) = share {
        let theme = view.theme;
        Bar { share, style: theme.bar, rest: theme.dim, glyphs: &theme.glyphs }.render(bar, buf);
    }
}
