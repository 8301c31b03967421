//! The task file: YAML with lm-evaluation-harness's keys, and two of our own (`samples`, `query`) for documents inside
//! the file.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_saphyr::{Error, Spanned};

use super::template;
use super::{Doc, Example, Origin, Task, TaskError};

/// lm-evaluation-harness's defaults.
const FEWSHOT_DELIMITER: &str = "\n\n";
const TARGET_DELIMITER: &str = " ";

/// Keys of lm-evaluation-harness that change the prompt in ways that kshot does not do.
const UNSUPPORTED: &[&str] =
    &["class", "custom_dataset", "doc_to_audio", "doc_to_image", "gen_prefix", "include", "process_docs", "use_prompt"];

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
    samples: Vec<Spanned<Doc>>,
    #[serde(default)]
    query: Vec<Spanned<Doc>>,
    #[serde(default)]
    metadata: Metadata,

    // Keys about where documents come from and how answers are scored; they do not change a prompt.
    #[serde(default, rename = "dataset_kwargs")]
    _dataset_kwargs: IgnoredAny,
    #[serde(default, rename = "dataset_name")]
    _dataset_name: IgnoredAny,
    #[serde(default, rename = "dataset_path")]
    _dataset_path: IgnoredAny,
    #[serde(default, rename = "fewshot_split")]
    _fewshot_split: IgnoredAny,
    #[serde(default, rename = "filter_list")]
    _filter_list: IgnoredAny,
    #[serde(default, rename = "metric_list")]
    _metric_list: IgnoredAny,
    #[serde(default, rename = "output_type")]
    _output_type: IgnoredAny,
    #[serde(default, rename = "repeats")]
    _repeats: IgnoredAny,
    #[serde(default, rename = "tag")]
    _tag: IgnoredAny,
    #[serde(default, rename = "test_split")]
    _test_split: IgnoredAny,
    #[serde(default, rename = "training_split")]
    _training_split: IgnoredAny,
    #[serde(default, rename = "validation_split")]
    _validation_split: IgnoredAny,
}

/// What of lm-evaluation-harness's generation settings belongs to a prompt; its sampling settings are not read.
#[derive(Deserialize, Default)]
struct GenerationKwargs {
    until: Option<Until>,
    max_gen_toks: Option<usize>,
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
    #[serde(default, rename = "sampler")]
    _sampler: IgnoredAny,
    #[serde(default)]
    samples: Vec<Spanned<Doc>>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    title: Option<String>,
    source: Option<String>,
    group: Option<String>,
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
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    let file: TaskFile = serde_saphyr::from_str_with_options(content, options).map_err(|e| explain(&e, content))?;
    let mut task = file.into_task(origin)?;
    // What kshot wrote can be written again; a comment or a line of the user's makes the file the user's.
    task.written =
        (task.yaml(&task.name, task.examples.iter().map(|example| &example.doc)) == content).then(|| content.into());
    Ok(task)
}

impl TaskFile {
    fn into_task(self, origin: Origin) -> Result<Task, TaskError> {
        let name = self.task.value.trim().to_owned();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(at(&self.task, format!("task {name:?} is not a name: give one word, as for the command line")));
        }
        let samples = match (self.samples.is_empty(), self.fewshot_config.samples.is_empty()) {
            (false, false) => {
                return Err(at(&self.task, "`samples` and `fewshot_config.samples` are both given: keep one"));
            }
            (true, _) => self.fewshot_config.samples,
            (false, true) => self.samples,
        };
        if samples.is_empty() && self.query.is_empty() {
            let reason = "the file holds no documents: give `samples` or `query` (datasets are not downloaded)";
            return Err(at(&self.task, reason));
        }
        if let (Some(first), None) = (samples.first(), &self.doc_to_target) {
            return Err(at(first, "`samples` need `doc_to_target`"));
        }
        let fewshot_delimiter = self.fewshot_delimiter.unwrap_or_else(|| FEWSHOT_DELIMITER.to_owned());
        let until = match self.generation_kwargs.until {
            Some(Until::One(stop)) => vec![stop],
            Some(Until::Many(stops)) => stops,
            None => vec![fewshot_delimiter.clone()],
        };
        let docs = samples.iter().chain(&self.query).flat_map(|doc| doc.value.keys());
        let mut task = Task {
            columns: docs.cloned().collect(),
            title: self.metadata.title.unwrap_or_else(|| name.clone()),
            name,
            source: self.metadata.source,
            group: self.metadata.group,
            origin,
            examples: Vec::new(),
            queries: Vec::new(),
            num_fewshot: self.num_fewshot.unwrap_or(samples.len()).min(samples.len()),
            fewshot_delimiter,
            target_delimiter: self.target_delimiter.unwrap_or_else(|| TARGET_DELIMITER.to_owned()),
            until: until.into_iter().filter(|stop| !stop.is_empty()).collect(),
            max_gen_toks: self.generation_kwargs.max_gen_toks,
            written: None,
            description: self.description.as_ref().map(|d| d.value.clone()).unwrap_or_default(),
            doc_to_text: self.doc_to_text.value.clone(),
            doc_to_target: self.doc_to_target.as_ref().map(|t| t.value.clone()),
            doc_to_choice: self.doc_to_choice.as_ref().map(|c| c.value.clone()),
        };

        check_syntax("description", self.description.as_ref().map(|d| (d.value.as_str(), line_of(d))))?;
        check_syntax("doc_to_text", Some((&self.doc_to_text.value, line_of(&self.doc_to_text))))?;
        for (key, field) in [("doc_to_target", &self.doc_to_target), ("doc_to_choice", &self.doc_to_choice)] {
            check_syntax(key, field.as_ref().and_then(|f| Some((f.value.as_str()?, line_of(f)))))?;
        }
        for sample in samples {
            let line = line_of(&sample);
            task.examples.push(example(&task, sample.value).map_err(|e| TaskError { line, ..e })?);
        }
        for query in self.query {
            let line = line_of(&query);
            check_query(&task, &query.value).map_err(|e| TaskError { line, ..e })?;
            task.queries.push(query.value);
        }
        Ok(task)
    }
}

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
        Error::SerdeUnknownField { field, .. } if UNSUPPORTED.contains(&field.as_str()) => {
            format!("the key `{field}` of lm-evaluation-harness is not supported")
        }
        Error::SerdeUnknownField { field, expected, .. } => match nearest(field, expected) {
            Some(known) => format!("unknown key `{field}`; did you mean `{known}`?"),
            None => format!("unknown key `{field}`"),
        },
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
