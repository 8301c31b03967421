//! Whether the terminal knows the kitty keyboard protocol, asked without keeping the first frame waiting.
//!
//! crossterm's own query waits two seconds for a terminal that does not answer, and nothing can be read meanwhile. Here
//! the question goes out with the modes, and the thread that reads keys takes the answer before its first key. An answer
//! that comes later is swallowed by crossterm's parser.

use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use super::modes;
use super::tty::{Ready, Tty};

/// The current keyboard flags, and the device attributes, which every terminal answers: flags without an answer don't
/// exist once those are there (<https://sw.kovidgoyal.net/kitty/keyboard-protocol/#detection-of-support-for-this-protocol>).
pub(super) const QUESTION: &[u8] = b"\x1b[?u\x1b[c";

const PATIENCE: Duration = Duration::from_millis(250);

/// Whether to ask a terminal of this name.
pub(super) fn may_know(term: Option<&str>) -> bool {
    !matches!(term, None | Some("" | "dumb" | "linux"))
}

/// Takes the answer, turns the protocol on where it is known, and gives the keys that were typed before the answer.
pub(super) fn negotiate(tty: &Tty) -> Vec<Event> {
    if !may_know(std::env::var("TERM").ok().as_deref()) {
        return Vec::new();
    }
    let mut bytes = Vec::new();
    let until = Instant::now() + PATIENCE;
    while parse(&bytes).is_none() {
        let left = until.saturating_duration_since(Instant::now());
        let mut byte = [0];
        // One byte at a time: what follows the answer is left for crossterm.
        match tty.wait(None, Some(left)) {
            Ok(Ready::Keys) if tty.read(&mut byte).is_ok_and(|count| count == 1) => bytes.extend(byte),
            _ => break,
        }
    }
    let answer = parse(&bytes).unwrap_or(Answer { kitty: Kitty::Unknown, typed: bytes });
    if answer.kitty == Kitty::Known {
        // A terminal that can't be written to is noticed where frames are drawn.
        let _ = modes::use_kitty();
    }
    keys(&answer.typed)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kitty {
    Known,
    Unknown,
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    kitty: Kitty,
    /// What is not part of it.
    typed: Vec<u8>,
}

/// The answer, once the device attributes are in.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let mut answer = Answer { kitty: Kitty::Unknown, typed: Vec::new() };
    let mut rest = bytes;
    let mut complete = false;
    while let Some((&first, after)) = rest.split_first() {
        match rest.strip_prefix(b"\x1b[?").and_then(report) {
            Some((b'u', after)) => (answer.kitty, rest) = (Kitty::Known, after),
            Some((b'c', after)) => (complete, rest) = (true, after),
            _ => {
                answer.typed.push(first);
                rest = after;
            }
        }
    }
    complete.then_some(answer)
}

/// The letter that ends a report of numbers, and what comes after it.
fn report(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let numbers = bytes.iter().take_while(|b| b.is_ascii_digit() || **b == b';').count();
    let (end, after) = bytes.get(numbers..)?.split_first()?;
    Some((*end, after))
}

/// Keys from bytes, for the blink of an eye between set-up and answer: text and control keys; sequences are dropped.
fn keys(typed: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    let text = String::from_utf8_lossy(typed);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let (code, modifiers) = match c {
            '\r' | '\n' => (KeyCode::Enter, KeyModifiers::NONE),
            '\t' => (KeyCode::Tab, KeyModifiers::NONE),
            '\x7f' => (KeyCode::Backspace, KeyModifiers::NONE),
            '\x1b' if matches!(chars.peek(), Some('[' | 'O')) => {
                chars.next();
                while chars.next_if(|c| !('\x40'..='\x7e').contains(c)).is_some() {}
                chars.next();
                continue;
            }
            // A late answer to what its ground is: up to BEL or ST.
            '\x1b' if chars.peek() == Some(&']') => {
                while chars.next_if(|c| !matches!(c, '\x07' | '\x1b')).is_some() {}
                if chars.next() == Some('\x1b') {
                    chars.next_if_eq(&'\\');
                }
                continue;
            }
            '\x1b' => (KeyCode::Esc, KeyModifiers::NONE),
            '\x01'..='\x1a' => (KeyCode::Char(char::from(b'a' + c as u8 - 1)), KeyModifiers::CONTROL),
            c if c.is_control() => continue,
            c if c.is_uppercase() => (KeyCode::Char(c), KeyModifiers::SHIFT),
            c => (KeyCode::Char(c), KeyModifiers::NONE),
        };
        events.push(Event::Key(KeyEvent::new(code, modifiers)));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let cases: [(&[u8], Option<(Kitty, &[u8])>); 6] = [
            (b"", None),
            (b"\x1b[?1u", None),
            (b"\x1b[?0u\x1b[?62;22c", Some((Kitty::Known, b""))),
            (b"\x1b[?62c", Some((Kitty::Unknown, b""))),
            (b"a\x1b[?1u\x1b[Ab\x1b[?6c", Some((Kitty::Known, b"a\x1b[Ab"))),
            (b"\x1b[?1;2", None),
        ];
        for (bytes, expected) in cases {
            let expected = expected.map(|(kitty, typed)| Answer { kitty, typed: typed.to_vec() });
            assert_eq!(parse(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn keys_typed_before_the_answer_are_kept() {
        let codes: Vec<KeyCode> =
            keys("aÉ\x1b[A\x1bOP\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b]10;rgb:0/0/0\x07\x11\r\x7f中\x1b".as_bytes())
                .iter()
                .filter_map(|event| event.as_key_event().map(|key| key.code))
                .collect();
        let expected = [
            KeyCode::Char('a'),
            KeyCode::Char('É'),
            KeyCode::Char('q'),
            KeyCode::Enter,
            KeyCode::Backspace,
            KeyCode::Char('中'),
            KeyCode::Esc,
        ];
        assert_eq!(codes, expected);
    }
}
