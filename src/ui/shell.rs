//! State, page and theme together: what the event loop updates and draws.

use std::time::Duration;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect, Size};
use ratatui::text::Line;

use super::layout::Layout;
use super::page::PageView;
use super::pane::{self, PANES, Pane, View};
use super::theme::{Ground, Theme};
use super::view::{self, Row, VIEWS};
use super::{mouse, overlay, paint, status};
use crate::app::page::Page;
use crate::app::screen::{MIN_HEIGHT, MIN_WIDTH, PaneId, SizeClass};
use crate::app::{App, Effect, Message};

/// What the event loop updates and draws.
pub struct Shell {
    /// The state.
    pub app: App,
    /// The document as laid out.
    pub page: PageView,
    /// How things look.
    pub theme: Theme,
    pub(super) views: &'static [Row],
    pub(super) panes: &'static [&'static dyn Pane],
    dirty: bool,
}

impl Shell {
    /// A shell around a state.
    pub fn new(mut app: App, theme: Theme) -> Self {
        app.screen.views = view::specs();
        app.screen.panes = pane::specs();
        Self { app, page: PageView::default(), theme, views: &VIEWS, panes: &PANES, dirty: true }
    }

    fn view(&self) -> View<'_> {
        View { app: &self.app, page: &self.page, theme: &self.theme, panes: self.panes }
    }

    /// Takes in a message; gives what is to be done.
    pub fn update(&mut self, now: Duration, mut message: Message) -> Vec<Effect> {
        if let Message::Mouse(event, target) = &mut message {
            let layout = Layout::new(
                Rect::new(0, 0, self.app.screen.size.0, self.app.screen.size.1),
                self.app.screen.focus,
                self.app.screen.panes,
            );
            let view = self.view();
            *target = mouse::target(&view, &layout, event);
        }
        self.dirty = true;
        self.app.screen.at(now);
        if let Message::Resize(width, height) = message {
            self.lay_out(Rect::new(0, 0, width, height), PaneId::DOCUMENT);
        }
        self.app.update(now, message, &mut self.page)
    }

    /// The terminal has said what its ground is.
    pub fn set_ground(&mut self, ground: Ground) {
        self.dirty |= ground != self.theme.ground;
        self.theme = self.theme.on(ground);
    }

    /// Whether the screen is out of date.
    pub fn dirty(&self) -> bool {
        self.dirty
    }

    /// Draws a frame.
    pub fn draw(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        if let Some(caret) = self.render(area, frame.buffer_mut()) {
            frame.set_cursor_position(caret);
        }
    }

    /// Draws into a buffer; gives the cell of the caret.
    pub fn render(&mut self, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        self.dirty = false;
        if SizeClass::of(screen.width, screen.height) == SizeClass::TooSmall {
            let text = format!("window too small, {MIN_WIDTH}x{MIN_HEIGHT} needed");
            paint::line(buf, screen, &Line::raw(text));
            return None;
        }
        let layout = self.lay_out(screen, self.app.screen.focus);
        let view = self.view();
        status::draw_status(&view, layout.status, buf);
        let mut caret = view::draw(self.views, &view, &layout, buf);
        for open in &self.app.screen.overlays {
            caret = overlay::draw(open, &view, layout.body, buf);
        }
        let typed = status::draw_message(&view, layout.message, buf);
        status::draw_hints(&view, layout.hints, buf);
        self.theme.finish(buf);
        typed.or(caret)
    }

    /// Wraps the document for the screen it is on.
    fn lay_out(&mut self, screen: Rect, focus: PaneId) -> Layout {
        let layout = Layout::new(screen, focus, self.app.screen.panes);
        if let Some(area) = layout.pane(PaneId::DOCUMENT) {
            let inner = pane::document::text_area(area);
            self.page.resize(Size::new(inner.width, inner.height));
            self.page.sync(&self.app.document);
        }
        layout
    }
}
