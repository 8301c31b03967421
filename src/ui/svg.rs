//! Any screen as an SVG picture.

use ratatui::buffer::Buffer;

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
    /// Light text on a dark ground.
    pub const DARK: Self = Self { foreground: [0; 3], background: [0; 3], ansi: [[0; 3]; 16] };
    /// Dark text on a light ground.
    pub const LIGHT: Self = Self { foreground: [0; 3], background: [0; 3], ansi: [[0; 3]; 16] };
}

/// The buffer as a standalone SVG document.
pub fn to_svg(_buffer: &Buffer, _theme: &SvgTheme) -> String {
    String::new()
}
