//! Getting a model: list, look-up, question, download, load.

use std::path::PathBuf;
use std::sync::Arc;

use super::App;
use super::command::{Cx, Scope, id};
use super::effect::{Effect, IoRequest};
use super::input::{Input, Purpose};
use super::log::Level;
use super::models::{Cached, Found, Loaded, ModelJob, ModelRow, NO_TOKENIZER, Progress, Stage};
use super::overlay::{Item, Overlay, Picked, Rows};
use super::question::Question;
use crate::engine::{CancelToken, Command, Device, JobId, LoadRequest, ModelInfo};
use crate::files::{Files, builtin};
use crate::text::{Tokenizer, figures};

impl App {
    /// Looks a model up and loads it: `built-in`, hub id or folder, as named on the command line or typed.
    ///
    /// # Errors
    /// What is under way instead.
    pub fn look_up(&mut self, name: &str) -> Result<(), String> {
        let job = self.begin_model_job(name)?;
        self.outbox.push(Effect::Io(IoRequest::Find(job, name.to_owned())));
        Ok(())
    }

    /// A job that ends with the model loaded, where none is under way.
    fn begin_model_job(&mut self, name: &str) -> Result<JobId, String> {
        if let Some(job) = &*self.models.job {
            let cancel = self.keymap.hint(id::MODEL_CANCEL);
            return Err(format!("{} is still under way; cancel it first ({cancel} in the model list)", job.name));
        }
        let job = self.new_job();
        let (name, cancel) = (name.to_owned(), CancelToken::new());
        *self.models.job = Some(ModelJob { job, name, cancel, stage: Stage::Finding });
        Ok(job)
    }

    /// Whether the page is the one that it began with, untouched: a few-shot prompt may take its place.
    pub(super) fn is_first_page(&self) -> bool {
        self.document.bytes() == builtin::PAGE.as_bytes()
    }

    pub(super) fn find_folder(&mut self, path: &str) -> Result<(), String> {
        // A name with a slash in front or behind can be no hub id.
        let path = if path.starts_with(['/', '.', '~']) { path.to_owned() } else { format!("./{path}") };
        self.look_up(&path)
    }

    pub(super) fn list_models(&mut self) {
        self.outbox.push(Effect::Io(IoRequest::ListModels));
    }

    pub(super) fn open_models(&mut self) {
        if self.is_top::<ModelList>() {
            self.close::<ModelList>();
            return;
        }
        self.list_models();
        self.open_at(ModelList, self.loaded_row());
    }

    /// The row of the model in use, as far as the list is known.
    fn loaded_row(&self) -> usize {
        let name = self.models.loaded.as_ref().map(|loaded| &loaded.info.name);
        self.models.rows.iter().flatten().position(|row| Some(&row.name) == name).unwrap_or(0)
    }

    /// The model that is selected in the list.
    pub fn model_row(&self) -> Option<&ModelRow> {
        self.models.rows.as_ref()?.get(self.selected_in::<ModelList>()?)
    }

    /// Enter on a row: loads a model that is on this machine, asks before a download.
    fn open_model(&mut self, row: usize) {
        let Some(row) = self.models.rows.as_ref().and_then(|rows| rows.get(row)).cloned() else { return };
        let begun = match row.cached {
            Cached::Yes(files) => self.begin_model_job(&row.name).map(|job| self.load(job, files)),
            Cached::No | Cached::Partial(_) => self.look_up(&row.name),
        };
        if let Err(error) = begun {
            self.log.say(Level::Warning, error);
        }
    }

    /// The next way to keep weights; it counts for what is loaded from now on.
    pub(super) fn models_dtype(&mut self) {
        let dtype = self.models.dtype.next();
        self.models.dtype = dtype;
        let load = self.keymap.hint(id::MODEL_LOAD);
        self.log.say(Level::Notice, format!("weights as {dtype} ({}): {load} loads a model with it", dtype.about()));
    }

    /// Cancels what is under way. What was downloaded is kept and used next time.
    pub(super) fn models_cancel(&mut self) {
        let Some(job) = &*self.models.job else {
            self.log.say(Level::Notice, "nothing is under way");
            return;
        };
        job.cancel.cancel();
        self.outbox.push(Effect::Io(IoRequest::Cancel(job.job)));
        let kept = match job.stage {
            Stage::Pulling(_) => {
                format!("; what was downloaded is kept, {} resumes", self.keymap.hint(id::MODEL_LOAD))
            }
            _ => String::new(),
        };
        self.log.say(Level::Notice, format!("{} cancelled{kept}", job.name));
        *self.models.job = None;
        *self.runs.queued = None;
        self.list_models();
    }

    pub(super) fn ask_hub_id(&mut self) {
        self.ask(Input::new(Purpose::HubId, "repository (org/name[@revision])", ""));
    }

    pub(super) fn ask_folder(&mut self) {
        self.ask(Input::new(Purpose::Folder, "folder with config.json and model.safetensors", ""));
    }

    pub(super) fn models_listed(&mut self, rows: Result<Vec<ModelRow>, String>) {
        match rows {
            Ok(rows) => {
                let selected = self.selected_in::<ModelList>().and_then(|row| self.models.rows.as_ref()?.get(row));
                let name = selected.map(|row| row.name.clone());
                self.models.rows = Some(self.with_loaded(rows));
                let same = self.models.rows.iter().flatten().position(|row| Some(&row.name) == name.as_ref());
                self.select_in::<ModelList>(same.unwrap_or_else(|| self.loaded_row()));
            }
            Err(error) => self.log.say(Level::Error, error),
        }
    }

    /// The list, and on top of it the model in use where it came from somewhere else: a folder, a repository of one's own.
    fn with_loaded(&self, mut rows: Vec<ModelRow>) -> Vec<ModelRow> {
        if let Some(Loaded { info, .. }) = &*self.models.loaded
            && rows.iter().all(|row| row.name != info.name)
        {
            let row = ModelRow {
                name: info.name.clone(),
                about: info.files.to_string(),
                parameters: Some(info.parameters),
                download: None,
                // As the list counts: weights and the cache of a full context, in f32.
                memory: Some(4 * (info.parameters + (2 * info.layers * info.context * info.width) as u64)),
                cached: Cached::Yes(info.files.clone()),
            };
            rows.insert(0, row);
        }
        rows
    }

    pub(super) fn found(&mut self, job: JobId, found: Result<Found, String>) {
        let Some(current) = self.models.current(job) else { return };
        match found {
            Ok(Found::Here(files)) => self.load(job, files),
            Ok(Found::Remote(offer)) => {
                current.stage = Stage::Asking(offer);
                *self.runs.queued = None;
                self.ask_question(Question::Download);
            }
            Err(error) => {
                *self.models.job = None;
                *self.runs.queued = None;
                self.log.say(Level::Error, error);
            }
        }
    }

    /// "Yes" to the download.
    pub(super) fn download(&mut self) {
        if let Some(job) = self.models.job.as_mut()
            && let Stage::Asking(offer) = &job.stage
        {
            let name = offer.name.clone();
            let progress = Progress { done: offer.have, total: offer.total, ..Progress::default() };
            job.stage = Stage::Pulling(progress);
            self.outbox.push(Effect::Io(IoRequest::Pull(job.job, name)));
        }
    }

    pub(super) fn pulling(&mut self, job: JobId, progress: Progress) {
        if let Some(current) = self.models.current(job) {
            current.stage = Stage::Pulling(progress);
        }
    }

    pub(super) fn pulled(&mut self, job: JobId, folder: Result<Option<PathBuf>, String>) {
        if self.models.current(job).is_none() {
            // A cancelled download has ended: now its partial files are settled.
            self.list_models();
            return;
        }
        match folder {
            Ok(Some(folder)) => {
                self.load(job, folder.into());
                self.list_models();
            }
            Ok(None) => *self.models.job = None,
            Err(error) => {
                *self.models.job = None;
                self.log.say(Level::Error, error);
                self.list_models();
            }
        }
    }

    fn load(&mut self, job: JobId, files: Files) {
        if self.is_running() {
            self.stop();
        }
        let Some(current) = self.models.current(job) else { return };
        current.stage = Stage::Loading(0, 0);
        let (name, cancel) = (display_name(&current.name, &files), current.cancel.clone());
        self.outbox.push(Effect::Engine(Command::Load(
            job,
            LoadRequest { name, files, dtype: self.models.dtype, device: Device::Cpu },
            cancel,
        )));
    }

    pub(super) fn loading(&mut self, job: JobId, done: u64, total: u64) {
        if let Some(current) = self.models.current(job) {
            current.stage = Stage::Loading(done, total);
        }
    }

    /// The engine dropped the model in use.
    pub(super) fn unloaded(&mut self) {
        *self.models.loaded = None;
        self.models.names.clear();
        self.reading.forget();
    }

    /// The engine has another model, also where the load was cancelled too late.
    pub(super) fn loaded(&mut self, job: JobId, info: Arc<ModelInfo>, tokenizer: Option<Arc<Tokenizer>>) {
        self.models.job.take_if(|current| current.job == job);
        let generate = self.keymap.hint(id::GENERATE);
        let next = match tokenizer {
            None => format!(": {NO_TOKENIZER}, so the text is not cut into tokens"),
            Some(_) if self.is_first_page() => format!(": {generate} goes on from the end of the text"),
            Some(_) => String::new(),
        };
        for note in &info.notes {
            self.log.say(Level::Warning, note.clone());
        }
        self.log.say(Level::Notice, format!("{} is ready{next}", info.name));
        self.models.names.clear();
        self.editing.tokenising = None;
        self.shots.recount();
        self.reading.forget();
        self.leave_tokens();
        self.token.pin = None;
        *self.models.loaded = Some(Loaded { info, tokenizer });
        self.adopt_vocabulary();
        self.generate_queued();
        if let Some(rows) = self.models.rows.take() {
            self.models.rows = Some(self.with_loaded(rows));
        }
        if self.is_top::<ModelList>() {
            self.close::<ModelList>();
        }
    }

    /// Gives bias and text the ids of the model in use, where there is one.
    pub(super) fn adopt_vocabulary(&mut self) {
        let Some(loaded) = &*self.models.loaded else { return };
        let resolved = match &loaded.tokenizer {
            Some(tokenizer) => self.sampler.resolve_bias(tokenizer),
            None => self.sampler.unresolve_bias(),
        };
        if let Err(error) = resolved {
            self.log.say(Level::Warning, format!("the logit bias is off: {error}"));
        }
        self.change_vocabulary();
    }
}

/// The models that can be chosen.
#[derive(Debug)]
pub struct ModelList;

impl Overlay for ModelList {
    fn scope(&self) -> Scope {
        Scope::MODELS
    }

    fn title(&self, _: &App) -> String {
        "Models".to_owned()
    }

    fn rows(&self, app: &App) -> Rows {
        let rows = app.models.rows.iter().flatten().map(|row| {
            let state = match (&row.cached, row.download) {
                (Cached::Yes(_), _) => "here".to_owned(),
                (_, Some(bytes)) => format!("to download, {}", figures::bytes(bytes)),
                (_, None) => "to download".to_owned(),
            };
            Item::new(format!("{} ({state})", row.name), &row.about)
        });
        Rows::Choice(rows.collect())
    }

    fn pick(&mut self, cx: &mut Cx<'_>, row: usize) -> Picked {
        cx.app.open_model(row);
        Picked::Stay
    }
}

/// The name to show for a model: the hub id as it is, the last part of a folder.
fn display_name(asked: &str, files: &Files) -> String {
    let is_path = asked.starts_with(['/', '.', '~']);
    let last = files.root().file_name().map(|name| name.to_string_lossy().into_owned());
    if is_path { last.unwrap_or_else(|| asked.to_owned()) } else { asked.to_owned() }
}
