//! A curve that never holds more points than a chart can show, however long a run is.

/// Most points that are kept: two for each column of a wide chart.
const POINTS: usize = 240;

/// Means over stretches of x; the stretches double where they become too many. Adding a point costs the same however
/// many there were before, and drawing never more than `POINTS`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// Exponent of two: how long a stretch is.
    doubled: u32,
    stretches: Vec<Stretch>,
    last: Option<(u64, f64)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Stretch {
    index: u64,
    x: f64,
    y: f64,
    count: f64,
}

impl Stretch {
    fn join(&mut self, other: &Self) {
        self.x += other.x;
        self.y += other.y;
        self.count += other.count;
    }
}

impl Curve {
    /// Adds a point to the right of all others. What is not a number is left out.
    pub fn push(&mut self, x: u64, y: f64) {
        if !y.is_finite() {
            return;
        }
        self.last = Some((x, y));
        self.add(Stretch { index: x >> self.doubled, x: x as f64, y, count: 1.0 });
        while self.stretches.len() > POINTS {
            self.doubled += 1;
            for mut stretch in std::mem::take(&mut self.stretches) {
                stretch.index /= 2;
                self.add(stretch);
            }
        }
    }

    fn add(&mut self, stretch: Stretch) {
        match self.stretches.last_mut() {
            Some(last) if last.index == stretch.index => last.join(&stretch),
            _ => self.stretches.push(stretch),
        }
    }

    /// The newest point as it came.
    pub fn last(&self) -> Option<(u64, f64)> {
        self.last
    }

    /// The points to draw: the mean x and y of each stretch.
    pub fn points(&self) -> Vec<(f64, f64)> {
        self.stretches.iter().map(|stretch| (stretch.x / stretch.count, stretch.y / stretch.count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_its_shape_in_few_points() {
        let mut curve = Curve::default();
        for x in 1..=100_000 {
            curve.push(x, x as f64);
            assert!(curve.stretches.len() <= POINTS);
        }
        curve.push(100_001, f64::NAN);
        let points = curve.points();
        assert!(points.len() > POINTS / 2 - 2, "{}", points.len());
        assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(points.iter().all(|(x, y)| (x - y).abs() < 1e-6), "a straight line stays one");
        assert_eq!(curve.last(), Some((100_000, 100_000.0)));
    }

    #[test]
    fn a_short_curve_is_what_was_put_in() {
        let mut curve = Curve::default();
        curve.push(50, 4.0);
        curve.push(100, 3.5);
        assert_eq!(curve.points(), [(50.0, 4.0), (100.0, 3.5)]);
    }
}
