//! The keys, straight from the live map.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::Pane;
use crate::app::CommandSpec;
use crate::app::help::Help;
use crate::ui::paint;
use crate::ui::pane::View;

/// Columns of the keys.
const KEYS: usize = 24;

/// Draws the help window: the scope that has the keys first, then all others.
pub(super) fn draw(help: &Help, pane: &Pane<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    let view = pane.view;
    let (inner, caret) = pane.window(body, 90, body.height, buf);
    pane.text(inner, buf, lines(help, pane, view, inner.width));
    caret
}

fn lines(help: &Help, pane: &Pane<'_>, view: &View<'_>, width: u16) -> Vec<Line<'static>> {
    let room = width.saturating_sub(u16::try_from(KEYS).unwrap_or(u16::MAX));
    let mut lines = Vec::new();
    for scope in help.scopes(view.app) {
        let keys = |command: &CommandSpec| shortened(&view.app.keymap.keys(command.id));
        let lets_in = |text: &str| pane.open.cursor.lets_in(text);
        let holds = |command: &&'static CommandSpec| lets_in(&keys(command)) || lets_in(command.doc);
        let commands: Vec<_> = view.app.keymap.scope(scope).filter(|it| lets_in(scope.title) || holds(it)).collect();
        if commands.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(scope.title, view.theme.focus));
        for command in commands {
            let keys = keys(command);
            if keys.width() >= KEYS {
                // Names that are wider than their column have a row of their own.
                lines.push(Line::styled(keys.clone(), view.theme.strong));
            }
            let keys = if keys.width() >= KEYS { String::new() } else { keys };
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
