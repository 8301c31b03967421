//! A share of yes and no, and how far it may be off.

use serde::{Serialize, Serializer, ser::SerializeStruct};

/// The 97.5 % point of the normal distribution.
const Z95: f64 = 1.959_963_984_540_054;

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rate {
    /// How many were right.
    pub right: usize,
    /// Of how many.
    pub of: usize,
}

impl Rate {
    /// One more.
    pub fn add(&mut self, right: bool) {
        self.right += usize::from(right);
        self.of += 1;
    }

    /// p from 0 to 1; not a number where nothing was asked.
    pub fn share(self) -> f64 {
        self.right as f64 / self.of as f64
    }

    /// p in percent.
    pub fn percent(self) -> f64 {
        self.share() * 100.0
    }

    /// The binomial standard error sqrt(p (1 - p) / n), in percentage points. It is 0 where p is 0 or 1, which does not mean
    /// certainty: [`Rate::wilson95`] says what that many answers can tell.
    pub fn standard_error(self) -> f64 {
        let p = self.share();
        (p * (1.0 - p) / self.of as f64).sqrt() * 100.0
    }

    /// Wilson's 95 % interval in percent (Wilson 1927); everything where nothing was asked.
    pub fn wilson95(self) -> (f64, f64) {
        if self.of == 0 {
            return (0.0, 100.0);
        }
        let (n, p, z2) = (self.of as f64, self.share(), Z95 * Z95);
        let middle = p + z2 / (2.0 * n);
        let half = Z95 * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        let bound = |value: f64| (value / (1.0 + z2 / n)).clamp(0.0, 1.0) * 100.0;
        // At the ends the bound is p itself; rounding is not to say otherwise.
        let low = if self.right == 0 { 0.0 } else { bound(middle - half) };
        let high = if self.right == self.of { 100.0 } else { bound(middle + half) };
        (low, high)
    }

    /// Whether the standard error says nothing: all right or all wrong.
    pub fn is_extreme(self) -> bool {
        self.right == 0 || self.right == self.of
    }
}

/// With the derived figures, for programs. Percentages, as everywhere.
impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Rate", 5)?;
        fields.serialize_field("right", &self.right)?;
        fields.serialize_field("of", &self.of)?;
        fields.serialize_field("percent", &self.percent())?;
        fields.serialize_field("standard_error", &self.standard_error())?;
        fields.serialize_field("wilson95", &self.wilson95())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 5e-4
    }

    #[test]
    fn errors_are_those_computed_by_hand() {
        // (right, of, percent, standard error, Wilson's bounds; the last by the formula on paper)
        let cases = [
            (87, 100, 87.0, 3.363, 79.0_f64, 92.2_f64),
            (1, 2, 50.0, 35.355, 9.45, 90.55),
            (0, 100, 0.0, 0.0, 0.0, 3.699),
            (100, 100, 100.0, 0.0, 96.301, 100.0),
        ];
        for (right, of, percent, error, low, high) in cases {
            let rate = Rate { right, of };
            let (found_low, found_high) = rate.wilson95();
            assert!(near(rate.percent(), percent) && near(rate.standard_error(), error), "{rate:?}");
            assert!(
                (found_low - low).abs() < 0.06 && (found_high - high).abs() < 0.06,
                "{rate:?}: {found_low} {found_high}"
            );
        }
        // The rule of three's bound 3/n is near Wilson's z²/(n + z²).
        let (_, high) = Rate { right: 0, of: 1000 }.wilson95();
        assert!(near(high, 100.0 * Z95 * Z95 / (1000.0 + Z95 * Z95)), "{high}");
    }

    #[test]
    fn nothing_asked_is_nothing_known() {
        let rate = Rate::default();
        assert!(rate.percent().is_nan() && rate.standard_error().is_nan());
        assert_eq!(rate.wilson95(), (0.0, 100.0));
        let mut rate = rate;
        rate.add(true);
        rate.add(false);
        assert_eq!(rate, Rate { right: 1, of: 2 });
    }
}
