//! The terminal: event loop, panes, overlays, drawing.
