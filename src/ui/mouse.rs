//! What is under the pointer.

use crossterm::event::{MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::layout::Layout;
use super::pane::{View, document, next, sampling};
use super::status::tabs;
use crate::app::mouse::Target;
use crate::app::screen::{PaneId, SizeClass};

/// What a mouse event is about. A slider that is held follows the pointer wherever it goes.
pub(super) fn target(view: &View<'_>, layout: &Layout, event: &MouseEvent) -> Target {
    let app = view.app;
    let at = Position::new(event.column, event.row);
    if app.class() == SizeClass::TooSmall {
        return Target::Nothing;
    }
    let held = app.screen.dragged.filter(|_| matches!(event.kind, MouseEventKind::Drag(_)));
    if let (Some(row), Some(pane)) = (held, layout.pane(PaneId::SAMPLING)) {
        return Target::Sampling(row, sampling::share(view, pane, row, at.x));
    }
    if !app.screen.overlays.is_empty() {
        return if layout.body.contains(at) { Target::Layer } else { Target::Nothing };
    }
    if !app.screen.view.has_panes {
        return if layout.body.contains(at) { Target::View } else { Target::Nothing };
    }
    if let Some((pane, _)) = layout.tabs.and_then(|area| tabs(app.screen.panes, area).find(|(_, tab)| tab.contains(at)))
    {
        return Target::Pane(pane);
    }
    let Some((pane, area)) = layout.panes.iter().find(|(_, area)| area.contains(at)) else { return Target::Nothing };
    match *pane {
        PaneId::DOCUMENT => {
            let text = view.page.view.offset_at(app.document.bytes(), document::text_area(*area), at);
            text.map_or(Target::Pane(*pane), Target::Text)
        }
        PaneId::SAMPLING => {
            let row = sampling::row_at(view, *area, at);
            row.map_or(Target::Pane(*pane), |(row, share)| Target::Sampling(row, share))
        }
        PaneId::NEXT => next::token_at(view, *area, at).map_or(Target::Pane(*pane), Target::Token),
        _ => Target::Pane(*pane),
    }
}
