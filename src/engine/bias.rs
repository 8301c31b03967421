//! Logit bias as people write it: `" the":+2.5`, `464:-1`, `"\n":ban`.

use std::fmt;

use crate::text::{SpecialTokens, TokenId, Tokenizer, closing_quote, escape, unescape};

/// Added to a logit, it makes the token impossible.
const BAN: f32 = f32::NEG_INFINITY;
/// What stands for it.
const BAN_WORD: &str = "ban";

/// A token by its id or by its text; what id a text has depends on the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenName {
    /// The id.
    Id(TokenId),
    /// The text.
    Text(String),
}

/// What is added to the logit of one token.
#[derive(Debug, Clone, PartialEq)]
pub struct BiasEntry {
    /// The token.
    pub token: TokenName,
    /// What is added; −∞ bans the token.
    pub add: f32,
}

impl TokenName {
    /// Reads a token: digits are an id; other text, and whatever stands in double quotes, is the token's text with escapes.
    ///
    /// # Errors
    /// Text that names no token.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Id).map_err(|_| format!("{text} is no token id"));
        }
        let quoted = text
            .strip_prefix('"')
            .and_then(|rest| Some(&rest[..closing_quote(rest)?]).filter(|inner| inner.len() + 2 == text.len()));
        match unescape(quoted.unwrap_or(text))? {
            text if text.is_empty() => Err("a token is missing: write \" the\":+2.5 or 464:ban".to_owned()),
            text => Ok(Self::Text(text)),
        }
    }

    /// The id in a vocabulary.
    ///
    /// # Errors
    /// An id that no token has; a text that is cut into several tokens.
    pub fn resolve(&self, tokenizer: &Tokenizer) -> Result<TokenId, String> {
        match self {
            Self::Id(id) if tokenizer.bytes(*id).is_some() => Ok(*id),
            Self::Id(id) => Err(format!("this vocabulary has no token {id}")),
            Self::Text(text) => {
                let ids = tokenizer.encode(text, SpecialTokens::Parse).map_err(|error| error.to_string())?;
                match ids.as_slice() {
                    [id] => Ok(*id),
                    _ => {
                        let list: Vec<String> = ids.iter().map(TokenId::to_string).collect();
                        let list = list.join(", ");
                        Err(format!("\"{}\" is not one token here but {}: {list}", escape(text), ids.len()))
                    }
                }
            }
        }
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Text(text) => write!(f, "\"{}\"", escape(text)),
        }
    }
}

impl BiasEntry {
    /// A token that is never to come.
    pub fn ban(token: TokenName) -> Self {
        Self { token, add: BAN }
    }

    /// Reads `TOKEN:+2.5` or `TOKEN:ban`; the last colon divides.
    ///
    /// # Errors
    /// Says what is missing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (token, add) = text.rsplit_once(':').ok_or("write TOKEN:+2.5 or TOKEN:ban")?;
        Ok(Self { token: TokenName::parse(token)?, add: amount(add)? })
    }

    /// Reads several entries in one line, with spaces or commas between; a text with either stands in quotes.
    ///
    /// # Errors
    /// Says what cannot be read.
    pub fn parse_line(line: &str) -> Result<Vec<Self>, String> {
        let between = |c: char| c == ' ' || c == ',';
        let mut entries = Vec::new();
        let mut rest = line.trim_matches(between);
        while !rest.is_empty() {
            let token_end = match rest.strip_prefix('"') {
                Some(inner) => 2 + closing_quote(inner).ok_or("a quote is not closed: write \" the\":+2.5")?,
                None => {
                    rest.find(':').ok_or_else(|| format!("{rest} lacks its value: write TOKEN:+2.5 or TOKEN:ban"))?
                }
            };
            let (token, after) = rest.split_at(token_end);
            let value =
                after.strip_prefix(':').ok_or_else(|| format!("{token} lacks its value: write {token}:+2.5"))?;
            let end = value.find(between).unwrap_or(value.len());
            entries.push(Self { token: TokenName::parse(token)?, add: amount(&value[..end])? });
            rest = value[end..].trim_start_matches(between);
        }
        Ok(entries)
    }

    /// Ids and what is added to them; where a token stands twice the later entry counts.
    ///
    /// # Errors
    /// The first token that the vocabulary does not have.
    pub fn resolve(entries: &[Self], tokenizer: &Tokenizer) -> Result<Vec<(TokenId, f32)>, String> {
        entries.iter().map(|entry| Ok((entry.token.resolve(tokenizer)?, entry.add))).collect()
    }
}

impl fmt::Display for BiasEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.add {
            add if add == BAN => write!(f, "{}:{BAN_WORD}", self.token),
            add => write!(f, "{}:{add:+}", self.token),
        }
    }
}

fn amount(text: &str) -> Result<f32, String> {
    match text.trim() {
        BAN_WORD => Ok(BAN),
        number => match number.parse::<f32>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(format!("\"{}\" is no number to add: write +2.5, -1 or {BAN_WORD}", escape(number))),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::files::Files;

    #[test]
    fn entries_survive_being_shown_and_typed() {
        let entries = BiasEntry::parse_line(" \" the\":+2.5, 464:-1 \"\\n\":ban a:b:3 \"a\\\"b: c\":0.5").unwrap_err();
        assert!(entries.contains("b:3"), "a colon wants quotes: {entries}");
        let entries =
            BiasEntry::parse_line(" \" the\":+2.5, 464:-1 \"\\n\":ban \"464\":2 \"a\\\"b: c\":0.5 mer:1e-3").unwrap();
        let line = entries.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(line, "\" the\":+2.5 464:-1 \"\\n\":ban \"464\":+2 \"a\\\"b: c\":+0.5 \"mer\":+0.001");
        assert_eq!(BiasEntry::parse_line(&line).unwrap(), entries);
        assert_eq!(entries[1].token, TokenName::Id(464));
        assert_eq!(entries[3].token, TokenName::Text("464".to_owned()));
        for entry in &entries {
            assert_eq!(BiasEntry::parse(&entry.to_string()).as_ref(), Ok(entry));
        }
        assert_eq!(
            BiasEntry::parse(" a:b:-2").unwrap(),
            BiasEntry { token: TokenName::Text(" a:b".to_owned()), add: -2.0 }
        );
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for text in ["a", ":1", "a:", "a:x", "a:inf", "a:nan", "\"a:1", "\"\":1", "4294967296:1", "\\q:1"] {
            assert!(BiasEntry::parse(text).is_err() || text == "\"a:1", "{text}");
            assert!(BiasEntry::parse_line(text).is_err(), "{text}");
        }
        assert_eq!(BiasEntry::parse_line(" , "), Ok(Vec::new()));
    }

    #[test]
    fn texts_are_tokens_of_a_vocabulary() {
        let tokenizer = Tokenizer::open(&Files::BuiltIn).unwrap();
        let name = |text: &str| TokenName::parse(text).unwrap().resolve(&tokenizer);
        assert_eq!(name("<|endoftext|>").ok(), tokenizer.end_of_text());
        assert_eq!(name("a"), Ok(tokenizer.encode("a", SpecialTokens::Parse).unwrap()[0]));
        assert_eq!(name("7"), Ok(7));
        assert!(name("999999").unwrap_err().contains("no token 999999"));
        assert!(name("antidisestablishment").unwrap_err().contains("not one token"));
    }
}
