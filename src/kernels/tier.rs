//! The instruction set that the kernels use, chosen once.

use std::sync::OnceLock;

/// Compiles a body that is inlined once for each width of registers, and calls the one of the tier in use. The compiler
/// vectorises the body by itself and never fuses its operations, so that every tier gives the same bits.
macro_rules! by_tier {
    ($($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)? = $body:ident;)*) => {$(
        $(#[$doc])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::kernels::Tier;
                #[target_feature(enable = "avx2,fma,f16c")]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    $body($($arg),*)
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
                fn avx512($($arg: $ty),*) $(-> $ret)? {
                    $body($($arg),*)
                }
                match Tier::current() {
                    // SAFETY: the tier in use is one that the processor has.
                    Tier::Avx512 | Tier::Avx512Bf16 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    Tier::Avx2 => return unsafe { avx2($($arg),*) },
                    Tier::Scalar => {}
                }
            }
            $body($($arg),*)
        }
    )*};
}
pub(super) use by_tier;

/// The environment variable that forces a lower tier than the processor has, e.g. to measure it.
const VARIABLE: &str = "KSHOT_TIER";

/// Instruction sets there is code for; each has all of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Plain Rust over 16 values at a time, which the compiler vectorises by itself.
    Scalar,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX-512 (F, BW, VL) with VNNI: dot products of 8-bit integers.
    Avx512,
    /// The same with AVX512_BF16: dot products of bf16.
    Avx512Bf16,
}

impl Tier {
    /// All of them, the plainest first.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Avx2, Self::Avx512, Self::Avx512Bf16];

    /// What it is called in `KSHOT_TIER` and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Bf16 => "avx512-bf16",
        }
    }

    /// The best that this processor can run.
    pub fn of_processor() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if !(is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c"))
            {
                return Self::Scalar;
            }
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni");
            match (avx512, is_x86_feature_detected!("avx512bf16")) {
                (true, true) => Self::Avx512Bf16,
                (true, false) => Self::Avx512,
                (false, _) => Self::Avx2,
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Self::Scalar
    }

    /// The tiers that this processor can run, the plainest first.
    pub fn runnable() -> impl Iterator<Item = Self> {
        let best = Self::of_processor();
        Self::ALL.into_iter().filter(move |&tier| tier <= best)
    }

    /// The tier in use: the processor's best, or the lower one that `KSHOT_TIER` names.
    pub fn current() -> Self {
        static CURRENT: OnceLock<Tier> = OnceLock::new();
        *CURRENT.get_or_init(|| Self::requested().unwrap_or_else(|_| Self::of_processor()))
    }

    /// The tier that `KSHOT_TIER` names, the processor's best where it is not set.
    ///
    /// # Errors
    /// A name that is none, or a tier that this processor cannot run, as a sentence.
    pub fn requested() -> Result<Self, String> {
        let best = Self::of_processor();
        let Some(name) = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) else { return Ok(best) };
        let names = || Self::runnable().map(Self::name).collect::<Vec<_>>().join(", ");
        match Self::ALL.into_iter().find(|tier| *tier.name() == *name) {
            Some(tier) if tier <= best => Ok(tier),
            Some(tier) => Err(format!("{VARIABLE}={} cannot run on this processor; it has {}", tier.name(), names())),
            None => Err(format!("{VARIABLE}={} is no tier; there are {}", name.to_string_lossy(), names())),
        }
    }
}
