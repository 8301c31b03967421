//! Random and mutated bytes. Whatever came before, Ctrl+C twice is Ctrl+C twice, and what is typed arrives.
//!
//! `KSHOT_FUZZ_INPUT=1000000 cargo test --release --lib terminal::decoder -- --nocapture` runs more cases.

use std::ops::RangeInclusive;
use std::time::Instant as Clock;

use rand_chacha::ChaCha8Rng;
use rand08::seq::SliceRandom;
use rand08::{Rng, SeedableRng};

use super::replies::REPLIES;
use super::*;

const CASES: u64 = 20_000;

fn cases() -> u64 {
    std::env::var("KSHOT_FUZZ_INPUT").map_or(CASES, |value| value.parse().unwrap())
}

fn one_of(rng: &mut ChaCha8Rng, choices: &[&'static [u8]]) -> &'static [u8] {
    choices.choose(rng).unwrap()
}

fn some(rng: &mut ChaCha8Rng, from: RangeInclusive<u8>, most: usize) -> Vec<u8> {
    let count = rng.gen_range(0..=most);
    (0..count).map(|_| rng.gen_range(from.clone())).collect()
}

/// Bytes of one of the forms that a terminal sends, or of none.
fn form(rng: &mut ChaCha8Rng) -> Vec<u8> {
    const PRINTABLE: RangeInclusive<u8> = 0x20..=0x7e;
    match rng.gen_range(0..10) {
        0 => some(rng, 0..=255, 12),
        1 => {
            let begin = one_of(rng, &[b"\x1b[", b"\x1b[?", b"\x1b[>", b"\x1b[<", b"\x1b[=", b"\x9b", b"\x1b\x1b["]);
            let (parameters, intermediates) = (some(rng, b'0'..=b';', 12), some(rng, 0x20..=0x2f, 1));
            [begin, &parameters, &intermediates, &some(rng, 0x40..=0x7e, 1)].concat()
        }
        2 | 3 => {
            let begin = one_of(rng, &[b"\x1b]", b"\x1bP", b"\x1b_", b"\x1b^", b"\x1bX", b"\x9d", b"\x90", b"\x1b]11;"]);
            let text = some(rng, PRINTABLE, 40);
            [begin, &text, one_of(rng, &[b"\x07", b"\x1b\\", b"\x9c", b"\x1b", b""])].concat()
        }
        4 => [&b"\x1bO"[..], &some(rng, b'0'..=b'9', 2), &some(rng, PRINTABLE, 1)].concat(),
        5 => [&b"\x1b[M"[..], &some(rng, 0..=255, 3)].concat(),
        6 => {
            let text = some(rng, 0..=255, 60);
            [b"\x1b[200~", text.as_slice(), one_of(rng, &[b"\x1b[201~", b"\x1b[201", b""])].concat()
        }
        7 => "\x1b\x1bé中👍".as_bytes()[..rng.gen_range(0..12)].to_vec(),
        _ => REPLIES.choose(rng).unwrap().as_bytes().to_vec(),
    }
}

fn mutate(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.gen_range(0..3) {
        let at = rng.gen_range(0..=bytes.len());
        match rng.gen_range(0..4) {
            0 => bytes.insert(at, rng.gen_range(0..=255)),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.extend_from_within(at..),
        }
    }
}

/// A pause: often none, sometimes of seconds.
fn pause(rng: &mut ChaCha8Rng) -> u64 {
    *[0, 0, 0, 0, 1, 10, 25, 40, 110, 200, 500, 1100, 3500].choose(rng).unwrap()
}

#[test]
#[allow(clippy::print_stdout, reason = "the figure of a long run")]
fn after_any_bytes_whatever_the_keyboard_lives() {
    let begun = Clock::now();
    for seed in 0..cases() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut fed = Fed::new();
        let mut sent = Vec::new();
        for _ in 0..rng.gen_range(1..6) {
            let mut bytes = form(&mut rng);
            mutate(&mut rng, &mut bytes);
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (part, after) = rest.split_at(rng.gen_range(1..=rest.len()));
                fed.read(part).wait(pause(&mut rng));
                rest = after;
            }
            sent.push(bytes.escape_ascii().to_string());
        }
        // An open paste is given up after a second without a byte; all else hears Ctrl+C at once.
        if fed.decoder.paste.is_some() {
            fed.wait(1100);
        }
        fed.events();
        let interrupt = key(KeyCode::Char('c'), CONTROL);
        for _ in 0..2 {
            fed.read(b"\x03").wait(60);
            let heard = fed.events().iter().filter(|event| **event == interrupt).count();
            assert_eq!(heard, 1, "seed {seed}: {sent:?}");
        }
        for c in ["w", "ö", "r", "d", "\r", "\x1b[A", "x"] {
            fed.read(c).wait(60);
        }
        assert_eq!(typed(&fed.events()), "wörd\nx", "seed {seed}: {sent:?}");
    }
    println!("{} cases in {:.1} s", cases(), begun.elapsed().as_secs_f64());
}

/// A reply in pieces: short pauses anywhere, and at most one long one, after which the rest comes at once.
fn in_pieces(rng: &mut ChaCha8Rng, reply: &'static [u8]) -> Vec<(&'static [u8], u64)> {
    let mut pieces = Vec::new();
    let mut rest = reply;
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rng.gen_range(1..=rest.len()));
        if !after.is_empty() && rng.gen_bool(0.3) {
            pieces.push((part, *[45, 140, 390, 1000, 2500].choose(rng).unwrap()));
            pieces.push((after, 0));
            return pieces;
        }
        pieces.push((part, rng.gen_range(0..25)));
        rest = after;
    }
    pieces
}

#[test]
fn nothing_of_a_reply_is_ever_text() {
    for seed in 0..cases() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed_0000);
        let mut fed = Fed::new();
        let (mut wanted, mut sent) = (String::new(), Vec::new());
        for _ in 0..rng.gen_range(1..6) {
            let reply = REPLIES.choose(&mut rng).unwrap();
            for (part, gap) in in_pieces(&mut rng, reply.as_bytes()) {
                fed.read(part).wait(gap);
                sent.push(format!("{} {gap}", part.escape_ascii()));
            }
            let letter = *["a", "é", "1", ";", "c", "中"].choose(&mut rng).unwrap();
            fed.read(letter).wait(pause(&mut rng));
            sent.push(letter.to_owned());
            wanted.push_str(letter);
        }
        assert_eq!(typed(&fed.events()), wanted, "seed {seed}: {sent:?}");
    }
}
