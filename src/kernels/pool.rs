//! The thread pool of the kernels: workers spin for the next job before they park.
//!
//! A decode step is some sixty short products, and unparking a thread for each would cost a tenth of it. So an idle
//! worker spins for a moment before it parks, and the calling thread always takes part. Spinning threads yield their core
//! now and then, so that the user interface and other programs get it.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, TryLockError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::lanes;

/// How long an idle worker spins before it parks: longer than the pause between two products or two tokens.
const SPIN_TIME: Duration = Duration::from_micros(300);

/// Spins between two reads of the clock, and between two yields of a waiting caller.
const SPINS: u32 = 256;

/// Most bytes of the next product's weights that a spinning thread prefetches: a part of a core's L2 cache.
const PREFETCH: usize = 256 << 10;

/// Cache lines that it prefetches in one spin.
const LINES: usize = 4;
/// Bytes of a cache line.
const LINE: usize = 64;

/// The number of threads set before the pool was started.
static WANTED: OnceLock<usize> = OnceLock::new();

/// The most threads of the pool; more than any machine has cores that share its memory bandwidth.
pub const MOST_THREADS: usize = 1024;

/// Sets the number of threads, the caller's included, up to [`MOST_THREADS`]. Without effect once the pool is started.
pub fn set_threads(count: usize) {
    let count = count.clamp(1, MOST_THREADS);
    let _ = WANTED.set(count.max(1));
}

/// Threads that work is shared among: as many as [`set_threads`] says, else as many as the process may use (its affinity
/// and the quota of its control group counted).
pub fn threads() -> usize {
    Pool::global().starts.len()
}

/// Calls `work` with chunks of `0..count`, at least `piece` long where that much is left, shared among the threads.
///
/// Every thread first works through a contiguous share of its own, so that memory is read in order, and then steals chunks
/// from the shares of the others (work stealing).
pub(super) fn ranges(count: usize, piece: usize, work: impl Fn(Range<usize>) + Sync) {
    Pool::global().ranges(count, piece.max(1), &work);
}

/// As [`ranges`], with a value that each thread makes for itself before its first chunk.
pub(super) fn ranges_with<S>(
    count: usize,
    piece: usize,
    make: impl Fn() -> S + Sync,
    work: impl Fn(&S, Range<usize>) + Sync,
) {
    Pool::global().run_ranges(count, piece.max(1), &|next| {
        let mut made = None;
        while let Some(range) = next() {
            work(made.get_or_insert_with(&make), range);
        }
    });
}

/// Calls `work` with every number below `count`, shared among the threads.
pub fn tasks(count: usize, work: impl Fn(usize) + Sync) {
    ranges(count, 1, |range| range.for_each(&work));
}

/// What `work` makes of every number below `count`, shared among the threads.
pub fn map<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let mut out: Vec<Option<T>> = std::iter::repeat_with(|| None).take(count).collect();
    each(&mut out, |index, place| *place = Some(work(index)));
    out.into_iter().flatten().collect()
}

/// Calls `work` with every item and its index, the items shared among the threads.
pub fn each<T: Send>(items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
    chunks(items, 1, |index, item| work(index, &mut item[0]));
}

/// Calls `work` with the index and the values of each chunk of `length` values of `out` (the last may be shorter), the
/// chunks shared among the threads.
pub(super) fn chunks<T: Send>(out: &mut [T], length: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let (total, places) = (out.len(), Places::of(out));
    tasks(total.div_ceil(length), |index| {
        let at = index * length;
        // SAFETY: every index is handed out once, so the chunks do not overlap; all lie within `out`, which is
        // borrowed until the pool is done with it.
        let chunk = unsafe { std::slice::from_raw_parts_mut(places.at(at), length.min(total - at)) };
        work(index, chunk);
    });
}

/// `count` zeros, written by all threads: the page faults of a large buffer take as long as the product that fills it.
pub(super) fn zeros(count: usize) -> Vec<f32> {
    const CHUNK: usize = 1 << 15;
    let mut out = Vec::with_capacity(count);
    chunks(&mut out.spare_capacity_mut()[..count], CHUNK, |_, chunk| chunk.fill(MaybeUninit::new(0.0)));
    // SAFETY: all of them were just written.
    unsafe { out.set_len(count) };
    out
}

/// The start of a slice that several threads write to, each to places of its own.
pub(super) struct Places<T>(*mut T);

impl<T> Places<T> {
    /// The start of `out`, which must outlive the tasks that write there.
    pub(super) fn of(out: &mut [T]) -> Self {
        Self(out.as_mut_ptr())
    }

    /// The place of the value with that index.
    pub(super) fn at(&self, index: usize) -> *mut T {
        self.0.wrapping_add(index)
    }
}

// SAFETY: only an address is shared; each write through it says why no other thread writes there.
unsafe impl<T: Send> Sync for Places<T> {}

/// Says what the next job reads: `count` pieces of `length` bytes from the start of `bytes` on, shared among the threads
/// as [`ranges`] shares them. A thread that waits prefetches the start of its share meanwhile, so that memory bandwidth is
/// used between two products too.
pub(super) fn prefetch_next(bytes: &[u8], count: usize, length: usize) {
    let pool = Pool::global();
    for (thread, next) in pool.shared.next.iter().enumerate() {
        let first = share(count, pool.starts.len(), thread).start;
        next.0.store(bytes.as_ptr().wrapping_add(first * length).cast_mut(), Ordering::Relaxed);
    }
}

/// The share of `0..count` that a thread of `threads` starts with.
fn share(count: usize, threads: usize, thread: usize) -> Range<usize> {
    count * thread / threads..count * (thread + 1) / threads
}

/// A counter on a cache line of its own, against false sharing (two lines: processors prefetch pairs).
#[repr(align(128))]
struct Line(AtomicUsize);

/// An address on a cache line of its own. It is only prefetched, never read, so the memory may be freed.
#[repr(align(128))]
struct Next(AtomicPtr<u8>);

/// How much a thread has prefetched while it waited. Kept from wait to wait, so that no line is prefetched twice.
#[derive(Default)]
struct Prefetched {
    /// The address it started at.
    from: usize,
    bytes: usize,
}

impl Prefetched {
    /// Prefetches the next few lines of what the next job reads, up to [`PREFETCH`] bytes; else a spin-loop hint.
    fn more(&mut self, next: &Next) {
        let from = next.0.load(Ordering::Relaxed);
        if from.addr() != self.from {
            *self = Self { from: from.addr(), bytes: 0 };
        }
        if from.is_null() || self.bytes >= PREFETCH {
            return std::hint::spin_loop();
        }
        for _ in 0..LINES {
            lanes::prefetch_l2(from.wrapping_add(self.bytes));
            self.bytes += LINE;
        }
    }
}

/// The gate that workers pass to a job: the job's number, whether it is open, and the number of workers inside, in one
/// atomic word.
///
/// The caller closes it when no chunk is left to start, and waits only for the workers inside. So a worker that the
/// scheduler has preempted costs the work that it would have done, and not the time until it runs again.
struct Gate(Line);

impl Gate {
    /// Workers inside are counted below this bit.
    const OPEN: usize = 1 << 16;
    const JOB: usize = Self::OPEN << 1;

    fn state(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    /// Opens the gate for the next job.
    fn open(&self) {
        self.0.0.fetch_add(Self::JOB | Self::OPEN, Ordering::SeqCst);
    }

    fn close(&self) {
        self.0.0.fetch_and(!Self::OPEN, Ordering::Relaxed);
    }

    /// Whether no worker is inside.
    fn is_empty(&self) -> bool {
        self.0.0.load(Ordering::Acquire).is_multiple_of(Self::OPEN)
    }

    /// Whether the gate is open to a job other than `seen`.
    fn calls(state: usize, seen: usize) -> bool {
        state & Self::OPEN != 0 && state / Self::JOB != seen
    }

    /// Enters, if the gate is still as `state` has it: then the number of the job.
    fn enter(&self, state: usize) -> Option<usize> {
        let entered = self.0.0.compare_exchange_weak(state, state + 1, Ordering::Acquire, Ordering::Relaxed);
        entered.ok().map(|state| state / Self::JOB)
    }

    fn leave(&self) {
        self.0.0.fetch_sub(1, Ordering::Release);
    }
}

type Job = *const (dyn Fn(usize) + Sync);

struct Pool {
    shared: Arc<Shared>,
    workers: Vec<Thread>,
    /// The next chunk of each thread's share.
    starts: Vec<Line>,
    /// Held by the caller whose job runs, with what it has prefetched.
    busy: Mutex<Prefetched>,
}

struct Shared {
    gate: Gate,
    job: UnsafeCell<Option<Job>>,
    parked: Vec<AtomicBool>,
    /// What each thread reads next, the caller first.
    next: Vec<Next>,
    panicked: AtomicBool,
}

// SAFETY: `job` is written only by the holder of `busy` while the gate is closed and no worker inside, and read by workers
// that passed the gate, which is opened after the write.
unsafe impl Sync for Shared {}
// SAFETY: as above; the pointer is only followed while its owner waits for the workers.
unsafe impl Send for Shared {}

impl Pool {
    fn global() -> &'static Self {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| {
            let wanted = WANTED.get().copied().or_else(|| thread::available_parallelism().map(usize::from).ok());
            Self::new(wanted.unwrap_or(1))
        })
    }

    fn new(wanted: usize) -> Self {
        let shared = Arc::new(Shared {
            gate: Gate(Line(AtomicUsize::new(0))),
            job: UnsafeCell::new(None),
            parked: (1..wanted).map(|_| AtomicBool::new(false)).collect(),
            next: (0..wanted).map(|_| Next(AtomicPtr::default())).collect(),
            panicked: AtomicBool::new(false),
        });
        let mut workers = Vec::new();
        for index in 0..(wanted - 1).min(Gate::OPEN - 1) {
            let shared = shared.clone();
            let name = format!("kshot-compute-{}", index + 1);
            // Where the system gives fewer threads, the work is shared among those that were started.
            let Ok(handle) = thread::Builder::new().name(name).spawn(move || shared.serve(index)) else { break };
            workers.push(handle.thread().clone());
        }
        let starts = (0..=workers.len()).map(|_| Line(AtomicUsize::new(0))).collect();
        Self { shared, workers, starts, busy: Mutex::new(Prefetched::default()) }
    }

    fn ranges(&self, count: usize, piece: usize, work: &(dyn Fn(Range<usize>) + Sync)) {
        self.run_ranges(count, piece, &|next| {
            while let Some(range) = next() {
                work(range);
            }
        });
    }

    /// Calls `work` once on each thread, with a function that gives the next chunk.
    fn run_ranges(&self, count: usize, piece: usize, work: &(dyn Fn(&mut dyn FnMut() -> Option<Range<usize>>) + Sync)) {
        let threads = self.starts.len();
        // A second caller (or a job that starts a job) works alone rather than wait.
        let alone = || {
            let mut all = Some(0..count).filter(|all| !all.is_empty());
            work(&mut || all.take());
        };
        if threads == 1 || count <= piece {
            return alone();
        }
        let mut busy = match self.busy.try_lock() {
            Ok(busy) => busy,
            Err(TryLockError::Poisoned(busy)) => busy.into_inner(),
            Err(TryLockError::WouldBlock) => return alone(),
        };
        for (thread, start) in self.starts.iter().enumerate() {
            start.0.store(share(count, threads, thread).start, Ordering::Relaxed);
        }
        self.run(&mut busy, &|me| {
            let mut offset = 0;
            work(&mut || {
                while offset < threads {
                    let owner = (me + offset) % threads;
                    let end = share(count, threads, owner).end;
                    let start = self.starts[owner].0.fetch_add(piece, Ordering::Relaxed);
                    if start < end {
                        return Some(start..end.min(start + piece));
                    }
                    offset += 1;
                }
                None
            });
        });
    }

    /// Runs `job` here and on every worker that enters while it runs here, with the index of the thread, and waits for
    /// those that entered. So `job` must not return on this thread before no chunk is left to start.
    fn run(&self, prefetched: &mut Prefetched, job: &(dyn Fn(usize) + Sync)) {
        let shared = &*self.shared;
        // SAFETY: the lifetime is only dropped in the type: `Wait` below does not let this function end, by return or by
        // panic, before every worker that entered has ended the job, nor can one enter later. No worker reads the cell
        // now: none is inside.
        unsafe { *shared.job.get() = Some(std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), Job>(job)) };
        shared.panicked.store(false, Ordering::Relaxed);
        shared.gate.open();
        let wait = Wait { shared, prefetched };
        for (worker, parked) in self.workers.iter().zip(&shared.parked) {
            if parked.swap(false, Ordering::SeqCst) {
                worker.unpark();
            }
        }
        job(0);
        drop(wait);
        if shared.panicked.load(Ordering::Relaxed) {
            #[allow(clippy::panic, reason = "a panic of a worker is passed on to the caller")]
            {
                panic!("a compute thread panicked");
            }
        }
    }
}

/// Closes the gate and waits for the workers inside when it is dropped.
struct Wait<'a> {
    shared: &'a Shared,
    prefetched: &'a mut Prefetched,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.shared.gate.close();
        let mut spins = 0u32;
        while !self.shared.gate.is_empty() {
            spins += 1;
            if spins.is_multiple_of(SPINS) { thread::yield_now() } else { self.prefetched.more(&self.shared.next[0]) }
        }
    }
}

impl Shared {
    fn serve(&self, index: usize) {
        let mut seen = 0;
        let mut prefetched = Prefetched::default();
        loop {
            seen = self.job_after(seen, index, &mut prefetched);
            // SAFETY: this thread is inside, so the job was written before, and its owner waits until it has left.
            if let Some(job) = unsafe { *self.job.get() } {
                // SAFETY: as above.
                let job = unsafe { &*job };
                let ended = catch_unwind(AssertUnwindSafe(|| job(index + 1)));
                self.panicked.fetch_or(ended.is_err(), Ordering::Relaxed);
            }
            self.gate.leave();
        }
    }

    /// Waits for a job other than `seen`, spinning for [`SPIN_TIME`], then parked, and enters it. The number of the job.
    fn job_after(&self, seen: usize, index: usize, prefetched: &mut Prefetched) -> usize {
        let mut since = None;
        let mut spins = 0u32;
        loop {
            let state = self.gate.state();
            if Gate::calls(state, seen) {
                match self.gate.enter(state) {
                    Some(job) => return job,
                    None => continue,
                }
            }
            spins += 1;
            if !spins.is_multiple_of(SPINS) {
                prefetched.more(&self.next[index + 1]);
            } else if since.get_or_insert_with(Instant::now).elapsed() < SPIN_TIME {
                thread::yield_now();
            } else {
                self.parked[index].store(true, Ordering::SeqCst);
                // A job that started before the flag was visible is seen here, unless it has ended; a caller that sees
                // the flag unparks this thread.
                if !Gate::calls(self.gate.state(), seen) {
                    thread::park();
                }
                self.parked[index].store(false, Ordering::SeqCst);
                since = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn counted(pool: &Pool, count: usize, piece: usize) {
        let seen: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
        pool.ranges(count, piece, &|range| {
            range.for_each(|at| {
                seen[at].fetch_add(1, Ordering::Relaxed);
            });
        });
        assert!(seen.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{count} by {piece}");
    }

    #[test]
    fn every_number_comes_once() {
        for threads in [1, 2, 3, 7] {
            let pool = Pool::new(threads);
            for round in 0..200 {
                for (count, piece) in [(0, 1), (1, 1), (2, 1), (100, 3), (1000, 7), (5, 10)] {
                    counted(&pool, count, piece);
                }
                // Now and then long enough that the workers park.
                if round % 50 == 0 {
                    thread::sleep(SPIN_TIME * 4);
                }
            }
        }
    }

    #[test]
    fn callers_at_once_and_within_each_other_do_their_own_work() {
        let pool = Pool::new(3);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..200).for_each(|_| counted(&pool, 64, 4)));
            }
        });
        pool.ranges(8, 1, &|_| counted(&pool, 16, 1));
    }

    #[test]
    fn a_caller_does_not_wait_for_a_worker_that_never_runs() {
        let (done, ended) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let mut pool = Pool::new(1);
            pool.workers.push(thread::current());
            pool.starts.push(Line(AtomicUsize::new(0)));
            counted(&pool, 100, 3);
            done.send(()).unwrap();
        });
        ended.recv_timeout(Duration::from_secs(60)).expect("the caller did it all");
    }

    #[test]
    fn a_closed_gate_admits_no_worker() {
        let gate = Gate(Line(AtomicUsize::new(0)));
        gate.open();
        let state = gate.state();
        assert!(Gate::calls(state, 0) && !Gate::calls(state, 1));
        gate.close();
        assert!(gate.enter(state).is_none() && !Gate::calls(gate.state(), 0) && gate.is_empty());
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::new(3);
        for bad in 0..20 {
            let run = || {
                pool.ranges(20, 1, &|range| {
                    #[allow(clippy::panic, reason = "this is what is tested")]
                    if range.contains(&bad) {
                        panic!("on purpose");
                    }
                });
            };
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
            counted(&pool, 100, 1);
        }
    }
}
