#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::session::Author::{Model, Typed};

/// A vocabulary whose encoding of a text is not that of its parts: up to three bytes of one class are one token.
#[derive(Default)]
struct Vocabulary {
    ids: HashMap<Vec<u8>, u32>,
    bytes: Vec<Vec<u8>>,
}

impl Vocabulary {
    fn id(&mut self, bytes: &[u8]) -> u32 {
        *self.ids.entry(bytes.to_vec()).or_insert_with(|| {
            self.bytes.push(bytes.to_vec());
            u32::try_from(self.bytes.len() - 1).unwrap()
        })
    }

    fn encode(&mut self, text: &[u8]) -> Vec<(u32, usize)> {
        let pieces = text.chunk_by(|a, b| a.is_ascii_lowercase() == b.is_ascii_lowercase());
        pieces.flat_map(|piece| piece.chunks(3)).map(|token| (self.id(token), token.len())).collect()
    }

    fn settle<T>(&mut self, document: &mut Document<T>) {
        let tokens = self.encode(document.pending());
        document.settle(document.revision(), &tokens).unwrap();
    }
}

#[derive(Debug, Clone)]
enum Op {
    Insert(usize, String),
    Type(usize, String),
    Delete(usize, usize),
    Erase(usize, usize),
    ReplaceAll(String),
    Begin,
    Append(Vec<u8>, usize),
    Settle,
    Seal,
    Undo,
    Redo,
    OtherVocabulary,
    /// Back to a state that was seen before.
    Restore(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let at = 0..60usize;
    let text = "[ab XY中\n]{0,6}";
    let op = prop_oneof![
        3 => (at.clone(), text).prop_map(|(at, text)| Op::Insert(at, text)),
        8 => (0..6usize, "[ab ]").prop_map(|(back, text)| Op::Type(back, text)),
        2 => (at.clone(), 0..12usize).prop_map(|(at, len)| Op::Delete(at, len)),
        4 => (0..6usize, 1..3usize).prop_map(|(back, len)| Op::Erase(back, len)),
        1 => text.prop_map(Op::ReplaceAll),
        2 => Just(Op::Begin),
        8 => (prop::collection::vec(any::<u8>(), 1..5), 0..9usize).prop_map(|(bytes, shown)| Op::Append(bytes, shown)),
        6 => Just(Op::Settle),
        1 => Just(Op::Seal),
        4 => Just(Op::Undo),
        3 => Just(Op::Redo),
        1 => Just(Op::OtherVocabulary),
        2 => (0..20usize).prop_map(Op::Restore),
    ];
    prop::collection::vec(op, 0..80)
}

type State = (Vec<u8>, Vec<Run>, Vec<DocToken<u32>>);

fn state(document: &Document<u32>) -> State {
    (document.bytes.clone(), document.runs().to_vec(), document.tokens.clone())
}

/// Runs the operations on a document and on a plain vector, and compares after each.
#[derive(Default)]
struct Twin {
    document: Document<u32>,
    plain: Vec<u8>,
    vocabulary: Vocabulary,
    /// The state before each step that can be undone.
    before: Vec<State>,
    /// The state before each undo that can be redone.
    undone: Vec<State>,
}

impl Twin {
    #[allow(clippy::too_many_lines, reason = "an arm for each operation")]
    fn run(&mut self, op: Op) {
        let document = &mut self.document;
        let (before, steps, revision) = (state(document), document.history.steps(), document.revision());
        let clamp = |at: usize| at.min(before.0.len());
        match op {
            Op::Insert(at, text) => {
                document.insert(at, &text);
                self.plain.splice(clamp(at)..clamp(at), text.bytes());
            }
            Op::Type(back, text) => {
                let at = before.0.len().saturating_sub(back);
                document.type_text(at, &text);
                self.plain.splice(at..at, text.bytes());
            }
            Op::Delete(at, len) => {
                document.delete(at..at + len);
                self.plain.drain(clamp(at)..clamp(at + len));
            }
            Op::Erase(back, len) => {
                let at = before.0.len().saturating_sub(back);
                document.erase(at..at + len);
                self.plain.drain(at..clamp(at + len));
            }
            Op::ReplaceAll(text) => {
                document.replace_all(&text);
                self.plain = text.into_bytes();
            }
            Op::Begin => document.begin_generation(),
            Op::Append(bytes, shown) => {
                document.append_token(self.vocabulary.id(&bytes), &bytes, shown, Some(7));
                self.plain.extend(bytes.iter().take(shown));
            }
            Op::Settle => self.vocabulary.settle(document),
            Op::Seal => document.seal(),
            Op::Undo => {
                let undone = document.undo().is_some();
                assert_eq!(undone, !self.before.is_empty(), "undo is there exactly when a step is");
                if let Some(expected) = self.before.pop() {
                    assert_eq!(state(document), expected, "undo restores text, authors and tokens");
                    self.undone.push(before.clone());
                    self.plain = expected.0;
                }
            }
            Op::Redo => {
                let redone = document.redo().is_some();
                assert_eq!(redone, !self.undone.is_empty(), "redo is there exactly when an undo is");
                if let Some(expected) = self.undone.pop() {
                    assert_eq!(state(document), expected, "redo restores text, authors and tokens");
                    self.before.push(before.clone());
                    self.plain = expected.0;
                }
            }
            Op::Restore(back) => {
                let Some((bytes, runs, tokens)) = self.before.iter().rev().nth(back).cloned() else { return };
                let mut authors = crate::session::runs::Runs::default();
                let mut start = 0;
                for run in &runs {
                    authors.push(run.end - start, run.author);
                    start = run.end;
                }
                document.restore(Written { bytes: bytes.clone(), runs: authors, tokens: tokens.clone() });
                let same = (&bytes, &runs) == (&before.0, &before.1);
                if !same {
                    assert_eq!(state(document), (bytes.clone(), runs, tokens), "restored with authors and tokens");
                }
                self.plain = bytes;
            }
            Op::OtherVocabulary => {
                document.unsettle_all();
                self.before.iter_mut().chain(&mut self.undone).for_each(|(_, _, tokens)| tokens.clear());
            }
        }
        if self.document.revision() != revision && !self.document.can_redo() && self.document.history.steps() >= steps {
            self.undone.clear();
        }
        if self.document.history.steps() > self.before.len() {
            self.before.push(before.clone());
        }
        self.check(&before.0, revision);
    }

    fn check(&self, before: &[u8], revision: u64) {
        let document = &self.document;
        assert_eq!(document.bytes(), self.plain, "bytes are those of a plain vector");
        let mut decoded: Vec<u8> = Vec::new();
        for (index, token) in document.tokens().iter().enumerate() {
            decoded.extend(&self.vocabulary.bytes[usize::try_from(token.id).unwrap()]);
            assert_eq!(document.token_range(index).unwrap().end, decoded.len(), "the end of a token");
        }
        assert_eq!(decoded, document.bytes()[..document.settled()], "ids decode to the settled bytes");
        if !document.pending().is_empty() {
            let last = document.tokens().last().map(|token| token.origin);
            assert_ne!(last, Some(Origin::Encoded), "a stretch of text is encoded as one");
        }
        let mut end = 0;
        for pair in document.runs().windows(2) {
            assert_ne!(pair[0].author, pair[1].author, "neighbouring runs differ");
        }
        for run in document.runs() {
            assert!(run.end > end, "no run is empty");
            end = run.end;
        }
        assert_eq!(end, document.len(), "runs cover the bytes");
        let change = document.change_since(revision).unwrap();
        let mut replayed = before.to_vec();
        replayed.splice(change.start..change.old_end, document.bytes()[change.start..change.new_end].iter().copied());
        assert_eq!(replayed, document.bytes(), "a change says what differs");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_document_is_its_history_replayed(ops in ops()) {
        let mut twin = Twin::default();
        let mut texts = vec![Vec::new()];
        for op in ops {
            twin.run(op);
            if twin.document.revision() as usize == texts.len() {
                texts.push(twin.plain.clone());
            }
        }
        for (revision, text) in texts.into_iter().enumerate() {
            let change = twin.document.change_since(revision as u64).unwrap();
            let mut replayed = text;
            replayed.splice(change.start..change.old_end, twin.plain[change.start..change.new_end].iter().copied());
            prop_assert_eq!(&replayed, &twin.plain, "changes since revision {}", revision);
        }
        while twin.document.can_undo() {
            twin.run(Op::Undo);
        }
        prop_assert!(twin.document.is_empty());
    }

    #[test]
    fn text_between_sampled_tokens_has_the_ids_of_one_encoding(ops in ops()) {
        let mut twin = Twin::default();
        for op in ops {
            twin.run(op);
        }
        twin.run(Op::Settle);
        let document = &twin.document;
        let ids = document.ids().unwrap();
        let mut at = 0;
        for stretch in document.tokens().chunk_by(|a, b| a.origin == b.origin) {
            let end = at + stretch.len();
            if stretch[0].origin == Origin::Encoded {
                let bytes = document.token_range(at).unwrap().start..document.token_range(end - 1).unwrap().end;
                let whole: Vec<u32> = twin.vocabulary.encode(&document.bytes()[bytes]).into_iter().map(|(id, _)| id).collect();
                prop_assert_eq!(&ids[at..end], whole.as_slice());
            }
            at = end;
        }
    }
}

#[test]
fn a_preview_says_what_an_undo_will_change() {
    let (mut document, mut vocabulary) = document();
    append(&mut document, &mut vocabulary, " ef");
    append(&mut document, &mut vocabulary, " gh");
    let preview = document.undo_preview().unwrap();
    assert_eq!((preview.gone, preview.gone_tokens, preview.is_large), (5..11, 2, true));
    document.undo();
    let preview = document.redo_preview().unwrap();
    assert_eq!((preview.back.as_str(), preview.back_tokens, preview.is_large), (" ef gh", 2, true));
    document.type_text(5, "!");
    assert!(!document.undo_preview().unwrap().is_large, "a few letters are no surprise");
    document.insert(6, "one\ntwo");
    assert!(document.undo_preview().unwrap().is_large, "two lines are");
}

fn document() -> (Document<u32>, Vocabulary) {
    let (mut document, mut vocabulary) = (Document::with_text("ab cd"), Vocabulary::default());
    vocabulary.settle(&mut document);
    (document, vocabulary)
}

fn append(document: &mut Document<u32>, vocabulary: &mut Vocabulary, text: &str) {
    document.append_token(vocabulary.id(text.as_bytes()), text.as_bytes(), text.len(), Some(1));
}

#[test]
fn an_edit_keeps_the_sampled_tokens_before_it() {
    let cases: [(&str, usize, usize); 5] = [
        ("after the last token", 9, 5),
        ("inside the second sampled token", 8, 4),
        ("between the sampled tokens", 7, 4),
        ("inside the first sampled token", 6, 0),
        ("in the typed text", 1, 0),
    ];
    for (case, at, kept) in cases {
        let (mut document, mut vocabulary) = document();
        assert_eq!(document.tokens().len(), 3);
        append(&mut document, &mut vocabulary, "ef");
        append(&mut document, &mut vocabulary, "gh");
        document.insert(at, "x");
        assert_eq!(document.tokens().len(), kept, "{case}");
    }
}

#[test]
fn the_model_stays_the_author_of_text_that_is_encoded_again() {
    let (mut document, mut vocabulary) = document();
    append(&mut document, &mut vocabulary, "efgh");
    document.type_text(7, "X");
    vocabulary.settle(&mut document);
    let authors: Vec<_> = document.runs().iter().map(|run| (run.end, run.author)).collect();
    assert_eq!(authors, [(5, Typed), (7, Model), (8, Typed), (10, Model)]);
    assert!(document.tokens().iter().all(|token| token.origin == Origin::Encoded));
}

#[test]
fn a_token_cut_by_a_stop_string_is_pending_text_of_the_model() {
    let (mut document, _) = document();
    document.append_token(99, b"ef\n", 2, Some(1));
    assert_eq!((document.bytes(), document.settled()), (&b"ab cdef"[..], 0), "typed and cut text are one stretch");
    assert_eq!(document.author_at(6), Model);
    document.append_token(99, b"<|endoftext|>", 0, Some(1));
    assert_eq!(document.len(), 7);
}

#[test]
fn undo_takes_back_words_pastes_and_generations() {
    let mut document: Document<u32> = Document::new();
    let mut vocabulary = Vocabulary::default();
    for letter in "two words".chars() {
        let mut buffer = [0; 4];
        document.type_text(document.len(), letter.encode_utf8(&mut buffer));
    }
    document.insert(document.len(), " and a paste");
    document.insert(document.len(), " and another");
    vocabulary.settle(&mut document);
    document.begin_generation();
    append(&mut document, &mut vocabulary, " generated");
    append(&mut document, &mut vocabulary, " text");
    document.begin_generation();
    append(&mut document, &mut vocabulary, "!");
    for _ in 0..4 {
        document.erase(document.len() - 2..document.len() - 1);
    }
    let mut seen = Vec::new();
    while document.undo().is_some() {
        seen.push(document.text().into_owned());
    }
    let whole = "two words and a paste and another";
    let expected = [
        format!("{whole} generated text!"),
        format!("{whole} generated text"),
        whole.to_owned(),
        "two words and a paste".to_owned(),
        "two words".to_owned(),
        "two ".to_owned(),
        String::new(),
    ];
    assert_eq!(seen, expected);
    while document.redo().is_some() {}
    assert_eq!(document.text(), format!("{whole} generated !"));
    document.undo();
    assert_eq!(document.ids().map(|ids| ids.len()), Some(document.tokens().len()), "all tokens are back");
}

#[test]
fn a_caret_that_moved_starts_a_step_of_its_own() {
    let mut document: Document<u32> = Document::new();
    document.type_text(0, "a");
    document.seal();
    document.type_text(1, "b");
    document.undo();
    assert_eq!(document.text(), "a");
}

#[test]
fn ids_for_another_text_are_refused() {
    let (mut document, _) = document();
    let old = document.revision();
    document.insert(0, "x");
    let now = document.revision();
    assert_eq!(document.settle(old, &[(1, 6)]), Err(SettleError::Stale { given: old, now }));
    assert_eq!(document.settle(now, &[(1, 5)]), Err(SettleError::Length { covered: 5, pending: 6 }));
    assert_eq!(
        document.settle(now, &[(1, usize::MAX), (1, 7)]),
        Err(SettleError::Length { covered: usize::MAX, pending: 6 })
    );
    assert_eq!(document.ids(), None);
}

#[test]
fn replacing_all_keeps_what_is_equal() {
    let (mut document, mut vocabulary) = document();
    append(&mut document, &mut vocabulary, " 中é");
    append(&mut document, &mut vocabulary, " end");
    document.replace_all("ab cd 中è end");
    let authors: Vec<_> = document.runs().iter().map(|run| (run.end, run.author)).collect();
    assert_eq!(
        authors,
        [(5, Typed), (9, Model), (11, Typed), (15, Model)],
        "é and è share a byte, but no half is kept"
    );
    document.replace_all("ab cd 中è end");
    document.undo();
    assert_eq!(document.text(), "ab cd 中é end", "replacing by the same is no step");
}

#[test]
fn old_steps_are_forgotten_before_memory_is() {
    let mut document: Document<u32> = Document::new();
    let big = "x".repeat(10 << 20);
    for _ in 0..20 {
        document.insert(0, &big);
        document.delete(0..big.len());
    }
    let mut undone = 0;
    while document.undo().is_some() {
        undone += 1;
    }
    assert!((2..40).contains(&undone), "{undone} steps");
}
