//! How an overlay is drawn that asks for nothing else: a list of names with a line about each, or paragraphs.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::Pane;
use crate::app::overlay::{Item, Rows};
use crate::ui::paint;

/// Columns of the widest window.
const WIDTH: u16 = 90;
/// Columns of the names at most.
const NAME: usize = 26;

/// Draws the list or the text; gives the cell of the caret of its filter.
pub(super) fn draw(pane: &Pane<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    let items = match pane.open.overlay.rows(pane.view.app) {
        Rows::Choice(items) => items,
        Rows::Text(lines) => return text(pane, &lines, body, buf),
    };
    let height = u16::try_from(items.len()).unwrap_or(u16::MAX).saturating_add(2).max(4);
    let (inner, caret) = pane.window(body, WIDTH, height, buf);
    if items.is_empty() {
        paint::line(buf, inner, &Line::styled("There is nothing to choose.", pane.view.theme.dim));
    }
    let names = items.iter().map(|item| item.name.width()).max().unwrap_or(0).min(NAME) + 2;
    pane.list(inner, buf, |row| items.get(row).map(|item| line(pane, item, names, inner.width)).unwrap_or_default());
    caret
}

fn line(pane: &Pane<'_>, item: &Item, names: usize, width: u16) -> Line<'static> {
    let ellipsis = pane.view.theme.glyphs.ellipsis;
    let name = paint::cut(&item.name, names - 2, ellipsis);
    let gap = names.saturating_sub(name.width());
    let about = paint::cut(&item.about, usize::from(width).saturating_sub(names), ellipsis);
    Line::from(vec![
        Span::styled(format!("{name}{:gap$}", ""), pane.view.theme.strong),
        Span::styled(about, pane.view.theme.text),
    ])
}

fn text(pane: &Pane<'_>, lines: &[String], body: Rect, buf: &mut Buffer) -> Option<Position> {
    let (inner, caret) = pane.window(body, WIDTH, body.height, buf);
    let shown = lines.iter().filter(|line| pane.open.cursor.lets_in(line));
    let rows = shown.flat_map(|line| paint::wrap(line, inner.width)).map(Line::from).collect();
    pane.text(inner, buf, rows);
    caret
}
