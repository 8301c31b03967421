//! Milliseconds of UI work for each streamed token: taking in the step, drawing the frame, and writing what changed as
//! escape sequences. Texts of several lengths side by side in one run: a frame must not cost more in a long one.
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

use kshot::app::Message;
use kshot::engine::{Event, ModelInfo};
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
