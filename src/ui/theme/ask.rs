//! What the terminal says of its ground (OSC 11).

use std::io::IsTerminal;
use std::time::Duration;

use terminal_colorsaurus::{QueryOptions, ThemeMode, theme_mode};

use super::Ground;

/// How long the first frame waits for the answer. Terminals that know nothing of the question say so much earlier.
const PATIENCE: Duration = Duration::from_millis(200);

/// Asks the terminal, before it is taken over. Nothing is asked where standard output is no terminal, nor of terminals
/// that would print the question.
pub fn ground_of_terminal() -> Ground {
    let term = std::env::var("TERM").unwrap_or_default();
    if !std::io::stdout().is_terminal() || matches!(term.as_str(), "" | "dumb" | "linux") {
        return Ground::Unknown;
    }
    let mut options = QueryOptions::default();
    options.timeout = PATIENCE;
    match theme_mode(options) {
        Ok(ThemeMode::Dark) => Ground::Dark,
        Ok(ThemeMode::Light) => Ground::Light,
        Err(error) => {
            tracing::debug!("the terminal does not say what its ground is: {error}");
            Ground::Unknown
        }
    }
}
