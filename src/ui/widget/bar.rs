//! A bar of eighth blocks: progress, probability.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::Widget;

use super::Glyphs;

/// A one-line bar over the area's width. Shares outside 0 to 1 are drawn as the nearest of the two, NaN as 0.
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
    fn render(self, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if area.height == 0 {
            return;
        }
        let eighths = (self.share.clamp(0.0, 1.0) * f64::from(area.width) * 8.0).round() as usize;
        for (at, x) in (area.x..area.right()).enumerate() {
            let (symbol, style) = match eighths.saturating_sub(at * 8).min(8) {
                0 => (" ", self.rest),
                n => (self.glyphs.eighths[n - 1], self.style),
            };
            buf[(x, area.y)].set_symbol(symbol).set_style(style);
        }
    }
}

/// From the lowest to the highest of a row of small columns.
const COLUMNS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// The column for a share from 0 to 1: one character of a sparkline.
pub fn column(share: f64) -> &'static str {
    let at = (share.clamp(0.0, 1.0) * (COLUMNS.len() - 1) as f64).round() as usize;
    COLUMNS.get(at).copied().unwrap_or(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(share: f64, width: u16) -> String {
        let mut buf = Buffer::empty(Rect::new(0, 0, width, 1));
        let bar = Bar { share, style: Style::new(), rest: Style::new(), glyphs: &Glyphs::UNICODE };
        bar.render(Rect::new(0, 0, width + 5, 2), &mut buf);
        buf.content.iter().map(ratatui::buffer::Cell::symbol).collect()
    }

    #[test]
    fn the_filled_part_is_the_share_to_an_eighth_of_a_cell() {
        let cases = [
            (0.0, "    "),
            (0.5, "██  "),
            (1.0, "████"),
            (0.28125, "█▏  "),
            (0.03, "▏   "),
            (7.0, "████"),
            (-1.0, "    "),
        ];
        for (share, bar) in cases {
            assert_eq!(drawn(share, 4), bar, "{share}");
        }
        assert_eq!(drawn(f64::NAN, 4), "    ");
        assert_eq!(drawn(0.5, 0), "");
    }
}
