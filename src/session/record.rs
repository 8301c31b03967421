//! The file format of a session: the tree of versions as an append-only journal, and the rest as one small record.
//!
//! A journal is lines of JSON: a head, each version once, and again its marks when they change; the last mark counts. The
//! record begins with what a list of sessions shows ([`About`]), so that listing reads its first bytes only.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Author, DocToken, Node, NodeId, Origin, Piece, Run, Tree};
use crate::engine::Step;
use crate::sampling::Settings;

mod step;

use step::StepRecord;
pub use step::thinned;

/// The first line of a journal.
pub const HEAD: &[u8] = b"{\"kshot session\":1}\n";
/// How a record begins that says what a list shows.
const ABOUT: &[u8] = b"{\"about\":";

/// What is to be written: lines for the journal, and the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What a list of sessions shows.
    pub about: About,
    /// Lines to append.
    pub journal: Vec<u8>,
    /// The record, whole, without what a list shows.
    pub state: Vec<u8>,
}

/// What a list shows of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The name that it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The first line of its text, cut where it is long.
    #[serde(default)]
    pub first: String,
    /// The model that was in use.
    #[serde(default)]
    pub model: String,
}

impl About {
    /// Characters of the first line.
    const FIRST: usize = 120;

    /// The first line of a text that has more than white space.
    pub fn first_line(text: &[u8]) -> String {
        // Looking at more than the start would cost with each key what a long text costs.
        let start = String::from_utf8_lossy(text.get(..text.len().min(4096)).unwrap_or_default());
        let line = start.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        line.trim().chars().take(Self::FIRST).collect()
    }
}

/// How a generation was made, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Making {
    /// The model's name.
    pub model: String,
    /// The sampling parameters.
    pub settings: Settings,
    /// The seed, once it is known.
    pub seed: Option<u64>,
    /// Why it ended, in words.
    pub ending: Option<String>,
}

/// What a session holds beside its versions.
#[derive(Debug, Clone)]
pub struct State {
    /// What of the text is no version yet.
    pub draft: Piece<Arc<Step>>,
    /// Sampling parameters; `None` where they cannot be read.
    pub settings: Option<Settings>,
    /// Stop strings.
    pub stop: Vec<String>,
    /// The logit bias as it is typed: what ids it has depends on the vocabulary.
    pub bias: String,
    /// The few-shot task.
    pub shots: Option<ShotsChoice>,
}

/// What is chosen of a few-shot task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShotsChoice {
    /// The task's name.
    pub task: String,
    /// The examples in their order, and whether each is on.
    pub examples: Vec<(usize, bool)>,
    /// Whether the task's description stands in front.
    pub instruction: bool,
    /// What is asked.
    pub query: String,
}

/// A session as it was read. What could not be read is left out and named.
#[derive(Debug, Default)]
pub struct Contents {
    /// Its versions.
    pub tree: Tree<Arc<Step>, Making>,
    /// The rest; `None` where nothing of it can be read: the text is then the version that was made last.
    pub state: Option<State>,
    /// What of the journal could not be read.
    pub lost_versions: Vec<String>,
    /// What of the record could not be read.
    pub lost_state: Vec<String>,
}

impl Contents {
    /// Whether everything was read.
    pub fn is_whole(&self) -> bool {
        self.lost_versions.is_empty() && self.lost_state.is_empty()
    }

    /// Whether there is nothing in it at all.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty() && self.state.as_ref().is_none_or(|state| state.draft.bytes.is_empty())
    }

    /// What could not be read, in one line; empty where that is nothing.
    pub fn lost(&self) -> String {
        let all = || self.lost_versions.iter().chain(&self.lost_state);
        match (all().next(), all().count()) {
            (None, _) => String::new(),
            (Some(first), 1) => first.clone(),
            (Some(first), more) => format!("{first}, and {} more", more - 1),
        }
    }

    /// What of the text is no version yet; where that is not known, nothing after the version that was made last.
    pub fn draft(&self) -> Piece<Arc<Step>> {
        let here = self.tree.here();
        let known = self.state.as_ref().map(|state| state.draft.clone());
        known.unwrap_or_else(|| Piece::new(here.node, here.end, Vec::new(), &[]))
    }

    /// What a list shows of it, but for its name.
    pub fn about(&self) -> About {
        let made = self.tree.ids().filter_map(|id| self.tree.node(id)?.about.as_ref());
        let model = made.last().map(|made| made.model.clone()).unwrap_or_default();
        About { name: None, first: About::first_line(&self.text()), model }
    }

    /// The bytes of the text that it shows.
    fn text(&self) -> Vec<u8> {
        let drafted = self.tree.drafted(&self.draft());
        drafted.unwrap_or_else(|_| self.tree.written(self.tree.here())).bytes().to_vec()
    }
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
    settings: Value,
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
struct StateRecord {
    draft: PieceRecord,
    settings: Value,
    #[serde(default)]
    stop: Vec<String>,
    #[serde(default)]
    bias: String,
    shots: Option<ShotsChoice>,
}

/// The lines of nodes that were made, and of nodes whose marks changed.
pub fn journal<A>(
    tree: &Tree<Arc<Step>, A>,
    made: &BTreeSet<NodeId>,
    marked: &BTreeSet<NodeId>,
    making: impl Fn(&A) -> Making,
) -> Vec<u8> {
    let mut lines = Vec::new();
    for (id, node) in made.iter().filter_map(|id| Some((id, tree.node(*id)?))) {
        let about = node.about.as_ref().map(&making);
        let about = about.map(|made| MadeRecord { model: made.model, settings: value(&made.settings) });
        push_line(
            &mut lines,
            &Entry::Version(Box::new(VersionRecord { id: id.0, piece: (&node.piece).into(), about })),
        );
    }
    for (id, node) in made.union(marked).filter_map(|id| Some((id, tree.node(*id)?))) {
        push_line(&mut lines, &Entry::Marks(marks(*id, node, &making)));
    }
    lines
}

fn marks<A>(id: NodeId, node: &Node<Arc<Step>, A>, making: impl Fn(&A) -> Making) -> MarksRecord {
    let made = node.about.as_ref().map(making);
    MarksRecord {
        id: id.0,
        bookmarked: node.bookmarked,
        pruned: node.pruned,
        seed: made.as_ref().and_then(|made| made.seed),
        ending: made.and_then(|made| made.ending),
    }
}

/// The record of what is no version.
pub fn state(state: &State) -> Vec<u8> {
    let mut line = Vec::new();
    let record = StateRecord {
        draft: (&state.draft).into(),
        settings: value(state.settings.as_ref().unwrap_or(&Settings::default())),
        stop: state.stop.clone(),
        bias: state.bias.clone(),
        shots: state.shots.clone(),
    };
    push_line(&mut line, &record);
    line
}

fn value(settings: &Settings) -> Value {
    serde_json::to_value(settings).unwrap_or_default()
}

fn push_line(out: &mut Vec<u8>, record: &impl Serialize) {
    // Records have string keys and finite figures only: there is nothing that JSON cannot say.
    if serde_json::to_writer(&mut *out, record).is_ok() {
        out.push(b'\n');
    }
}

/// A record with what a list shows in front.
pub(super) fn with_about(about: &About, state: &[u8]) -> Vec<u8> {
    let mut whole = ABOUT.to_vec();
    if serde_json::to_writer(&mut whole, about).is_err() {
        return state.to_vec();
    }
    whole.push(b',');
    whole.extend_from_slice(state.strip_prefix(b"{").unwrap_or(state));
    whole
}

/// What a list shows of a record of which the first bytes are given, and the record without it. `None` where an earlier
/// version of the program wrote it.
pub(super) fn split_about(record: &[u8]) -> Option<(About, Vec<u8>)> {
    let rest = record.strip_prefix(ABOUT)?;
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<About>();
    let about = values.next()?.ok()?;
    let state = rest.get(values.byte_offset()..)?.strip_prefix(b",")?;
    Some((about, [b"{", state].concat()))
}

/// Reads a session. Each line that cannot be read is named; branches of a version that is lost begin a text of
/// their own.
pub fn read(journal: &[u8], state: &[u8]) -> Contents {
    let mut reader = Reader::default();
    let lines = journal.strip_prefix(HEAD).unwrap_or_else(|| {
        reader.lost.push("the first line of the versions is damaged".to_owned());
        journal.iter().position(|byte| *byte == b'\n').and_then(|end| journal.get(end + 1..)).unwrap_or_default()
    });
    for (number, line) in lines.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        if let Err(error) = reader.line(line) {
            reader.lost.push(format!("line {} of the versions: {error}", number + 2));
        }
    }
    reader.tree.take_news();
    let lost_versions = std::mem::take(&mut reader.lost);
    let state = reader.state(state).map_err(|error| reader.lost.push(format!("the record: {error}"))).ok();
    Contents { tree: reader.tree, state, lost_versions, lost_state: reader.lost }
}

/// Puts versions in the tree under the numbers that they have there.
#[derive(Default)]
struct Reader {
    tree: Tree<Arc<Step>, Making>,
    /// The node of each number, and how many bytes are missing in front of its text.
    nodes: HashMap<usize, (NodeId, usize)>,
    lost: Vec<String>,
}

impl Reader {
    /// Takes in a line of the journal.
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        match serde_json::from_slice(line).map_err(|error| error.to_string())? {
            Entry::Version(record) => self.version(*record),
            Entry::Marks(marks) => {
                let (id, _) = *self.nodes.get(&marks.id).ok_or_else(|| format!("there is no version {}", marks.id))?;
                self.tree.set_bookmark(id, marks.bookmarked);
                self.tree.set_pruned(id, marks.pruned);
                if let Some(made) = self.tree.about_mut(id) {
                    (made.seed, made.ending) = (marks.seed, marks.ending);
                }
                Ok(())
            }
        }
    }

    fn version(&mut self, record: VersionRecord) -> Result<(), String> {
        if record.id == 0 || self.nodes.contains_key(&record.id) {
            return Err(format!("there is a version {} already", record.id));
        }
        let about = record.about.map(|made| {
            let settings = serde_json::from_value(made.settings).unwrap_or_else(|error| {
                self.lost.push(format!("the settings of version {}: {error}", record.id));
                Settings::default()
            });
            Making { model: made.model, settings, seed: None, ending: None }
        });
        let (piece, missing) = self.place(piece(record.piece))?;
        let id = self.tree.insert(piece, about)?;
        self.nodes.insert(record.id, (id, missing));
        Ok(())
    }

    /// The piece with the parent that it has in this tree; where that is lost, at the root.
    fn place(&mut self, mut piece: Piece<Arc<Step>>) -> Result<(Piece<Arc<Step>>, usize), String> {
        let known = match piece.parent.0 {
            0 => (piece.at == 0).then_some((NodeId(0), 0)),
            parent => self.nodes.get(&parent).copied().filter(|(id, missing)| {
                let node = self.tree.node(*id);
                let at = piece.at.checked_sub(*missing);
                node.zip(at).is_some_and(|(node, at)| (node.piece.at..=node.end()).contains(&at))
            }),
        };
        if known.is_none() {
            self.lost
                .push(format!("what is before byte {} of a text: its version {} is lost", piece.at, piece.parent.0));
        }
        let (parent, missing) = known.unwrap_or((NodeId(0), piece.at));
        if piece.tokens_from < missing {
            piece.tokens.clear();
            piece.tokens_from = piece.at;
        }
        piece.at = piece.at.checked_sub(missing).ok_or("it begins before the version that it goes on from")?;
        piece.tokens_from = piece.tokens_from.saturating_sub(missing);
        piece.parent = parent;
        Ok((piece, missing))
    }

    fn state(&mut self, bytes: &[u8]) -> Result<State, String> {
        let record: StateRecord = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let (draft, _) = self.place(piece(record.draft))?;
        self.tree.drafted(&draft)?;
        let settings = serde_json::from_value(record.settings).map_err(|error| {
            self.lost.push(format!("the settings: {error}"));
        });
        let bias = match crate::engine::BiasEntry::parse_line(&record.bias) {
            Ok(_) => record.bias,
            Err(error) => {
                self.lost.push(format!("the logit bias: {error}"));
                String::new()
            }
        };
        Ok(State { draft, settings: settings.ok(), stop: record.stop, bias, shots: record.shots })
    }
}

impl From<&Piece<Arc<Step>>> for PieceRecord {
    fn from(piece: &Piece<Arc<Step>>) -> Self {
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
            let step = token.info.as_deref().and_then(StepRecord::of);
            TokenRecord(token.id, token.len, token.origin == Origin::Sampled, step)
        });
        Self {
            parent: piece.parent.0,
            at: piece.at,
            text,
            runs,
            tokens_from: piece.tokens_from,
            tokens: tokens.collect(),
        }
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
        let info = step.map(|step| Arc::new(step.read(id, text.unwrap_or_default())));
        DocToken { id, len, origin, info }
    });
    let tokens: Vec<DocToken<Arc<Step>>> = tokens.collect();
    let mut piece = Piece::new(NodeId(record.parent), record.at, bytes, &runs);
    (piece.tokens_from, piece.tokens) = (record.tokens_from, tokens);
    piece
}

#[cfg(test)]
mod tests;
