//! Lists to choose from: tasks, presets, formats.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::window;
use crate::app::Scope;
use crate::ui::paint;
use crate::ui::pane::View;
use crate::ui::widget::visible_rows;

/// The task library.
pub(super) fn draw_tasks(view: &View<'_>, body: Rect, buf: &mut Buffer) {
    let tasks = view.app.shots.tasks().iter();
    let entries: Vec<(String, String)> = tasks.map(|task| (task.name.clone(), task.title.clone())).collect();
    draw(view, body, buf, List { title: "Choose a task", scope: Scope::PICKER, entries: &entries });
}

/// The sampling presets.
pub(super) fn draw_presets(view: &View<'_>, body: Rect, buf: &mut Buffer) {
    let presets = view.app.sampler.presets();
    let entries: Vec<(String, String)> = presets.map(|preset| (preset.name.to_owned(), preset.about)).collect();
    draw(view, body, buf, List { title: "Choose a sampling preset", scope: Scope::PRESETS, entries: &entries });
}

/// A list and what stands around it.
pub(super) struct List<'a> {
    pub(super) title: &'a str,
    pub(super) scope: Scope,
    /// Names, and a line about each.
    pub(super) entries: &'a [(String, String)],
}

/// Draws a list in a window of its own.
pub(super) fn draw(view: &View<'_>, body: Rect, buf: &mut Buffer, list: List<'_>) {
    let List { title, scope, entries } = list;
    let height = u16::try_from(entries.len()).unwrap_or(u16::MAX).saturating_add(2).max(4);
    let area = super::centred(body, 86, height);
    let inner = window(view, area, buf, title.to_owned(), scope);
    if entries.is_empty() {
        paint::line(buf, inner, &Line::styled("There is nothing to choose.", view.theme.dim));
    }
    let name_width = entries.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(24) + 2;
    let visible = visible_rows(view.app.screen.picked, entries.len(), inner.height);
    paint::more(buf, view.theme, inner, &visible, entries.len());
    for (row, index) in paint::rows(inner).zip(visible) {
        let Some((name, about)) = entries.get(index) else { continue };
        let name = paint::cut(name, name_width - 2, view.theme.glyphs.ellipsis);
        let room = usize::from(inner.width).saturating_sub(name_width);
        let about = paint::cut(about, room, view.theme.glyphs.ellipsis);
        let line = Line::from(vec![
            Span::styled(format!("{name:<name_width$}"), view.theme.strong),
            Span::styled(about, view.theme.text),
        ]);
        paint::line(buf, row, &line);
        if index == view.app.screen.picked {
            paint::highlight(buf, row, view.theme.selected);
        }
    }
}
