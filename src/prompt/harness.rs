//! lm-evaluation-harness's keys that kshot knows and does not follow: named, with what works instead.

use serde_json::Value;

use super::TaskError;

/// Keys that change the prompt in ways that kshot does not do, and what to write instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("class", "Python code is not run: write the task with templates"),
    ("custom_dataset", "Python code is not run: put documents under `samples` and `query`"),
    ("doc_to_audio", "kshot reads text alone"),
    ("doc_to_image", "kshot reads text alone"),
    ("gen_prefix", "end doc_to_text with its text, and take that off the answers"),
    ("include", "copy the keys of that file into this one"),
    ("process_docs", "Python code is not run: put documents as they are to be read under `samples` and `query`"),
    ("use_prompt", "write the template under doc_to_text"),
];

/// Keys of fewshot_config that give examples another form than questions have.
const FEWSHOT: &[&str] = &[
    "doc_to_choice",
    "doc_to_target",
    "doc_to_text",
    "fewshot_delimiter",
    "fewshot_indices",
    "gen_prefix",
    "process_docs",
    "target_delimiter",
];

/// Why an unknown key is refused, where it is one of lm-evaluation-harness's. `known` are the keys of its place.
pub(super) fn unknown_key(key: &str, known: &[&str]) -> Option<String> {
    if known.contains(&"sampler") {
        let hint = "examples and questions have one form: put the examples as they are to be read under `samples`";
        return FEWSHOT.contains(&key).then(|| format!("fewshot_config.{key} is not supported: {hint}"));
    }
    let (_, hint) = UNSUPPORTED.iter().find(|(name, _)| *name == key)?;
    Some(format!("the key `{key}` of lm-evaluation-harness is not supported: {hint}"))
}

/// Why a YAML tag is refused.
pub(super) fn unknown_tag(tag: &str) -> String {
    match tag {
        "!function" => {
            "!function: Python functions of lm-evaluation-harness are not supported: write a template, or put \
                        finished texts under `samples` and `query`"
                .to_owned()
        }
        _ => format!("the tag {tag} is not supported: write the value itself"),
    }
}

/// A key about scoring: it does not change a prompt, so the file is of use, but `kshot eval` must not print other figures
/// under its name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scoring {
    /// The key; those of generation_kwargs without that.
    pub(super) key: &'static str,
    /// Its line in the file.
    pub(super) line: Option<usize>,
    /// What the file says.
    pub(super) value: Value,
}

impl Scoring {
    /// Why `kshot eval` does not compute what the key asks for.
    pub(super) fn refusal(&self) -> Option<TaskError> {
        let reason = match self.key {
            "output_type" => output_type(&self.value),
            "metric_list" => metrics(&self.value),
            "filter_list" => filters(&self.value),
            "repeats" => (self.value != 1).then(|| {
                format!("repeats: {}: each question is asked once; take the key out to measure that", self.value)
            }),
            "process_results" => Some("process_results is not supported: answers are compared as they are".to_owned()),
            "do_sample" => (self.value == true)
                .then(|| "do_sample: answers are drawn greedily; set it to false to measure that".to_owned()),
            _ => None,
        };
        reason.map(|reason| TaskError { line: self.line, reason })
    }
}

fn output_type(value: &Value) -> Option<String> {
    match value.as_str() {
        Some("generate_until" | "multiple_choice") => None,
        _ => Some(format!(
            "output_type {value} is not computed: `kshot eval` knows generate_until and multiple_choice, and `kshot score` \
             gives the probabilities of a text"
        )),
    }
}

fn metrics(value: &Value) -> Option<String> {
    let Some(list) = value.as_array() else { return Some("metric_list is no list of metrics".to_owned()) };
    list.iter().find_map(|metric| {
        let name = metric.get("metric").unwrap_or(metric);
        if !matches!(name.as_str(), Some("acc" | "exact_match")) {
            return Some(format!(
                "the metric {name} is not computed: `kshot eval` gives exact_match and, of choices, acc; take it out of \
                 metric_list to measure these"
            ));
        }
        metric.as_object()?.iter().find_map(|(option, value)| {
            let usual = match option.as_str() {
                "metric" | "weight_by_size" => true,
                "aggregation" => value == "mean",
                "higher_is_better" => value == true,
                _ => value == false || value.is_null() || value.as_array().is_some_and(Vec::is_empty),
            };
            (!usual).then(|| {
                format!(
                    "{option} of the metric {name} is not supported: answers are compared byte for byte; take it out to \
                     measure that"
                )
            })
        })
    })
}

/// What lm-evaluation-harness does where no filter is named is the filter take_first.
fn filters(value: &Value) -> Option<String> {
    let steps = value.as_array().into_iter().flatten().flat_map(|filter| match filter.get("filter") {
        Some(Value::Array(steps)) => steps.as_slice(),
        _ => std::slice::from_ref(filter),
    });
    let other = steps.map(|step| step.get("function").unwrap_or(step)).find(|function| *function != "take_first")?;
    Some(format!(
        "filter_list: the filter {other} is not supported: answers are compared as they are; take the key out and have \
         `until` end an answer where it is to end"
    ))
}
