use super::reserved::{SENTENCE, STRING, is_fresh, is_reserved};
use super::*;

#[test]
fn the_same_seed_gives_the_same_stream() {
    let of = |seed| documents(seed).take(200).collect::<Vec<_>>();
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
}

#[test]
fn nothing_reserved_is_in_the_documents() {
    for document in documents(1).take(20_000) {
        assert!(document.trim().len() > 8, "{document:?}");
        for word in document.split(|c: char| !c.is_ascii_alphabetic()) {
            let lower = word.to_lowercase();
            assert!(!(is_fresh(&lower) && is_reserved(STRING, &lower)), "{word} in {document}");
        }
        for line in document.lines() {
            let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
            for three in words.windows(3) {
                assert!(!is_sentence(three) || !is_reserved(SENTENCE, &three.join(" ")), "{three:?} in {document}");
            }
        }
        for format in formats::RESERVED {
            let lines: Vec<&str> = document.lines().take(2).collect();
            let own = |line: &str| {
                line.starts_with(format.before) && !format.before.is_empty() && line.contains(format.middle.trim_end())
            };
            assert!(!own(&lines.join("\n")), "{} in {document}", format.middle);
        }
    }
}

fn is_sentence(three: &[&str]) -> bool {
    ["I", "you", "he", "she", "we"].contains(&three[0])
        && ["love", "like", "see", "ha", "have", "want", "know"].contains(&three[1].trim_end_matches('s'))
        && words::WORDS.noun(three[2]).is_some()
}

#[test]
fn own_stories_are_consistent_and_spoiled_ones_are_not() {
    let (mut own, mut spoiled) = (Consistency::default(), Consistency::default());
    for story in stories(1).take(2_000) {
        let found = consistency(&story);
        assert_eq!(found.kept, found.checked, "{story}");
        own.checked += found.checked;
        let middle = story.len() / 2;
        let at = (middle..story.len()).find(|at| story.is_char_boundary(*at)).unwrap_or(0);
        let swapped = swap(&story[at..]);
        let found = consistency(&format!("{}{swapped}", &story[..at]));
        spoiled.kept += found.kept;
        spoiled.checked += found.checked;
    }
    assert!(own.checked > 10_000, "{own:?}");
    assert!(spoiled.kept * 10 < spoiled.checked * 9, "{spoiled:?}");
}

/// Other people, other colours.
fn swap(text: &str) -> String {
    let names: Vec<&str> = words::WORDS.names.iter().map(|name| name[0]).collect();
    let colours: Vec<&str> = words::WORDS.colours.iter().map(|colour| colour[0]).collect();
    text.split_inclusive(|c: char| !c.is_alphabetic())
        .map(|piece| {
            let word = piece.trim_end_matches(|c: char| !c.is_alphabetic());
            for list in [&names, &colours] {
                if let Some(at) = list.iter().position(|other| *other == word) {
                    return piece.replace(word, list[(at + 5) % list.len()]);
                }
            }
            piece.to_owned()
        })
        .collect()
}
