//! The random numbers of a generation: one uniform a token, from a generator that is fixed by name.

use rand_chacha::ChaCha8Rng;
use rand08::{RngCore, SeedableRng};

/// ChaCha8, seeded by a `u64` through `seed_from_u64`; both are stable across platforms and releases of `rand` 0.8.
///
/// A clone goes on with the same numbers.
#[derive(Debug, Clone)]
pub struct Rng {
    seed: u64,
    generator: ChaCha8Rng,
}

impl Rng {
    /// A generator at its start.
    pub fn new(seed: u64) -> Self {
        Self { seed, generator: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// The generator of sequence `stream` of a batch: independent of the others under the same seed, stream 0 being [`Rng::new`].
    pub fn with_stream(seed: u64, stream: u64) -> Self {
        let mut rng = Self::new(seed);
        rng.generator.set_stream(stream);
        rng
    }

    /// The seed that it was started with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The next number, uniform over the multiples of 2^-53 in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.generator.next_u64() >> 11) as f64 * 2f64.powi(-53)
    }
}

/// A seed from the operating system for a run whose user gave none. It has 32 bits, to be short to read and to type again.
pub fn random_seed() -> u64 {
    u64::from(rand08::random::<u32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_fixed() {
        let mut rng = Rng::new(42);
        let first: Vec<u64> = (0..4).map(|_| (rng.uniform() * 2f64.powi(53)) as u64).collect();
        assert_eq!(first, FIRST_OF_42);
        assert_eq!(rng.seed(), 42);
        let mut twin = rng.clone();
        assert_eq!(rng.uniform().to_bits(), twin.uniform().to_bits());
    }

    #[test]
    fn uniforms_fill_the_unit_interval() {
        let mut rng = Rng::new(1);
        let draws: Vec<f64> = (0..100_000).map(|_| rng.uniform()).collect();
        assert!(draws.iter().all(|u| (0.0..1.0).contains(u)));
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
    }

    #[test]
    fn drawn_seeds_differ() {
        let seeds: std::collections::BTreeSet<u64> = (0..8).map(|_| random_seed()).collect();
        assert!(seeds.len() > 4, "{seeds:?}");
    }

    const FIRST_OF_42: [u64; 4] =
        [6_141_974_875_155_371, 8_559_319_943_786_290, 3_850_725_425_198_794, 5_650_761_218_982_604];
}
