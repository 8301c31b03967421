//! The text layer against GPT-2's real vocabulary, with tiktoken as the independent reference, and the sanitiser
//! against every character and a corpus of attacks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

#[path = "support/r50k.rs"]
mod r50k;

use std::collections::HashSet;
use std::sync::LazyLock;

use kshot::text::{CellKind, SpecialTokens, TextError, Tokenizer, Utf8Assembler, cells, sanitise};
use rand_chacha::ChaCha8Rng;
use rand08::seq::SliceRandom;
use rand08::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokenizers::utils::SysRegex;
use unicode_segmentation::UnicodeSegmentation;

static GPT2: LazyLock<Tokenizer> = LazyLock::new(|| {
    let (vocab, merges) = r50k::vocab_and_merges();
    Tokenizer::from_vocab_and_merges(vocab.clone(), merges.clone()).unwrap()
});

/// Texts that have broken tokenizers before.
const HARD: &[&str] = &[
    "",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\n\n\n",
    "\t",
    "\r\n",
    "\r",
    "\0",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{ad}",
    "\u{3000}",
    "Hello, world!",
    " Hello",
    "Hello ",
    "Hello  world",
    "  Hello",
    "Hello\n",
    "a\n b\n  c\n   d",
    "\n a",
    " \n a",
    "a \n",
    "I'm you're we've they'll he'd it's can't DON'T I'M Y'ALL rock'n'roll '90s 'tis ''s '' ' 's 't're",
    "don\u{2019}t it\u{2019}s",
    "123 1234 12345 1,234.56 1e-10 0x1F 2^10 ½ ² Ⅷ ٣ ४ 一二三",
    "3.14159265358979323846",
    "fn main() {\n    let x = vec![1, 2, 3];\n\tprintln!(\"{:?}\", x);\n}\n",
    "<div class=\"a\">&nbsp;</div>",
    "if (a != b && c <= d) { return ~(x ^ y) << 3; } // todo",
    "SELECT * FROM t WHERE a='b';--",
    "https://a.b/c?d=e&f=%20#g",
    "我爱计算机",
    "Translate it, I love computer, 我爱计算机",
    "日本語のテキスト、カタカナとひらがな。",
    "한국어 텍스트",
    "ภาษาไทย",
    "हिन्दी में",
    "தமிழ்",
    "Ελληνικά",
    "Кириллица",
    "العربية من اليمين",
    "עברית \u{202b}x\u{202c}",
    "ﷺ",
    "ß ſ İ ı ﬁ",
    "e\u{301} é ễ Z\u{351}\u{36b}\u{343}a\u{30a}",
    "नि \u{93f}",
    "ᄒ\u{1161}\u{11ab}",
    "😀",
    "👍🏽",
    "👨‍👩‍👧‍👦",
    "🏳️‍🌈",
    "🇨🇳🇫🇷",
    "1️⃣",
    "❤️ ❤",
    "😀😀😀 😀",
    "a😀b",
    "\u{1F3F4}\u{E0067}\u{E0062}\u{E007F}",
    "\u{feff}bom",
    "zero\u{200b}width\u{200d}join",
    "\u{fffd}",
    "\u{10ffff}",
    "\u{e000}",
    "𝒜𝓃𝓉",
    "𐍈𐎀",
    "<|endoftext|>",
    "a<|endoftext|>b",
    " <|endoftext|> ",
    "<|endoftext|><|endoftext|>",
    "<|endoftext",
    "|endoftext|>",
    "<|endoftext|>\n",
    "<<|endoftext|>>",
    "<|ENDOFTEXT|>",
    "<|endoftext|>我",
    "<| endoftext |>",
    "SolidGoldMagikarp",
    " petertodd",
    "ÃÂÃÂÃÂÃÂ",
    "————————",
    "...........",
    "????!!!!",
    "-=-=-=-=",
    "aaaaaaaaaaaaaaaaaaaa",
];

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

/// A byte-level vocabulary of the 256 bytes, `ab`, and `<|endoftext|>`, as a tokenizer.json.
fn tiny_json() -> Value {
    let mut vocab: serde_json::Map<String, Value> =
        (0..=255u8).map(|b| (kshot::text::byte_symbol(b).to_string(), json!(b))).collect();
    vocab.insert("ab".to_owned(), json!(256));
    json!({
        "added_tokens": [{"id": 300, "content": "<|endoftext|>", "special": true}],
        "normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "decoder": null,
        "model": {"type": "BPE", "vocab": vocab, "merges": ["a b"]}
    })
}

fn load_json(json: &Value, beside: &[(&str, &str)]) -> Result<Tokenizer, TextError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), json.to_string()).unwrap();
    for (name, content) in beside {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    Tokenizer::from_folder(folder.path())
}

#[test]
fn declarations_that_would_change_ids_have_no_effect() {
    let plain = load_json(&tiny_json(), &[]).unwrap();
    let long = "ab ".repeat(50) + "<|endoftext|>";
    let expected = plain.encode(&long, SpecialTokens::Parse).unwrap();
    assert_eq!((expected.len(), expected.last(), plain.vocab_size()), (2 * 50 + 1, Some(&300), 301));
    assert_eq!((plain.bytes(299), plain.bytes(300)), (None, Some(b"<|endoftext|>".as_slice())));

    let mut json = tiny_json();
    json["truncation"] = json!({"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0});
    json["padding"] = json!({"strategy": {"Fixed": 512}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "!"});
    json["post_processor"] = json!({"type": "TemplateProcessing", "pair": [],
        "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [300], "tokens": ["<|endoftext|>"]}}});
    json["pre_tokenizer"]["add_prefix_space"] = json!(true);
    assert_eq!(load_json(&json, &[]).unwrap().encode(&long, SpecialTokens::Parse).unwrap(), expected);
}

#[test]
fn special_tokens_come_from_every_file_that_names_them() {
    let config = r#"{"eos_token": {"content": "<eos>"}, "pad_token": "[PAD]", "add_bos_token": false,
        "added_tokens_decoder": {"301": {"content": "<eos>", "special": true}}}"#;
    let map = r#"{"bos_token": "<bos>", "additional_special_tokens": ["<x>"]}"#;
    let ids = r#"{"<bos>": 302, "<x>": 303, "<plain>": 304}"#;
    let beside = [("tokenizer_config.json", config), ("special_tokens_map.json", map), ("added_tokens.json", ids)];
    let tokenizer = load_json(&tiny_json(), &beside).unwrap();
    assert_eq!((tokenizer.end_of_text(), tokenizer.token_id("[PAD]")), (Some(301), None));
    let special: Vec<u32> = (0..400).filter(|&id| tokenizer.is_special(id)).collect();
    assert_eq!(special, [300, 301, 302, 303]);
    let ids = tokenizer.encode("<bos>ab<x><plain><eos>", SpecialTokens::Parse).unwrap();
    assert_eq!(ids, [302, 256, 303, 304, 301]);
    assert!(tokenizer.encode("<bos>", SpecialTokens::Literal).unwrap().iter().all(|&id| id < 256));
}

#[test]
fn components_that_are_not_byte_level_are_refused_by_name() {
    let cases: &[(&str, Value, &str)] = &[
        ("/model/type", json!("WordPiece"), "model WordPiece"),
        ("/model/type", json!("Unigram"), "model Unigram"),
        ("/model/end_of_word_suffix", json!("</w>"), "end_of_word_suffix \"</w>\""),
        ("/model/continuing_subword_prefix", json!("##"), "continuing_subword_prefix"),
        ("/model/byte_fallback", json!(true), "byte_fallback"),
        ("/model/dropout", json!(0.1), "dropout"),
        ("/normalizer", json!({"type": "BertNormalizer"}), "normalizer BertNormalizer"),
        ("/pre_tokenizer", json!({"type": "Metaspace"}), "pre_tokenizer Metaspace"),
        ("/pre_tokenizer", json!(null), "pre_tokenizer none"),
        ("/pre_tokenizer", json!({"type": "Sequence", "pretokenizers": []}), "Sequence without steps"),
        ("/pre_tokenizer", json!({"type": "Sequence", "pretokenizers": [{"type": "Digits"}]}), "ends with Digits"),
        (
            "/pre_tokenizer",
            json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "ByteLevel"}]}),
            "WhitespaceSplit",
        ),
        ("/decoder", json!({"type": "WordPiece"}), "decoder WordPiece"),
        ("/model/vocab/Ġ", json!(null), "not a token id"),
        ("/model/vocab/ab", json!(1), "as another token has"),
        ("/model/vocab/ab", json!(4_000_000_000u32), "above the limit"),
        ("/model/vocab/ab", json!(-1), "not a token id"),
        ("/model/vocab", json!([["a", -1.0]]), "not an object"),
        ("/model/merges", json!(["a b c"]), "merge 0"),
        ("/model/merges", json!(["a b", "ab c"]), "merge 1 (ab c): \"abc\" is not in the vocabulary"),
        ("/model/merges", json!(["xxxx yyyy"]), "is not in the vocabulary"),
        ("/added_tokens", json!([{"content": "x"}]), "without an id"),
        ("/added_tokens", json!([{"id": 4_000_000_000u32, "content": "xx"}]), "above the limit"),
        ("/added_tokens", json!([{"id": 5, "content": "<x>"}]), "as another token has"),
        ("/added_tokens", json!([{"id": 400, "content": "ab"}]), "has the ids 256 and 400"),
        ("/model", json!(null), "malformed"),
    ];
    let mut wrong = Vec::new();
    for (place, value, expected) in cases {
        let mut json = tiny_json();
        let (parent, key) = place.rsplit_once('/').unwrap();
        json.pointer_mut(parent).unwrap()[key] = value.clone();
        match load_json(&json, &[]) {
            Ok(_) => wrong.push(format!("{place} = {value}: accepted")),
            Err(e) if !e.to_string().contains(expected) || !e.to_string().contains("tokenizer.json") => {
                wrong.push(format!("{place} = {value}: {e}"));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn broken_files_are_named_with_the_reason() {
    let tiny = tiny_json();
    let vocab = tiny["model"]["vocab"].to_string();
    type Files<'a> = &'a [(&'a str, &'a [u8])];
    let cases: [(Files, &str); 10] = [
        (&[], "missing: all of them"),
        (&[("vocab.json", b"{}")], "missing: merges.txt"),
        (&[("merges.txt", b"")], "missing: vocab.json"),
        (&[("tokenizer.json", b"<html>")], "expected value at line 1"),
        (&[("tokenizer.json", b"\xFF\xFE")], "malformed"),
        (&[("tokenizer.json", b"{}")], "no `model`"),
        (&[("vocab.json", vocab.as_bytes()), ("merges.txt", b"#version: 0.2\na b\nx\n")], "line 3 is not a pair"),
        (&[("vocab.json", vocab.as_bytes()), ("merges.txt", b"a \xFF")], "not UTF-8"),
        (&[("vocab.json", b"{\"the</w>\": 0}"), ("merges.txt", b"")], "without `Ġ`"),
        (
            &[("vocab.json", vocab.as_bytes()), ("merges.txt", b"a b"), ("added_tokens.json", b"[]")],
            "added_tokens.json is malformed",
        ),
    ];
    for (files, reason) in cases {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let error = Tokenizer::from_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains(reason), "{reason:?} expected, got: {error}");
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
    }
}

#[test]
fn text_that_the_vocabulary_cannot_spell_is_an_error() {
    let mut json = tiny_json();
    json["model"]["vocab"].as_object_mut().unwrap().remove("z");
    json["added_tokens"][0]["lstrip"] = json!(true);
    let tokenizer = load_json(&json, &[]).unwrap();
    for (text, offset) in [("abz!", 2), ("爱z", 3), ("a <|endoftext|>", 1)] {
        match tokenizer.encode(text, SpecialTokens::Parse) {
            Err(TextError::NotCovered { offset: at, .. }) => assert_eq!(at, offset, "{text:?}"),
            other => panic!("{text:?}: {other:?}"),
        }
    }
    assert!(tokenizer.encode("ab", SpecialTokens::Parse).is_ok());
}

/// Terminal attacks (reliability: title report, DECRQSS, OSC 8/50/52, graphics, device queries, C1, bidi, tags, zalgo).
static ATTACKS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let raw = [
        "\x1b]0;evil\x07\x1b[21t",
        "\x1b]2;evil\x1b\\",
        "\x1bP$q\"p\x1b\\",
        "\x1bP+q544e\x1b\\",
        "\x1b]50;?\x07",
        "\x1b]52;c;cm0gLXJmIC8=\x07",
        "\x1b]8;;http://x\x07y\x1b]8;;\x07",
        "\x1b]7;file://h/p\x07",
        "\x1b]1337;File=:AAAA\x07",
        "\x1b_Ga=T;AAAA\x1b\\",
        "\x1bPq#0;2;0;0;0\x1b\\",
        "\x1b[H\x1b[2J",
        "\x1b[?1049h",
        "\x1b[?25l",
        "\x1bc",
        "\x1b[8m",
        "\x1b[6n",
        "\x1b[c",
        "\x1b[>q",
        "\x1b[0c",
        "\x1b[?2004l",
        "\x1b[201~rm -rf /\r",
        "\x1b[31mred",
        "\x1b]4;1;?\x07",
        "\x1b]10;?\x07",
        "\x1b]104\x07",
        "\x1b#8",
        "\x1b(0",
        "\x1bN",
        "\x1b^x\x1b\\",
        "\x1bX",
        "\x1b[?1000h",
        "\x1b[5i",
        "\x1b]unterminated",
        "\x1bP",
        "\x1b",
        "\u{9b}21t",
        "\u{9d}0;x\u{9c}",
        "\u{90}$q\u{9c}",
        "\u{85}",
        "\u{8d}",
        "\x07\x07\x07",
        "\x08\x08\x08rm",
        "abc\rxyz",
        "\x0e\x0f",
        "\x7f\x7f",
        "\x0b\x0c",
        "\0\x05",
        "a\r\nb",
        "\u{202e}deined\u{202c}",
        "\u{2066}a\u{2069}",
        "\u{061c}\u{200e}\u{200f}",
        "in\u{200b}vis\u{2060}ible\u{feff}",
        "\u{00ad}\u{180e}\u{034f}",
        "\u{e0001}\u{e0068}\u{e0069}",
        "a\u{fe00}\u{e0100}",
        "\u{2028}\u{2029}",
        "a\u{200d}b\u{200c}c",
        "👨\u{200d}👩 \u{200d}x 👨\u{200d}",
        "\u{115f}\u{1160}\u{3164}\u{ffa0}",
        "\u{1161}\u{11ab}",
        "\u{d4e}\u{d4e}\u{d4e}a",
        "\u{301}\u{301}x",
    ];
    let floods = [
        ("Z", "\u{351}"),
        ("ᄀ", "ᄀ"),
        ("👨", "\u{200d}👨"),
        ("क", "\u{94d}क"),
        ("\u{d4e}", "\u{d4e}"),
        ("1", "\u{20e3}"),
    ];
    let floods = floods.into_iter().flat_map(|(base, more)| [12, 200].map(|n| format!("{base}{}", more.repeat(n))));
    raw.into_iter().map(str::to_owned).chain(floods).collect()
});

/// Control and format characters, separators, and everything that is ignorable: by the regex engine's own tables.
static FORBIDDEN: LazyLock<SysRegex> =
    LazyLock::new(|| SysRegex::new(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]").unwrap());
static JOINED_EMOJI: LazyLock<SysRegex> = LazyLock::new(|| {
    let element = r"\p{Extended_Pictographic}\x{FE0F}?[\x{1F3FB}-\x{1F3FF}]?";
    SysRegex::new(&format!(r"{element}(\x{{200D}}{element})*|[0-9#*]\x{{FE0F}}\x{{20E3}}")).unwrap()
});

/// What is wrong with a text as shown, if anything.
fn unsafe_part(shown: &str, allowed: &[&str]) -> Option<String> {
    let emoji: Vec<(usize, usize)> = JOINED_EMOJI.find_iter(shown).collect();
    let inside_emoji = |at: usize| emoji.iter().any(|&(start, end)| (start..end).contains(&at));
    for (start, end) in FORBIDDEN.find_iter(shown) {
        let found = &shown[start..end];
        if !allowed.contains(&found) && !(matches!(found, "\u{200d}" | "\u{fe0f}") && inside_emoji(start)) {
            return Some(format!("{found:?} at {start} of {shown:?}"));
        }
    }
    let too_long = shown.graphemes(true).find(|g| g.len() > 64)?;
    Some(format!("a grapheme of {} bytes in {shown:?}", too_long.len()))
}

/// Every face of the sanitiser on one text: nothing forbidden comes out, and a second pass changes nothing.
fn leak(raw: &str) -> Option<String> {
    let (text, line) = (sanitise::text(raw), sanitise::line(raw));
    let problem = unsafe_part(&text, &["\n", "\t"])
        .or_else(|| unsafe_part(&line, &[]))
        .or_else(|| unsafe_part(&sanitise::token_label(raw.as_bytes()), &[]))
        .or_else(|| (sanitise::text(&text) != text).then(|| format!("text is not idempotent: {text:?}")))
        .or_else(|| (sanitise::line(&line) != line).then(|| format!("line is not idempotent: {line:?}")));
    problem.or_else(|| cell_problem(raw.as_bytes())).map(|problem| format!("{raw:?}: {problem}"))
}

fn cell_problem(source: &[u8]) -> Option<String> {
    let mut at = 0;
    for cell in cells(source) {
        if cell.range.start != at || cell.range.is_empty() {
            return Some(format!("a cell at {:?} where {at} was due", cell.range));
        }
        at = cell.range.end;
        if (cell.width == 0) != (cell.kind == CellKind::Newline) {
            return Some(format!("{cell:?} has a width that its kind has not"));
        }
        if let Some(problem) = unsafe_part(&cell.text, &[]) {
            return Some(problem);
        }
    }
    (at != source.len()).then(|| format!("the cells end at {at} of {}", source.len()))
}

fn report(leaks: impl Iterator<Item = String>) {
    let leaks: Vec<String> = leaks.collect();
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks[..leaks.len().min(20)].join("\n"));
}

#[test]
fn no_character_steers_a_terminal() {
    report((0..=0x10_FFFF).filter_map(char::from_u32).filter_map(|c| {
        // Alone, as a second character, before one, and joined: that is where the grapheme rules differ.
        [format!("{c}"), format!("a{c}"), format!("{c}a"), format!("👨\u{200d}{c}")].iter().find_map(|raw| leak(raw))
    }));
}

#[test]
fn no_pair_of_bytes_steers_a_terminal() {
    report((0..=u16::MAX).filter_map(|pair| {
        let bytes = pair.to_be_bytes();
        let lossy = String::from_utf8_lossy(&bytes);
        let label = unsafe_part(&sanitise::token_label(&bytes), &[]);
        leak(&lossy).or(label).or_else(|| cell_problem(&bytes)).map(|problem| format!("{bytes:02x?}: {problem}"))
    }));
}

#[test]
fn attacks_are_harmless_however_they_are_cut() {
    assert!(ATTACKS.len() >= 60);
    report(ATTACKS.iter().flat_map(|attack| {
        let bytes = attack.as_bytes();
        let cuts = (0..=bytes.len()).filter_map(|cut| {
            let mut assembler = Utf8Assembler::new();
            let parts = [assembler.push(&bytes[..cut]), assembler.push(&bytes[cut..]), assembler.finish()];
            assert_eq!(parts.concat(), *attack);
            parts.iter().find_map(|part| leak(part)).or_else(|| cell_problem(&bytes[..cut]))
        });
        cuts.collect::<Vec<_>>()
    }));
}

#[test]
fn random_mixtures_of_attacks_are_harmless() {
    let mut rng = ChaCha8Rng::seed_from_u64(33);
    let chars: Vec<char> = ATTACKS.concat().chars().chain(HARD.concat().chars()).collect();
    report((0..60_000).filter_map(|_| {
        let raw: String = (0..rng.gen_range(1..24)).map(|_| *chars.choose(&mut rng).unwrap()).collect();
        leak(&raw)
    }));
}

#[test]
fn replacements_are_visible_and_say_what_was_there() {
    let cases = [
        ("plain text, 我爱计算机\n\tend", "plain text, 我爱计算机\n\tend", "plain text, 我爱计算机↵ end"),
        ("\x1b[2J", "␛[2J", "␛[2J"),
        ("a\rb\r\nc", "a␍b␍\nc", "a␍b␍↵c"),
        ("\x7f\u{9b}\u{202e}", "␡<0x9B>⟨U+202E⟩", "␡<0x9B>⟨U+202E⟩"),
        ("👨‍👩‍👧‍👦 ❤️ 1️⃣ 👍🏽 🏳️‍🌈", "👨‍👩‍👧‍👦 ❤️ 1️⃣ 👍🏽 🏳️‍🌈", "👨‍👩‍👧‍👦 ❤️ 1️⃣ 👍🏽 🏳️‍🌈"),
        ("a\u{200d}b x\u{fe0f}", "a⟨U+200D⟩b x⟨U+FE0F⟩", "a⟨U+200D⟩b x⟨U+FE0F⟩"),
        ("e\u{301} \n\u{301}", "e\u{301} \n◌\u{301}", "e\u{301} ↵\u{301}"),
    ];
    for (raw, text, line) in cases {
        assert_eq!(sanitise::text(raw), text, "{raw:?}");
        if !raw.contains('\u{301}') {
            assert_eq!(sanitise::line(raw), line, "{raw:?}");
        }
    }
    let zalgo = format!("Z{}", "\u{351}".repeat(100));
    assert_eq!(sanitise::text(&zalgo), format!("Z{}⟨+92⟩", "\u{351}".repeat(8)));
    let labels: &[(&[u8], &str)] = &[
        (b" the", "␣the"),
        (b"\n\n", "↵↵"),
        (b"\t", "⇥"),
        (b"\r\n", "␍↵"),
        (b"\xE6\x88", "<0xE6><0x88>"),
        ("我".as_bytes(), "我"),
        (b"\x1b", "␛"),
        (b"", ""),
        ("\u{a0}".as_bytes(), "\u{a0}"),
    ];
    for (bytes, label) in labels {
        assert_eq!(sanitise::token_label(bytes), *label, "{bytes:02x?}");
    }
}

#[test]
fn cells_map_a_screen_back_to_bytes() {
    let source = b"a\xE6\x88\x91\t\n\x1b\xFF\r\n\xE7\x88";
    let shown: Vec<_> = cells(source).map(|c| (c.range, c.text.into_owned(), c.width, c.kind)).collect();
    let expected = [
        (0..1, "a", 1, CellKind::Text),
        (1..4, "我", 2, CellKind::Text),
        (4..5, "    ", 4, CellKind::Tab),
        (5..6, "", 0, CellKind::Newline),
        (6..7, "␛", 1, CellKind::Replaced),
        (7..8, "\u{FFFD}", 1, CellKind::Invalid),
        (8..9, "␍", 1, CellKind::Replaced),
        (9..10, "", 0, CellKind::Newline),
        (10..12, "\u{FFFD}", 1, CellKind::Partial),
    ];
    assert_eq!(shown, expected.map(|(range, text, width, kind)| (range, text.to_owned(), width, kind)));
}
