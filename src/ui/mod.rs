//! The terminal: event loop, panes, overlays, drawing.

pub mod svg;
pub mod terminal;
pub mod widget;
