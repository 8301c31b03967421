//! What it costs to add a view, a pane, an overlay and a command: a file and a row each. All four stand whole in this file;
//! what else there is of them are the rows that `shell` puts into the tables. (An engine: `tests/support/limited.rs`.)
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use super::layout::Layout;
use super::paint;
use super::pane::{Pane, View, document};
use super::shell::Shell;
use super::theme::{Palette, Theme};
use super::view::{Row, commands};
use super::widget::Glyphs;
use crate::app::log::Level;
use crate::app::overlay::{Item, Overlay, Picked, Rows};
use crate::app::sampler::Sampler;
use crate::app::screen::{Column, PaneId, PaneSpec};
use crate::app::views::{PLAYGROUND, ViewSpec};
use crate::app::{App, CommandId, CommandSpec, Cx, KeyMap, Message, Scope};
use crate::prompt::Library;
use crate::sampling::Settings;

const NOTES: Scope = Scope::keys("notes", "Notes");
const CLOCK: Scope = Scope::keys("clock", "Clock");

/// An overlay with its state: a list of which rows can be picked.
#[derive(Debug, Default)]
struct Notes {
    picked: usize,
}

impl Overlay for Notes {
    fn scope(&self) -> Scope {
        NOTES
    }

    fn title(&self, _: &App) -> String {
        "Notes".to_owned()
    }

    fn rows(&self, _: &App) -> Rows {
        Rows::Choice((1..=3).map(|number| Item::new(format!("note {number}"), "a line about it")).collect())
    }

    fn pick(&mut self, cx: &mut Cx<'_>, row: usize) -> Picked {
        self.picked += 1;
        cx.app.log.say(Level::Notice, format!("note {} is picked, {} in all", row + 1, self.picked));
        Picked::Stay
    }
}

/// The commands: one opens the overlay from everywhere, one picks in it, one shows the view.
static COMMANDS: [CommandSpec; 3] = [
    CommandSpec {
        anywhere: true,
        ..CommandSpec::new(CommandId("notes"), Scope::GLOBAL, &["alt-9"], "notes", "show the notes", |cx| {
            cx.app.toggle(Notes::default());
        })
    },
    CommandSpec::new(CommandId("note-pick"), NOTES, &["enter"], "pick", "pick this note", |cx| cx.pick()),
    CommandSpec {
        anywhere: true,
        ..CommandSpec::new(CommandId("clock"), Scope::GLOBAL, &["alt-8"], "clock", "show the clock", |cx| {
            cx.app.toggle_view(&CLOCK_VIEW);
        })
    },
];

/// A view with its state: how often the time has passed.
#[derive(Debug, Default)]
struct Ticks(usize);

static CLOCK_VIEW: ViewSpec = ViewSpec {
    on_message: |app, message| app.screen.states.of::<Ticks>().0 += usize::from(matches!(message, Message::Tick)),
    ..ViewSpec::new("clock", "Clock", |_| CLOCK)
};

fn draw_clock(view: &View<'_>, layout: &Layout, buf: &mut Buffer) -> Option<Position> {
    let ticks = view.app.screen.states.get::<Ticks>().map_or(0, |ticks| ticks.0);
    paint::line(buf, layout.body, &Line::raw(format!("{ticks} ticks")));
    None
}

/// A pane on the right.
struct Length;

static LENGTH: PaneSpec = PaneSpec {
    id: PaneId("Length"),
    scope: |_| Scope::DOCUMENT,
    wheel: |_, _| {},
    column: Column::Right,
    rows: None,
    stacked: true,
    as_overlay: |_| {},
};

impl Pane for Length {
    fn spec(&self) -> &'static PaneSpec {
        &LENGTH
    }

    fn title(&self, _: &View<'_>, _: usize) -> Line<'static> {
        Line::raw("Length")
    }

    fn draw(&self, view: &View<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        paint::line(buf, area, &Line::raw(format!("{} bytes", view.app.document.bytes().len())));
        None
    }
}

/// A shell with the rows of the additions in its tables, and no others but the document and the playground.
fn shell() -> Shell {
    static VIEWS: [Row; 2] =
        [Row { spec: &PLAYGROUND, draw: super::view::playground }, Row { spec: &CLOCK_VIEW, draw: draw_clock }];
    static PANES: [&dyn Pane; 2] = [&document::DocumentPane, &Length];
    static VIEW_SPECS: [&ViewSpec; 2] = [&PLAYGROUND, &CLOCK_VIEW];
    static PANE_SPECS: [&PaneSpec; 2] = [&crate::app::screen::PANES[0], &LENGTH];
    let app = App::new(Library::load(None), Sampler::new(Settings::default(), Vec::new())).unwrap();
    let mut shell = Shell::new(app, Theme::new(Palette::Plain, Glyphs::ASCII));
    (shell.views, shell.panes) = (&VIEWS, &PANES);
    shell.app.screen.views = &VIEW_SPECS;
    shell.app.screen.panes = &PANE_SPECS;
    shell.app.keymap = KeyMap::new(commands().chain(&COMMANDS)).unwrap();
    shell.update(Duration::ZERO, Message::Resize(120, 36));
    shell
}

fn press(shell: &mut Shell, code: KeyCode, modifiers: KeyModifiers) {
    shell.update(Duration::ZERO, Message::Key(KeyEvent::new(code, modifiers)));
}

fn screen(shell: &mut Shell) -> String {
    let area = Rect::new(0, 0, 120, 36);
    let mut buf = Buffer::empty(area);
    shell.render(area, &mut buf);
    area.rows().map(|row| row.columns().map(|cell| buf[(cell.x, cell.y)].symbol()).collect::<String>() + "\n").collect()
}

#[test]
fn a_pane_is_a_file_and_a_row() {
    let mut shell = shell();
    shell.update(Duration::ZERO, Message::Paste("four".to_owned()));
    let shown = screen(&mut shell);
    assert!(shown.contains(" Length ") && shown.contains("4 bytes") && shown.contains("four"), "{shown}");
    press(&mut shell, KeyCode::Tab, KeyModifiers::NONE);
    assert_eq!(shell.app.screen.focus, LENGTH.id, "Tab reaches it");
}

#[test]
fn a_view_is_a_file_and_a_row() {
    let mut shell = shell();
    shell.update(Duration::ZERO, Message::Tick);
    shell.update(Duration::ZERO, Message::Tick);
    press(&mut shell, KeyCode::Char('8'), KeyModifiers::ALT);
    let shown = screen(&mut shell);
    assert!(shown.contains("2 ticks") && shown.contains("Clock"), "{shown}");
    press(&mut shell, KeyCode::Char('8'), KeyModifiers::ALT);
    assert!(!screen(&mut shell).contains("2 ticks"));
}

#[test]
fn an_overlay_and_a_command_are_a_file_and_a_row() {
    let mut shell = shell();
    press(&mut shell, KeyCode::Char('9'), KeyModifiers::ALT);
    let shown = screen(&mut shell);
    assert!(shown.contains(" Notes ") && shown.contains("note 3"), "{shown}");
    press(&mut shell, KeyCode::Down, KeyModifiers::NONE);
    press(&mut shell, KeyCode::Enter, KeyModifiers::NONE);
    press(&mut shell, KeyCode::End, KeyModifiers::NONE);
    press(&mut shell, KeyCode::Enter, KeyModifiers::NONE);
    let said = shell.app.log.current().map(|entry| entry.text.clone());
    assert_eq!(said.as_deref(), Some("note 3 is picked, 2 in all"), "selection and state are its own");
    press(&mut shell, KeyCode::Esc, KeyModifiers::NONE);
    assert!(!screen(&mut shell).contains("note 3"));
}
