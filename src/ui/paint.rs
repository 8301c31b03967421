//! Writing lines of styled text into a buffer, and small pieces of wording that panes share.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::theme::Theme;
use crate::text::sanitise;

/// Writes a line into the first row of `area`, cut at its end. Everything passes the sanitiser, so no pane has to know
/// which of its texts came from a file, a server or a model.
pub(super) fn line(buf: &mut Buffer, area: Rect, line: &Line<'_>) {
    let area = area.intersection(buf.area);
    if area.is_empty() {
        return;
    }
    let mut x = area.x;
    for span in &line.spans {
        let left = usize::from(area.right().saturating_sub(x));
        let style = line.style.patch(span.style);
        x = buf.set_stringn(x, area.y, sanitise::line(&span.content), left, style).0;
    }
}

/// Writes lines from the top of `area`; what does not fit is left out. Gives the rows used.
pub(super) fn lines<'a>(buf: &mut Buffer, area: Rect, all: impl IntoIterator<Item = Line<'a>>) -> u16 {
    let mut used = 0;
    for (row, text) in rows(area).zip(all) {
        line(buf, row, &text);
        used += 1;
    }
    used
}

/// The rows of an area, from the top.
pub(super) fn rows(area: Rect) -> impl Iterator<Item = Rect> {
    area.rows()
}

/// The area without its first `n` rows.
pub(super) fn below(area: Rect, n: u16) -> Rect {
    let n = n.min(area.height);
    Rect { y: area.y + n, height: area.height - n, ..area }
}

/// Splits off the last `n` rows: the rest, and those rows.
pub(super) fn split_bottom(area: Rect, n: u16) -> (Rect, Rect) {
    let n = n.min(area.height);
    let rest = Rect { height: area.height - n, ..area };
    (rest, Rect { y: area.y + rest.height, height: n, ..area })
}

/// Marks in the column to the right of a list that there are rows above or below those on the screen.
pub(super) fn more(buf: &mut Buffer, theme: &Theme, list: Rect, visible: &Range<usize>, len: usize) {
    let mark = |y: u16, symbol: &'static str| Some((Rect { x: list.right(), y, width: 1, height: 1 }, symbol));
    let above = mark(list.y, theme.glyphs.above).filter(|_| visible.start > 0);
    let below = mark(list.bottom().saturating_sub(1), theme.glyphs.below).filter(|_| visible.end < len);
    for (cell, symbol) in [above, below].into_iter().flatten().filter(|_| list.height > 0) {
        line(buf, cell, &Line::styled(symbol, theme.strong));
    }
}

/// A style over a whole row in place of those that its words have: reversed, words of several colours would be a bar of
/// several colours.
pub(super) fn highlight(buf: &mut Buffer, row: Rect, style: Style) {
    buf.set_style(row.intersection(buf.area), Style::reset().patch(style));
}

/// Breaks a text at spaces into rows of at most `width` columns; newlines break too.
pub(super) fn wrap(text: &str, width: u16) -> Vec<String> {
    let width = usize::from(width.max(1));
    let mut rows = Vec::new();
    for paragraph in text.split('\n') {
        let mut row = String::new();
        for word in paragraph.split(' ') {
            let word = sanitise::line(word);
            let needed = if row.is_empty() { 0 } else { 1 + row.width() } + word.width();
            if needed > width && !row.is_empty() {
                rows.push(std::mem::take(&mut row));
            }
            if !row.is_empty() {
                row.push(' ');
            }
            row.push_str(&word);
            while row.width() > width {
                let rest = row.split_off(columns(&row, width));
                rows.push(std::mem::replace(&mut row, rest));
            }
        }
        rows.push(row);
    }
    rows
}

/// The byte offset at which `text` fills `width` columns, but at least its first character.
fn columns(text: &str, width: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.to_string().width();
        if used > width && at > 0 {
            return at;
        }
    }
    text.len()
}

/// Cuts a text to `width` columns, with `ellipsis` at the end where something was cut.
pub(super) fn cut(text: &str, width: usize, ellipsis: &str) -> String {
    let text = sanitise::line(text);
    if text.width() <= width {
        return text.into_owned();
    }
    let room = width.saturating_sub(ellipsis.width());
    if room == 0 {
        return String::new();
    }
    let mut out = text[..columns(&text, room)].to_owned();
    if out.width() > room {
        out.clear();
    }
    out + ellipsis
}

/// `key what` pairs as hints, e.g. for the bottom of a pane.
pub(super) fn hints<'a>(pairs: impl IntoIterator<Item = (String, &'a str)>, key: Style, text: Style) -> Line<'a> {
    let mut spans = Vec::new();
    for (name, what) in pairs {
        if !spans.is_empty() {
            spans.push(Span::styled("  ", text));
        }
        spans.push(Span::styled(name, key));
        spans.push(Span::styled(format!(" {what}"), text));
    }
    Line::from(spans)
}

/// Words with a space between each two, which takes the style of neither.
pub(super) fn spaced(words: impl IntoIterator<Item = Span<'static>>) -> Vec<Span<'static>> {
    words.into_iter().map(|word| vec![word]).collect::<Vec<_>>().join(&Span::raw(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_fits_and_loses_no_word() {
        let text = "Translate English to French: 我爱计算机 averyveryverylongword\nend";
        for width in 2..40 {
            let rows = wrap(text, width);
            assert!(rows.iter().all(|row| row.width() <= usize::from(width)), "{width}: {rows:?}");
            let joined: String = rows.concat().split_whitespace().collect();
            let original: String = text.split_whitespace().collect();
            assert_eq!(joined, original, "{width}");
        }
    }

    #[test]
    fn a_highlighted_row_is_one_bar() {
        use ratatui::style::{Color, Modifier, Stylize};
        let area = Rect::new(0, 0, 12, 1);
        let mut buf = Buffer::empty(area);
        line(&mut buf, area, &Line::from(vec!["on".green().bold(), " a row".red().underlined()]));
        highlight(&mut buf, area, Style::new().add_modifier(Modifier::REVERSED));
        let looks = |cell: &ratatui::buffer::Cell| (cell.fg, cell.bg, cell.modifier);
        assert!(buf.content.iter().all(|cell| looks(cell) == (Color::Reset, Color::Reset, Modifier::REVERSED)));
    }

    #[test]
    fn a_cut_text_says_so() {
        assert_eq!(cut("loutre de mer", 8, "…"), "loutre …");
        assert_eq!(cut("我爱计算机", 4, "…"), "我…");
    }
}
