//! The playground line by line: for screen readers, for simple terminals, and driven through a pipe.
//!
//! State and commands are those of the screen ([`App`], the command table): a line that begins with a slash runs a command
//! by its name, any other line is added to the text. What would be an overlay is a numbered list, what would be a line to
//! type is a question. Lines are only ever added, no escape sequence is written, and a line is read only once all that the
//! one before it asked for is done, so that a file of lines does what a person would do.

mod stream;
mod words;

use crate::app::command::id;
use std::io::{self, Write};
use std::time::Instant;

use crossbeam_channel::{Receiver, never, select};

use self::stream::Stream;
use super::events::Executor;
use crate::app::command::CommandSpec;
use crate::app::input::Input;
use crate::app::models::Stage;
use crate::app::overlay::Rows;
use crate::app::page::{Document, Hold, Motion, Page};
use crate::app::question::Ask;
use crate::app::{App, Effect, Message};
use crate::engine::Event;
use crate::text::sanitise;

/// Where lines come from.
#[derive(Debug)]
pub struct Lines {
    /// What is typed, without the ends of the lines; closed at the end of the input.
    pub typed: Receiver<String>,
    /// Ctrl+C.
    pub interrupts: Receiver<()>,
}

/// Runs until `/quit` or the end of the input.
///
/// # Errors
/// An output that cannot be written, except for a closed pipe; an engine that has ended.
pub fn run(mut app: App, lines: &Lines, out: &mut dyn Write, executor: &mut dyn Executor) -> anyhow::Result<()> {
    app.keymap.name_by_slashes();
    let mut plain = Plain {
        app,
        page: EndPage::default(),
        out,
        executor,
        start: Instant::now(),
        said: 0,
        asked: 0,
        typed_last: false,
        ended: false,
        stream: None,
        question: None,
        percent: None,
    };
    match plain.run(lines) {
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            Ok(())
        }
        other => other,
    }
}

struct Plain<'a> {
    app: App,
    page: EndPage,
    out: &'a mut dyn Write,
    executor: &'a mut dyn Executor,
    start: Instant,
    /// Messages that were printed.
    said: usize,
    /// I/O requests whose answer is still to come.
    asked: usize,
    /// Whether the text ends in a line that was typed here.
    typed_last: bool,
    ended: bool,
    /// The text that the model is writing.
    stream: Option<Stream>,
    /// What was asked last.
    question: Option<Question>,
    /// Of a download, as it was last printed.
    percent: Option<u64>,
}

/// What an answer is awaited to.
#[derive(Debug, Clone, PartialEq)]
enum Question {
    Line(Input),
    /// Rows to choose from, as they were printed.
    List(Vec<String>),
}

impl Plain<'_> {
    fn run(&mut self, lines: &Lines) -> anyhow::Result<()> {
        self.line(
            "kshot, line by line. A line is added to the text; /generate goes on from its end; /help lists all.",
        )?;
        self.send(Message::Tick)?;
        let closed = never();
        while !self.ended {
            let idle = !self.is_busy();
            if idle {
                self.ask()?;
            }
            // While something is under way, lines wait.
            let typed = if idle { &lines.typed } else { &closed };
            let (engine, io) = (self.executor.engine_events().clone(), self.executor.io_events().clone());
            select! {
                recv(typed) -> line => match line {
                    Ok(line) => self.take(&line)?,
                    Err(_) => return Ok(()),
                },
                recv(lines.interrupts) -> interrupt => match interrupt {
                    Ok(()) if self.app.models.job.is_some() => self.send(Message::Command(id::MODEL_CANCEL))?,
                    Ok(()) => self.send(Message::Command(id::INTERRUPT))?,
                    Err(_) => anyhow::bail!("Ctrl+C is heard no more"),
                },
                recv(engine) -> event => self.send(Message::Engine(event?))?,
                recv(io) -> event => {
                    let event = event?;
                    self.asked = self.asked.saturating_sub(usize::from(event.is_answer()));
                    self.send(Message::Io(event))?;
                }
            }
        }
        Ok(())
    }

    fn is_busy(&self) -> bool {
        let job = self.app.models.job.as_ref();
        self.app.is_running() || self.asked > 0 || job.is_some_and(|job| !matches!(job.stage, Stage::Asking(_)))
    }

    /// One line of input.
    fn take(&mut self, line: &str) -> anyhow::Result<()> {
        match self.question.take() {
            Some(Question::Line(input)) => return self.answer(input, line),
            Some(Question::List(rows)) if !line.starts_with('/') => return self.choose(rows, line),
            Some(Question::List(_)) => self.close()?,
            None => {}
        }
        match line.strip_prefix('/') {
            Some(rest) if !rest.starts_with('/') => self.command(rest),
            Some(rest) => self.type_line(rest),
            None => self.type_line(line),
        }
    }

    /// Adds a line to the text. Lines that follow each other are told apart by a newline; after the model's text a line
    /// goes on where it ends.
    fn type_line(&mut self, line: &str) -> anyhow::Result<()> {
        let text = if self.typed_last || line.is_empty() { format!("\n{line}") } else { line.to_owned() };
        self.send(Message::Paste(text))?;
        self.typed_last = true;
        Ok(())
    }

    fn command(&mut self, line: &str) -> anyhow::Result<()> {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (name, rest.trim()) {
            ("help", _) => return self.lines(words::help(&self.offered())),
            ("show", _) => return self.lines(words::document(&self.app)),
            ("set", "") => return self.lines(words::settings(&self.app)),
            ("set", rest) => {
                let said = words::set(&mut self.app, rest);
                return self.line(&said);
            }
            ("model", name) if !name.is_empty() => {
                if let Err(error) = self.app.look_up(name) {
                    self.line(&error)?;
                }
                return self.send(Message::Tick);
            }
            _ => {}
        }
        let name = if name == "model" { "models" } else { name };
        let Some(command) = self.app.keymap.named(name).filter(|command| command.plain) else {
            return self.line(&words::unknown(name, &self.offered()));
        };
        let before = self.app.document.revision();
        self.typed_last = false;
        self.send(Message::Command(command.id))?;
        if self.app.document.revision() != before && !self.app.is_running() {
            self.line(&words::ends_in(&self.app))?;
        }
        Ok(())
    }

    /// The commands that make sense without a screen; the others move carets, panes and windows.
    fn offered(&self) -> Vec<&'static CommandSpec> {
        self.app.keymap.commands().filter(|command| command.plain).collect()
    }

    /// Asks what the state asks, once.
    fn ask(&mut self) -> anyhow::Result<()> {
        let question = match (&*self.app.screen.input, self.app.top()) {
            (Some(input), _) => Some(Question::Line(input.clone())),
            (None, Some(open)) => match open.overlay.rows(&self.app) {
                Rows::Choice(items) => Some(Question::List(words::numbered(&items))),
                Rows::Text(lines) => {
                    let title = open.overlay.title(&self.app);
                    self.line(&title)?;
                    self.lines(lines)?;
                    self.send(Message::CloseOverlay)?;
                    return self.ask();
                }
            },
            (None, None) => None,
        };
        if question == self.question {
            return Ok(());
        }
        match &question {
            Some(Question::Line(input)) => {
                let text = words::question(input);
                self.line(&text)?;
            }
            Some(Question::List(rows)) => {
                let head = words::choose(&self.app);
                self.lines(head)?;
                self.lines(rows.clone())?;
            }
            None => {}
        }
        self.question = question;
        Ok(())
    }

    /// The answer to a question: an empty line accepts what is proposed, or leaves where nothing is.
    fn answer(&mut self, mut input: Input, line: &str) -> anyhow::Result<()> {
        if line.is_empty() && input.text.is_empty() {
            return self.send(Message::Command(id::INPUT_CANCEL));
        }
        if !line.is_empty() {
            input.clear();
            input.insert(line);
        }
        *self.app.screen.input = Some(input);
        self.send(Message::Command(id::INPUT_ACCEPT))
    }

    fn choose(&mut self, rows: Vec<String>, line: &str) -> anyhow::Result<()> {
        match line.trim().parse::<usize>() {
            _ if line.trim().is_empty() => self.close(),
            Ok(number) if (1..=rows.len()).contains(&number) => {
                let asked = self.app.is_top::<Ask>();
                self.send(Message::Pick(number - 1))?;
                // An answer ends what led to the question too.
                if asked { self.close() } else { Ok(()) }
            }
            _ => {
                self.line(&format!("A number from 1 to {}, or an empty line to leave.", rows.len()))?;
                // The list was printed; it need not be printed again.
                self.question = Some(Question::List(rows));
                Ok(())
            }
        }
    }

    /// Leaves a list without choosing.
    fn close(&mut self) -> anyhow::Result<()> {
        while self.app.top().is_some() {
            self.send(Message::CloseOverlay)?;
        }
        Ok(())
    }

    /// Takes in a message, carries out what follows, and prints what came of it.
    fn send(&mut self, message: Message) -> anyhow::Result<()> {
        let step = match &message {
            Message::Engine(Event::Step(_, step)) => Some(step.bytes.get(..step.shown).unwrap_or_default().to_vec()),
            _ => None,
        };
        let was_running = self.app.is_running();
        let took = self.app.runs.current.as_ref().map_or(0, |run| run.steps.len());
        for effect in self.app.update(self.start.elapsed(), message, &mut self.page) {
            match effect {
                Effect::Engine(command) => self.executor.engine(command),
                Effect::Train(command) => self.executor.train(command),
                Effect::Io(request) => {
                    self.asked += usize::from(request.is_answered());
                    self.executor.io(request);
                }
                // No command that is offered asks the terminal for anything.
                Effect::Terminal(_) => {}
                Effect::Quit => self.ended = true,
            }
        }
        if !was_running && self.app.is_running() {
            self.line("Model:")?;
            self.stream = Some(Stream::default());
        }
        let taken = self.app.runs.current.as_ref().is_some_and(|run| run.steps.len() > took);
        if let (Some(bytes), Some(stream), true) = (step, &mut self.stream, taken) {
            self.out.write_all(stream.push(&bytes).as_bytes())?;
            self.out.flush()?;
        }
        if !self.app.is_running()
            && let Some(mut stream) = self.stream.take()
        {
            self.typed_last = false;
            let rest = stream.finish();
            self.line(&rest)?;
            if let Some(ending) = words::ending(&self.app) {
                self.line(&ending)?;
            }
        }
        self.report()
    }

    /// Prints new messages, and how far a download is.
    fn report(&mut self) -> anyhow::Result<()> {
        let new: Vec<String> = self.app.log.since(self.said).iter().map(|entry| entry.text.clone()).collect();
        self.said = self.app.log.total();
        self.lines(new)?;
        let percent = words::tenths_done(&self.app);
        if percent.is_some() && percent != self.percent {
            let text = words::job(&self.app);
            self.line(&text)?;
        }
        self.percent = percent;
        Ok(())
    }

    fn lines(&mut self, lines: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
        lines.into_iter().try_for_each(|line| self.line(&line))
    }

    /// Writes a line; nothing that could steer a terminal is in it.
    fn line(&mut self, text: &str) -> anyhow::Result<()> {
        writeln!(self.out, "{}", sanitise::text(text))?;
        Ok(self.out.flush()?)
    }
}

/// A page whose caret is always at the end of the text.
#[derive(Default)]
struct EndPage {
    end: usize,
}

impl Page for EndPage {
    fn sync(&mut self, document: &Document) {
        self.end = document.len();
    }

    fn caret(&self) -> usize {
        self.end
    }

    fn set_caret(&mut self, document: &Document, _: usize) {
        self.sync(document);
    }

    fn move_caret(&mut self, document: &Document, _: Motion) {
        self.sync(document);
    }

    fn span(&self, _: &Document, _: Motion) -> std::ops::Range<usize> {
        self.end..self.end
    }

    fn scroll(&mut self, _: &Document, _: isize) {}

    // Lines have no caret to select with.
    fn selection(&self) -> Option<std::ops::Range<usize>> {
        None
    }

    fn hold(&self) -> Option<Hold> {
        None
    }

    fn set_hold(&mut self, _: Option<Hold>) {}

    fn select(&mut self, _: &Document, _: std::ops::Range<usize>) {}

    fn follow_end(&mut self, document: &Document) {
        self.sync(document);
    }
}
