//! A long text in parts that are cut into tokens one by one.

/// Bytes of a part, about: the tokenizers library takes some hundred bytes for each byte it cuts at once.
const PART: usize = 64 << 10;

/// Parts of a text that give the same tokens as the whole: each but the first begins with white space that follows
/// something else. In GPT-2's pattern (openai/gpt-2 `src/encoder.py`) a piece has white space at its start only, and what it
/// looks ahead at lies in the same run of white space, so no piece reaches over such a place.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, left) = rest.split_at(end_of_part(rest));
        rest = left;
        Some(part)
    })
}

fn end_of_part(text: &str) -> usize {
    let from = text.floor_char_boundary(PART);
    let mut before = text[..from].chars().next_back();
    for (at, c) in text[from..].char_indices() {
        if c.is_whitespace() && before.is_some_and(|before| !before.is_whitespace()) {
            return from + at;
        }
        before = Some(c);
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_text_and_begin_with_a_space() {
        let text = "some words,\n\n  and\u{3000}more ".repeat(20_000);
        let all: Vec<&str> = parts(&text).collect();
        assert_eq!(all.concat(), text);
        assert!(all.len() > 5 && all.iter().all(|part| part.len() < PART + 64), "{}", all.len());
        for part in &all[1..] {
            let mut chars = part.chars();
            assert!(chars.next().is_some_and(char::is_whitespace), "{:?}", part.get(..16));
        }
        assert_eq!(parts("").count(), 0);
        assert_eq!(parts(&"x".repeat(3 * PART)).count(), 1, "there is no place to cut");
    }
}
