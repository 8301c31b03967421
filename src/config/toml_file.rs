//! TOML with the place of each value; what cannot be parsed is a problem, and the rest is read.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Report};
use crate::disk;

/// Bytes of a file that the user writes: far more than all settings with a page of comments each.
const LARGEST: u64 = 1 << 20;

/// A value and where its key stands.
pub(super) struct Entry<'t> {
    pub(super) key: &'t str,
    pub(super) at: Range<usize>,
    pub(super) value: &'t DeValue<'t>,
}

/// The text of a file; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, Problem> {
    match disk::read_text(path, LARGEST) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(Problem { file: path.to_owned(), line: None, text: format!("does not count: {error}") }),
    }
}

/// The table of a text; each part that is no TOML is a problem.
pub(super) fn parse<'t>(text: &'t str, report: &mut Report<'_>) -> Spanned<DeTable<'t>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        report.add(at, || format!("this is not TOML: {}", error.message()));
    }
    table
}

/// The entries of a table as they stand in the file.
pub(super) fn entries<'t>(table: &'t DeTable<'t>) -> Vec<Entry<'t>> {
    let entries = table.iter().map(|(key, value)| Entry { key: key.get_ref(), at: key.span(), value: value.get_ref() });
    let mut entries: Vec<Entry<'t>> = entries.collect();
    entries.sort_by_key(|entry| entry.at.start);
    entries
}

/// A value as the text that a flag would take: a string without quotes, a number, a list with commas.
pub(super) fn flat(value: &DeValue<'_>) -> Result<String, String> {
    Ok(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Array(all) => all.iter().map(|item| flat(item.get_ref())).collect::<Result<Vec<_>, _>>()?.join(","),
        other => return Err(format!("a {}; a plain value belongs here", other.type_str())),
    })
}
