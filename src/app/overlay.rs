//! Overlays: what is drawn over a view. Each is a box that owns its state and goes with it; selection, wheel, paging, the
//! filter and the numbered choices of `--plain` are written here, once for all of them.

use std::any::Any;
use std::cell::Cell;
use std::fmt::Debug;

use super::App;
use super::command::{Cx, Scope};
use super::input::{Input, Purpose};

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is called.
    pub name: String,
    /// A line about it.
    pub about: String,
}

impl Item {
    /// A row.
    pub fn new(name: impl Into<String>, about: impl Into<String>) -> Self {
        Self { name: name.into(), about: about.into() }
    }
}

/// What an overlay shows, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Rows of which one is selected.
    Choice(Vec<Item>),
    /// Paragraphs to read.
    Text(Vec<String>),
}

/// Whether an overlay goes once a row was picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picked {
    /// It has done its work.
    Close,
    /// It stays open.
    Stay,
}

/// Something drawn over a view.
pub trait Overlay: Any + Debug {
    /// Whose keys it has.
    fn scope(&self) -> Scope;

    /// The words on its frame.
    fn title(&self, app: &App) -> String;

    /// What it shows.
    fn rows(&self, app: &App) -> Rows;

    /// How many rows it shows. It is asked in every frame: overridden where rows are dear to make.
    fn count(&self, app: &App) -> usize {
        match self.rows(app) {
            Rows::Choice(items) => items.len(),
            Rows::Text(lines) => lines.len(),
        }
    }

    /// The selected row, where something else than the cursor says so.
    fn selected(&self, _app: &App) -> Option<usize> {
        None
    }

    /// A row was selected.
    fn select(&mut self, _app: &mut App, _row: usize) {}

    /// Enter on a row, or its number in `--plain`. The overlay is not on the stack meanwhile.
    fn pick(&mut self, _cx: &mut Cx<'_>, _row: usize) -> Picked {
        Picked::Close
    }

    /// The line on it was changed.
    fn typed(&mut self, _line: &str) {}

    /// It has gone, however that came about.
    fn closed(&mut self, _app: &mut App) {}

    /// Whether its rows can be filtered.
    fn can_filter(&self) -> bool {
        true
    }

    /// Whether its rows follow the line that is typed by themselves, so that they are not filtered again.
    fn filters_itself(&self) -> bool {
        false
    }
}

/// Where the keys are in an overlay.
#[derive(Debug, Default)]
pub struct Cursor {
    /// The selected row of a list.
    selected: usize,
    /// First line of a text on the screen.
    scroll: usize,
    /// What rows have to hold to be shown.
    filter: String,
    /// The line that is being typed: the filter, the query of the palette.
    pub line: Option<Input>,
    /// Rows that the last frame had room for; paging depends on it.
    pub room: Cell<usize>,
    /// The largest scroll of the last frame.
    pub last: Cell<usize>,
}

impl Cursor {
    /// First line of a text on the screen.
    pub fn scroll(&self) -> usize {
        self.scroll.min(self.last.get())
    }

    /// What rows have to hold to be shown, as it is being typed.
    pub fn filter(&self) -> &str {
        self.line.as_ref().map_or(&self.filter, |line| &line.text)
    }

    /// Whether a text is shown.
    pub fn lets_in(&self, text: &str) -> bool {
        let filter = self.filter();
        filter.is_empty() || text.to_lowercase().contains(&filter.to_lowercase())
    }

    fn page(&self) -> usize {
        const BEFORE_THE_FIRST_FRAME: usize = 10;
        match self.room.get() {
            0 => BEFORE_THE_FIRST_FRAME,
            room => room,
        }
    }
}

/// An overlay on the stack.
#[derive(Debug)]
pub struct Open {
    /// What it is.
    pub overlay: Box<dyn Overlay>,
    /// Where the keys are.
    pub cursor: Cursor,
}

impl Open {
    /// Whether it is of a kind.
    pub fn is<T: Overlay>(&self) -> bool {
        self.get::<T>().is_some()
    }

    /// The overlay, if it is of that kind.
    pub fn get<T: Overlay>(&self) -> Option<&T> {
        let any: &dyn Any = self.overlay.as_ref();
        any.downcast_ref()
    }

    /// Its scope while a line is typed in it.
    pub fn scope(&self) -> Scope {
        match self.cursor.line {
            Some(_) if !self.overlay.filters_itself() => Scope::FILTER,
            _ => self.overlay.scope(),
        }
    }

    /// The rows that the filter lets in, as indices; of a text all.
    pub fn shown(&self, app: &App) -> Vec<usize> {
        if self.cursor.filter().is_empty() || self.overlay.filters_itself() {
            return (0..self.overlay.count(app)).collect();
        }
        match self.overlay.rows(app) {
            Rows::Choice(items) => {
                let holds = |item: &Item| self.cursor.lets_in(&item.name) || self.cursor.lets_in(&item.about);
                items.iter().enumerate().filter(|(_, item)| holds(item)).map(|(row, _)| row).collect()
            }
            Rows::Text(lines) => (0..lines.len()).collect(),
        }
    }

    /// The selected row among those of `shown`.
    pub fn selected(&self, app: &App, shown: &[usize]) -> usize {
        let selected = self.overlay.selected(app).unwrap_or(self.cursor.selected);
        match shown.contains(&selected) {
            true => selected,
            // What was selected is not there any more: the nearest one that is.
            false => shown.iter().copied().rfind(|row| *row < selected).or(shown.first().copied()).unwrap_or(0),
        }
    }
}

/// How far a key or the wheel goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// So many rows down.
    Rows(isize),
    /// So many windows down.
    Pages(isize),
    /// To the first row.
    First,
    /// To the last row.
    Last,
}

impl Move {
    fn from(self, at: usize, last: usize, page: usize) -> usize {
        let to = match self {
            Self::Rows(rows) => at.saturating_add_signed(rows),
            Self::Pages(pages) => at.saturating_add_signed(pages.saturating_mul(page as isize)),
            Self::First => 0,
            Self::Last => last,
        };
        to.min(last)
    }
}

impl App {
    /// Opens an overlay on top; one of the same kind goes first.
    pub fn open<T: Overlay>(&mut self, overlay: T) {
        self.open_at(overlay, 0);
    }

    /// Opens a list with a row selected.
    pub(super) fn open_at<T: Overlay>(&mut self, overlay: T, selected: usize) {
        *self.screen.input = None;
        self.close::<T>();
        // The line of the palette belongs to its window: it does not wait under another one.
        if self.top().is_some_and(|open| open.overlay.filters_itself()) {
            self.close_top();
        }
        let cursor = Cursor { selected, ..Cursor::default() };
        self.screen.overlays.push(Open { overlay: Box::new(overlay), cursor });
    }

    /// Opens an overlay, or closes it where one of its kind is open.
    pub fn toggle<T: Overlay>(&mut self, overlay: T) {
        *self.screen.input = None;
        if !self.close::<T>() {
            self.open(overlay);
        }
    }

    /// Closes the overlay of a kind; says whether there was one.
    pub fn close<T: Overlay>(&mut self) -> bool {
        let Some(at) = self.screen.overlays.iter().position(Open::is::<T>) else { return false };
        let mut open = self.screen.overlays.remove(at);
        open.overlay.closed(self);
        true
    }

    /// Closes the overlay on top; says whether there was one.
    pub(super) fn close_top(&mut self) -> bool {
        let Some(mut open) = self.screen.overlays.pop() else { return false };
        open.overlay.closed(self);
        true
    }

    /// Closes all overlays.
    pub fn close_all(&mut self) {
        while self.close_top() {}
    }

    /// The overlay on top.
    pub fn top(&self) -> Option<&Open> {
        self.screen.overlays.last()
    }

    /// Whether the overlay on top is of a kind.
    pub fn is_top<T: Overlay>(&self) -> bool {
        self.top().is_some_and(Open::is::<T>)
    }

    /// The open overlay of a kind.
    pub fn overlay<T: Overlay>(&self) -> Option<&T> {
        self.screen.overlays.iter().find_map(Open::get)
    }

    /// The selected row of the open overlay of a kind.
    pub(super) fn selected_in<T: Overlay>(&self) -> Option<usize> {
        let open = self.screen.overlays.iter().find(|open| open.is::<T>())?;
        Some(open.selected(self, &open.shown(self)))
    }

    /// Selects a row of the open overlay of a kind.
    pub(super) fn select_in<T: Overlay>(&mut self, row: usize) {
        if let Some(open) = self.screen.overlays.iter_mut().find(|open| open.is::<T>()) {
            open.cursor.selected = row;
        }
    }

    /// Moves through the overlay on top.
    pub fn move_in_overlay(&mut self, by: Move) {
        let Some(mut open) = self.screen.overlays.pop() else { return };
        let page = open.cursor.page();
        if let Rows::Text(_) = open.overlay.rows(self) {
            open.cursor.scroll = by.from(open.cursor.scroll(), open.cursor.last.get(), page);
        } else {
            let shown = open.shown(self);
            let selected = open.selected(self, &shown);
            let at = shown.iter().position(|row| *row == selected).unwrap_or(0);
            if let Some(row) = shown.get(by.from(at, shown.len().saturating_sub(1), page)) {
                open.cursor.selected = *row;
                open.overlay.select(self, *row);
            }
        }
        self.screen.overlays.push(open);
    }

    /// The line that is typed on the overlay on top.
    pub(super) fn overlay_line(&mut self) -> Option<&mut Input> {
        self.screen.overlays.last_mut()?.cursor.line.as_mut()
    }

    /// The line on the overlay was changed: what it shows begins at its first row.
    pub(super) fn overlay_line_changed(&mut self) {
        if let Some(open) = self.screen.overlays.last_mut().filter(|open| open.cursor.line.is_some()) {
            (open.cursor.scroll, open.cursor.selected) = (0, 0);
            let line = open.cursor.line.as_ref().map_or("", |line| &line.text);
            open.overlay.typed(line);
            self.move_in_overlay(Move::First);
        }
    }

    /// Begins to type what rows have to hold.
    pub(super) fn filter_overlay(&mut self) {
        if let Some(open) = self.screen.overlays.last_mut().filter(|open| open.overlay.can_filter()) {
            open.cursor.line = Some(Input::new(Purpose::Filter, "filter", open.cursor.filter.clone()));
        }
    }

    /// Ends the typing of the filter: it stays, or all rows are back.
    pub(super) fn end_filter(&mut self, keep: bool) {
        if let Some(open) = self.screen.overlays.last_mut() {
            let line = open.cursor.line.take();
            open.cursor.filter = line.filter(|_| keep).map(|line| line.text).unwrap_or_default();
        }
    }
}

impl Cx<'_> {
    /// Enter on the selected row of the overlay on top.
    pub fn pick(&mut self) {
        let Some(open) = self.app.top() else { return };
        let shown = open.shown(self.app);
        let row = open.selected(self.app, &shown);
        if matches!(open.overlay.rows(self.app), Rows::Text(_)) || shown.contains(&row) {
            self.pick_row(row);
        } else {
            self.app.log.notice("nothing matches");
        }
    }

    /// Picks a row of the overlay on top.
    pub fn pick_row(&mut self, row: usize) {
        let Some(mut open) = self.app.screen.overlays.pop() else { return };
        let at = self.app.screen.overlays.len();
        match open.overlay.pick(self, row) {
            Picked::Close => open.overlay.closed(self.app),
            Picked::Stay => {
                let at = at.min(self.app.screen.overlays.len());
                self.app.screen.overlays.insert(at, open);
            }
        }
    }
}
