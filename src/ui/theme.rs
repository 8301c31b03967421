//! Roles, not colours: every style a pane uses has a name here.
//!
//! Body text keeps the terminal's own foreground. The colours have a relative luminance near 0.18, where the contrast
//! against black and against white is about 4.5 to 1 both ways (WCAG 2.2, 1.4.3), so that one palette serves light and
//! dark terminals. No role differs from body text by colour alone.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use super::widget::Glyphs;

/// How many colours the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Palette {
    /// None: attributes only (NO_COLOR, TERM=dumb).
    Plain,
    /// The 16 named ones.
    Ansi16,
    /// The 256 indexed ones.
    Ansi256,
    /// 24 bits.
    True,
}

/// The styles of all roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Body text: the terminal's own.
    pub text: Style,
    /// Text that the model wrote.
    pub model: Style,
    /// Less important text.
    pub dim: Style,
    /// Border and title of a pane.
    pub border: Style,
    /// Border and title of the pane with the keys.
    pub focus: Style,
    /// Headings and names of keys.
    pub strong: Style,
    /// The row under the cursor.
    pub selected: Style,
    /// Bars, and the filled part of sliders.
    pub bar: Style,
    /// All is well.
    pub good: Style,
    /// Something to mind.
    pub warning: Style,
    /// Something failed.
    pub error: Style,
    /// Which characters to draw with.
    pub glyphs: Glyphs,
}

impl Theme {
    /// The theme for a terminal.
    pub fn new(palette: Palette, glyphs: Glyphs) -> Self {
        let colour = |rgb: u32, index: u8, named: Color| match palette {
            Palette::Plain => Style::new(),
            Palette::Ansi16 => Style::new().fg(named),
            Palette::Ansi256 => Style::new().fg(Color::Indexed(index)),
            Palette::True => Style::new().fg(Color::from_u32(rgb)),
        };
        let dim = match palette {
            Palette::Plain => Style::new().add_modifier(Modifier::DIM),
            _ => colour(0x76_76_76, 243, Color::DarkGray),
        };
        let model = colour(0x00_84_84, 30, Color::Magenta);
        let accent = colour(0x3f_72_d8, 62, Color::Blue);
        Self {
            text: Style::new(),
            // Bold alone is hard to see in some fonts, so it is underlined where there is no colour.
            model: match palette {
                Palette::Plain => model.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
                _ => model.add_modifier(Modifier::BOLD),
            },
            dim,
            border: dim,
            focus: accent.add_modifier(Modifier::BOLD),
            strong: Style::new().add_modifier(Modifier::BOLD),
            selected: Style::new().add_modifier(Modifier::REVERSED),
            bar: model,
            good: colour(0x00_80_00, 28, Color::Green),
            warning: colour(0xa0_6a_00, 130, Color::Yellow).add_modifier(Modifier::BOLD),
            error: colour(0xd0_30_30, 160, Color::Red).add_modifier(Modifier::BOLD),
            glyphs,
        }
    }

    /// The theme that the environment asks for: NO_COLOR, COLORTERM, TERM, LC_ALL, LC_CTYPE and LANG, read through `var`.
    pub fn from_environment(var: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| var(name).filter(|value| !value.is_empty());
        let term = get("TERM").unwrap_or_default();
        let palette = if get("NO_COLOR").is_some() || term == "dumb" {
            Palette::Plain
        } else if get("COLORTERM").is_some_and(|value| value == "truecolor" || value == "24bit") {
            Palette::True
        } else if term.contains("256color") || term.contains("direct") {
            Palette::Ansi256
        } else {
            Palette::Ansi16
        };
        let locale = get("LC_ALL").or_else(|| get("LC_CTYPE")).or_else(|| get("LANG")).unwrap_or_default();
        let seven_bit = locale == "C" || locale == "POSIX" || term == "linux" || term == "dumb";
        Self::new(palette, if seven_bit { Glyphs::ASCII } else { Glyphs::UNICODE })
    }

    /// Replaces what an ASCII terminal cannot show by its nearest letter. Done once on the finished frame, so that no
    /// pane draws in two alphabets.
    pub fn finish(&self, buf: &mut Buffer) {
        if self.glyphs == Glyphs::UNICODE {
            return;
        }
        for cell in &mut buf.content {
            if !cell.symbol().is_ascii() {
                let near = cell.symbol().chars().next().map_or("?", ascii);
                cell.set_symbol(near);
            }
        }
    }
}

fn ascii(glyph: char) -> &'static str {
    match glyph {
        '─' | '━' | '╌' | '–' | '—' | '−' => "-",
        '│' | '┃' | '▏' | '▎' | '▕' | '▐' | '▌' => "|",
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' | '╭' | '╮' | '╰' | '╯' => "+",
        '█' | '▉' | '▊' | '▋' | '▓' | '▇' => "#",
        '▒' | '▍' | '▄' | '▅' | '▆' => "=",
        '▃' => "-",
        '░' | '·' | '…' | '▁' | '▂' => ".",
        '●' | '◆' | '•' => "*",
        '○' => "o",
        '▸' | '→' | '▶' | '›' => ">",
        '◂' | '←' | '◀' | '‹' => "<",
        '▲' | '↑' => "^",
        '▼' | '↓' => "v",
        '␣' => "_",
        '⇥' => ">",
        '↵' | '␊' => "$",
        '✓' => "+",
        '✗' | '×' => "x",
        '≈' => "~",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides() {
        let cases: [(&[(&str, &str)], Palette, Glyphs); 6] = [
            (&[("TERM", "xterm"), ("LANG", "en_US.UTF-8")], Palette::Ansi16, Glyphs::UNICODE),
            (&[("TERM", "tmux-256color")], Palette::Ansi256, Glyphs::UNICODE),
            (&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], Palette::True, Glyphs::UNICODE),
            (&[("COLORTERM", "truecolor"), ("NO_COLOR", "1")], Palette::Plain, Glyphs::UNICODE),
            (&[("TERM", "linux"), ("NO_COLOR", "")], Palette::Ansi16, Glyphs::ASCII),
            (&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")], Palette::Ansi16, Glyphs::ASCII),
        ];
        for (environment, palette, glyphs) in cases {
            let var =
                |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(Theme::from_environment(var), Theme::new(palette, glyphs), "{environment:?}");
        }
    }

    #[test]
    fn model_text_differs_from_typed_text_without_colour() {
        for palette in [Palette::Plain, Palette::Ansi16, Palette::Ansi256, Palette::True] {
            let theme = Theme::new(palette, Glyphs::UNICODE);
            assert_ne!(theme.model.add_modifier, theme.text.add_modifier, "{palette:?}");
        }
    }

    /// Relative luminance of an sRGB colour: WCAG 2.2, "relative luminance".
    fn luminance(colour: Color) -> f64 {
        let Color::Rgb(r, g, b) = colour else { return f64::NAN };
        let linear = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    #[test]
    fn colours_read_on_black_and_on_white() {
        let theme = Theme::new(Palette::True, Glyphs::UNICODE);
        for style in [theme.model, theme.dim, theme.focus, theme.good, theme.warning, theme.error] {
            let l = luminance(style.fg.unwrap_or_default());
            let (on_white, on_black) = (1.05 / (l + 0.05), (l + 0.05) / 0.05);
            assert!(on_white > 4.0 && on_black > 4.0, "{style:?}: {on_white:.2} on white, {on_black:.2} on black");
        }
    }
}
