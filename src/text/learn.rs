//! Vocabularies learned from text, as the content of a `tokenizer.json` that Hugging Face's libraries read too.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::{AddedToken, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

use super::ends::END_OF_TEXT;
use super::files::{CHARACTERS, DIGITS_AND_HAN};
use super::parts::parts;
use super::{TextError, byte_symbol};

/// How text is cut into tokens. Every kind has all 256 bytes, so that any text can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Vocabulary {
    /// Byte-level byte pair encoding as in GPT-2 (Sennrich et al. 2016; GPT-2 paper, section 2.2).
    Bpe {
        /// Entries in all.
        size: usize,
    },
    /// One token a character.
    Characters,
    /// The words that stand in most texts are one token each, with the space before them; everything else is spelled byte by byte.
    /// Digits and Han characters stand alone.
    Words {
        /// Most entries in all.
        size: usize,
        /// How many texts a word must stand in.
        least: u64,
    },
}

impl Vocabulary {
    /// Learns it from texts; the same texts give the same vocabulary.
    ///
    /// # Errors
    /// What the tokenizers library says.
    pub fn learn(self, texts: impl Iterator<Item: AsRef<str>>) -> Result<Value, TextError> {
        self.learn_while(texts, &|| true)
    }

    /// As [`learn`](Self::learn), ended by `proceed`, which is asked now and then.
    ///
    /// # Errors
    /// As for [`learn`](Self::learn), and [`TextError::Cancelled`].
    pub fn learn_while(
        self,
        texts: impl Iterator<Item: AsRef<str>>,
        proceed: &dyn Fn() -> bool,
    ) -> Result<Value, TextError> {
        let (vocab, merges) = match self {
            Self::Bpe { size } => byte_pairs(self.count(texts, proceed)?, size, proceed)?,
            Self::Characters => (with_bytes(by_frequency(self.count(texts, proceed)?, 1)), Merges::new()),
            Self::Words { size, least } => {
                let room = size.saturating_sub(with_bytes(std::iter::empty()).len());
                (with_bytes(by_frequency(self.count(texts, proceed)?, least).take(room)), Merges::new())
            }
        };
        Ok(self.to_json(&vocab, &merges))
    }

    /// How often each piece stands in the texts, or, of words, in how many of them.
    fn count(
        self,
        texts: impl Iterator<Item: AsRef<str>>,
        proceed: &dyn Fn() -> bool,
    ) -> Result<HashMap<String, u64>, TextError> {
        let splitter: PreTokenizerWrapper = serde_json::from_value(self.pre_tokenizer()).map_err(encode)?;
        let by_text = matches!(self, Self::Words { .. });
        let mut counts: HashMap<String, u64> = HashMap::new();
        for text in texts {
            let mut seen: HashSet<String> = HashSet::new();
            for part in parts(text.as_ref()) {
                if !proceed() {
                    return Err(TextError::Cancelled);
                }
                let mut pieces = PreTokenizedString::from(part);
                splitter.pre_tokenize(&mut pieces).map_err(encode)?;
                for (piece, ..) in pieces.get_splits(OffsetReferential::Original, OffsetType::None) {
                    if by_text && !seen.insert(piece.to_owned()) {
                        continue;
                    }
                    match counts.get_mut(piece) {
                        Some(count) => *count += 1,
                        None => _ = counts.insert(piece.to_owned(), 1),
                    }
                }
            }
        }
        Ok(counts)
    }

    /// The content of `tokenizer.json`.
    fn to_json(self, vocab: &[String], merges: &Merges) -> Value {
        let pre_tokenizer = self.pre_tokenizer();
        let ids: BTreeMap<&str, usize> = vocab.iter().enumerate().map(|(id, entry)| (entry.as_str(), id)).collect();
        let end_of_text = ids.get(END_OF_TEXT).copied().unwrap_or_default();
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [{
                "id": end_of_text, "content": END_OF_TEXT, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true
            }],
            "normalizer": null,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": null,
            "decoder": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
            "model": {
                "type": "BPE",
                "dropout": null,
                "unk_token": null,
                "continuing_subword_prefix": null,
                "end_of_word_suffix": null,
                "fuse_unk": false,
                "byte_fallback": false,
                // Whole entries need no merges to be found.
                "ignore_merges": merges.is_empty(),
                "vocab": ids,
                "merges": merges,
            }
        })
    }

    fn pre_tokenizer(self) -> Value {
        let byte_level = |use_regex: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex });
        let split = |pattern: &str| json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
        let sequence = |steps: Vec<Value>| json!({ "type": "Sequence", "pretokenizers": steps });
        match self {
            Self::Bpe { .. } => byte_level(true),
            Self::Characters => sequence(vec![split(CHARACTERS), byte_level(false)]),
            Self::Words { .. } => sequence(vec![split(DIGITS_AND_HAN), byte_level(true)]),
        }
    }
}

/// Entries of more than one byte, the most frequent first.
fn by_frequency(counts: HashMap<String, u64>, least: u64) -> impl Iterator<Item = String> {
    let mut entries: Vec<_> =
        counts.into_iter().filter(|(entry, count)| *count >= least && entry.chars().count() > 1).collect();
    entries.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
    entries.into_iter().map(|(entry, _)| entry)
}

/// The 256 bytes and `<|endoftext|>`, then more entries.
fn with_bytes(more: impl Iterator<Item = String>) -> Vec<String> {
    let bytes = (0..=u8::MAX).map(|byte| byte_symbol(byte).to_string());
    bytes.chain([END_OF_TEXT.to_owned()]).chain(more).collect()
}

type Merges = Vec<(String, String)>;

/// Time between two looks at whether the learning is still wanted.
const PATIENCE: Duration = Duration::from_millis(20);

fn byte_pairs(
    counts: HashMap<String, u64>,
    size: usize,
    proceed: &dyn Fn() -> bool,
) -> Result<(Vec<String>, Merges), TextError> {
    let trainer = BpeTrainer::builder()
        .vocab_size(size)
        .show_progress(false)
        .special_tokens(vec![AddedToken::from(END_OF_TEXT, true)])
        .initial_alphabet((0..=u8::MAX).map(byte_symbol).collect())
        .build();
    // The library cannot be interrupted: it learns on a thread that is left to itself where nothing waits for it any more.
    let (sender, learned) = mpsc::channel();
    let learn = move || {
        let mut model = BPE::default();
        let counts = counts.iter().map(|(word, count)| (word.as_str().into(), *count)).collect();
        let _ = sender.send(trainer.do_train(&counts, &mut model).map(|_| model));
    };
    std::thread::Builder::new().name("learn".into()).spawn(learn).map_err(encode)?;
    let model = loop {
        match learned.recv_timeout(PATIENCE) {
            Ok(model) => break model.map_err(encode)?,
            Err(RecvTimeoutError::Timeout) if proceed() => {}
            Err(RecvTimeoutError::Timeout) => return Err(TextError::Cancelled),
            Err(RecvTimeoutError::Disconnected) => return Err(encode("learning byte pairs ended without an answer")),
        }
    };
    let mut entries: Vec<_> = model.get_vocab().into_iter().collect();
    entries.sort_by_key(|(_, id)| *id);
    // The library keeps its merges to itself; its own serialisation says them in order.
    let written = serde_json::to_value(&model).map_err(encode)?;
    let merges = written.get("merges").cloned().unwrap_or_default();
    let merges: Merges = serde_json::from_value(merges).map_err(encode)?;
    Ok((entries.into_iter().map(|(entry, _)| entry).collect(), merges))
}

fn encode(error: impl std::fmt::Display) -> TextError {
    TextError::Encode(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::text::{SpecialTokens, Tokenizer};

    const TEXTS: [&str; 4] =
        ["The river runs to the sea.\n", "the sea, the river: 我爱 river 12", "zab -> ZAB", "café à la mer 🌊"];

    fn learned(kind: Vocabulary) -> Tokenizer {
        let json = kind.learn(TEXTS.iter().map(|text| (*text).to_owned())).unwrap();
        Tokenizer::from_json("learned", &json).unwrap()
    }

    #[test]
    fn any_text_comes_back_whatever_the_kind() {
        for kind in [Vocabulary::Bpe { size: 280 }, Vocabulary::Characters, Vocabulary::Words { size: 300, least: 1 }] {
            let tokenizer = learned(kind);
            for text in TEXTS.into_iter().chain(["unseen text: \u{1F600}\u{0}\r\n\t 你好", ""]) {
                let ids = tokenizer.encode(text, SpecialTokens::Literal).unwrap();
                assert_eq!(tokenizer.decode(&ids), text.as_bytes(), "{kind:?}");
            }
            assert!(tokenizer.end_of_text().is_some(), "{kind:?}");
        }
    }

    #[test]
    fn each_kind_cuts_as_it_says() {
        let pieces = |kind, text: &str| -> Vec<String> {
            let tokenizer = learned(kind);
            let ids = tokenizer.encode(text, SpecialTokens::Literal).unwrap();
            ids.iter().map(|&id| String::from_utf8_lossy(tokenizer.bytes(id).unwrap()).into_owned()).collect()
        };
        assert_eq!(pieces(Vocabulary::Characters, "la mer à"), ["l", "a", " ", "m", "e", "r", " ", "à"]);
        let words = Vocabulary::Words { size: 300, least: 2 };
        assert_eq!(pieces(words, " the river qz 12"), [" the", " river", " ", "q", "z", " ", "1", "2"]);
        assert_eq!(pieces(Vocabulary::Words { size: 300, least: 1 }, "a, 我爱"), ["a", ",", " ", "我", "爱"]);
        assert_eq!(learned(Vocabulary::Bpe { size: 270 }).vocab_size(), 270);
    }
}
