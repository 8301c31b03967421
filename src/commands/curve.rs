//! A curve in one line of block characters.

/// Cells of a curve at most.
const WIDTH: usize = 48;

/// Eighths of a cell's height.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws values between `low` and `high`; where there are more than cells, each cell is the mean of its stretch.
pub(super) fn blocks(values: &[f64], low: f64, high: f64) -> String {
    let cells = values.len().min(WIDTH);
    (0..cells)
        .map(|cell| {
            let stretch = &values[cell * values.len() / cells..(cell + 1) * values.len() / cells];
            let mean = stretch.iter().sum::<f64>() / stretch.len() as f64;
            let share = if high > low { ((mean - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 };
            BLOCKS[(share * (BLOCKS.len() - 1) as f64).round() as usize]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn a_curve_fits_and_falls() {
        assert_eq!(blocks(&[2.0, 1.0, 0.0], 0.0, 2.0), "█▅▁");
        assert_eq!(blocks(&[], 0.0, 1.0), "");
        assert_eq!(blocks(&[1.0; 3], 1.0, 1.0), "▁▁▁");
        assert_eq!(blocks(&[0.5; 1000], 0.0, 1.0).chars().count(), 48);
    }
}
