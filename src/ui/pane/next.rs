//! The next token: what the model's distribution was at a step of the last run, before and after the chain.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::{Pane, View};
use crate::app::Scope;
use crate::app::run::Run;
use crate::engine::Step;
use crate::sampling::Candidate;
use crate::text::{figures, sanitise};
use crate::ui::paint;
use crate::ui::widget::Bar;

/// The next-token pane.
pub(super) struct NextPane;

/// Columns of a figure: `12.3%` and a space.
const FIGURE: u16 = 7;

impl Pane for NextPane {
    fn title(&self, view: &View<'_>) -> Line<'static> {
        let Some(run) = view.app.run.as_ref().filter(|run| !run.steps.is_empty()) else {
            return Line::from("Next token");
        };
        let newest = run.steps.len();
        Line::from(match view.app.next_at {
            Some(at) => format!("Next token at step {} of {newest}", at + 1),
            None if run.takes_steps() => format!("Next token at step {newest} (live)"),
            None => format!("Next token at step {newest} (last)"),
        })
    }

    fn scope(&self) -> Scope {
        Scope::Next
    }

    fn draw(&self, view: &View<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let run = view.app.run.as_ref();
        let step = run.and_then(|run| run.steps.get(view.app.next_at.unwrap_or(run.steps.len().saturating_sub(1))));
        let (Some(run), Some(step)) = (run, step) else {
            let generate = view.app.keymap.hint("generate");
            let text = format!(
                "No token was sampled yet. {generate} generates; then each step's candidates are shown here, as the decode saw them."
            );
            paint::lines(
                buf,
                area,
                paint::wrap(&text, area.width).into_iter().map(|row| Line::styled(row, view.theme.dim)),
            );
            return None;
        };
        let facts = facts(view, run, step, area.width);
        let facts_rows = u16::try_from(facts.len()).unwrap_or(u16::MAX).min(area.height / 3);
        let (top, bottom) = paint::split_bottom(area, facts_rows);
        paint::lines(buf, bottom, facts);
        let table = Table::new(view, run, step, area.width);
        table.head(top, buf);
        let room = paint::below(top, 1);
        let (rows, rest) = paint::split_bottom(room, u16::from(room.height > 2));
        let candidates = &step.sampled.top;
        let last = candidates.len().saturating_sub(usize::from(rows.height));
        let shown = candidates.iter().skip(view.app.scroll.min(last)).take(usize::from(rows.height));
        let mut shown_now: Vec<&Candidate> = shown.collect();
        // The token that was drawn is always among the rows, below the likelier ones where it is none of them.
        let sampled = &step.sampled;
        let drawn =
            Candidate { id: sampled.id, logprob: sampled.logprob, logprob_sampled: Some(sampled.logprob_sampled) };
        if view.app.scroll == 0 && shown_now.iter().all(|candidate| candidate.id != drawn.id) {
            shown_now.pop();
            shown_now.push(&drawn);
        }
        for (row, candidate) in paint::rows(rows).zip(&shown_now) {
            table.candidate(candidate, row, buf);
        }
        let used = u16::try_from(shown_now.len()).unwrap_or(u16::MAX).min(rows.height);
        let rest = if rest.is_empty() { rest } else { Rect { y: rows.y + used, ..rest } };
        table.rest(&shown_now, rest, buf);
        None
    }
}

/// Columns of the table: label, raw figure and bar, figure and bar after the chain.
struct Table<'a> {
    view: &'a View<'a>,
    run: &'a Run,
    step: &'a Step,
    label: u16,
    bar: u16,
}

impl<'a> Table<'a> {
    fn new(view: &'a View<'a>, run: &'a Run, step: &'a Step, width: u16) -> Self {
        let label = (width / 3).clamp(6, 14);
        let bar = width.saturating_sub(label + 2 * FIGURE) / 2;
        Self { view, run, step, label, bar }
    }

    fn cells(&self, row: Rect) -> [Rect; 5] {
        let mut x = row.x;
        [self.label, FIGURE, self.bar, FIGURE, self.bar].map(|width| {
            let cell = Rect { x, width, ..row }.intersection(row);
            x = x.saturating_add(width);
            cell
        })
    }

    fn head(&self, row: Rect, buf: &mut Buffer) {
        let [label, raw, raw_bar, after, after_bar] = self.cells(Rect { height: row.height.min(1), ..row });
        let dim = self.view.theme.dim;
        paint::line(buf, label, &Line::styled("token", dim));
        paint::line(buf, raw.union(raw_bar), &Line::styled(" raw model", dim));
        paint::line(buf, after.union(after_bar), &Line::styled(" after chain", dim));
    }

    fn candidate(&self, candidate: &Candidate, row: Rect, buf: &mut Buffer) {
        let [label, raw, raw_bar, after, after_bar] = self.cells(row);
        let sampled = candidate.id == self.step.sampled.id;
        let bytes = self.run.model.tokenizer.bytes(candidate.id).unwrap_or_default();
        let text = sanitise::token_label(bytes);
        let mark = if sampled { self.view.theme.glyphs.pointer } else { " " };
        let text = paint::cut(&text, usize::from(label.width.saturating_sub(2)), self.view.theme.glyphs.ellipsis);
        let style = if sampled { self.view.theme.strong } else { self.view.theme.text };
        paint::line(buf, label, &Line::styled(format!("{mark}{text}"), style));
        self.share(f64::from(candidate.logprob).exp(), raw, raw_bar, buf);
        match candidate.logprob_sampled {
            Some(logprob) => self.share(f64::from(logprob).exp(), after, after_bar, buf),
            None => paint::line(buf, after, &Line::styled("   cut", self.view.theme.dim)),
        }
    }

    /// What the rows above do not show.
    fn rest(&self, shown: &[&Candidate], row: Rect, buf: &mut Buffer) {
        let [label, raw, raw_bar, after, after_bar] = self.cells(row);
        let raw_shown: f64 = shown.iter().map(|c| f64::from(c.logprob).exp()).sum();
        let after_shown: f64 = shown.iter().filter_map(|c| c.logprob_sampled).map(|p| f64::from(p).exp()).sum();
        let what = if self.view.app.scroll > 0 { " not shown" } else { " the rest" };
        paint::line(buf, label, &Line::styled(what, self.view.theme.dim));
        self.share((1.0 - raw_shown).max(0.0), raw, raw_bar, buf);
        self.share((1.0 - after_shown).max(0.0), after, after_bar, buf);
    }

    fn share(&self, share: f64, figure: Rect, bar: Rect, buf: &mut Buffer) {
        paint::line(buf, figure, &Line::from(format!("{:5.1}%", share * 100.0)));
        let theme = self.view.theme;
        let bar = Rect { width: bar.width.saturating_sub(1), ..bar }.intersection(buf.area);
        Bar { share, style: theme.bar, rest: Style::new(), glyphs: &theme.glyphs }.render(bar, buf);
    }
}

/// The draw, the survivors of each stage, the entropies.
fn facts(view: &View<'_>, run: &Run, step: &Step, width: u16) -> Vec<Line<'static>> {
    let sampled = &step.sampled;
    let bytes = run.model.tokenizer.bytes(sampled.id).unwrap_or_default();
    let took = format!(
        "took {}  rank {}  {:.1}% raw, {:.1}% after",
        sanitise::token_label(bytes),
        figures::grouped(sampled.rank),
        f64::from(sampled.logprob).exp() * 100.0,
        f64::from(sampled.logprob_sampled).exp() * 100.0,
    );
    let mut chain = figures::grouped(sampled.candidates);
    for count in sampled.survivors.iter().filter(|count| count.is_on) {
        chain += &format!(" > {} {}", count.stage, figures::grouped(count.kept));
    }
    let entropy = format!("entropy {:.1} > {:.1} bits", sampled.entropy_bits, sampled.entropy_sampled_bits);
    let mut lines = Vec::new();
    for (text, style) in [(took, view.theme.text), (chain, view.theme.dim), (entropy, view.theme.dim)] {
        lines.extend(paint::wrap(&text, width).into_iter().map(|row| Line::from(Span::styled(row, style))));
    }
    lines
}
