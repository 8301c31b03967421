//! Examples from a table: CSV, TSV or JSONL.

use std::path::Path;

use serde_json::Value;

use super::{Doc, Problem, TaskError, library};

/// 2^53: beyond it a number that is kept as a float has lost digits.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads examples with the fields of a task. A CSV or TSV file names its columns in its first line; a JSONL file has an
/// object a line. Columns and keys that the task does not have are left out.
///
/// # Errors
/// A file that cannot be read, is larger than a task may be, is not UTF-8, has another ending, or a line that lacks a
/// field: with the line and the reason.
pub fn read_examples(path: &Path, fields: &[String]) -> Result<Vec<Doc>, Problem> {
    let read = library::read_text(path).and_then(|text| {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        let docs = match ending.as_str() {
            "csv" => table(&text, b',', fields),
            "tsv" | "tab" => table(&text, b'\t', fields),
            "jsonl" | "ndjson" => lines(&text, fields),
            _ => Err(TaskError::new("examples are read from .csv, .tsv and .jsonl files")),
        }?;
        if docs.is_empty() { Err(TaskError::new("the file holds no examples")) } else { Ok(docs) }
    });
    read.map_err(|error| Problem { path: path.to_path_buf(), line: error.line, reason: error.reason })
}

fn table(text: &str, delimiter: u8, fields: &[String]) -> Result<Vec<Doc>, TaskError> {
    // A TSV file has no quotes: they are part of the text.
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(delimiter == b',')
        .from_reader(text.strip_prefix('\u{feff}').unwrap_or(text).as_bytes());
    let bad = |error: &csv::Error| TaskError {
        line: error.position().and_then(|at| usize::try_from(at.line()).ok()),
        reason: match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("the line has {len} columns and the first one names {expected_len}")
            }
            _ => error.to_string(),
        },
    };
    let header = reader.headers().map_err(|error| bad(&error))?.clone();
    let columns = fields.iter().map(|field| {
        header.iter().position(|name| name.trim() == field).ok_or_else(|| TaskError {
            line: Some(1),
            reason: format!(
                "no column is named `{field}`: the first line has to name {}; it is {}",
                fields.join(", "),
                header.iter().collect::<Vec<_>>().join(", ")
            ),
        })
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let mut docs = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| bad(&error))?;
        let value = |column: usize| Value::from(record.get(column).unwrap_or_default());
        docs.push(fields.iter().cloned().zip(columns.iter().map(|column| value(*column))).collect());
    }
    Ok(docs)
}

fn lines(text: &str, fields: &[String]) -> Result<Vec<Doc>, TaskError> {
    let mut docs = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad = |reason: String| TaskError { line: Some(index + 1), reason };
        let mut all: Doc =
            serde_json::from_str(line).map_err(|error| bad(format!("this is no JSON object: {error}")))?;
        let mut doc = Doc::new();
        for field in fields {
            let value = all.remove(field).ok_or_else(|| bad(format!("the object has no `{field}`")))?;
            if value.is_f64() && value.as_f64().is_some_and(|number| number.abs() >= EXACT) {
                return Err(bad(format!("the number of `{field}` has more digits than are kept: write it in quotes")));
            }
            doc.insert(field.clone(), value);
        }
        docs.push(doc);
    }
    Ok(docs)
}
