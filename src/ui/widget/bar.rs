//! A bar of eighth blocks: progress, probability.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::Widget;

use super::Glyphs;

/// A one-line bar over the area's width.
#[derive(Debug, Clone, Copy)]
pub struct Bar<'a> {
    /// Filled share, 0 to 1.
    pub share: f64,
    /// Style of the filled part.
    pub style: Style,
    /// Style of the rest.
    pub rest: Style,
    /// Characters.
    pub glyphs: &'a Glyphs,
}

impl Widget for Bar<'_> {
    fn render(self, _area: Rect, _buf: &mut Buffer) {}
}
