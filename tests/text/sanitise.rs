use std::sync::LazyLock;

use kshot::text::{CellKind, Utf8Assembler, cells, sanitise};
use rand_chacha::ChaCha8Rng;
use rand08::seq::SliceRandom;
use rand08::{Rng, SeedableRng};
use tokenizers::utils::SysRegex;
use unicode_segmentation::UnicodeSegmentation;

use crate::HARD;
use crate::attacks::ATTACKS;

/// Control and format characters, separators, and everything that is ignorable: by the regex engine's own tables.
static FORBIDDEN: LazyLock<SysRegex> =
    LazyLock::new(|| SysRegex::new(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]").unwrap());
static JOINED_EMOJI: LazyLock<SysRegex> = LazyLock::new(|| {
    let element = r"\p{Extended_Pictographic}\x{FE0F}?[\x{1F3FB}-\x{1F3FF}]?";
    let flag = r"\x{1F3F4}\x{E0067}\x{E0062}(\x{E0065}\x{E006E}\x{E0067}|\x{E0073}\x{E0063}\x{E0074}|\x{E0077}\x{E006C}\x{E0073})\x{E007F}";
    SysRegex::new(&format!(r"{flag}|{element}(\x{{200D}}{element})*|[0-9#*]\x{{FE0F}}\x{{20E3}}")).unwrap()
});

const ENGLAND: &str = "\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}";

/// What is wrong with a text as shown, if anything.
fn unsafe_part(shown: &str, allowed: &[&str]) -> Option<String> {
    let emoji: Vec<(usize, usize)> = JOINED_EMOJI.find_iter(shown).collect();
    let inside_emoji = |at: usize| emoji.iter().any(|&(start, end)| (start..end).contains(&at));
    for (start, end) in FORBIDDEN.find_iter(shown) {
        let found = &shown[start..end];
        let joins = matches!(found.chars().next(), Some('\u{200d}' | '\u{fe0f}' | '\u{e0062}'..='\u{e007f}'))
            && inside_emoji(start);
        if !joins && !allowed.contains(&found) {
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
        (ENGLAND, ENGLAND, ENGLAND),
        ("\u{1F3F4}\u{E0067}\u{E0062}\u{E007F}", "🏴⟨U+E0067⟩⟨U+E0062⟩⟨U+E007F⟩", "🏴⟨U+E0067⟩⟨U+E0062⟩⟨U+E007F⟩"),
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
