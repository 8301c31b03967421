//! From a recipe to what a run needs: the vocabulary, learned where it has to be, and the source of batches.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Copying, Data, Generated, Recipe, Result, Source, Tokens, TrainError};
use crate::corpus;
use crate::text::{SpecialTokens, Tokenizer};

/// Documents that a vocabulary for generated text is learned from.
const DOCUMENTS: usize = 4000;

/// What a run needs besides its recipe.
pub struct Prepared {
    /// Where batches come from.
    pub source: Box<dyn Source>,
    /// The vocabulary as it is saved and as it is used; none for symbols.
    pub vocabulary: Option<(Value, Tokenizer)>,
}

/// Writes down in the recipe which text it learns from.
pub fn name_text(recipe: &mut Recipe, called: &str, text: &str) {
    if let Data::Text { name, hash } = &mut recipe.data {
        called.clone_into(name);
        *hash = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    }
}

/// Learns the vocabulary, or takes the one that is `known`, and opens the source. `text` serves [`Data::Text`] only.
///
/// # Errors
/// A text that is too short, a vocabulary that cannot be learned.
pub fn prepare(recipe: &Recipe, text: &str, known: Option<Value>) -> Result<Prepared> {
    let vocabulary = |texts: &mut dyn Iterator<Item = String>| -> Result<(Value, Tokenizer)> {
        let json = match known {
            Some(json) => json,
            None => recipe.vocabulary.learn(texts)?,
        };
        let tokenizer = Tokenizer::from_json("the run's vocabulary", &json)?;
        Ok((json, tokenizer))
    };
    Ok(match &recipe.data {
        Data::Copying { symbols } => Prepared { source: Box::new(Copying { symbols: *symbols }), vocabulary: None },
        Data::Text { .. } if text.is_empty() => return Err(TrainError::EmptyCorpus("the text is empty".into())),
        Data::Text { .. } => {
            let (json, tokenizer) = vocabulary(&mut std::iter::once(text.to_owned()))?;
            let ids = tokenizer.encode(text, SpecialTokens::Literal)?;
            let source = Tokens::new(ids, tokenizer.vocab_size(), recipe.context)?;
            Prepared { source: Box::new(source), vocabulary: Some((json, tokenizer)) }
        }
        Data::Generated => {
            let (json, tokenizer) = vocabulary(&mut corpus::documents(recipe.seed).take(DOCUMENTS))?;
            let source = Generated::new(Tokenizer::from_json("the run's vocabulary", &json)?)?;
            Prepared { source: Box::new(source), vocabulary: Some((json, tokenizer)) }
        }
    })
}
