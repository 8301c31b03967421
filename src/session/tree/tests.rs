#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]

use proptest::prelude::*;

use super::*;
use crate::session::Author::{Model, Typed};
use crate::session::{Author, Origin};

type Doc = Document<u32>;
type Versions = Tree<u32, &'static str>;

/// Every byte is a token of its own.
fn settle(document: &mut Doc) {
    let tokens: Vec<(u32, usize)> = document.pending().iter().map(|byte| (u32::from(*byte), 1)).collect();
    document.settle(document.revision(), &tokens).unwrap();
}

fn typed(document: &mut Doc, text: &str) {
    document.insert(document.len(), text);
    settle(document);
}

/// A generation, a letter a token; ids are those of the letters and 1000 more.
fn generate(versions: &mut Versions, document: &mut Doc, text: &str) -> Option<NodeId> {
    let place = versions.keep(document);
    document.begin_generation();
    for letter in text.bytes() {
        document.append_token(1000 + u32::from(letter), &[letter], 1, Some(7));
    }
    document.seal();
    versions.keep_generation(place, document, "model")
}

fn go(versions: &mut Versions, document: &mut Doc, place: Place) {
    versions.keep(document);
    document.restore(versions.written(place));
    versions.visit(place);
}

/// Cuts the last generation off, as a regeneration does.
fn take_back(versions: &mut Versions, document: &mut Doc) {
    document.undo();
    assert!(versions.follow(document));
}

fn text(versions: &Versions, id: NodeId) -> String {
    let end = versions.node(id).unwrap().end();
    String::from_utf8(versions.written(Place { node: id, end }).bytes).unwrap()
}

fn steps(versions: &mut Versions, document: &mut Doc, point: usize, version: usize) {
    let point = versions.points()[point].clone();
    let leaf = versions.leaf(point.versions[version], point.at);
    go(versions, document, leaf);
}

#[test]
fn a_generation_that_is_repeated_is_a_sibling() {
    let (mut versions, mut document) = (Versions::default(), Doc::new());
    typed(&mut document, "water is ");
    let first = generate(&mut versions, &mut document, "wet").unwrap();
    take_back(&mut versions, &mut document);
    assert_eq!(versions.points(), [Point { at: 9, versions: vec![first], now: None }]);
    let second = generate(&mut versions, &mut document, "cold").unwrap();
    take_back(&mut versions, &mut document);
    let third = generate(&mut versions, &mut document, "wet").unwrap();
    assert_eq!(versions.points(), [Point { at: 9, versions: vec![first, second, third], now: Some(2) }]);
    assert_eq!(versions.node(second).unwrap().piece.bytes, b"cold", "a node holds its own text only");
    assert_eq!(versions.node(second).unwrap().own_tokens().count(), 4);

    let before = document.ids().unwrap();
    steps(&mut versions, &mut document, 0, 1);
    assert_eq!(document.text(), "water is cold");
    assert_eq!(document.ids().unwrap()[9..], [1099, 1111, 1108, 1100]);
    assert!(document.tokens()[9..].iter().all(|token| token.info == Some(7) && token.origin == Origin::Sampled));
    let authors: Vec<(usize, Author)> = document.runs().iter().map(|run| (run.end, run.author)).collect();
    assert_eq!(authors, [(9, Typed), (13, Model)]);
    document.undo();
    assert!(versions.follow(&document));
    assert_eq!((document.text().as_ref(), document.ids().unwrap()), ("water is wet", before), "one step of undo");
}

#[test]
fn an_edit_in_the_middle_is_a_branch_and_the_old_text_stays_reachable() {
    let (mut versions, mut document) = (Versions::default(), Doc::new());
    typed(&mut document, "one ");
    let first = generate(&mut versions, &mut document, "two three").unwrap();
    let then = generate(&mut versions, &mut document, " four").unwrap();
    document.insert(8, "and ");
    settle(&mut document);
    let edited = versions.keep(&document).node;
    assert_eq!(text(&versions, edited), "one two and three four");
    let node = versions.node(edited).unwrap();
    assert_eq!((node.piece.parent, node.piece.at, node.about), (first, 8, None));
    let point = Point { at: 8, versions: vec![first, edited], now: Some(1) };
    assert_eq!(versions.points(), [point]);
    steps(&mut versions, &mut document, 0, 0);
    assert_eq!(document.text(), "one two three four", "all that went on from it");
    assert_eq!(versions.here().node, then);
    steps(&mut versions, &mut document, 0, 1);
    assert_eq!(document.text(), "one two and three four");
    assert_eq!(versions.len(), 4, "going about makes nothing");
}

#[test]
fn another_text_begins_at_the_root() {
    let (mut versions, mut document) = (Versions::default(), Doc::new());
    typed(&mut document, "one");
    versions.keep(&document);
    document.replace_all("two");
    settle(&mut document);
    versions.keep(&document);
    let points = versions.points();
    assert_eq!((points[0].at, points[0].versions.len(), points[0].now), (0, 2, Some(1)));
}

#[test]
fn what_a_person_types_is_not_what_a_model_wrote() {
    let (mut versions, mut document) = (Versions::default(), Doc::new());
    typed(&mut document, "one ");
    generate(&mut versions, &mut document, "two").unwrap();
    take_back(&mut versions, &mut document);
    typed(&mut document, "two");
    let place = versions.keep(&document);
    assert_eq!((versions.len(), text(&versions, place.node).as_str()), (3, "one two"));
    document.restore(versions.written(place));
    assert_eq!(document.author_at(5), Typed);
}

#[test]
fn ids_of_two_vocabularies_live_in_one_tree() {
    let (mut versions, mut document) = (Versions::default(), Doc::new());
    typed(&mut document, "one ");
    let first = generate(&mut versions, &mut document, "two").unwrap();
    // Another model: the same text in one token, and a generation by it.
    document.unsettle_all();
    document.settle(document.revision(), &[(5, 7)]).unwrap();
    let second = generate(&mut versions, &mut document, "!").unwrap();
    let node = versions.node(second).unwrap();
    assert_eq!((node.piece.parent, node.piece.tokens_from, node.own_tokens().count()), (first, 0, 1));
    let ids = |place: Place| versions.written(place).tokens.iter().map(|token| token.id).collect::<Vec<_>>();
    assert_eq!(ids(versions.here()), [5, 1033]);
    assert_eq!(ids(Place { node: first, end: 7 })[4..], [1116, 1119, 1111]);
    let mut written = versions.written(Place { node: first, end: 7 });
    written.keep_known(|id| [&b"o"[..], b"n", b"e"].into_iter().find(|byte| id == u32::from(byte[0])));
    assert_eq!(written.tokens.len(), 3, "what this vocabulary does not know is encoded again");
}

#[test]
fn what_is_pruned_comes_back_when_its_text_does() {
    let (mut versions, mut document) = (Versions::default(), Doc::new());
    typed(&mut document, "one ");
    let first = generate(&mut versions, &mut document, "two").unwrap();
    take_back(&mut versions, &mut document);
    let second = generate(&mut versions, &mut document, "three").unwrap();
    versions.set_pruned(first, true);
    assert!(versions.points().is_empty());
    take_back(&mut versions, &mut document);
    assert_eq!(versions.points()[0].versions, [second]);
    document.restore(versions.written(Place { node: first, end: 7 }));
    assert!(versions.follow(&document));
    assert!(versions.in_sight(first));
}

#[test]
fn nodes_that_do_not_fit_are_refused() {
    let mut versions = Versions::default();
    let piece = |parent, at, text: &str| Piece::new(NodeId(parent), at, text.into(), &[]);
    let one = versions.insert(piece(0, 0, "one"), None).unwrap();
    versions.insert(piece(one.0, 3, " two"), None).unwrap();
    for (bad, said) in [(piece(9, 0, "x"), "no version 9"), (piece(1, 4, "x"), "byte 4"), (piece(1, 0, "x"), "byte 0")]
    {
        let error = versions.insert(bad, None).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    assert!(versions.insert(piece(1, 3, ""), None).is_err());
    assert!(!versions.has_news(), "the writer has these already");
}

#[derive(Debug, Clone)]
enum Op {
    Insert(usize, String),
    Delete(usize, usize),
    Generate(String),
    Again(String),
    Turn(usize, usize),
    Open(usize),
    Undo,
    Redo,
    Prune(usize),
    Keep,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        3 => (0..30usize, "[ab]{1,3}").prop_map(|(at, text)| Op::Insert(at, text)),
        2 => (0..30usize, 1..9usize).prop_map(|(at, len)| Op::Delete(at, len)),
        4 => "[ab]{1,4}".prop_map(Op::Generate),
        3 => "[ab]{1,4}".prop_map(Op::Again),
        4 => (0..4usize, 0..4usize).prop_map(|(point, version)| Op::Turn(point, version)),
        2 => (1..30usize).prop_map(Op::Open),
        4 => Just(Op::Undo),
        2 => Just(Op::Redo),
        1 => (1..30usize).prop_map(Op::Prune),
        2 => Just(Op::Keep),
    ];
    prop::collection::vec(op, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[allow(clippy::too_many_lines, reason = "an arm for each operation")]
fn a_version_is_what_it_was_when_it_was_made(ops in ops()) {
        let (mut versions, mut document) = (Versions::default(), Doc::new());
        // The text, authors and tokens of each node when it was made.
        let mut made: Vec<(Vec<u8>, Vec<Run>, Vec<DocToken<u32>>)> = vec![Default::default()];
        let mut held = 0;
        for op in ops {
            match op {
                Op::Insert(at, text) => document.insert(at, &text),
                Op::Delete(at, len) => document.delete(at..at + len),
                Op::Generate(text) => {
                    generate(&mut versions, &mut document, &text);
                }
                Op::Again(text) => {
                    let place = versions.keep(&document);
                    let node = versions.node(place.node).unwrap();
                    if node.about.is_some() && node.end() == place.end {
                        let start = node.piece.at;
                        document.delete(start..place.end);
                        settle(&mut document);
                        prop_assert!(versions.follow(&document));
                        generate(&mut versions, &mut document, &text);
                    }
                }
                Op::Turn(point, version) => {
                    versions.keep(&document);
                    let points = versions.points();
                    if let Some(point) = points.get(point)
                        && let Some(version) = point.versions.get(version)
                    {
                        let leaf = versions.leaf(*version, point.at);
                        go(&mut versions, &mut document, leaf);
                        let after = versions.points();
                        let same = after.iter().find(|after| after.at == point.at);
                        prop_assert!(same.is_some() || point.versions.len() == 1, "one version alone is no choice");
                        if let Some(same) = same {
                            let now = same.now.map(|now| same.versions[now]);
                            prop_assert_eq!(now, Some(*version), "it is where it was asked for");
                        }
                    }
                }
                Op::Open(id) if id <= versions.len() => {
                    let before: Vec<u8> = document.bytes().to_vec();
                    let end = versions.node(NodeId(id)).unwrap().end();
                    go(&mut versions, &mut document, Place { node: NodeId(id), end });
                    prop_assert_eq!(document.bytes(), made[id].0.as_slice());
                    if document.bytes() != before.as_slice() {
                        document.undo();
                        prop_assert_eq!(document.bytes(), before.as_slice());
                        document.redo();
                    }
                }
                Op::Undo => {
                    document.undo();
                    versions.follow(&document);
                }
                Op::Redo => {
                    document.redo();
                    versions.follow(&document);
                }
                Op::Prune(id) if id <= versions.len() => versions.set_pruned(NodeId(id), true),
                Op::Keep => {
                    let place = versions.keep(&document);
                    let written = versions.written(place);
                    prop_assert_eq!(written.bytes.as_slice(), document.bytes());
                    prop_assert_eq!(written.runs.as_slice(), document.runs());
                }
                Op::Open(_) | Op::Prune(_) => {}
            }
            settle(&mut document);
            let here = versions.here();
            if versions.len() >= made.len() {
                // At most what was typed before a generation, and the generation.
                prop_assert!(versions.len() - made.len() < 2);
                for id in made.len()..=versions.len() {
                    let end = versions.node(NodeId(id)).unwrap().end();
                    let written = versions.written(Place { node: NodeId(id), end });
                    made.push((written.bytes.clone(), written.runs.as_slice().to_vec(), written.tokens));
                    held += versions.node(NodeId(id)).unwrap().piece.bytes.len();
                }
            }
            for point in versions.points() {
                prop_assert!(point.at <= here.end && point.now.is_none_or(|now| now < point.versions.len()));
            }
        }
        let place = versions.keep(&document);
        let whole = versions.written(place);
        prop_assert_eq!(whole.bytes.as_slice(), document.bytes());
        let kept: usize = versions.ids().filter(|id| id.0 < made.len()).map(|id| versions.node(id).unwrap().piece.bytes.len()).sum();
        prop_assert_eq!(kept, held, "no node grows");
        for (id, (bytes, runs, tokens)) in made.into_iter().enumerate() {
            let end = versions.node(NodeId(id)).unwrap().end();
            let written = versions.written(Place { node: NodeId(id), end });
            prop_assert_eq!((written.bytes, written.runs.as_slice().to_vec(), written.tokens), (bytes, runs, tokens));
        }
    }
}
