//! Versions: every generation is kept, and any of them is put back with its ids and figures, as one step of undo.
//!
//! The document is what is on the screen; the tree is told of it when something else is about to take its place (a
//! generation, another version), never at a key that types.

use std::collections::VecDeque;
use std::sync::Arc;

use super::App;
use super::command::{CommandId, Cx, id};
use super::log::Level;
use super::run::{Phase, Run};
use super::tree::TreeView;
use crate::engine::{Finish, JobId, Step};
use crate::sampling::Settings;
use crate::session::{self, Making, NodeId, Origin, Place, Point, Preview, record};

/// Changes after which points are found anew, well before the document forgets what changed.
const BEHIND: u64 = 256;
/// The newest generations, of which all candidates are kept; of the others as many as on disk, which is what a session that
/// is opened again has.
const FULL: usize = 16;
/// Characters of a text that a message shows.
const SHOWN: usize = 32;

/// The versions of the document, each sampled token with the step that made it.
pub type Tree = session::Tree<Arc<Step>, Made>;

/// How a generation was made.
#[derive(Debug, Clone)]
pub struct Made {
    /// The model's name.
    pub model: String,
    /// The sampling parameters.
    pub settings: Settings,
    /// The seed, once it is known.
    pub seed: Option<u64>,
    /// Why it ended, in words.
    pub ending: Option<String>,
    /// The run as the screen shows it; none for a version from an earlier start of the program.
    pub run: Option<Box<Run>>,
}

impl Made {
    /// As it is kept.
    pub(super) fn making(&self) -> Making {
        Making {
            model: self.model.clone(),
            settings: self.settings.clone(),
            seed: self.seed,
            ending: self.ending.clone(),
        }
    }
}

impl From<Making> for Made {
    fn from(making: Making) -> Self {
        let Making { model, settings, seed, ending } = making;
        Self { model, settings, seed, ending, run: None }
    }
}

/// A generation that goes on and is to become a version.
#[derive(Debug, Clone)]
struct Coming {
    from: Place,
    settings: Settings,
    seed: Option<u64>,
}

/// All versions, and what the screen shows of them.
#[derive(Debug, Default)]
pub struct Versions {
    /// The tree.
    pub tree: Tree,
    /// What the view of the tree knows beside it.
    pub view: TreeView,
    points: Vec<Point>,
    /// The document's revision that the tree knows.
    followed: u64,
    coming: Option<Coming>,
    /// Stopped runs whose seed and ending are still to be told.
    awaited: Vec<(JobId, NodeId)>,
    /// The generations of which all candidates are kept, the oldest first.
    full: VecDeque<NodeId>,
    /// The seed of the version that is made again.
    pub(super) again: Option<u64>,
}

/// Which of how many versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionAt {
    /// From 1; `None`: the text ends before any of them.
    pub which: Option<usize>,
    /// How many there are.
    pub of: usize,
}

/// Back or forth in the history of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Take a step back.
    Undo,
    /// Do it again.
    Redo,
}

impl Way {
    /// The one with that command.
    pub(super) fn find(command: CommandId) -> Option<Self> {
        [Self::Undo, Self::Redo].into_iter().find(|way| way.command() == command)
    }

    /// The one that takes this one back.
    fn other(self) -> Self {
        match self {
            Self::Undo => Self::Redo,
            Self::Redo => Self::Undo,
        }
    }

    /// Its command.
    pub(super) fn command(self) -> CommandId {
        match self {
            Self::Undo => id::UNDO,
            Self::Redo => id::REDO,
        }
    }
}

impl Versions {
    /// The seed of the generation that goes on, where it is known before its end.
    pub(super) fn coming_seed(&self) -> Option<u64> {
        self.coming.as_ref()?.seed
    }
}

impl Cx<'_> {
    /// Shows the next or previous version of what goes on from the caret's branching point.
    pub fn turn_version(&mut self, steps: isize) {
        if self.app.refuse_while_running("other version") {
            return;
        }
        self.app.keep_versions();
        let caret = self.page.caret();
        let point = self.app.point_before(caret).or_else(|| self.app.versions.points.first()).cloned();
        let Some(point) = point else {
            let again = self.app.keymap.hint(id::REGENERATE);
            self.app.log.say(Level::Notice, format!("there is one version so far; {again} makes another one"));
            return;
        };
        let of = point.versions.len();
        let next = match point.now {
            Some(now) => (now as isize + steps).rem_euclid(of.max(1) as isize) as usize,
            None if steps > 0 => 0,
            None => of.saturating_sub(1),
        };
        let Some(version) = point.versions.get(next) else { return };
        self.show_version(self.app.versions.tree.leaf(*version, point.at), point.at);
        let said = format!("version {} of {of}: {}", next + 1, self.app.describe(*version));
        self.app.log.say(Level::Notice, said);
    }

    /// Puts the text of a place in the document, the caret at a byte of it.
    pub(super) fn show_version(&mut self, place: Place, caret: usize) {
        self.app.put_version(place);
        self.caret_to(caret);
    }

    /// Takes a step of the document's history. One that concerns a generation or more than a line is announced first,
    /// and done when the key comes again.
    pub(super) fn take_step(&mut self, way: Way) {
        if self.app.refuse_while_running(way.command().name()) {
            return;
        }
        let announced = self.app.editing.announced.take() == Some(self.app.document.revision());
        let Some(preview) = self.app.preview(way) else {
            self.app.log.say(Level::Notice, format!("nothing to {}", way.command()));
            return;
        };
        if preview.is_large && !announced {
            let (key, what) = (self.app.keymap.hint(way.command()), self.app.in_words(&preview, "takes", "brings"));
            self.app.log.say(Level::Notice, format!("press {key} again: it {what}"));
            self.app.editing.announced = Some(self.app.document.revision());
            return;
        }
        let done = preview.is_large.then(|| self.app.in_words(&preview, "took", "brought"));
        let change = match way {
            Way::Undo => self.app.document.undo(),
            Way::Redo => self.app.document.redo(),
        };
        if let Some(change) = change {
            self.caret_to(change.new_end);
        }
        self.app.follow_versions();
        // Who steps back far is asked once, and told with each step what the next one does.
        let next = self.app.preview(way).filter(|next| next.is_large);
        let next = next.map(|next| self.app.in_words(&next, "takes", "brings"));
        let [key, back] = [way, way.other()].map(|way| self.app.keymap.hint(way.command()));
        let done = done.map(|done| format!("{done} ({back} undoes that)"));
        let coming = next.as_ref().map(|next| format!("{key} again {next}"));
        let said: Vec<String> = done.into_iter().chain(coming).collect();
        if !said.is_empty() {
            self.app.log.say(Level::Notice, said.join("; "));
        }
        self.app.editing.announced = (!said.is_empty()).then(|| self.app.document.revision());
    }
}

impl App {
    /// Which version is on the screen of those that go on from the last branching point before a byte.
    pub fn version_at(&self, caret: usize) -> Option<VersionAt> {
        let point = self.point_before(caret)?;
        let of = point.versions.len();
        Some(match point.now {
            Some(now) => VersionAt { which: Some(now + 1), of },
            None if self.document.len() > point.at => VersionAt { which: Some(of + 1), of: of + 1 },
            None => VersionAt { which: None, of },
        })
    }

    /// The last branching point at or before a byte. What was edited since the tree was told is no longer there.
    fn point_before(&self, caret: usize) -> Option<&Point> {
        let same = self.document.revision() == self.versions.followed;
        let changed = self.document.change_since(self.versions.followed).map_or(0, |change| change.start);
        let holds = |point: &&Point| same || point.at < changed || (point.at == changed && point.now.is_none());
        self.versions.points.iter().take_while(holds).take_while(|point| point.at <= caret).last()
    }

    /// The tree finds the document's place, and keeps nothing.
    pub(super) fn follow_versions(&mut self) {
        self.versions.tree.follow(&self.document);
        self.versions_known();
    }

    /// Finds the place again before the document forgets what changed since.
    pub(super) fn catch_up_versions(&mut self) {
        if self.document.revision() - self.versions.followed > BEHIND {
            self.follow_versions();
        }
    }

    /// What was typed becomes a version.
    pub(super) fn keep_versions(&mut self) -> Place {
        let place = self.versions.tree.keep(&self.document);
        self.versions_known();
        place
    }

    fn versions_known(&mut self) {
        self.versions.points = self.versions.tree.points();
        self.versions.followed = self.document.revision();
    }

    /// Another text with a history of its own.
    pub(super) fn forget_versions(&mut self) {
        self.versions = Versions { followed: self.document.revision(), ..Versions::default() };
    }

    /// A generation begins at the end of the document.
    pub(super) fn version_begins(&mut self, seed: Option<u64>) {
        let from = self.keep_versions();
        self.versions.coming = Some(Coming { from, settings: self.sampler.settings.clone(), seed });
    }

    /// No more tokens come: what was generated becomes a version.
    pub(super) fn version_made(&mut self) {
        let (Some(coming), Some(run)) = (self.versions.coming.take(), &*self.runs.current) else { return };
        let made = Made {
            model: run.model.info.name.clone(),
            settings: coming.settings,
            seed: coming.seed,
            ending: run.ending(),
            run: Some(Box::new(run.clone())),
        };
        if let Some(id) = self.versions.tree.keep_generation(coming.from, &self.document, made) {
            self.versions.awaited.push((run.job, id));
            self.versions.full.push_back(id);
        }
        self.thin_versions();
        self.versions_known();
    }

    /// Lets go of what the screen shows of the newest generations only: 512 candidates a token are most of a session's
    /// memory.
    fn thin_versions(&mut self) {
        let thin = |step: &Arc<Step>| record::thinned(step).map(Arc::new);
        while self.versions.full.len() > FULL
            && let Some(id) = self.versions.full.pop_front()
        {
            self.versions.tree.thin(id, thin);
            self.versions.tree.forget_about(id, |made| made.run = None);
        }
        self.document.thin_history(2 * FULL, thin);
    }

    /// A run says how it ended, perhaps long after it was stopped.
    pub(super) fn version_ended(&mut self, job: JobId, finish: &Finish) {
        let Some(at) = self.versions.awaited.iter().position(|(awaited, _)| *awaited == job) else { return };
        let (_, id) = self.versions.awaited.swap_remove(at);
        let Some(made) = self.versions.tree.about_mut(id) else { return };
        made.seed = Some(finish.seed);
        if let Some(run) = &mut made.run {
            // The prompt is the text before it, which its parents have.
            run.phase = Phase::Ended(Box::new(Finish { prompt: Vec::new(), ..finish.clone() }));
            made.ending = run.ending();
        }
    }

    /// The generation that the document ends with: the byte where it begins, and how it was made.
    pub(super) fn last_generation(&mut self) -> Option<(usize, &Made)> {
        self.follow_versions();
        let place = self.versions.tree.here();
        let node = self.versions.tree.node(place.node)?;
        let whole = node.end() == place.end && place.end == self.document.len();
        Some((node.piece.at, node.about.as_ref().filter(|_| whole)?))
    }

    /// Takes the end of the document off. A step of undo that is just that is taken back instead of a new one made.
    pub(super) fn cut_from(&mut self, at: usize) {
        let is_last = |preview: Preview| preview.gone == (at..self.document.len()) && preview.back.is_empty();
        if self.document.undo_preview().is_some_and(is_last) {
            self.document.undo();
        } else {
            self.document.delete(at..self.document.len());
        }
        self.follow_versions();
    }

    fn put_version(&mut self, place: Place) {
        let mut written = self.versions.tree.written(place);
        if let Some(loaded) = &*self.models.loaded {
            written.keep_known(|id| loaded.bytes(id));
        }
        self.document.restore(written);
        self.versions.tree.visit(place);
        self.versions_known();
        // The panes show the figures of the generation that the text ends with.
        let made = self.versions.tree.path(place.node).into_iter().rev();
        let made = made.filter_map(|id| self.versions.tree.node(id)?.about.as_ref()).next();
        let revision = self.document.revision();
        *self.runs.current = made.and_then(|made| made.run.as_deref()).cloned();
        if let Some(run) = &mut *self.runs.current {
            run.left_at = revision;
        }
        self.leave_tokens();
    }

    /// Another vocabulary is in use: all ids go, and come back where it has the same tokens for the same bytes.
    pub(super) fn change_vocabulary(&mut self) {
        if self.document.tokens().iter().any(|token| token.origin == Origin::Sampled) {
            self.keep_versions();
        }
        self.document.unsettle_all();
        if let (Some(loaded), true) = (&*self.models.loaded, self.versions.tree.follow(&self.document)) {
            let mut written = self.versions.tree.written(self.versions.tree.here());
            written.keep_known(|id| loaded.bytes(id));
            self.document.adopt(written);
        }
        self.versions_known();
    }

    /// One line about a version: tokens, mean log-probability, seed, model; or that it was typed.
    pub fn describe(&self, id: NodeId) -> String {
        let Some(node) = self.versions.tree.node(id) else { return String::new() };
        let Some(made) = &node.about else { return "typed".to_owned() };
        let figures = Figures::of(node.own_tokens().map(|token| token.info.as_deref()));
        let mut text = tokens(figures.tokens);
        if let Some(mean) = figures.mean_logprob {
            text += &format!(", {mean:.2} nats a token");
        }
        if let Some(seed) = made.seed {
            text += &format!(", seed {seed}");
        }
        text + ", " + &made.model
    }

    fn preview(&self, way: Way) -> Option<Preview> {
        match way {
            Way::Undo => self.document.undo_preview(),
            Way::Redo => self.document.redo_preview(),
        }
    }

    /// What a step changes, with the verbs for what it takes and what it brings back.
    fn in_words(&self, preview: &Preview, takes: &str, brings: &str) -> String {
        let part = |verb: &str, text: &str, sampled: usize| {
            let sampled = if sampled > 0 { format!(" ({})", tokens(sampled)) } else { String::new() };
            (!text.is_empty()).then(|| format!("{verb} back \"{}\"{sampled}", first_words(text, SHOWN)))
        };
        let gone = self.document.bytes().get(preview.gone.clone()).unwrap_or_default();
        let gone = part(takes, &String::from_utf8_lossy(gone), preview.gone_tokens);
        let back = part(brings, &preview.back, preview.back_tokens);
        gone.into_iter().chain(back).collect::<Vec<_>>().join(" and ")
    }
}

fn tokens(n: usize) -> String {
    if n == 1 { "1 token".to_owned() } else { format!("{n} tokens") }
}

/// Figures of a version.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// How many tokens it has.
    pub tokens: usize,
    /// The mean log-probability of its sampled tokens under the raw model.
    pub mean_logprob: Option<f64>,
}

impl Figures {
    /// Of tokens, each with the step that sampled it.
    pub fn of<'a>(steps: impl Iterator<Item = Option<&'a Step>>) -> Self {
        let (mut tokens, mut sampled, mut sum) = (0, 0, 0.0);
        for step in steps {
            tokens += 1;
            // A token that ended the text is not of it; one of unknown probability has no share in the mean.
            if let Some(logprob) = step.filter(|step| step.is_text()).and_then(Step::logprob) {
                sampled += 1;
                sum += f64::from(logprob);
            }
        }
        Self { tokens, mean_logprob: (sampled > 0).then(|| sum / f64::from(sampled)) }
    }
}

/// The first words of a text in one line of at most `most` characters.
pub fn first_words(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut left = most;
    for c in text.chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { c }) {
        if left == 0 {
            line.pop();
            return line + "…";
        }
        left -= 1;
        line.push(c);
    }
    line
}
