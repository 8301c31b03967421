//! Questions: before a download, and before a version is pruned.

use crate::app::command::id;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::window;
use crate::app::Scope;
use crate::app::models::Stage;
use crate::text::figures;
use crate::ui::paint;
use crate::ui::pane::View;

/// Draws the question with the sizes.
pub(super) fn draw(view: &View<'_>, body: Rect, buf: &mut Buffer) {
    let area = super::centred(body, 64, 10);
    let inner = window(view, area, buf, "Download?".to_owned(), Scope::CONFIRM);
    let Some(Stage::Asking(offer)) = view.app.models.job.as_ref().map(|job| &job.stage) else { return };
    let todo = figures::bytes(offer.total.saturating_sub(offer.have));
    let mut lines = vec![Line::styled(offer.name.clone(), view.theme.strong), Line::default()];
    lines.push(Line::from(match offer.have {
        0 => format!("to download   {todo}"),
        have => format!("to download   {todo} (of {}; {} are here)", figures::bytes(offer.total), figures::bytes(have)),
    }));
    if let Some(memory) = offer.memory {
        lines.push(Line::from(format!("to run        about {} of memory", figures::bytes(memory))));
    }
    lines.push(Line::default());
    let to = paint::wrap(&format!("into {}", offer.to), inner.width);
    lines.extend(to.into_iter().map(|row| Line::styled(row, view.theme.dim)));
    paint::lines(buf, inner, lines);
}

/// Draws the question before a version is pruned.
pub(super) fn draw_prune(view: &View<'_>, body: Rect, buf: &mut Buffer) {
    let area = super::centred(body, 58, 7);
    let inner = window(view, area, buf, "Prune?".to_owned(), Scope::CONFIRM);
    let (words, below) = view.app.prune_question();
    let mut lines = vec![Line::styled(format!("\"{words}\""), view.theme.strong), Line::default()];
    lines.push(Line::from(match below {
        0 => "Nothing goes on from it.".to_owned(),
        1 => "One version that goes on from it goes too.".to_owned(),
        more => format!("{more} versions that go on from it go too."),
    }));
    let key = view.app.keymap.hint(id::TREE_UNDO);
    lines.push(Line::styled(format!("{key} in the tree brings it back."), view.theme.dim));
    paint::lines(buf, inner, lines);
}
