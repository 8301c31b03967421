//! The sixteen named colours in the form that every terminal with colours reads.

/// Rewrites a frame: crossterm names the sixteen colours as entries of the table of 256 (`38;5;4`), which terminals that
/// have sixteen do not read; they read `34`. Text that is drawn holds no escape, so whatever begins with one is a sequence.
pub(super) fn plainly(frame: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(frame.len());
    let mut rest = frame;
    while let Some(start) = rest.windows(2).position(|window| window == b"\x1b[") {
        let (before, sequence) = rest.split_at(start + 2);
        out.extend_from_slice(before);
        let len = sequence.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
        let (parameters, after) = sequence.split_at(len);
        match std::str::from_utf8(parameters) {
            Ok(text) if after.first() == Some(&b'm') => out.extend_from_slice(renamed(text).as_bytes()),
            _ => out.extend_from_slice(parameters),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

/// The parameters of one sequence of attributes.
fn renamed(parameters: &str) -> String {
    let mut words = parameters.split(';');
    let mut renamed: Vec<String> = Vec::new();
    while let Some(word) = words.next() {
        let base = match word {
            "38" => 30,
            "48" => 40,
            _ => {
                renamed.push(word.to_owned());
                continue;
            }
        };
        let kind = words.next();
        let colour: Vec<&str> = words.by_ref().take(if kind == Some("2") { 3 } else { 1 }).collect();
        match colour.first().and_then(|index| index.parse::<u8>().ok()) {
            Some(index @ 0..8) if kind == Some("5") => renamed.push((base + index).to_string()),
            Some(index @ 8..16) if kind == Some("5") => renamed.push((base + 52 + index).to_string()),
            _ => renamed.extend([word].into_iter().chain(kind).chain(colour).map(str::to_owned)),
        }
    }
    renamed.join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sixteen_are_renamed() {
        for (frame, wanted) in [
            ("a\x1b[38;5;4;49mb\x1b[m", "a\x1b[34;49mb\x1b[m"),
            ("\x1b[39;48;5;8m\x1b[38;5;15;48;5;0mx", "\x1b[39;100m\x1b[97;40mx"),
            ("\x1b[38;5;16m\x1b[38;2;5;4;3;48;5;1m", "\x1b[38;5;16m\x1b[38;2;5;4;3;41m"),
            ("38;5;4m \x1b[5;4H\x1b[?1049h\x1b[1m\x1b[38;5", "38;5;4m \x1b[5;4H\x1b[?1049h\x1b[1m\x1b[38;5"),
        ] {
            assert_eq!(String::from_utf8_lossy(&plainly(frame.as_bytes())), wanted);
        }
    }
}
