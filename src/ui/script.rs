//! The playground without a terminal: a script of keys in, a screen out.
//!
//! A script is text to type, with keys in angle brackets: `Once upon<Ctrl+G><wait 12><Esc>`. Names are those of the key
//! map, with `+` or `-`; a number repeats: `<Down 3>`. `<lt>` types `<`, `<paste TEXT>` pastes, `<size 80x24>` resizes,
//! `<click X,Y>` clicks a cell, `<drag X,Y X,Y>` drags from one to another, `<wheel-up X,Y>` and `<wheel-down X,Y>` turn the
//! wheel over one. `<wait>` waits until the generation is over and `<wait N>` until it has N tokens; `<train N>` waits until the training
//! run has done N steps or is over.

use std::time::{Duration, Instant};

use crokey::OneToThree;
use crossbeam_channel::{Receiver, never, select};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::events::{Executor, Flow, Host, carry_out};
use super::shell::Shell;
use super::terminal::TerminalEvent;
use crate::app::models::Stage;
use crate::app::mouse::Target;
use crate::app::{IoEvent, IoRequest, Message, TerminalRequest, keymap};
use crate::engine::{Command, Event};
use crate::train;

/// One step of a script.
#[derive(Debug, Clone, PartialEq)]
pub enum ScriptStep {
    /// A key.
    Key(KeyEvent),
    /// A paste.
    Paste(String),
    /// The mouse.
    Mouse(MouseEvent),
    /// Another size.
    Size(u16, u16),
    /// Until the generation has so many tokens, or is over.
    Wait(usize),
    /// Until the training run has done so many steps, or is over.
    Train(u64),
}

/// A script that cannot be read or did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// A `<` without its `>`.
    #[error("the script has a `<` without `>`; write <lt> for the character")]
    Unclosed,
    /// A name that is no key.
    #[error("the script has <{0}>, which is no key")]
    UnknownKey(String),
    /// Something took too long.
    #[error("the script waited {0} s for the engine or a download and gave up")]
    Patience(u64),
    /// The screen could not be drawn.
    #[error("the screen could not be drawn: {0}")]
    Draw(String),
}

/// Reads a script.
///
/// # Errors
/// A bracket that is not closed, or a key that does not exist.
pub fn parse(script: &str) -> Result<Vec<ScriptStep>, ScriptError> {
    let mut steps = Vec::new();
    let mut rest = script;
    while let Some(c) = rest.chars().next() {
        if c != '<' {
            let code = if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) };
            steps.push(ScriptStep::Key(KeyEvent::new(code, KeyModifiers::NONE)));
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (inside, after) = rest[1..].split_once('>').ok_or(ScriptError::Unclosed)?;
        steps.extend(special(inside)?);
        rest = after;
    }
    Ok(steps)
}

fn special(inside: &str) -> Result<Vec<ScriptStep>, ScriptError> {
    let unknown = || ScriptError::UnknownKey(inside.to_owned());
    let (name, argument) = inside.split_once(' ').unwrap_or((inside, ""));
    Ok(match name {
        "wait" if argument.is_empty() => vec![ScriptStep::Wait(usize::MAX)],
        "wait" => vec![ScriptStep::Wait(argument.parse().map_err(|_| unknown())?)],
        "train" => vec![ScriptStep::Train(argument.parse().map_err(|_| unknown())?)],
        "paste" => vec![ScriptStep::Paste(argument.to_owned())],
        "click" => [MouseEventKind::Down(MouseButton::Left), MouseEventKind::Up(MouseButton::Left)]
            .into_iter()
            .map(|kind| mouse(kind, argument))
            .collect::<Option<_>>()
            .ok_or_else(unknown)?,
        "drag" => {
            let (from, to) = argument.split_once(' ').ok_or_else(unknown)?;
            let down = mouse(MouseEventKind::Down(MouseButton::Left), from);
            let drag = mouse(MouseEventKind::Drag(MouseButton::Left), to);
            let up = mouse(MouseEventKind::Up(MouseButton::Left), to);
            [down, drag, up].into_iter().collect::<Option<_>>().ok_or_else(unknown)?
        }
        "wheel-up" => vec![mouse(MouseEventKind::ScrollUp, argument).ok_or_else(unknown)?],
        "wheel-down" => vec![mouse(MouseEventKind::ScrollDown, argument).ok_or_else(unknown)?],
        "size" => {
            let (width, height) = argument.split_once('x').ok_or_else(unknown)?;
            vec![ScriptStep::Size(width.parse().map_err(|_| unknown())?, height.parse().map_err(|_| unknown())?)]
        }
        _ => {
            let times = if argument.is_empty() { 1 } else { argument.parse().map_err(|_| unknown())? };
            vec![ScriptStep::Key(key(name).ok_or_else(unknown)?); times]
        }
    })
}

/// A mouse event at a place such as `10,5`.
fn mouse(kind: MouseEventKind, place: &str) -> Option<ScriptStep> {
    let (column, row) = place.split_once(',')?;
    let (column, row) = (column.parse().ok()?, row.parse().ok()?);
    Some(ScriptStep::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
}

/// The key event of a name such as `Ctrl+G`, `F5`, `lt`.
fn key(name: &str) -> Option<KeyEvent> {
    if name == "lt" {
        return Some(KeyEvent::new(KeyCode::Char('<'), KeyModifiers::NONE));
    }
    let name = match name.strip_suffix('+') {
        Some(modifiers) => format!("{}+", modifiers.replace('+', "-")),
        None => name.replace('+', "-"),
    };
    let chord = keymap::parse(&name)?;
    match chord.codes {
        OneToThree::One(code) => Some(KeyEvent::new(code, chord.modifiers)),
        _ => None,
    }
}

/// What time the driver goes by.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// The real one; what is asked of the executor is waited for, at most this long.
    Real(Duration),
    /// This much for each message; only what the executor has answered already is taken in.
    Steps(Duration),
}

/// Drives a shell by scripts, with ratatui's test backend for a terminal.
pub struct Driver<E> {
    /// State, page and theme.
    pub shell: Shell,
    /// What carries out the effects.
    pub executor: E,
    /// Whether the user quit.
    pub ended: bool,
    /// Requests that an answer is still to come for. Each key waits for its answers, so none is overtaken by another.
    asked: usize,
    host: ScriptHost,
    frame: Buffer,
    clock: Clock,
    start: Instant,
    messages: u32,
}

impl<E: Executor> Driver<E> {
    /// A driver whose screen has the given size; the first frame is drawn.
    ///
    /// # Errors
    /// A screen that cannot be drawn.
    pub fn new(shell: Shell, executor: E, size: (u16, u16), clock: Clock) -> Result<Self, ScriptError> {
        let terminal = match ratatui::Terminal::new(TestBackend::new(size.0, size.1)) {
            Ok(terminal) => terminal,
            Err(never) => match never {},
        };
        let host = ScriptHost { terminal, events: never(), copied: None };
        let mut driver = Self {
            shell,
            executor,
            ended: false,
            asked: 0,
            host,
            frame: Buffer::default(),
            clock,
            start: Instant::now(),
            messages: 0,
        };
        driver.send(Message::Resize(size.0, size.1))?;
        driver.settle()?;
        driver.draw();
        Ok(driver)
    }

    /// Runs a script and draws the last frame.
    ///
    /// # Errors
    /// A script that cannot be read, or one that waits for too long.
    pub fn run(&mut self, script: &str) -> Result<(), ScriptError> {
        for step in parse(script)? {
            self.step(step)?;
        }
        self.draw();
        Ok(())
    }

    /// Carries out one step, and what follows from it.
    ///
    /// # Errors
    /// A step that waits for too long.
    pub fn step(&mut self, step: ScriptStep) -> Result<(), ScriptError> {
        match step {
            ScriptStep::Key(key) => self.send(Message::Key(key))?,
            ScriptStep::Mouse(event) => self.send(Message::Mouse(event, Target::Nothing))?,
            ScriptStep::Paste(text) => self.send(Message::Paste(text))?,
            ScriptStep::Size(width, height) => {
                self.host.terminal.backend_mut().resize(width, height);
                self.send(Message::Resize(width, height))?;
            }
            ScriptStep::Wait(tokens) => {
                self.settle()?;
                let has = |driver: &Self| driver.shell.app.runs.current.as_ref().map_or(0, |run| run.steps.len());
                self.wait_while(|driver| driver.shell.app.is_running() && has(driver) < tokens)?;
                // What the model makes of the place after the last token comes right behind it.
                if self.shell.app.is_running() {
                    return Ok(());
                }
            }
            ScriptStep::Train(steps) => {
                self.settle()?;
                return self.wait_while(|driver| {
                    let live = driver.shell.app.train.live();
                    live.is_some_and(|run| run.step() < steps)
                });
            }
        }
        self.settle()
    }

    /// Hands a message to the state and carries out what follows.
    ///
    /// # Errors
    /// A screen that cannot be cleared.
    pub fn send(&mut self, message: Message) -> Result<(), ScriptError> {
        self.messages += 1;
        let now = match self.clock {
            Clock::Real(_) => self.start.elapsed(),
            Clock::Steps(step) => step * self.messages,
        };
        if matches!(&message, Message::Io(event) if event.is_answer()) {
            self.asked = self.asked.saturating_sub(1);
        }
        let mut counted = Counted { executor: &mut self.executor, asked: &mut self.asked };
        let flow = carry_out(now, message, &mut self.shell, &mut self.host, &mut counted);
        self.ended |= flow.map_err(|error| ScriptError::Draw(error.to_string()))? == Flow::Quit;
        Ok(())
    }

    /// Takes in what the executor has said, and draws.
    ///
    /// # Errors
    /// A screen that cannot be cleared.
    pub fn pump(&mut self) -> Result<(), ScriptError> {
        loop {
            if let Ok(event) = self.executor.engine_events().try_recv() {
                self.send(Message::Engine(event))?;
            } else if let Ok(event) = self.executor.train_events().try_recv() {
                self.send(Message::Train(event))?;
            } else if let Ok(event) = self.executor.io_events().try_recv() {
                self.send(Message::Io(event))?;
            } else {
                break;
            }
        }
        self.draw();
        Ok(())
    }

    /// Draws a frame.
    pub fn draw(&mut self) {
        let shell = &mut self.shell;
        match self.host.terminal.draw(|frame| shell.draw(frame)) {
            // The test backend keeps what wide characters cover; the frame itself does not.
            Ok(frame) => self.frame.clone_from(frame.buffer),
            Err(never) => match never {},
        }
    }

    /// The screen as it was drawn last.
    pub fn buffer(&self) -> &Buffer {
        &self.frame
    }

    /// The terminal that is drawn on.
    pub fn backend(&self) -> &TestBackend {
        self.host.terminal.backend()
    }

    /// What was copied last.
    pub fn copied(&self) -> Option<&str> {
        self.host.copied.as_deref()
    }

    /// Waits until nothing but a generation is under way.
    fn settle(&mut self) -> Result<(), ScriptError> {
        self.wait_while(|driver| {
            let app = &driver.shell.app;
            let job = app.models.job.as_ref().is_some_and(|job| !matches!(job.stage, Stage::Asking(_)));
            job || driver.asked > 0 || app.reading.is_busy()
        })
    }

    fn wait_while(&mut self, busy: impl Fn(&Self) -> bool) -> Result<(), ScriptError> {
        self.pump()?;
        let Clock::Real(patience) = self.clock else { return Ok(()) };
        let end = Instant::now() + patience;
        while busy(self) {
            let timeout = crossbeam_channel::at(end);
            let message = select! {
                recv(self.executor.engine_events()) -> event => event.ok().map(Message::Engine),
                recv(self.executor.train_events()) -> event => event.ok().map(Message::Train),
                recv(self.executor.io_events()) -> event => event.ok().map(Message::Io),
                recv(timeout) -> _ => None,
            };
            self.send(message.ok_or(ScriptError::Patience(patience.as_secs()))?)?;
        }
        Ok(())
    }
}

/// An executor whose I/O requests are counted.
struct Counted<'a, E> {
    executor: &'a mut E,
    asked: &'a mut usize,
}

impl<E: Executor> Executor for Counted<'_, E> {
    fn engine(&mut self, command: Command) {
        self.executor.engine(command);
    }

    fn io(&mut self, request: IoRequest) {
        *self.asked += usize::from(request.is_answered());
        self.executor.io(request);
    }

    fn train(&mut self, command: train::Command) {
        self.executor.train(command);
    }

    fn train_events(&self) -> &Receiver<train::Event> {
        self.executor.train_events()
    }

    fn engine_events(&self) -> &Receiver<Event> {
        self.executor.engine_events()
    }

    fn io_events(&self) -> &Receiver<IoEvent> {
        self.executor.io_events()
    }
}

/// A terminal that is only a buffer.
struct ScriptHost {
    terminal: ratatui::Terminal<TestBackend>,
    events: Receiver<TerminalEvent>,
    copied: Option<String>,
}

impl Host for ScriptHost {
    type Backend = TestBackend;

    fn screen(&mut self) -> &mut ratatui::Terminal<Self::Backend> {
        &mut self.terminal
    }

    fn events(&self) -> &Receiver<TerminalEvent> {
        &self.events
    }

    fn run(&mut self, request: TerminalRequest) -> Option<Message> {
        match request {
            TerminalRequest::Copy { text, what } => {
                let said = format!("{what} sent to the terminal's clipboard (OSC 52)");
                self.copied = Some(text);
                Some(Message::Say(Ok(said)))
            }
            TerminalRequest::Edit(_) => Some(Message::Say(Err("a script has no editor".to_owned()))),
            TerminalRequest::Suspend
            | TerminalRequest::Redraw
            | TerminalRequest::Screenshot
            | TerminalRequest::Mouse(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn scripts_are_read() {
        let key = |code, modifiers| ScriptStep::Key(KeyEvent::new(code, modifiers));
        let cases = [
            ("ab", vec![key(KeyCode::Char('a'), KeyModifiers::NONE), key(KeyCode::Char('b'), KeyModifiers::NONE)]),
            ("<Ctrl+G>", vec![key(KeyCode::Char('g'), KeyModifiers::CONTROL)]),
            ("<ctrl-g>", vec![key(KeyCode::Char('g'), KeyModifiers::CONTROL)]),
            ("<Down 2>", vec![key(KeyCode::Down, KeyModifiers::NONE); 2]),
            ("<Shift+Tab>", vec![key(KeyCode::BackTab, KeyModifiers::SHIFT)]),
            ("<lt>", vec![key(KeyCode::Char('<'), KeyModifiers::NONE)]),
            ("<paste a b>", vec![ScriptStep::Paste("a b".to_owned())]),
            ("<size 80x24>", vec![ScriptStep::Size(80, 24)]),
            ("<wait 3>", vec![ScriptStep::Wait(3)]),
            ("<train 20>", vec![ScriptStep::Train(20)]),
            ("<wait>", vec![ScriptStep::Wait(usize::MAX)]),
        ];
        for (script, steps) in cases {
            assert_eq!(parse(script), Ok(steps), "{script}");
        }
        for script in ["<", "a<b", "<nokey>", "<Down x>", "<size 80>", "<click 1>", "<drag 1,1>", "<wheel-up x,1>"] {
            assert!(parse(script).is_err(), "{script}");
        }
    }
}
