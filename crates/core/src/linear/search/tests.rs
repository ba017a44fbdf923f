//! Rays against the criterion of the whole model, what bounds them, and cross-products without the
//! effects against a closed form.

use crate::layout::Frame;
use crate::linear::ray::Ladder;
use crate::linear::rebase::Rebase;
use crate::linear::{frames_of, search, Begin, Evaluator, FitOptions, Score, System};
use crate::rows::{Column, FactorRows, Rows, TermRows};
use crate::structure::named;

const GROUPS: usize = 9;
const SIZE: usize = 7;

/// Numbers between -1 and 1 that look random.
fn numbers(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

struct Data {
    one: Vec<f64>,
    x: Vec<f64>,
    y: Vec<f64>,
    codes: Vec<i32>,
}

/// Groups that differ by numbers of size `spread`, rows by numbers of size one.
fn data(spread: f64) -> Data {
    let n = GROUPS * SIZE;
    let codes: Vec<i32> = (0..n).map(|i| (i / SIZE) as i32).collect();
    let (x, e, level) = (numbers(n, 1), numbers(n, 2), numbers(GROUPS, 3));
    let y = (0..n).map(|i| spread * level[codes[i] as usize] + 0.5 * x[i] + e[i]).collect();
    Data { one: vec![1.0; n], x, y, codes }
}

impl Data {
    fn rows(&self, slope: bool, fixed_slope: bool) -> Rows<'_> {
        let z: Vec<&[f64]> = if slope { vec![&self.one, &self.x] } else { vec![&self.one] };
        let of_x = [Column::from(&self.one), Column::from(&self.x)];
        let x = of_x[..1 + usize::from(fixed_slope)].to_vec();
        let terms = vec![TermRows { z, structure: named("unstructured").expect("it is there") }];
        Rows {
            x,
            y: &self.y,
            weights: None,
            factors: vec![FactorRows { codes: &self.codes, members: None, n_levels: GROUPS, terms }],
        }
    }
}

fn whole(sys: &System, e: &mut Evaluator, frames: &[Frame], reml: bool) -> f64 {
    for (b, f) in sys.blocks.iter().zip(frames) {
        f.write(*b, &mut e.lambda);
    }
    e.criterion(sys, reml).unwrap()
}

#[test]
fn a_ray_has_the_criterion_of_the_model_and_is_bounded() {
    let data = data(1.0);
    let sys = System::new(&data.rows(true, true), 1).unwrap();
    let mut e = Evaluator::new(&sys, 1);
    let frames = frames_of(&sys, &sys.lambda_from_theta(&[0.8, 0.3, 0.5]));
    for reml in [true, false] {
        let nu = sys.nu(reml);
        for column in 0..2 {
            let mut ladder = Ladder::of(&sys, &frames, 0, column).unwrap();
            let mut before = None;
            for t in [0.0, 1e-3, 0.1, 0.7, 3.0, 40.0, 1e3] {
                let mut there = frames.clone();
                there[0].s[column] = t;
                let look = ladder.look(t, nu, reml);
                let right = whole(&sys, &mut e, &there, reml);
                assert!(
                    (look.criterion - right).abs() < 1e-8 * right.abs(),
                    "{column} {t}: {} {right}",
                    look.criterion
                );
                if let Some(p) = before.replace(look) {
                    assert!(look.rising >= p.rising && look.r2 <= p.r2);
                    // no place between the two is lower than the bound
                    let middle = ladder.look(0.5 * (p.at + t), nu, reml).criterion;
                    assert!(p.bound(&look, nu) <= middle + 1e-9);
                }
            }
        }
    }
}

/// -2 log-likelihood of a random intercept beside a common mean, group by group: sums within groups
/// are taken about their means.
fn closed_form(y: &[f64], ratio: f64) -> f64 {
    let (n, size) = (y.len() as f64, SIZE as f64);
    let means: Vec<f64> = y.chunks(SIZE).map(|g| g.iter().sum::<f64>() / size).collect();
    let within: f64 = y.chunks(SIZE).zip(&means).map(|(g, m)| g.iter().map(|v| (v - m).powi(2)).sum::<f64>()).sum();
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    let between: f64 = means.iter().map(|m| size * (m - mean).powi(2)).sum();
    let r2 = within + between / (1.0 + size * ratio * ratio);
    GROUPS as f64 * (1.0 + size * ratio * ratio).ln() + n * (1.0 + (2.0 * std::f64::consts::PI * r2 / n).ln())
}

#[test]
fn digits_are_kept_where_groups_differ_by_a_million() {
    let data = data(1e6);
    let rows = data.rows(false, false);
    let mut sys = System::new(&rows, 1).unwrap();
    let (mut e, mut score) = (Evaluator::new(&sys, 1), Score::new(&sys));
    let ratio = 1e6;
    e.lambda = sys.lambda_from_theta(&[ratio]);
    let plain = e.criterion(&sys, false).unwrap() + sys.constant(false);
    e.score(&sys, false, &mut score);
    let rebase = Rebase::of(&rows, &sys, &e, &score);
    sys.rebase = Some(rebase);
    let error = |v: f64, ratio: f64| (v - closed_form(&data.y, ratio)).abs();
    for factor in [1.0, 0.7, 1.4] {
        e.lambda = sys.lambda_from_theta(&[factor * ratio]);
        let sharp = e.criterion(&sys, false).unwrap() + sys.constant(false);
        assert!(error(sharp, factor * ratio) < 1e-6, "{factor}: {}", error(sharp, factor * ratio));
    }
    assert!(error(plain, ratio) > 1e-5, "nothing was lost: the test shows nothing");
}

#[test]
fn a_small_start_does_not_hide_the_lower_valley() {
    // the slope between the groups is 3, within them -2
    let n = GROUPS * SIZE;
    let codes: Vec<i32> = (0..n).map(|i| (i / SIZE) as i32).collect();
    let (dx, e, level) = (numbers(n, 5), numbers(n, 6), numbers(GROUPS, 7));
    let x: Vec<f64> = (0..n).map(|i| 6.0 * level[codes[i] as usize] + dx[i]).collect();
    let y = (0..n).map(|i| 18.0 * level[codes[i] as usize] - 2.0 * dx[i] + 0.5 * e[i]).collect();
    let data = Data { one: vec![1.0; n], x, y, codes };
    let sys = System::new(&data.rows(false, true), 1).unwrap();
    let options = FitOptions { reml: true, max_evaluations: 1000, tolerance: 1e-8 };
    let (mut e, mut score) = (Evaluator::new(&sys, 1), Score::new(&sys));
    let small = vec![Frame { s: vec![1e-3], ..Frame::identity(1) }];
    let mut ends = Vec::new();
    for begin in [Begin::Anywhere, Begin::At(small.clone()), Begin::Truth(small)] {
        let found = search(&sys, &mut e, &mut score, begin, options, &mut |_, _| true).unwrap();
        // the profile in fine steps
        let mut ladder = Ladder::of(&sys, &found.fit.frames, 0, 0).unwrap();
        let least = (0..400)
            .map(|i| ladder.look(1e-4 * 10f64.powf(i as f64 / 50.0), sys.nu(true), true).criterion)
            .fold(f64::INFINITY, f64::min);
        assert!(found.fit.criterion <= least + 1e-9);
        assert!(found.complete && score.beta[1] < 0.0);
        ends.push(found.fit.criterion);
    }
    assert!(ends.iter().all(|d| (d - ends[0]).abs() < 1e-7));
}
