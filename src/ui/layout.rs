//! Who gets which part of the screen.

use ratatui::layout::Rect;

use super::paint::{below, split_bottom};
use crate::app::screen::{Column, PaneId, PaneSpec, SizeClass};

/// Columns of the left column: a share of the screen, between these.
const LEFT: (u16, u16) = (30, 50);
/// Columns of the right column: a share of the screen, between these.
const RIGHT: (u16, u16) = (38, 60);
/// Rows below which two panes do not share a column.
const SHARED: u16 = 26;

/// The parts of a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// One row on top.
    pub(super) status: Rect,
    /// The tab strip, where only one pane is shown.
    pub(super) tabs: Option<Rect>,
    /// The panes that are shown.
    pub(super) panes: Vec<(PaneId, Rect)>,
    /// All panes together: where overlays go.
    pub(super) body: Rect,
    /// Messages, and the line being typed.
    pub(super) message: Rect,
    /// Hints about keys.
    pub(super) hints: Rect,
}

impl Layout {
    /// Shares out a screen that is large enough.
    pub(super) fn new(screen: Rect, focus: PaneId, specs: &[&PaneSpec]) -> Self {
        let (rest, hints) = split_bottom(screen, 1);
        let (rest, message) = split_bottom(rest, 1);
        let status = Rect { height: rest.height.min(1), ..rest };
        let body = below(rest, 1);
        let (tabs, panes) = match SizeClass::of(screen.width, screen.height) {
            SizeClass::TooSmall => (None, Vec::new()),
            SizeClass::Single => (Some(Rect { height: 1, ..body }), vec![(focus, below(body, 1))]),
            SizeClass::Stacked => (None, stacked(body, specs)),
            SizeClass::Columns => (None, columns(body, focus, specs)),
        };
        Self { status, tabs, panes, body, message, hints }
    }

    /// Where a pane is.
    pub(super) fn pane(&self, id: PaneId) -> Option<Rect> {
        self.panes.iter().find(|(pane, _)| *pane == id).map(|(_, area)| *area)
    }
}

/// The main pane on top, the others that have a place side by side below it.
fn stacked(body: Rect, specs: &[&PaneSpec]) -> Vec<(PaneId, Rect)> {
    let (main, others): (Vec<&PaneSpec>, Vec<&PaneSpec>) =
        specs.iter().copied().filter(|pane| pane.stacked).partition(|pane| pane.column == Column::Main);
    let lower = if others.is_empty() { 0 } else { (body.height / 2).clamp(9, 16) };
    let (top, bottom) = split_bottom(body, lower);
    let share = |at: usize| (usize::from(bottom.width) * at / others.len().max(1)) as u16;
    let below = others
        .iter()
        .enumerate()
        .map(|(at, pane)| (pane.id, Rect { x: bottom.x + share(at), width: share(at + 1) - share(at), ..bottom }));
    main.iter().map(|pane| (pane.id, top)).chain(below).collect()
}

/// Three columns; the main one has what the others leave.
fn columns(body: Rect, focus: PaneId, specs: &[&PaneSpec]) -> Vec<(PaneId, Rect)> {
    let of = |column: Column| specs.iter().copied().filter(move |pane| pane.column == column).collect::<Vec<_>>();
    let width = |column: Column, share: u16, (least, most): (u16, u16)| {
        if of(column).is_empty() { 0 } else { share.clamp(least, most) }
    };
    let left = width(Column::Left, body.width / 4, LEFT);
    let right = width(Column::Right, (u32::from(body.width) * 3 / 10) as u16, RIGHT);
    let areas = [
        (Column::Main, Rect { x: body.x + left, width: body.width.saturating_sub(left + right), ..body }),
        (Column::Left, Rect { width: left, ..body }),
        (Column::Right, Rect { x: body.right().saturating_sub(right), width: right, ..body }),
    ];
    areas.into_iter().flat_map(|(column, area)| share(area, focus, &of(column))).collect()
}

/// The panes of one column below each other: those that say how many rows they need from the bottom, the others in what is
/// left. Where there is no room for all, the one with the keys, or else the last.
fn share(area: Rect, focus: PaneId, panes: &[&PaneSpec]) -> Vec<(PaneId, Rect)> {
    if panes.len() > 1 && area.height < SHARED {
        let shown = panes.iter().find(|pane| pane.id == focus).or(panes.last());
        return shown.map(|pane| (pane.id, area)).into_iter().collect();
    }
    let mut rest = area;
    let mut placed = Vec::new();
    for pane in panes.iter().rev().filter(|pane| pane.rows.is_some()) {
        let (above, below) = split_bottom(rest, pane.rows.unwrap_or(0));
        placed.push((pane.id, below));
        rest = above;
    }
    let open: Vec<_> = panes.iter().filter(|pane| pane.rows.is_none()).collect();
    let edge = |at: usize| (usize::from(rest.height) * at / open.len().max(1)) as u16;
    let shared = open
        .iter()
        .enumerate()
        .map(|(at, pane)| (pane.id, Rect { y: rest.y + edge(at), height: edge(at + 1) - edge(at), ..rest }));
    shared.chain(placed.into_iter().rev()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::screen::PANES;

    #[test]
    fn panes_tile_the_body_at_every_size() {
        for (width, height) in [(60, 16), (79, 40), (80, 22), (80, 24), (109, 30), (110, 16), (120, 36), (400, 300)] {
            for focus in PANES.map(|pane| pane.id) {
                let layout = Layout::new(Rect::new(0, 0, width, height), focus, &PANES.iter().collect::<Vec<_>>());
                let tabs = layout.tabs.map_or(0, Rect::area);
                let covered: u32 = layout.panes.iter().map(|(_, area)| area.area()).sum::<u32>() + tabs;
                assert_eq!(covered, layout.body.area(), "{width}x{height} {focus:?}");
                for (at, (_, area)) in layout.panes.iter().enumerate() {
                    assert_eq!(area.intersection(layout.body), *area);
                    assert!(layout.panes[..at].iter().all(|(_, other)| !other.intersects(*area)), "{width}x{height}");
                }
                assert_eq!(layout.status.height + layout.message.height + layout.hints.height, 3);
            }
        }
    }
}
