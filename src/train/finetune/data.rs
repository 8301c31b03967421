//! Labelled examples from TSV and JSONL files.

use serde_json::Value;

use super::Form;

/// One labelled example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Index of its label, or of the right choice.
    pub label: usize,
    /// The text, premise or context.
    pub text: String,
    /// The second text, or the choices.
    pub others: Vec<String>,
}

/// Examples of one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examples {
    /// Their form.
    pub form: Form,
    /// The labels in alphabetical order; none for multiple choice, whose labels are the choices.
    pub labels: Vec<String>,
    /// In the file's order.
    pub items: Vec<Example>,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `label<TAB>text[<TAB>text2 or choices]` a line; `#` begins a comment.
    Tsv,
    /// `{"label": ..., "text": ..., "text2": ..., "choices": [...]}` a line.
    Jsonl,
}

/// What can be wrong with a file of examples.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DataError {
    /// A line that is no example.
    #[error("{file}, line {line}: {reason}")]
    Line {
        /// The file.
        file: String,
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Too little of everything.
    #[error("{file}: {reason}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Labels of a classifier: a table whose every line has a label of its own is one with its columns in another order.
const MOST_LABELS: usize = 1000;

/// A line before its label is known to be one.
struct Row {
    line: usize,
    label: String,
    texts: Vec<String>,
}

impl Format {
    /// The format of a file by its name: `.jsonl`, `.ndjson` and `.json` are JSONL, all others TSV.
    pub fn of(name: &str) -> Self {
        let json = [".jsonl", ".ndjson", ".json"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
        if json { Self::Jsonl } else { Self::Tsv }
    }
}

impl Examples {
    /// Reads the content of the training file called `file`.
    ///
    /// # Errors
    /// The line that is no example of the form; fewer than two labels.
    pub fn parse(form: Form, file: &str, content: &str, format: Format) -> Result<Self, DataError> {
        let rows = rows(form, file, content, format)?;
        let mut labels: Vec<String> = match form {
            Form::MultipleChoice => Vec::new(),
            _ => rows.iter().map(|row| row.label.clone()).collect(),
        };
        labels.sort();
        labels.dedup();
        if rows.is_empty() || form != Form::MultipleChoice && labels.len() < 2 {
            let reason = match labels.as_slice() {
                [only] => format!("every example has the label {only:?}; a classifier wants at least two labels"),
                _ => "there is no example in it".to_owned(),
            };
            return Err(DataError::File { file: file.to_owned(), reason });
        }
        if labels.len() > MOST_LABELS {
            let reason = format!(
                "it has {} labels, and a classifier takes at most {MOST_LABELS}: is the label the first column?",
                labels.len()
            );
            return Err(DataError::File { file: file.to_owned(), reason });
        }
        Self::of_rows(form, labels, file, rows)
    }

    /// Reads a file whose labels are to be among those of the training file.
    ///
    /// # Errors
    /// The line that is no example of the form or has an unknown label.
    pub fn parse_more(&self, file: &str, content: &str, format: Format) -> Result<Self, DataError> {
        let rows = rows(self.form, file, content, format)?;
        if rows.is_empty() {
            return Err(DataError::File { file: file.to_owned(), reason: "there is no example in it".into() });
        }
        Self::of_rows(self.form, self.labels.clone(), file, rows)
    }

    fn of_rows(form: Form, labels: Vec<String>, file: &str, rows: Vec<Row>) -> Result<Self, DataError> {
        let items = rows
            .into_iter()
            .map(|row| {
                let known = if form == Form::MultipleChoice { &row.texts[1..] } else { labels.as_slice() };
                let by_name = known.iter().position(|label| *label == row.label);
                let by_number =
                    || row.label.parse().ok().filter(|at| form == Form::MultipleChoice && *at < known.len());
                let Some(label) = by_name.or_else(by_number) else {
                    let reason = match form {
                        Form::MultipleChoice => {
                            format!("the label {:?} is neither a choice nor the number of one, from 0", row.label)
                        }
                        _ => format!("the label {:?} is none of {}", row.label, some(&labels)),
                    };
                    return Err(DataError::Line { file: file.to_owned(), line: row.line, reason });
                };
                let mut texts = row.texts.into_iter();
                Ok(Example { label, text: texts.next().unwrap_or_default(), others: texts.collect() })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { form, labels, items })
    }

    /// Takes every `n`th example out, for validation where there is no file for it.
    pub fn hold_out(&mut self, n: usize) -> Self {
        let mut held = Self { items: Vec::new(), ..self.clone() };
        for (at, item) in std::mem::take(&mut self.items).into_iter().enumerate() {
            if (at + 1).is_multiple_of(n.max(2)) { held.items.push(item) } else { self.items.push(item) }
        }
        held
    }
}

/// The first labels of many.
fn some(labels: &[String]) -> String {
    const SHOWN: usize = 20;
    let more = labels.len().saturating_sub(SHOWN);
    let shown = labels.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn rows(form: Form, file: &str, content: &str, format: Format) -> Result<Vec<Row>, DataError> {
    let mut rows = Vec::new();
    for (index, line) in content.lines().enumerate() {
        let blank = line.trim().is_empty() || format == Format::Tsv && line.starts_with('#');
        if blank {
            continue;
        }
        let row = match format {
            Format::Tsv => tsv(line),
            Format::Jsonl => jsonl(line),
        };
        let row = row.and_then(|(label, texts)| match () {
            () if label.is_empty() => Err("the label is empty".to_owned()),
            () if !form.takes(texts.len()) => {
                Err(format!("{form} takes {}, here are {} texts", form.wants(), texts.len()))
            }
            () if texts.iter().any(|text| text.trim().is_empty()) => Err("a text is empty".to_owned()),
            () => Ok(Row { line: index + 1, label, texts }),
        });
        rows.push(row.map_err(|reason| DataError::Line { file: file.to_owned(), line: index + 1, reason })?);
    }
    Ok(rows)
}

fn tsv(line: &str) -> Result<(String, Vec<String>), String> {
    let mut fields = line.split('\t').map(str::to_owned);
    let label = fields.next().unwrap_or_default().trim().to_owned();
    let texts: Vec<String> = fields.collect();
    match texts.is_empty() {
        true => Err("there is no tab; a line is label<TAB>text".to_owned()),
        false => Ok((label, texts)),
    }
}

fn jsonl(line: &str) -> Result<(String, Vec<String>), String> {
    let object: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let text = |key: &str| match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::Bool(truth)) => Ok(Some(truth.to_string())),
        Some(_) => Err(format!("{key:?} is not a text")),
    };
    let label = text("label")?.ok_or("it has no \"label\"")?;
    let mut texts = vec![text("text")?.ok_or("it has no \"text\"")?];
    texts.extend(text("text2")?);
    for choice in object.get("choices").and_then(Value::as_array).into_iter().flatten() {
        texts.push(choice.as_str().ok_or("a choice is not a text")?.to_owned());
    }
    Ok((label, texts))
}
