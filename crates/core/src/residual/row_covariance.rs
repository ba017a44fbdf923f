//! Covariance of the rows of one subject given the random effects, relative to sigma^2:
//! R = S C S with a correlation structure C and standard deviations S that are a product of
//! variance functions.
//!
//! Parameters z, in this order: for each group of subjects that has its own, the logarithm of its
//! standard deviation (not for the first), those of the correlation, and the logarithms of the
//! standard deviations of the levels but the first (where levels have their own); then those of
//! each variance function, stratum by stratum.

use crate::correlation::{Correlation, Parameter, Positions, StartData};
use crate::jet::{pair, Jet};
use crate::variance::{LogSd, VarianceFunction};
use std::sync::Arc;

/// A variance function with a number of strata.
#[derive(Clone, Debug)]
pub struct VarianceTerm {
    /// The function.
    pub function: Arc<dyn VarianceFunction>,
    /// How many strata have their own parameters.
    pub strata: usize,
}

impl VarianceTerm {
    /// Number of parameters.
    pub fn n(&self) -> usize {
        (self.strata - usize::from(self.function.first_is_reference())) * self.function.n()
    }

    /// Where the parameters of a stratum begin; none where it has none.
    fn offset(&self, stratum: usize) -> Option<usize> {
        stratum.checked_sub(usize::from(self.function.first_is_reference())).map(|s| s * self.function.n())
    }
}

/// The structure of R.
#[derive(Clone, Debug)]
pub struct RowCovariance {
    /// Correlation of the rows of one subject.
    pub correlation: Arc<dyn Correlation>,
    /// Number of levels of the position where each has its own standard deviation.
    pub levels: Option<usize>,
    /// Number of groups of subjects with parameters of their own, at least one.
    pub groups: usize,
    /// Variance functions whose product multiplies the standard deviations.
    pub variances: Vec<VarianceTerm>,
}

/// Values of a variance function's covariate and codes of its strata for some rows.
#[derive(Clone, Copy, Debug)]
pub struct Covariate<'a> {
    /// One for each row.
    pub x: &'a [f64],
    /// One for each row.
    pub stratum: &'a [f64],
}

/// The rows of one subject.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Their positions.
    pub at: Positions<'a>,
    /// The subject's group.
    pub group: usize,
    /// One for each variance function.
    pub covariates: &'a [Covariate<'a>],
}

/// What a parameter belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The standard deviation of a group of subjects.
    Group,
    /// The correlation.
    Correlation,
    /// The standard deviation of a level of the position.
    Level,
    /// A variance function, by its number.
    Variance(usize),
}

/// A natural parameter of R.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowParameter {
    /// What it belongs to.
    pub part: Part,
    /// Name and indices within that part.
    pub parameter: Parameter,
    /// Group of subjects, or stratum of a variance function.
    pub stratum: usize,
}

impl RowCovariance {
    fn level_ratios(&self) -> usize {
        self.levels.map_or(0, |t| t - 1)
    }

    /// Number of parameters of a group, without its own standard deviation.
    fn n_group(&self) -> usize {
        self.correlation.n() + self.level_ratios()
    }

    /// Where the correlation's parameters of a group begin.
    fn group_at(&self, group: usize) -> usize {
        group * (self.n_group() + 1)
    }

    /// Where each variance function's parameters begin.
    fn variances_at(&self) -> usize {
        self.groups * (self.n_group() + 1) - 1
    }

    /// Number of parameters.
    pub fn n(&self) -> usize {
        self.variances_at() + self.variances.iter().map(VarianceTerm::n).sum::<usize>()
    }

    /// The natural parameters, one for each z, in the same order.
    pub fn parameters(&self) -> Vec<RowParameter> {
        let ratio = |at| Parameter { name: "sd_ratio", at };
        let mut out = Vec::new();
        for stratum in 0..self.groups {
            if stratum > 0 {
                out.push(RowParameter { part: Part::Group, parameter: ratio(vec![]), stratum });
            }
            let own = |part| move |parameter| RowParameter { part, parameter, stratum };
            out.extend(self.correlation.parameters().into_iter().map(own(Part::Correlation)));
            out.extend((1..=self.level_ratios()).map(|l| ratio(vec![l])).map(own(Part::Level)));
        }
        for (v, term) in self.variances.iter().enumerate() {
            for stratum in usize::from(term.function.first_is_reference())..term.strata {
                for name in term.function.names() {
                    let parameter = Parameter { name, at: vec![] };
                    out.push(RowParameter { part: Part::Variance(v), parameter, stratum });
                }
            }
        }
        out
    }

    /// Natural parameters with derivatives with respect to z.
    pub fn natural(&self, z: &[f64], order: usize) -> Jet {
        let mut out = Jet::default();
        out.reset(self.n(), self.n(), order);
        let single = |out: &mut Jet, at: usize, f: (f64, f64, f64)| {
            out.value[at] = f.0;
            if order > 0 {
                out.first[at * out.len + at] = f.1;
            }
            if order > 1 {
                out.second[pair(at, at) * out.len + at] = f.2;
            }
        };
        let nc = self.correlation.n();
        let mut inner = Jet::default();
        for group in 0..self.groups {
            let at = self.group_at(group);
            let exponential = |i: usize| (z[i].exp(), z[i].exp(), z[i].exp());
            if group > 0 {
                single(&mut out, at - 1, exponential(at - 1));
            }
            self.correlation.natural(&z[at..at + nc], order, &mut inner);
            for i in 0..nc {
                out.value[at + i] = inner.value[i];
                for k in 0..if order > 0 { nc } else { 0 } {
                    out.first[(at + k) * out.len + at + i] = inner.d(k)[i];
                    for l in 0..if order > 1 { k + 1 } else { 0 } {
                        out.second[pair(at + k, at + l) * out.len + at + i] = inner.d2(k, l)[i];
                    }
                }
            }
            (at + nc..at + self.n_group()).for_each(|i| single(&mut out, i, exponential(i)));
        }
        let mut at = self.variances_at();
        for term in &self.variances {
            let each = term.function.n();
            let end = at + term.n();
            while at < end {
                for f in term.function.natural(&z[at..at + each]) {
                    single(&mut out, at, f);
                    at += 1;
                }
            }
        }
        out
    }

    /// The z of natural parameters; none where there is no such covariance matrix.
    pub fn z_of_natural(&self, natural: &[f64]) -> Option<Vec<f64>> {
        let log = |v: f64| (v > 0.0).then(|| v.ln());
        let nc = self.correlation.n();
        let mut z = Vec::with_capacity(self.n());
        for group in 0..self.groups {
            let at = self.group_at(group);
            if group > 0 {
                z.push(log(natural[at - 1])?);
            }
            z.extend(self.correlation.z_of_natural(&natural[at..at + nc])?);
            for v in &natural[at + nc..at + self.n_group()] {
                z.push(log(*v)?);
            }
        }
        for term in &self.variances {
            let each = term.function.n();
            let end = z.len() + term.n();
            while z.len() < end {
                z.extend(term.function.z_of_natural(&natural[z.len()..z.len() + each])?);
            }
        }
        Some(z)
    }

    /// Where searches begin; `x` holds the covariate of each variance function. The first is the
    /// usual one; the others go through the other starts of one part at a time.
    pub fn starts(&self, data: &StartData<'_>, x: &[&[f64]]) -> Vec<Vec<f64>> {
        let correlations = self.correlation.starts(data);
        let functions: Vec<_> = self.variances.iter().zip(x).map(|(t, x)| t.function.starts(x)).collect();
        let start = |correlation: &[f64], chosen: usize, which: usize| {
            let mut z = Vec::with_capacity(self.n());
            for group in 0..self.groups {
                z.extend((group > 0).then_some(0.0));
                z.extend_from_slice(correlation);
                z.extend(std::iter::repeat_n(0.0, self.level_ratios()));
            }
            for (v, term) in self.variances.iter().enumerate() {
                let own = &functions[v][if v == chosen { which } else { 0 }];
                let end = z.len() + term.n();
                while z.len() < end && !own.is_empty() {
                    z.extend_from_slice(own);
                }
            }
            z
        };
        let mut out: Vec<_> = correlations.iter().map(|c| start(c, 0, 0)).collect();
        for (v, own) in functions.iter().enumerate() {
            out.extend((1..own.len()).map(|w| start(&correlations[0], v, w)));
        }
        out
    }

    /// The parameters on which the matrix of a subject depends, in the order of its derivatives.
    pub fn active(&self, subject: &Subject<'_>) -> Vec<usize> {
        let at = self.group_at(subject.group);
        let mut out: Vec<usize> = (at - usize::from(subject.group > 0)..at + self.n_group()).collect();
        let mut at = self.variances_at();
        for (term, c) in self.variances.iter().zip(subject.covariates) {
            let mut seen = vec![false; term.strata];
            c.stratum.iter().for_each(|s| seen[*s as usize] = true);
            for s in (0..term.strata).filter(|s| seen[*s]) {
                out.extend(term.offset(s).into_iter().flat_map(|o| at + o..at + o + term.function.n()));
            }
            at += term.n();
        }
        out
    }

    /// log sd of each row with derivatives with respect to the parameters of `active`.
    fn log_sd(&self, z: &[f64], subject: &Subject<'_>, active: &[usize], order: usize) -> Jet {
        let m = subject.at.m();
        let mut s = Jet::default();
        s.reset(active.len(), m, order);
        let mut add = |row: usize, first: usize, n: usize, f: LogSd| {
            s.value[row] += f.value;
            let Some(k) = active.iter().position(|a| *a == first).filter(|_| n > 0) else { return };
            for a in 0..if order > 0 { n } else { 0 } {
                s.first[(k + a) * m + row] += f.first[a];
                for b in 0..if order > 1 { a + 1 } else { 0 } {
                    s.second[pair(k + a, k + b) * m + row] += f.second[a + b];
                }
            }
        };
        let linear = |z: f64| LogSd { value: z, first: [1.0, 0.0], second: [0.0; 3] };
        let at = self.group_at(subject.group);
        for row in 0..m {
            if subject.group > 0 {
                add(row, at - 1, 1, linear(z[at - 1]));
            }
            if self.levels.is_some() {
                let level = subject.at.first(row) as usize;
                if level > 0 {
                    let own = at + self.correlation.n() + level - 1;
                    add(row, own, 1, linear(z[own]));
                }
            }
        }
        let mut at = self.variances_at();
        for (term, c) in self.variances.iter().zip(subject.covariates) {
            let n = term.function.n();
            for row in 0..m {
                if let Some(o) = term.offset(c.stratum[row] as usize) {
                    add(row, at + o, n, term.function.log_sd(&z[at + o..at + o + n], c.x[row]));
                }
            }
            at += term.n();
        }
        s
    }

    /// Standard deviations of a subject's rows.
    pub fn sds(&self, z: &[f64], subject: &Subject<'_>) -> Vec<f64> {
        self.log_sd(z, subject, &[], 0).value.iter().map(|v| v.exp()).collect()
    }

    /// Parameters of a group's correlation.
    pub fn correlation_part<'a>(&self, z: &'a [f64], group: usize) -> &'a [f64] {
        let at = self.group_at(group);
        &z[at..at + self.correlation.n()]
    }

    /// The parameters that are logarithms of ranges, with the group of each.
    pub fn ranges(&self) -> Vec<(usize, usize)> {
        let of = |r: usize| (0..self.groups).map(move |g| (self.group_at(g) + r, g));
        self.correlation.range().into_iter().flat_map(of).collect()
    }

    /// R of a subject (m x m, row-major) with derivatives with respect to the parameters that are
    /// returned.
    pub fn matrix(&self, z: &[f64], subject: &Subject<'_>, order: usize, out: &mut Jet) -> Vec<usize> {
        let active = self.active(subject);
        let (m, n) = (subject.at.m(), active.len());
        let s = self.log_sd(z, subject, &active, order);
        let mut c = Jet::default();
        self.correlation.matrix(self.correlation_part(z, subject.group), subject.at, order, &mut c);
        out.reset(n, m * m, order);
        let sd: Vec<f64> = s.value.iter().map(|v| v.exp()).collect();
        // the correlation's parameters follow the group's standard deviation
        let shift = usize::from(subject.group > 0);
        let own = shift..shift + c.n;
        let mut both = vec![0.0; n];
        for t in 0..m * m {
            let (i, j) = (t / m, t % m);
            let scale = sd[i] * sd[j];
            let r = scale * c.value[t];
            out.value[t] = r;
            if order == 0 {
                continue;
            }
            for k in 0..n {
                both[k] = s.first[k * m + i] + s.first[k * m + j];
                let turn = if own.contains(&k) { scale * c.first[(k - shift) * m * m + t] } else { 0.0 };
                out.first[k * m * m + t] = turn + both[k] * r;
            }
            for k in 0..if order > 1 { n } else { 0 } {
                for l in 0..=k {
                    let p = pair(k, l);
                    let v = match (own.contains(&k), own.contains(&l)) {
                        (true, true) => scale * c.second[pair(k - shift, l - shift) * m * m + t],
                        (true, false) => both[l] * out.first[k * m * m + t],
                        (false, true) => both[k] * out.first[l * m * m + t],
                        (false, false) => (both[k] * both[l] + s.second[p * m + i] + s.second[p * m + j]) * r,
                    };
                    out.second[p * m * m + t] = v;
                }
            }
        }
        active
    }

    /// Sums over the matrix of `weight` (symmetric) times the second derivatives of R: n x n of the
    /// parameters that are returned, added to `out` (of the length n^2 or empty).
    pub fn curvature(&self, z: &[f64], subject: &Subject<'_>, weight: &[f64], out: &mut Vec<f64>) -> Vec<usize> {
        let mut first = Jet::default();
        let active = self.matrix(z, subject, 1, &mut first);
        let (m, n) = (subject.at.m(), active.len());
        let s = self.log_sd(z, subject, &active, 2);
        let shift = usize::from(subject.group > 0);
        let nc = self.correlation.n();
        let own = shift..shift + nc;
        out.resize(n * n, 0.0);
        // of the correlation, with its matrix scaled to a covariance
        let scaled: Vec<f64> = (0..m * m).map(|t| weight[t] * (s.value[t / m] + s.value[t % m]).exp()).collect();
        let mut inner = vec![0.0; nc * nc];
        self.correlation.add_curvature(self.correlation_part(z, subject.group), subject.at, &scaled, &mut inner);
        for (k, l) in (0..nc).flat_map(|k| (0..nc).map(move |l| (k, l))) {
            out[(shift + k) * n + shift + l] += inner[k * nc + l];
        }
        // of the standard deviations: rows of weight .* dR, summed
        let mut sums = vec![0.0; m];
        for k in 0..n {
            for i in 0..m {
                sums[i] = (0..m).map(|j| weight[i * m + j] * first.first[k * m * m + i * m + j]).sum();
            }
            for l in (0..n).filter(|l| !own.contains(l)) {
                let v: f64 = (0..m).map(|i| 2.0 * s.first[l * m + i] * sums[i]).sum();
                out[k * n + l] += v;
                if own.contains(&k) {
                    out[l * n + k] += v;
                }
            }
        }
        for i in 0..m {
            sums[i] = (0..m).map(|j| weight[i * m + j] * first.value[i * m + j]).sum();
        }
        for (k, l) in (0..n).flat_map(|k| (0..n).map(move |l| (k, l))) {
            let p = pair(k, l) * m;
            out[k * n + l] += (0..m).map(|i| 2.0 * s.second[p + i] * sums[i]).sum::<f64>();
        }
        active
    }
}
