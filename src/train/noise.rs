//! Random numbers of a run: each purpose and each step has a stream of its own, so that no generator state is saved.

use rand_chacha::ChaCha8Rng;
use rand08::{Rng as _, RngCore as _, SeedableRng as _};

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Noise(ChaCha8Rng);

impl Noise {
    /// The stream of a seed, a purpose and a step.
    pub fn of(seed: u64, purpose: &str, step: u64) -> Self {
        // FNV-1a: a fixed hash, the same on every machine and in every version.
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for byte in purpose.bytes().chain(seed.to_le_bytes()).chain(step.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Self(ChaCha8Rng::seed_from_u64(hash))
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f32 {
        self.0.r#gen::<f32>()
    }

    /// Uniform below `bound`, which must not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.gen_range(0..bound.max(1))
    }

    /// `count` numbers below `bound`, all different as far as there are enough.
    pub fn different(&mut self, count: usize, bound: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..bound as u32).collect();
        (0..count)
            .map(|at| {
                let other = at + self.below(bound.saturating_sub(at));
                match all.get(other).copied() {
                    Some(drawn) => {
                        all.swap(at, other);
                        drawn
                    }
                    None => self.below(bound) as u32,
                }
            })
            .collect()
    }

    /// Any number, to seed something else.
    pub fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// N(0, 1) (Box & Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.0.r#gen::<f64>()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.0.r#gen::<f64>()).cos()
    }
}
