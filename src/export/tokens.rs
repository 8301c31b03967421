//! A text as a table: one line a token.

use crate::session::Author;
use crate::text::{escape_bytes, sanitise};

/// One token of a text, and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenRow {
    /// The id.
    pub id: u32,
    /// Its bytes; none where it is of a row beyond the vocabulary.
    pub bytes: Vec<u8>,
    /// Who wrote it.
    pub author: Author,
    /// Natural-log probability under the raw model, where it is known.
    pub logprob: Option<f32>,
    /// Rank from 1 under the raw model.
    pub rank: Option<usize>,
    /// Entropy of the raw distribution in bits.
    pub entropy: Option<f32>,
}

impl TokenRow {
    /// It as a label, `<50300>` where it has no bytes.
    pub(super) fn label(&self) -> String {
        if self.bytes.is_empty() { format!("<{}>", self.id) } else { sanitise::token_label(&self.bytes) }
    }

    /// Who wrote it, in a word.
    pub(super) fn author(&self) -> &'static str {
        match self.author {
            Author::Typed => "typed",
            Author::Model => "model",
        }
    }
}

/// The columns of [`csv()`].
pub const COLUMNS: [&str; 7] = ["position", "id", "text", "author", "logprob", "rank", "entropy"];

/// Comma-separated values with a line of headings: position from 0, id, text (escaped as in a trace, so that no byte is
/// lost), author, log-probability, rank, entropy; what is not known is empty.
///
/// # Errors
/// None that a row can cause.
pub fn csv(rows: &[TokenRow]) -> Result<String, String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(|error| error.to_string())?;
    for (position, row) in rows.iter().enumerate() {
        let figure = |known: Option<String>| known.unwrap_or_default();
        let record = [
            position.to_string(),
            row.id.to_string(),
            escape_bytes(&row.bytes),
            row.author().to_owned(),
            figure(row.logprob.map(|x| x.to_string())),
            figure(row.rank.map(|x| x.to_string())),
            figure(row.entropy.map(|x| x.to_string())),
        ];
        writer.write_record(record).map_err(|error| error.to_string())?;
    }
    let bytes = writer.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::text::unescape_bytes;

    /// Rows with what formats have to escape.
    pub(in crate::export) fn rows() -> Vec<TokenRow> {
        let row = |id, bytes: &[u8], logprob: Option<f32>| TokenRow {
            id,
            bytes: bytes.to_vec(),
            author: if logprob.is_some() { Author::Model } else { Author::Typed },
            logprob,
            rank: logprob.map(|_| 3),
            entropy: logprob.map(|_| 1.5),
        };
        vec![
            row(1, b"\n<b>,\"", None),
            row(2, b" |`x`", Some(-0.25)),
            row(3, b"\xe4\xb8", Some(-1.0)),
            row(4, b"\xad\x1b[2J&", Some(-7.5)),
        ]
    }

    #[test]
    fn a_table_is_read_back_by_any_reader() {
        let text = csv(&rows()).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap(), COLUMNS.as_slice());
        let read: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(read.len(), 4);
        for (at, (record, row)) in read.iter().zip(rows()).enumerate() {
            assert_eq!(&record[0], at.to_string());
            assert_eq!(&record[1], row.id.to_string());
            assert_eq!(unescape_bytes(&record[2]).unwrap(), row.bytes);
            assert_eq!(record[4].parse().ok(), row.logprob);
        }
        assert_eq!((&read[0][3], &read[0][4], &read[1][3], &read[1][5]), ("typed", "", "model", "3"));
    }
}
