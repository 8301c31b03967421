//! The saved prompts: their names, and the start of the selected one.

use crate::app::command::id;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::Pane;
use crate::app::saved::PromptList;
use crate::text::figures;
use crate::ui::paint;

/// Rows of the preview, with the line above it.
const PREVIEW: u16 = 7;
/// Columns of a size.
const SIZE: usize = 8;

/// Draws the list, and below it the start of the selected prompt.
pub(super) fn draw(_: &PromptList, pane: &Pane<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    let view = pane.view;
    let saved = &view.app.storage.prompts;
    let rows = saved.rows.as_deref().unwrap_or_default();
    let height = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_add(2 + PREVIEW).max(PREVIEW + 5);
    let (inner, caret) = pane.window(body, 80, height, buf);
    let (list, preview) = paint::split_bottom(inner, PREVIEW.min(inner.height / 2));
    let ellipsis = view.theme.glyphs.ellipsis;
    if rows.is_empty() {
        let text = match (&saved.folder, &saved.rows) {
            (None, _) => "There is no folder to keep prompts in.".to_owned(),
            (Some(_), None) => "reading the list ...".to_owned(),
            (Some(folder), Some(_)) => {
                let save = view.app.keymap.hint(id::SAVE_PROMPT);
                format!("None yet: {save} saves the document as a prompt, in {}.", folder.0.display())
            }
        };
        let lines = paint::wrap(&text, list.width).into_iter().map(|row| Line::styled(row, view.theme.dim));
        paint::lines(buf, list, lines);
        return caret;
    }
    pane.list(list, buf, |index| {
        let Some(prompt) = rows.get(index) else { return Line::default() };
        let room = usize::from(list.width).saturating_sub(SIZE);
        let name = paint::cut(&prompt.name, room.saturating_sub(1), ellipsis);
        let gap = room.saturating_sub(name.width());
        Line::from(vec![
            Span::styled(name, view.theme.strong),
            Span::styled(format!("{:gap$}{:>SIZE$}", "", figures::bytes(prompt.bytes)), view.theme.dim),
        ])
    });
    let rule = view.theme.glyphs.border.horizontal_top.repeat(usize::from(preview.width));
    paint::line(buf, preview, &Line::styled(rule, view.theme.dim));
    if let Some(prompt) = view.app.prompt_row() {
        let text = prompt.preview.split('\n').flat_map(|line| paint::wrap(line, preview.width)).map(Line::from);
        paint::lines(buf, paint::below(preview, 1), text);
    }
    caret
}
