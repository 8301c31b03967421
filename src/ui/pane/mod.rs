//! The panes: each a file with a [`Pane`], and a row in [`PANES`].

pub(super) mod document;
mod marks;
pub(super) mod next;
pub(super) mod sampling;
mod shots;

use std::sync::LazyLock;

use ratatui::buffer::Buffer;
use ratatui::layout::{Margin, Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget};

use super::page::PageView;
use super::paint;
use super::theme::Theme;
use crate::app::command::id;
use crate::app::screen::{PaneId, PaneSpec};
use crate::app::shots::ShotsOverlay;
use crate::app::{App, Scope};

/// What a pane may look at.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// The state.
    pub app: &'a App,
    /// The document as laid out.
    pub page: &'a PageView,
    /// How things look.
    pub theme: &'a Theme,
    /// All panes, in the order of Tab.
    pub panes: &'static [&'static dyn Pane],
}

/// Something that draws itself in a frame of its own. Keys are none of its business: they are rows of the command table
/// under its scope.
pub(super) trait Pane: Sync {
    /// What the state and the layout have to know of it.
    fn spec(&self) -> &'static PaneSpec;
    /// The words on the upper border, `width` columns wide.
    fn title(&self, view: &View<'_>, width: usize) -> Line<'static>;
    /// Draws the inside; gives the cell of the caret.
    fn draw(&self, view: &View<'_>, area: Rect, buf: &mut Buffer) -> Option<Position>;
}

/// All panes, in the order of Tab.
pub(super) static PANES: [&dyn Pane; 4] =
    [&document::DocumentPane, &shots::ShotsPane, &next::NextPane, &sampling::SamplingPane];

/// What the state and the layout have to know of all panes.
pub(super) fn specs() -> &'static [&'static PaneSpec] {
    static SPECS: LazyLock<Vec<&'static PaneSpec>> = LazyLock::new(|| PANES.iter().map(|pane| pane.spec()).collect());
    &SPECS
}

/// Draws a pane with its frame; gives the cell of the caret.
pub(super) fn draw(id: PaneId, view: &View<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let pane = view.panes.iter().find(|pane| pane.spec().id == id)?;
    let style = if view.has_keys(id) { view.theme.focus } else { view.theme.border };
    let title = pane.title(view, usize::from(room(area)));
    let inner = frame(view, area, buf, Frame { title, scope: (pane.spec().scope)(view.app), style });
    pane.draw(view, inner, buf)
}

/// What stands on a frame.
pub(super) struct Frame {
    /// The upper border.
    pub title: Line<'static>,
    /// The lower border: hints for the commands of this scope.
    pub scope: Scope,
    /// Border and title.
    pub style: ratatui::style::Style,
}

/// Columns for words on a border.
fn room(area: Rect) -> u16 {
    area.width.saturating_sub(4)
}

/// Draws a border with title and hints; gives the inside.
pub(super) fn frame(view: &View<'_>, area: Rect, buf: &mut Buffer, what: Frame) -> Rect {
    let block = Block::bordered().border_set(view.theme.glyphs.border).border_style(what.style);
    let inner = block.inner(area);
    block.render(area, buf);
    let room = room(area);
    let mut title = what.title;
    title.spans.insert(0, Span::raw(" "));
    title.spans.push(Span::raw(" "));
    let top = Rect { x: area.x + 1, width: room + 2, height: area.height.min(1), ..area };
    paint::line(buf, top, &title.style(what.style));
    let hints = view.hints(what.scope, usize::from(room));
    if let (Some(hints), true) = (hints, area.height > 1) {
        let bottom = Rect { x: area.x + 2, y: area.bottom() - 1, width: room, height: 1 };
        paint::line(buf, bottom, &hints);
    }
    inner
}

impl View<'_> {
    /// Whether keys go to this pane.
    pub(in crate::ui) fn has_keys(&self, id: PaneId) -> bool {
        match self.app.top() {
            Some(open) if open.is::<ShotsOverlay>() => id == PaneId::SHOTS,
            Some(_) => false,
            None => self.app.screen.view.has_panes && self.app.screen.focus == id,
        }
    }

    /// The key of the filter, where this is the scope of an overlay whose rows can be filtered.
    fn filter_hint(&self, scope: Scope) -> Option<Line<'static>> {
        let open = self.app.top().filter(|open| open.scope() == scope && scope != Scope::LIST)?;
        let offered = open.overlay.can_filter() && !open.overlay.filters_itself() && open.cursor.line.is_none();
        let hint =
            || paint::hints([(self.app.keymap.hint(id::LIST_FILTER), "filter")], self.theme.strong, self.theme.dim);
        offered.then(hint)
    }

    /// The hinted commands of a scope with their live keys, as many as fit in `width` columns beside that of the filter.
    pub(in crate::ui) fn hints(&self, scope: Scope, width: usize) -> Option<Line<'static>> {
        let mut line = Line::default();
        let filter = self.filter_hint(scope).filter(|filter| filter.width() <= width);
        let width = width - filter.as_ref().map_or(0, |filter| (filter.width() + 2).min(width));
        for command in self.app.keymap.scope(scope).filter(|command| !command.hint.is_empty()) {
            // A hint may name its keys itself where two commands share one hint: `J/K move`. The user may have others.
            let same = |keys: &str| {
                let all: Option<Vec<bool>> =
                    keys.split(['/', ' ', '-']).map(|key| self.app.keymap.is_as_in_table(scope, key)).collect();
                all.map(|all| all.into_iter().all(|same| same))
            };
            let (key, what) =
                match command.hint.rsplit_once(' ').and_then(|(keys, what)| Some((keys, what, same(keys)?))) {
                    Some((keys, what, true)) => (keys.to_owned(), what),
                    Some((_, what, false)) => (self.app.keymap.hint(command.id), what),
                    None => (self.app.keymap.hint(command.id), command.hint),
                };
            let hint = paint::hints([(key, what)], self.theme.strong, self.theme.dim);
            let gap = if line.spans.is_empty() { 0 } else { 2 };
            if line.width() + gap + hint.width() > width {
                break;
            }
            line.spans.extend((gap > 0).then(|| Span::raw("  ")));
            line.spans.extend(hint.spans);
        }
        if let Some(filter) = filter {
            line.spans.extend((!line.spans.is_empty()).then(|| Span::raw("  ")));
            line.spans.extend(filter.spans);
        }
        (!line.spans.is_empty()).then_some(line)
    }
}

/// The inside of a frame.
pub(super) fn inside(area: Rect) -> Rect {
    area.inner(Margin::new(1, 1))
}
