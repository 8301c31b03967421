//! The keys, straight from the live map.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{scrolled, window};
use crate::app::Scope;
use crate::ui::paint;
use crate::ui::pane::View;

/// Columns of the keys.
const KEYS: usize = 24;

/// Draws the help window: the scope that has the keys first, then all others.
pub(super) fn draw(view: &View<'_>, body: Rect, buf: &mut Buffer) {
    let area = super::centred(body, 90, body.height);
    let inner = window(view, area, buf, "Keys".to_owned(), Scope::READER);
    scrolled(view, inner, buf, lines(view, inner.width));
}

fn lines(view: &View<'_>, width: u16) -> Vec<Line<'static>> {
    let room = width.saturating_sub(u16::try_from(KEYS).unwrap_or(u16::MAX));
    let mut lines = Vec::new();
    for scope in view.app.keymap.scopes() {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(scope.title, view.theme.focus));
        for command in view.app.keymap.scope(scope) {
            let keys = shortened(&view.app.keymap.keys(command.id));
            for (at, doc) in paint::wrap(command.doc, room).into_iter().enumerate() {
                let keys = if at == 0 { keys.as_str() } else { "" };
                lines.push(Line::from(vec![
                    Span::styled(format!("{keys:<KEYS$}"), view.theme.strong),
                    Span::styled(doc, view.theme.text),
                ]));
            }
        }
    }
    lines
}

/// `0 1 2 .. 9` instead of ten keys.
fn shortened(keys: &[String]) -> String {
    let is_digit = |key: &&String| key.len() == 1 && key.starts_with(|c: char| c.is_ascii_digit());
    let mut shown: Vec<&str> = keys.iter().filter(|key| !is_digit(key)).map(String::as_str).collect();
    if keys.iter().filter(is_digit).count() == 10 {
        shown.insert(0, "0..9");
    }
    shown.join("  ")
}
