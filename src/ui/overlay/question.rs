//! A question before something is done.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::window;
use crate::app::Scope;
use crate::ui::paint;
use crate::ui::pane::View;

/// Draws the question with what there is to know.
pub(super) fn draw(view: &View<'_>, body: Rect, buf: &mut Buffer) {
    let Some(question) = &view.app.screen.question else { return };
    let area = super::centred(body, 64, 6);
    let inner = window(view, area, buf, question.title().to_owned(), Scope::CONFIRM);
    let about = paint::wrap(&question.about(), inner.width).into_iter().map(Line::from);
    paint::lines(buf, paint::below(inner, 1), about);
}
