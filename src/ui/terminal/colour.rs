//! The terminal's own colours, asked for with OSC 10 and 11 so that the theme fits the ground.
//!
//! The question goes out with the modes, and nothing waits for the answer: it comes through the parser like a key.

use super::super::theme::Ground;

/// Both questions end with ST, for the answer ends as its question does, and BEL is Ctrl+G to whatever reads it by mistake.
pub(super) const QUESTION: &[u8] = b"\x1b]10;?\x1b\\\x1b]11;?\x1b\\";

/// Which of the two colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    Foreground,
    Background,
}

/// Red, green and blue from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rgb([f64; 3]);

impl Rgb {
    /// CIE lightness from 0 to 1, of the luminance in WCAG 2.2.
    fn lightness(self) -> f64 {
        let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        let [red, green, blue] = self.0.map(linear);
        let luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        if luminance <= 0.008_856 { luminance * 9.033 } else { 1.16 * luminance.cbrt() - 0.16 }
    }
}

/// The answer to one of the two questions, without what begins and ends it.
pub(super) fn report(text: &[u8]) -> Option<(Layer, Rgb)> {
    let text = std::str::from_utf8(text).ok()?;
    let (layer, colour) = match text.split_once(';')? {
        ("10", colour) => (Layer::Foreground, colour),
        ("11", colour) => (Layer::Background, colour),
        _ => return None,
    };
    Some((layer, parse(colour)?))
}

/// `XParseColor`'s forms: `rgb:f/f/f` to `rgb:ffff/ffff/ffff`, `#fff` to `#ffffffffffff`; kitty and foot add `rgba:`.
fn parse(colour: &str) -> Option<Rgb> {
    let part = |digits: &str| {
        let (value, most) = (u16::from_str_radix(digits, 16).ok()?, (1u32 << (4 * digits.len())) - 1);
        Some(f64::from(value) / f64::from(most))
    };
    let parts: Vec<&str> =
        match (colour.strip_prefix("rgb:").or(colour.strip_prefix("rgba:")), colour.strip_prefix('#')) {
            (Some(parts), _) => parts.split('/').collect(),
            (_, Some(digits)) if matches!(digits.len(), 3 | 6 | 9 | 12) && digits.is_ascii() => {
                let third = digits.len() / 3;
                vec![&digits[..third], &digits[third..2 * third], &digits[2 * third..]]
            }
            _ => return None,
        };
    let [red, green, blue, ..] = parts[..] else { return None };
    let fits = |digits: &&str| (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if !parts.iter().all(fits) || parts.len() > 4 {
        return None;
    }
    Some(Rgb([part(red)?, part(green)?, part(blue)?]))
}

/// What has been answered so far.
#[derive(Debug, Default)]
pub(super) struct Colours {
    foreground: Option<Rgb>,
}

impl Colours {
    /// Takes in an answer; gives the ground once its colour is known. The text's colour is answered first, and says which
    /// way round a ground of middling lightness is.
    pub(super) fn take(&mut self, layer: Layer, rgb: Rgb) -> Option<Ground> {
        match layer {
            Layer::Foreground => {
                self.foreground = Some(rgb);
                None
            }
            Layer::Background => {
                let middle = self.foreground.map_or(0.5, Rgb::lightness);
                let middle = if middle == rgb.lightness() { 0.5 } else { middle };
                Some(if rgb.lightness() < middle { Ground::Dark } else { Ground::Light })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_all_their_forms() {
        let white = Some((Layer::Background, Rgb([1.0; 3])));
        for text in ["11;rgb:ffff/ffff/ffff", "11;rgb:ff/fff/f", "11;rgba:ff/ff/ff/80", "11;#fff", "11;#ffffffffffff"] {
            assert_eq!(report(text.as_bytes()), white, "{text}");
        }
        assert_eq!(report(b"10;#010203").map(|(layer, _)| layer), Some(Layer::Foreground));
        for text in
            ["11;?", "11;rgb:ff/ff", "11;rgb:+f/f/f", "11;rgb:fffff/f/f", "12;#fff", "11;#ffff", "11", "11;#ééé"]
        {
            assert_eq!(report(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_ground_is_what_the_text_is_lighter_or_darker_than() {
        let grey = |level: f64| Rgb([level; 3]);
        let cases = [
            (None, 0.1, Ground::Dark),
            (None, 0.9, Ground::Light),
            (Some(0.9), 0.6, Ground::Dark),
            (Some(0.2), 0.4, Ground::Light),
            (Some(0.9), 0.9, Ground::Light),
        ];
        for (foreground, background, ground) in cases {
            let mut colours = Colours::default();
            if let Some(level) = foreground {
                assert_eq!(colours.take(Layer::Foreground, grey(level)), None);
            }
            assert_eq!(colours.take(Layer::Background, grey(background)), Some(ground), "{foreground:?} {background}");
        }
    }
}
