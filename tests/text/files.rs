use kshot::text::{SpecialTokens, TextError, Tokenizer};
use serde_json::{Value, json};

/// A byte-level vocabulary of the 256 bytes, `ab`, and `<|endoftext|>`, as a tokenizer.json.
fn tiny_json() -> Value {
    let mut vocab: serde_json::Map<String, Value> =
        (0..=255u8).map(|b| (kshot::text::byte_symbol(b).to_string(), json!(b))).collect();
    vocab.insert("ab".to_owned(), json!(256));
    json!({
        "added_tokens": [{"id": 300, "content": "<|endoftext|>", "special": true}],
        "normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "decoder": null,
        "model": {"type": "BPE", "vocab": vocab, "merges": ["a b"]}
    })
}

fn load_json(json: &Value, beside: &[(&str, &str)]) -> Result<Tokenizer, TextError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), json.to_string()).unwrap();
    for (name, content) in beside {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    Tokenizer::from_folder(folder.path())
}

#[test]
fn declarations_that_would_change_ids_have_no_effect() {
    let plain = load_json(&tiny_json(), &[]).unwrap();
    let long = "ab ".repeat(50) + "<|endoftext|>";
    let expected = plain.encode(&long, SpecialTokens::Parse).unwrap();
    assert_eq!((expected.len(), expected.last(), plain.vocab_size()), (2 * 50 + 1, Some(&300), 301));
    assert_eq!((plain.bytes(299), plain.bytes(300)), (None, Some(b"<|endoftext|>".as_slice())));

    let mut json = tiny_json();
    json["truncation"] = json!({"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0});
    json["padding"] = json!({"strategy": {"Fixed": 512}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "!"});
    json["post_processor"] = json!({"type": "TemplateProcessing", "pair": [],
        "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [300], "tokens": ["<|endoftext|>"]}}});
    json["pre_tokenizer"]["add_prefix_space"] = json!(true);
    assert_eq!(load_json(&json, &[]).unwrap().encode(&long, SpecialTokens::Parse).unwrap(), expected);
}

#[test]
fn special_tokens_come_from_every_file_that_names_them() {
    let config = r#"{"eos_token": {"content": "<eos>"}, "pad_token": "[PAD]", "add_bos_token": false,
        "added_tokens_decoder": {"301": {"content": "<eos>", "special": true}}}"#;
    let map = r#"{"bos_token": "<bos>", "additional_special_tokens": ["<x>"]}"#;
    let ids = r#"{"<bos>": 302, "<x>": 303, "<plain>": 304}"#;
    let beside = [("tokenizer_config.json", config), ("special_tokens_map.json", map), ("added_tokens.json", ids)];
    let tokenizer = load_json(&tiny_json(), &beside).unwrap();
    assert_eq!((tokenizer.end_of_text(), tokenizer.token_id("[PAD]")), (Some(301), None));
    let special: Vec<u32> = (0..400).filter(|&id| tokenizer.is_special(id)).collect();
    assert_eq!(special, [300, 301, 302, 303]);
    let ids = tokenizer.encode("<bos>ab<x><plain><eos>", SpecialTokens::Parse).unwrap();
    assert_eq!(ids, [302, 256, 303, 304, 301]);
    assert!(tokenizer.encode("<bos>", SpecialTokens::Literal).unwrap().iter().all(|&id| id < 256));
}

#[test]
fn components_that_are_not_byte_level_are_refused_by_name() {
    let cases: &[(&str, Value, &str)] = &[
        ("/model/type", json!("WordPiece"), "model WordPiece"),
        ("/model/type", json!("Unigram"), "model Unigram"),
        ("/model/end_of_word_suffix", json!("</w>"), "end_of_word_suffix \"</w>\""),
        ("/model/continuing_subword_prefix", json!("##"), "continuing_subword_prefix"),
        ("/model/byte_fallback", json!(true), "byte_fallback"),
        ("/model/dropout", json!(0.1), "dropout"),
        ("/normalizer", json!({"type": "BertNormalizer"}), "normalizer BertNormalizer"),
        ("/pre_tokenizer", json!({"type": "Metaspace"}), "pre_tokenizer Metaspace"),
        ("/pre_tokenizer", json!(null), "pre_tokenizer none"),
        ("/pre_tokenizer", json!({"type": "Sequence", "pretokenizers": []}), "Sequence without steps"),
        ("/pre_tokenizer", json!({"type": "Sequence", "pretokenizers": [{"type": "Digits"}]}), "ends with Digits"),
        (
            "/pre_tokenizer",
            json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "ByteLevel"}]}),
            "WhitespaceSplit",
        ),
        ("/decoder", json!({"type": "WordPiece"}), "decoder WordPiece"),
        ("/model/vocab/Ġ", json!(null), "not a token id"),
        ("/model/vocab/ab", json!(1), "as another token has"),
        ("/model/vocab/ab", json!(4_000_000_000u32), "above the limit"),
        ("/model/vocab/ab", json!(-1), "not a token id"),
        ("/model/vocab", json!([["a", -1.0]]), "not an object"),
        ("/model/merges", json!(["a b c"]), "merge 0"),
        ("/model/merges", json!(["a b", "ab c"]), "merge 1 (ab c): \"abc\" is not in the vocabulary"),
        ("/model/merges", json!(["xxxx yyyy"]), "is not in the vocabulary"),
        ("/added_tokens", json!([{"content": "x"}]), "without an id"),
        ("/added_tokens", json!([{"id": 4_000_000_000u32, "content": "xx"}]), "above the limit"),
        ("/added_tokens", json!([{"id": 5, "content": "<x>"}]), "as another token has"),
        ("/added_tokens", json!([{"id": 400, "content": "ab"}]), "has the ids 256 and 400"),
        ("/model", json!(null), "malformed"),
    ];
    let mut wrong = Vec::new();
    for (place, value, expected) in cases {
        let mut json = tiny_json();
        let (parent, key) = place.rsplit_once('/').unwrap();
        json.pointer_mut(parent).unwrap()[key] = value.clone();
        match load_json(&json, &[]) {
            Ok(_) => wrong.push(format!("{place} = {value}: accepted")),
            Err(e) if !e.to_string().contains(expected) || !e.to_string().contains("tokenizer.json") => {
                wrong.push(format!("{place} = {value}: {e}"));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn broken_files_are_named_with_the_reason() {
    let tiny = tiny_json();
    let vocab = tiny["model"]["vocab"].to_string();
    type Files<'a> = &'a [(&'a str, &'a [u8])];
    let cases: [(Files, &str); 10] = [
        (&[], "missing: all of them"),
        (&[("vocab.json", b"{}")], "missing: merges.txt"),
        (&[("merges.txt", b"")], "missing: vocab.json"),
        (&[("tokenizer.json", b"<html>")], "expected value at line 1"),
        (&[("tokenizer.json", b"\xFF\xFE")], "malformed"),
        (&[("tokenizer.json", b"{}")], "no `model`"),
        (&[("vocab.json", vocab.as_bytes()), ("merges.txt", b"#version: 0.2\na b\nx\n")], "line 3 is not a pair"),
        (&[("vocab.json", vocab.as_bytes()), ("merges.txt", b"a \xFF")], "not UTF-8"),
        (&[("vocab.json", b"{\"the</w>\": 0}"), ("merges.txt", b"")], "without `Ġ`"),
        (
            &[("vocab.json", vocab.as_bytes()), ("merges.txt", b"a b"), ("added_tokens.json", b"[]")],
            "added_tokens.json is malformed",
        ),
    ];
    for (files, reason) in cases {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let error = Tokenizer::from_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains(reason), "{reason:?} expected, got: {error}");
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
    }
}

#[test]
fn text_that_the_vocabulary_cannot_spell_is_an_error() {
    let mut json = tiny_json();
    json["model"]["vocab"].as_object_mut().unwrap().remove("z");
    json["added_tokens"][0]["lstrip"] = json!(true);
    let tokenizer = load_json(&json, &[]).unwrap();
    for (text, offset) in [("abz!", 2), ("爱z", 3), ("a <|endoftext|>", 1)] {
        match tokenizer.encode(text, SpecialTokens::Parse) {
            Err(TextError::NotCovered { offset: at, .. }) => assert_eq!(at, offset, "{text:?}"),
            other => panic!("{text:?}: {other:?}"),
        }
    }
    assert!(tokenizer.encode("ab", SpecialTokens::Parse).is_ok());
}

/// The vocabulary of [`tiny_json`] as vocab.json and merges.txt, with `<|endoftext|>` as 257, and files beside them.
fn load_pair(beside: &[(&str, &str)]) -> Result<Tokenizer, TextError> {
    let mut vocab = tiny_json()["model"]["vocab"].clone();
    vocab["<|endoftext|>"] = json!(257);
    let folder = tempfile::tempdir().unwrap();
    let files = [("vocab.json", vocab.to_string()), ("merges.txt", "#version: 0.2\na b\n".to_owned())];
    let beside = beside.iter().map(|(name, content)| (*name, (*content).to_owned()));
    for (name, content) in files.into_iter().chain(beside) {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    Tokenizer::from_folder(folder.path())
}

/// transformers 5.24: `GPT2Tokenizer` has `<|endoftext|>` as bos, eos and unk where no file says otherwise, so it is one
/// token whatever else was added.
#[test]
fn the_default_end_of_text_stays_special_beside_added_tokens() {
    let both = r#"{"eos_token": "<e>", "bos_token": "<b>",
        "added_tokens_decoder": {"258": {"content": "<e>"}, "259": {"content": "<b>"}}}"#;
    let cases: [&[(&str, &str)]; 7] = [
        &[("tokenizer_config.json", both)],
        &[],
        &[("added_tokens.json", r#"{"<x>": 258}"#)],
        &[("special_tokens_map.json", r#"{"pad_token": "<x>"}"#), ("added_tokens.json", r#"{"<x>": 258}"#)],
        &[("tokenizer_config.json", r#"{"pad_token": "z"}"#)],
        &[("tokenizer_config.json", r#"{"eos_token": "<x>", "added_tokens_decoder": {"258": {"content": "<x>"}}}"#)],
        &[("added_tokens.json", r#"{"<|endoftext|>": 257, "<x>": 258}"#)],
    ];
    for beside in cases {
        let tokenizer = load_pair(beside).unwrap();
        let ids = tokenizer.encode("ab<|endoftext|>ab", SpecialTokens::Parse).unwrap();
        assert_eq!((ids, tokenizer.is_special(257)), (vec![256, 257, 256], true), "{beside:?}");
    }
}

#[test]
fn a_text_ends_at_every_id_that_a_file_names_and_begins_at_its_own() {
    let own = r#"{"eos_token": "<e>", "bos_token": "<b>",
        "added_tokens_decoder": {"258": {"content": "<e>"}, "259": {"content": "<b>"}}}"#;
    type Case<'a> = (&'a [(&'a str, &'a str)], Option<u32>, &'a [u32], bool);
    let cases: [Case; 9] = [
        (&[], Some(257), &[257], false),
        (&[("config.json", r#"{"eos_token_id": 257, "bos_token_id": null}"#)], Some(257), &[257], false),
        (&[("generation_config.json", r#"{"eos_token_id": [257, 10]}"#)], Some(257), &[257, 10], false),
        // A plain word as end; a list in one file and an id in the other.
        (&[("config.json", r#"{"eos_token_id": 97}"#)], Some(257), &[257, 97], true),
        (
            &[("config.json", r#"{"eos_token_id": 97}"#), ("generation_config.json", r#"{"eos_token_id": [98, 97]}"#)],
            Some(257),
            &[257, 98, 97],
            true,
        ),
        (&[("tokenizer_config.json", own)], Some(259), &[258], false),
        // The tokenizer's own comes first, ids of rows without a token can end a text and not begin one.
        (&[("tokenizer_config.json", own), ("config.json", r#"{"eos_token_id": 257}"#)], Some(259), &[258, 257], true),
        (&[("config.json", r#"{"bos_token_id": 300, "eos_token_id": [257, 300]}"#)], Some(257), &[257, 300], false),
        (&[("special_tokens_map.json", r#"{"bos_token": "ab"}"#)], Some(256), &[257], false),
    ];
    for (beside, bos, eos, contradiction) in cases {
        let tokenizer = load_pair(beside).unwrap();
        assert_eq!((tokenizer.bos(), &*tokenizer.special_ids().eos), (bos, eos), "{beside:?}");
        assert_eq!(tokenizer.end_of_text(), eos.first().copied());
        assert!(eos.iter().all(|id| tokenizer.ends_text(*id)) && !tokenizer.ends_text(99));
        assert_eq!(!tokenizer.notes().is_empty(), contradiction, "{beside:?}: {:?}", tokenizer.notes());
    }
    for bad in [r#"{"eos_token_id": "</s>"}"#, r#"{"eos_token_id": [1, -1]}"#, r#"{"bos_token_id": 1.5}"#] {
        let error = load_pair(&[("config.json", bad)]).unwrap_err().to_string();
        assert!(error.contains("config.json") && error.contains("is neither a token id nor a list"), "{error}");
    }
    // Without `<|endoftext|>` in the vocabulary the configuration alone says where texts begin and end.
    let mut json = tiny_json();
    json["added_tokens"] = json!([]);
    let tokenizer = load_json(&json, &[("config.json", r#"{"bos_token_id": 256, "eos_token_id": 98}"#)]).unwrap();
    assert_eq!((tokenizer.bos(), tokenizer.end_of_text()), (Some(256), Some(98)));
    assert_eq!(load_json(&json, &[]).unwrap().bos(), None);
}

#[test]
fn a_space_in_front_of_every_text_is_not_added_and_that_is_said() {
    let says = |json: &Value, beside: &[(&str, &str)]| load_json(json, beside).unwrap().notes().join("\n");
    let mut json = tiny_json();
    assert_eq!(says(&json, &[]), "");
    assert!(says(&json, &[("tokenizer_config.json", r#"{"add_prefix_space": true}"#)]).contains("add_prefix_space"));
    json["pre_tokenizer"]["add_prefix_space"] = json!(true);
    assert!(says(&json, &[]).contains("add_prefix_space"));
    // The configuration has the last word (transformers, `PreTrainedTokenizerFast`).
    assert_eq!(says(&json, &[("tokenizer_config.json", r#"{"add_prefix_space": false}"#)]), "");
    let ids = load_json(&json, &[]).unwrap().encode("ab", SpecialTokens::Parse).unwrap();
    assert_eq!(ids, [256]);
}

#[test]
fn a_normalizer_that_changes_nothing_is_accepted() {
    let mut json = tiny_json();
    let nothing = json!({"type": "Sequence", "normalizers": []});
    for normalizer in [nothing.clone(), json!({"type": "Sequence", "normalizers": [nothing]})] {
        json["normalizer"] = normalizer;
        load_json(&json, &[]).unwrap();
    }
    json["normalizer"] = json!({"type": "Sequence", "normalizers": [{"type": "NFC"}]});
    assert!(load_json(&json, &[]).is_err());
}

#[test]
fn an_id_without_a_token_is_named_by_its_number() {
    let tokenizer = load_pair(&[]).unwrap();
    assert_eq!([256, 10, 50_300].map(|id| tokenizer.label(id)), ["ab", "↵", "<50300>"]);
}
