//! Fine-tuning in the train view: the dial of λ, the curves of both λs, what they come to.

use crate::app::command::id;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::{POINT, framed, paint_text, split_left};
use crate::app::train::Choice;
use crate::app::tune::{Arm, Tuning};
use crate::text::figures;
use crate::ui::paint;
use crate::ui::pane::View;
use crate::ui::widget::{Mark, Plot, Series, Slider};

/// Columns of a figure in the table of λs.
const CELL: usize = 8;
/// Columns of the names before them.
const HEAD: usize = 7;
/// Columns of the table with its border.
const TABLE: u16 = 44;

const PAPER: &str = "L3(C) = L2(C) + λ·L1(C): L2 the classifier, L1 the language model (GPT-1, eq. 5). Accounts that print L1 + λ·L2 exchange the two; the released code is the paper's.";

/// The dial: `λ  0.5 ━━━━●━━━━━━━`.
pub(super) fn draw_dial(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let dial = view.app.train.lambda;
    let slider = Slider {
        label: "λ",
        label_width: 2,
        value: &format!("{:.1}", dial.value()),
        value_width: 3,
        position: Some(dial.position()),
        label_style: view.theme.text,
        value_style: view.theme.strong,
        full_style: view.theme.bar,
        empty_style: view.theme.dim,
        glyphs: &view.theme.glyphs,
    };
    slider.render(Rect { height: area.height.min(1), ..area }, buf);
}

/// The dial as text, where it is what the selected row has and there is no room to draw it.
pub(super) fn dial_text(view: &View<'_>) -> String {
    match view.app.train.choice() {
        Choice::Finetune => format!(" λ {:.1}", view.app.train.lambda.value()),
        Choice::Pretrain(_) => String::new(),
    }
}

/// What a fine-tuning does, before there is anything to show.
pub(super) fn about(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let hint = |id| view.app.keymap.hint(id);
    let model = view.app.models.loaded.as_ref().map_or("the loaded model", |loaded| loaded.info.name.as_str());
    let text = format!(
        "fine-tune: GPT-1's second stage. {model} gets a linear layer at the end of each text and learns from 400 labelled texts whether they praise or complain; 100 others, whose words of praise and complaint are in none of the 400, measure it.\n\n{PAPER}\n\n{} and {} turn λ, the weight of the language model beside the classifier; a run with λ = 0 goes beside it. {} starts both.",
        hint(id::TRAIN_LESS),
        hint(id::TRAIN_MORE),
        hint(id::TRAIN_START),
    );
    paint_text(area, buf, &text, view.theme.text);
}

/// Rows for the figures on the left: names and values.
pub(super) fn figures_of(tuning: &Tuning) -> Vec<(&'static str, String)> {
    let mut rows = vec![("model", tuning.model.clone())];
    let Some(facts) = &tuning.facts else { return rows };
    rows.push(("trained", if facts.head_only { "the head alone" } else { "the whole model" }.to_owned()));
    rows.push(("weights", figures::parameters(facts.parameters)));
    rows.push(("examples", format!("{} and {}", facts.examples, facts.before.examples)));
    if let Some(step) = tuning.arms.last().and_then(|arm| arm.newest) {
        rows.push(("lr", format!("{:.2e}", step.lr)));
        rows.push(("gradient", format!("{:.3} norm", step.gradient_norm)));
    }
    rows
}

/// Both λs: the classifier's loss above, accuracy and the table below.
pub(super) fn draw(view: &View<'_>, tuning: &Tuning, top: Rect, bottom: Rect, buf: &mut Buffer) {
    draw_loss(view, tuning, top, buf);
    let (accuracy, table) = split_left(bottom, bottom.width.saturating_sub(TABLE.min(bottom.width * 3 / 5)));
    draw_accuracy(view, tuning, accuracy, buf);
    draw_table(view, tuning, table, buf);
}

/// The accuracy and the table side by side.
pub(super) fn small(view: &View<'_>, tuning: &Tuning, left: Rect, right: Rect, buf: &mut Buffer) {
    draw_accuracy(view, tuning, left, buf);
    draw_table(view, tuning, right, buf);
}

/// `λ = 0.5  ○ λ = 0`, in the styles of the curves; the dial's arm is the last one.
fn legend(view: &View<'_>, tuning: &Tuning, title: &'static str) -> Line<'static> {
    let mut spans = vec![Span::raw(title)];
    for (arm, style, mark) in series(view, tuning) {
        let mark = if mark == Mark::Line { "" } else { "○ " };
        spans.push(Span::styled(format!("  {mark}λ = {}", arm.lambda), style));
    }
    Line::from(spans)
}

/// Arms from the first drawn to the last.
fn series<'a>(
    view: &View<'_>,
    tuning: &'a Tuning,
) -> impl Iterator<Item = (&'a Arm, ratatui::style::Style, Mark)> + use<'a> {
    let styles = [(view.theme.bar, Mark::Line), (view.theme.strong, Mark::Points(POINT))];
    tuning.arms.iter().rev().zip(styles).map(|(arm, (style, mark))| (arm, style, mark))
}

fn draw_loss(view: &View<'_>, tuning: &Tuning, area: Rect, buf: &mut Buffer) {
    let inner = framed(view, area, buf, legend(view, tuning, "L2 of each batch, nats/example"), false);
    let chance = tuning.facts.as_ref().map(|facts| (facts.labels.len().max(2) as f64).ln());
    plot(view, tuning, inner, |arm| arm.l2.points(), chance.map(|chance| (chance, " chance")), buf);
}

fn draw_accuracy(view: &View<'_>, tuning: &Tuning, area: Rect, buf: &mut Buffer) {
    let inner = framed(view, area, buf, legend(view, tuning, "Accuracy"), false);
    let words = tuning.facts.as_ref().and_then(|facts| facts.baseline);
    plot(view, tuning, inner, |arm| arm.accuracy.points(), words.map(|words| (words.accuracy, " bag of words")), buf);
}

fn plot(
    view: &View<'_>,
    tuning: &Tuning,
    area: Rect,
    points: impl Fn(&Arm) -> Vec<(f64, f64)>,
    level: Option<(f64, &str)>,
    buf: &mut Buffer,
) {
    let curves: Vec<_> = series(view, tuning).map(|(arm, style, mark)| (points(arm), style, mark)).collect();
    let most = curves.iter().flat_map(|(points, ..)| points).map(|(_, y)| *y).fold(1.0, f64::max);
    let all: Vec<Series<'_>> =
        curves.iter().map(|(points, style, mark)| Series { points, mark: *mark, style: *style }).collect();
    Plot {
        x: (0.0, tuning.facts.as_ref().map_or(10, |facts| facts.steps).max(10) as f64),
        y: (0.0, most),
        series: &all,
        level,
        x_unit: "steps",
        digits: 1,
        axis: view.theme.dim,
        glyphs: &view.theme.glyphs,
    }
    .render(area, buf);
}

fn draw_table(view: &View<'_>, tuning: &Tuning, area: Rect, buf: &mut Buffer) {
    let theme = view.theme;
    let inner = framed(view, area, buf, Line::from("L3 = L2 + λ·L1"), false);
    let row = |name: &str, figure: &dyn Fn(&Arm) -> Option<String>| {
        let cell = |arm: &Arm| figure(arm).unwrap_or_else(|| "-".to_owned());
        let cells: String = tuning.arms.iter().map(|arm| format!("{:>CELL$}", cell(arm))).collect();
        Line::from(vec![Span::styled(format!("{name:<HEAD$}"), theme.dim), Span::styled(cells, theme.text)])
    };
    let loss = |of: fn(&crate::train::finetune::FinetuneStep) -> f64| {
        move |arm: &Arm| arm.newest.as_ref().map(|step| format!("{:.4}", of(step)))
    };
    let head_only = tuning.facts.as_ref().is_some_and(|facts| facts.head_only);
    let mut lines = vec![row("λ", &|arm| Some(arm.lambda.to_string()))];
    if !head_only {
        lines.push(row("L1", &loss(|step| step.l1)));
    }
    lines.push(row("L2", &loss(|step| step.l2)));
    if !head_only {
        lines.push(row("L3", &loss(|step| step.l3)));
    }
    lines.push(row("right", &|arm| arm.outcome.map(|outcome| percent(outcome.accuracy))));
    lines.push(row("±", &|arm| arm.outcome.map(|outcome| percent(outcome.standard_error()))));
    if let Some(words) = tuning.facts.as_ref().and_then(|facts| facts.baseline) {
        let text = format!("bag of words {} ± {}", percent(words.accuracy), percent(words.standard_error()));
        lines.push(Line::styled(text, theme.dim));
    }
    lines.push(Line::default());
    let note = if head_only {
        "The model does not change here, so λ·L1 is a constant and both λs give the same."
    } else {
        PAPER
    };
    lines.extend(paint::wrap(note, inner.width).into_iter().map(|row| Line::styled(row, theme.dim)));
    paint::lines(buf, inner, lines);
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}
