//! Two versions side by side, from a little before the first difference.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use super::Pane;
use super::tree::{parted, whole};
use crate::app::tree::Compare;
use crate::session::NodeId;
use crate::ui::paint;

/// Characters that both have in common and that are shown before they part.
const BEFORE: usize = 240;

/// Draws both texts; what differs begins with a mark.
pub(super) fn draw(compare: &Compare, pane: &Pane<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    let view = pane.view;
    let (inner, caret) = pane.window(body, 116, body.height, buf);
    let (left, right) = compare.pair;
    let texts = [left, right].map(|id| whole(&view.app.versions.tree, id));
    let [a, b] = texts.each_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let same = common(&a, &b);
    let half = inner.width.saturating_sub(3) / 2;
    let columns = [Rect { width: half, ..inner }, Rect { x: inner.right().saturating_sub(half), width: half, ..inner }];
    if same == a.len() && same == b.len() {
        let (rest, foot) = paint::split_bottom(inner, 1);
        paint::line(buf, foot, &Line::styled("Both have the same text.", view.theme.strong));
        draw_columns(pane, [(left, &a), (right, &b)], same, columns.map(|area| area.intersection(rest)), buf);
    } else {
        draw_columns(pane, [(left, &a), (right, &b)], same, columns, buf);
    }
    for row in paint::rows(Rect { x: inner.x + half + 1, width: 1, ..inner }) {
        paint::line(buf, row, &Line::styled(view.theme.glyphs.border.vertical_left, view.theme.dim));
    }
    caret
}

fn draw_columns(pane: &Pane<'_>, versions: [(NodeId, &str); 2], same: usize, areas: [Rect; 2], buf: &mut Buffer) {
    let view = pane.view;
    let mut last = 0;
    for ((id, text), area) in versions.into_iter().zip(areas) {
        let heads = paint::wrap(&view.app.describe(id), area.width);
        let used = paint::lines(buf, area, heads.into_iter().map(|row| Line::styled(row, view.theme.strong)));
        let area = paint::below(area, used + 1);
        let (before, after) = text.split_at(same);
        let skip = before.chars().count().saturating_sub(BEFORE);
        let before: String = before.chars().skip(skip).collect();
        let after = if after.is_empty() { String::new() } else { format!("{}{after}", view.theme.glyphs.pointer) };
        let lines = parted(&before, &after, [view.theme.dim, view.theme.model], area.width);
        last = last.max(lines.len().saturating_sub(usize::from(area.height)));
        paint::lines(buf, area, lines.into_iter().skip(pane.open.cursor.scroll()));
        pane.open.cursor.room.set(usize::from(area.height));
    }
    pane.open.cursor.last.set(last);
}

/// The length of what both texts begin with, in whole characters.
fn common(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum()
}
