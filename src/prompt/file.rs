//! The task file: YAML with lm-evaluation-harness's keys, and two of our own (`samples`, `query`) for documents inside
//! the file.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_saphyr::{Error, Spanned};

use super::field::Fields;
use super::harness::{Scoring, unknown_key, unknown_tag};
use super::template;
use super::{Doc, Example, Origin, Task, TaskError};

/// lm-evaluation-harness's defaults.
const FEWSHOT_DELIMITER: &str = "\n\n";
const TARGET_DELIMITER: &str = " ";

/// A larger file is not a prompt.
pub(super) const MAX_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskFile {
    task: Spanned<String>,
    description: Option<Spanned<String>>,
    doc_to_text: Spanned<String>,
    doc_to_target: Option<Spanned<Value>>,
    doc_to_choice: Option<Spanned<Value>>,
    fewshot_delimiter: Option<String>,
    target_delimiter: Option<String>,
    num_fewshot: Option<usize>,
    #[serde(default)]
    generation_kwargs: GenerationKwargs,
    #[serde(default)]
    fewshot_config: FewshotConfig,
    #[serde(default)]
    samples: Vec<Spanned<Fields>>,
    #[serde(default)]
    query: Vec<Spanned<Fields>>,
    #[serde(default)]
    metadata: Value,

    // About scoring: see `Scoring`.
    filter_list: Option<Spanned<Value>>,
    metric_list: Option<Spanned<Value>>,
    output_type: Option<Spanned<Value>>,
    process_results: Option<Spanned<Value>>,
    repeats: Option<Spanned<Value>>,

    // About names, where documents come from and what else is looked for in them: no prompt depends on these.
    #[serde(default, rename = "dataset_kwargs")]
    _dataset_kwargs: IgnoredAny,
    #[serde(default, rename = "dataset_name")]
    _dataset_name: IgnoredAny,
    #[serde(default, rename = "dataset_path")]
    _dataset_path: IgnoredAny,
    #[serde(default, rename = "doc_to_decontamination_query")]
    _doc_to_decontamination_query: IgnoredAny,
    #[serde(default, rename = "fewshot_split")]
    _fewshot_split: IgnoredAny,
    #[serde(default, rename = "group")]
    _group: IgnoredAny,
    #[serde(default, rename = "should_decontaminate")]
    _should_decontaminate: IgnoredAny,
    #[serde(default, rename = "tag")]
    _tag: IgnoredAny,
    #[serde(default, rename = "task_alias")]
    _task_alias: IgnoredAny,
    #[serde(default, rename = "test_split")]
    _test_split: IgnoredAny,
    #[serde(default, rename = "training_split")]
    _training_split: IgnoredAny,
    #[serde(default, rename = "unsafe_code")]
    _unsafe_code: IgnoredAny,
    #[serde(default, rename = "validation_split")]
    _validation_split: IgnoredAny,
}

/// What of lm-evaluation-harness's generation settings belongs to a prompt, and whether it would sample.
#[derive(Deserialize, Default)]
struct GenerationKwargs {
    until: Option<Until>,
    max_gen_toks: Option<usize>,
    do_sample: Option<Spanned<Value>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Until {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FewshotConfig {
    sampler: Option<Spanned<String>>,
    #[serde(default)]
    samples: Vec<Spanned<Fields>>,
    #[serde(default, rename = "split")]
    _split: IgnoredAny,
}

pub(super) fn too_large() -> TaskError {
    TaskError::new(format!("the file is larger than a task may be ({MAX_BYTES} bytes)"))
}

/// Reads and checks a task file: every example and every query must render.
///
/// # Errors
/// With the line and the reason.
pub(super) fn parse(content: &str, origin: Origin) -> Result<Task, TaskError> {
    if content.len() > MAX_BYTES {
        return Err(too_large());
    }
    // YAML 1.2: `no` is a word, not false.
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false, reject_unsupported_tags: true };
    let file: TaskFile = serde_saphyr::from_str_with_options(content, options).map_err(|e| explain(&e, content))?;
    let mut task = file.into_task(origin, content)?;
    // What kshot wrote can be written again; a comment or a line of the user's makes the file the user's.
    task.written =
        (task.yaml(&task.name, task.examples.iter().map(|example| &example.doc)) == content).then(|| content.into());
    Ok(task)
}

impl TaskFile {
    fn into_task(self, origin: Origin, content: &str) -> Result<Task, TaskError> {
        self.check_syntax()?;
        let (file, samples, query) = self.documents(content)?;
        let mut task = file.without_documents(origin, &samples, &query)?;
        for (line, doc) in samples {
            task.examples.push(example(&task, doc).map_err(|e| TaskError { line, ..e })?);
        }
        for (line, doc) in query {
            check_query(&task, &doc).map_err(|e| TaskError { line, ..e })?;
            task.queries.push(doc);
        }
        Ok(task)
    }

    /// The examples and the queries, each with its line.
    fn documents(mut self, content: &str) -> Result<(Self, Vec<Placed>, Vec<Placed>), TaskError> {
        let [samples, fewshot, query] =
            [&mut self.samples, &mut self.fewshot_config.samples, &mut self.query].map(|documents| {
                let placed = |doc: Spanned<Fields>| (line_of(&doc), doc.value.into_doc(content));
                std::mem::take(documents).into_iter().map(placed).collect::<Vec<_>>()
            });
        if !samples.is_empty() && !fewshot.is_empty() {
            return Err(at(&self.task, "`samples` and `fewshot_config.samples` are both given: keep one"));
        }
        let samples = if samples.is_empty() { fewshot } else { samples };
        match samples.first() {
            None if query.is_empty() => {
                let reason = "the file holds no documents: give `samples` or `query` (datasets are not downloaded)";
                Err(at(&self.task, reason))
            }
            Some(&(line, _)) if self.doc_to_target.is_none() => {
                Err(TaskError { line, reason: "`samples` need `doc_to_target`".to_owned() })
            }
            _ => Ok((self, samples, query)),
        }
    }

    /// The task without its documents, which it is needed to check.
    fn without_documents(self, origin: Origin, samples: &[Placed], query: &[Placed]) -> Result<Task, TaskError> {
        let name = self.task.value.trim().to_owned();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(at(&self.task, format!("task {name:?} is not a name: give one word, as for the command line")));
        }
        let first_n = match &self.fewshot_config.sampler {
            None => false,
            Some(sampler) => match sampler.value.as_str() {
                "default" => false,
                "first_n" => true,
                other => {
                    let reason = format!("the sampler {other:?} is not supported: default and first_n are");
                    return Err(at(sampler, reason));
                }
            },
        };
        let fewshot_delimiter = self.fewshot_delimiter.unwrap_or_else(|| FEWSHOT_DELIMITER.to_owned());
        let until = match self.generation_kwargs.until {
            Some(Until::One(stop)) => vec![stop],
            Some(Until::Many(stops)) => stops,
            None => vec![fewshot_delimiter.clone()],
        };
        let scoring = [
            ("output_type", self.output_type),
            ("metric_list", self.metric_list),
            ("filter_list", self.filter_list),
            ("repeats", self.repeats),
            ("process_results", self.process_results),
            ("do_sample", self.generation_kwargs.do_sample),
        ];
        let scoring = scoring.into_iter().filter_map(|(key, value)| {
            let value = value?;
            Some(Scoring { key, line: line_of(&value), value: value.value })
        });
        let about = |key: &str| self.metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(Task {
            columns: samples.iter().chain(query).flat_map(|(_, doc)| doc.keys().cloned()).collect(),
            title: about("title").unwrap_or_else(|| name.clone()),
            name,
            source: about("source"),
            group: about("group"),
            origin,
            examples: Vec::new(),
            queries: Vec::new(),
            num_fewshot: self.num_fewshot.unwrap_or(samples.len()).min(samples.len()),
            fewshot_delimiter,
            target_delimiter: self.target_delimiter.unwrap_or_else(|| TARGET_DELIMITER.to_owned()),
            until: until.into_iter().filter(|stop| !stop.is_empty()).collect(),
            max_gen_toks: self.generation_kwargs.max_gen_toks,
            first_n,
            written: None,
            scoring: scoring.collect(),
            description: self.description.map(|d| d.value).unwrap_or_default(),
            doc_to_text: self.doc_to_text.value,
            doc_to_target: self.doc_to_target.map(|t| t.value),
            doc_to_choice: self.doc_to_choice.map(|c| c.value),
        })
    }

    fn check_syntax(&self) -> Result<(), TaskError> {
        check_syntax("description", self.description.as_ref().map(|d| (d.value.as_str(), line_of(d))))?;
        check_syntax("doc_to_text", Some((&self.doc_to_text.value, line_of(&self.doc_to_text))))?;
        for (key, field) in [("doc_to_target", &self.doc_to_target), ("doc_to_choice", &self.doc_to_choice)] {
            check_syntax(key, field.as_ref().and_then(|f| Some((f.value.as_str()?, line_of(f)))))?;
        }
        Ok(())
    }
}

/// A document and its line.
type Placed = (Option<usize>, Doc);

fn example(task: &Task, doc: Doc) -> Result<Example, TaskError> {
    let text = task.text(&doc)?;
    task.choices(&doc)?;
    task.description(&doc)?;
    let target = task.target(&doc)?.filter(|target| !target.is_empty());
    let target = target.ok_or_else(|| TaskError::new("doc_to_target finds no answer in this document"))?;
    Ok(Example { text, target, doc })
}

fn check_query(task: &Task, doc: &Doc) -> Result<(), TaskError> {
    if task.text(doc)?.is_empty() {
        return Err(TaskError::new("doc_to_text gives no text for this document"));
    }
    task.target(doc)?;
    task.choices(doc)?;
    task.description(doc)?;
    Ok(())
}

fn check_syntax(key: &str, expression: Option<(&str, Option<usize>)>) -> Result<(), TaskError> {
    let Some((source, line)) = expression else {
        return Ok(());
    };
    match template::variables(source) {
        Ok(_) => Ok(()),
        Err(e) => Err(TaskError { line, reason: format!("{key}: {e}") }),
    }
}

fn at<T>(place: &Spanned<T>, reason: impl Into<String>) -> TaskError {
    TaskError { line: line_of(place), reason: reason.into() }
}

fn line_of<T>(place: &Spanned<T>) -> Option<usize> {
    known_line(place.referenced.line())
}

fn known_line(line: u64) -> Option<usize> {
    usize::try_from(line).ok().filter(|&line| line > 0)
}

fn explain(error: &Error, content: &str) -> TaskError {
    let error = error.without_snippet();
    let line = error.location().and_then(|location| known_line(location.line()));
    let reason = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            match (unknown_key(field, expected), nearest(field, expected)) {
                (Some(reason), _) => reason,
                (None, Some(known)) => format!("unknown key `{field}`; did you mean `{known}`?"),
                (None, None) => format!("unknown key `{field}`"),
            }
        }
        Error::UnsupportedTag { tag, .. } => unknown_tag(tag),
        Error::SerdeMissingField { field, .. } => {
            return TaskError::new(format!("the key `{field}` is missing"));
        }
        other => {
            let reason = without_position(&other.to_string());
            match line.and_then(|line| content.lines().nth(line - 1)) {
                Some(place) => format!("{reason} in `{}`", place.trim().chars().take(60).collect::<String>()),
                None => reason,
            }
        }
    };
    TaskError { line, reason }
}

/// The line is reported beside the reason; the parser's own "at line" would say it twice.
fn without_position(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    let cut = first.rfind(" at line ").unwrap_or(first.len());
    first[..cut].to_owned()
}

/// The known key that a misspelt one is nearest to, if any is near.
fn nearest<'a>(field: &str, known: &[&'a str]) -> Option<&'a str> {
    let by_distance = known.iter().map(|&key| (strsim::levenshtein(field, key), key));
    by_distance.min().filter(|(distance, key)| *distance <= 1 + key.len() / 5).map(|(_, key)| key)
}
