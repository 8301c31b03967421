//! Milliseconds of UI work for each streamed token: taking in the step, drawing the frame, and writing what changed as
//! escape sequences. Texts of several lengths side by side in one run: a frame must not cost more in a long one.
//!
//! Then a document that fills the context of 1,024 tokens in every colouring, the bars under a moving slider over 50,257
//! logits, and the bytes that are kept of its positions.
//!
//! `cargo bench --bench frame`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark is a program: it prints and may stop on an error"
)]
#![allow(missing_docs, reason = "a benchmark has no readers of its documentation")]

#[path = "../tests/support/scripted.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod scripted;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use kshot::app::Message;
use kshot::app::token::Colouring;
use kshot::engine::{Event, ModelInfo, TokenScore};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use scripted::{WORDS, loaded, step};

const SIZES: [(u16, u16); 3] = [(120, 36), (80, 24), (240, 80)];
const LENGTHS: [usize; 4] = [0, 10_000, 100_000, 1_000_000];
const TOKENS: usize = 600;

fn main() {
    println!("one token a frame, {TOKENS} tokens; milliseconds: median, 99th percentile, worst; ratio of the medians");
    for size in SIZES {
        let mut empty = None;
        for length in LENGTHS {
            let mut times = frames(size, length);
            times.sort_unstable();
            let ms = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
            let median = ms(0.5);
            let first = *empty.get_or_insert(median);
            println!(
                "{:>3}x{:<3} {length:>9} bytes before   {median:6.3} {:6.3} {:6.3}   {:.2} times an empty text",
                size.0,
                size.1,
                ms(0.99),
                ms(1.0),
                median / first
            );
        }
    }
    full_context();
}

/// Frames of a full context in every colouring, sliders, memory.
fn full_context() {
    let size = (120, 36);
    let mut driver = loaded(size);
    driver.executor.vocab = 50_257;
    let text: String = "The river runs to the sea. ".chars().cycle().take(1020).collect();
    driver.run(&format!("<paste {text}>")).unwrap();
    let app = &driver.shell.app;
    let kept: usize =
        app.reading.scores().iter().flatten().map(|score| size_of::<TokenScore>() + score.top.len() * 8).sum();
    let tokens = app.document.tokens().len();
    println!("\n{tokens} tokens at 120x36; milliseconds: median, 99th percentile, worst");
    println!(
        "kept of them (scripted: 8 candidates each; a real read keeps 512)   {kept} bytes; with 512: {} bytes",
        tokens * (size_of::<TokenScore>() + 512 * 8)
    );
    let area = Rect::new(0, 0, size.0, size.1);
    let backend = CrosstermBackend::new(Vec::new());
    let mut terminal = Terminal::with_options(backend, TerminalOptions { viewport: Viewport::Fixed(area) }).unwrap();
    driver.run("<Esc>").unwrap();
    for colouring in Colouring::ALL {
        driver.shell.app.token.colouring = colouring;
        let mut times: Vec<Duration> = (0..300)
            .map(|index| {
                // Another token each time, so that every frame differs from the one before.
                let key = if index % 2 == 0 { "h" } else { "l" };
                driver.run(key).unwrap();
                let begun = Instant::now();
                terminal.draw(|frame| driver.shell.draw(frame)).unwrap();
                begun.elapsed()
            })
            .collect();
        print(&format!("frame coloured by {}", colouring.name()), &mut times);
    }
    driver.run("<Esc><F3>").unwrap();
    let mut times: Vec<Duration> = (0..300)
        .map(|index| {
            let key = KeyEvent::new(if index % 20 < 10 { KeyCode::Right } else { KeyCode::Left }, KeyModifiers::NONE);
            let begun = Instant::now();
            driver.shell.update(Duration::from_millis(25 * index), Message::Key(key));
            terminal.draw(|frame| driver.shell.draw(frame)).unwrap();
            begun.elapsed()
        })
        .collect();
    print("slider key to bars, 50,257 logits", &mut times);
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let ms = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("{what:<40} {:6.3} {:6.3} {:6.3}", ms(0.5), ms(0.99), ms(1.0));
}

/// What each frame took, for tokens that follow a text of `length` bytes.
fn frames(size: (u16, u16), length: usize) -> Vec<Duration> {
    let mut driver = loaded(size);
    // The scripted vocabulary is bytes: the text has more tokens than any real context.
    let model = driver.shell.app.models.loaded.as_mut().unwrap();
    model.info = Arc::new(ModelInfo { context: usize::MAX, ..(*model.info).clone() });
    let line = "Translate it, I love computer, 我爱计算机. The river runs to the sea and the sea is wide.\n";
    let text: String = line.chars().cycle().take(length).collect();
    driver.run(&format!("<paste {text}><Ctrl+G>")).unwrap();
    // From here on as in real life, where a text that long is not read token by token.
    let model = driver.shell.app.models.loaded.as_mut().unwrap();
    model.info = Arc::new(ModelInfo { context: 1024, ..(*model.info).clone() });
    let job = driver.executor.asked.borrow().generation.as_ref().unwrap().0;
    let area = Rect::new(0, 0, size.0, size.1);
    let backend = CrosstermBackend::new(Vec::new());
    let mut terminal = Terminal::with_options(backend, TerminalOptions { viewport: Viewport::Fixed(area) }).unwrap();
    terminal.draw(|frame| driver.shell.draw(frame)).unwrap();
    (0..TOKENS)
        .map(|index| {
            let word = if index % 17 == 16 { "\n" } else { WORDS[index % WORDS.len()] };
            let event = Event::Step(job, Box::new(step(index, word.as_bytes())));
            let begun = Instant::now();
            driver.shell.update(Duration::from_millis(25 * index as u64), Message::Engine(event));
            terminal.draw(|frame| driver.shell.draw(frame)).unwrap();
            begun.elapsed()
        })
        .collect()
}
