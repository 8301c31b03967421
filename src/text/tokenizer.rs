use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{Model, OffsetType, PreTokenizedString, PreTokenizer};

use super::files::Parts;
use super::parts::{LONGEST_SPACE, overlong_space, parts};
use super::tokenizer_json::from_tokenizer_json;
use super::{SpecialIds, TextError, TokenId, alphabet, sanitise};
use crate::files::Files;

/// Byte-level BPE with an exact table of the bytes of each id. Cloning is cheap; it can be shared between threads.
#[derive(Clone)]
pub struct Tokenizer(Arc<Inner>);

/// What a special token's name means inside a text that is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialTokens {
    /// The name is the token: `<|endoftext|>` is one id, as in Hugging Face's tokenizers.
    Parse,
    /// The name is plain characters.
    Literal,
}

struct Inner {
    library: tokenizers::Tokenizer,
    /// Bytes by id; None for ids that no token has.
    bytes: Vec<Option<Box<[u8]>>>,
    ids: HashMap<String, TokenId>,
    special: HashSet<TokenId>,
    ends: SpecialIds,
    notes: Vec<String>,
    /// Whether a long text may be cut into tokens in [`parts`].
    in_parts: bool,
}

impl Tokenizer {
    /// Reads the tokenizer of a checkpoint: tokenizer.json, or else vocab.json and merges.txt; special tokens
    /// also from tokenizer_config.json, special_tokens_map.json and added_tokens.json where these are there.
    ///
    /// # Errors
    /// A file that is missing, unreadable or malformed is named with the reason; so is a component that is not
    /// byte-level BPE or that would change the text.
    pub fn open(files: impl Into<Files>) -> Result<Self, TextError> {
        Self::build(Parts::read(&files.into())?)
    }

    /// Reads the tokenizer of a checkpoint folder.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn from_folder(folder: &Path) -> Result<Self, TextError> {
        Self::open(folder)
    }

    /// Reads the content of a `tokenizer.json`; `name` is what errors call it.
    ///
    /// # Errors
    /// As for [`from_folder`](Self::from_folder).
    pub fn from_json(name: &str, json: &serde_json::Value) -> Result<Self, TextError> {
        let mut parts = from_tokenizer_json(PathBuf::from(name), json)?;
        parts.check()?;
        parts.check_reach()?;
        Self::build(parts)
    }

    /// Builds GPT-2's kind of tokenizer from entries in the byte-level alphabet (see [`super::byte_symbol`]) and merges
    /// in order of rank. `<|endoftext|>` is special if it is in the vocabulary.
    ///
    /// # Errors
    /// As for [`open`](Self::open), for the vocabulary and the merges.
    pub fn from_vocab_and_merges(
        vocab: impl IntoIterator<Item = (String, TokenId)>,
        merges: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, TextError> {
        let (vocab, merges) = (vocab.into_iter().collect(), merges.into_iter().collect());
        let mut parts = Parts::plain(PathBuf::from("the given vocabulary"), vocab, merges);
        parts.check()?;
        Self::build(parts)
    }

    /// The ids of a text. Nothing is added, stripped or changed: the ids' bytes are exactly the text's.
    ///
    /// # Errors
    /// [`TextError::NotCovered`] if the ids do not spell the text; [`TextError::TooMuchSpace`].
    pub fn encode(&self, text: &str, special: SpecialTokens) -> Result<Vec<TokenId>, TextError> {
        self.encode_while(text, special, &|| true)
    }

    /// As [`encode`](Self::encode), ended by `proceed`, which is asked before each part of a long text.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode), and [`TextError::Cancelled`].
    pub fn encode_while(
        &self,
        text: &str,
        special: SpecialTokens,
        proceed: &dyn Fn() -> bool,
    ) -> Result<Vec<TokenId>, TextError> {
        if !self.0.in_parts {
            return if proceed() { self.encode_part(text, special, 0) } else { Err(TextError::Cancelled) };
        }
        let (mut ids, mut at) = (Vec::new(), 0);
        for part in parts(text) {
            if !proceed() {
                return Err(TextError::Cancelled);
            }
            ids.extend(self.encode_part(part, special, at)?);
            at += part.len();
        }
        Ok(ids)
    }

    /// The ids of a part that begins `at` bytes into its text.
    fn encode_part(&self, part: &str, special: SpecialTokens, at: usize) -> Result<Vec<TokenId>, TextError> {
        if let Some(offset) = overlong_space(part) {
            return Err(TextError::TooMuchSpace { offset: at + offset, limit: LONGEST_SPACE });
        }
        let encoded = match special {
            SpecialTokens::Parse => self.0.library.encode_fast(part, false),
            SpecialTokens::Literal => self.0.encode_plain(part),
        };
        let ids = encoded.map_err(|e| TextError::Encode(e.to_string()))?.get_ids().to_vec();
        self.check_spelling(&ids, part).map_err(|error| match error {
            TextError::NotCovered { offset, near } => TextError::NotCovered { offset: at + offset, near },
            other => other,
        })?;
        Ok(ids)
    }

    /// The bytes of the ids in order. Ids that no token has give nothing.
    pub fn decode(&self, ids: &[TokenId]) -> Vec<u8> {
        ids.iter().filter_map(|&id| self.bytes(id)).flatten().copied().collect()
    }

    /// The exact bytes of a token (of an added token, the bytes of its name), or None if no token has this id.
    pub fn bytes(&self, id: TokenId) -> Option<&[u8]> {
        self.0.bytes.get(usize::try_from(id).ok()?)?.as_deref()
    }

    /// One more than the largest id.
    pub fn vocab_size(&self) -> usize {
        self.0.bytes.len()
    }

    /// Whether the token steers the model and is not text.
    pub fn is_special(&self, id: TokenId) -> bool {
        self.0.special.contains(&id)
    }

    /// Whether words begin with their space, as GPT-2's do: then a text that ends in a space leaves a model only odd
    /// pieces to go on with. Not so where a space is always a token of its own, as with characters.
    pub fn words_begin_with_space(&self) -> bool {
        self.0.bytes.iter().flatten().any(|bytes| {
            let word = bytes.strip_prefix(b" ").and_then(|word| std::str::from_utf8(word).ok());
            word.and_then(|word| word.chars().next()).is_some_and(char::is_alphabetic)
        })
    }

    /// The tokens at which a text begins and ends.
    pub fn special_ids(&self) -> &SpecialIds {
        &self.0.ends
    }

    /// The token that stands before a text, and that an unconditional sample starts from.
    pub fn bos(&self) -> Option<TokenId> {
        self.0.ends.bos
    }

    /// The token that is written after a document.
    pub fn end_of_text(&self) -> Option<TokenId> {
        self.0.ends.eos.first().copied()
    }

    /// Whether a model that samples this token has ended its text.
    pub fn ends_text(&self, id: TokenId) -> bool {
        self.0.ends.eos.contains(&id)
    }

    /// What a user should know about the files it came from: that they contradict each other, or ask for what kshot
    /// does not do.
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }

    /// A token as a label in a list, `<50300>` for an id that has no token: models have more rows than their
    /// vocabulary where these were padded to a round number.
    pub fn label(&self, id: TokenId) -> String {
        self.bytes(id).map_or_else(|| format!("<{id}>"), sanitise::token_label)
    }

    /// The id of a vocabulary entry, spelled as in the vocabulary: `Ġhello`, `<|endoftext|>`.
    pub fn token_id(&self, entry: &str) -> Option<TokenId> {
        self.0.ids.get(entry).copied()
    }

    fn build(mut parts: Parts) -> Result<Self, TextError> {
        let mut ids: HashMap<String, TokenId> = parts.vocab.drain(..).collect();
        // An added token gets the id that its file says, not the next free one, when the library finds it here.
        for (id, token) in &parts.added {
            let known = *ids.entry(token.content.clone()).or_insert(*id);
            if known != *id {
                let reason = format!("added token {:?} has the ids {known} and {id}", token.content);
                return Err(TextError::Malformed { file: parts.file, reason });
            }
        }
        let bytes = byte_table(&ids, &parts)?;
        let known = |id| bytes.get(id as usize).is_some_and(Option::is_some);
        let ends = parts.ends.resolve(|name| ids.get(name).copied(), known);
        let label = |id: TokenId| match bytes.get(id as usize) {
            Some(Some(bytes)) => sanitise::token_label(bytes),
            _ => format!("<{id}>"),
        };
        let notes = notes(&parts, &ends, label);
        let special = parts.added.iter().filter(|(_, token)| token.special).map(|(id, _)| *id).collect();
        let in_parts = parts.cut_before_space();
        let library = library_tokenizer(&ids, parts)?;
        Ok(Self(Arc::new(Inner { library, bytes, ids, special, ends, notes, in_parts })))
    }

    fn check_spelling(&self, ids: &[TokenId], text: &str) -> Result<(), TextError> {
        let spelled = ids.iter().filter_map(|&id| self.bytes(id)).flatten();
        let same = spelled.zip(text.as_bytes()).take_while(|(a, b)| a == b).count();
        let total: usize = ids.iter().filter_map(|&id| self.bytes(id)).map(<[u8]>::len).sum();
        if same == text.len() && total == text.len() {
            return Ok(());
        }
        let start = (0..=same).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
        Err(TextError::NotCovered { offset: same, near: text[start..].chars().take(16).collect() })
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer").field("vocab_size", &self.vocab_size()).finish_non_exhaustive()
    }
}

impl Inner {
    /// The library's own steps, without its search for added tokens.
    fn encode_plain(&self, text: &str) -> tokenizers::Result<tokenizers::Encoding> {
        let mut pieces = PreTokenizedString::from(text);
        if let Some(splitter) = self.library.get_pre_tokenizer() {
            splitter.pre_tokenize(&mut pieces)?;
        }
        pieces.tokenize(|piece| self.library.get_model().tokenize(piece.get()))?;
        pieces.into_encoding(None, 0, OffsetType::None)
    }
}

fn notes(parts: &Parts, ends: &SpecialIds, label: impl Fn(TokenId) -> String) -> Vec<String> {
    let contradiction = parts.ends.contradiction(ends).map(|(own, others)| {
        let others: Vec<_> = others.iter().map(|id| format!("{} ({id})", label(*id))).collect();
        format!(
            "its tokenizer ends a text at {} ({own}), its config at {}; generation stops at any of them",
            label(own),
            others.join(", ")
        )
    });
    let prefix_space = parts.prefix_space.then(|| {
        "its tokenizer wants a space in front of every text (add_prefix_space); kshot takes the text as it is, so type the space yourself"
            .to_owned()
    });
    contradiction.into_iter().chain(prefix_space).collect()
}

fn byte_table(ids: &HashMap<String, TokenId>, parts: &Parts) -> Result<Vec<Option<Box<[u8]>>>, TextError> {
    let size = ids.values().max().map_or(0, |&id| id as usize + 1);
    let mut table = vec![None; size];
    for (token, &id) in ids {
        let slot: &mut Option<Box<[u8]>> = &mut table[id as usize];
        if slot.is_some() {
            let reason = format!("token {token:?} has id {id}, as another token has");
            return Err(TextError::Malformed { file: parts.file.clone(), reason });
        }
        *slot = Some(alphabet::symbols_to_bytes(token).unwrap_or_else(|| token.clone().into_bytes()).into());
    }
    for (id, token) in &parts.added {
        table[*id as usize] = Some(token.content.as_bytes().into());
    }
    Ok(table)
}

fn library_tokenizer(ids: &HashMap<String, TokenId>, parts: Parts) -> Result<tokenizers::Tokenizer, TextError> {
    let malformed = |reason: String| TextError::Malformed { file: parts.file.clone(), reason };
    // `BPE::new` panics on merges outside the vocabulary; `Parts::check` has refused them.
    let mut model = BPE::new(ids.iter().map(|(token, &id)| (token.clone(), id)).collect(), parts.merges);
    model.ignore_merges = parts.ignore_merges;
    let splitter: PreTokenizerWrapper = match parts.pre_tokenizer {
        Some(declared) => serde_json::from_value(declared).map_err(|e| malformed(format!("pre_tokenizer: {e}")))?,
        None => ByteLevel::new(false, true, true).into(),
    };
    let mut library = tokenizers::Tokenizer::new(model);
    library.with_pre_tokenizer(Some(splitter));
    library
        .add_tokens(parts.added.into_iter().map(|(_, token)| token))
        .map_err(|e| malformed(format!("added tokens: {e}")))?;
    Ok(library)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::text::Vocabulary;

    /// A long text in parts has the ids that it has in one piece, for every vocabulary that is cut into parts.
    #[test]
    fn parts_give_the_ids_of_the_whole() {
        let line = "It's 1,234 words\u{3000}of  text:\t\tthey'll\n\n  end... \u{a0}\u{85}x 我爱 12\r\n ";
        let text = line.repeat(6000);
        let built_in = Tokenizer::open(&Files::BuiltIn).unwrap();
        let kinds = [Vocabulary::Bpe { size: 300 }, Vocabulary::Characters, Vocabulary::Words { size: 400, least: 1 }];
        let learned =
            kinds.map(|kind| Tokenizer::from_json("learned", &kind.learn([line].into_iter()).unwrap()).unwrap());
        for tokenizer in [&built_in].into_iter().chain(&learned) {
            assert!(tokenizer.0.in_parts);
            for special in [SpecialTokens::Parse, SpecialTokens::Literal] {
                let whole = tokenizer.encode_part(&text, special, 0).unwrap();
                assert_eq!(tokenizer.encode(&text, special).unwrap(), whole);
            }
        }
        // One piece of the pattern up to the limit, and never a wrong one beyond it.
        let space = |count: usize| format!("a{}b c", "\n".repeat(count));
        let pieces = built_in.encode(&space(LONGEST_SPACE), SpecialTokens::Parse).unwrap();
        assert_eq!(pieces.last(), built_in.encode("b c", SpecialTokens::Parse).unwrap().last());
        let refused = built_in.encode(&space(LONGEST_SPACE + 1), SpecialTokens::Parse);
        assert!(matches!(refused, Err(TextError::TooMuchSpace { offset: 1, .. })));
        let asked = std::cell::Cell::new(0);
        let proceed = || asked.replace(asked.get() + 1) < 3;
        let stopped = built_in.encode_while(&text, SpecialTokens::Parse, &proceed);
        assert!(matches!(stopped, Err(TextError::Cancelled)));
    }
}
