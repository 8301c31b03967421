//! What fits on a screen of a given size, and the panes and overlays that share it. Sizes in cells.

use std::time::Duration;

use super::input::Input;
use super::overlay::Open;
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

    /// Whether a pane has a place of its own, so that Tab reaches it.
    pub fn holds(self, pane: PaneId) -> bool {
        self != Self::Stacked || pane != PaneId::Shots
    }
}

/// The panes, in the order of Tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaneId {
    /// The one buffer of prompt and output.
    Document,
    /// The few-shot task: examples, query, instruction.
    Shots,
    /// The candidates of a step.
    Next,
    /// Sampling parameters and their order.
    Sampling,
}

impl PaneId {
    /// All panes in the order of Tab.
    pub const ALL: [Self; 4] = [Self::Document, Self::Shots, Self::Next, Self::Sampling];

    /// The name on tabs and in help.
    pub fn name(self) -> &'static str {
        match self {
            Self::Document => "Document",
            Self::Shots => "Few-shot",
            Self::Next => "Next token",
            Self::Sampling => "Sampling",
        }
    }

    /// The pane `steps` further in the order of Tab among those that have a place on the screen.
    pub fn step(self, steps: isize, class: SizeClass) -> Self {
        let places: Vec<Self> = Self::ALL.into_iter().filter(|pane| class.holds(*pane)).collect();
        let here = places.iter().position(|pane| *pane == self).unwrap_or(0);
        let there = (here as isize + steps).rem_euclid(places.len().max(1) as isize);
        places.get(there as usize).copied().unwrap_or(self)
    }
}

/// The views of a state that no screen has furnished with all of them.
static VIEWS: [&ViewSpec; 2] = [&PLAYGROUND, &TRAIN];

/// What is in front of the user.
#[derive(Debug)]
pub struct Screen {
    /// What fills the screen.
    pub view: &'static ViewSpec,
    /// All views there are.
    pub views: &'static [&'static ViewSpec],
    /// What views keep for themselves.
    pub states: States,
    /// The pane that has the keys where no overlay has them.
    pub focus: PaneId,
    /// The overlays, the topmost last.
    pub overlays: Vec<Open>,
    /// The line being typed.
    pub input: Option<Input>,
    /// Whether the mouse is ours.
    pub mouse: bool,
    /// The sampling row whose slider is held by the mouse.
    pub dragged: Option<usize>,
    /// Its size in cells.
    pub size: (u16, u16),
    /// Time since the start.
    pub now: Duration,
    /// The next quit is meant.
    pub(super) quit_armed: bool,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            view: &PLAYGROUND,
            views: &VIEWS,
            states: States::default(),
            focus: PaneId::Document,
            overlays: Vec::new(),
            input: None,
            mouse: false,
            dragged: None,
            size: (0, 0),
            now: Duration::ZERO,
            quit_armed: false,
        }
    }
}
