//! The characters widgets draw with.

/// Which characters widgets draw with: one set for Unicode terminals, one for ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glyphs {
    /// Filled track of a slider.
    pub track_full: &'static str,
    /// Empty track of a slider.
    pub track_empty: &'static str,
    /// The slider's handle.
    pub handle: &'static str,
    /// Eighths of a bar, 1/8 to 8/8.
    pub eighths: [&'static str; 8],
    /// Mark of the selected row.
    pub pointer: &'static str,
    /// More text below.
    pub below: &'static str,
    /// More text above.
    pub above: &'static str,
    /// Ticked and empty box.
    pub ticked: &'static str,
    /// Empty box.
    pub unticked: &'static str,
    /// Separator between items of a line.
    pub dot: &'static str,
    /// Text was cut here.
    pub ellipsis: &'static str,
    /// Borders of panes.
    pub border: ratatui::symbols::border::Set<'static>,
}

impl Glyphs {
    /// For UTF-8 terminals.
    pub const UNICODE: Self = Self {
        track_full: "━",
        track_empty: "─",
        handle: "●",
        eighths: ["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"],
        pointer: "▸",
        below: "↓",
        above: "↑",
        ticked: "☑",
        unticked: "☐",
        dot: "·",
        ellipsis: "…",
        border: ratatui::symbols::border::PLAIN,
    };
    /// For `LANG=C`, `TERM=linux` and the like.
    pub const ASCII: Self = Self {
        track_full: "=",
        track_empty: "-",
        handle: "O",
        eighths: [" ", " ", " ", "-", "-", "=", "=", "#"],
        pointer: ">",
        below: "v",
        above: "^",
        ticked: "[x]",
        unticked: "[ ]",
        dot: "|",
        ellipsis: "~",
        border: ratatui::symbols::border::Set {
            top_left: "+",
            top_right: "+",
            bottom_left: "+",
            bottom_right: "+",
            vertical_left: "|",
            vertical_right: "|",
            horizontal_top: "-",
            horizontal_bottom: "-",
        },
    };
}
