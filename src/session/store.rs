//! Sessions on disk: a folder each, with the journal of versions, the record of the rest, and a lock.
//!
//! Two programs may use the same folder of sessions: each session is written by the one that holds its lock. Nothing that is
//! read is trusted: only regular files are opened, and what cannot be read is set aside beside the session before anything
//! is written over it.

use std::cmp::Reverse;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::record::{self, About, Contents, Kept};
use crate::disk::{self, ReadError, WriteError};

mod lock;
mod search;
mod trash;
mod writer;

use lock::Lock;
pub use search::{Match, Texts};
pub use trash::Deleted;
pub use writer::Writer;

const JOURNAL: &str = "versions.jsonl";
const STATE: &str = "session.json";
/// The record while it is written: whole before the record itself is replaced, so that a killed program loses nothing.
const NEXT_STATE: &str = "session.json.new";
/// Bytes of a journal that are read: some million tokens with their candidates.
const LARGEST_JOURNAL: u64 = 1 << 30;
/// Bytes of a record that are read.
const LARGEST_STATE: u64 = 256 << 20;
/// Bytes of a file that is too large which are looked at all the same.
const START: u64 = 16 << 20;
/// Bytes of a record that hold what a list shows: a name, a line, a model.
const ABOUT: u64 = 4096;
/// Bytes of a name.
const LONGEST_NAME: usize = 120;
/// How the folder of a deleted session ends until its program quits.
const DELETED: &str = "deleted";

/// The folder of a session, which names it for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(String);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why something was not done with a session.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is none of this name.
    #[error("there is no session {name:?}{}", did_you_mean(near))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Names that are like it.
        near: Vec<String>,
    },
    /// Nothing was kept yet.
    #[error("no session is kept yet in {}", .0.display())]
    Empty(PathBuf),
    /// Another program writes it.
    #[error("the session {0} is open in another kshot; close it there, or duplicate it here")]
    InUse(String),
    /// Another session has the name.
    #[error("there is a session {0:?} already; take another name")]
    Taken(String),
    /// A name that cannot be typed or shown.
    #[error("{0}")]
    Name(&'static str),
    /// A file that is not one of this session.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The file system says no.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

impl StoreError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}

fn did_you_mean(near: &[String]) -> String {
    match near {
        [] => "; `kshot session list` lists all".to_owned(),
        near => format!("; did you mean {}?", near.join(" or ")),
    }
}

/// A session as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its folder.
    pub id: SessionId,
    /// Name, first line, model.
    pub about: About,
    /// When it was begun, where its folder says so.
    pub begun: Option<SystemTime>,
    /// When it was written last.
    pub changed: SystemTime,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Row {
    /// What it is called: its name, or else its folder.
    pub fn title(&self) -> &str {
        self.about.name.as_deref().unwrap_or(&self.id.0)
    }
}

/// A session that was opened.
#[derive(Debug)]
pub struct Opened {
    /// Writes it from now on; `None` where another program does.
    pub writer: Option<Writer>,
    /// What it holds.
    pub contents: Contents,
    /// Its name, first line, model.
    pub about: About,
    /// What could not be read, and the path to which it was moved.
    pub damage: Option<String>,
}

/// The folder of all sessions. It is made with the first session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

/// Whether a name can be given to a session.
///
/// # Errors
/// What is wrong with it.
pub fn check_session_name(name: &str) -> Result<(), StoreError> {
    match name {
        _ if name.is_empty() || name.trim() != name => {
            Err(StoreError::Name("a name begins and ends with a letter or a sign"))
        }
        _ if name.chars().any(char::is_control) => {
            Err(StoreError::Name("a name is one line without control characters"))
        }
        _ if name.len() > LONGEST_NAME => Err(StoreError::Name("the name is too long: 120 bytes are the most")),
        "last" => Err(StoreError::Name("`last` is what the session that was used last is called; take another name")),
        _ => Ok(()),
    }
}

/// Reading.
impl Store {
    /// The sessions in a folder, which need not be there.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where they lie.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn folder(&self, id: &SessionId) -> PathBuf {
        self.root.join(&id.0)
    }

    /// All sessions, the one that was written last first. A folder in which nothing was ever kept is left out.
    ///
    /// # Errors
    /// A folder that is there and cannot be read.
    pub fn list(&self) -> Result<Vec<Row>, StoreError> {
        let mut rows: Vec<Row> = self.ids()?.iter().filter_map(|id| self.row(id)).collect();
        rows.sort_by_cached_key(|row| (Reverse(row.changed), Reverse(row.id.clone())));
        Ok(rows)
    }

    /// The session that was written last.
    ///
    /// # Errors
    /// As [`Store::list`].
    pub fn last(&self) -> Result<Option<SessionId>, StoreError> {
        // What an earlier version of the program moved aside is opened by its name only.
        let dated = self.ids()?.into_iter().filter(|id| !id.0.contains('.')).filter_map(|id| {
            let folder = self.folder(&id);
            let (changed, bytes) = Self::size(&folder);
            (bytes > record::HEAD.len() as u64).then_some((changed, id))
        });
        Ok(dated.max().map(|(_, id)| id))
    }

    /// The session of a name, of a folder's name, or the `last` one.
    ///
    /// # Errors
    /// There is none; names that are like it are said.
    pub fn find(&self, name: &str) -> Result<SessionId, StoreError> {
        if name == "last" {
            return self.last()?.ok_or_else(|| StoreError::Empty(self.root.clone()));
        }
        let rows = self.list()?;
        let found = rows.iter().find(|row| row.about.name.as_deref() == Some(name));
        let found = found.or_else(|| rows.iter().find(|row| row.id.0 == name));
        found
            .map(|row| row.id.clone())
            .ok_or_else(|| StoreError::Unknown { name: name.to_owned(), near: near(name, rows.iter().map(Row::title)) })
    }

    fn ids(&self) -> Result<Vec<SessionId>, StoreError> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(StoreError::io("read the folder", &self.root))?,
        };
        let entries = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names
            .filter(|name| Path::new(name).extension().is_none_or(|ending| ending != DELETED))
            .map(SessionId)
            .collect())
    }

    fn row(&self, id: &SessionId) -> Option<Row> {
        let folder = self.folder(id);
        let (changed, bytes) = Self::size(&folder);
        if bytes <= record::HEAD.len() as u64 {
            return None;
        }
        let about = match Self::about(&folder) {
            Some(about) => about,
            // An earlier version wrote it, or it is damaged: all of it is read.
            None => {
                let (contents, about) = read(&folder);
                if contents.is_empty() && contents.is_whole() {
                    return None;
                }
                About { name: about.name, ..contents.about() }
            }
        };
        let begun = id.0.split(['-', '.']).next().and_then(|seconds| seconds.parse().ok());
        let begun = begun.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        Some(Row { id: id.clone(), about, begun, changed, bytes })
    }

    /// What a list shows, from the first bytes of the record.
    fn about(folder: &Path) -> Option<About> {
        let start = |name: &str| disk::read_start(&folder.join(name), ABOUT).ok();
        let parse = |record: Vec<u8>| record::split_about(&record).map(|(about, _)| about);
        // A record that is being written comes to be read where there is none yet.
        start(STATE).and_then(parse).or_else(|| start(NEXT_STATE).and_then(parse))
    }

    /// When a session was written last, and its bytes on disk.
    fn size(folder: &Path) -> (SystemTime, u64) {
        let mut changed = UNIX_EPOCH;
        let mut bytes = 0;
        for file in [JOURNAL, STATE, NEXT_STATE].iter().filter_map(|name| folder.join(name).symlink_metadata().ok()) {
            bytes += file.len().max(u64::from(!file.is_file()) << 12);
            changed = changed.max(file.modified().unwrap_or(UNIX_EPOCH));
        }
        (changed, bytes)
    }

    /// What a session holds, without opening it for writing.
    pub fn look(&self, id: &SessionId) -> (Contents, About) {
        read(&self.folder(id))
    }

    /// All that can be read of a session, to be kept elsewhere, and what cannot be read.
    pub fn whole(&self, id: &SessionId) -> (Kept, String) {
        let (contents, about) = self.look(id);
        (whole(&contents, &about), contents.lost())
    }
}

/// Changing.
impl Store {
    /// Opens a session to go on with it. One that another program writes is only read.
    ///
    /// # Errors
    /// A lock or a file that cannot be made.
    pub fn open(&self, id: &SessionId) -> Result<Opened, StoreError> {
        let folder = self.folder(id);
        let Some(lock) = Lock::take(&folder)? else {
            let (contents, about) = read(&folder);
            let lost = contents.lost();
            let damage = (!lost.is_empty()).then(|| format!("some of the session {} cannot be read: {lost}", id.0));
            return Ok(Opened { writer: None, contents, about, damage });
        };
        let (contents, about) = read(&folder);
        let damage = match contents.is_whole() {
            true => None,
            false => Some(repair(&folder, &contents, &about)?),
        };
        let writer = Writer::open(folder, id.clone(), lock, about.name.clone())?;
        Ok(Opened { writer: Some(writer), contents, about, damage })
    }

    /// A new session, named by the time, with the name that it is given.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn begin(&self, name: Option<String>) -> Result<Writer, StoreError> {
        disk::private_folder(&self.root).map_err(StoreError::io("make the folder", &self.root))?;
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let mut number = 0;
        let id = loop {
            let id = SessionId(format!("{seconds}-{number}"));
            let folder = self.folder(&id);
            match make_folder(&folder) {
                Ok(()) => break id,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(StoreError::io("make the folder", &folder)(error)),
            }
        };
        let folder = self.folder(&id);
        let lock = Lock::take(&folder)?.ok_or_else(|| StoreError::InUse(id.0.clone()))?;
        let writer = Writer::begin(folder, id, lock, name)?;
        disk::sync_folder(&self.root).map_err(StoreError::io("write", &self.root))?;
        Ok(writer)
    }

    /// Whether a name may be given to a session that is not `own`.
    ///
    /// # Errors
    /// It is none, or another session has it.
    pub fn check_free(&self, name: &str, own: Option<&SessionId>) -> Result<(), StoreError> {
        check_session_name(name)?;
        let rows = self.list()?;
        let mut others = rows.iter().filter(|row| Some(&row.id) != own);
        match others.any(|row| row.about.name.as_deref() == Some(name) || row.id.0 == name) {
            true => Err(StoreError::Taken(name.to_owned())),
            false => Ok(()),
        }
    }

    /// Gives a session another name, or none.
    ///
    /// # Errors
    /// A name that is taken; another program writes the session.
    pub fn rename(&self, id: &SessionId, name: Option<&str>) -> Result<(), StoreError> {
        if let Some(name) = name {
            self.check_free(name, Some(id))?;
        }
        let opened = self.open(id)?;
        let mut writer = opened.writer.ok_or_else(|| self.in_use(id))?;
        writer.rename(name.map(str::to_owned))
    }

    /// A second session with the same contents, which may be in use.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn duplicate(&self, id: &SessionId) -> Result<SessionId, StoreError> {
        let row = self.list()?.into_iter().find(|row| row.id == *id);
        let title = row.map(|row| row.about.name.unwrap_or(row.about.first)).unwrap_or_default();
        let mut writer = self.begin(Some(self.free_name(&title)?))?;
        writer.keep(&self.whole(id).0)?;
        Ok(writer.id().clone())
    }

    /// `title copy`, with a number where that is taken.
    ///
    /// # Errors
    /// As [`Store::list`].
    pub fn free_name(&self, title: &str) -> Result<String, StoreError> {
        let mut title: String = title.chars().filter(|c| !c.is_control()).take(40).collect();
        while title.len() + 16 > LONGEST_NAME {
            title.pop();
        }
        let rows = self.list()?;
        let is_free = |name: &String| rows.iter().all(|row| row.about.name.as_ref() != Some(name));
        let title = title.trim();
        let names = (1..).map(|number| match number {
            1 => format!("{title} copy").trim_start().to_owned(),
            number => format!("{title} copy {number}").trim_start().to_owned(),
        });
        names.into_iter().find(is_free).ok_or_else(|| StoreError::Taken(title.to_owned()))
    }

    /// That another program writes a session, by its name.
    pub fn in_use(&self, id: &SessionId) -> StoreError {
        let name = Self::about(&self.folder(id)).and_then(|about| about.name);
        StoreError::InUse(name.map_or_else(|| id.0.clone(), |name| format!("{name:?}")))
    }
}

#[cfg(unix)]
fn make_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir(path)
}

/// Where the last whole line ends: a line that a crash cut short was never said to be kept.
fn whole_lines(journal: &[u8]) -> usize {
    journal.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// What a session holds, as far as it can be read.
fn read(folder: &Path) -> (Contents, About) {
    // The record first: where another program writes meanwhile, the journal then holds all that it names.
    let record = read_state(folder);
    let (journal, mut lost) = match read_or_start(&folder.join(JOURNAL), LARGEST_JOURNAL) {
        Ok(journal) => journal,
        // Killed before the first version, or taken away: what is missing shows where something refers to it.
        Err(ReadError::Missing(_)) => (record::HEAD.to_vec(), None),
        Err(error) => (record::HEAD.to_vec(), Some(error.to_string())),
    };
    let (journal, half) = journal.split_at(whole_lines(&journal));
    // Half a head is no more than a crash in the first moment.
    let journal = if journal.is_empty() { record::HEAD } else { journal };
    let (about, mut contents) = match record {
        Ok((about, state)) => (about.unwrap_or_default(), record::read(journal, &state)),
        Err(ReadError::Missing(_)) => {
            let mut contents = record::read(journal, b"");
            contents.lost_state = if contents.tree.is_empty() && lost.is_none() {
                Vec::new()
            } else {
                vec![format!("there is no {STATE}: the text is the version that was made last")]
            };
            (About::default(), contents)
        }
        Err(error) => {
            let mut contents = record::read(journal, b"");
            contents.lost_state = vec![error.to_string()];
            (About::default(), contents)
        }
    };
    if !contents.is_whole() && !half.is_empty() {
        contents.lost_versions.push("the versions end in half a line".to_owned());
    }
    contents.lost_versions.extend(lost.take());
    (contents, about)
}

/// The bytes of a file, or where it is too large its start and why that is not all.
fn read_or_start(path: &Path, limit: u64) -> Result<(Vec<u8>, Option<String>), ReadError> {
    match disk::read(path, limit) {
        Ok(bytes) => Ok((bytes, None)),
        Err(error @ ReadError::TooLarge { .. }) => Ok((disk::read_start(path, START)?, Some(error.to_string()))),
        Err(error) => Err(error),
    }
}

/// The newest record that is whole, with what a list shows taken off.
fn read_state(folder: &Path) -> Result<(Option<About>, Vec<u8>), ReadError> {
    let split = |record: Vec<u8>| match record::split_about(&record) {
        Some((about, state)) => (Some(about), state),
        None => (None, record),
    };
    let next = disk::read(&folder.join(NEXT_STATE), LARGEST_STATE).ok();
    if let Some(next) =
        next.filter(|next| next.ends_with(b"\n") && serde_json::from_slice::<serde::de::IgnoredAny>(next).is_ok())
    {
        return Ok(split(next));
    }
    disk::read(&folder.join(STATE), LARGEST_STATE).map(split)
}

/// A session as if all of it was new.
fn whole(contents: &Contents, about: &About) -> Kept {
    let all = contents.tree.ids().collect();
    let journal = record::journal(&contents.tree, &all, &all, Clone::clone);
    let state = contents.state.clone().unwrap_or_else(|| record::State {
        draft: contents.draft(),
        settings: None,
        stop: Vec::new(),
        bias: String::new(),
        shots: None,
    });
    Kept { about: About { name: about.name.clone(), ..contents.about() }, journal, state: record::state(&state) }
}

/// Sets what cannot be read aside, and writes what can in its place. Gives what is to be said.
fn repair(folder: &Path, contents: &Contents, about: &About) -> Result<String, StoreError> {
    let kept = whole(contents, about);
    let mut aside = Vec::new();
    aside.extend(set_aside(folder, STATE)?);
    // Its numbers are those of the journal that is replaced.
    let _ = fs::remove_file(folder.join(NEXT_STATE));
    disk::write_private(&folder.join(STATE), &record::with_about(&kept.about, &kept.state), disk::Existing::Replace)?;
    // Where no version is lost, the journal has the same numbers as what was read of it.
    if !contents.lost_versions.is_empty() {
        aside.extend(set_aside(folder, JOURNAL)?);
        let journal = [record::HEAD, &kept.journal].concat();
        disk::write_private(&folder.join(JOURNAL), &journal, disk::Existing::Replace)?;
    }
    disk::sync_folder(folder).map_err(StoreError::io("write", folder))?;
    let aside: Vec<String> = aside.iter().map(|path| path.display().to_string()).collect();
    let lies =
        if aside.is_empty() { String::new() } else { format!("; what was there lies in {}", aside.join(" and ")) };
    Ok(format!("some of the session cannot be read: {}{lies}", contents.lost()))
}

/// Gives a file a second name that nothing is written to; what is no file gets it in place of its own.
fn set_aside(folder: &Path, name: &str) -> Result<Option<PathBuf>, StoreError> {
    let path = folder.join(name);
    let Ok(about) = path.symlink_metadata() else { return Ok(None) };
    let to = (1_u64..)
        .map(|number| folder.join(format!("{name}.damaged-{number}")))
        .find(|to| to.symlink_metadata().is_err());
    let Some(to) = to else { return Ok(None) };
    let moved = match about.is_file() {
        // Both names until the new file is renamed over the first.
        true => fs::hard_link(&path, &to).or_else(|_| fs::rename(&path, &to)),
        false => fs::rename(&path, &to),
    };
    moved.map_err(StoreError::io("set aside", &path))?;
    Ok(Some(to))
}

/// Names that are like one that is none, the most alike first.
fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = name.to_lowercase();
    let mut alike: Vec<(f64, &str)> =
        known.map(|other| (strsim::jaro_winkler(&wanted, &other.to_lowercase()), other)).collect();
    alike.retain(|(alike, other)| *alike > 0.8 || (!wanted.is_empty() && other.to_lowercase().contains(&wanted)));
    alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    alike.into_iter().take(3).map(|(_, name)| format!("{name:?}")).collect()
}

#[cfg(test)]
mod tests;
