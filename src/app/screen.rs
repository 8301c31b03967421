//! What fits on a screen of a given size, and the panes and overlays that share it. Sizes in cells.

use std::time::Duration;

use super::App;
use super::change::Watched;
use super::command::{Cx, Scope};
use super::input::Input;
use super::overlay::Open;
use super::shots::ShotsOverlay;
use super::train::TRAIN;
use super::views::{PLAYGROUND, States, ViewSpec};

/// The smallest screen that is drawn.
pub const MIN_WIDTH: u16 = 60;
/// The smallest screen that is drawn.
pub const MIN_HEIGHT: u16 = 16;

/// How the panes share the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SizeClass {
    /// One line says what size is needed.
    TooSmall,
    /// One pane at a time, with a tab strip.
    Single,
    /// The document on top, next token and sampling below; few-shot as an overlay.
    Stacked,
    /// Three columns.
    Columns,
}

impl SizeClass {
    /// The class of a screen.
    pub fn of(width: u16, height: u16) -> Self {
        match (width, height) {
            (..MIN_WIDTH, _) | (_, ..MIN_HEIGHT) => Self::TooSmall,
            (110.., _) => Self::Columns,
            (80.., 22..) => Self::Stacked,
            _ => Self::Single,
        }
    }
}

/// Names a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PaneId(pub &'static str);

impl PaneId {
    /// The one buffer of prompt and output.
    pub const DOCUMENT: Self = Self("Document");
    /// The few-shot task: examples, query, instruction.
    pub const SHOTS: Self = Self("Few-shot");
    /// The candidates of a step.
    pub const NEXT: Self = Self("Next token");
    /// Sampling parameters and their order.
    pub const SAMPLING: Self = Self("Sampling");

    /// The name on tabs and in help.
    pub fn name(self) -> &'static str {
        self.0
    }
}

/// The column that a pane stands in where the screen is wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Beside the document, on its left.
    Left,
    /// In the middle, with what the others leave.
    Main,
    /// On its right.
    Right,
}

/// A row of the table of panes: what the state and the layout have to know of one. How it is drawn, the screen knows.
#[derive(Debug, Clone, Copy)]
pub struct PaneSpec {
    /// Its name.
    pub id: PaneId,
    /// Whose keys count in it.
    pub scope: fn(&App) -> Scope,
    /// What the wheel does over it.
    pub wheel: fn(&mut Cx<'_>, isize),
    /// Its column.
    pub column: Column,
    /// Rows it needs where it shares a column, its border included; `None`: what is left.
    pub rows: Option<u16>,
    /// Whether it has a place of its own where the screen has one column ([`SizeClass::Stacked`]); else it opens as an
    /// overlay.
    pub stacked: bool,
    /// Opens it as an overlay.
    pub as_overlay: fn(&mut App),
}

impl PaneSpec {
    /// Whether it has a place of its own in a class, so that Tab reaches it.
    pub fn has_place(&self, class: SizeClass) -> bool {
        class != SizeClass::Stacked || self.stacked
    }
}

/// Rows of text for one click of the wheel.
pub(super) const WHEEL: isize = 3;

/// The panes of the playground, in the order of Tab.
pub static PANES: [PaneSpec; 4] = [
    PaneSpec {
        id: PaneId::DOCUMENT,
        scope: |app| if app.token.at.is_some() { Scope::NEXT } else { Scope::DOCUMENT },
        wheel: |cx, rows| cx.page.scroll(&cx.app.document, WHEEL * rows),
        column: Column::Main,
        rows: None,
        stacked: true,
        as_overlay: |_| {},
    },
    PaneSpec {
        id: PaneId::SHOTS,
        scope: |_| Scope::SHOTS,
        wheel: |cx, rows| cx.app.shots_select(rows),
        column: Column::Left,
        rows: None,
        stacked: false,
        as_overlay: |app| app.toggle(ShotsOverlay),
    },
    PaneSpec {
        id: PaneId::NEXT,
        scope: |_| Scope::NEXT,
        wheel: |cx, rows| cx.app.candidate_select(rows),
        column: Column::Right,
        rows: None,
        stacked: true,
        as_overlay: |_| {},
    },
    PaneSpec {
        id: PaneId::SAMPLING,
        scope: |_| Scope::SAMPLING,
        wheel: |cx, rows| cx.app.sampler.select(rows),
        column: Column::Right,
        // Its rows, the order of the stages, the border.
        rows: Some(19),
        stacked: true,
        as_overlay: |_| {},
    },
];

impl Screen {
    /// It is `now`, since the start.
    pub fn at(&mut self, now: Duration) {
        self.clock_moved |= self.now != now;
        self.now = now;
    }

    /// Whether the time has changed since this was called last.
    pub(super) fn take_clock_moved(&mut self) -> bool {
        std::mem::take(&mut self.clock_moved)
    }

    /// The row of a pane.
    pub fn pane(&self, id: PaneId) -> Option<&'static PaneSpec> {
        self.panes.iter().copied().find(|pane| pane.id == id)
    }

    /// The pane `steps` further in the order of Tab among those that have a place on the screen.
    pub(super) fn pane_after(&self, steps: isize) -> PaneId {
        let class = SizeClass::of(self.size.0, self.size.1);
        let places: Vec<PaneId> = self.panes.iter().filter(|pane| pane.has_place(class)).map(|pane| pane.id).collect();
        let here = places.iter().position(|pane| *pane == self.focus).unwrap_or(0);
        let there = (here as isize + steps).rem_euclid(places.len().max(1) as isize);
        places.get(there as usize).copied().unwrap_or(self.focus)
    }
}

/// The views of a state that no screen has furnished with all of them.
static VIEWS: [&ViewSpec; 2] = [&PLAYGROUND, &TRAIN];

/// The panes of such a state.
static PANE_REFS: [&PaneSpec; 4] = [&PANES[0], &PANES[1], &PANES[2], &PANES[3]];

/// What is in front of the user.
#[derive(Debug)]
pub struct Screen {
    /// What fills the screen.
    pub view: &'static ViewSpec,
    /// All views there are.
    pub views: &'static [&'static ViewSpec],
    /// What views keep for themselves.
    pub states: States,
    /// All panes there are, in the order of Tab.
    pub panes: &'static [&'static PaneSpec],
    /// The pane that has the keys where no overlay has them.
    pub focus: PaneId,
    /// The overlays, the topmost last.
    pub overlays: Vec<Open>,
    /// The line being typed.
    pub input: Watched<Option<Input>>,
    /// Whether the mouse is ours.
    pub mouse: bool,
    /// The sampling row whose slider is held by the mouse.
    pub dragged: Option<usize>,
    /// Its size in cells.
    pub size: (u16, u16),
    /// Time since the start.
    pub now: Duration,
    clock_moved: bool,
    /// The next quit is meant.
    pub(super) quit_armed: bool,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            view: &PLAYGROUND,
            views: &VIEWS,
            states: States::default(),
            panes: &PANE_REFS,
            focus: PaneId::DOCUMENT,
            overlays: Vec::new(),
            input: Watched::default(),
            mouse: false,
            dragged: None,
            size: (0, 0),
            now: Duration::ZERO,
            clock_moved: true,
            quit_armed: false,
        }
    }
}
