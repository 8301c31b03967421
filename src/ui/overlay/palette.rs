//! The command palette: a line to type, and the commands and settings that match it.

use crate::app::command::id;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::window;
use crate::app::{Entry, Scope};
use crate::ui::paint;
use crate::ui::pane::View;
use crate::ui::status::draw_input;
use crate::ui::widget::visible_rows;

/// Columns of the names.
const NAME: usize = 19;
/// Rows of the window.
const HEIGHT: u16 = 24;

/// Draws the palette; gives the cell of the caret.
pub(super) fn draw(view: &View<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    let area = super::centred(body, 96, HEIGHT);
    let inner = window(view, area, buf, "Commands and settings".to_owned(), Scope::PALETTE);
    let caret = view.app.screen.input.as_ref().and_then(|input| draw_input(view, input, inner, buf));
    let list = paint::below(inner, 2);
    let entries = view.app.palette_entries();
    if entries.is_empty() {
        paint::line(buf, list, &Line::styled("Nothing matches.", view.theme.dim));
    }
    let picked = view.app.screen.picked.min(entries.len().saturating_sub(1));
    let visible = visible_rows(picked, entries.len(), list.height);
    paint::more(buf, view.theme, list, &visible, entries.len());
    for (row, index) in paint::rows(list).zip(visible) {
        let Some(entry) = entries.get(index) else { continue };
        let keys = match entry {
            Entry::Command(command) => view.app.keymap.hint(command.id),
            Entry::Setting(..) => view.app.keymap.hint(id::SAMPLING),
        };
        let room = usize::from(row.width).saturating_sub(NAME + keys.width() + 1);
        let name = paint::cut(entry.name(), NAME - 1, view.theme.glyphs.ellipsis);
        let doc = paint::cut(entry.doc(), room, view.theme.glyphs.ellipsis);
        let gap = room.saturating_sub(doc.width()) + 1;
        let line = Line::from(vec![
            Span::styled(format!("{name:<NAME$}"), view.theme.strong),
            Span::styled(format!("{doc}{:gap$}", ""), view.theme.text),
            Span::styled(keys, view.theme.dim),
        ]);
        paint::line(buf, row, &line);
        if index == picked {
            paint::highlight(buf, row, view.theme.selected);
        }
    }
    caret
}
