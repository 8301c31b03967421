//! The export overlay: the document or the last generation, to a file or to the clipboard.

use std::path::PathBuf;

use super::App;
use super::command::{Cx, Scope};
pub use super::effect::{Destination, Exported};
use super::effect::{Effect, IoRequest};
use super::input::{Input, Purpose};
use super::log::Level;
use super::overlay::{Item, Overlay, Picked, Rows};
use super::run::Run;
use crate::disk::Existing;
use crate::export::{Facts, Format, FormatSpec, Record, Source, Subject, TokenRow, formats};

/// What the document and the last generation can be taken away as.
#[derive(Debug)]
pub struct ExportList;

impl Overlay for ExportList {
    fn scope(&self) -> Scope {
        Scope::EXPORT
    }

    fn title(&self, _: &App) -> String {
        "Export".to_owned()
    }

    fn rows(&self, _: &App) -> Rows {
        Rows::Choice(formats().iter().map(|format| Item::new(format.name, format.doc)).collect())
    }

    fn pick(&mut self, cx: &mut Cx<'_>, row: usize) -> Picked {
        if let Some(spec) = formats().get(row) {
            cx.app.export_to_file(spec);
        }
        Picked::Stay
    }
}

impl App {
    pub(super) fn open_export(&mut self) {
        self.toggle(ExportList);
    }

    /// The selected row of the overlay.
    fn format(&self) -> Option<&'static FormatSpec> {
        formats().get(self.selected_in::<ExportList>()?)
    }

    /// Asks for a file's name.
    fn export_to_file(&mut self, spec: &FormatSpec) {
        if self.exportable(spec) {
            let name =
                self.storage.file.as_ref().map_or_else(|| PathBuf::from("kshot"), |file| file.with_extension(""));
            let name = name.with_extension(spec.extension);
            self.ask(
                Input::new(Purpose::ExportTo, format!("export {} to", spec.name), name.display().to_string()).offered(),
            );
        }
    }

    pub(super) fn export_to_clipboard(&mut self) {
        let Some(spec) = self.format() else { return };
        if self.exportable(spec) {
            self.export(spec.format, Destination::Clipboard);
        }
    }

    /// The name was typed.
    pub(super) fn export_as(&mut self, path: &str) {
        let Some(spec) = self.format() else { return };
        let path = PathBuf::from(path);
        let existing =
            if self.storage.refused.take().as_ref() == Some(&path) { Existing::Replace } else { Existing::Keep };
        self.export(spec.format, Destination::File(path, existing));
    }

    fn export(&mut self, format: Format, to: Destination) {
        if format == Format::Trace {
            self.log.say(Level::Notice, "reading the weights, to name their hash in the trace ...");
        }
        let source = Box::new(self.export_source());
        self.outbox.push(Effect::Io(IoRequest::Export { format, source, to }));
    }

    /// It was made, or not. A name that is taken stays in the line, and Enter takes it after all.
    pub(super) fn exported(&mut self, result: Result<Exported, String>) {
        match result {
            Ok(Exported::Text(text)) => {
                self.close::<ExportList>();
                self.send_to_clipboard(text);
            }
            Ok(Exported::Written(path)) => {
                self.close::<ExportList>();
                self.log.say(Level::Notice, format!("exported to {}", path.display()));
            }
            Ok(Exported::Taken(path)) => {
                let input = Input::new(Purpose::ExportTo, "export to", path.display().to_string());
                *self.screen.input =
                    Some(Input { error: Some("exists already; Enter again replaces it".to_owned()), ..input });
                self.storage.refused = Some(path);
            }
            Err(error) => self.log.say(Level::Error, error),
        }
    }

    /// Whether there is what the format is made from; says so where not.
    fn exportable(&mut self, spec: &FormatSpec) -> bool {
        let said = match spec.subject {
            Subject::Text if self.document.is_empty() => "the document is empty",
            Subject::Text if spec.format != Format::Text && self.models.untokenised().is_some() => {
                "this engine has no tokenizer here, so the text is not cut into tokens: export it as text"
            }
            Subject::Text if spec.format != Format::Text && self.document.ids().is_none() => {
                "the text is not cut into tokens yet: load a model first"
            }
            Subject::Generation if self.is_running() => "the generation is still running: wait for its end, or stop it",
            Subject::Generation if self.runs.current.as_ref().is_some_and(Run::is_reported) => {
                "the engine that ran did not give all the figures that this holds"
            }
            Subject::Generation if self.record().is_none() => "nothing was generated yet",
            _ => return true,
        };
        self.log.say(Level::Warning, said);
        false
    }

    /// The last generation, if it has ended.
    fn record(&self) -> Option<Record> {
        let run = self.runs.current.as_ref()?;
        if let Some((batch, picked)) = self.runs.taken.as_ref().filter(|(batch, _)| batch.job == run.job) {
            return batch.record(Some(*picked));
        }
        let (_, request) = self.runs.request.as_ref().filter(|(job, _)| *job == run.job)?;
        Some(Record {
            model: run.model.info.clone(),
            tokenizer: run.model.tokenizer.clone()?,
            request: request.clone(),
            finish: run.finish()?.clone(),
            samples: vec![run.steps.clone()],
            picked: None,
        })
    }

    fn export_source(&self) -> Source {
        let bytes = self.document.bytes();
        let rows = self.document.tokens().iter().enumerate().filter_map(|(index, token)| {
            let range = self.document.token_range(index)?;
            // Those of the text as it stands: what a sampled token brought along may be of a text before an edit.
            let score = self.reading.score(index);
            Some(TokenRow {
                id: token.id,
                author: self.document.author_at(range.start),
                bytes: bytes.get(range)?.to_vec(),
                logprob: score.and_then(|score| score.logprob),
                rank: score.and_then(|score| score.rank),
                entropy: score.and_then(|score| score.entropy),
            })
        });
        let mut facts = Facts::new();
        if let Some(loaded) = &*self.models.loaded {
            facts.push(("model", loaded.info.name.clone()));
        }
        if let Some(seed) = self.last_seed() {
            facts.push(("seed of the last generation", seed.to_string()));
        }
        let record = self.record().map(Box::new);
        Source { text: bytes.to_vec(), rows: rows.collect(), facts, record }
    }
}
