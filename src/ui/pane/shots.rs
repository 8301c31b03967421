//! Few-shot: the task, its examples, the query and what the prompt costs.

use crate::app::command::id;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::{Pane, View};
use crate::app::screen::{PANES, PaneId, PaneSpec};
use crate::app::shots::Chosen;
use crate::prompt::{Entry, Instruction, Task};
use crate::text::{figures, sanitise};
use crate::ui::paint;
use crate::ui::widget::visible_rows;

/// The few-shot pane.
pub(super) struct ShotsPane;

/// Rows of the task, the instruction and a blank one.
const HEAD: u16 = 3;
/// Rows of a blank one, the shots, the query, the answer, the prompt, the verdict and its figures.
const FOOT: u16 = 7;
/// Rows below which the pane gives up its blank rows, and the shots, whose count is in the title too.
const LOW: u16 = 15;
/// Columns of the words in front of values.
const LABEL: usize = 8;

impl Pane for ShotsPane {
    fn spec(&self) -> &'static PaneSpec {
        &PANES[1]
    }

    fn title(&self, view: &View<'_>, _width: usize) -> Line<'static> {
        let Some(chosen) = view.app.shots.chosen() else { return Line::from("Few-shot") };
        let (shown, all) = (chosen.selection.shots(), chosen.selection.entries().len());
        Line::from(format!("Few-shot   {shown} of {all}"))
    }

    fn draw(&self, view: &View<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let (Some(task), Some(chosen)) = (view.app.shots.task(), view.app.shots.chosen()) else {
            let (focus, choose) = (view.app.keymap.hint(id::SHOTS), view.app.keymap.hint(id::SHOTS_TASK));
            let here = view.has_keys(PaneId::SHOTS);
            let keys = if here { choose } else { format!("{focus}, then {choose}") };
            let text = format!(
                "No task is chosen. {keys} opens the library of {} tasks: translation, questions, arithmetic and more, each with examples to switch on and off.",
                view.app.shots.tasks().len()
            );
            let rows = paint::wrap(&text, area.width).into_iter().map(|row| Line::styled(row, view.theme.dim));
            let used = paint::lines(buf, area, rows);
            draw_library(view, paint::below(area, used + 1), buf);
            return None;
        };
        let (head, foot) = if area.height < LOW { (HEAD - 1, FOOT - 2) } else { (HEAD, FOOT) };
        let (rest, foot) = paint::split_bottom(area, foot.min(area.height.saturating_sub(head + 2)));
        draw_head(view, task, chosen, rest, buf);
        draw_examples(view, task, chosen, paint::below(rest, head), buf);
        draw_foot(view, chosen, foot, buf);
        None
    }
}

/// What there is to choose from, in the order of the library.
fn draw_library(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let cut = |task: &Task| paint::cut(&task.title, usize::from(area.width), view.theme.glyphs.ellipsis);
    let tasks = view.app.tasks_in_order().into_iter().filter_map(|index| view.app.shots.tasks().get(index));
    paint::lines(buf, area, tasks.map(|task| Line::styled(cut(task), view.theme.dim)));
}

fn draw_head(view: &View<'_>, task: &Task, chosen: &Chosen, area: Rect, buf: &mut Buffer) {
    let title = paint::cut(&task.title, usize::from(area.width), view.theme.glyphs.ellipsis);
    let parts = &chosen.prompt().parts;
    let description = parts.iter().find(|part| part.kind == crate::prompt::PartKind::Description);
    let instruction = match (chosen.instruction, description) {
        (Instruction::Hidden, _) => "off".to_owned(),
        (_, None) => "none".to_owned(),
        (_, Some(part)) => chosen.prompt().text.get(part.range.clone()).unwrap_or_default().trim().to_owned(),
    };
    let key = view.app.keymap.hint(id::SHOTS_INSTRUCTION);
    let line = value(view, &format!("instr {key}"), &instruction, area.width);
    paint::lines(buf, area, [Line::styled(title, view.theme.strong), line]);
}

fn draw_examples(view: &View<'_>, task: &Task, chosen: &Chosen, area: Rect, buf: &mut Buffer) {
    let entries = chosen.selection.entries();
    // Two rows for each example where they fit: the question, and the answer below it.
    let per = if usize::from(area.height) >= 2 * entries.len().min(4) { 2 } else { 1 };
    let visible = visible_rows(chosen.selected, entries.len(), area.height / per);
    paint::more(buf, view.theme, area, &visible, entries.len());
    for (line, index) in visible.enumerate() {
        let (Some(entry), Ok(line)) = (entries.get(index), u16::try_from(line)) else { continue };
        let place = paint::below(area, line * per);
        let rows = Rect { height: per.min(place.height), ..place };
        let lines = example(view, task, *entry, rows);
        paint::lines(buf, rows, lines);
        if index == chosen.selected && view.has_keys(PaneId::SHOTS) {
            paint::highlight(buf, Rect { height: rows.height.min(1), ..rows }, view.theme.selected);
        }
    }
}

/// `[x] sea otter` and below it `=> loutre de mer`.
fn example(view: &View<'_>, task: &Task, entry: Entry, area: Rect) -> Vec<Line<'static>> {
    let theme = view.theme;
    let Some(example) = task.examples.get(entry.example) else { return Vec::new() };
    let mark = if entry.on { "[x]" } else { "[ ]" };
    let style = if entry.on { theme.text } else { theme.dim };
    let room = usize::from(area.width).saturating_sub(4);
    // Tasks that end their question in an arrow or a colon would show two of them here.
    let bare = example.text.trim_end_matches(|c: char| c.is_whitespace() || "=>:-".contains(c));
    let question = sanitise::line(if bare.is_empty() { &example.text } else { bare }.trim()).into_owned();
    let answer = sanitise::line(example.target.trim()).into_owned();
    let one = |text: &str| paint::cut(text, room, theme.glyphs.ellipsis);
    if area.height < 2 {
        return vec![Line::styled(format!("{mark} {}", one(&format!("{question} => {answer}"))), style)];
    }
    let answer = one(&format!("  => {answer}"));
    vec![Line::styled(format!("{mark} {}", one(&question)), style), Line::styled(format!("    {answer}"), theme.dim)]
}

fn draw_foot(view: &View<'_>, chosen: &Chosen, area: Rect, buf: &mut Buffer) {
    let app = view.app;
    let shots = &app.shots;
    let count = format!("< {} > of {}", chosen.selection.shots(), chosen.selection.entries().len());
    let context = app.models.loaded.as_ref().map(|loaded| loaded.info.context);
    let tokens = match (shots.tokens(), context) {
        (Some(tokens), Some(context)) => format!("{tokens} of {context} tokens"),
        (None, Some(_)) => "counting".to_owned(),
        (_, None) => "no model to count with".to_owned(),
    };
    let expected = chosen.prompt().expected.as_ref().map_or("not known", |answer| answer.label.as_str());
    let state = match (app.shots_live(), app.reading.answer()) {
        (true, Some(expected)) => {
            let (verdict, style) = match expected.is_right() {
                true => ("right answer", view.theme.good),
                false => ("wrong answer", view.theme.warning),
            };
            let figures = format!("{}, rank {}", probability(expected.logprob.exp()), figures::grouped(expected.rank));
            [value(view, "model", verdict, area.width).style(style), value(view, "its P", &figures, area.width)]
        }
        (true, None) => [value(view, "", "live in the document", area.width), Line::default()],
        (false, _) => {
            let put = format!("{} puts it in", app.keymap.hint(id::SHOTS_PUT));
            [value(view, "", &put, area.width), Line::default()]
        }
    };
    let count = value(view, "shots", &count, area.width);
    let rows = [
        value(view, "query", &shots.query(), area.width),
        value(view, "expect", expected, area.width),
        value(view, "prompt", &tokens, area.width),
    ];
    let rows = rows.into_iter().chain(state);
    let count = (area.height >= FOOT).then(|| [Line::default(), count]);
    paint::lines(buf, area, count.into_iter().flatten().chain(rows));
}

/// `93.2%`, or where that would be 0.0 the power of ten.
fn probability(p: f64) -> String {
    if p >= 0.0005 { format!("{:.1}%", p * 100.0) } else { format!("{p:.0e}") }
}

fn value(view: &View<'_>, label: &str, text: &str, width: u16) -> Line<'static> {
    let room = usize::from(width).saturating_sub(LABEL);
    let text = paint::cut(text, room, view.theme.glyphs.ellipsis);
    Line::from(vec![Span::styled(format!("{label:<LABEL$}"), view.theme.dim), Span::raw(text)])
}
