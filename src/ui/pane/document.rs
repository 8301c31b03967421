//! The document: typed and generated text in one buffer.

use crate::app::command::id;
use crate::app::screen::{PANES, PaneSpec};
use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::marks::Marks;
use super::{Pane, View, inside};
use crate::app::token::Colouring;
use crate::session::Author;
use crate::ui::paint;
use crate::ui::widget::Spaces;

/// The document pane.
pub(in crate::ui) struct DocumentPane;

/// Where the text is, in a pane of the given area: one column inside the border on both sides.
pub(in crate::ui) fn text_area(pane: Rect) -> Rect {
    let inner = inside(pane);
    Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner }
}

impl Pane for DocumentPane {
    fn spec(&self) -> &'static PaneSpec {
        &PANES[0]
    }

    fn title(&self, view: &View<'_>, width: usize) -> Line<'static> {
        let fits = |title: &Line<'_>| title.width() <= width;
        let titles = [Wording::Full, Wording::Short, Wording::Bare].map(|wording| title(view, wording));
        let [full, short, bare] = titles;
        [full, short].into_iter().find(fits).unwrap_or(bare)
    }

    fn draw(&self, view: &View<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let document = &view.app.document;
        let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
        if document.is_empty() {
            let examples = examples(view, area.width);
            let used = paint::lines(buf, paint::below(area, 1), examples);
            let hints = paint::below(area, 1 + used);
            paint::lines(buf, hints, what_next(view, area.width));
            return Some(area.as_position());
        }
        let (styles, marks) = (Styles::new(view), Marks::new(view));
        let spaces = if view.app.editing.shows_spaces { Spaces::Marked(view.theme.dim) } else { Spaces::Blank };
        let style = |range: Range<usize>| marks.over(&range, styles.style(range.clone()));
        let caret = view.page.view.draw(document.bytes(), area, buf, spaces, style);
        if view.page.view.new_text_below() {
            let key = view.app.keymap.hint(id::TEXT_END);
            let text = format!(" {} new text below: {key} follows ", view.theme.glyphs.below);
            let (_, row) = paint::split_bottom(area, 1);
            let width = row.width.min(u16::try_from(text.chars().count()).unwrap_or(u16::MAX));
            let row = Rect { x: row.right() - width, width, ..row };
            paint::line(buf, row, &Line::styled(text, view.theme.selected));
        }
        caret
    }
}

/// How much a title says where there is little room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wording {
    Full,
    /// Without the name of the pane.
    Short,
    /// Without the name of the colouring too; its legend and the hints stay.
    Bare,
}

fn title(view: &View<'_>, wording: Wording) -> Line<'static> {
    let document = &view.app.document;
    let colouring = view.app.token.colouring;
    let full = wording == Wording::Full;
    let mut parts: Vec<Vec<Span<'static>>> = Vec::new();
    if colouring != Colouring::Author {
        let name = (wording != Wording::Bare).then(|| Span::styled(colouring.name(), view.theme.dim));
        let whole = matches!(colouring, Colouring::Rank | Colouring::Entropy);
        match view.app.models.unknown().filter(|_| whole) {
            Some(unknown) => {
                let unknown = Span::styled(if full { unknown } else { "not known".to_owned() }, view.theme.warning);
                parts.push(paint::spaced(name.into_iter().chain([unknown])));
            }
            None => {
                let classes = colouring.classes().into_iter().enumerate();
                let classes = classes.map(|(class, name)| Span::styled(name, view.theme.level(class)));
                parts.push(paint::spaced(name.into_iter().chain(classes)));
            }
        }
    } else if document.runs().iter().any(|run| run.author == Author::Model) {
        let authors = [Span::styled("typed", view.theme.text), Span::styled("model", view.theme.model)];
        parts.push(paint::spaced(authors));
    }
    if view.app.token.at.is_some() {
        let key = view.app.keymap.hint(id::STOP);
        let text =
            if full { format!("TOKENS: letters are commands, {key}: text") } else { format!("TOKENS {key}: text") };
        // Keys are commands here: the mode is shown before the first key is pressed.
        parts.insert(0, vec![Span::styled(format!(" {text} "), view.theme.selected)]);
    }
    if view.app.ends_in_trap() {
        let key = view.app.keymap.hint(id::TRIM);
        let text = if full { format!("ends in a space: {key} trims") } else { format!("space: {key} trims") };
        parts.push(vec![Span::styled(text, view.theme.warning)]);
    }
    if full || parts.is_empty() {
        parts.insert(0, vec![Span::raw("Document")]);
    }
    Line::from(parts.join(&Span::raw("   ")))
}

/// The style of any stretch of bytes, found by binary search over the runs and the tokens.
struct Styles<'a> {
    view: &'a View<'a>,
    /// The bytes of the token looked at.
    here: Range<usize>,
}

impl<'a> Styles<'a> {
    fn new(view: &'a View<'a>) -> Self {
        let here = view.app.token.at.and_then(|at| view.app.document.token_range(at)).unwrap_or_default();
        Self { view, here }
    }

    fn style(&self, range: Range<usize>) -> Style {
        let (app, theme) = (self.view.app, self.view.theme);
        let style = match app.token.colouring {
            Colouring::Author if app.document.author_at(range.start) == Author::Model => theme.model,
            Colouring::Author => theme.text,
            by => {
                let score = app.document.token_at(range.start).and_then(|(index, _)| app.reading.score(index));
                score.and_then(|score| by.class(score)).map_or(theme.dim, |class| theme.level(class))
            }
        };
        if self.here.contains(&range.start) { style.patch(theme.here) } else { style }
    }
}

/// The examples that one key puts in.
fn examples(view: &View<'_>, width: u16) -> Vec<Line<'static>> {
    let examples = view.app.examples();
    if examples.is_empty() {
        return Vec::new();
    }
    let hint = |command| view.app.keymap.hint(command);
    let (up, down, run) = (hint(id::EXAMPLE_UP), hint(id::EXAMPLE_DOWN), hint(id::EXAMPLE_RUN));
    let take = view.app.keymap.hint(id::EXAMPLE_TAKE);
    let head = format!("Examples: {up} {down} {take} puts one in; {run} to Alt+{} runs it", examples.len());
    let mut lines: Vec<Line<'static>> =
        paint::wrap(&head, width).into_iter().map(|row| Line::styled(row, view.theme.dim)).collect();
    for (at, example) in examples.iter().enumerate() {
        let title = paint::cut(&example.title, usize::from(width).saturating_sub(3), view.theme.glyphs.ellipsis);
        let style = if view.app.editing.examples.selected == Some(at) { view.theme.selected } else { view.theme.text };
        lines.push(Line::from(vec![
            Span::styled(format!("{}  ", at + 1), view.theme.strong),
            Span::styled(title, style),
        ]));
    }
    lines.push(Line::default());
    lines
}

/// What can be done with an empty document, as far as it is not done yet.
fn what_next(view: &View<'_>, width: u16) -> Vec<Line<'static>> {
    let keymap = &view.app.keymap;
    let (models, generate, shots) = (keymap.hint(id::MODELS), keymap.hint(id::GENERATE), keymap.hint(id::SHOTS));
    let (task, folder) = (keymap.hint(id::SHOTS_TASK), keymap.hint(id::MODEL_FOLDER));
    let mut text = vec![format!("Type a prompt here, or choose a few-shot task: {shots}, then {task}.")];
    if view.app.models.loaded.is_some() {
        text.push(format!(
            "{generate} lets the model go on from the end of the text; on an empty page it starts from the start token."
        ));
    } else if let Some(job) = &*view.app.models.job {
        text.push(format!("{} is on its way. Once it is here, {generate} generates.", job.name));
    } else {
        text.push(format!("No model is loaded. {models} lists the built-in one and those to load or download; there {folder} takes a local folder with config.json and model.safetensors."));
        text.push("Offline, the built-in model, cached models and local folders work.".to_owned());
    }
    let paragraphs = text.iter().map(|paragraph| paint::wrap(paragraph, width).into_iter());
    let mut lines: Vec<Line<'static>> = Vec::new();
    for paragraph in paragraphs {
        lines.extend(paragraph.map(|row| Line::styled(row, view.theme.dim)));
        lines.push(Line::default());
    }
    lines
}
