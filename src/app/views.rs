//! Views: what fills the screen between the status line and the hints. Each is a [`ViewSpec`], a row of the table of views
//! that the screen is furnished with (`ui/view.rs`); nothing else matches on a view.

use std::any::{Any, TypeId};
use std::collections::HashMap;

use super::command::{CommandSpec, Cx, Scope};
use super::{App, Message};

/// A row of the table of views: what the program's state has to know of one. How it is drawn, the screen knows.
#[derive(Debug, Clone, Copy)]
pub struct ViewSpec {
    /// Its name, unique.
    pub id: &'static str,
    /// Its name on the status line.
    pub title: &'static str,
    /// Its own commands: how it is opened, and what its keys do. They stand beside those of the command table.
    pub commands: &'static [CommandSpec],
    /// Whose keys count in it, where no overlay and no line has them.
    pub scope: fn(&App) -> Scope,
    /// Whether its panes take the focus.
    pub has_panes: bool,
    /// What Tab and Shift+Tab do, and the wheel where it has no panes.
    pub step: fn(&mut App, isize),
    /// Whether its figures change with the time alone.
    pub animates: fn(&App) -> bool,
    /// Looks at a message before the state takes it in, whether the view is shown or not.
    pub on_message: fn(&mut App, &Message),
    /// What it says where there is no screen (`--plain`), a line each.
    pub plain: fn(&App) -> Vec<String>,
}

impl ViewSpec {
    /// A view without panes that waits for keys of one scope; other fields are set beside it.
    pub const fn new(id: &'static str, title: &'static str, scope: fn(&App) -> Scope) -> Self {
        Self {
            id,
            title,
            commands: &[],
            scope,
            has_panes: false,
            step: |_, _| {},
            animates: |_| false,
            on_message: |_, _| {},
            plain: |_| Vec::new(),
        }
    }
}

impl PartialEq for ViewSpec {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for ViewSpec {}

/// The document with its panes: where the program starts.
pub static PLAYGROUND: ViewSpec = ViewSpec {
    has_panes: true,
    step: |app, steps| app.screen.focus = app.screen.pane_after(steps),
    ..ViewSpec::new("playground", "Playground", |app| {
        app.screen.pane(app.screen.focus).map_or(Scope::DOCUMENT, |pane| (pane.scope)(app))
    })
};

/// States of views, each of its own type, made when it is first wanted.
#[derive(Debug, Default)]
pub struct States(HashMap<TypeId, Box<dyn Any>>);

impl States {
    /// The state of that type, if it was ever wanted.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// The state of that type.
    pub fn of<T: Any + Default>(&mut self) -> &mut T {
        let state = self.0.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(T::default()));
        match state.downcast_mut() {
            Some(state) => state,
            None => unreachable!("the key is the type"),
        }
    }
}

impl App {
    /// Shows a view; where it is shown already, the playground. Overlays and the line being typed go.
    pub fn toggle_view(&mut self, view: &'static ViewSpec) {
        let next = if *self.screen.view == *view { &PLAYGROUND } else { view };
        self.close_all();
        *self.screen.input = None;
        self.screen.view = next;
    }

    /// Whether the playground is shown, under whatever overlays.
    pub fn in_playground(&self) -> bool {
        *self.screen.view == PLAYGROUND
    }

    /// Hands a message to each view before the state takes it in.
    pub(super) fn tell_views(&mut self, message: &Message) {
        for view in self.screen.views {
            (view.on_message)(self, message);
        }
    }
}

impl Cx<'_> {
    /// Shows the playground.
    pub fn leave_view(&mut self) {
        self.app.screen.view = &PLAYGROUND;
    }
}
