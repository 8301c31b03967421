//! Much at once: a thousand sizes in two seconds, ten megabytes pasted, keys without a pause.

use super::*;

#[test]
#[allow(clippy::print_stdout, reason = "its figure goes into the record")]
fn a_thousand_sizes_leave_a_whole_screen() {
    let model = bytes_model::long_folder(POSITIONS);
    let mut tty = Tty::playground((80, 24), NO_HUB, &["-m", model.path().to_str().unwrap(), "-n", "3000"]);
    tty.see("ctx 0/4096");
    tty.press("x");
    tty.press(CTRL_G);
    tty.see("/3000");
    let begun = Instant::now();
    for number in 0..1000u64 {
        let size = (20 + (number * 7919 % 181) as u16, 5 + (number * 104_729 % 56) as u16);
        tty.resize(size);
        // A thousand in two seconds.
        std::thread::sleep((begun + Duration::from_millis(2 * number)).saturating_duration_since(Instant::now()));
    }
    let taken = begun.elapsed();
    tty.resize((100, 30));
    tty.wait("whole screen", |screen| {
        let rows: Vec<&str> = screen.lines().collect();
        let bordered = rows.iter().filter(|row| row.ends_with(['│', '┐', '┘', '↓', '↑', '┃'])).count();
        rows.len() == 30 && rows[0].contains("ctx ") && rows[29].contains("F1") && bordered == 27
    });
    tty.press(CTRL_C);
    tty.press(CTRL_Q);
    tty.ended();
    tty.assert_restored("a thousand sizes");
    println!("1000 sizes in {taken:?} while generating");
}

#[test]
#[allow(clippy::print_stdout, reason = "its figure goes into the record")]
fn ten_megabytes_are_pasted_and_the_keyboard_lives() {
    let model = bytes_model::long_folder(POSITIONS);
    let mut tty = Tty::playground((80, 24), NO_HUB, &["-m", model.path().to_str().unwrap()]);
    tty.see("ctx 0/4096");
    let line = "a line of the ten megabytes that are pasted here\r".repeat(10_000_000 / 49);
    let begun = Instant::now();
    tty.press("\x1b[200~");
    tty.press(&line);
    tty.press("\x1b[201~");
    // A paste of this size is asked about; to say no is to go on.
    tty.see("MB");
    let asked = begun.elapsed();
    tty.press("n");
    tty.wait("the page", |screen| !screen.contains("MB"));
    tty.press("Q");
    tty.see("ctx 1/4096");
    tty.press(CTRL_Q);
    assert_eq!(tty.ended().exit_code(), 0);
    println!("10 MB through the terminal in {asked:?}");
}

#[test]
fn a_paste_that_is_too_long_is_refused_with_a_message() {
    let model = bytes_model::long_folder(POSITIONS);
    let mut tty = Tty::playground((80, 24), NO_HUB, &["-m", model.path().to_str().unwrap()]);
    tty.see("ctx 0/4096");
    tty.press("\x1b[200~");
    tty.press(&"x".repeat(17 << 20));
    tty.press("\x1b[201~");
    tty.see("longer than 16 MiB");
    tty.press("Q");
    tty.see("ctx 1/4096");
    tty.press(CTRL_Q);
    assert_eq!(tty.ended().exit_code(), 0);
}
