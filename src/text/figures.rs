//! Figures as people say them: one wording for screens, progress lines and messages.

use std::time::Duration;

/// Bytes in decimal units, as the hub and the disks count: `548 MB`, `1.5 GB`.
pub fn bytes(n: u64) -> String {
    let n = n as f64;
    match n {
        n if n < 999.5 => format!("{n} B"),
        n if n < 999.5e3 => format!("{:.0} kB", n / 1e3),
        n if n < 999.5e6 => format!("{:.0} MB", n / 1e6),
        n => format!("{:.1} GB", n / 1e9),
    }
}

/// A number of weights: `1.5M`, `124M`, `1.6B`.
pub fn parameters(n: u64) -> String {
    let n = n as f64;
    match n {
        n if n < 999.5 => format!("{n}"),
        n if n < 999.5e3 => format!("{:.0}K", n / 1e3),
        n if n < 9.95e6 => format!("{:.1}M", n / 1e6),
        n if n < 999.5e6 => format!("{:.0}M", n / 1e6),
        n => format!("{:.1}B", n / 1e9),
    }
}

/// A number with separators: `50,257`.
pub fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time that is left: `57 s`, `1 min 50 s`, `2 h 1 min`.
pub fn duration(time: Duration) -> String {
    match time.as_secs() {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3600, s / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(bytes(7), "7 B");
        assert_eq!(bytes(548_105_171), "548 MB");
        assert_eq!(bytes(999_600_000), "1.0 GB");
        assert_eq!(bytes(6_431_829_964), "6.4 GB");
        assert_eq!(parameters(124_439_808), "124M");
        assert_eq!(parameters(1_557_611_200), "1.6B");
        assert_eq!(grouped(50_257), "50,257");
        assert_eq!(grouped(7), "7");
        assert_eq!(duration(Duration::from_secs(57)), "57 s");
        assert_eq!(duration(Duration::from_secs(110)), "1 min 50 s");
        assert_eq!(duration(Duration::from_secs(7260)), "2 h 1 min");
    }
}
