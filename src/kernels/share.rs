//! One piece of work for all threads.
//!
//! The threads are those of candle's barrier pool, which wait for the next piece awake for a moment: a decode step is some
//! fifty short products, and waking a sleeping thread for each would cost a tenth of it.

use candle_core::utils::barrier_pool;

/// Calls `work` with the index and the values of each stretch of `length` values of `out` (the last may be shorter), the
/// stretches shared among the threads as each becomes free.
pub(super) fn chunks(out: &mut [f32], length: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    let (total, start) = (out.len(), Start(out.as_mut_ptr()));
    barrier_pool().execute_chunked(total.div_ceil(length), |range| {
        for index in range {
            let at = index * length;
            // SAFETY: every index is handed out once, so the stretches do not overlap; all lie within `out`, which is
            // borrowed until the pool is done with it.
            let stretch = unsafe { std::slice::from_raw_parts_mut(start.get().add(at), length.min(total - at)) };
            work(index, stretch);
        }
    });
}

/// Threads the work is shared among.
pub(super) fn threads() -> usize {
    barrier_pool().n_workers() + 1
}

/// The start of a slice that several threads write to.
struct Start(*mut f32);

impl Start {
    fn get(&self) -> *mut f32 {
        self.0
    }
}

// SAFETY: `chunks` lets each thread write to stretches of its own.
unsafe impl Sync for Start {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_visited_once_under_its_index() {
        for (count, length) in [(0, 3), (1, 3), (3, 3), (10, 3), (100_000, 7)] {
            let mut out = vec![0f32; count];
            chunks(&mut out, length, |index, stretch| {
                stretch.iter_mut().for_each(|value| *value += 1.0 + index as f32);
            });
            assert!(
                out.iter().enumerate().all(|(at, &value)| value == 1.0 + (at / length) as f32),
                "{count} by {length}"
            );
        }
    }
}
