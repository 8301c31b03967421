//! Scales from worst to best: probability, rank or surprise of a token as a style.
//!
//! A step is a ground with black or white text on it, whichever reads better, so that a scale looks the same on every
//! terminal. Its lightness grows from one end to the other, so that it does not need colour vision. The best step is the
//! one nearest to the terminal's ground: likely text is quiet, surprises stand out. With 16 colours or none, attributes
//! alone tell the steps apart.

use ratatui::style::{Color, Modifier, Style};

use super::{Ground, Palette};

/// How many steps a scale has.
pub const STEPS: usize = 5;

/// One step, for a legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScaleStep {
    /// The smallest level of the step, in per cent.
    pub from_percent: u8,
    /// How it looks.
    pub style: Style,
}

/// A scale: grounds from dark to light.
#[derive(Debug, PartialEq, Eq)]
pub struct Scale {
    /// Its name.
    pub name: &'static str,
    /// What it looks like.
    pub doc: &'static str,
    rgb: [u32; STEPS],
    index: [u8; STEPS],
    named: [Color; STEPS],
}

/// All scales, the first where none is named. The first two are matplotlib's, at five points.
pub static SCALES: [Scale; 3] = [
    Scale {
        name: "cividis",
        doc: "blue to yellow, the same with and without colour vision",
        rgb: [0x00_20_4d, 0x41_4d_6b, 0x7c_7b_78, 0xbc_af_6f, 0xff_ea_46],
        index: [17, 239, 243, 143, 221],
        named: [Color::Blue, Color::Blue, Color::Reset, Color::Yellow, Color::Yellow],
    },
    Scale {
        name: "viridis",
        doc: "violet, blue, green, yellow",
        rgb: [0x44_01_54, 0x3b_52_8b, 0x21_91_8c, 0x5e_c9_62, 0xfd_e7_25],
        index: [53, 24, 30, 77, 226],
        named: [Color::Magenta, Color::Blue, Color::Cyan, Color::Green, Color::Yellow],
    },
    Scale {
        name: "grey",
        doc: "shades of grey",
        rgb: [0x26_26_26, 0x58_58_58, 0x8a_8a_8a, 0xbc_bc_bc, 0xee_ee_ee],
        index: [235, 240, 245, 250, 255],
        named: [Color::Reset; STEPS],
    },
];

/// What tells the steps apart where there are few colours or none, from the worst to the best.
const MARKS: [Modifier; STEPS] = [
    Modifier::BOLD.union(Modifier::REVERSED),
    Modifier::BOLD.union(Modifier::UNDERLINED),
    Modifier::UNDERLINED,
    Modifier::empty(),
    Modifier::DIM,
];

impl Scale {
    /// The scale of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        SCALES.iter().find(|scale| scale.name == name)
    }

    /// Its steps from the worst to the best.
    pub(super) fn steps(&self, ground: Ground, palette: Palette) -> [ScaleStep; STEPS] {
        std::array::from_fn(|at| {
            // From dark to light on a light ground; an unknown ground is taken for dark, as most are.
            let shade = if ground == Ground::Light { at } else { STEPS - 1 - at };
            let text = if reads_black(self.rgb[shade]) { 16 } else { 231 };
            let style = match palette {
                Palette::Plain => Style::new().add_modifier(MARKS[at]),
                Palette::Ansi16 => Style::new().fg(self.named[shade]).add_modifier(MARKS[at]),
                Palette::Ansi256 => Style::new().bg(Color::Indexed(self.index[shade])).fg(Color::Indexed(text)),
                Palette::True => {
                    let text = if text == 16 { 0x00_00_00 } else { 0xff_ff_ff };
                    Style::new().bg(Color::from_u32(self.rgb[shade])).fg(Color::from_u32(text))
                }
            };
            ScaleStep { from_percent: (100 * at / STEPS) as u8, style }
        })
    }
}

/// Whether black reads better than white on a colour: where its luminance (WCAG 2.2) is above 0.179, both are alike.
fn reads_black(rgb: u32) -> bool {
    super::luminance(rgb) > 0.179
}
