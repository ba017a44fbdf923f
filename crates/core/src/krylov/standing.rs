//! Where a search stands, as numbers from which it goes on with the same bits.

use crate::error::CoreError;
use crate::layout::Frame;
use crate::watch::Watch;

/// First of the numbers; another form of them has another.
const FORM: f64 = 1.0;

/// What searches of linear and of generalized models have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub(super) frames: Vec<Frame>,
    pub(super) radius: f64,
    /// Blocks of which no direction is to be tried at zero again.
    pub(super) kept: Vec<bool>,
    pub(super) probes: usize,
    pub(super) evaluations: usize,
    /// Fixed effects, random effects of both halves, and gradients by which the Hessian is formed,
    /// of generalized models.
    pub(super) vectors: Vec<Vec<f64>>,
}

impl Standing {
    fn numbers(&self) -> Vec<f64> {
        let mut out = vec![FORM, self.radius, self.probes as f64, self.evaluations as f64];
        out.push(self.frames.len() as f64);
        for f in &self.frames {
            out.extend([f.k as f64, f.theta.len() as f64]);
            out.extend(f.u.iter().chain(&f.s).chain(&f.theta));
        }
        out.extend(self.kept.iter().map(|&k| f64::from(u8::from(k))));
        for v in &self.vectors {
            out.push(v.len() as f64);
            out.extend(v);
        }
        out
    }

    /// Hands it to whoever keeps it.
    ///
    /// # Errors
    /// An interruption by the keeper.
    pub(super) fn keep(&self, watch: &dyn Watch) -> Result<(), CoreError> {
        if watch.keeps() && !watch.keep(&self.numbers()) {
            return Err(CoreError::Interrupted);
        }
        Ok(())
    }

    /// From numbers that were kept; `frames` are some of the same model.
    ///
    /// # Errors
    /// Numbers that are not of a search of the model.
    pub(super) fn of(numbers: &[f64], frames: &[Frame]) -> Result<Self, CoreError> {
        let other = || CoreError::Shape("where the search stood is not that of this model".into());
        let mut left = numbers;
        let mut take = |n: usize| -> Result<&[f64], CoreError> {
            let (head, tail) = left.split_at_checked(n).ok_or_else(other)?;
            left = tail;
            Ok(head)
        };
        let head = take(5)?.to_vec();
        if head[0] != FORM || head[4] != frames.len() as f64 {
            return Err(other());
        }
        let mut out = Standing {
            radius: head[1],
            probes: head[2] as usize,
            evaluations: head[3] as usize,
            ..Standing::default()
        };
        for f in frames {
            let sizes = take(2)?;
            if sizes[0] != f.k as f64 || sizes[1] != f.theta.len() as f64 {
                return Err(other());
            }
            let (u, s) = (take(f.k * f.k)?.to_vec(), take(f.k)?.to_vec());
            out.frames.push(Frame { k: f.k, u, s, theta: take(f.theta.len())?.to_vec() });
        }
        out.kept = take(frames.len())?.iter().map(|&k| k != 0.0).collect();
        while let Ok(n) = take(1) {
            let n = n[0];
            out.vectors.push(take(n as usize)?.to_vec());
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_others_are_refused() {
        let frame = Frame { k: 2, u: vec![0.6, -0.8, 0.8, 0.6], s: vec![0.3, 0.0], theta: Vec::new() };
        let own = Frame { k: 1, u: vec![1.0], s: vec![0.2], theta: vec![0.1, 0.7] };
        let frames = vec![frame, own];
        let was = Standing {
            frames: frames.clone(),
            radius: 0.1 + 0.2,
            kept: vec![true, false],
            probes: 16,
            evaluations: 7,
            vectors: vec![vec![1.0 / 3.0], Vec::new(), vec![2.0, 3.0]],
        };
        let numbers = was.numbers();
        let is = Standing::of(&numbers, &frames).unwrap();
        assert_eq!(is.numbers(), numbers);
        assert_eq!((is.radius, is.kept, is.vectors), (was.radius, was.kept, was.vectors));
        for cut in 0..numbers.len() {
            // cut between vectors it is shorter, and never another
            if let Ok(part) = Standing::of(&numbers[..cut], &frames) {
                assert!(part.vectors.len() < 3);
            }
        }
        assert!(Standing::of(&numbers, &frames[..1]).is_err());
    }
}
