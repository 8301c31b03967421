//! The table of views: a view is a file with its [`ViewSpec`] and how it is drawn, and a row here.

use std::sync::LazyLock;

use ratatui::buffer::Buffer;
use ratatui::layout::Position;

use super::layout::Layout;
use super::pane::{self, View};
use super::{sessions, status, train};
use crate::app::session_list::SESSIONS;
use crate::app::train::TRAIN;
use crate::app::views::{PLAYGROUND, ViewSpec};
use crate::app::{COMMANDS, CommandSpec, KeyMap, KeyMapError};

/// A row: what the state knows of a view, and how it is drawn into the body of the screen. Gives the cell of the caret.
pub(super) struct Row {
    pub spec: &'static ViewSpec,
    pub draw: fn(&View<'_>, &Layout, &mut Buffer) -> Option<Position>,
}

/// All views.
pub(super) static VIEWS: [Row; 3] = [
    Row { spec: &PLAYGROUND, draw: playground },
    Row { spec: &TRAIN, draw: train::draw },
    Row { spec: &SESSIONS, draw: sessions::draw },
];

/// What the state has to know of all views.
pub(super) fn specs() -> &'static [&'static ViewSpec] {
    static SPECS: LazyLock<Vec<&'static ViewSpec>> = LazyLock::new(|| VIEWS.iter().map(|row| row.spec).collect());
    &SPECS
}

/// Every command: those of the table, then those of each view.
pub fn commands() -> impl Iterator<Item = &'static CommandSpec> {
    COMMANDS.iter().chain(VIEWS.iter().flat_map(|row| row.spec.commands))
}

/// The key map of all commands.
///
/// # Errors
/// A row that cannot be made into a key, or two that claim the same one.
pub fn keymap() -> Result<KeyMap, KeyMapError> {
    KeyMap::new(commands())
}

/// Draws the view that is shown, one of `views`; gives the cell of the caret.
pub(super) fn draw(views: &[Row], view: &View<'_>, layout: &Layout, buf: &mut Buffer) -> Option<Position> {
    let row = views.iter().find(|row| *row.spec == *view.app.screen.view)?;
    (row.draw)(view, layout, buf)
}

/// The panes, with their tabs where only one is shown.
pub(super) fn playground(view: &View<'_>, layout: &Layout, buf: &mut Buffer) -> Option<Position> {
    if let Some(tabs) = layout.tabs {
        status::draw_tabs(view, tabs, buf);
    }
    let mut caret = None;
    for (id, area) in &layout.panes {
        let at = pane::draw(*id, view, *area, buf);
        if view.has_keys(*id) {
            caret = at;
        }
    }
    caret
}
