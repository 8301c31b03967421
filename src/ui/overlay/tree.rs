//! The tree of versions: one row a version, the selected one's text below.

use crate::app::command::id;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::Pane;
use crate::app::tree::{TreeRow, VersionTree};
use crate::app::versions::{Figures, Tree, first_words};
use crate::session::{NodeId, Place};
use crate::ui::paint;
use crate::ui::pane::View;

/// Columns of the tokens, the mean log-probability and the seed, to the right of their figures.
const COLUMNS: [usize; 3] = [8, 8, 12];
/// The same where the words need the room.
const FEW: [usize; 3] = [6, 7, 0];
/// Columns below which [`FEW`] are shown.
const NARROW: u16 = 72;
/// Columns of one step to the right, and the most steps that are drawn.
const INDENT: (usize, usize) = (2, 8);
/// Columns in front of the words: on the screen, bookmarked or marked, a branch.
const MARKS: usize = 5;
/// Characters of the selected version that are shown at most.
const SHOWN: usize = 2000;

/// Draws the list and the text of the selected version.
pub(super) fn draw(_: &VersionTree, pane: &Pane<'_>, body: Rect, buf: &mut Buffer) -> Option<Position> {
    let view = pane.view;
    let rows = view.app.tree_rows();
    let (inner, caret) = pane.window(body, 110, body.height, buf);
    if rows.is_empty() {
        let generate = view.app.keymap.hint(id::GENERATE);
        let text =
            format!("Nothing is kept yet. Type a text: {generate} generates, and every generation is kept here.");
        paint::lines(buf, inner, paint::wrap(&text, inner.width).into_iter().map(Line::from));
        return caret;
    }
    let foot = (inner.height / 3).clamp(3, 10);
    let (list, foot) = paint::split_bottom(inner, foot);
    let columns = if inner.width < NARROW { FEW } else { COLUMNS };
    let head = ["tokens", "nats", "seed"].map(str::to_owned);
    let legend = format!("{} on the screen  * bookmark", view.theme.glyphs.handle);
    paint::line(buf, list, &cells(inner.width, columns, legend, head).style(view.theme.dim));
    let list = paint::below(list, 1);
    let selected = view.app.tree_selected(&rows);
    let on_screen = view.app.versions.tree.on_screen();
    pane.list(list, buf, |index| {
        rows.get(index).map(|row| version(view, *row, &on_screen, inner.width, columns)).unwrap_or_default()
    });
    if let Some(row) = rows.get(selected) {
        draw_text(view, row.id, foot, buf);
    }
    caret
}

fn version(view: &View<'_>, row: TreeRow, on_screen: &[NodeId], width: u16, columns: [usize; 3]) -> Line<'static> {
    let tree = &view.app.versions.tree;
    let Some(node) = tree.node(row.id) else { return Line::default() };
    let glyphs = &view.theme.glyphs;
    let here = if on_screen.contains(&row.id) { glyphs.handle } else { " " };
    let mark = match (view.app.versions.view.marked == Some(row.id), node.bookmarked) {
        (true, _) => "=",
        (false, true) => "*",
        (false, false) => " ",
    };
    let figures = Figures::of(node.own_tokens().map(|token| token.info.as_deref()));
    let mean = figures.mean_logprob.map(|mean| format!("{mean:.2}")).unwrap_or_default();
    let seed = node.about.as_ref().and_then(|made| made.seed).map(|seed| seed.to_string()).unwrap_or_default();
    let indent = row.depth.min(INDENT.1) * INDENT.0;
    let room = usize::from(width).saturating_sub(columns.iter().sum::<usize>() + MARKS + indent + 1);
    let words = first_words(String::from_utf8_lossy(&node.piece.bytes).trim_start(), room.min(200));
    let words = paint::cut(&words, room, glyphs.ellipsis);
    let branch = if row.is_branch { glyphs.pointer } else { " " };
    let words = format!("{here}{mark} {:indent$}{branch} {words}", "");
    let mut line = cells(width, columns, words, [figures.tokens.to_string(), mean, seed]);
    line.style = if node.about.is_some() { view.theme.model } else { view.theme.text };
    line
}

/// One row: the words, figures to the right of their columns. A column of no width is left out.
fn cells(width: u16, columns: [usize; 3], words: String, figures: [String; 3]) -> Line<'static> {
    let room = usize::from(width).saturating_sub(columns.iter().sum());
    let mut text = format!("{words}{:1$}", "", room.saturating_sub(words.width()));
    for (figure, width) in figures.into_iter().zip(columns).filter(|(_, width)| *width > 0) {
        text += &format!("{figure:>width$}");
    }
    Line::from(Span::raw(text))
}

/// What the version says and how it was made, with the end of the text before it.
fn draw_text(view: &View<'_>, id: NodeId, area: Rect, buf: &mut Buffer) {
    let tree = &view.app.versions.tree;
    let Some(node) = tree.node(id) else { return };
    let settings = node.about.as_ref().map(|made| {
        let ending = made.ending.as_deref().map(|ending| format!(", {ending}")).unwrap_or_default();
        format!("{ending}{}", differing(view, id))
    });
    let about = format!("{}{}", view.app.describe(id), settings.unwrap_or_default());
    let about = paint::cut(&about, usize::from(area.width), view.theme.glyphs.ellipsis);
    paint::line(buf, area, &Line::styled(about, view.theme.strong));
    let area = paint::below(area, 1);
    let before = tree.written(Place { node: node.piece.parent, end: node.piece.at });
    let before = tail(before.bytes(), usize::from(area.width) / 2);
    let own: String = String::from_utf8_lossy(&node.piece.bytes).chars().take(SHOWN).collect();
    let style = if node.about.is_some() { view.theme.model } else { view.theme.text };
    paint::lines(buf, area, parted(&before, &own, [view.theme.dim, style], area.width));
}

/// The sampling parameters of a version that differ from those that are set now.
fn differing(view: &View<'_>, id: NodeId) -> String {
    let made = view.app.versions.tree.node(id).and_then(|node| node.about.as_ref());
    let Some(made) = made else { return String::new() };
    let now = &view.app.sampler.settings;
    let differ = crate::sampling::specs()
        .iter()
        .filter(|spec| spec.stage.is_some() && made.settings.get(spec.id) != now.get(spec.id));
    differ.map(|spec| format!(", {} {}", spec.key, made.settings.display(spec.id))).collect()
}

/// The last characters of the last line of a text, at most `most`: the version itself is to be seen.
fn tail(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.rsplit('\n').next().unwrap_or_default();
    let skip = text.chars().count().saturating_sub(most);
    text.chars().skip(skip).collect()
}

/// Two texts, the second right behind the first, as rows in two styles.
pub(super) fn parted(first: &str, second: &str, styles: [Style; 2], width: u16) -> Vec<Line<'static>> {
    // White space at a break is dropped, so that only other characters tell where the second begins.
    let mut left = first.chars().filter(|c| !c.is_whitespace()).count();
    let rows = paint::wrap(&format!("{first}{second}"), width).into_iter();
    rows.map(|row| {
        let mut split = row.len();
        for (at, c) in row.char_indices() {
            if left == 0 {
                split = at;
                break;
            }
            left -= usize::from(!c.is_whitespace());
        }
        let (before, after) = row.split_at(split);
        Line::from(vec![Span::styled(before.to_owned(), styles[0]), Span::styled(after.to_owned(), styles[1])])
    })
    .collect()
}

/// The text of a version up to its end.
pub(super) fn whole(tree: &Tree, id: NodeId) -> Vec<u8> {
    let end = tree.node(id).map_or(0, |node| node.end());
    tree.written(Place { node: id, end }).bytes().to_vec()
}
