//! The model that kshot carries: `assets/builtin/`, part of the program.

/// Its name, wherever a model is named. A folder of this name is `./built-in`.
pub const NAME: &str = "built-in";

/// One line about it.
pub const ABOUT: &str =
    "In the program, so it needs no network: a small GPT made by kshot, at home in few-shot prompts.";

/// The text that the playground opens with on this model: two examples of a task and the start of a third.
pub const PAGE: &str = "sea -> mer\nriver -> rivière\nsun ->";

/// Its model card. Lines as `sha256sum` writes them say what the other files have to be.
pub const CARD: &str = "CARD.md";

macro_rules! files {
    ($($name:literal),*) => {
        /// Names and contents.
        pub(super) static FILES: &[(&str, &[u8])] = &[$(
            ($name, include_bytes!(concat!("../../assets/builtin/", $name))),
        )*];
    };
}
files!("CARD.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json");

/// The content of a file.
pub(super) fn file(name: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}
