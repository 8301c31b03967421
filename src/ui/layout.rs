//! Who gets which part of the screen.

use ratatui::layout::Rect;

use super::paint::{below, split_bottom};
use crate::app::screen::{PaneId, SizeClass};

/// Columns of the few-shot pane.
const LEFT: u16 = 30;
/// Columns of the next-token and sampling panes.
const RIGHT: u16 = 38;
/// Rows below which two panes do not share a column.
const SHARED: u16 = 26;
/// Rows of the sampling pane where the column is shared: its rows, the order, the border.
const SAMPLING: u16 = 19;

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
    pub(super) fn new(screen: Rect, focus: PaneId) -> Self {
        let (rest, hints) = split_bottom(screen, 1);
        let (rest, message) = split_bottom(rest, 1);
        let status = Rect { height: rest.height.min(1), ..rest };
        let body = below(rest, 1);
        let (tabs, panes) = match SizeClass::of(screen.width, screen.height) {
            SizeClass::TooSmall => (None, Vec::new()),
            SizeClass::Single => (Some(Rect { height: 1, ..body }), vec![(focus, below(body, 1))]),
            SizeClass::Stacked => (None, stacked(body)),
            SizeClass::Columns => (None, columns(body, focus)),
        };
        Self { status, tabs, panes, body, message, hints }
    }

    /// Where a pane is.
    pub(super) fn pane(&self, id: PaneId) -> Option<Rect> {
        self.panes.iter().find(|(pane, _)| *pane == id).map(|(_, area)| *area)
    }
}

fn stacked(body: Rect) -> Vec<(PaneId, Rect)> {
    let lower = (body.height / 2).clamp(9, 16);
    let (top, bottom) = split_bottom(body, lower);
    let left = bottom.width / 2;
    let next = Rect { width: left, ..bottom };
    let sampling = Rect { x: bottom.x + left, width: bottom.width - left, ..bottom };
    vec![(PaneId::Document, top), (PaneId::Next, next), (PaneId::Sampling, sampling)]
}

fn columns(body: Rect, focus: PaneId) -> Vec<(PaneId, Rect)> {
    let shots = Rect { width: LEFT, ..body };
    let right = Rect { x: body.right().saturating_sub(RIGHT), width: RIGHT, ..body };
    let document = Rect { x: body.x + LEFT, width: body.width.saturating_sub(LEFT + RIGHT), ..body };
    let mut panes = vec![(PaneId::Document, document), (PaneId::Shots, shots)];
    if body.height >= SHARED {
        let (next, sampling) = split_bottom(right, SAMPLING);
        panes.extend([(PaneId::Next, next), (PaneId::Sampling, sampling)]);
    } else if focus == PaneId::Next {
        panes.push((PaneId::Next, right));
    } else {
        panes.push((PaneId::Sampling, right));
    }
    panes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_tile_the_body_at_every_size() {
        for (width, height) in [(60, 16), (79, 40), (80, 22), (80, 24), (109, 30), (110, 16), (120, 36), (400, 300)] {
            for focus in PaneId::ALL {
                let layout = Layout::new(Rect::new(0, 0, width, height), focus);
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
