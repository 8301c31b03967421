//! What a token means: a key, the mouse, the focus, the begin of a paste, or an answer of the terminal.
//!
//! Keys as in xterm's "PC-Style Function Keys" and `modifyOtherKeys`, the kitty keyboard protocol, rxvt and the Linux
//! console; the mouse in its SGR, X10 and urxvt forms. What is known to be none of these is an answer, and what is not
//! known at all means nothing.

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyEventState, KeyModifiers, MediaKeyCode, ModifierKeyCode, MouseButton,
    MouseEvent, MouseEventKind,
};

use super::colour::{self, Layer, Rgb};
use super::grammar::{Csi, StringKind, Token};

/// The meaning of a token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meaning {
    Event(Event),
    PasteBegins,
    Reply(Reply),
    Nothing,
}

/// An answer of the terminal, asked for or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reply {
    /// It knows the kitty keyboard protocol.
    Kitty,
    /// The colour of the text or of what is behind it.
    Colour(Layer, Rgb),
    /// Any other.
    Other,
}

/// What the tokens that a byte completed mean.
pub(super) fn meaning(token: &Token) -> Meaning {
    match token {
        Token::Char { c, alt } => key(char_key(*c), if *alt { KeyModifiers::ALT } else { KeyModifiers::NONE }),
        Token::Escape => key(KeyCode::Esc.into(), KeyModifiers::NONE),
        Token::LinuxKey(byte) => key(KeyCode::F(1 + byte - b'A').into(), KeyModifiers::NONE),
        Token::Ss3 { parameter, last, alt } => ss3(parameter, *last, *alt),
        Token::Csi { sequence, alt } => {
            let alt = if *alt { KeyModifiers::ALT } else { KeyModifiers::NONE };
            match csi(sequence) {
                Meaning::Event(Event::Key(event)) => key(event, alt),
                other => other,
            }
        }
        Token::X10Mouse([button, column, row]) => {
            let place = |byte: &u8| u32::from(byte.saturating_sub(32));
            mouse(place(button), place(column), place(row), Press::Down)
        }
        Token::String { kind, text } => string(*kind, text),
    }
}

fn key(mut event: KeyEvent, modifiers: KeyModifiers) -> Meaning {
    event.modifiers |= modifiers;
    Meaning::Event(Event::Key(event))
}

/// The key that a terminal without any protocol sends this character for.
fn char_key(c: char) -> KeyEvent {
    let control = |c: u8| KeyEvent::new(KeyCode::Char(char::from(c)), KeyModifiers::CONTROL);
    match c {
        '\r' => KeyCode::Enter.into(),
        '\t' => KeyCode::Tab.into(),
        '\x7f' => KeyCode::Backspace.into(),
        '\x1b' => KeyCode::Esc.into(),
        '\0' => control(b' '),
        '\x01'..='\x1a' => control(c as u8 - 1 + b'a'),
        '\x1c'..='\x1f' => control(c as u8 - 0x1c + b'4'),
        c if c.is_uppercase() => KeyEvent::new(KeyCode::Char(c), KeyModifiers::SHIFT),
        c => KeyCode::Char(c).into(),
    }
}

fn ss3(parameter: &[u8], last: u8, alt: bool) -> Meaning {
    let mask = Parameters::of(parameter).last_number().unwrap_or(1);
    let mut modifiers = modifiers(mask);
    modifiers.set(KeyModifiers::ALT, alt || modifiers.contains(KeyModifiers::ALT));
    let code = match last {
        b'R' => Some(KeyCode::F(3)),
        b'M' => Some(KeyCode::Enter),
        b'X' => Some(KeyCode::Char('=')),
        // The keypad in application mode: `*` to `9` of ASCII, 0x40 higher.
        b'j'..=b'y' => Some(KeyCode::Char(char::from(last - 0x40))),
        b'a'..=b'd' => return rxvt_arrow(last, modifiers | KeyModifiers::CONTROL),
        _ => letter_key(last),
    };
    code.map_or(Meaning::Nothing, |code| key(code.into(), modifiers))
}

fn letter_key(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'E' => KeyCode::KeypadBegin,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'P' => KeyCode::F(1),
        b'Q' => KeyCode::F(2),
        b'S' => KeyCode::F(4),
        _ => return None,
    })
}

fn rxvt_arrow(last: u8, modifiers: KeyModifiers) -> Meaning {
    letter_key(last.to_ascii_uppercase()).map_or(Meaning::Nothing, |code| key(code.into(), modifiers))
}

fn csi(csi: &Csi) -> Meaning {
    let parameters = Parameters::of(&csi.parameters);
    let bare = csi.parameters.is_empty();
    match (csi.private, csi.intermediates.as_slice(), csi.last) {
        (None, [], b'~' | b'^' | b'@' | b'$') => tilde_key(&parameters, csi.last),
        (None, [], b'u') => unicode_key(&parameters),
        (None, [], b'Z') => {
            let event = KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT | modifiers(parameters.mask()));
            key(event, KeyModifiers::NONE)
        }
        (None, [], b'I') if bare => Meaning::Event(Event::FocusGained),
        (None, [], b'O') if bare => Meaning::Event(Event::FocusLost),
        (None, [], b'a'..=b'd') if bare => rxvt_arrow(csi.last, KeyModifiers::SHIFT),
        (None, [], b'M') => match parameters.numbers::<3>() {
            Some([button, column, row]) => mouse(button.saturating_sub(32), column, row, Press::Down),
            None => Meaning::Nothing,
        },
        (Some(b'<'), [], b'M' | b'm') => match parameters.numbers::<3>() {
            Some([button, column, row]) => {
                mouse(button, column, row, if csi.last == b'm' { Press::Up } else { Press::Down })
            }
            None => Meaning::Nothing,
        },
        (None, [], b'A'..=b'S') if letter_key(csi.last).is_some() => letter(&parameters, csi.last),
        (Some(b'?'), [], b'u') => Meaning::Reply(Reply::Kitty),
        // Reports: cursor, status, window, attributes (DA1 to DA3), modes (DECRPM), graphics, version, settings.
        (None | Some(b'?'), [], b'R' | b'n' | b't' | b'x' | b'c' | b'S') if !bare => Meaning::Reply(Reply::Other),
        (None | Some(b'?'), [b'$'], b'y' | b'w') => Meaning::Reply(Reply::Other),
        (Some(b'>' | b'='), _, b'c' | b'q' | b'm' | b'n' | b'u') => Meaning::Reply(Reply::Other),
        _ => Meaning::Nothing,
    }
}

fn letter(parameters: &Parameters, last: u8) -> Meaning {
    let Some(code) = letter_key(last) else { return Meaning::Nothing };
    // `CSI 5 A` is how some say `CSI 1 ; 5 A`.
    let mask = if parameters.0.len() > 1 { parameters.mask() } else { parameters.last_number().unwrap_or(1) };
    Meaning::Event(Event::Key(modified(code, mask, parameters.kind())))
}

fn tilde_key(parameters: &Parameters, last: u8) -> Meaning {
    let Some(number) = parameters.number(0, 0) else { return Meaning::Nothing };
    let code = match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => function_key(number - 10),
        17..=21 => function_key(number - 11),
        23..=26 => function_key(number - 12),
        28..=29 => function_key(number - 15),
        31..=34 => function_key(number - 17),
        // modifyOtherKeys: CSI 27 ; modifiers ; character ~
        27 => return parameters.number(2, 0).map_or(Meaning::Nothing, |code| character_key(code, parameters)),
        200 if last == b'~' => return Meaning::PasteBegins,
        // The end of a paste that was given up.
        201 if last == b'~' => return Meaning::Reply(Reply::Other),
        _ => return Meaning::Nothing,
    };
    let rxvt = match last {
        b'^' => KeyModifiers::CONTROL,
        b'@' => KeyModifiers::CONTROL | KeyModifiers::SHIFT,
        b'$' => KeyModifiers::SHIFT,
        _ => KeyModifiers::NONE,
    };
    key(modified(code, parameters.mask(), parameters.kind()), rxvt)
}

fn function_key(number: u32) -> KeyCode {
    KeyCode::F(number.try_into().unwrap_or(0))
}

/// `CSI code : shifted : base ; modifiers : event ; text u`.
fn unicode_key(parameters: &Parameters) -> Meaning {
    parameters.number(0, 0).map_or(Meaning::Nothing, |code| character_key(code, parameters))
}

fn character_key(code: u32, parameters: &Parameters) -> Meaning {
    let mask = parameters.mask();
    let mut event = modified(KeyCode::Null, mask, parameters.kind());
    let shifted = event.modifiers.contains(KeyModifiers::SHIFT);
    event.code = match (functional_key(code), char::from_u32(code)) {
        (Some((code, state)), _) => {
            event.state |= state;
            code
        }
        (None, Some('\x1b')) => KeyCode::Esc,
        (None, Some('\r')) => KeyCode::Enter,
        (None, Some('\t')) if shifted => KeyCode::BackTab,
        (None, Some('\t')) => KeyCode::Tab,
        (None, Some('\x7f' | '\x08')) => KeyCode::Backspace,
        // kitty reserves the private use area for keys.
        (None, Some(c)) if !c.is_control() && !('\u{e000}'..='\u{f8ff}').contains(&c) => KeyCode::Char(c),
        _ => return Meaning::Nothing,
    };
    if let KeyCode::Modifier(pressed) = event.code {
        event.modifiers |= modifier_of(pressed);
    }
    // What Shift makes of the key on this keyboard, where the terminal says so.
    if let (KeyCode::Char(_), true, Some(c)) =
        (event.code, shifted, parameters.number(0, 1).and_then(char::from_u32).filter(|c| !c.is_control()))
    {
        event.code = KeyCode::Char(c);
        event.modifiers.remove(KeyModifiers::SHIFT);
    }
    Meaning::Event(Event::Key(event))
}

fn modified(code: KeyCode, mask: u32, kind: KeyEventKind) -> KeyEvent {
    let bits = mask.saturating_sub(1);
    let mut state = KeyEventState::NONE;
    state.set(KeyEventState::CAPS_LOCK, bits & 64 != 0);
    state.set(KeyEventState::NUM_LOCK, bits & 128 != 0);
    KeyEvent::new_with_kind_and_state(code, modifiers(mask), kind, state)
}

/// A mask as xterm and kitty send it: one more than the bits of its modifiers.
fn modifiers(mask: u32) -> KeyModifiers {
    const BITS: [KeyModifiers; 6] = [
        KeyModifiers::SHIFT,
        KeyModifiers::ALT,
        KeyModifiers::CONTROL,
        KeyModifiers::SUPER,
        KeyModifiers::HYPER,
        KeyModifiers::META,
    ];
    let bits = mask.saturating_sub(1);
    BITS.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, modifier)| *modifier).collect()
}

fn modifier_of(key: ModifierKeyCode) -> KeyModifiers {
    match key {
        ModifierKeyCode::LeftShift | ModifierKeyCode::RightShift => KeyModifiers::SHIFT,
        ModifierKeyCode::LeftControl | ModifierKeyCode::RightControl => KeyModifiers::CONTROL,
        ModifierKeyCode::LeftAlt | ModifierKeyCode::RightAlt => KeyModifiers::ALT,
        ModifierKeyCode::LeftSuper | ModifierKeyCode::RightSuper => KeyModifiers::SUPER,
        ModifierKeyCode::LeftHyper | ModifierKeyCode::RightHyper => KeyModifiers::HYPER,
        ModifierKeyCode::LeftMeta | ModifierKeyCode::RightMeta => KeyModifiers::META,
        ModifierKeyCode::IsoLevel3Shift | ModifierKeyCode::IsoLevel5Shift => KeyModifiers::NONE,
    }
}

/// Keys without a character, in the order of <https://sw.kovidgoyal.net/kitty/keyboard-protocol/#functional-key-definitions>.
const LOCKS: [KeyCode; 6] =
    [KeyCode::CapsLock, KeyCode::ScrollLock, KeyCode::NumLock, KeyCode::PrintScreen, KeyCode::Pause, KeyCode::Menu];
const KEYPAD: [KeyCode; 19] = [
    KeyCode::Char('.'),
    KeyCode::Char('/'),
    KeyCode::Char('*'),
    KeyCode::Char('-'),
    KeyCode::Char('+'),
    KeyCode::Enter,
    KeyCode::Char('='),
    KeyCode::Char(','),
    KeyCode::Left,
    KeyCode::Right,
    KeyCode::Up,
    KeyCode::Down,
    KeyCode::PageUp,
    KeyCode::PageDown,
    KeyCode::Home,
    KeyCode::End,
    KeyCode::Insert,
    KeyCode::Delete,
    KeyCode::KeypadBegin,
];
const MEDIA: [MediaKeyCode; 13] = [
    MediaKeyCode::Play,
    MediaKeyCode::Pause,
    MediaKeyCode::PlayPause,
    MediaKeyCode::Reverse,
    MediaKeyCode::Stop,
    MediaKeyCode::FastForward,
    MediaKeyCode::Rewind,
    MediaKeyCode::TrackNext,
    MediaKeyCode::TrackPrevious,
    MediaKeyCode::Record,
    MediaKeyCode::LowerVolume,
    MediaKeyCode::RaiseVolume,
    MediaKeyCode::MuteVolume,
];
const MODIFIERS: [ModifierKeyCode; 14] = [
    ModifierKeyCode::LeftShift,
    ModifierKeyCode::LeftControl,
    ModifierKeyCode::LeftAlt,
    ModifierKeyCode::LeftSuper,
    ModifierKeyCode::LeftHyper,
    ModifierKeyCode::LeftMeta,
    ModifierKeyCode::RightShift,
    ModifierKeyCode::RightControl,
    ModifierKeyCode::RightAlt,
    ModifierKeyCode::RightSuper,
    ModifierKeyCode::RightHyper,
    ModifierKeyCode::RightMeta,
    ModifierKeyCode::IsoLevel3Shift,
    ModifierKeyCode::IsoLevel5Shift,
];

/// The key of a number in kitty's part of the private use area.
fn functional_key(code: u32) -> Option<(KeyCode, KeyEventState)> {
    let offset = |first: u32| usize::try_from(code.checked_sub(first)?).ok();
    let plain = |code: KeyCode| (code, KeyEventState::NONE);
    Some(match code {
        57358..=57363 => plain(*LOCKS.get(offset(57358)?)?),
        57376..=57398 => plain(function_key(code - 57376 + 13)),
        57399..=57408 => (KeyCode::Char(char::from_digit(code - 57399, 10)?), KeyEventState::KEYPAD),
        57409..=57427 => (*KEYPAD.get(offset(57409)?)?, KeyEventState::KEYPAD),
        57428..=57440 => plain(KeyCode::Media(*MEDIA.get(offset(57428)?)?)),
        57441..=57454 => plain(KeyCode::Modifier(*MODIFIERS.get(offset(57441)?)?)),
        _ => return None,
    })
}

/// Which way a button goes, where the report says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Press {
    Down,
    Up,
}

/// Columns and rows count from 1.
fn mouse(button: u32, column: u32, row: u32, press: Press) -> Meaning {
    let place = |number: u32| u16::try_from(number).ok()?.checked_sub(1);
    let (Some(column), Some(row)) = (place(column), place(row)) else { return Meaning::Nothing };
    let moves = button & 32 != 0;
    let kind = match (button & 3 | (button >> 4) & 12, moves, press) {
        (number @ 0..=2, _, _) => {
            let button = [MouseButton::Left, MouseButton::Middle, MouseButton::Right][number as usize];
            match (moves, press) {
                (true, _) => MouseEventKind::Drag(button),
                (false, Press::Down) => MouseEventKind::Down(button),
                (false, Press::Up) => MouseEventKind::Up(button),
            }
        }
        (3, false, _) => MouseEventKind::Up(MouseButton::Left),
        (3..=5, true, _) => MouseEventKind::Moved,
        (4, false, _) => MouseEventKind::ScrollUp,
        (5, false, _) => MouseEventKind::ScrollDown,
        (6, false, _) => MouseEventKind::ScrollLeft,
        (7, false, _) => MouseEventKind::ScrollRight,
        _ => return Meaning::Nothing,
    };
    let mut modifiers = KeyModifiers::NONE;
    modifiers.set(KeyModifiers::SHIFT, button & 4 != 0);
    modifiers.set(KeyModifiers::ALT, button & 8 != 0);
    modifiers.set(KeyModifiers::CONTROL, button & 16 != 0);
    Meaning::Event(Event::Mouse(MouseEvent { kind, column, row, modifiers }))
}

fn string(kind: StringKind, text: &[u8]) -> Meaning {
    if let (StringKind::Osc, Some((layer, rgb))) = (kind, colour::report(text)) {
        return Meaning::Reply(Reply::Colour(layer, rgb));
    }
    // An OSC has a number (or xterm's `l` and `L` for titles), an APC from a terminal is a graphics answer, and a DCS
    // reports a setting, a capability, a unit or the version.
    let begins = |bytes: &[u8]| text.first().is_some_and(|byte| bytes.contains(byte));
    let is_report = match kind {
        StringKind::Osc => begins(b"0123456789lL"),
        StringKind::Dcs => begins(b"0123456789>!$+="),
        StringKind::Apc => begins(b"G"),
        StringKind::Pm | StringKind::Sos => false,
    };
    if is_report { Meaning::Reply(Reply::Other) } else { Meaning::Nothing }
}

/// The numbers of a sequence: parameters with `;` between them, parts of one with `:`.
struct Parameters(Vec<Vec<Option<u32>>>);

impl Parameters {
    fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self(Vec::new());
        }
        let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
        Self(bytes.split(|b| *b == b';').map(|parts| parts.split(|b| *b == b':').map(number).collect()).collect())
    }

    fn number(&self, parameter: usize, part: usize) -> Option<u32> {
        *self.0.get(parameter)?.get(part)?
    }

    fn last_number(&self) -> Option<u32> {
        *self.0.last()?.first()?
    }

    /// The modifiers, which are always the second parameter.
    fn mask(&self) -> u32 {
        self.number(1, 0).unwrap_or(1)
    }

    fn kind(&self) -> KeyEventKind {
        match self.number(1, 1) {
            Some(2) => KeyEventKind::Repeat,
            Some(3) => KeyEventKind::Release,
            _ => KeyEventKind::Press,
        }
    }

    /// The first numbers, all of which have to be there.
    fn numbers<const N: usize>(&self) -> Option<[u32; N]> {
        let mut numbers = [0; N];
        for (index, number) in numbers.iter_mut().enumerate() {
            *number = self.number(index, 0)?;
        }
        Some(numbers)
    }
}
