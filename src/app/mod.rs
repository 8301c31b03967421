//! Program state and commands, without a terminal, a thread or a file.
//!
//! [`App`] is all that the program knows. A [`Message`] changes it and yields [`Effect`]s for the caller to carry out; a key
//! is looked up in the [`KeyMap`], which is made from the command table. What has to be recomputed after a message stands in
//! one table ([`change`]). This module draws nothing, waits for nothing and knows no clock: the time comes in with each
//! message.

pub mod change;
mod clip;
pub mod command;
pub mod curve;
mod edit;
mod effect;
pub mod examples;
pub mod export;
pub mod find;
mod generate;
pub mod help;
pub mod input;
pub mod keep;
pub mod keymap;
pub mod log;
pub mod models;
pub mod mouse;
pub mod open;
pub mod overlay;
pub mod page;
pub mod palette;
pub mod presets;
pub mod question;
mod reading;
pub mod run;
pub mod runs;
pub mod sampler;
pub mod samples;
pub mod saved;
pub mod screen;
pub mod session_list;
pub mod sessions;
mod shot_edit;
pub mod shots;
pub mod statistics;
pub mod storage;
pub mod task_list;
pub mod token;
pub mod train;
pub mod tree;
pub mod tune;
pub mod versions;
mod view;
pub mod views;

use std::path::PathBuf;
use std::time::Duration;

pub use command::{COMMANDS, CommandId, CommandSpec, Cx, Scope, id};
pub use effect::{Effect, IoEvent, IoRequest, Message, TerminalRequest};
pub use keymap::{KeyMap, KeyMapError, Rebinding, Refused};
pub use palette::Entry;

use crate::engine::JobId;
use crate::prompt::Library;
use edit::Editing;
use effect::Outbox;
use keymap::Typing;
use log::{Level, Log};
use models::Models;
use page::{Document, Page};
pub use reading::Reading;
use run::Run;
use runs::Runs;
use sampler::Sampler;
use samples::Batch;
use screen::{Screen, SizeClass};
use shots::Shots;
use storage::Storage;
use token::TokenMode;
use train::TrainView;
use versions::Versions;
use views::PLAYGROUND;

/// All that the program knows: small states, each in a module of its own.
pub struct App {
    /// The one buffer of prompt and output.
    pub document: Document,
    /// Every version of its text.
    pub versions: Versions,
    /// What the model makes of it.
    pub reading: Reading,
    /// The token that is looked at.
    pub token: TokenMode,
    /// What editing knows beside the document.
    pub editing: Editing,
    /// The few-shot task.
    pub shots: Shots,
    /// Sampling parameters, stop strings.
    pub sampler: Sampler,
    /// Models.
    pub models: Models,
    /// Generations: the current one, or the last one.
    pub runs: Runs,
    /// The training run.
    pub train: TrainView,
    /// What is in front of the user: view, overlays, the line being typed.
    pub screen: Screen,
    /// What the program has to say.
    pub log: Log,
    /// The live key map.
    pub keymap: KeyMap,
    /// What is kept on disk.
    pub storage: Storage,
    outbox: Outbox,
}

impl App {
    /// A program that has just started: nothing is loaded, the list of models is asked for.
    ///
    /// # Errors
    /// A command table that cannot be made into a key map.
    pub fn new(library: Library, sampler: Sampler) -> Result<Self, KeyMapError> {
        let mut app = Self {
            document: Document::new(),
            versions: Versions::default(),
            reading: Reading::default(),
            token: TokenMode::default(),
            editing: Editing::default(),
            shots: Shots::new(library),
            sampler,
            models: Models::default(),
            runs: Runs::default(),
            train: TrainView::default(),
            screen: Screen::default(),
            log: Log::default(),
            keymap: KeyMap::new(COMMANDS)?,
            storage: Storage::default(),
            outbox: Outbox::default(),
        };
        app.list_models();
        Ok(app)
    }

    /// Starts with a text that lies somewhere already, in `file` where it has one: it is not lost where nothing is saved.
    pub fn open_text(&mut self, text: &str, file: Option<PathBuf>) {
        self.document = Document::with_text(text);
        self.forget_versions();
        self.storage.file = file;
        self.editing.show_end = true;
        self.storage.saved_revision = Some(self.document.revision());
    }

    /// Takes in what happened at the time `now` since the start; gives what is to be done.
    pub fn update(&mut self, now: Duration, message: Message, page: &mut dyn Page) -> Vec<Effect> {
        self.take_in(now, message, page);
        self.follow_up(page);
        self.outbox.take()
    }

    fn take_in(&mut self, now: Duration, message: Message, page: &mut dyn Page) {
        self.screen.at(now);
        self.tell_views(&message);
        match message {
            Message::Key(event) => self.press(keymap::chord(event), page),
            Message::Command(id) => self.run_named(id, page),
            Message::Pick(row) => self.cx(page).pick_row(row),
            Message::CloseOverlay => {
                self.close_top();
            }
            Message::Mouse(event, target) => self.cx(page).mouse(event, target),
            Message::Paste(text) => self.paste(&text, page),
            Message::Resize(width, height) => self.resize(width, height),
            Message::Engine(event) => self.engine(event),
            Message::Io(event) => self.io(event),
            Message::Train(event) => self.trained(event),
            Message::Edited(result) => self.cx(page).edited(result),
            Message::Say(Ok(text)) => self.log.say(Level::Notice, text),
            Message::Say(Err(text)) => self.log.say(Level::Error, text),
            Message::Resumed => self.redraw(),
            Message::Tick => {}
        }
    }

    /// Whether figures on the screen change with the time alone.
    pub fn animates(&self) -> bool {
        self.has_to_keep() || self.is_running() || self.models.job.is_some() || (self.screen.view.animates)(self)
    }

    /// Whether a generation runs.
    pub fn is_running(&self) -> bool {
        self.runs.current.as_ref().is_some_and(Run::is_running)
            || self.runs.batch.as_ref().is_some_and(Batch::is_running)
    }

    /// How the panes share the screen.
    pub fn class(&self) -> SizeClass {
        SizeClass::of(self.screen.size.0, self.screen.size.1)
    }

    /// The scopes whose keys count, the innermost first.
    pub fn scopes(&self) -> Vec<Scope> {
        if self.is_searching() {
            return vec![Scope::FIND, Scope::INPUT, Scope::GLOBAL];
        }
        if self.offers_examples() {
            return vec![Scope::EXAMPLES, Scope::DOCUMENT, Scope::GLOBAL];
        }
        match (&*self.screen.input, self.top()) {
            (Some(_), _) => vec![Scope::INPUT, Scope::GLOBAL],
            (None, Some(open)) if open.cursor.line.is_some() => vec![open.scope(), Scope::INPUT, Scope::GLOBAL],
            (None, Some(open)) => vec![open.scope(), Scope::LIST, Scope::GLOBAL],
            (None, None) => vec![(self.screen.view.scope)(self), Scope::GLOBAL],
        }
    }

    /// Whether plain characters are text.
    pub fn typing(&self) -> Typing {
        match self.scopes().first() {
            Some(scope) if scope.is_text => Typing::Text,
            _ => Typing::Commands,
        }
    }

    fn press(&mut self, key: crokey::KeyCombination, page: &mut dyn Page) {
        self.log.key_pressed();
        let armed = std::mem::take(&mut self.screen.quit_armed);
        if let Some(command) = self.keymap.command(key, &self.scopes(), self.typing()) {
            self.screen.quit_armed = armed && matches!(command.id, id::INTERRUPT | id::QUIT);
            self.run_command(command, key, page);
        } else if let (Typing::Text, Some(c)) = (self.typing(), keymap::typed(key)) {
            let mut bytes = [0; 4];
            let text = c.encode_utf8(&mut bytes);
            match self.line_mut() {
                Some(_) => self.input_edit(|line| line.insert(text)),
                None => self.cx(page).type_text(text),
            }
        } else if let (Some(c), true) = (keymap::typed(key), self.walks_tokens()) {
            // A letter that is no command of token mode is meant for the text.
            self.leave_tokens();
            let back = self.keymap.hint(id::TOKENS);
            self.log.say(Level::Notice, format!("typing goes into the text again; {back} looks at its tokens"));
            self.cx(page).type_text(c.encode_utf8(&mut [0; 4]));
        }
    }

    fn run_named(&mut self, id: CommandId, page: &mut dyn Page) {
        let command = self.keymap.commands().find(|command| command.id == id);
        if let Some((command, key)) = command.and_then(|command| Some((command, self.keymap.first_key(id)?))) {
            self.run_command(command, key, page);
        }
    }

    /// Runs a command as its key does.
    fn run_command(&mut self, command: &CommandSpec, key: crokey::KeyCombination, page: &mut dyn Page) {
        if command.scope == Scope::GLOBAL && !command.anywhere {
            self.screen.view = &PLAYGROUND;
        }
        (command.run)(&mut Cx { app: self, page, key });
    }

    fn paste(&mut self, text: &str, page: &mut dyn Page) {
        let typing = self.typing();
        match (self.line_mut().is_some(), typing) {
            (true, _) => self.input_edit(|line| line.insert(text)),
            (false, Typing::Text) => self.cx(page).paste(text),
            (false, Typing::Commands) => {
                self.log.say(Level::Notice, "nothing is being typed here: paste into the document")
            }
        }
    }

    fn cx<'a>(&'a mut self, page: &'a mut dyn Page) -> Cx<'a> {
        let key =
            crokey::KeyCombination::one_key(crossterm::event::KeyCode::Null, crossterm::event::KeyModifiers::NONE);
        Cx { app: self, page, key }
    }

    fn io(&mut self, event: IoEvent) {
        match event {
            IoEvent::Models(rows) => self.models_listed(rows),
            IoEvent::Found(job, found) => self.found(job, found),
            IoEvent::Pulling(job, progress) => self.pulling(job, progress),
            IoEvent::Pulled(job, folder) => self.pulled(job, folder),
            IoEvent::Tokenised { revision, tokens } => {
                self.tokenised(revision, tokens);
                self.generate_queued();
            }
            IoEvent::Counted { version, tokens } => self.shots.counted(version, tokens),
            IoEvent::Saved { revision, path, result } => self.document_saved(revision, path, result),
            IoEvent::Exported(result) => self.exported(result),
            IoEvent::PresetsSaved(result) => self.presets_saved(result),
            IoEvent::TaskSaved { path, result } => self.shots_kept(&path, result),
            IoEvent::ExamplesRead { path, read } => self.shots_read(&path, read),
            IoEvent::Pictured(Ok(path)) => self.log.say(Level::Notice, format!("screen saved as {}", path.display())),
            IoEvent::Prompts { job, result, list } => self.prompts_answered(job, result, list),
            IoEvent::Session(event) => self.session_answered(*event),
            IoEvent::SessionsFound(query, found) => self.storage.sessions.found = Some((query, found)),
            IoEvent::NotKept(error) => {
                self.storage.keep_failed = true;
                self.log.say(Level::Error, error);
            }
            IoEvent::Pictured(Err(error)) => self.log.say(Level::Error, error),
        }
    }

    fn new_job(&mut self) -> JobId {
        self.outbox.new_job()
    }
}
