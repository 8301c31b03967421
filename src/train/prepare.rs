//! From a recipe to what a run needs: a vocabulary and a source.

use std::borrow::Cow;

use serde_json::Value;

use super::{Copying, Data, Generated, Noise, Recipe, Result, Source, State, Text, Tokens, TrainError};
use crate::corpus;
use crate::engine::CancelToken;
use crate::text::{SpecialTokens, TokenId, Tokenizer};

/// Generated documents that a vocabulary is learned from.
const DOCUMENTS: usize = 20_000;

/// What a run is opened with.
pub struct Prepared {
    /// The content of `tokenizer.json`; `None` where the tokens are symbols without a text.
    pub tokenizer: Option<Value>,
    /// Where its tokens come from.
    pub source: Box<dyn Source>,
}

/// Learns the vocabulary (or takes it from the state of an earlier start) and makes the source.
///
/// # Errors
/// A recipe for a text without one, a text that is too short, a vocabulary that cannot be learned, being cancelled.
pub fn prepare(recipe: &Recipe, text: Option<&Text>, state: Option<&State>, cancel: &CancelToken) -> Result<Prepared> {
    let proceed = || !cancel.is_cancelled();
    let known = state.and_then(|state| state.tokenizer.clone());
    let learn = |documents: &mut dyn Iterator<Item = Cow<'_, str>>| match known {
        Some(tokenizer) => Ok(tokenizer),
        None => recipe.vocabulary.learn_while(documents, &proceed),
    };
    match &recipe.data {
        Data::Copying { symbols } => Ok(Prepared { tokenizer: None, source: Box::new(Copying { symbols: *symbols }) }),
        Data::Generated => {
            let seed = Noise::of(recipe.seed, "vocabulary", 0).seed();
            let documents = corpus::documents(seed).take(DOCUMENTS);
            let json = learn(&mut documents.map(|text| Cow::Owned(corpus::without_strings(&text))))?;
            let source = Generated::new(Tokenizer::from_json("the learned vocabulary", &json)?)?;
            Ok(Prepared { tokenizer: Some(json), source: Box::new(source) })
        }
        Data::Text { .. } => {
            let Some(text) = text else {
                return Err(TrainError::EmptyCorpus("name the files, or give a text".into()));
            };
            let json = learn(&mut text.documents.iter().map(|text| Cow::Borrowed(text.as_str())))?;
            let tokenizer = Tokenizer::from_json("the learned vocabulary", &json)?;
            let ids = encode(text, &tokenizer, &proceed)?;
            let source = Tokens::new(ids, tokenizer.vocab_size(), recipe.context)?;
            Ok(Prepared { tokenizer: Some(json), source: Box::new(source) })
        }
    }
}

/// The documents' tokens one after the other, with `<|endoftext|>` between them.
fn encode(text: &Text, tokenizer: &Tokenizer, proceed: &dyn Fn() -> bool) -> Result<Vec<TokenId>> {
    let mut ids = Vec::new();
    for (index, document) in text.documents.iter().enumerate() {
        if index > 0 {
            ids.extend(tokenizer.end_of_text());
        }
        ids.extend(tokenizer.encode_while(document, SpecialTokens::Literal, proceed)?);
    }
    Ok(ids)
}
