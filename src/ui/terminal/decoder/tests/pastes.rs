//! Bracketed pastes.

use super::*;

fn pasted(text: &str) -> Event {
    Event::Paste(text.to_owned())
}

#[test]
fn a_paste_is_one_event_wherever_it_is_split() {
    let bytes = "a\x1b[200~b\r\x03é\x1b[A\x1b[200~c\x1b[201~d".as_bytes();
    for first in 0..bytes.len() {
        for second in first..bytes.len() {
            let mut fed = Fed::new();
            for part in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                fed.read(part).wait(20);
            }
            let expected =
                [key(KeyCode::Char('a'), NONE), pasted("b\r\x03é\x1b[A\x1b[200~c"), key(KeyCode::Char('d'), NONE)];
            assert_eq!(fed.events(), expected, "{first} {second}");
        }
    }
}

#[test]
fn a_paste_that_never_ends_gives_the_keyboard_back() {
    for keys in ["\x03", "\x1b", "q", "\x11", "\x1b[A"] {
        let mut fed = Fed::new();
        fed.read("\x1b[200~some text").wait(999);
        assert_eq!(fed.events(), []);
        assert_eq!(fed.wait(1).events(), [pasted("some text")], "what came is not lost");
        assert_eq!(fed.read(keys).wait(50).events(), decode(keys));
        assert_eq!(fed.read("x").events(), [key(KeyCode::Char('x'), NONE)]);
    }
}

#[test]
fn a_paste_over_a_line_that_stalls_is_text_to_its_end() {
    let mut fed = Fed::new();
    fed.read("\x1b[200~first\r").wait(2000).read("second\rthird\x1b[20").wait(2000).read("1~x").wait(50);
    let expected = [pasted("first\r"), pasted("second\rthird"), key(KeyCode::Char('x'), NONE)];
    assert_eq!(fed.events(), expected);
}

#[test]
fn the_end_of_a_paste_that_was_given_up_is_no_text() {
    let mut fed = Fed::new();
    fed.read("\x1b[200~text").wait(1500).read("\x03").wait(50).read("\x1b[201~").wait(50);
    assert_eq!(fed.events(), [pasted("text"), key(KeyCode::Char('c'), CONTROL)]);
}

/// What is longer than the bound is refused once, and its end is found.
#[test]
fn a_paste_of_ten_megabytes_is_taken_and_one_of_twenty_refused() {
    for (megabytes, taken) in [(10, true), (20, false)] {
        let mut fed = Fed::new();
        fed.read("\x1b[200~");
        let part = [b'x'; 4096];
        for _ in 0..megabytes << 8 {
            fed.read(part);
        }
        fed.read("\x1b[201~y");
        let length = |decoded: &Decoded| match decoded {
            Decoded::Event(Event::Paste(text)) => Some(text.len()),
            Decoded::PasteRefused => Some(0),
            _ => None,
        };
        let lengths: Vec<_> = fed.out.iter().map(length).collect();
        assert_eq!(lengths, [Some(if taken { megabytes << 20 } else { 0 }), None]);
    }
}
