//! The rows: which colours a role has on which ground.
//!
//! In 24 bits every colour of text has a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3) against the usual grounds of its
//! kind, and that of the theme for both against black and white; the tests compute it.

use ratatui::style::Color;

/// What is behind the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Dark.
    Dark,
    /// Light.
    Light,
    /// The terminal does not say.
    Unknown,
}

impl Ground {
    /// The theme for it.
    pub fn theme(self) -> &'static ThemeSpec {
        THEMES.iter().find(|spec| spec.ground == self).unwrap_or(&THEMES[0])
    }
}

/// One colour in as many as there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink {
    /// In 24 bits.
    pub rgb: u32,
    /// Among 256.
    pub index: u8,
    /// Among 16.
    pub named: Color,
}

const fn ink(rgb: u32, index: u8, named: Color) -> Ink {
    Ink { rgb, index, named }
}

/// A theme.
#[derive(Debug, PartialEq, Eq)]
pub struct ThemeSpec {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its ground.
    pub ground: Ground,
    /// What the model wrote, and bars.
    pub model: Ink,
    /// Less important text, and borders.
    pub dim: Ink,
    /// What has the keys.
    pub accent: Ink,
    /// All is well.
    pub good: Ink,
    /// Something to mind.
    pub warning: Ink,
    /// Something failed.
    pub error: Ink,
}

/// All themes, the first for terminals that do not say what their ground is.
pub static THEMES: [ThemeSpec; 3] = [
    ThemeSpec {
        name: "neutral",
        doc: "reads on both",
        ground: Ground::Unknown,
        model: ink(0x00_84_84, 30, Color::Magenta),
        dim: ink(0x76_76_76, 243, Color::DarkGray),
        accent: ink(0x3f_71_d7, 62, Color::Blue),
        good: ink(0x00_8a_00, 28, Color::Green),
        warning: ink(0xa1_6b_00, 130, Color::Yellow),
        error: ink(0xdc_33_33, 161, Color::Red),
    },
    ThemeSpec {
        name: "dark",
        doc: "for a dark ground",
        ground: Ground::Dark,
        model: ink(0x4c_c9_c9, 80, Color::LightCyan),
        dim: ink(0x9a_9f_a8, 247, Color::DarkGray),
        accent: ink(0x8a_b4_f8, 111, Color::LightBlue),
        good: ink(0x7b_c7_7b, 114, Color::LightGreen),
        warning: ink(0xe0_b0_50, 179, Color::LightYellow),
        error: ink(0xff_8a_8a, 210, Color::LightRed),
    },
    // Green, yellow and cyan of the 16 colours are hard to read on white, so the three others share the roles.
    ThemeSpec {
        name: "light",
        doc: "for a light ground",
        ground: Ground::Light,
        model: ink(0x00_78_78, 24, Color::Magenta),
        dim: ink(0x66_6b_73, 242, Color::DarkGray),
        accent: ink(0x2a_5f_c4, 26, Color::Blue),
        good: ink(0x1a_7a_1a, 22, Color::Blue),
        warning: ink(0x8a_5a_00, 94, Color::Red),
        error: ink(0xc0_20_20, 124, Color::Red),
    },
];

/// Which theme is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThemeChoice {
    /// The one for the terminal's ground.
    Auto,
    /// This one.
    Named(&'static ThemeSpec),
}

impl ThemeChoice {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Named(spec) => spec.name,
        }
    }

    /// All names.
    pub fn names() -> Vec<&'static str> {
        ["auto"].into_iter().chain(THEMES.iter().map(|spec| spec.name)).collect()
    }
}

impl std::str::FromStr for ThemeChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match THEMES.iter().find(|spec| spec.name == name) {
            Some(spec) => Ok(Self::Named(spec)),
            None if name == "auto" => Ok(Self::Auto),
            None => Err(format!("the themes are {}", Self::names().join(", "))),
        }
    }
}
