//! One line about the token under the caret: its place, its id, its bytes.

use ratatui::text::{Line, Span};

use super::pane::View;
use crate::app::page::Page;
use crate::text::{figures, sanitise};

/// Bytes that are written out.
const BYTES: usize = 16;

/// The line, where the document shows its tokens.
pub(super) fn token_line(view: &View<'_>) -> Option<Line<'static>> {
    let app = view.app;
    if !app.editing.shows_tokens {
        return None;
    }
    let dim = |text: String| Some(Line::styled(text, view.theme.dim));
    let Some(loaded) = &*app.models.loaded else {
        return dim("no model is loaded: its vocabulary says what a token is".to_owned());
    };
    let document = &app.document;
    if document.is_empty() {
        return dim("the document is empty: no token".to_owned());
    }
    if let Some(why) = app.models.untokenised() {
        return dim(format!("{why}, so the text is not cut into tokens"));
    }
    // After the last byte the caret belongs to the last token.
    let at = view.page.caret().min(document.len() - 1);
    let Some((index, range)) = document.token_at(at) else {
        return dim(format!("{} bytes are being encoded ...", figures::grouped(document.pending().len())));
    };
    let id = document.tokens().get(index)?.id;
    let bytes = document.bytes().get(range)?;
    let more = if document.pending().is_empty() { "" } else { "+" };
    let of = format!("{} of {}{more}", figures::grouped(index + 1), figures::grouped(document.tokens().len()));
    let hex: Vec<String> = bytes.iter().take(BYTES).map(|byte| format!("{byte:02X}")).collect();
    let cut = if bytes.len() > BYTES { view.theme.glyphs.ellipsis } else { "" };
    let special = if loaded.tokenizer.as_ref().is_some_and(|it| it.is_special(id)) { "   special" } else { "" };
    let unit = if bytes.len() == 1 { "byte" } else { "bytes" };
    Some(Line::from(vec![
        Span::styled(format!("token {of}: "), view.theme.dim),
        Span::styled(format!("{id} "), view.theme.text),
        Span::styled(sanitise::token_label(bytes), view.theme.strong),
        Span::styled(format!("   {} {unit}: {}{cut}{special}", bytes.len(), hex.join(" ")), view.theme.dim),
    ]))
}
