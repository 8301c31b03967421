//! What goes into the state (messages) and what comes out of it (effects).

use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseEvent};

use super::command::CommandId;
use super::models::{Found, ModelRow, Progress};
use super::screen::PaneId;
use crate::disk::{Existing, WriteError};
use crate::engine::{Command, Event, JobId};
use crate::export::{Format, Source};
use crate::prompt::{Doc, FileChange};
use crate::session::{
    Contents, Kept, Match, PromptError, PromptFolder, PromptJob, Row, SavedPrompt, SessionId, StoreError,
};
use crate::text::Tokenizer;
use crate::train;

/// Something happened.
#[derive(Debug)]
pub enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// A command is to run as its first key would.
    Command(CommandId),
    /// A row of the overlay on top is picked by its number.
    Pick(usize),
    /// The overlay on top is closed.
    CloseOverlay,
    /// The mouse was used; what is under it is filled in by the screen.
    Mouse(MouseEvent, Target),
    /// Text was pasted.
    Paste(String),
    /// The screen has a new size.
    Resize(u16, u16),
    /// The engine says something.
    Engine(Event),
    /// The training thread says something.
    Train(train::Event),
    /// An I/O job says something.
    Io(IoEvent),
    /// The editor was closed: the text it left, or what went wrong.
    Edited(Result<String, String>),
    /// Something is to be said: what a terminal request came to.
    Say(Result<String, String>),
    /// The process was stopped and goes on: the screen holds nothing of ours.
    Resumed,
    /// Time went by; figures that depend on it are out of date.
    Tick,
}

/// Something is to be done outside the state.
#[derive(Debug)]
pub enum Effect {
    /// By the engine thread.
    Engine(Command),
    /// By the training thread.
    Train(train::Command),
    /// By an I/O thread.
    Io(IoRequest),
    /// By the terminal.
    Terminal(TerminalRequest),
    /// End the program.
    Quit,
}

/// Effects that are to be carried out, and the numbers of their jobs.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    effects: Vec<Effect>,
    jobs: u64,
}

impl Outbox {
    /// Adds an effect behind those that wait.
    pub(super) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// All effects that wait, in order.
    pub(super) fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// A number that no job had before.
    pub(super) fn new_job(&mut self) -> JobId {
        self.jobs += 1;
        JobId(self.jobs)
    }
}

/// Work for an I/O thread.
#[derive(Debug)]
pub enum IoRequest {
    /// What the catalog offers and what is cached.
    ListModels,
    /// Find a model by folder or hub id, and what a download would take.
    Find(JobId, String),
    /// Download a model; what is there already is not downloaded again.
    Pull(JobId, String),
    /// End a look-up or a download.
    Cancel(JobId),
    /// Encode the pending bytes of the document; only the latest request is answered.
    Tokenise {
        /// The document's revision.
        revision: u64,
        /// Its pending bytes.
        bytes: Vec<u8>,
        /// The vocabulary.
        tokenizer: Arc<Tokenizer>,
    },
    /// Count the tokens of the assembled few-shot prompt; only the latest request is answered.
    Count {
        /// The version of the prompt.
        version: u64,
        /// The prompt.
        text: String,
        /// The vocabulary.
        tokenizer: Arc<Tokenizer>,
    },
    /// Write the document to a file.
    Save {
        /// The document's revision.
        revision: u64,
        /// Where to.
        path: PathBuf,
        /// What.
        bytes: Vec<u8>,
        /// Whether a file that is there may be replaced.
        existing: Existing,
    },
    /// Write a picture of the screen to a new file.
    Picture(String),
    /// Make an export and write it, or give it back for the clipboard.
    Export {
        /// As what.
        format: Format,
        /// Of what.
        source: Box<Source>,
        /// Where to.
        to: Destination,
    },
    /// Write the user's sampling presets.
    SavePresets {
        /// The file; its folder is made where there is none.
        path: PathBuf,
        /// Its content.
        toml: String,
    },
    /// Write, replace or remove the file of a task whose examples were edited.
    SaveTask(FileChange),
    /// Read examples from a table.
    ReadExamples {
        /// The file.
        path: PathBuf,
        /// The fields of the task.
        fields: Vec<String>,
    },
    /// Something to do with the saved prompts.
    Prompts(PromptFolder, PromptJob),
    /// Keep the session; says something only where that fails.
    Keep(Box<Kept>),
    /// Something to do with sessions.
    Session(SessionJob),
    /// Look for a text in all sessions; only the latest request is answered.
    SearchSessions(String),
}

impl IoRequest {
    /// Whether it writes files that another such request may write too, so that their order counts.
    pub fn writes_over(&self) -> bool {
        matches!(self, Self::Save { .. } | Self::SavePresets { .. } | Self::SaveTask(_) | Self::Prompts(..))
    }

    /// Whether an event follows that ends the request.
    pub fn is_answered(&self) -> bool {
        !matches!(self, Self::Cancel(_) | Self::Keep(_) | Self::SearchSessions(_))
    }
}

/// What an I/O job says.
#[derive(Debug)]
pub enum IoEvent {
    /// The list of models.
    Models(Result<Vec<ModelRow>, String>),
    /// What a look-up found.
    Found(JobId, Result<Found, String>),
    /// How far a download is.
    Pulling(JobId, Progress),
    /// A download ended: the folder to load, or why not. `None`: it was cancelled.
    Pulled(JobId, Result<Option<PathBuf>, String>),
    /// Ids of the pending bytes, each with the bytes it stands for.
    Tokenised {
        /// The revision that was encoded.
        revision: u64,
        /// The tokens.
        tokens: Result<Vec<(u32, usize)>, String>,
    },
    /// Tokens of the assembled few-shot prompt.
    Counted {
        /// The version that was counted.
        version: u64,
        /// How many.
        tokens: Result<usize, String>,
    },
    /// The document was written.
    Saved {
        /// The revision that was written.
        revision: u64,
        /// Where to.
        path: PathBuf,
        /// Why not.
        result: Result<(), WriteError>,
    },
    /// The session could not be kept.
    NotKept(String),
    /// A job with sessions is done, or not.
    Session(Box<SessionEvent>),
    /// What was looked for in all sessions, and where it was found.
    SessionsFound(String, Vec<Match>),
    /// The picture was written: where to, or why not.
    Pictured(Result<PathBuf, String>),
    /// The export was made, or not.
    Exported(Result<Exported, String>),
    /// The presets were written, or not.
    PresetsSaved(Result<(), String>),
    /// The task was written, or not.
    TaskSaved {
        /// Its file.
        path: PathBuf,
        /// Why not.
        result: Result<(), WriteError>,
    },
    /// Examples were read, or not.
    ExamplesRead {
        /// The file.
        path: PathBuf,
        /// They, or why not.
        read: Result<Vec<Doc>, String>,
    },
    /// A job with the saved prompts is done, or not.
    Prompts {
        /// The job.
        job: PromptJob,
        /// The text that was loaded, or why the job was not done.
        result: Result<Vec<u8>, PromptError>,
        /// The prompts that are there now.
        list: Result<Vec<SavedPrompt>, PromptError>,
    },
}

impl IoEvent {
    /// Whether it ends a request.
    pub fn is_answer(&self) -> bool {
        !matches!(self, Self::Pulling(..) | Self::NotKept(_) | Self::SessionsFound(..))
    }
}

/// What is under the pointer; the screen knows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Target {
    /// Nothing that takes the mouse.
    #[default]
    Nothing,
    /// The topmost overlay.
    Layer,
    /// A view without panes.
    View,
    /// A pane, or its tab.
    Pane(PaneId),
    /// The document, at a byte offset.
    Text(usize),
    /// A column of the chart of surprisal and entropy: that token.
    Token(usize),
    /// A row of the sampling pane; on its slider, where along it, 0 to 1.
    Sampling(usize, Option<f64>),
}

/// Where an export goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To the terminal's clipboard.
    Clipboard,
    /// To a file; whether one that is there may be replaced.
    File(PathBuf, Existing),
}

/// What an export came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exported {
    /// Text for the clipboard.
    Text(String),
    /// It was written.
    Written(PathBuf),
    /// A file of that name is there and stays.
    Taken(PathBuf),
}

/// Something to be done with sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionJob {
    /// Only look what is there.
    List,
    /// Read a session and take its lock; the current one stays until [`SessionJob::Switch`].
    Open(SessionId),
    /// What was opened is kept from now on.
    Switch,
    /// What is kept from now on is a new session.
    New,
    /// Give a session a name, or none; `None` is the current one.
    Name(Option<SessionId>, Option<String>),
    /// Make a copy.
    Duplicate(SessionId),
    /// Take one out of the list.
    Delete(SessionId),
    /// Bring back the one that was deleted last.
    Undelete,
}

/// What a job came to.
#[derive(Debug)]
pub enum SessionDone {
    /// What was asked for.
    Done,
    /// A session was read, and what of it could not be.
    Opened {
        /// The session.
        id: SessionId,
        /// What it holds.
        contents: Box<Contents>,
        /// What could not be read, and where it lies.
        damage: Option<String>,
    },
    /// It concerns this session: a copy, or one that was brought back.
    This(SessionId),
}

/// The answer to a job.
#[derive(Debug)]
pub struct SessionEvent {
    /// The job.
    pub job: SessionJob,
    /// What it came to.
    pub done: Result<SessionDone, StoreError>,
    /// All sessions as they are now.
    pub rows: Result<Vec<Row>, StoreError>,
    /// The current session; `None` until something of it is written.
    pub current: Option<SessionId>,
    /// Its name.
    pub name: Option<String>,
    /// How many deleted sessions can be brought back.
    pub deleted: usize,
}

/// Work for the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminalRequest {
    /// Put text on the terminal's clipboard.
    Copy {
        /// The text.
        text: String,
        /// What it is, as the message says it.
        what: String,
    },
    /// Edit text in the user's editor; [`Message::Edited`] follows.
    Edit(String),
    /// Stop the process until the shell continues it.
    Suspend,
    /// Draw every cell again.
    Redraw,
    /// Save the screen as a picture.
    Screenshot,
    /// Report clicks, the wheel and drags, or leave the mouse to the terminal.
    Mouse(bool),
}
