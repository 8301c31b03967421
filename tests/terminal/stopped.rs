//! Stopped and continued, with another size when it comes back: the frame is whole.

use super::*;

const SIZES: [(u16, u16); 4] = [(100, 30), (80, 24), (120, 36), (90, 20)];
const LEFT: &[u8] = b"\x1b[?1049l";
const ENTERED: &[u8] = b"\x1b[?1049h";
const CTRL_L: &str = "\x0c";
const CTRL_Z: &str = "\x1a";

/// The screen is what the program draws anew for this size.
fn is_whole(tty: &mut Tty, size: (u16, u16), what: &str) {
    let whole = |screen: &str| {
        let rows: Vec<&str> = screen.lines().collect();
        rows.len() == usize::from(size.1)
            && rows[0].contains("ctx 0/4096")
            && rows[usize::from(size.1) - 1].contains("F1")
            && rows.iter().filter(|row| row.contains('│') || row.contains('─')).count() + 4 >= usize::from(size.1)
    };
    let screen = tty.wait(&format!("whole frame of {size:?} ({what})"), whole);
    let cleared = tty.written(b"\x1b[2J");
    tty.press(CTRL_L);
    tty.wait_for_bytes(b"\x1b[2J", cleared + 1);
    let again = tty.wait("frame drawn anew", whole);
    assert_eq!(screen.trim_end(), again.trim_end(), "{what}");
}

#[test]
#[allow(clippy::print_stdout, reason = "its figure goes into the record")]
fn kill_stop_and_cont_with_another_size_between() {
    let model = bytes_model::long_folder(POSITIONS);
    let mut tty = Tty::playground(SIZES[1], NO_HUB, &["-m", model.path().to_str().unwrap(), "--fresh"]);
    tty.see("is ready");
    // Puts the message away, which would not be there the second time.
    tty.press(CTRL_L);
    tty.wait("no message", |screen| !screen.contains("is ready"));
    is_whole(&mut tty, SIZES[1], "at first");
    let times = repeats(5);
    for number in 0..times {
        let size = SIZES[number % SIZES.len()];
        let entered = tty.written(ENTERED);
        tty.signal(libc::SIGSTOP);
        tty.resize(size);
        tty.signal(libc::SIGCONT);
        tty.wait_for_bytes(ENTERED, entered + 1);
        is_whole(&mut tty, size, &format!("continued for the {number}th time"));
    }
    tty.press(CTRL_Q);
    assert_eq!(tty.ended().exit_code(), 0);
    tty.assert_restored("quit after kill -CONT");
    println!("{times} of {times} frames whole after kill -STOP and -CONT");
}

#[test]
#[allow(clippy::print_stdout, reason = "its figure goes into the record")]
fn ctrl_z_and_fg_with_another_size_between() {
    let model = bytes_model::long_folder(POSITIONS);
    let mut shell = CommandBuilder::new("sh");
    shell.arg("-i");
    let mut tty = Tty::start_in(SIZES[1], shell, &[("PS1", "prompt> "), ("HF_ENDPOINT", NO_HUB)]);
    tty.see("prompt>");
    let kshot = assert_cmd::cargo::cargo_bin!("kshot");
    tty.press(&format!("'{}' --fresh -m '{}'\r", kshot.display(), model.path().display()));
    tty.see("is ready");
    tty.press(CTRL_L);
    tty.wait("no message", |screen| !screen.contains("is ready"));
    let times = repeats(5);
    for number in 0..times {
        let size = SIZES[number % SIZES.len()];
        let (left, prompts) = (tty.written(LEFT), tty.written(b"prompt>"));
        tty.press(CTRL_Z);
        tty.wait_for_bytes(LEFT, left + 1);
        // The shell has the terminal again.
        tty.wait_for_bytes(b"prompt>", prompts + 1);
        tty.resize(size);
        tty.press("fg\r");
        tty.wait_for_bytes(ENTERED, left + 2);
        is_whole(&mut tty, size, &format!("fg for the {number}th time"));
    }
    let prompts = tty.written(b"prompt>");
    tty.press(CTRL_Q);
    tty.wait_for_bytes(b"prompt>", prompts + 1);
    tty.press("exit\r");
    tty.ended();
    println!("{times} of {times} frames whole after Ctrl+Z and fg");
}
