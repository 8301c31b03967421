//! All messages of this run.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{scrolled, window};
use crate::app::Scope;
use crate::app::log::Level;
use crate::ui::paint;
use crate::ui::pane::View;

/// Draws the messages, newest first.
pub(super) fn draw(view: &View<'_>, body: Rect, buf: &mut Buffer) {
    let area = super::centred(body, 90, body.height);
    let inner = window(view, area, buf, "Messages, newest first".to_owned(), Scope::READER);
    let mut lines = Vec::new();
    for entry in view.app.log.entries().iter().rev() {
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
    scrolled(view, inner, buf, lines);
}
