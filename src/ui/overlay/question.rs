//! A question before something is done.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use super::Pane;
use crate::app::question::Ask;
use crate::ui::paint;

/// Columns of the window.
const WIDTH: u16 = 64;

/// Draws the question with what there is to know.
pub(super) fn draw(ask: &Ask, pane: &Pane<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    let view = pane.view;
    let about = ask.question.about(view.app);
    let rows = |text: &String| paint::wrap(text, WIDTH - 4);
    let height = about.iter().map(|text| rows(text).len()).sum::<usize>() + 4;
    let (inner, caret) = pane.window(body, WIDTH, u16::try_from(height).unwrap_or(u16::MAX).max(6), buf);
    // What is asked about stands first where there is more to say.
    let first = if about.len() > 1 { view.theme.strong } else { view.theme.text };
    let styles = std::iter::once(first).chain(std::iter::repeat(view.theme.text));
    let lines = about
        .iter()
        .zip(styles)
        .flat_map(|(text, style)| rows(text).into_iter().map(move |row| Line::styled(row, style)));
    paint::lines(buf, paint::below(inner, 1), lines);
    caret
}
