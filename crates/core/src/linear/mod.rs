//! The linear mixed model: its block system, criterion, score, curvature, fit and solution.

mod criterion;
mod curvature;
mod deletion;
mod fit;
mod frame;
mod information;
mod ray;
mod rebase;
mod response_law;
mod score;
mod search;
mod solution;
mod start;
mod system;

pub use criterion::Evaluator;
pub use deletion::Deletion;
pub use fit::{frames_of, Fit, FitOptions, Progress, Status};
pub use frame::Frame;
pub use information::{fixed_root, kenward_roger, satterthwaite, threads_worth, At, GoOn, KenwardRoger, Satterthwaite};
pub use rebase::Rebase;
pub use response_law::{Draft, ResponseLaw};
pub use score::{Plane, Score};
pub use search::{search, sharpened, Begin, Search, Valley};
pub use solution::{predict_variance, Estimates, Evaluation, NewRows, Solution};
pub use start::moment_frames;
pub use system::System;
