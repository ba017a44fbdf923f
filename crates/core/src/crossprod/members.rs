//! Cross-products of factors whose rows have several levels, each with a weight: the effects of two
//! levels of one factor have products too.

use super::Cells;
use crate::rows::FactorRows;
use std::collections::HashMap;
use std::ops::Range;

/// Pairs of levels for which there is a table of all of them.
const TABLE: usize = 1 << 22;

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

/// The numbers of pairs of levels, in the order in which they occur.
enum Slots {
    /// Of few pairs: one more than the number, by pair.
    Table(Vec<u32>),
    Map(HashMap<usize, u32>),
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
    let mut slots = match nf.checked_mul(ng) {
        Some(all) if all <= TABLE => Slots::Table(vec![0; all]),
        _ => Slots::Map(HashMap::new()),
    };
    let mut keys: Vec<usize> = Vec::new();
    let mut values: Vec<f64> = Vec::new();
    let mut others: Vec<(usize, f64)> = Vec::new();
    for (r, row) in range.enumerate() {
        let (a, b) = (&zf[r * kf..(r + 1) * kf], &zg[r * kg..(r + 1) * kg]);
        others.clear();
        of_g.each(row, |m, weight| others.push((m, weight)));
        of_f.each(row, |l, of_l| {
            for &(m, of_m) in others.iter().filter(|o| f != g || o.0 > l) {
                let key = l * ng + m;
                let next = keys.len() as u32;
                let slot = match &mut slots {
                    Slots::Table(t) => {
                        if t[key] == 0 {
                            t[key] = next + 1;
                        }
                        t[key] - 1
                    }
                    Slots::Map(t) => *t.entry(key).or_insert(next),
                };
                if slot == next {
                    keys.push(key);
                    values.resize(values.len() + size, 0.0);
                }
                let block = &mut values[slot as usize * size..(slot as usize + 1) * size];
                for (row, x) in block.chunks_exact_mut(kg).zip(a) {
                    let x = x * of_l * of_m;
                    row.iter_mut().zip(b).for_each(|(t, y)| *t += x * y);
                }
            }
        });
    }
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_unstable_by_key(|&i| keys[i]);
    let mut start = vec![0; nf + 1];
    keys.iter().for_each(|key| start[key / ng + 1] += 1);
    (0..nf).for_each(|l| start[l + 1] += start[l]);
    Cells {
        f,
        g,
        kf,
        kg,
        start,
        level: order.iter().map(|&i| (keys[i] % ng) as u32).collect(),
        value: order.iter().flat_map(|&i| &values[i * size..(i + 1) * size]).copied().collect(),
    }
}
