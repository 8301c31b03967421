//! The one sanitiser between untrusted text (model output, vocabularies, file names, server messages) and a terminal.
//!
//! Replaces, never deletes, and visibly: C0 as the U+2400 symbols, DEL as `␡`, C1 as `<0x9B>`, bidirectional and
//! invisible characters as `⟨U+202E⟩`; ZWJ and VS16 survive only inside an emoji, tags only in the three flags that
//! Unicode recommends; combining marks and the bytes of one grapheme are capped. Every function is idempotent.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

/// Zero-width characters that one grapheme may carry; the rest are counted, not shown.
const MAX_MARKS: usize = 8;
/// A grapheme of more bytes than this is cut to [`CUT_BYTES`]. The largest emoji of Unicode has 35.
const MAX_BYTES: usize = 64;
const CUT_BYTES: usize = 32;

/// England, Scotland, Wales: the only sequences with tags that Unicode recommends for interchange (UTS #51, ED-14). Any
/// other tags may spell a text that nobody sees.
const TAG_FLAGS: [&str; 3] = [
    "\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
    "\u{1F3F4}\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
    "\u{1F3F4}\u{E0067}\u{E0062}\u{E0077}\u{E006C}\u{E0073}\u{E007F}",
];

const ZWJ: char = '\u{200D}';
const VS16: char = '\u{FE0F}';
const KEYCAP: char = '\u{20E3}';

/// Characters that show nothing or reorder what is around them: general category Cf, the default ignorables, the line
/// and paragraph separators, and the few letters that attach to what follows (grapheme class Prepend), since those
/// would join our replacements. `char::is_control` knows none of them.
const INVISIBLE: &[(u32, u32)] = &[
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x0600, 0x0605),
    (0x061C, 0x061C),
    (0x06DD, 0x06DD),
    (0x070F, 0x070F),
    (0x0890, 0x0891),
    (0x08E2, 0x08E2),
    (0x0D4E, 0x0D4E),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0x110BD, 0x110BD),
    (0x110CD, 0x110CD),
    (0x111C2, 0x111C3),
    (0x113D1, 0x113D1),
    (0x1193F, 0x1193F),
    (0x11941, 0x11941),
    (0x11A3A, 0x11A3A),
    (0x11A84, 0x11A89),
    (0x11D46, 0x11D46),
    (0x11F02, 0x11F02),
    (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
];

/// Document text: newlines and tabs stay, everything else that could steer a terminal becomes visible.
pub fn text(raw: &str) -> Cow<'_, str> {
    rewrite(raw, |c| matches!(c, '\n' | '\t').then(|| String::from(c)))
}

/// A one-line field (a name, a title, an error from elsewhere): a newline becomes `↵`, a tab one space.
pub fn line(raw: &str) -> Cow<'_, str> {
    rewrite(raw, |c| match c {
        '\n' => Some("↵".to_owned()),
        '\t' => Some(" ".to_owned()),
        _ => None,
    })
}

/// A token as a label in a list: space `␣`, tab `⇥`, newline `↵`, bytes that are no character `<0xE2>`.
pub fn token_label(bytes: &[u8]) -> String {
    let mut label = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for grapheme in chunk.valid().graphemes(true) {
            match grapheme {
                "\n" => label.push('↵'),
                "\t" => label.push('⇥'),
                "\r\n" => label.push_str("␍↵"),
                _ => label.push_str(&cluster(grapheme).replace(' ', "␣")),
            }
        }
        for byte in chunk.invalid() {
            label.push_str(&format!("<0x{byte:02X}>"));
        }
    }
    label
}

/// One grapheme cluster as it may be shown. Newlines and tabs are control characters here.
pub(super) fn cluster(grapheme: &str) -> Cow<'_, str> {
    if grapheme.bytes().all(|b| matches!(b, b' '..=b'~')) || TAG_FLAGS.contains(&grapheme) {
        return Cow::Borrowed(grapheme);
    }
    let chars: Vec<char> = grapheme.chars().collect();
    let kept = capped_len(&chars);
    let mut shown = String::with_capacity(grapheme.len());
    let mut has_base = false;
    for (i, &c) in chars[..kept].iter().enumerate() {
        let before = i.checked_sub(1).map(|j| chars[j]);
        let after = chars[..kept].get(i + 1).copied();
        let zero_width = c.width() == Some(0);
        let visible = match replacement(c) {
            Some(_) if joins_emoji(before, c, after) => None,
            // A vowel or final of Hangul without its initial: no width of its own, and nothing to attach to.
            None if zero_width && !has_base && !attaches(c) => Some(code_point(c)),
            visible => visible,
        };
        // A mark without a base would land on whatever cell is to its left.
        if i == 0 && zero_width && visible.is_none() {
            shown.push('◌');
        }
        has_base = visible.is_none();
        match visible {
            Some(visible) => shown.push_str(&visible),
            None => shown.push(c),
        }
    }
    if kept < chars.len() {
        shown.push_str(&format!("⟨+{}⟩", chars.len() - kept));
    }
    if shown == grapheme { Cow::Borrowed(grapheme) } else { Cow::Owned(shown) }
}

fn rewrite(raw: &str, keep: impl Fn(char) -> Option<String>) -> Cow<'_, str> {
    if raw.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    for grapheme in raw.graphemes(true) {
        // "\r\n" is one grapheme and two characters; no other grapheme holds a control beside something else.
        match grapheme {
            "\r\n" => {
                out.push('␍');
                out.push_str(&keep('\n').unwrap_or_default());
            }
            _ => match grapheme.chars().next().and_then(&keep) {
                Some(kept) => out.push_str(&kept),
                None => out.push_str(&cluster(grapheme)),
            },
        }
    }
    if out == raw { Cow::Borrowed(raw) } else { Cow::Owned(out) }
}

/// What stands for a character that must not reach a terminal, or None where it may.
fn replacement(c: char) -> Option<String> {
    let code = u32::from(c);
    match code {
        0x00..=0x1F => char::from_u32(0x2400 + code).map(String::from),
        0x7F => Some("␡".to_owned()),
        0x80..=0x9F => Some(format!("<0x{code:02X}>")),
        _ if is_invisible(code) => Some(code_point(c)),
        _ => None,
    }
}

fn code_point(c: char) -> String {
    format!("⟨U+{:04X}⟩", u32::from(c))
}

fn is_invisible(code: u32) -> bool {
    let after = INVISIBLE.partition_point(|&(first, _)| first <= code);
    after > 0 && code <= INVISIBLE[after - 1].1
}

/// How many characters of a grapheme are shown.
fn capped_len(chars: &[char]) -> usize {
    let bytes: usize = chars.iter().map(|c| c.len_utf8()).sum();
    let room = if bytes > MAX_BYTES { CUT_BYTES } else { MAX_BYTES };
    let (mut used, mut marks) = (0, 0);
    for (i, c) in chars.iter().enumerate() {
        used += c.len_utf8();
        marks += usize::from(c.width() == Some(0));
        if used > room || marks > MAX_MARKS {
            return i;
        }
    }
    chars.len()
}

/// Whether `c` is a joiner or an emoji selector where Unicode's emoji sequences have one (UTS #51, ED-15a and ED-16).
fn joins_emoji(before: Option<char>, c: char, after: Option<char>) -> bool {
    let Some(before) = before else { return false };
    match c {
        VS16 => is_pictograph(before) || (matches!(before, '0'..='9' | '#' | '*') && after == Some(KEYCAP)),
        ZWJ => (is_pictograph(before) || before == VS16 || is_skin_tone(before)) && after.is_some_and(is_pictograph),
        _ => false,
    }
}

fn is_skin_tone(c: char) -> bool {
    matches!(c, '\u{1F3FB}'..='\u{1F3FF}')
}

/// Extended_Pictographic, asked of the segmentation rules themselves: only such characters are joined by a ZWJ (UAX #29,
/// GB11), apart from those that join everything.
fn is_pictograph(c: char) -> bool {
    let joined: String = [c, ZWJ, c].iter().collect();
    joined.graphemes(true).count() == 1 && !attaches(c)
}

/// Whether `c` joins any base before it (UAX #29, GB9).
fn attaches(c: char) -> bool {
    let pair: String = ['a', c].iter().collect();
    pair.graphemes(true).count() == 1
}
