//! Exports: what the document or the last generation can be taken away as.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::picker;
use crate::app::Scope;
use crate::export::formats;
use crate::ui::pane::View;

/// Draws the list of formats.
pub(super) fn draw(view: &View<'_>, body: Rect, buf: &mut Buffer) {
    let entries: Vec<(String, String)> =
        formats().iter().map(|format| (format.name.to_owned(), format.doc.to_owned())).collect();
    picker::draw(view, body, buf, picker::List { title: "Export", scope: Scope::EXPORT, entries: &entries });
}
