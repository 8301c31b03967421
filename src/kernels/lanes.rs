//! Sixteen lanes: one 512-bit register, two of 256 bits, or an array that the compiler vectorises as it can.
//!
//! The kernels are written once over these traits and compiled for each tier; everything here is inlined into functions
//! that have the tier's features enabled.

/// Values in a register, whatever its width.
pub const LANES: usize = 16;

/// Sixteen f32.
pub(super) trait Floats: Copy {
    /// Registers for sums that a kernel may use before it runs out of them.
    const SUMS: usize;
    /// All zero.
    unsafe fn zero() -> Self;
    /// The value at `at` in every lane.
    unsafe fn splat(at: *const f32) -> Self;
    /// Sixteen values from `at` on.
    unsafe fn load(at: *const f32) -> Self;
    /// Sixteen f16 from `at` on.
    unsafe fn load_f16(at: *const u8) -> Self;
    /// Sixteen pairs of bf16 from `at` on: the first of each pair, the second of each.
    unsafe fn load_bf16_pairs(at: *const u8) -> (Self, Self);
    /// To sixteen places from `at` on.
    unsafe fn store(self, at: *mut f32);
    /// a · b + self.
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
    /// self + other.
    unsafe fn add(self, other: Self) -> Self;
    /// self · other.
    unsafe fn mul(self, other: Self) -> Self;
    /// Prefetches a cache line into the L1 cache.
    unsafe fn prefetch(at: *const u8);
}

/// Sixteen i32, and dot products of four 8-bit integers into each.
pub(super) trait Integers: Copy {
    /// Its floats.
    type Floats: Floats;
    /// The integers of one four of inputs for 16 outputs.
    type Bytes: Copy;
    /// Sums of a group of 32 products with weights of 0 to 15, where 16 bits hold those of 16.
    type Small: Sums<Self>;
    /// What is added to the weights of q8_0 when they are multiplied; the sums are corrected for it.
    const Q8_OFFSET: i32;
    /// `value` in every lane.
    unsafe fn splat(value: i32) -> Self;
    /// 64 bytes of q8_0.
    unsafe fn load_q8(at: *const u8) -> Self::Bytes;
    /// 64 bytes of q4_0: their lower and their upper halves.
    unsafe fn load_q4(at: *const u8) -> (Self::Bytes, Self::Bytes);
    /// Adds to each lane the dot product of its four weights with the four signed bytes at `x`.
    unsafe fn dot_q8(self, weights: Self::Bytes, x: *const i8) -> Self;
    /// As floats.
    unsafe fn floats(self) -> Self::Floats;
}

/// Sums of the products of a group of 32.
pub(super) trait Sums<I: Integers>: Copy {
    /// No products yet; `value` is what the whole sums begin with.
    unsafe fn begin(value: i32) -> Self;
    /// Adds to each lane the dot product of its four weights with the four signed bytes at `x`, at most eight times.
    unsafe fn dot(self, weights: I::Bytes, x: *const i8) -> Self;
    /// The whole sums, with the `value` they begin with.
    unsafe fn whole(self, value: i32) -> I;
}

impl<I: Integers> Sums<I> for I {
    #[inline(always)]
    unsafe fn begin(value: i32) -> Self {
        // SAFETY: as the caller has it.
        unsafe { I::splat(value) }
    }

    #[inline(always)]
    unsafe fn dot(self, weights: I::Bytes, x: *const i8) -> Self {
        // SAFETY: as the caller has it.
        unsafe { self.dot_q8(weights, x) }
    }

    #[inline(always)]
    unsafe fn whole(self, _: i32) -> Self {
        self
    }
}

#[derive(Clone, Copy)]
pub(super) struct ScalarFloats([f32; LANES]);

impl Floats for ScalarFloats {
    const SUMS: usize = 2;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0.0; LANES])
    }

    #[inline(always)]
    unsafe fn splat(at: *const f32) -> Self {
        // SAFETY: as the caller has it.
        Self([unsafe { *at }; LANES])
    }

    #[inline(always)]
    unsafe fn load(at: *const f32) -> Self {
        // SAFETY: as the caller has it.
        Self(unsafe { at.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_f16(at: *const u8) -> Self {
        // SAFETY: as the caller has it.
        let bits = unsafe { at.cast::<[u16; LANES]>().read_unaligned() };
        Self(bits.map(|bits| half::f16::from_bits(bits).to_f32()))
    }

    #[inline(always)]
    unsafe fn load_bf16_pairs(at: *const u8) -> (Self, Self) {
        // SAFETY: as the caller has it.
        let pairs = unsafe { at.cast::<[u32; LANES]>().read_unaligned() };
        (Self(pairs.map(|pair| f32::from_bits(pair << 16))), Self(pairs.map(|pair| f32::from_bits(pair & 0xffff_0000))))
    }

    #[inline(always)]
    unsafe fn store(self, at: *mut f32) {
        // SAFETY: as the caller has it.
        unsafe { at.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|lane| a.0[lane] * b.0[lane] + self.0[lane]))
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane] + other.0[lane]))
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane] * other.0[lane]))
    }

    #[inline(always)]
    unsafe fn prefetch(_: *const u8) {}
}

#[derive(Clone, Copy)]
pub(super) struct ScalarIntegers([i32; LANES]);

impl Integers for ScalarIntegers {
    type Floats = ScalarFloats;
    type Bytes = [[u8; 4]; LANES];
    type Small = Self;
    const Q8_OFFSET: i32 = 128;

    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    unsafe fn load_q8(at: *const u8) -> Self::Bytes {
        // SAFETY: as the caller has it.
        unsafe { at.cast::<Self::Bytes>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_q4(at: *const u8) -> (Self::Bytes, Self::Bytes) {
        // SAFETY: as the caller has it.
        let bytes = unsafe { at.cast::<Self::Bytes>().read_unaligned() };
        (bytes.map(|four| four.map(|byte| byte & 15)), bytes.map(|four| four.map(|byte| byte >> 4)))
    }

    #[inline(always)]
    unsafe fn dot_q8(self, weights: Self::Bytes, x: *const i8) -> Self {
        // SAFETY: as the caller has it.
        let x = unsafe { x.cast::<[i8; 4]>().read_unaligned() };
        Self(std::array::from_fn(|lane| {
            weights[lane].iter().zip(x).fold(self.0[lane], |sum, (&w, x)| sum + i32::from(w) * i32::from(x))
        }))
    }

    #[inline(always)]
    unsafe fn floats(self) -> ScalarFloats {
        ScalarFloats(self.0.map(|value| value as f32))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2Floats, Avx2Integers, Avx512Floats, Avx512Integers};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Floats, Integers, Sums};
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2Floats(__m256, __m256);

    impl Floats for Avx2Floats {
        /// Each is two of 16 registers.
        const SUMS: usize = 6;

        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: registers alone; the caller has a processor of this tier.
            unsafe { Self(_mm256_setzero_ps(), _mm256_setzero_ps()) }
        }

        #[inline(always)]
        unsafe fn splat(at: *const f32) -> Self {
            // SAFETY: the caller has a processor of this tier and 4 bytes at `at`, for which no alignment is needed.
            unsafe {
                let value = _mm256_broadcast_ss(&*at);
                Self(value, value)
            }
        }

        #[inline(always)]
        unsafe fn load(at: *const f32) -> Self {
            // SAFETY: the caller has a processor of this tier and 64 bytes at `at`, for which no alignment is needed.
            unsafe { Self(_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(8))) }
        }

        #[inline(always)]
        unsafe fn load_f16(at: *const u8) -> Self {
            // SAFETY: the caller has a processor of this tier and 32 bytes at `at`, for which no alignment is needed.
            unsafe {
                let eight = |at: *const u8| _mm256_cvtph_ps(_mm_loadu_si128(at.cast()));
                Self(eight(at), eight(at.add(16)))
            }
        }

        #[inline(always)]
        unsafe fn load_bf16_pairs(at: *const u8) -> (Self, Self) {
            // SAFETY: the caller has a processor of this tier and 64 bytes at `at`, for which no alignment is needed.
            unsafe {
                let (a, b) = (_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(32).cast()));
                let first = |pairs| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(pairs));
                let upper = _mm256_set1_epi32(0xffff_0000_u32 as i32);
                let second = |pairs| _mm256_castsi256_ps(_mm256_and_si256(pairs, upper));
                (Self(first(a), first(b)), Self(second(a), second(b)))
            }
        }

        #[inline(always)]
        unsafe fn store(self, at: *mut f32) {
            // SAFETY: the caller has a processor of this tier and 64 bytes at `at`, for which no alignment is needed.
            unsafe {
                _mm256_storeu_ps(at, self.0);
                _mm256_storeu_ps(at.add(8), self.1);
            }
        }

        #[inline(always)]
        unsafe fn mul_add(self, a: Self, b: Self) -> Self {
            // SAFETY: registers alone; the caller has a processor of this tier.
            unsafe { Self(_mm256_fmadd_ps(a.0, b.0, self.0), _mm256_fmadd_ps(a.1, b.1, self.1)) }
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: registers alone; the caller has a processor of this tier.
            unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
        }

        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            // SAFETY: registers alone; the caller has a processor of this tier.
            unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
        }

        #[inline(always)]
        unsafe fn prefetch(at: *const u8) {
            // SAFETY: a prefetch reads nothing that the program sees, at any address; the caller has a processor of this tier.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
        }
    }

    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2Integers(__m256i, __m256i);

    /// Sixteen bits for each pair of inputs.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2Small(__m256i, __m256i);

    impl Sums<Avx2Integers> for Avx2Small {
        #[inline(always)]
        unsafe fn begin(_: i32) -> Self {
            // SAFETY: registers alone; the caller has a processor of this tier.
            unsafe { Self(_mm256_setzero_si256(), _mm256_setzero_si256()) }
        }

        #[inline(always)]
        unsafe fn dot(self, weights: (__m256i, __m256i), x: *const i8) -> Self {
            // SAFETY: the caller has a processor of this tier and 4 bytes at `x`, for which no alignment is needed.
            unsafe {
                let x = _mm256_set1_epi32(x.cast::<i32>().read_unaligned());
                // Eight times at most 2 · 15 · 127: 30,480, which 16 bits hold.
                let dot = |sums, w| _mm256_add_epi16(sums, _mm256_maddubs_epi16(w, x));
                Self(dot(self.0, weights.0), dot(self.1, weights.1))
            }
        }

        #[inline(always)]
        unsafe fn whole(self, value: i32) -> Avx2Integers {
            // SAFETY: registers alone; the caller has a processor of this tier.
            unsafe {
                let (ones, value) = (_mm256_set1_epi16(1), _mm256_set1_epi32(value));
                let whole = |sums| _mm256_add_epi32(value, _mm256_madd_epi16(sums, ones));
                Avx2Integers(whole(self.0), whole(self.1))
            }
        }
    }

    impl Integers for Avx2Integers {
        type Floats = Avx2Floats;
        type Bytes = (__m256i, __m256i);
        type Small = Avx2Small;
        /// The weights are made signed again: products of unsigned and signed bytes of this size overflow 16 bits in pairs.
        const Q8_OFFSET: i32 = 0;

        #[inline(always)]
        unsafe fn splat(value: i32) -> Self {
            // SAFETY: registers alone; the caller has a processor of this tier.
            unsafe { Self(_mm256_set1_epi32(value), _mm256_set1_epi32(value)) }
        }

        #[inline(always)]
        unsafe fn load_q8(at: *const u8) -> Self::Bytes {
            // SAFETY: the caller has a processor of this tier and 64 bytes at `at`, for which no alignment is needed.
            unsafe {
                let top = _mm256_set1_epi8(-128);
                let signed = |at: *const u8| _mm256_xor_si256(_mm256_loadu_si256(at.cast()), top);
                (signed(at), signed(at.add(32)))
            }
        }

        #[inline(always)]
        unsafe fn load_q4(at: *const u8) -> (Self::Bytes, Self::Bytes) {
            // SAFETY: the caller has a processor of this tier and 64 bytes at `at`, for which no alignment is needed.
            unsafe {
                let (a, b) = (_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(32).cast()));
                let mask = _mm256_set1_epi8(15);
                let lower = |bytes| _mm256_and_si256(bytes, mask);
                let upper = |bytes| _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), mask);
                ((lower(a), lower(b)), (upper(a), upper(b)))
            }
        }

        #[inline(always)]
        unsafe fn dot_q8(self, weights: Self::Bytes, x: *const i8) -> Self {
            // SAFETY: the caller has a processor of this tier and 4 bytes at `x`, for which no alignment is needed.
            unsafe {
                let x = _mm256_set1_epi32(x.cast::<i32>().read_unaligned());
                let (size, ones) = (_mm256_abs_epi8(x), _mm256_set1_epi16(1));
                // |x| · (w with the sign of x): at most 2 · 127 · 127, which 16 bits hold.
                let dot = |w| _mm256_madd_epi16(_mm256_maddubs_epi16(size, _mm256_sign_epi8(w, x)), ones);
                Self(_mm256_add_epi32(self.0, dot(weights.0)), _mm256_add_epi32(self.1, dot(weights.1)))
            }
        }

        #[inline(always)]
        unsafe fn floats(self) -> Avx2Floats {
            // SAFETY: registers alone; the caller has a processor of this tier.
            unsafe { Avx2Floats(_mm256_cvtepi32_ps(self.0), _mm256_cvtepi32_ps(self.1)) }
        }
    }

    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512Floats(pub(in super::super) __m512);

    impl Floats for Avx512Floats {
        const SUMS: usize = 24;

        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: registers alone; the caller has a processor of this tier.
            unsafe { Self(_mm512_setzero_ps()) }
        }

        #[inline(always)]
        unsafe fn splat(at: *const f32) -> Self {
            // SAFETY: the caller has a processor of this tier and 4 bytes at `at`, for which no alignment is needed.
            unsafe { Self(_mm512_set1_ps(*at)) }
        }

        #[inline(always)]
        unsafe fn load(at: *const f32) -> Self {
            // SAFETY: the caller has a processor of this tier and 64 bytes at `at`, for which no alignment is needed.
            unsafe { Self(_mm512_loadu_ps(at)) }
        }

        #[inline(always)]
        unsafe fn load_f16(at: *const u8) -> Self {
            // SAFETY: the caller has a processor of this tier and 32 bytes at `at`, for which no alignment is needed.
            unsafe { Self(_mm512_cvtph_ps(_mm256_loadu_si256(at.cast()))) }
        }

        #[inline(always)]
        unsafe fn load_bf16_pairs(at: *const u8) -> (Self, Self) {
            // SAFETY: the caller has a processor of this tier and 64 bytes at `at`, for which no alignment is needed.
            unsafe {
                let pairs = _mm512_loadu_si512(at.cast());
                let upper = _mm512_set1_epi32(0xffff_0000_u32 as i32);
                let first = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs));
                (Self(first), Self(_mm512_castsi512_ps(_mm512_and_si512(pairs, upper))))
            }
        }

        #[inline(always)]
        unsafe fn store(self, at: *mut f32) {
            // SAFETY: the caller has a processor of this tier and 64 bytes at `at`, for which no alignment is needed.
            unsafe { _mm512_storeu_ps(at, self.0) }
        }

        #[inline(always)]
        unsafe fn mul_add(self, a: Self, b: Self) -> Self {
            // SAFETY: registers alone; the caller has a processor of this tier.
            unsafe { Self(_mm512_fmadd_ps(a.0, b.0, self.0)) }
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: registers alone; the caller has a processor of this tier.
            unsafe { Self(_mm512_add_ps(self.0, other.0)) }
        }

        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            // SAFETY: registers alone; the caller has a processor of this tier.
            unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
        }

        #[inline(always)]
        unsafe fn prefetch(at: *const u8) {
            // SAFETY: a prefetch reads nothing that the program sees, at any address; the caller has a processor of this tier.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
        }
    }

    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512Integers(__m512i);

    impl Integers for Avx512Integers {
        type Floats = Avx512Floats;
        type Bytes = __m512i;
        type Small = Self;
        const Q8_OFFSET: i32 = 128;

        #[inline(always)]
        unsafe fn splat(value: i32) -> Self {
            // SAFETY: registers alone; the caller has a processor of this tier.
            unsafe { Self(_mm512_set1_epi32(value)) }
        }

        #[inline(always)]
        unsafe fn load_q8(at: *const u8) -> Self::Bytes {
            // SAFETY: the caller has a processor of this tier and 64 bytes at `at`, for which no alignment is needed.
            unsafe { _mm512_loadu_si512(at.cast()) }
        }

        #[inline(always)]
        unsafe fn load_q4(at: *const u8) -> (Self::Bytes, Self::Bytes) {
            // SAFETY: the caller has a processor of this tier and 64 bytes at `at`, for which no alignment is needed.
            unsafe {
                let (bytes, mask) = (_mm512_loadu_si512(at.cast()), _mm512_set1_epi8(15));
                (_mm512_and_si512(bytes, mask), _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), mask))
            }
        }

        #[inline(always)]
        unsafe fn dot_q8(self, weights: Self::Bytes, x: *const i8) -> Self {
            // SAFETY: the caller has a processor of this tier and 4 bytes at `x`, for which no alignment is needed.
            unsafe { Self(_mm512_dpbusd_epi32(self.0, weights, _mm512_set1_epi32(x.cast::<i32>().read_unaligned()))) }
        }

        #[inline(always)]
        unsafe fn floats(self) -> Avx512Floats {
            // SAFETY: registers alone; the caller has a processor of this tier.
            unsafe { Avx512Floats(_mm512_cvtepi32_ps(self.0)) }
        }
    }
}

/// Prefetches the cache line at an address into the L2 cache. Any address is allowed: nothing is read.
#[inline(always)]
pub(super) fn prefetch_l2(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
