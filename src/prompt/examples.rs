//! Example prompts for an empty page: `assets/examples.toml`, part of the program.

use std::sync::LazyLock;

use serde::Deserialize;

/// A prompt to begin with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartingPoint {
    /// What it shows, in a few words.
    pub title: String,
    /// The text.
    pub text: String,
}

/// Which models a set of examples is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExamplesFor {
    /// The model in the program, which knows some 700 words.
    BuiltIn,
    /// Models that were trained on much text: GPT-2 and its like.
    Large,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    built_in: Vec<StartingPoint>,
    large: Vec<StartingPoint>,
}

fn read() -> Result<File, toml::de::Error> {
    toml::from_str(include_str!("../../assets/examples.toml"))
}

// A test reads the file; what is left out of the program is only the examples.
static FILE: LazyLock<File> = LazyLock::new(|| read().unwrap_or_default());

/// The examples for a kind of model, in order.
pub fn examples(of: ExamplesFor) -> &'static [StartingPoint] {
    match of {
        ExamplesFor::BuiltIn => &FILE.built_in,
        ExamplesFor::Large => &FILE.large,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_can_be_read_and_every_example_has_a_digit_and_fits_its_row() {
        let file = read().map_err(|error| error.to_string());
        assert!(file.is_ok(), "{file:?}");
        for set in [ExamplesFor::BuiltIn, ExamplesFor::Large] {
            let all = examples(set);
            assert!((3..=9).contains(&all.len()), "{set:?}");
            for example in all {
                assert!(!example.title.is_empty() && example.title.len() <= 44, "{example:?}");
                assert!(!example.text.is_empty() && !example.text.ends_with(char::is_whitespace), "{example:?}");
                assert!(!example.text.chars().any(|c| c.is_control() && c != '\n'), "{example:?}");
            }
        }
    }
}
