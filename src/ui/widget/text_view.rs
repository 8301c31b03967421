//! The central text pane: soft-wrapped text of any size with a caret, styled stretches and a view that follows new text.
//!
//! Bytes need not be UTF-8; what must not reach a terminal is drawn as its replacement. The text stays with its owner
//! and is passed in: [`sync`](TextView::sync) after each change, then motions and [`draw`](TextView::draw). A frame
//! looks at the visible rows only.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect, Size};
use ratatui::style::{Modifier, Style};

mod motion;
mod rows;
mod select;

pub use motion::Motion;
pub use select::Hold;

use crate::text::{Cell, CellKind};
use motion::Places;
use rows::{Rows, columns};
use select::Anchor;

/// What happened to a text: the bytes `start..old_end` became `start..new_end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextChange {
    /// First byte that may differ.
    pub start: usize,
    /// End of the replaced bytes in the old text.
    pub old_end: usize,
    /// End of their replacement in the new text.
    pub new_end: usize,
}

/// Whether new text at the end moves the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Follow {
    /// The end is on screen and stays there.
    #[default]
    Attached,
    /// The user scrolled up.
    Detached,
    /// And text came in below since.
    Behind,
}

/// How white space is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spaces {
    /// As white space.
    #[default]
    Blank,
    /// As `␣`, `⇥` and `↵` in this style.
    Marked(Style),
}

impl Spaces {
    /// What to draw for a cell of white space, where that is not the cell's own text. A newline takes no column: its
    /// mark stands where the caret would.
    fn mark(self, cell: &Cell<'_>) -> Option<(&'static str, Style)> {
        let Self::Marked(style) = self else { return None };
        let mark = match cell.kind {
            CellKind::Newline => "↵",
            CellKind::Tab => "⇥   ",
            CellKind::Text if cell.text == " " => "␣",
            _ => return None,
        };
        Some((mark, style))
    }
}

/// Caret, scroll and wrapped rows of one text.
#[derive(Debug, Clone, Default)]
pub struct TextView {
    rows: Rows,
    revision: Option<u64>,
    height: u16,
    caret: usize,
    /// The other end of the selection.
    anchor: Option<Anchor>,
    /// The column that moving up and down aims at.
    goal: Option<u16>,
    /// First row on screen.
    top: usize,
    follow: Follow,
}

impl TextView {
    /// A view at the start of an empty text.
    pub fn new() -> Self {
        Self::default()
    }

    /// The revision of the text that was laid out last.
    pub fn revision(&self) -> Option<u64> {
        self.revision
    }

    /// Brings the rows up to date: after every change of text or size, before moving or drawing. `change` is what
    /// happened to the text since [`revision`](Self::revision); `None` lays out everything. The caret moves along with
    /// the text around it.
    pub fn sync(&mut self, bytes: &[u8], revision: u64, change: Option<TextChange>, size: Size) {
        let resized = self.rows.width() != size.width || self.height != size.height;
        if self.revision == Some(revision) && !resized {
            return;
        }
        let (top, caret_was_visible) = (self.rows.range(self.top).start, self.caret_is_visible());
        let old_rows = self.rows.count();
        let known = change.filter(|change| self.revision.is_some() && change.new_end <= bytes.len());
        if self.revision != Some(revision) {
            self.anchor = self.anchor.filter(|anchor| known.is_some_and(|c| c.start > anchor.at.max(self.caret)));
        }
        self.caret = match known {
            Some(change) => shifted(self.caret, change),
            None => self.caret,
        };
        let (same_width, unchanged) = (self.rows.width() == size.width, self.revision == Some(revision));
        match known {
            Some(change) if same_width => self.rows.update(bytes, change),
            _ if same_width && unchanged => {}
            _ => self.rows = Rows::new(bytes, size.width),
        }
        (self.revision, self.height) = (Some(revision), size.height);
        let caret = Places { bytes, rows: &self.rows }.snap(self.caret);
        if caret != self.caret || !unchanged {
            (self.caret, self.goal) = (caret, None);
        }
        if self.follow == Follow::Attached {
            self.top = self.last_top();
        } else {
            self.top = self.rows.row_of(known.map_or(top, |change| shifted(top, change)));
            if self.rows.count() > old_rows && same_width {
                self.follow = Follow::Behind;
            }
            self.scrolled();
        }
        if resized && caret_was_visible {
            self.reveal_caret();
        }
    }

    /// The caret as a byte offset, always between cells.
    pub fn caret(&self) -> usize {
        self.caret
    }

    /// Puts the caret at the boundary at or before `at`, scrolls to it and ends the selection.
    pub fn set_caret(&mut self, bytes: &[u8], at: usize) {
        self.anchor = None;
        self.caret = self.places(bytes).snap(at);
        self.goal = None;
        self.reveal_caret();
    }

    /// Moves the caret and scrolls to it.
    pub fn move_caret(&mut self, bytes: &[u8], motion: Motion) {
        let goal = self.goal.unwrap_or_else(|| self.places(bytes).column_of(self.caret));
        self.caret = self.target(bytes, motion);
        let vertical = matches!(motion, Motion::Up | Motion::Down | Motion::PageUp | Motion::PageDown);
        self.goal = vertical.then_some(goal);
        match motion {
            Motion::PageUp => self.scroll_by(-self.page()),
            Motion::PageDown => self.scroll_by(self.page()),
            _ => {}
        }
        self.reveal_caret();
    }

    /// Where a motion would put the caret.
    pub fn target(&self, bytes: &[u8], motion: Motion) -> usize {
        let places = self.places(bytes);
        let goal = self.goal.unwrap_or_else(|| places.column_of(self.caret));
        places.target(self.caret, motion, goal, self.page().unsigned_abs())
    }

    /// The bytes between the caret and where a motion would put it: what deleting by that motion deletes.
    pub fn span(&self, bytes: &[u8], motion: Motion) -> Range<usize> {
        let target = self.target(bytes, motion);
        self.caret.min(target)..self.caret.max(target)
    }

    /// Scrolls so that the caret is on screen.
    pub fn reveal_caret(&mut self) {
        let row = self.rows.row_of(self.caret);
        let height = usize::from(self.height.max(1));
        self.top = self.top.clamp((row + 1).saturating_sub(height), row);
        self.scrolled();
    }

    /// Scrolls by rows, down where positive; the caret stays where it is. Scrolling up stops following the end.
    pub fn scroll_by(&mut self, rows: isize) {
        self.top = self.top.saturating_add_signed(rows);
        self.scrolled();
    }

    /// Goes to the end and follows new text again.
    pub fn scroll_to_end(&mut self) {
        self.top = self.last_top();
        self.scrolled();
    }

    /// Whether new text at the end scrolls the view.
    pub fn follows(&self) -> bool {
        self.follow == Follow::Attached
    }

    /// Whether rows were added since the view stopped following.
    pub fn new_text_below(&self) -> bool {
        self.follow == Follow::Behind
    }

    /// First row on screen, and rows in all: what a scroll bar shows.
    pub fn scroll(&self) -> (usize, usize) {
        (self.top, self.rows.count())
    }

    /// The byte offset of the cell at a place on screen, for the text drawn in `area`; `None` outside of it.
    pub fn offset_at(&self, bytes: &[u8], area: Rect, at: Position) -> Option<usize> {
        let row = self.top + usize::from(at.y.checked_sub(area.y)?);
        (area.contains(at))
            .then(|| if row < self.rows.count() { self.places(bytes).in_row(row, at.x - area.x) } else { bytes.len() })
    }

    /// Draws the visible rows, each cell in the style of its bytes, and gives the caret's place where it is visible (the
    /// terminal's own cursor belongs there). White space is drawn as `spaces` says, in no other columns than without.
    pub fn draw(
        &self,
        bytes: &[u8],
        area: Rect,
        buf: &mut Buffer,
        spaces: Spaces,
        style: impl Fn(Range<usize>) -> Style,
    ) -> Option<Position> {
        let area = area.intersection(buf.area);
        for (y, row) in (area.y..area.bottom()).zip(self.top..self.rows.count()) {
            let mut x = area.x;
            for cell in self.rows.cells(bytes, row) {
                let width = columns(&cell);
                let room = area.right().saturating_sub(x);
                match spaces.mark(&cell) {
                    Some((mark, marked)) if room > 0 => {
                        buf.set_stringn(x, y, mark, usize::from(room), style(cell.range).patch(marked));
                    }
                    None if width > 0 && room > 0 => {
                        buf.set_stringn(x, y, &cell.text, usize::from(room), style(cell.range));
                    }
                    // A newline that is selected or looked at would not be seen: it has a blank where the caret would be.
                    None if cell.kind == CellKind::Newline && room > 0 => {
                        let style = style(cell.range);
                        if style.add_modifier.contains(Modifier::REVERSED) {
                            buf.set_stringn(x, y, " ", 1, style);
                        }
                    }
                    _ => {}
                }
                x = x.saturating_add(width);
            }
        }
        self.caret_in(bytes, area)
    }

    fn caret_in(&self, bytes: &[u8], area: Rect) -> Option<Position> {
        let y = u16::try_from(self.rows.row_of(self.caret).checked_sub(self.top)?).ok()?;
        let x = self.places(bytes).column_of(self.caret).min(area.width.checked_sub(1)?);
        (y < area.height).then(|| Position::new(area.x + x, area.y + y))
    }

    fn places<'a>(&'a self, bytes: &'a [u8]) -> Places<'a> {
        Places { bytes, rows: &self.rows }
    }

    /// Rows of a page: all but one, so that the eye has something to hold on to.
    fn page(&self) -> isize {
        isize::try_from(self.height.saturating_sub(1).max(1)).unwrap_or(1)
    }

    fn last_top(&self) -> usize {
        self.rows.count().saturating_sub(usize::from(self.height.max(1)))
    }

    fn caret_is_visible(&self) -> bool {
        let row = self.rows.row_of(self.caret);
        (self.top..self.top + usize::from(self.height)).contains(&row)
    }

    /// Keeps the view inside the text, and notes whether its end is on screen.
    fn scrolled(&mut self) {
        let last = self.last_top();
        self.top = self.top.min(last);
        self.follow = match self.follow {
            _ if self.top == last => Follow::Attached,
            Follow::Behind => Follow::Behind,
            _ => Follow::Detached,
        };
    }
}

/// Where a caret is after a change: it stays with the text after it, and after what replaced the text around it.
fn shifted(caret: usize, change: TextChange) -> usize {
    if caret >= change.old_end {
        caret - change.old_end + change.new_end
    } else if caret > change.start {
        change.new_end
    } else {
        caret
    }
}

#[cfg(test)]
mod tests;
