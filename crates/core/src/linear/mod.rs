//! The linear mixed model: its block system, criterion, score, curvature, fit and solution.

mod chart;
mod columns;
mod correlated;
mod criterion;
mod curvature;
mod deletion;
mod fit;
mod frame;
mod information;
mod law;
mod levels;
mod penalised;
mod ray;
mod rebase;
mod replicable;
mod response_law;
mod score;
mod search;
mod solution;
mod start;
mod system;
mod turns;
mod union;

pub use crate::layout::Frame;
pub use crate::model::{Progress, Status};
pub use chart::Chart;
pub use columns::Columns;
pub use correlated::{
    fit as fit_correlated, BlockRows, Correlated, CorrelatedFit, CorrelatedSolution, Derivatives, Direction, Reach,
    Slopes, State as CorrelatedState, Want,
};
pub use criterion::Evaluator;
pub use deletion::Deletion;
pub use fit::{frames_of, Fit, FitOptions};
pub use information::{
    fixed_root, kenward_roger, satterthwaite, threads_worth, At, GoOn, KenwardRoger, Method, Satterthwaite, Tested,
};
pub use law::{Law, Truth};
pub use levels::Coding;
pub use penalised::{penalised, Penalised, PenalisedValue};
pub use rebase::Rebase;
pub use replicable::How;
pub use response_law::{Draft, ResponseLaw};
pub use score::{Plane, Score};
pub use search::{search, sharpened, Begin, Search, Valley};
pub use solution::{predict_variance, Evaluation, Solution};
pub use start::moment_frames;
pub use system::System;
pub use turns::{take_turns, CurveRows, End as TurnsEnd, Limits as TurnLimits, Pooled, Turns};
pub use union::{Passage, Within};
