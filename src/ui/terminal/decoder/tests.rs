//! The decoder under a clock of the test's own: every form of key, answers in pieces, and hostile bytes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use crossterm::event::{KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::*;

mod crossterm_reads;
mod fuzz;
mod pastes;
mod replies;

/// A decoder, its clock, and what came out of it.
struct Fed {
    decoder: Decoder,
    now: Instant,
    out: Vec<Decoded>,
}

impl Fed {
    fn new() -> Self {
        Self { decoder: Decoder::default(), now: Instant::now(), out: Vec::new() }
    }

    /// One read.
    fn read(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.decoder.feed(bytes.as_ref(), self.now, &mut self.out);
        self
    }

    /// Lets time pass as the reader's thread does: it ticks when a deadline is reached.
    fn wait(&mut self, milliseconds: u64) -> &mut Self {
        let until = self.now + Duration::from_millis(milliseconds);
        while let Some(deadline) = self.decoder.deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.decoder.tick(self.now, &mut self.out);
        }
        self.now = until;
        self
    }

    /// What came out since the last call.
    fn events(&mut self) -> Vec<Event> {
        let events = self.out.drain(..).filter_map(|decoded| match decoded {
            Decoded::Event(event) => Some(event),
            Decoded::Reply(_) | Decoded::PasteRefused => None,
        });
        events.collect()
    }
}

/// What an editor would insert for these events: keys that are characters, and pastes.
fn typed(events: &[Event]) -> String {
    let text = events.iter().map(|event| match event {
        Event::Paste(text) => text.clone(),
        Event::Key(key) if key.modifiers.difference(KeyModifiers::SHIFT).is_empty() => match key.code {
            KeyCode::Char(c) => c.to_string(),
            KeyCode::Enter => "\n".to_owned(),
            KeyCode::Tab => "\t".to_owned(),
            _ => String::new(),
        },
        _ => String::new(),
    });
    text.collect()
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

fn decode(bytes: impl AsRef<[u8]>) -> Vec<Event> {
    Fed::new().read(bytes).wait(200).events()
}

const NONE: KeyModifiers = KeyModifiers::NONE;
const SHIFT: KeyModifiers = KeyModifiers::SHIFT;
const ALT: KeyModifiers = KeyModifiers::ALT;
const CONTROL: KeyModifiers = KeyModifiers::CONTROL;

#[test]
fn forms_that_crossterm_does_not_know() {
    let control_alt = CONTROL.union(ALT);
    let cases: [(&[u8], &[Event]); 34] = [
        // modifyOtherKeys
        (b"\x1b[27;5;105~", &[key(KeyCode::Char('i'), CONTROL)]),
        (b"\x1b[27;2;65~", &[key(KeyCode::Char('A'), SHIFT)]),
        (b"\x1b[27;5;13~", &[key(KeyCode::Enter, CONTROL)]),
        (b"\x1b[27;6;9~", &[key(KeyCode::BackTab, CONTROL.union(SHIFT))]),
        // Alt and a sequence, as rxvt sends it; two presses of Esc; Esc just before a key that is no sequence.
        (b"\x1b\x1b[A", &[key(KeyCode::Up, ALT)]),
        (b"\x1b\x1bOP", &[key(KeyCode::F(1), ALT)]),
        (b"\x1b\x1b[3~", &[key(KeyCode::Delete, ALT)]),
        (b"\x1b\x1b", &[key(KeyCode::Esc, NONE), key(KeyCode::Esc, NONE)]),
        (b"\x1b\x1bx", &[key(KeyCode::Esc, NONE), key(KeyCode::Char('x'), ALT)]),
        (b"\x1b\x1b[I", &[key(KeyCode::Esc, NONE), Event::FocusGained]),
        (b"\x1b\x1b[?62;22c", &[key(KeyCode::Esc, NONE)]),
        (b"\x1b\x1b]11;rgb:0/0/0\x1b\\", &[key(KeyCode::Esc, NONE)]),
        // What could begin a sequence, and does not.
        (b"\x1b[", &[key(KeyCode::Char('['), ALT)]),
        (b"\x1bO", &[key(KeyCode::Char('O'), ALT)]),
        (b"\x1b]", &[key(KeyCode::Char(']'), ALT)]),
        (b"\x1b_", &[key(KeyCode::Char('_'), ALT)]),
        (b"\x1bP", &[key(KeyCode::Char('P'), ALT)]),
        (b"\x1b\x7f", &[key(KeyCode::Backspace, ALT)]),
        (b"\x1b\x01", &[key(KeyCode::Char('a'), control_alt)]),
        ("\x1bé".as_bytes(), &[key(KeyCode::Char('é'), ALT)]),
        // Ctrl+C is heard whatever stands before it.
        (b"\x1b\x03", &[key(KeyCode::Esc, NONE), key(KeyCode::Char('c'), CONTROL)]),
        (b"\x1b[1;\x03", &[key(KeyCode::Char('c'), CONTROL)]),
        (b"\x1b]11;\x03", &[key(KeyCode::Char('c'), CONTROL)]),
        (b"\x1b[M \x03", &[key(KeyCode::Char('c'), CONTROL)]),
        // CAN and SUB abort, ESC begins anew.
        (b"\x1b[1;5\x18a", &[key(KeyCode::Char('a'), NONE)]),
        (b"\x1bP1$r\x1aa", &[key(KeyCode::Char('a'), NONE)]),
        (b"\x1b[<0;10\x1b[A", &[key(KeyCode::Up, NONE)]),
        (b"\x1b]11;rgb\x1b[A", &[key(KeyCode::Up, NONE)]),
        // rxvt, and the keypad in application mode.
        (b"\x1b[3$", &[key(KeyCode::Delete, SHIFT)]),
        (b"\x1b[7^", &[key(KeyCode::Home, CONTROL)]),
        (b"\x1b[a", &[key(KeyCode::Up, SHIFT)]),
        (b"\x1bOd", &[key(KeyCode::Left, CONTROL)]),
        (b"\x1bOM", &[key(KeyCode::Enter, NONE)]),
        (b"\x1bOs", &[key(KeyCode::Char('3'), NONE)]),
    ];
    for (bytes, events) in cases {
        assert_eq!(decode(bytes), events, "{:?}", bytes.escape_ascii().to_string());
    }
}

#[test]
fn kitty_events_have_kinds_and_alternates() {
    let event = |bytes: &[u8]| match decode(bytes)[..] {
        [Event::Key(key)] => key,
        ref other => panic!("{other:?}"),
    };
    let release = event(b"\x1b[97;1:3u");
    assert_eq!((release.code, release.kind), (KeyCode::Char('a'), KeyEventKind::Release));
    assert_eq!(event(b"\x1b[1;5:2A").kind, KeyEventKind::Repeat);
    let shifted = event(b"\x1b[97:65;2u");
    assert_eq!((shifted.code, shifted.modifiers), (KeyCode::Char('A'), NONE));
    assert_eq!(event(b"\x1b[57399u").code, KeyCode::Char('0'));
    // A key of kitty's that is not known is no character.
    assert_eq!(decode(b"\x1b[57500u"), []);
    assert_eq!(decode(b"\x1b[57344u"), []);
}

#[test]
fn the_mouse_in_its_three_forms() {
    let event = |kind, column, row| Event::Mouse(MouseEvent { kind, column, row, modifiers: NONE });
    let down = MouseEventKind::Down(MouseButton::Left);
    assert_eq!(decode(b"\x1b[<0;10;5M"), [event(down, 9, 4)]);
    assert_eq!(decode(b"\x1b[<0;10;5m"), [event(MouseEventKind::Up(MouseButton::Left), 9, 4)]);
    assert_eq!(decode(b"\x1b[32;10;5M"), [event(down, 9, 4)]);
    assert_eq!(decode(b"\x1b[M *%"), [event(down, 9, 4)]);
    assert_eq!(decode(b"\x1b[<64;300;2M"), [event(MouseEventKind::ScrollUp, 299, 1)]);
    // What cannot be is nothing, and does not end the program (crossterm computes 0 - 1).
    for bytes in [&b"\x1b[<0;0;0M"[..], b"\x1b[<0;99999999999;1M", b"\x1b[<0;10M", b"\x1b[M   ", b"\x1b[0;1M"] {
        assert_eq!(decode(bytes), [], "{:?}", bytes.escape_ascii().to_string());
    }
}

#[test]
fn characters_split_over_reads_and_bytes_that_are_none() {
    for text in ["é", "中", "👍"] {
        let mut fed = Fed::new();
        for byte in text.bytes() {
            fed.read([byte]).wait(700);
        }
        assert_eq!(typed(&fed.events()), text);
    }
    // Latin 1, a character that is cut off, a surrogate, a byte that is never used.
    for (bytes, text) in [
        (&b"\xe9a"[..], "\u{fffd}a"),
        (b"\xe4\xb8a", "\u{fffd}a"),
        (b"\xed\xa0\x80a", "\u{fffd}a"),
        (b"\xffa", "\u{fffd}a"),
    ] {
        assert_eq!(typed(&decode(bytes)).replace("\u{fffd}\u{fffd}", "\u{fffd}"), text, "{bytes:?}");
    }
}

#[test]
fn escape_is_a_key_after_a_moment_and_none_with_what_follows_in_one_read() {
    let mut fed = Fed::new();
    assert_eq!(fed.read(b"\x1b").wait(20).events(), []);
    assert_eq!(fed.wait(15).events(), [key(KeyCode::Esc, NONE)]);
    assert_eq!(fed.read(b"a").events(), [key(KeyCode::Char('a'), NONE)], "and not Alt+a");
    assert_eq!(fed.read(b"\x1ba").events(), [key(KeyCode::Char('a'), ALT)]);
    // A slow line: the rest of a sequence is no text, even after ESC was taken for the key.
    assert_eq!(fed.read(b"\x1b").wait(200).read(b"[A").events(), [key(KeyCode::Esc, NONE), key(KeyCode::Up, NONE)]);
    // A reader that was kept from its core loses nothing.
    fed.read(b"\x1b");
    fed.now += Duration::from_millis(500);
    assert_eq!(fed.read(b"x").events(), [key(KeyCode::Esc, NONE), key(KeyCode::Char('x'), NONE)]);
}

/// The inputs after which no key was taken any more.
#[test]
fn what_once_killed_the_keyboard() {
    let cases = [
        "\x1b[?2026;2$y",
        "\x1b[?997;1n",
        "\x1b[?25h",
        "\x1b[<0;10",
        "\x1b[200~text",
        "\x1b[?",
        "\x1b[<",
        "\x1b]52;c;",
    ];
    for case in cases {
        let mut fed = Fed::new();
        fed.read(case).wait(1100).events();
        fed.read(b"\x03").wait(50).read(b"\x03").wait(50);
        assert_eq!(fed.events(), [key(KeyCode::Char('c'), CONTROL), key(KeyCode::Char('c'), CONTROL)], "{case:?}");
        let mut fed = Fed::new();
        fed.read(case).wait(1100).events();
        assert_eq!(fed.read(b"w").wait(50).events(), [key(KeyCode::Char('w'), NONE)], "{case:?}");
    }
}

#[test]
fn a_key_after_esc_is_that_key_however_soon() {
    for (bytes, code) in [(&b"\x1bOQ"[..], KeyCode::F(2)), (b"\x1b[A", KeyCode::Up), (b"\x1b[5~", KeyCode::PageUp)] {
        for pause in [40, 120, 500, 2_000, 4_000] {
            let events = Fed::new().read(b"\x1b").wait(pause).read(bytes).wait(1_000).events();
            let keys = [KeyCode::Esc, code].map(|code| Event::Key(code.into()));
            assert_eq!(events, keys, "{code:?} after {pause} ms");
        }
    }
}
