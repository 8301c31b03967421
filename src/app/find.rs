//! Searching in the document: a line that is typed, the places that match it, and the one that is selected.

use std::ops::Range;

use super::App;
use super::command::Cx;
use super::input::{Input, Purpose};
use crate::text::figures;
use crate::text::find::{self, Found};

/// A search. The text is gone through once for each query and each change of the text, never for a frame.
#[derive(Debug, Clone, Default)]
pub struct Find {
    /// The query that `found` belongs to.
    query: Option<String>,
    found: Found,
    current: Option<usize>,
    /// Where the caret was before.
    origin: usize,
    /// The last query that was typed.
    last: String,
}

impl Find {
    /// The places that match, in order.
    pub fn places(&self) -> &[Range<usize>] {
        &self.found.places
    }

    fn label(&self) -> String {
        let more = if self.found.more { "+" } else { "" };
        match self.current {
            Some(at) => {
                let (at, all) = (figures::grouped(at + 1), figures::grouped(self.found.places.len()));
                format!("find, {at} of {all}{more}")
            }
            None => "find".to_owned(),
        }
    }
}

impl Cx<'_> {
    /// Opens the line to search with.
    pub fn find(&mut self) {
        let origin = self.page.selection().map_or(self.page.caret(), |selected| selected.start);
        self.app.editing.find =
            Find { origin, last: std::mem::take(&mut self.app.editing.find.last), ..Find::default() };
        self.app.ask(Input::new(Purpose::Find, "find", ""));
    }

    /// Goes on to another place, around the ends of the text. Without a query: the last one again.
    pub fn find_step(&mut self, steps: isize) {
        let Some(input) = self.app.screen.input.as_mut() else { return };
        if input.text.is_empty() {
            input.insert(&self.app.editing.find.last);
            return;
        }
        let find = &mut self.app.editing.find;
        let len = find.found.places.len();
        if let (Some(at), true) = (find.current, len > 0) {
            let to = (at as isize + steps).rem_euclid(len as isize) as usize;
            self.find_at(Some(to));
        }
    }

    /// Ends the search and goes back to where it began.
    pub fn find_leave(&mut self) {
        let origin = self.app.editing.find.origin;
        self.app.input_cancel();
        self.page.set_caret(&self.app.document, origin);
    }

    /// Searches for the query as it is now in the text as it is now.
    pub(super) fn search(&mut self) {
        let Some(input) = self.app.screen.input.unreported().as_mut().filter(|input| input.purpose == Purpose::Find)
        else {
            if self.app.editing.find.query.take().is_some() {
                (self.app.editing.find.found, self.app.editing.find.current) = (Found::default(), None);
            }
            return;
        };
        let find = &mut self.app.editing.find;
        let typed = find.query.as_ref() != Some(&input.text);
        let before = find.current.and_then(|at| find.found.places.get(at)).map(|place| place.start);
        // Where the text went on under the search, the match that is selected stays so.
        let from = if typed { find.origin } else { before.unwrap_or(find.origin) };
        find.query = Some(input.text.clone());
        find.found = find::find(self.app.document.bytes(), &input.text).unwrap_or_else(|error| {
            input.error = Some(error);
            Found::default()
        });
        if !input.text.is_empty() {
            find.last.clone_from(&input.text);
            if find.found.places.is_empty() && input.error.is_none() {
                input.error = Some("not found".to_owned());
            }
        }
        let next = find.found.places.partition_point(|place| place.start < from);
        let at = if next < find.found.places.len() { next } else { 0 };
        let current = find.found.places.get(at).map(|_| at);
        self.find_at(current);
    }

    /// Selects a place; `None`: there is none, so the caret goes back.
    fn find_at(&mut self, at: Option<usize>) {
        self.app.editing.find.current = at;
        match at.and_then(|at| self.app.editing.find.found.places.get(at)).cloned() {
            Some(place) => self.page.select(&self.app.document, place),
            None => self.page.set_caret(&self.app.document, self.app.editing.find.origin),
        }
        if let Some(input) = self.app.screen.input.unreported() {
            input.label = self.app.editing.find.label();
        }
    }
}

impl App {
    /// Whether a search is open.
    pub fn is_searching(&self) -> bool {
        self.screen.input.as_ref().is_some_and(|input| input.purpose == Purpose::Find)
    }
}
