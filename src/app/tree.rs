//! The tree of versions as a list: selection, bookmarks, pruning, two versions side by side.

use super::App;
use super::command::{Cx, Scope, id};
use super::log::Level;
use super::overlay::{Item, Overlay, Picked, Rows};
use super::question::Question;
use super::versions::{Tree, first_words};
use crate::session::{NodeId, Place};

/// Characters of a version that a row says.
const WORDS: usize = 60;

/// What the tree view knows beside the tree.
#[derive(Debug)]
pub struct TreeView {
    /// The selected version.
    pub selected: NodeId,
    /// The version that another one is to be compared with.
    pub marked: Option<NodeId>,
    pruned: Vec<Pruned>,
}

/// Something that was pruned and can be brought back.
#[derive(Debug)]
struct Pruned {
    id: NodeId,
    /// It was on the screen: the document was cut for it, one step of undo.
    was_shown: bool,
}

impl Default for TreeView {
    fn default() -> Self {
        Self { selected: Tree::ROOT, marked: None, pruned: Vec::new() }
    }
}

/// A row of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeRow {
    /// The version.
    pub id: NodeId,
    /// How many branching points are above it: its indentation.
    pub depth: usize,
    /// Whether it is one of several that go on from the same version.
    pub is_branch: bool,
}

/// The tree of versions on the screen.
#[derive(Debug)]
pub struct VersionTree;

impl Overlay for VersionTree {
    fn scope(&self) -> Scope {
        Scope::TREE
    }

    fn title(&self, app: &App) -> String {
        format!("Versions   {}", app.tree_rows().len())
    }

    fn rows(&self, app: &App) -> Rows {
        let item = |row: TreeRow| {
            let bytes = app.versions.tree.node(row.id).map_or(&[][..], |node| &node.piece.bytes);
            let words = first_words(String::from_utf8_lossy(bytes).trim_start(), WORDS);
            Item::new(words, app.describe(row.id))
        };
        Rows::Choice(app.tree_rows().into_iter().map(item).collect())
    }

    /// A row's figures are sums over all its tokens: a frame needs only how many rows there are.
    fn count(&self, app: &App) -> usize {
        app.tree_rows().len()
    }

    fn selected(&self, app: &App) -> Option<usize> {
        Some(app.tree_selected(&app.tree_rows()))
    }

    fn select(&mut self, app: &mut App, row: usize) {
        let id = app.tree_rows().get(row).map(|row| row.id);
        app.tree_select(id);
    }

    fn pick(&mut self, cx: &mut Cx<'_>, row: usize) -> Picked {
        self.select(cx.app, row);
        if cx.tree_open() { Picked::Close } else { Picked::Stay }
    }
}

/// Two versions side by side.
#[derive(Debug)]
pub struct Compare {
    /// Which.
    pub pair: (NodeId, NodeId),
}

impl Overlay for Compare {
    fn scope(&self) -> Scope {
        Scope::READER
    }

    fn title(&self, _: &App) -> String {
        "Two versions".to_owned()
    }

    fn rows(&self, app: &App) -> Rows {
        let tree = &app.versions.tree;
        let text = |id: NodeId| {
            let end = tree.node(id).map_or(0, |node| node.end());
            let written = tree.written(Place { node: id, end });
            format!("{}:\n{}", app.describe(id), String::from_utf8_lossy(written.bytes()))
        };
        Rows::Text(vec![text(self.pair.0), text(self.pair.1)])
    }

    fn can_filter(&self) -> bool {
        false
    }
}

impl App {
    /// The versions in sight, each below what it goes on from. What goes on alone is not indented further.
    pub fn tree_rows(&self) -> Vec<TreeRow> {
        let tree = &self.versions.tree;
        let mut rows = Vec::new();
        // The children of a row, the last first, as they are taken from the end.
        let below = |parent: NodeId, depth: usize| -> Vec<TreeRow> {
            let children = tree.shown_children(parent);
            let end = tree.node(parent).map_or(0, |node| node.end());
            let begins_there = |child: NodeId| tree.node(child).is_some_and(|child| child.piece.at == end);
            let is_branch = children.len() > 1 || !children.iter().all(|child| begins_there(*child));
            let depth = if is_branch && parent != Tree::ROOT { depth + 1 } else { depth };
            children.into_iter().rev().map(|id| TreeRow { id, depth, is_branch }).collect()
        };
        let mut open = below(Tree::ROOT, 0);
        while let Some(row) = open.pop() {
            rows.push(row);
            open.extend(below(row.id, row.depth));
        }
        rows
    }

    /// Opens the tree at the version on the screen, or closes it.
    pub(super) fn toggle_tree(&mut self) {
        if self.overlay::<VersionTree>().is_none() {
            if !self.is_running() {
                self.keep_versions();
            }
            self.versions.view.selected = self.versions.tree.here().node;
            self.versions.view.marked = None;
        }
        self.toggle(VersionTree);
    }

    /// The row of the selected version, or the nearest one that is left.
    pub fn tree_selected(&self, rows: &[TreeRow]) -> usize {
        let up = std::iter::successors(Some(self.versions.view.selected), |id| self.versions.tree.parent(*id));
        up.filter_map(|id| rows.iter().position(|row| row.id == id)).next().unwrap_or(0)
    }

    fn tree_select(&mut self, id: Option<NodeId>) {
        if let Some(id) = id {
            self.versions.view.selected = id;
        }
    }

    /// To what this version goes on from.
    pub(super) fn tree_parent(&mut self) {
        let parent = self.versions.tree.parent(self.versions.view.selected);
        self.tree_select(parent.filter(|parent| *parent != Tree::ROOT));
    }

    /// To what goes on from this version: where it leads, or else the first.
    pub(super) fn tree_child(&mut self) {
        let tree = &self.versions.tree;
        let selected = self.versions.view.selected;
        let path = tree.path(tree.here().node);
        let children = tree.shown_children(selected);
        let led = children.iter().find(|child| path.contains(child)).or_else(|| children.first()).copied();
        self.tree_select(led);
    }

    /// To the next or previous version that goes on from the same parent.
    pub(super) fn tree_sibling(&mut self, down: isize) {
        let Some(parent) = self.versions.tree.parent(self.versions.view.selected) else { return };
        let siblings = self.versions.tree.shown_children(parent);
        let at = siblings.iter().position(|id| *id == self.versions.view.selected).unwrap_or(0);
        match at.checked_add_signed(down).and_then(|at| siblings.get(at)) {
            Some(id) => self.tree_select(Some(*id)),
            None => self.log.say(Level::Notice, "no further sibling: j and k go through all rows"),
        }
    }

    /// To the first row.
    pub(super) fn tree_root(&mut self) {
        let first = self.tree_rows().first().map(|row| row.id);
        self.tree_select(first);
    }

    pub(super) fn tree_bookmark(&mut self) {
        let id = self.versions.view.selected;
        if let Some(on) = self.versions.tree.node(id).filter(|_| id != Tree::ROOT).map(|node| !node.bookmarked) {
            self.versions.tree.set_bookmark(id, on);
        }
    }

    /// To the next or previous bookmark, around the end.
    pub(super) fn tree_next_bookmark(&mut self, down: isize) {
        let rows = self.tree_rows();
        let len = rows.len() as isize;
        let at = self.tree_selected(&rows) as isize;
        let is_bookmarked = |id: NodeId| self.versions.tree.node(id).is_some_and(|node| node.bookmarked);
        let mut others = (1..=len).filter_map(|step| rows.get((at + down * step).rem_euclid(len) as usize));
        match others.find(|row| is_bookmarked(row.id)).map(|row| row.id) {
            Some(id) => self.tree_select(Some(id)),
            None => self.log.say(Level::Notice, "no version is bookmarked: b bookmarks one"),
        }
    }

    /// Marks this version, or shows it beside the one that is marked.
    pub(super) fn tree_compare(&mut self) {
        let id = self.versions.view.selected;
        if self.versions.tree.node(id).is_none() || id == Tree::ROOT {
            return;
        }
        match self.versions.view.marked.take() {
            None => {
                self.versions.view.marked = Some(id);
                let key = self.keymap.hint(id::TREE_COMPARE);
                self.log.say(Level::Notice, format!("marked; {key} on another version shows both side by side"));
            }
            Some(marked) if marked == id => self.log.say(Level::Notice, "no longer marked"),
            Some(marked) => {
                self.open(Compare { pair: (marked, id) });
            }
        }
    }

    /// Asks before a version is pruned.
    pub(super) fn tree_ask_prune(&mut self) {
        if self.versions.view.selected != Tree::ROOT && !self.refuse_while_running("pruning") {
            self.ask_question(Question::Prune);
        }
    }

    /// The selected version and how many go on from it, for the question before it is pruned.
    pub fn prune_question(&self) -> (String, usize) {
        let tree = &self.versions.tree;
        let text =
            tree.node(self.versions.view.selected).map(|node| String::from_utf8_lossy(&node.piece.bytes).into_owned());
        let mut below = 0;
        let mut open = tree.shown_children(self.versions.view.selected);
        while let Some(id) = open.pop() {
            below += 1;
            open.extend(tree.shown_children(id));
        }
        (first_words(&text.unwrap_or_default(), 40), below)
    }
}

impl Cx<'_> {
    /// Puts the selected version on the screen; says whether it did.
    fn tree_open(&mut self) -> bool {
        if self.app.versions.view.selected == Tree::ROOT || self.app.refuse_while_running("other version") {
            return false;
        }
        let id = self.app.versions.view.selected;
        let Some(end) = self.app.versions.tree.node(id).map(|node| node.end()) else { return false };
        self.app.keep_versions();
        self.app.close::<VersionTree>();
        self.show_version(Place { node: id, end }, end);
        self.page.follow_end(&self.app.document);
        true
    }

    /// Takes the selected version out of sight, with all that goes on from it. Where it is on the screen, the text
    /// before it is left.
    pub(super) fn prune(&mut self) {
        let id = self.app.versions.view.selected;
        let tree = &self.app.versions.tree;
        let Some((parent, at)) = tree.node(id).map(|node| (node.piece.parent, node.piece.at)) else { return };
        let was_shown = tree.path(tree.here().node).contains(&id);
        let row = self.app.tree_selected(&self.app.tree_rows());
        if was_shown {
            self.app.keep_versions();
            self.show_version(Place { node: parent, end: at }, at);
        }
        self.app.versions.tree.set_pruned(id, true);
        self.app.versions.view.pruned.push(Pruned { id, was_shown });
        self.app.follow_versions();
        let rows = self.app.tree_rows();
        self.app.tree_select(rows.get(row.min(rows.len().saturating_sub(1))).map(|row| row.id));
        let key = self.app.keymap.hint(id::TREE_UNDO);
        self.app.log.say(Level::Notice, format!("pruned; {key} here brings it back"));
    }

    /// Brings back what was pruned last.
    pub fn tree_undo(&mut self) {
        let Some(Pruned { id, was_shown }) = self.app.versions.view.pruned.pop() else {
            self.app.log.say(Level::Notice, "nothing was pruned");
            return;
        };
        self.app.versions.tree.set_pruned(id, false);
        if was_shown && !self.app.is_running() {
            // To the very end that it had, not only to its own.
            let at = self.app.versions.tree.node(id).map_or(0, |node| node.piece.at);
            self.app.keep_versions();
            self.show_version(self.app.versions.tree.leaf(id, at), at);
        }
        self.app.follow_versions();
        self.app.versions.view.selected = id;
    }
}
