//! Widgets: things that draw themselves from plain values. They know no pane, no app state, no model.

mod bar;
mod glyphs;
mod list;
mod plot;
mod shades;
mod slider;
mod text_view;

pub use bar::{Bar, column};
pub use glyphs::Glyphs;
pub use list::visible_rows;
pub use plot::{Mark, Plot, Series};
pub use shades::Shades;
pub use slider::Slider;
pub use text_view::{Hold, Motion, Spaces, TextChange, TextView};
