//! Overlays: drawn over the panes, the last of the stack on top.

mod compare;
mod confirm;
mod export;
mod help;
mod log;
mod models;
mod palette;
mod picker;
mod preview;
mod prompts;
mod question;
mod samples;
mod statistics;
mod tree;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Clear, Widget};
use unicode_width::UnicodeWidthStr;

pub(super) use models::job_text;

use super::paint;
use super::pane::{self, Frame, View};
use crate::app::Scope;
use crate::app::screen::{Layer, PaneId};

/// Draws an overlay over `body`; gives the cell of the caret where it has one.
pub(super) fn draw(layer: Layer, view: &View<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    match layer {
        Layer::Palette => return palette::draw(view, body, buf),
        Layer::Help => help::draw(view, body, buf),
        Layer::Models => models::draw(view, body, buf),
        Layer::Confirm => confirm::draw(view, body, buf),
        Layer::Tasks => picker::draw_tasks(view, body, buf),
        Layer::Presets => picker::draw_presets(view, body, buf),
        Layer::Export => export::draw(view, body, buf),
        Layer::Samples => samples::draw(view, body, buf),
        Layer::Preview => preview::draw(view, body, buf),
        Layer::Log => log::draw(view, body, buf),
        Layer::Statistics => statistics::draw(view, body, buf),
        Layer::Prompts => prompts::draw(view, body, buf),
        Layer::Question => question::draw(view, body, buf),
        Layer::Tree => tree::draw(view, body, buf),
        Layer::Prune => confirm::draw_prune(view, body, buf),
        Layer::Compare => compare::draw(view, body, buf),
        Layer::Shots => {
            let area = centred(body, 60, body.height);
            clear(area, buf);
            pane::draw(PaneId::Shots, view, area, buf);
        }
    }
    None
}

/// Empties an area. A wide character that its left edge cuts in two goes as a whole: half of one cannot be drawn.
fn clear(area: Rect, buf: &mut Buffer) {
    if let Some(x) = area.x.checked_sub(1) {
        for y in area.y..area.bottom() {
            if let Some(cell) = buf.cell_mut((x, y)).filter(|cell| cell.symbol().width() > 1) {
                cell.set_symbol(" ");
            }
        }
    }
    Clear.render(area, buf);
}

/// An empty window in the middle of `body`; gives its inside, one column away from the border.
fn window(view: &View<'_>, area: Rect, buf: &mut Buffer, title: String, scope: Scope) -> Rect {
    clear(area, buf);
    let inner = pane::frame(view, area, buf, Frame { title: Line::from(title), scope, style: view.theme.focus });
    Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner }
}

/// An area of at most the given size in the middle of `body`.
fn centred(body: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(body.width), height.min(body.height));
    Rect { x: body.x + (body.width - width) / 2, y: body.y + (body.height - height) / 2, width, height }
}

/// Draws lines from the first visible one on; scrolling stops when the last line is on screen. Says on the last row how
/// much there is below.
fn scrolled(view: &View<'_>, area: Rect, buf: &mut Buffer, lines: Vec<Line<'static>>) {
    let height = usize::from(area.height);
    let last = lines.len().saturating_sub(height);
    let from = view.app.screen.scroll.min(last);
    let hidden = lines.len().saturating_sub(from + height);
    paint::lines(buf, area, lines.into_iter().skip(from));
    if hidden > 0 {
        let (_, row) = paint::split_bottom(area, 1);
        Clear.render(row, buf);
        let text = format!("{} {} more lines", view.theme.glyphs.below, hidden + 1);
        paint::line(buf, row, &Line::styled(text, view.theme.dim));
    }
}
