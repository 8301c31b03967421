//! Answers of the terminal: never input, whenever and in however many pieces they come.

use super::*;

/// One of each kind that terminals send.
pub(super) const REPLIES: [&str; 26] = [
    "\x1b]10;rgb:d0d0/d0d0/d0d0\x1b\\",
    "\x1b]11;rgb:ffff/ffff/ffff\x07",
    "\x1b]11;rgba:1e1e/1e1e/2e2e/ffff\x1b\\",
    "\x1b]4;1;rgb:cdcd/0000/0000\x07",
    "\x1b]52;c;cm0gLXJmIH4K\x1b\\",
    "\x1b]52;c;cm0gLXJmIH4K\x07",
    "\x1b]lThe title\x1b\\",
    "\x1b]1337;ReportCellSize=16.0;8.0;2.0\x1b\\",
    "\x1b[?62;22c",
    "\x1b[?65;1;2;4;6;9;15;16;17;18;21;22;28;29c",
    "\x1b[>0;276;0c",
    "\x1b[=0c",
    "\x1b[?2026;2$y",
    "\x1b[4;1$y",
    "\x1b[?997;1n",
    "\x1b[0n",
    "\x1b[24;80R",
    "\x1b[1;5R",
    "\x1b[?24;80;1R",
    "\x1b[8;24;80t",
    "\x1b[?1u",
    "\x1b[>4;2m",
    "\x1bP>|tmux 3.3a\x1b\\",
    "\x1bP!|7E565445\x1b\\",
    "\x1bP1+r544e=787465726d\x1b\\",
    "\x1b_Gi=31;OK\x1b\\",
];

/// Whether all that came is ESC, or Alt with what may begin a sequence: what a pause right after those means cannot be
/// known.
fn is_harmless(events: &[Event]) -> bool {
    events.iter().all(|event| match event {
        Event::Key(key) => match key.code {
            KeyCode::Esc => true,
            KeyCode::Char(c) => key.modifiers.difference(SHIFT) == ALT && "[]P_".contains(c),
            _ => false,
        },
        _ => false,
    })
}

#[test]
fn a_reply_is_no_input_wherever_it_is_split_and_however_late_the_rest_comes() {
    for reply in REPLIES {
        let bytes = reply.as_bytes();
        assert_eq!(decode(bytes), [], "{reply:?}");
        for split in 1..bytes.len() {
            for gap in [1, 20, 45, 120, 300, 450, 1000, 2500] {
                let mut fed = Fed::new();
                fed.read(&bytes[..split]).wait(gap).read(&bytes[split..]).wait(200);
                let events = fed.events();
                assert!(is_harmless(&events), "{reply:?} at {split} after {gap} ms: {events:?}");
                // Where the rest comes at once there is not even that.
                assert!(gap > 20 || events.is_empty(), "{reply:?} at {split} after {gap} ms: {events:?}");
                assert_eq!(typed(&fed.read("a").wait(50).events()), "a", "{reply:?} at {split}");
            }
        }
    }
}

#[test]
fn a_reply_byte_by_byte_is_no_input() {
    for reply in REPLIES {
        for gap in [0, 1, 5, 15, 25] {
            let mut fed = Fed::new();
            for byte in reply.bytes() {
                fed.read([byte]).wait(gap);
            }
            assert_eq!(fed.wait(200).events(), [], "{reply:?} every {gap} ms");
        }
    }
}

#[test]
fn a_reply_that_is_cut_off_for_good_is_no_text_and_keeps_no_key() {
    for reply in REPLIES {
        let bytes = reply.as_bytes();
        for cut in 1..bytes.len() {
            for gap in [3100, 10_000] {
                let mut fed = Fed::new();
                let events = fed.read(&bytes[..cut]).wait(gap).events();
                assert!(is_harmless(&events), "{reply:?} up to {cut}: {events:?}");
                assert_eq!(typed(&fed.read("c").wait(50).read("d").wait(50).events()), "cd", "{reply:?} up to {cut}");
            }
            // A control key is one at once.
            let mut fed = Fed::new();
            fed.read(&bytes[..cut]).wait(1).events();
            let events = fed.read("\x03").wait(50).read("d").wait(50).events();
            assert!(events.contains(&key(KeyCode::Char('c'), CONTROL)), "{reply:?} up to {cut}: {events:?}");
            assert_eq!(typed(&events), "d", "{reply:?} up to {cut}");
        }
    }
}

#[test]
fn typing_does_not_keep_a_string_open() {
    let mut fed = Fed::new();
    fed.read("\x1b]11;rgb:ff");
    for _ in 0..20 {
        fed.wait(100).read("a");
    }
    let kept = typed(&fed.events()).len();
    assert!(kept >= 15, "{kept} of 20 letters arrived");
}

#[test]
fn the_colours_of_a_terminal_are_understood() {
    let replies = |bytes: &str| {
        let mut fed = Fed::new();
        fed.read(bytes).wait(200);
        fed.out
    };
    // ESC alone: rxvt-unicode before 9.31.
    for end in ["\x07", "\x1b\\", "\x1b"] {
        let out = replies(&format!("\x1b]11;rgb:ffff/ffff/ffff{end}"));
        assert!(matches!(out[..], [Decoded::Reply(Reply::Colour(..))]), "{end:?}: {out:?}");
    }
    let two = replies("\x1b]10;rgb:0/0/0\x1b\x1b]11;rgb:f/f/f\x1b");
    assert!(matches!(two[..], [Decoded::Reply(Reply::Colour(..)), Decoded::Reply(Reply::Colour(..))]), "{two:?}");
    assert_eq!(replies("\x1b[?0u"), [Decoded::Reply(Reply::Kitty)]);
}

#[test]
fn a_clipboard_of_two_megabytes_that_was_not_asked_for_is_no_input() {
    let mut fed = Fed::new();
    fed.read("\x1b]52;c;");
    for part in 0..500 {
        // The line stalls now and then.
        fed.wait(if part % 100 == 99 { 1500 } else { 0 }).read([b'Q'; 4096]);
    }
    fed.read("==\x1b\\x");
    assert_eq!(fed.events(), [key(KeyCode::Char('x'), NONE)]);
}
