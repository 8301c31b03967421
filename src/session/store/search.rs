//! Searching in the texts of sessions: every version of each, without their tokens.

use std::collections::HashMap;
use std::time::SystemTime;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::{JOURNAL, LARGEST_JOURNAL, LARGEST_STATE, SessionId, Store, StoreError, read_state};
use crate::disk;

/// Characters around what was found that are shown.
const AROUND: usize = 32;
/// Bytes of a session's text that are kept for the next search.
const REMEMBERED: usize = 4 << 20;

/// A session in which a text was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The session.
    pub id: SessionId,
    /// The place, with what is around it, in one line.
    pub shown: String,
}

/// The texts of sessions, read once for each change of a session.
#[derive(Debug, Default)]
pub struct Texts {
    known: HashMap<SessionId, (SystemTime, u64, Vec<Stretch>)>,
}

/// A version, without what is known about it.
#[derive(Debug, Deserialize)]
struct Stretch {
    parent: usize,
    at: usize,
    text: Text,
    #[serde(skip)]
    id: usize,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Text {
    Utf8(String),
    Bytes(Vec<u8>),
}

impl Text {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Utf8(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

#[derive(Deserialize)]
struct Line {
    version: Version,
}

#[derive(Deserialize)]
struct Version {
    id: usize,
    piece: Stretch,
}

#[derive(Deserialize)]
struct Record {
    draft: Stretch,
}

impl Texts {
    /// The sessions in whose versions a text occurs, whatever its case, the one that was written last first.
    /// `wanted` says whether the answer is still wanted.
    ///
    /// # Errors
    /// As [`Store::list`].
    pub fn find(&mut self, store: &Store, query: &str, wanted: impl Fn() -> bool) -> Result<Vec<Match>, StoreError> {
        let Ok(pattern) = RegexBuilder::new(&regex::escape(query)).case_insensitive(true).build() else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for row in store.list()? {
            if !wanted() {
                break;
            }
            let known =
                self.known.remove(&row.id).filter(|(changed, bytes, _)| (*changed, *bytes) == (row.changed, row.bytes));
            let texts = known.map_or_else(|| stretches(store, &row.id), |(_, _, texts)| texts);
            found.extend(find(&texts, query, &pattern).map(|shown| Match { id: row.id.clone(), shown }));
            if texts.iter().map(|stretch| stretch.text.bytes().len()).sum::<usize>() <= REMEMBERED {
                self.known.insert(row.id, (row.changed, row.bytes, texts));
            }
        }
        Ok(found)
    }
}

/// What can be read of a session's versions and of its text.
fn stretches(store: &Store, id: &SessionId) -> Vec<Stretch> {
    let folder = store.folder(id);
    let journal = disk::read(&folder.join(JOURNAL), LARGEST_JOURNAL.min(LARGEST_STATE)).unwrap_or_default();
    let lines = journal.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    let mut all: Vec<Stretch> = lines.map(|Line { version }| Stretch { id: version.id, ..version.piece }).collect();
    let record = read_state(&folder).ok().and_then(|(_, state)| serde_json::from_slice::<Record>(&state).ok());
    all.extend(record.map(|record| Stretch { id: 0, ..record.draft }));
    all
}

/// The first place where a stretch, with the end of the text before it, has what is looked for.
fn find(stretches: &[Stretch], query: &str, pattern: &Regex) -> Option<String> {
    let by_id: HashMap<usize, &Stretch> =
        stretches.iter().filter(|stretch| stretch.id > 0).map(|s| (s.id, s)).collect();
    // A letter in another case may be longer.
    let before = 3 * query.len();
    stretches.iter().find_map(|stretch| {
        let mut text = Vec::new();
        let (mut parent, mut end, mut steps) = (by_id.get(&stretch.parent), stretch.at, 0);
        // Versions go on from earlier ones; a damaged file may say otherwise.
        while let Some(above) = parent.filter(|_| text.len() < before && steps < stretches.len()) {
            let bytes = above.text.bytes();
            let part = bytes.get(..end.saturating_sub(above.at).min(bytes.len())).unwrap_or_default();
            text.splice(0..0, part.iter().copied());
            (end, parent, steps) = (end.min(above.at), by_id.get(&above.parent), steps + 1);
        }
        let from = text.len().saturating_sub(before);
        text.drain(..from);
        text.extend_from_slice(stretch.text.bytes());
        let text = String::from_utf8_lossy(&text);
        let place = pattern.find(&text)?;
        Some(around(&text, place.start(), place.end()))
    })
}

/// A place with what is around it, in one line.
fn around(text: &str, start: usize, end: usize) -> String {
    let (before, rest) = text.split_at(start);
    let (found, after) = rest.split_at(end - start);
    let before: Vec<char> = before.chars().rev().take(AROUND).collect();
    let line = before.into_iter().rev().chain(found.chars()).chain(after.chars().take(AROUND));
    line.map(|c| if c.is_control() { ' ' } else { c }).collect()
}
