//! Searching in a text, which need not be UTF-8.

use std::ops::Range;

use regex::bytes::RegexBuilder;

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The places, in order.
    pub places: Vec<Range<usize>>,
    /// There are more than [`MOST_PLACES`]; those after them were not looked for.
    pub more: bool,
}

/// The most places a search gives: a letter in ten million bytes has fewer than this, and it bounds the memory.
pub const MOST_PLACES: usize = 1_000_000;

/// Where `query` stands in `bytes`, without overlaps. Letters of either case match a query in small letters; one with a
/// capital is taken exactly (smart case). An empty query is nowhere.
///
/// # Errors
/// The query is too long to search for.
pub fn find(bytes: &[u8], query: &str) -> Result<Found, String> {
    if query.is_empty() {
        return Ok(Found::default());
    }
    let exact = query.chars().any(char::is_uppercase);
    let pattern = RegexBuilder::new(&regex::escape(query)).case_insensitive(!exact).build();
    let pattern = pattern.map_err(|_| format!("{} bytes are too many to search for", query.len()))?;
    let mut found = pattern.find_iter(bytes).map(|found| found.range());
    let places = found.by_ref().take(MOST_PLACES).collect();
    Ok(Found { places, more: found.next().is_some() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]
mod tests {
    use super::*;

    fn places(text: &str, query: &str) -> Vec<String> {
        let found = find(text.as_bytes(), query).unwrap();
        assert!(!found.more);
        found.places.into_iter().map(|range| text.get(range).unwrap().to_owned()).collect()
    }

    #[test]
    fn small_letters_match_both_cases_and_a_capital_only_itself() {
        assert_eq!(places("Water water WATER", "water"), ["Water", "water", "WATER"]);
        assert_eq!(places("Water water WATER", "Water"), ["Water"]);
        assert_eq!(places("École école", "école"), ["École", "école"]);
        assert_eq!(places("École école", "É"), ["É"]);
        assert_eq!(places("aaaa", "aa"), ["aa", "aa"]);
        assert_eq!(places("a.b a+b axb", "a.b"), ["a.b"], "a query is no pattern");
        assert_eq!(places("我爱计算机", "计算"), ["计算"]);
        assert!(places("abc", "").is_empty());
    }

    #[test]
    fn bytes_that_are_no_text_are_passed_over() {
        let found = find(b"a\xff\xe4\xb8water\xf0", "WATER".to_lowercase().as_str()).unwrap();
        assert_eq!(found.places, std::slice::from_ref(&(4..9)));
    }

    #[test]
    fn the_number_of_places_is_bounded_and_says_so() {
        let text = vec![b'a'; MOST_PLACES + 1];
        let found = find(&text, "a").unwrap();
        assert_eq!((found.places.len(), found.more), (MOST_PLACES, true));
        assert!(find(b"a", &"long ".repeat(1 << 20)).is_err());
    }
}
