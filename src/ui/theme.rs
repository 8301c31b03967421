//! Roles, not colours: every style a pane uses has a name here.
//!
//! Body text keeps the terminal's own foreground. A theme is a row of [`THEMES`]: one for dark grounds, one for light
//! ones, and one that reads on both, for terminals that do not say what their ground is. No role differs from another by
//! colour alone: what a row says in colours, attributes say again where there are few or none.

mod scale;
mod table;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use super::widget::Glyphs;

pub use scale::{SCALES, STEPS, Scale, ScaleStep};
pub use table::{Ground, Ink, THEMES, ThemeChoice, ThemeSpec};

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
    /// The token looked at, over whatever it looks like.
    pub here: Style,
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
    /// What the colours are for.
    pub ground: Ground,
    /// How many colours there are.
    pub palette: Palette,
    colours: &'static Scale,
    steps: [ScaleStep; STEPS],
}

impl Theme {
    /// The theme for a terminal whose ground is not known.
    pub fn new(palette: Palette, glyphs: Glyphs) -> Self {
        Self::of(Ground::Unknown.theme(), &SCALES[0], palette, glyphs)
    }

    /// A row of the table of themes, with a row of the table of scales.
    pub fn of(spec: &ThemeSpec, scale: &'static Scale, palette: Palette, glyphs: Glyphs) -> Self {
        let plain = palette == Palette::Plain;
        let few = matches!(palette, Palette::Plain | Palette::Ansi16);
        let marked = |style: Style, mark: bool, modifier| if mark { style.add_modifier(modifier) } else { style };
        let ink = |ink: Ink| match palette {
            Palette::Plain => Style::new(),
            Palette::Ansi16 => Style::new().fg(ink.named),
            Palette::Ansi256 => Style::new().fg(Color::Indexed(ink.index)),
            Palette::True => Style::new().fg(Color::from_u32(ink.rgb)),
        };
        let dim = marked(ink(spec.dim), plain, Modifier::DIM);
        // Bold alone is hard to see in some fonts, so it is underlined where there is no colour.
        let model = marked(ink(spec.model).add_modifier(Modifier::BOLD), plain, Modifier::UNDERLINED);
        let warning = ink(spec.warning);
        Self {
            text: Style::new(),
            model,
            dim,
            border: dim,
            focus: ink(spec.accent).add_modifier(Modifier::BOLD),
            strong: Style::new().add_modifier(Modifier::BOLD),
            selected: Style::new().add_modifier(Modifier::REVERSED),
            // A scale without colours reverses its worst step, in bold; this one is reversed and never bold.
            here: Style::new()
                .add_modifier(Modifier::REVERSED | Modifier::UNDERLINED)
                .remove_modifier(Modifier::BOLD | Modifier::DIM),
            bar: model,
            good: marked(ink(spec.good), plain, Modifier::ITALIC),
            warning: warning.add_modifier(if plain { Modifier::UNDERLINED } else { Modifier::BOLD }),
            error: marked(ink(spec.error).add_modifier(Modifier::BOLD), few, Modifier::REVERSED),
            glyphs,
            ground: spec.ground,
            palette,
            colours: scale,
            steps: scale.steps(spec.ground, palette),
        }
    }

    /// A style on a shade a little off the terminal's background, where that is known and the style has none of its own.
    pub fn shade(&self, style: Style) -> Style {
        // The greys of the 256 colours nearest to black and to white that are seen beside them.
        let grey = match self.ground {
            Ground::Dark => 237,
            Ground::Light => 253,
            Ground::Unknown => return style,
        };
        let free = style.bg.is_none() && !style.add_modifier.contains(Modifier::REVERSED);
        let many = matches!(self.palette, Palette::Ansi256 | Palette::True);
        if free && many { style.bg(Color::Indexed(grey)) } else { style }
    }

    /// The style of a token's class, 0 (expected) to 4 (surprising).
    pub fn level(&self, class: usize) -> Style {
        self.scale((4.5 - class.min(4) as f64) / 5.0)
    }

    /// How a token, a bar or a cell of this level looks on the colour scale: 0 is the worst (the most surprising), 1 the
    /// best. What is not a number counts as the worst.
    ///
    /// The style is whole: it sets foreground, background and attributes as the palette allows, so it stands in the place
    /// of another style and is not laid over one. The best step is the quiet one, so that surprises stand out of a text.
    pub fn scale(&self, level: f64) -> Style {
        let at = if level > 0.0 { (level.min(1.0) * STEPS as f64) as usize } else { 0 };
        self.steps[at.min(STEPS - 1)].style
    }

    /// The steps of the scale from the worst to the best: all that [`Theme::scale`] can give, for a legend. They differ
    /// from each other with any number of colours, and without colour vision.
    pub fn scale_steps(&self) -> &[ScaleStep] {
        &self.steps
    }

    /// The theme that was chosen, for the terminal that the environment describes; and whether the terminal's own word on
    /// its ground is to change it, which it is where the choice is automatic, there are colours to choose, and COLORFGBG
    /// does not say the ground.
    pub fn choose(choice: ThemeChoice, scale: &'static Scale, var: impl Fn(&str) -> Option<String>) -> (Self, bool) {
        let (palette, glyphs) = terminal(&var);
        let said = var("COLORFGBG").map_or(Ground::Unknown, |value| ground_of(&value));
        let (spec, ask) = match choice {
            ThemeChoice::Named(spec) => (spec, false),
            ThemeChoice::Auto if palette == Palette::Plain => (Ground::Unknown.theme(), false),
            ThemeChoice::Auto => (said.theme(), said == Ground::Unknown),
        };
        (Self::of(spec, scale, palette, glyphs), ask)
    }

    /// The theme for this ground, with the same colour scale, palette and glyphs.
    #[must_use]
    pub fn on(&self, ground: Ground) -> Self {
        Self::of(ground.theme(), self.colours, self.palette, self.glyphs)
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

/// What the environment says of the terminal: NO_COLOR, COLORTERM, TERM, LC_ALL, LC_CTYPE and LANG, read through `var`.
fn terminal(var: &impl Fn(&str) -> Option<String>) -> (Palette, Glyphs) {
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
    (palette, if seven_bit { Glyphs::ASCII } else { Glyphs::UNICODE })
}

/// What COLORFGBG (`foreground;background`, `15;default;0`) says: rxvt, Konsole and others set it to numbers among the 16
/// colours, of which 7 and 9 to 15 are light, as vim reads it.
fn ground_of(value: &str) -> Ground {
    match value.rsplit(';').next().and_then(|number| number.parse::<u8>().ok()) {
        Some(0..=6 | 8) if value.contains(';') => Ground::Dark,
        Some(7 | 9..=15) if value.contains(';') => Ground::Light,
        _ => Ground::Unknown,
    }
}

/// Relative luminance of an sRGB colour: WCAG 2.2, "relative luminance".
fn luminance(rgb: u32) -> f64 {
    let linear = |shift: u32| {
        let c = f64::from((rgb >> shift) & 0xff) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(16) + 0.7152 * linear(8) + 0.0722 * linear(0)
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
mod tests;
