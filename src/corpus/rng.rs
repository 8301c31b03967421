//! The random numbers of the generators: one kind, the same on every machine.

use rand08::Rng as _;

/// What every generator draws from.
pub type Rng = rand_chacha::ChaCha8Rng;

/// A number below `n`; 0 where `n` is 0. Drawn as `u32`, so that 32-bit machines draw the same.
pub(super) fn below(rng: &mut Rng, n: usize) -> usize {
    let n = u32::try_from(n).unwrap_or(u32::MAX);
    if n == 0 { 0 } else { rng.gen_range(0..n) as usize }
}

/// A number from `low` to `high`, both included.
pub(super) fn between(rng: &mut Rng, low: usize, high: usize) -> usize {
    low + below(rng, high.saturating_sub(low) + 1)
}

/// True in `percent` of 100 draws.
pub(super) fn percent(rng: &mut Rng, percent: usize) -> bool {
    below(rng, 100) < percent
}

/// One of several; the lists of this crate are never empty, so the first stands in where there is no other.
pub(super) fn pick<'a, T>(rng: &mut Rng, of: &'a [T]) -> &'a T {
    &of[below(rng, of.len())]
}

/// One of several, by weight.
pub(super) fn weighted<T>(rng: &mut Rng, of: &'static [T], weight: fn(&T) -> usize) -> &'static T {
    let mut at = below(rng, of.iter().map(weight).sum());
    for row in of {
        if at < weight(row) {
            return row;
        }
        at -= weight(row);
    }
    &of[0]
}

/// Shuffles in place.
pub(super) fn shuffle<T>(rng: &mut Rng, items: &mut [T]) {
    for at in (1..items.len()).rev() {
        items.swap(at, below(rng, at + 1));
    }
}
