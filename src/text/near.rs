//! The known name that a wrong one was probably meant to be.

/// The name that is most alike.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let alike = known.into_iter().map(|other| (strsim::jaro_winkler(name, other), other));
    alike.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_found() {
        let known = ["model", "theme", "mouse", "clipboard", "scale"];
        for (typed, meant) in [("modle", "model"), ("Theme", "theme"), ("clip", "clipboard"), ("scales", "scale")] {
            assert_eq!(nearest(typed, known), Some(meant), "{typed}");
        }
        assert_eq!(nearest("x", []), None);
    }
}
