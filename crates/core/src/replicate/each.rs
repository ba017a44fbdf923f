//! The same model fitted to each of many groups of rows: nothing is shared between their fits.

use super::replicates::Replicates;
use super::workers::replicate;
use crate::dense::kernels;
use crate::linear::{
    satterthwaite, search, sharpened, At, Begin, Evaluator, FitOptions, Score, Search, Solution, Status, System,
};
use crate::model::Outcome;
use crate::rows::{Column, FactorRows, Rows, TermRows};
use crate::watch::Watch;

/// Rows of many groups, those of a group one after another.
pub struct Groups<'a> {
    /// All rows.
    pub rows: Rows<'a>,
    /// Where the rows of each group begin, and where the last ones end.
    pub start: &'a [usize],
}

/// The fits of all groups.
pub struct EachFit {
    /// Estimates; fixed effects are those of all columns.
    pub fits: Replicates,
    /// Degrees of freedom of the fixed effects by Satterthwaite, groups x p; NaN where they were
    /// not asked for.
    pub df: Vec<f64>,
    /// Levels of each factor that occur, groups x factors.
    pub n_levels: Vec<u32>,
}

/// Why a group has no fit.
const NO_ROWS: &str = "no_rows";
const TOO_FEW_ROWS: &str = "too_few_rows";
const ONE_LEVEL: &str = "one_level";
const TOO_MANY_LEVELS: &str = "too_many_levels";
const CONSTANT: &str = "constant";
/// By REML nothing is known of some variance; another program has a convention.
const UNIDENTIFIED: &str = "unidentified";
/// The model reproduces the response.
const EXACT: &str = "exact";

/// Share of the sum of squares of an effect that may be left beside the fixed effects when they
/// explain it.
const NOTHING: f64 = 1e-10;
/// Residual standard deviation, as a share of the spread of the response, above which nobody looks
/// at residuals; residuals below which they are rounding, as a share of it and in units of the last
/// place of the largest response.
const SMALL: f64 = 1e-4;
const NOTHING_LEFT: f64 = 1e-10;
const ROUNDING: f64 = 16.0 * f64::EPSILON;

/// Fits the model to every group.
pub fn each(groups: &Groups<'_>, options: FitOptions, df: bool, n_threads: usize, watch: &dyn Watch) -> EachFit {
    let (rows, p) = (&groups.rows, groups.rows.x.len());
    let n_theta = rows.factors.iter().flat_map(|f| &f.terms).map(|t| t.structure.n_theta(t.z.len())).sum();
    let m = groups.start.len() - 1;
    let names = || rows.factors.iter().map(|f| vec![-1; f.n_levels]).collect::<Vec<Vec<i32>>>();
    let all = replicate(m, n_threads, watch, names, |names, i| {
        let own = OwnRows::of(rows, groups.start[i]..groups.start[i + 1], names);
        let n_levels = own.n_levels.iter().map(|&n| n as u32).collect::<Vec<u32>>();
        let fitted = fit_group(&own.rows(rows), options, df, watch)?;
        Some((fitted, n_levels))
    });
    let (mut outcomes, mut dfs, mut counts) = (Vec::with_capacity(all.len()), Vec::new(), Vec::new());
    for (i, ((outcome, df), n_levels)) in all {
        outcomes.push((i, outcome));
        dfs.extend(df.into_iter().chain(std::iter::repeat(f64::NAN)).take(p));
        counts.extend(n_levels);
    }
    EachFit { fits: Replicates::gather(outcomes, p, n_theta), df: dfs, n_levels: counts }
}

/// The rows of one group, levels numbered anew in the order in which they occur.
struct OwnRows {
    range: std::ops::Range<usize>,
    codes: Vec<Vec<i32>>,
    n_levels: Vec<usize>,
}

impl OwnRows {
    /// `names` holds -1 for every level, before and after.
    fn of(rows: &Rows<'_>, range: std::ops::Range<usize>, names: &mut [Vec<i32>]) -> Self {
        let (mut codes, mut n_levels) = (Vec::new(), Vec::new());
        for (f, names) in rows.factors.iter().zip(names) {
            let given = &f.codes[range.clone()];
            let mut count = 0;
            let own = given.iter().map(|&c| {
                let name = &mut names[c as usize];
                if *name < 0 {
                    *name = count;
                    count += 1;
                }
                *name
            });
            codes.push(own.collect::<Vec<i32>>());
            given.iter().for_each(|&c| names[c as usize] = -1);
            n_levels.push(count as usize);
        }
        OwnRows { range, codes, n_levels }
    }

    fn rows<'a>(&'a self, all: &Rows<'a>) -> Rows<'a> {
        let range = || self.range.clone();
        let column = |x: &Column<'a>| match *x {
            Column::Numbers(v) => Column::Numbers(&v[range()]),
            Column::Level(codes, level) => Column::Level(&codes[range()], level),
        };
        let factor = |(f, (codes, &n_levels)): (&FactorRows<'a>, (&'a Vec<i32>, &usize))| FactorRows {
            codes,
            members: None,
            n_levels,
            terms: f
                .terms
                .iter()
                .map(|t| TermRows { z: t.z.iter().map(|z| &z[range()]).collect(), structure: t.structure.clone() })
                .collect(),
        };
        Rows {
            x: all.x.iter().map(column).collect(),
            y: &all.y[range()],
            weights: all.weights.map(|w| &w[range()]),
            factors: all.factors.iter().zip(self.codes.iter().zip(&self.n_levels)).map(factor).collect(),
        }
    }
}

/// Why rows cannot be fitted, as far as it can be seen at once.
fn refusal(rows: &Rows<'_>) -> Option<&'static str> {
    let n = rows.n();
    if n == 0 {
        return Some(NO_ROWS);
    }
    for f in &rows.factors {
        if f.n_levels < 2 {
            return Some(ONE_LEVEL);
        }
        if f.n_levels >= n || f.terms.iter().any(|t| f.n_levels * t.z.len() >= n) {
            return Some(TOO_MANY_LEVELS);
        }
    }
    if n <= rows.x.len() {
        return Some(TOO_FEW_ROWS);
    }
    rows.y.iter().all(|&v| v == rows.y[0]).then_some(CONSTANT)
}

/// The fit of one group, and degrees of freedom; none if stopped.
fn fit_group(rows: &Rows<'_>, options: FitOptions, df: bool, watch: &dyn Watch) -> Option<(Outcome, Vec<f64>)> {
    let none = |why| Some((Outcome::failed(why), Vec::new()));
    if let Some(why) = refusal(rows) {
        return none(why);
    }
    let Ok(sys) = System::new(rows, 1) else {
        return none(Status::NonFinite.name());
    };
    if sys.p() < rows.x.len() {
        return none(Outcome::RANK_DEFICIENT);
    }
    if options.reml && is_unidentified(&sys) {
        return none(UNIDENTIFIED);
    }
    let (mut e, mut score) = (Evaluator::new(&sys, 1), Score::new(&sys));
    let mut go_on = |_: usize, _: f64| watch.go_on();
    let mut found = search(&sys, &mut e, &mut score, Begin::Anywhere, options, &mut go_on).ok()?;
    let mut sharp = None;
    if let Some((other, again)) = sharpened(rows, &sys, &mut e, &mut score, &found, options, &mut go_on).ok()? {
        (sharp, found) = (Some(other), again);
    }
    let sys = sharp.as_ref().unwrap_or(&sys);
    let Search { fit, moved_on, .. } = found;
    let null = sys.null_dimensions(&fit.frames);
    if fit.status == Status::NonFinite {
        return none(fit.status.name());
    }
    let estimates = e.estimates(sys, options.reml, &score);
    let mut status = fit.status.name();
    let spread = spread(rows.y);
    if estimates.spread <= SMALL * spread && reproduces(rows, &e.solution(sys, options.reml, &score), spread) {
        status = EXACT;
    }
    let degrees = if df {
        let at = At { theta: &estimates.theta, null: &null, reml: options.reml, n_threads: 1 };
        let nu = sys.nu(options.reml);
        match satterthwaite(sys, &mut e, &mut score, at, &|| watch.go_on()) {
            Ok(s) => s.of_columns(nu),
            Err(_) if !watch.go_on() => return None,
            Err(_) => Vec::new(),
        }
    } else {
        Vec::new()
    };
    Some((Outcome { status, null, moved_on, estimates: Some(estimates) }, degrees))
}

/// Largest less smallest value.
fn spread(y: &[f64]) -> f64 {
    let (low, high) = y.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
    high - low
}

/// Whether fitted values are the response but for rounding.
fn reproduces(rows: &Rows<'_>, s: &Solution, spread: f64) -> bool {
    let largest = rows.y.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let limit = NOTHING_LEFT * spread + ROUNDING * largest;
    (0..rows.n()).all(|r| {
        let fixed: f64 = rows.x.iter().zip(&s.beta).map(|(x, b)| x.at(r) * b).sum();
        let random: f64 = rows
            .factors
            .iter()
            .zip(&s.b)
            .map(|(f, b)| {
                let own = &b[f.codes[r] as usize * f.k()..];
                f.terms.iter().flat_map(|t| &t.z).zip(own).map(|(z, b)| z[r] * b).sum::<f64>()
            })
            .sum();
        (rows.y[r] - fixed - random).abs() <= limit
    })
}

/// Whether the fixed effects explain some effect of a term in all its levels, which takes a column
/// for each.
fn is_unidentified(sys: &System) -> bool {
    let (p, pw) = (sys.p(), sys.cp.pw);
    if !sys.factors.iter().any(|f| f.n_levels <= p) {
        return false;
    }
    let mut root: Vec<f64> = (0..p * p).map(|t| sys.cp.wtw[t / p * pw + t % p]).collect();
    if !kernels::cholesky::<0>(&mut root, p) {
        return false;
    }
    sys.factors.iter().zip(&sys.terms).zip(&sys.cp.ztw).zip(&sys.cp.gram.levels).any(|(((size, terms), ztw), gram)| {
        size.n_levels <= p && terms.iter().any(|t| is_explained(&root, p, size.k, (t.offset, t.k), ztw, gram))
    })
}

/// Whether some combination of the effects of a term comes to nothing beside the fixed effects.
fn is_explained(root: &[f64], p: usize, kf: usize, (offset, k): (usize, usize), ztw: &[f64], gram: &[f64]) -> bool {
    let pw = p + 1;
    let (mut whole, mut left) = (vec![0.0; k * k], vec![0.0; k * k]);
    let mut c = vec![0.0; p * k];
    for (zw, zz) in ztw.chunks_exact(kf * pw).zip(gram.chunks_exact(kf * kf)) {
        for i in 0..k {
            (0..p).for_each(|j| c[j * k + i] = zw[(offset + i) * pw + j]);
        }
        kernels::forward::<0>(root, p, &mut c, k);
        for i in 0..k {
            for j in 0..k {
                let z = zz[(offset + i) * kf + offset + j];
                whole[i * k + j] += z;
                left[i * k + j] += z - (0..p).map(|x| c[x * k + i] * c[x * k + j]).sum::<f64>();
            }
        }
    }
    // in units of the effects as they are
    if !kernels::cholesky::<0>(&mut whole, k) {
        return true;
    }
    for i in 0..k {
        left[i * k + i] -= NOTHING * whole[i * k..=i * k + i].iter().map(|v| v * v).sum::<f64>();
    }
    !kernels::cholesky::<0>(&mut left, k)
}
