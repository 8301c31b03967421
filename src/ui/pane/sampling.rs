//! Sampling: a slider for each parameter, the stop strings, and the order of the stages.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::{Pane, View};
use crate::app::sampler::{Row, Sampler};
use crate::app::screen::{PANES, PaneId, PaneSpec};
use crate::sampling::{ParamId, ParamSpec};
use crate::ui::paint;
use crate::ui::widget::{Slider, visible_rows};

/// The sampling pane.
pub(super) struct SamplingPane;

const LABEL: u16 = 18;

impl Pane for SamplingPane {
    fn spec(&self) -> &'static PaneSpec {
        &PANES[3]
    }

    fn title(&self, view: &View<'_>, _width: usize) -> Line<'static> {
        let preset = view.app.sampler.preset_name().unwrap_or("your own").to_owned();
        Line::from(format!("Sampling   preset: {preset}"))
    }

    fn draw(&self, view: &View<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let sampler = &view.app.sampler;
        let rows: Vec<Row> = Sampler::rows().collect();
        let (list, foot, visible) = places(view, area);
        paint::more(buf, view.theme, list, &visible, rows.len());
        paint::lines(buf, foot, foot_lines(view, foot));
        for (area, index) in paint::rows(list).zip(visible) {
            if let Some(row) = rows.get(index) {
                draw_row(view, *row, area, buf);
            }
            if view.has_keys(PaneId::SAMPLING) && index == sampler.selected {
                paint::highlight(buf, Rect { width: LABEL.min(area.width), ..area }, view.theme.selected);
            }
        }
        None
    }
}

/// The rows, what stands below them, and which rows are on screen.
fn places(view: &View<'_>, area: Rect) -> (Rect, Rect, Range<usize>) {
    let rows = Sampler::rows().count();
    let spare = area.height.saturating_sub(u16::try_from(rows).unwrap_or(u16::MAX));
    let (list, foot) = paint::split_bottom(area, spare);
    (list, foot, visible_rows(view.app.sampler.selected, rows, list.height))
}

/// The row at a place of the pane and, on its slider, where along it.
pub(in crate::ui) fn row_at(view: &View<'_>, pane: Rect, at: Position) -> Option<(usize, Option<f64>)> {
    let (list, _, visible) = places(view, super::inside(pane));
    let (area, row) = paint::rows(list).zip(visible).find(|(area, _)| area.contains(at))?;
    let Some(Row::Param(spec)) = Sampler::rows().nth(row) else { return Some((row, None)) };
    let text = value_text(view, spec);
    let slider = slider(view, spec, &text);
    Some((row, slider.has_track_at(area, at.x).then(|| slider.share_at(area, at.x)).flatten()))
}

/// Where along the slider of a row a column is.
pub(in crate::ui) fn share(view: &View<'_>, pane: Rect, row: usize, column: u16) -> Option<f64> {
    let Some(Row::Param(spec)) = Sampler::rows().nth(row) else { return None };
    let text = value_text(view, spec);
    slider(view, spec, &text).share_at(super::inside(pane), column)
}

/// The order of the chain and what the selected row does, as far as there is room.
fn foot_lines(view: &View<'_>, area: Rect) -> Vec<Line<'static>> {
    let (theme, sampler) = (view.theme, &view.app.sampler);
    let doc = paint::wrap(sampler.row().doc(), area.width);
    let mut lines: Vec<Line<'static>> = Vec::new();
    if let Some(limits) = view.app.models.loaded.as_ref().and_then(|loaded| loaded.info.capabilities.limits()) {
        let text = format!("no preview: {limits}");
        lines.extend(paint::wrap(&text, area.width).into_iter().map(|row| Line::styled(row, theme.warning)));
    }
    lines.extend(paint::wrap(&order_text(sampler), area.width).into_iter().map(|row| Line::styled(row, theme.dim)));
    if view.has_keys(PaneId::SAMPLING) && lines.len() + doc.len() <= usize::from(area.height) {
        lines.extend(doc.into_iter().map(|row| Line::styled(row, theme.text)));
    }
    lines
}

fn draw_row(view: &View<'_>, row: Row, area: Rect, buf: &mut Buffer) {
    let sampler = &view.app.sampler;
    match row {
        Row::Param(spec) if spec.id == ParamId::Seed => {
            let used = view
                .app
                .last_seed()
                .filter(|_| sampler.settings.seed().is_none())
                .map(|seed| format!(", used {seed}"))
                .unwrap_or_default();
            let value = sampler.settings.display(spec.id);
            let gap = usize::from(area.width).saturating_sub(value.len() + used.len());
            let gap = gap.clamp(spec.key.len() + 1, usize::from(LABEL));
            let line =
                Line::from(vec![Span::raw(format!("{:<gap$}{value}", spec.key)), Span::styled(used, view.theme.dim)]);
            paint::line(buf, area, &line);
        }
        Row::Param(spec) => draw_slider(view, spec, area, buf),
        Row::Stop | Row::Bias => {
            let text = match row {
                Row::Bias => sampler.bias_text(),
                _ => sampler.stop_text(),
            };
            let text = if text.is_empty() { "none".to_owned() } else { text };
            let room = usize::from(area.width.saturating_sub(LABEL));
            let text = paint::cut(&text, room, view.theme.glyphs.ellipsis);
            paint::line(buf, area, &Line::from(format!("{:<1$}{text}", row.key(), usize::from(LABEL))));
        }
    }
}

fn is_in_chain(view: &View<'_>, spec: &ParamSpec) -> bool {
    spec.stage.is_none_or(|stage| view.app.sampler.settings.order().contains(&stage))
}

fn value_text(view: &View<'_>, spec: &ParamSpec) -> String {
    if is_in_chain(view, spec) { view.app.sampler.settings.display(spec.id) } else { "unused".to_owned() }
}

fn draw_slider(view: &View<'_>, spec: &'static ParamSpec, area: Rect, buf: &mut Buffer) {
    let text = value_text(view, spec);
    slider(view, spec, &text).render(area.intersection(buf.area), buf);
}

fn slider<'a>(view: &View<'a>, spec: &'static ParamSpec, text: &'a str) -> Slider<'a> {
    let value = view.app.sampler.settings.get(spec.id);
    let in_chain = is_in_chain(view, spec);
    let on = in_chain && (value != spec.neutral || spec.stage.is_none());
    Slider {
        label: spec.key,
        label_width: LABEL,
        value: text,
        value_width: 7,
        position: spec.slider_position(value).filter(|_| in_chain),
        label_style: view.theme.text,
        value_style: if on { view.theme.strong } else { view.theme.dim },
        full_style: if on { view.theme.bar } else { view.theme.dim },
        empty_style: view.theme.dim,
        glyphs: &view.theme.glyphs,
    }
}

/// The chain in its order, the stages that do nothing in parentheses.
fn order_text(sampler: &Sampler) -> String {
    let settings = &sampler.settings;
    let stages: Vec<String> = settings
        .order()
        .iter()
        .map(|stage| if settings.is_on(*stage) { stage.to_string() } else { format!("({stage})") })
        .collect();
    format!("order {}", stages.join(" > "))
}
