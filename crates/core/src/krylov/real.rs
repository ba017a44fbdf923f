//! Single and double precision: what must be exact is computed in the second, probes in the first.

use std::ops::{Add, AddAssign, Mul, Neg, Sub};

/// A floating-point number.
pub trait Real:
    Copy
    + Send
    + Sync
    + Default
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + AddAssign
{
    /// Square of the share of a vector below which nothing but rounding is left of it.
    const ROUNDING: f64;
    /// The nearest one.
    fn of(v: f64) -> Self;
    /// In double precision.
    fn double(self) -> f64;
}

impl Real for f64 {
    const ROUNDING: f64 = 1e-28;

    #[inline(always)]
    fn of(v: f64) -> Self {
        v
    }
    #[inline(always)]
    fn double(self) -> f64 {
        self
    }
}

impl Real for f32 {
    const ROUNDING: f64 = 1e-12;

    #[inline(always)]
    fn of(v: f64) -> Self {
        v as f32
    }
    #[inline(always)]
    fn double(self) -> f64 {
        f64::from(self)
    }
}
