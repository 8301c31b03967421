//! What the machine can do at most: figures that the speed of a model is compared with.
//!
//! A share of the memory bandwidth is bytes read per second over the best of several ways to read memory, so that no
//! choice of the probe flatters a kernel; a share of the arithmetic is operations per second over multiply-adds that
//! touch no memory.

use std::time::{Duration, Instant};

#[cfg(target_arch = "x86_64")]
use super::lanes::{Avx2Floats, Avx512Floats};
use super::lanes::{Floats, LANES, ScalarFloats};
use super::pages::Buffer;
use super::pool;
use super::tier::Tier;

/// Bytes read: far more than any cache.
const BYTES: usize = 512 << 20;

/// How often each way is tried; the best counts.
const TRIES: usize = 5;

/// One way to measure.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Probe {
    /// How.
    pub name: &'static str,
    /// Billions of bytes, or of floating-point operations, a second.
    pub giga_per_s: f64,
}

/// Bytes a second that all threads together read from memory, in several ways.
pub fn memory() -> Vec<Probe> {
    let mut buffer = Buffer::zeroed(BYTES);
    // Every page has to be there before it is read: untouched ones would all be the same page of zeros.
    pool::chunks(buffer.bytes_mut(), 1 << 20, |_, piece| piece.fill(1));
    let bytes = buffer.bytes();
    let ways: [(&'static str, usize, usize); 6] = [
        ("one stream a thread", 1, 0),
        ("one stream, prefetched 2 KiB ahead", 1, 2048),
        ("one stream, prefetched 4 KiB ahead", 1, 4096),
        ("one stream, prefetched 8 KiB ahead", 1, 8192),
        ("four streams a thread", 4, 0),
        ("four streams, prefetched 2 KiB ahead", 4, 2048),
    ];
    ways.into_iter()
        .map(|(name, streams, ahead)| {
            let best = (0..TRIES).map(|_| read(bytes, streams, ahead)).min().unwrap_or(Duration::MAX);
            Probe { name, giga_per_s: BYTES as f64 / best.as_secs_f64() / 1e9 }
        })
        .collect()
}

fn read(bytes: &[u8], streams: usize, ahead: usize) -> Duration {
    let begun = Instant::now();
    let piece = 64 << 10;
    pool::ranges(bytes.len() / piece, 16, |range| {
        sum(&bytes[range.start * piece..range.end * piece], streams, ahead);
    });
    begun.elapsed()
}

fn sum(bytes: &[u8], streams: usize, ahead: usize) {
    match Tier::current() {
        // SAFETY: the tier is one that this processor has.
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 | Tier::Avx512Bf16 => unsafe { sum_avx512(bytes, streams, ahead) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => unsafe { sum_avx2(bytes, streams, ahead) },
        // SAFETY: needs no instruction set.
        _ => unsafe { sum_body::<ScalarFloats>(bytes, streams, ahead) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn sum_avx2(bytes: &[u8], streams: usize, ahead: usize) {
    // SAFETY: as the caller has it.
    unsafe { sum_body::<Avx2Floats>(bytes, streams, ahead) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn sum_avx512(bytes: &[u8], streams: usize, ahead: usize) {
    // SAFETY: as the caller has it.
    unsafe { sum_body::<Avx512Floats>(bytes, streams, ahead) }
}

#[inline(always)]
unsafe fn sum_body<F: Floats>(bytes: &[u8], streams: usize, ahead: usize) {
    const LINE: usize = 4 * LANES;
    let length = bytes.len() / streams;
    // SAFETY: every line lies within `bytes`.
    unsafe {
        let mut sums = [F::zero(); 4];
        for line in 0..length / LINE / 4 {
            for stream in 0..streams {
                for (at, sum) in sums.iter_mut().enumerate() {
                    let from = bytes.as_ptr().add(stream * length + (line * 4 + at) * LINE);
                    if ahead > 0 {
                        F::prefetch(from.wrapping_add(ahead));
                    }
                    *sum = sum.add(F::load(from.cast()));
                }
            }
        }
        let mut out = [0f32; LANES];
        sums.into_iter().fold(F::zero(), |a, b| a.add(b)).store(out.as_mut_ptr());
        std::hint::black_box(out);
    }
}

/// Floating-point operations a second of all threads together: multiply-adds of f32 in registers, two operations each.
pub fn arithmetic() -> Probe {
    const ROUNDS: usize = 2 << 20;
    let threads = pool::threads();
    let run = || {
        let begun = Instant::now();
        let done: usize = pool::map(threads, |_| multiply_adds(ROUNDS)).into_iter().sum();
        (done * LANES * 2) as f64 / begun.elapsed().as_secs_f64() / 1e9
    };
    let best = (0..TRIES).map(|_| run()).fold(0.0, f64::max);
    Probe { name: "multiply-adds of f32 in registers", giga_per_s: best }
}

/// Says how many it made.
fn multiply_adds(rounds: usize) -> usize {
    match Tier::current() {
        // SAFETY: the tier is one that this processor has.
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 | Tier::Avx512Bf16 => unsafe { multiply_adds_avx512(rounds) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => unsafe { multiply_adds_avx2(rounds) },
        // SAFETY: needs no instruction set.
        _ => unsafe { multiply_adds_body::<ScalarFloats, { ScalarFloats::SUMS }>(rounds) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn multiply_adds_avx2(rounds: usize) -> usize {
    // SAFETY: as the caller has it.
    unsafe { multiply_adds_body::<Avx2Floats, { Avx2Floats::SUMS }>(rounds) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn multiply_adds_avx512(rounds: usize) -> usize {
    // SAFETY: as the caller has it.
    unsafe { multiply_adds_body::<Avx512Floats, { Avx512Floats::SUMS }>(rounds) }
}

#[inline(always)]
unsafe fn multiply_adds_body<F: Floats, const CHAINS: usize>(rounds: usize) -> usize {
    // Values that stay finite however often they are multiplied: x · a + b tends to b / (1 - a).
    let (a, b) = (std::hint::black_box(0.5f32), std::hint::black_box(1.0f32));
    // SAFETY: `a`, `b` and `out` are there.
    unsafe {
        let (a, b) = (F::splat(&a), F::splat(&b));
        let mut chains = [b; CHAINS];
        for _ in 0..rounds {
            for chain in &mut chains {
                *chain = b.mul_add(*chain, a);
            }
        }
        let mut out = [0f32; LANES];
        chains.into_iter().fold(F::zero(), |a, b| a.add(b)).store(out.as_mut_ptr());
        std::hint::black_box(out);
    }
    rounds * CHAINS
}
