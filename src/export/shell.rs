//! The command line that makes a text again.

use super::record::{Record, model_argument};
use crate::engine::{Dtype, FinishReason, OnEndOfText};
use crate::sampling::{DEFAULT_ORDER, ParamId, Settings, specs};
use crate::text::{SpecialTokens, Tokenizer, escape};

/// `kshot generate` with what differs from its defaults, quoted for a POSIX shell. The prompt is given as text where that
/// text is cut into the very ids of the run, and as ids where it is not.
///
/// # Errors
/// A name or a string that no shell can be given, because it holds a NUL.
pub fn shell_command(record: &Record) -> Result<String, String> {
    let Record { model, tokenizer, request, finish, samples, picked } = record;
    let mut words = vec!["kshot".to_owned(), "generate".to_owned(), "-m".to_owned(), model_argument(model)];
    let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    if model.dtype != Dtype::F32.name() {
        add("--dtype", model.dtype.to_owned());
    }

    match prompt_text(tokenizer, &finish.prompt) {
        Some((text, SpecialTokens::Parse)) => add("-p", text),
        Some((text, SpecialTokens::Literal)) => {
            add("-p", text);
            words.push("--no-special".to_owned());
        }
        None => {
            let ids: Vec<String> = finish.prompt.iter().map(u32::to_string).collect();
            add("--prompt-ids", ids.join(","));
        }
    }
    let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    let default = Settings::default();
    for spec in specs() {
        let (value, usual) = (request.settings.get(spec.id), default.get(spec.id));
        let of_the_run = matches!(spec.id, ParamId::Seed | ParamId::MaxTokens | ParamId::Samples);
        if value != usual && !of_the_run {
            add(&format!("--{}", spec.flag), spec.format(value));
        }
    }
    if request.settings.order() != DEFAULT_ORDER {
        let order: Vec<String> = request.settings.order().iter().map(ToString::to_string).collect();
        add("--order", order.join(","));
    }
    for &(id, bias) in request.settings.bias() {
        match bias {
            f32::NEG_INFINITY => add("--ban", id.to_string()),
            bias => add("--logit-bias", format!("{id}:{bias:+}")),
        }
    }
    // A generation that the user stopped is made again up to where it stopped.
    let stopped = finish.reasons.contains(&FinishReason::Cancelled);
    let longest = samples.iter().map(Vec::len).max().unwrap_or(0);
    add("-n", if stopped { longest } else { request.max_tokens }.to_string());
    add("--seed", finish.seed.to_string());
    for stop in &request.stop {
        add("--stop", escape(stop));
    }
    if !request.temperatures.is_empty() {
        let each: Vec<_> = request.temperatures.iter().map(f64::to_string).collect();
        add("--temperatures", each.join(","));
    } else if samples.len() > 1 {
        add("--samples", samples.len().to_string());
    }
    if let Some(picked) = picked.filter(|_| samples.len() > 1) {
        add("--pick", (picked + 1).to_string());
    }
    if request.on_end_of_text == OnEndOfText::Continue {
        words.push("--ignore-eos".to_owned());
    }
    shlex::try_join(words.iter().map(String::as_str)).map_err(|error| format!("no shell takes this command: {error}"))
}

/// The text that `-p` reads as these very ids, and what special tokens in it mean.
fn prompt_text(tokenizer: &Tokenizer, ids: &[u32]) -> Option<(String, SpecialTokens)> {
    let text = String::from_utf8(tokenizer.decode(ids)).ok()?;
    // `-p -` is stdin, and no argument holds a NUL.
    if text == "-" || text.contains('\0') {
        return None;
    }
    let reads_as = |special: &SpecialTokens| tokenizer.encode(&text, *special).is_ok_and(|read| read == ids);
    let special = [SpecialTokens::Parse, SpecialTokens::Literal].into_iter().find(reads_as)?;
    Some((text, special))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::files::Files;

    #[test]
    fn a_prompt_is_text_only_where_its_ids_come_back() {
        let tokenizer = Tokenizer::open(&Files::BuiltIn).unwrap();
        let ids = |text: &str, special| tokenizer.encode(text, special).unwrap();
        let end = tokenizer.end_of_text().unwrap();
        for text in ["river -> ", "a'b\"$x\n\t`y`", "--temp", "日本", "a<|endoftext|>b"] {
            let parsed = ids(text, SpecialTokens::Parse);
            assert_eq!(prompt_text(&tokenizer, &parsed), Some((text.to_owned(), SpecialTokens::Parse)), "{text}");
        }
        let literal = ids("<|endoftext|>", SpecialTokens::Literal);
        assert_ne!(literal, [end]);
        let shown = Some(("<|endoftext|>".to_owned(), SpecialTokens::Literal));
        assert_eq!(prompt_text(&tokenizer, &literal), shown);
        // Letters apart are not how the text is cut; a byte alone is no text; `-` means stdin.
        let apart: Vec<u32> = [" ", "t", "h", "e"].iter().flat_map(|text| ids(text, SpecialTokens::Parse)).collect();
        assert_ne!(apart, ids(" the", SpecialTokens::Parse));
        let half: Vec<u32> = ids("日", SpecialTokens::Parse).into_iter().take(1).collect();
        for ids in [apart, half, ids("-", SpecialTokens::Parse), ids("\0", SpecialTokens::Parse)] {
            assert_eq!(prompt_text(&tokenizer, &ids), None, "{ids:?}");
        }
    }
}
