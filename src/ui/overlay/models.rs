//! Models: what is offered, what is here, and what is under way.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use super::window;
use crate::app::Scope;
use crate::app::models::{Cached, ModelJob, ModelRow, Stage};
use crate::ui::paint;
use crate::ui::pane::View;
use crate::ui::widget::{Bar, visible_rows};

/// Columns of parameters, download, memory, state.
const COLUMNS: [usize; 4] = [8, 10, 10, 14];

/// Draws the list, and below it what is under way.
pub(super) fn draw(view: &View<'_>, body: Rect, buf: &mut Buffer) {
    let models = &view.app.models;
    let rows = models.rows.as_deref().unwrap_or_default();
    let height = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_add(8).max(12);
    let inner = window(view, super::centred(body, 96, height), buf, "Models".to_owned(), Scope::Models);
    let (list, foot) = paint::split_bottom(inner, if inner.height > 9 { 4 } else { 3 });
    let name_width = usize::from(inner.width).saturating_sub(COLUMNS.iter().sum::<usize>());
    let head = cells(view, name_width, ["model", "weights", "download", "memory", "on this disk"].map(str::to_owned));
    paint::line(buf, list, &head.style(view.theme.dim));
    let list = paint::below(list, 1);
    if models.rows.is_none() {
        paint::line(buf, list, &Line::styled("reading the list ...", view.theme.dim));
    }
    for (row, index) in paint::rows(list).zip(visible_rows(models.selected, rows.len(), list.height)) {
        let Some(model) = rows.get(index) else { continue };
        paint::line(buf, row, &model_line(view, model, name_width));
        if index == models.selected {
            paint::highlight(buf, row, view.theme.selected);
        }
    }
    match &models.job {
        Some(job) => draw_job(view, job, paint::below(foot, 1), buf),
        None => {
            let about = models.row().map(|row| row.about.clone()).unwrap_or_default();
            let about = paint::wrap(&about, inner.width).into_iter().map(|row| Line::styled(row, view.theme.dim));
            paint::lines(buf, paint::below(foot, 1), about);
        }
    }
}

fn model_line(view: &View<'_>, model: &ModelRow, name_width: usize) -> Line<'static> {
    let loaded = view.app.models.loaded.as_ref().is_some_and(|loaded| loaded.info.name == model.name);
    let state = match &model.cached {
        _ if loaded => "loaded".to_owned(),
        Cached::No => String::new(),
        Cached::Partial(have) => match model.download.filter(|total| *total > 0) {
            Some(total) => format!("{:.0}% there", *have as f64 / total as f64 * 100.0),
            None => format!("{} there", paint::bytes(*have)),
        },
        Cached::Yes(_) => "here".to_owned(),
    };
    let name = paint::cut(&model.name, name_width.saturating_sub(1), view.theme.glyphs.ellipsis);
    let bytes = |n: Option<u64>| n.map(paint::bytes).unwrap_or_default();
    let parameters = model.parameters.map(paint::parameters).unwrap_or_default();
    cells(view, name_width, [name, parameters, bytes(model.download), bytes(model.memory), state])
}

/// One row: the name, figures to the right of their columns, the state.
fn cells(
    view: &View<'_>,
    name_width: usize,
    [name, parameters, download, memory, state]: [String; 5],
) -> Line<'static> {
    let [a, b, c, _] = COLUMNS;
    let pad = name_width.saturating_sub(name.width());
    let style = if state == "here" || state == "loaded" { view.theme.good } else { Style::new() };
    Line::from(vec![
        Span::raw(format!("{name}{:pad$}{parameters:>a$}{download:>b$}{memory:>c$}  ", "")),
        Span::styled(state, style),
    ])
}

/// What is under way: a line, a bar where there is a share, and figures.
fn draw_job(view: &View<'_>, job: &ModelJob, area: Rect, buf: &mut Buffer) {
    let (text, share) = job_text(job);
    paint::line(buf, area, &Line::styled(text, view.theme.text));
    let bar = Rect { height: 1, ..paint::below(area, 1) }.intersection(paint::below(area, 1)).intersection(buf.area);
    if let Some(share) = share {
        let theme = view.theme;
        Bar { share, style: theme.bar, rest: theme.dim, glyphs: &theme.glyphs }.render(bar, buf);
    }
}

/// What a job is doing in words, and its share done.
pub(in crate::ui) fn job_text(job: &ModelJob) -> (String, Option<f64>) {
    match &job.stage {
        Stage::Finding => (format!("looking up {} ...", job.name), None),
        Stage::Asking(_) => (format!("{} waits for your answer", job.name), None),
        Stage::Pulling(progress) => {
            let mut text = format!(
                "downloading {}: {:.0}%, {} of {}",
                job.name,
                progress.share() * 100.0,
                paint::bytes(progress.done),
                paint::bytes(progress.total)
            );
            if let Some(note) = &progress.note {
                text += &format!(", {note}");
            } else if let Some(rate) = progress.rate {
                text += &format!(", {}/s", paint::bytes(rate as u64));
                if let Some(eta) = progress.eta() {
                    text += &format!(", {} left", duration(eta.as_secs()));
                }
            }
            (text, Some(progress.share()))
        }
        Stage::Loading(_, 0) => (format!("loading {} ...", job.name), None),
        Stage::Loading(done, total) => {
            let share = *done as f64 / *total as f64;
            (format!("loading {}: {:.0}% of {}", job.name, share * 100.0, paint::bytes(*total)), Some(share))
        }
    }
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}
