//! What must hold whatever the bytes are.

use super::data::{Data, Kind};
use arbitrary::{Result, Unstructured};
use ranef_core::basis::Basis;
use ranef_core::layout::FactorSpec;
use ranef_core::linear::{search, Begin, Evaluator, FitOptions, Score, System};
use ranef_core::statistic::Statistic;

/// Evaluations of a fit: enough for every kind of a step.
const FEW: usize = 60;
/// The last bit of a sum of rounded products may differ by the order of the parts.
const ROUNDING: f64 = 1e-14;
/// Changes of bytes that were written.
const CHANGES: usize = 8;

/// Rows are refused, or fitted: no panic, and an end.
pub fn rows(bytes: &[u8]) -> Result<()> {
    let mut u = Unstructured::new(bytes);
    let kind = if u.ratio(1, 2)? { Kind::Any } else { Kind::Sound };
    let reml = u.arbitrary()?;
    let data = Data::of(&mut u, kind, true)?;
    let rows = data.rows();
    let Ok(sys) = System::new(&rows, 1) else { return Ok(()) };
    let (mut e, mut score) = (Evaluator::new(&sys, 1), Score::new(&sys));
    let options = FitOptions { reml, max_evaluations: FEW, tolerance: 1e-8 };
    let Ok(found) = search(&sys, &mut e, &mut score, Begin::Anywhere, options, &mut |_, _| true) else {
        return Ok(());
    };
    let solution = e.solution(&sys, reml, &score);
    assert_eq!(solution.theta.len(), sys.layout().n_theta);
    assert!(found.fit.evaluations > 0);
    Ok(())
}

/// Sums of parts, in any order, are those of all rows; a part that is taken away again leaves the
/// others; what is written is read.
pub fn merge(bytes: &[u8]) -> Result<()> {
    let mut u = Unstructured::new(bytes);
    let (share, by) = (u.arbitrary::<u8>()?, u.int_in_range(0..=3)?);
    let data = Data::of(&mut u, Kind::Sound, false)?;
    let (basis, specs) = frame(&data);
    let by_level = (by < specs.len()).then_some(by);
    let empty = || Statistic::new(basis.clone(), specs.clone(), by_level);
    let of = |data: &Data| {
        let mut s = empty();
        s.update(&data.rows()).expect("rows of this shape");
        s
    };
    let all = of(&data);
    let cut = usize::from(share) * data.n() / 255;
    let (first, second) = (of(&data.part(0..cut)), of(&data.part(cut..data.n())));
    for (a, b) in [(&first, &second), (&second, &first)] {
        let mut joined = a.clone();
        joined.merge(b);
        same(&joined, &all);
        joined.remove(b).expect("they were added");
        same(&joined, a);
        let mut read = empty();
        read.read(&joined.to_bytes(false)).expect("what was written");
        assert_eq!(read.to_bytes(false), joined.to_bytes(false));
        let _ = read.finished();
    }
    Ok(())
}

/// Bytes are refused as sums, or taken: then they can be written, merged, taken away and finished.
pub fn sums(bytes: &[u8]) -> Result<()> {
    let mut u = Unstructured::new(bytes);
    let rounded = u.arbitrary()?;
    let changes: Vec<(u8, u32, u8)> =
        (0..u.int_in_range(0..=CHANGES)?).map(|_| u.arbitrary()).collect::<Result<_>>()?;
    let data = Data::of(&mut u, Kind::Sound, false)?;
    let (basis, specs) = frame(&data);
    let mut sums = Statistic::new(basis.clone(), specs.clone(), None);
    sums.update(&data.rows()).expect("rows of this shape");
    let mut written = sums.to_bytes(rounded);
    for (how, at, byte) in changes {
        let at = at as usize % written.len().max(1);
        match how % 10 {
            0 => written.truncate(at),
            1 => written.insert(at, byte),
            _ if written.is_empty() => {}
            _ => written[at] = byte,
        }
    }
    let mut read = Statistic::new(basis.clone(), specs.clone(), None);
    if read.read(&written).is_err() {
        return Ok(());
    }
    let mut other = sums.clone();
    other.merge(&read);
    let _ = other.remove(&read);
    let _ = other.to_bytes(true);
    if let Some(cp) = read.finished() {
        let _ = System::of_products(cp, basis, &specs);
    }
    Ok(())
}

fn frame(data: &Data) -> (Basis, Vec<FactorSpec>) {
    let rows = data.rows();
    (Basis::from_rows(&rows), rows.factors.iter().map(FactorSpec::of).collect())
}

fn same(a: &Statistic, b: &Statistic) {
    assert_eq!(a.n(), b.n());
    (0..a.specs().len()).for_each(|f| assert_eq!(a.counts(f), b.counts(f)));
    let (x, y) = (a.products(), b.products());
    let largest = x.iter().chain(&y).fold(0.0f64, |m, v| m.max(v.abs()));
    for (x, y) in x.iter().zip(&y) {
        assert!((x - y).abs() <= ROUNDING * largest, "{x} {y}");
    }
}
