#![allow(clippy::panic, reason = "a test fails by panicking")]
use super::*;

const PALETTES: [Palette; 4] = [Palette::Plain, Palette::Ansi16, Palette::Ansi256, Palette::True];

/// Usual grounds, the plainest first.
const DARK: [u32; 4] = [0x00_00_00, 0x1e_1e_1e, 0x28_2c_34, 0x00_2b_36];
const LIGHT: [u32; 3] = [0xff_ff_ff, 0xfa_fa_fa, 0xfd_f6_e3];

#[test]
fn the_environment_decides() {
    let cases: [(&[(&str, &str)], Palette, Glyphs); 6] = [
        (&[("TERM", "xterm"), ("LANG", "en_US.UTF-8")], Palette::Ansi16, Glyphs::UNICODE),
        (&[("TERM", "tmux-256color")], Palette::Ansi256, Glyphs::UNICODE),
        (&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], Palette::True, Glyphs::UNICODE),
        (&[("COLORTERM", "truecolor"), ("NO_COLOR", "1")], Palette::Plain, Glyphs::UNICODE),
        (&[("TERM", "linux"), ("NO_COLOR", "")], Palette::Ansi16, Glyphs::ASCII),
        (&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")], Palette::Ansi16, Glyphs::ASCII),
    ];
    for (environment, palette, glyphs) in cases {
        let var = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let (theme, ask) = Theme::choose(ThemeChoice::Auto, &SCALES[0], var);
        assert_eq!((theme.palette, theme.glyphs), (palette, glyphs), "{environment:?}");
        // Where there is no colour to choose, the terminal is not asked.
        assert_eq!(ask, palette != Palette::Plain, "{environment:?}");
        assert_eq!(theme.on(Ground::Light), Theme::of(Ground::Light.theme(), &SCALES[0], palette, glyphs));
        for spec in &THEMES {
            let named = Theme::choose(ThemeChoice::Named(spec), &SCALES[0], var);
            assert_eq!(named, (Theme::of(spec, &SCALES[0], palette, glyphs), false));
        }
    }
}

#[test]
fn colorfgbg_says_the_ground_and_the_terminal_is_not_asked() {
    let cases = [
        ("15;0", Ground::Dark),
        ("0;15", Ground::Light),
        ("0;default;7", Ground::Light),
        ("7;8", Ground::Dark),
        ("15;default", Ground::Unknown),
        ("0", Ground::Unknown),
        ("0;99", Ground::Unknown),
        ("", Ground::Unknown),
    ];
    for (value, ground) in cases {
        let var = |name: &str| match name {
            "TERM" => Some("xterm-256color".to_owned()),
            "COLORFGBG" => Some(value.to_owned()),
            _ => None,
        };
        let (theme, ask) = Theme::choose(ThemeChoice::Auto, &SCALES[0], var);
        assert_eq!((theme.ground, ask), (ground, ground == Ground::Unknown), "{value}");
    }
}

#[test]
fn no_two_roles_look_alike_however_few_the_colours() {
    for spec in &THEMES {
        for palette in PALETTES {
            let theme = Theme::of(spec, &SCALES[0], palette, Glyphs::UNICODE);
            let roles = [
                ("text", theme.text),
                ("model", theme.model),
                ("dim", theme.dim),
                ("strong", theme.strong),
                ("selected", theme.selected),
                ("here", theme.here),
                ("good", theme.good),
                ("warning", theme.warning),
                ("error", theme.error),
            ];
            for (at, (name, style)) in roles.iter().enumerate() {
                for (other, another) in &roles[..at] {
                    assert_ne!(style, another, "{name} and {other} of {} in {palette:?}", spec.name);
                }
            }
            assert_ne!(theme.focus, theme.border, "{} in {palette:?}", spec.name);
            assert_ne!(theme.model.add_modifier, theme.text.add_modifier, "{} in {palette:?}", spec.name);
        }
    }
}

fn contrast(one: u32, other: u32) -> f64 {
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    one.max(other) / one.min(other)
}

fn rgb(colour: Option<Color>) -> Option<u32> {
    match colour? {
        Color::Rgb(r, g, b) => Some(u32::from_be_bytes([0, r, g, b])),
        Color::Indexed(index @ 232..) => Some(0x01_01_01 * (8 + 10 * u32::from(index - 232))),
        Color::Indexed(index @ 16..) => {
            let level = |at: u8| [0, 95, 135, 175, 215, 255][usize::from(at % 6)];
            let at = index - 16;
            Some(level(at / 36) << 16 | level(at / 6) << 8 | level(at))
        }
        _ => None,
    }
}

#[test]
fn text_reads_on_its_ground() {
    for (palette, least) in [(Palette::True, 4.5), (Palette::Ansi256, 4.0)] {
        for spec in &THEMES {
            let theme = Theme::of(spec, &SCALES[0], palette, Glyphs::UNICODE);
            let grounds: &[u32] = match spec.ground {
                Ground::Dark => &DARK,
                Ground::Light => &LIGHT,
                Ground::Unknown => &[0x00_00_00, 0xff_ff_ff],
            };
            for style in [theme.model, theme.dim, theme.focus, theme.good, theme.warning, theme.error] {
                let text = rgb(style.fg).unwrap_or_else(|| panic!("{style:?} has no colour"));
                for ground in grounds {
                    let contrast = contrast(text, *ground);
                    assert!(contrast >= least, "{}: {text:06x} on {ground:06x}: {contrast:.2}", spec.name);
                }
            }
        }
    }
}

#[test]
fn the_steps_of_a_scale_read_and_differ_in_lightness_from_end_to_end() {
    for scale in &SCALES {
        for spec in &THEMES {
            for palette in [Palette::Ansi256, Palette::True] {
                let theme = Theme::of(spec, scale, palette, Glyphs::UNICODE);
                let colours: Vec<(u32, u32)> =
                    theme.scale_steps().iter().filter_map(|step| rgb(step.style.fg).zip(rgb(step.style.bg))).collect();
                assert_eq!(colours.len(), STEPS);
                for (text, ground) in &colours {
                    assert!(contrast(*text, *ground) >= 4.5, "{}: {text:06x} on {ground:06x}", scale.name);
                }
                // The best is the one nearest to the terminal's ground.
                let up = spec.ground == Ground::Light;
                for pair in colours.windows(2) {
                    let (worse, better) = (luminance(pair[0].1) + 0.05, luminance(pair[1].1) + 0.05);
                    let ratio = if up { better / worse } else { worse / better };
                    assert!(ratio > 1.4, "{} {palette:?}: {pair:06x?} {ratio:.2}", scale.name);
                }
            }
        }
    }
}

#[test]
fn the_steps_of_a_scale_differ_without_colour() {
    for scale in &SCALES {
        for palette in [Palette::Plain, Palette::Ansi16] {
            let theme = Theme::of(&THEMES[0], scale, palette, Glyphs::UNICODE);
            let steps = theme.scale_steps();
            for (at, step) in steps.iter().enumerate() {
                assert!(steps[..at].iter().all(|other| other.style.add_modifier != step.style.add_modifier));
                assert_eq!(step.style.bg, None, "the terminal's own colours may not read on each other");
            }
        }
    }
}

#[test]
fn a_level_has_the_style_of_its_step() {
    let theme = Theme::new(Palette::True, Glyphs::UNICODE);
    let steps = theme.scale_steps();
    for (level, at) in
        [(f64::NAN, 0), (-1.0, 0), (0.0, 0), (0.199, 0), (0.2, 1), (0.5, 2), (0.8, 4), (1.0, 4), (f64::INFINITY, 4)]
    {
        assert_eq!(theme.scale(level), steps[at].style, "{level}");
    }
    assert_eq!(steps.iter().map(|step| step.from_percent).collect::<Vec<_>>(), [0, 20, 40, 60, 80]);
}
