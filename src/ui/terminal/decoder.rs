//! From bytes and the time to events.
//!
//! Time decides what bytes cannot: that ESC is the key and begins nothing, that a paste has lost its end, and whether
//! bytes that come late still belong to the open sequence. A time-out never drops an answer that is under way: the next
//! bytes are taken as its rest where they complete something known, and as the keyboard's otherwise. So neither does an
//! answer that comes in pieces become text, nor does one that stays open keep the keyboard. The clock is the caller's.

use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode};

use super::grammar::{Machine, State, StringKind, Token};
use super::meaning::{Meaning, Reply, meaning};

/// After this long ESC is a key.
const ESCAPE: Duration = Duration::from_millis(30);
/// After this long what could begin a sequence is Alt with that character, and ESC in a string is a key.
const PREFIX: Duration = Duration::from_millis(100);
/// For this long anything that comes continues an open control sequence, or a control string.
const SEQUENCE: Duration = Duration::from_millis(150);
const STRING: Duration = Duration::from_millis(400);
/// For this long only what completes it does.
const LATE: Duration = Duration::from_secs(3);
/// More at once than a keyboard sends.
const BURST: usize = 64;

/// After this long without a byte, what was pasted so far is handed on, and a key is a key again.
const PASTE: Duration = Duration::from_secs(1);
const PASTE_ENDS: &[u8] = b"\x1b[201~";
/// The longest paste that is taken; a longer one is read to its end and refused.
pub(super) const LONGEST_PASTE: usize = 16 << 20;

/// What was decoded.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decoded {
    Event(Event),
    Reply(Reply),
    /// A paste of more than [`LONGEST_PASTE`] bytes.
    PasteRefused,
}

/// The decoder.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    machine: Machine,
    /// When the last byte came.
    last: Option<Instant>,
    /// When the open sequence began or went on faster than a hand types: typing does not keep a string open.
    since: Option<Instant>,
    /// The open sequence has been handed on as keys.
    told: bool,
    paste: Option<Paste>,
}

#[derive(Debug)]
struct Paste {
    text: Vec<u8>,
    length: Length,
    last: Instant,
    /// Nothing came for a while, and what was there is handed on.
    stalled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Fits,
    TooLong,
    /// Too long, and said so.
    Refused,
}

impl Decoder {
    /// When [`Decoder::tick`] has something to do, unless bytes come first.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if let Some(paste) = &self.paste {
            return (!paste.stalled).then_some(paste.last + PASTE);
        }
        if self.told || self.machine.as_keys().is_none() {
            return None;
        }
        let wait = if matches!(self.machine.state(), State::Escape { .. }) { ESCAPE } else { PREFIX };
        self.last.map(|last| last + wait)
    }

    /// Takes in that no byte came until now.
    pub(super) fn tick(&mut self, now: Instant, out: &mut Vec<Decoded>) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        if let Some(paste) = &mut self.paste {
            paste.stalled = true;
            // What may be the begin of the paste's end is kept.
            let begun = (1..PASTE_ENDS.len()).rev().find(|count| paste.text.ends_with(&PASTE_ENDS[..*count]));
            let rest = paste.text.split_off(paste.text.len() - begun.unwrap_or(0));
            paste.hand_on(out);
            paste.text = rest;
            return;
        }
        self.told = true;
        if let State::StringEscape(kind) = self.machine.state()
            && let end = (Token::String { kind, text: self.machine.held().to_vec() })
            && let Meaning::Reply(reply @ Reply::Colour(..)) = meaning(&end)
        {
            // rxvt-unicode before 9.31 ends its answers with ESC alone.
            return out.push(Decoded::Reply(reply));
        }
        for token in self.machine.as_keys().into_iter().flatten() {
            self.push(&token, now, out);
        }
    }

    /// Takes in what one read gave.
    pub(super) fn feed(&mut self, bytes: &[u8], now: Instant, out: &mut Vec<Decoded>) {
        if !self.goes_on(bytes, now) {
            let keys = if self.told { None } else { self.machine.as_keys() };
            self.machine = Machine::default();
            for token in keys.into_iter().flatten() {
                self.push(&token, now, out);
            }
        }
        let fast = bytes.len() > 1 || self.last.is_some_and(|last| now.saturating_duration_since(last) < ESCAPE);
        if fast || self.machine.state() == State::Ground {
            self.since = Some(now);
        }
        self.last = Some(now);
        self.told = false;
        let mut tokens = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.paste.is_some() {
                rest = self.feed_paste(rest, now, out);
                continue;
            }
            let Some((byte, after)) = rest.split_first() else { break };
            rest = after;
            self.machine.feed(*byte, &mut tokens);
            for token in tokens.drain(..) {
                self.push(&token, now, out);
            }
        }
    }

    fn push(&mut self, token: &Token, now: Instant, out: &mut Vec<Decoded>) {
        let means = meaning(token);
        if let (Token::Csi { alt: true, .. }, false) = (token, matches!(means, Meaning::Event(Event::Key(_)))) {
            // The ESC before it was the key, and not Alt.
            out.push(Decoded::Event(Event::Key(KeyCode::Esc.into())));
        }
        match means {
            Meaning::Event(event) => out.push(Decoded::Event(event)),
            Meaning::Reply(reply) => out.push(Decoded::Reply(reply)),
            Meaning::PasteBegins => {
                self.paste = Some(Paste { text: Vec::new(), length: Length::Fits, last: now, stalled: false });
            }
            Meaning::Nothing => {}
        }
    }

    /// Whether the open sequence goes on with these bytes.
    fn goes_on(&self, bytes: &[u8], now: Instant) -> bool {
        let (patience, since) = match self.machine.state() {
            State::Ground | State::Utf8 => return true,
            State::Escape { .. } | State::X10Mouse | State::LinuxKey => (PREFIX, self.last),
            State::Csi | State::Ss3 => (SEQUENCE, self.last),
            State::String(_) | State::StringEscape(_) => (STRING, self.since),
        };
        let idle = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if !self.told && idle <= patience {
            return true;
        }
        idle <= LATE && self.completes(bytes)
    }

    /// Whether these bytes, late as they are, complete something known.
    fn completes(&self, bytes: &[u8]) -> bool {
        let state = self.machine.state();
        // A single byte after what was told as a key is a key.
        let is_key = self.told && bytes.len() == 1 && !matches!(state, State::StringEscape(_));
        // An ESC after one that was told as a key begins something new: Esc, then an arrow, is no Alt with that arrow.
        let begins_anew = self.told && matches!(state, State::Escape { .. }) && bytes.first() == Some(&0x1b);
        if is_key || begins_anew || state == State::X10Mouse {
            return false;
        }
        let mut machine = self.machine.clone();
        let mut tokens = Vec::new();
        for byte in bytes {
            machine.feed(*byte, &mut tokens);
            if let Some(token) = tokens.first() {
                let is_sequence = !matches!(token, Token::Char { .. } | Token::Escape);
                return is_sequence && meaning(token) != Meaning::Nothing;
            }
        }
        matches!(machine.state(), State::String(StringKind::Osc | StringKind::Dcs | StringKind::Apc))
            && bytes.len() >= BURST
    }

    /// Takes in bytes of a paste; gives what comes after its end.
    fn feed_paste<'a>(&mut self, bytes: &'a [u8], now: Instant, out: &mut Vec<Decoded>) -> &'a [u8] {
        let Some(mut paste) = self.paste.take() else { return bytes };
        if paste.stalled && is_keyboard(bytes) {
            return bytes;
        }
        (paste.last, paste.stalled) = (now, false);
        // The end may be split over reads.
        let searched = paste.text.len().saturating_sub(PASTE_ENDS.len() - 1);
        let before = paste.text.len();
        paste.text.extend_from_slice(bytes);
        let end = paste.text[searched..].windows(PASTE_ENDS.len()).position(|window| window == PASTE_ENDS);
        if let Some(end) = end.map(|end| searched + end) {
            paste.text.truncate(end);
            paste.hand_on(out);
            return bytes.get(end + PASTE_ENDS.len() - before..).unwrap_or_default();
        }
        if paste.text.len() > LONGEST_PASTE {
            paste.length = if paste.length == Length::Fits { Length::TooLong } else { paste.length };
            paste.text.drain(..paste.text.len() - PASTE_ENDS.len());
        }
        self.paste = Some(paste);
        &[]
    }
}

impl Paste {
    /// Hands on what is there; what is too long is refused, once.
    fn hand_on(&mut self, out: &mut Vec<Decoded>) {
        let text = std::mem::take(&mut self.text);
        match self.length {
            Length::Fits if text.is_empty() => {}
            Length::Fits => out.push(Decoded::Event(Event::Paste(String::from_utf8_lossy(&text).into_owned()))),
            Length::TooLong => out.push(Decoded::PasteRefused),
            Length::Refused => {}
        }
        if self.length == Length::TooLong {
            self.length = Length::Refused;
        }
    }
}

/// Whether what comes after a paste that stalled is from the keyboard: one character, a control, or a sequence that is not
/// the paste's end.
fn is_keyboard(bytes: &[u8]) -> bool {
    let one = std::str::from_utf8(bytes).is_ok_and(|text| text.chars().count() == 1);
    let control = bytes.first().is_some_and(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r'));
    (one || control) && !bytes.windows(PASTE_ENDS.len()).any(|window| window == PASTE_ENDS)
}

#[cfg(test)]
mod tests;
