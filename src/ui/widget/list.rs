//! Which rows of a list are on screen.

use std::ops::Range;

/// The rows of a list of `len` to draw in `height` lines: the selected one among them, in the middle where there are rows
/// on both sides, and no line empty that a row could fill. It follows from the selection alone, so no caller stores it.
pub fn visible_rows(selected: usize, len: usize, height: u16) -> Range<usize> {
    let height = usize::from(height);
    let first = selected.saturating_sub(height / 2).min(len.saturating_sub(height));
    first..len.min(first + height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_row_is_visible_and_no_line_is_wasted() {
        for len in 1..30 {
            for height in 1..12_u16 {
                for selected in 0..len {
                    let rows = visible_rows(selected, len, height);
                    assert!(rows.contains(&selected), "{selected} of {len} in {height}: {rows:?}");
                    assert_eq!(rows.len(), len.min(usize::from(height)));
                }
            }
        }
        assert_eq!(visible_rows(0, 0, 5), 0..0);
        assert_eq!(visible_rows(3, 9, 0), 3..3);
    }
}
