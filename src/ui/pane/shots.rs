//! tmp
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use super::{Pane, View};
use crate::app::Scope;
/// The few-shot pane.
pub struct ShotsPane;
impl Pane for ShotsPane {
    fn title(&self, _view: &View<'_>) -> Line<'static> { Line::from("Few-shot") }
    fn scope(&self) -> Scope { Scope::Shots }
    fn draw(&self, _view: &View<'_>, _area: Rect, _buf: &mut Buffer) -> Option<Position> { None }
}
