//! Figures of the whole text: perplexity, bits per byte, ranks, and the surprisal of every token.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::Pane;
use crate::app::statistics::{Statistics, StatisticsView};
use crate::app::token::Colouring;
use crate::text::figures;
use crate::ui::paint;
use crate::ui::pane::View;
use crate::ui::widget::{Bar, Mark, Plot, Series};

/// Columns of a figure's name.
const NAME: usize = 16;

/// Draws the figures.
pub(super) fn draw(_: &StatisticsView, pane: &Pane<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    let view = pane.view;
    let (inner, caret) = pane.window(body, 96, body.height, buf);
    let Some(all) = view.app.statistics() else {
        paint::line(buf, inner, &Line::styled(view.app.no_statistics(), view.theme.dim));
        return caret;
    };
    let theme = view.theme;
    let mut lines = figures_of(view, &all);
    let head = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    paint::lines(buf, inner, std::mem::take(&mut lines));
    let mut rest = paint::below(inner, head);
    rest = draw_ranks(view, &all, rest, buf);
    if rest.height > 5 {
        paint::line(buf, paint::below(rest, 1), &Line::styled("Surprisal of each token, bits", theme.strong));
        let surprisal = all.surprisal.points();
        let most = surprisal.iter().map(|(_, bits)| *bits).fold(1.0, f64::max);
        Plot {
            x: (0.0, all.tokens.max(2) as f64),
            y: (0.0, most),
            series: &[Series { points: &surprisal, mark: Mark::Line, style: theme.bar }],
            level: None,
            x_unit: "tokens",
            digits: 0,
            axis: theme.dim,
            glyphs: &theme.glyphs,
        }
        .render(paint::below(rest, 2), buf);
    }
    caret
}

/// The figures, a line each.
fn figures_of(view: &View<'_>, all: &Statistics) -> Vec<Line<'static>> {
    let theme = view.theme;
    let row = |name: &str, value: String, note: String| {
        Line::from(vec![
            Span::styled(format!("{name:<NAME$}"), theme.dim),
            Span::styled(value, theme.strong),
            Span::styled(note, theme.dim),
        ])
    };
    let figure = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    let tokens = format!("{} of {}", figures::grouped(all.scored), figures::grouped(all.tokens));
    let windows = match all.windows {
        0 | 1 => String::new(),
        n => format!(", in {n} rolling windows of the context"),
    };
    vec![
        row("tokens scored", tokens, format!("  ({}{windows})", view.app.first_token_note())),
        row("perplexity", figure(all.perplexity(), 2), "  exp of the mean −log P a token".to_owned()),
        row("bits per byte", figure(all.bits_per_byte(), 3), format!("  over {} bytes", figures::grouped(all.bytes))),
        row(
            "mean entropy",
            figure(all.mean_entropy(), 2),
            match (all.mean_entropy(), view.app.models.unknown()) {
                (None, Some(unknown)) => format!("  {unknown}"),
                _ => " bits before each token was known".to_owned(),
            },
        ),
        Line::default(),
        Line::styled(ranks_title(view, all), theme.strong),
    ]
}

/// What the ranks are of: all tokens that came, or those of which an engine tells.
fn ranks_title(view: &View<'_>, all: &Statistics) -> String {
    match view.app.models.unknown().filter(|_| all.ranked < all.scored) {
        Some(unknown) => {
            format!("Ranks of {} tokens; others {unknown}", figures::grouped(all.ranked))
        }
        None => "Ranks of the tokens that came".to_owned(),
    }
}

fn draw_ranks(view: &View<'_>, all: &Statistics, area: Rect, buf: &mut Buffer) -> Rect {
    let names = ["1", "2 to 10", "11 to 100", "101 to 1000", "beyond"];
    for ((row, name), (class, count)) in paint::rows(area).zip(names).zip(all.ranks.iter().enumerate()) {
        let share = *count as f64 / all.ranked.max(1) as f64;
        let text = format!("{name:<NAME$}{:>6} {:>5.1}% ", figures::grouped(*count), 100.0 * share);
        let style = view.theme.level(class);
        paint::line(buf, row, &Line::from(vec![Span::styled(text, view.theme.text)]));
        let bar = Rect { x: row.x + NAME as u16 + 14, width: row.width.saturating_sub(NAME as u16 + 14), ..row };
        let bar = bar.intersection(buf.area);
        Bar { share, style, rest: Style::new(), glyphs: &view.theme.glyphs }.render(bar, buf);
    }
    paint::below(area, Colouring::Rank.classes().len() as u16)
}
