//! Any screen as an SVG picture.
//!
//! Text is set in the viewer's monospaced font and stretched to the grid (`textLength`), so columns line up in any font;
//! borders, tracks and bars are drawn as shapes, so that they join where a font would leave gaps. The same screen always
//! gives the same bytes.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use super::theme::Ground;

/// Width of a cell in pixels, height of a row, size of the type, its baseline below the top of a row, the margin.
const CELL: f32 = 8.4;
const ROW: f32 = 18.0;
const TYPE: f32 = 14.0;
const BASELINE: f32 = 13.5;
const MARGIN: f32 = 10.0;

/// Colours of the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SvgTheme {
    /// Default foreground, RGB.
    pub foreground: [u8; 3],
    /// Default background, RGB.
    pub background: [u8; 3],
    /// The 16 ANSI colours, RGB.
    pub ansi: [[u8; 3]; 16],
}

impl SvgTheme {
    /// The one for a terminal's background; where that is not known, light text on a dark one.
    pub fn of(ground: Ground) -> &'static Self {
        if ground == Ground::Light { &Self::LIGHT } else { &Self::DARK }
    }

    /// Light text on a dark ground.
    pub const DARK: Self = Self { foreground: [0xd8, 0xdb, 0xe0], background: [0x16, 0x18, 0x1d], ansi: ANSI };
    /// Dark text on a light ground.
    pub const LIGHT: Self = Self { foreground: [0x24, 0x27, 0x2e], background: [0xfb, 0xfb, 0xfa], ansi: ANSI };

    fn rgb(&self, colour: Color, otherwise: [u8; 3]) -> [u8; 3] {
        match colour {
            Color::Reset => otherwise,
            Color::Rgb(r, g, b) => [r, g, b],
            Color::Indexed(index) => self.indexed(index),
            Color::Black => self.ansi[0],
            Color::Red => self.ansi[1],
            Color::Green => self.ansi[2],
            Color::Yellow => self.ansi[3],
            Color::Blue => self.ansi[4],
            Color::Magenta => self.ansi[5],
            Color::Cyan => self.ansi[6],
            Color::Gray => self.ansi[7],
            Color::DarkGray => self.ansi[8],
            Color::LightRed => self.ansi[9],
            Color::LightGreen => self.ansi[10],
            Color::LightYellow => self.ansi[11],
            Color::LightBlue => self.ansi[12],
            Color::LightMagenta => self.ansi[13],
            Color::LightCyan => self.ansi[14],
            Color::White => self.ansi[15],
        }
    }

    /// The 256 colours of xterm: 16 named ones, a cube of 6 levels, 24 greys.
    fn indexed(&self, index: u8) -> [u8; 3] {
        const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
        match index {
            0..16 => self.ansi[usize::from(index)],
            16..232 => {
                let at = usize::from(index - 16);
                [LEVELS[at / 36], LEVELS[at / 6 % 6], LEVELS[at % 6]]
            }
            232.. => [8 + 10 * (index - 232); 3],
        }
    }
}

/// xterm's 16 colours, a little calmer.
const ANSI: [[u8; 3]; 16] = [
    [0x1c, 0x1e, 0x24],
    [0xd0, 0x4a, 0x4a],
    [0x3f, 0x9c, 0x4f],
    [0xb0, 0x82, 0x20],
    [0x4a, 0x7f, 0xdc],
    [0xa6, 0x5f, 0xc8],
    [0x1f, 0x96, 0x96],
    [0xb8, 0xbc, 0xc4],
    [0x80, 0x85, 0x90],
    [0xe8, 0x6a, 0x6a],
    [0x5c, 0xbe, 0x6c],
    [0xd6, 0xa6, 0x3c],
    [0x6f, 0x9d, 0xf0],
    [0xc2, 0x83, 0xe2],
    [0x45, 0xb8, 0xb8],
    [0xf2, 0xf4, 0xf7],
];

/// How a cell looks once colours are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    foreground: [u8; 3],
    background: [u8; 3],
    modifier: Modifier,
}

impl Look {
    fn of(cell: &Cell, theme: &SvgTheme) -> Self {
        let mut look = Self {
            foreground: theme.rgb(cell.fg, theme.foreground),
            background: theme.rgb(cell.bg, theme.background),
            modifier: cell.modifier,
        };
        if cell.modifier.contains(Modifier::REVERSED) {
            std::mem::swap(&mut look.foreground, &mut look.background);
        }
        look
    }
}

/// The buffer as a standalone SVG document.
pub fn to_svg(buffer: &Buffer, theme: &SvgTheme) -> String {
    let area = buffer.area;
    let width = f32::from(area.width) * CELL + 2.0 * MARGIN;
    let height = f32::from(area.height) * ROW + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.1} {height:.1}\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, 'Noto Sans Mono CJK SC', monospace\" font-size=\"{TYPE}\">\n\
         <title>kshot</title>\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{}\"/>\n",
        hex(theme.background)
    );
    for y in 0..area.height {
        row(&mut svg, buffer, theme, y);
    }
    svg + "</svg>\n"
}

/// Draws the runs of one row: neighbours that look the same go into one element.
fn row(svg: &mut String, buffer: &Buffer, theme: &SvgTheme, y: u16) {
    let cell = |x: u16| &buffer[(buffer.area.x + x, buffer.area.y + y)];
    let mut x = 0;
    while x < buffer.area.width {
        let look = Look::of(cell(x), theme);
        let (start, mut text) = (x, String::new());
        while x < buffer.area.width && Look::of(cell(x), theme) == look {
            let symbol = cell(x).symbol();
            text.push_str(if symbol.is_empty() { " " } else { symbol });
            // The cell after a wide character belongs to it.
            x += u16::try_from(symbol.width().max(1)).unwrap_or(1);
        }
        run(svg, theme, look, (start, x.min(buffer.area.width), y), &text);
    }
}

fn run(svg: &mut String, theme: &SvgTheme, look: Look, (start, end, y): (u16, u16, u16), text: &str) {
    let (left, top) = (MARGIN + f32::from(start) * CELL, MARGIN + f32::from(y) * ROW);
    let width = f32::from(end - start) * CELL;
    if look.background != theme.background {
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{ROW}\" fill=\"{}\"/>",
            hex(look.background)
        );
    }
    let fill = hex(look.foreground);
    let mut path = String::new();
    if look.modifier.contains(Modifier::UNDERLINED) {
        // A decoration of the text would leave spaces out.
        let _ = write!(path, "M{left:.1} {:.1}h{width:.1}v1h{:.1}z", top + BASELINE + 1.5, -width);
    }
    let mut letters = String::new();
    let mut x = left;
    for symbol in unicode_segmentation::UnicodeSegmentation::graphemes(text, true) {
        match shape(symbol) {
            Some(boxes) => {
                for [a, b, c, d] in boxes {
                    let (x, y) = (x + a * CELL, top + b * ROW);
                    let _ = write!(path, "M{x:.1} {y:.1}h{:.1}v{:.1}h{:.1}z", c * CELL, d * ROW, -c * CELL);
                }
                letters.push(' ');
            }
            None => letters.push_str(symbol),
        }
        x += symbol.width().max(1) as f32 * CELL;
    }
    if !path.is_empty() {
        let _ = writeln!(svg, "<path d=\"{path}\" fill=\"{fill}\"/>");
    }
    // Each stretch without a gap is an element of its own, so that columns line up even where nothing is stretched.
    let mut x = left;
    for part in letters.split_inclusive("  ") {
        let words = part.trim_matches(' ');
        let start = x + (part.len() - part.trim_start_matches(' ').len()) as f32 * CELL;
        x += part.width() as f32 * CELL;
        if words.is_empty() {
            continue;
        }
        let _ = writeln!(
            svg,
            "<text x=\"{start:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\" fill=\"{fill}\"{}>{}</text>",
            top + BASELINE,
            words.width() as f32 * CELL,
            attributes(look.modifier),
            escape(words)
        );
    }
}

fn attributes(modifier: Modifier) -> String {
    let mut out = String::new();
    let pairs = [
        (Modifier::BOLD, " font-weight=\"bold\""),
        (Modifier::ITALIC, " font-style=\"italic\""),
        (Modifier::CROSSED_OUT, " text-decoration=\"line-through\""),
        (Modifier::DIM, " opacity=\"0.65\""),
    ];
    for (flag, attribute) in pairs {
        if modifier.contains(flag) {
            out.push_str(attribute);
        }
    }
    out
}

/// Boxes (left, top, width, height, in cells) of the characters that are drawn as shapes.
fn shape(symbol: &str) -> Option<Vec<[f32; 4]>> {
    /// Half the thickness of a line in cells, across and down.
    const THIN: (f32, f32) = (0.06, 0.028);
    const THICK: (f32, f32) = (0.12, 0.056);
    let mut chars = symbol.chars();
    let (c, None) = (chars.next()?, chars.next()) else { return None };
    let (w, h) = if c == '━' { THICK } else { THIN };
    let (left, right) = ([0.0, 0.5 - h, 0.5 + w, 2.0 * h], [0.5 - w, 0.5 - h, 0.5 + w, 2.0 * h]);
    let (up, down) = ([0.5 - w, 0.0, 2.0 * w, 0.5 + h], [0.5 - w, 0.5 - h, 2.0 * w, 0.5 + h]);
    Some(match c {
        '─' | '━' => vec![left, right],
        '│' => vec![up, down],
        '┌' => vec![right, down],
        '┐' => vec![left, down],
        '└' => vec![right, up],
        '┘' => vec![left, up],
        // U+2588 is the full block, U+258F its left eighth.
        // U+2800 and the eight dots of a braille character: letters of a font that is wider than a cell leave their chart.
        '\u{2800}'..='\u{28ff}' => {
            let dots = c as u32 - 0x2800;
            let places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
            let set = places.into_iter().enumerate().filter(|(bit, _)| dots >> bit & 1 == 1);
            set.map(|(_, (x, y))| [0.15 + 0.5 * x as f32, 0.07 + 0.25 * y as f32, 0.2, 0.11]).collect()
        }
        '█'..='▏' => vec![[0.0, 0.1, (0x2590 - c as u32) as f32 / 8.0, 0.8]],
        _ => return None,
    })
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Text for XML; what XML 1.0 cannot hold becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn a_screen_becomes_text_shapes_and_grounds() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 2));
        buffer.set_string(0, 0, "│ a<b&我", Style::new().fg(Color::Rgb(1, 2, 3)));
        buffer.set_string(0, 1, "on", Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD));
        buffer.set_string(3, 1, "█▌", Style::new().fg(Color::Indexed(196)));
        let svg = to_svg(&buffer, &SvgTheme::DARK);
        assert!(svg.contains(">a&lt;b&amp;我</text>"), "{svg}");
        assert!(svg.contains("textLength=\"50.4\""), "six columns: {svg}");
        assert!(svg.contains("fill=\"#010203\""));
        assert!(svg.contains("fill=\"#ff0000\""), "index 196 is pure red: {svg}");
        let dark = hex(SvgTheme::DARK.background);
        assert!(svg.contains(&format!("fill=\"{dark}\" font-weight=\"bold\">on</text>")), "reversed: {svg}");
        assert_eq!(svg, to_svg(&buffer, &SvgTheme::DARK));
    }

    #[test]
    fn no_control_character_reaches_the_file() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
        buffer[(0, 0)].set_symbol("\u{1b}");
        buffer[(1, 0)].set_symbol("\u{9b}");
        let svg = to_svg(&buffer, &SvgTheme::LIGHT);
        assert!(svg.chars().all(|c| c == '\n' || !c.is_control()), "{svg:?}");
    }

    #[test]
    fn underlined_spaces_and_curves_are_shapes() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 2));
        buffer.set_string(0, 0, "  sea", Style::new().add_modifier(Modifier::UNDERLINED));
        buffer.set_string(0, 1, "⡀⠁", Style::new());
        let svg = to_svg(&buffer, &SvgTheme::DARK);
        assert!(svg.contains(&format!("h{:.1}v1h", 5.0 * CELL)), "five columns are underlined: {svg}");
        assert!(!svg.contains('⡀') && svg.matches("<text").count() == 1, "{svg}");
        assert_eq!(shape("⣿").map(|dots| dots.len()), Some(8));
        assert_eq!(shape("⡀"), Some(vec![[0.15, 0.82, 0.2, 0.11]]), "the lowest dot on the left");
    }

    #[test]
    fn eighths_have_their_width() {
        let width = |symbol| shape(symbol).unwrap_or_default().first().map(|b| b[2]);
        assert_eq!(width("▏"), Some(0.125));
        assert_eq!(width("▌"), Some(0.5));
        assert_eq!(width("█"), Some(1.0));
        assert_eq!(shape("a"), None);
    }
}
