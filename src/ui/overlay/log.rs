//! All messages of this run.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use super::Pane;
use crate::app::log::{Level, MessageList};
use crate::ui::paint;

/// Draws the messages, newest first.
pub(super) fn draw(_: &MessageList, pane: &Pane<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    let view = pane.view;
    let (inner, caret) = pane.window(body, 90, body.height, buf);
    let mut lines = Vec::new();
    for entry in view.app.log.entries().iter().rev().filter(|entry| pane.open.cursor.lets_in(&entry.text)) {
        let style = match entry.level {
            Level::Notice => view.theme.text,
            Level::Warning => view.theme.warning,
            Level::Error => view.theme.error,
        };
        lines.extend(paint::wrap(&entry.text, inner.width).into_iter().map(|row| Line::styled(row, style)));
    }
    if lines.is_empty() {
        lines.push(Line::styled("Nothing to report.", view.theme.dim));
    }
    pane.text(inner, buf, lines);
    caret
}
