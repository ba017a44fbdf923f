//! Small dense kernels on row-major k x k blocks and column-major panels.
//!
//! Functions generic over `K` are compiled for fixed sizes; `K = 0` reads the size at run time.

/// The compile-time size, or the run-time one.
#[inline(always)]
pub fn size<const K: usize>(k: usize) -> usize {
    if K == 0 {
        k
    } else {
        K
    }
}

/// Runs `f` compiled for AVX2 where the processor has it. What `f` calls must be inlined always. No
/// fused operations are used, so results do not depend on the choice.
#[inline(always)]
pub fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        unsafe fn with_avx2<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the feature was detected
            return unsafe { with_avx2(f) };
        }
    }
    f()
}

/// Calls a function generic over the block size with the size as a constant where one is compiled.
#[macro_export]
macro_rules! with_size {
    ($k:expr, $f:ident ( $($a:expr),* $(,)? )) => {
        match $k {
            1 => $f::<1>($($a),*),
            2 => $f::<2>($($a),*),
            3 => $f::<3>($($a),*),
            4 => $f::<4>($($a),*),
            _ => $f::<0>($($a),*),
        }
    };
}

/// The same with the number of columns beside it as a second constant.
#[macro_export]
macro_rules! with_sizes {
    ($k:expr, $cols:expr, $f:ident ( $($a:expr),* $(,)? )) => {
        match ($k, $cols) {
            (1, 1) => $f::<1, 1>($($a),*),
            (1, 2) => $f::<1, 2>($($a),*),
            (1, 3) => $f::<1, 3>($($a),*),
            (1, 4) => $f::<1, 4>($($a),*),
            (2, 2) => $f::<2, 2>($($a),*),
            (2, 3) => $f::<2, 3>($($a),*),
            (2, 4) => $f::<2, 4>($($a),*),
            (3, 4) => $f::<3, 4>($($a),*),
            (3, 6) => $f::<3, 6>($($a),*),
            (1, _) => $f::<1, 0>($($a),*),
            (2, _) => $f::<2, 0>($($a),*),
            _ => $f::<0, 0>($($a),*),
        }
    };
}

/// Lower Cholesky factor in place (upper part untouched). Returns false if a pivot is not positive.
#[inline(always)]
pub fn cholesky<const K: usize>(a: &mut [f64], k: usize) -> bool {
    let k = size::<K>(k);
    let a = &mut a[..k * k];
    for j in 0..k {
        let mut d = a[j * k + j];
        for m in 0..j {
            d -= a[j * k + m] * a[j * k + m];
        }
        if d.is_nan() || d <= 0.0 {
            return false;
        }
        let d = d.sqrt();
        a[j * k + j] = d;
        let inv = 1.0 / d;
        for i in j + 1..k {
            let mut s = a[i * k + j];
            for m in 0..j {
                s -= a[i * k + m] * a[j * k + m];
            }
            a[i * k + j] = s * inv;
        }
    }
    true
}

/// Solves R x = b for `cols` right-hand sides (row-major k x cols), in place.
#[inline(always)]
pub fn forward<const K: usize>(r: &[f64], k: usize, b: &mut [f64], cols: usize) {
    let k = size::<K>(k);
    for i in 0..k {
        let (done, rest) = b.split_at_mut(i * cols);
        let row = &mut rest[..cols];
        for m in 0..i {
            let f = r[i * k + m];
            for (t, &s) in row.iter_mut().zip(&done[m * cols..(m + 1) * cols]) {
                *t -= f * s;
            }
        }
        let inv = 1.0 / r[i * k + i];
        row.iter_mut().for_each(|t| *t *= inv);
    }
}

/// Solves R' x = b for `cols` right-hand sides (row-major k x cols), in place.
#[inline(always)]
pub fn backward<const K: usize>(r: &[f64], k: usize, b: &mut [f64], cols: usize) {
    let k = size::<K>(k);
    for i in (0..k).rev() {
        let (head, done) = b.split_at_mut((i + 1) * cols);
        let row = &mut head[i * cols..];
        for m in i + 1..k {
            let f = r[m * k + i];
            let at = (m - i - 1) * cols;
            for (t, &s) in row.iter_mut().zip(&done[at..at + cols]) {
                *t -= f * s;
            }
        }
        let inv = 1.0 / r[i * k + i];
        row.iter_mut().for_each(|t| *t *= inv);
    }
}

/// Inverse of R R' (full symmetric, row-major) from the lower factor R.
#[inline(always)]
pub fn inverse_of_product<const K: usize>(r: &[f64], k: usize, out: &mut [f64]) {
    let k = size::<K>(k);
    out[..k * k].fill(0.0);
    for i in 0..k {
        out[i * k + i] = 1.0;
    }
    forward::<K>(r, k, out, k);
    backward::<K>(r, k, out, k);
}

/// Solves X R' = B for a column-major `rows` x k panel, in place.
#[inline(always)]
pub fn panel_forward<const K: usize>(r: &[f64], k: usize, panel: &mut [f64], rows: usize) {
    let k = size::<K>(k);
    for j in 0..k {
        let (done, rest) = panel.split_at_mut(j * rows);
        let col = &mut rest[..rows];
        for m in 0..j {
            let f = r[j * k + m];
            for (t, &s) in col.iter_mut().zip(&done[m * rows..(m + 1) * rows]) {
                *t -= f * s;
            }
        }
        let inv = 1.0 / r[j * k + j];
        col.iter_mut().for_each(|t| *t *= inv);
    }
}

/// Solves X R = B for a column-major `rows` x k panel, in place.
#[inline(always)]
pub fn panel_backward<const K: usize>(r: &[f64], k: usize, panel: &mut [f64], rows: usize) {
    let k = size::<K>(k);
    for j in (0..k).rev() {
        let (head, done) = panel.split_at_mut((j + 1) * rows);
        let col = &mut head[j * rows..];
        for m in j + 1..k {
            let f = r[m * k + j];
            let at = (m - j - 1) * rows;
            for (t, &s) in col.iter_mut().zip(&done[at..at + rows]) {
                *t -= f * s;
            }
        }
        let inv = 1.0 / r[j * k + j];
        col.iter_mut().for_each(|t| *t *= inv);
    }
}

/// out (ka x kb) = a' c b for row-major a (ka x ka), c (ka x kb), b (kb x kb); `tmp` holds ka x kb.
#[inline(always)]
pub fn sandwich(a: &[f64], ka: usize, c: &[f64], b: &[f64], kb: usize, tmp: &mut [f64], out: &mut [f64]) {
    if ka == 1 && kb == 1 {
        out[0] = a[0] * c[0] * b[0];
        return;
    }
    multiply(c, b, ka, kb, kb, tmp);
    transposed_multiply(a, tmp, ka, ka, kb, out);
}

/// out (m x n) = a (m x l) b (l x n), all row-major.
#[inline(always)]
pub fn multiply(a: &[f64], b: &[f64], m: usize, l: usize, n: usize, out: &mut [f64]) {
    for i in 0..m {
        let row = &mut out[i * n..(i + 1) * n];
        row.fill(0.0);
        for q in 0..l {
            let f = a[i * l + q];
            for (t, &s) in row.iter_mut().zip(&b[q * n..(q + 1) * n]) {
                *t += f * s;
            }
        }
    }
}

/// out (m x n) = a' b for row-major a (l x m), b (l x n).
#[inline(always)]
pub fn transposed_multiply(a: &[f64], b: &[f64], l: usize, m: usize, n: usize, out: &mut [f64]) {
    out[..m * n].fill(0.0);
    for q in 0..l {
        for i in 0..m {
            let f = a[q * m + i];
            for (t, &s) in out[i * n..(i + 1) * n].iter_mut().zip(&b[q * n..(q + 1) * n]) {
                *t += f * s;
            }
        }
    }
}

/// [`multiply`] of a k x k matrix, its sizes constants where they are compiled.
#[inline(always)]
pub fn block_times<const K: usize, const C: usize>(a: &[f64], b: &[f64], k: usize, cols: usize, out: &mut [f64]) {
    let (k, cols) = (size::<K>(k), size::<C>(cols));
    multiply(&a[..k * k], &b[..k * cols], k, k, cols, &mut out[..k * cols]);
}

/// [`transposed_multiply`] of a k x k matrix, its sizes constants where they are compiled.
#[inline(always)]
pub fn transposed_block_times<const K: usize, const C: usize>(
    a: &[f64],
    b: &[f64],
    k: usize,
    cols: usize,
    out: &mut [f64],
) {
    let (k, cols) = (size::<K>(k), size::<C>(cols));
    transposed_multiply(&a[..k * k], &b[..k * cols], k, k, cols, &mut out[..k * cols]);
}
