//! The command palette: a line to type, and the commands and settings that match it.

use crate::app::command::id;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::Pane;
use crate::app::Entry;
use crate::app::palette::Palette;
use crate::ui::paint;
use crate::ui::status::draw_input;

/// Columns of the names.
const NAME: usize = 19;
/// Rows of the window.
const HEIGHT: u16 = 24;

/// Draws the palette; gives the cell of the caret.
pub(super) fn draw(palette: &Palette, pane: &Pane<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    let view = pane.view;
    let (inner, _) = pane.window(body, 96, HEIGHT, buf);
    let caret = pane.open.cursor.line.as_ref().and_then(|input| draw_input(view, input, inner, buf));
    let list = paint::below(inner, 2);
    let entries = palette.entries(view.app);
    if entries.is_empty() {
        paint::line(buf, list, &Line::styled("Nothing matches.", view.theme.dim));
    }
    pane.list(list, buf, |index| {
        let Some(entry) = entries.get(index) else { return Line::default() };
        let keys = match entry {
            Entry::Command(command) => view.app.keymap.hint(command.id),
            Entry::Setting(..) => view.app.keymap.hint(id::SAMPLING),
        };
        let room = usize::from(list.width).saturating_sub(NAME + keys.width() + 1);
        let name = paint::cut(entry.name(), NAME - 1, view.theme.glyphs.ellipsis);
        let doc = paint::cut(entry.doc(), room, view.theme.glyphs.ellipsis);
        let gap = room.saturating_sub(doc.width()) + 1;
        Line::from(vec![
            Span::styled(format!("{name:<NAME$}"), view.theme.strong),
            Span::styled(format!("{doc}{:gap$}", ""), view.theme.text),
            Span::styled(keys, view.theme.dim),
        ])
    });
    caret
}
