//! Curves over a common x axis, in braille dots (asterisks on ASCII terminals).

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use super::Glyphs;

/// How a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A line of fine dots.
    Line,
    /// One character a point.
    Points(&'static str),
}

/// One curve.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    /// Its points, x rising.
    pub points: &'a [(f64, f64)],
    /// How they are drawn.
    pub mark: Mark,
    /// Style of the marks.
    pub style: Style,
}

/// A chart with axes. What lies outside its ranges is drawn at the edge.
#[derive(Debug, Clone, Copy)]
pub struct Plot<'a> {
    /// Least and largest x.
    pub x: (f64, f64),
    /// Least and largest y.
    pub y: (f64, f64),
    /// The curves; later ones are drawn over earlier ones.
    pub series: &'a [Series<'a>],
    /// A value to compare with, drawn as a broken line, and its name.
    pub level: Option<(f64, &'a str)>,
    /// What stands after the largest x.
    pub x_unit: &'a str,
    /// Digits of y after the point.
    pub digits: usize,
    /// Style of axes and labels.
    pub axis: Style,
    /// Characters.
    pub glyphs: &'a Glyphs,
}

/// Dots of a braille character, by row and column (Unicode 16, 2800 to 28FF).
const DOTS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

impl Widget for Plot<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        let [top, bottom] = [self.y.1, self.y.0].map(|y| format!("{y:.0$}", self.digits));
        let gutter = u16::try_from(top.width().max(bottom.width())).unwrap_or(u16::MAX);
        if area.height < 3 || area.width < gutter.saturating_add(4) {
            return;
        }
        let inner = Rect { x: area.x + gutter + 1, y: area.y, width: area.width - gutter - 1, height: area.height - 1 };
        self.axes(area, inner, &top, &bottom, buf);
        for series in self.series {
            match series.mark {
                Mark::Line => self.line(series, inner, buf),
                Mark::Points(symbol) => self.points(series, symbol, inner, buf),
            }
        }
    }
}

impl Plot<'_> {
    fn axes(&self, area: Rect, inner: Rect, top: &str, bottom: &str, buf: &mut Buffer) {
        let gutter = usize::from(inner.x - 1 - area.x);
        for y in inner.y..inner.bottom() {
            buf.set_stringn(inner.x - 1, y, self.glyphs.border.vertical_left, 1, self.axis);
        }
        for (y, label) in [(inner.y, top), (inner.bottom() - 1, bottom)] {
            buf.set_stringn(area.x, y, format!("{label:>gutter$}"), gutter, self.axis);
        }
        let end = format!("{:.0} {}", self.x.1, self.x_unit);
        let width = usize::from(inner.width);
        let start = format!("{:.0}", self.x.0);
        buf.set_stringn(inner.x, area.bottom() - 1, &start, width, self.axis);
        if start.width() + end.width() < width {
            let x = inner.right().saturating_sub(u16::try_from(end.width()).unwrap_or(u16::MAX));
            buf.set_stringn(x, area.bottom() - 1, end, width, self.axis);
        }
        if let Some((y, name)) = self.level.filter(|(y, _)| y.is_finite()) {
            let row = inner.y + cell(self.down(y, usize::from(inner.height)));
            for x in (inner.x..inner.right()).step_by(2) {
                buf.set_stringn(x, row, self.glyphs.border.horizontal_top, 1, self.axis);
            }
            let x = inner.right().saturating_sub(u16::try_from(name.width()).unwrap_or(u16::MAX)).max(inner.x);
            buf.set_stringn(x, row, name, width, self.axis);
        }
    }

    /// The column of an x among `columns`.
    fn across(&self, x: f64, columns: usize) -> usize {
        place((x - self.x.0) / (self.x.1 - self.x.0), columns)
    }

    /// The row of a y among `rows`, from the top.
    fn down(&self, y: f64, rows: usize) -> usize {
        place(1.0 - (y - self.y.0) / (self.y.1 - self.y.0), rows)
    }

    fn points(&self, series: &Series<'_>, symbol: &str, inner: Rect, buf: &mut Buffer) {
        for (x, y) in series.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite()) {
            let x = inner.x + cell(self.across(*x, usize::from(inner.width)));
            let y = inner.y + cell(self.down(*y, usize::from(inner.height)));
            buf.set_stringn(x, y, symbol, 1, series.style);
        }
    }

    fn line(&self, series: &Series<'_>, inner: Rect, buf: &mut Buffer) {
        let (columns, rows) = (usize::from(inner.width) * 2, usize::from(inner.height) * 4);
        let dots = |(x, y): &(f64, f64)| (self.across(*x, columns), self.down(*y, rows));
        let mut before: Option<(usize, usize)> = None;
        let finite = series.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
        for to in finite.map(dots) {
            let from = before.replace(to).unwrap_or(to);
            let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
            let between = |a: usize, b: usize, step: usize| {
                (a as f64 + (b as f64 - a as f64) * step as f64 / steps as f64).round() as usize
            };
            for step in 0..=steps {
                self.dot(between(from.0, to.0, step), between(from.1, to.1, step), series.style, inner, buf);
            }
        }
    }

    fn dot(&self, x: usize, y: usize, style: Style, inner: Rect, buf: &mut Buffer) {
        let Some(at) = buf.cell_mut((inner.x + cell(x / 2), inner.y + cell(y / 4))) else { return };
        if *self.glyphs == Glyphs::ASCII {
            at.set_symbol("*").set_style(style);
            return;
        }
        let there = at.symbol().chars().next().map_or(0, u32::from);
        let there = if (0x2800..0x2900).contains(&there) { there - 0x2800 } else { 0 };
        let dots = there | u32::from(DOTS[y % 4][x % 2]);
        at.set_char(char::from_u32(0x2800 + dots).unwrap_or('*')).set_style(style);
    }
}

/// The place of a share of `places`, from 0.
fn place(share: f64, places: usize) -> usize {
    let last = places.saturating_sub(1);
    if share.is_finite() { (share.clamp(0.0, 1.0) * last as f64).round() as usize } else { 0 }
}

fn cell(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(series: &[Series<'_>], level: Option<(f64, &str)>, glyphs: &Glyphs) -> Vec<String> {
        let area = Rect::new(0, 0, 16, 5);
        let mut buf = Buffer::empty(area);
        let plot = Plot {
            x: (0.0, 100.0),
            y: (0.0, 4.0),
            series,
            level,
            x_unit: "steps",
            digits: 1,
            axis: Style::new(),
            glyphs,
        };
        plot.render(area, &mut buf);
        buf.content.chunks(16).map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect()).collect()
    }

    #[test]
    fn a_line_goes_from_corner_to_corner() {
        let falling = [(0.0, 4.0), (100.0, 0.0)];
        let series = [Series { points: &falling, mark: Mark::Line, style: Style::new() }];
        let rows = drawn(&series, None, &Glyphs::UNICODE);
        assert_eq!(rows[0].trim_end(), "4.0│⠑⠢⣀", "{rows:#?}");
        assert!(rows[3].starts_with("0.0│") && rows[3].ends_with('⢄'), "{rows:#?}");
        assert_eq!(rows[4], "    0  100 steps");
        let ascii = drawn(&series, None, &Glyphs::ASCII);
        assert!(ascii.concat().is_ascii() && ascii[0].starts_with("4.0|*"), "{ascii:#?}");
    }

    #[test]
    fn points_lie_over_the_level_and_what_is_outside_is_at_the_edge() {
        let points = [(0.0, 9.0), (50.0, f64::NAN)];
        let series = [Series { points: &points, mark: Mark::Points("o"), style: Style::new() }];
        let rows = drawn(&series, Some((4.0, "chance")), &Glyphs::UNICODE);
        assert_eq!(rows[0], "4.0│o ─ ─ chance", "{rows:#?}");
        assert!(!rows[1..].concat().contains('o'), "what is not a number is left out: {rows:#?}");
    }

    #[test]
    fn an_area_that_is_too_small_stays_empty() {
        let area = Rect::new(0, 0, 5, 2);
        let mut buf = Buffer::empty(area);
        let plot = Plot {
            x: (0.0, 0.0),
            y: (0.0, 0.0),
            series: &[],
            level: None,
            x_unit: "",
            digits: 1,
            axis: Style::new(),
            glyphs: &Glyphs::UNICODE,
        };
        plot.render(area, &mut buf);
        assert_eq!(buf, Buffer::empty(area));
    }
}
