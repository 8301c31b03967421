//! Focus, overlays, scrolling, and the way out.

use super::App;
use super::command::id;
use super::effect::{Effect, TerminalRequest};
use super::input::{Input, Purpose};
use super::log::Level;
use super::run::Run;
use super::screen::{PaneId, SizeClass};
use super::shots::ShotsOverlay;

impl App {
    pub(super) fn resize(&mut self, width: u16, height: u16) {
        self.screen.size = (width, height);
        let class = self.class();
        if class == SizeClass::TooSmall {
            return;
        }
        let has_place = |app: &Self, id| app.screen.pane(id).is_some_and(|pane| pane.has_place(class));
        if !has_place(self, self.screen.focus) {
            self.screen.focus = PaneId::DOCUMENT;
        }
        if has_place(self, PaneId::SHOTS) {
            self.close::<ShotsOverlay>();
        }
    }

    pub(super) fn step_focus(&mut self, steps: isize) {
        *self.screen.input = None;
        if !self.close_top() {
            (self.screen.view.step)(self, steps);
        }
    }

    pub(super) fn focus_pane(&mut self, pane: PaneId) {
        *self.screen.input = None;
        let Some(spec) = self.screen.pane(pane) else { return };
        if spec.has_place(self.class()) {
            self.close_all();
            self.screen.focus = pane;
        } else {
            (spec.as_overlay)(self);
        }
    }

    /// Esc: the nearest thing that can be stopped, dismissed or closed.
    pub(super) fn escape(&mut self) {
        if self.is_running() || self.runs.queued.is_some() {
            self.stop();
        } else if !self.log.dismiss() {
            if !self.close_top() && self.token.searched.take().is_none() {
                self.leave_tokens();
                self.screen.focus = PaneId::DOCUMENT;
            }
            self.token.candidate = 0;
        }
    }

    /// Ctrl+C: stops; when idle, twice quits.
    pub(super) fn interrupt(&mut self) {
        if self.runs.current.as_ref().is_some_and(Run::takes_steps) || self.runs.queued.is_some() {
            self.stop();
        } else if self.screen.quit_armed {
            self.outbox.push(Effect::Quit);
        } else {
            self.screen.quit_armed = true;
            let key = self.keymap.hint(id::INTERRUPT);
            self.log.say(Level::Warning, format!("press {key} again to quit"));
        }
    }

    pub(super) fn quit(&mut self) {
        let (quit, save) = (self.keymap.hint(id::QUIT), self.keymap.hint(id::SAVE));
        let mut open = Vec::new();
        // What is kept as a session comes back.
        if self.unsaved() && (self.storage.keeping.is_none() || self.storage.keep_failed) {
            open.push(format!("the document is not saved ({save} saves it)"));
        }
        if let Some(run) = self.train.live() {
            open.push(format!("the run {} is under way and will be saved", run.name()));
        }
        if self.screen.quit_armed || open.is_empty() {
            self.outbox.push(Effect::Quit);
        } else {
            self.screen.quit_armed = true;
            self.log.say(Level::Warning, format!("{}: {quit} again quits", open.join(", ")));
        }
    }

    pub(super) fn screenshot(&mut self) {
        self.outbox.push(Effect::Terminal(TerminalRequest::Screenshot));
    }

    pub(super) fn redraw(&mut self) {
        self.outbox.push(Effect::Terminal(TerminalRequest::Redraw));
    }

    pub(super) fn suspend(&mut self) {
        self.outbox.push(Effect::Terminal(TerminalRequest::Suspend));
    }

    pub(super) fn ask(&mut self, input: Input) {
        *self.screen.input = Some(input);
    }

    /// The line that is typed: below the view, or on the overlay on top.
    pub fn line(&self) -> Option<&Input> {
        self.screen.input.as_ref().or_else(|| self.top()?.cursor.line.as_ref())
    }

    pub(super) fn line_mut(&mut self) -> Option<&mut Input> {
        if self.screen.input.is_some() { self.screen.input.as_mut() } else { self.overlay_line() }
    }

    pub(super) fn input_edit(&mut self, edit: impl FnOnce(&mut Input)) {
        let Some(line) = self.line_mut() else { return };
        let before = line.text.clone();
        edit(line);
        if line.text != before && self.screen.input.is_none() {
            self.overlay_line_changed();
        }
    }

    pub(super) fn input_cancel(&mut self) {
        *self.screen.input = None;
    }

    /// Enter on the line being typed. A line that cannot be accepted stays, with the reason.
    pub(super) fn input_accept(&mut self) {
        let Some(input) = self.screen.input.take() else { return };
        if let Err(error) = self.accept(&input) {
            *self.screen.input = Some(Input { error: Some(error), ..input });
        }
    }

    /// What the line is for; an error says why it cannot be that.
    fn accept(&mut self, input: &Input) -> Result<(), String> {
        let text = input.text.trim();
        match &input.purpose {
            // Lines of overlays have keys of their own.
            Purpose::Command | Purpose::Filter | Purpose::Find => {}
            Purpose::ImportExamples
            | Purpose::SaveAs
            | Purpose::HubId
            | Purpose::Folder
            | Purpose::ExportTo
            | Purpose::PromptName
            | Purpose::PromptRename
                if text.is_empty() =>
            {
                return Err("type a name first".to_owned());
            }
            Purpose::Value => {
                let tokenizer = self.models.loaded.as_ref().and_then(|loaded| loaded.tokenizer.as_deref());
                return self.sampler.accept(&input.text, tokenizer);
            }
            Purpose::Example => return self.shots_field(&input.text),
            Purpose::Wording(wording) => return self.shots_set_wording(*wording, &input.text),
            Purpose::Answer => return self.shots_set_answer(&input.text),
            Purpose::PresetName => return self.preset_save(text),
            Purpose::PromptName => return self.save_prompt(text),
            Purpose::PromptRename => return self.rename_prompt(text),
            Purpose::HubId => return self.look_up(text),
            Purpose::Folder => return self.find_folder(text),
            Purpose::Query => self.shots_set_query(&input.text),
            Purpose::ExportTo => self.export_as(text),
            Purpose::ImportExamples => self.shots_import(text),
            Purpose::SaveAs => self.save(text),
            Purpose::FindToken => self.found_token(&input.text),
            Purpose::SessionName(id) => self.name_session(id.clone(), text),
            Purpose::SessionSearch => self.keep_session_query(text),
        }
        Ok(())
    }
}
