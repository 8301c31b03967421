//! Every version of a text, as a tree.
//!
//! A node is a piece of text that branches off at some byte of its parent: a generation (`about` says of which model), or
//! typed text.
//! It holds its own bytes, authors and tokens only; its text is that of its parent up to where it begins, and then its
//! own. Nodes are immutable: a text that differs from all versions becomes a new node.
//!
//! A node's tokens usually begin where its bytes do. They begin earlier where its parent's are of another vocabulary or
//! not known, so that the ids of the whole text come back exactly.

use std::collections::BTreeSet;

use super::document::{DocToken, Document, Written};
use super::runs::{Run, Runs};

/// Names a node; the root, an empty text, is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// A place in the tree: the text of a node up to a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The node.
    pub node: NodeId,
    /// The length of the text.
    pub end: usize,
}

/// A piece of text that may become a node.
#[derive(Debug, Clone)]
pub struct Piece<T> {
    /// The node that it branches off from.
    pub parent: NodeId,
    /// The byte of the parent's text where it begins.
    pub at: usize,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The byte of the text where its tokens begin; at most `at`.
    pub tokens_from: usize,
    /// Its tokens.
    pub tokens: Vec<DocToken<T>>,
    runs: Runs,
}

impl<T> Piece<T> {
    /// A piece without tokens, from its bytes and the ends of its authors' runs.
    pub fn new(parent: NodeId, at: usize, bytes: Vec<u8>, runs: &[Run]) -> Self {
        let (mut whole, mut start) = (Runs::default(), 0);
        for run in runs {
            whole.push(run.end.min(bytes.len()).saturating_sub(start), run.author);
            start = start.max(run.end);
        }
        whole.push(bytes.len().saturating_sub(start), super::Author::Typed);
        Self { parent, at, bytes, tokens_from: at, tokens: Vec::new(), runs: whole }
    }

    /// Who wrote what, counted from the piece's start.
    pub fn runs(&self) -> &[Run] {
        self.runs.as_slice()
    }
}

/// One version of the text from some byte on. `A` is what is known about the making of a generation.
#[derive(Debug, Clone)]
pub struct Node<T, A> {
    /// What it holds.
    pub piece: Piece<T>,
    /// How it was made; `None`: it was typed.
    pub about: Option<A>,
    /// The user wants to find it again.
    pub bookmarked: bool,
    /// Hidden, with its whole subtree.
    pub pruned: bool,
    children: Vec<NodeId>,
    /// When it was last on the way to the text on the screen, and when it was last its end.
    passed: u64,
    ended: u64,
}

impl<T, A> Node<T, A> {
    fn new(piece: Piece<T>, about: Option<A>) -> Self {
        Self { piece, about, bookmarked: false, pruned: false, children: Vec::new(), passed: 0, ended: 0 }
    }

    /// The length of its text: where its bytes end.
    pub fn end(&self) -> usize {
        self.piece.at + self.piece.bytes.len()
    }

    /// Its children in the order in which they were made, pruned ones too.
    pub fn children(&self) -> &[NodeId] {
        &self.children
    }

    /// Its own tokens: those that end after it begins.
    pub fn own_tokens(&self) -> impl Iterator<Item = &DocToken<T>> {
        let mut end = self.piece.tokens_from;
        self.piece.tokens.iter().filter(move |token| {
            end += token.len;
            end > self.piece.at
        })
    }
}

/// A branch point: a byte of the text on the screen at which several versions part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The byte.
    pub at: usize,
    /// The versions in the order in which they were made: nodes that begin here, and the node that continues past here.
    pub versions: Vec<NodeId>,
    /// Which of them is on the screen; `None`: the text ends here.
    pub now: Option<usize>,
}

/// The tree, and where in it the text on the screen is.
#[derive(Debug, Clone)]
pub struct Tree<T, A> {
    nodes: Vec<Node<T, A>>,
    here: Place,
    visits: u64,
    /// Nodes that were made, and nodes whose marks changed, since [`Tree::take_news`].
    made: BTreeSet<NodeId>,
    marked: BTreeSet<NodeId>,
}

impl<T, A> Default for Tree<T, A> {
    fn default() -> Self {
        let root = Node::new(Piece::new(Self::ROOT, 0, Vec::new(), &[]), None);
        let here = Place { node: Self::ROOT, end: 0 };
        Self { nodes: vec![root], here, visits: 0, made: BTreeSet::new(), marked: BTreeSet::new() }
    }
}

/// Reading.
impl<T, A> Tree<T, A> {
    /// The root: the empty text.
    pub const ROOT: NodeId = NodeId(0);

    /// A node; `None` for a name that is not in the tree.
    pub fn node(&self, id: NodeId) -> Option<&Node<T, A>> {
        self.nodes.get(id.0)
    }

    /// How many nodes there are below the root, pruned or not.
    pub fn len(&self) -> usize {
        self.nodes.len() - 1
    }

    /// Whether nothing was kept yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All names but the root's.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<T, A> {
        (1..self.nodes.len()).map(NodeId)
    }

    /// Where the text on the screen is, as far as the tree knows it.
    pub fn here(&self) -> Place {
        self.here
    }

    /// The parent of a node; `None` for the root.
    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        (id != Self::ROOT).then(|| self.node(id).map(|node| node.piece.parent)).flatten()
    }

    /// The nodes from the root (left out) to a node.
    pub fn path(&self, to: NodeId) -> Vec<NodeId> {
        let mut path: Vec<NodeId> = std::iter::successors(Some(to), |id| self.parent(*id)).collect();
        path.pop();
        path.reverse();
        path
    }

    /// The children of a node that are not pruned, by their first byte, then by age.
    pub fn shown_children(&self, id: NodeId) -> Vec<NodeId> {
        let children = self.node(id).map_or(&[][..], Node::children);
        let mut shown: Vec<NodeId> = children.iter().copied().filter(|child| self.is_shown(*child)).collect();
        shown.sort_by_key(|child| (self.node(*child).map_or(0, |node| node.piece.at), *child));
        shown
    }

    fn is_shown(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| !node.pruned)
    }

    /// Whether neither the node nor one of its ancestors is pruned.
    pub fn in_sight(&self, id: NodeId) -> bool {
        self.path(id).into_iter().all(|node| self.is_shown(node))
    }

    /// The nodes whose whole text is on the screen. Of a node on the path that was cut, or left before its end, a part is.
    pub fn on_screen(&self) -> Vec<NodeId> {
        let path = self.path(self.here.node);
        let ends = path.iter().skip(1).filter_map(|next| Some(self.node(*next)?.piece.at)).chain([self.here.end]);
        let whole = |(id, end): &(NodeId, usize)| self.node(*id).is_some_and(|node| node.end() <= *end);
        path.iter().copied().zip(ends).filter(whole).map(|(id, _)| id).collect()
    }

    /// The text of a place.
    pub fn written(&self, place: Place) -> Written<T>
    where
        T: Clone,
    {
        let mut written = Written::default();
        let path = self.path(place.node);
        for (at, id) in path.iter().enumerate() {
            let Some(node) = self.node(*id) else { continue };
            let until = path.get(at + 1).and_then(|next| self.node(*next)).map_or(place.end, |next| next.piece.at);
            let len = until.saturating_sub(node.piece.at).min(node.piece.bytes.len());
            written.bytes.extend_from_slice(node.piece.bytes.get(..len).unwrap_or_default());
            written.runs.extend(&node.piece.runs.part(0..len));
        }
        written.tokens = self.tokens(place).0.into_iter().cloned().collect();
        written
    }

    /// The text that a piece would end, which need not be in the tree.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn drafted(&self, piece: &Piece<T>) -> Result<Written<T>, String>
    where
        T: Clone,
    {
        let parent = self.node(piece.parent).ok_or_else(|| format!("there is no version {}", piece.parent.0))?;
        if piece.at > parent.end() || piece.at < parent.piece.at {
            return Err(format!("byte {} is not in version {}", piece.at, piece.parent.0));
        }
        let mut written = self.written(Place { node: piece.parent, end: piece.at });
        let mut covered: usize = written.tokens.iter().map(|token| token.len).sum();
        while covered > piece.tokens_from
            && let Some(last) = written.tokens.pop()
        {
            covered -= last.len;
        }
        written.bytes.extend_from_slice(&piece.bytes);
        written.runs.extend(&piece.runs);
        let whole = piece.tokens.iter().map(|token| token.len).fold(covered, usize::saturating_add);
        if covered == piece.tokens_from && whole <= written.bytes.len() {
            written.tokens.extend_from_slice(&piece.tokens);
        }
        Ok(written)
    }

    /// The tokens of a place's text from its start on, as far as they are known, and the bytes they cover.
    fn tokens(&self, place: Place) -> (Vec<&DocToken<T>>, usize) {
        let (mut tokens, mut covered) = (Vec::new(), 0);
        let path = self.path(place.node);
        for (at, id) in path.iter().enumerate() {
            let Some(node) = self.node(*id) else { continue };
            let until = path.get(at + 1).and_then(|next| self.node(*next)).map_or(place.end, |next| next.piece.at);
            let from = node.piece.tokens_from;
            if node.piece.tokens.is_empty() {
                continue;
            }
            while covered > from
                && let Some(last) = tokens.pop()
            {
                let last: &DocToken<T> = last;
                covered -= last.len;
            }
            if covered != from {
                continue;
            }
            for token in &node.piece.tokens {
                if covered + token.len > until {
                    break;
                }
                covered += token.len;
                tokens.push(token);
            }
        }
        (tokens, covered)
    }

    /// The bytes of the text on the screen from which several versions go on, in order.
    pub fn points(&self) -> Vec<Point> {
        let mut path = self.path(self.here.node);
        path.insert(0, Self::ROOT);
        let mut points = Vec::new();
        for (step, id) in path.iter().enumerate() {
            let Some(node) = self.node(*id) else { continue };
            let next = path.get(step + 1).copied();
            let exit = next.and_then(|next| self.node(next)).map_or(self.here.end, |next| next.piece.at);
            let children = self.shown_children(*id);
            let begins = |child: &NodeId| self.node(*child).map_or(0, |child| child.piece.at);
            for group in children.chunk_by(|a, b| begins(a) == begins(b)) {
                let at = group.first().map_or(0, begins);
                if at > exit {
                    break;
                }
                let mut versions = group.to_vec();
                if at < node.end() {
                    versions.insert(0, *id);
                }
                let now = if at < exit { Some(*id) } else { next };
                let now = now.and_then(|now| versions.iter().position(|version| *version == now));
                if versions.len() > 1 || now.is_none() {
                    points.push(Point { at, versions, now });
                }
            }
        }
        points
    }

    /// The leaf visited last among those of a version that begins at, or continues past, the byte `at`.
    pub fn leaf(&self, version: NodeId, at: usize) -> Place {
        let (mut id, mut after) = (version, at);
        while let Some(node) = self.node(id) {
            let later = node.children.iter().filter_map(|child| Some((*child, self.node(*child)?)));
            let best = later
                .filter(|(_, child)| !child.pruned && child.piece.at > after)
                .max_by_key(|(child, node)| (node.passed.max(node.ended), *child));
            match best {
                Some((child, next)) if next.passed.max(next.ended) >= node.ended => {
                    (id, after) = (child, next.piece.at);
                }
                _ => break,
            }
        }
        Place { node: id, end: self.node(id).map_or(0, Node::end) }
    }

    /// The place whose text has the most in common with a document, from the start.
    pub fn find(&self, document: &Document<T>) -> Place {
        let on_path = self.path(self.here.node);
        let mut best = Place { node: Self::ROOT, end: 0 };
        let mut open = vec![best];
        while let Some(place) = open.pop() {
            let Some(node) = self.node(place.node) else { continue };
            let exact = |place: Place| self.node(place.node).is_some_and(|node| node.end() == place.end);
            if place.end > best.end || (place.end == best.end && exact(place) && !exact(best)) {
                best = place;
            }
            let children = node.children.iter().copied();
            let mut onward: Vec<Place> = children
                .filter_map(|child| {
                    let piece = &self.node(child)?.piece;
                    let matched = if piece.at <= place.end { self.common(piece, document) } else { 0 };
                    (matched > 0).then_some(Place { node: child, end: piece.at + matched })
                })
                .collect();
            // The last is looked at first: where texts are equal, the one on the screen stays.
            onward.sort_by_key(|place| on_path.contains(&place.node));
            open.extend(onward);
        }
        best
    }

    /// How many bytes of a piece a document has at the same offsets, by the same authors.
    fn common(&self, piece: &Piece<T>, document: &Document<T>) -> usize {
        let rest = document.bytes().get(piece.at..).unwrap_or_default();
        let same = piece.bytes.iter().zip(rest).take_while(|(a, b)| a == b).count();
        piece.runs.agree(0, document.authors(), piece.at, same)
    }

    /// What of a document is not in the tree yet; its bytes may be none.
    pub fn draft(&self, document: &Document<T>) -> Piece<T>
    where
        T: Clone,
    {
        let found = self.find(document);
        let mut at = found.end;
        if at < document.len() && self.node(found.node).is_some_and(|node| at < node.end()) {
            // A branch begins at a token, and at a character.
            at = document.token_at(at).map_or(at, |(_, token)| token.start);
            while at > 0 && document.bytes().get(at).is_some_and(|byte| byte & 0xC0 == 0x80) {
                at -= 1;
            }
        }
        self.draft_at(Place { node: found.node, end: at }, document)
    }

    /// What a document has after a place. Precondition: up to there it is the place's text.
    pub fn draft_at(&self, place: Place, document: &Document<T>) -> Piece<T>
    where
        T: Clone,
    {
        let at = place.end;
        let mut parent = place.node;
        // What begins where its parent begins is its sibling.
        while let Some(above) = self.parent(parent)
            && self.node(parent).is_some_and(|node| at <= node.piece.at)
        {
            parent = above;
        }
        let (tokens, _) = self.tokens(Place { node: parent, end: at });
        let same = tokens.iter().zip(document.tokens()).take_while(|(mine, its)| mine.is_like(its)).count();
        let tokens_from = same.checked_sub(1).and_then(|last| document.token_range(last)).map_or(0, |token| token.end);
        Piece {
            parent,
            at,
            bytes: document.bytes().get(at..).unwrap_or_default().to_vec(),
            runs: document.authors().part(at..document.len()),
            tokens_from,
            tokens: document.tokens().get(same..).unwrap_or_default().to_vec(),
        }
    }
}

/// Changing.
impl<T: Clone, A> Tree<T, A> {
    /// The document is what is on the screen: what the tree has not yet becomes a node.
    pub fn keep(&mut self, document: &Document<T>) -> Place {
        let piece = self.draft(document);
        if piece.bytes.is_empty() {
            let found = self.find(document);
            self.visit(found);
            return found;
        }
        self.push(piece, None)
    }

    /// The document is what is on the screen, and its text after `place` was generated: always a node of its own, also
    /// where another one has the same text. `None` where there is no such text.
    pub fn keep_generation(&mut self, place: Place, document: &Document<T>, about: A) -> Option<NodeId> {
        let piece = self.draft_at(place, document);
        (!piece.bytes.is_empty()).then(|| self.push(piece, Some(about)).node)
    }

    /// The document is what is on the screen, as far as the tree has it. Says whether it has all of it.
    pub fn follow(&mut self, document: &Document<T>) -> bool {
        let found = self.find(document);
        self.visit(found);
        found.end == document.len()
    }

    /// Puts a place on the screen: it and its ancestors are no longer pruned, and become the last visited of their parents.
    pub fn visit(&mut self, place: Place) {
        self.here = place;
        self.visits += 1;
        for id in self.path(place.node) {
            if !self.is_shown(id) {
                self.set_pruned(id, false);
            }
            if let Some(node) = self.nodes.get_mut(id.0) {
                node.passed = self.visits;
            }
        }
        if let Some(node) = self.nodes.get_mut(place.node.0).filter(|node| node.end() == place.end) {
            node.ended = self.visits;
        }
    }

    fn push(&mut self, piece: Piece<T>, about: Option<A>) -> Place {
        let id = NodeId(self.nodes.len());
        if let Some(parent) = self.nodes.get_mut(piece.parent.0) {
            parent.children.push(id);
        }
        let node = Node::new(piece, about);
        let place = Place { node: id, end: node.end() };
        self.nodes.push(node);
        self.made.insert(id);
        self.visit(place);
        place
    }

    /// Adds a node that was kept earlier, in the order in which they were made.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn insert(&mut self, piece: Piece<T>, about: Option<A>) -> Result<NodeId, String> {
        let parent = self.node(piece.parent).ok_or_else(|| format!("there is no version {}", piece.parent.0))?;
        let starts = if piece.parent == Self::ROOT { 0 } else { parent.piece.at + 1 };
        if !(starts..=parent.end()).contains(&piece.at) {
            return Err(format!("byte {} is not in version {}", piece.at, piece.parent.0));
        }
        let covered = piece.tokens.iter().map(|token| token.len).fold(piece.tokens_from, usize::saturating_add);
        if piece.bytes.is_empty() || piece.tokens_from > piece.at || covered > piece.at + piece.bytes.len() {
            return Err("the tokens do not fit the text".to_owned());
        }
        let id = self.push(piece, about).node;
        self.made.remove(&id);
        Ok(id)
    }

    /// What is known about the making of a node, to be completed.
    pub fn about_mut(&mut self, id: NodeId) -> Option<&mut A> {
        let about = self.nodes.get_mut(id.0)?.about.as_mut()?;
        self.marked.insert(id);
        Some(about)
    }

    /// Replaces what is known about the tokens of a node, where there is less to know.
    pub fn thin(&mut self, id: NodeId, thin: impl Fn(&T) -> Option<T>) {
        for token in self.nodes.get_mut(id.0).into_iter().flat_map(|node| &mut node.piece.tokens) {
            if let Some(less) = token.info.as_ref().and_then(&thin) {
                token.info = Some(less);
            }
        }
    }

    /// Changes what is known about the making of a node in a way that is not kept.
    pub fn forget_about(&mut self, id: NodeId, forget: impl FnOnce(&mut A)) {
        if let Some(about) = self.nodes.get_mut(id.0).and_then(|node| node.about.as_mut()) {
            forget(about);
        }
    }

    /// Bookmarks a node or takes the bookmark off.
    pub fn set_bookmark(&mut self, id: NodeId, on: bool) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.bookmarked = on;
            self.marked.insert(id);
        }
    }

    /// Prunes a node with its subtree (hides it; nothing is deleted), or undoes that.
    pub fn set_pruned(&mut self, id: NodeId, on: bool) {
        if let Some(node) = self.nodes.get_mut(id.0).filter(|_| id != Self::ROOT) {
            node.pruned = on;
            self.marked.insert(id);
        }
    }

    /// Nodes that were made, and others whose marks changed, since this was asked last.
    pub fn take_news(&mut self) -> (BTreeSet<NodeId>, BTreeSet<NodeId>) {
        (std::mem::take(&mut self.made), std::mem::take(&mut self.marked))
    }

    /// Whether [`take_news`](Self::take_news) would give something.
    pub fn has_news(&self) -> bool {
        !self.made.is_empty() || !self.marked.is_empty()
    }

    /// The same tree with something else known about how its nodes were made.
    pub fn map_about<B>(self, map: impl Fn(A) -> B) -> Tree<T, B> {
        let nodes = self.nodes.into_iter().map(|node| Node {
            piece: node.piece,
            about: node.about.map(&map),
            bookmarked: node.bookmarked,
            pruned: node.pruned,
            children: node.children,
            passed: node.passed,
            ended: node.ended,
        });
        Tree { nodes: nodes.collect(), here: self.here, visits: self.visits, made: self.made, marked: self.marked }
    }

    /// Everything is news again: it is to be written down in another place.
    pub fn all_is_news(&mut self) {
        self.made = self.ids().collect();
        self.marked = self.ids().collect();
    }
}

#[cfg(test)]
mod tests;
