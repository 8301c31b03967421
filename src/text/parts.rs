//! A long text in parts that are cut into tokens one by one.

/// Bytes of a part, about: the tokenizers library takes some hundred bytes for each byte it cuts at once.
const PART: usize = 64 << 10;

/// The longest run of white space, in characters, that is cut as transformers does: GPT-2's pattern looks ahead behind it,
/// and fancy-regex gives up at 1,000,000 places to go back to, whereupon the tokenizers library takes all that follows as
/// one word.
pub(super) const LONGEST_SPACE: usize = 900_000;

/// Where a run of white space longer than [`LONGEST_SPACE`] begins, in bytes.
pub(super) fn overlong_space(text: &str) -> Option<usize> {
    let (mut from, mut count) = (0, 0);
    text.char_indices().filter(|_| text.len() > LONGEST_SPACE).find_map(|(at, c)| {
        if !c.is_whitespace() {
            count = 0;
            return None;
        }
        from = if count == 0 { at } else { from };
        count += 1;
        (count > LONGEST_SPACE).then_some(from)
    })
}

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
    fn a_run_of_white_space_has_a_limit() {
        let run = |count: usize| format!("a{}b", "\n".repeat(count));
        assert_eq!(overlong_space(&run(LONGEST_SPACE)), None);
        assert_eq!(overlong_space(&run(LONGEST_SPACE + 1)), Some(1));
        assert_eq!(overlong_space(&"a \n".repeat(LONGEST_SPACE)), None);
    }

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
