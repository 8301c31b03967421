use std::collections::HashSet;
use std::sync::LazyLock;

use kshot::text::{SpecialTokens, Tokenizer};
use rand_chacha::ChaCha8Rng;
use rand08::seq::SliceRandom;
use rand08::{Rng, SeedableRng};

use crate::{HARD, r50k};

static GPT2: LazyLock<Tokenizer> = LazyLock::new(|| {
    let (vocab, merges) = r50k::vocab_and_merges();
    Tokenizer::from_vocab_and_merges(vocab.clone(), merges.clone()).unwrap()
});

/// Compares the ids of one text with tiktoken's, both ways of reading special tokens, and the way back to bytes.
fn difference(text: &str) -> Option<String> {
    let tiktoken = tiktoken_rs::r50k_base_singleton();
    let expected = [tiktoken.encode_with_special_tokens(text), tiktoken.encode_ordinary(text)];
    for (special, expected) in [SpecialTokens::Parse, SpecialTokens::Literal].into_iter().zip(expected) {
        let ids = match GPT2.encode(text, special) {
            Ok(ids) => ids,
            Err(e) => return Some(format!("{text:?} {special:?}: {e}")),
        };
        if ids != expected {
            return Some(format!("{text:?} {special:?}: {ids:?}, tiktoken {expected:?}"));
        }
        if GPT2.decode(&ids) != text.as_bytes() {
            return Some(format!("{text:?} {special:?}: the bytes do not come back"));
        }
    }
    None
}

fn check(texts: impl IntoIterator<Item = String>) -> usize {
    let mut count = 0;
    let wrong: Vec<String> = texts.into_iter().inspect(|_| count += 1).filter_map(|text| difference(&text)).collect();
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    count
}

#[test]
fn the_derived_vocabulary_is_gpt2s() {
    let (vocab, merges) = r50k::vocab_and_merges();
    assert_eq!((vocab.len(), merges.len()), (50_257, 50_000));
    // The first merges of the published merges.txt.
    let first: Vec<String> = merges[..6].iter().map(|(a, b)| format!("{a} {b}")).collect();
    assert_eq!(first, ["Ġ t", "Ġ a", "h e", "i n", "r e", "o n"]);
    assert_eq!((GPT2.vocab_size(), GPT2.end_of_text()), (50_257, Some(50_256)));
    assert_eq!((GPT2.token_id("Ġhello"), GPT2.token_id(" hello")), (Some(23_748), None));
    assert!(GPT2.is_special(50_256) && !GPT2.is_special(0));
    assert_eq!((GPT2.bytes(50_256), GPT2.bytes(50_257)), (Some(b"<|endoftext|>".as_slice()), None));
}

#[test]
fn every_id_gives_tiktokens_bytes() {
    let tiktoken = tiktoken_rs::r50k_base_singleton();
    for id in 0..50_257 {
        assert_eq!(GPT2.bytes(id), Some(tiktoken.decode_bytes(&[id]).unwrap().as_slice()), "{id}");
    }
}

#[test]
fn ids_equal_tiktokens_on_hard_texts() {
    let pairs = HARD.iter().flat_map(|a| HARD.iter().map(move |b| format!("{a}{b}")));
    let runs = [" ", "\n", "\t", "\r\n", "a", "-", "1", "爱", "😀", "\u{a0}", "\u{301}"];
    let runs = runs.iter().flat_map(|unit| (1..=40).flat_map(|n| ["", "x", " x"].map(|tail| unit.repeat(n) + tail)));
    assert!(check(HARD.iter().map(|s| s.to_string()).chain(pairs).chain(runs)) > 8_000);
}

#[test]
fn ids_equal_tiktokens_on_every_byte_that_text_can_hold() {
    // Bytes C0, C1 and F5 to FF occur in no UTF-8; the two-byte characters hold C2 to DF, the others the rest.
    let two_byte = (0..0x800).filter_map(char::from_u32);
    let longer = (0x800..0x11_0000).step_by(0x3F).filter_map(char::from_u32);
    let chars: Vec<char> = two_byte.chain(longer).chain(['\u{10FFFF}']).collect();
    let seen: HashSet<u8> = chars.iter().flat_map(|c| c.to_string().into_bytes()).collect();
    assert_eq!(seen.len(), 256 - 2 - 11);
    check(chars.iter().flat_map(|c| [c.to_string(), format!(" {c}"), format!("a{c}b")]));
}

#[test]
fn ids_equal_tiktokens_on_random_texts() {
    let mut rng = ChaCha8Rng::seed_from_u64(0x6b73_686f);
    let alphabet: Vec<char> = HARD.concat().chars().collect();
    let texts = (0..6_000).map(|i| {
        let len = rng.gen_range(1..60);
        let mut c = || match i % 3 {
            0 => rng.r#gen::<char>(),
            1 => *alphabet.choose(&mut rng).unwrap(),
            _ => *[' ', ' ', '\n', '\t', '\'', 's', 't', 'a', 'B', '1', '.', '我', '\u{301}'].choose(&mut rng).unwrap(),
        };
        (0..len).map(|_| c()).collect::<String>()
    });
    let texts: Vec<String> = texts.collect();
    assert_eq!(check(texts), 6_000);
}

#[test]
fn ids_equal_tiktokens_on_random_ids() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let texts = (0..2_000).map(|_| {
        let ids: Vec<u32> = (0..rng.gen_range(1..30)).map(|_| rng.gen_range(0..50_257)).collect();
        String::from_utf8_lossy(&GPT2.decode(&ids)).into_owned()
    });
    check(texts.collect::<Vec<_>>());
}

#[test]
fn long_runs_are_neither_slow_nor_wrong() {
    let start = std::time::Instant::now();
    check([
        " ".repeat(200_000),
        " ".repeat(200_000) + "x",
        "a".repeat(50_000),
        "\n".repeat(50_000),
        "'".repeat(50_000),
    ]);
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

#[test]
fn both_file_layouts_give_the_same_ids() {
    let (pair, single) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    r50k::write_folder(pair.path());
    r50k::write_tokenizer_json(single.path());
    for folder in [pair.path(), single.path()] {
        let tokenizer = Tokenizer::from_folder(folder).unwrap();
        assert_eq!((tokenizer.vocab_size(), tokenizer.end_of_text()), (50_257, Some(50_256)));
        for text in HARD {
            for special in [SpecialTokens::Parse, SpecialTokens::Literal] {
                assert_eq!(tokenizer.encode(text, special).unwrap(), GPT2.encode(text, special).unwrap(), "{text:?}");
            }
        }
    }
}
