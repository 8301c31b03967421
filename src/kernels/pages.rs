//! Huge pages for memory that every pass streams through.

/// Values from which on huge pages are requested (`madvise`): 4 MiB of f32.
const LARGE: usize = 1 << 20;

/// Bytes of a cache line.
const LINE: usize = 64;

/// From now on freed memory stays with the process. A training step frees and takes the same few hundred megabytes in
/// pieces of megabytes; giving them back each time and faulting the pages in again costs a third of the time.
/// Elsewhere than on Linux with glibc it does nothing.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        // SAFETY: mallopt only sets parameters of the allocator.
        ONCE.call_once(|| unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
        });
    }
}

/// From now on freed memory of the size of activations stays with the process, for the next layer; that of weights is
/// given back. A prefill takes and frees megabytes for each operation, and faulting their pages in again costs a tenth
/// of it. Elsewhere than on Linux with glibc it does nothing.
pub fn keep_activations() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// The largest that glibc takes (malloc.c, `DEFAULT_MMAP_THRESHOLD_MAX`), and a few times of it.
        const LARGEST: libc::c_int = 32 << 20;
        static ONCE: std::sync::Once = std::sync::Once::new();
        // SAFETY: mallopt only sets parameters of the allocator.
        ONCE.call_once(|| unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST);
            libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * LARGEST);
        });
    }
}

/// Zeroed bytes that begin on a cache line, with huge pages as in [`zeroed`]. Pages are faulted in as they are written.
pub struct Buffer {
    storage: Vec<u64>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// `len` bytes of zero.
    pub fn zeroed(len: usize) -> Self {
        let storage = vec![0u64; len.div_ceil(8) + LINE / 8];
        #[cfg(target_os = "linux")]
        if len >= LARGE * 4 {
            advise(&storage);
        }
        let start = storage.as_ptr().addr().wrapping_neg() % LINE;
        Self { storage, start, len }
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.storage)[self.start..][..self.len]
    }

    /// All bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.storage)[self.start..][..self.len]
    }
}

/// A zeroed vector whose memory is backed by huge pages where the system has any. Weights are read once a
/// token, and address translation is a good part of that walk with small pages.
pub fn zeroed(count: usize) -> Vec<f32> {
    let values = vec![0f32; count];
    #[cfg(target_os = "linux")]
    if count >= LARGE {
        advise(&values);
    }
    values
}

#[cfg(target_os = "linux")]
fn advise<T>(values: &[T]) {
    const PAGE: usize = 4096;
    let start = (values.as_ptr() as usize).next_multiple_of(PAGE);
    let end = (values.as_ptr() as usize + size_of_val(values)) / PAGE * PAGE;
    if start < end {
        // SAFETY: the range lies in memory that `values` owns, and this kind of advice changes no content. Whether it is
        // taken does not matter.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
    }
}
