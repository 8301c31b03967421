//! Sampling: a slider for each parameter, the stop strings, and the order of the stages.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::{Pane, View};
use crate::app::Scope;
use crate::app::sampler::{Row, Sampler};
use crate::app::screen::PaneId;
use crate::sampling::{ParamId, ParamSpec};
use crate::ui::paint;
use crate::ui::widget::{Slider, visible_rows};

/// The sampling pane.
pub(super) struct SamplingPane;

const LABEL: u16 = 18;

impl Pane for SamplingPane {
    fn title(&self, view: &View<'_>) -> Line<'static> {
        let preset = view.app.sampler.preset_name().unwrap_or("your own").to_owned();
        Line::from(format!("Sampling   preset: {preset}"))
    }

    fn scope(&self) -> Scope {
        Scope::Sampling
    }

    fn draw(&self, view: &View<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let sampler = &view.app.sampler;
        let rows: Vec<Row> = Sampler::rows().collect();
        let spare = area.height.saturating_sub(u16::try_from(rows.len()).unwrap_or(u16::MAX));
        let (list, foot) = paint::split_bottom(area, spare);
        let visible = visible_rows(sampler.selected, rows.len(), list.height);
        paint::more(buf, view.theme, list, &visible, rows.len());
        paint::lines(buf, foot, foot_lines(view, foot));
        for (area, index) in paint::rows(list).zip(visible) {
            if let Some(row) = rows.get(index) {
                draw_row(view, *row, area, buf);
            }
            if view.has_keys(PaneId::Sampling) && index == sampler.selected {
                paint::highlight(buf, Rect { width: LABEL.min(area.width), ..area }, view.theme.selected);
            }
        }
        None
    }
}

/// The order of the chain and what the selected row does, as far as there is room.
fn foot_lines(view: &View<'_>, area: Rect) -> Vec<Line<'static>> {
    let (theme, sampler) = (view.theme, &view.app.sampler);
    let doc = match sampler.row() {
        Row::Param(spec) => spec.doc,
        Row::Bias => {
            "Added to the logits of tokens before all stages; ban: never. Text in quotes, or an id: \" the\":+2.5 464:ban"
        }
        Row::Stop => "Strings that end the text; they are not shown. Written with escapes: \"\\n\" \"Q:\"",
    };
    let doc = paint::wrap(doc, area.width);
    let mut lines: Vec<Line<'static>> = Vec::new();
    lines.extend(paint::wrap(&order_text(sampler), area.width).into_iter().map(|row| Line::styled(row, theme.dim)));
    if view.has_keys(PaneId::Sampling) && lines.len() + doc.len() <= usize::from(area.height) {
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
            let (label, text) = match row {
                Row::Bias => ("logit_bias", sampler.bias_text()),
                _ => ("stop", sampler.stop_text()),
            };
            let text = if text.is_empty() { "none".to_owned() } else { text };
            let room = usize::from(area.width.saturating_sub(LABEL));
            let text = paint::cut(&text, room, view.theme.glyphs.ellipsis);
            paint::line(buf, area, &Line::from(format!("{label:<0$}{text}", usize::from(LABEL))));
        }
    }
}

fn draw_slider(view: &View<'_>, spec: &'static ParamSpec, area: Rect, buf: &mut Buffer) {
    let settings = &view.app.sampler.settings;
    let value = settings.get(spec.id);
    let in_chain = spec.stage.is_none_or(|stage| settings.order().contains(&stage));
    let on = in_chain && (value != spec.neutral || spec.stage.is_none());
    let text = if in_chain { settings.display(spec.id) } else { "unused".to_owned() };
    let slider = Slider {
        label: spec.key,
        label_width: LABEL,
        value: &text,
        value_width: 7,
        position: spec.slider_position(value).filter(|_| in_chain),
        label_style: view.theme.text,
        value_style: if on { view.theme.strong } else { view.theme.dim },
        full_style: if on { view.theme.bar } else { view.theme.dim },
        empty_style: view.theme.dim,
        glyphs: &view.theme.glyphs,
    };
    slider.render(area.intersection(buf.area), buf);
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
