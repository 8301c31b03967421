//! `tokenizer.json`: which of its components are accepted. Truncation, padding and post-processors that it may declare
//! are not read at all, so that they cannot change an id.

use std::path::PathBuf;

use serde_json::Value;

use super::TextError;
use super::files::{Parts, added_token, parse_vocab, split_pair, token_id};

/// Takes the content of a `tokenizer.json`; `file` is named in errors.
pub(super) fn from_tokenizer_json(file: PathBuf, json: &Value) -> Result<Parts, TextError> {
    let unsupported = |component: String| TextError::Unsupported { file: file.clone(), component };
    let malformed = |reason: String| TextError::Malformed { file: file.clone(), reason };
    let model = json.get("model").ok_or_else(|| malformed("it has no `model`".to_owned()))?;

    match model.get("type").and_then(Value::as_str) {
        None | Some("BPE") => {}
        Some(other) => return Err(unsupported(format!("model {other}"))),
    }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if let Some(affix) = model.get(key).and_then(Value::as_str).filter(|affix| !affix.is_empty()) {
            return Err(unsupported(format!("{key} {affix:?} of the model")));
        }
    }
    if model.get("byte_fallback").and_then(Value::as_bool) == Some(true) {
        return Err(unsupported("byte_fallback of the model".to_owned()));
    }
    if model.get("dropout").and_then(Value::as_f64).is_some_and(|p| p != 0.0) {
        return Err(unsupported("dropout of the model (random ids)".to_owned()));
    }
    if let Some(normalizer) = json.get("normalizer").filter(|n| !changes_nothing(n)) {
        return Err(unsupported(format!("normalizer {} (it changes the text)", component_name(normalizer))));
    }
    if let Some(decoder) = json.get("decoder").filter(|d| !d.is_null())
        && component_name(decoder) != "ByteLevel"
    {
        return Err(unsupported(format!("decoder {}", component_name(decoder))));
    }
    let mut pre_tokenizer = json.get("pre_tokenizer").cloned().unwrap_or_default();
    let prefix_space =
        accept_pre_tokenizer(&mut pre_tokenizer).map_err(|name| unsupported(format!("pre_tokenizer {name}")))?;

    let vocab = parse_vocab(&file, model.get("vocab").unwrap_or(&Value::Null))?;
    let merges = model.get("merges").and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    let merges = merges.iter().enumerate().map(|(rank, merge)| {
        merge_pair(merge).ok_or_else(|| malformed(format!("merge {rank} is not a pair of tokens: {merge}")))
    });
    let mut parts = Parts::plain(file.clone(), vocab, merges.collect::<Result<_, _>>()?);
    parts.pre_tokenizer = Some(pre_tokenizer);
    parts.prefix_space = prefix_space;
    parts.ignore_merges = model.get("ignore_merges").and_then(Value::as_bool).unwrap_or(false);
    for token in json.get("added_tokens").and_then(Value::as_array).into_iter().flatten() {
        let id = token
            .get("id")
            .and_then(token_id)
            .ok_or_else(|| malformed(format!("added token without an id: {token}")))?;
        parts.add(Some(id), added_token(token, false));
    }
    Ok(parts)
}

/// Byte-level splitting only; with `add_prefix_space` set to false, because text is taken as it is. Tells whether it was
/// true. The error names the component that is not accepted.
fn accept_pre_tokenizer(component: &mut Value) -> Result<bool, String> {
    match component_name(component).as_str() {
        "ByteLevel" => {
            let prefix_space = component.get("add_prefix_space").and_then(Value::as_bool).unwrap_or(false);
            component["add_prefix_space"] = Value::Bool(false);
            // Only about offsets, which we don't use; the library wants it said.
            component["trim_offsets"] = Value::Bool(true);
            Ok(prefix_space)
        }
        "Sequence" => {
            let Some(Value::Array(steps)) = component.get_mut("pretokenizers") else {
                return Err("Sequence without steps".to_owned());
            };
            if steps.len() > MOST_STEPS {
                return Err(format!("Sequence of {} steps", steps.len()));
            }
            let Some((last, splits)) = steps.split_last_mut() else {
                return Err("Sequence without steps".to_owned());
            };
            for split in splits {
                let name = component_name(split);
                let drops_text = split.get("behavior").and_then(Value::as_str) == Some("Removed");
                if !matches!(name.as_str(), "Split" | "Digits") || drops_text {
                    return Err(format!("Sequence with {name}"));
                }
                let regex = split.pointer("/pattern/Regex").and_then(Value::as_str).unwrap_or_default();
                if regex.len() > LONGEST_REGEX || repetitions(regex) > MOST_REPETITIONS {
                    return Err(format!(
                        "Split by a regular expression of {} bytes and {} repetitions",
                        regex.len(),
                        repetitions(regex)
                    ));
                }
            }
            match component_name(last).as_str() {
                "ByteLevel" => accept_pre_tokenizer(last),
                other => Err(format!("Sequence that ends with {other}")),
            }
        }
        other => Err(other.to_owned()),
    }
}

/// Longest regular expression of a Split; those in use have up to 300 bytes.
const LONGEST_REGEX: usize = 4096;

/// Most copies that counted repetitions make of a part of a regular expression; those in use say `{1,3}`.
const MOST_REPETITIONS: u64 = 1000;

/// Most steps of a Sequence; those in use have up to five.
const MOST_STEPS: usize = 32;

/// The product of all counted repetitions (`{3}`, `{1,3}`) of a regular expression, since they may lie in each other.
fn repetitions(regex: &str) -> u64 {
    let counts = regex.split('{').skip(1).filter_map(|rest| {
        let numbers = rest.split_once('}')?.0.split(',').filter(|number| !number.is_empty());
        numbers.map(|number| number.trim().parse::<u64>()).try_fold(0, |most, number| number.ok().map(|n| n.max(most)))
    });
    counts.fold(1, |product: u64, count| product.saturating_mul(count.max(1)))
}

/// Whether a normalizer leaves every text as it is: none, or a sequence of such.
fn changes_nothing(normalizer: &Value) -> bool {
    let steps = normalizer.get("normalizers").and_then(Value::as_array);
    normalizer.is_null()
        || (component_name(normalizer) == "Sequence" && steps.is_some_and(|steps| steps.iter().all(changes_nothing)))
}

fn component_name(component: &Value) -> String {
    component.get("type").and_then(Value::as_str).unwrap_or("none").to_owned()
}

fn merge_pair(merge: &Value) -> Option<(String, String)> {
    match merge {
        Value::String(line) => split_pair(line),
        Value::Array(pair) => match pair.as_slice() {
            [Value::String(left), Value::String(right)] => Some((left.clone(), right.clone())),
            _ => None,
        },
        _ => None,
    }
}
