//! Stopping long computations, and how far they have come.

use crate::error::CoreError;

/// Whom a long computation reports to, and who may stop it.
pub trait Watch: Sync {
    /// Whether to go on; asked at every evaluation, so that it must be cheap.
    fn go_on(&self) -> bool;

    /// A fit has made so many evaluations, the last of which gave this criterion. Whether to go on.
    fn evaluated(&self, evaluations: usize, criterion: f64) -> bool;

    /// So many parts of the whole are finished. Whether to go on.
    fn finished(&self, parts: usize, of: usize) -> bool;

    /// An error once the caller wants no more.
    ///
    /// # Errors
    /// [`CoreError::Interrupted`].
    fn check(&self) -> Result<(), CoreError> {
        if self.go_on() {
            Ok(())
        } else {
            Err(CoreError::Interrupted)
        }
    }
}

/// Nobody: the computation goes on to its end.
pub struct Nobody;

impl Watch for Nobody {
    fn go_on(&self) -> bool {
        true
    }

    fn evaluated(&self, _: usize, _: f64) -> bool {
        true
    }

    fn finished(&self, _: usize, _: usize) -> bool {
        true
    }
}
