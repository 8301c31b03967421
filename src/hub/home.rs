//! The user's home folder.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folder in `HOME` (`USERPROFILE` on Windows), otherwise that of the account. A relative `HOME` counts as none, as the
/// XDG specification has it for its own variables: what is below it would depend on the working folder.
pub fn home_folder(get: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    match set("HOME").or_else(|| set("USERPROFILE")) {
        Some(home) => Some(home),
        None => account_home(),
    }
    .filter(|home| home.is_absolute())
}

/// What the system's list of accounts says. `std::env::home_dir` looks at `HOME` first, which is not set here or empty.
fn account_home() -> Option<PathBuf> {
    std::env::home_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_home_counts_as_none() {
        let of = |value: &'static str| home_folder(move |name| (name == "HOME").then(|| value.into()));
        assert_eq!(of("/h"), Some("/h".into()));
        assert_eq!(of("h"), None);
    }
}
