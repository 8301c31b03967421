//! The assembled few-shot prompt, exactly as the model would read it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::Pane;
use crate::app::shots::Preview;
use crate::ui::paint;

/// Draws the prompt with its line ends made visible.
pub(super) fn draw(_: &Preview, pane: &Pane<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    let view = pane.view;
    let Some(prompt) = view.app.shots.prompt() else { return super::plain::draw(pane, body, buf) };
    let (inner, caret) = pane.window(body, 90, body.height, buf);
    let prompt = &prompt.text;
    let mut lines = Vec::new();
    let last = prompt.split('\n').count() - 1;
    for (at, text) in prompt.split('\n').enumerate().filter(|(_, text)| pane.open.cursor.lets_in(text)) {
        let mut rows: Vec<Line<'static>> =
            paint::wrap(text, inner.width.saturating_sub(1)).into_iter().map(Line::from).collect();
        if let (Some(row), true) = (rows.last_mut(), at < last) {
            row.spans.push(Span::styled("↵", view.theme.dim));
        }
        lines.extend(rows);
    }
    pane.text(inner, buf, lines);
    caret
}
