//! Samples: several continuations of the document, one above the other while they grow.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::Pane;
use crate::app::samples::{Batch, SampleList, text_of};
use crate::ui::paint;
use crate::ui::pane::View;
use crate::ui::widget::visible_rows;

/// Draws all continuations, each with its mean log-probability; the best one is marked.
pub(super) fn draw(_: &SampleList, pane: &Pane<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    let view = pane.view;
    let batch = view.app.runs.batch.as_ref()?;
    let (count, most) = (batch.samples.len(), batch.request.max_tokens);
    // Each has a head and as many rows of text as all of them can have, at least one, and no more than it can need.
    let longest = batch.samples.iter().map(|steps| text_of(steps).chars().count()).max().unwrap_or(0);
    let width = body.width.saturating_sub(4).clamp(1, 104);
    let needed = if batch.is_running() { most * 6 } else { longest + longest / 8 } / usize::from(width) + 2;
    let room = usize::from(body.height.saturating_sub(2));
    let height = (room / count.max(1)).clamp(2, needed.max(2));
    let rows = u16::try_from((height * count).min(room) + 2).unwrap_or(u16::MAX);
    let (inner, caret) = pane.window(body, width + 4, rows, buf);
    let block = u16::try_from(height).unwrap_or(u16::MAX).min(inner.height.max(1));
    let shown = pane.open.shown(view.app);
    let at = shown.iter().position(|row| *row == batch.selected).unwrap_or(0);
    let visible = visible_rows(at, shown.len(), inner.height / block);
    pane.open.cursor.room.set(visible.len());
    paint::more(buf, view.theme, inner, &visible, shown.len());
    let best = batch.best();
    for (place, index) in shown.get(visible).unwrap_or_default().iter().copied().enumerate() {
        let top = block.saturating_mul(u16::try_from(place).unwrap_or(u16::MAX));
        let area = Rect { height: block, ..paint::below(inner, top) }.intersection(inner);
        draw_sample(view, batch, index, best == Some(index), area, buf);
    }
    caret
}

fn draw_sample(view: &View<'_>, batch: &Batch, index: usize, best: bool, area: Rect, buf: &mut Buffer) {
    let Some(steps) = batch.samples.get(index) else { return };
    let selected = index == batch.selected;
    let mark = if selected { view.theme.glyphs.pointer } else { " " };
    let mut head = vec![Span::styled(format!("{mark} {}", index + 1), view.theme.strong)];
    let mean = batch.mean(index).map_or_else(|| "-".to_owned(), |mean| format!("{mean:.3}"));
    if let Some(temperature) = batch.request.temperatures.get(index) {
        head.push(Span::styled(format!("   temperature {temperature}"), view.theme.strong));
    }
    head.push(Span::styled(format!("   {} tokens   mean log-probability {mean}", steps.len()), view.theme.dim));
    if best && batch.samples.len() > 1 {
        head.push(Span::styled("   best", view.theme.good));
    }
    paint::line(buf, area, &Line::from(head));
    if selected {
        paint::highlight(buf, Rect { height: 1, ..area }.intersection(area), view.theme.selected);
    }
    let body = paint::below(area, 1);
    let body = Rect { x: body.x + body.width.min(2), width: body.width.saturating_sub(2), ..body };
    let mut lines = paint::wrap(&text_of(steps), body.width);
    let rows = usize::from(body.height);
    // What grows is looked at where it grows; what is whole from its start.
    if batch.is_running() {
        lines.drain(..lines.len().saturating_sub(rows));
    } else if let (Some(next), Some(last)) = (lines.get(rows).cloned(), rows.checked_sub(1)) {
        // The line goes on where there is no room for it.
        if let Some(last) = lines.get_mut(last) {
            *last = paint::cut(&format!("{last} {next}"), usize::from(body.width), view.theme.glyphs.ellipsis);
        }
    }
    paint::lines(buf, body, lines.into_iter().map(|line| Line::styled(line, view.theme.model)));
}
