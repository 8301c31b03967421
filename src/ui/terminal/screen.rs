//! What ratatui draws on.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

use super::{modes, sixteen};

/// Around a frame: terminals that know synchronised output show it at once, the others ignore it.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// Holds what is drawn until the frame is whole.
#[derive(Debug, Default, Clone)]
struct Frame(Rc<RefCell<Vec<u8>>>);

impl Write for Frame {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Nothing: ratatui's backend flushes after each movement of the cursor, which would tear frames.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// ratatui's crossterm backend with three differences: a frame goes out as one write, the sixteen colours in the form that
/// terminals with only those read, and the terminal is never asked where the cursor is. (Asking blocks, and races with the
/// thread that reads keys; ratatui does so in `Terminal::clear`.)
#[derive(Debug)]
pub struct ScreenBackend {
    inner: CrosstermBackend<Frame>,
    frame: Frame,
    cursor: Position,
}

impl ScreenBackend {
    pub(super) fn new() -> Self {
        let frame = Frame::default();
        Self { inner: CrosstermBackend::new(frame.clone()), frame, cursor: Position::ORIGIN }
    }
}

impl Backend for ScreenBackend {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.inner.draw(content)
    }

    fn append_lines(&mut self, n: u16) -> io::Result<()> {
        self.inner.append_lines(n)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        self.inner.set_cursor_position(self.cursor)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.inner.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        let frame = self.frame.0.take();
        if frame.is_empty() {
            return Ok(());
        }
        modes::write_frame(&[BEGIN, &sixteen::plainly(&frame), END].concat())
    }
}
