//! Every way out restores the terminal, from every screen; a terminal that goes ends the program and keeps the session.

use super::*;

/// A terminal that knows the kitty keyboard protocol, so that there is a mode more to take back.
const KITTY: &[(&[u8], &[u8])] = &[(b"\x1b[?u", b"\x1b[?0u")];

/// A way to leave.
struct Route {
    name: &'static str,
    /// The exit code; none where a signal ends the process as it does by default.
    code: Option<u32>,
    leave: fn(&mut Tty),
}

const fn route(name: &'static str, code: Option<u32>, leave: fn(&mut Tty)) -> Route {
    Route { name, code, leave }
}

const ROUTES: [Route; 13] = [
    route("quit", Some(0), |tty| tty.press(CTRL_Q)),
    route("Ctrl+C twice", Some(0), |tty| {
        tty.press(CTRL_C);
        tty.see("again to quit");
        tty.press(CTRL_C);
    }),
    route("SIGTERM", Some(143), |tty| tty.signal(libc::SIGTERM)),
    route("SIGHUP", Some(129), |tty| tty.signal(libc::SIGHUP)),
    route("SIGINT", Some(130), |tty| tty.signal(libc::SIGINT)),
    route("SIGQUIT", Some(131), |tty| tty.signal(libc::SIGQUIT)),
    route("SIGABRT", None, |tty| tty.signal(libc::SIGABRT)),
    route("SIGUSR1", None, |tty| tty.signal(libc::SIGUSR1)),
    route("SIGXCPU", None, |tty| tty.signal(libc::SIGXCPU)),
    route("SIGALRM", None, |tty| tty.signal(libc::SIGALRM)),
    route("SIGSEGV", None, |tty| tty.signal(libc::SIGSEGV)),
    route("SIGBUS", None, |tty| tty.signal(libc::SIGBUS)),
    route("SIGFPE", None, |tty| tty.signal(libc::SIGFPE)),
];

/// A screen, by the keys that lead to it and what it shows.
const SCREENS: [(&str, &str); 3] = [("", "ctx 0/4096"), (F1, "Everywhere"), (F8, "This run")];

#[test]
#[allow(clippy::print_stdout, reason = "its figure goes into the record")]
fn every_way_out_of_every_screen_restores_the_terminal() {
    let model = bytes_model::long_folder(POSITIONS);
    let cases: Vec<_> = ROUTES.iter().flat_map(|route| SCREENS.map(|screen| (route, screen))).collect();
    at_once(4, &cases, |(route, (keys, sign))| {
        let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin!("kshot"));
        command.args(["-m", model.path().to_str().unwrap()]);
        command.env("HF_ENDPOINT", NO_HUB);
        let mut tty = Tty::start_with((80, 24), command, &Setup { answers: KITTY, ..Setup::default() });
        tty.see("ctx 0/4096");
        tty.wait_for_bytes(b"\x1b[>1u", 1);
        tty.press(keys);
        tty.see(sign);
        (route.leave)(&mut tty);
        let status = tty.ended();
        let name = format!("{} from {sign}", route.name);
        match route.code {
            Some(code) => assert_eq!(status.exit_code(), code, "{name}"),
            None => assert!(status.signal().is_some(), "{name}: {status:?}"),
        }
        tty.assert_restored(&name);
    });
    println!("{} of {0} ways out restored the terminal", cases.len());
}

/// What is typed just before the terminal goes is in the session that the next program finds.
fn hang_up(command: impl Fn() -> CommandBuilder, name: &str) -> Duration {
    let home = tempfile::tempdir().unwrap();
    let setup = Setup { home: Some(home.path()), ..Setup::default() };
    let mut tty = Tty::start_with((80, 24), command(), &setup);
    tty.see("ctx 0/4096");
    tty.press("typed just before");
    tty.see("typed just before");
    let gone = Instant::now();
    tty.hang_up();
    tty.ended();
    let time = gone.elapsed();
    assert!(time < Duration::from_secs(10), "{name}: {time:?}");
    let mut next = Tty::start_with((80, 24), command(), &setup);
    next.see("typed just before");
    next.press(CTRL_Q);
    next.ended();
    time
}

#[test]
#[allow(clippy::print_stdout, reason = "its figure goes into the record")]
fn a_terminal_that_goes_ends_the_program_and_keeps_the_session() {
    let model = bytes_model::long_folder(POSITIONS);
    let folder = model.path().to_str().unwrap();
    let kshot = assert_cmd::cargo::cargo_bin!("kshot");
    let leader = || {
        let mut command = CommandBuilder::new(kshot);
        command.args(["-m", folder]);
        command
    };
    // SIGHUP reaches the shell alone, and is ignored by it and what it starts; the shell waits for the program.
    let child = || {
        let mut command = CommandBuilder::new("sh");
        command.args(["-c", r#"trap "" HUP; "$0" "$@"; :"#, kshot.to_str().unwrap(), "-m", folder]);
        command
    };
    let cases: Vec<bool> = (0..2 * repeats(3)).map(|number| number % 2 == 0).collect();
    let times = std::sync::Mutex::new(Vec::new());
    at_once(4, &cases, |is_leader| {
        let time = if *is_leader { hang_up(leader, "leader") } else { hang_up(child, "child of a deaf shell") };
        times.lock().unwrap().push(time);
    });
    let mut times = times.into_inner().unwrap();
    times.sort_unstable();
    println!("{} hang-ups, the slowest end after {:?}; every session kept", times.len(), times[times.len() - 1]);
}

#[test]
fn a_panic_restores_the_terminal_before_its_message() {
    let screen = a_child_that_ends("child_that_panics", "panic");
    assert!(screen.contains("this panic is part of a test"), "{screen}");
    assert!(!screen.contains("drawn before the end"), "{screen}");
}

#[test]
fn an_abort_restores_the_terminal() {
    let screen = a_child_that_ends("child_that_aborts", "abort");
    assert!(!screen.contains("drawn before the end"), "{screen}");
}

fn a_child_that_ends(name: &str, route: &str) -> String {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    let name = format!("ways_out::{name}");
    command.args(["--ignored", "--exact", &name, "--nocapture", "--test-threads=1"]);
    let mut tty = Tty::start((80, 24), command);
    assert!(!tty.ended().success());
    tty.assert_restored(route);
    tty.screen()
}

/// A terminal with something drawn on it, taken over by this process.
fn drawn() -> kshot::ui::terminal::Terminal {
    use kshot::ui::terminal::{Terminal, TerminalOptions};
    let mut terminal = Terminal::enter(&TerminalOptions::default()).unwrap();
    terminal.screen().draw(|frame| frame.render_widget("drawn before the end", frame.area())).unwrap();
    terminal
}

/// Not a test of its own: the program of one above.
#[test]
#[ignore = "runs in a terminal, as a child of another test"]
fn child_that_panics() {
    let _terminal = drawn();
    panic!("this panic is part of a test");
}

/// Not a test of its own: the program of one above.
#[test]
#[ignore = "runs in a terminal, as a child of another test"]
fn child_that_aborts() {
    let _terminal = drawn();
    std::process::abort();
}
