//! Tokenizer files of a checkpoint, read into [`Parts`] and checked.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use super::ends::Declared;
use super::tokenizer_json::from_tokenizer_json;
use super::{TextError, TokenId, alphabet};
use crate::files::Files;

const TOKENIZER: &str = "tokenizer.json";
const VOCAB: &str = "vocab.json";
const MERGES: &str = "merges.txt";

/// Largest id that has a place in the table of bytes; the largest vocabularies in use have about 260,000 entries.
const MAX_ID: TokenId = 1 << 20;

/// Longest tokenizer.json, vocab.json or merges.txt; that of Gemma 3 has 33 MB.
const MAX_VOCABULARY: u64 = 64 << 20;

/// Longest of the files beside them.
const MAX_BESIDE: u64 = 4 << 20;

/// Everything that a byte-level BPE tokenizer is made of.
pub(super) struct Parts {
    /// The file to name in errors.
    pub(super) file: PathBuf,
    pub(super) vocab: Vec<(String, TokenId)>,
    /// Pairs in order of rank.
    pub(super) merges: Vec<(String, String)>,
    /// Tokens that are found in a text before it is cut into words; each id once.
    pub(super) added: Vec<(TokenId, AddedToken)>,
    /// Where in `added` each id stands.
    places: HashMap<TokenId, usize>,
    /// The `pre_tokenizer` of tokenizer.json; None is GPT-2's.
    pub(super) pre_tokenizer: Option<Value>,
    pub(super) ignore_merges: bool,
    /// Which tokens begin and end a text.
    pub(super) ends: Declared,
    /// Whether the files want a space in front of every text.
    pub(super) prefix_space: bool,
}

/// Patterns of [`super::Vocabulary`] that cut single characters off.
pub(super) const OWN_PATTERNS: [&str; 2] = [CHARACTERS, DIGITS_AND_HAN];
/// Every character by itself.
pub(super) const CHARACTERS: &str = r"[\s\S]";
/// Digits and Han characters by themselves.
pub(super) const DIGITS_AND_HAN: &str = r"\p{Han}|\p{Nd}";

impl Parts {
    /// Whether no token of these reaches from something else into white space: GPT-2's pattern or one of our own
    /// ([`super::Vocabulary`]), and no added token with white space in or beside it.
    pub(super) fn cut_before_space(&self) -> bool {
        let field = |component: &Value, key: &str| component.get(key).and_then(Value::as_bool).unwrap_or(false);
        let known = |component: &Value| match component.get("type").and_then(Value::as_str) {
            Some("ByteLevel") => !field(component, "add_prefix_space"),
            Some("Split") => {
                let pattern = component.pointer("/pattern/Regex").and_then(Value::as_str);
                pattern.is_some_and(|pattern| OWN_PATTERNS.contains(&pattern))
            }
            _ => false,
        };
        let whole = |component: &Value| known(component) && component.get("use_regex") != Some(&Value::Bool(false));
        let pattern = match &self.pre_tokenizer {
            None => true,
            Some(declared) => match declared.get("pretokenizers").and_then(Value::as_array) {
                Some(all) => all.len() > 1 && all.iter().all(known),
                None => whole(declared),
            },
        };
        let plain = |token: &AddedToken| !token.lstrip && !token.rstrip && !token.content.contains(char::is_whitespace);
        pattern && self.added.iter().all(|(_, token)| plain(token))
    }

    pub(super) fn read(files: &Files) -> Result<Self, TextError> {
        let mut parts = match (files.has(TOKENIZER), files.has(VOCAB), files.has(MERGES)) {
            (true, ..) => from_tokenizer_json(files.path(TOKENIZER), &read_json(files, TOKENIZER, MAX_VOCABULARY)?)?,
            (_, true, true) => {
                let vocab = files.path(VOCAB);
                let merges = parse_merges(files, MERGES)?;
                Parts::plain(vocab.clone(), parse_vocab(&vocab, &read_json(files, VOCAB, MAX_VOCABULARY)?)?, merges)
            }
            (_, has_vocab, has_merges) => {
                let missing = match (has_vocab, has_merges) {
                    (true, _) => MERGES,
                    (_, true) => VOCAB,
                    _ => "all of them",
                };
                return Err(TextError::Missing { folder: files.root().into(), missing });
            }
        };
        parts.read_special_tokens(files)?;
        parts.ends.read_model_configs(files)?;
        parts.check()?;
        parts.check_reach()?;
        Ok(parts)
    }

    pub(super) fn plain(file: PathBuf, vocab: Vec<(String, TokenId)>, merges: Vec<(String, String)>) -> Self {
        let ends = Declared::default();
        Parts {
            file,
            vocab,
            merges,
            added: Vec::new(),
            places: HashMap::new(),
            pre_tokenizer: None,
            ignore_merges: false,
            ends,
            prefix_space: false,
        }
    }

    /// Checks what the tokenizers library takes on trust.
    pub(super) fn check(&mut self) -> Result<(), TextError> {
        let malformed = |reason: String| TextError::Malformed { file: self.file.clone(), reason };
        let mut ids = HashSet::new();
        let added = self.added.iter().map(|(id, token)| (&token.content, id));
        let all = self.vocab.iter().map(|(token, id)| (token, id)).chain(added);
        if let Some((token, id)) = all.into_iter().find(|(_, id)| **id > MAX_ID) {
            return Err(malformed(format!("token {token:?} has id {id}, above the limit of {MAX_ID}")));
        }
        for (token, id) in &self.vocab {
            if !ids.insert(*id) {
                return Err(malformed(format!("token {token:?} has id {id}, as another token has")));
            }
        }
        let tokens: HashSet<&str> = self.vocab.iter().map(|(token, _)| token.as_str()).collect();
        if tokens.len() < self.vocab.len() {
            return Err(malformed("a token stands in the vocabulary twice".to_owned()));
        }
        if !tokens.contains(alphabet::byte_symbol(b' ').to_string().as_str()) {
            return Err(TextError::Unsupported {
                file: self.file.clone(),
                component: "a vocabulary without `Ġ` (the space of the byte-level alphabet)".to_owned(),
            });
        }
        for (rank, (left, right)) in self.merges.iter().enumerate() {
            let merged = format!("{left}{right}");
            if let Some(absent) = [left, right, &merged].into_iter().find(|t| !tokens.contains(t.as_str())) {
                return Err(malformed(format!("merge {rank} ({left} {right}): {absent:?} is not in the vocabulary")));
            }
        }
        drop(tokens);
        self.keep_default_special();
        Ok(())
    }

    /// Refuses a vocabulary that its merges do not lead to: a text would become single bytes without a word, as where
    /// merges.txt is empty or cut short (llama.cpp #3732). A vocabulary that a caller made is taken as it is.
    pub(super) fn check_reach(&self) -> Result<(), TextError> {
        if self.ignore_merges {
            return Ok(());
        }
        let mut reached: HashSet<String> = HashSet::with_capacity(self.vocab.len());
        let single = self.vocab.iter().filter(|(token, _)| token.chars().nth(1).is_none());
        reached.extend(single.map(|(token, _)| token.clone()));
        reached.extend(self.added.iter().map(|(_, token)| token.content.clone()));
        let before = reached.len();
        for (left, right) in &self.merges {
            if reached.contains(left) && reached.contains(right) {
                reached.insert(format!("{left}{right}"));
            }
        }
        // Some vocabularies have entries that were reserved, or cut off by hand.
        let longer = self.vocab.len().saturating_sub(before);
        let lost = self.vocab.iter().filter(|(token, _)| !reached.contains(token)).count();
        if lost <= longer / 4 {
            return Ok(());
        }
        Err(TextError::Unreachable {
            file: self.file.clone(),
            lost,
            entries: self.vocab.len(),
            merges: self.merges.len(),
        })
    }

    /// Adds the special tokens named beside the vocabulary. A token that no file gives an id is left out: the
    /// checkpoint has no row for it.
    fn read_special_tokens(&mut self, files: &Files) -> Result<(), TextError> {
        let [config, map, ids] = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"]
            .map(|name| read_object_if_there(files, name));
        let (config, map, ids) = (config?, map?, ids?);

        if let Some(asked) = config.get("add_prefix_space").and_then(Value::as_bool) {
            self.prefix_space = asked;
        }
        for (content, id) in &ids {
            self.add(token_id(id), AddedToken::from(content.as_str(), false));
        }
        if let Some(Value::Object(declared)) = config.get("added_tokens_decoder") {
            for (id, token) in declared {
                self.add(id.parse().ok(), added_token(token, false));
            }
        }
        let vocab = self.vocab.iter().map(|(token, id)| (token.clone(), *id));
        let added = self.added.iter().map(|(id, token)| (token.content.clone(), *id));
        let known: HashMap<String, TokenId> = vocab.chain(added).collect();
        for source in [&config, &map] {
            for (role, named) in source.iter().filter(|(role, _)| role.ends_with("_token") || role.ends_with("_tokens"))
            {
                let list = named.as_array().map_or(std::slice::from_ref(named), Vec::as_slice);
                for token in list.iter().map(|token| added_token(token, true)) {
                    match role.as_str() {
                        _ if token.content.is_empty() => {}
                        "bos_token" => self.ends.bos = Some(token.content.clone()),
                        "eos_token" => self.ends.eos = Some(token.content.clone()),
                        _ => {}
                    }
                    self.add(known.get(&token.content).copied(), token);
                }
            }
        }
        Ok(())
    }

    pub(super) fn id_of(&self, content: &str) -> Option<TokenId> {
        let added = self.added.iter().find(|(_, token)| token.content == content).map(|(id, _)| *id);
        added.or_else(|| self.vocab.iter().find(|(token, _)| token == content).map(|(_, id)| *id))
    }

    /// First come, first kept, except that a later file may call a token special.
    pub(super) fn add(&mut self, id: Option<TokenId>, token: AddedToken) {
        let Some(id) = id else { return };
        if token.content.is_empty() {
            return;
        }
        match self.places.get(&id).and_then(|place| self.added.get_mut(*place)) {
            Some((_, known)) => known.special |= token.special && known.content == token.content,
            None => {
                self.places.insert(id, self.added.len());
                self.added.push((id, token));
            }
        }
    }
}

pub(super) fn split_pair(line: &str) -> Option<(String, String)> {
    let (left, right) = line.split_once(' ')?;
    let whole = !left.is_empty() && !right.is_empty() && !right.contains(' ');
    whole.then(|| (left.to_owned(), right.to_owned()))
}

pub(super) fn parse_vocab(file: &Path, vocab: &Value) -> Result<Vec<(String, TokenId)>, TextError> {
    let malformed = |reason: String| TextError::Malformed { file: file.to_path_buf(), reason };
    let Value::Object(entries) = vocab else {
        return Err(malformed("the vocabulary is not an object of tokens and ids".to_owned()));
    };
    let entry = |(token, id): (&String, &Value)| match token_id(id) {
        Some(id) => Ok((token.clone(), id)),
        None => Err(malformed(format!("token {token:?} has the id {id}, which is not a token id"))),
    };
    entries.iter().map(entry).collect()
}

/// merges.txt: a `#version` line, then one pair a line.
fn parse_merges(files: &Files, name: &str) -> Result<Vec<(String, String)>, TextError> {
    let file = files.path(name);
    let content = String::from_utf8(files.read(name, MAX_VOCABULARY)?.into_owned())
        .map_err(|e| TextError::Malformed { file: file.clone(), reason: format!("it is not UTF-8 ({e})") })?;
    let lines = content.lines().enumerate().filter(|(_, line)| !line.starts_with("#version") && !line.is_empty());
    let pair = |(i, line): (usize, &str)| {
        split_pair(line).ok_or_else(|| TextError::Malformed {
            file: file.clone(),
            reason: format!("line {} is not a pair of tokens: {line:?}", i + 1),
        })
    };
    lines.map(pair).collect()
}

/// A token as a file names it: its content alone, or an object with its matching rules.
pub(super) fn added_token(token: &Value, special: bool) -> AddedToken {
    let flag = |key: &str, default: bool| token.get(key).and_then(Value::as_bool).unwrap_or(default);
    let content = token.as_str().or_else(|| token.get("content").and_then(Value::as_str)).unwrap_or_default();
    let special = special || flag("special", false);
    AddedToken::from(content, special)
        .single_word(flag("single_word", false))
        .lstrip(flag("lstrip", false))
        .rstrip(flag("rstrip", false))
        .normalized(flag("normalized", !special))
}

pub(super) fn token_id(id: &Value) -> Option<TokenId> {
    id.as_u64().and_then(|id| TokenId::try_from(id).ok())
}

pub(super) fn read_object_if_there(files: &Files, name: &str) -> Result<Map<String, Value>, TextError> {
    if !files.has(name) {
        return Ok(Map::new());
    }
    match read_json(files, name, MAX_BESIDE)? {
        Value::Object(object) => Ok(object),
        _ => Err(TextError::Malformed { file: files.path(name), reason: "it is not an object".to_owned() }),
    }
}

fn read_json(files: &Files, name: &str, limit: u64) -> Result<Value, TextError> {
    serde_json::from_slice(&files.read(name, limit)?)
        .map_err(|e| TextError::Malformed { file: files.path(name), reason: e.to_string() })
}
