//! The next token: what the model expects where the text goes on or at the token looked at, raw and after the chain.

use crate::app::command::id;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::{Pane, View};
use crate::app::screen::{PANES, PaneId, PaneSpec};
use crate::app::token::{After, Listed};
use crate::engine::TokenScore;
use crate::sampling::{StageCount, StageId};
use crate::text::{TokenId, figures, sanitise};
use crate::ui::paint;
use crate::ui::widget::{Bar, column, visible_rows};

/// The next-token pane.
pub(super) struct NextPane;

/// Columns of a figure: `12.3%` and a space.
const FIGURE: u16 = 7;

impl Pane for NextPane {
    fn spec(&self) -> &'static PaneSpec {
        &PANES[2]
    }

    fn title(&self, view: &View<'_>, _width: usize) -> Line<'static> {
        let app = view.app;
        let tokens = app.document.tokens().len();
        let running = app.runs.current.as_ref().is_some_and(|run| run.takes_steps());
        Line::from(match (app.searched().filter(|text| !text.is_empty()), *app.token.at) {
            (Some(text), _) => format!("Tokens that hold \"{}\"", sanitise::line(text)),
            (None, Some(at)) => format!("Token {} of {}", figures::grouped(at + 1), figures::grouped(tokens)),
            (None, None) if running => "Next token (live)".to_owned(),
            (None, None) => "Next token".to_owned(),
        })
    }

    fn draw(&self, view: &View<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let listed = view.app.listed();
        if listed.is_empty() {
            let lines = paint::wrap(&why_empty(view), area.width).into_iter();
            paint::lines(buf, area, lines.map(|row| Line::styled(row, view.theme.dim)));
            return None;
        }
        let (facts, top, bottom) = places(view, &listed, area);
        paint::lines(buf, bottom, facts);
        let table = Table::new(view, area.width);
        table.head(top, buf);
        let room = paint::below(top, 1);
        let (rows, rest) = paint::split_bottom(room, u16::from(room.height > 2));
        let selected = view.app.token.candidate.min(listed.len() - 1);
        let visible = visible_rows(selected, listed.len(), rows.height);
        let mut shown: Vec<Listed> = listed.get(visible.clone()).unwrap_or_default().to_vec();
        // The token that stands here is always among the rows, below the likelier ones where it is none of them.
        if let Some(here) = table.here
            && selected == 0
            && view.app.searched().is_none()
            && shown.iter().all(|row| row.id != here)
            && let Some(row) = listed.iter().find(|row| row.id == here).copied().or_else(|| unlisted(view, here))
        {
            shown.pop();
            shown.push(row);
        }
        let keys = view.has_keys(PaneId::NEXT) || view.app.token.at.is_some();
        for ((row, listed), index) in paint::rows(rows).zip(&shown).zip(visible) {
            table.row(listed, row, buf);
            if keys && index == selected {
                paint::highlight(buf, row, view.theme.selected);
            }
        }
        let used = u16::try_from(shown.len()).unwrap_or(u16::MAX).min(rows.height);
        let rest = if rest.is_empty() { rest } else { Rect { y: rows.y + used, ..rest } };
        table.rest(&shown, rest, buf);
        None
    }
}

/// The facts, where the table stands, and where they stand below it. Where they do not fit, the chart stays.
fn places(view: &View<'_>, listed: &[Listed], area: Rect) -> (Vec<Line<'static>>, Rect, Rect) {
    let mut facts = facts(view, listed, area.width);
    let most = usize::from(area.height / 3);
    if facts.len() > most {
        // With room for one or two rows alone, what is said of the token itself comes first.
        let chart = if view.app.token.at.is_some() && most >= 2 * STRIPS { STRIPS } else { 0 };
        facts.drain(most - chart..facts.len() - chart);
    }
    let rows = u16::try_from(facts.len()).unwrap_or(u16::MAX);
    let (top, bottom) = paint::split_bottom(area, rows);
    (facts, top, bottom)
}

/// The token whose column of the chart is at a place of the pane.
pub(in crate::ui) fn token_at(view: &View<'_>, pane: Rect, at: Position) -> Option<usize> {
    let (now, listed, inner) = ((*view.app.token.at)?, view.app.listed(), super::inside(pane));
    let (facts, _, bottom) = places(view, &listed, inner);
    let row = usize::from(at.y.checked_sub(bottom.y)?);
    let first = inner.x + LABEL;
    // The chart is the last rows of the facts; where it was cut, its last row is not there.
    if !bottom.contains(at)
        || at.x < first
        || listed.is_empty()
        || row + STRIPS < facts.len()
        || facts.len() < 2 * STRIPS
    {
        return None;
    }
    let tokens = visible_rows(now, view.app.document.tokens().len(), inner.width.saturating_sub(LABEL));
    Some(tokens.start + usize::from(at.x - first)).filter(|token| tokens.contains(token))
}

fn why_empty(view: &View<'_>) -> String {
    let app = view.app;
    let context = app.models.loaded.as_ref().map_or(usize::MAX, |loaded| loaded.info.context);
    let first = *app.token.at == Some(0);
    match &*app.models.loaded {
        None => {
            "Here stands what the model expects next, before anything is sampled. No model is loaded yet.".to_owned()
        }
        Some(_) if app.unscored().is_some() => format!(
            "What comes next is not known before it is drawn: {}. {} draws it.",
            app.unscored().unwrap_or_default(),
            app.keymap.hint(id::GENERATE)
        ),
        Some(_) if app.document.tokens().len() > context => format!(
            "The text is longer than the context of {} tokens. {} scores it in windows.",
            figures::grouped(context),
            app.keymap.hint(id::STATISTICS)
        ),
        Some(_) if first => format!("{}. {} changes that.", app.first_token_note(), app.keymap.hint(id::START)),
        Some(_) => "The model reads the text.".to_owned(),
    }
}

/// A token that is not listed, with what is known of it where it stands.
fn unlisted(view: &View<'_>, id: TokenId) -> Option<Listed> {
    let logprob = match *view.app.token.at {
        Some(at) => view.app.reading.score(at).filter(|score| score.id == id)?.logprob?,
        None => view.app.shown_step().filter(|step| step.id() == id)?.logprob()?,
    };
    let after = view.app.shown_step().and_then(|step| step.sampled());
    let after = after.map_or(After::Unknown, |sampled| After::Kept(sampled.logprob_sampled));
    Some(Listed { id, logprob, after })
}

/// Columns of the table: label, raw figure and bar, figure and bar after the chain (or at the pinned position).
struct Table<'a> {
    view: &'a View<'a>,
    /// The token that stands at the position, or was drawn there.
    here: Option<TokenId>,
    label: u16,
    bar: u16,
}

impl<'a> Table<'a> {
    fn new(view: &'a View<'a>, width: u16) -> Self {
        let label = (width / 3).clamp(6, 14);
        let bar = width.saturating_sub(label + 2 * FIGURE) / 2;
        let app = view.app;
        let here = match *app.token.at {
            Some(at) => app.document.tokens().get(at).map(|token| token.id),
            None => app.shown_step().map(|step| step.id()),
        };
        Self { view, here, label, bar }
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
        let second = match self.view.app.token.pin.as_ref().map(|pin| pin.at) {
            Some(Some(at)) => format!(" pinned {}", at + 1),
            Some(None) => " pinned end".to_owned(),
            None => " after chain".to_owned(),
        };
        paint::line(buf, label, &Line::styled("token", dim));
        paint::line(buf, raw.union(raw_bar), &Line::styled(" raw model", dim));
        paint::line(buf, after.union(after_bar), &Line::styled(second, dim));
    }

    fn row(&self, listed: &Listed, row: Rect, buf: &mut Buffer) {
        let [label, raw, raw_bar, after, after_bar] = self.cells(row);
        let theme = self.view.theme;
        let here = self.here == Some(listed.id);
        let text = label_of(self.view, listed.id);
        let mark = if here { theme.glyphs.pointer } else { " " };
        let text = paint::cut(&text, usize::from(label.width.saturating_sub(2)), theme.glyphs.ellipsis);
        let style = if here { theme.strong } else { theme.text };
        paint::line(buf, label, &Line::styled(format!("{mark}{text}"), style));
        self.share(f64::from(listed.logprob).exp(), raw, raw_bar, buf);
        let second = match &self.view.app.token.pin {
            // Beyond what is kept of the pinned position nothing is claimed.
            Some(pin) => pin.top.iter().find(|(id, _)| *id == listed.id).map_or(After::Unknown, |it| After::Kept(it.1)),
            None => listed.after,
        };
        match second {
            After::Kept(logprob) => self.share(f64::from(logprob).exp(), after, after_bar, buf),
            After::Cut => paint::line(buf, after, &Line::styled("   cut", theme.dim)),
            After::Unknown => paint::line(buf, after, &Line::styled("     -", theme.dim)),
        }
    }

    /// What the rows above do not show.
    fn rest(&self, shown: &[Listed], row: Rect, buf: &mut Buffer) {
        let [label, raw, raw_bar, after, after_bar] = self.cells(row);
        let raw_shown: f64 = shown.iter().map(|it| f64::from(it.logprob).exp()).sum();
        let selected = self.view.app.token.candidate > 0 || self.view.app.searched().is_some();
        let what = if selected { " not shown" } else { " the rest" };
        paint::line(buf, label, &Line::styled(what, self.view.theme.dim));
        self.share((1.0 - raw_shown).max(0.0), raw, raw_bar, buf);
        let kept = |it: &Listed| match it.after {
            After::Kept(logprob) => Some(f64::from(logprob).exp()),
            After::Cut => Some(0.0),
            After::Unknown => None,
        };
        let known: Option<Vec<f64>> = shown.iter().map(kept).collect();
        if let (Some(known), None) = (known, &self.view.app.token.pin) {
            self.share((1.0 - known.iter().sum::<f64>()).max(0.0), after, after_bar, buf);
        }
    }

    fn share(&self, share: f64, figure: Rect, bar: Rect, buf: &mut Buffer) {
        paint::line(buf, figure, &Line::from(format!("{:5.1}%", share * 100.0)));
        let theme = self.view.theme;
        let bar = Rect { width: bar.width.saturating_sub(1), ..bar }.intersection(buf.area);
        Bar { share, style: theme.bar, rest: Style::new(), glyphs: &theme.glyphs }.render(bar, buf);
    }
}

fn label_of(view: &View<'_>, id: TokenId) -> String {
    view.app.models.label(id)
}

/// The token that stands here, the survivors of each stage, the entropies, what was chosen by hand.
fn facts(view: &View<'_>, listed: &[Listed], width: u16) -> Vec<Line<'static>> {
    let app = view.app;
    let step = app.shown_step();
    let mut rows = Vec::new();
    if (app.searched().is_some() || app.token.candidate > 0)
        && let Some(row) = listed.get(app.token.candidate)
        && let Some((rank, logprob)) = app.figures_of(row.id)
    {
        let share = f64::from(logprob).exp() * 100.0;
        let text = format!(
            "{}  id {}  rank {}  {share:.4}% raw, log-probability {logprob:.3}",
            label_of(view, row.id),
            row.id,
            figures::grouped(rank)
        );
        rows.push((text, view.theme.text));
    } else if let Some(score) = app.token.at.and_then(|at| app.reading.score(at)) {
        let figures = score.logprob.map_or("no score".to_owned(), |logprob| raw_figures(view, score.rank, logprob));
        let drawn = step.and_then(|step| step.sampled()).map_or(String::new(), |sampled| {
            format!(", drawn at {:.1}%", f64::from(sampled.logprob_sampled).exp() * 100.0)
        });
        rows.push((format!("{}  {figures}{drawn}", label_of(view, score.id)), view.theme.text));
    } else if let Some(step) = step.filter(|_| app.token.at.is_none()) {
        let raw = step.logprob().map_or_else(String::new, |logprob| raw_figures(view, step.rank(), logprob));
        let after = step.sampled().map_or(String::new(), |sampled| {
            format!(", {:.1}% after", f64::from(sampled.logprob_sampled).exp() * 100.0)
        });
        rows.push((format!("took {}  {raw}{after}", label_of(view, step.id())), view.theme.text));
    }
    rows.extend(chain_facts(view).into_iter().map(|text| (text, view.theme.dim)));
    if let Some((picks, (chosen, likeliest))) = app.picks().and_then(|picks| Some((picks, picks.means()?))) {
        let text = format!(
            "your {} {}: {chosen:.2} nats a token, the likeliest {likeliest:.2}",
            figures::grouped(picks.count as usize),
            if picks.count == 1 { "pick" } else { "picks" },
        );
        rows.push((text, view.theme.strong));
    }
    let mut strips = Vec::new();
    if let Some(at) = *app.token.at {
        let surprisal = |score: &TokenScore| score.logprob.map(|logprob| -logprob / std::f32::consts::LN_2);
        strips.push(strip(view, "surprisal", at, width, surprisal));
        strips.push(strip(view, "entropy", at, width, |score| score.entropy));
    }
    let lines = rows
        .into_iter()
        .flat_map(|(text, style)| paint::wrap(&text, width).into_iter().map(move |row| Line::styled(row, style)));
    lines.chain(strips).collect()
}

/// The entropies and the survivors of each stage, as far as they are known.
fn chain_facts(view: &View<'_>) -> Vec<String> {
    let (app, step, mut rows) = (view.app, view.app.shown_step(), Vec::new());
    let chain = |candidates: usize, survivors: &[StageCount]| {
        // The temperature cuts nothing, and its count would read as its value.
        let cuts = survivors.iter().filter(|count| count.is_on && count.stage != StageId::Temperature);
        cuts.fold(figures::grouped(candidates), |text, count| {
            format!("{text} > {} {}", count.stage, figures::grouped(count.kept))
        })
    };
    let entropy = |raw: f32, after: f32| format!("entropy {raw:.1} > {after:.1} bits");
    if let Some(it) = app.reading.preview() {
        rows.push(entropy(it.entropy_bits, it.entropy_sampled_bits));
        rows.push(chain(it.candidates, &it.survivors));
    } else if let Some(sampled) = step.and_then(|step| step.sampled()) {
        rows.push(entropy(sampled.entropy_bits, sampled.entropy_sampled_bits));
        rows.push(chain(sampled.candidates, &sampled.survivors));
    } else if let Some(unknown) = app.models.unknown() {
        rows.push(format!("entropy, chain, other ranks: {unknown}"));
    } else if let Some(bits) = app.token.at.and_then(|at| app.reading.score(at)).and_then(|score| score.entropy) {
        rows.push(format!("entropy {bits:.1} bits"));
    }
    rows
}

/// Rank and probability under the raw model; of a rank that an engine does not give it says so.
fn raw_figures(view: &View<'_>, rank: Option<usize>, logprob: f32) -> String {
    let rank = match (rank, view.app.models.unknown()) {
        (Some(rank), _) => format!("rank {}", figures::grouped(rank)),
        (None, Some(_)) => "rank not known".to_owned(),
        (None, None) => "no rank".to_owned(),
    };
    format!("{rank}  {:.1}% raw", f64::from(logprob).exp() * 100.0)
}

/// Rows of the chart.
const STRIPS: usize = 2;

/// Columns of the name in front of a row of the chart.
const LABEL: u16 = 10;

/// A figure of the tokens around the one looked at as a row of small columns, that one marked; 12 bits are a full column.
fn strip(
    view: &View<'_>,
    name: &'static str,
    at: usize,
    width: u16,
    figure: fn(&TokenScore) -> Option<f32>,
) -> Line<'static> {
    const FULL: f32 = 12.0;
    let len = view.app.document.tokens().len();
    let mut line = Line::from(Span::styled(format!("{name:<width$}", width = usize::from(LABEL)), view.theme.dim));
    for index in visible_rows(at, len, width.saturating_sub(LABEL)) {
        let bits = view.app.reading.score(index).and_then(|score| figure(score));
        let column = bits.map_or(" ", |bits| column(f64::from(bits / FULL)));
        let style = if index == at { view.theme.selected } else { view.theme.bar };
        line.spans.push(Span::styled(column, style));
    }
    line
}
