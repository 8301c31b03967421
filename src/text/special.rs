//! Vocabularies with more special tokens, as the content of a `tokenizer.json`.

use serde_json::{Map, Value, json};
use tokenizers::AddedToken;

use super::ends::END_OF_TEXT;
use super::files::Parts;
use super::{TextError, TokenId};
use crate::files::Files;

/// The tokenizer of a checkpoint as one `tokenizer.json`, whatever files it is in. The token that ends a
/// document is the first of its `added_tokens`.
///
/// # Errors
/// As for [`super::Tokenizer::open`].
pub fn tokenizer_json(files: &Files) -> Result<Value, TextError> {
    let mut parts = Parts::read(files)?;
    let end_of_text = parts.ends.eos.clone().unwrap_or_else(|| END_OF_TEXT.to_owned());
    parts.added.sort_by_key(|(id, token)| (token.content != end_of_text, *id));
    parts.vocab.sort_by_key(|(_, id)| *id);
    let vocab: Map<String, Value> = parts.vocab.into_iter().map(|(token, id)| (token, id.into())).collect();
    let byte_level = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": parts.added.iter().map(|(id, token)| entry(*id, token)).collect::<Vec<_>>(),
        "normalizer": null,
        "pre_tokenizer": parts.pre_tokenizer.unwrap_or_else(|| byte_level.clone()),
        "post_processor": null,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": parts.ignore_merges,
            "vocab": vocab,
            "merges": parts.merges,
        }
    }))
}

/// The same `tokenizer.json` with more special tokens at its end. They are in the vocabulary too, as `<|endoftext|>` is
/// in GPT-2's, so that other libraries give them these ids and no others.
pub fn with_special_tokens(mut json: Value, tokens: &[(&str, TokenId)]) -> Value {
    for (content, id) in tokens {
        if let Some(vocab) = json.pointer_mut("/model/vocab").and_then(Value::as_object_mut) {
            vocab.insert((*content).to_owned(), (*id).into());
        }
        let token = entry(*id, &AddedToken::from(*content, true));
        match json.get_mut("added_tokens").and_then(Value::as_array_mut) {
            Some(added) => added.push(token),
            None => json["added_tokens"] = json!([token]),
        }
    }
    json
}

fn entry(id: TokenId, token: &AddedToken) -> Value {
    json!({
        "id": id, "content": token.content, "single_word": token.single_word, "lstrip": token.lstrip,
        "rstrip": token.rstrip, "normalized": token.normalized, "special": token.special
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::text::{SpecialTokens, Tokenizer, Vocabulary};

    #[test]
    fn more_special_tokens_change_no_other_id() {
        let json = Vocabulary::Bpe { size: 280 }.learn(["the river runs to the sea".to_owned()].into_iter()).unwrap();
        let size = json["model"]["vocab"].as_object().unwrap().len() as u32;
        let before = Tokenizer::from_json("before", &json).unwrap();
        // A gap, as where a model has more rows than its vocabulary has entries.
        let after = Tokenizer::from_json("after", &with_special_tokens(json, &[("<|a|>", size + 3)])).unwrap();
        let text = "the sea<|endoftext|> <|b|>";
        let ids = |tokenizer: &Tokenizer, text| tokenizer.encode(text, SpecialTokens::Parse).unwrap();
        assert_eq!(ids(&before, text), ids(&after, text));
        assert_eq!(ids(&after, "<|a|>"), [size + 3]);
        assert!(!after.encode("<|a|>", SpecialTokens::Literal).unwrap().contains(&(size + 3)));
        assert_eq!(before.end_of_text(), after.end_of_text());
    }

    #[test]
    fn a_folder_of_any_files_becomes_one_json() {
        let json = Vocabulary::Bpe { size: 270 }.learn(["a text, a text".to_owned()].into_iter()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let merges: Vec<(String, String)> = serde_json::from_value(json["model"]["merges"].clone()).unwrap();
        let merges: String = merges.iter().map(|(left, right)| format!("{left} {right}\n")).collect();
        std::fs::write(folder.path().join("vocab.json"), json["model"]["vocab"].to_string()).unwrap();
        std::fs::write(folder.path().join("merges.txt"), merges).unwrap();
        let there = tokenizer_json(&folder.path().into()).unwrap();
        assert_eq!(there["added_tokens"][0]["content"], "<|endoftext|>");
        let (a, b) = (Tokenizer::from_json("a", &json).unwrap(), Tokenizer::from_json("b", &there).unwrap());
        let text = "a text, another text\n 我";
        assert_eq!(a.encode(text, SpecialTokens::Literal).unwrap(), b.encode(text, SpecialTokens::Literal).unwrap());
    }
}
