//! A labelled value on a track.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::Widget;

use super::Glyphs;

/// `temperature    0.80 ━━━━●━━━━━━━`
#[derive(Debug, Clone, Copy)]
pub struct Slider<'a> {
    /// Left, cut where it does not fit.
    pub label: &'a str,
    /// Columns of the label.
    pub label_width: u16,
    /// The value as text, to the right of the label, aligned right.
    pub value: &'a str,
    /// Columns of the value.
    pub value_width: u16,
    /// Where the handle stands, 0 to 1; `None` draws no track (the stage is off).
    pub position: Option<f64>,
    /// Style of the label.
    pub label_style: Style,
    /// Style of the value.
    pub value_style: Style,
    /// Style of the track up to the handle, and the handle.
    pub full_style: Style,
    /// Style of the track after it.
    pub empty_style: Style,
    /// Characters.
    pub glyphs: &'a Glyphs,
}

impl Slider<'_> {
    /// The position (0 to 1) a click at `column` (screen coordinates) means; `None` off the track.
    pub fn position_at(&self, _area: Rect, _column: u16) -> Option<f64> {
        None
    }
}

impl Widget for Slider<'_> {
    fn render(self, _area: Rect, _buf: &mut Buffer) {}
}
