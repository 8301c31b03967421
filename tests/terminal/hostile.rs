//! Text that tries to steer the terminal: what the program writes has no escape sequence but its own.

use kshot::engine::FinishReason;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::*;
use crate::attacks::ATTACKS;
use crate::scripted::{Player, loaded};

/// Everything in what was written that is no text and no sequence that a screen is drawn with.
fn foreign(raw: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(raw);
    let mut foreign = Vec::new();
    let mut rest = text.as_ref();
    while let Some(at) = rest.find(|c: char| c.is_control()) {
        let (after, ok) = own_sequence(&rest[at..]);
        if !ok {
            foreign.push(rest[at..].chars().take(24).collect());
        }
        rest = after;
    }
    foreign
}

/// What comes after a control character and what belongs to it, and whether it is one that kshot writes.
fn own_sequence(text: &str) -> (&str, bool) {
    const MODES: [&str; 9] = ["1049", "2004", "1004", "1000", "1002", "1003", "1015", "1006", "25"];
    const QUESTIONS: [&str; 5] = ["\x1b]10;?\x1b\\", "\x1b]11;?\x1b\\", "\x1b[?u", "\x1b[>1u", "\x1b[<1u"];
    if let Some(question) = QUESTIONS.iter().find(|question| text.starts_with(**question)) {
        return (&text[question.len()..], true);
    }
    let Some(sequence) = text.strip_prefix("\x1b[") else {
        let mut rest = text.chars();
        let c = rest.next();
        return (rest.as_str(), matches!(c, Some('\r' | '\n')));
    };
    let Some(end) = sequence.find(|c: char| ('\x40'..='\x7e').contains(&c)) else { return ("", false) };
    let (parameters, last) = (&sequence[..end], &sequence[end..=end]);
    let numbers = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == ';' || c == ':');
    let ok = match (parameters.strip_prefix('?'), last) {
        (Some(mode), "h" | "l") => MODES.contains(&mode) || mode == "2026",
        (None, "m" | "H" | "J" | "K" | "A" | "B" | "C" | "D" | "G") => numbers(parameters),
        _ => false,
    };
    (&sequence[end + 1..], ok)
}

#[test]
fn the_whitelist_is_no_sieve() {
    assert!(foreign(b"\x1b[?1049h\x1b[1;2H\x1b[38;5;4mtext\x1b[0m\x1b]11;?\x1b\\\x1b[?25l").is_empty());
    for attack in ["\x1b]0;x\x07", "\x1b[6n", "\x1b[?1h", "\u{9b}31m", "\x07", "\x1bc", "\x1b[>q", "\x1bP", "\x7f"] {
        assert!(!foreign(attack.as_bytes()).is_empty(), "{attack:?}");
    }
}

/// What a terminal would be sent for the frame that a driver shows.
fn written(driver: &mut kshot::ui::script::Driver<scripted::Scripted>) -> Vec<u8> {
    driver.draw();
    let buffer = driver.buffer().clone();
    let viewport = ratatui::Viewport::Fixed(buffer.area);
    let mut bytes = Vec::new();
    let backend = CrosstermBackend::new(&mut bytes);
    let mut terminal = Terminal::with_options(backend, ratatui::TerminalOptions { viewport }).unwrap();
    terminal.draw(|frame| frame.buffer_mut().clone_from(&buffer)).unwrap();
    drop(terminal);
    bytes
}

/// Sampled as tokens of these bytes: what the panes, the token line and the status make of them.
fn generated(tokens: &[&[u8]]) -> Vec<String> {
    let mut driver = loaded((100, 30));
    driver.run("x<Ctrl+G>").unwrap();
    let mut player = Player::new(&driver);
    let mut foreign_parts = Vec::new();
    for tokens in tokens.chunks(400) {
        for token in tokens {
            player.token(token);
        }
        driver.pump().unwrap();
        foreign_parts.extend(foreign(&written(&mut driver)));
    }
    player.finish(&mut driver, FinishReason::Stop);
    // In token mode the one under the caret is named as well.
    driver.run("<Esc>").unwrap();
    foreign_parts.extend(foreign(&written(&mut driver)));
    foreign_parts
}

#[test]
fn attacks_split_at_every_boundary_are_generated_as_symbols() {
    for attack in ATTACKS.iter() {
        let bytes = attack.as_bytes();
        // Long floods are the same at each cut.
        for cut in (0..=bytes.len()).step_by(1 + bytes.len() / 64) {
            let parts = generated(&[&bytes[..cut], &bytes[cut..]]);
            assert!(parts.is_empty(), "{attack:?} cut at {cut}: {parts:?}");
        }
    }
}

/// Every scalar value and every pair of bytes as a sampled token; each 61st, or all with `KSHOT_REPEAT`.
#[test]
#[allow(clippy::print_stdout, reason = "its figure goes into the record")]
fn every_character_and_every_pair_of_bytes_is_generated_harmlessly() {
    let step = if std::env::var_os("KSHOT_REPEAT").is_some() { 1 } else { 61 };
    let scalars = (0..=0x10_ffff).filter_map(char::from_u32).step_by(step).map(|c| c.to_string().into_bytes());
    let pairs = (0..=u16::MAX).step_by(step).map(|pair| pair.to_be_bytes().to_vec());
    let tokens: Vec<Vec<u8>> = scalars.chain(pairs).collect();
    let groups: Vec<&[Vec<u8>]> = tokens.chunks(2000).collect();
    at_once(2, &groups, |group| {
        let tokens: Vec<&[u8]> = group.iter().map(Vec::as_slice).collect();
        let parts = generated(&tokens);
        assert!(parts.is_empty(), "{parts:?}");
    });
    println!("{} tokens generated and drawn: no escape sequence but the program's own", tokens.len());
}

/// The whole way: all attacks in a file, every page of it on a real terminal, and a model that draws bytes at random.
#[test]
fn hostile_text_reaches_the_terminal_as_symbols() {
    let model = bytes_model::long_folder(POSITIONS);
    let text = format!("title \x1b]0;owned\x07 clear \x1b[2J c1 \u{9b}31m end\n{}", ATTACKS[..50].join("\n"));
    let file = model.path().join("hostile.txt");
    std::fs::write(&file, text).unwrap();
    let folder = model.path().to_str().unwrap();
    let args = ["-m", folder, "-n", "1000", "--temp", "5", "-s", "1", file.to_str().unwrap()];
    let mut tty = Tty::playground((80, 24), NO_HUB, &args);
    tty.see("ctx ");
    tty.press("\x1b[1;5H");
    tty.see("title ␛]0;owned␇ clear ␛[2J c1");
    for _ in 0..6 {
        tty.press("\x1b[6~");
    }
    tty.press(CTRL_G);
    tty.see("max 1000");
    tty.press(CTRL_Q);
    tty.ended();
    let parts = foreign(&tty.seen.lock().unwrap().raw);
    assert!(parts.is_empty(), "{parts:?}");
}
