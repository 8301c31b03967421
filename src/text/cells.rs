use std::borrow::Cow;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::sanitise;

/// Columns that a tab takes.
pub const TAB_WIDTH: u16 = 4;

/// One step of a cursor through a document: some source bytes, and what stands for them on a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell<'a> {
    /// The bytes of the source that this cell shows. The cells of a source cover it without gap or overlap.
    pub range: Range<usize>,
    /// What to draw; safe for a terminal, and empty for a newline.
    pub text: Cow<'a, str>,
    /// Columns of `text`; 0 for a newline.
    pub width: u16,
    /// What the bytes are.
    pub kind: CellKind,
}

/// What a cell's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    /// A grapheme, shown as it is.
    Text,
    /// `\n`: the line ends here.
    Newline,
    /// `\t`, drawn as [`TAB_WIDTH`] spaces.
    Tab,
    /// Something that must not reach a terminal, drawn as a replacement.
    Replaced,
    /// Bytes that are not UTF-8, drawn as U+FFFD.
    Invalid,
    /// The source ends inside a character; its rest may still come.
    Partial,
}

/// The cells of a source that need not be UTF-8.
pub fn cells(source: &[u8]) -> impl Iterator<Item = Cell<'_>> {
    let mut at = 0;
    source.utf8_chunks().flat_map(move |chunk| {
        let start = at;
        let valid_end = start + chunk.valid().len();
        at = valid_end + chunk.invalid().len();
        let invalid = (!chunk.invalid().is_empty()).then(|| invalid_cell(chunk.invalid(), valid_end, source.len()));
        chunk.valid().grapheme_indices(true).flat_map(move |(i, g)| grapheme_cells(start + i, g)).chain(invalid)
    })
}

/// One cell, or two for `\r\n`, whose halves are one grapheme.
fn grapheme_cells(start: usize, grapheme: &str) -> impl Iterator<Item = Cell<'_>> {
    let (first, second) = if grapheme == "\r\n" { grapheme.split_at(1) } else { (grapheme, "") };
    let second = (!second.is_empty()).then(|| cell(start + first.len(), second));
    std::iter::once(cell(start, first)).chain(second)
}

fn cell(start: usize, grapheme: &str) -> Cell<'_> {
    let range = start..start + grapheme.len();
    let (text, kind) = match grapheme {
        "\n" => {
            return Cell { range, text: Cow::Borrowed(""), width: 0, kind: CellKind::Newline };
        }
        "\t" => (Cow::Owned(" ".repeat(usize::from(TAB_WIDTH))), CellKind::Tab),
        _ => {
            let text = sanitise::cluster(grapheme);
            let kind = if text == grapheme { CellKind::Text } else { CellKind::Replaced };
            (text, kind)
        }
    };
    let width = columns(&text);
    Cell { range, text, width, kind }
}

fn invalid_cell<'a>(bytes: &[u8], start: usize, source_len: usize) -> Cell<'a> {
    let range = start..start + bytes.len();
    let could_go_on = std::str::from_utf8(bytes).is_err_and(|e| e.error_len().is_none());
    let kind = if range.end == source_len && could_go_on { CellKind::Partial } else { CellKind::Invalid };
    Cell { range, text: Cow::Borrowed("\u{FFFD}"), width: 1, kind }
}

fn columns(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}
