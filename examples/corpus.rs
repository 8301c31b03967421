//! Prints training documents: `cargo run --release --example corpus -- 5 7` writes five of seed 7.
#![allow(clippy::print_stdout, reason = "an example prints")]

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let count = arguments.next().and_then(Result::ok).unwrap_or(5);
    let seed = arguments.next().and_then(Result::ok).unwrap_or(0);
    for document in kshot::corpus::documents(seed).take(usize::try_from(count).unwrap_or(usize::MAX)) {
        println!("{document}<|endoftext|>");
    }
}
