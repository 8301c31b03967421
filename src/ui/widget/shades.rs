//! A matrix of shares as shaded characters, told apart without colour.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::Widget;

/// From "almost nothing" to "almost all"; a share below the number is drawn with the character.
const SHADES: [(f32, &str); 5] = [(0.08, "·"), (0.25, "░"), (0.5, "▒"), (0.75, "▓"), (f32::INFINITY, "█")];

/// A square matrix of shares of which the upper right half is empty: an attention pattern. It is drawn as large as fits,
/// two characters as wide as one is high; where a character stands for several shares it shows the largest.
#[derive(Debug, Clone, Copy)]
pub struct Shades<'a> {
    /// Rows of shares, 0 to 1.
    pub rows: &'a [Vec<f32>],
    /// Style of the shades.
    pub style: Style,
    /// Style of what is almost nothing.
    pub rest: Style,
}

impl Shades<'_> {
    /// Columns and rows that are drawn in an area.
    pub fn size(&self, area: Rect) -> (u16, u16) {
        let n = u16::try_from(self.rows.len()).unwrap_or(u16::MAX);
        let height = area.height.min(n).min(area.width / 2);
        (height.saturating_mul(2), height)
    }
}

impl Widget for Shades<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        let (width, height) = self.size(area);
        let n = self.rows.len();
        // What a cell stands for: at least one share.
        let stretch = |at: u16, of: u16| {
            let (at, of) = (usize::from(at), usize::from(of.max(1)));
            let from = (at * n / of).min(n.saturating_sub(1));
            from..((at + 1) * n / of).clamp(from + 1, n.max(from + 1))
        };
        for y in 0..height {
            let queries = stretch(y, height);
            for x in 0..width {
                let keys = stretch(x, width);
                if keys.start >= queries.end {
                    continue;
                }
                let rows = self.rows.get(queries.clone()).unwrap_or_default();
                let shares = rows.iter().flat_map(|row| row.get(keys.clone()).unwrap_or_default());
                let share = shares.fold(0.0_f32, |most, share| most.max(*share));
                let (at, symbol) = SHADES
                    .iter()
                    .enumerate()
                    .find(|(_, (below, _))| share < *below)
                    .map_or((0, " "), |(at, (_, symbol))| (at, *symbol));
                let style = if at == 0 { self.rest } else { self.style };
                buf.set_stringn(area.x + x, area.y + y, symbol, 1, style);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(rows: &[Vec<f32>], width: u16, height: u16) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let mut buf = Buffer::empty(area);
        Shades { rows, style: Style::new(), rest: Style::new() }.render(area, &mut buf);
        let width = usize::from(width);
        buf.content.chunks(width).map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect()).collect()
    }

    #[test]
    fn the_stripe_is_seen_whatever_the_size() {
        // Query i looks at key i - 4 wholly, from i = 4 on.
        let n = 8;
        let rows: Vec<Vec<f32>> =
            (0..n).map(|i| (0..n).map(|j| if i >= 4 && j + 4 == i { 1.0 } else { 0.0 }).collect()).collect();
        let full = drawn(&rows, 16, 8);
        assert_eq!(full[0], "··              ");
        assert_eq!(full[4], "██········      ");
        assert_eq!(full[7], "······██········");
        let small = drawn(&rows, 9, 4);
        assert_eq!(small[1], "····     ");
        assert_eq!(small[2], "██····   ");
        assert_eq!(small[3], "··██···· ");
        assert_eq!(drawn(&rows, 1, 1), [" "]);
        assert_eq!(drawn(&[], 4, 4).concat().trim(), "");
    }

    #[test]
    fn shades_rise_with_the_share() {
        let rows = vec![vec![0.1], vec![0.3], vec![0.6], vec![0.9]];
        let rows: Vec<Vec<f32>> = rows.into_iter().map(|row| row.repeat(4)).collect();
        let firsts: String = drawn(&rows, 8, 4).iter().filter_map(|row| row.chars().next()).collect();
        assert_eq!(firsts, "░▒▓█");
    }
}
