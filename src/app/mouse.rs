//! What the mouse does: a click focuses, the wheel scrolls what is under it, a drag sets a slider.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::App;
use super::command::Cx;
pub use super::effect::Target;
use super::effect::{Effect, TerminalRequest};
use super::log::Level;
use super::overlay::{Move, Rows};
use super::sampler::{Row, Sampler};
use super::screen::{PaneId, WHEEL};

impl App {
    pub(super) fn toggle_mouse(&mut self) {
        self.screen.mouse = !self.screen.mouse;
        self.outbox.push(Effect::Terminal(TerminalRequest::Mouse(self.screen.mouse)));
        let text = match self.screen.mouse {
            true => "the mouse is on: click, wheel, sliders; Shift+drag selects as the terminal does",
            false => "the mouse is off: it is the terminal's own",
        };
        self.log.say(Level::Notice, text);
    }

    fn point_at_row(&mut self, row: usize, share: Option<f64>) {
        self.sampler.selected = row;
        let spec = match self.sampler.row() {
            Row::Param(spec) => spec,
            Row::Stop | Row::Bias => return,
        };
        if let Some(value) = share.and_then(|share| spec.at_position(share)) {
            self.sampler.put(spec, value);
        }
    }
}

impl Cx<'_> {
    pub(super) fn mouse(&mut self, event: MouseEvent, target: Target) {
        match event.kind {
            MouseEventKind::Down(MouseButton::Left) => self.click(target),
            MouseEventKind::Drag(MouseButton::Left) => {
                match (self.app.screen.dragged, target) {
                    (Some(_), Target::Sampling(row, share)) => self.app.point_at_row(row, share),
                    // A drag along the chart walks through its tokens.
                    (None, Target::Token(token)) => self.look_at(Some(token)),
                    _ => {}
                }
            }
            MouseEventKind::Up(_) => self.app.screen.dragged = None,
            MouseEventKind::ScrollUp => self.wheel(target, -1),
            MouseEventKind::ScrollDown => self.wheel(target, 1),
            _ => {}
        }
    }

    fn click(&mut self, target: Target) {
        self.app.log.key_pressed();
        match target {
            Target::Nothing | Target::Layer | Target::View => {}
            Target::Pane(pane) => self.app.focus_pane(pane),
            Target::Token(token) => self.look_at(Some(token)),
            // While tokens are walked, a click on one looks at it.
            Target::Text(at) if self.app.token.at.is_some() => {
                self.app.focus_pane(PaneId::DOCUMENT);
                self.look_at(self.app.document.token_at(at).map(|(token, _)| token));
            }
            Target::Text(at) => {
                self.app.focus_pane(PaneId::DOCUMENT);
                if self.app.runs.current.as_ref().is_none_or(|run| !run.takes_steps()) {
                    self.app.document.seal();
                }
                self.page.set_caret(&self.app.document, at);
            }
            Target::Sampling(row, share) if row < Sampler::rows().count() => {
                self.app.focus_pane(PaneId::SAMPLING);
                self.app.screen.dragged = share.map(|_| row);
                self.app.point_at_row(row, share);
            }
            Target::Sampling(..) => self.app.focus_pane(PaneId::SAMPLING),
        }
    }

    fn wheel_pane(&mut self, pane: PaneId, rows: isize) {
        if let Some(pane) = self.app.screen.pane(pane) {
            (pane.wheel)(self, rows);
        }
    }

    fn wheel(&mut self, target: Target, rows: isize) {
        match target {
            Target::Nothing => {}
            Target::View => (self.app.screen.view.step)(self.app, rows),
            Target::Text(_) => self.wheel_pane(PaneId::DOCUMENT, rows),
            Target::Token(_) => self.wheel_pane(PaneId::NEXT, rows),
            Target::Sampling(..) => self.wheel_pane(PaneId::SAMPLING, rows),
            Target::Pane(pane) => self.wheel_pane(pane, rows),
            Target::Layer => {
                // A text goes by lines, as the document does; a list by rows.
                let text = self.app.top().is_some_and(|open| matches!(open.overlay.rows(self.app), Rows::Text(_)));
                self.app.move_in_overlay(Move::Rows(if text { WHEEL * rows } else { rows }));
            }
        }
    }
}
