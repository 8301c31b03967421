//! Which tokens begin and end a text, as far as the files of a checkpoint say.
//!
//! Reference: transformers 5.24. `generate` stops at the `eos_token_id` of generation_config.json (one id or a list), or else
//! of config.json; tokenizers name theirs in tokenizer_config.json or special_tokens_map.json; `GPT2Tokenizer` takes
//! `<|endoftext|>` for each that no file names.

use serde::Serialize;
use serde_json::Value;

use super::files::{Parts, read_object_if_there, token_id};
use super::{TextError, TokenId};
use crate::files::Files;

/// GPT-2's only special token, and the family's default for both ends of a text.
pub(super) const END_OF_TEXT: &str = "<|endoftext|>";

/// The tokens at which a text begins and ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SpecialIds {
    /// Stands before a text: what `--bos` and an empty prompt start from.
    pub bos: Option<TokenId>,
    /// Any of them ends a text. The first is the tokenizer's own, which is written between documents.
    pub eos: Vec<TokenId>,
}

/// What the files of a checkpoint say about both ends of a text.
#[derive(Debug, Clone, Default)]
pub(super) struct Declared {
    /// `bos_token` of the tokenizer's files.
    pub(super) bos: Option<String>,
    /// `eos_token` of the tokenizer's files.
    pub(super) eos: Option<String>,
    /// `bos_token_id` of generation_config.json and config.json.
    bos_ids: Vec<TokenId>,
    /// `eos_token_id` of the same.
    eos_ids: Vec<TokenId>,
}

impl Declared {
    /// Adds the ids that generation_config.json and config.json name, in this order.
    pub(super) fn read_model_configs(&mut self, files: &Files) -> Result<(), TextError> {
        for name in ["generation_config.json", "config.json"] {
            let config = read_object_if_there(files, name)?;
            for (key, to) in [("bos_token_id", &mut self.bos_ids), ("eos_token_id", &mut self.eos_ids)] {
                to.extend(ids(config.get(key)).map_err(|value| TextError::Malformed {
                    file: files.path(name),
                    reason: format!("{key} = {value} is neither a token id nor a list of token ids"),
                })?);
            }
        }
        Ok(())
    }

    /// The tokenizer's own token at the end of a text and those of the configurations, where it is none of them.
    pub(super) fn contradiction(&self, ends: &SpecialIds) -> Option<(TokenId, &[TokenId])> {
        let own = *ends.eos.first()?;
        (!self.eos_ids.is_empty() && !self.eos_ids.contains(&own)).then_some((own, &self.eos_ids))
    }

    /// The ids behind the names. `id_of` knows the vocabulary; ids that no token has cannot begin a text.
    pub(super) fn resolve(
        &self,
        id_of: impl Fn(&str) -> Option<TokenId>,
        known: impl Fn(TokenId) -> bool,
    ) -> SpecialIds {
        let by_name = |name: &Option<String>| name.as_deref().and_then(&id_of).or_else(|| id_of(END_OF_TEXT));
        let mut eos: Vec<TokenId> = by_name(&self.eos).into_iter().collect();
        for id in &self.eos_ids {
            if !eos.contains(id) {
                eos.push(*id);
            }
        }
        let bos = by_name(&self.bos);
        let bos = bos.or_else(|| self.bos_ids.iter().chain(&eos).copied().find(|id| known(*id)));
        SpecialIds { bos, eos }
    }
}

impl Parts {
    /// The family's default is special whatever other tokens were added: `GPT2Tokenizer` has it as `unk_token` even where
    /// other tokens begin and end a text.
    pub(super) fn keep_default_special(&mut self) {
        let id = self.id_of(END_OF_TEXT);
        self.add(id, tokenizers::AddedToken::from(END_OF_TEXT, true));
    }
}

/// One id, a list of ids, or nothing. The error is the value that is neither.
fn ids(value: Option<&Value>) -> Result<Vec<TokenId>, &Value> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(|id| token_id(id).ok_or(id)).collect(),
        Some(id) => token_id(id).map(|id| vec![id]).ok_or(id),
    }
}
