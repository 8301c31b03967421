//! Overlays: drawn over the panes, the last of the stack on top.

mod compare;
mod help;
mod log;
mod models;
mod palette;
mod plain;
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

use super::paint;
use super::pane::{self, Frame, View};
use super::status::draw_input;
use super::widget::visible_rows;
use crate::app::command::id;
use crate::app::help::Help;
use crate::app::log::MessageList;
use crate::app::open::ModelList;
use crate::app::overlay::Open;
use crate::app::palette::Palette;
use crate::app::question::Ask;
use crate::app::samples::SampleList;
use crate::app::saved::PromptList;
use crate::app::screen::PaneId;
use crate::app::shots::{Preview, ShotsOverlay};
use crate::app::statistics::StatisticsView;
use crate::app::tree::{Compare, VersionTree};

/// Draws an overlay over `body`; gives the cell of the caret where it has one. A list or a text needs nothing here; what
/// is drawn in another way has a row.
pub(super) fn draw(open: &Open, view: &View<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    macro_rules! painters {
        ($($kind:ty => $draw:path,)*) => {
            $(if let Some(overlay) = open.get::<$kind>() {
                return $draw(overlay, &Pane { open, view }, body, buf);
            })*
        };
    }
    painters! {
        Palette => palette::draw,
        Help => help::draw,
        ModelList => models::draw,
        Ask => question::draw,
        SampleList => samples::draw,
        Preview => preview::draw,
        MessageList => log::draw,
        StatisticsView => statistics::draw,
        PromptList => prompts::draw,
        VersionTree => tree::draw,
        Compare => compare::draw,
        ShotsOverlay => shots,
    }
    plain::draw(&Pane { open, view }, body, buf)
}

fn shots(_: &ShotsOverlay, pane: &Pane<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    let area = centred(body, 60, body.height);
    clear(area, buf);
    pane::draw(PaneId::SHOTS, pane.view, area, buf)
}

/// An overlay and what it may look at.
struct Pane<'a> {
    open: &'a Open,
    view: &'a View<'a>,
}

impl Pane<'_> {
    /// An empty window in the middle of `body`, of at most the given size; gives its inside, one column away from the
    /// border, and below it the line of the filter where there is one.
    fn window(&self, body: Rect, width: u16, height: u16, buf: &mut Buffer) -> (Rect, Option<Position>) {
        let overlay = &self.open.overlay;
        let filtered = self.open.cursor.line.is_some() || !self.open.cursor.filter().is_empty();
        let filtered = filtered && !overlay.filters_itself();
        let area = centred(body, width, height.saturating_add(u16::from(filtered)));
        clear(area, buf);
        let title = Line::from(overlay.title(self.view.app));
        let style = self.view.theme.focus;
        let inner = pane::frame(self.view, area, buf, Frame { title, scope: overlay.scope(), style });
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        if !filtered {
            return (inner, None);
        }
        let (rest, foot) = paint::split_bottom(inner, 1);
        (rest, self.filter(foot, buf))
    }

    fn filter(&self, row: Rect, buf: &mut Buffer) -> Option<Position> {
        if let Some(line) = &self.open.cursor.line {
            return draw_input(self.view, line, row, buf);
        }
        let key = self.view.app.keymap.hint(id::LIST_FILTER);
        let text = format!("only rows with {:?} ({key} changes that)", self.open.cursor.filter());
        paint::line(buf, row, &Line::styled(text, self.view.theme.strong));
        None
    }

    /// Draws the rows of the list that are in sight, each one line, the selected one marked.
    fn list(&self, area: Rect, buf: &mut Buffer, line: impl Fn(usize) -> Line<'static>) {
        let theme = self.view.theme;
        let shown = self.open.shown(self.view.app);
        self.open.cursor.room.set(usize::from(area.height));
        if shown.is_empty() && !self.open.cursor.filter().is_empty() && !self.open.overlay.filters_itself() {
            paint::line(buf, area, &Line::styled("No row holds this.", theme.dim));
        }
        let selected = self.open.selected(self.view.app, &shown);
        let at = shown.iter().position(|row| *row == selected).unwrap_or(0);
        let visible = visible_rows(at, shown.len(), area.height);
        paint::more(buf, theme, area, &visible, shown.len());
        for (row, index) in paint::rows(area).zip(shown.get(visible).unwrap_or_default()) {
            paint::line(buf, row, &line(*index));
            if *index == selected {
                paint::highlight(buf, row, theme.selected);
            }
        }
    }

    /// Draws lines from the first visible one on; scrolling stops when the last line is on the screen. Says on the last
    /// row how much there is below.
    fn text(&self, area: Rect, buf: &mut Buffer, lines: Vec<Line<'static>>) {
        let (cursor, theme) = (&self.open.cursor, self.view.theme);
        let height = usize::from(area.height);
        let last = lines.len().saturating_sub(height);
        cursor.room.set(height.saturating_sub(1).max(1));
        cursor.last.set(last);
        let from = cursor.scroll();
        let hidden = lines.len().saturating_sub(from + height);
        paint::lines(buf, area, lines.into_iter().skip(from));
        if hidden > 0 {
            let (_, row) = paint::split_bottom(area, 1);
            Clear.render(row, buf);
            let text = format!("{} {} more lines", theme.glyphs.below, hidden + 1);
            paint::line(buf, row, &Line::styled(text, theme.dim));
        }
    }
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

/// An area of at most the given size in the middle of `body`.
fn centred(body: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(body.width), height.min(body.height));
    Rect { x: body.x + (body.width - width) / 2, y: body.y + (body.height - height) / 2, width, height }
}
