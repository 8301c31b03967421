//! What lies over the text of the document: the selection, the matches of a search, the tokens.

use std::ops::Range;

use ratatui::style::{Modifier, Style};

use super::View;
use crate::app::page::Page;

/// The marks of one frame. Each cell is looked up by binary search, so a frame costs the same in any text.
pub(super) struct Marks<'a> {
    view: &'a View<'a>,
    selected: Option<Range<usize>>,
}

impl<'a> Marks<'a> {
    /// The marks of this moment.
    pub(super) fn new(view: &'a View<'a>) -> Self {
        Self { view, selected: view.page.selection() }
    }

    /// The style of a cell that has `style` without marks.
    pub(super) fn over(&self, range: &Range<usize>, style: Style) -> Style {
        let theme = self.view.theme;
        let style = if self.view.app.editing.shows_tokens { self.token(range.start, style) } else { style };
        if self.selected.as_ref().is_some_and(|selected| selected.contains(&range.start)) {
            style.patch(theme.selected)
        } else if self.is_found(range) {
            style.patch(theme.warning).add_modifier(Modifier::REVERSED)
        } else {
            style
        }
    }

    /// Every second token is underlined and stands on a shade of its own, and nothing else does: boundaries show with and
    /// without colour, and on a projector.
    fn token(&self, at: usize, style: Style) -> Style {
        match self.view.app.document.token_at(at) {
            Some((index, _)) if index % 2 == 1 => self.view.theme.shade(style).add_modifier(Modifier::UNDERLINED),
            _ => style.remove_modifier(Modifier::UNDERLINED),
        }
    }

    fn is_found(&self, range: &Range<usize>) -> bool {
        let places = self.view.app.editing.find.places();
        let next = places.partition_point(|place| place.end <= range.start);
        places.get(next).is_some_and(|place| place.start < range.end)
    }
}
