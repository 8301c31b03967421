//! The event loop: waits for whatever comes first, takes in all that is there, draws at most 60 times a second.

use std::io;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never, select};
use crossterm::event::{Event as Input, KeyEventKind, MouseEventKind};
use ratatui::backend::Backend;
use ratatui::buffer::Buffer;

use super::shell::Shell;
use super::svg::{SvgTheme, to_svg};
use super::terminal::{Signal, TerminalEvent};
use super::theme::Ground;
use crate::app::mouse::Target;
use crate::app::{Effect, IoEvent, IoRequest, Message, TerminalRequest};
use crate::engine::{Command, Event};
use crate::train;

/// The least time between two frames.
pub const FRAME: Duration = Duration::from_micros(16_666);
/// How often figures that change with the time alone are drawn anew.
const TICK: Duration = Duration::from_millis(250);
/// The most messages taken in between two looks at the frame clock.
const BATCH: usize = 4096;

/// Where frames go, and where keys come from.
pub trait Host {
    /// ratatui's side of it.
    type Backend: Backend;
    /// What is drawn on.
    fn screen(&mut self) -> &mut ratatui::Terminal<Self::Backend>;
    /// Keys, sizes, signals.
    fn events(&self) -> &Receiver<TerminalEvent>;
    /// Carries out what only the terminal can do; says what came of it.
    fn run(&mut self, request: TerminalRequest) -> Option<Message>;
}

/// Carries out what is done outside the UI thread.
pub trait Executor {
    /// Hands a command to the engine.
    fn engine(&mut self, command: Command);
    /// Starts an I/O job.
    fn io(&mut self, request: IoRequest);
    /// What the engine says.
    fn engine_events(&self) -> &Receiver<Event>;
    /// Hands a command to the training thread.
    fn train(&mut self, command: train::Command);
    /// What the training thread says.
    fn train_events(&self) -> &Receiver<train::Event>;
    /// What the I/O jobs say.
    fn io_events(&self) -> &Receiver<IoEvent>;
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The user quit.
    Quit,
    /// The process was asked to end.
    Signal(Signal),
}

/// Runs until the user quits.
///
/// # Errors
/// A terminal that cannot be drawn on or read.
pub fn run<H: Host>(shell: &mut Shell, host: &mut H, executor: &mut dyn Executor) -> anyhow::Result<Exit>
where
    <H::Backend as Backend>::Error: Send + Sync + 'static,
{
    let start = Instant::now();
    let size = host.screen().size()?;
    let mut waiting = vec![Happening::Message(Message::Resize(size.width, size.height))];
    let mut next_frame = start;
    loop {
        let mut end = None;
        for happening in waiting.drain(..) {
            let message = match happening {
                Happening::Message(message) => message,
                Happening::Ground(ground) => {
                    shell.set_ground(ground);
                    continue;
                }
                // Keys that were read before a terminal was closed may come after the news that it was.
                Happening::End(signal) => {
                    end = Some(signal);
                    continue;
                }
                Happening::Failed(_) if end.is_some() => continue,
                Happening::Failed(error) => return Err(error.into()),
            };
            if matches!(message, Message::Resize(..)) {
                // A window that was made smaller and larger again between two frames has lost what it cut off.
                host.screen().clear()?;
            }
            if carry_out(start.elapsed(), message, shell, host, executor)? == Flow::Quit {
                return Ok(Exit::Quit);
            }
        }
        if let Some(signal) = end {
            return Ok(Exit::Signal(signal));
        }
        let now = Instant::now();
        if shell.dirty() && now >= next_frame {
            host.screen().draw(|frame| shell.draw(frame))?;
            next_frame = now + FRAME;
        }
        let wait = if shell.dirty() {
            Some(next_frame.saturating_duration_since(Instant::now()))
        } else {
            shell.app.animates().then_some(TICK)
        };
        waiting = receive(wait, host.events(), executor);
    }
}

/// Whether the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    On,
    Quit,
}

/// Takes in one message and carries out all that follows from it.
pub(super) fn carry_out<H: Host>(
    now: Duration,
    message: Message,
    shell: &mut Shell,
    host: &mut H,
    executor: &mut dyn Executor,
) -> anyhow::Result<Flow>
where
    <H::Backend as Backend>::Error: Send + Sync + 'static,
{
    let mut next = Some(message);
    while let Some(message) = next.take() {
        for effect in shell.update(now, message) {
            match effect {
                Effect::Engine(command) => executor.engine(command),
                Effect::Train(command) => executor.train(command),
                Effect::Io(request) => executor.io(request),
                Effect::Terminal(TerminalRequest::Redraw) => host.screen().clear()?,
                Effect::Terminal(TerminalRequest::Screenshot) => executor.io(IoRequest::Picture(picture(shell))),
                Effect::Terminal(request) => next = host.run(request),
                Effect::Quit => return Ok(Flow::Quit),
            }
        }
    }
    Ok(Flow::On)
}

/// The screen as it is now, as SVG.
pub fn picture(shell: &mut Shell) -> String {
    let (width, height) = shell.app.screen.size;
    let area = ratatui::layout::Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    shell.render(area, &mut buffer);
    to_svg(&buffer, SvgTheme::of(shell.theme.ground))
}

enum Happening {
    Message(Message),
    Ground(Ground),
    End(Signal),
    Failed(io::Error),
}

/// Waits for the first thing to happen, at most `wait`, and takes all that is there.
fn receive(wait: Option<Duration>, keys: &Receiver<TerminalEvent>, executor: &dyn Executor) -> Vec<Happening> {
    let (engine, io, train) = (executor.engine_events(), executor.io_events(), executor.train_events());
    let timeout = wait.map_or_else(never, crossbeam_channel::after);
    let mut all = Vec::new();
    select! {
        recv(keys) -> event => match event {
            Ok(event) => all.extend(terminal_event(event)),
            Err(_) => all.push(Happening::Failed(io::Error::other("the terminal's events have ended"))),
        },
        recv(engine) -> event => match event {
            Ok(event) => all.push(Happening::Message(Message::Engine(event))),
            Err(_) => all.push(Happening::Failed(io::Error::other("the engine thread has ended"))),
        },
        recv(train) -> event => match event {
            Ok(event) => all.push(Happening::Message(Message::Train(event))),
            Err(_) => all.push(Happening::Failed(std::io::Error::other("the training thread has ended"))),
        },
        recv(io) -> event => all.extend(event.ok().map(|event| Happening::Message(Message::Io(event)))),
        recv(timeout) -> _ => all.push(Happening::Message(Message::Tick)),
    }
    while all.len() < BATCH {
        let before = all.len();
        all.extend(keys.try_recv().ok().into_iter().flat_map(terminal_event));
        all.extend(engine.try_recv().ok().map(|event| Happening::Message(Message::Engine(event))));
        all.extend(train.try_recv().ok().map(|event| Happening::Message(Message::Train(event))));
        all.extend(io.try_recv().ok().map(|event| Happening::Message(Message::Io(event))));
        if all.len() == before {
            break;
        }
    }
    all
}

fn terminal_event(event: TerminalEvent) -> Option<Happening> {
    Some(match event {
        TerminalEvent::Input(Input::Key(key)) if key.kind == KeyEventKind::Release => return None,
        TerminalEvent::Input(Input::Key(key)) => Happening::Message(Message::Key(key)),
        TerminalEvent::Input(Input::Paste(text)) => Happening::Message(Message::Paste(text)),
        TerminalEvent::Input(Input::Resize(width, height)) => Happening::Message(Message::Resize(width, height)),
        TerminalEvent::Input(Input::Mouse(event)) if event.kind == MouseEventKind::Moved => return None,
        TerminalEvent::Input(Input::Mouse(event)) => Happening::Message(Message::Mouse(event, Target::Nothing)),
        TerminalEvent::Input(_) => return None,
        // The engine tells its own panics as a failed job; the log has the message.
        TerminalEvent::Panicked(_) => return None,
        TerminalEvent::Resumed => Happening::Message(Message::Resumed),
        TerminalEvent::Signal(signal) => Happening::End(signal),
        TerminalEvent::Ground(ground) => Happening::Ground(ground),
        TerminalEvent::PasteRefused { longest } => {
            let most = longest >> 20;
            let said = format!("the paste is longer than {most} MiB and is dropped: open a file with `kshot FILE`");
            Happening::Message(Message::Say(Err(said)))
        }
        TerminalEvent::Failed(error) => Happening::Failed(error),
    })
}
