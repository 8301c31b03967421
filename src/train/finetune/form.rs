//! The four input transformations (GPT-1 paper, section 3.3 and figure 1).

use serde::{Deserialize, Serialize};

use super::Example;
use crate::text::{SpecialTokens, TextError, TokenId, Tokenizer};

/// Names of the start, delimiter and extract tokens in a vocabulary.
pub const SPECIAL_TOKENS: [&str; 3] = ["<|start|>", "<|delimiter|>", "<|extract|>"];

/// Their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Specials {
    /// Begins every sequence: ⟨s⟩ in the paper, `_start_` in its code.
    pub start: TokenId,
    /// Stands between two parts: $, `_delimiter_`.
    pub delimiter: TokenId,
    /// Ends every sequence; the head reads the hidden state there: ⟨e⟩, `_classify_`.
    pub extract: TokenId,
}

/// How an example becomes sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `[s] text [e]`.
    Classification,
    /// `[s] premise [$] hypothesis [e]`.
    Entailment,
    /// `[s] A [$] B [e]` and `[s] B [$] A [e]`, run separately, their hidden states added.
    Similarity,
    /// `[s] context [$] choice [e]` for each choice, run separately; a scalar each, softmax across the choices.
    MultipleChoice,
}

/// The sequences of one example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequences {
    /// One for classification and entailment, two for similarity, one a choice for multiple choice.
    pub tokens: Vec<Vec<TokenId>>,
    /// Whether a part was longer than its share of the context and was cut.
    pub truncated: bool,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 4] = [Self::Classification, Self::Entailment, Self::Similarity, Self::MultipleChoice];

    /// Its name, as the command line and files have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Entailment => "entailment",
            Self::Similarity => "similarity",
            Self::MultipleChoice => "multiple-choice",
        }
    }

    /// Its sequences in words.
    pub fn layout(self) -> &'static str {
        match self {
            Self::Classification => "[start] text [extract]",
            Self::Entailment => "[start] premise [delimiter] hypothesis [extract]",
            Self::Similarity => "[start] A [delimiter] B [extract] and B before A; the two hidden states are added",
            Self::MultipleChoice => "[start] context [delimiter] choice [extract], one for each choice",
        }
    }

    /// How many texts an example has beside its label; multiple choice takes any number of choices from two on.
    pub fn takes(self, texts: usize) -> bool {
        match self {
            Self::Classification => texts == 1,
            Self::Entailment | Self::Similarity => texts == 2,
            Self::MultipleChoice => texts >= 3,
        }
    }

    /// What [`Form::takes`] in words.
    pub fn wants(self) -> &'static str {
        match self {
            Self::Classification => "one text",
            Self::Entailment => "two texts, premise and hypothesis",
            Self::Similarity => "two texts",
            Self::MultipleChoice => "a text and at least two choices",
        }
    }

    /// Tokens that one part of a sequence may have. The released code leaves `n_ctx // 2 - 2` to each of two parts
    /// (openai/finetune-transformer-lm, `train.py`); a single one has all but the start and extract tokens.
    pub fn room(self, n_positions: usize) -> usize {
        match self {
            Self::Classification => n_positions.saturating_sub(2),
            _ => (n_positions / 2).saturating_sub(2),
        }
    }

    /// The sequences of an example. Texts are plain: the name of a special token in one means nothing.
    ///
    /// # Errors
    /// A text that the tokenizer cannot spell.
    pub fn sequences(
        self,
        example: &Example,
        tokenizer: &Tokenizer,
        specials: Specials,
        n_positions: usize,
    ) -> Result<Sequences, TextError> {
        let room = self.room(n_positions);
        let mut truncated = false;
        let mut part = |text: &str| -> Result<Vec<TokenId>, TextError> {
            let mut ids = tokenizer.encode(text, SpecialTokens::Literal)?;
            truncated |= ids.len() > room;
            ids.truncate(room);
            Ok(ids)
        };
        let first = part(&example.text)?;
        let others = example.others.iter().map(|text| part(text)).collect::<Result<Vec<_>, _>>()?;
        let join = |parts: &[&[TokenId]]| {
            let mut ids = vec![specials.start];
            for (index, part) in parts.iter().enumerate() {
                ids.extend((index > 0).then_some(specials.delimiter));
                ids.extend_from_slice(part);
            }
            ids.push(specials.extract);
            ids
        };
        let tokens = match (self, others.as_slice()) {
            (Self::Classification, _) | (_, []) => vec![join(&[&first])],
            (Self::Entailment, [second, ..]) => vec![join(&[&first, second])],
            (Self::Similarity, [second, ..]) => vec![join(&[&first, second]), join(&[second, &first])],
            (Self::MultipleChoice, choices) => choices.iter().map(|choice| join(&[&first, choice])).collect(),
        };
        Ok(Sequences { tokens, truncated })
    }
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
