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
    /// Columns of the value; a longer one pushes the track away.
    pub value_width: u16,
    /// Where the handle stands, 0 to 1; `None` draws no track.
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

impl Widget for Slider<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return;
        }
        let label_width = self.label_width.min(area.width);
        buf.set_stringn(area.x, area.y, self.label, usize::from(label_width), self.label_style);
        let mut x = area.x + label_width;
        let value = format!("{:>1$}", self.value, usize::from(self.value_width));
        x = buf.set_stringn(x, area.y, value, usize::from(area.right() - x), self.value_style).0;
        let Some(position) = self.position else { return };
        x = x.saturating_add(1);
        let Some(last) = area.right().checked_sub(x + 1) else { return };
        let handle = x + (position.clamp(0.0, 1.0) * f64::from(last)).round() as u16;
        for at in x..area.right() {
            let (symbol, style) = match at {
                at if at < handle => (self.glyphs.track_full, self.full_style),
                at if at == handle => (self.glyphs.handle, self.full_style),
                _ => (self.glyphs.track_empty, self.empty_style),
            };
            buf[(at, area.y)].set_symbol(symbol).set_style(style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(value: &str, position: Option<f64>, width: u16) -> String {
        let mut buf = Buffer::empty(Rect::new(0, 0, width, 1));
        let plain = Style::new();
        let slider = Slider {
            label: "top_p",
            label_width: 6,
            value,
            value_width: 5,
            position,
            label_style: plain,
            value_style: plain,
            full_style: plain,
            empty_style: plain,
            glyphs: &Glyphs::UNICODE,
        };
        slider.render(Rect::new(0, 0, width, 1), &mut buf);
        buf.content.iter().map(ratatui::buffer::Cell::symbol).collect()
    }

    #[test]
    fn the_handle_stands_where_the_value_is() {
        assert_eq!(drawn("0.95", Some(0.0), 17), "top_p  0.95 ●────");
        assert_eq!(drawn("0.95", Some(0.5), 17), "top_p  0.95 ━━●──");
        assert_eq!(drawn("0.95", Some(1.0), 17), "top_p  0.95 ━━━━●");
        assert_eq!(drawn("0.95", None, 17), "top_p  0.95      ");
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        assert_eq!(drawn("0.95", Some(0.5), 12), "top_p  0.95 ");
        assert_eq!(drawn("0.95", Some(0.5), 13), "top_p  0.95 ●");
        assert_eq!(drawn("0.95", Some(0.5), 3), "top");
        assert_eq!(drawn("1234567", Some(0.5), 15), "top_p 1234567 ●");
    }
}
