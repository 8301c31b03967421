//! The train view: the presets, the run's figures, its curves, and what the model can do by now.

use crate::app::command::id;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget};
use unicode_width::UnicodeWidthStr;

use super::layout::Layout;
use super::paint;
use super::pane::View;
use super::widget::{Bar, Mark, Plot, Series, Shades, column, visible_rows};
use crate::app::curve::Curve;
use crate::app::screen::SizeClass;
use crate::app::train::{Choice, Kind, TrainPhase, TrainRun};
use crate::text::figures;
use crate::train::{Data, Recipe};

mod tune;

/// Columns of the presets and figures.
const LEFT: u16 = 34;
/// The same on a screen of 80 columns.
const LEFT_NARROW: u16 = 27;
/// Columns of a figure's name.
const NAME: usize = 12;
/// Marks of the second curve of a chart.
const POINT: &str = "○";

/// Draws the view.
pub(super) fn draw(view: &View<'_>, layout: &Layout, buf: &mut Buffer) -> Option<Position> {
    draw_body(view, layout.body, buf);
    None
}

fn draw_body(view: &View<'_>, body: Rect, buf: &mut Buffer) {
    if view.app.class() == SizeClass::Single {
        return small(view, body, buf);
    }
    let left = if body.width >= 110 { LEFT } else { LEFT_NARROW };
    let (left, right) = split_left(body, left.min(body.width));
    let choices = u16::try_from(Choice::COUNT).unwrap_or(u16::MAX).saturating_add(2);
    let choices = choices.saturating_add(if body.height > 26 { 5 } else { 0 }).min(left.height / 2 + 1);
    let (top, bottom) = split_top(left, choices);
    let inner = framed(view, top, buf, Line::from("Runs"), true);
    draw_choices(view, inner, buf);
    let inner = framed(view, bottom, buf, Line::from("This run"), false);
    match view.app.train.shown() {
        Some(run) => {
            paint::lines(buf, inner, figures_of(view, run, inner.width));
            draw_progress(view, run, inner, buf);
        }
        None => paint_text(inner, buf, &not_run(view), view.theme.dim),
    }
    let Some(run) = view.app.train.shown() else {
        let inner = framed(view, right, buf, Line::from("What it is"), false);
        return about(view, inner, buf);
    };
    let (loss, rest) = split_top(right, right.height / 2);
    let recipe = match &run.kind {
        Kind::Pretrain(recipe) => recipe,
        Kind::Finetune(tuning) => return tune::draw(view, tuning, loss, rest, buf),
    };
    draw_loss(view, run, loss, buf);
    match recipe.data {
        Data::Copying { .. } => {
            let (scores, heads) = split_left(rest, rest.width.saturating_sub(heads_width(rest)));
            draw_copying(view, run, scores, buf);
            draw_heads(view, run, heads, buf);
        }
        Data::Text { .. } => draw_sample(view, run, rest, buf),
        Data::Generated => {
            let (shots, sample) = split_left(rest, rest.width / 2);
            draw_shots(view, run, shots, buf);
            draw_sample(view, run, sample, buf);
        }
    }
}

/// One row of presets, one of figures, two pictures side by side.
fn small(view: &View<'_>, body: Rect, buf: &mut Buffer) {
    let mut tabs = Line::default();
    for at in 0..Choice::COUNT {
        let style = if at == view.app.train.selected { view.theme.selected } else { view.theme.dim };
        let dial = if at == view.app.train.selected { tune::dial_text(view) } else { String::new() };
        tabs.spans.extend([Span::styled(format!(" {}{dial} ", Choice::at(at).name()), style), Span::raw(" ")]);
    }
    paint::line(buf, body, &tabs);
    let rest = paint::below(body, 1);
    let Some(run) = view.app.train.shown() else { return about(view, paint::below(rest, 1), buf) };
    let mut figures = vec![phase_text(view, run)];
    figures.extend(run.newest.map(|step| Span::raw(format!("  loss {:.3}", step.loss))));
    figures.extend(run.validation.last().map(|(_, loss)| Span::raw(format!("  validation {loss:.3}"))));
    figures.extend(run.tokens_per_second().map(|rate| Span::raw(format!("  {} tok/s", rounded(rate)))));
    figures.extend(time_left(view, run).map(|left| Span::raw(format!("  {left} left"))));
    paint::line(buf, rest, &Line::from(figures));
    let (left, right) = split_left(paint::below(rest, 1), body.width / 2);
    let recipe = match &run.kind {
        Kind::Pretrain(recipe) => recipe,
        Kind::Finetune(tuning) => return tune::small(view, tuning, left, right, buf),
    };
    draw_loss(view, run, left, buf);
    match recipe.data {
        Data::Copying { .. } => draw_heads(view, run, right, buf),
        Data::Text { .. } => draw_sample(view, run, right, buf),
        Data::Generated if run.shots.is_empty() => draw_sample(view, run, right, buf),
        Data::Generated => draw_shots(view, run, right, buf),
    }
}

/// Columns for a pattern that is as large as the height allows.
fn heads_width(area: Rect) -> u16 {
    (area.height.saturating_sub(3) * 2 + 4).clamp(26, (area.width / 2).max(26))
}

fn draw_choices(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let train = &view.app.train;
    let visible = visible_rows(train.selected, Choice::COUNT, area.height);
    paint::more(buf, view.theme, area, &visible, Choice::COUNT);
    let used = u16::try_from(visible.len()).unwrap_or(u16::MAX);
    for (row, index) in paint::rows(area).zip(visible) {
        let run = train.run.as_ref().filter(|run| run.choice == index);
        let mut line = Line::from(Span::styled(format!("{:<NAME$}", Choice::at(index).name()), view.theme.strong));
        let dial =
            if index == train.selected && used + 1 >= area.height { tune::dial_text(view) } else { String::new() };
        match dial.is_empty() {
            true => line.spans.extend(run.map(|run| phase_text(view, run))),
            // The phase stands below as well.
            false => line.spans.push(Span::styled(dial, view.theme.strong)),
        }
        paint::line(buf, row, &line);
        if index == train.selected {
            paint::highlight(buf, row, view.theme.selected);
        }
    }
    let mut rest = paint::below(area, used.saturating_add(1));
    if matches!(train.choice(), Choice::Finetune) {
        tune::draw_dial(view, rest, buf);
        rest = paint::below(rest, 2);
    }
    paint_text(rest, buf, train.choice().doc(), view.theme.dim);
}

/// What the selected preset does, before there is anything to show.
fn about(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let choice = view.app.train.choice();
    let preset = match choice {
        Choice::Pretrain(preset) => preset,
        Choice::Finetune => return tune::about(view, area, buf),
    };
    let recipe = (preset.recipe)();
    let hint = |id| view.app.keymap.hint(id);
    let text = format!(
        "{}: {}.\n\n{}\n\n{}\n\n{} starts it. It is saved when it is stopped, and goes on from there next time.",
        preset.name,
        preset.doc,
        shape_text(&recipe),
        what_to_see(&recipe),
        hint(id::TRAIN_START),
    );
    paint_text(area, buf, &text, view.theme.text);
}

/// That the selected row has no run to show, and which row has one.
fn not_run(view: &View<'_>) -> String {
    match &view.app.train.run {
        None => "Nothing runs yet.".to_owned(),
        Some(run) => {
            format!("{} is not run yet. The run shown last is {}.", view.app.train.choice().name(), run.name())
        }
    }
}

fn shape_text(recipe: &Recipe) -> String {
    let shape = recipe.shape;
    let layers = if shape.n_layer == 1 { "layer" } else { "layers" };
    let kind = if shape.n_inner == 0 { "attention-only " } else { "" };
    format!(
        "{} {kind}{layers} of {} heads, width {}; {} steps of {} tokens in windows of {}.",
        shape.n_layer,
        shape.n_head,
        shape.n_embd,
        figures::grouped(usize::try_from(recipe.steps).unwrap_or(usize::MAX)),
        figures::grouped(usize::try_from(recipe.tokens_a_step()).unwrap_or(usize::MAX)),
        recipe.context,
    )
}

fn what_to_see(recipe: &Recipe) -> &'static str {
    match recipe.data {
        Data::Copying { .. } if recipe.shape.n_layer > 1 => {
            "Each row is random symbols, then stretches of the same from any place. Watch the loss stay flat and then fall at once: at that moment a head of the second layer learns to look at what followed the same symbol before, a stripe in its attention, and copying begins."
        }
        Data::Copying { .. } => {
            "The same rows with a single layer. A head that finds what followed the same symbol needs another one before it, so the loss stays near where guessing among the symbols seen puts it."
        }
        Data::Text { .. } => {
            "Learns to write like the document, one character at a time; a tenth from its end is kept for validation. Watch the samples turn from noise to words."
        }
        Data::Generated => {
            "Learns from endless text of kshot's own generators. Watch few-shot accuracy with examples rise above accuracy without: the model learns tasks from its context."
        }
    }
}

fn phase_text(view: &View<'_>, run: &TrainRun) -> Span<'static> {
    let theme = view.theme;
    match run.phase {
        TrainPhase::Preparing => Span::styled("preparing", theme.good),
        TrainPhase::Running => Span::styled("running", theme.good),
        TrainPhase::Paused => Span::styled("paused", theme.warning),
        TrainPhase::Stopping => Span::styled("saving", theme.warning),
        TrainPhase::Stopped => Span::styled("stopped", theme.text),
        TrainPhase::Finished => Span::styled("done", theme.good),
        TrainPhase::Failed(_) => Span::styled("failed", theme.error),
    }
}

fn time_left(view: &View<'_>, run: &TrainRun) -> Option<String> {
    run.eta(view.app.screen.now).filter(|_| run.is_live()).map(figures::duration)
}

fn figures_of(view: &View<'_>, run: &TrainRun, width: u16) -> Vec<Line<'static>> {
    let theme = view.theme;
    let row = |name: &str, value: String| {
        Line::from(vec![Span::styled(format!("{name:<NAME$}"), theme.dim), Span::styled(value, theme.text)])
    };
    let steps = figures::grouped(usize::try_from(run.steps()).unwrap_or(usize::MAX));
    let step = figures::grouped(usize::try_from(run.step()).unwrap_or(usize::MAX));
    let mut lines = vec![
        Line::from(vec![Span::styled(format!("{:<NAME$}", run.name()), theme.strong), phase_text(view, run)]),
        row("step", format!("{step} of {steps}")),
        // The progress bar.
        Line::default(),
    ];
    if let Kind::Finetune(tuning) = &run.kind {
        lines.extend(tune::figures_of(tuning).into_iter().map(|(name, value)| row(name, value)));
    }
    if let Some(newest) = run.newest {
        lines.push(row("loss", format!("{:.4} nats/token", newest.loss)));
        let validation = run.validation.last().map(|(_, loss)| format!("{loss:.4}"));
        lines.push(row("validation", validation.unwrap_or_else(|| "not yet".to_owned())));
        lines.extend(run.chance().map(|chance| row("chance", format!("{chance:.4} (ln V)"))));
        lines.push(row("lr", format!("{:.2e}", newest.lr)));
        lines.push(row("gradient", format!("{:.3} norm", newest.gradient_norm)));
    }
    lines.extend(run.tokens_per_second().map(|rate| row("tokens/s", rounded(rate))));
    lines.push(row("elapsed", figures::duration(run.elapsed(view.app.screen.now))));
    lines.extend(time_left(view, run).map(|left| row("left", left)));
    if let Some(facts) = &run.facts {
        lines.push(row("weights", figures::parameters(facts.parameters)));
        lines.push(row("vocabulary", figures::grouped(facts.vocab)));
    }
    if let Some((step, folder)) = &run.saved {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        lines.push(row("saved", format!("step {step}, {name}")));
    }
    if let TrainPhase::Failed(error) = &run.phase {
        lines.push(Line::default());
        lines.extend(paint::wrap(error, width).into_iter().map(|row| Line::styled(row, theme.error)));
    }
    lines
}

fn draw_progress(view: &View<'_>, run: &TrainRun, area: Rect, buf: &mut Buffer) {
    let row = Rect { height: 1, ..paint::below(area, 2) }.intersection(area);
    let share = run.step() as f64 / run.steps().max(1) as f64;
    Bar { share, style: view.theme.bar, rest: view.theme.dim, glyphs: &view.theme.glyphs }.render(row, buf);
}

fn draw_loss(view: &View<'_>, run: &TrainRun, area: Rect, buf: &mut Buffer) {
    let theme = view.theme;
    let mut title = vec![Span::raw("Loss, nats/token"), Span::styled("  training", theme.bar)];
    if run.validation.last().is_some() {
        title.push(Span::styled(format!("  {POINT} validation"), theme.strong));
    }
    let inner = framed(view, area, buf, Line::from(title), false);
    let (training, validation) = (run.loss.points(), run.validation.points());
    let chance = run.chance();
    let most = training.iter().chain(&validation).map(|(_, y)| *y).chain(chance).fold(0.1, f64::max);
    Plot {
        x: (0.0, run.step().max(10) as f64),
        y: (0.0, most * 1.08),
        series: &[
            Series { points: &training, mark: Mark::Line, style: theme.bar },
            Series { points: &validation, mark: Mark::Points(POINT), style: theme.strong },
        ],
        level: chance.map(|chance| (chance, " chance")),
        x_unit: "steps",
        digits: 1,
        axis: theme.dim,
        glyphs: &theme.glyphs,
    }
    .render(inner, buf);
}

fn percent(curve: &Curve) -> String {
    curve.last().map_or_else(String::new, |(_, share)| format!(" {:.0}%", share * 100.0))
}

fn draw_copying(view: &View<'_>, run: &TrainRun, area: Rect, buf: &mut Buffer) {
    let theme = view.theme;
    let score = run.induction.last().map_or_else(String::new, |(_, score)| format!(" {score:.2}"));
    let title = Line::from(vec![
        Span::styled(format!("copied{}", percent(&run.copied)), theme.bar),
        Span::styled(format!("  {POINT} induction{score}"), theme.strong),
    ]);
    let inner = framed(view, area, buf, title, false);
    let (copied, induction) = (run.copied.points(), run.induction.points());
    Plot {
        x: (0.0, run.step().max(10) as f64),
        y: (0.0, 1.0),
        series: &[
            Series { points: &induction, mark: Mark::Points(POINT), style: theme.strong },
            Series { points: &copied, mark: Mark::Line, style: theme.bar },
        ],
        level: None,
        x_unit: "steps",
        digits: 1,
        axis: theme.dim,
        glyphs: &theme.glyphs,
    }
    .render(inner, buf);
}

fn draw_heads(view: &View<'_>, run: &TrainRun, area: Rect, buf: &mut Buffer) {
    let theme = view.theme;
    let Some((step, heads)) = &run.heads else {
        let inner = framed(view, area, buf, Line::from("Attention"), false);
        return paint_text(inner, buf, "The heads are looked at while it runs.", theme.dim);
    };
    let (layer, head) = heads.best;
    let title = format!("Layer {} head {}: {:.2}", layer + 1, head + 1, heads.score());
    let inner = framed(view, area, buf, Line::from(title), false);
    let (grid, foot) = paint::split_bottom(inner, 1);
    let shades = Shades { rows: &heads.pattern, style: theme.bar, rest: theme.dim };
    let (width, _) = shades.size(grid);
    let grid = Rect { x: grid.x + (grid.width - width) / 2, width, ..grid };
    shades.render(grid, buf);
    let text = format!("step {step}; rows look at columns");
    let text = paint::cut(&text, usize::from(foot.width), theme.glyphs.ellipsis);
    paint::line(buf, foot, &Line::styled(text, theme.dim));
}

fn draw_sample(view: &View<'_>, run: &TrainRun, area: Rect, buf: &mut Buffer) {
    let title = run.sample.as_ref().map_or_else(
        || "Samples".to_owned(),
        |(step, texts)| {
            if texts.len() == 1 { format!("Sample at step {step}") } else { format!("Samples at step {step}") }
        },
    );
    let inner = framed(view, area, buf, Line::from(title), false);
    let Some((_, texts)) = &run.sample else {
        return paint_text(inner, buf, "The model has written nothing yet.", view.theme.dim);
    };
    let mut lines = Vec::new();
    for text in texts {
        if !lines.is_empty() {
            lines.push(Line::styled(view.theme.glyphs.dot, view.theme.dim));
        }
        lines.extend(
            paint::wrap(text.trim_end(), inner.width).into_iter().map(|row| Line::styled(row, view.theme.model)),
        );
    }
    paint::lines(buf, inner, lines);
}

fn draw_shots(view: &View<'_>, run: &TrainRun, area: Rect, buf: &mut Buffer) {
    let theme = view.theme;
    let inner = framed(view, area, buf, Line::from("Right answers by examples shown"), false);
    if run.shots.is_empty() {
        paint_text(inner, buf, "Asked at each validation.", theme.dim);
    }
    let mut lines = Vec::new();
    let mut suite = "";
    for shots in &run.shots {
        if shots.suite != suite {
            suite = shots.suite;
            lines.push(Line::styled(suite, theme.strong));
        }
        let (right, asked) = shots.newest;
        let text = format!("  k={}  {right:>3} of {asked:<4}", shots.shots);
        lines.push(row_of_columns(view, text, &shots.curve, inner.width));
    }
    if let Some((_, score)) = run.induction.last() {
        lines.push(row_of_columns(view, format!("induction {score:.2}   "), &run.induction, inner.width));
    }
    paint::lines(buf, inner, lines);
}

/// A text and the newest points of a curve of shares as small columns.
fn row_of_columns(view: &View<'_>, text: String, curve: &Curve, width: u16) -> Line<'static> {
    let room = usize::from(width).saturating_sub(text.width() + 1);
    let points = curve.points();
    let newest = points.get(points.len().saturating_sub(room)..).unwrap_or_default();
    let columns: String = newest.iter().map(|(_, share)| column(*share)).collect();
    Line::from(vec![Span::styled(text, view.theme.text), Span::styled(columns, view.theme.bar)])
}

/// A number with three significant digits or so: `12,300`.
fn rounded(number: f64) -> String {
    let unit = 10f64.powf((number.max(1.0).log10().floor() - 2.0).max(0.0));
    figures::grouped(((number / unit).round() * unit) as usize)
}

fn paint_text(area: Rect, buf: &mut Buffer, text: &str, style: Style) {
    paint::lines(buf, area, paint::wrap(text, area.width).into_iter().map(|row| Line::styled(row, style)));
}

/// A border with a title; gives the inside, a column away from it.
fn framed(view: &View<'_>, area: Rect, buf: &mut Buffer, title: Line<'static>, focus: bool) -> Rect {
    let style = if focus { view.theme.focus } else { view.theme.border };
    let block = Block::bordered().border_set(view.theme.glyphs.border).border_style(style);
    let inner = block.inner(area);
    block.render(area, buf);
    let mut title = title;
    title.spans.insert(0, Span::raw(" "));
    title.spans.push(Span::raw(" "));
    let top = Rect { x: area.x + 1, width: area.width.saturating_sub(2), height: area.height.min(1), ..area };
    paint::line(buf, top, &title.style(style));
    Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner }
}

fn split_left(area: Rect, width: u16) -> (Rect, Rect) {
    let width = width.min(area.width);
    (Rect { width, ..area }, Rect { x: area.x + width, width: area.width - width, ..area })
}

fn split_top(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    (Rect { height, ..area }, paint::below(area, height))
}
