//! The view of all sessions: a row for each, and below them where a text was found.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::layout::Layout;
use super::paint;
use super::pane::{self, Frame, View};
use super::widget::visible_rows;
use crate::session::{Row, local_time};
use crate::text::figures;

/// Columns of name, date, size and model; the rest is the first line's.
const NAME: usize = 22;
const DATE: usize = 18;
const SIZE: usize = 9;
const MODEL: usize = 16;
/// Columns below which the model is not shown.
const NARROW: usize = 100;

/// Draws the view.
pub(super) fn draw(view: &View<'_>, layout: &Layout, buf: &mut Buffer) -> Option<Position> {
    let (rows, selected) = view.app.session_rows();
    let query = view.app.session_query();
    let all = view.app.storage.sessions.rows.as_ref().map_or(0, Vec::len);
    let title = match query {
        "" => format!("Sessions ({all})"),
        query => format!("Sessions ({} of {all} with \"{query}\")", rows.len()),
    };
    let scope = (view.app.screen.view.scope)(view.app);
    let inner = pane::frame(view, layout.body, buf, Frame { title: Line::from(title), scope, style: view.theme.focus });
    let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
    let (list, foot) = paint::split_bottom(inner, if inner.height > 6 { 2 } else { 0 });
    let width = usize::from(list.width);
    let head = ["name", "changed", "size", "model", "text"].map(str::to_owned);
    paint::line(buf, list, &Line::styled(cells(view, width, head), view.theme.dim));
    let list = paint::below(list, 1);
    if rows.is_empty() {
        let text = match (&view.app.storage.sessions.rows, query) {
            (None, _) => "reading the list ...",
            (Some(_), "") => "No session is kept yet: type a text, and it is one.",
            (Some(_), _) => "No session has this text.",
        };
        paint::line(buf, list, &Line::styled(text, view.theme.dim));
    }
    let visible = visible_rows(selected, rows.len(), list.height);
    paint::more(buf, view.theme, list, &visible, rows.len());
    for (area, index) in paint::rows(list).zip(visible) {
        let Some(row) = rows.get(index) else { continue };
        draw_row(view, row, area, buf);
        if index == selected {
            paint::highlight(buf, area, view.theme.selected);
        }
    }
    if let Some(row) = rows.get(selected) {
        let shown = view.app.storage.sessions.shown(query, &row.id).map(|shown| format!("found: {shown}"));
        let line = Line::styled(shown.unwrap_or_else(|| row.about.first.clone()), view.theme.dim);
        paint::line(buf, paint::below(foot, 1), &line);
    }
    None
}

fn draw_row(view: &View<'_>, row: &Row, area: Rect, buf: &mut Buffer) {
    let about = &row.about;
    let is_current = view.app.storage.sessions.current.as_ref() == Some(&row.id);
    let mark = if is_current { "* " } else { "" };
    let name = match &about.name {
        Some(name) => format!("{mark}{name}"),
        None => mark.to_owned(),
    };
    let fields = [name, local_time(row.changed), figures::bytes(row.bytes), about.model.clone(), about.first.clone()];
    let style = if is_current { view.theme.good } else { view.theme.text };
    paint::line(buf, area, &Line::from(Span::styled(cells(view, usize::from(area.width), fields), style)));
}

/// Name, date, size, model and first line in their columns.
fn cells(view: &View<'_>, width: usize, [name, date, size, model, first]: [String; 5]) -> String {
    let ellipsis = view.theme.glyphs.ellipsis;
    let cell = |text: &str, width: usize| {
        let text = paint::cut(text, width.saturating_sub(1), ellipsis);
        format!("{text}{:1$}", "", width.saturating_sub(text.width()))
    };
    let mut line = cell(&name, NAME) + &cell(&date, DATE) + &format!("{size:>0$}  ", SIZE - 1);
    if width >= NARROW {
        line += &cell(&model, MODEL);
    }
    let room = width.saturating_sub(line.width());
    line + &paint::cut(&first, room, ellipsis)
}
