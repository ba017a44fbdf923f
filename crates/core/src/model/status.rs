//! How a fit ended.

/// How a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Small decrement and certificate.
    Converged,
    /// Converged to where the likelihood is flat: a fixed effect without a finite estimate.
    Separated,
    /// The limit on evaluations was reached.
    MaxEvaluations,
    /// No step lowers the objective any more although the decrement is not small.
    NoProgress,
    /// The objective is not defined at the start.
    NonFinite,
    /// The parameters were given.
    Fixed,
}

impl Status {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Status::Converged => "converged",
            Status::Separated => "separated",
            Status::MaxEvaluations => "max_evaluations",
            Status::NoProgress => "no_progress",
            Status::NonFinite => "non_finite",
            Status::Fixed => "fixed",
        }
    }
}
