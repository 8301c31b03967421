//! The assembled few-shot prompt, exactly as the model would read it.

use crate::app::command::id;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{scrolled, window};
use crate::app::Scope;
use crate::ui::paint;
use crate::ui::pane::View;

/// Draws the prompt with its line ends made visible.
pub(super) fn draw(view: &View<'_>, body: Rect, buf: &mut Buffer) {
    let area = super::centred(body, 90, body.height);
    let tokens = view.app.shots.tokens().map(|n| format!("   {n} tokens")).unwrap_or_default();
    let inner = window(view, area, buf, format!("Assembled prompt{tokens}"), Scope::READER);
    let Some(prompt) = view.app.shots.prompt() else {
        let (shots, task) = (view.app.keymap.hint(id::SHOTS), view.app.keymap.hint(id::SHOTS_TASK));
        let text = format!("No task is chosen: {shots}, then {task}.");
        paint::line(buf, inner, &Line::styled(text, view.theme.dim));
        return;
    };
    let prompt = &prompt.text;
    let mut lines = Vec::new();
    let last = prompt.split('\n').count() - 1;
    for (at, text) in prompt.split('\n').enumerate() {
        let mut rows: Vec<Line<'static>> =
            paint::wrap(text, inner.width.saturating_sub(1)).into_iter().map(Line::from).collect();
        if let (Some(row), true) = (rows.last_mut(), at < last) {
            row.spans.push(Span::styled("↵", view.theme.dim));
        }
        lines.extend(rows);
    }
    scrolled(view, inner, buf, lines);
}
