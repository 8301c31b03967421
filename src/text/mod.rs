//! Local stand-in, not committed.
mod cells;
pub mod sanitise;
pub use cells::{Cell, CellKind, TAB_WIDTH, cells};
