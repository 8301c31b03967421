//! What is around the panes: settings, keys of one's own, the palette, the mouse, the line mode, any size of a window.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

#[path = "support/scripted.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod scripted;

use std::path::Path;

use kshot::app::help::Help;
use kshot::app::open::ModelList;
use kshot::app::overlay::Open;
use kshot::app::palette::Palette;
use kshot::app::presets::PresetList;
use kshot::app::screen::PaneId;
use kshot::app::{Entry, KeyMap, Message, TerminalRequest};
use kshot::config;
use kshot::engine::FinishReason;
use kshot::sampling::ParamId;
use kshot::ui::plain::{self, Lines};
use kshot::ui::script::Driver;
use ratatui::backend::Backend;
use ratatui::layout::Position;
use scripted::{Numbers, Player, Scripted, driver, loaded, said, screen};

/// The column and row of a text on the screen.
fn place(driver: &Driver<Scripted>, text: &str) -> (u16, u16) {
    let screen = screen(driver);
    let found = screen.lines().enumerate().find_map(|(y, line)| Some((line.find(text)?, y, line)));
    let (at, y, line) = found.unwrap_or_else(|| panic!("{text} is not on the screen:\n{screen}"));
    (line[..at].chars().count() as u16, y as u16)
}

fn rebound(size: (u16, u16), keymap: &str) -> Driver<Scripted> {
    let mut driver = loaded(size);
    let mut problems = Vec::new();
    let keys = config::read_keys(Path::new("keymap.toml"), keymap, &mut problems);
    assert_eq!(problems, []);
    let mut map = KeyMap::new(kshot::app::COMMANDS).unwrap();
    assert_eq!(map.rebind(&keys), []);
    driver.shell.app.keymap = map;
    driver
}

/// What the palette offers.
fn entries(driver: &Driver<Scripted>) -> Vec<Entry> {
    driver.shell.app.overlay::<Palette>().map(|palette| palette.entries(&driver.shell.app).to_vec()).unwrap_or_default()
}

/// Whether an overlay of that kind is the only one.
fn alone<T: kshot::app::overlay::Overlay>(driver: &Driver<Scripted>) -> bool {
    matches!(driver.shell.app.screen.overlays.as_slice(), [open] if Open::is::<T>(open))
}

#[test]
fn keys_of_ones_own_run_and_are_shown_wherever_keys_are_shown() {
    let keymap = "[global]\ngenerate = [\"ctrl-j\"]\nquit = \"f11\"\n[shots]\nshots-move-down = \"alt-down\"\n";
    let mut driver = rebound((120, 90), keymap);
    driver.run("<Ctrl+G>").unwrap();
    assert!(driver.executor.asked.borrow().generation.is_none(), "the old key is free");
    let shown = screen(&driver);
    assert!(shown.contains("Ctrl+J generate") && !shown.contains("Ctrl+G"), "{shown}");
    let mut narrow = rebound((80, 24), keymap);
    narrow.run("<F4>t<Enter>").unwrap();
    let shown = screen(&narrow);
    assert!(shown.contains("Alt+↓ move") && !shown.contains("J/K move"), "{shown}");
    driver.run("<F1>").unwrap();
    let shown = screen(&driver);
    assert!(shown.contains("│ Ctrl+J  ") && shown.contains("│ F11  ") && !shown.contains("Ctrl+Q"), "{shown}");
    driver.run("<Esc><Ctrl+P>quit").unwrap();
    assert!(screen(&driver).contains("F11"), "{}", screen(&driver));
    driver.run("<Esc>x<F11>").unwrap();
    assert!(said(&driver).contains("F11 again quits"), "{}", said(&driver));
    driver.run("<Ctrl+J>").unwrap();
    assert!(driver.executor.asked.borrow().generation.is_some());
}

#[test]
fn the_palette_finds_commands_of_the_place_and_of_everywhere_by_typing() {
    let mut driver = loaded((120, 36));
    driver.run("<F3><Ctrl+P>").unwrap();
    let names = |driver: &Driver<Scripted>| -> Vec<&'static str> { entries(driver).iter().map(Entry::name).collect() };
    let all = names(&driver);
    assert!(all.contains(&"presets") && all.contains(&"generate"), "{all:?}");
    assert!(!all.contains(&"newline") && !all.contains(&"palette"), "{all:?}");
    driver.run("prest").unwrap();
    assert_eq!(names(&driver).first(), Some(&"presets"));
    let shown = screen(&driver);
    assert!(shown.contains("command: prest") && shown.contains("choose a preset"), "{shown}");
    driver.run("<Enter>").unwrap();
    assert!(alone::<PresetList>(&driver), "the command ran, and the palette is gone");
    assert_eq!(*driver.shell.app.screen.input, None);

    // Words of the explanation are found too; what is chosen by arrow runs.
    driver.run("<Esc 2>text<Ctrl+P>redraw<Ctrl+U>seed").unwrap();
    assert!(names(&driver).starts_with(&["regenerate"]) || names(&driver).contains(&"regenerate"));
    driver.run("<Ctrl+U>help<Down><Up><Enter>").unwrap();
    assert!(alone::<Help>(&driver));
    assert_eq!(driver.shell.app.document.text(), "text", "nothing of the line went into the text");
}

#[test]
fn the_palette_opens_with_a_colon_only_where_nothing_is_typed_and_leaves_nothing_behind() {
    let mut driver = loaded((80, 24));
    driver.run(":").unwrap();
    assert_eq!(driver.shell.app.document.text(), ":");
    driver.run("<F3>:").unwrap();
    assert!(alone::<Palette>(&driver));
    driver.run("zzzz<Enter>").unwrap();
    assert!(said(&driver).contains("nothing matches") && screen(&driver).contains("Nothing matches."));
    for leave in ["<Esc>", "<Ctrl+P>", "<F1><Esc>", "<F2><Esc>", "<Tab>", "<Ctrl+G>"] {
        driver.run("<Esc 3><F3><Ctrl+P>abc").unwrap();
        assert!(driver.shell.app.is_top::<Palette>(), "{leave}");
        driver.run(leave).unwrap();
        assert!(
            driver.shell.app.screen.overlays.is_empty() && driver.shell.app.screen.input.is_none(),
            "{leave}: {}",
            screen(&driver)
        );
    }
}

#[test]
fn the_palette_goes_to_a_sampling_setting() {
    let mut driver = loaded((120, 36));
    driver.run("text<F1><Ctrl+P>top_p").unwrap();
    assert!(screen(&driver).contains("top_p"), "{}", screen(&driver));
    driver.run("<Enter>").unwrap();
    let app = &driver.shell.app;
    assert_eq!((app.screen.focus, app.screen.overlays.len(), app.sampler.row().key()), (PaneId::SAMPLING, 0, "top_p"));
    assert_eq!(app.document.text(), "text");
    driver.run("<F8><Ctrl+P>top_k<Enter>").unwrap();
    let app = &driver.shell.app;
    assert_eq!(
        (*app.screen.view, app.screen.focus, app.sampler.row().key()),
        (kshot::app::views::PLAYGROUND, PaneId::SAMPLING, "top_k")
    );
}

#[test]
fn every_command_can_be_run_from_the_palette_without_a_panic() {
    let mut driver = loaded((120, 36));
    driver.run("text<Ctrl+P>").unwrap();
    let names: Vec<&str> = entries(&driver).iter().map(Entry::name).collect();
    for name in names.iter().filter(|name| !["quit", "interrupt"].contains(name)) {
        driver.run("<Esc 3>").unwrap();
        if driver.shell.app.token.at.is_some() {
            driver.run("<Esc>").unwrap();
        }
        driver.run(&format!("<Ctrl+P>{name}")).unwrap();
        assert!(entries(&driver).iter().any(|entry| entry.name() == *name), "{name}");
        driver.run("<Enter>").unwrap();
        assert!(driver.shell.app.overlay::<Palette>().is_none(), "{name}");
        if driver.shell.app.is_running() {
            Player::new(&driver).finish(&mut driver, FinishReason::Length);
        }
        driver.run("<Esc 3>").unwrap();
        if !driver.shell.app.in_playground() {
            driver.run("<F8>").unwrap();
        }
    }
}

#[test]
fn clicks_focus_panes_and_put_the_caret() {
    let mut driver = loaded((120, 36));
    driver.run("one two").unwrap();
    let (x, y) = place(&driver, "two");
    driver.run("<F3>").unwrap();
    driver.run(&format!("<click {x},{y}>X")).unwrap();
    assert_eq!(driver.shell.app.document.text(), "one Xtwo");
    for (title, pane) in [("Few-shot", PaneId::SHOTS), ("Next token", PaneId::NEXT), ("Sampling", PaneId::SAMPLING)] {
        let (x, y) = place(&driver, title);
        driver.run(&format!("<click {x},{y}>")).unwrap();
        assert_eq!(driver.shell.app.screen.focus, pane);
    }
    // One pane at a time: its tabs.
    let mut driver = loaded((60, 16));
    for pane in [PaneId::SAMPLING, PaneId::NEXT, PaneId::DOCUMENT, PaneId::SHOTS] {
        let (x, y) = place(&driver, pane.name());
        driver.run(&format!("<click {x},{y}>")).unwrap();
        assert_eq!(driver.shell.app.screen.focus, pane);
    }
    // Under an overlay nothing is clicked.
    driver.run("<F1><click 3,3>").unwrap();
    assert!(driver.shell.app.screen.focus == PaneId::SHOTS && alone::<Help>(&driver));
}

#[test]
fn a_drag_sets_the_slider_it_began_on_wherever_the_pointer_goes() {
    for size in [(120, 36), (80, 24)] {
        let mut driver = loaded(size);
        let (x, y) = place(&driver, "top_p     ");
        let value = |driver: &Driver<Scripted>, param| driver.shell.app.sampler.settings.float(param);
        let temperature = value(&driver, ParamId::Temperature);
        let end = screen(&driver).lines().nth(usize::from(y)).unwrap().chars().position(|c| c == '●').unwrap() as u16;
        driver.run(&format!("<drag {end},{y} {x},0>")).unwrap();
        assert_eq!(value(&driver, ParamId::TopP), 0.0, "{size:?}");
        assert_eq!(driver.shell.app.screen.focus, PaneId::SAMPLING);
        driver.run(&format!("<drag {},{y} {},{}>", end - 2, size.0 - 1, y + 3)).unwrap();
        assert_eq!(value(&driver, ParamId::TopP), 1.0, "{size:?}");
        assert_eq!(value(&driver, ParamId::Temperature), temperature, "{size:?}");
        // A click on the name only selects the row.
        let (x, y) = place(&driver, "temperature     ");
        driver.run(&format!("<click {x},{y}>")).unwrap();
        assert_eq!((driver.shell.app.sampler.selected, value(&driver, ParamId::Temperature)), (0, temperature));
    }
}

#[test]
fn the_wheel_scrolls_what_is_under_it() {
    let mut driver = loaded((120, 36));
    let lines: String = (0..100).map(|n| format!("line {n}\n")).collect();
    driver.run(&format!("<paste {lines}>")).unwrap();
    assert!(!screen(&driver).contains("line 10\n") && !screen(&driver).contains("line 10 "));
    driver.run(&"<wheel-up 50,10>".repeat(40)).unwrap();
    assert!(screen(&driver).contains("line 0 "), "{}", screen(&driver));
    driver.run(&"<wheel-down 50,10>".repeat(40)).unwrap();
    assert!(screen(&driver).contains("line 99"), "{}", screen(&driver));
    driver.run("<F2><wheel-down 50,10>").unwrap();
    let open = driver.shell.app.top().filter(|open| open.is::<ModelList>()).unwrap();
    assert_eq!(open.selected(&driver.shell.app, &open.shown(&driver.shell.app)), 1);
    driver.run("<Esc><F1>").unwrap();
    let before = screen(&driver);
    driver.run("<wheel-down 50,10>").unwrap();
    assert_ne!(screen(&driver), before);
}

#[test]
fn one_key_gives_the_mouse_back_to_the_terminal() {
    let mut driver = driver((120, 36));
    driver.shell.app.screen.mouse = true;
    let requests = |driver: &mut Driver<Scripted>| -> Vec<bool> {
        let key = kshot::app::keymap::parse("alt-m").unwrap();
        let crokey::OneToThree::One(code) = key.codes else { panic!("one key") };
        let event = crossterm::event::KeyEvent::new(code, key.modifiers);
        let effects = driver.shell.update(std::time::Duration::ZERO, Message::Key(event));
        let mouse = |effect| match effect {
            kshot::app::Effect::Terminal(TerminalRequest::Mouse(on)) => Some(on),
            _ => None,
        };
        effects.into_iter().filter_map(mouse).collect()
    };
    assert_eq!(requests(&mut driver), [false]);
    assert_eq!(requests(&mut driver), [true]);
    assert!(said(&driver).contains("Shift+drag"));
}

#[test]
fn any_size_is_drawn_and_shows_the_caret_also_while_the_model_writes() {
    let mut numbers = Numbers(7);
    let mut between = |from: u16, to: u16| from + numbers.next(usize::from(to - from) + 1) as u16;
    let mut driver = loaded((120, 36));
    driver.run("The word for water 中文 is<Ctrl+G>").unwrap();
    let mut player = Player::new(&driver);
    for round in 0..500 {
        // Half of them near the limits, where most can go wrong.
        let (width, height) = match round % 2 {
            0 => (between(1, 400), between(1, 300)),
            _ => (between(55, 125), between(14, 40)),
        };
        driver.run(&format!("<size {width}x{height}>")).unwrap();
        if round % 3 == 0 {
            player.tokens(&mut driver, &[" eau", "\n", " de"]);
        }
        if (width, height) < (60, 0) || height < 16 {
            continue;
        }
        // The caret is on the screen, inside the pane, and the terminal is told so.
        assert_eq!(driver.shell.app.screen.focus, PaneId::DOCUMENT);
        let caret = driver.shell.render(ratatui::layout::Rect::new(0, 0, width, height), &mut driver.buffer().clone());
        let caret = caret.unwrap_or_else(|| panic!("no caret at {width}x{height}"));
        assert!(
            caret.x > 0 && caret.x < width - 1 && caret.y > 0 && caret.y < height - 2,
            "{caret} at {width}x{height}"
        );
        let mut backend = driver.backend().clone();
        assert_eq!(backend.get_cursor_position().unwrap(), Position::new(caret.x, caret.y), "{width}x{height}");
    }
    assert!(driver.shell.app.is_running());
}

/// Runs lines through the line mode with a scripted executor; gives all that was written.
fn plain(lines: &[&str]) -> (String, Scripted) {
    let mut driver = driver((80, 24));
    driver.shell.app.look_up("gpt2").unwrap();
    let mut executor = Scripted::new();
    let (sender, typed) = crossbeam_channel::unbounded();
    let (_interrupt, interrupts) = crossbeam_channel::unbounded();
    for line in lines {
        sender.send((*line).to_owned()).unwrap();
    }
    drop(sender);
    let mut out = Vec::new();
    plain::run(driver.shell.app, &Lines { typed, interrupts }, &mut out, &mut executor).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    (text, executor)
}

#[test]
fn lines_are_text_and_slashes_are_commands() {
    let (text, _) =
        plain(&["one", "two", "", "//three", "\u{1b}[31mfour", "/undo", "/show", "/clear", "/show", "/nonsens"]);
    assert!(text.contains("gpt2 is ready"), "{text}");
    assert!(text.contains("Typed:\none\ntwo\n\n/three\n"), "{text}");
    assert!(!text.contains("four\n/"), "{text}");
    assert!(text.contains("The text is empty."), "{text}");
    assert!(text.contains("There is no command /nonsens"), "{text}");
}

#[test]
fn values_are_set_by_name_with_what_they_take() {
    let (text, _) = plain(&[
        "/set temperature 0.35",
        "/set top_p 3",
        "/set temprature 1",
        "/set stop \"\\n\"",
        "/set preset wild",
        "/set",
    ]);
    assert!(text.contains("\ntemperature 0.35: "), "{text}");
    assert!(text.contains("top_p stays as it was: this takes a number from 0 to 1"), "{text}");
    assert!(text.contains("nothing to set called temprature; the nearest is temperature"), "{text}");
    assert!(text.contains("\nstop \"\\n\": ") && text.contains("The presets are "), "{text}");
}

#[test]
fn what_would_be_an_overlay_is_a_numbered_list() {
    let (text, executor) = plain(&["/models", "9", "2", "2", "/presets", "1", "/shots-task", "", "/help"]);
    assert!(text.contains("1. gpt2 (here)") && text.contains("2. gpt2-medium (to download, 1.5 GB)"), "{text}");
    assert!(text.contains("A number from 1 to 3, or an empty line to leave."), "{text}");
    assert!(text.contains("Download?\ngpt2-medium\n") && text.contains("1. yes\n2. no\n"), "{text}");
    assert!(executor.asked.borrow().pull.is_none(), "no was no");
    assert_eq!(text.matches("1. gpt2 (here)").count(), 1, "a list is printed once: {text}");
    assert!(text.contains("sampling preset: "), "{text}");
    assert!(text.contains("/generate: "), "{text}");
}

#[test]
fn a_question_is_answered_by_a_line() {
    let (text, executor) = plain(&["text", "/save", "out.txt", "/save", "", "/model-hub", "nobody/nothing", "/quit"]);
    assert!(text.contains("save the document as? (an empty line takes kshot.txt)"), "{text}");
    assert!(text.contains("save the document as? (an empty line takes out.txt)"), "{text}");
    let saved: Vec<_> = executor.asked.borrow().saved.iter().map(|(path, _)| path.display().to_string()).collect();
    assert_eq!(saved, ["out.txt", "out.txt"], "{text}");
    assert!(text.contains("no repository nobody/nothing"), "{text}");
}

mod program {
    //! The program itself, through pipes.

    use std::path::Path;
    use std::process::Output;

    fn run(home: &Path, args: &[&str], stdin: &str, env: &[(&str, &str)]) -> Output {
        let mut command = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("kshot"));
        command.args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", home).env("HF_HUB_OFFLINE", "1").env("KSHOT_THREADS", "1").current_dir(home);
        command.envs(env.iter().copied()).write_stdin(stdin).output().unwrap()
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn the_line_mode_generates_through_a_pipe_without_a_control_character() {
        let home = tempfile::tempdir().unwrap();
        let lines = "Once upon a time\n/set seed 3\n/set max_tokens 6\n/generate\n/show\n/undo\n/undo\n/regenerate-same\n/quit\n";
        for (args, env) in [(["--plain"].as_slice(), None), (&[], Some(("KSHOT_PLAIN", "1")))] {
            let ran = run(home.path(), args, lines, env.as_slice());
            let out = text(&ran.stdout);
            assert_eq!(ran.status.code(), Some(0), "{out}{}", text(&ran.stderr));
            assert!(!out.chars().any(|c| c.is_control() && c != '\n'), "{out:?}");
            assert!(out.contains("built-in is ready"), "{out}");
            assert!(out.contains("[max tokens (6) reached; seed 3]"), "{out}");
            assert!(out.contains("Typed:\nOnce upon a time\nModel:\n"), "{out}");
            assert!(out.contains("The text has 16 characters"), "{out}");
        }
    }

    #[test]
    fn settings_are_shown_checked_and_counted() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".config/kshot");
        let ran = run(home.path(), &["config", "--default"], "", &[]);
        let default = text(&ran.stdout);
        assert!(default.contains("# theme = \"auto\"") && default.contains("[sampling]"), "{default}");
        let ran = run(home.path(), &["config"], "", &[]);
        assert!(text(&ran.stdout).contains("config.toml  (not made yet"), "{}", text(&ran.stdout));

        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.toml"), default).unwrap();
        let ran = run(home.path(), &["config", "--check"], "", &[]);
        assert_eq!((ran.status.code(), text(&ran.stderr)), (Some(0), String::new()));

        std::fs::write(folder.join("config.toml"), "modle = \"x\"\n[sampling]\nmax_tokens = 4\nseed = 9\n").unwrap();
        std::fs::write(folder.join("keymap.toml"), "[global]\nhelp = \"f5\"\nquit = \"f11\"\n").unwrap();
        let ran = run(home.path(), &["config", "--check"], "", &[]);
        let problems = text(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{problems}");
        assert!(problems.contains("config.toml:1: there is no setting `modle`; the nearest is `model`"), "{problems}");
        assert!(problems.contains("keymap.toml:2: F5 is bound to generate"), "{problems}");
        let ran = run(home.path(), &["config"], "", &[("KSHOT_TEMP", "0.5")]);
        let shown = text(&ran.stdout);
        assert_eq!(ran.status.code(), Some(0));
        assert!(shown.contains("sampling.max_tokens") && shown.contains("config.toml:3"), "{shown}");
        assert!(shown.contains("= 0.5  KSHOT_TEMP") && shown.contains("[global] quit = F11"), "{shown}");

        // The settings count in every command, and the command line comes before them.
        let ids = |args: &[&str]| {
            let ran = run(home.path(), &[&["generate", "-p", "a", "--json"], args].concat(), "", &[]);
            let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
            (json["ids"].as_array().unwrap().len(), json["seed"].as_u64().unwrap(), text(&ran.stderr))
        };
        let (len, seed, notes) = ids(&[]);
        assert_eq!((len, seed), (4, 9));
        assert!(notes.contains("`modle`"), "{notes}");
        assert_eq!(ids(&["-n", "2"]).0, 2);

        // Another file, and one that is not there.
        let other = home.path().join("other.toml");
        std::fs::write(&other, "[sampling]\nmax_tokens = 3\n").unwrap();
        assert_eq!(ids(&["-c", "other.toml"]).0, 3);
        let ran = run(home.path(), &["config", "-c", "missing.toml"], "", &[]);
        assert!(ran.status.code() == Some(1) && text(&ran.stderr).contains("missing.toml"), "{}", text(&ran.stderr));
    }
}

#[cfg(unix)]
mod terminal {
    //! The program in a pseudo-terminal that says what its ground is.

    use std::io::{Read, Write};
    use std::time::{Duration, Instant};

    use portable_pty::{CommandBuilder, PtySize, native_pty_system};

    /// What the program writes until `until` is in it, on a terminal that answers OSC 10 and 11 with these colours, and
    /// every terminal's question. Ctrl+C twice, or the end of the input, ends it.
    fn written(env: &[(&str, &str)], ground: &str, text: &str, until: &str) -> String {
        let home = tempfile::tempdir().unwrap();
        let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin!("kshot"));
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", home.path());
        command.env("LANG", "C.UTF-8");
        command.env("KSHOT_THREADS", "1");
        for (name, value) in env {
            command.env(name, value);
        }
        command.cwd(home.path());
        let pair =
            native_pty_system().openpty(PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().unwrap();
        let mut keys = pair.master.take_writer().unwrap();
        let (sender, chunks) = crossbeam_channel::unbounded();
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                let _ = sender.send(buffer[..n].to_vec());
            }
        });
        let end = Instant::now() + Duration::from_secs(60);
        let mut all = String::new();
        while !all.contains(until) {
            let chunk = chunks.recv_deadline(end).unwrap_or_else(|_| panic!("no {until:?} in {all:?}"));
            let chunk = String::from_utf8_lossy(&chunk).into_owned();
            let answers = [
                ("\x1b]10;?", format!("\x1b]10;rgb:{text}\x1b\\")),
                ("\x1b]11;?", format!("\x1b]11;rgb:{ground}\x1b\\")),
                ("\x1b[c", "\x1b[?62;22c".to_owned()),
            ];
            for (_, answer) in answers.iter().filter(|(question, _)| chunk.contains(question)) {
                keys.write_all(answer.as_bytes()).unwrap();
            }
            all += &chunk;
        }
        child.kill().unwrap();
        let _ = child.wait();
        all
    }

    const COLOURS: [(&str, &str); 2] = [("TERM", "xterm-256color"), ("COLORTERM", "truecolor")];
    /// The dim colour of each theme as it is written.
    const DARK: &str = "38;2;154;159;168";
    const LIGHT: &str = "38;2;102;107;115";

    #[test]
    fn the_theme_follows_the_ground_of_the_terminal_unless_one_is_named() {
        let light = written(&COLOURS, "ffff/ffff/ffff", "0000/0000/0000", LIGHT);
        // The first frame waits for no answer, so it may be in the theme that reads on both.
        assert!(!light.contains(DARK));
        let dark = written(&COLOURS, "1111/1111/1111", "eeee/eeee/eeee", DARK);
        assert!(!dark.contains(LIGHT));
        let named = [COLOURS.as_slice(), &[("KSHOT_THEME", "dark")]].concat();
        let named = written(&named, "ffff/ffff/ffff", "0000/0000/0000", DARK);
        assert!(!named.contains("\x1b]11;?"), "a named theme needs no answer");
    }

    #[test]
    fn without_colour_nothing_is_asked_and_a_dumb_terminal_gets_lines() {
        let plain = [COLOURS.as_slice(), &[("NO_COLOR", "1")]].concat();
        let plain = written(&plain, "ffff/ffff/ffff", "0000/0000/0000", "idle");
        assert!(!plain.contains("\x1b]11;?") && !plain.contains("38;2;"), "{plain:?}");
        let dumb = written(&[("TERM", "dumb")], "ffff/ffff/ffff", "0000/0000/0000", "built-in is ready");
        assert!(!dumb.contains('\x1b'), "{dumb:?}");
    }
}
