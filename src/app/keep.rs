//! The session as it is kept on disk and read back: the tree of versions as a journal that only grows, and the rest as one
//! small record. Which files these are, somebody else knows.
//!
//! A journal is lines of JSON: a head, each version once, and again its marks when they change; the last mark counts.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::App;
use super::command::{Cx, id};
use super::effect::{Effect, IoRequest};
use super::log::Level;
use super::page::Document;
use super::shots::ShotsKept;
use super::versions::{Made, Tree};
use crate::engine::{BiasEntry, Drawn, Step};
use crate::sampling::{Candidate, Sampled, Settings, StageCount, StageId};
use crate::session::{Author, DocToken, NodeId, Origin, Piece, Run};

/// The first line of a journal.
pub const HEAD: &[u8] = b"{\"kshot session\":1}\n";
/// The least time between two records.
const PACE: Duration = Duration::from_millis(400);
/// Candidates that are kept of each step.
const TOP: usize = 12;

/// What is to be written: lines for the journal, and the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Lines to append.
    pub journal: Vec<u8>,
    /// The record, whole.
    pub state: Vec<u8>,
}

/// What was handed over last, to tell what has changed since.
#[derive(Debug)]
pub(super) struct Keeping {
    revision: u64,
    settings: Settings,
    stop: Vec<String>,
    shots: u64,
    at: Duration,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Text {
    Utf8(String),
    Bytes(Vec<u8>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    Version(Box<VersionRecord>),
    Marks(MarksRecord),
}

#[derive(Serialize, Deserialize)]
struct VersionRecord {
    id: usize,
    piece: PieceRecord,
    about: Option<MadeRecord>,
}

#[derive(Serialize, Deserialize)]
struct MadeRecord {
    model: String,
    settings: Settings,
}

#[derive(Serialize, Deserialize)]
struct MarksRecord {
    id: usize,
    bookmarked: bool,
    pruned: bool,
    seed: Option<u64>,
    ending: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct PieceRecord {
    parent: usize,
    at: usize,
    text: Text,
    /// Where the runs end, the first one typed.
    runs: Vec<usize>,
    tokens_from: usize,
    tokens: Vec<TokenRecord>,
}

/// Id, bytes, whether it was sampled, and what was known when it was drawn.
#[derive(Serialize, Deserialize)]
struct TokenRecord(u32, usize, bool, Option<StepRecord>);

#[derive(Serialize, Deserialize)]
struct StepRecord {
    index: usize,
    /// The token's bytes, where they are more than the text's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<Vec<u8>>,
    logprob: [f32; 2],
    rank: usize,
    entropy: [f32; 2],
    sum: f64,
    candidates: usize,
    top: Vec<(u32, f32, Option<f32>)>,
    stages: Vec<(String, usize, bool)>,
}

#[derive(Serialize, Deserialize)]
struct StateRecord {
    /// What of the document is no version yet.
    draft: PieceRecord,
    settings: Settings,
    stop: Vec<String>,
    /// The logit bias as it is typed: what ids it has depends on the vocabulary.
    #[serde(default)]
    bias: String,
    shots: Option<ShotsKept>,
}

impl App {
    /// From now on changes are handed over to be kept. What is there already counts as kept.
    pub fn keep_session(&mut self) {
        self.storage.keeping = Some(self.keeping_now());
    }

    /// All versions are handed over with the next change: they are to be kept in another place.
    pub fn keep_all_versions(&mut self) {
        self.versions.tree.all_is_news();
    }

    fn keeping_now(&self) -> Keeping {
        Keeping {
            revision: self.document.revision(),
            settings: self.sampler.settings.clone(),
            stop: self.sampler.stop.clone(),
            shots: self.shots.choices(),
            at: self.screen.now,
        }
    }

    /// Whether something has changed that is not handed over yet.
    pub fn has_to_keep(&self) -> bool {
        self.storage.keeping.as_ref().is_some_and(|kept| {
            kept.revision != self.document.revision()
                || kept.shots != self.shots.choices()
                || kept.settings != self.sampler.settings
                || kept.stop != self.sampler.stop
                || (self.versions.tree.has_news() && !self.document.is_empty())
        })
    }

    /// Hands changes over, not more often than they need to be written.
    pub(super) fn keep_changes(&mut self) {
        let due = self.storage.keeping.as_ref().is_some_and(|kept| self.screen.now.saturating_sub(kept.at) >= PACE);
        if due && let Some(kept) = self.take_kept() {
            self.outbox.push(Effect::Io(IoRequest::Keep(Box::new(kept))));
        }
    }

    /// What is to be written now; `None` where nothing has changed.
    pub fn take_kept(&mut self) -> Option<Kept> {
        if !self.has_to_keep() {
            return None;
        }
        self.storage.keeping = Some(self.keeping_now());
        let mut journal = Vec::new();
        let (made, mut marked) = self.versions.tree.take_news();
        for id in &made {
            if let Some(node) = self.versions.tree.node(*id) {
                let about = node.about.as_ref();
                let about = about.map(|made| MadeRecord { model: made.model.clone(), settings: made.settings.clone() });
                let record = VersionRecord { id: id.0, piece: piece_record(&node.piece), about };
                push_line(&mut journal, &Entry::Version(Box::new(record)));
            }
        }
        marked.extend(made);
        for id in marked {
            if let Some(node) = self.versions.tree.node(id) {
                let made = node.about.as_ref();
                let record = MarksRecord {
                    id: id.0,
                    bookmarked: node.bookmarked,
                    pruned: node.pruned,
                    seed: made.and_then(|made| made.seed),
                    ending: made.and_then(|made| made.ending.clone()),
                };
                push_line(&mut journal, &Entry::Marks(record));
            }
        }
        let record = StateRecord {
            draft: piece_record(&self.versions.tree.draft(&self.document)),
            settings: self.sampler.settings.clone(),
            stop: self.sampler.stop.clone(),
            bias: self.sampler.bias_text(),
            shots: self.shots.kept(),
        };
        let mut state = Vec::new();
        push_line(&mut state, &record);
        Some(Kept { journal, state })
    }

    /// Puts a kept session in place of what is there, sampling parameters and stop strings only where `with_settings`.
    ///
    /// # Errors
    /// Says what cannot be read; nothing has changed then.
    pub fn restore_session(&mut self, kept: &Kept, with_settings: bool) -> Result<(), String> {
        let tree = read_journal(&kept.journal)?;
        let state: StateRecord = serde_json::from_slice(&kept.state).map_err(|error| format!("the record: {error}"))?;
        let bias = BiasEntry::parse_line(&state.bias).map_err(|error| format!("the record: {error}"))?;
        let draft = piece(state.draft);
        let written = tree.drafted(&draft).map_err(|error| format!("the record: {error}"))?;
        self.document = Document::with_written(written);
        self.forget_versions();
        self.versions.tree = tree;
        self.follow_versions();
        // It lies where it is kept.
        self.storage.saved_revision = Some(self.document.revision());
        self.editing.show_end = true;
        if with_settings {
            self.sampler.settings = state.settings;
            self.sampler.stop = state.stop;
            self.sampler.bias = bias;
        }
        if let Some(shots) = state.shots {
            self.shots.restore(&shots);
        }
        Ok(())
    }
}

impl Cx<'_> {
    /// An empty page in a session of its own; the one before stays on disk.
    pub fn new_session(&mut self) {
        if self.app.refuse_while_running("new session") {
            return;
        }
        if self.app.storage.keeping.is_none() {
            let clear = self.app.keymap.hint(id::CLEAR);
            self.app.log.say(Level::Notice, format!("sessions are not kept here; {clear} empties the document"));
            return;
        }
        self.app.keep_versions();
        if let Some(kept) = self.app.take_kept() {
            self.app.outbox.push(Effect::Io(IoRequest::Keep(Box::new(kept))));
        }
        self.app.outbox.push(Effect::Io(IoRequest::NewSession));
        self.clear_document();
        self.app.forget_versions();
        self.app.screen.layers.clear();
        self.app.keep_session();
        self.app.log.say(Level::Notice, "an empty session; the one before is kept");
    }
}

fn push_line(out: &mut Vec<u8>, record: &impl Serialize) {
    // Records have string keys and finite figures only: there is nothing that JSON cannot say.
    if serde_json::to_writer(&mut *out, record).is_ok() {
        out.push(b'\n');
    }
}

fn read_journal(bytes: &[u8]) -> Result<Tree, String> {
    let mut tree = Tree::default();
    let Some(lines) = bytes.strip_prefix(HEAD) else {
        return Err("the journal does not begin as one of this version does".to_owned());
    };
    for (number, line) in lines.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let at = |error: String| format!("line {} of the journal: {error}", number + 2);
        match serde_json::from_slice(line).map_err(|error| at(error.to_string()))? {
            Entry::Version(record) => {
                let about = record.about.map(|made| Made {
                    model: made.model,
                    settings: made.settings,
                    seed: None,
                    ending: None,
                    run: None,
                });
                let id = tree.insert(piece(record.piece), about).map_err(at)?;
                if id.0 != record.id {
                    return Err(at(format!("version {} is missing", id.0)));
                }
            }
            Entry::Marks(marks) => {
                let id = NodeId(marks.id);
                if tree.node(id).is_none() {
                    return Err(at(format!("there is no version {}", marks.id)));
                }
                tree.set_bookmark(id, marks.bookmarked);
                tree.set_pruned(id, marks.pruned);
                if let Some(made) = tree.about_mut(id) {
                    (made.seed, made.ending) = (marks.seed, marks.ending);
                }
            }
        }
    }
    tree.take_news();
    Ok(tree)
}

fn piece_record(piece: &Piece<Arc<Step>>) -> PieceRecord {
    let text = match std::str::from_utf8(&piece.bytes) {
        Ok(text) => Text::Utf8(text.to_owned()),
        Err(_) => Text::Bytes(piece.bytes.clone()),
    };
    // Runs take turns; an empty first one says that the model begins.
    let mut runs: Vec<usize> = piece.runs().iter().map(|run| run.end).collect();
    if piece.runs().first().is_some_and(|run| run.author == Author::Model) {
        runs.insert(0, 0);
    }
    let tokens = piece.tokens.iter().map(|token| {
        TokenRecord(token.id, token.len, token.origin == Origin::Sampled, token.info.as_deref().and_then(step_record))
    });
    PieceRecord {
        parent: piece.parent.0,
        at: piece.at,
        text,
        runs,
        tokens_from: piece.tokens_from,
        tokens: tokens.collect(),
    }
}

fn piece(record: PieceRecord) -> Piece<Arc<Step>> {
    let bytes = match record.text {
        Text::Utf8(text) => text.into_bytes(),
        Text::Bytes(bytes) => bytes,
    };
    let authors = [Author::Typed, Author::Model].into_iter().cycle();
    let runs: Vec<Run> = record.runs.into_iter().zip(authors).map(|(end, author)| Run { end, author }).collect();
    let mut at = record.tokens_from;
    let tokens = record.tokens.into_iter().map(|TokenRecord(id, len, is_sampled, step)| {
        let text = at.checked_sub(record.at).and_then(|from| bytes.get(from..from.saturating_add(len)));
        at = at.saturating_add(len);
        let origin = if is_sampled { Origin::Sampled } else { Origin::Encoded };
        let info = step.map(|step| Arc::new(read_step(step, id, text.unwrap_or_default())));
        DocToken { id, len, origin, info }
    });
    let tokens: Vec<DocToken<Arc<Step>>> = tokens.collect();
    let mut piece = Piece::new(NodeId(record.parent), record.at, bytes, &runs);
    (piece.tokens_from, piece.tokens) = (record.tokens_from, tokens);
    piece
}

/// What is kept of a step; nothing of one that an engine elsewhere drew, whose figures are not all known.
fn step_record(step: &Step) -> Option<StepRecord> {
    let sampled = step.sampled()?;
    // JSON has neither infinities nor NaN, and one that stood in a record would make it unreadable.
    let finite = |value: f32| if value.is_nan() { 0.0 } else { value.clamp(f32::MIN, f32::MAX) };
    Some(StepRecord {
        index: step.index,
        bytes: (step.shown != step.bytes.len()).then(|| step.bytes.clone()),
        logprob: [finite(sampled.logprob), finite(sampled.logprob_sampled)],
        rank: sampled.rank,
        entropy: [finite(sampled.entropy_bits), finite(sampled.entropy_sampled_bits)],
        sum: if sampled.log_sum_exp.is_finite() { sampled.log_sum_exp } else { 0.0 },
        candidates: sampled.candidates,
        top: sampled
            .top
            .iter()
            .take(TOP)
            .map(|candidate| (candidate.id, finite(candidate.logprob), candidate.logprob_sampled.map(finite)))
            .collect(),
        stages: sampled.survivors.iter().map(|stage| (stage.stage.to_string(), stage.kept, stage.is_on)).collect(),
    })
}

fn read_step(record: StepRecord, id: u32, text: &[u8]) -> Step {
    let top = record.top.into_iter();
    let stages = record.stages.into_iter();
    let sampled = Sampled {
        id,
        logprob: record.logprob[0],
        logprob_sampled: record.logprob[1],
        rank: record.rank,
        entropy_bits: record.entropy[0],
        entropy_sampled_bits: record.entropy[1],
        top: top.map(|(id, logprob, logprob_sampled)| Candidate { id, logprob, logprob_sampled }).collect(),
        candidates: record.candidates,
        // A stage that this version does not know is left out: it is a figure, not the text.
        survivors: stages
            .filter_map(|(name, kept, is_on)| Some(StageCount { stage: name.parse::<StageId>().ok()?, kept, is_on }))
            .collect(),
        log_sum_exp: record.sum,
    };
    let bytes = record.bytes.unwrap_or_else(|| text.to_vec());
    Step { sequence: 0, index: record.index, shown: text.len(), bytes, drawn: Drawn::Here(sampled) }
}
