//! What crossterm makes of the same bytes, in a terminal of its own: the rest of the program was written for its events.

use std::fmt::Write as _;
use std::io::{Read, Write as _};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::*;

/// Every form that crossterm knows, once.
fn forms() -> Vec<Vec<u8>> {
    let mut forms: Vec<Vec<u8>> = Vec::new();
    forms.extend((0..0x80).filter(|c| ![0x1b, 0x1c, 0x1d].contains(c)).map(|c| vec![c]));
    let alone = |c: &u8| ![0x03, 0x1b, 0x1c, 0x1d].contains(c) && !b"[]OPX^_".contains(c);
    forms.extend((0..0x80).filter(alone).map(|c| vec![0x1b, c]));
    let mut add = |form: String| forms.push(form.into_bytes());
    for c in ["é", "É", "ß", "中", "👍", "\x1bé", "\x1bÉ"] {
        add(c.to_owned());
    }
    for last in "ABCDFHPQRS".chars() {
        add(format!("\x1bO{last}"));
        if last != 'R' {
            add(format!("\x1b[{last}"));
            (2..=16).for_each(|mask| add(format!("\x1b[1;{mask}{last}")));
            add(format!("\x1b[5{last}"));
            add(format!("\x1b[1;5:3{last}"));
        }
    }
    for number in (1..=8).chain(11..=15).chain(17..=21).chain(23..=26).chain(28..=29).chain(31..=34) {
        for parameters in ["", ";2", ";3", ";5", ";6", ";8", ";1:3", ";69"] {
            add(format!("\x1b[{number}{parameters}~"));
        }
    }
    ('A'..='E').for_each(|c| add(format!("\x1b[[{c}")));
    for form in ["\x1b[Z", "\x1b[I", "\x1b[O", "\x1b[200~a\r\x03\x1b[201~", "\x1b[97:65;2u", "\x1b[49:33;6u"] {
        add(form.to_owned());
    }
    let characters = [9, 13, 27, 32, 47, 65, 97, 127, 233, 20013];
    for code in characters.into_iter().chain(57358..=57363).chain(57376..=57398).chain(57399..=57454) {
        for rest in ["", ";5", ";2", ";1:3", ";7:2", ";129"] {
            add(format!("\x1b[{code}{rest}u"));
        }
    }
    for button in (0..=3).chain(8..=10).chain([16, 20, 32, 33, 34, 35, 36, 40, 48, 64, 65, 66, 67, 68, 80]) {
        add(format!("\x1b[<{button};10;5M"));
        add(format!("\x1b[<{button};10;5m"));
        add(format!("\x1b[{};10;5M", button + 32));
        add(format!("\x1b[M{}*%", char::from(button + 32)));
    }
    forms
}

/// The program in a terminal that answers with crossterm's events.
struct Theirs {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    input: Box<dyn std::io::Write + Send>,
    output: Box<dyn Read + Send>,
    read: Vec<u8>,
    _master: Box<dyn portable_pty::MasterPty + Send>,
}

impl Theirs {
    fn start() -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        let name = "ui::terminal::decoder::tests::crossterm_reads::child_that_reads_with_crossterm";
        command.args(["--ignored", "--exact", name, "--nocapture", "--test-threads=1"]);
        let child = pair.slave.spawn_command(command).unwrap();
        let (output, input) = (pair.master.try_clone_reader().unwrap(), pair.master.take_writer().unwrap());
        Self { child, input, output, read: Vec::new(), _master: pair.master }
    }

    /// What stands between the next two marks.
    fn line(&mut self, what: &str) -> String {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == 0x1e) {
                let rest = self.read.split_off(end + 1);
                let line = std::mem::replace(&mut self.read, rest);
                let begin = line.iter().rposition(|byte| *byte == 0x1d).unwrap();
                return String::from_utf8(line[begin + 1..end].to_vec()).unwrap();
            }
            let mut bytes = [0; 4096];
            let count = self.output.read(&mut bytes).unwrap_or(0);
            assert!(count > 0, "it ended at {what}: {}", String::from_utf8_lossy(&self.read));
            self.read.extend_from_slice(&bytes[..count]);
        }
    }

    fn events(&mut self, form: &[u8]) -> String {
        self.input.write_all(&[form, b"\x1d"].concat()).unwrap();
        self.line(&form.escape_ascii().to_string())
    }
}

#[test]
fn every_form_that_crossterm_knows_means_the_same() {
    let mut theirs = Theirs::start();
    assert_eq!(theirs.line("the start"), "ready");
    let mut same = 0;
    for form in forms() {
        let expected = theirs.events(&form);
        let mut ours = String::new();
        for event in decode(&form) {
            let _ = write!(ours, "{event:?};");
        }
        assert_eq!(ours, expected, "{}", form.escape_ascii());
        same += 1;
    }
    theirs.input.write_all(b"\x1c").unwrap();
    theirs.child.wait().unwrap();
    assert!(same > 1000, "{same} forms");
}

/// Not a test of its own: the program of the one above. Ctrl+] ends what belongs to a form, Ctrl+\ all.
#[test]
#[ignore = "runs in a terminal, as a child of another test"]
#[allow(clippy::print_stdout, reason = "its output is what the other test reads")]
fn child_that_reads_with_crossterm() {
    crossterm::terminal::enable_raw_mode().unwrap();
    println!("\x1dready\x1e");
    let mut events = String::new();
    loop {
        let event = crossterm::event::read().unwrap();
        if event == key(KeyCode::Char('5'), CONTROL) {
            println!("\x1d{events}\x1e");
            events.clear();
        } else if event == key(KeyCode::Char('4'), CONTROL) {
            return;
        } else {
            let _ = write!(events, "{event:?};");
        }
    }
}
