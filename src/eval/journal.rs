//! The results file: a line that holds the protocol, then one line an item. A run that was ended, however, goes on from it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::{EvalError, Kind, Protocol, Question, Record};
use crate::disk;

/// The key of the first line, and its value: the form of the file.
const MARK: &str = "kshot_eval";
const FORM: u64 = 1;

/// The longest results file: some million results.
const LARGEST: u64 = 1 << 30;

/// An open results file.
pub struct Journal {
    path: PathBuf,
    file: File,
}

/// The results that were in it; none where there is no file.
#[derive(Default)]
pub struct Done {
    path: PathBuf,
    records: HashMap<(Kind, String, usize, usize), Record>,
}

impl Journal {
    /// Opens a results file, or begins one. A last line that was not written to its end is taken off.
    ///
    /// # Errors
    /// A file that is no regular one, is larger than 1 GiB, is something else or belongs to another protocol, a line
    /// that is no result, a file in use, a failing read or write. The file is left as it is then.
    pub fn open(path: &Path, protocol: &Protocol) -> Result<(Self, Done), EvalError> {
        let failed = |source| EvalError::Io { path: path.to_owned(), source };
        disk::open(path).map(drop).or_else(|error| if error.is_missing() { Ok(()) } else { Err(error) })?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        // A file system that knows no locks is no reason to refuse.
        // One held for a moment is no other run: a process that is just being started shares it until it is itself.
        let mut tries = 0;
        while let Err(TryLockError::WouldBlock) = file.try_lock() {
            tries += 1;
            if tries > 20 {
                return Err(EvalError::Busy { path: path.to_owned() });
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        let bytes = disk::read(path, LARGEST)?;
        let header = header(protocol);
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let mut records = HashMap::new();
        if whole == 0 {
            // Nothing, or the beginning of a first line: ours, or not to be touched.
            let mark = format!("{{\"{MARK}\":");
            let ours = bytes.iter().zip(mark.as_bytes()).all(|(a, b)| a == b);
            if !ours {
                return Err(EvalError::NotResults { path: path.to_owned() });
            }
        } else {
            let mut lines = bytes[..whole - 1].split(|&byte| byte == b'\n');
            check_header(path, lines.next().unwrap_or_default(), protocol)?;
            for (index, line) in lines.enumerate() {
                let record: Record = serde_json::from_slice(line).map_err(|e| EvalError::BadLine {
                    path: path.to_owned(),
                    line: index + 2,
                    reason: e.to_string(),
                })?;
                records.insert((record.kind, record.task.clone(), record.shots, record.item), record);
            }
        }
        file.set_len(whole as u64).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        let mut journal = Self { path: path.to_owned(), file };
        if whole == 0 {
            journal.write(&header)?;
        }
        Ok((journal, Done { path: path.to_owned(), records }))
    }

    /// Adds a result.
    ///
    /// # Errors
    /// A failing write; what was written before stays.
    pub fn add(&mut self, record: &Record) -> Result<(), EvalError> {
        let line =
            serde_json::to_value(record).map_err(|e| EvalError::Io { path: self.path.clone(), source: e.into() })?;
        self.write(&line)
    }

    fn write(&mut self, line: &Value) -> Result<(), EvalError> {
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.map_err(|source| EvalError::Io { path: self.path.clone(), source })
    }
}

impl Done {
    /// The result of a question, where there is one.
    ///
    /// # Errors
    /// The result under its number is that of another question.
    pub fn get(&self, question: &Question) -> Result<Option<&Record>, EvalError> {
        let Some(record) = self.records.get(&(question.kind, question.task.clone(), question.shots, question.item))
        else {
            return Ok(None);
        };
        if record.question != question.digest() {
            return Err(EvalError::OtherQuestion {
                path: self.path.clone(),
                task: question.task.clone(),
                shots: question.shots,
                item: question.item,
            });
        }
        Ok(Some(record))
    }

    /// The results.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// The questions that have no result yet; an error where one has the result of another question.
    pub fn left(
        &self,
        questions: impl Iterator<Item = Result<Question, EvalError>>,
    ) -> impl Iterator<Item = Result<Question, EvalError>> {
        questions.filter_map(|question| match question.and_then(|q| Ok((self.get(&q)?.is_none(), q))) {
            Ok((true, question)) => Some(Ok(question)),
            Ok((false, _)) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

fn header(protocol: &Protocol) -> Value {
    json!({ MARK: FORM, "protocol": protocol })
}

fn check_header(path: &Path, line: &[u8], protocol: &Protocol) -> Result<(), EvalError> {
    let there: Value = serde_json::from_slice(line).unwrap_or_default();
    if there.get(MARK).is_none() {
        return Err(EvalError::NotResults { path: path.to_owned() });
    }
    let mut differences = Vec::new();
    compare("", &header(protocol), &there, &mut differences);
    match differences.is_empty() {
        true => Ok(()),
        false => Err(EvalError::OtherProtocol { path: path.to_owned(), differences }),
    }
}

/// Says where two values differ. A model may have another name than before: its hash says what it is.
fn compare(key: &str, here: &Value, there: &Value, differences: &mut Vec<String>) {
    match (here, there) {
        _ if key == "protocol.model.name" => {}
        (Value::Object(a), Value::Object(b)) => {
            let more = b.keys().filter(|name| !a.contains_key(*name));
            for name in a.keys().chain(more) {
                let inner = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                let [a, b] = [a, b].map(|fields| fields.get(name).unwrap_or(&Value::Null));
                compare(&inner, a, b, differences);
            }
        }
        _ if here == there => {}
        _ => {
            let key = key.strip_prefix("protocol.").unwrap_or(key);
            differences.push(format!("{key}: {here} here, {there} in the file"));
        }
    }
}
