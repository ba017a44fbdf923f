//! Cross-products of factors whose rows have several levels, each with a weight: the effects of two
//! levels of one factor have products too.

use super::Cells;
use crate::rows::FactorRows;
use std::ops::Range;

/// Adds a block of rows to the sums of their levels.
pub(super) fn add_levels(
    f: &FactorRows<'_>,
    rows: Range<usize>,
    z: &[f64],
    w: &[f64],
    pw: usize,
    (all_ztz, all_ztw): (&mut [f64], &mut [f64]),
) {
    let k = f.k();
    for (r, row) in rows.enumerate() {
        let zr = &z[r * k..(r + 1) * k];
        let wr = &w[r * pw..(r + 1) * pw];
        f.each(row, |l, weight| {
            let ztw = &mut all_ztw[l * k * pw..(l + 1) * k * pw];
            let ztz = &mut all_ztz[l * k * k..(l + 1) * k * k];
            for i in 0..k {
                let a = weight * zr[i];
                ztw[i * pw..(i + 1) * pw].iter_mut().zip(wr).for_each(|(t, b)| *t += a * b);
                (0..=i).for_each(|j| ztz[i * k + j] += a * weight * zr[j]);
            }
        });
    }
}

/// Cells of two factors, or of the pairs l < m of levels of one, for a range of rows; `z` holds the
/// effects of both in these rows.
pub(super) fn pair(
    (f, g): (usize, usize),
    (of_f, of_g): (&FactorRows<'_>, &FactorRows<'_>),
    (zf, zg): (&[f64], &[f64]),
    range: Range<usize>,
) -> Cells {
    let (kf, kg) = (of_f.k(), of_g.k());
    let (nf, ng, size) = (of_f.n_levels, of_g.n_levels, kf * kg);
    // rows by level of f
    let mut first = vec![0usize; nf + 1];
    range.clone().for_each(|row| of_f.each(row, |l, _| first[l + 1] += 1));
    (0..nf).for_each(|l| first[l + 1] += first[l]);
    let mut rows = vec![(0usize, 0.0); first[nf]];
    let mut next = first.clone();
    for (r, row) in range.clone().enumerate() {
        of_f.each(row, |l, weight| {
            rows[next[l]] = (r, weight);
            next[l] += 1;
        });
    }
    let mut out = Cells { f, g, kf, kg, start: vec![0], level: Vec::new(), value: Vec::new() };
    // of one level of f: the place of every level of g among those met, and the sums of these
    let mut place = vec![0u32; ng];
    let (mut met, mut order): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
    let mut sums: Vec<f64> = Vec::new();
    for l in 0..nf {
        met.clear();
        sums.clear();
        for &(r, of_l) in &rows[first[l]..first[l + 1]] {
            let (a, b) = (&zf[r * kf..(r + 1) * kf], &zg[r * kg..(r + 1) * kg]);
            of_g.each(range.start + r, |m, of_m| {
                if f == g && m <= l {
                    return;
                }
                if place[m] == 0 {
                    met.push(m as u32);
                    place[m] = met.len() as u32;
                    sums.resize(sums.len() + size, 0.0);
                }
                let at = (place[m] - 1) as usize * size;
                for (row, x) in sums[at..at + size].chunks_exact_mut(kg).zip(a) {
                    let x = x * of_l * of_m;
                    row.iter_mut().zip(b).for_each(|(t, y)| *t += x * y);
                }
            });
        }
        order.clone_from(&met);
        order.sort_unstable();
        for &m in &order {
            let at = (place[m as usize] - 1) as usize * size;
            out.level.push(m);
            out.value.extend_from_slice(&sums[at..at + size]);
            place[m as usize] = 0;
        }
        out.start.push(out.level.len());
    }
    out
}
