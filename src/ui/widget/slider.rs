//! A labelled value on a track.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::Widget;

use unicode_width::UnicodeWidthStr;

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

impl Slider<'_> {
    /// The columns of the track, where there is room for one.
    fn track(&self, area: Rect) -> Option<Range<u16>> {
        let value = u16::try_from(self.value.width()).unwrap_or(u16::MAX).max(self.value_width);
        let before = self.label_width.min(area.width).saturating_add(value).min(area.width);
        let start = area.x.saturating_add(before).saturating_add(1);
        (start < area.right()).then(|| start..area.right())
    }

    /// Where along the track a column is, 0 to 1; beyond its ends it is at the end.
    pub fn share_at(&self, area: Rect, column: u16) -> Option<f64> {
        let track = self.track(area)?;
        let last = track.end - track.start - 1;
        let at = column.clamp(track.start, track.end - 1) - track.start;
        Some(if last == 0 { 0.0 } else { f64::from(at) / f64::from(last) })
    }

    /// Whether a column is on the track.
    pub fn has_track_at(&self, area: Rect, column: u16) -> bool {
        self.position.is_some() && self.track(area).is_some_and(|track| track.contains(&column))
    }
}

impl Widget for Slider<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return;
        }
        let label_width = self.label_width.min(area.width);
        buf.set_stringn(area.x, area.y, self.label, usize::from(label_width), self.label_style);
        let x = area.x + label_width;
        let value = format!("{:>1$}", self.value, usize::from(self.value_width));
        buf.set_stringn(x, area.y, value, usize::from(area.right() - x), self.value_style);
        let (Some(position), Some(track)) = (self.position, self.track(area)) else { return };
        let last = track.end - track.start - 1;
        let handle = track.start + (position.clamp(0.0, 1.0) * f64::from(last)).round() as u16;
        for at in track {
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
