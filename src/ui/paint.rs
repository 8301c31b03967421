//! Writing lines of styled text into a buffer, and small pieces of wording that panes share.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

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

/// A style over a whole row, text included.
pub(super) fn highlight(buf: &mut Buffer, row: Rect, style: Style) {
    buf.set_style(row.intersection(buf.area), style);
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

/// Bytes as people say them: `548 MB`, `1.5 GB`. Decimal units, as on the hub.
pub(super) fn bytes(n: u64) -> String {
    let n = n as f64;
    match n {
        n if n < 1e3 => format!("{n} B"),
        n if n < 1e6 => format!("{:.0} kB", n / 1e3),
        n if n < 1e9 => format!("{:.0} MB", n / 1e6),
        n => format!("{:.1} GB", n / 1e9),
    }
}

/// A number of weights: `124M`, `1.5B`.
pub(super) fn parameters(n: u64) -> String {
    let n = n as f64;
    match n {
        n if n < 1e3 => format!("{n}"),
        n if n < 1e6 => format!("{:.0}K", n / 1e3),
        n if n < 1e9 => format!("{:.0}M", n / 1e6),
        n => format!("{:.1}B", n / 1e9),
    }
}

/// A number with separators: `50,257`.
pub(super) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
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
    fn figures_read_well() {
        assert_eq!(bytes(548_105_171), "548 MB");
        assert_eq!(bytes(6_431_829_964), "6.4 GB");
        assert_eq!(parameters(124_439_808), "124M");
        assert_eq!(parameters(1_557_611_200), "1.6B");
        assert_eq!(grouped(50_257), "50,257");
        assert_eq!(grouped(7), "7");
        assert_eq!(cut("loutre de mer", 8, "…"), "loutre …");
        assert_eq!(cut("我爱计算机", 4, "…"), "我…");
    }
}
