//! Stopping long computations, and how far they have come.

use crate::error::CoreError;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

thread_local! {
    static STOP: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// What tells the work of this thread to end, for work that is given no one to ask.
pub fn stop_flag() -> Option<Arc<AtomicBool>> {
    STOP.with_borrow(Clone::clone)
}

/// Sets it; returns what it was.
pub fn set_stop_flag(flag: Option<Arc<AtomicBool>>) -> Option<Arc<AtomicBool>> {
    STOP.replace(flag)
}

/// Whether the work of this thread is to end.
pub fn is_stopped() -> bool {
    STOP.with_borrow(|flag| flag.as_ref().is_some_and(|f| f.load(Ordering::Relaxed)))
}

/// An error once the work of this thread is to end.
///
/// # Errors
/// [`CoreError::Interrupted`].
pub fn not_stopped() -> Result<(), CoreError> {
    if is_stopped() {
        return Err(CoreError::Interrupted);
    }
    Ok(())
}

/// Floating-point operations after which it is worth asking whether to go on: a fraction of a
/// second.
const OPERATIONS: f64 = 5e7;

/// Counts the operations of a loop of small steps, of which few ask whether to go on.
#[derive(Default)]
pub struct Pace {
    since: f64,
}

impl Pace {
    /// Whether the work of this thread is to end, asked before a step of so many operations.
    #[inline(always)]
    pub fn is_stopped(&mut self, operations: f64) -> bool {
        self.since += operations;
        if self.since < OPERATIONS {
            return false;
        }
        self.since = 0.0;
        is_stopped()
    }
}

/// Whom a long computation reports to, and who may stop it.
pub trait Watch: Sync {
    /// Whether to go on; asked at every evaluation, so that it must be cheap.
    fn go_on(&self) -> bool;

    /// A fit has made so many evaluations, the last of which gave this criterion. Whether to go on.
    fn evaluated(&self, evaluations: usize, criterion: f64) -> bool;

    /// So many parts of the whole are finished. Whether to go on.
    fn finished(&self, parts: usize, of: usize) -> bool;

    /// Whether somebody keeps where a search stands.
    fn keeps(&self) -> bool {
        false
    }

    /// Where a search stands, for one that goes on from there. Whether to go on.
    fn keep(&self, _: &[f64]) -> bool {
        true
    }

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
