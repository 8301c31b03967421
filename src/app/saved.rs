//! Prompts saved under a name: saving the document as one, and the list to load, rename and delete them.

use super::App;
use super::command::{Cx, Scope, id};
use super::effect::{Effect, IoRequest};
use super::input::{Input, Purpose};
use super::log::Level;
use super::overlay::{Item, Overlay, Picked, Rows};
use super::question::Question;
use crate::disk::Existing;
use crate::session::{PromptError, PromptFolder, PromptJob, SavedPrompt, check_name};
use crate::text::figures;

/// The saved prompts.
#[derive(Debug, Default)]
pub struct Saved {
    /// Where they are kept; `None`: nowhere.
    pub folder: Option<PromptFolder>,
    /// The list; `None` until it was read.
    pub rows: Option<Vec<SavedPrompt>>,
    /// The name that the document has.
    name: Option<String>,
    /// A name that was taken; Enter again takes it after all.
    refused: Option<String>,
}

/// The list of saved prompts.
#[derive(Debug)]
pub struct PromptList;

impl Overlay for PromptList {
    fn scope(&self) -> Scope {
        Scope::PROMPTS
    }

    fn title(&self, _: &App) -> String {
        "Saved prompts".to_owned()
    }

    fn rows(&self, app: &App) -> Rows {
        let rows = app.storage.prompts.rows.iter().flatten();
        Rows::Choice(rows.map(|prompt| Item::new(&prompt.name, figures::bytes(prompt.bytes))).collect())
    }

    fn pick(&mut self, cx: &mut Cx<'_>, row: usize) -> Picked {
        cx.app.load_prompt(row);
        Picked::Stay
    }
}

impl App {
    /// Has something done with the saved prompts; the list is read again afterwards.
    pub(super) fn prompts(&mut self, job: PromptJob) {
        match self.storage.prompts.folder.clone() {
            Some(folder) => self.outbox.push(Effect::Io(IoRequest::Prompts(folder, job))),
            None => self.log.say(Level::Error, "there is no folder to keep prompts in"),
        }
    }

    /// Opens the list, or closes it.
    pub(super) fn open_prompts(&mut self) {
        if self.overlay::<PromptList>().is_none() {
            self.prompts(PromptJob::List);
        }
        self.toggle(PromptList);
    }

    /// The prompt that is selected in the list.
    pub fn prompt_row(&self) -> Option<&SavedPrompt> {
        self.storage.prompts.rows.as_ref()?.get(self.selected_in::<PromptList>()?)
    }

    /// Asks under which name the document is to be saved.
    pub(super) fn ask_prompt_name(&mut self) {
        if self.document.is_empty() {
            self.log.say(Level::Notice, "there is nothing to save");
        } else {
            self.storage.prompts.refused = None;
            let name = self.storage.prompts.name.clone().unwrap_or_default();
            self.ask(Input::new(Purpose::PromptName, "save as the prompt", name).offered());
        }
    }

    pub(super) fn save_prompt(&mut self, name: &str) -> Result<(), String> {
        check_name(name).map_err(|error| error.to_string())?;
        // Its own may be written again, and another one after a second Enter.
        let known = |taken: &Option<String>| taken.as_deref() == Some(name);
        let again = known(&self.storage.prompts.refused.take()) || known(&self.storage.prompts.name);
        let existing = if again { Existing::Replace } else { Existing::Keep };
        let (revision, bytes) = (self.document.revision(), self.document.bytes().to_vec());
        self.prompts(PromptJob::Save { name: name.to_owned(), bytes, existing, revision });
        Ok(())
    }

    /// Enter on a row: the prompt becomes the document.
    fn load_prompt(&mut self, row: usize) {
        let row = self.storage.prompts.rows.as_ref().and_then(|rows| rows.get(row));
        if let Some(name) = row.map(|row| row.name.clone())
            && !self.refuse_while_running("loading")
        {
            self.prompts(PromptJob::Load { name });
        }
    }

    pub(super) fn ask_prompt_rename(&mut self) {
        if let Some(name) = self.prompt_row().map(|row| row.name.clone()) {
            self.ask(Input::new(Purpose::PromptRename, format!("another name for {name}"), name).offered());
        }
    }

    pub(super) fn rename_prompt(&mut self, to: &str) -> Result<(), String> {
        check_name(to).map_err(|error| error.to_string())?;
        if let Some(from) = self.prompt_row().map(|row| row.name.clone()).filter(|from| from != to) {
            self.prompts(PromptJob::Rename { from, to: to.to_owned() });
        }
        Ok(())
    }

    pub(super) fn ask_prompt_delete(&mut self) {
        if let Some(name) = self.prompt_row().map(|row| row.name.clone()) {
            self.ask_question(Question::DeletePrompt(name));
        }
    }

    /// A job with the saved prompts is done, or not, and the list is this one now.
    pub(super) fn prompts_answered(
        &mut self,
        job: PromptJob,
        result: Result<Vec<u8>, PromptError>,
        list: Result<Vec<SavedPrompt>, PromptError>,
    ) {
        match list {
            Ok(rows) => {
                self.storage.prompts.rows = Some(rows);
            }
            Err(error) => self.log.say(Level::Error, error.to_string()),
        }
        match (job, result) {
            (PromptJob::Save { name, .. }, Err(PromptError::Taken(_))) => {
                let input = Input::new(Purpose::PromptName, "save as the prompt", name.clone());
                let error = format!("exists already; {} again replaces it", self.keymap.hint(id::INPUT_ACCEPT));
                *self.screen.input = Some(Input { error: Some(error), ..input });
                self.storage.prompts.refused = Some(name);
            }
            (_, Err(error)) => self.log.say(Level::Error, error.to_string()),
            (PromptJob::List, Ok(_)) => {
                if let Some(name) = self.storage.prompts.name.clone() {
                    self.select_prompt(&name);
                }
            }
            (PromptJob::Save { name, revision, .. }, Ok(_)) => {
                self.storage.saved_revision = Some(revision);
                let list = self.keymap.hint(id::PROMPTS);
                self.log.say(Level::Notice, format!("saved as the prompt {name} ({list} lists them)"));
                self.select_prompt(&name);
                self.storage.prompts.name = Some(name);
            }
            (PromptJob::Load { name }, Ok(bytes)) => self.take_prompt(name, &bytes),
            (PromptJob::Rename { from, to }, Ok(_)) => {
                self.log.say(Level::Notice, format!("{from} is now {to}"));
                self.select_prompt(&to);
                if self.storage.prompts.name.as_ref() == Some(&from) {
                    self.storage.prompts.name = Some(to);
                }
            }
            (PromptJob::Delete { name }, Ok(_)) => {
                self.log.say(Level::Notice, format!("the prompt {name} is deleted"));
                self.storage.prompts.name = self.storage.prompts.name.take().filter(|own| *own != name);
            }
        }
    }

    fn select_prompt(&mut self, name: &str) {
        let place = self.storage.prompts.rows.iter().flatten().position(|row| row.name == name);
        if let Some(place) = place {
            self.select_in::<PromptList>(place);
        }
    }

    /// A loaded prompt takes the place of the text, as one step of undo.
    fn take_prompt(&mut self, name: String, bytes: &[u8]) {
        if self.refuse_while_running("loading") {
            return;
        }
        let old = !self.document.is_empty();
        self.document.replace(0..self.document.len(), bytes);
        self.storage.saved_revision = Some(self.document.revision());
        self.editing.show_end = true;
        self.close::<PromptList>();
        let undo = self.keymap.hint(id::UNDO);
        let back = if old { format!("; {undo} brings the old text back") } else { String::new() };
        self.log.say(Level::Notice, format!("the prompt {name}{back}"));
        self.storage.prompts.name = Some(name);
    }
}
