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

/// Calls `work` with every number below `count`, shared among the threads.
pub(super) fn tasks(count: usize, work: impl Fn(usize) + Sync) {
    barrier_pool().execute_chunked(count, |range| range.for_each(&work));
}

/// Threads the work is shared among.
pub fn threads() -> usize {
    barrier_pool().n_workers() + 1
}

/// The start of a slice that several threads write to, each to places of its own.
pub(super) struct Start(*mut f32);

impl Start {
    /// The start of `out`, which must outlive the tasks that write there.
    pub(super) fn of(out: &mut [f32]) -> Self {
        Self(out.as_mut_ptr())
    }

    /// The place of the value with that index.
    pub(super) fn at(&self, index: usize) -> *mut f32 {
        self.0.wrapping_add(index)
    }

    fn get(&self) -> *mut f32 {
        self.0
    }
}

// SAFETY: only an address is shared; whoever writes there says why nobody else does.
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
