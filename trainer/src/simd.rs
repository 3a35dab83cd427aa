//! Loops that the compiler vectorises: once for AVX2, chosen at run time, and once for any processor.

/// Whether this processor runs the AVX2 versions.
pub fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Makes a function of plain loops run with wide vectors where the processor has them. Products and sums are rounded
/// one by one in both versions, so that they give the same values.
macro_rules! vectorised {
    ($(#[$documentation:meta])* fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $body:block) => {
        $(#[$documentation])*
        #[allow(clippy::too_many_arguments, clippy::needless_range_loop)] // One index for several slices vectorises.
        fn $name($($argument: $kind),*) {
            #[inline(always)]
            fn plain($($argument: $kind),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn wide($($argument: $kind),*) {
                plain($($argument),*);
            }

            #[cfg(target_arch = "x86_64")]
            if crate::simd::has_avx2() {
                // SAFETY: the processor has the features the function is compiled for, as just checked.
                unsafe { wide($($argument),*) };
                return;
            }
            plain($($argument),*);
        }
    };
}

pub(crate) use vectorised;
