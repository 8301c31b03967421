//! GPT-2's real vocabulary for tests, derived from tiktoken's r50k ranks, so that no file needs to be downloaded.
//!
//! tiktoken stores only the rank of each token. Its merge is found by merging the token's bytes with the ranks below
//! its own: what is left is the pair.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;

use kshot::text::byte_symbol;
use serde_json::{Map, Value, json};

/// Id of `<|endoftext|>`; the 50,256 ids below it are the ranks.
pub(crate) const END_OF_TEXT: u32 = 50_256;

type VocabAndMerges = (Vec<(String, u32)>, Vec<(String, String)>);

static DERIVED: LazyLock<VocabAndMerges> = LazyLock::new(derive);

/// Entries in the byte-level alphabet with their ids (50,257 with `<|endoftext|>`), and the 50,000 merges by rank.
pub(crate) fn vocab_and_merges() -> &'static VocabAndMerges {
    &DERIVED
}

/// Writes vocab.json and merges.txt into a folder.
pub(crate) fn write_folder(folder: &Path) {
    let (_, merges) = vocab_and_merges();
    let lines: String = merges.iter().map(|(left, right)| format!("{left} {right}\n")).collect();
    std::fs::write(folder.join("vocab.json"), vocab_json().to_string()).unwrap();
    std::fs::write(folder.join("merges.txt"), format!("#version: 0.2\n{lines}")).unwrap();
}

/// Writes tokenizer.json, laid out as in `openai-community/gpt2`, into a folder.
pub(crate) fn write_tokenizer_json(folder: &Path) {
    std::fs::write(folder.join("tokenizer.json"), tokenizer_json().to_string()).unwrap();
}

/// What [`write_tokenizer_json`] writes, to be changed by a test.
pub(crate) fn tokenizer_json() -> Value {
    let (_, merges) = vocab_and_merges();
    let merges: Vec<String> = merges.iter().map(|(left, right)| format!("{left} {right}")).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [{
            "id": END_OF_TEXT, "content": "<|endoftext|>", "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": true, "special": true
        }],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true},
        "model": {
            "dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
            "fuse_unk": false, "vocab": vocab_json(), "merges": merges
        }
    })
}

fn vocab_json() -> Value {
    let (vocab, _) = vocab_and_merges();
    Value::Object(vocab.iter().map(|(token, id)| (token.clone(), json!(id))).collect::<Map<_, _>>())
}

fn derive() -> VocabAndMerges {
    let tiktoken = tiktoken_rs::r50k_base_singleton();
    let tokens: Vec<Vec<u8>> = (0..END_OF_TEXT).map(|rank| tiktoken.decode_bytes(&[rank]).unwrap()).collect();
    let ranks: HashMap<&[u8], u32> = tokens.iter().zip(0..).map(|(token, rank)| (token.as_slice(), rank)).collect();

    let merges = tokens.iter().zip(0..).filter(|(token, _)| token.len() > 1).map(|(token, rank)| {
        let (left, right) = pair_of(token, rank, &ranks);
        (symbols(left), symbols(right))
    });
    let merges = merges.collect();
    let mut vocab: Vec<(String, u32)> = tokens.iter().map(|token| symbols(token)).zip(0..).collect();
    vocab.push(("<|endoftext|>".to_owned(), END_OF_TEXT));
    (vocab, merges)
}

/// Merges a token's bytes with the ranks below its own, lowest first.
fn pair_of<'a>(token: &'a [u8], rank: u32, ranks: &HashMap<&[u8], u32>) -> (&'a [u8], &'a [u8]) {
    let mut parts: Vec<&[u8]> = token.chunks(1).collect();
    while parts.len() > 2 {
        let mut at = 0;
        let mut candidates = Vec::new();
        for pair in parts.windows(2) {
            let merged = &token[at..at + pair[0].len() + pair[1].len()];
            candidates.push(ranks.get(merged).copied().filter(|&r| r < rank));
            at += pair[0].len();
        }
        let lowest = candidates.iter().flatten().min().expect("every token of a BPE vocabulary comes from merges");
        let i = candidates.iter().position(|r| r.as_ref() == Some(lowest)).unwrap();
        let start: usize = parts[..i].iter().map(|p| p.len()).sum();
        parts[i] = &token[start..start + parts[i].len() + parts[i + 1].len()];
        parts.remove(i + 1);
    }
    (parts[0], parts[1])
}

fn symbols(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| byte_symbol(b)).collect()
}
