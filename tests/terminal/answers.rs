//! Answers of the terminal: late, in pieces, not asked for, never. Nothing of them is typed and nothing is started; the
//! first frame waits for none; the theme follows the colours that are answered in time.

use kshot::ui::theme::{Ground, Palette, SCALES, Theme};
use kshot::ui::widget::Glyphs;
use ratatui::style::Color;

use super::*;

const QUESTION: &[u8] = b"\x1b]11;?\x1b\\";
const LIGHT: &[u8] = b"\x1b]10;rgb:0000/0000/0000\x1b\\\x1b]11;rgb:ffff/ffff/ffff\x1b\\";

/// To the colours (ended by ST and by BEL), DA1 to DA3, XTVERSION, DECRPM, the colour scheme, the clipboard, the cursor.
const ANSWERS: [&str; 13] = [
    "\x1b]10;rgb:d0d0/d0d0/d0d0\x1b\\",
    "\x1b]11;rgb:0000/0000/0000\x1b\\",
    "\x1b]10;rgb:d0d0/d0d0/d0d0\x07",
    "\x1b]11;rgb:0000/0000/0000\x07",
    "\x1b[?62;22c",
    "\x1b[>0;276;0c",
    "\x1bP!|7E565445\x1b\\",
    "\x1bP>|tmux 3.3a\x1b\\",
    "\x1b[?2026;2$y",
    "\x1b[?997;1n",
    "\x1b]52;c;cm0gLXJmIH4K\x1b\\",
    "\x1b]52;c;cm0gLXJmIH4K\x07",
    "\x1b[3;5R",
];

/// On an empty page, so that the number of tokens is the number of bytes that were typed.
fn empty_page(model: &Path) -> Tty {
    let mut tty = Tty::playground((80, 24), NO_HUB, &["-m", model.to_str().unwrap()]);
    tty.see("ctx 0/4096");
    tty
}

/// One letter is all there is in the page, nothing runs, and Ctrl+C twice quits.
fn only_what_is_typed(mut tty: Tty, what: &str) {
    tty.press("Q");
    let counted = |screen: &str| !screen.contains("ctx 0/") && !screen.contains("+/4096");
    let screen = tty.wait("one token", |screen| screen.contains("ctx ") && counted(screen));
    assert!(screen.contains("ctx 1/4096"), "{what}: more was typed\n{screen}");
    assert_eq!(tty.written(b"generating"), 0, "{what}: a generation was started");
    tty.press(CTRL_C);
    tty.see("again to quit");
    tty.press(CTRL_C);
    assert_eq!(tty.ended().exit_code(), 0, "{what}");
    tty.assert_restored(what);
}

#[test]
fn late_answers_in_pieces_are_never_typed_and_start_nothing() {
    let model = bytes_model::long_folder(POSITIONS);
    let delays = [20, 100, 250, 450, 1000, 2500].map(Duration::from_millis);
    at_once(3, &delays, |delay| {
        let mut tty = empty_page(model.path());
        tty.wait_for_bytes(QUESTION, 1);
        // The delay is what is tested.
        std::thread::sleep(*delay);
        for answer in ANSWERS {
            tty.press(answer);
        }
        for (at, answer) in ANSWERS.iter().enumerate() {
            // Each is cut after what begins it, before what ends it, and somewhere between; the rest comes late.
            for (cut, gap) in [(1, 5), (2, 40), (3 + at % (answer.len() - 3), 40), (answer.len() - 1, 40)] {
                tty.press(&answer[..cut]);
                std::thread::sleep(Duration::from_millis(gap));
                tty.press(&answer[cut..]);
            }
        }
        // The rest comes when no program would wait for it any more.
        tty.press("\x1b]11;rgb:0000/00");
        std::thread::sleep(*delay);
        tty.press("00/0000\x1b\\");
        only_what_is_typed(tty, &format!("answers after {delay:?}"));
    });
}

/// Each of these once left a program that heard no key any more.
#[test]
fn no_bytes_take_the_keyboard_away() {
    let model = bytes_model::long_folder(POSITIONS);
    let cut =
        ["\x1b[<0;10", "\x1b[?", "\x1b[>", "\x1b]52;c;cm0", "\x1bP>|tmux", "\x1b_Gi=1", "\x1b^x", "\x1bX", "\x1b[M "];
    let whole = ["\x1b[?2026;2$y", "\x1b[?997;1n", "\x1b[?25h", "\x1b[99$z", "\x1b[57500u", "\x1b[[9", "\x1bO9~"];
    let cases: Vec<(&str, bool)> =
        cut.into_iter().map(|bytes| (bytes, true)).chain(whole.map(|bytes| (bytes, false))).collect();
    at_once(4, &cases, |(bytes, is_cut)| {
        let mut tty = empty_page(model.path());
        tty.press(bytes);
        if *is_cut {
            // What stays open is given up after a while without a byte.
            std::thread::sleep(Duration::from_millis(600));
        }
        only_what_is_typed(tty, &bytes.escape_default().to_string());
    });
}

#[test]
fn a_paste_that_never_ends_gives_the_keyboard_back() {
    let model = bytes_model::long_folder(POSITIONS);
    let mut tty = empty_page(model.path());
    tty.press("\x1b[200~text without an end");
    tty.see("text without an end");
    tty.press("Q");
    tty.see("ctx 20/4096");
    tty.press(CTRL_C);
    tty.see("again to quit");
    tty.press(CTRL_C);
    assert_eq!(tty.ended().exit_code(), 0);
    tty.assert_restored("a paste without an end");
}

/// A measurement with a bound that no machine is too slow for: the figure is printed.
#[test]
#[allow(clippy::print_stdout, reason = "its figure goes into the record")]
fn the_first_frame_waits_for_no_answer() {
    let mut times: Vec<Duration> = (0..repeats(5))
        .map(|_| {
            let mut tty = Tty::playground((80, 24), NO_HUB, &[]);
            let time = tty.first_frame();
            assert_eq!(tty.written(QUESTION), 1, "the terminal is asked, and says nothing");
            tty.press(CTRL_Q);
            tty.ended();
            time
        })
        .collect();
    times.sort_unstable();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    println!("first frame in a silent terminal: median {median:?}, worst {worst:?} of {}", times.len());
    assert!(median < Duration::from_secs(2), "{times:?}");
}

/// The colour of the corner of the first pane.
fn corner(tty: &Tty) -> vt100::Color {
    tty.seen.lock().unwrap().screen.screen().cell(1, 0).unwrap().fgcolor()
}

fn border(ground: Ground) -> [vt100::Color; 2] {
    let theme = Theme::of(ground.theme(), &SCALES[0], Palette::Ansi256, Glyphs::UNICODE);
    [theme.border, theme.focus].map(|style| match style.fg {
        Some(Color::Indexed(index)) => vt100::Color::Idx(index),
        other => panic!("{other:?}"),
    })
}

#[test]
fn the_theme_follows_the_answer_unless_it_is_known() {
    let command = |args: &[&str]| {
        let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin!("kshot"));
        command.args(args);
        command
    };
    let looks = |tty: &mut Tty, ground| {
        let seen = tty.seen.clone();
        tty.wait(&format!("theme for {ground:?}"), |_| {
            let seen = seen.lock().unwrap();
            seen.screen.screen().cell(1, 0).is_some_and(|cell| border(ground).contains(&cell.fgcolor()))
        });
    };
    let mut tty = Tty::start((80, 24), command(&[]));
    looks(&mut tty, Ground::Unknown);
    tty.write(LIGHT);
    looks(&mut tty, Ground::Light);
    tty.write(b"\x1b]11;rgb:0/0/0\x1b\\");
    let cases: [(&[&str], &[(&str, &str)], Ground); 3] = [
        (&[], &[("COLORFGBG", "15;0")], Ground::Dark),
        (&[], &[("COLORFGBG", "0;default;15")], Ground::Light),
        (&["--theme", "dark"], &[], Ground::Dark),
    ];
    for (args, environment, ground) in cases {
        let mut tty = Tty::start_in((80, 24), command(args), environment);
        looks(&mut tty, ground);
        assert_eq!(tty.written(QUESTION), 0, "{environment:?}: what is known is not asked");
        tty.write(LIGHT);
        tty.press(ALT_C);
        tty.see("ctx 0/");
        assert!(border(ground).contains(&corner(&tty)), "{environment:?}: the theme jumped");
    }
}
