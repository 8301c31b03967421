//! Command lines that cannot be used: what the parser says of them, and what to type instead.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::Path;

use clap::CommandFactory;
use clap::error::ErrorKind;
use kshot::hub::{ModelRef, Source};
use kshot::text::{nearest, sanitise};

use super::out::{Out, Style};
use super::{report as report_error, say};
use crate::cli::{Cli, When};

/// A command line that parses and yet cannot be meant.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Shows what the parser has to say, help and version too, and gives the exit code.
///
/// Of an error all text is sanitised, since the parser repeats the arguments in it as they are; only its first word has a
/// colour therefore.
pub(crate) fn report(error: &clap::Error, color: When) -> u8 {
    if !error.use_stderr() {
        let mut out = Out::new(color);
        let shown = error.render();
        let shown = if out.style().is_on() { shown.ansi().to_string() } else { shown.to_string() };
        return match out.own(&shown) {
            Ok(()) => 0,
            Err(error) => report_error(&error, color),
        };
    }
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let shown = match (error.kind(), not_text(&args)) {
        (ErrorKind::InvalidUtf8, Some(what)) => format!("error: {what}\n\nFor more information, try '--help'.\n"),
        _ => error.render().to_string(),
    };
    let shown = sanitise::text(shown.trim_end());
    let style = Style::new(color, std::io::stderr().is_terminal());
    match shown.strip_prefix("error:") {
        Some(rest) => say(&format!("{}{rest}", style.red("error:"))),
        None => say(&shown),
    }
    if let Some(meant) = first_word(&args).and_then(near_command) {
        say(&format!("\n  did you mean `kshot {meant}`?"));
    }
    u8::try_from(error.exit_code()).unwrap_or(2)
}

/// Which argument, or variable, is not UTF-8, and where.
fn not_text(args: &[OsString]) -> Option<String> {
    let place = |value: &OsStr| {
        let bytes = value.as_encoded_bytes();
        let at = std::str::from_utf8(bytes).err()?.valid_up_to();
        let shown: String = bytes
            .utf8_chunks()
            .flat_map(|chunk| {
                let bad = chunk.invalid().iter().map(|byte| format!("<0x{byte:02X}>"));
                std::iter::once(chunk.valid().to_owned()).chain(bad)
            })
            .collect();
        Some(format!("`{shown}` is not UTF-8 text: byte {at} is 0x{:02X}", bytes[at]))
    };
    let given = args.iter().enumerate().find_map(|(at, arg)| Some(format!("argument {}, {}", at + 1, place(arg)?)));
    let set = || {
        let mut own = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KSHOT_"));
        own.find_map(|(name, value)| Some(format!("{}: {}", name.to_string_lossy(), place(&value)?)))
    };
    let what = given.or_else(set)?;
    Some(format!("{what}; convert it with iconv (only the names of files may have other bytes)"))
}

/// The first argument that is neither a flag nor the value of one that stands before a subcommand.
fn first_word(args: &[OsString]) -> Option<&str> {
    const WITH_VALUE: [&str; 6] = ["-m", "--model", "-c", "--config", "--threads", "--color"];
    let mut args = args.iter().map(|arg| arg.to_str());
    while let Some(arg) = args.next() {
        match arg? {
            flag if WITH_VALUE.contains(&flag) => drop(args.next()),
            flag if flag.starts_with('-') => {}
            word => return Some(word),
        }
    }
    None
}

/// The command that a word, which is none and no file, was probably meant to be.
fn near_command(word: &str) -> Option<String> {
    let root = Cli::command();
    let names: Vec<&str> = root.get_subcommands().map(clap::Command::get_name).collect();
    if names.contains(&word) || Path::new(word).exists() {
        return None;
    }
    let near = nearest(word, names.iter().copied())?;
    (strsim::damerau_levenshtein(word, near) <= word.chars().count().div_ceil(4)).then(|| near.to_owned())
}

/// What to type instead of a file that is not there: a command that is misspelt, or a model, which has a flag.
pub(super) fn instead_of_file(file: &Path) -> Option<String> {
    if file.exists() && !file.is_dir() {
        return None;
    }
    let word = file.to_str()?;
    if let Some(command) = near_command(word) {
        return Some(format!("there is no command and no file {word}; did you mean `kshot {command}`?"));
    }
    let is_model = match Source::of(word) {
        Ok(Source::BuiltIn) => true,
        Ok(Source::Folder(folder)) => folder.join("config.json").exists(),
        // A dot is more likely to begin the ending of a file's name than to be part of a model's.
        Ok(Source::Hub(model)) => is_known(&model) || (word.contains('/') && !word.contains('.')),
        Err(_) => false,
    };
    is_model.then(|| format!("there is no text {word}; `kshot -m {word}` opens the model of that name"))
}

/// Whether the catalog has a model of that name, whatever its owner.
fn is_known(model: &ModelRef) -> bool {
    kshot::hub::catalog().iter().any(|entry| entry.id == model.id() || entry.id.ends_with(&format!("/{}", model.id())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_command_and_other_words_none() {
        for (word, meant) in [
            ("generat", Some("generate")),
            ("genrate", Some("generate")),
            ("modles", Some("models")),
            ("tokes", Some("tokens")),
            ("generate", None),
            ("notes.txt", None),
            ("gpt2", None),
            ("essay", None),
        ] {
            assert_eq!(near_command(word).as_deref(), meant, "{word}");
        }
    }

    #[test]
    fn models_are_told_from_texts() {
        for (word, part) in [
            ("gpt2", Some("kshot -m gpt2")),
            ("openai-community/gpt2", Some("kshot -m openai-community/gpt2")),
            ("built-in", Some("kshot -m built-in")),
            ("scor", Some("kshot score")),
            ("notes", None),
            ("notes.txt", None),
            ("letters/notes.txt", None),
            ("Cargo.toml", None),
        ] {
            let said = instead_of_file(Path::new(word));
            assert_eq!(said.is_some(), part.is_some(), "{word}: {said:?}");
            assert!(part.is_none_or(|part| said.is_some_and(|said| said.contains(part))), "{word}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_are_named_with_their_place() {
        use std::os::unix::ffi::OsStrExt;
        let args = ["generate", "-p"].map(OsString::from);
        let args = args.into_iter().chain([OsStr::from_bytes(b"caf\xe9 \xc3\xa9").to_owned()]).collect::<Vec<_>>();
        let said = not_text(&args).unwrap_or_default();
        assert!(said.starts_with("argument 3, `caf<0xE9> é` is not UTF-8 text: byte 3 is 0xE9"), "{said}");
        assert_eq!(not_text(&args[..2]), None);
    }
}
